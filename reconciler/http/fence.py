"""Asked before each request that changes something, also before it is sent again.

Between the decision to call and the sending, a call may wait for minutes: for its turn, for a 429 to pass,
for a list that lags; the process may even stand still. Rule: who starts a changing call says under which
condition it may be sent, and that is asked on the calling thread, right before each sending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("fence", default=None)


@contextmanager
def fenced(check: Callable[[], None]) -> Iterator[None]:
    """Within the block, on this thread, nothing that changes anything is sent unless `check` lets it.

    Args:
        check: raises what the call shall end with.
    """
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def ask() -> None:
    """Before a request that changes something; raises what the fence raises."""
    check = _check.get()
    if check is not None:
        check()
