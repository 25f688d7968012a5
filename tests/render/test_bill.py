"""The costs of trainings, in words and in tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from reconciler.model.live import Status
from reconciler.plan.change import Bill, Change
from reconciler.render.bill import describe_bill, describe_billed, describe_cost, format_price, sum_bills
from reconciler.render.terminal import UNLIMITED, Paint
from reconciler.render.text.bill import render_bill
from reconciler.state.values import RecordedEstimate, RecordedModel
from tests.render import plans


def test_bill_text() -> None:
    """The bill of a training shows how its steps are computed, and which figures are estimates."""
    assert (
        describe_bill(Bill(15, 640, 5, 2, 38))
        == "15 examples x 5 epochs / batch 2 = 38 steps, 3,200 characters"
    )
    assert describe_bill(Bill(1, 9, 1, 0, 1, estimated=True, price=2.5, currency="EUR")) == (
        "1 example x 1 epoch = 1 step, 9 characters, 2.50 EUR (estimated)"
    )
    assert describe_bill(Bill(40, 220, 3, 0, 0)) == "40 examples x 3 epochs, 660 characters"


def test_what_only_the_service_knows_is_no_hole() -> None:
    """A bill of tuning jobs alone has no column for batch and steps.

    Beside others it has a word, and never a 0.
    """
    job = plans.create("job", bill=Bill(40, 220, 3, 0, 0))
    assert str(sum_bills([job])) == "1 training: 40 examples, 660 characters"
    _, _, headings, *rows = render_bill([job, job], width=UNLIMITED, paint=Paint(colour=False))
    assert headings.split() == ["model", "examples", "epochs", "characters"]
    assert [row.split()[1:] for row in rows] == [["40", "3", "660"], ["40", "3", "660"], ["80", "1,320"]]
    assert "step" not in " ".join(render_bill([job, job], width=30, paint=Paint(colour=False)))
    mixed = list(render_bill([job, plans.CREATE], width=UNLIMITED, paint=Paint(colour=False)))
    assert mixed[3].split()[3:7] == ["by", "service", "by", "service"]
    assert any(line.strip().startswith("by service: the service chooses") for line in mixed)


def test_what_is_not_known_at_all_is_said() -> None:
    """If the service chooses the epochs, or the data is not read here, the bill shows words and never 0."""
    chosen, unread = Bill(40, 220, 0, 0, 0), Bill(0, 0, 3, 0, 0)
    assert describe_bill(chosen) == (
        "40 examples, in epochs that the service chooses, 220 characters an epoch"
    )
    assert describe_bill(unread) == "data that is not read here x 3 epochs"
    jobs = [plans.create("chosen", bill=chosen), plans.create("unread", bill=unread)]
    assert str(sum_bills(jobs)) == "2 trainings: 40 examples, 220 characters, data that is not read here"
    rows = list(render_bill(jobs, width=UNLIMITED, paint=Paint(colour=False)))
    assert rows[3].split()[2:] == ["40", "by", "service", "220", "an", "epoch"] or rows[3].endswith(
        "220 an epoch"
    )
    assert "not read" in rows[4]
    assert not any(" 0" in row or " - " in row for row in rows)


def test_total_adds_up() -> None:
    """A total sums the known figures, marks a price that is a lower bound, and never mixes currencies."""
    euro = plans.create("euro", bill=Bill(1, 10, 2, 1, 2, price=1.0, currency="EUR"))
    sums = sum_bills([plans.CREATE, plans.CREATE_INLINE, euro, plans.create("blank", bill=None)])
    assert (sums.trainings, sums.examples, sums.characters, sums.steps) == (4, 21, 812 * 5 + 24 * 5 + 20, 50)
    assert (sums.estimated, sums.unpriced, sums.price) == (True, 2, "at least 1.00 EUR + 0.03 USD")
    assert sum_bills([plans.CREATE]).price == "0.03 USD"
    assert sum_bills([plans.CREATE_INLINE]).price == ""


@pytest.mark.parametrize("width", [30, 60, 80, 100])
def test_no_name_in_a_bill_is_cut(width: int) -> None:
    """Two long names that differ at the end stay two names. Without room they get lines of their own."""
    names = ["a-very-long-name-of-a-model-121", "a-very-long-name-of-a-model-122", "x"]
    trainings = [plans.create(name, bill=Bill(40, 220, 3, 2, 60)) for name in names]
    lines = list(render_bill(trainings, width=width, paint=Paint(colour=False)))
    words = {word for line in lines for word in line.split()}
    assert {f"TunedModel/{name}" for name in names} <= words
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)
    alone = list(render_bill(trainings[:1], width=width, paint=Paint(colour=False)))
    assert "  total" not in alone


def test_an_estimate_of_texts_only_is_at_least_so_much() -> None:
    """The table, the lines below it, a sentence and the total say so.

    With an upper bound too, none is left.
    """
    images = Bill(40, 220, 3, 0, 0, tokens=55, price=0.00165, currency="USD", token_price=10, texts_only=True)
    training = plans.create("images", bill=images)
    assert describe_bill(images) == (
        "40 examples x 3 epochs, 660 characters, at least 160 tokens, of texts only, at least 0.0016 USD "
        "(estimate)"
    )
    assert "tokens (of texts only), at least" in str(sum_bills([training]))
    lines = list(render_bill([training], width=UNLIMITED, paint=Paint(colour=False)))
    assert lines[3].count("at least") == 2
    assert lines[-1] == "  at least: estimated from texts only. Images, audio and video have tokens too"
    bucket = plans.create("bucket", bill=replace(images, texts_only=False, at_most=True))
    assert sum_bills([bucket]).price.startswith("at most ")
    assert sum_bills([training, bucket]).price == "about 0.0033 USD"


def test_money_under_a_cent_is_not_zero() -> None:
    """A small price does not look free."""
    assert (format_price(0.00012, "USD"), format_price(0, "USD"), format_price(1234.5, "")) == (
        "0.00012 USD",
        "0.00 USD",
        "1,234.50",
    )


def test_what_was_billed_stands_beside_the_estimate() -> None:
    """The difference is in tokens, in the currency and in percent. Without an estimate there is none."""
    assert describe_billed(1_000, 0.3, "USD", 1_000) == "1,000 tokens, 0.30 USD, as estimated"
    assert describe_billed(1_200, 0.36, "USD", 1_000) == (
        "1,200 tokens, 0.36 USD; the estimate was 1,000 tokens, 0.30 USD (+200 tokens, +0.06 USD, +20.0 %)"
    )
    assert describe_billed(900, 0.27, "USD", 1_000) == (
        "900 tokens, 0.27 USD; the estimate was 1,000 tokens, 0.30 USD (-100 tokens, -0.03 USD, -10.0 %)"
    )
    assert describe_billed(900, None, "", 1_000) == (
        "900 tokens; the estimate was 1,000 tokens (-100 tokens, -10.0 %)"
    )
    assert describe_billed(900, None, "", 0) == "900 tokens"


@pytest.mark.parametrize(
    ("status", "estimate", "billed", "said"),
    [
        (Status.ACTIVE, None, 0, ""),
        (Status.ACTIVE, None, 1_200, "1,200 tokens"),
        (Status.ACTIVE, RecordedEstimate(1_000), 0, "unknown"),
        (Status.ACTIVE, RecordedEstimate(1_000, amount=0.5, currency="EUR"), 0, "about 0.50 EUR"),
        (
            Status.ACTIVE,
            RecordedEstimate(1_000, at_most=True, amount=0.5, currency="EUR"),
            0,
            "at most 0.50 EUR",
        ),
        (Status.FAILED, RecordedEstimate(1_000, amount=0.5, currency="EUR"), 0, ""),
        (Status.FAILED, RecordedEstimate(1_000, currency="EUR", token_price=10), 50_000, "0.50 EUR"),
    ],
)
def test_the_cost_of_a_recorded_training(
    status: Status, estimate: RecordedEstimate | None, billed: int, said: str
) -> None:
    """The bill counts, or else the estimate. A failure without a bill may have cost nothing."""
    assert describe_cost(RecordedModel("x", status=status, estimate=estimate, billed_tokens=billed)) == said


def test_a_price_by_token_without_epochs_is_no_cost() -> None:
    """The service chooses how often it trains on the data, so nobody knows what that costs."""
    chosen = Bill(40, 220, 0, 0, 0, tokens=60, token_price=3.0, currency="USD")
    assert describe_bill(chosen) == (
        "40 examples, in epochs that the service chooses, 220 characters an epoch, about 60 tokens an epoch,"
        " cost unknown (estimate)"
    )


class CountedReads(list[Change]):
    """Changes that count how often the whole list is read."""

    reads = 0

    def __iter__(self) -> Iterator[Change]:
        self.reads += 1
        return super().__iter__()


def test_many_trainings_are_read_as_often_as_few() -> None:
    """The time to render a bill is linear in the number of its trainings."""
    reads = []
    for count in (3, 300):
        trainings = CountedReads([plans.CREATE] * count)
        assert len(list(render_bill(trainings, width=UNLIMITED, paint=Paint(colour=False)))) > count
        reads.append(trainings.reads)
    assert reads[0] == reads[1]
