"""The session that locks, commits by compare-and-swap, renews and always unlocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import (
    LockLostError,
    StateCorruptError,
    StateError,
    StateLockedError,
    StateMovedError,
    StateStoreError,
    StoppedError,
)
from reconciler.model.names import Address
from reconciler.state.backends import LockInfo, Stored
from reconciler.state.file import dumps, loads
from reconciler.state.session import StateManager
from reconciler.state.values import Record, RecordedModel, State
from tests.memory_backend import MemoryBackend, MemoryStore

STRANGER = LockInfo("stranger-id", "apply", "ann@laptop", "https://ci.example/7", "2026-11-22T10:42:00Z")


def recorded(state: State, *names: str) -> State:
    """A state with a model at each address."""
    addresses = [Address("TunedModel", name) for name in names]
    return state.put(*(Record(address, RecordedModel(f"{address.name}-id")) for address in addresses))


def stored(store: MemoryStore) -> State:
    """Return the state in the store."""
    assert store.stored is not None
    return loads(store.stored.data, place="memory")


@dataclass
class Time:
    """A clock that moves only by sleeping on it, or by hand."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    meanwhile: Callable[[float], None] = lambda _now: None

    def __call__(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds
        self.meanwhile(self.now)


class Faulty(MemoryBackend):
    """A client whose next calls go wrong: `faults` maps a method to what happens, call by call.

    "before" fails without effect, "after" fails with it, "moved" takes effect and claims to have lost.
    """

    def __init__(self, store: MemoryStore, **options: Any) -> None:
        super().__init__(store, **options)
        self.faults: dict[str, list[str | BaseException]] = {}
        self.calls: list[str] = []

    def _meet(self, name: str, act: Callable[[], Any]) -> Any:
        self.calls.append(name)
        fault = self.faults.get(name, []).pop(0) if self.faults.get(name) else ""
        if fault == "before":
            raise StateStoreError(f"memory: {name} failed", "Check it.")
        result = act()
        if fault == "after":
            raise StateStoreError(f"memory: the answer to {name} was lost", "Check it.")
        if fault == "moved":
            raise StateMovedError("memory: moved")
        if isinstance(fault, BaseException):
            raise fault
        return result

    def read(self) -> Stored | None:
        """See MemoryBackend."""
        found: Stored | None = self._meet("read", super().read)
        return found

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See MemoryBackend."""
        return str(self._meet("write", lambda: MemoryBackend.write(self, data, expected=expected)))

    def lock(self, info: LockInfo) -> None:
        """See MemoryBackend."""
        self._meet("lock", lambda: MemoryBackend.lock(self, info))

    def renew(self, info: LockInfo) -> None:
        """See MemoryBackend."""
        self._meet("renew", lambda: MemoryBackend.renew(self, info))

    def unlock(self, info: LockInfo) -> None:
        """See MemoryBackend."""
        self._meet("unlock", lambda: MemoryBackend.unlock(self, info))


def manager(backend: MemoryBackend, clock: Time | None = None, **options: Any) -> StateManager:
    """A manager with a clock of its own and ids that can be foretold."""
    clock = clock or Time()
    numbers = iter(range(1000))
    settings: dict[str, Any] = {
        "operation": "apply",
        "who": "me@here",
        "clock": clock,
        "sleep": clock.sleep,
        "now": lambda: datetime(2026, 11, 22, 18, 0, tzinfo=UTC),
        "new_id": lambda: f"id-{next(numbers)}",
    }
    return StateManager(backend, **(settings | options))


def test_nothing_written_reads_as_an_empty_state() -> None:
    """It has no lineage and serial 0, and reading it takes no lock."""
    backend = Faulty(MemoryStore())
    assert manager(backend).read() == State()
    assert backend.calls == ["read"]


def test_the_first_write_makes_the_lineage_and_each_write_a_serial() -> None:
    """The lineage never changes. The session and the next reader see what was committed."""
    store = MemoryStore()
    with manager(MemoryBackend(store)).locked() as session:
        assert session.state == State()
        session.commit(recorded(session.state, "a"))
        first = session.state
        session.commit(recorded(session.state, "b"))
        assert (first.serial, session.state.serial) == (1, 2)
        assert first.lineage == session.state.lineage != ""
        assert stored(store) == session.state
    with manager(MemoryBackend(store)).locked() as session:
        assert session.state == stored(store)
        session.commit(recorded(session.state, "c"))
        assert (session.state.lineage, session.state.serial) == (first.lineage, 3)


def test_a_state_with_a_lineage_brings_it_to_an_empty_place() -> None:
    """A state that is pushed into a new place stays the same state. In an old place it takes its lineage."""
    store = MemoryStore()
    with manager(MemoryBackend(store)).locked() as session:
        session.commit(recorded(State(lineage="from-elsewhere", serial=41), "a"))
        assert (session.state.lineage, session.state.serial) == ("from-elsewhere", 1)
        session.commit(recorded(State(lineage="yet another", serial=77), "b"))
        assert (session.state.lineage, session.state.serial) == ("from-elsewhere", 2)


def test_nothing_new_is_not_written() -> None:
    """It writes neither the same object, nor an equal state, nor one with another serial or lineage only."""
    store = MemoryStore()
    with manager(MemoryBackend(store)).locked() as session:
        session.commit(State())
        assert store.stored is None
        session.commit(recorded(session.state, "a"))
        session.commit(session.state)
        session.commit(recorded(State(), "a"))
        session.commit(replace(session.state, serial=99, lineage="x"))
        assert (store.writes, session.state.serial) == (1, 1)
        session.commit(session.state.with_names(stack="numbers"))
        assert store.writes == 2


def test_the_state_is_read_under_the_lock() -> None:
    """A run sees what somebody wrote between its plan and its lock."""
    store = MemoryStore()
    ours = manager(MemoryBackend(store))
    assert ours.read() == State()
    with manager(MemoryBackend(store)).locked() as other:
        other.commit(recorded(other.state, "theirs"))
    with ours.locked() as session:
        assert Address("TunedModel", "theirs") in session.state.resources


def test_the_lock_says_who_holds_it() -> None:
    """It has operation, person and run, and the time in UTC whatever the clock's zone."""
    store = MemoryStore()
    berlin = timezone(timedelta(hours=1))
    ours = manager(
        MemoryBackend(store),
        run="https://ci.example/9",
        now=lambda: datetime(2026, 11, 22, 19, tzinfo=berlin),
    )
    with ours.locked():
        assert store.holder == LockInfo(
            "id-0", "apply", "me@here", "https://ci.example/9", "2026-11-22T18:00:00Z"
        )
    assert store.holder is None


@pytest.mark.parametrize("error", [RuntimeError("x"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_whatever_ends_the_work_unlocks(error: BaseException) -> None:
    """The caller gets the error, the lock is free, and no thread is left."""
    store = MemoryStore()
    with pytest.raises(type(error)), manager(MemoryBackend(store)).locked():
        raise error
    assert store.holder is None
    assert [thread.name for thread in threading.enumerate() if thread.name == "state lock"] == []


def test_an_interrupt_in_the_middle_of_locking_unlocks() -> None:
    """Ctrl-C comes after the store took the lock, and before the answer."""
    store = MemoryStore()
    backend = Faulty(store)
    backend.faults["lock"] = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt), manager(backend).locked():
        pytest.fail("the block must not begin")
    assert store.holder is None


def test_a_lock_whose_answer_was_lost_is_given_back() -> None:
    """The error is the store's. The lock that the store took is free again."""
    store = MemoryStore()
    backend = Faulty(store)
    backend.faults["lock"] = ["after"]
    with pytest.raises(StateStoreError, match="answer to lock"), manager(backend).locked():
        pytest.fail("the block must not begin")
    assert store.holder is None


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("call", ["lock", "read"])
def test_a_patient_run_asks_a_failing_store_again(call: str, fault: str) -> None:
    """It waits within the time for locks, and is told once.

    It knows a lock whose answer was lost as its own.
    """
    store, clock = MemoryStore(), Time()
    told: list[str] = []
    backend = Faulty(store, clock=clock)
    backend.faults[call] = [fault] * 10
    with manager(backend, clock, notify=told.append).locked(patient=True) as session:
        session.ensure_held()
        session.commit(recorded(session.state, "a"))
    assert store.writes == 1
    assert 0 < sum(clock.slept) < 20
    assert len(told) == 1
    assert f"{call}" in told[0]
    assert "trying again for up to 120 s" in told[0]
    assert store.holder is None


@pytest.mark.parametrize("call", ["lock", "read"])
def test_patience_ends_with_the_time_for_locks(call: str) -> None:
    """If the store stays away, its own error comes after exactly that time. No lock is left."""
    store, clock = MemoryStore(), Time()
    backend = Faulty(store, clock=clock)
    backend.faults[call] = ["before"] * 1000
    with (
        pytest.raises(StateStoreError, match=f"{call} failed"),
        manager(backend, clock, lock_timeout=30.0).locked(patient=True),
    ):
        pytest.fail("the block must not begin")
    assert sum(clock.slept) == pytest.approx(30.0)
    assert store.holder is None


def test_who_is_patient_can_be_stopped() -> None:
    """Ctrl-C while the store is away ends the wait, and a lock whose answer was lost is free again."""
    store, clock = MemoryStore(), Time()
    backend = Faulty(store, clock=clock)
    backend.faults["lock"] = ["after"] * 1000
    with (
        pytest.raises(StoppedError, match="answer to lock"),
        manager(backend, clock).locked(patient=True, stopping=lambda: sum(clock.slept) >= 5),
    ):
        pytest.fail("the block must not begin")
    assert sum(clock.slept) < 8
    assert store.holder is None


def test_who_is_not_patient_is_told_at_once() -> None:
    """Nothing has begun, so a store that fails is an error at once."""
    clock = Time()
    backend = Faulty(MemoryStore(), clock=clock)
    backend.faults["read"] = ["before"]
    with pytest.raises(StateStoreError), manager(backend, clock).locked():
        pytest.fail("the block must not begin")
    assert clock.slept == []


def test_a_state_that_cannot_be_read_leaves_no_lock() -> None:
    """A corrupt file is refused under the lock, and stays as it is."""
    store = MemoryStore(stored=Stored(b"<<<<<<< HEAD\n", "1"))
    with pytest.raises(StateCorruptError, match="memory:1"), manager(MemoryBackend(store)).locked():
        pytest.fail("the block must not begin")
    assert store.holder is None
    assert store.stored == Stored(b"<<<<<<< HEAD\n", "1")


def test_a_locked_state_is_waited_for_and_then_refused_by_name() -> None:
    """The refusal comes after exactly the allowed time. The person who waits is told once."""
    store, clock = MemoryStore(holder=STRANGER, lease=None), Time()
    told: list[str] = []
    ours = manager(MemoryBackend(store, lease=None), clock, lock_timeout=30.0, notify=told.append)
    with pytest.raises(StateLockedError) as caught, ours.locked():
        pytest.fail("the block must not begin")
    assert sum(clock.slept) == pytest.approx(30.0)
    assert max(clock.slept) <= 2.0
    for word in ("ann@laptop", "https://ci.example/7", "waited 30 s"):
        assert word in caught.value.summary
    assert len(told) == 1
    assert "ann@laptop" in told[0]
    assert store.holder == STRANGER


def test_no_patience_means_one_try() -> None:
    """--lock-timeout 0 asks once and never sleeps."""
    clock = Time()
    backend = Faulty(MemoryStore(holder=STRANGER, lease=None))
    with (
        pytest.raises(StateLockedError, match="ann@laptop"),
        manager(backend, clock, lock_timeout=0.0).locked(),
    ):
        pytest.fail("the block must not begin")
    assert (backend.calls, clock.slept) == (["lock"], [])


def test_a_lock_that_is_given_back_is_taken() -> None:
    """The wait ends with the holder's work, not with the time that was allowed."""
    store, clock = MemoryStore(holder=STRANGER, lease=None), Time()

    def give_back(now: float) -> None:
        if now >= 1010.0:
            store.holder = None

    clock.meanwhile = give_back
    with manager(MemoryBackend(store, lease=None), clock).locked():
        assert 1010.0 <= clock.now <= 1012.0


def test_a_dead_holders_lock_heals_within_the_usual_wait() -> None:
    """A wait of 120 s is longer than a lease of 60 s, so the next run goes on by itself."""
    store, clock = MemoryStore(holder=STRANGER, nonce="dead", lease=60.0), Time()
    with manager(MemoryBackend(store, clock=clock), clock).locked() as session:
        assert 1060.0 <= clock.now <= 1063.0
        session.commit(recorded(session.state, "a"))
        session.ensure_held()


def test_a_lock_that_nobody_renewed_is_renewed_before_a_call() -> None:
    """The machine slept, and so did the thread. The lock is still ours, so the call may start."""
    store, clock = MemoryStore(), Time()
    backend = Faulty(store, clock=clock)
    with manager(backend, clock).locked() as session:
        nonce = store.nonce
        clock.now += 30.0
        session.ensure_held()
        assert store.nonce == nonce
        clock.now += 1.0
        session.ensure_held()
        assert store.nonce != nonce


def test_a_lock_that_cannot_be_renewed_stops_calls_after_half_its_lease() -> None:
    """It waits until then, because the store may come back. Afterwards calls may start again."""
    clock = Time()
    backend = Faulty(MemoryStore(), clock=clock)
    with manager(backend, clock).locked() as session:
        backend.faults["renew"] = ["before"]
        clock.now += 30.0
        session.ensure_held()
        clock.now += 1.0
        with pytest.raises(LockLostError, match="renew failed") as caught:
            session.ensure_held()
        assert caught.value.summary == (
            "memory: the lock's lease of 60 s was last renewed 31 s ago: memory: renew failed"
        )
        session.ensure_held()


def test_a_lock_that_was_taken_over_stops_calls_and_commits() -> None:
    """The machine slept for an hour and somebody else works. Nothing of theirs is touched."""
    store, clock = MemoryStore(), Time()
    with manager(MemoryBackend(store, clock=clock), clock).locked() as session:
        session.commit(recorded(session.state, "a"))
        store.holder, store.nonce = STRANGER, "theirs"
        clock.now += 3600.0
        with pytest.raises(LockLostError, match="ann@laptop"):
            session.ensure_held()
        with pytest.raises(LockLostError, match="ann@laptop"):
            session.commit(recorded(session.state, "b"))
        assert store.writes == 1
    assert store.holder == STRANGER


def test_a_lock_without_a_lease_is_never_too_old() -> None:
    """The kernel's lock, and Terraform's, do not expire."""
    clock = Time()
    backend = Faulty(MemoryStore(), lease=None)
    with manager(backend, clock).locked() as session:
        clock.now += 1e6
        session.ensure_held()
    assert backend.calls == ["lock", "read", "unlock"]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for another thread; a minute is for ever."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_lock_is_renewed_behind_the_work() -> None:
    """A thread changes the nonce again and again while the block does something else, and then stops."""
    store = MemoryStore()
    backend = Faulty(store, lease=0.2)
    backend.faults["renew"] = ["before"]
    seen = set()
    with StateManager(backend, operation="apply", who="me").locked() as session:

        def three_nonces() -> bool:
            seen.add(store.nonce)
            return len(seen) >= 3

        eventually(three_nonces)
        session.ensure_held()
    count = len(backend.calls)
    time.sleep(0.1)
    assert len(backend.calls) == count


def test_a_forced_lock_is_noticed_behind_the_work() -> None:
    """The thread notices it without any call of ours, and the next commit is refused."""
    store = MemoryStore()
    with StateManager(MemoryBackend(store, lease=0.2), operation="apply", who="me").locked() as session:
        assert store.holder is not None
        breaker = manager(MemoryBackend(store))
        assert breaker.force_unlock(store.holder.id).who == "me"

        def refused() -> bool:
            try:
                session.commit(recorded(session.state, f"m{len(session.state.resources)}"))
            except LockLostError:
                return True
            return False

        eventually(refused)


def test_somebody_elses_write_is_never_overwritten() -> None:
    """The commit fails. The session keeps its state, and the store keeps theirs."""
    store = MemoryStore()
    with manager(MemoryBackend(store)).locked() as session:
        session.commit(recorded(session.state, "a"))
        before = session.state
        theirs = Stored(dumps(recorded(replace(before, serial=2), "theirs")), "other")
        store.stored = theirs
        with pytest.raises(StateMovedError):
            session.commit(recorded(session.state, "b"))
        assert session.state is before
        assert store.stored == theirs


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("then", ["the same", "a later one", "the old one"])
def test_a_write_without_an_answer_can_be_followed_by_another(fault: str, then: str) -> None:
    """The session looks up whether it arrived.

    Every serial is written once, and the last commit is stored.
    """
    store = MemoryStore()
    backend = Faulty(store)
    with manager(backend).locked() as session:
        session.commit(recorded(session.state, "a"))
        old = session.state
        wanted = recorded(old, "b")
        backend.faults["write"] = [fault]
        with pytest.raises(StateStoreError):
            session.commit(wanted)
        last = {"the same": wanted, "a later one": recorded(wanted, "c"), "the old one": old}[then]
        session.commit(last)
        assert stored(store).resources == last.resources
        assert stored(store) == session.state
        assert stored(store).serial == store.writes


def test_a_repeated_write_that_won_and_was_told_otherwise_is_ours() -> None:
    """The client's retry met its own first write. Reading back shows our bytes."""
    store = MemoryStore()
    backend = Faulty(store)
    with manager(backend).locked() as session:
        backend.faults["write"] = ["moved"]
        session.commit(recorded(session.state, "a"))
        assert stored(store) == session.state
        session.commit(recorded(session.state, "b"))
        assert stored(store).serial == 2


def test_a_failed_unlock_is_tried_again_and_then_only_told() -> None:
    """The work is recorded, so a lock that will expire by itself does not make it a failure."""
    store = MemoryStore()
    told: list[str] = []
    backend = Faulty(store)
    backend.faults["unlock"] = ["before"]
    with manager(backend, notify=told.append).locked():
        pass
    assert (store.holder, told) == (None, [])
    backend.faults["unlock"] = ["before"] * 3
    with manager(backend, notify=told.append).locked() as session:
        session.commit(recorded(session.state, "a"))
    assert store.holder is not None
    assert len(told) == 1
    assert f"reconciler force-unlock {store.holder.id}" in told[0]


def test_a_failed_unlock_does_not_hide_what_happened_before() -> None:
    """People must see the first error."""
    backend = Faulty(MemoryStore())
    backend.faults["unlock"] = ["before"] * 3
    with pytest.raises(RuntimeError, match="the real one"), manager(backend).locked():
        raise RuntimeError("the real one")


def test_the_stores_pace_is_told_to_the_caller() -> None:
    """The caller groups commits, and the session knows how many the store can take."""
    with manager(MemoryBackend(MemoryStore(), commit_interval=1.0)).locked() as session:
        assert session.commit_interval == 1.0


def test_breaking_a_lock_needs_its_id() -> None:
    """The store refuses another id and a free lock."""
    store = MemoryStore(holder=STRANGER)
    with pytest.raises(StateError, match="ann@laptop"):
        manager(MemoryBackend(store)).force_unlock("wrong")
    assert manager(MemoryBackend(store)).force_unlock("stranger-id") == STRANGER
    assert store.holder is None


def test_ten_thousand_models_cost_one_write_and_no_second_read() -> None:
    """A commit's requests do not grow with the state."""
    backend = Faulty(MemoryStore())
    with manager(backend).locked() as session:
        session.commit(recorded(session.state, *(f"m-{number}" for number in range(10_000))))
        session.commit(recorded(session.state, "one-more"))
    # A thread renews the lock by real time, so a busy machine may have renewed it meanwhile.
    calls = [call for call in backend.calls if call != "renew"]
    assert calls == ["lock", "read", "write", "write", "unlock"]


def test_a_document_that_is_known_is_not_parsed_again() -> None:
    """What was read or written last is the same object when it is read again. Another's write is parsed."""
    store = MemoryStore()
    ours, another = manager(MemoryBackend(store)), manager(MemoryBackend(store))
    with ours.locked() as session:
        session.commit(recorded(session.state, "one"))
        written = session.state
    assert ours.read() is written
    with ours.locked() as session:
        assert session.state is written
    with another.locked() as session:
        assert session.state == written
        session.commit(recorded(session.state, "two"))
    assert ours.read() == another.read() == stored(store)


class PowerCut(BaseException):
    """The machine is gone."""


class Mortal(MemoryBackend):
    """A client that dies at its nth call, before or after the effect, and does nothing ever after."""

    def __init__(self, store: MemoryStore, at: int, *, effect: bool, clock: Time) -> None:
        super().__init__(store, clock=clock)
        self.left = at
        self.effect = effect

    def _live(self, act: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.effect):
            raise PowerCut
        result = act()
        if self.left == 0:
            raise PowerCut
        return result

    def read(self) -> Stored | None:
        """See MemoryBackend."""
        found: Stored | None = self._live(super().read)
        return found

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See MemoryBackend."""
        return str(self._live(lambda: MemoryBackend.write(self, data, expected=expected)))

    def lock(self, info: LockInfo) -> None:
        """See MemoryBackend."""
        self._live(lambda: MemoryBackend.lock(self, info))

    def renew(self, info: LockInfo) -> None:
        """See MemoryBackend."""
        self._live(lambda: MemoryBackend.renew(self, info))

    def unlock(self, info: LockInfo) -> None:
        """See MemoryBackend."""
        self._live(lambda: MemoryBackend.unlock(self, info))


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_death_at_any_call_leaves_a_state_that_the_next_run_goes_on_from(at: int, *, effect: bool) -> None:
    """Nothing committed is lost, only the last commit may be added, and the lock becomes free by itself."""
    store, clock = MemoryStore(), Time()
    committed, wanted = State(), State()
    died = False
    try:
        with manager(Mortal(store, at, effect=effect, clock=clock), clock).locked() as session:
            for name in ("a", "b", "c"):
                session.ensure_held()
                committed, wanted = session.state, recorded(session.state, name)
                session.commit(wanted)
            committed = session.state
    except PowerCut:
        died = True
    assert died == (at <= 6)  # the operations are: lock, read, three writes, unlock
    with manager(MemoryBackend(store, clock=clock), clock).locked() as session:
        assert session.state.resources in (committed.resources, wanted.resources)
        session.commit(recorded(session.state, "next"))
    assert Address("TunedModel", "next") in stored(store).resources


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (
            LockInfo("5", "apply", "ann@desk", "run 7", "noon"),
            "ann@desk (run 7) for apply since noon (lock 5)",
        ),
        (LockInfo("", "", "", "", ""), "somebody"),
    ],
)
def test_a_holder_is_told_as_far_as_it_is_known(info: LockInfo, text: str) -> None:
    """What a lock does not tell is left out: an empty id is not shown as "(lock )"."""
    assert str(info) == text
