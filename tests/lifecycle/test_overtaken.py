"""A run that reads without the lock may see another run's work half done. It reports no loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.errors import PlanError, StateStoreError
from reconciler.model.live import Live, Odd
from reconciler.operation import Operation
from reconciler.plan.change import Action
from tests.fakes import FakeProvider, FakeService
from tests.lifecycle.simulation import KIND, Simulation, want

NAMES = ("a", "b", "c", "d")


class Overtaken(FakeProvider):
    """A service on which something else happens before its first list is answered."""

    def __init__(self, service: FakeService, happens: Callable[[], object]) -> None:
        super().__init__(service)
        self.happens: Callable[[], object] | None = happens

    def list(self, *, own: bool = False, progress: bool = False) -> Iterator[Live | Odd]:
        """See Provider.list."""
        if self.happens is not None:
            happens, self.happens = self.happens, None
            happens()
        return super().list(own=own, progress=progress)


def reader(sim: Simulation, happens: Callable[[], object]) -> Operation:
    """A run that reads the state, then lets something else happen, then reads the service."""
    operation = sim.process().operation
    operation.providers = {KIND: Overtaken(sim.service, happens)}
    return operation


@pytest.fixture
def replacing() -> Simulation:
    """Four serving models with trained successors that are not promoted yet."""
    sim = Simulation(*(want(name) for name in NAMES))
    sim.apply()
    sim.manifests = tuple(want(name, "two") for name in NAMES)
    sim.apply(wait=False)
    sim.service.finish()
    return sim


def test_a_plan_that_was_overtaken_by_a_promotion_loses_nothing(replacing: Simulation) -> None:
    """The old models disappear between the two reads. The plan sees no loss and trains nothing."""
    plan, _ = reader(replacing, replacing.apply).make_plan()
    assert {change.action for change in plan.changes} <= {Action.NO_OP}


def test_drift_that_was_overtaken_by_a_promotion_is_none(replacing: Simulation) -> None:
    """Another run's promotion between the two reads is not reported as drift."""
    assert reader(replacing, replacing.apply).find_drift() == ()


def test_a_real_loss_is_still_one(replacing: Simulation) -> None:
    """If the state did not change, a missing model is missing."""
    with pytest.raises(PlanError, match="4 of 4 recorded models are missing"):
        reader(replacing, replacing.service.models.clear).make_plan()


@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [
        (lambda sim: sim.apply(), "bot create Skipped"),
        (lambda sim: sim.apply(destroy=True), "bot create Skipped"),
    ],
    ids=["replaced", "destroyed"],
)
def test_a_training_that_another_run_took_away_is_let_go_at_once(
    elsewhere: Callable[[Simulation], object], told: str
) -> None:
    """A training that its record no longer names is neither lost nor waited for."""
    sim = Simulation(want(), training_seconds=1000.0)
    moments: list[float] = []

    def calling(method: str, _id: str) -> None:
        if method == "poll" and sim.clock() > 300.0 and not moments:
            sim.calling = lambda _method, _id: None
            sim.manifests = (want(epochs=7),)
            elsewhere(sim)
            moments.append(sim.clock())

    sim.calling = calling
    process = sim.apply()
    assert process.told == ["bot create Started", told]
    assert sim.clock() - moments[0] < 5.0
    sim.apply()
    assert sim.settled()


def test_a_store_that_cannot_be_read_meanwhile_changes_nothing() -> None:
    """An invisible training is waited for as usual. Each lookup reads the store once."""
    sim = Simulation(want(), want("other"), training_seconds=1000.0)
    looks: list[str] = []

    def calling(method: str, id: str) -> None:
        if method == "poll" and sim.clock() > 100.0 and id.startswith("bot"):
            looks.append(id)
            sim.service.models.pop(id, None)
            process.backend.unreadable = StateStoreError("The store is down", "Run it again later")
        elif sim.clock() > 250.0:
            process.backend.unreadable = None

    sim.calling = calling
    process = sim.process()
    sim.apply(process=process)
    ends = ["bot create Failed", "other create Completed"]
    assert process.told == ["bot create Started", "other create Started", *ends]
    # The store is not asked after the last look, which gives up.
    assert process.backend.refused == len(looks) - 1 > 3
    sim.calling = lambda _method, _id: None
    sim.apply()
    assert sim.settled()
