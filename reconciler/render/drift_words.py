"""The words of a drift report, the same in every format. Rule: a class without a word does not type-check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, assert_never

from reconciler.formats import count_noun
from reconciler.model import Address
from reconciler.plan.change import Drift, DriftClass
from reconciler.render.terminal import escape


def describe_subject(address: Address | None, drift: Drift) -> str:
    """Name what a drift is about: the address, or the resource name of what nobody declared."""
    return escape(str(address) if address else drift.name or drift.id)


class _Words(NamedTuple):
    """How a class of drift is shown.

    Attributes:
        symbol: one character.
        phrase: what was found, after the address.
        action: Terraform's word.
    """

    symbol: str
    phrase: str
    action: str = "no-op"


def _find_words(drift: Drift) -> _Words:
    id = escape(drift.id)
    match drift.drift_class:
        case DriftClass.CHANGED:
            return _Words("~", "was changed outside", "update")
        case DriftClass.MISSING:
            return _Words("-", f"is missing: {id} is not live", "delete")
        case DriftClass.FAILED:
            return _Words("!", f"has failed: {id}")
        case DriftClass.UNMANAGED if drift.address is not None:
            return _Words("?", f"still has {id}, which no longer serves")
        case DriftClass.UNMANAGED:
            return _Words("?", "is live, and no manifest declares it")
        case DriftClass.BASE_RETIRED:
            return _Words("*", "is tuned from a base model that is no longer offered")
        case DriftClass.UNPROMOTED:
            return _Words("^", f"has trained {id}, which is not promoted yet")
        case _:
            assert_never(drift.drift_class)


def describe_drift(drift: Drift) -> str:
    """Say what was found, after the address."""
    return _find_words(drift).phrase


def choose_drift_symbol(drift: Drift) -> str:
    """Choose the character before a finding."""
    return _find_words(drift).symbol


def choose_drift_action(drift: Drift) -> str:
    """Choose Terraform's word for what has happened: update, delete or no-op."""
    return _find_words(drift).action


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
