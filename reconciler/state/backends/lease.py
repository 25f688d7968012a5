"""Tells when another run's lock has expired.

Rule: the clocks of two machines are never compared. The holder of a lock writes a new random nonce at each
renewal. The lock is void once another run has seen the same nonce for the whole lease, by its own clock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

# Linux's monotonic clock stands still while the machine sleeps; macOS' CLOCK_MONOTONIC does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def elapsed() -> float:
    """Read a monotonic clock, in seconds, that also runs while the machine sleeps.

    A laptop that was closed for an hour must know that its lease has expired.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


def new_nonce() -> str:
    """Make a random text, so that no two renewals are equal. On S3 an etag is a hash of the content."""
    return secrets.token_hex(8)


class Watch:
    """Remembers the nonce that was seen last, and since when.

    Args:
        clock: a monotonic clock of this machine, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nonce = ""
        self._since = 0.0

    def measure_unchanged(self, nonce: str) -> float:
        """Return for how many seconds we have seen this nonce. 0 if it is new."""
        now = self._clock()
        if nonce != self._nonce:
            self._nonce, self._since = nonce, now
        return now - self._since
