"""Bind a plan to what it was made from, and check later that a saved plan is still up to date.

Rule: progress does not make a plan out of date: a training that has moved on, a record that this plan itself
would have written, new times and snapshots. Another id, other fields or a failure do. A copy has progressed
too if its source began to serve what the plan said: see `stand_ins`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import assert_never

from msgspec.structs import replace

from reconciler.errors import Diagnostic, StalePlanError
from reconciler.identity import digest_manifest, encode_canonical, find_meaning
from reconciler.kind import FieldType, Kind
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes
from reconciler.plan.change import Action, Binding, Change, Plan
from reconciler.plan.facts import Facts
from reconciler.plan.recording import expect_outcome, recorded_after
from reconciler.plan.stand_ins import StandIn, find_stand_ins
from reconciler.plan.steps import DeleteReplaced, Deploy, Promote, Undeploy, drop_intent, has_effect
from reconciler.state.values import Record, RecordedModel


def _digest(value: object) -> str:
    return hashlib.sha256(encode_canonical(value)).hexdigest()


def _describe_model(model: RecordedModel | None) -> object:
    if model is None:
        return None
    permissions = model.permissions and sorted(str(permission) for permission in model.permissions)
    data = [data.digest for data in model.data]
    return [model.id, model.generation, model.digest, model.source, dict(model.sent), data, permissions]


def _describe_record(record: Record) -> object:
    """Leave out what progress changes: status, times, operation, verdicts, and deposed models."""
    if record.serving is None and record.candidate is None:
        return None
    content = [_describe_model(record.serving), _describe_model(record.candidate), record.prevent_destroy]
    return [*content, [model.id for model in record.held]] if record.held else content


def _digest_live(kind: Kind, live: Live | None, declared: Attributes) -> str:
    if live is None:
        return ""
    shown = {
        path: meant
        for path, value in live.attributes.items()
        if kind.fields[path].on_change.value == "replace" or path in declared
        if kind.fields[path].type is not FieldType.NAMES  # it is part of the model's own name
        if (meant := find_meaning(kind.fields[path], value)) is not None
    }
    return _digest([live.id, live.status is Status.FAILED, shown])


def _fold_steps(record: Record, changes: Iterable[Change]) -> tuple[str, ...]:
    """Digest the record as it is, and as these changes may leave it wherever they are interrupted."""
    passed = [(_describe_record(record), record)]
    for change in changes:
        for _, start in tuple(passed):
            reached = start
            for step in change.steps:
                reached = recorded_after(step, reached, expect_outcome(step), "")
                content = _describe_record(reached)
                if all(content != known for known, _ in passed):
                    passed.append((content, reached))
    return tuple(_digest(content) for content, _ in passed)


def _digest_manifest(facts: Facts, address: Address) -> str:
    desired = facts.desired.get(address)
    if desired is None:
        return ""
    place = {path: desired.attributes.get(path, value) for path, value in desired.effective.items()}
    said = digest_manifest(desired, facts.get_kind(address))
    return _digest([said, [data.digest for data in desired.data], place])


def bind(facts: Facts, changes: Iterable[Change]) -> Mapping[Address, Binding]:
    """Bind each address that the changes affect. A binding is made when it is asked for."""
    return _Bindings(facts, changes)


class _Bindings(Mapping[Address, Binding]):
    """The bindings of a plan. One that is carried out at once, from the same facts, asks for none."""

    def __init__(self, facts: Facts, changes: Iterable[Change]) -> None:
        by_address: dict[Address, list[Change]] = {}
        for change in changes:
            by_address.setdefault(change.address, []).append(change)
        self._facts = facts
        self._changes = {
            address: several
            for address, several in by_address.items()
            if any(has_effect(change.steps) for change in several)
        }
        self._made: dict[Address, Binding] = {}

    def __getitem__(self, address: Address) -> Binding:
        changes = self._changes[address]
        if address not in self._made:
            self._made[address] = _bind(self._facts, address, changes)
        return self._made[address]

    def __iter__(self) -> Iterator[Address]:
        return iter(self._changes)

    def __len__(self) -> int:
        return len(self._changes)


def _bind(facts: Facts, address: Address, changes: Sequence[Change]) -> Binding:
    """Bind all changes of an address. One without effect, such as a failure, may still write the record."""
    record = facts.state.resources.get(address, Record(address))
    kind = facts.get_kind(address)
    live = [
        _digest_live(kind, shown, change.after or {})
        for change in changes
        if has_effect(change.steps)
        for shown in _list_live(facts, record, change)
    ]
    manifest = _digest_manifest(facts, address)
    endpoints = _list_endpoint_digests(facts, address, changes)
    return Binding(manifest, _fold_steps(record, changes), tuple(dict.fromkeys(live)), endpoints)


def _list_endpoint_digests(facts: Facts, address: Address, changes: Iterable[Change]) -> tuple[str, ...]:
    """Digest the stable endpoint as it is, and as these changes may leave it if they are interrupted."""
    switches = [step for change in changes for step in change.steps if isinstance(step, (Deploy, Undeploy))]
    if not switches:
        return ()
    before = _read_deployments(facts, address)
    undeployed = {id for step in switches if isinstance(step, Undeploy) for id in step.ids}
    left = {id: 0 for id in before if id not in undeployed}
    drained = dict.fromkeys(before, 0)
    return tuple(dict.fromkeys(_digest(sorted(found.items())) for found in (before, drained, left, {})))


def _read_deployments(facts: Facts, address: Address, model: str = "") -> dict[str, int]:
    """Read what is deployed to the stable endpoint, with its share. Leaves out this model of ours."""
    record = facts.state.resources.get(address)
    recorded = record.endpoint if record is not None else None
    live = facts.observed.endpoints.get(recorded.name) if recorded is not None else None
    live = live or facts.observed.declared_endpoints.get(address)
    own = facts.find_live(address, model)
    return {
        one.id: one.traffic
        for one in (live.deployments if live is not None else ())
        if own is None or not one.is_of(own.deployable)
    }


def _list_live(facts: Facts, record: Record, change: Change) -> list[Live | None]:
    """List the live model of a change as it is, and as the change would leave it."""
    live = facts.find_live(change.address, _find_concerned_id(record, change))
    updated = {field.path: field.after for field in change.fields if field.after is not None}
    if live is None or change.creates or not updated:
        return [live]
    return [live, replace(live, attributes={**live.attributes, **updated})]


def _find_concerned_id(record: Record, change: Change) -> str:
    """Find the id of the model to check: for a training the serving model, else the change's own.

    If nothing serves yet, the change's first record may let a superseded candidate serve. That one is checked
    before the record is written, and after.
    """
    if not change.creates:
        return change.id
    serving = record.serving or (change.intent.serving if change.intent else None)
    return serving.id if serving else ""


def verify(plan: Plan, fresh: Plan, facts: Facts) -> Plan:
    """Restrict the fresh plan to what was approved.

    Args:
        plan: the approved or saved plan.
        fresh: a plan made now from the same inputs.
        facts: the facts that `fresh` was made from.

    Raises:
        StalePlanError: names each address that has changed, and how.
    """
    today = {change.key: change for change in fresh.changes}
    stand_ins = find_stand_ins(plan, fresh, facts)
    is_same = plan.bindings is fresh.bindings  # it was not decided again, because the facts are the same
    moved: list[Diagnostic] = []
    kept: dict[tuple[Address, str], Change] = {}
    for approved in plan.changes:
        now = today.get(approved.key)
        if not has_effect(approved.steps):
            if now is not None and (still := _keep_untouched(approved, now)):
                kept[still.key] = still
            continue
        stand_in = stand_ins.get(approved.address)
        id = stand_in.named.id if stand_in is not None and not approved.deposed else approved.id
        why = "" if is_same else _explain_move(plan.bindings.get(approved.address), approved, facts, stand_in)
        why = why or _explain_turn(approved, now, id)
        if why:
            moved.append(Diagnostic(f"{approved.address}: {why}", address=str(approved.address)))
        elif now is not None:  # else it is done: its model is gone from record and service
            kept[now.key] = now
            for step in approved.steps:
                rest = today.get((approved.address, step.id)) if isinstance(step, DeleteReplaced) else None
                if rest is not None:
                    kept[rest.key] = rest  # promoted by a run that ended before it deleted what served
    if moved:
        unique = tuple(dict.fromkeys(moved))
        advice = "The plan is out of date. Nothing was changed: make a new plan and look at it"
        raise StalePlanError(
            "the plan is out of date: " + "; ".join(problem.summary for problem in unique),
            advice,
            (*unique[:-1], unique[-1]._replace(detail=advice)),
        )
    return replace(fresh, changes=tuple(kept.values()), bindings=plan.bindings, inputs=plan.inputs)


def _keep_untouched(approved: Change, now: Change) -> Change | None:
    """Keep a change that makes no call. A failure stays one, whatever has changed since."""
    if approved.action is Action.NO_OP:
        return None
    if now.action is approved.action:
        return now
    if approved.action is Action.FAILED and now.creates:
        return replace(approved, steps=drop_intent(approved.steps))
    return None


def _explain_turn(approved: Change, now: Change | None, id: str) -> str:
    """Explain how today's decision differs from the approved one; "" if it differs by progress only.

    `id`: what the approved model is called by now.
    """
    if now is None or (approved.is_due and now.action is Action.NO_OP):
        return ""
    if now.action is not approved.action and now.action not in _list_progress(approved.action):
        why = f" ({now.reason})" if now.reason else ""
        return f"the plan said {approved.action}, by now it would say {now.action}{why}"
    if now.id != id and approved.action not in {Action.DELETE, Action.FORGET}:
        return f"the plan was about {id}, by now it would be about {now.id}"
    return ""


def _list_progress(action: Action) -> frozenset[Action]:
    """List the actions that a decision can become by progress alone."""
    done = {Action.NO_OP, Action.RECORD}
    match action:
        case Action.CREATE:
            return frozenset({Action.WAIT, Action.COMPLETE, Action.ADOPT, *done})
        case Action.REPLACE:
            return frozenset({Action.CREATE, Action.WAIT, Action.COMPLETE, Action.ADOPT, *done})
        case Action.ADOPT:
            return frozenset({Action.WAIT, Action.COMPLETE, Action.UPDATE, *done})
        case Action.RESTORE:
            return frozenset({Action.WAIT, Action.COMPLETE, *done})
        case Action.ROLLBACK:
            return frozenset({Action.UPDATE, *done})
        case Action.WAIT:
            return frozenset({Action.COMPLETE, Action.UPDATE, *done})
        case Action.COMPLETE:
            return frozenset({Action.UPDATE, *done})
        case Action.UPDATE | Action.MOVE:
            return frozenset(done)
        case Action.DELETE:
            return frozenset({Action.FORGET})
        case Action.RECORD:
            return frozenset({Action.NO_OP})
        case Action.FORGET | Action.NO_OP | Action.FAILED:
            return frozenset()
        case _:
            assert_never(action)


def _explain_move(binding: Binding | None, approved: Change, facts: Facts, stand_in: StandIn | None) -> str:
    """Explain what has changed since the binding was made; "" if nothing has."""
    if binding is None:
        return "it is not in the list of what the plan depends on"
    address = approved.address
    if _digest_manifest(facts, address) != binding.manifest:
        return "its manifest or its data has changed"
    record, ids = facts.state.resources.get(address, Record(address)), {"", approved.id}
    if stand_in is not None:
        record, ids = stand_in.put_back(record), {*ids, stand_in.named.id}
    if _digest(_describe_record(record)) not in binding.records:
        return "its record has changed: another run has worked on it"
    deployed = {_digest(sorted(_read_deployments(facts, address, model).items())) for model in ids}
    if binding.endpoints and not deployed & set(binding.endpoints):
        return "what its stable endpoint serves has changed"
    promotes = any(isinstance(step, Promote) for step in approved.steps)
    if record.serving is not None and record.serving.id == approved.id and promotes:
        return ""  # promoted: what served before may be gone
    live = facts.find_live(address, _find_concerned_id(record, approved))
    if live is None and (approved.action in {Action.DELETE, Action.FORGET} or approved.deposed):
        return ""
    if _digest_live(facts.get_kind(address), live, approved.after or {}) not in binding.live:
        return "the live model has changed" if live else "the live model is gone"
    return ""
