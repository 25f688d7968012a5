"""Move the records of renamed manifests to their new addresses.

Rule: a new name trains nothing and deletes nothing. An uncertain move is not made: it is an error that names
both addresses, or the old model is kept until another model of the same training serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from reconciler.errors import Diagnostic
from reconciler.kind import FieldRole
from reconciler.model import Address, Attributes, Desired, Status, Value
from reconciler.plan.case import refuse
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.facts import Facts, find_replacement_reasons
from reconciler.plan.naming import is_name_of
from reconciler.plan.steps import Move
from reconciler.state.values import Record, RecordedModel

_ABSENT: tuple[Value, ...] = (False, 0, "", ())


@dataclass(frozen=True, slots=True)
class Moves:
    """The moves of records whose addresses are no longer declared.

    Attributes:
        pairs: new address to old address.
        inferred: the new addresses whose manifests have no metadata.moved_from.
        reserved: old addresses that are neither deleted nor moved, since another address may take them over.
        errors: address to the reason why its move is refused.
        twins: address that would be deleted, to a declared one of the same training that does not serve yet.
        doubts: new address to an undeclared one that may be the same training.
    """

    pairs: dict[Address, Address] = field(default_factory=dict)
    inferred: set[Address] = field(default_factory=set)
    reserved: set[Address] = field(default_factory=set)
    errors: dict[Address, Diagnostic] = field(default_factory=dict)
    twins: dict[Address, Address] = field(default_factory=dict)
    doubts: dict[Address, Address] = field(default_factory=dict)


def find_moves(facts: Facts, selected: AbstractSet[Address]) -> Moves:
    """Find every move of a plan: first those in the manifests, then those that can be inferred.

    Args:
        facts: the facts before any move.
        selected: the addresses that the plan covers.
    """
    search = _Search(facts, selected)
    search.move_declared()
    if not facts.inputs.destroy:
        while search.infer():  # a parent that moved shows which source its children had
            pass
        search.find_twins()
    return search.moves


def move_records(facts: Facts, moves: Moves) -> Facts:
    """Return the facts with each moved record under its new address."""
    if not moves.pairs:
        return facts
    resources = dict(facts.state.resources)
    for new, old in moves.pairs.items():
        resources[new] = replace(resources.pop(old), address=new)
    return replace(facts, state=replace(facts.state, resources=resources), moved=dict(moves.pairs))


def move(change: Change, old: Address, record: Record, *, inferred: bool) -> Change:
    """Add the move of its record to a change.

    Args:
        change: the change of the new address.
        old: the old address.
        record: the unchanged record, under its new address.
        inferred: the manifest has no metadata.moved_from.
    """
    if change.action in {Action.NO_OP, Action.RECORD}:
        change = replace(change, action=Action.MOVE, reason=Reason.RENAMED)
    if inferred:
        advice = (
            f"add metadata.moved_from: {old.name} to its manifest, so that it is found if the state is lost"
        )
        change = replace(change, notes=(*change.notes, advice))
    return replace(change, steps=(Move(old, record), *change.steps))


def refuse_move(desired: Desired, summary: str, advice: str) -> Diagnostic:
    """Refuse a move that is not certain."""
    return refuse(desired, summary, advice, path="metadata.moved_from")


def resolve_sources(facts: Facts, desired: Desired, resources: Mapping[Address, Record]) -> Attributes | None:
    """Replace an address as source by the model that serves there.

    Returns None if that address has no record yet. Then no model was trained from it either.
    """
    attributes = dict(desired.attributes)
    for path, row in facts.get_kind(desired.address).fields.items():
        parent = facts.parse_source(attributes.get(path)) if row.role is FieldRole.SOURCE else None
        if parent is None:
            continue
        record = resources.get(parent)
        model = None if record is None else record.serving or record.candidate
        if model is None:
            return None
        attributes[path] = facts.get_kind(parent).build_reference(model.id)
    return attributes


class _Search:
    """One search for moves. `resources` has each moved record under its new address."""

    def __init__(self, facts: Facts, selected: AbstractSet[Address]) -> None:
        self.facts, self.selected = facts, selected
        self.resources = dict(facts.state.resources)
        self.moves = Moves()

    def _move(self, new: Address, old: Address) -> None:
        self.moves.pairs[new] = old
        self.resources[new] = replace(self.resources.pop(old), address=new)

    def move_declared(self) -> None:
        for address, desired in self.facts.desired.items():
            old = desired.moved_from
            if old is None or old not in self.facts.state.resources or old.kind != address.kind:
                continue
            if why := self._explain_unmovable(address, old):
                summary, advice = why
                self._refuse(desired, f"{address} cannot take over {old}: {summary}", advice)
                self.moves.reserved.add(old)
            elif address in self.selected:
                self._move(address, old)
            else:
                self.moves.reserved.add(old)

    def _explain_unmovable(self, address: Address, old: Address) -> tuple[str, str] | None:
        if old in self.facts.desired:
            return "it is still declared", "Remove its manifest, or the line metadata.moved_from"
        if address in self.facts.state.resources:
            forget = f"To forget one of them, without deleting it: reconciler state rm {old}"
            return ("both are recorded", f"If they are two models, remove metadata.moved_from. {forget}")
        if old in self.moves.pairs.values():
            other = next(new for new, moved in self.moves.pairs.items() if moved == old)
            return f"it has already become {other}", "Remove one of the two lines metadata.moved_from"
        return None

    def _refuse(self, desired: Desired, summary: str, advice: str) -> None:
        self.moves.errors[desired.address] = refuse_move(desired, summary, advice)

    def _find_gone(self) -> dict[Address, Record]:
        """Find the records that no manifest declares, in this run or elsewhere."""
        facts = self.facts
        return {
            address: record
            for address, record in self.resources.items()
            if address not in facts.desired
            and address not in self.moves.reserved
            and address.kind in facts.kinds
            and address not in facts.named_elsewhere
            and not (facts.whole and facts.is_elsewhere(record))
        }

    def _list_new(self) -> list[Desired]:
        """List the desired models that have no record."""
        return [
            desired
            for address, desired in self.facts.desired.items()
            if address in self.selected
            and address not in self.resources
            and address not in self.moves.errors
            and address.kind in self.facts.kinds
        ]

    def infer(self) -> bool:
        """Make each move that fits only one address. Returns whether a record moved."""
        new, records = self._list_new(), self._find_gone()
        if not new or not records:
            return False
        gone = _ByData((address, record.serving or record.candidate) for address, record in records.items())
        olds = {desired.address: self._list_fitting(desired, gone) for desired in new}
        news: dict[Address, list[Address]] = {}
        for address, found in olds.items():
            for old in found:
                news.setdefault(old, []).append(address)
        before = len(self.moves.pairs)
        for desired in new:
            found = olds[desired.address]
            if found:
                self._take(desired, found, news[found[0]])
        return len(self.moves.pairs) > before

    def _list_fitting(self, desired: Desired, gone: _ByData) -> list[Address]:
        attributes = resolve_sources(self.facts, desired, self.resources)
        if attributes is None:
            return []
        found = []
        for address, model in gone.find(desired):
            if not self._is_same(desired, attributes, model):
                continue
            if not _is_known(model):
                self.moves.doubts[desired.address] = address
            elif _may_be(desired, model) and not self._has_dropped_hyperparameter(desired, attributes, model):
                found.append(address)
        return found

    def _has_dropped_hyperparameter(
        self, desired: Desired, attributes: Attributes, model: RecordedModel
    ) -> bool:
        """Whether the model was trained with a hyperparameter that the manifest does not declare."""
        fields = self.facts.get_kind(desired.address).fields
        return any(
            path in fields and fields[path].role is FieldRole.HYPERPARAMETER and path not in attributes
            for path, value in model.sent.items()
            if value not in _ABSENT
        )

    def _is_same(self, desired: Desired, attributes: Attributes, model: RecordedModel) -> bool:
        """Whether the model is the desired training, whatever its id."""
        live = self.facts.find_live(desired.address, model.id)
        kind = self.facts.get_kind(desired.address)
        fields, data = find_replacement_reasons(replace(desired, id=None), attributes, model, live, kind)
        return not fields and not data

    def _take(self, desired: Desired, olds: list[Address], news: list[Address]) -> None:
        """Move the record, or refuse because the move is not certain."""
        address, old = desired.address, olds[0]
        hint = f"metadata.moved_from: {old.name}"
        if len(olds) > 1:
            names = " and ".join(map(str, olds))
            summary = (
                f"{address} is the training of {names}, which no manifest declares: it can be one of them"
            )
            self._refuse(desired, summary, f"Say which one it was: {hint}")
        elif len(news) > 1:
            names = " and ".join(map(str, news))
            summary = (
                f"{names} are the training of {old}, which no manifest declares: it can become one of them"
            )
            self._refuse(desired, summary, f"Say in one of them: {hint}")
        elif not self.facts.whole or old not in self.selected:
            part = "this run is about a part of what is declared"
            summary = f"{address} is the training that is recorded as {old}, and {part}"
            advice = f"If {old} has a new name: {hint}. Else run it on the whole folder, without a selection"
            self._refuse(desired, summary, advice)
        else:
            self._move(address, old)
            self.moves.inferred.add(address)
            return
        self.moves.reserved.update(olds)

    def find_twins(self) -> None:
        """Find the twins of undeclared serving addresses: see `Moves`."""
        facts = self.facts
        leaving = [
            (address, record.serving)
            for address, record in self.resources.items()
            if record.serving and address not in facts.desired and address.kind in facts.kinds
        ]
        found = self.moves.twins
        if not leaving:
            return
        by_data = _ByData(leaving)
        for address, desired in facts.desired.items():
            if address.kind not in facts.kinds or not by_data.find(desired):
                continue
            attributes = resolve_sources(facts, desired, self.resources)
            if attributes is None:
                continue
            same = [
                old
                for old, model in by_data.find(desired)
                if old not in found and self._is_same(desired, attributes, model)
            ]
            if same and not self._is_served(desired, attributes):
                found |= dict.fromkeys(same, address)

    def _is_served(self, desired: Desired, attributes: Attributes) -> bool:
        """Whether an address already serves its desired model."""
        record = self.resources.get(desired.address)
        model = record.serving if record else None
        if model is None or not self._is_same(desired, attributes, model):
            return False
        live = self.facts.find_live(desired.address, model.id)
        return live is not None and live.status is Status.ACTIVE


def _may_be(desired: Desired, model: RecordedModel) -> bool:
    """Whether the manifest does not name another model."""
    imported = not desired.imports or is_name_of(desired.imports, model.id, model.name)
    return imported and desired.id in {None, model.id}


def _is_known(model: RecordedModel) -> bool:
    """Whether the digests of its data are certain. An assumed digest proves nothing."""
    return bool(model.data) and all(data.digest and not data.assumed for data in model.data)


class _ByData:
    """Index of models by their data's digests, so that 10,000 new names are compared with 10,000 old ones."""

    def __init__(self, models: Iterable[tuple[Address, RecordedModel | None]]) -> None:
        self._known: dict[tuple[str, frozenset[str]], list[tuple[Address, RecordedModel]]] = {}
        for address, model in models:
            if model is not None:
                digests = frozenset(data.digest for data in model.data)
                self._known.setdefault((address.kind, digests), []).append((address, model))

    def find(self, desired: Desired) -> list[tuple[Address, RecordedModel]]:
        """List the models whose data is the same as the desired model's, or not known."""
        digests = frozenset(data.digest for data in desired.data)
        kind = desired.address.kind
        return sorted(
            (found for key in {digests, frozenset[str]()} for found in self._known.get((kind, key), ())),
            key=lambda one: one[0],
        )
