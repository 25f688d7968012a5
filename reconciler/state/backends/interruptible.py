"""Calls to a store that can be abandoned, so that a run can stop although its store does not answer.

Rule: every call runs on a thread of its own. The caller's thread only waits, where signals reach it: they
would not reach it inside of a client that is written in another language. Once the run is being stopped, all
further calls share a few seconds. An abandoned call may still arrive, which the next run expects anyway.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from reconciler.errors import StateStoreError
from reconciler.state.backends import Backend, LockInfo, Stored
from reconciler.state.backends.lease import elapsed

Answer = TypeVar("Answer")

PATIENCE = 3.8
"""Seconds that the store gets after the stop, so that the run ends within 5."""
_LEAST = 0.4
"""Seconds that each call gets at least: enough to send it."""
_TICK = 0.1


class Interruptible:
    """A backend that is called on threads. The heartbeat, which has a thread, renews the lock without it.

    Args:
        backend: the store.
        stopping: whether the run is being stopped.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        backend: Backend,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._backend, self._stopping, self._clock = backend, stopping, clock
        self.place, self.commit_interval, self.lease = backend.place, backend.commit_interval, backend.lease
        self._interrupted = False
        self._until = math.inf

    def check_stop(self) -> bool:
        """Return whether the run is being stopped. The first True starts the clock of PATIENCE."""
        is_stopping = self._interrupted or self._stopping()
        if is_stopping and self._until == math.inf:
            self._until = self._clock() + PATIENCE
        return is_stopping

    def read(self) -> Stored | None:
        """See Backend.read."""
        return self._call(self._backend.read)

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write."""
        return self._call(lambda: self._backend.write(data, expected=expected))

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        self._call(lambda: self._backend.lock(info))

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        self._call(lambda: self._backend.unlock(info))

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock."""
        return self._call(lambda: self._backend.force_unlock(lock_id))

    def _call(self, work: Callable[[], Answer]) -> Answer:
        """Run a call on a thread, and return its answer or raise its error.

        Raises:
            StateStoreError: the run is being stopped, and the store did not answer in time.
        """
        future: Future[Answer] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 (raised again by the thread that waits)
                future.set_exception(error)

        began = self._clock()
        try:
            # Not a daemon: those are killed inside of the client's foreign code when Python ends. The command
            # line ends the process at once instead, where a thread was abandoned (cli.main).
            threading.Thread(target=run, name="state store").start()
            while not wait((future,), _TICK).done:
                self._raise_if_late(began)
        except KeyboardInterrupt:
            self._interrupted = True
            raise
        return future.result()

    def _raise_if_late(self, began: float) -> None:
        if self.check_stop() and self._clock() >= max(self._until, began + _LEAST):
            raise StateStoreError(
                f"{self.place}: the store does not answer, and this run is being stopped",
                "What was begun and is not recorded is found again by its id: run the command again.",
            )
