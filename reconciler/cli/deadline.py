"""`--timeout D`: the whole run ends within D and a few seconds, calls that hang included.

A timer's signal does it, as SIGTERM would. Before anything is locked or begun it ends the run at once
(`TimeUp`). Once an apply is under way it is told to stop, which commits and unlocks. After the end it only
ends what still hangs. Rule: one run, one limit.
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
"""Seconds after which the signal is sent again: a thread that is waited for may hold up the first one."""

_LATE = 0.1
"""Seconds after the time is up: what ends by itself then is not disturbed."""

_GRACE = 4.0
"""Seconds for stopping in good order."""


class TimeUp(KeyboardInterrupt):
    """The time is up before anything was begun; goes the way of Ctrl-C."""


class TimeLimit:
    """What `--timeout` leaves of this run's time; `seconds` None for no limit."""

    def __init__(self, seconds: float | None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._stop: Callable[[], None] | None = None
        self._mute = False

    @property
    def left(self) -> float | None:
        """Seconds, 0.0 once it is up; None for any number."""
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    @property
    def is_up(self) -> bool:
        """Whether it is over."""
        return self.left == 0.0

    def arm(self) -> None:
        """From now on the signal comes when the time is up."""
        if self._until is None or threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGALRM, self._met)
        signal.setitimer(signal.ITIMER_REAL, (self.left or 0.0) + _LATE, _AGAIN)

    @contextmanager
    def stopping(self, stop: Callable[[], None]) -> Iterator[None]:
        """Within the block the run is told to stop when the time is up, and interrupted if it does not."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop, self._mute = None, True

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Within the block, after the end, what hangs is interrupted when the time for it is up too."""
        self._mute = False
        try:
            yield
        finally:
            self._mute = True

    def disarm(self) -> None:
        """All is said and done."""
        self._mute = True
        if self._until is not None and threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _met(self, _number: int, _frame: FrameType | None) -> None:
        over = time.monotonic() - (self._until or 0.0)
        if self._mute:
            return
        if self._stop is not None and over < _GRACE:
            self._stop()
            return
        raise TimeUp


_current = [TimeLimit(None)]


def start(timeout: timedelta | None) -> TimeLimit:
    """The limit of this run, which begins now."""
    limit = TimeLimit(None if timeout is None else timeout.total_seconds())
    _current[0] = limit
    limit.arm()
    return limit


def nothing_begun() -> StoppedError:
    """The end of a run whose time was up before it did anything."""
    return StoppedError(
        "the time was up (--timeout) before anything was begun", "Give it more, or run it again"
    )


def current() -> TimeLimit:
    """The limit of this run."""
    return _current[0]
