"""The words of a drift report."""

from __future__ import annotations

from reconciler.render.drift_words import drift_summary
from tests.render import plans


def test_drift_summary() -> None:
    """Notes are no drift."""
    assert drift_summary(plans.DRIFTS) == "Drift: 1 changed, 1 missing, 1 failed. 2 notes."
    assert drift_summary([plans.UNMANAGED]) == "No drift. 1 note."
    assert drift_summary([]) == "No drift."
