"""The words of a drift report."""

from __future__ import annotations

from reconciler.render.drift_words import summarize_drift
from tests.render import plans


def test_drift_summary() -> None:
    """Notes do not count as drift."""
    assert summarize_drift(plans.DRIFTS) == "Drift: 1 changed, 1 missing, 1 failed. 2 notes."
    assert summarize_drift([plans.UNMANAGED]) == "No drift. 1 note."
    assert summarize_drift([]) == "No drift."
