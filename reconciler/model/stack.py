"""The settings of a set of manifests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec import Struct, field

from reconciler.model.desired import Lifecycle


class Guards(Struct, frozen=True):
    """Bounds that a plan must not exceed; None is no bound. `max_cost` is in the Stack's currency."""

    max_trainings: int | None = None
    max_deletes: int | None = None
    max_cost: float | None = None


ANY_BASE = "default"
"""The key of a price for every base model that has no price of its own."""


class Prices(Struct, frozen=True):
    """The prices of trainings, as the user states them.

    Attributes:
        per_1000_characters: currency units per 1,000 characters, where there is no price by token.
        per_million_tokens: base model, or ANY_BASE, to currency units per million tokens trained.
    """

    per_1000_characters: float | None = None
    currency: str = "USD"
    per_million_tokens: Mapping[str, float] = field(default_factory=dict)

    def find_token_price(self, base: str) -> float | None:
        """Return the price of a million tokens on this base model. None if none is declared."""
        return self.per_million_tokens.get(base, self.per_million_tokens.get(ANY_BASE))


class DeclaredBase(Struct, frozen=True):
    """A Stack's entry for a base model. It adds a row to the packaged table, or changes one.

    Attributes:
        name: without a publisher.
        tunable: False refuses to train on it. None leaves it to the table.
        retires: ISO date, "" leaves it to the table.
        or_later: `retires` is a floor. None leaves it to the table; with a date, it is none.
        replacement: the base model to offer instead, "" leaves it to the table.
        place: FILE:LINE:COLUMN.
    """

    name: str
    tunable: bool | None = None
    retires: str = ""
    or_later: bool | None = None
    replacement: str = ""
    place: str = ""


class Stack(Struct, frozen=True):
    """The settings document (`kind: Stack`); everything has a default.

    Attributes:
        name: "" when there is no Stack.
        bucket: the address of the folder that data sets are uploaded to, for services that read them there.
        base_models: what it says of single base models.
        tunable_base_models: what can be tuned, for services that do not tell; None for what is documented.
        retire_within: from how long before its base model retires a model has drifted.
        fail_on: drift classes that exit 2 besides changed, missing and failed.
        lifecycle: defaults for models that say nothing themselves.
        places: path of a field ("spec.endpoint") to the line and column where its value stands.
    """

    name: str = ""
    project: str | None = None
    location: str | None = None
    endpoint: str | None = None
    bucket: str | None = None
    base_models: tuple[DeclaredBase, ...] = ()
    tunable_base_models: tuple[str, ...] | None = None
    state: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    guards: Guards = Guards()
    prices: Prices = Prices()
    fail_on: tuple[str, ...] = ()
    retire_within: timedelta = timedelta(days=60)
    lifecycle: Lifecycle = Lifecycle()
    file: str = ""
    line: int = 0
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: str) -> str:
        """Return FILE:LINE:COLUMN of a field, as far as it is known."""
        numbers = self.places.get(path, (self.line,) if self.line else ())
        return ":".join(str(part) for part in (self.file, *numbers) if part)
