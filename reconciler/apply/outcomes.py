"""Computes the new record and the events after a step. Rule: pure functions that change no task."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from reconciler import errors
from reconciler.apply.schedule import measure_duration
from reconciler.apply.tasks import Settled, Task, choose_command
from reconciler.events import APPLY, WAIT, Billed, Completed, Event, Failed, Skipped, Started, Verb
from reconciler.model.checks import describe_rivals, describe_scores
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.plan import recording, steps
from reconciler.plan.recording import find_model, recorded_after
from reconciler.providers import Training
from reconciler.state.values import Cost, Record, Verdict

_CHECK_ADVICE = (
    "If the check is wrong, correct it and apply again. If the model is wrong, correct its data and apply "
    "again, which trains a new model"
)
RECORDED_ONLY = "its manifest has changed since it was approved; plan shows what will happen"
"""The reason why a trained model is not promoted."""
_RETRY_ADVICE = "Apply again: nothing is trained twice"
_REFUSED_ADVICE = "Trying again does not help. Correct what the service complains about, then apply again"
_PASSES = frozenset({408, 409, 425, 429})
"""Statuses that may pass by themselves. Any other from 400 to 499 means that the request is wrong."""


def settle(task: Task, record: Record, outcome: recording.Outcome, now: str) -> Settled:
    """Apply the outcome of a task's next step, then take all following steps that need no call.

    `record` is the record before the step. `now` is RFC 3339.
    """
    step = _require_step(task)
    after = recorded_after(step, record, outcome, now)
    events = _build_events(step, task, after, outcome)
    if any(isinstance(event, (Failed, Skipped)) for event in events):
        return _end(task, after, events)
    return _take_record_steps(task, Settled(after, events, _count_done(step, outcome)), now)


def _end(task: Task, record: Record, events: tuple[Event, ...]) -> Settled:
    """End a task that has failed, unless the model that served must be deployed again first."""
    is_switch = isinstance(task.next, (steps.Deploy, steps.AwaitDeployment)) and not task.next.trial
    if is_switch and not task.falls_back:
        for number, step in enumerate(task.change.steps):
            if isinstance(step, steps.Deploy) and step.is_fallback:
                return Settled(record, events, steps=number - task.position, falls_back=True)
    return Settled(record, events, ended=True)


def begin(task: Task, record: Record, now: str) -> Settled:
    """Take the steps at the head of the list that need no call."""
    return _take_record_steps(task, Settled(record), now)


def _require_step(task: Task) -> steps.Step:
    if task.next is None:
        raise AssertionError(f"{task.change.address}: nothing is left to be done")
    return task.next


def _take_record_steps(task: Task, settled: Settled, now: str) -> Settled:
    """Take the steps that need no call and wait for nothing, so that they share one commit."""
    for step in task.change.steps[task.position + settled.steps :]:
        waits = step.after is not None and settled.steps > 0
        if not isinstance(step, steps.RecordStep) or waits:
            return settled
        record = recorded_after(step, settled.record, recording.Done(), now)
        vacated = (step.previous,) if isinstance(step, steps.Move) else ()
        events = _build_events(step, task, settled.record, recording.Done())
        settled = replace(
            settled,
            record=record,
            events=(*settled.events, *events),
            steps=settled.steps + 1,
            vacated=(*settled.vacated, *vacated),
        )
    return replace(settled, ended=True)


def _count_done(step: steps.Step, outcome: recording.Outcome) -> int:
    """Count the steps that are done. A delete that succeeded skips its `AwaitEnd` and its second try."""
    is_done = isinstance(outcome, recording.Done)
    return 3 if isinstance(step, steps.Deletion) and step.trains and is_done else 1


def _build_events(  # noqa: C901, PLR0912  # a row for each step
    step: steps.Step, task: Task, record: Record, outcome: recording.Outcome
) -> tuple[Event, ...]:
    """Build the events that report a step: one at most. A failure or a skip ends the task."""
    address, id = task.change.address, task.id
    match step:
        case steps.Create():
            return (Started(address, Verb.COPY if step.copies else Verb.CREATE, id),)
        case steps.AwaitTraining():
            return _report_training(task, record, outcome)
        case steps.RunChecks():
            return _report_checks(step, task, record, outcome)
        case steps.ChooseCheckpoint():
            return _report_choice(step, task, record, outcome)
        case steps.SetDefaultCheckpoint():
            return ()
        case steps.HoldBack() if step.error:
            return (Failed(address, Verb.PROMOTE, step.error, step.advice, id),)
        case steps.HoldBack():
            return (Skipped(address, Verb.PROMOTE, RECORDED_ONLY, id),)
        case steps.Deletion():
            return _report_deletion(step, address, outcome)
        case steps.ReportFailure() if step.trained:
            return (fail_training(address, id, step.error, made=_name_making(task)),)
        case steps.ReportFailure() if step.blocked:
            return (Failed(address, _name_making(task), step.error, step.advice, id),)
        case steps.ReportFailure():
            verb = _name_making(task)
            return (Skipped(address, verb, step.error, unfinished=True, resume=APPLY, trouble=True),)
        case steps.Move():
            return (Completed(address, Verb.MOVE, id, detail=f"it was {step.previous}"),)
        case steps.GoBack():
            fate = "held back" if step.record.held else "deposed"
            return (Completed(address, Verb.ROLLBACK, id, detail=f"{step.replaces} is {fate}"),)
        case steps.Intent() | steps.AwaitEnd():
            return ()
        case steps.Update():
            return (Completed(address, Verb.UPDATE, id),)
        case steps.SetPermissions():
            return (Completed(address, Verb.PERMISSIONS, id),)
        case steps.Promote():
            return (Completed(address, Verb(step.ending), id, _measure(step, record)),)
        case steps.Forget():
            return (Completed(address, Verb.FORGET, id),)
        case steps.ForgetDeposed():
            return (Completed(address, Verb.FORGET, step.id),)
        case steps.CreateEndpoint(trial=True) | steps.Deploy(trial=True) | steps.DeleteEndpoint(trial=True):
            return ()
        case steps.AwaitDeployment(trial=True):
            reports = _report_deployment(step, task, record, outcome)
            return tuple(replace(one, operation=Verb.CHECK) for one in reports if isinstance(one, Failed))
        case steps.CreateEndpoint():
            return (Completed(address, Verb.CREATE_ENDPOINT, step.id),)
        case steps.Deploy():
            return (Started(address, Verb.DEPLOY, id),)
        case steps.AwaitDeployment():
            return _report_deployment(step, task, record, outcome)
        case steps.Undeploy():
            gone = recording.list_undeployed(step, record)
            detail = f"{'deployment' if len(gone) == 1 else 'deployments'} {', '.join(gone)}"
            return (Completed(address, Verb.UNDEPLOY, step.endpoint, detail=detail),) if gone else ()
        case steps.DeleteEndpoint():
            return (Completed(address, Verb.DELETE_ENDPOINT, step.id),)
        case steps.AwaitDrain():
            return ()
        case _:
            assert_never(step)


_MAKES = frozenset({steps.Ending.CREATE, steps.Ending.COPY, steps.Ending.REPLACE})
"""The changes that make a model."""


def _name_making(task: Task) -> Verb:
    return Verb.CREATE if task.provider.kind.trains else Verb.COPY


def _measure(step: steps.Promote, record: Record) -> float:
    """Measure the training that a promotion completes, in seconds; 0.0 if this run did not wait for one."""
    trained = record.candidate if step.ending in _MAKES else None
    return measure_duration(trained) if trained is not None else 0.0


def _report_training(task: Task, record: Record, outcome: recording.Outcome) -> tuple[Event, ...]:
    if not isinstance(outcome, Training) or outcome.status is not Status.FAILED:
        return ()
    why = outcome.error or "the service gave no reason"
    elapsed = measure_duration(record.candidate) if record.candidate is not None else 0.0
    return (fail_training(task.change.address, task.id, why, elapsed, made=_name_making(task)),)


ONE_MODEL_ADVICE = (
    "What served goes on serving. If the service takes only one tuned model on an endpoint, declare "
    "serving.allow_interruption: true: the old model is then undeployed first, and nothing answers until the "
    "new one is deployed"
)
_INTERRUPTED_ADVICE = "The model that served is deployed again. Apply again to try once more"


def _report_deployment(
    step: steps.AwaitDeployment, task: Task, record: Record, outcome: recording.Outcome
) -> tuple[Event, ...]:
    address, id = task.change.address, task.id
    if not isinstance(outcome, Training):
        return ()
    serving = record.serving.id if task.falls_back and record.serving is not None else id
    if outcome.status is Status.ACTIVE:
        return (Completed(address, Verb.DEPLOY, serving, detail=f"to the endpoint {step.endpoint}"),)
    why = outcome.error or "the service gave no reason"
    return (Failed(address, Verb.DEPLOY, why, _advise_deployment(step, task), serving),)


def _advise_deployment(step: steps.Deploy | steps.AwaitDeployment, task: Task) -> str:
    match step:
        case _ if task.falls_back:
            return "Nothing answers on its endpoint. Apply again at once: the model itself is there"
        case steps.AwaitDeployment(interrupts=True):
            return _INTERRUPTED_ADVICE
        case steps.AwaitDeployment(rivals=True) | steps.Deploy(replaces=(_, *_)):
            return ONE_MODEL_ADVICE
        case steps.Deploy() if any(isinstance(other, steps.Undeploy) for other in task.change.steps):
            return _INTERRUPTED_ADVICE
        case _:
            return _RETRY_ADVICE


def _report_checks(
    step: steps.RunChecks, task: Task, record: Record, outcome: recording.Outcome
) -> tuple[Event, ...]:
    address, id = task.change.address, task.id
    if not isinstance(outcome, recording.Checked):
        return ()
    scores = outcome.scores
    rivals = describe_rivals(scores, record.serving.scores) if record.serving is not None else ""
    beside = f"; {rivals}" if rivals else ""
    match outcome.verdict:
        case Verdict.FAILED:
            return (_fail_checks(task, record, outcome, beside),)
        case Verdict.UNKNOWN:
            reason = f"{outcome.said}; it is not promoted until wait or apply has run its checks again"
            return (Skipped(address, Verb.CHECK, reason, id, unfinished=True),)
        case _:
            detail = f"{len(step.checks)} passed: {describe_scores(scores)}{beside}"
            return (Completed(address, Verb.CHECK, id, detail=detail, scores=scores),)


def _report_choice(
    step: steps.ChooseCheckpoint, task: Task, record: Record, outcome: recording.Outcome
) -> tuple[Event, ...]:
    """Report which checkpoint was chosen, with its scores and those of the others."""
    address, id = task.change.address, task.id
    if not isinstance(outcome, recording.Chosen):
        return ()
    scores = outcome.scores
    others = [one for one in outcome.asked if one.id != outcome.checkpoint]
    beside = "".join(f"; checkpoint {one.id}: {describe_scores(one.scores)}" for one in others)
    match outcome.verdict:
        case Verdict.FAILED:
            return (_fail_checks(task, record, outcome, beside),)
        case Verdict.UNKNOWN:
            way = "wait or apply" if step.of is steps.Role.CANDIDATE else "apply"
            reason = f"{outcome.said}; no checkpoint is chosen until {way} has asked the rest"
            resume = choose_command(step)
            return (Skipped(address, Verb.CHECK, reason, id, unfinished=True, resume=resume),)
        case _ if not outcome.checkpoint and not scores:
            return ()
        case _:
            said = f": {describe_scores(scores)}" if scores else ""
            choice = "" if step.choice == outcome.checkpoint else f", the {step.choice}"
            detail = f"checkpoint {outcome.checkpoint}{choice}{said}{beside}"
            return (Completed(address, Verb.CHECKPOINT, id, detail=detail, scores=scores),)


def _fail_checks(
    task: Task, record: Record, outcome: recording.Checked | recording.Chosen, beside: str
) -> Failed:
    """Build the event for checks that failed. `beside`: the scores of others, to be told with them."""
    stays = f"; {record.serving.id} goes on serving as before" if record.serving is not None else ""
    advice = f"It is not promoted{stays}. {_CHECK_ADVICE}"
    said = f"{outcome.said}{beside}"
    return Failed(task.change.address, Verb.CHECK, said, advice, task.id, scores=outcome.scores)


def _report_deletion(
    step: steps.DeleteFirst | steps.DeleteReplaced | steps.Delete,
    address: Address,
    outcome: recording.Outcome,
) -> tuple[Event, ...]:
    match outcome:
        case recording.Unproven():
            return (Skipped(address, Verb.DELETE, outcome.why, step.id, outcome.unfinished),)
        case recording.StillTraining():
            return ()
        case _:
            return (Completed(address, Verb.DELETE, step.id),)


def fail_training(
    address: Address, id: str, error: str, elapsed: float = 0.0, *, made: Verb = Verb.CREATE
) -> Failed:
    """Build the event for a failed training or copy, with advice."""
    again = f"reconciler apply --retry-failed --target {address.word}"
    if made is Verb.COPY:
        advice = f"If its manifest is at fault, correct it and apply. To copy the same again: {again}"
        return Failed(address, made, error, advice, id, elapsed, training=True)
    advice = (
        "If its data or its settings are at fault, correct them and run: reconciler apply. "
        f"To train the same again: {again}"
    )
    return Failed(address, made, error, advice, id, elapsed, training=True)


def report_cost(cost: Cost) -> Billed:
    """Report what the service billed for a training."""
    return Billed(cost.address, cost.id, cost.tokens, cost.amount, cost.currency, cost.expected)


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


def settle_failure(task: Task, record: Record, error: errors.ServiceError, now: str) -> Settled:
    """Record a call that was refused or lost. The next run continues from the record."""
    step = _require_step(task)
    outcome = _choose_outcome(step, error)
    if isinstance(outcome, recording.StillTraining):
        return settle(task, record, outcome, now)
    after = recorded_after(step, record, outcome, now)
    refused = error.status is not None and 400 <= error.status < 500 and error.status not in _PASSES
    advice = error.detail or (_REFUSED_ADVICE if refused else _RETRY_ADVICE)
    if isinstance(step, steps.Deploy) and refused:
        advice = _advise_deployment(step, task)
    failed = Failed(task.change.address, task.operation, error.summary, advice, task.id)
    return _end(task, after, (failed,))


def _choose_outcome(step: steps.Step, error: errors.ServiceError) -> recording.Outcome:
    match step:
        case steps.Create() if isinstance(error, errors.AlreadyExistsError):
            return recording.Occupied()
        case steps.Deletion():
            return (
                recording.StillTraining()
                if step.trains and isinstance(error, errors.StillTrainingError)
                else recording.Broken()
            )
        case _:
            return recording.Broken()


def postpone(task: Task, record: Record, error: errors.ServiceError, now: str) -> Settled:
    """Record a call that was refused for now. A create without room is recorded as waiting for room."""
    step = _require_step(task)
    if not isinstance(step, steps.Create) or not isinstance(error, errors.RateLimitedError):
        return Settled(record)
    return Settled(recorded_after(step, record, recording.NoRoom(error.summary), now))


def report_postponed(task: Task, error: errors.ServiceError) -> Skipped:
    """Report that a call was refused for now and will be retried in this run."""
    return task.skip(f"{_explain_refusal(error)}, it waits: {error.summary}", unfinished=False)


def report_refused(task: Task, record: Record, error: errors.ReconcilerError) -> Skipped:
    """Report that a call was refused for now, and which command makes it again."""
    model = find_model(record, task.id)
    waits = isinstance(task.next, steps.Create) and model is not None and model.has_no_room
    resume = WAIT if waits else choose_command(task.next)
    way = "wait sends it again" if waits else f"{resume} again later"
    return task.skip(f"{_explain_refusal(error)}: {error.summary}; {way}", resume=resume)


def _explain_refusal(error: errors.ReconcilerError) -> str:
    if isinstance(error, errors.NotReadyError):
        return "the service is not ready for it yet, which passes by itself"
    return "the service has no room for it now"
