"""The checkpoint that was chosen for a model serves where the model is copied to, whatever a copy carries."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.model.desired import Desired
from reconciler.model.endpoint import Serving
from reconciler.model.stack import Stack
from reconciler.plan.change import DriftClass
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.test_copy_crash import COPY, copied, copies, endpoints, models, tuned

ALL = ["labels", "checkpoints", "default_checkpoint"]


def chosen(checkpoint: str) -> Desired:
    """The tuning job, of which this checkpoint serves."""
    serving = Serving("support-dev", checkpoint=checkpoint)
    return replace(tuned(), serving=serving)


def simulate(emulator: Emulator, checkpoint: str = "1", *, carries: list[str]) -> EmulatedSimulation:
    """The job and its copy, which are not there yet."""
    sim = EmulatedSimulation(
        emulator, chosen(checkpoint), copied(), vertex_copy_seconds=2, vertex_copy_carries=carries
    )
    sim.stack = Stack(name="team")
    return sim


def deployed(sim: EmulatedSimulation) -> list[str]:
    """The checkpoints that the endpoint of the copy has."""
    return [one.get("checkpointId", "") for one in endpoints(sim)["support"]["deployedModels"]]


def defaults(sim: EmulatedSimulation) -> list[Any]:
    """The default checkpoint of each copy."""
    return [one.get("defaultCheckpointId") for one in models(sim)]


@pytest.mark.parametrize("carries", [ALL, ["labels", "checkpoints"]], ids=["default", "no default"])
def test_the_chosen_checkpoint_serves_and_is_the_default(emulator: Emulator, carries: list[str]) -> None:
    """This holds at once, and after a lost state. A default that the service did not carry is set."""
    sim = simulate(emulator, carries=carries)
    sim.apply()
    sim.apply()  # a copy made in the first run gets its default in the next one
    assert (deployed(sim), defaults(sim)) == (["1"], ["1"])
    assert sim.settled()
    sim.store.stored = None
    sim.apply()
    assert (deployed(sim), defaults(sim), copies(sim)) == (["1"], ["1"], 1)
    assert sim.settled()


def test_a_default_that_the_service_did_not_carry_is_a_change_and_drift(emulator: Emulator) -> None:
    """The copy serves the right checkpoint already, but a copy of it would have another default."""
    sim = simulate(emulator, carries=["checkpoints"])
    sim.apply()
    assert (deployed(sim), defaults(sim)) == (["1"], ["5"])
    (found,) = sim.process().operation.find_drift()
    assert (found.address, found.drift_class) == (COPY, DriftClass.CHANGED)
    assert found.detail == "checkpoint 5 is its default, and 1 was chosen"
    sim.apply()
    assert defaults(sim) == ["1"]


def test_a_copy_without_checkpoints_serves_what_it_has(emulator: Emulator) -> None:
    """The service refuses to deploy a checkpoint that is not there. The next run deploys the copy."""
    sim = simulate(emulator, carries=[])
    sim.apply()
    sim.apply()
    assert (deployed(sim), defaults(sim), copies(sim)) == ([""], [None], 1)
    assert sim.settled()


def test_another_checkpoint_of_the_source_is_another_copy(emulator: Emulator) -> None:
    """It is copied beside the old one, and takes its requests. Nothing is trained."""
    sim = simulate(emulator, carries=ALL)
    sim.apply()
    sim.manifests = (chosen("2"), copied())
    sim.apply()  # the source gets its checkpoint, and the next run makes a copy with it
    sim.apply()
    assert (deployed(sim), defaults(sim), copies(sim)) == (["2"], ["2"], 2)
    assert sim.settled()
