"""The costs in words: the bill of a training, and the total of a plan."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from reconciler import formats
from reconciler.formats import count_noun, format_estimate
from reconciler.model.live import Status
from reconciler.plan.change import Bill, Change
from reconciler.render.terminal import escape
from reconciler.state.values import RecordedEstimate, RecordedModel


def format_price(price: float, currency: str) -> str:
    """Write an amount, as `formats.format_price` does. The currency may come from a file."""
    return formats.format_price(price, escape(currency))


def choose_bound(*, at_most: bool, at_least: bool) -> str:
    """Choose the word before an estimate: a bound, or "about" if it is none, or both in parts."""
    if at_most == at_least:
        return "about"
    return "at most" if at_most else "at least"


def describe_tokens(tokens: int, *, at_most: bool = False, at_least: bool = False) -> str:
    """Write an estimated number of tokens: about 1.2 M tokens."""
    return f"{choose_bound(at_most=at_most, at_least=at_least)} {format_estimate(tokens)} tokens"


def describe_bill_price(bill: Bill) -> str:
    """Write the price of a training. "" if it is not known. An estimate by token begins with "about"."""
    if bill.price is None:
        return ""
    text = format_price(bill.price, bill.currency)
    if bill.token_price is None:
        return text
    return f"{choose_bound(at_most=bill.at_most, at_least=bill.texts_only)} {text}"


def describe_billed(tokens: int, amount: float | None, currency: str, expected: int) -> str:
    """Describe what was billed for a training, and how far that is from the estimate.

    `expected` are the tokens of the estimate, 0 if there was none.
    """
    said = count_noun(tokens, "token")
    said += "" if amount is None else f", {format_price(amount, currency)}"
    if not expected:
        return said
    if tokens == expected:
        return f"{said}, as estimated"
    estimate = count_noun(expected, "token")
    difference = f"{tokens - expected:+,} tokens"
    if amount is not None and tokens:
        guessed = amount * expected / tokens
        estimate += f", {format_price(guessed, currency)}"
        difference += f", {'+' if amount >= guessed else ''}{format_price(amount - guessed, currency)}"
    return f"{said}; the estimate was {estimate} ({difference}, {100 * (tokens / expected - 1):+.1f} %)"


def describe_cost(model: RecordedModel) -> str:
    """Describe in a few words what the training of a recorded model has cost, or may cost. "" if unknown."""
    estimate = model.estimate
    if model.billed_tokens and estimate is not None and model.amount is not None:
        return format_price(model.amount, estimate.currency)
    if model.billed_tokens:
        return count_noun(model.billed_tokens, "token")
    if estimate is None or model.status is Status.FAILED:
        return ""
    return describe_estimated_price(estimate) or "unknown"


def describe_estimated_price(estimate: RecordedEstimate) -> str:
    """Write what a training was expected to cost: about 0.12 USD. "" if that was unknown."""
    if estimate.amount is None:
        return ""
    bound = choose_bound(at_most=estimate.at_most, at_least=estimate.texts_only)
    return f"{bound} {format_price(estimate.amount, estimate.currency)}"


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
    if bill.tokens:
        each = "" if bill.epochs else " an epoch"
        tokens = describe_tokens(bill.trained_tokens, at_most=bill.at_most, at_least=bill.texts_only)
        seen += f", {tokens}{each}{', of texts only' if bill.texts_only else ''}"
    if price := describe_bill_price(bill):
        seen += f", {price}"
    elif bill.token_price is not None:
        seen += ", cost unknown"
    return f"{seen}{_mark_estimate(by_token=bill.tokens > 0, estimated=bill.estimated)}"


def _mark_estimate(*, by_token: bool, estimated: bool) -> str:
    return " (estimate)" if by_token else " (estimated)" if estimated else ""


class Total(Struct, frozen=True):
    """The cost of all trainings of a plan together.

    Attributes:
        unread: trainings whose data is not read here. If there are any, the counts are lower bounds.
        unpriced: trainings without a price. If there are any, the sum is a lower bound.
        prices: currency to sum.
        tokens: estimated. Those of a training whose epochs are not known are not in the sum.
        at_most: some of the tokens are estimated from the size of a file, so there are fewer.
        texts_only: some of the data has more than texts, whose tokens are not estimated, so there are more.
    """

    trainings: int
    examples: int
    characters: int
    steps: int
    estimated: bool
    unread: int
    unpriced: int
    prices: dict[str, float]
    tokens: int = 0
    at_most: bool = False
    texts_only: bool = False

    @property
    def price(self) -> str:
        """The sum: 1.25 USD. "at least …" if some trainings have no price, "" if none has one."""
        if not self.amount:
            return ""
        word = choose_bound(at_most=self.at_most, at_least=self.unpriced > 0 or self.texts_only)
        return self.amount if word == "about" and not self.tokens else f"{word} {self.amount}"

    @property
    def mark(self) -> str:
        """The word that says that some of this is estimated: " (estimate)". "" if nothing is."""
        return _mark_estimate(by_token=self.tokens > 0, estimated=self.estimated)

    @property
    def amount(self) -> str:
        """The sum of the known prices, for each currency."""
        return " + ".join(format_price(amount, currency) for currency, amount in sorted(self.prices.items()))

    def __str__(self) -> str:
        counts = ((self.examples, "example"), (self.steps, "step"), (self.characters, "character"))
        parts = [count_noun(number, what) for number, what in counts if number]
        parts += ["data that is not read here"] * bool(self.unread)
        if self.tokens:
            tokens = describe_tokens(self.tokens, at_most=self.at_most, at_least=self.texts_only)
            parts.append(f"{tokens}{' (of texts only)' if self.texts_only else ''}")
        if self.price:
            parts.append(self.price)
        return f"{count_noun(self.trainings, 'training')}: {', '.join(parts)}{self.mark}"


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
        tokens=sum(bill.trained_tokens for bill in bills if bill.epochs),
        at_most=any(bill.at_most for bill in bills),
        texts_only=any(bill.texts_only for bill in bills),
    )
