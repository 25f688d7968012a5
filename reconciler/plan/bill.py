"""The bill of a training, before it runs: its size, an estimate of its tokens, and its price.

Rule: the number of tokens is an estimate, and is called one wherever it is shown. Only the service counts
them, and only after the training.
"""

from __future__ import annotations

from functools import cached_property
from math import ceil

from msgspec import Struct

from reconciler.bases import CHARACTERS_PER_TOKEN, strip_publisher
from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.model.names import Address, Attributes
from reconciler.model.stack import Prices
from reconciler.plan.base_models import BaseFinder
from reconciler.plan.change import Bill
from reconciler.state.values import RecordedEstimate, RecordedModel


class TokenRate(Struct, frozen=True):
    """The number of characters of training data in a token.

    Attributes:
        trainings: how many recorded trainings this was measured from; 0 if the package says so.
    """

    characters: float
    trainings: int = 0


class TokenRates(Struct, dict=True):
    """The rate of each base model: measured from the trainings that the state records, else as packaged."""

    finder: BaseFinder

    def find_base(self, address: Address) -> str:
        """Find the base model of a declared model, without its publisher. "" if it is not known here."""
        return strip_publisher(self.finder.find_declared(address))

    def find(self, kind: str, base: str) -> TokenRate:
        """Find the rate of a base model."""
        if base in self._measured:
            return self._measured[base]
        row = self.finder.find_row(kind, base)
        return TokenRate(row.characters_per_token if row is not None else CHARACTERS_PER_TOKEN)

    @cached_property
    def _measured(self) -> dict[str, TokenRate]:
        """Measure: the characters of all recorded trainings of a base model, by their billed tokens."""
        sums: dict[str, tuple[int, int, int]] = {}
        for address, record in self.finder.records.items():
            kind = self.finder.kinds.get(address.kind)
            for model in record.models if kind is not None else ():
                characters = _count_characters(model, kind.epochs) if kind is not None else 0
                base = strip_publisher(self.finder.find_recorded(model)) if characters else ""
                if base:
                    before = sums.get(base, (0, 0, 0))
                    sums[base] = (before[0] + characters, before[1] + model.billed_tokens, before[2] + 1)
        return {base: TokenRate(sum[0] / sum[1], sum[2]) for base, sum in sums.items()}


def _count_characters(model: RecordedModel, epochs: str) -> int:
    """Count the characters that were trained. 0 if they or the tokens that were billed are not known.

    0 too if the data had more than texts: the tokens of an image would make those of a text look longer.
    """
    if model.estimate is not None and model.estimate.texts_only:
        return 0
    count = find_number(model.sent, epochs)
    return model.data[0].characters * count if model.data and count and model.billed_tokens else 0


def compute_bill(desired: Desired, kind: Kind, prices: Prices, rates: TokenRates) -> Bill:
    """Compute the size and the price of one training: ceil(examples * epochs / batch) steps.

    A price by token comes first. A price by character is for the trainings that have none.
    """
    declared_epochs = find_number(desired.attributes, kind.epochs)
    declared_batch = find_number(desired.attributes, kind.batch)
    epochs = kind.default_epochs if declared_epochs is None else declared_epochs
    batch = kind.default_batch if declared_batch is None else declared_batch
    training = desired.data[0]
    base = rates.find_base(desired.address) if prices.per_million_tokens else ""
    token_price = prices.find_token_price(base)
    rate, size, price = TokenRate(CHARACTERS_PER_TOKEN), 0, None
    if token_price is not None:
        rate = rates.find(desired.address.kind, base)
        size = training.characters or training.size
    tokens = ceil(size / rate.characters)
    if token_price is not None and tokens and epochs:
        price = tokens * epochs / 1_000_000 * token_price
    elif token_price is None and prices.per_1000_characters is not None and epochs and training.characters:
        price = training.characters * epochs / 1000 * prices.per_1000_characters
    return Bill(
        examples=training.examples,
        characters=training.characters,
        epochs=epochs,
        batch=batch,
        steps=ceil(training.examples * epochs / batch) if batch else 0,
        estimated=(declared_epochs is None and epochs > 0) or (declared_batch is None and batch > 0),
        price=price,
        currency=prices.currency if price is not None or token_price is not None else "",
        tokens=tokens,
        at_most=tokens > 0 and not training.characters,
        calibrated=rate.trainings if tokens else 0,
        token_price=token_price,
        texts_only=tokens > 0 and training.multimodal > 0,
    )


def record_estimate(bill: Bill) -> RecordedEstimate | None:
    """Keep what a training is expected to cost, for its record. None if no price is declared."""
    if bill.price is None and bill.token_price is None:
        return None
    return RecordedEstimate(
        tokens=bill.trained_tokens if bill.epochs else 0,
        at_most=bill.at_most,
        amount=None if bill.price is None else round(bill.price, 6),
        currency=bill.currency,
        token_price=bill.token_price,
        texts_only=bill.texts_only,
    )


def find_number(attributes: Attributes, ending: str) -> int | None:
    """Find the number at a path with this ending. None if there is none."""
    for path, value in attributes.items():
        if ending and f".{path}".endswith(f".{ending}") and isinstance(value, int):
            return value
    return None
