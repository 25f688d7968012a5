"""The words that all formats share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from reconciler.identity import float32
from reconciler.plan.values import Action, Bill, Change, Context, Drift, Inputs, Plan, Reason
from reconciler.render.bill import bill_text, money, total
from reconciler.render.screen import UNLIMITED, Paint
from reconciler.render.text.bill import bill_lines
from reconciler.render.wording import (
    LEGEND,
    consequences,
    context_text,
    counted,
    drift_summary,
    duration,
    number,
    phrase,
    summary,
    symbol,
)
from reconciler.state import Verdict
from tests.render import plans
from tests.render.strategies import floats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.7, "0.7"),
        (float32(0.7), "0.7"),
        (0.001, "0.001"),
        (1.0, "1"),
        (1e-7, "1e-07"),
        (1e300, "1e+300"),
        (16777217.0, "16777217"),
        (0.1 + 2**-25, "0.10000003"),
    ],
)
def test_number(value: float, text: str) -> None:
    """A float is shown as a manifest would write it, although the service keeps float32."""
    assert number(value) == text


@given(floats)
def test_number_is_the_same_float32(value: float) -> None:
    """Two values that the service tells apart never look the same."""
    assert float32(float(number(value))) == float32(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (7500, "2h05m"),
        (float("inf"), "0s"),
        (-3, "0s"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """Two units at most, and no nonsense for nonsense."""
    assert duration(seconds) == text


def test_counted() -> None:
    """A noun follows its count."""
    assert [counted(0, "model"), counted(1, "model"), counted(1204, "model")] == [
        "0 models",
        "1 model",
        "1,204 models",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            (plans.CREATE, plans.CREATE_INLINE, plans.ADOPT, plans.UPDATE),
            "Plan: 2 to train, 1 to adopt, 1 to update.",
        ),
        ((plans.REPLACE, plans.DELETE), "Plan: 1 to replace, 1 to delete."),
        ((plans.FAILED,), "Plan: 1 failed."),
        ((plans.DELETE_DEPOSED, plans.WAIT), "Plan: 1 to delete, 1 still training."),
        ((plans.NO_OP,), "No changes. 1 model is as declared."),
        ((plans.WAIT, plans.WAIT), "No changes. 2 models are still training."),
        ((plans.RECORD,), "No changes. Only what is recorded is brought up to date."),
        ((replace(plans.FORGET, deposed="x"),), "No changes. Only what is recorded is brought up to date."),
        ((), "No changes. Nothing is declared, and nothing is recorded."),
    ],
)
def test_summary(changes: tuple[Change, ...], line: str) -> None:
    """The last line counts what is not zero, and says so when nothing changes."""
    assert summary(Plan(changes)) == line


@pytest.mark.parametrize("selection", [Inputs(targets=("x",)), Inputs(excludes=("x",))])
def test_the_summary_of_an_empty_selection(selection: Inputs) -> None:
    """Where options left nothing, the plan does not say that nothing is declared or recorded."""
    assert summary(Plan((), inputs=selection)) == "No changes. Nothing is left by --target and --exclude."


def test_the_summary_of_an_empty_destruction() -> None:
    """Nothing to destroy: what manifests declare has no part in it."""
    assert summary(Plan((), inputs=Inputs(destroy=True))) == "No changes. Nothing is recorded."


@pytest.mark.parametrize(
    ("drift", "line"),
    [
        ((), "No changes: --refresh-only compares, and plans nothing. Live is as recorded."),
        (
            plans.DRIFTS,
            "No changes: --refresh-only compares, and plans nothing. What was found stands above.",
        ),
    ],
)
def test_the_summary_of_a_comparison(drift: tuple[Drift, ...], line: str) -> None:
    """A plan that only compares has no changes, and does not say that nothing is declared or recorded."""
    assert summary(Plan((), drift=drift, inputs=Inputs(refresh_only=True))) == line


def test_every_symbol_has_a_meaning() -> None:
    """What stands in the first column is explained in the legend."""
    assert {symbol(change) for change in plans.CHANGES} - {""} <= set(LEGEND)
    assert [symbol(one) for one in (plans.WAIT, plans.RECORD, plans.NO_OP)] == ["", "", ""]


def test_the_context_says_what_is_missing() -> None:
    """An emulator is named as such, and no credential is said to be none."""
    local = Context("http://127.0.0.1:1", credential="none", service="emulator")
    assert context_text(local) == "http://127.0.0.1:1 (emulator), no project, no credential"
    assert context_text(plans.CONTEXT).endswith(", project tuned-prod, access token")


def test_bill_text() -> None:
    """One training's bill shows how the steps come about, and what is an estimate."""
    assert (
        bill_text(Bill(15, 640, 5, 2, 38)) == "15 examples x 5 epochs / batch 2 = 38 steps, 3,200 characters"
    )
    assert bill_text(Bill(1, 9, 1, 0, 1, estimated=True, price=2.5, currency="EUR")) == (
        "1 example x 1 epoch = 1 step, 9 characters, 2.50 EUR (estimated)"
    )
    assert bill_text(Bill(40, 220, 3, 0, 0)) == "40 examples x 3 epochs, 660 characters"


def test_steps_that_only_the_service_knows_are_not_called_none() -> None:
    """Vertex AI chooses the batch: neither a row, a sentence nor the total speaks of 0 steps."""
    job = plans.create("job", bill=Bill(40, 220, 3, 0, 0))
    assert str(total([job])) == "1 training: 40 examples, 660 characters"
    lines = list(bill_lines([job, job], width=UNLIMITED, paint=Paint(colour=False)))
    assert [line.split()[-2] for line in lines[3:]] == ["-", "-", "-"]
    assert "step" not in " ".join(bill_lines([job, job], width=30, paint=Paint(colour=False)))


def test_total_adds_up() -> None:
    """A total sums what is known, says when the price is a lower bound, and never mixes currencies."""
    euro = plans.create("euro", bill=Bill(1, 10, 2, 1, 2, price=1.0, currency="EUR"))
    sums = total([plans.CREATE, plans.CREATE_INLINE, euro, plans.create("blank", bill=None)])
    assert (sums.trainings, sums.examples, sums.characters, sums.steps) == (4, 21, 812 * 5 + 24 * 5 + 20, 50)
    assert (sums.estimated, sums.unpriced, sums.price) == (True, 2, "at least 1.00 EUR + 0.03 USD")
    assert total([plans.CREATE]).price == "0.03 USD"
    assert total([plans.CREATE_INLINE]).price == ""


def test_money_under_a_cent_is_not_zero() -> None:
    """A small price does not look free."""
    assert (money(0.00012, "USD"), money(0, "USD"), money(1234.5, "")) == (
        "0.00012 USD",
        "0.00 USD",
        "1,234.50",
    )


def test_a_kept_model_is_not_said_to_go() -> None:
    """Either the replaced model is deleted or it is kept, never both."""
    gone, kept = (" ".join(consequences(one)) for one in (plans.REPLACE, plans.REPLACE_KEPT))
    assert "then it is deleted" in gone
    assert "is kept" not in gone
    assert "protected-11111111 is kept: prevent_destroy protects it" in kept
    assert "deleted" not in kept


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN])
def test_what_was_checked_before_is_told_from_what_never_was(verdict: Verdict) -> None:
    """A model that its checks keep back is checked again, and nobody need fear another training."""
    again = replace(plans.CHECK_AGAIN, verdict=verdict)
    assert phrase(again) == "will be checked again: unproven-dddddddd is trained"
    assert "nothing is trained; 2 checks must pass this time" in list(consequences(again))
    without = replace(again, checks=())
    assert phrase(without) == "will be completed: unproven-dddddddd is trained"
    assert "nothing is trained; no check is declared any more" in list(consequences(without))
    first = replace(again, verdict=Verdict.PASSED)
    assert phrase(first) == "will be completed: unproven-dddddddd is trained"
    assert "2 checks must pass before it is promoted" in list(consequences(first))


def test_an_unpromoted_completion_says_so() -> None:
    """What is only recorded is not said to be promoted, nor its predecessor to go."""
    text = " ".join(consequences(replace(plans.COMPLETE, promote=False)))
    assert "not promoted" in text
    assert "deleted" not in text
    assert "check" not in text


def test_drift_summary() -> None:
    """Notes are no drift."""
    assert drift_summary(plans.DRIFTS) == "Drift: 1 changed, 1 missing, 1 failed. 2 notes."
    assert drift_summary([plans.UNMANAGED]) == "No drift. 1 note."
    assert drift_summary([]) == "No drift."


def test_reasons_and_actions_are_words() -> None:
    """Every reason but none can be read aloud; every action has its own value."""
    assert all(str(reason) for reason in Reason if reason is not Reason.NONE)
    assert len(set(Action)) == len(Action)
