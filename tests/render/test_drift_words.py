"""The words of a drift report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.render.drift_words import find_drift_words, summarize_drift
from tests.render import plans


def test_drift_summary() -> None:
    """Notes do not count as drift."""
    assert summarize_drift(plans.DRIFTS) == "Drift: 1 changed, 1 missing, 1 failed. 4 notes."
    assert summarize_drift([plans.UNMANAGED]) == "No drift. 1 note."
    assert summarize_drift([]) == "No drift."


@pytest.mark.parametrize(
    ("days_left", "or_later", "said"),
    [
        (None, False, "is no longer offered"),
        (1, False, "retires in 1 day"),
        (2, True, "retires in 2 days at the earliest"),
        (0, False, "has retired"),
        (0, True, "may retire any day"),
    ],
)
def test_the_end_of_a_base_model(days_left: int | None, said: str, *, or_later: bool) -> None:
    """A floor that has passed is no retirement."""
    drift = replace(plans.RETIRED, days_left=days_left, or_later=or_later)
    assert find_drift_words(drift).phrase == f"is tuned from a base model that {said}"
