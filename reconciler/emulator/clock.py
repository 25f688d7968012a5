"""The emulator's clock: the real one, plus what callers added to it, or standing still.

It is kept with the rest, so that a restart does not undo a training. It never goes back.
"""

import time

from reconciler.emulator.database import Store


def now(store: Store) -> int:
    """Return the time, in microseconds since 1970."""
    clock = store.fact("clock") or {}
    frozen = clock.get("frozen")
    return _real() + int(clock.get("offset", 0)) if frozen is None else int(frozen)


def is_frozen(store: Store) -> bool:
    """Whether the clock stands still."""
    return (store.fact("clock") or {}).get("frozen") is not None


def move(store: Store, by: int, *, frozen: bool) -> None:
    """Let *by* microseconds pass at once, and the clock run or stand still from here on."""
    then = now(store) + by
    store.set_fact("clock", {"offset": then - _real(), "frozen": then if frozen else None})


def _real() -> int:
    return time.time_ns() // 1000
