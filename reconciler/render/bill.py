"""The costs in words: the bill of a training, and the total of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.formats import count_noun
from reconciler.plan.change import Bill, Change
from reconciler.render.terminal import escape


def format_price(price: float, currency: str) -> str:
    """Write an amount: 1.25 USD. An amount below a cent gets two significant digits."""
    text = f"{price:,.2f}" if price >= 0.01 or price == 0 else f"{price:.2g}"
    return f"{text} {escape(currency)}".rstrip()


def describe_bill(bill: Bill) -> str:
    """Describe one training's bill in a sentence."""
    seen = count_noun(bill.examples, "example") if bill.examples else "data that is not read here"
    epochs = f" x {count_noun(bill.epochs, 'epoch')}" if bill.epochs else ""
    seen += epochs or ", in epochs that the service chooses"
    seen += f" / batch {bill.batch:,}" if bill.batch else ""
    seen += f" = {count_noun(bill.steps, 'step')}" if bill.steps else ""
    if bill.characters:
        each = "" if bill.epochs else " an epoch"
        seen += f", {count_noun(bill.trained_characters, 'character')}{each}"
    price = f", {format_price(bill.price, bill.currency)}" if bill.price is not None else ""
    return f"{seen}{price}{' (estimated)' if bill.estimated else ''}"


@dataclass(frozen=True, slots=True)
class Total:
    """What all trainings of a plan cost together.

    Attributes:
        unread: trainings whose data is not read here. If there are any, the counts are lower bounds.
        unpriced: trainings without a price. If there are any, the sum is a lower bound.
        prices: currency to sum.
    """

    trainings: int
    examples: int
    characters: int
    steps: int
    estimated: bool
    unread: int
    unpriced: int
    prices: dict[str, float]

    @property
    def price(self) -> str:
        """The sum: 1.25 USD. "at least …" if some trainings have no price, "" if none has one."""
        return f"at least {self.amount}" if self.amount and self.unpriced else self.amount

    @property
    def amount(self) -> str:
        """The sum of the known prices, for each currency."""
        return " + ".join(format_price(amount, currency) for currency, amount in sorted(self.prices.items()))

    def __str__(self) -> str:
        counts = ((self.examples, "example"), (self.steps, "step"), (self.characters, "character"))
        parts = [count_noun(number, what) for number, what in counts if number]
        parts += ["data that is not read here"] * bool(self.unread)
        if self.price:
            parts.append(self.price)
        estimated = " (estimated)" if self.estimated else ""
        return f"{count_noun(self.trainings, 'training')}: {', '.join(parts)}{estimated}"


def sum_bills(changes: Iterable[Change]) -> Total:
    """Sum the bills of these trainings."""
    trainings = list(changes)
    bills = [change.bill for change in trainings if change.bill is not None]
    prices: dict[str, float] = {}
    for bill in bills:
        if bill.price is not None:
            prices[bill.currency] = prices.get(bill.currency, 0.0) + bill.price
    return Total(
        trainings=len(trainings),
        examples=sum(bill.examples for bill in bills),
        characters=sum(bill.trained_characters for bill in bills),
        steps=sum(bill.steps for bill in bills),
        estimated=any(bill.estimated for bill in bills),
        unread=sum(not bill.examples for bill in bills),
        unpriced=len(trainings) - sum(bill.price is not None for bill in bills),
        prices=prices,
    )
