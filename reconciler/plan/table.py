"""The decision table (design section 3): one function a row, each answering with values.

desired  recorded            live               decision
-------  ------------------  -----------------  ------------------------------------------------
yes      no                  no                 create
yes      no                  our id, not FAILED adopt: record it, train nothing
yes      no                  our id, FAILED     recorded as deposed; create the next generation
yes      no                  pinned, different  refused
yes      candidate, same     no                 create, same id: the POST never arrived
yes      candidate, other    no                 create under today's id; the old id is deposed
yes      candidate, same     CREATING           wait
yes      candidate, other    CREATING           replace now; the unfinished one is deposed
yes      candidate           ACTIVE             complete what was started, then compare
yes      candidate or id     FAILED             shown, never green; --retry-failed replaces
yes      deposed, same       ACTIVE, CREATING   restore it, train nothing
yes      id, same            ACTIVE             no-op, or update
yes      id, other           ACTIVE             replace: candidate, checks, promote, delete
yes      id                  404                create
any      any                 403                refused
no       any                 yes                delete; refused when protected
no       any                 no                 forget
-        deposed             yes                delete when its time has come
no       no                  yes                not ours: never touched
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.errors import Diagnostic
from reconciler.model import Attributes, Desired, Live, Status
from reconciler.plan.deposed import depose, deposed_changes
from reconciler.plan.training import start, train
from reconciler.plan.values import Action, Change, FieldChange, Reason
from reconciler.plan.wanted import (
    NOT_REFUNDED,
    Decision,
    Wanted,
    about,
    finish,
    permission_updates,
    protected,
    serves,
    unless_same,
    updates,
)
from reconciler.plan.world import World, approval, new_model, recorded_data
from reconciler.state import Model, Record


def decide(wanted: Wanted) -> Decision:
    """Every row in which a manifest declares the address."""
    kept = _not_deleted_first(wanted)
    if kept is None:
        return _decide(wanted)
    decision = _decide(replace(wanted, record=kept))
    if not decision.errors and decision.changes[0].intent is None:
        main = replace(decision.changes[0], intent=kept)
        if main.action is Action.NO_OP:
            main = replace(main, action=Action.RECORD, reason=Reason.RECORD_ONLY)
        decision.changes[0] = main
    return decision


def _not_deleted_first(wanted: Wanted) -> Record | None:
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
    allowed = want.lifecycle.replace == "delete_first" and not want.lifecycle.prevent_destroy
    if allowed and want.id == candidate.id:
        return None
    others = tuple(one for one in record.deposed if one is not old)
    back = replace(old, deposed="")
    if record.serving is None and old.promoted:
        return replace(record, serving=back, candidate=None, deposed=others)
    if not old.promoted:
        return replace(record, candidate=back, deposed=others)
    return replace(record, candidate=None)


def _decide(wanted: Wanted) -> Decision:
    record = wanted.record
    candidate, serving = record.candidate, record.serving
    errors = _forbidden(wanted.world, record, wanted.want)
    if errors:
        return Decision(errors=errors)
    in_training = candidate is not None and wanted.is_same(candidate)
    if candidate and in_training and not (wanted.forced and _failed(wanted, candidate)):
        decision = _candidate(wanted, candidate)
    elif serving and not wanted.forced and wanted.is_same(serving):
        decision = _serving(wanted, serving)
    else:
        past = None if wanted.forced else _restorable(wanted)
        decision = _restore(wanted, past) if past else train(wanted)
    if not decision.errors:
        decision.changes += deposed_changes(wanted, decision.changes[0])
    return decision


def undeclared(world: World, record: Record, reason: Reason, want: Desired | None = None) -> Decision:
    """Every row in which no manifest declares a recorded address (or destroy was said, whatever does)."""
    errors = _forbidden(world, record, None)
    living = [(model, live) for model in record.models if (live := world.live_of(record, model))]
    if living and (record.prevent_destroy or (want is not None and want.lifecycle.prevent_destroy)):
        errors.append(
            Diagnostic(
                f"{record.address} is protected by prevent_destroy and would be deleted",
                "To delete it, first apply its manifest with lifecycle.prevent_destroy: false. "
                f"To keep the model and forget it: reconciler state rm {record.address}",
                address=str(record.address),
            )
        )
    if errors:
        return Decision(errors=errors)
    if not living:
        gone = record.models[0]
        return Decision([Change(record.address, Action.FORGET, Reason.GONE, id=gone.id, name=gone.name)])
    changes = []
    main = living[0][0]
    left = _only(record, [model for model, _ in living])
    for model, live in living:
        cancelled = live.status is Status.CREATING
        changes.append(
            Change(
                record.address,
                Action.DELETE,
                reason,
                id=model.id,
                name=live.name,
                deposed="" if model is main else model.id,
                serving=record.serving.id if record.serving else "",
                before=live.attributes,
                status=live.status,
                notes=(NOT_REFUNDED,) if cancelled else (),
                intent=left if model is main and left != record else None,
            )
        )
    return Decision(changes)


def _only(record: Record, models: list[Model]) -> Record:
    """The record with these of its models and no others."""

    def keep(model: Model | None) -> Model | None:
        return model if any(model is one for one in models) else None

    return replace(
        record,
        serving=keep(record.serving),
        candidate=keep(record.candidate),
        deposed=tuple(model for model in record.deposed if keep(model)),
    )


def _forbidden(world: World, record: Record, want: Desired | None) -> list[Diagnostic]:
    """A 403 says nothing about existence: neither create nor forget."""
    asked = {model.id for model in record.models} | ({want.id} if want and want.id else set())
    return [
        Diagnostic(
            f"{record.address}: the service refuses to show {id}: {why}",
            "It may belong to another project or account. Use the credential that owns it, or run: "
            f"reconciler state rm {record.address}",
            file=want.file if want else None,
            line=want.line if want else None,
            address=str(record.address),
        )
        for id in sorted(asked)
        if (why := world.observed.forbidden.get((record.address.kind, id)))
    ]


def _failed(wanted: Wanted, model: Model) -> bool:
    live = wanted.live(model)
    return live is not None and live.status is Status.FAILED


def _candidate(wanted: Wanted, candidate: Model) -> Decision:
    """Recorded as candidate, and still what is wanted."""
    live = wanted.live(candidate)
    record = protected(wanted, wanted.record)
    if live is None and _just_accepted(wanted.world, candidate):
        return Decision(
            [finish(wanted, Action.WAIT, Reason.IN_TRAINING, model=candidate, live=None, record=None)]
        )
    if live is None:
        reason = Reason.POST_NEVER_ARRIVED if candidate.pending else Reason.DELETED_OUTSIDE
        again = replace(
            new_model(
                wanted.world,
                wanted.want,
                wanted.attributes,
                id=candidate.id,
                digest=candidate.digest,
                generation=candidate.generation,
                source=wanted.source,
            ),
            formula=candidate.formula,
        )
        return start(wanted, again, reason, replace(record, candidate=again))
    if live.status is Status.FAILED:
        return _failure(wanted, candidate, live)
    action, reason = (
        (Action.WAIT, Reason.IN_TRAINING)
        if live.status is Status.CREATING
        else (Action.COMPLETE, Reason.TRAINED)
    )
    known = replace(
        candidate,
        status=live.status,
        create_time=live.create_time,
        name=live.name,
        approved=candidate.approved and approval(wanted.want, wanted.attributes),
    )
    return Decision(
        [
            finish(
                wanted,
                action,
                reason,
                model=known,
                live=live,
                record=unless_same(wanted, replace(record, candidate=known)),
            )
        ]
    )


def _just_accepted(world: World, candidate: Model) -> bool:
    """A 404 shortly after an accepted create is lag, not loss."""
    if candidate.pending or not candidate.started:
        return False
    return world.now - datetime.fromisoformat(candidate.started) < timedelta(seconds=world.lag)


def _serving(wanted: Wanted, serving: Model) -> Decision:
    """Recorded as serving, and still what is wanted, updates aside."""
    live = wanted.live(serving)
    if live is None:
        again = new_model(
            wanted.world,
            wanted.want,
            wanted.attributes,
            id=serving.id,
            digest=serving.digest,
            generation=serving.generation,
            source=wanted.source,
        )
        record = replace(wanted.record, serving=None, candidate=again)
        record = depose(wanted, record, wanted.record.candidate)
        return start(wanted, again, Reason.DELETED_OUTSIDE, record)
    if live.status is Status.FAILED:
        return _failure(wanted, serving, live)
    record = wanted.record
    if record.candidate is not None:
        record = depose(wanted, replace(record, candidate=None), record.candidate)
    if live.status is Status.CREATING:
        record = replace(record, serving=None, candidate=serving)
        return Decision(
            [finish(wanted, Action.WAIT, Reason.IN_TRAINING, model=serving, live=live, record=record)]
        )
    fields = updates(wanted, live)
    permissions = permission_updates(wanted, live)
    left = _released(wanted, serving)
    declared = wanted.want.permissions
    settled = replace(
        serving,
        status=live.status,
        name=live.name,
        create_time=live.create_time,
        # what is declared and live is what counts as last applied, a default written out included
        sent=_sent(wanted, serving) if fields else dict(wanted.attributes),
        data=serving.data or recorded_data(wanted.want, assumed=True),
        permissions=serving.permissions if permissions else declared,
    )
    intent = unless_same(wanted, protected(wanted, replace(record, serving=settled)))
    if fields or permissions:
        action, reason = Action.UPDATE, Reason.FIELDS_DIFFER
    elif intent is not None:
        action, reason = Action.RECORD, Reason.RECORD_ONLY
    else:
        action, reason = Action.NO_OP, Reason.NONE
    return Decision(
        [
            replace(
                about(wanted, action, reason),
                id=serving.id,
                name=live.name,
                before=live.attributes,
                status=live.status,
                fields=(*fields, *left),
                permissions=permissions,
                permissions_after=wanted.want.permissions if permissions else None,
                intent=intent,
            )
        ]
    )


def _failure(wanted: Wanted, model: Model, live: Live) -> Decision:
    """Trained and failed: another only when asked for."""
    if wanted.world.inputs.retry_failed:
        return train(wanted, Reason.RETRY)
    seen = replace(model, status=live.status, error=live.error or model.error, create_time=live.create_time)
    if model is wanted.record.candidate:
        record = replace(wanted.record, candidate=seen)
    else:
        record = replace(wanted.record, serving=seen)
    record = protected(wanted, record)
    return Decision(
        [
            replace(
                about(wanted, Action.FAILED, Reason.FAILED),
                id=model.id,
                name=live.name,
                before=live.attributes,
                status=live.status,
                error=live.error or model.error or "the service gave no reason",
                intent=unless_same(wanted, record),
            )
        ]
    )


def _restorable(wanted: Wanted) -> Model | None:
    """A deposed model that is what is wanted and still lives, the latest first."""
    for model in reversed(wanted.record.deposed):
        live = wanted.live(model)
        if live is not None and live.status is not Status.FAILED and wanted.is_same(model):
            return model
    return None


def _restore(wanted: Wanted, past: Model) -> Decision:
    live = wanted.live(past)
    record = replace(
        wanted.record,
        serving=serves(wanted, wanted.record),
        candidate=replace(past, deposed=""),
        deposed=tuple(model for model in wanted.record.deposed if model is not past),
    )
    record = protected(wanted, depose(wanted, record, wanted.record.candidate))
    return Decision(
        [finish(wanted, Action.RESTORE, Reason.TRAINED_BEFORE, model=past, live=live, record=record)]
    )


def _sent(wanted: Wanted, model: Model) -> Attributes:
    """As sent, without what is declared no more."""
    return {path: value for path, value in model.sent.items() if path in wanted.attributes}


def _released(wanted: Wanted, model: Model) -> tuple[FieldChange, ...]:
    """Fields that were declared and are not any more: they stay as they are, and the plan says so once."""
    return tuple(
        FieldChange(path, value, None)
        for path, value in sorted(model.sent.items())
        if path not in wanted.attributes
    )
