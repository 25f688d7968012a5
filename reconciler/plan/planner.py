"""Make a plan: decide address by address, parents before the models that are tuned from them."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.errors import Diagnostic, PlanError
from reconciler.model.desired import Desired
from reconciler.model.names import BASE_MODEL, Address
from reconciler.plan import guards
from reconciler.plan.base_models import BaseFinder, find_source, list_endings
from reconciler.plan.case import Case, Decision, block_address, refuse
from reconciler.plan.change import Action, Change, DriftClass, Plan, Reason
from reconciler.plan.copies import CopySource, describe_source
from reconciler.plan.drift import find_drift
from reconciler.plan.facts import Facts
from reconciler.plan.rows.copied import Copied, find_beside, find_elsewhere, name_copies
from reconciler.plan.rows.moves import find_moves, move, move_records
from reconciler.plan.rows.undeclared import decide_removed, decide_undeclared, keep_for
from reconciler.plan.selection import list_unknown, matches, warn_of_unlabelled
from reconciler.plan.table import decide
from reconciler.state.values import Record, RecordedModel

_PLANNED = frozenset({DriftClass.UNPROMOTED, DriftClass.HELD_BACK, DriftClass.KEPT})
"""Drift that a plan lists among its changes: a candidate that waits for promotion, and what is kept."""


def _list_notes(facts: Facts, plan: Plan) -> list[str]:
    """List what is to be said about the base models and the costs of the plan's trainings."""
    finder = BaseFinder(facts.desired, facts.state.resources, facts.kinds)
    trainings = plan.trainings
    found = list_endings(finder, [change.address for change in trainings], facts.today)
    notes = [f"{one.summary}. {one.detail}" for one in found]
    unknown = guards.describe_unknown_epochs(trainings)
    return [*notes, unknown] if unknown else notes


def _note_source(decision: Decision, case: Case) -> Decision:
    """Note what another state records of the source of a copy, where the copy changes."""
    changes, elsewhere = decision.changes, case.desired.elsewhere
    source = case.facts.observed.sources.get(elsewhere) if elsewhere is not None else None
    if elsewhere is None or not isinstance(source, CopySource) or not (changes and changes[0].is_change):
        return decision
    note = describe_source(elsewhere.address, elsewhere.state, source)
    return replace(decision, changes=[replace(changes[0], notes=(note, *changes[0].notes)), *changes[1:]])


class Planner:
    """Decides on each address once, and on a parent before its children.

    Attributes:
        facts: what it decides from. Moved records are under their new addresses.
    """

    def __init__(self, facts: Facts) -> None:
        self.read = self.facts = facts
        self.decisions: dict[Address, Decision] = {}
        self.warnings: list[str] = []
        self.selected = self._select()
        self.moves = find_moves(facts, self.selected)
        self.facts = move_records(facts, self.moves)

    def make_plan(self) -> Plan:
        """Decide on all addresses. The plan is not bound yet: see `binding`.

        Raises:
            PlanError: conflicts and refusals, or else exceeded guards, all in one error.
        """
        facts = self.facts
        changes: list[Change] = []
        errors, refusals = self.list_unknown(), []
        for address in self._list_addresses():
            decision = self.decide(address)
            changes += (self.relocate(change) for change in decision.changes)
            errors += decision.errors
            refusals += decision.refusals
        plan = Plan(
            changes=tuple(guards.hold_deletions(changes, facts)),
            context=replace(facts.observed.context, stack=facts.stack.name),
            inputs=facts.inputs,
            lineage=facts.state.lineage,
            serial=facts.state.serial,
            created=facts.timestamp,
        )
        guards.check_majority(facts, plan)
        errors += guards.find_contested(facts, plan)
        if errors:
            errors += refusals
            raise PlanError(errors[0].summary, errors[0].detail, errors)
        remark = warn_of_unlabelled(facts.known, (*facts.inputs.targets, *facts.inputs.excludes))
        notes = (*([remark] if remark else []), *self.warnings, *_list_notes(facts, plan))
        plan = replace(plan, notes=notes)
        guards.check(plan, facts, refusals)
        return replace(
            plan,
            drift=tuple(
                found
                for found in find_drift(self.read)
                if found.address in self.selected and found.drift_class not in _PLANNED
            ),
        )

    def _list_addresses(self) -> list[Address]:
        return sorted(self.facts.desired.keys() | self.facts.state.resources.keys())

    def look_ahead(self) -> tuple[bool, frozenset[str]]:
        """Find out whether a model is made or adopted, and which kinds train one from a base model.

        Decides on no more addresses than these answers need. What is decided here is not decided again.
        """
        found, trained = False, set[str]()
        kinds = {address.kind for address in self.facts.desired}
        for address in self._list_addresses():
            for change in self.decide(address).changes:
                found = found or change.creates or change.action is Action.ADOPT
                if change.trains and BASE_MODEL in (change.after or {}):
                    trained.add(address.kind)
            if trained == kinds:
                break
        return found, frozenset(trained)

    def list_unknown(self) -> list[Diagnostic]:
        """List names in --target, --exclude and --replace that match nothing."""
        inputs = self.facts.inputs
        return list_unknown(self.read.known, (*inputs.targets, *inputs.excludes, *inputs.replace))

    def relocate(self, change: Change) -> Change:
        """Add the move to a change whose record comes from another address."""
        old = self.moves.pairs.get(change.address)
        if old is None or change.deposed:
            return change
        record = self.facts.state.resources[change.address]
        moved = move(change, old, record, inferred=change.address in self.moves.inferred)
        return name_copies([moved], self.facts.get_kind(change.address))[0]

    def decide(self, address: Address) -> Decision:
        """Decide on one address. The decision is empty if the address is not selected."""
        if address not in self.decisions:
            for ancestor in reversed(self._list_undecided_ancestors(address)):  # a loop: chains may be long
                self._decide_once(ancestor)
        return self._decide_once(address)

    def _list_undecided_ancestors(self, address: Address) -> list[Address]:
        chain: dict[Address, None] = {}
        parent = self._parse_parent(address)
        while parent is not None and parent not in self.decisions and parent not in chain:
            chain[parent] = None
            parent = self._parse_parent(parent)
        if parent is not None and (parent in chain or (parent == address and parent not in self.decisions)):
            members = list(chain)
            self._refuse_circle(members[members.index(parent) :] if parent in chain else [address, *members])
        return list(chain)

    def _refuse_circle(self, members: list[Address]) -> None:
        """Refuse a circle of parents. The manifests refuse one too."""
        for member in members:
            way = " <- ".join(str(member) for member in (*members, members[0]))
            trains = self.facts.get_kind(member).trains
            message = f"{member} is {'tuned' if trains else 'copied'} from itself: {way}"
            advice = "Tune one of them from a base model" if trains else "Copy one of them from another model"
            error = refuse(self.facts.desired[member], message, advice)
            self.decisions[member] = Decision(errors=[error])

    def _parse_parent(self, address: Address) -> Address | None:
        desired = self.facts.desired.get(address)
        if desired is None or address not in self.selected or address.kind not in self.facts.kinds:
            return None
        if self.facts.inputs.destroy:
            return None
        _, source = find_source(desired, self.facts.get_kind(address))
        return self.facts.parse_source(source)

    def _decide_once(self, address: Address) -> Decision:
        if address not in self.decisions:
            self.decisions[address] = Decision()
            decision = self._decide(address)
            if address.kind in self.facts.kinds:
                decision.changes = name_copies(decision.changes, self.facts.get_kind(address))
            self.decisions[address] = decision
        return self.decisions[address]

    def _decide(self, address: Address) -> Decision:
        facts = self.facts
        record = facts.state.resources.get(address) or Record(address)
        if address not in self.selected:
            return Decision()
        if address in self.moves.errors:
            return Decision(errors=[self.moves.errors[address]])
        if address.kind not in facts.kinds:
            known = ", ".join(sorted(facts.kinds))
            message = f"{address}: this version knows no kind {address.kind} (it knows {known})"
            return Decision(errors=[Diagnostic(message, "Upgrade reconciler", address=str(address))])
        desired = facts.desired.get(address)
        if desired is None and address in facts.removals:
            return self._decide_removed(record)
        if facts.inputs.destroy and (facts.whole or desired is not None):
            if record.is_empty:
                return Decision()
            return decide_undeclared(facts, record, Reason.DESTROY, desired)
        if desired is None:
            return self._decide_undeclared(record)
        case = self._build_case(desired, record)
        if isinstance(case, Decision):
            return case
        return _note_source(decide(case), case)

    def _decide_removed(self, record: Record) -> Decision:
        removal = self.facts.removals[record.address]
        twin = self.moves.twins.get(record.address)
        if record.is_empty:
            return Decision()
        if removal.destroy and twin is not None and record.serving is not None:
            return keep_for(record, record.serving, twin)
        return decide_removed(self.facts, record, removal)

    def _decide_undeclared(self, record: Record) -> Decision:
        if record.is_empty or not self.facts.whole or record.address in self.moves.reserved:
            return Decision()
        twin = self.moves.twins.get(record.address)
        if twin is not None and record.serving is not None and not self.facts.is_elsewhere(record):
            return keep_for(record, record.serving, twin)
        return decide_undeclared(self.facts, record, Reason.NOT_DECLARED)

    def _build_case(self, desired: Desired, record: Record) -> Case | Decision:
        """Build the case, with its source resolved. Returns a Decision if the source cannot be resolved."""
        kind = self.facts.get_kind(desired.address)
        path, source = find_source(desired, kind)
        attributes = {**desired.effective, **desired.attributes}
        awaited = ""
        if not kind.trains:
            copied = self._find_copied(desired, record, source)
            if isinstance(copied, Decision):
                return copied
            source, parent, awaited = copied.source, copied.parent, copied.awaited
            attributes[path] = source
        elif parent := self.facts.parse_source(source):
            found = self._find_parent(desired, parent)
            if isinstance(found, Decision):
                return found
            source, serves = found
            attributes[path] = source
            parent = None if serves else parent
        replaced = self.facts.inputs.replace
        forced = any(matches(desired.address, desired.labels, pattern) for pattern in replaced)
        doubt = self.moves.doubts.get(desired.address)
        return Case(self.facts, desired, record, kind, attributes, source, parent, forced, doubt, awaited)

    def _find_copied(self, desired: Desired, record: Record, source: str) -> Copied | Decision:
        """Find what a copy is copied from. Returns a Decision if that cannot be known."""
        parent = self.facts.parse_source(source)
        found: Copied | Decision | None = Copied(source)
        if desired.elsewhere is not None:
            found = find_elsewhere(self.facts, desired, record)
        elif parent is not None:
            decision = self.decide(parent)
            found = find_beside(self.facts, desired, record, parent, decision.changes)
            if found is None and (decision.errors or decision.refusals):
                return Decision()  # the parent is refused already
            if found is None:
                leaves = bool(decision.changes)
                return self._refuse_without_parent(desired, parent, leaves=leaves)
        if isinstance(found, Copied) and found.warning:
            self.warnings.append(found.warning)
        return found or Decision()

    def _find_parent(self, desired: Desired, parent: Address) -> tuple[str, bool] | Decision:
        """Find the parent's name for an identity, and whether the parent serves already."""
        kind = self.facts.get_kind(parent)
        record = self.facts.state.resources.get(parent)
        changes = self.decide(parent).changes
        if record is not None and (held := self._find_hold(record, changes)):
            return kind.build_reference(self._choose_held_source(desired, record, held).id), True
        if changes and changes[0].action is not Action.NO_OP:
            change = changes[0]
            if change.action is Action.FAILED and not change.serving:
                error = f"{parent} failed, so nothing can be tuned from it"
                advice = f"Nothing is done for it until {parent} serves: see there."
                return Decision(
                    [block_address(Record(desired.address), desired, Reason.PARENT_FAILED, error, advice)]
                )
            if change.action not in {Action.FAILED, Action.DELETE, Action.FORGET}:
                serves = change.action in {Action.UPDATE, Action.RECORD, Action.MOVE}
                return kind.build_reference(change.id), serves
        leaves = bool(changes) and changes[0].action in {Action.DELETE, Action.FORGET}
        if record is not None and record.serving is not None and not leaves:
            return kind.build_reference(record.serving.id), True
        if self.decide(parent).errors or self.decide(parent).refusals:
            return Decision()  # the parent is refused already
        return self._refuse_without_parent(desired, parent, leaves=leaves)

    def _find_hold(self, record: Record, changes: list[Change]) -> RecordedModel | None:
        """Find what is held back for a parent, unless these changes end the hold or delete its models."""
        ends = any(
            change.action in {Action.DELETE, Action.FORGET} for change in changes if not change.deposed
        )
        held = (changes[0].intent or record).held if changes else record.held
        return held[0] if held and not ends else None

    def _choose_held_source(self, desired: Desired, parent: Record, held: RecordedModel) -> RecordedModel:
        """Choose what a child of a parent with a hold is tuned from: what serves there.

        A child that was tuned from the model that is held back stays as it is, because the hold may end.
        """
        child = self.facts.state.resources.get(desired.address)
        names = {held.name, self.facts.get_kind(parent.address).build_reference(held.id)}
        is_tuned_from_held = child is not None and any(model.source in names for model in child.models)
        return held if is_tuned_from_held or parent.serving is None else parent.serving

    def _refuse_without_parent(self, desired: Desired, parent: Address, *, leaves: bool) -> Decision:
        made = "tuned" if self.facts.get_kind(desired.address).trains else "copied"
        start = f"{desired.address} is {made} from {parent}"
        message = f"{start}, which no manifest declares and no state records"
        advice = f"Declare {parent}, or name a live model by its resource name"
        if leaves:
            message = f"{start}, which no manifest declares any more"
        elif parent in self.facts.desired:
            message = f"{start}, which is left out and does not serve yet"
            advice = f"Leave {desired.address} out too, or let {parent} in"
        return Decision(errors=[refuse(desired, message, advice)])

    def _select(self) -> frozenset[Address]:
        """Select addresses by targets and excludes, with the parents of targeted ones.

        A destroy does not select parents, because it would delete them.
        """
        inputs, facts = self.facts.inputs, self.facts
        selected = set(facts.choose_addresses())
        waiting = list(selected) if inputs.targets and not inputs.destroy else []
        while waiting:
            desired = facts.desired.get(waiting.pop())
            for value in desired.attributes.values() if desired else ():
                parent = facts.parse_source(value)
                if parent is not None and parent in facts.desired and parent not in selected:
                    selected.add(parent)
                    waiting.append(parent)
        return frozenset(selected)
