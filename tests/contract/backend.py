"""The suite that every store passes: what a state, a lock and a lease must do.

A test class inherits the parts that its store promises and gives a `site` fixture.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from reconciler.errors import (
    LockLostError,
    StateError,
    StateLockedError,
    StateMovedError,
    StateStoreError,
)
from reconciler.model.names import Address
from reconciler.state.backends import Backend, LockInfo
from reconciler.state.session import StateManager
from reconciler.state.values import Record, RecordedModel

ANN = LockInfo("11111111-aaaa", "apply", "ann@laptop", "https://ci.example/7", "2026-11-22T10:42:00Z")
BOB = LockInfo("22222222-bbbb", "wait", "bob@desk", "", "2026-11-22T10:43:00Z")
LEASE = 60.0


class Clock:
    """Seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Site:
    """One place for one state. Each `open()` stands for another machine, and all have the same clock."""

    open: Callable[[], Backend]
    clock: Clock = field(default_factory=Clock)
    open_with_lease: Callable[[float], Backend] | None = None


def put(backend: Backend, data: bytes, who: LockInfo = ANN) -> str:
    """Write once under the lock, over the current state."""
    backend.lock(who)
    stored = backend.read()
    version = backend.write(data, expected=stored.version if stored else None)
    backend.unlock(who)
    return version


class BackendContract:
    """What every store promises."""

    def test_nothing_is_there_at_first(self, site: Site) -> None:
        """Reading a state that was never written returns None, under a lock too."""
        backend = site.open()
        assert backend.read() is None
        backend.lock(ANN)
        assert backend.read() is None
        backend.unlock(ANN)
        assert site.open().read() is None

    def test_what_was_written_is_read(self, site: Site) -> None:
        """Any machine reads the written state at once, with the version that the write returned."""
        ours, theirs = site.open(), site.open()
        for data in (b'{"serial": 1}', b'{"serial": 2, "\xc3\xa9": "\xe2\x82\xac"}'):
            version = put(ours, data)
            for backend in (ours, theirs, site.open()):
                stored = backend.read()
                assert stored is not None
                assert stored.data == data
                assert stored.version == version

    def test_a_large_state_comes_back_whole(self, site: Site) -> None:
        """A state of six megabytes, more than a store's part size, survives one write."""
        data = b'{"a": "' + b"0123456789abcdef" * 400_000 + b'"}'
        version = put(site.open(), data)
        stored = site.open().read()
        assert stored is not None
        assert stored.data == data
        assert stored.version == version

    def test_a_first_write_never_replaces_a_state(self, site: Site) -> None:
        """A writer that saw no state is refused if another machine has written meanwhile."""
        put(site.open(), b'{"serial": 1}')
        late = site.open()
        late.lock(BOB)
        with pytest.raises(StateMovedError, match="state"):
            late.write(b'{"serial": 9}', expected=None)
        late.unlock(BOB)
        stored = site.open().read()
        assert stored is not None
        assert stored.data == b'{"serial": 1}'

    def test_a_write_over_another_version_is_refused(self, site: Site) -> None:
        """A write over a state that has changed since it was read is refused and changes nothing."""
        backend = site.open()
        first = put(backend, b'{"serial": 1}')
        put(site.open(), b'{"serial": 2}', BOB)
        backend.lock(ANN)
        with pytest.raises(StateMovedError):
            backend.write(b'{"serial": 9}', expected=first)
        stored = backend.read()
        assert stored is not None
        assert stored.data == b'{"serial": 2}'
        backend.write(b'{"serial": 3}', expected=stored.version)
        backend.unlock(ANN)

    def test_writes_follow_each_other_by_their_versions(self, site: Site) -> None:
        """The version that a write returns is valid for the next write, without a read between."""
        backend = site.open()
        backend.lock(ANN)
        version = None
        for serial in range(4):
            version = backend.write(b'{"serial": %d}' % serial, expected=version)
        backend.unlock(ANN)
        stored = site.open().read()
        assert stored is not None
        assert stored.data == b'{"serial": 3}'

    def test_one_lock_for_two_machines(self, site: Site) -> None:
        """The second machine is refused with the holder's name, command, run and time.

        It gets the lock afterwards.
        """
        ours, theirs = site.open(), site.open()
        ours.lock(ANN)
        with pytest.raises(StateLockedError) as caught:
            theirs.lock(BOB)
        for word in ("ann@laptop", "https://ci.example/7", "apply", "2026-11-22T10:42:00Z", ANN.id):
            assert word in caught.value.summary
        assert theirs.place in caught.value.summary
        ours.unlock(ANN)
        theirs.lock(BOB)
        with pytest.raises(StateLockedError, match="bob@desk"):
            ours.lock(ANN)
        theirs.unlock(BOB)

    def test_a_lock_is_not_taken_twice_by_its_holder(self, site: Site) -> None:
        """Two runs in one process exclude each other too."""
        backend = site.open()
        backend.lock(ANN)
        with pytest.raises(StateLockedError):
            backend.lock(BOB)
        backend.unlock(ANN)

    def test_unlocking_what_is_not_ours_frees_nobody(self, site: Site) -> None:
        """Unlocking twice, too early, or while another machine holds the lock releases nothing."""
        ours, theirs = site.open(), site.open()
        theirs.unlock(BOB)
        ours.lock(ANN)
        theirs.unlock(BOB)
        ours.unlock(BOB)
        with pytest.raises(StateLockedError, match="ann@laptop"):
            theirs.lock(BOB)
        ours.unlock(ANN)
        ours.unlock(ANN)
        theirs.lock(BOB)
        ours.unlock(ANN)
        with pytest.raises(StateLockedError, match="bob@desk"):
            site.open().lock(ANN)
        theirs.unlock(BOB)

    def test_only_the_holder_renews(self, site: Site) -> None:
        """A renewal succeeds only while the lock is held."""
        ours, theirs = site.open(), site.open()
        ours.lock(ANN)
        ours.renew(ANN)
        ours.renew(ANN)
        with pytest.raises(LockLostError):
            theirs.renew(BOB)
        ours.unlock(ANN)
        with pytest.raises(LockLostError):
            ours.renew(ANN)

    def test_the_lock_is_not_the_state(self, site: Site) -> None:
        """Locking, renewing and unlocking leave the document's bytes and version unchanged."""
        backend = site.open()
        put(backend, b'{"serial": 1}')
        before = backend.read()
        backend.lock(ANN)
        backend.renew(ANN)
        backend.unlock(ANN)
        assert backend.read() == before

    def test_of_many_at_once_one_gets_the_lock(self, site: Site) -> None:
        """Eight machines try at once. One gets the lock, and seven are told that it is taken."""
        backends = [site.open() for _ in range(8)]
        start = threading.Barrier(8)
        won: list[int] = []
        refused: list[int] = []

        def attempt(number: int) -> None:
            start.wait()
            try:
                backends[number].lock(replace(ANN, id=f"id-{number}"))
                won.append(number)
            except StateLockedError:
                refused.append(number)

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(won), len(refused)) == (1, 7)
        backends[won[0]].unlock(replace(ANN, id=f"id-{won[0]}"))
        put(site.open(), b"{}")

    def test_no_commit_of_many_writers_is_lost(self, site: Site) -> None:
        """Three managers record four models each through one lock, and all twelve are recorded."""
        failures: list[BaseException] = []

        def record(worker: int) -> None:
            manager = StateManager(site.open(), operation="apply", who=f"worker-{worker}")
            try:
                for number in range(4):
                    address = Address("TunedModel", f"m-{worker}-{number}")
                    with manager.locked() as session:
                        session.commit(
                            session.state.put(Record(address, RecordedModel(f"{address.name}-id")))
                        )
            except BaseException as error:  # noqa: BLE001 (shown by the assertion)
                failures.append(error)

        threads = [threading.Thread(target=record, args=(worker,)) for worker in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        state = StateManager(site.open(), operation="show", who="me").read()
        assert (len(state.resources), state.serial) == (12, 12)


class BreakableContract:
    """Stores whose lock can outlive its holder, and therefore be broken by hand."""

    def test_a_broken_lock_is_free_and_its_holder_named(self, site: Site) -> None:
        """force-unlock with the id from the refusal frees the lock for the next writer."""
        site.open().lock(ANN)
        assert site.open().force_unlock(ANN.id) == ANN
        put(site.open(), b"{}", BOB)

    def test_a_lock_that_is_asked_for_again_after_a_lost_answer_is_ours(self, site: Site) -> None:
        """A retry under the same id gets the lock without waiting for itself."""
        site.open().lock(ANN)
        again = site.open()
        again.lock(ANN)
        again.renew(ANN)
        with pytest.raises(StateLockedError, match="ann@laptop"):
            site.open().lock(BOB)
        again.unlock(ANN)
        put(site.open(), b"{}", BOB)

    def test_another_locks_id_breaks_nothing(self, site: Site) -> None:
        """A mistyped or old id is refused with the current holder."""
        site.open().lock(ANN)
        with pytest.raises(StateError, match="ann@laptop") as caught:
            site.open().force_unlock(BOB.id)
        assert ANN.id in str(caught.value)
        with pytest.raises(StateLockedError):
            site.open().lock(BOB)

    def test_a_free_lock_cannot_be_broken(self, site: Site) -> None:
        """Breaking a free lock is refused, before the first lock and after an unlock."""
        with pytest.raises(StateError, match="not locked"):
            site.open().force_unlock(ANN.id)
        put(site.open(), b"{}")
        with pytest.raises(StateError, match="not locked"):
            site.open().force_unlock(ANN.id)
        put(site.open(), b"{}")

    def test_who_lost_the_lock_and_writes_overwrites_nobody(self, site: Site) -> None:
        """After a forced unlock and another machine's write, the first holder's write is refused."""
        zombie, other = site.open(), site.open()
        zombie.lock(ANN)
        version = zombie.write(b'{"serial": 1}', expected=None)
        site.open().force_unlock(ANN.id)
        other.lock(BOB)
        other.write(b'{"serial": 2}', expected=version)
        with pytest.raises((StateMovedError, LockLostError)):
            zombie.write(b'{"serial": 9}', expected=version)
        other.unlock(BOB)
        stored = site.open().read()
        assert stored is not None
        assert stored.data == b'{"serial": 2}'


class LeaseContract:
    """Stores whose locks expire."""

    def test_a_frozen_holder_is_taken_over_after_the_lease_and_not_before(self, site: Site) -> None:
        """The observer measures the lease by its own clock, from its first sight of the nonce."""
        frozen, observer = site.open(), site.open()
        frozen.lock(ANN)
        site.clock.now += 10 * LEASE  # nobody watched the lock meanwhile, so this proves nothing
        with pytest.raises(StateLockedError, match="ann@laptop"):
            observer.lock(BOB)
        site.clock.now += LEASE - 1
        with pytest.raises(StateLockedError, match="ann@laptop"):
            observer.lock(BOB)
        site.clock.now += 1
        observer.lock(BOB)
        with pytest.raises(LockLostError, match=r"bob@desk|not ours"):
            frozen.renew(ANN)
        frozen.unlock(ANN)
        with pytest.raises(StateLockedError, match="bob@desk"):
            site.open().lock(ANN)
        observer.unlock(BOB)

    def test_a_living_holder_is_never_taken_over(self, site: Site) -> None:
        """A holder that renews every quarter of a lease keeps the lock for ten leases."""
        holder, observer = site.open(), site.open()
        holder.lock(ANN)
        for _ in range(40):
            site.clock.now += LEASE / 4
            holder.renew(ANN)
            with pytest.raises(StateLockedError):
                observer.lock(BOB)
        holder.unlock(ANN)
        observer.lock(BOB)

    def test_the_same_holder_again_is_alive(self, site: Site) -> None:
        """A lock that was released and taken again has a new nonce, so its lease starts again."""
        holder, observer = site.open(), site.open()
        holder.lock(ANN)
        with pytest.raises(StateLockedError):
            observer.lock(BOB)
        site.clock.now += LEASE - 1
        holder.unlock(ANN)
        holder.lock(ANN)
        site.clock.now += LEASE - 1
        with pytest.raises(StateLockedError):
            observer.lock(BOB)

    def test_a_zombie_cannot_overwrite_its_successor(self, site: Site) -> None:
        """A holder that wakes after its lease writes with an old version and is refused."""
        zombie, successor = site.open(), site.open()
        zombie.lock(ANN)
        version = zombie.write(b'{"serial": 1}', expected=None)
        with pytest.raises(StateLockedError):
            successor.lock(BOB)
        site.clock.now += LEASE
        successor.lock(BOB)
        successor.write(b'{"serial": 2}', expected=version)
        with pytest.raises(StateMovedError):
            zombie.write(b'{"serial": 9}', expected=version)
        with pytest.raises(LockLostError):
            zombie.renew(ANN)
        stored = site.open().read()
        assert stored is not None
        assert stored.data == b'{"serial": 2}'

    def test_of_many_observers_one_takes_over(self, site: Site) -> None:
        """All observers see the lease end at once, and one of them gets the lock."""
        site.open().lock(ANN)
        observers = [site.open() for _ in range(6)]
        for observer in observers:
            with pytest.raises(StateLockedError):
                observer.lock(BOB)
        site.clock.now += LEASE
        start = threading.Barrier(6)
        won: list[int] = []

        def attempt(number: int) -> None:
            start.wait()
            try:
                observers[number].lock(replace(BOB, id=f"id-{number}"))
                won.append(number)
            except StateLockedError:
                pass

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1

    def test_the_holders_lease_counts_not_the_observers(self, site: Site) -> None:
        """An observer with a shorter lease does not take the lock of a holder with 60 s."""
        assert site.open_with_lease is not None
        site.open().lock(ANN)
        hasty = site.open_with_lease(5.0)
        with pytest.raises(StateLockedError):
            hasty.lock(BOB)
        site.clock.now += LEASE - 1
        with pytest.raises(StateLockedError):
            hasty.lock(BOB)
        site.clock.now += 1
        hasty.lock(BOB)

    def test_a_forced_unlock_is_noticed_by_the_holder(self, site: Site) -> None:
        """The holder's next renewal fails and does not take the lock back."""
        holder = site.open()
        holder.lock(ANN)
        site.open().force_unlock(ANN.id)
        with pytest.raises(LockLostError, match="not ours"):
            holder.renew(ANN)
        site.open().lock(BOB)


class UnreachableContract:
    """Stores that are reached over a network."""

    def test_a_store_that_is_down_is_named(self, unreachable: Backend) -> None:
        """Every operation fails with an error that names the place and says what to check."""
        for attempt in (
            unreachable.read,
            lambda: unreachable.lock(ANN),
            lambda: unreachable.force_unlock(ANN.id),
        ):
            with pytest.raises(StateStoreError) as caught:
                attempt()
            assert unreachable.place in caught.value.summary
            assert caught.value.detail.startswith(("Check ", "check "))
