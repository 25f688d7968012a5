"""When a lock that somebody else holds has expired, as its observer can know it.

Rule: clocks are never compared across machines. A holder changes a random nonce while it lives; the
lock is void once one observer, by its own clock, has seen the same nonce for the lease's whole length.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

# Linux's monotonic clock stands still while the machine sleeps; macOS' CLOCK_MONOTONIC does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def elapsed() -> float:
    """Seconds that only grow, also while the machine sleeps.

    A laptop that was shut for an hour must know that its lease has expired.
    """
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


def new_nonce() -> str:
    """Random, so that no two renewals look alike (an etag on S3 is a hash of the content)."""
    return secrets.token_hex(8)


class Watch:
    """One observer's memory of the nonce it saw last.

    Args:
        clock: seconds that only grow, on this machine.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nonce = ""
        self._since = 0.0

    def unchanged_for(self, nonce: str) -> float:
        """Seconds for which this nonce has been there, as far as we have seen; 0 at the first sight."""
        now = self._clock()
        if nonce != self._nonce:
            self._nonce, self._since = nonce, now
        return now - self._since
