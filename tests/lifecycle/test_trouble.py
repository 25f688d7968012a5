"""Apply in trouble: stopped, without its state or its lock, or with other runs in between."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

import pytest

from reconciler.errors import ExitCode, LockLostError, StateMovedError, StateStoreError, StoppedError
from reconciler.events import Event
from reconciler.state.backends import LockInfo
from tests.fakes import Crash, Fuse
from tests.lifecycle.simulation import CHECK, READER, Process, Simulation, checked, serving, want

WHOLE = (
    want("a", permissions=(READER,), checks=(CHECK,)),
    want("b", parent="a"),
    want("c", epochs=6),
    want("p", epochs=6, id="pinned", replace="delete_first"),
)
"""A create with everything, a child, a replacement and a delete_first. `trouble` adds a deletion."""


def trouble(*, keeps_creating: bool = False) -> Simulation:
    """A simulation with work of every kind for one apply."""
    before = (want("c"), want("old", "two"), want("p", id="pinned", replace="delete_first"))
    sim = checked(Simulation(*before, training_seconds=2.0))
    sim.apply(wait=not keeps_creating)
    sim.service.keeps_creating = keeps_creating
    sim.manifests = WHOLE
    return sim


def converged(sim: Simulation) -> None:
    """Check that one more run finishes.

    A second one forgets creates that never arrived, and then the plan is empty.
    """
    sim.apply()
    sim.apply()
    assert sim.settled()
    assert sim.service.creates["pinned"] == 2
    assert all(times == 1 for id, times in sim.service.creates.items() if id != "pinned")
    assert {record.address.name for record in sim.state.resources.values()} == {"a", "b", "c", "p"}
    assert len(sim.service.models) == 4


@pytest.mark.thorough
@pytest.mark.parametrize("keeps_creating", [False, True])
def test_a_kill_at_any_call_or_write_is_healed_by_the_next_run(keeps_creating: bool) -> None:  # noqa: FBT001
    """The next run finishes after a kill at any single call or write."""
    places, at = 1, 0
    while at < places:
        sim = trouble(keeps_creating=keeps_creating)
        at += 1
        fuse = Fuse(at)
        try:
            sim.apply(process=sim.process(fuse=fuse))
        except Crash:
            places = at + 1
        assert sim.store.holder is None
        converged(sim)
    assert at > 60


# --- stopping ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps_creating", [False, pytest.param(True, marks=pytest.mark.thorough)])
@pytest.mark.thorough
def test_a_stop_at_any_call_is_healed_by_the_next_run(keeps_creating: bool) -> None:  # noqa: FBT001
    """SIGTERM at any call of an apply gives exit 3 (or 0 if it is done), frees the lock and loses nothing."""
    calls, at = 1, 0
    while at < calls:
        sim = trouble(keeps_creating=keeps_creating)
        process = sim.process()
        plan, _ = process.operation.make_plan()
        at += 1
        seen = 0

        def calling(_method: str, _id: str, at: int = at, process: Process = process) -> None:
            nonlocal seen
            seen += 1
            if seen == at:
                process.operation.stopping.set()

        process.operation.providers["TunedModel"].calling = calling  # type: ignore[attr-defined]
        sim.follow(process, process.operation.recheck(plan))
        if process.operation.stopping.is_set():
            calls = at + 1
            assert process.code is ExitCode.UNFINISHED, process.told
            assert process.told[-1].startswith("Detached interrupt")
        converged(sim)
    assert at > 30


def test_nothing_more_is_sent_after_a_stop() -> None:
    """Calls under way end and are recorded, and no other call starts."""
    sim = Simulation(*(want(f"bot{number}") for number in range(9)))

    def react(_event: Event, process: Process) -> None:
        process.operation.stopping.set()

    process = sim.apply(react=react, parallelism=1)
    assert sum(sim.service.creates.values()) <= 2
    assert process.told.count("bot1 create Skipped") + process.told.count("bot1 create Started") == 1
    recorded = {resource.candidate.id for resource in sim.state.resources.values() if resource.candidate}
    assert sim.service.models.keys() <= recorded
    sim.apply()
    assert sim.settled()
    assert set(sim.service.creates.values()) == {1}


def test_a_stop_ends_the_wait_for_somebody_elses_lock() -> None:
    """A cancelled CI job does not wait until the lock's holder has finished."""
    sim = Simulation(want())
    sim.store.holder = LockInfo("theirs", "apply", "them")
    process = sim.process()
    plan, _ = process.operation.make_plan()
    process.operation.stopping.set()
    events = list(process.operation.apply(process.operation.recheck(plan)))
    assert [type(event).__name__ for event in events] == ["Detached"]
    assert sim.clock() < 1.0
    assert sim.store.holder.id == "theirs"
    with pytest.raises(StoppedError), process.operation.manager.locked(stopping=lambda: True):
        pytest.fail("it is locked")


# --- the state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "times"), [("before", 1), ("before", 3), ("after", 1)])
def test_a_store_that_fails_for_a_moment_stops_nothing(when: str, times: int) -> None:
    """Results wait for the store. Meanwhile no call starts and no unrecorded result is reported."""
    sim = Simulation(want("a"), want("b"))

    def react(_event: Event, process: Process) -> None:
        if not process.backend.failures and len(process.events) == 1:
            process.backend.failures += [(when, StateStoreError("down"))] * times

    process = sim.apply(react=react)
    assert sorted(process.told) == [
        "a create Completed",
        "a create Started",
        "b create Completed",
        "b create Started",
    ]
    assert process.backend.failures == []
    assert sim.settled()


def test_a_store_that_stays_away_ends_the_run_and_loses_nothing() -> None:
    """No further call starts. The next run finds what was begun and trains nothing twice."""
    sim = Simulation(*(want(f"bot{number}") for number in range(5)))
    process = sim.process()

    def react(_event: Event, process: Process) -> None:
        process.backend.failures += [("before", StateStoreError("down"))] * 100

    with pytest.raises(StateStoreError, match="down"):
        sim.apply(process=process, react=react)
    # The second create could not be recorded, because the store was gone.
    assert sum(sim.service.creates.values()) == 2
    assert process.told == ["bot0 create Started"]
    sim.apply()
    assert sim.settled()
    assert list(sim.service.creates.values()) == [1] * 5


def test_intents_that_cannot_be_written_begin_nothing() -> None:
    """If the first write fails, nothing was sent."""
    sim = Simulation(want())
    process = sim.process()
    process.backend.failures.append(("before", StateStoreError("down")))
    with pytest.raises(StateStoreError):
        sim.apply(process=process)
    assert (sim.service.changes, process.told) == ([], [])


def test_a_state_that_somebody_else_wrote_is_not_overwritten() -> None:
    """After a broken lock, the compare-and-swap is refused and no further changing call starts."""
    sim = Simulation(*(want(f"bot{number}") for number in range(5)))
    process = sim.process()
    written: list[bytes] = []

    def react(_event: Event, _process: Process) -> None:
        other = sim.process().backend
        stored = other.read()
        assert stored is not None
        data = stored.data.replace(b'"serial": ', b'"serial": 9', 1)
        other.write(data, expected=stored.version)
        written.append(data)

    with pytest.raises(StateMovedError):
        sim.apply(process=process, react=react)
    assert sum(sim.service.creates.values()) == 2
    assert sim.store.stored is not None
    assert sim.store.stored.data == written[0]
    sim.apply()
    assert sim.settled()
    assert list(sim.service.creates.values()) == [1] * 5


def test_a_run_that_has_lost_its_lock_starts_no_changing_call() -> None:
    """If another run takes over after the lease, that run records what was begun."""
    sim = Simulation(*(want(f"bot{number}") for number in range(5)))
    process = sim.process(lease=60.0)
    theirs = LockInfo("theirs", "apply", "them")

    def react(_event: Event, _process: Process) -> None:
        sim.clock.sleep(100.0)
        sim.store.holder = theirs

    check = process.operation.recheck(process.operation.make_plan()[0])
    with pytest.raises(LockLostError):
        sim.follow(process, check, react)
    assert sum(sim.service.creates.values()) == 1
    assert sim.store.holder == theirs
    sim.store.holder = None
    sim.apply()
    assert sim.settled()
    assert list(sim.service.creates.values()) == [1] * 5


def test_a_defect_in_one_call_loses_no_other_outcome() -> None:
    """An unexpected error ends the run only after the other results are recorded."""
    sim = Simulation(want("a"), want("b"))
    sim.service.fail("create", KeyError("defect"), id=sim.plan().changes[1].id)
    process = sim.process()
    with pytest.raises(KeyError, match="defect"):
        sim.apply(process=process)
    assert process.told == ["a create Started"]
    sim.apply()
    assert sim.settled()


# --- other runs --------------------------------------------------------------------------------------


def meddle(sim: Simulation, act: Callable[[], None]) -> Process:
    """An apply during whose first poll another run acts."""
    acted: list[bool] = []

    def calling(method: str, _id: str) -> None:
        if method == "poll" and not acted:
            acted.append(True)
            sim.calling = lambda _method, _id: None
            act()

    sim.calling = calling
    process = sim.apply()
    assert acted
    return process


def test_another_run_may_promote_what_we_wait_for() -> None:
    """Our run reports the promotion as recorded by another run, and deletes nothing twice."""
    sim = Simulation(want())
    sim.apply()
    sim.manifests = (want(epochs=6),)

    def act() -> None:
        sim.clock.sleep(200.0)
        sim.wait()

    process = meddle(sim, act)
    assert process.told == ["bot create Started", "bot create Completed"]
    assert len(sim.service.deletes) == 1
    assert sim.settled()


def test_another_run_may_replace_what_we_wait_for() -> None:
    """If another run applies a changed manifest, our candidate is not promoted."""
    sim = Simulation(want())

    def act() -> None:
        sim.manifests = (want(epochs=6),)
        sim.apply(wait=False)

    process = meddle(sim, act)
    assert process.told[0] == "bot create Started"
    assert process.told[-1] in {"bot create Skipped", "bot create Failed"}
    sim.apply()
    assert sim.settled()
    assert set(sim.service.creates.values()) == {1}


def test_another_run_may_create_the_child_that_waits_for_our_parent() -> None:
    """The child is trained once. Our run leaves it alone or waits for it too."""
    sim = Simulation(want(), want("child", parent="bot"))

    def act() -> None:
        sim.clock.sleep(200.0)
        sim.apply()

    process = meddle(sim, act)
    assert process.told[0] == "bot create Started"
    assert sim.settled()
    assert sorted(sim.service.creates.values()) == [1, 1]


def test_another_run_may_drop_the_child_that_waits_for_our_parent() -> None:
    """If the child's manifest is gone, our run does not create it."""
    sim = Simulation(want(), want("child", parent="bot"))

    def act() -> None:
        sim.manifests = (want(),)
        sim.apply(wait=False)

    process = meddle(sim, act)
    assert process.told == ["bot create Started", "bot create Completed", "child create Skipped"]
    assert len(sim.service.creates) == 1
    assert sim.settled()


def test_another_run_may_restore_what_we_wait_to_delete() -> None:
    """A refused deletion waits without the lock. A model that serves by then is not deleted."""
    sim = Simulation(want(keep_deposed=timedelta(hours=1)))
    sim.service.keeps_creating = True
    sim.apply(wait=False)
    (first,) = sim.ids()
    sim.manifests = (want(epochs=6),)

    def act() -> None:
        sim.manifests = (want(),)
        sim.clock.sleep(200.0)
        sim.apply()
        assert serving(sim) == first

    process = meddle(sim, act)
    assert first in sim.ids()
    assert "bot delete Skipped" in process.told
    sim.apply()
    assert sim.settled()
    assert sim.service.creates[first] == 1


# --- size --------------------------------------------------------------------------------------------


def test_commits_are_grouped_as_the_store_bears() -> None:
    """200 creates of 0.05 s each need about ten writes at one write a second."""
    sim = Simulation(*(want(f"bot{number:03}") for number in range(200)))
    process = sim.process(parallelism=4)
    process.backend.commit_interval = 1.0
    sim.calling = lambda method, _id: sim.clock.sleep(0.05) if method == "create" else None
    process.operation.providers["TunedModel"].calling = sim.calling  # type: ignore[attr-defined]
    sim.apply(process=process, wait=False, parallelism=4)
    assert sum(sim.service.creates.values()) == 200
    assert 9 <= process.journal.count("write") <= 14


@pytest.mark.parametrize("count", [20, 100])
def test_the_writes_and_reads_of_a_run_do_not_grow_with_its_size(count: int) -> None:
    """Many models that train at once take three writes: intents, what was accepted, and what has ended.

    Beside one create for each, as many requests are sent for 100 models as for 20.
    """
    sim = Simulation(*(want(f"bot{number:03}") for number in range(count)), training_seconds=0.0)
    process = sim.process(parallelism=4)
    process.backend.commit_interval = 1.0
    sim.apply(process=process)
    assert process.journal.count("write") == 3
    assert process.journal.count("lock") == process.journal.count("unlock") == 2
    sent = Counter(method for method, _ in sim.service.calls)
    assert sent == {"create": count, "list": 3, "base_models": 1}


@pytest.mark.thorough
def test_the_work_of_a_run_grows_with_its_size_and_not_faster() -> None:
    """Twice as many models take twice as many steps of the loop, whatever they wait for."""

    def steps(count: int) -> int:
        manifests = [want(), *(want(f"kid{number:04}", parent="bot") for number in range(count))]
        sim = Simulation(*manifests)
        process = sim.process(parallelism=4)
        process.backend.commit_interval = 1.0
        plan, world = process.operation.make_plan()
        called = 0

        def count_call(_frame: FrameType, what: str, _argument: object) -> None:
            nonlocal called
            called += what == "call"

        sys.setprofile(count_call)
        try:
            sim.follow(process, lambda _state: (plan, world))
        finally:
            sys.setprofile(None)
        assert len(sim.service.creates) == count + 1
        return called

    small, large = steps(100), steps(400)
    assert large < 6 * small
