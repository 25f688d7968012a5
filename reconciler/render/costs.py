"""Describes what was spent on trainings as JSON, for `cost --json`."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.codec import Json
from reconciler.plan.costs import Spent, total_spent


def build_cost_document(spent: Sequence[Spent]) -> Json:
    """Build the document of `cost --json`: each sum, and the totals."""
    return {
        "costs": [
            {"month": part.month, "address": str(part.address) if part.address else None, **_encode(part)}
            for part in spent
        ],
        "totals": [_encode(total) for total in total_spent(spent)],
    }


def _encode(part: Spent) -> dict[str, Json]:
    return {
        "currency": part.currency or None,
        "estimate": part.is_estimate,
        "trainings": part.trainings,
        "tokens": part.tokens,
        "amount": None if part.unpriced == part.trainings else round(part.amount, 6),
        "unpriced": part.unpriced,
    }
