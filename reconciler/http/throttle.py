"""Decides when the next request may be sent: back-off, waits that can be stopped, one gate for all threads.

A 429 concerns the whole project, not only the thread that got it. So it closes the gate for every thread.
When the gate opens again, requests pass one by one, at first far apart, then closer together as answers come
in.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from msgspec import Struct

from reconciler.errors import StoppedError

_SLICE = 0.1
"""Seconds between two looks at `stopping`."""
_FIRST_SPACING = 0.05
_MOST_SPACING = 4.0


class Patience(Struct, frozen=True):
    """The limits for the repetitions of one call.

    Attributes:
        seconds: how long failures are repeated in all. Also the longest single delay that a 429 may ask for.
        limited_seconds: how long 429s are repeated in all. Longer, because the service says that waiting
            helps.
        attempts: how often a failing request is sent, at most.
    """

    seconds: float
    limited_seconds: float
    attempts: int = 5


class Pace:
    """The clock, the waits and the gate of one transport.

    Args:
        clock: monotonic seconds.
        sleep: waits that many seconds.
        stopping: whether the run is being stopped. Then every wait ends promptly.
    """

    def __init__(
        self, clock: Callable[[], float], sleep: Callable[[float], None], stopping: Callable[[], bool]
    ) -> None:
        self.clock = clock
        self._sleep = sleep
        self._stopping = stopping
        self._lock = threading.Lock()
        self._opens = float("-inf")
        self._next = float("-inf")
        self._spacing = 0.0
        self._slowed = float("-inf")

    def wait(self, seconds: float, what: str) -> None:
        """Wait. StoppedError if the run is being stopped meanwhile.

        A wait of 0 seconds never raises, because a run that is ending may still look something up.
        """
        until = self.clock() + seconds
        while True:
            left = until - self.clock()
            if left <= 0:
                return
            if self._stopping():
                raise StoppedError(
                    f"Stopped before {what}", "Run the command again; it continues where this one stopped."
                )
            self._sleep(min(left, _SLICE))

    def back_off(self, attempt: int, left: float, what: str) -> None:
        """Pause after the attempt-th failure (1, 2, …): 0.5 s, 1 s, 2 s … up to 8 s, with jitter."""
        longest = min(8.0, 0.25 * 2**attempt)
        self.wait(min(left, random.uniform(longest / 2, longest)), what)  # noqa: S311 (jitter)

    def enter(self, what: str) -> float:
        """Wait for our turn. Returns the time at which the request is sent."""
        while True:
            with self._lock:
                now = self.clock()
                turn = max(now, self._next)
                self._next = turn + self._spacing
            self.wait(turn - now, what)
            with self._lock:
                now = self.clock()
                if now >= self._opens:  # otherwise another thread got a 429 while we waited
                    return now

    def close_gate(self, delay: float, entered: float) -> None:
        """Stop all sending for `delay` seconds, because a request that was sent at `entered` got a 429."""
        with self._lock:
            now = self.clock()
            self._opens = max(self._opens, now + delay)
            self._next = max(self._next, self._opens)
            if entered >= self._slowed:  # a request that was sent before the gate closed tells nothing new
                self._slowed = now
                self._spacing = min(_MOST_SPACING, max(_FIRST_SPACING, self._spacing * 2))

    def come_closer(self) -> None:
        """Let requests follow each other more closely, because one was served."""
        with self._lock:
            self._spacing = self._spacing * 0.75 if self._spacing > _FIRST_SPACING else 0.0
