"""A pinned child that will be deleted and trained again still waits for its parent."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import ExitCode
from reconciler.events import Event, Progress, Skipped
from reconciler.model.desired import Desired
from reconciler.state.values import Record
from tests.lifecycle.simulation import Process, Simulation, address, serving, want

CHILD: dict[str, str] = {"parent": "bot", "id": "mine", "replace": "delete_first"}


def child() -> Desired:
    """A model tuned from the bot, under a pinned id."""
    return want("child", **CHILD)  # type: ignore[arg-type]


@pytest.fixture
def replacing() -> Simulation:
    """A parent and a child that serve. Both will be trained again, the child after the parent."""
    sim = Simulation(want(), child())
    sim.apply()
    sim.manifests = (want(epochs=6), child())
    return sim


def test_it_serves_in_the_record_until_its_turn_comes(replacing: Simulation) -> None:
    """While the parent trains, the state still names the child's live model."""
    seen: list[str] = []

    def look(event: Event, _process: Process) -> None:
        if isinstance(event, Progress) and event.address == address("bot"):
            seen.append(serving(replacing, "child"))

    process = replacing.apply(react=look)
    assert set(seen) == {"mine"}
    promoted, deleted = process.journal.index("Completed"), process.journal.index("delete mine")
    assert "write" in process.journal[promoted:deleted]  # the deletion is recorded before it begins
    assert replacing.service.models["mine"].source == f"tunedModels/{serving(replacing)}"
    assert replacing.settled()


def test_a_run_that_does_not_wait_leaves_its_record_as_it_was(replacing: Simulation) -> None:
    """After --no-wait, neither `wait` nor a later apply finds a begun change of the child."""
    before = replacing.record("child")
    process = replacing.apply(wait=False)
    assert process.code is ExitCode.UNFINISHED
    assert replacing.record("child") == before
    replacing.wait()
    assert replacing.record("child") == before
    replacing.apply()
    assert replacing.settled()
    assert list(replacing.service.creates.values()) == [1, 2, 1]


def test_what_another_run_protected_meanwhile_is_not_deleted(replacing: Simulation) -> None:
    """If another run has protected the child, it is not deleted, and an event says why."""
    done: list[Record] = []

    def react(event: Event, _process: Process) -> None:
        if isinstance(event, Progress) and not done:
            done.append(replacing.record("child"))
            kept = replace(done[0], prevent_destroy=True)
            replacing.process().operation.edit(lambda state: state.put(kept))

    process = replacing.apply(react=react)
    assert len(done) == 1
    assert "delete mine" not in process.journal
    assert "child delete Skipped" in process.told
    assert "another run" in process.find_only(Skipped).reason
