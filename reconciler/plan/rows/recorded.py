"""The rows in which a recorded model is what is wanted: wait, complete, keep, restore, create it again."""

from __future__ import annotations

from dataclasses import replace

from reconciler.diff import is_same
from reconciler.kind import FieldRole
from reconciler.model import Attributes, Live, Status, Value
from reconciler.plan.case import (
    NOT_SHOWN_YET,
    RETRY_ADVICE,
    Decision,
    Wanted,
    about,
    finish,
    permission_updates,
    renewed,
    repeated,
    serves,
    unless_same,
    updates,
)
from reconciler.plan.change import Action, Reason
from reconciler.plan.compile import steps_of_update, with_intent
from reconciler.plan.difference import FieldChange
from reconciler.plan.facts import approval, recorded_data, sent_now
from reconciler.plan.rows.deposed import depose
from reconciler.plan.rows.training import start
from reconciler.plan.rows.unrecorded import train
from reconciler.plan.steps import ReportFailure, Role, Steps
from reconciler.state.values import Record, RecordedModel, Verdict


def create_again(wanted: Wanted, candidate: RecordedModel) -> Decision:
    """A candidate that is not live: its POST never arrived, or it was deleted outside."""
    reason = Reason.POST_NEVER_ARRIVED if candidate.is_pending else Reason.DELETED_OUTSIDE
    if candidate.has_no_room:
        reason = Reason.NO_ROOM
    again = repeated(wanted, candidate)
    return start(wanted, again, reason, replace(renewed(wanted, wanted.record), candidate=again))


def create_anew(wanted: Wanted, serving: RecordedModel) -> Decision:
    """What served was deleted outside."""
    again = repeated(wanted, serving)
    record = replace(wanted.record, serving=None, candidate=again)
    return start(wanted, again, Reason.DELETED_OUTSIDE, depose(wanted, record, wanted.record.candidate))


def wait(wanted: Wanted, candidate: RecordedModel, live: Live | None) -> Decision:
    """A candidate in training, or accepted so lately that nobody shows it yet (`live` None)."""
    return _go_on(wanted, candidate, live, Action.WAIT, Reason.IN_TRAINING)


def complete(wanted: Wanted, candidate: RecordedModel, live: Live) -> Decision:
    """A candidate that is trained: permissions, checks (once more, if they failed) and promotion are left."""
    reason = _UNPROVEN.get(candidate.verdict, Reason.TRAINED)
    return _go_on(wanted, candidate, live, Action.COMPLETE, reason)


_UNPROVEN = {Verdict.FAILED: Reason.CHECKS_FAILED, Verdict.UNKNOWN: Reason.CHECKS_UNKNOWN}


def _go_on(
    wanted: Wanted, candidate: RecordedModel, live: Live | None, action: Action, reason: Reason
) -> Decision:
    if live is None:
        return Decision([finish(wanted, action, reason, model=candidate, live=None, record=None)])
    known = replace(
        candidate,
        status=live.status,
        create_time=live.create_time,
        name=live.name,
        approved=candidate.approved and approval(wanted.want, wanted.attributes, wanted.kind),
    )
    intent = unless_same(wanted, replace(renewed(wanted, wanted.record), candidate=known))
    return Decision([finish(wanted, action, reason, model=known, live=live, record=intent)])


def keep_unseen(wanted: Wanted, serving: RecordedModel) -> Decision:
    """What serves was accepted or promoted so lately that nobody shows it yet: that is lag, no loss."""
    change = replace(
        about(wanted, Action.NO_OP, Reason.NONE),
        id=serving.id,
        name=serving.name,
        notes=(NOT_SHOWN_YET,),
    )
    return Decision([change])


def wait_anew(wanted: Wanted, serving: RecordedModel, live: Live) -> Decision:
    """Recorded as serving, and in training all the same: it is a candidate again."""
    record = replace(_without_candidate(wanted), serving=None, candidate=serving)
    return Decision(
        [finish(wanted, Action.WAIT, Reason.IN_TRAINING, model=serving, live=live, record=record)]
    )


def keep(wanted: Wanted, serving: RecordedModel, live: Live) -> Decision:
    """What serves is what is wanted: update what differs, else nothing, or only its record."""
    fields = updates(wanted, live)
    permissions = permission_updates(wanted, live)
    declared = wanted.want.permissions
    settled = replace(
        serving,
        status=live.status,
        name=live.name,
        create_time=live.create_time,
        # what is declared and live is what counts as last applied, a default written out included
        sent=_sent(wanted, serving) if fields else sent_now(wanted.kind, _settled(wanted, serving), serving),
        data=serving.data or recorded_data(wanted.want, assumed=True),
        permissions=serving.permissions if permissions else declared,
    )
    record = renewed(wanted, replace(_without_candidate(wanted), serving=settled))
    intent = unless_same(wanted, record)
    steps: Steps = ()
    if fields or permissions:
        action, reason = Action.UPDATE, Reason.FIELDS_DIFFER
        sent = sent_now(wanted.kind, wanted.attributes, serving)
        grants = declared if permissions else None
        steps = with_intent(intent, steps_of_update(Role.SERVING, fields, sent, grants, permissions))
    elif intent is not None:
        action, reason = Action.RECORD, Reason.RECORD_ONLY
        steps = with_intent(intent, ())
    else:
        action, reason = Action.NO_OP, Reason.NONE
    change = replace(
        about(wanted, action, reason),
        id=serving.id,
        name=live.name,
        before=live.attributes,
        fields=(*fields, *_released(wanted, serving)),
        steps=steps,
    )
    return Decision([change])


def _without_candidate(wanted: Wanted) -> Record:
    """The record with its candidate, if any, among the deposed: what serves is wanted again."""
    record = wanted.record
    return depose(wanted, replace(record, candidate=None), record.candidate)


def failed(wanted: Wanted, model: RecordedModel, live: Live) -> Decision:
    """Trained and failed: another only when asked for."""
    if wanted.world.inputs.retry_failed:
        return train(wanted, Reason.RETRY)
    record = wanted.record
    seen = replace(model, status=live.status, error=live.error or model.error, create_time=live.create_time)
    as_candidate = model is record.candidate
    record = replace(record, candidate=seen) if as_candidate else replace(record, serving=seen)
    error = live.error or model.error or "the service gave no reason"
    intent = unless_same(wanted, renewed(wanted, record))
    change = replace(
        about(wanted, Action.FAILED, Reason.FAILED),
        steps=with_intent(intent, [ReportFailure(error, RETRY_ADVICE, trained=True)]),
        id=model.id,
        name=live.name,
        before=live.attributes,
    )
    return Decision([change])


def restorable(wanted: Wanted) -> RecordedModel | None:
    """A deposed model that is what is wanted and still lives, the latest first."""
    for model in reversed(wanted.record.deposed):
        live = wanted.live(model)
        if live is not None and live.status is not Status.FAILED and wanted.is_same(model):
            return model
    return None


def restore(wanted: Wanted, past: RecordedModel) -> Decision:
    """A deposed model serves again; nothing is trained."""
    live = wanted.live(past)
    record = replace(
        wanted.record,
        serving=serves(wanted, wanted.record),
        candidate=replace(past, deposed=""),
        deposed=tuple(model for model in wanted.record.deposed if model is not past),
    )
    record = renewed(wanted, depose(wanted, record, wanted.record.candidate))
    return Decision(
        [finish(wanted, Action.RESTORE, Reason.TRAINED_BEFORE, model=past, live=live, record=record)]
    )


def _sent(wanted: Wanted, model: RecordedModel) -> Attributes:
    """As sent, without what is declared no more."""
    declared = {path: value for path, value in model.sent.items() if path in wanted.attributes}
    return sent_now(wanted.kind, declared, model)


def _settled(wanted: Wanted, model: RecordedModel) -> Attributes:
    """What is declared, as it was sent where that means the same; the place stays as it was named."""

    def kept(path: str, value: Value) -> Value:
        field = wanted.kind.fields[path]
        is_kept = path in model.sent and (
            field.role is FieldRole.PLACE or is_same(field, value, model.sent[path])
        )
        return model.sent[path] if is_kept else value

    return {path: kept(path, value) for path, value in wanted.attributes.items()}


def _released(wanted: Wanted, model: RecordedModel) -> tuple[FieldChange, ...]:
    """Fields that were declared and are not any more: they stay as they are, and the plan says so once."""
    return tuple(
        FieldChange(path, value, None)
        for path, value in sorted(model.sent.items())
        if path not in wanted.attributes and path in wanted.kind.fields
    )
