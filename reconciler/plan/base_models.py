"""The base model that a model stands on, through all that it is tuned from; and what is said of its end.

Rule: today's date is an argument. A packaged date warns; only a Stack's `tunable: false` refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.bases import WARN_WITHIN, Base, choose_replacement, describe_replacement, strip_publisher
from reconciler.errors import Diagnostic, Severity
from reconciler.formats import count_noun
from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.model.live import Live
from reconciler.model.names import BASE_MODEL, Address

if TYPE_CHECKING:
    from reconciler.state.values import Record, RecordedModel


def find_source(desired: Desired, kind: Kind) -> tuple[str, str]:
    """Find the path and the value of the source. Every manifest has one."""
    path = next(filter(desired.attributes.__contains__, kind.sources))
    return path, str(desired.attributes[path])


class BaseFinder(Struct):
    """Finds base models by name, however many models stand in between.

    Attributes:
        desired: every declared model.
        records: what is recorded, by address.
        kinds: by name.
    """

    desired: Mapping[Address, Desired]
    records: Mapping[Address, Record]
    kinds: Mapping[str, Kind]
    _declared: dict[Address, str] = field(default_factory=dict)
    _referenced: dict[str, str] = field(default_factory=dict)
    _recorded: dict[str, RecordedModel] = field(default_factory=dict)

    def find_declared(self, address: Address) -> str:
        """Find the base model of a declared model, as its manifest writes it. "" if nobody here knows it."""
        chain: dict[Address, None] = {}  # what is found holds for all of it: chains may be long
        while address not in self._declared and address not in chain:
            chain[address] = None
            desired = self.desired.get(address)
            if desired is None:
                self._declared[address] = self._find_last_recorded(address)
                break
            if BASE_MODEL in desired.attributes:
                self._declared[address] = str(desired.attributes[BASE_MODEL])
                break
            _, source = find_source(desired, self.kinds[address.kind])
            if source.partition("/")[0] not in self.kinds:
                self._declared[address] = self._find_referenced(source)
                break
            address = Address.parse(source)
        base = self._declared.get(address, "")  # "" in a circle
        self._declared |= dict.fromkeys(chain, base)
        return base

    def _find_last_recorded(self, address: Address) -> str:
        record = self.records.get(address)
        model = record and (record.serving or record.candidate)
        return self.find_recorded(model) if model else ""

    def find_recorded(self, model: RecordedModel) -> str:
        """Find the base model of a recorded model, as it was sent. "" if nobody here knows it."""
        base = model.sent.get(BASE_MODEL)
        return str(base) if base is not None else self._find_referenced(model.source)

    def _find_referenced(self, name: str) -> str:
        """Find the base model of the recorded model that a service knows by this name or id."""
        if not self._recorded:
            models = [model for record in self.records.values() for model in record.models]
            self._recorded = {key: model for model in models for key in (model.id, model.name)}
        chain: dict[str, None] = {}
        while name not in self._referenced and name not in chain:
            chain[name] = None
            model = self._recorded.get(name)
            base = model.sent.get(BASE_MODEL) if model else ""
            if model is None or base is not None:
                self._referenced[name] = str(base)
                break
            name = model.source
        found = self._referenced.get(name, "")  # "" in a circle
        self._referenced |= dict.fromkeys(chain, found)
        return found

    def find_row(self, kind: str, name: str) -> Base | None:
        """Return the row of a base model. None if the kind or its table does not know it."""
        return find_table(self.kinds, kind).find_base(name) if name and kind in self.kinds else None


def find_table(kinds: Mapping[str, Kind], kind: str) -> Kind:
    """Find the kind whose table of base models holds. A copy stands on what its API tunes."""
    own = kinds[kind]
    return next((other for other in kinds.values() if other.trains and other.api == own.api), own)


def list_endings(finder: BaseFinder, addresses: Iterable[Address], today: date) -> tuple[Diagnostic, ...]:
    """Warn of base models that end within 90 days, or have ended, or that the Stack refuses.

    Args:
        finder: knows the models.
        addresses: those of declared models that are, or may be, trained.
        today: the day on which the training would start.

    Returns:
        a warning for each base model of a kind, at the first manifest that stands on it.
    """
    ending: dict[tuple[str, str], str] = {}
    groups: dict[tuple[str, str], list[Address]] = {}
    for address in addresses:
        stands_on = address.kind, finder.find_declared(address)
        if stands_on not in ending:
            row = finder.find_row(*stands_on)
            is_ending = row is not None and (row.refused or row.ends_within(today, WARN_WITHIN))
            ending[stands_on] = row.name if row is not None and is_ending else ""
        if name := ending[stands_on]:
            groups.setdefault((address.kind, name), []).append(address)
    return tuple(_warn(finder, kind, name, found, today) for (kind, name), found in sorted(groups.items()))


def _warn(finder: BaseFinder, kind: str, name: str, addresses: list[Address], today: date) -> Diagnostic:
    bases = finder.kinds[kind].bases
    row, first = bases[name], finder.desired[addresses[0]]
    more = f" and {count_noun(len(addresses) - 1, 'more model')}" if len(addresses) > 1 else ""
    fate = "cannot be tuned" if row.refused else row.describe_end(today)
    line, column = first.places.get(BASE_MODEL, (first.line, None))
    return Diagnostic(
        f"{addresses[0]}{more} {'stand' if more else 'stands'} on {name}, which {fate}{_cite(row)}",
        describe_way_on(finder.kinds, kind, row, today),
        first.file or None,
        line or None,
        column,
        severity=Severity.WARNING,
    )


def describe_way_on(kinds: Mapping[str, Kind], kind: str, row: Base, today: date) -> str:
    """Say in a sentence what to train on instead of a base model, if need be with another kind."""
    own = find_table(kinds, kind)
    other = kinds.get(own.instead)
    if other is None or choose_replacement(own.bases, row, today) is not None:
        return describe_replacement(own.bases, row, today)
    names = tuple(name for name in (row.name, *row.replacements) if name in other.bases)
    there = replace(row, name="", replacements=names)  # the other API may tune the same base model for longer
    if choose_replacement(other.bases, there, today) is None:
        return describe_replacement(own.bases, row, today)
    said = describe_replacement(other.bases, there, today)
    return f"No base model is known that can be tuned with kind: {kind}. With kind: {other.name}, {said}"


def describe_end(row: Base, today: date) -> str:
    """Say when a base model retires, and who says so."""
    return f"{row.name} {row.describe_end(today)}{_cite(row)}"


def describe_refusal(row: Base) -> str:
    """Say that the Stack refuses a base model."""
    return f"{row.name} cannot be tuned{_cite(row)}"


def _cite(row: Base) -> str:
    return f" (according to {row.authority})" if row.authority else ""


class BaseEnd(Struct, frozen=True):
    """The base model that one model stands on, and its end, as commands show them.

    Attributes:
        name: as it was sent.
        retires: ISO date, "" if nobody knows.
        or_later: `retires` is a floor.
        days_left: until that date, negative afterwards; None if nobody knows.
        replacement: what can be tuned instead, "" if nothing is known.
        said: when it retires and who says so, as a clause; "" if nobody knows.
    """

    name: str
    retires: str = ""
    or_later: bool = False
    days_left: int | None = None
    replacement: str = ""
    said: str = ""

    @property
    def is_near(self) -> bool:
        """Whether its date is at most 90 days ahead, or has passed."""
        return self.days_left is not None and self.days_left <= WARN_WITHIN


def list_ends(
    finder: BaseFinder, records: Iterable[Record], today: date, live: Iterable[Live] = ()
) -> dict[str, BaseEnd]:
    """List the base model of every recorded model, by the id of the model. Unknown ones are left out.

    `live` are models that the service shows: only it knows what a copy stands on.
    """
    shown = {model.id: model.base for model in live if model.base}
    return {
        model.id: _find_end(finder, record.address.kind, name, today)
        for record in records
        for model in record.models
        if (name := finder.find_recorded(model) or shown.get(model.id, ""))
    }


def _find_end(finder: BaseFinder, kind: str, name: str, today: date) -> BaseEnd:
    row = finder.find_row(kind, name)
    if row is None:
        return BaseEnd(name)
    instead = choose_replacement(find_table(finder.kinds, kind).bases, row, today)
    return BaseEnd(
        name,
        row.retires,
        row.or_later,
        row.count_days_left(today),
        instead.name if instead else "",
        f"{row.describe_end(today)}{_cite(row)}" if row.retires else "",
    )


_NEVER = "9999-12-31"


class BaseUse(Struct, frozen=True):
    """A row of the table of base models, with the addresses that are tuned from it.

    Attributes:
        kind: the kind whose API it belongs to.
        base: the row.
        is_known: False for a base model that no table has.
        replacement: what can be tuned instead of one that retires soon or cannot be tuned, "" for nothing.
    """

    kind: str
    base: Base
    addresses: tuple[Address, ...] = ()
    is_known: bool = True
    days_left: int | None = None
    replacement: str = ""


def list_uses(finder: BaseFinder, today: date) -> tuple[BaseUse, ...]:
    """List the whole table of every kind. The base models of our models come first, by date."""
    users: dict[tuple[str, str], set[Address]] = {}
    for address, name in _list_users(finder):
        if name:
            users.setdefault((address.kind, strip_publisher(name)), set()).add(address)
    rows = {(kind.name, row.name): row for kind in finder.kinds.values() for row in kind.bases.values()}
    unknown = {key: Base(key[1], tunable=True) for key in sorted(users.keys() - rows.keys())}
    found = [
        BaseUse(
            kind,
            base,
            tuple(sorted(users.get((kind, name), ()))),
            (kind, name) in rows,
            base.count_days_left(today),
            _offer(finder.kinds[kind].bases, base, today),
        )
        for (kind, name), base in {**rows, **unknown}.items()
    ]
    kinds = {use.kind: min(not other.addresses for other in found if other.kind == use.kind) for use in found}
    return tuple(
        sorted(
            found,
            key=lambda use: (
                kinds[use.kind],
                use.kind,
                not use.addresses,
                (use.base.retires or _NEVER) if use.addresses else "",
            ),
        )
    )


def _list_users(finder: BaseFinder) -> Iterator[tuple[Address, str]]:
    """List each declared and recorded model of a known kind with the name of its base model."""
    yield from ((address, finder.find_declared(address)) for address in finder.desired)
    for address, record in finder.records.items():
        if address.kind in finder.kinds:
            models = (record.serving, record.candidate)
            yield from ((address, finder.find_recorded(model)) for model in models if model is not None)


def _offer(bases: Mapping[str, Base], base: Base, today: date) -> str:
    if base.tunable and not base.ends_within(today, WARN_WITHIN):
        return ""
    found = choose_replacement(bases, base, today)
    return found.name if found else ""
