"""What trainings cost, in words and in rows."""

from __future__ import annotations

from reconciler.plan.values import Bill
from reconciler.render.bill import bill_text, money, total
from reconciler.render.screen import UNLIMITED, Paint
from reconciler.render.text.bill import bill_lines
from tests.render import plans


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
