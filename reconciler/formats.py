"""Counts, durations, times and field names as text, and back: one way to write each.

Every room may use it: it imports nothing of ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
"""The units of a duration, in seconds."""

_MONTHS = {
    1: "January",
    2: "February",
    3: "March",
    4: "April",
    5: "May",
    6: "June",
    7: "July",
    8: "August",
    9: "September",
    10: "October",
    11: "November",
    12: "December",
}
"""English names, whatever the locale."""

_DURATION = "(?=[0-9])" + "".join(rf"(?:([0-9]{{1,8}}(?:\.[0-9]{{1,8}})?){unit})?" for unit in UNITS)


def count_noun(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun: 1 model, 1,204 models."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def join_words(words: Sequence[str]) -> str:
    """Join words for a sentence: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def format_price(amount: float, currency: str) -> str:
    """Write an amount: 1.25 USD. An amount below a cent gets two significant digits."""
    small = 0 < abs(amount) < 0.01
    digits = min(1 - math.floor(math.log10(abs(amount))), 12) if small else 2
    return f"{amount:,.{digits}f} {currency}".rstrip()


def format_estimate(count: int) -> str:
    """Write an estimated count with two significant digits, or one behind the point: 1,200; 17.5 M."""
    if count >= 995_000:
        return f"{count / 1_000_000:,.1f} M"
    return f"{round(count, 2 - len(str(count))) if count > 99 else count:,}"


def shorten(text: str, limit: int) -> str:
    """Cut a text for a message."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def format_share(passed: int, asked: int) -> str:
    """Write how many of how many: 46 of 50 (0.92). The share is cut, never rounded up to what it is not."""
    share = f" ({passed * 100 // asked / 100:.2f})" if asked else ""
    return f"{passed:,} of {asked:,}{share}"


def format_duration(seconds: float) -> str:
    """Write a duration with two units at most: 45s, 3m20s, 2h05m."""
    whole = max(round(seconds), 0) if math.isfinite(seconds) else 0
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def format_age(seconds: float) -> str:
    """Write an age in one unit, rounded down: 45s, 12m, 47h, 12d. Hours count up to two days."""
    whole = max(int(seconds), 0)
    for unit in ("d", "h", "m"):
        size = UNITS[unit]
        if whole >= size * (2 if unit == "d" else 1):
            return f"{whole // size:,}{unit}"
    return f"{whole}s"


def format_period(seconds: float) -> str:
    """Write a duration as a manifest does, in the largest unit that leaves no rest: 7d, 24h, 90s."""
    whole = round(seconds)
    for unit, size in UNITS.items():
        if whole >= size and whole % size == 0 and (unit != "d" or whole > size):
            return f"{whole // size:,}{unit}"
    return f"{whole}s"


def parse_duration(text: str) -> float | None:
    """Read 90s, 50m, 1h30m, 1.5h or 7d, in seconds. None if the text is not a duration."""
    found = re.fullmatch(_DURATION, text)
    if found is None:
        return None
    return sum(float(number) * unit for number, unit in zip(found.groups("0"), UNITS.values(), strict=True))


def format_time(moment: datetime, *, timespec: str = "seconds") -> str:
    """Write a time with its zone as RFC 3339 in UTC: 2026-11-22T18:00:00Z."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def parse_time(text: str) -> datetime | None:
    """Read a time; one without a zone is in UTC. None if the text is not a time, or empty."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def add_seconds(text: str, seconds: float) -> str:
    """Add seconds to a time, both as RFC 3339. "" if the text is not a time; at most the year 9999."""
    moment = parse_time(text)
    if moment is None:
        return ""
    try:
        return format_time(moment + timedelta(seconds=seconds))
    except OverflowError:
        return format_time(datetime.max.replace(tzinfo=UTC))


def parse_day(text: str) -> str:
    """Read the ISO date of a time, in UTC. "" if the text is not a time."""
    moment = parse_time(text)
    return moment.astimezone(UTC).date().isoformat() if moment else ""


def format_date(day: date) -> str:
    """Write a day for people: 19 May 2027."""
    return f"{day.day} {_MONTHS[day.month]} {day.year}"


@cache
def to_camel_case(path: str) -> str:
    """Write a field's snake_case path, dotted or not, as the JSON of Google's APIs does."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), path)
