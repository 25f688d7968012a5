"""Rows in which a recorded model is the desired one: wait, complete, keep, restore, create it again."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.diff import is_same, list_unlike
from reconciler.difference import FieldChange
from reconciler.kind import FieldRole
from reconciler.model.live import Live, Status
from reconciler.model.names import Attributes
from reconciler.plan.case import (
    COPY_ADVICE,
    NOT_SHOWN_YET,
    RETRY_ADVICE,
    Answer,
    Case,
    drop_if_same,
    finish_training,
    record_training_again,
    renew_record,
    start_change,
)
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.compile import compile_update, hold_restoration, prepend_intent
from reconciler.plan.facts import digest_approval, merge_sent, record_data
from reconciler.plan.rows.deposed import depose
from reconciler.plan.rows.training import start_training
from reconciler.plan.steps import ReportFailure, Role, Steps
from reconciler.state.values import Record, RecordedModel, Verdict


def create_again(case: Case, candidate: RecordedModel) -> Answer:
    """Create a candidate that is not live: its request never arrived, or somebody deleted it."""
    reason = Reason.POST_NEVER_ARRIVED if candidate.is_pending else Reason.DELETED_OUTSIDE
    if candidate.has_no_room:
        reason = Reason.NO_ROOM
    again = record_training_again(case, candidate)
    return start_training(case, again, reason, replace(renew_record(case, case.record), candidate=again))


def create_anew(case: Case, serving: RecordedModel) -> Answer:
    """Create a serving model again that somebody deleted."""
    again = record_training_again(case, serving)
    record = replace(case.record, serving=None, candidate=again)
    return start_training(case, again, Reason.DELETED_OUTSIDE, depose(case, record, case.record.candidate))


def wait(case: Case, candidate: RecordedModel, live: Live | None) -> Change:
    """Wait for a candidate in training. `live` is None if the service does not show it yet."""
    return _continue(case, candidate, live, Action.WAIT, Reason.IN_TRAINING)


def complete(case: Case, candidate: RecordedModel, live: Live) -> Change:
    """Set permissions of a trained candidate, run its checks (again, if they failed) and promote it."""
    reason = _UNPROVEN.get(candidate.verdict, Reason.TRAINED)
    return _continue(case, candidate, live, Action.COMPLETE, reason)


_UNPROVEN = {Verdict.FAILED: Reason.CHECKS_FAILED, Verdict.UNKNOWN: Reason.CHECKS_UNKNOWN}


def _continue(
    case: Case, candidate: RecordedModel, live: Live | None, action: Action, reason: Reason
) -> Change:
    if live is None:
        return finish_training(case, action, reason, model=candidate, live=None, record=None)
    known = replace(
        candidate,
        status=live.status,
        create_time=live.create_time,
        name=live.name,
        billed_tokens=live.billed_tokens or candidate.billed_tokens,
        model=live.deployable or candidate.model,
        approved=candidate.approved and digest_approval(case.desired, case.attributes, case.kind),
    )
    intent = drop_if_same(case, replace(renew_record(case, case.record), candidate=known))
    return finish_training(case, action, reason, model=known, live=live, record=intent)


def keep_unseen(case: Case, serving: RecordedModel) -> Change:
    """Leave a serving model alone that was accepted or promoted a moment ago and is not shown yet."""
    return replace(
        start_change(case, Action.NO_OP, Reason.NONE),
        id=serving.id,
        name=serving.name,
        notes=(NOT_SHOWN_YET,),
    )


def wait_anew(case: Case, serving: RecordedModel, live: Live) -> Change:
    """Make a model a candidate again that is recorded as serving but is in training."""
    record = replace(_depose_candidate(case), serving=None, candidate=serving)
    return finish_training(case, Action.WAIT, Reason.IN_TRAINING, model=serving, live=live, record=record)


def keep(case: Case, serving: RecordedModel, live: Live) -> Change:
    """Update the fields of the serving model that differ. Without any, only renew its record if needed."""
    fields = case.list_updates(live)
    permissions = case.list_permission_updates(live)
    declared = case.desired.permissions
    settled = replace(
        serving,
        status=live.status,
        name=live.name,
        create_time=live.create_time,
        model=live.deployable or serving.model,
        # declared values that are live count as sent, even a default that was written out
        sent=_keep_declared(case, serving)
        if fields
        else merge_sent(case.kind, _settle(case, serving), serving),
        data=serving.data or record_data(case.desired, assumed=True),
        permissions=serving.permissions if permissions else declared,
    )
    record = renew_record(case, replace(_depose_candidate(case), serving=settled))
    intent = drop_if_same(case, record)
    steps: Steps = ()
    if fields or permissions:
        action, reason = Action.UPDATE, Reason.FIELDS_DIFFER
        sent = merge_sent(case.kind, case.attributes, serving)
        grants = declared if permissions else None
        steps = prepend_intent(intent, compile_update(Role.SERVING, fields, sent, grants, permissions))
    elif intent is not None:
        action, reason = Action.RECORD, Reason.RECORD_ONLY
        steps = prepend_intent(intent, ())
    else:
        action, reason = Action.NO_OP, Reason.NONE
    return replace(
        start_change(case, action, reason),
        id=serving.id,
        name=live.name,
        before=live.attributes,
        fields=(*fields, *_list_released(case, serving)),
        steps=steps,
    )


def _depose_candidate(case: Case) -> Record:
    """Depose the candidate, if any, because the serving model is the desired one."""
    record = case.record
    if record.candidate is None:
        return record
    return depose(case, replace(record, candidate=None), record.candidate)


def report_failed(case: Case, model: RecordedModel, live: Live) -> Change:
    """Report a failed training."""
    record = case.record
    seen = replace(model, status=live.status, error=live.error or model.error, create_time=live.create_time)
    as_candidate = model is record.candidate
    record = replace(record, candidate=seen) if as_candidate else replace(record, serving=seen)
    error = live.error or model.error or "the service gave no reason"
    intent = drop_if_same(case, renew_record(case, record))
    advice = RETRY_ADVICE if case.kind.trains else COPY_ADVICE
    return replace(
        start_change(case, Action.FAILED, Reason.FAILED),
        steps=prepend_intent(intent, [ReportFailure(error, advice, trained=True)]),
        id=model.id,
        name=live.name,
        before=live.attributes,
    )


def find_restorable(case: Case) -> RecordedModel | None:
    """Find the latest deposed model that is the desired one and still live."""
    for model in reversed(case.record.deposed):
        live = case.find_live(model)
        if live is not None and live.status is not Status.FAILED and case.is_same(model):
            return model
    return None


def restore(case: Case, past: RecordedModel) -> Change:
    """Let a deposed model serve again, without a training."""
    live = case.find_live(past)
    record = replace(
        case.record,
        serving=case.find_serving(case.record),
        candidate=replace(past, deposed="", kept_until=""),
        deposed=tuple(model for model in case.record.deposed if model is not past),
    )
    record = renew_record(case, depose(case, record, case.record.candidate))
    reason = Reason.TRAINED_BEFORE
    change = finish_training(case, Action.RESTORE, reason, model=past, live=live, record=record)
    return replace(change, steps=hold_restoration(change.steps, case.awaited_parent))


def _keep_declared(case: Case, model: RecordedModel) -> Attributes:
    """Return the sent attributes that are still declared."""
    declared = {path: value for path, value in model.sent.items() if path in case.attributes}
    return merge_sent(case.kind, declared, model)


def _settle(case: Case, model: RecordedModel) -> Attributes:
    """Return the declared attributes, in the spelling that was sent if the meaning is the same."""
    settled, fields = dict(case.attributes), case.kind.fields
    for path in list_unlike(model.sent, case.attributes):
        if path in model.sent and (
            fields[path].role is FieldRole.PLACE or is_same(fields[path], settled[path], model.sent[path])
        ):
            settled[path] = model.sent[path]
    return settled


def _list_released(case: Case, model: RecordedModel) -> tuple[FieldChange, ...]:
    """List fields that are no longer declared. They keep their value, and the plan says so once."""
    released = model.sent.keys() - case.attributes.keys()
    return tuple(
        FieldChange(path, model.sent[path], None) for path in sorted(released) if path in case.kind.fields
    )
