"""The words of a drift report, the same in every format. Rule: a class without a word does not type-check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from reconciler.formats import count_noun
from reconciler.model import Address
from reconciler.plan.change import Drift, DriftClass
from reconciler.render.terminal import escape


def describe_subject(address: Address | None, drift: Drift) -> str:
    """Name what a drift is about: the address, or the resource name of what nobody declared."""
    return escape(str(address) if address else drift.name or drift.id)


def describe_drift(drift: Drift) -> str:
    """Say what was found, after the address."""
    match drift.drift_class:
        case DriftClass.CHANGED:
            return "was changed outside"
        case DriftClass.MISSING:
            return f"is missing: {escape(drift.id)} is not live"
        case DriftClass.FAILED:
            return f"has failed: {escape(drift.id)}"
        case DriftClass.UNMANAGED if drift.address is not None:
            return f"still has {escape(drift.id)}, which no longer serves"
        case DriftClass.UNMANAGED:
            return "is live, and no manifest declares it"
        case DriftClass.BASE_RETIRED:
            return "is tuned from a base model that is no longer offered"
        case DriftClass.UNPROMOTED:
            return f"has trained {escape(drift.id)}, which is not promoted yet"
        case _:
            assert_never(drift.drift_class)


def choose_drift_symbol(drift: Drift) -> str:
    """Choose the character before a finding."""
    match drift.drift_class:
        case DriftClass.CHANGED:
            return "~"
        case DriftClass.MISSING:
            return "-"
        case DriftClass.FAILED:
            return "!"
        case DriftClass.UNMANAGED:
            return "?"
        case DriftClass.BASE_RETIRED:
            return "*"
        case DriftClass.UNPROMOTED:
            return "^"
        case _:
            assert_never(drift.drift_class)


def summarize_drift(drifts: Iterable[Drift]) -> str:
    """Count the findings, in the last line of a drift report."""
    found = list(drifts)
    failing = [one for one in found if one.fails]
    notes = len(found) - len(failing)
    noted = f" {count_noun(notes, 'note')}." if notes else ""
    if not failing:
        return f"No drift.{noted}"
    counts: dict[DriftClass, int] = {}
    for one in failing:
        counts[one.drift_class] = counts.get(one.drift_class, 0) + 1
    words = ", ".join(f"{counts[kind]:,} {kind.replace('_', ' ')}" for kind in DriftClass if kind in counts)
    return f"Drift: {words}.{noted}"
