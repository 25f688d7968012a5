"""A store in memory. It is a fake, and the reference for what every store must do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.errors import LockLostError, StateError, StateLockedError, StateMovedError
from reconciler.state.backends import LockInfo, Stored
from reconciler.state.backends.lease import Watch, elapsed, new_nonce


@dataclass
class MemoryStore:
    """The memory that several clients share."""

    stored: Stored | None = None
    writes: int = 0
    holder: LockInfo | None = None
    nonce: str = ""
    lease: float | None = None
    mutex: threading.RLock = field(default_factory=threading.RLock)


class MemoryBackend:
    """One client of a MemoryStore.

    Args:
        store: shared with the other clients. None makes a store for this client alone.
        lease: seconds. None means a lock that never expires.
        clock: the clock of this client.
        commit_interval: see Backend.
    """

    def __init__(
        self,
        store: MemoryStore | None = None,
        *,
        lease: float | None = 60.0,
        clock: Callable[[], float] = elapsed,
        commit_interval: float = 0.0,
    ) -> None:
        self.store = store or MemoryStore()
        self.lease = lease
        self.commit_interval = commit_interval
        self._watch = Watch(clock)

    @property
    def place(self) -> str:
        """The name of the store, for people."""
        return "memory"

    def read(self) -> Stored | None:
        """Return the document, or None if there is none."""
        return self.store.stored

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write."""
        with self.store.mutex:
            current = self.store.stored.version if self.store.stored else None
            if current != expected:
                raise StateMovedError(f"{self.place}: the state has moved", "Plan again.")
            self.store.writes += 1
            self.store.stored = Stored(data, str(self.store.writes))
            return self.store.stored.version

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        with self.store.mutex:
            holder = self.store.holder
            if holder is not None and holder.id != info.id:
                # If the ids are equal, an earlier try of ours got the lock, and its answer was lost.
                unchanged = self._watch.measure_unchanged(self.store.nonce)
                if self.store.lease is None or unchanged < self.store.lease:
                    # The holder promised to renew the lock within its lease.
                    raise StateLockedError(f"{self.place}: the state is locked by {holder}")
            self.store.holder, self.store.nonce, self.store.lease = info, new_nonce(), self.lease

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew."""
        with self.store.mutex:
            if self.store.holder is None or self.store.holder.id != info.id:
                holder = f": {self.store.holder} holds it" if self.store.holder else ""
                raise LockLostError(f"{self.place}: the lock {info.id} is not ours any more{holder}")
            self.store.nonce = new_nonce()

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        with self.store.mutex:
            if self.store.holder is not None and self.store.holder.id == info.id:
                self.store.holder = None

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock."""
        with self.store.mutex:
            holder = self.store.holder
            if holder is None:
                raise StateError(f"{self.place}: the state is not locked")
            if holder.id != lock_id:
                raise StateError(f"{self.place}: the lock is {holder.id}, held by {holder}, not {lock_id}")
            self.store.holder = None
            return holder
