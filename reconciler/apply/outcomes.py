"""What each step's outcome means for the record, and what to tell. Rule: pure; calls nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.apply.schedule import duration
from reconciler.apply.tasks import Step, Task, find, resume_of, retired
from reconciler.errors import NotReadyError, RateLimitedError, ReconcilerError, ServiceError
from reconciler.events import APPLY, WAIT, Completed, Event, Failed, Skipped, Started
from reconciler.kind import Kind
from reconciler.model import Address, Status
from reconciler.plan.change import Action, Change
from reconciler.plan.facts import sent_now
from reconciler.providers import Accepted, Training
from reconciler.state.values import QUOTA, Record, RecordedModel, Verdict

_CHECK_ADVICE = "Correct the check and apply again, or the data, which trains again"
RECORDED_ONLY = "its manifest has changed since it was approved: plan shows what becomes of it"
"""Why what has been trained is not promoted."""
_RETRY_ADVICE = "Apply again: nothing is trained twice"
_REFUSED_ADVICE = "Asking again changes nothing: correct what the service names, then apply again"
_PASSES = frozenset({408, 409, 425, 429})
"""Refusals of the moment; any other of 400 to 499 is about what was asked."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a step's outcome means: the record from now on, and what to tell once it is committed."""

    record: Record
    events: tuple[Event, ...] = ()


def settle(task: Task, record: Record, result: object, moment: str) -> Settled:
    """What a step that went well means, and every step after it that needs no call.

    Args:
        task: its next step is the one that was done.
        record: as it is now.
        result: what `call` answered.
        moment: RFC 3339, now.
    """
    step = task.steps.pop(0)
    settled = _OUTCOMES[step](task, record, result, moment)
    return settled if task.ended else _onward(task, settled, moment)


def _created(task: Task, record: Record, result: object, _moment: str) -> Settled:
    if not isinstance(result, Accepted) or record.candidate is None:
        raise TypeError(f"a create answered {result!r}")
    task.accepted = True
    candidate = replace(
        _waiting_for_nothing(record.candidate),
        name=result.name,
        status=Status.CREATING,
        operation=result.operation or record.candidate.operation,
        total_steps=result.total_steps,
        create_time=result.create_time or record.candidate.create_time,
    )
    event = Started(task.change.address, "create", task.id)
    return Settled(replace(record, candidate=candidate), (event,))


def _updated(task: Task, record: Record, _result: object, _moment: str) -> Settled:
    kind, after = task.provider.kind, task.change.after or {}
    record = _on_model(record, task.id, lambda model: replace(model, sent=sent_now(kind, after, model)))
    return Settled(record, (Completed(task.change.address, "update", task.id),))


def _permitted(task: Task, record: Record, _result: object, _moment: str) -> Settled:
    grants = task.change.permissions_after
    record = _on_model(record, task.id, lambda model: replace(model, permissions=grants))
    return Settled(record, (Completed(task.change.address, "permissions", task.id),))


def _checked(task: Task, record: Record, result: object, _moment: str) -> Settled:
    if not isinstance(result, tuple):
        raise TypeError(f"a check answered {result!r}")
    verdict, said = result
    address = task.change.address
    record = _on_model(record, task.id, lambda model: replace(model, verdict=verdict))
    if verdict is Verdict.FAILED:
        serving = f"; {record.serving.id} goes on serving" if record.serving is not None else ""
        advice = f"It is not promoted{serving}. {_CHECK_ADVICE}"
        return _stop(task, record, Failed(address, "check", said, advice, task.id))
    if verdict is Verdict.UNKNOWN:
        reason = f"{said}; it is not promoted until wait or apply has run its checks again"
        return _stop(task, record, Skipped(address, "check", reason, task.id, unfinished=True))
    detail = f"{len(task.change.checks)} passed"
    return Settled(record, (Completed(address, "check", task.id, detail=detail),))


def _retired(task: Task, record: Record, result: object, _moment: str) -> Settled:
    if isinstance(result, str):
        return _not_gone(task, record, task.change.serving, result)
    gone = {old.id for old in retired(record, task.change)}
    record = replace(record, deposed=tuple(one for one in record.deposed if one.id not in gone))
    return Settled(record, tuple(Completed(task.change.address, "delete", id) for id in sorted(gone)))


def _deleted_first(task: Task, record: Record, _result: object, _moment: str) -> Settled:
    record = replace(record, deposed=tuple(one for one in record.deposed if one.id != task.id))
    return Settled(record, (Completed(task.change.address, "delete", task.id),))


def _not_gone(task: Task, record: Record, id: str, reason: str) -> Settled:
    """The replaced model stays, deposed, until its successor is proven."""
    return _stop(task, record, Skipped(task.change.address, "delete", reason, id, unfinished=True))


def _deleted(task: Task, record: Record, result: object, _moment: str) -> Settled:
    if isinstance(result, str):
        return _not_gone(task, record, task.id, result)
    return Settled(_without(record, task), (Completed(task.change.address, "delete", task.id),))


def _nothing(_task: Task, record: Record, _result: object, _moment: str) -> Settled:
    return Settled(record)


def _trained(task: Task, record: Record, result: object, moment: str) -> Settled:
    candidate = record.candidate
    if not isinstance(result, Training) or candidate is None:
        raise TypeError(f"a training answered {result!r}")
    address = task.change.address
    done = replace(
        candidate,
        status=result.status,
        completed=(result.live.complete_time if result.live else "") or moment,
        error=result.error,
        total_steps=result.total_steps or candidate.total_steps,
        create_time=(result.live.create_time if result.live else "") or candidate.create_time,
    )
    record = replace(record, candidate=done)
    if result.status is Status.FAILED:
        why = result.error or "the service gave no reason"
        elapsed = duration(done)
        return _stop(task, record, training_failed(address, task.id, why, elapsed))
    return Settled(record)


def training_failed(address: Address, id: str, error: str, elapsed: float = 0.0) -> Failed:
    """A training that ended badly, and the way to another."""
    advice = f"To train it again: reconciler apply --retry-failed --target {address.word}"
    return Failed(address, "create", error, advice, id, elapsed, training=True)


def overtaken(task: Task, record: Record) -> Settled:
    """What another run made of our task while we only watched: it is not ours to finish any more."""
    address, operation = task.change.address, task.operation
    task.ended = True
    serves = record.serving is not None and record.serving.id == task.id
    if serves and operation != "delete":
        return Settled(record, (Completed(address, "create", task.id, detail="recorded by another run"),))
    if operation == "delete" and find(record, task.id) is None:
        return Settled(record, (Completed(address, operation, task.id, detail="recorded by another run"),))
    if record.empty:
        gone = "its record is gone; apply again to take it up"
        return Settled(record, (Skipped(address, operation, gone, task.id, unfinished=True, resume=APPLY),))
    return Settled(record, (Skipped(address, operation, "another run has changed its record", task.id),))


def _stop(task: Task, record: Record, event: Event) -> Settled:
    task.ended = True
    return Settled(record, (event,))


def _onward(task: Task, settled: Settled, moment: str) -> Settled:
    """Take the steps that need no call, so that they share the commit."""
    record, events = settled.record, settled.events
    address = task.change.address
    while task.steps and task.steps[0] in {Step.PROMOTE, Step.FORGET}:
        if task.steps.pop(0) is Step.PROMOTE:
            trained = record.candidate if _operation(task.change) in {"create", "replace"} else None
            elapsed = duration(trained) if trained is not None else 0.0
            record = promote(record, task.change, task.provider.kind, moment)
            events = (*events, Completed(address, _operation(task.change), task.id, elapsed))
        else:
            record = _without(record, task)
            events = (*events, Completed(address, "forget", task.id))
    if not task.steps:
        task.ended = True
        if task.change.action in {Action.WAIT, Action.COMPLETE} and not task.change.promote:
            events = (*events, Skipped(address, "promote", RECORDED_ONLY, task.id, unfinished=False))
    return Settled(record, events)


def begin(task: Task, record: Record, moment: str) -> Settled:
    """Steps at the head of the list that need no call at all (a promotion without checks, forgetting)."""
    return _onward(task, Settled(record), moment)


def promote(record: Record, change: Change, kind: Kind, moment: str) -> Record:
    """The candidate serves from now on; what served before is deposed."""
    candidate = record.candidate
    if candidate is None:
        return record
    old = record.serving
    deposed = record.deposed
    if old is not None and old.id != candidate.id:
        deposed = (*deposed, replace(old, deposed=moment))
    serving = replace(candidate, promoted=moment, status=Status.ACTIVE, deposed="")
    if change.after is not None:
        serving = replace(serving, sent=sent_now(kind, change.after, candidate))
    if change.permissions_after is not None:
        serving = replace(serving, permissions=change.permissions_after)
    return replace(record, serving=serving, candidate=None, deposed=deposed)


def fail(task: Task, record: Record, error: ServiceError) -> Settled:
    """What a refused or lost call means. The next run goes on from the record."""
    step, operation = task.steps[0], task.operation
    address = task.change.address
    if step is Step.CREATE and error.status == 409 and record.candidate is not None:
        # it is another's: to keep it as our candidate would be to take it for ours in the next run
        record = replace(record, candidate=None)
    elif step is Step.CREATE:
        record = _on_model(record, task.id, _waiting_for_nothing)
    if error.status in _REFUSED_WHILE_TRAINING:
        if step is Step.DELETE and task.change.status is Status.CREATING:
            task.steps.insert(0, Step.OUTLAST)
            return Settled(_deposed(record, task.id))
        old = next((one for one in record.deposed if one.id == task.id), None)
        if step is Step.DELETE_FIRST and old is not None and old.status in {None, Status.CREATING}:
            task.steps.insert(0, Step.OUTLAST)
            return Settled(record)
    task.ended = True
    refused = error.status is not None and 400 <= error.status < 500 and error.status not in _PASSES
    advice = error.detail or (_REFUSED_ADVICE if refused else _RETRY_ADVICE)
    return Settled(record, (Failed(address, operation, error.summary, advice, task.id),))


def postpone(task: Task, record: Record, error: ServiceError, moment: str) -> Settled:
    """What a call means that was refused for now: a create without room is recorded as waiting for it."""
    if task.next is not Step.CREATE or not isinstance(error, RateLimitedError):
        return Settled(record)
    said = error.summary

    def wait(model: RecordedModel) -> RecordedModel:
        if model.waiting:
            return model
        return replace(model, waiting=QUOTA, waiting_since=moment, waiting_said=said)

    return Settled(_on_model(record, task.id, wait))


def _waiting_for_nothing(model: RecordedModel) -> RecordedModel:
    return replace(model, waiting="", waiting_since="", waiting_said="")


def postponed(task: Task, error: ServiceError) -> Skipped:
    """That a call was refused for now, and is made again in this run."""
    reason = f"{_now(error)}, it waits: {error.summary}"
    return Skipped(task.change.address, task.operation, reason, task.id)


def refused_for_now(task: Task, record: Record, error: ReconcilerError) -> Skipped:
    """That a call was refused for now, and is not made again in this run; which command makes it."""
    model = find(record, task.id)
    waits = task.next is Step.CREATE and model is not None and model.has_no_room
    resume = WAIT if waits else resume_of(task)
    way = "wait sends it again" if waits else f"{resume} again later"
    reason = f"{_now(error)}: {error.summary}; {way}"
    return Skipped(task.change.address, task.operation, reason, task.id, unfinished=True, resume=resume)


def _now(error: ReconcilerError) -> str:
    if isinstance(error, NotReadyError):
        return "the service is not ready for it yet, which passes by itself"
    return "the service has no room for it now"


_REFUSED_WHILE_TRAINING = frozenset({400, 409, 412})
"""How a service may refuse to delete a model in training: no document says (api.md section 7, 11)."""


def _operation(change: Change) -> str:
    match change.action:
        case Action.ADOPT:
            return "adopt"
        case Action.RESTORE:
            return "restore"
        case Action.REPLACE:
            return "replace"
        case _:
            return "create"


def _on_model(record: Record, id: str, change: Callable[[RecordedModel], RecordedModel]) -> Record:
    """With the model of this id changed, candidate or serving."""
    candidate, serving = record.candidate, record.serving
    if candidate is not None and candidate.id == id:
        return replace(record, candidate=change(candidate))
    if serving is not None and serving.id == id:
        return replace(record, serving=change(serving))
    return record


def _deposed(record: Record, id: str) -> Record:
    """With the model of this id among the deposed: it is to go, and cannot yet."""
    model = find(record, id)
    if model is None or model in record.deposed:
        return record
    candidate = None if model is record.candidate else record.candidate
    serving = None if model is record.serving else record.serving
    return replace(record, candidate=candidate, serving=serving, deposed=(*record.deposed, model))


def _without(record: Record, task: Task) -> Record:
    """Without the model that the task was about; a forgotten address loses everything."""
    if task.change.action is Action.FORGET and not task.change.deposed:
        return Record(record.address)
    deposed = tuple(one for one in record.deposed if one.id != task.id)
    if task.change.deposed:
        candidate = record.candidate
        if candidate is not None and candidate.id == task.id and not task.change.after_accepted:
            candidate = None
        return replace(record, deposed=deposed, candidate=candidate)
    candidate = record.candidate if record.candidate and record.candidate.id != task.id else None
    serving = record.serving if record.serving and record.serving.id != task.id else None
    return replace(record, serving=serving, candidate=candidate, deposed=deposed)


_OUTCOMES: dict[Step, Callable[[Task, Record, object, str], Settled]] = {
    Step.DELETE_FIRST: _deleted_first,
    Step.CREATE: _created,
    Step.TRAIN: _trained,
    Step.UPDATE: _updated,
    Step.PERMIT: _permitted,
    Step.CHECK: _checked,
    Step.RETIRE: _retired,
    Step.OUTLAST: _nothing,
    Step.DELETE: _deleted,
}
