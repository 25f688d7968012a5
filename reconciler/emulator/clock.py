"""The emulator's clock: the real time plus what callers added to it, or standing still.

It is kept in the database, so that a restart does not undo a training. It never goes back. Times are
integers, microseconds since 1970.
"""

import datetime as dt
import time

from reconciler.emulator.database import Database

SECOND = 1_000_000


def read_time(database: Database) -> int:
    """Return the time."""
    clock = database.read_fact("clock") or {}
    frozen = clock.get("frozen")
    return _read_real_time() + int(clock.get("offset", 0)) if frozen is None else int(frozen)


def is_frozen(database: Database) -> bool:
    """Return whether the clock stands still."""
    return (database.read_fact("clock") or {}).get("frozen") is not None


def advance(database: Database, by: int, *, frozen: bool) -> None:
    """Let *by* microseconds pass at once, and let the clock stand still from then on, or run."""
    then = read_time(database) + by
    clock = {"offset": then - _read_real_time(), "frozen": then if frozen else None}
    database.write_fact("clock", clock)


def format_time(microseconds: int) -> str:
    """Return a time in RFC 3339 with six fractional digits, as the services write most times."""
    return format_nanoseconds(microseconds * 1000)[:-4] + "Z"


def format_milliseconds(microseconds: int) -> str:
    """Return a time in RFC 3339 with three fractional digits, as Cloud Storage writes it."""
    return format_time(microseconds)[:-4] + "Z"


def format_nanoseconds(nanoseconds: int) -> str:
    """Return nanoseconds since 1970 in RFC 3339 with nine fractional digits, as snapshots have it."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _read_real_time() -> int:
    return time.time_ns() // 1000
