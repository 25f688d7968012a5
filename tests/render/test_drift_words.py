"""The words of a drift report."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.plan.change import Drift, DriftClass
from reconciler.render.drift_words import DriftWords, find_drift_words, summarize_drift
from tests.render import plans


def test_drift_summary() -> None:
    """Notes do not count as drift."""
    assert summarize_drift(plans.DRIFTS) == "Drift: 1 changed, 1 missing, 1 failed. 4 notes."
    assert summarize_drift([plans.UNMANAGED]) == "No drift. 1 note."
    assert summarize_drift([]) == "No drift."


def test_every_finding_is_a_sentence() -> None:
    """After the address, each class of drift says what was found, and which model it is about."""
    said = {
        DriftClass.CHANGED: "was changed outside",
        DriftClass.MISSING: "is missing: m-1 is not live",
        DriftClass.FAILED: "has failed: m-1",
        DriftClass.UNMANAGED: "is live, and no manifest declares it",
        DriftClass.BASE_RETIRED: "is tuned from a base model that is no longer offered",
        DriftClass.UNPROMOTED: "has m-1, which is ready and not promoted yet",
        DriftClass.HELD_BACK: "has m-1 held back",
        DriftClass.KEPT: "still has m-1, which no longer serves",
    }
    drift = Drift(plans.address("m"), DriftClass.CHANGED, "m-1")
    assert {one: find_drift_words(replace(drift, drift_class=one)).phrase for one in DriftClass} == said


@pytest.mark.parametrize(
    ("drift_class", "words"),
    [
        (DriftClass.CHANGED, ("~", "has an endpoint that was changed outside: e-1", "update")),
        (DriftClass.MISSING, ("-", "has no endpoint any more: e-1 does not exist", "delete")),
    ],
)
def test_an_endpoint_is_not_taken_for_a_model(drift_class: DriftClass, words: tuple[str, str, str]) -> None:
    """What happened to a stable endpoint is not said of the model, and the endpoint is named."""
    drift = Drift(plans.address("m"), drift_class, "e-1", is_endpoint=True)
    assert find_drift_words(drift) == DriftWords(*words)


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
