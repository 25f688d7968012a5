"""What a plan was true of, so that it can be told whether it still is (design 2.2, "A saved plan").

Rule: progress is not a move. A training that went on, a record that now says what this plan itself
would have written, times and snapshots change nothing; another id, other fields or a failure do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from reconciler.errors import Diagnostic, StalePlanError
from reconciler.identity import encode_canonical, find_meaning
from reconciler.kind import FieldType, Kind
from reconciler.model import Address, Attributes, Desired, Live, Status
from reconciler.plan.change import TRAININGS, Action, Binding, Change, Plan
from reconciler.plan.facts import World
from reconciler.state.values import Record, RecordedModel

_CONTINUED = {
    Action.CREATE: {Action.WAIT, Action.COMPLETE, Action.NO_OP, Action.RECORD, Action.ADOPT},
    Action.REPLACE: {Action.CREATE, Action.WAIT, Action.COMPLETE, Action.NO_OP, Action.RECORD, Action.ADOPT},
    Action.ADOPT: {Action.WAIT, Action.COMPLETE, Action.UPDATE, Action.NO_OP, Action.RECORD},
    Action.RESTORE: {Action.WAIT, Action.COMPLETE, Action.NO_OP, Action.RECORD},
    Action.WAIT: {Action.COMPLETE, Action.NO_OP, Action.RECORD, Action.UPDATE},
    Action.COMPLETE: {Action.NO_OP, Action.RECORD, Action.UPDATE},
    Action.UPDATE: {Action.NO_OP, Action.RECORD},
    Action.DELETE: {Action.FORGET},
    Action.MOVE: {Action.NO_OP, Action.RECORD},
}
"""What a decision may have become by progress alone."""

_UNTOUCHED = frozenset({Action.NO_OP, Action.RECORD, Action.FAILED})
"""Nothing at the service depends on them: no binding, and no reason to refuse the rest."""

_PROMOTING = frozenset({*TRAININGS, Action.ADOPT, Action.RESTORE, Action.WAIT, Action.COMPLETE})
"""What ends in a promotion."""


def _digest(value: object) -> str:
    return hashlib.sha256(encode_canonical(value)).hexdigest()


def _model(model: RecordedModel | None) -> object:
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
        path: meant
        for path, value in live.attributes.items()
        if kind.fields[path].on_change.value == "replace" or path in declared
        if kind.fields[path].type is not FieldType.NAMES  # it is part of the model's own name
        if (meant := find_meaning(kind.fields[path], value)) is not None
    }
    return _digest([live.id, live.status is Status.FAILED, shown])


def _afterwards(record: Record, change: Change) -> list[Record]:
    """The records that this change itself passes through."""
    intent = change.intent or record
    passed = [intent]
    if change.action in {Action.DELETE, Action.FORGET}:
        without = (replace(intent, serving=None), replace(intent, candidate=None))
        return [] if _is_deposed(record, change) else [intent, *without, Record(record.address)]
    asked = dict(change.after or {})
    for model in (intent.candidate, intent.serving if change.action is Action.UPDATE else None):
        if model is None:
            continue
        wish = model.permissions if change.permissions_after is None else change.permissions_after
        sents = (model.sent,) if model.sent == asked else (model.sent, asked)
        for sent, permissions in product(sents, dict.fromkeys((model.permissions, wish))):
            reached = replace(model, sent=sent, permissions=permissions)
            passed.append(replace(intent, candidate=None, serving=reached))
            if model is intent.candidate and reached != model:
                passed.append(replace(intent, candidate=reached))
    return passed


def _is_deposed(record: Record, change: Change) -> bool:
    return bool(change.deposed) and all(
        model is None or model.id != change.id for model in (record.serving, record.candidate)
    )


def _manifest(want: Desired | None) -> str:
    if want is None:
        return ""
    place = {path: want.attributes.get(path, value) for path, value in want.effective.items()}
    return _digest([want.digest, [one.digest for one in want.data], place])


def bind(world: World, changes: Iterable[Change]) -> dict[Address, Binding]:
    """A binding for each address that the changes touch and no other."""
    bindings: dict[Address, Binding] = {}
    for change in changes:
        if change.action in _UNTOUCHED:
            continue
        address = change.address
        record = world.state.resources.get(address, Record(address))
        kind = world.kind(address)
        declared = change.after or {}
        records = [_record(one) for one in (record, *_afterwards(record, change))]
        live = [_live(kind, one, declared) for one in _live_models(world, record, change)]
        before = bindings.get(address, Binding(_manifest(world.desired.get(address)), (), ()))
        bindings[address] = replace(
            before,
            records=tuple(dict.fromkeys((*before.records, *records))),
            live=tuple(dict.fromkeys((*before.live, *live))),
        )
    return bindings


def _live_models(world: World, record: Record, change: Change) -> list[Live | None]:
    """The model concerned as it is, and as the change would leave it."""
    live = world.live(change.address, _concerned(record, change))
    updated = {one.path: one.after for one in change.fields if one.after is not None}
    if live is None or change.action in TRAININGS or not updated:
        return [live]
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
    today = {change.key: change for change in fresh.changes}
    moved: list[Diagnostic] = []
    kept: dict[tuple[Address, str], Change] = {}
    for approved in plan.changes:
        now = today.get(approved.key)
        if approved.action in _UNTOUCHED:
            if now is not None and (still := _untouched(approved, now)):
                kept[still.key] = still
            continue
        why = _moved(plan.bindings.get(approved.address), approved, world) or _turned(approved, now)
        if why:
            moved.append(Diagnostic(f"{approved.address}: {why}", address=str(approved.address)))
        elif now is not None:  # else it is done: its model is gone from record and service
            kept[now.key] = now
            rest = today.get((approved.address, approved.serving))
            if approved.deletes and approved.serving and rest is not None:
                kept[rest.key] = rest  # promoted by a run that ended before it deleted what served
    if moved:
        unique = tuple(dict.fromkeys(moved))
        advice = "The plan is not true any more. Nothing was changed: make a new plan and look at it"
        raise StalePlanError(
            "the plan is not true any more: " + "; ".join(one.summary for one in unique),
            advice,
            (*unique[:-1], replace(unique[-1], detail=advice)),
        )
    return replace(fresh, changes=tuple(kept.values()), bindings=plan.bindings, inputs=plan.inputs)


def _untouched(approved: Change, now: Change) -> Change | None:
    """What is left of a change that calls nobody: a failure stays one, whatever was changed since."""
    if approved.action is Action.NO_OP:
        return None
    if now.action is approved.action:
        return now
    failed = approved.action is Action.FAILED and now.action in TRAININGS
    return replace(approved, intent=None) if failed else None


def _turned(approved: Change, now: Change | None) -> str:
    """How today's decision differs from the approved one, "" where it only went on."""
    if now is None:
        return ""
    if now.action is not approved.action and now.action not in _CONTINUED.get(approved.action, ()):
        why = f" ({now.reason})" if now.reason else ""
        return f"the plan said {approved.action}, by now it would say {now.action}{why}"
    if now.id != approved.id and approved.action not in {Action.DELETE, Action.FORGET}:
        return f"the plan was about {approved.id}, by now it would be about {now.id}"
    return ""


def _moved(binding: Binding | None, approved: Change, world: World) -> str:
    """What has moved since the binding was made, "" for nothing."""
    if binding is None:
        return ""
    address = approved.address
    if _manifest(world.desired.get(address)) != binding.manifest:
        return "its manifest or its data has changed"
    record = world.state.resources.get(address, Record(address))
    if _record(record) not in binding.records:
        return "its record has changed: another run has worked on it"
    if record.serving is not None and record.serving.id == approved.id and approved.action in _PROMOTING:
        return ""  # promoted: what served before may be gone
    live = world.live(address, _concerned(record, approved))
    if live is None and (approved.action in {Action.DELETE, Action.FORGET} or approved.deposed):
        return ""
    if _live(world.kind(address), live, approved.after or {}) not in binding.live:
        return "the live model has changed" if live else "the live model is gone"
    return ""
