"""The sign of life of a lock that we hold, and how old the last one is.

Rule: a lock counts as held from the moment before the request that renewed it, by our own clock; an
observer may take it over when it sees no renewal for the lease's whole length.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler.errors import LockLostError
from reconciler.state.backends import Backend, LockInfo

_JOIN = 0.3
"""Seconds for a renewal that is under way; a stop has little time."""


class Heartbeat:
    """Renews a lock from a thread of its own, every quarter of its lease.

    Args:
        backend: whose lock it is.
        info: the lock.
        clock: seconds that only grow.
        since: when, by that clock, the lock was asked for.
        lease: its length in seconds.
    """

    def __init__(
        self, backend: Backend, info: LockInfo, *, clock: Callable[[], float], since: float, lease: float
    ) -> None:
        self._backend, self._info, self._clock, self._lease = backend, info, clock, lease
        self._renewed = since
        self._lost: LockLostError | None = None
        self._failure: Exception | None = None
        self._beating = threading.Lock()
        self._stopped = threading.Event()
        # Not a daemon: see backends.interruptible.
        self._thread = threading.Thread(target=self._run, name="state lock")

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more. A renewal that hangs is left behind: it cannot win against the unlock."""
        self._stopped.set()
        self._thread.join(_JOIN)

    def raise_if_lost(self) -> None:
        """Raises LockLostError when a renewal was told that the lock is not ours any more."""
        if self._lost is not None:
            raise LockLostError(self._lost.summary, self._lost.detail) from self._lost

    def ensure_fresh(self) -> None:
        """Raises LockLostError unless the lock was renewed, now at the latest, within half its lease."""
        self.raise_if_lost()
        if self._backend.lease is None:
            return
        if self._age() > self._lease / 2:  # we slept, or the thread did: a renewal now is as good
            self._beat()
            self.raise_if_lost()
        age = self._age()
        if age > self._lease / 2:
            why = f": {self._failure}" if self._failure else ""
            raise LockLostError(
                f"{self._backend.place}: the lock's lease of {self._lease:g} s was last renewed "
                f"{age:.0f} s ago{why}",
                "No further call is started, because another run may take over. What was started goes on; "
                "run the command again when the state can be reached.",
            ) from self._failure

    def _age(self) -> float:
        return self._clock() - self._renewed

    def _run(self) -> None:
        pause = self._lease / 4
        while self._lost is None and not self._stopped.wait(pause):
            pause = self._lease / 4 if self._beat() else self._lease / 12

    def _beat(self) -> bool:
        with self._beating:
            if self._stopped.is_set():
                return True
            began = self._clock()
            try:
                self._backend.renew(self._info)
            except LockLostError as error:
                self._lost = error
            except Exception as error:  # noqa: BLE001 (a thread has nobody to raise to; ensure_fresh tells)
                self._failure = error
                return False
            else:
                self._renewed, self._failure = began, None
            return True
