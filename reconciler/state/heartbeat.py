"""Renews a lock that we hold, and knows how long ago the last renewal was.

Rule: the age of a lock counts from before the request that renewed it, by our own clock. Another run may take
the lock over once it has seen no renewal for the whole lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from reconciler.errors import LockLostError
from reconciler.state.backends import Backend, LockInfo

_JOIN = 0.3
"""Seconds that `stop` waits for a renewal under way. A run that is being stopped has little time."""


class Heartbeat:
    """Renews a lock on a thread, every quarter of its lease.

    Args:
        backend: the store that keeps the lock.
        info: the lock.
        clock: a monotonic clock, in seconds.
        since: when the lock was asked for, by that clock.
        lease: the length of its lease in seconds.
    """

    def __init__(
        self, backend: Backend, info: LockInfo, *, clock: Callable[[], float], since: float, lease: float
    ) -> None:
        self._backend, self._info, self._clock, self._lease = backend, info, clock, lease
        self._renewed = since
        self._lost: LockLostError | None = None
        self._failure: Exception | None = None
        self._renewing = threading.Lock()
        self._stopped = threading.Event()
        # Not a daemon: see backends.interruptible.
        self._thread = threading.Thread(target=self._run, name="state lock")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing. Abandons a renewal that hangs: it cannot undo the unlock that follows."""
        self._stopped.set()
        self._thread.join(_JOIN)

    def raise_if_lost(self) -> None:
        """Raise LockLostError if a renewal failed because the lock is no longer ours."""
        if self._lost is not None:
            raise LockLostError(self._lost.summary, self._lost.detail) from self._lost

    def ensure_fresh(self) -> None:
        """Renew the lock if it is older than half its lease; raise LockLostError if it still is then."""
        self.raise_if_lost()
        if self._backend.lease is None:
            return
        if self._measure_age() > self._lease / 2:  # the machine or the thread slept: renew it now
            self._renew()
            self.raise_if_lost()
        age = self._measure_age()
        if age > self._lease / 2:
            why = f": {self._failure}" if self._failure else ""
            raise LockLostError(
                f"{self._backend.place}: the lock's lease of {self._lease:g} s was last renewed "
                f"{age:.0f} s ago{why}",
                "No further call is started, because another run may take over. What was started continues: "
                "run the command again when the state can be reached.",
            ) from self._failure

    def _measure_age(self) -> float:
        return self._clock() - self._renewed

    def _run(self) -> None:
        pause = self._lease / 4
        while self._lost is None and not self._stopped.wait(pause):
            pause = self._lease / 4 if self._renew() else self._lease / 12

    def _renew(self) -> bool:
        with self._renewing:
            if self._stopped.is_set():
                return True
            began = self._clock()
            try:
                self._backend.renew(self._info)
            except LockLostError as error:
                self._lost = error
            except Exception as error:  # noqa: BLE001 (nobody catches what a thread raises; ensure_fresh reports it)
                self._failure = error
                return False
            else:
                self._renewed, self._failure = began, None
            return True
