"""Move the records of renamed manifests to their new addresses.

Rule: a new name trains nothing and deletes nothing. An uncertain move is not made: it is an error that names
both addresses, or the old model is kept until another model of the same training serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler.errors import Diagnostic
from reconciler.model.desired import Desired
from reconciler.model.live import Status
from reconciler.model.names import Address, Attributes, Value
from reconciler.plan.base_models import find_source
from reconciler.plan.case import refuse
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.copies import CopySource, write_source
from reconciler.plan.facts import Facts, find_replacement_reasons
from reconciler.plan.naming import is_name_of
from reconciler.plan.rows.same_training import SameTraining, has_dropped_hyperparameter
from reconciler.plan.steps import Move
from reconciler.state.values import Record, RecordedModel

_MOST_NAMED = 5
"""A message names at most this many addresses. A search that finds more ends: no move is certain."""


class Moves(Struct, frozen=True):
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
        search.infer()
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
    """Replace an address as source by the model of its declared training, which may be held back.

    Returns None if that address has no record yet. Then no model was trained from it either.
    """
    attributes = dict(desired.attributes)
    kind = facts.get_kind(desired.address)
    for path in kind.sources:
        if not kind.trains:
            source = _resolve_copied(facts, desired, attributes[path], resources)
            if not source:
                return None
            attributes[path] = source
            continue
        parent = facts.parse_source(attributes.get(path))
        if parent is None:
            continue
        record = resources.get(parent)
        model = None if record is None else record.declared
        if model is None:
            return None
        attributes[path] = facts.get_kind(parent).build_reference(model.id)
    return attributes


def _resolve_copied(
    facts: Facts, desired: Desired, source: Value, resources: Mapping[Address, Record]
) -> str:
    """Resolve the source of a copy as far as it is known before any decision. "" if it is not."""
    if desired.elsewhere is not None:
        found = facts.observed.sources.get(desired.elsewhere)
        return found.text if isinstance(found, CopySource) else ""
    parent = facts.parse_source(source)
    if parent is None:
        return str(source)
    record = resources.get(parent)
    if record is None or record.serving is None:
        return ""
    return write_source(record.serving, facts.find_live(parent, record.serving.id))


class _Search:
    """One search for moves. `resources` has each moved record under its new address."""

    def __init__(self, facts: Facts, selected: AbstractSet[Address]) -> None:
        self.facts, self.selected = facts, selected
        self.resources = dict(facts.state.resources)
        self.moves = Moves()
        self.taken: dict[Address, Address] = {}  # old address to new

    def _move(self, new: Address, old: Address) -> None:
        self.moves.pairs[new] = old
        self.taken[old] = new
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
        if old in self.facts.removals:
            return "it is Removed", "Take one of the two out: it is either taken over or removed"
        if address in self.facts.state.resources:
            forget = f"To forget one of them, without deleting it: reconciler state rm {old}"
            return ("both are recorded", f"If they are two models, remove metadata.moved_from. {forget}")
        if old in self.taken:
            return (
                f"it has already become {self.taken[old]}",
                "Remove one of the two lines metadata.moved_from",
            )
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
            and address not in facts.removals
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

    def infer(self) -> None:
        """Make each move that fits only one address. A moved parent shows what its children came from."""
        new, records = self._list_new(), self._find_gone()
        if not new or not records:
            return
        models = ((address, record.declared) for address, record in records.items())
        gone = SameTraining(self.facts, models, is_move=True)
        children: dict[Address, list[Desired]] = {}
        for desired in new:
            _, source = find_source(desired, self.facts.get_kind(desired.address))
            if parent := self.facts.parse_source(source):
                children.setdefault(parent, []).append(desired)
        while new:
            moved = self._infer_among(new, gone)
            found = (child for parent in moved for child in children.get(parent, ()))
            new = sorted(found, key=lambda desired: desired.address)

    def _infer_among(self, new: Sequence[Desired], gone: SameTraining) -> list[Address]:
        """Make each move of one of these that fits only one address. Returns the new addresses."""
        olds = {desired.address: self._list_fitting(desired, gone) for desired in new}
        news: dict[Address, list[Address]] = {}
        for address, found in olds.items():
            for old in found:
                news.setdefault(old, []).append(address)
        for desired in new:
            found = olds[desired.address]
            if found:
                self._take(desired, found, news[found[0]])
        return [address for address in olds if address in self.moves.pairs]

    def _list_fitting(self, desired: Desired, gone: SameTraining) -> list[Address]:
        """List the old addresses of the desired training, one more than are named at most."""
        attributes = resolve_sources(self.facts, desired, self.resources)
        if attributes is None:
            return []
        for address, model in gone.find_doubtful(desired, attributes):
            if self._is_same(desired, attributes, model):
                self.moves.doubts[desired.address] = address
                break
        declared, kind = frozenset(attributes), self.facts.get_kind(desired.address)
        fitting = (
            address
            for address, model in gone.find_known(desired, attributes)
            if address in self.resources
            and address not in self.moves.reserved
            and _may_be(desired, model)
            and not has_dropped_hyperparameter(model, declared, kind)
            and self._is_same(desired, attributes, model)
        )
        return list(islice(fitting, _MOST_NAMED + 1))

    def _is_same(self, desired: Desired, attributes: Attributes, model: RecordedModel) -> bool:
        """Return whether the model is the desired training, whatever its id."""
        live = self.facts.find_live(desired.address, model.id)
        kind = self.facts.get_kind(desired.address)
        fields, data = find_replacement_reasons(replace(desired, id=None), attributes, model, live, kind)
        return not fields and not data

    def _take(self, desired: Desired, olds: list[Address], news: list[Address]) -> None:
        """Move the record, or refuse because the move is not certain."""
        address, old = desired.address, olds[0]
        hint = f"metadata.moved_from: {old.name}"
        if len(olds) > 1:
            names = _join_names(olds)
            summary = (
                f"{address} is the training of {names}, which no manifest declares: it can be one of them"
            )
            self._refuse(desired, summary, f"Say which one it was: {hint}")
        elif len(news) > 1:
            names = _join_names(news)
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
            record
            for address, record in self.resources.items()
            if record.serving and address not in facts.desired and address.kind in facts.kinds
        ]
        if leaving:
            self._find_twins((record.address, record.serving) for record in leaving)
        if any(record.held for record in leaving):
            self._find_twins((record.address, record.declared) for record in leaving)

    def _find_twins(self, leaving: Iterable[tuple[Address, RecordedModel | None]]) -> None:
        facts, found = self.facts, self.moves.twins
        models = SameTraining(facts, leaving, is_move=False)
        for address, desired in facts.desired.items():
            if address.kind not in facts.kinds:
                continue
            attributes = resolve_sources(facts, desired, self.resources)
            if attributes is None or self._is_served(desired, attributes):
                continue
            for old in models.take(desired, attributes, partial(self._is_same, desired, attributes)):
                found.setdefault(old, address)

    def _is_served(self, desired: Desired, attributes: Attributes) -> bool:
        """Return whether an address already serves its desired model."""
        record = self.resources.get(desired.address)
        model = record.serving if record else None
        if model is None or not self._is_same(desired, attributes, model):
            return False
        live = self.facts.find_live(desired.address, model.id)
        return live is not None and live.status is Status.ACTIVE


def _join_names(addresses: Sequence[Address]) -> str:
    """Name the first addresses."""
    named = list(map(str, addresses[:_MOST_NAMED]))
    return " and ".join([*named, *(["others"] if len(addresses) > _MOST_NAMED else [])])


def _may_be(desired: Desired, model: RecordedModel) -> bool:
    """Return whether the manifest does not name another model."""
    imported = not desired.imports or is_name_of(desired.imports, model.id, model.name)
    return imported and desired.id in {None, model.id}
