"""The base model that a model stands on, through all that it is tuned from; and what is said of its end.

Rule: today's date is an argument. A packaged date warns; only a Stack's `tunable: false` refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from reconciler.bases import WARN_WITHIN, Base, describe_replacement
from reconciler.errors import Diagnostic, Severity
from reconciler.formats import count_noun
from reconciler.kind import FieldRole, Kind
from reconciler.model import BASE_MODEL, Address, Desired
from reconciler.state.values import RecordedModel, State


def find_source(desired: Desired, kind: Kind) -> tuple[str, str]:
    """Find the path and the value of the source. Every manifest has one."""
    return next(
        (path, str(desired.attributes[path]))
        for path, field in kind.fields.items()
        if field.role is FieldRole.SOURCE and path in desired.attributes
    )


@dataclass(slots=True)
class BaseFinder:
    """Finds base models by name, however many models stand in between.

    Attributes:
        desired: every declared model.
        state: what is recorded.
        kinds: by name.
    """

    desired: Mapping[Address, Desired]
    state: State
    kinds: Mapping[str, Kind]
    _recorded: dict[str, RecordedModel] = field(default_factory=dict)

    def find_declared(self, address: Address) -> str:
        """Find the base model of a declared model, as its manifest writes it. "" if nobody here knows it."""
        seen: set[Address] = set()
        while address not in seen and (desired := self.desired.get(address)) is not None:
            seen.add(address)
            path, source = find_source(desired, self.kinds[address.kind])
            if path == BASE_MODEL:
                return source
            if source.partition("/")[0] not in self.kinds:
                return self._find_referenced(source)
            address = Address.parse(source)
        record = None if address in seen else self.state.resources.get(address)
        model = record and (record.serving or record.candidate)
        return self.find_recorded(model) if model else ""

    def find_recorded(self, model: RecordedModel) -> str:
        """Find the base model of a recorded model, as it was sent. "" if nobody here knows it."""
        base = model.sent.get(BASE_MODEL)
        return str(base) if base is not None else self._find_referenced(model.source)

    def _find_referenced(self, name: str) -> str:
        """Find the base model of the recorded model that a service knows by this name or id."""
        if not self._recorded:
            for record in self.state.resources.values():
                for one in record.models:
                    self._recorded |= {one.id: one, one.name: one}
        seen: set[str] = set()
        while name not in seen and (model := self._recorded.get(name)) is not None:
            seen.add(name)
            base = model.sent.get(BASE_MODEL)
            if base is not None:
                return str(base)
            name = model.source
        return ""

    def find_row(self, kind: str, name: str) -> Base | None:
        """Return the row of a base model. None if the kind or its table does not know it."""
        return self.kinds[kind].find_base(name) if name and kind in self.kinds else None


def list_endings(finder: BaseFinder, addresses: Iterable[Address], today: date) -> tuple[Diagnostic, ...]:
    """Warn of base models that end within 90 days, or have ended, or that the Stack refuses.

    Args:
        finder: knows the models.
        addresses: those of declared models that are, or may be, trained.
        today: the day on which the training would start.

    Returns:
        a warning for each base model of a kind, at the first manifest that stands on it.
    """
    groups: dict[tuple[str, str], list[Address]] = {}
    for address in addresses:
        row = finder.find_row(address.kind, finder.find_declared(address))
        if row is not None and (row.refused or row.ends_within(today, WARN_WITHIN)):
            groups.setdefault((address.kind, row.name), []).append(address)
    return tuple(_warn(finder, kind, name, found, today) for (kind, name), found in sorted(groups.items()))


def _warn(finder: BaseFinder, kind: str, name: str, addresses: list[Address], today: date) -> Diagnostic:
    bases = finder.kinds[kind].bases
    row, first = bases[name], finder.desired[addresses[0]]
    more = f" and {count_noun(len(addresses) - 1, 'more model')}" if len(addresses) > 1 else ""
    fate = "cannot be tuned" if row.refused else row.describe_end(today)
    line, column = first.places.get(BASE_MODEL, (first.line, None))
    return Diagnostic(
        f"{addresses[0]}{more} {'stand' if more else 'stands'} on {name}, which {fate}{_cite(row)}",
        describe_replacement(bases, row, today),
        first.file or None,
        line or None,
        column,
        severity=Severity.WARNING,
    )


def describe_end(row: Base, today: date) -> str:
    """Say when a base model retires, and who says so."""
    return f"{row.name} {row.describe_end(today)}{_cite(row)}"


def describe_refusal(row: Base) -> str:
    """Say that the Stack refuses a base model."""
    return f"{row.name} cannot be tuned{_cite(row)}"


def _cite(row: Base) -> str:
    return f" (according to {row.authority})" if row.authority else ""
