"""The rows of a pinned id: there is one id only, and it may be taken."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model import Live, Replacement, Status
from reconciler.plan.case import Decision, Wanted, asked, found, refuse
from reconciler.plan.change import Reason
from reconciler.plan.facts import replacement_reasons
from reconciler.plan.rows.generations import adoption, unlike
from reconciler.plan.rows.training import refuse_training, start
from reconciler.state.values import Record, RecordedModel


def pinned(wanted: Wanted, record: Record, reason: Reason) -> Decision:
    """Adopt or train under the one id that there is, or say why neither can be."""
    world, want = wanted.world, wanted.want
    id, digest = world.identity(want, wanted.source, 0)
    live = world.live(want.address, id)
    ours = next((model for model in wanted.record.models if model.id == id), None)
    if live is not None and ours is None:
        return _adopt(wanted, live, digest, record)
    if refusal := refuse_training(wanted, reason):
        return refusal
    model = asked(wanted, id=id, digest=digest, generation=0)
    others = tuple(one for one in record.deposed if one.id != id)
    serving = record.serving if record.serving and record.serving.id != id else None
    free = replace(record, serving=serving, candidate=model, deposed=others)
    if live is None or ours is None:
        return start(wanted, model, reason, free)
    if want.lifecycle.replace is not Replacement.DELETE_FIRST:
        return _refuse_change(wanted, ours, live, reason)
    old = replace(ours, deposed=world.timestamp, create_time=live.create_time)
    decision = start(wanted, model, reason, replace(free, deposed=(*others, old)), delete_first=True)
    if want.lifecycle.prevent_destroy:
        refusal = refuse(
            wanted,
            f"{want.address} is protected by prevent_destroy, and delete_first would delete it",
            "Lift the protection first, or pin another metadata.id",
        )
        decision.refusals += refusal.errors
    return decision


def _adopt(wanted: Wanted, live: Live, digest: str, record: Record) -> Decision:
    """A live model that nobody recorded has the id: it is the one, as far as can be seen."""
    different = unlike(wanted, live)
    if different or live.status is Status.FAILED:
        return refuse_other(wanted, live, different)
    model = found(wanted, live, digest=digest, generation=0)
    note = "its id is pinned, which proves nothing about its data: the digest is recorded as assumed"
    return Decision([adoption(wanted, model, live, replace(record, candidate=model), (note,))])


def refuse_other(wanted: Wanted, live: Live, different: str) -> Decision:
    """The pinned id is taken by a model that cannot be the one."""
    address = wanted.want.address
    if live.status is Status.FAILED:
        return refuse(
            wanted,
            f"{address}: {live.name}, its pinned id, is a model whose training failed",
            "Delete that model, or pin another metadata.id",
        )
    return refuse(
        wanted,
        f"{address}: {live.name} exists already and is another model: {different}",
        "Give another metadata.id, or correct the manifest if that model is the one you mean",
    )


def _refuse_change(wanted: Wanted, ours: RecordedModel, live: Live, reason: Reason) -> Decision:
    """An id that is ours and taken cannot be trained once more beside itself."""
    want = wanted.want
    fields, data = replacement_reasons(want, wanted.attributes, ours, live, wanted.kind)
    what = [f"{one.path} {one.before!r} -> {one.after!r}" for one in fields]
    what += [f"{one.field} {one.before_digest[:8]} -> {one.after_digest[:8]}" for one in data]
    why = f"{', '.join(what)} cannot change under" if what else f"{reason}, but {live.name} is there under"
    return refuse(
        wanted,
        f"{want.address}: {why} the pinned id {ours.id}",
        "Pin another metadata.id (it is trained beside the old one, which then goes), or set "
        "lifecycle: {replace: delete_first} (the old one goes first, and nothing serves meanwhile)",
    )


def not_deleted_first(wanted: Wanted) -> Record | None:
    """The record with a delete_first taken back that was approved, not begun, and is not asked for any more.

    The old model still lives under the id, and nothing in today's manifest allows it to go before its
    successor has proved itself. None where there is no such thing.
    """
    record, want = wanted.record, wanted.want
    candidate = record.candidate
    if candidate is None or wanted.live(candidate) is not None:
        return None
    old = next((one for one in record.deposed if one.id == candidate.id), None)
    if old is None or wanted.live(old) is None:
        return None
    allowed = want.lifecycle.replace is Replacement.DELETE_FIRST and not want.lifecycle.prevent_destroy
    if allowed and want.id == candidate.id:
        return None
    others = tuple(one for one in record.deposed if one is not old)
    back = replace(old, deposed="")
    if record.serving is None and old.promoted:
        return replace(record, serving=back, candidate=None, deposed=others)
    if not old.promoted:
        return replace(record, candidate=back, deposed=others)
    return replace(record, candidate=None)
