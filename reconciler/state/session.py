"""Who may write the state, and when: lock, read, commit by compare-and-swap, renew, unlock.

Rules: only writers lock; every write names the version that it replaces, so that a holder who lost the
lock without noticing cannot overwrite anybody; no changing call may start unless the lease was renewed
within half of its length; whatever happens, the lock is given back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from reconciler.errors import (
    StateError,
    StateLockedError,
    StateMovedError,
    StateStoreError,
    StoppedError,
)
from reconciler.formats import format_time
from reconciler.model import Address
from reconciler.state.backends import Backend, LockInfo, Stored
from reconciler.state.backends.interruptible import Answer, Interruptible
from reconciler.state.backends.lease import elapsed
from reconciler.state.file import dumps, loads
from reconciler.state.heartbeat import Heartbeat
from reconciler.state.values import Record, State

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
_UNLOCK_TRIES = 3
_UNLOCK_PATIENCE = 10.0
"""Seconds after which a store that has not taken the lock back is not asked again."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _random_id() -> str:
    return str(uuid4())


def _silent(_message: str) -> None:
    return


def _unseen(_state: State) -> None:
    return


class StateManager:
    """One command's access to one state.

    Args:
        backend: where the bytes are.
        operation: the command, for whoever meets our lock ("apply").
        who: user@host.
        run: URL or id of the CI run, "" outside CI.
        clock: seconds that only grow.
        sleep: waits that many seconds; between tries for the lock.
        now: the time of day, in UTC; shown to people, never compared.
        new_id: makes random ids: locks, and the lineage at the first write.
        lock_timeout: seconds to wait for somebody else's lock.
        lease: seconds after which an unrenewed lock is void, where the backend does not say itself.
        notify: told in one line what a person may want to know while waiting.
        seen: shown each state that is read without the lock.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        operation: str,
        who: str,
        run: str = "",
        clock: Callable[[], float] = elapsed,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = _utc_now,
        new_id: Callable[[], str] = _random_id,
        lock_timeout: float = 120.0,
        lease: float = 60.0,
        notify: Callable[[str], None] = _silent,
        seen: Callable[[State], None] = _unseen,
    ) -> None:
        self._backend = backend
        self._operation, self._who, self._run = operation, who, run
        self._clock, self._sleep, self._now, self._new_id = clock, sleep, now, new_id
        self._lock_timeout = lock_timeout
        self._lease = backend.lease or lease
        self._notify = notify
        self._seen = seen

    @property
    def place(self) -> str:
        """Where the state is, for messages."""
        return self._backend.place

    def read(self) -> State:
        """The state as it is now, without a lock; an empty one with no lineage when there is none.

        Raises:
            StateCorruptError, StateTooNewError, StateStoreError
        """
        state = _load(Interruptible(self._backend).read(), self.place)
        self._seen(state)
        return state

    @contextmanager
    def locked(
        self, *, stopping: Callable[[], bool] = lambda: False, patient: bool = False
    ) -> Iterator[Session]:
        """Hold the lock, waiting for it at most `lock_timeout`; the state is read under it.

        Args:
            stopping: whether the run is being stopped: then neither somebody's lock is waited for, nor
                for long a store that does not answer.
            patient: a store that fails is asked again for as long as a lock is waited for: of a run that
                has begun something, and now has to record how it ended.

        Raises:
            StoppedError: the run is being stopped, and somebody else holds the lock, or the store fails.
            StateLockedError: somebody else holds it for longer; names them.
            StateCorruptError, StateTooNewError, StateStoreError
        """
        info = LockInfo(
            id=self._new_id(),
            operation=self._operation,
            who=self._who,
            run=self._run,
            created=format_time(self._now()),
        )
        heartbeat = None
        refused = False
        backend = Interruptible(self._backend, stopping)
        until = self._clock() + self._lock_timeout if patient else -math.inf
        try:
            try:
                since = self._acquire(backend, info, until, stopping)
            except (StateLockedError, StoppedError) as error:
                refused = not isinstance(error.__cause__, StateStoreError)
                raise
            heartbeat = Heartbeat(self._backend, info, clock=self._clock, since=since, lease=self._lease)
            heartbeat.start()
            stored = self._asked(backend.read, until, stopping)
            yield Session(backend, heartbeat, stored, new_id=self._new_id)
        finally:
            if heartbeat is not None:
                heartbeat.stop()
                self._release(backend, info)
            elif not refused:  # an interrupt or a lost reply in the middle of the call: perhaps we have it
                with suppress(StateError):
                    backend.unlock(info)

    def force_unlock(self, lock_id: str) -> LockInfo:
        """Break the lock with this id and answer whose it was.

        Raises:
            StateError: another lock is held, or none.
        """
        return Interruptible(self._backend).force_unlock(lock_id)

    def _acquire(self, backend: Backend, info: LockInfo, until: float, stopping: Callable[[], bool]) -> float:
        """When, by our clock, the lock was certainly not older than."""
        deadline = self._clock() + self._lock_timeout
        pause, told = _FIRST_WAIT, False
        while True:
            since = self._clock()
            try:
                self._asked(lambda: backend.lock(info), until, stopping)
            except StateLockedError as error:
                left = deadline - self._clock()
                if left <= 0:
                    waited = f"; waited {self._lock_timeout:g} s" if self._lock_timeout > 0 else ""
                    raise StateLockedError(f"{error.summary}{waited}", error.detail) from error
                if not told and pause > _FIRST_WAIT:  # another commit's short lock is not worth a word
                    self._notify(f"{error.summary}; waiting up to {self._lock_timeout:g} s")
                    told = True
                if stopping():
                    raise StoppedError(
                        f"Stopped while waiting for the lock: {error.summary}", error.detail
                    ) from error
                self._sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_WAIT)
            else:
                return since

    def _asked(self, call: Callable[[], Answer], until: float, stopping: Callable[[], bool]) -> Answer:
        """The answer of a store that may fail until then, by our clock."""
        pause = _FIRST_WAIT
        while True:
            try:
                return call()
            except StateStoreError as error:
                left = until - self._clock()
                if left <= 0:
                    raise
                if stopping():
                    raise StoppedError(
                        f"Stopped while the store failed: {error.summary}", error.detail
                    ) from error
                if pause == _FIRST_WAIT:
                    self._notify(f"{error.summary}; trying again for up to {left:.0f} s")
                self._sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_WAIT)

    def _release(self, backend: Interruptible, info: LockInfo) -> None:
        """Give the lock back; what went before matters more than a failure here, so it is only told."""
        began = self._clock()
        for left in reversed(range(_UNLOCK_TRIES)):
            try:
                backend.unlock(info)
            except StateError as error:
                if not left or backend.stopped or self._clock() - began > _UNLOCK_PATIENCE:
                    self._notify(
                        f"{error.summary}; the lock {info.id} was not given back. If it does not expire, "
                        f"run: reconciler force-unlock {info.id}"
                    )
                    return
            else:
                return


class Session:
    """The state while its lock is held.

    Attributes:
        state: as read under the lock, then as last committed.
        commit_interval: least seconds between two commits that the store bears.
    """

    def __init__(
        self,
        backend: Interruptible,
        heartbeat: Heartbeat,
        stored: Stored | None,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self.state = _load(stored, backend.place)
        self.commit_interval = backend.commit_interval
        self._backend = backend
        self._heartbeat = heartbeat
        self._new_id = new_id
        self._version = stored.version if stored else None
        self._unanswered: tuple[bytes, State] | None = None
        self._lines: dict[Address, tuple[Record, str]] = {}
        self._read = self.state.resources

    def commit(self, state: State) -> None:
        """Write the state, unless nothing but its lineage or serial would change.

        Raises:
            LockLostError: the lock is known to be somebody else's; nothing was written.
            StateMovedError: somebody else wrote; nothing was written.
            StateStoreError: the store failed. The same or a later state may be committed again: a
                write that arrived in spite of the error is recognised.
        """
        if self._unanswered is not None:
            self._settle(*self._unanswered)
        if _same(state, self.state):
            return
        self._heartbeat.raise_if_lost()
        lineage = self.state.lineage or state.lineage or self._new_id()
        written = replace(state, lineage=lineage, serial=self.state.serial + 1)
        data = dumps(written, self._lines, self._read)
        try:
            self._version = self._backend.write(data, expected=self._version)
        except StateStoreError:
            self._unanswered = (data, written)
            raise
        except StateMovedError:
            # A client that repeats a conditional write after a lost reply can win and be told it lost.
            stored = self._backend.read()
            if stored is None or not _is(stored, data, written):
                raise
            self._version = stored.version
        self.state = written

    def ensure_held(self) -> None:
        """To be called before each changing call at the service.

        Raises:
            LockLostError: the lock was lost, or cannot be shown to be younger than half a lease.
        """
        self._heartbeat.ensure_fresh()

    @property
    def stopped(self) -> bool:
        """Whether the run is being stopped: from the first time that it is seen, the store has seconds."""
        return self._backend.stopped

    def _settle(self, data: bytes, written: State) -> None:
        """Look whether the write that failed without an answer arrived after all."""
        stored = self._backend.read()
        if stored is not None and _is(stored, data, written):
            self._version, self.state = stored.version, written
        self._unanswered = None


def _is(stored: Stored, data: bytes, written: State) -> bool:
    """Whether that is what we wrote; some servers keep JSON in a layout of their own."""
    if stored.data == data:
        return True
    with suppress(StateError):
        return loads(stored.data, place="") == written
    return False


def _load(stored: Stored | None, place: str) -> State:
    return State() if stored is None else loads(stored.data, place=place)


def _same(one: State, other: State) -> bool:
    return one is other or replace(one, lineage=other.lineage, serial=other.serial) == other
