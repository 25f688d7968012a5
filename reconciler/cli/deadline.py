"""`--timeout D`: the whole run ends within D and a few seconds, calls that hang included.

A timer sends a signal. Before anything is locked or begun, it ends the run at once, as Ctrl-C does. While an
apply is under way, it tells the apply to stop, which commits and unlocks. After the end it only interrupts
what still hangs. Rule: one run, one deadline.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from reconciler.errors import StoppedError

_AGAIN = 0.5
"""Seconds between two signals. Waiting for a thread may delay the first one."""

_LATE = 0.1
"""Seconds from the deadline to the first signal, so that a run that ends on time is not disturbed."""

_GRACE = 4.0
"""Seconds that an apply gets to stop in good order."""


class Deadline:
    """The time when this run must have ended. `seconds` is None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._stop: Callable[[], None] | None = None
        self._is_quiet = False

    def measure_rest(self) -> float | None:
        """Return the seconds that are left. 0.0 once the time is up, None without a limit."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def has_passed(self) -> bool:
        """Return whether the time is up."""
        return self.measure_rest() == 0.0

    def arm(self) -> None:
        """Send the signal when the time is up."""
        if self._until is None or threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGALRM, self._handle)
        signal.setitimer(signal.ITIMER_REAL, (self.measure_rest() or 0.0) + _LATE, _AGAIN)

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Tell the run to stop when its time is up during the block, and interrupt it if it does not stop."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop, self._is_quiet = None, True

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Interrupt the block when the time is up. For calls after the end of the run."""
        self._is_quiet = False
        try:
            yield
        finally:
            self._is_quiet = True

    def disarm(self) -> None:
        """Send no more signals."""
        self._is_quiet = True
        if self._until is not None and threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        over = time.monotonic() - (self._until or 0.0)
        if self._is_quiet:
            return
        if self._stop is not None and over < _GRACE:
            self._stop()
            return
        raise KeyboardInterrupt


_current = [Deadline(None)]


def start(timeout: timedelta | None) -> None:
    """Start the clock of this run."""
    _current[0] = Deadline(None if timeout is None else timeout.total_seconds())
    _current[0].arm()


def get_current() -> Deadline:
    """Return the deadline of this run."""
    return _current[0]


def build_error() -> StoppedError:
    """Make the error of a run whose time was up before it did anything."""
    return StoppedError(
        "the time was up (--timeout) before anything was begun", "Give it more time, or run it again"
    )
