"""Computes the new record and the events after a step. Rule: pure functions that change no task."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from reconciler.apply.schedule import measure_duration
from reconciler.apply.tasks import Settled, Task, choose_command
from reconciler.errors import (
    AlreadyExistsError,
    NotReadyError,
    RateLimitedError,
    ReconcilerError,
    ServiceError,
    StillTrainingError,
)
from reconciler.events import APPLY, WAIT, Completed, Event, Failed, Skipped, Started, Verb
from reconciler.model import Address, Status
from reconciler.plan.recording import (
    Broken,
    Checked,
    Done,
    NoRoom,
    Occupied,
    Outcome,
    StillTraining,
    Unproven,
    find_model,
    recorded_after,
)
from reconciler.plan.steps import (
    AwaitEnd,
    AwaitTraining,
    Create,
    Delete,
    DeleteFirst,
    DeleteReplaced,
    Deletion,
    Ending,
    Forget,
    ForgetDeposed,
    HoldBack,
    Intent,
    Move,
    Promote,
    RecordStep,
    ReportFailure,
    RunChecks,
    SetPermissions,
    Step,
    Update,
)
from reconciler.providers import Training
from reconciler.state.values import Record, Verdict

_CHECK_ADVICE = (
    "If the check is wrong, correct it and apply again. If the model is wrong, correct its data and apply "
    "again, which trains a new model"
)
RECORDED_ONLY = "its manifest has changed since it was approved; plan shows what will happen"
"""Why a trained model is not promoted."""
_RETRY_ADVICE = "Apply again: nothing is trained twice"
_REFUSED_ADVICE = "Trying again does not help. Correct what the service complains about, then apply again"
_PASSES = frozenset({408, 409, 425, 429})
"""Statuses that may pass by themselves. Any other from 400 to 499 means that the request is wrong."""


def settle(task: Task, record: Record, outcome: Outcome, now: str) -> Settled:
    """Apply the outcome of a task's next step, then take all following steps that need no call.

    Args:
        task: `task.next` is the step that has just been executed.
        record: the record before the step.
        outcome: the result of the step.
        now: RFC 3339.
    """
    step = _require_step(task)
    after = recorded_after(step, record, outcome, now)
    events, stops = _build_events(step, task, after, outcome)
    if stops:
        return Settled(after, events, ended=True)
    done = Settled(after, events, _count_done(step, outcome), vacated=_list_vacated(step))
    return _take_record_steps(task, done, now)


def begin(task: Task, record: Record, now: str) -> Settled:
    """Take the steps at the head of the list that need no call."""
    return _take_record_steps(task, Settled(record), now)


def _require_step(task: Task) -> Step:
    if task.next is None:
        raise AssertionError(f"{task.change.address}: nothing is left to be done")
    return task.next


def _take_record_steps(task: Task, settled: Settled, now: str) -> Settled:
    """Take the steps that need no call and wait for nothing, so that they share one commit."""
    for step in task.change.steps[task.position + settled.steps :]:
        waits = step.after is not None and settled.steps > 0
        if not isinstance(step, RecordStep) or waits:
            return settled
        record = recorded_after(step, settled.record, Done(), now)
        events, _ = _build_events(step, task, settled.record, Done())
        settled = replace(
            settled,
            record=record,
            events=(*settled.events, *events),
            steps=settled.steps + 1,
            vacated=(*settled.vacated, *_list_vacated(step)),
        )
    return replace(settled, ended=True)


def _list_vacated(step: Step) -> tuple[Address, ...]:
    return (step.previous,) if isinstance(step, Move) else ()


def _count_done(step: Step, outcome: Outcome) -> int:
    """Count the steps that are done. A delete that succeeded skips its `AwaitEnd` and its second try."""
    return 3 if isinstance(step, Deletion) and step.trains and isinstance(outcome, Done) else 1


def _build_events(  # noqa: C901, PLR0912  # a row for each step
    step: Step, task: Task, record: Record, outcome: Outcome
) -> tuple[tuple[Event, ...], bool]:
    """Build the events for a step. The boolean tells whether its task stops here."""
    address, id = task.change.address, task.id
    match step:
        case Move():
            return (Completed(address, Verb.MOVE, id, detail=f"it was {step.previous}"),), False
        case Intent() | AwaitEnd():
            return (), False
        case Create():
            return (Started(address, Verb.CREATE, id),), False
        case AwaitTraining():
            return _build_training_events(task, record, outcome)
        case Update():
            return (Completed(address, Verb.UPDATE, id),), False
        case SetPermissions():
            return (Completed(address, Verb.PERMISSIONS, id),), False
        case RunChecks():
            return _build_check_events(step, task, record, outcome)
        case Promote():
            return (Completed(address, Verb(step.ending), id, _measure(step, record)),), False
        case HoldBack():
            return (Skipped(address, Verb.PROMOTE, RECORDED_ONLY, id),), False
        case Deletion():
            return _build_deletion_events(step, address, outcome)
        case Forget():
            return (Completed(address, Verb.FORGET, id),), False
        case ForgetDeposed():
            return (Completed(address, Verb.FORGET, step.id),), False
        case ReportFailure() if step.trained:
            return (fail_training(address, id, step.error),), False
        case ReportFailure():
            skipped = Skipped(address, Verb.CREATE, step.error, unfinished=True, resume=APPLY, trouble=True)
            return (skipped,), False
        case _:
            assert_never(step)


def _measure(step: Promote, record: Record) -> float:
    """Measure the training that a promotion completes, in seconds; 0.0 if this run did not wait for one."""
    trained = record.candidate if step.ending in {Ending.CREATE, Ending.REPLACE} else None
    return measure_duration(trained) if trained is not None else 0.0


def _build_training_events(task: Task, record: Record, outcome: Outcome) -> tuple[tuple[Event, ...], bool]:
    if not isinstance(outcome, Training) or outcome.status is not Status.FAILED:
        return (), False
    why = outcome.error or "the service gave no reason"
    elapsed = measure_duration(record.candidate) if record.candidate is not None else 0.0
    return (fail_training(task.change.address, task.id, why, elapsed),), True


def _build_check_events(
    step: RunChecks, task: Task, record: Record, outcome: Outcome
) -> tuple[tuple[Event, ...], bool]:
    address, id = task.change.address, task.id
    match outcome:
        case Checked(verdict=Verdict.FAILED, said=said):
            serving = f"; {record.serving.id} goes on serving" if record.serving is not None else ""
            advice = f"It is not promoted{serving}. {_CHECK_ADVICE}"
            return (Failed(address, Verb.CHECK, said, advice, id),), True
        case Checked(verdict=Verdict.UNKNOWN, said=said):
            reason = f"{said}; it is not promoted until wait or apply has run its checks again"
            return (Skipped(address, Verb.CHECK, reason, id, unfinished=True),), True
        case _:
            return (Completed(address, Verb.CHECK, id, detail=f"{len(step.checks)} passed"),), False


def _build_deletion_events(
    step: DeleteFirst | DeleteReplaced | Delete, address: Address, outcome: Outcome
) -> tuple[tuple[Event, ...], bool]:
    match outcome:
        case Unproven():
            return (Skipped(address, Verb.DELETE, outcome.why, step.id, unfinished=True),), True
        case StillTraining():
            return (), False
        case _:
            return (Completed(address, Verb.DELETE, step.id),), False


def fail_training(address: Address, id: str, error: str, elapsed: float = 0.0) -> Failed:
    """Build the event for a failed training, with advice."""
    advice = (
        "If its data or its settings are at fault, correct them and run: reconciler apply. "
        f"To train the same again: reconciler apply --retry-failed --target {address.word}"
    )
    return Failed(address, Verb.CREATE, error, advice, id, elapsed, training=True)


def let_go(task: Task, record: Record) -> Settled:
    """End a task that another run has taken over while we only watched."""
    operation = task.operation
    by_another = Completed(task.change.address, operation, task.id, detail="recorded by another run")
    event: Event
    serves = record.serving is not None and record.serving.id == task.id
    if serves and operation is not Verb.DELETE:
        event = replace(by_another, operation=Verb.CREATE)
    elif operation is Verb.DELETE and find_model(record, task.id) is None:
        event = by_another
    elif record.is_empty:
        event = task.skip("its record is gone; apply again to take it up", resume=APPLY)
    else:
        event = task.skip("another run has changed its record", unfinished=False)
    return Settled(record, (event,), ended=True)


def settle_failure(task: Task, record: Record, error: ServiceError, now: str) -> Settled:
    """Record a call that was refused or lost. The next run continues from the record."""
    step = _require_step(task)
    outcome = _choose_outcome(step, error)
    if isinstance(outcome, StillTraining):
        return settle(task, record, outcome, now)
    after = recorded_after(step, record, outcome, now)
    refused = error.status is not None and 400 <= error.status < 500 and error.status not in _PASSES
    advice = error.detail or (_REFUSED_ADVICE if refused else _RETRY_ADVICE)
    failed = Failed(task.change.address, task.operation, error.summary, advice, task.id)
    return Settled(after, (failed,), ended=True)


def _choose_outcome(step: Step, error: ServiceError) -> Outcome:
    match step:
        case Create() if isinstance(error, AlreadyExistsError):
            return Occupied()
        case Deletion():
            return StillTraining() if step.trains and isinstance(error, StillTrainingError) else Broken()
        case _:
            return Broken()


def postpone(task: Task, record: Record, error: ServiceError, now: str) -> Settled:
    """Record a call that was refused for now. A create without room is recorded as waiting for room."""
    step = _require_step(task)
    if not isinstance(step, Create) or not isinstance(error, RateLimitedError):
        return Settled(record)
    return Settled(recorded_after(step, record, NoRoom(error.summary), now))


def report_postponed(task: Task, error: ServiceError) -> Skipped:
    """Report that a call was refused for now and will be retried in this run."""
    return task.skip(f"{_explain_refusal(error)}, it waits: {error.summary}", unfinished=False)


def report_refused(task: Task, record: Record, error: ReconcilerError) -> Skipped:
    """Report that a call was refused for now, and which command makes it again."""
    model = find_model(record, task.id)
    waits = isinstance(task.next, Create) and model is not None and model.has_no_room
    resume = WAIT if waits else choose_command(task.next)
    way = "wait sends it again" if waits else f"{resume} again later"
    return task.skip(f"{_explain_refusal(error)}: {error.summary}; {way}", resume=resume)


def _explain_refusal(error: ReconcilerError) -> str:
    if isinstance(error, NotReadyError):
        return "the service is not ready for it yet, which passes by itself"
    return "the service has no room for it now"
