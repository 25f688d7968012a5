"""A copy is checked on an endpoint of its own, which no crash leaves behind.

A process of the simulation dies; the providers, the emulator and the state are real. `make test-all` tries
every eighth point (MATRIX_STRIDE), `make test` a sample.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import ExitCode
from reconciler.model.checks import Check
from reconciler.model.desired import Desired
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.kill_points import SHARDS, KillPoints
from tests.lifecycle.test_copy_crash import COPY, PROD, copied, tuned

SAMPLE = 41
RIGHT, WRONG = Check("one 1", "1"), Check("one 1", "another answer")


def checked(check: Check) -> Desired:
    """A copy with a check."""
    return replace(copied(), checks=(check,))


def simulate(emulator: Emulator, *manifests: Desired) -> EmulatedSimulation:
    """A simulation in which deploying takes a while."""
    return EmulatedSimulation(emulator, *manifests, vertex_deploy_seconds=0.5)


def endpoints(sim: EmulatedSimulation) -> set[str]:
    """The ids of the endpoints in the project of the copy."""
    listed = sim.emulator.call("GET", f"v1/projects/{PROD}/locations/us/endpoints?pageSize=1000")
    return {one["name"].rpartition("/")[2] for one in listed.get("endpoints", [])}


def test_the_endpoint_for_checks_goes_after_the_promotion(emulator: Emulator) -> None:
    """A copy whose checks fail keeps the endpoint and does not serve. The checks can then be corrected."""
    sim = simulate(emulator, tuned(), checked(WRONG))
    assert sim.apply().code is ExitCode.FAILED
    record = sim.state.resources[COPY]
    assert record.serving is None
    assert record.candidate is not None
    assert record.trial is not None
    assert endpoints(sim) == {record.candidate.id}
    sim.manifests = (tuned(), checked(RIGHT))
    sim.apply()
    record = sim.state.resources[COPY]
    assert record.serving is not None
    assert record.trial is None
    assert endpoints(sim) == {"support"}
    assert sim.settled()


def test_wait_checks_a_copy_that_an_apply_began(emulator: Emulator) -> None:
    """The endpoint for the checks was approved together with them."""
    sim = simulate(emulator, tuned())
    sim.apply()
    sim.manifests = (tuned(), checked(RIGHT))
    sim.apply(wait=False)
    sim.wait()
    assert endpoints(sim) == {"support"}
    assert sim.settled()


def test_a_copy_that_is_not_wanted_any_more_goes_with_its_endpoint_for_checks(emulator: Emulator) -> None:
    """It does not matter whether its checks passed."""
    sim = simulate(emulator, tuned(), checked(WRONG))
    sim.apply()
    sim.manifests = (tuned(),)
    sim.apply()
    assert endpoints(sim) == set()
    assert COPY not in sim.state.resources


def kill_points(emulator: Emulator) -> KillPoints:
    """A run that copies and checks, and is killed."""

    def begin() -> EmulatedSimulation:
        sim = simulate(emulator, tuned())
        sim.apply()
        sim.manifests = (tuned(), checked(RIGHT))
        return sim

    def check_end(sim: EmulatedSimulation) -> None:
        record = sim.state.resources[COPY]
        assert record.serving is not None
        assert endpoints(sim) == {"support"}
        posts = [request["path"] for request in emulator.log() if request["method"] == "POST"]
        assert sum(path.endswith("/models:copy") for path in posts) == 1
        assert sim.settled()

    return KillPoints(begin=begin, check=check_end)


def test_a_run_killed_at_some_points_leaves_no_endpoint_for_checks(emulator: Emulator) -> None:
    """The run is killed at a sample of points."""
    kill_points(emulator).try_some(0, SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_run_killed_at_any_point_leaves_no_endpoint_for_checks(emulator: Emulator, shard: int) -> None:
    """The run is killed at every eighth point, or at all of them."""
    kill_points(emulator).try_shard(shard)
