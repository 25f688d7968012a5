"""How many requests many copies cost: a plan asks for pages, and never for a single copy."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from reconciler.model.desired import Desired, Lifecycle
from reconciler.model.names import SOURCE, Address
from reconciler.providers.vertex.fields import LOCATION, MODEL_COPY, PROJECT
from tests.lifecycle.apis import VERTEX
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.simulation import want
from tests.lifecycle.test_copy_crash import BOT, PROD

PAGE = 100


def copies(count: int) -> tuple[Desired, ...]:
    """The tuned model, and so many copies of it that only stand between."""
    made = (
        Desired(
            Address(MODEL_COPY.name, f"copy-{number}"),
            {SOURCE: str(BOT), LOCATION: "us", PROJECT: PROD},
            (),
            lifecycle=Lifecycle(),
        )
        for number in range(count)
    )
    return (want("bot", kind=VERTEX.kind), *made)


def count_requests(sim: EmulatedSimulation) -> Counter[str]:
    """Count what a plan asks in the places of the copies, by collection or single resource."""
    before = sim.emulator.log()[-1]["sequence"]
    assert not sim.plan().has_work
    asked = [entry["path"] for entry in sim.emulator.log(after=before)]
    return Counter("/".join(path.split("/")[6:]) for path in asked if f"/{PROD}/" in path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.thorough)])
def test_a_plan_of_many_copies_asks_for_pages(emulator: Emulator, count: int) -> None:
    """It sends one request for each hundred copies, with their records and after the state was lost."""
    sim = EmulatedSimulation(emulator, *copies(count), vertex_copy_seconds=0)
    sim.stack = replace(sim.stack, name="team")
    sim.apply(parallelism=8)
    pages = -(-count // PAGE)
    assert count_requests(sim) == {"models": pages}
    sim.store.stored = None
    before = sim.emulator.log()[-1]["sequence"]
    plan = sim.plan()
    assert plan.trainings == ()
    assert len(plan.changes) == count + 1
    asked = [entry["path"] for entry in sim.emulator.log(after=before) if f"/{PROD}/" in entry["path"]]
    assert len(asked) == pages
