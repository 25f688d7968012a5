"""The words of a drift report, for every format. Rule: mypy reports a class of drift without words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from reconciler.formats import count_noun
from reconciler.plan.change import Drift, DriftClass
from reconciler.render.terminal import escape


def describe_subject(drift: Drift) -> str:
    """Name the model of a drift: by its address, or by its resource name if no manifest declares it."""
    return escape(str(drift.address) if drift.address else drift.name or drift.id)


class DriftWords(Struct, frozen=True):
    """The words for a class of drift.

    Attributes:
        symbol: one character.
        phrase: what was found. It follows the address.
        action: Terraform's word for what happened: update, delete or no-op.
    """

    symbol: str
    phrase: str
    action: str = "no-op"


def find_drift_words(drift: Drift) -> DriftWords:
    """Find how to show a drift."""
    id = escape(drift.id)
    match drift.drift_class:
        case DriftClass.CHANGED if drift.is_endpoint:
            return DriftWords("~", f"has an endpoint that was changed outside: {id}", "update")
        case DriftClass.MISSING if drift.is_endpoint:
            return DriftWords("-", f"has no endpoint any more: {id} does not exist", "delete")
        case DriftClass.CHANGED:
            return DriftWords("~", "was changed outside", "update")
        case DriftClass.MISSING:
            return DriftWords("-", f"is missing: {id} is not live", "delete")
        case DriftClass.FAILED:
            return DriftWords("!", f"has failed: {id}")
        case DriftClass.HELD_BACK:
            return DriftWords("=", f"has {id} held back")
        case DriftClass.KEPT:
            return DriftWords("?", f"still has {id}, which no longer serves")
        case DriftClass.UNMANAGED:
            return DriftWords("?", "is live, and no manifest declares it")
        case DriftClass.BASE_RETIRED:
            return DriftWords("*", f"is tuned from a base model that {_describe_end(drift)}")
        case DriftClass.UNPROMOTED:
            return DriftWords("^", f"has {id}, which is ready and not promoted yet")
        case _:
            assert_never(drift.drift_class)


def _describe_end(drift: Drift) -> str:
    if drift.days_left is None:
        return "is no longer offered"
    if drift.days_left > 0:
        earliest = " at the earliest" if drift.or_later else ""
        return f"retires in {count_noun(drift.days_left, 'day')}{earliest}"
    return "may retire any day" if drift.or_later else "has retired"


def summarize_drift(drifts: Iterable[Drift]) -> str:
    """Count the findings, in the last line of a drift report."""
    found = list(drifts)
    failing = [drift for drift in found if drift.fails]
    notes = len(found) - len(failing)
    noted = f" {count_noun(notes, 'note')}." if notes else ""
    if not failing:
        return f"No drift.{noted}"
    counts: dict[DriftClass, int] = {}
    for drift in failing:
        counts[drift.drift_class] = counts.get(drift.drift_class, 0) + 1
    words = ", ".join(f"{counts[kind]:,} {kind.replace('_', ' ')}" for kind in DriftClass if kind in counts)
    return f"Drift: {words}.{noted}"
