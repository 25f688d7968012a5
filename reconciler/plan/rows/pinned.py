"""Rows for a pinned id. There is only one id, and it may be taken."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.errors import Diagnostic
from reconciler.model.desired import Replacement
from reconciler.model.live import Live, Status
from reconciler.plan.case import Answer, Case, record_found, record_training, refuse
from reconciler.plan.change import Change, Reason
from reconciler.plan.facts import Generation
from reconciler.plan.rows.generations import build_adoption, describe_difference
from reconciler.plan.rows.training import can_train, refuse_training, start_training
from reconciler.plan.steps import DeleteFirst, find_step
from reconciler.state.values import Record, RecordedModel


def decide_pinned(case: Case, record: Record, reason: Reason) -> Answer:
    """Adopt or train under the pinned id, or refuse both."""
    facts, desired = case.facts, case.desired
    generation = facts.compute_generation(desired, case.source)
    id = generation.id
    live = facts.find_live(desired.address, id)
    ours = next((model for model in case.record.models if model.id == id), None)
    if live is not None and ours is None:
        return _adopt(case, live, generation, record)
    if not can_train(case):
        return refuse_training(case, reason)
    model = record_training(case, generation)
    others = tuple(deposed for deposed in record.deposed if deposed.id != id)
    serving = record.serving if record.serving and record.serving.id != id else None
    free = replace(record, serving=serving, candidate=model, deposed=others)
    if live is None or ours is None:
        return start_training(case, model, reason, free)
    if desired.lifecycle.replace is not Replacement.DELETE_FIRST:
        return _refuse_change(case, ours, live, reason)
    old = replace(ours, deposed=facts.timestamp, create_time=live.create_time)
    return start_training(case, model, reason, replace(free, deposed=(*others, old)), delete_first=True)


def refuse_protected(case: Case, change: Change) -> Diagnostic | None:
    """Refuse to delete a protected model first; None if the change does not."""
    desired = case.desired
    if not desired.lifecycle.prevent_destroy or find_step(change.steps, DeleteFirst) is None:
        return None
    return refuse(
        case.desired,
        f"{desired.address} is protected by prevent_destroy, and delete_first would delete it",
        "Lift the protection first, or pin another metadata.id",
    )


def _adopt(case: Case, live: Live, generation: Generation, record: Record) -> Answer:
    """Adopt an unrecorded live model with the pinned id, unless it visibly differs."""
    different = describe_difference(case, live)
    if different or live.status is Status.FAILED:
        return refuse_other(case, live, different)
    model = record_found(case, generation, live)
    note = "its id is pinned and proves nothing about its data, so the manifest's digest is assumed"
    return build_adoption(case, model, live, replace(record, candidate=model), (note,))


def refuse_other(case: Case, live: Live, different: str) -> Diagnostic:
    """Refuse because another model has the pinned id."""
    address = case.desired.address
    if live.status is Status.FAILED:
        return refuse(
            case.desired,
            f"{address}: {live.name}, its pinned id, is a model whose training failed",
            "Delete that model, or pin another metadata.id",
        )
    return refuse(
        case.desired,
        f"{address}: {live.name} exists already and is another model: {different}",
        "Give another metadata.id, or correct the manifest if that model is the one you mean",
    )


def _refuse_change(case: Case, ours: RecordedModel, live: Live, reason: Reason) -> Diagnostic:
    """Refuse to train a second model under a pinned id of ours that is in use."""
    desired = case.desired
    fields, data = case.compare(ours)
    what = [f"{field.path} {field.before!r} -> {field.after!r}" for field in fields]
    what += [f"{change.field} {change.before_digest[:8]} -> {change.after_digest[:8]}" for change in data]
    why = f"{', '.join(what)} cannot change under" if what else f"{reason}, but {live.name} is there under"
    return refuse(
        case.desired,
        f"{desired.address}: {why} the pinned id {ours.id}",
        "Pin another metadata.id (it is trained beside the old one, which then goes), or set "
        "lifecycle: {replace: delete_first} (the old one goes first, and nothing serves meanwhile)",
    )


def take_back_delete_first(case: Case) -> Record | None:
    """Undo a recorded delete_first that was approved but not started, and is no longer allowed.

    The old model is still live under the id, and today's manifest does not allow its deletion before its
    successor is promoted. Returns None if there is nothing to undo.
    """
    record, desired = case.record, case.desired
    candidate = record.candidate
    if candidate is None or case.find_live(candidate) is not None:
        return None
    old = next((deposed for deposed in record.deposed if deposed.id == candidate.id), None)
    if old is None or case.find_live(old) is None:
        return None
    allowed = desired.lifecycle.replace is Replacement.DELETE_FIRST and not desired.lifecycle.prevent_destroy
    if allowed and desired.id == candidate.id:
        return None
    others = tuple(deposed for deposed in record.deposed if deposed is not old)
    back = replace(old, deposed="", kept_until="")
    if record.serving is None and old.promoted:
        return replace(record, serving=back, candidate=None, deposed=others)
    if not old.promoted:
        return replace(record, candidate=back, deposed=others)
    return replace(record, candidate=None)
