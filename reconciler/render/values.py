"""Numbers, values and digests as people read them, the same in every format."""

from __future__ import annotations

from reconciler.identity import to_float32
from reconciler.model.names import Value
from reconciler.render.terminal import escape, quote

DIGEST = 8
"""The number of characters of a digest that are shown, for people to compare."""


def format_number(value: float) -> str:
    """Write the shortest decimal of the float32 that the service stores (0.7, not 0.699999988)."""
    try:
        stored = to_float32(value)
        shorter = (f"{value:.{digits}g}" for digits in (6, 7, 8))
        return next((text for text in shorter if to_float32(float(text)) == stored), f"{value:.9g}")
    except OverflowError:
        return repr(value)


def format_loss(value: float) -> str:
    """Write a mean loss with four significant digits. More would be noise."""
    return f"{value:.4g}"


def format_value(value: Value) -> str:
    """Write a value as a manifest would."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quote(value)
        case float():
            return format_number(value)
        case int():
            return str(value)
        case _:
            return "[" + ", ".join(format_value(element) for element in value) + "]"


def shorten_digest(digest: str) -> str:
    """Cut a digest to the part that people compare."""
    return escape(digest)[:DIGEST] or "unknown"
