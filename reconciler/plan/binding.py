"""What a plan was true of, so that it can be told whether it still is (design 2.2, "A saved plan").

Rule: progress is not a move. A training that went on, a record that now says what this plan itself
would have written, times and snapshots change nothing; another id, other fields or a failure do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from reconciler import diff
from reconciler.errors import Diagnostic, StalePlanError
from reconciler.identity import canonical
from reconciler.model import Address, Attributes, Desired, Kind, Live, Status
from reconciler.plan.values import TRAININGS, Action, Binding, Change, Plan
from reconciler.plan.world import World
from reconciler.state import Model, Record

_CONTINUED = {
    Action.CREATE: {Action.WAIT, Action.COMPLETE, Action.NO_OP, Action.RECORD, Action.ADOPT},
    Action.REPLACE: {Action.CREATE, Action.WAIT, Action.COMPLETE, Action.NO_OP, Action.RECORD, Action.ADOPT},
    Action.ADOPT: {Action.WAIT, Action.COMPLETE, Action.UPDATE, Action.NO_OP, Action.RECORD},
    Action.RESTORE: {Action.WAIT, Action.COMPLETE, Action.NO_OP, Action.RECORD},
    Action.WAIT: {Action.COMPLETE, Action.NO_OP, Action.RECORD, Action.UPDATE},
    Action.COMPLETE: {Action.NO_OP, Action.RECORD, Action.UPDATE},
    Action.UPDATE: {Action.NO_OP, Action.RECORD},
    Action.DELETE: {Action.FORGET},
}
"""What a decision may have become by progress alone."""


def _digest(value: object) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def _model(model: Model | None) -> object:
    if model is None:
        return None
    permissions = model.permissions and sorted(str(one) for one in model.permissions)
    data = [one.digest for one in model.data]
    return [model.id, model.generation, model.digest, model.source, dict(model.sent), data, permissions]


def _record(record: Record | None) -> str:
    """Without what progress changes: status, times, operation, verdicts, and what is deposed."""
    if record is None or (record.serving is None and record.candidate is None):
        return _digest(None)
    return _digest([_model(record.serving), _model(record.candidate), record.prevent_destroy])


def _live(kind: Kind, live: Live | None, declared: Attributes) -> str:
    if live is None:
        return ""
    shown = {
        path: diff.comparable(kind.fields[path], value)
        for path, value in live.attributes.items()
        if kind.fields[path].on_change.value == "replace" or path in declared
    }
    return _digest([live.id, live.status is Status.FAILED, shown])


def _afterwards(record: Record, change: Change) -> list[Record]:
    """The records that this change itself passes through."""
    intent = change.intent or record
    passed = [intent]
    candidate = intent.candidate
    if candidate is not None:
        final = replace(candidate, sent=dict(change.after or {}), permissions=change.permissions_after)
        passed += [replace(intent, candidate=final), replace(intent, candidate=None, serving=final)]
        passed += [replace(intent, candidate=None, serving=candidate)]
    elif intent.serving is not None and change.action is Action.UPDATE:
        sent = dict(change.after or {})
        wish = (
            change.permissions_after if change.permissions_after is not None else intent.serving.permissions
        )
        passed += [replace(intent, serving=replace(intent.serving, sent=sent))]
        passed += [replace(intent, serving=replace(intent.serving, sent=sent, permissions=wish))]
        passed += [replace(intent, serving=replace(intent.serving, permissions=wish))]
    return passed


def _manifest(want: Desired | None) -> str:
    return "" if want is None else _digest([want.digest, [one.digest for one in want.data]])


def _touches(change: Change) -> bool:
    return change.action not in {Action.NO_OP, Action.WAIT}


def bind(world: World, changes: Iterable[Change]) -> dict[Address, Binding]:
    """A binding for each address that the changes touch and no other."""
    bindings: dict[Address, Binding] = {}
    for change in changes:
        if not _touches(change) or (change.deposed and change.address in bindings):
            continue
        address = change.address
        record = world.state.resources.get(address, Record(address))
        kind = world.kind(address)
        declared = change.after or {}
        allowed = [record] if change.deposed else [record, *_afterwards(record, change)]
        seen = _live_models(world, record, change)
        bindings[address] = Binding(
            manifest=_manifest(world.desired.get(address)),
            records=tuple(dict.fromkeys(_record(one) for one in allowed)),
            live=tuple(dict.fromkeys(_live(kind, one, declared) for one in seen)),
        )
    return bindings


def _live_models(world: World, record: Record, change: Change) -> list[Live | None]:
    """The model concerned as it is, and as the change would leave it."""
    model = _concerned(record, change)
    live = world.live(change.address, model)
    if live is None or change.action not in {Action.UPDATE, Action.COMPLETE, Action.ADOPT, Action.RESTORE}:
        return [live]
    updated = {one.path: one.after for one in change.fields if one.after is not None}
    return [live, replace(live, attributes={**live.attributes, **updated})]


def _concerned(record: Record, change: Change) -> str:
    """A replacement is judged by what serves now; everything else by the model that it is about."""
    if change.action in TRAININGS:
        return record.serving.id if record.serving else ""
    return change.id


def verify(plan: Plan, fresh: Plan, world: World) -> Plan:
    """The fresh plan restricted to what was approved, or a refusal that says what has moved.

    Args:
        plan: as approved or saved.
        fresh: made again from the same inputs, now.
        world: what `fresh` was made from.

    Raises:
        StalePlanError: naming each address that moved, and how.
    """
    fresh_changes = {change.key: change for change in fresh.changes}
    moved: list[Diagnostic] = []
    kept: list[Change] = []
    for approved in plan.changes:
        address = approved.address
        now = fresh_changes.get(approved.key)
        binding = plan.bindings.get(address)
        if approved.action is Action.NO_OP:
            continue
        if binding is not None and (why := _moved(binding, approved, world)):
            moved.append(Diagnostic(f"{address}: {why}", address=str(address)))
        elif now is None:
            continue  # what was to be done has been done: its model is gone from record and service
        elif now.action is not approved.action and now.action not in _CONTINUED.get(approved.action, ()):
            moved.append(
                Diagnostic(f"{address}: the plan was to {approved.action}, now it would be to {now.action}")
            )
        elif approved.action in TRAININGS and now.action in TRAININGS and now.id != approved.id:
            moved.append(Diagnostic(f"{address}: {approved.id} is taken by now"))
        else:
            kept.append(now)
    if moved:
        unique = tuple(dict.fromkeys(moved))
        raise StalePlanError(
            "the plan is not true any more: " + "; ".join(one.summary for one in unique),
            "Nothing was changed. Make a new plan and look at it",
        )
    return replace(fresh, changes=tuple(kept), bindings=plan.bindings, inputs=plan.inputs)


def _moved(binding: Binding, approved: Change, world: World) -> str:
    """What has moved since the binding was made, "" for nothing."""
    address = approved.address
    if _manifest(world.desired.get(address)) != binding.manifest:
        return "its manifest or its data has changed"
    record = world.state.resources.get(address, Record(address))
    ours = _record(record)
    if ours not in binding.records and not (approved.action is Action.DELETE and record.empty):
        return "its record has changed: another run has worked on it"
    kind = world.kind(address)
    declared = approved.after or {}
    concerned = record if approved.action not in TRAININGS else _as_planned(record, approved)
    live = world.live(address, _concerned(concerned, approved))
    if _live(kind, live, declared) not in binding.live:
        gone_is_done = approved.action in {Action.DELETE, Action.FORGET} and live is None
        if not gone_is_done and not (approved.deposed and live is None):
            return "the live model has changed" if live else "the live model is gone"
    return ""


def _as_planned(record: Record, approved: Change) -> Record:
    """The record with the model that served when it was approved, if a promotion has moved it since."""
    if record.serving is not None and record.serving.id == approved.id and approved.serving:
        return replace(record, serving=Model(id=approved.serving))
    if record.serving is not None and record.serving.id == approved.id:
        return replace(record, serving=None)
    return record
