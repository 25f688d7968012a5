"""Base models: rows of a dated table, what a Stack says instead, and what follows from a date.

A service may move a date later, never earlier, and "or later" is only a floor. So a packaged date warns and
never refuses a training. Rule: nothing here asks for today's date; the caller gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from reconciler.formats import count_noun, format_date
from reconciler.model.stack import DeclaredBase

WARN_WITHIN = 90
"""Days before the end of a base model from which a training on it gets a warning."""


CHARACTERS_PER_TOKEN = 4.0
"""The default, unless a table has another value. Google: "a token is equivalent to about 4 characters"."""


class Base(Struct, frozen=True):
    """A row of the table of base models: what documents said on the day they were read, or what a Stack says.

    Attributes:
        name: without a publisher.
        tunable: whether a new training on it can be started.
        released: ISO date, "" where no document tells.
        retires: ISO date, "" where no document tells.
        or_later: `retires` is a floor, the earliest day that was promised, and no date of retirement.
        replacements: what the documents name in its place, the best first.
        adapters: sizes of adapter that it takes, () where no document tells.
        locations: where it is tuned, () where no document restricts it.
        serves: where a model that is tuned from it answers, () for the location of its training.
        own_keys: whether a training can be encrypted under the customer's own key.
        characters_per_token: of training data, about.
        doubt: why it is uncertain that it can be tuned; "" if it is certain. It is offered last.
        read: ISO date on which this was read, "" for what only a Stack declares.
        source: which documents said so.
        place: FILE:LINE:COLUMN of the Stack that declares it, "" for a packaged row.
        refused: the Stack says that it cannot be tuned.
    """

    name: str
    tunable: bool
    released: str = ""
    retires: str = ""
    or_later: bool = False
    replacements: tuple[str, ...] = ()
    adapters: tuple[int, ...] = ()
    locations: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    own_keys: bool = True
    characters_per_token: float = CHARACTERS_PER_TOKEN
    doubt: str = ""
    read: str = ""
    source: str = ""
    place: str = ""
    refused: bool = False

    def count_days_left(self, today: date) -> int | None:
        """Count the days until it retires, negative afterwards. None if no date is known."""
        return (date.fromisoformat(self.retires) - today).days if self.retires else None

    def is_retired(self, today: date) -> bool:
        """Return whether it has retired, as far as is known. A floor retires nothing."""
        left = self.count_days_left(today)
        return left is not None and left <= 0 and not self.or_later

    def ends_within(self, today: date, days: float) -> bool:
        """Return whether its date, a floor too, is at most this many days ahead, or has passed."""
        left = self.count_days_left(today)
        return left is not None and left <= days

    def describe_end(self, today: date) -> str:
        """Say when it retires, after its name: "retires on 19 May 2027, in 3 days". "" if nobody knows."""
        left = self.count_days_left(today)
        if left is None:
            return ""
        distance = _describe_distance(left)
        if left >= 0 and not (self.or_later and left == 0):
            return f"{self.describe_date()}, {distance}{' at the earliest' if self.or_later else ''}"
        day = format_date(date.fromisoformat(self.retires))
        if self.or_later:
            return f"may retire any day: it was promised only until {day}, {distance}"
        return f"retired on {day}, {distance}"

    def describe_date(self) -> str:
        """Say on which day it retires, as long as that is ahead. "" if nobody knows."""
        if not self.retires:
            return ""
        day = format_date(date.fromisoformat(self.retires))
        return f"retires {'not before' if self.or_later else 'on'} {day}"

    @property
    def authority(self) -> str:
        """The source of the row: "documents read on 28 November 2026", or the place in the Stack."""
        if self.place or not self.read:
            return self.place
        return f"documents read on {format_date(date.fromisoformat(self.read))}"


def _describe_distance(days: int) -> str:
    if days == 0:
        return "today"
    return f"in {count_noun(days, 'day')}" if days > 0 else f"{count_noun(-days, 'day')} ago"


def strip_publisher(name: str) -> str:
    """Return the name of a base model without its publisher and version."""
    return name.rpartition("/")[2].partition("@")[0]


def find_base(bases: Mapping[str, Base], name: str) -> Base | None:
    """Return the row of a base model, however its publisher is written. None if there is none."""
    return bases.get(strip_publisher(name))


def sort_offered(bases: Mapping[str, Base], names: Iterable[str]) -> list[str]:
    """Sort what can be tuned by name, the doubtful ones last."""
    return sorted(names, key=lambda name: (bool((base := find_base(bases, name)) and base.doubt), name))


def override_bases(bases: Mapping[str, Base], declared: Iterable[DeclaredBase]) -> Mapping[str, Base]:
    """Return the table with what a Stack adds and changes. Doing it twice changes nothing more."""
    changed = {one.name: _override(bases.get(one.name), one) for one in declared}
    return {**bases, **changed} if changed else bases


def _override(base: Base | None, declared: DeclaredBase) -> Base:
    """Apply one entry of a Stack to its row. A base model that the table does not know can be tuned."""
    row = replace(
        base or Base(declared.name, tunable=True), place=declared.place, refused=declared.tunable is False
    )
    if declared.tunable is not None:
        row = replace(row, tunable=declared.tunable, doubt="")
    if declared.retires:
        row = replace(row, retires=declared.retires, or_later=False)
    if declared.or_later is not None:
        row = replace(row, or_later=declared.or_later)
    return replace(row, replacements=(declared.replacement,)) if declared.replacement else row


def narrow_bases(bases: Mapping[str, Base], names: Iterable[str]) -> Mapping[str, Base]:
    """Return the table where it is known which base models can be tuned, and that no others can."""
    known = {strip_publisher(name) for name in names}
    unlisted = {name: Base(name, tunable=True) for name in sorted(known - bases.keys())}
    listed = {
        name: replace(row, tunable=not row.refused, doubt="")
        if name in known
        else replace(row, tunable=False)
        for name, row in bases.items()
    }
    return listed | unlisted


def choose_replacement(bases: Mapping[str, Base], base: Base, today: date) -> Base | None:
    """Choose what to train on instead. It can be tuned, and does not retire earlier. None if nothing fits.

    Certain ones come first, then those that stay for some time, then those that the documents name.
    """
    named = [bases.get(name) or Base(name, tunable=True) for name in base.replacements]
    others = [one for one in bases.values() if one.retires and one.name not in base.replacements]
    fit = [one for one in (*named, *others) if _can_replace(one, base, today)]
    return min(
        fit,
        key=lambda one: (bool(one.doubt), one.ends_within(today, WARN_WITHIN), one not in named),
        default=None,
    )


def _can_replace(candidate: Base, base: Base, today: date) -> bool:
    is_earlier = bool(candidate.retires and base.retires) and candidate.retires < base.retires
    is_itself = candidate.name == base.name
    return candidate.tunable and not (is_itself or is_earlier or candidate.ends_within(today, 0))


def describe_replacement(bases: Mapping[str, Base], base: Base, today: date) -> str:
    """Say in a sentence what can be tuned instead."""
    found = choose_replacement(bases, base, today)
    if found is None:
        return "No base model is known that can be tuned and stays longer."
    end = found.describe_date()
    doubt = f" ({found.doubt})" if found.doubt else ""
    return f"{found.name} can be tuned instead{doubt}" + (f"; it {end}." if end else ".")
