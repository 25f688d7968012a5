"""A rollback of an address with a stable endpoint, with the real provider on the emulator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.model.desired import Desired
from reconciler.plan.change import Action
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.test_endpoints import endpoints, record, served, serving, simulate, split

DAY = timedelta(hours=24)
ACT = ["bot rollback Completed", "bot deploy Started", "bot deploy Completed", "bot undeploy Completed"]


def declare(data: str, **lifecycle: Any) -> Desired:
    """A tuning job with a stable endpoint, whose replaced models are kept."""
    return served(data, keep_deposed=DAY, **lifecycle)


def replace_model(emulator: Emulator, **options: Any) -> tuple[EmulatedSimulation, str, str]:
    """Train one model, then a second one that replaces it. Returns the ids of both."""
    sim = simulate(emulator, declare("one"), **options)
    sim.apply()
    old = serving(sim)
    sim.manifests = (declare("two"),)
    sim.apply()
    return sim, old, serving(sim)


def test_the_endpoint_sends_its_requests_to_the_former_model(emulator: Emulator) -> None:
    """It keeps its name, callers change nothing, and the next plan has nothing to do."""
    sim, old, new = replace_model(emulator)
    name = endpoints(sim)["support"]["name"]
    run = sim.roll_back()
    assert run.told == ACT
    assert split(sim) == {old: 100}
    assert endpoints(sim)["support"]["name"] == name
    assert (serving(sim), [model.id for model in record(sim).held]) == (old, [new])
    assert sim.settled()
    assert sim.roll_back().told == []


def test_undo_switches_the_endpoint_back(emulator: Emulator) -> None:
    """The hold is over then."""
    sim, old, new = replace_model(emulator)
    sim.roll_back()
    assert sim.roll_back(undo=True).told == ACT
    assert split(sim) == {new: 100}
    assert (serving(sim), record(sim).held) == (new, ())
    assert [model.id for model in record(sim).deposed] == [old]
    assert sim.settled()


def test_a_deployment_that_is_refused_is_made_by_the_next_run(emulator: Emulator) -> None:
    """Until then the endpoint serves as before. The same command finishes it, and so would an apply."""
    sim, old, new = replace_model(emulator)
    sim.emulator.fault([{"method": "POST", "path": ":deployModel$", "status": 400, "times": 1}])
    assert sim.roll_back().told == ["bot rollback Completed", "bot deploy Failed"]
    assert split(sim) == {new: 100}
    assert sim.plan().changes[0].action is Action.UPDATE
    assert sim.roll_back().told == ACT[1:]
    assert split(sim) == {old: 100}
    assert [model.id for model in record(sim).held] == [new]
    assert sim.settled()


def test_another_training_ends_a_hold_and_takes_the_endpoint(emulator: Emulator) -> None:
    """The held model is deposed like any replaced model."""
    sim, old, new = replace_model(emulator)
    sim.roll_back()
    sim.manifests = (declare("three"),)
    sim.apply()
    assert split(sim) == {serving(sim): 100}
    assert record(sim).held == ()
    assert [model.id for model in record(sim).deposed] == [new, old]


def test_a_state_of_before_the_rollback_learns_from_the_endpoint_what_serves(emulator: Emulator) -> None:
    """The model that is called is recorded as serving. Going on to the other one must be approved."""
    sim, old, new = replace_model(emulator)
    before = sim.store.stored
    sim.roll_back()
    sim.store.stored = before
    assert serving(sim) == new
    plan = sim.plan()
    (change,) = [change for change in plan.changes if change.steps]
    assert (change.action, change.id, change.serving) == (Action.RESTORE, new, old)
    assert plan.has_changes
    assert plan.trainings == ()
    sim.apply()
    assert split(sim) == {new: 100}
    assert (serving(sim), [model.id for model in record(sim).deposed]) == (new, [old])
    assert sim.settled()


def test_a_manifest_that_goes_back_keeps_what_a_lost_rollback_serves(emulator: Emulator) -> None:
    """The state catches up with the endpoint. Nothing is left to do at the service."""
    sim, old, new = replace_model(emulator)
    before = sim.store.stored
    sim.roll_back()
    sim.store.stored = before
    sim.manifests = (declare("one"),)
    assert not sim.plan().has_changes
    assert sim.apply().told == []
    assert split(sim) == {old: 100}
    assert (serving(sim), [model.id for model in record(sim).deposed]) == (old, [new])
    assert sim.settled()
