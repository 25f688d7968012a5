"""Looks for a resource that was perhaps created, for as long as the service may lag behind.

Rule: a create whose fate is unknown is answered by looking; that even looking failed is said as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconciler.errors import ReconcilerError, ReplyLostError, ServiceError
from reconciler.http import Transport

T = TypeVar("T")


def look_until(look: Callable[[], T | None], transport: Transport, seconds: float, what: str) -> T | None:
    """Look until it is there or the time is over, with longer and longer pauses.

    Raises:
        StoppedError: the run is being stopped between two looks.
        ServiceError, CredentialError: as `look` does.
    """
    until, pause = transport.clock() + seconds, 0.5
    while True:
        found = look()
        left = until - transport.clock()
        if found is not None or left <= 0:
            return found
        transport.wait(min(pause, left), f"looking for {what} again")
        pause = min(pause * 2, 5.0)


def explain_unknown(what: str, failed: ServiceError, error: ReconcilerError) -> ReplyLostError:
    """The error if a create failed, and looking for its result failed too."""
    return ReplyLostError(
        f"{failed.summary}; and whether {what} exists cannot be found out: {error.summary}",
        "Run the command again later: it looks first and creates nothing twice.",
    )


def explain_not_understood(what: str, expected: str) -> ReplyLostError:
    """The error if a create was answered by something unexpected."""
    return ReplyLostError(
        f"The create of {what} was answered by something that is no {expected}",
        "Run the command again: it looks first.",
    )
