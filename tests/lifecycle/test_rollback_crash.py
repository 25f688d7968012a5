"""The crash matrix of a rollback with a stable endpoint, and of its undoing.

A process of the simulation dies; the provider, the emulator and the state are real. `make test-all` tries
every eighth point (MATRIX_STRIDE), `make test` a sample.
"""

from __future__ import annotations

import pytest

from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.kill_points import SHARDS, KillPoints, apply
from tests.lifecycle.simulation import Process
from tests.lifecycle.test_endpoints import record, serving, split
from tests.lifecycle.test_rollback_endpoints import replace_model
from tests.limits import repeats

SAMPLE = 23
COMMANDS = ("rollback", "rollback --undo")


def count_deployments(sim: EmulatedSimulation) -> int:
    """How many deployments were begun: the emulator's log has every request."""
    return sum(entry["effect"] for entry in sim.emulator.log() if entry["path"].endswith(":deployModel"))


def kill_points(emulator: Emulator, command: str, *, applies: bool = False) -> KillPoints:
    """A rollback, or its undoing, that is killed. The same command follows, or an apply."""
    undo = command == "rollback --undo"
    before = 3 if undo else 2

    def begin() -> EmulatedSimulation:
        sim, _, _ = replace_model(emulator)
        if undo:
            sim.roll_back()
        return sim

    def run(sim: EmulatedSimulation, process: Process) -> None:
        sim.roll_back(undo=undo, process=process)

    def look(sim: EmulatedSimulation) -> None:
        assert 100 in split(sim).values()

    def check(sim: EmulatedSimulation) -> None:
        found = record(sim)
        is_done = bool(found.held) is not undo
        assert is_done or applies  # an apply does not begin what the killed run had not recorded
        assert split(sim) == {serving(sim): 100}
        assert count_deployments(sim) == before + is_done
        assert len(found.held) + len(found.deposed) == 1
        assert found.candidate is None
        assert sim.settled()

    return KillPoints(begin=begin, check=check, run=run, finish=apply if applies else run, look=look)


@pytest.mark.parametrize(
    ("command", "applies"),
    [("rollback --undo", False), *repeats(("rollback", False), ("rollback --undo", True))],
)
def test_a_rollback_killed_at_some_points_is_finished_by_the_next_run(
    emulator: Emulator, command: str, *, applies: bool
) -> None:
    """At a sample of points: no second deployment, and the endpoint goes on answering."""
    kill_points(emulator, command, applies=applies).try_some(COMMANDS.index(command), SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("applies", [False, True], ids=["again", "apply"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_rollback_killed_at_any_point_is_finished_by_the_next_run(
    emulator: Emulator, command: str, shard: int, *, applies: bool
) -> None:
    """At every eighth point, or at all of them: no second deployment, and the endpoint goes on answering."""
    kill_points(emulator, command, applies=applies).try_shard(shard)
