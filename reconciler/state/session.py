"""Access to one state: lock it, read it, commit by compare-and-swap, renew the lock, unlock.

Rules: only writers lock. Every write names the version that it replaces, so a run that has lost its lock
without noticing cannot overwrite another's state. No changing call starts unless the lease was renewed within
half of its length. The lock is given back, however the run ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from uuid import uuid4

from msgspec.structs import replace

from reconciler import errors
from reconciler.formats import format_time
from reconciler.model.names import Address
from reconciler.state.backends import Backend, LockInfo, Stored
from reconciler.state.backends.interruptible import Answer, Interruptible
from reconciler.state.backends.lease import elapsed
from reconciler.state.file import dumps, loads
from reconciler.state.heartbeat import Heartbeat
from reconciler.state.values import Record, State

_FIRST_WAIT, _LONGEST_WAIT = 0.05, 2.0
_UNLOCK_TRIES = 3
_UNLOCK_PATIENCE = 10.0
"""Seconds after which the unlock is not tried again."""


class StateManager:
    """One command's access to one state.

    Args:
        backend: the store that keeps the bytes.
        operation: the command ("apply"), for people who meet our lock.
        who: user@host. Kept as an attribute.
        run: URL or id of the CI run. "" outside CI.
        clock: a monotonic clock, in seconds.
        sleep: called with seconds to wait between two tries.
        now: the time of day in UTC. It is shown to people and never compared.
        new_id: makes random ids: of locks, and of the lineage at the first write.
        lock_timeout: seconds to wait for a lock that another run holds.
        lease: seconds after which a lock that was not renewed is void, if the backend does not say.
        notify: called with one line about what we are waiting for.
        on_read: called with each state that is read without the lock.
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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid4()),
        lock_timeout: float = 120.0,
        lease: float = 60.0,
        notify: Callable[[str], None] = lambda _line: None,
        on_read: Callable[[State], None] = lambda _state: None,
    ) -> None:
        self._backend, self.place = backend, backend.place
        self._operation, self.who, self._run = operation, who, run
        self._clock, self._sleep, self._now, self._new_id = clock, sleep, now, new_id
        self._lock_timeout = lock_timeout
        self._lease = backend.lease or lease
        self._notify = notify
        self._on_read = on_read
        self._memory = _Memory(backend.place)

    def read(self) -> State:
        """Read the current state without a lock. If there is none, it is empty and has no lineage.

        Raises:
            StateCorruptError, StateTooNewError, StateStoreError
        """
        return self.parse(self.fetch())

    def fetch(self) -> Stored | None:
        """Fetch the document without a lock, for `parse`. None if there is none. Raises StateStoreError."""
        return Interruptible(self._backend).read()

    def parse(self, stored: Stored | None) -> State:
        """Return what a document says. Raises StateCorruptError or StateTooNewError."""
        state = self._memory.recall(stored)
        self._on_read(state)
        return state

    @contextmanager
    def locked(
        self, *, stopping: Callable[[], bool] = lambda: False, patient: bool = False
    ) -> Iterator[Session]:
        """Take the lock, read the state under it, and give the lock back at the end.

        Args:
            stopping: whether the run is being stopped. It then waits for no other run's lock, and only a few
                seconds for a store that does not answer.
            patient: keep retrying a failing store for up to `lock_timeout`, because this run has results to
                record.

        Raises:
            StoppedError: the run is being stopped, and another run holds the lock or the store fails.
            StateLockedError: another run still holds the lock after `lock_timeout`; names the holder.
            StateCorruptError, StateTooNewError, StateStoreError
        """
        info = LockInfo(
            id=self._new_id(),
            operation=self._operation,
            who=self.who,
            run=self._run,
            created=format_time(self._now()),
        )
        heartbeat = None
        refused = False
        backend = Interruptible(self._backend, stopping)
        until = self._clock() + self._lock_timeout if patient else -math.inf
        try:
            try:
                since = self._acquire(lambda: backend.lock(info), until, stopping)
            except (errors.StateLockedError, errors.StoppedError) as error:
                refused = not isinstance(error.__cause__, errors.StateStoreError)
                raise
            heartbeat = Heartbeat(self._backend, info, clock=self._clock, since=since, lease=self._lease)
            heartbeat.start()
            stored = self._retry(backend.read, until, stopping)
            yield Session(backend, heartbeat, stored, self._memory, new_id=self._new_id)
        finally:
            if heartbeat is not None:
                heartbeat.stop()
                self._release(backend, info)
            elif not refused:  # an interrupt or a lost reply during the call: the lock may be ours
                with suppress(errors.StateError):
                    backend.unlock(info)

    def force_unlock(self, lock_id: str) -> LockInfo:
        """Break the lock with this id. Returns who held it.

        Raises:
            StateError: another lock is held, or none is.
        """
        return Interruptible(self._backend).force_unlock(lock_id)

    def _acquire(self, lock: Callable[[], None], until: float, stopping: Callable[[], bool]) -> float:
        """Take the lock. Returns a time by our clock before which it was not yet ours."""
        deadline = self._clock() + self._lock_timeout
        pause, told = _FIRST_WAIT, False
        while True:
            since = self._clock()
            try:
                self._retry(lock, until, stopping)
            except errors.StateLockedError as error:
                left = deadline - self._clock()
                if left <= 0:
                    waited = f"; waited {self._lock_timeout:g} s" if self._lock_timeout > 0 else ""
                    raise errors.StateLockedError(f"{error.summary}{waited}", error.detail) from error
                if not told and pause > _FIRST_WAIT:  # another run's commit locks only for a moment
                    self._notify(f"{error.summary}; waiting up to {self._lock_timeout:g} s")
                    told = True
                if stopping():
                    raise errors.StoppedError(
                        f"Stopped while waiting for the lock: {error.summary}", error.detail
                    ) from error
                self._sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_WAIT)
            else:
                return since

    def _retry(self, call: Callable[[], Answer], until: float, stopping: Callable[[], bool]) -> Answer:
        """Call the store, and again while it fails, until that time by our clock."""
        pause = _FIRST_WAIT
        while True:
            try:
                return call()
            except errors.StateStoreError as error:
                left = until - self._clock()
                if left <= 0:
                    raise
                if stopping():
                    raise errors.StoppedError(
                        f"Stopped while the store failed: {error.summary}", error.detail
                    ) from error
                if pause == _FIRST_WAIT:
                    self._notify(f"{error.summary}; trying again for up to {left:.0f} s")
                self._sleep(min(pause, left))
                pause = min(pause * 2, _LONGEST_WAIT)

    def _release(self, backend: Interruptible, info: LockInfo) -> None:
        """Give the lock back. A failure is only reported, so that it hides no error of the run itself."""
        began = self._clock()
        for left in reversed(range(_UNLOCK_TRIES)):
            try:
                backend.unlock(info)
            except errors.StateError as error:
                if not left or backend.check_stop() or self._clock() - began > _UNLOCK_PATIENCE:
                    self._notify(
                        f"{error.summary}; the lock {info.id} was not given back. If it does not expire, "
                        f"run: reconciler force-unlock {info.id}"
                    )
                    return
            else:
                return


class Session:
    """The state while we hold its lock.

    Attributes:
        state: as it was read under the lock, then as it was last committed.
        commit_interval: the fewest seconds between two commits that the store allows.
    """

    def __init__(
        self,
        backend: Interruptible,
        heartbeat: Heartbeat,
        stored: Stored | None,
        memory: _Memory,
        *,
        new_id: Callable[[], str],
    ) -> None:
        self.state = memory.recall(stored)
        self.commit_interval = backend.commit_interval
        self._backend = backend
        self._heartbeat = heartbeat
        self._new_id = new_id
        self._version = stored.version if stored else None
        self._unanswered: tuple[bytes, State] | None = None
        self._memory = memory
        self._read = self.state.resources

    def commit(self, state: State) -> None:
        """Write the state. Does nothing if only its lineage or its serial differ.

        Raises:
            LockLostError: the lock is no longer ours; nothing was written.
            StateMovedError: another run has written the state; nothing was written.
            StateStoreError: the store failed. Commit again, the same state or a later one: a write that
                arrived in spite of the error is recognised.
        """
        if self._unanswered is not None:
            self._find_out(*self._unanswered)
        if replace(state, lineage=self.state.lineage, serial=self.state.serial) == self.state:
            return
        self._heartbeat.raise_if_lost()
        lineage = self.state.lineage or state.lineage or self._new_id()
        written = replace(state, lineage=lineage, serial=self.state.serial + 1)
        data = dumps(written, self._memory.lines, self._read)
        try:
            self._version = self._backend.write(data, expected=self._version)
        except errors.StateStoreError:
            self._unanswered = (data, written)
            raise
        except errors.StateMovedError:
            # A client that repeats a conditional write after a lost reply gets a refusal caused by itself.
            if not self._find_out(data, written):
                raise
        self._take_as_written(data, written)

    def ensure_held(self) -> None:
        """Check the lock. Call it before each changing call at the service.

        Raises:
            LockLostError: the lock was lost, or was last renewed more than half a lease ago.
        """
        self._heartbeat.ensure_fresh()

    def check_stop(self) -> bool:
        """Return whether the run is being stopped. The first True starts a clock: see `Interruptible`."""
        return self._backend.check_stop()

    def _find_out(self, data: bytes, written: State) -> bool:
        """Look whether a write arrived in spite of what its answer says, or without one."""
        stored = self._backend.read()
        self._unanswered = None
        if stored is None or not _holds(stored, data, written):
            return False
        self._version = stored.version
        self._take_as_written(stored.data, written)
        return True

    def _take_as_written(self, data: bytes, written: State) -> None:
        self.state = written
        self._memory.keep(data, written)


def _holds(stored: Stored, data: bytes, written: State) -> bool:
    """Return whether the store holds what we wrote. Some servers change the layout of JSON."""
    if stored.data == data:
        return True
    with suppress(errors.StateError):
        return loads(stored.data, place="") == written
    return False


class _Memory:
    """Remembers what the document says that was read or written last, so that nobody parses it again.

    Attributes:
        lines: the encoded records: see `file.dumps`.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._known: tuple[bytes, State] | None = None
        self.lines: dict[Address, tuple[Record, str]] = {}

    def recall(self, stored: Stored | None) -> State:
        """Return what a stored document says. Equal bytes say the same."""
        if stored is None:
            return State()
        if self._known is not None and self._known[0] == stored.data:
            return self._known[1]
        state = loads(stored.data, place=self._place)
        self.keep(stored.data, state)
        return state

    def keep(self, data: bytes, state: State) -> None:
        """Remember what these bytes say."""
        self._known = data, state
