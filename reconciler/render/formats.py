"""Counts, times and values as people read them, the same in every format."""

from __future__ import annotations

import math

from reconciler.identity import float32
from reconciler.model import Value
from reconciler.render.terminal import quoted, visible

DIGEST = 8
"""Characters of a digest that people compare."""


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: 1 model, 1,204 models."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Two units at most: 45s, 3m20s, 2h05m."""
    whole = round(seconds) if math.isfinite(seconds) else 0
    whole = max(whole, 0)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def number(value: float) -> str:
    """The shortest decimal that is the same float32: how the service keeps it (0.7, not 0.699999988)."""
    try:
        wanted = float32(value)
        shorter = (f"{value:.{digits}g}" for digits in (6, 7, 8))
        return next((text for text in shorter if float32(float(text)) == wanted), f"{value:.9g}")
    except OverflowError:
        return repr(value)


def loss_text(value: float) -> str:
    """A mean loss, to four significant digits: more is noise."""
    return f"{value:.4g}"


def value_text(value: Value) -> str:
    """A value as a manifest would write it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case float():
            return number(value)
        case int():
            return str(value)
        case _:
            return "[" + ", ".join(value_text(one) for one in value) + "]"


def short(digest: str) -> str:
    """The part of a digest that people compare."""
    return visible(digest)[:DIGEST] or "unknown"
