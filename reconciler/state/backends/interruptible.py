"""A store whose calls can be left behind, so that stopping need not wait for a store that does not answer.

Rule: every call runs on a thread of its own while the caller's thread stays open to signals (it would not
be inside of a client written in another language). Once the run is being stopped, a call gets what is
left of a few seconds; what is left behind may still arrive, which the next run must expect anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from reconciler.errors import StateStoreError
from reconciler.state.backends import Backend, LockInfo, Stored
from reconciler.state.backends.lease import elapsed

Answer = TypeVar("Answer")

PATIENCE = 3.8
"""Seconds that the store gets from the stop on, so that everything is over within 5."""
_LEAST = 0.4
"""Seconds that a call gets at least: enough to be sent."""
_TICK = 0.1


class Interruptible:
    """A backend behind a thread.

    Args:
        backend: does the work.
        stopping: whether the run is being stopped.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        backend: Backend,
        stopping: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._backend, self._stopping, self._clock = backend, stopping, clock
        self._interrupted = False
        self._until: float | None = None

    @property
    def place(self) -> str:
        """See Backend.place."""
        return self._backend.place

    @property
    def commit_interval(self) -> float:
        """See Backend.commit_interval."""
        return self._backend.commit_interval

    @property
    def lease(self) -> float | None:
        """See Backend.lease."""
        return self._backend.lease

    @property
    def stopped(self) -> bool:
        """Whether calls are on short time, which runs from the first time that this is asked or met."""
        stopped = self._interrupted or self._stopping()
        if stopped and self._until is None:
            self._until = self._clock() + PATIENCE
        return stopped

    def read(self) -> Stored | None:
        """See Backend.read."""
        return self._call(self._backend.read)

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write."""
        return self._call(lambda: self._backend.write(data, expected=expected))

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        self._call(lambda: self._backend.lock(info))

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew."""
        self._call(lambda: self._backend.renew(info))

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        self._call(lambda: self._backend.unlock(info))

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock."""
        return self._call(lambda: self._backend.force_unlock(lock_id))

    def _call(self, work: Callable[[], Answer]) -> Answer:
        """The answer, or the error, of a call.

        Raises:
            StateStoreError: the run is being stopped, and the store did not answer in time.
        """
        answers: list[Answer] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                answers.append(work())
            except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
                errors.append(error)
            finally:
                done.set()

        began = self._clock()
        try:
            # Not a daemon: one that is left behind makes the process end at once (cli.main), not in the
            # middle of a client's foreign code.
            threading.Thread(target=run, name="state store").start()
            while not done.wait(_TICK):
                self._raise_if_late(began)
        except KeyboardInterrupt:
            self._interrupted = True
            raise
        if errors:
            raise errors[0]
        return answers[0]

    def _raise_if_late(self, began: float) -> None:
        if self.stopped and self._until is not None and self._clock() >= max(self._until, began + _LEAST):
            raise StateStoreError(
                f"{self.place}: the store does not answer, and we were told to stop",
                "What was begun and is not recorded is found again by its id: run the command again.",
            )
