"""Computes the record after each step. Rule: binding and apply use only `recorded_after` for this."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from reconciler.formats import add_seconds
from reconciler.model.checks import Score
from reconciler.model.live import Status
from reconciler.plan import steps
from reconciler.providers import Accepted, Training
from reconciler.state.values import (
    QUOTA,
    Record,
    RecordedCheckpoint,
    RecordedEndpoint,
    RecordedModel,
    Verdict,
)


class Done(Struct, frozen=True):
    """The step is done."""


class Broken(Struct, frozen=True):
    """The call failed for good. Its effect at the service is not known."""


class NoRoom(Struct, frozen=True):
    """The service has no room for a new model now. `said` is its message."""

    said: str


class Occupied(Struct, frozen=True):
    """The id of a new model is taken by a model that is not ours."""


class Renumbered(Struct, frozen=True):
    """The id of a new model is taken by an invisible one. The next generation is tried."""

    model: RecordedModel


class Checked(Struct, frozen=True):
    """The verdict of the checks, their scores, and the reason if they did not pass."""

    verdict: Verdict
    scores: tuple[Score, ...] = ()
    said: str = ""


class Chosen(Struct, frozen=True):
    """The checkpoint that was chosen, and how its checks went.

    Attributes:
        checkpoint: its id. "" if none could be chosen.
        verdict: of the chosen one: unknown if any result is unknown.
        scores: of the chosen one.
        asked: the checkpoints whose results are known.
        said: why it did not pass.
    """

    checkpoint: str
    verdict: Verdict = Verdict.NONE
    scores: tuple[Score, ...] = ()
    asked: tuple[RecordedCheckpoint, ...] = ()
    said: str = ""


class Unproven(Struct, frozen=True):
    """A model was not deleted: its successor was not seen ACTIVE, or it is still used. `why` is for people.

    `unfinished`: the next run is expected to delete it.
    """

    why: str
    unfinished: bool = True


class StillTraining(Struct, frozen=True):
    """The service refuses to delete a model in training."""


class EndpointReady(Struct, frozen=True):
    """A stable endpoint is there."""

    name: str
    location: str


class Deploying(Struct, frozen=True):
    """A deployment is under way, or done if `operation` is ""."""

    operation: str = ""


Outcome: TypeAlias = (
    EndpointReady
    | Deploying
    | Done
    | Broken
    | Accepted
    | NoRoom
    | Occupied
    | Renumbered
    | Training
    | Checked
    | Chosen
    | Unproven
    | StillTraining
)


def recorded_after(  # noqa: C901, PLR0912  # a row for each step
    step: steps.Step, record: Record, outcome: Outcome, now: str
) -> Record:
    """Return the record after a step with this outcome.

    Args:
        step: the executed step.
        record: the record before the step.
        outcome: the result of the step.
        now: RFC 3339.

    Raises:
        TypeError: the step cannot have this outcome. This is a defect.
    """
    if isinstance(outcome, Broken) and not isinstance(step, steps.Create):
        return record
    match step:
        case steps.Intent():
            return step.record
        case steps.Create():
            return _record_create(record, outcome, now)
        case steps.AwaitTraining():
            return _record_training(record, outcome, now)
        case steps.Update():
            return _change_model(record, step.of, lambda model: replace(model, sent=step.sent))
        case steps.SetPermissions():
            return _change_model(record, step.of, lambda model: replace(model, permissions=step.permissions))
        case steps.RunChecks():
            if not isinstance(outcome, Checked):
                raise _build_error(step, outcome)
            return _change_model(
                record,
                steps.Role.CANDIDATE,
                lambda model: replace(model, verdict=outcome.verdict, scores=outcome.scores),
            )
        case steps.ChooseCheckpoint():
            if not isinstance(outcome, Chosen):
                raise _build_error(step, outcome)
            return _change_model(record, step.of, lambda model: _record_choice(step, model, outcome))
        case steps.Promote():
            return _record_promotion(step, record, now)
        case steps.Deletion():
            return _record_deletion(step, record, outcome)
        case steps.Forget():
            return Record(record.address)
        case steps.ForgetDeposed():
            return _drop_deposed(record, step.id)
        case steps.CreateEndpoint() | steps.Deploy() | steps.AwaitDeployment() | steps.Undeploy():
            return _record_endpoint(step, record, outcome, now)
        case steps.DeleteEndpoint(trial=True):
            return replace(record, trial=None)
        case steps.DeleteEndpoint():
            return drop_endpoint(record, step.id)
        case steps.AwaitEnd() | steps.AwaitDrain() | steps.HoldBack() | steps.ReportFailure():
            return record
        case steps.SetDefaultCheckpoint():
            return record
        case _:
            assert_never(step)


def expect_outcome(step: steps.Step) -> Outcome:
    """Return the outcome of a step that succeeds, as far as a plan can know it."""
    match step:
        case steps.Create():
            return Accepted("")
        case steps.AwaitTraining() | steps.AwaitEnd():
            return Training(Status.ACTIVE)
        case steps.RunChecks():
            return Checked(Verdict.PASSED)
        case steps.ChooseCheckpoint():
            return Chosen(step.checkpoint, Verdict.PASSED)
        case steps.SetDefaultCheckpoint():
            return Done()
        case steps.CreateEndpoint():
            return EndpointReady("", "")
        case steps.Deploy():
            return Deploying()
        case steps.AwaitDeployment() | steps.AwaitDrain():
            return Training(Status.ACTIVE)
        case steps.Undeploy() | steps.DeleteEndpoint():
            return Done()
        case steps.RecordStep() | steps.Update() | steps.SetPermissions() | steps.Deletion():
            return Done()
        case _:
            assert_never(step)


def _record_create(record: Record, outcome: Outcome, now: str) -> Record:
    candidate = record.candidate
    if candidate is None:
        raise TypeError(f"{record.address}: nothing is created without a recorded intent")
    match outcome:
        case Accepted():
            accepted = replace(
                _clear_waiting(candidate),
                name=outcome.name or candidate.name,
                status=Status.CREATING,
                operation=outcome.operation or candidate.operation,
                total_steps=outcome.total_steps,
                create_time=outcome.create_time or candidate.create_time,
            )
            return replace(record, candidate=accepted)
        case Renumbered():
            trial = record.trial
            if trial is not None and trial.id == candidate.id:
                trial = RecordedEndpoint(outcome.model.id)
            return replace(record, candidate=outcome.model, trial=trial)
        case Occupied():
            # kept as our candidate, the other model would be taken for ours in the next run
            return replace(record, candidate=None)
        case Broken():
            return replace(record, candidate=_clear_waiting(candidate))
        case NoRoom() if candidate.waiting:
            return record
        case NoRoom():
            waiting = replace(candidate, waiting=QUOTA, waiting_since=now, waiting_said=outcome.said)
            return replace(record, candidate=waiting)
        case _:
            raise _build_error("a create", outcome)


def _record_training(record: Record, outcome: Outcome, now: str) -> Record:
    candidate = record.candidate
    if not isinstance(outcome, Training) or candidate is None:
        raise _build_error("a training", outcome)
    live = outcome.live
    ended = replace(
        candidate,
        status=outcome.status,
        completed=(live.complete_time if live else "") or now,
        error=outcome.error,
        billed_tokens=outcome.billed_tokens or (live.billed_tokens if live else 0),
        model=(live.deployable if live else "") or candidate.model,
        total_steps=outcome.total_steps or candidate.total_steps,
        create_time=(live.create_time if live else "") or candidate.create_time,
    )
    return replace(record, candidate=ended)


def _record_choice(step: steps.ChooseCheckpoint, model: RecordedModel, outcome: Chosen) -> RecordedModel:
    """Return the model with its checkpoint. One that serves keeps its own unless the other one passed."""
    new = {one.id for one in outcome.asked}
    known = (*(one for one in model.checkpoints if one.id not in new), *outcome.asked)
    model = replace(model, checkpoints=known)
    passed = outcome.verdict in {Verdict.NONE, Verdict.PASSED}
    if passed:
        model = replace(model, checkpoint=outcome.checkpoint, choice=step.choice)
    if passed or step.of is steps.Role.CANDIDATE:
        model = replace(model, verdict=outcome.verdict, scores=outcome.scores)
    return model


def _record_promotion(step: steps.Promote, record: Record, now: str) -> Record:
    candidate, old = record.candidate, record.serving
    if candidate is None:
        return record
    deposed = record.deposed
    if old is not None and old.id != candidate.id:
        until = add_seconds(now, step.keep_seconds)
        deposed = (*deposed, replace(old, deposed=now, kept_until=until))
    serving = replace(candidate, promoted=now, status=Status.ACTIVE, deposed="", kept_until="")
    if step.sent is not None:
        serving = replace(serving, sent=step.sent)
    if step.permissions is not None:
        serving = replace(serving, permissions=step.permissions)
    return replace(record, serving=serving, candidate=None, deposed=deposed)


def _record_deletion(
    step: steps.DeleteFirst | steps.DeleteReplaced | steps.Delete, record: Record, outcome: Outcome
) -> Record:
    match outcome, step:
        case Unproven(), _:
            return record
        case StillTraining(), steps.Delete() | steps.DeleteReplaced():
            return _depose(record, step.id)
        case StillTraining(), _:
            return record  # it is deposed already, its successor has the id
        case Done(), steps.Delete(deposed=False):
            return _drop_model(record, step.id)
        case Done(), steps.Delete(after=None):
            deposed = _drop_deposed(record, step.id)
            candidate = deposed.candidate
            return replace(deposed, candidate=None) if candidate and candidate.id == step.id else deposed
        case Done(), _:
            return _drop_deposed(record, step.id)
        case _:
            raise _build_error("a deletion", outcome)


def _record_endpoint(
    step: steps.CreateEndpoint | steps.Deploy | steps.AwaitDeployment | steps.Undeploy,
    record: Record,
    outcome: Outcome,
    now: str,
) -> Record:
    if not isinstance(step, steps.Undeploy) and step.trial:
        return _record_trial(record, outcome)
    endpoint = record.endpoint
    if endpoint is None:
        return record
    match outcome, step:
        case EndpointReady(), _:
            ready = replace(endpoint, name=outcome.name or endpoint.name, location=outcome.location)
            return replace(record, endpoint=replace(ready, location=ready.location or endpoint.location))
        case Deploying(), _:
            return replace(record, endpoint=replace(endpoint, operation=outcome.operation))
        case Training(status=Status.ACTIVE), steps.AwaitDeployment():
            since = endpoint.since if outcome.deployment == endpoint.deployed else ""
            deployed = replace(
                endpoint, deployed=outcome.deployment, since=since or now, operation="", interrupted=False
            )
            until = add_seconds(now, step.keep_seconds)
            former = tuple(
                old if old.retired else replace(old, retired=now, kept_until=until)
                for old in record.former_endpoints
            )
            return replace(record, endpoint=deployed, former_endpoints=former)
        case Training(), _:
            return replace(record, endpoint=replace(endpoint, operation=""))
        case Done(), steps.Undeploy(interrupts=True):
            return replace(record, endpoint=replace(endpoint, deployed="", interrupted=True))
        case Done(), steps.Undeploy():
            return record
        case _:
            raise _build_error(step, outcome)


def list_undeployed(step: steps.Undeploy, record: Record) -> tuple[str, ...]:
    """List the deployments that a step undeploys."""
    kept = record.endpoint.deployed if record.endpoint is not None and step.spares else ""
    return tuple(id for id in step.ids if id != kept)


def _record_trial(record: Record, outcome: Outcome) -> Record:
    trial = record.trial
    if trial is None:
        return record
    match outcome:
        case EndpointReady():
            name, location = outcome.name or trial.name, outcome.location or trial.location
            return replace(record, trial=replace(trial, name=name, location=location))
        case Deploying():
            return replace(record, trial=replace(trial, operation=outcome.operation))
        case Training():
            deployed = outcome.deployment if outcome.status is Status.ACTIVE else trial.deployed
            return replace(record, trial=replace(trial, operation="", deployed=deployed))
        case _:
            raise _build_error("an endpoint for checks", outcome)


def drop_endpoint(record: Record, id: str) -> Record:
    """Return the record without a stable endpoint."""
    endpoint = None if record.endpoint is not None and record.endpoint.id == id else record.endpoint
    former = tuple(old for old in record.former_endpoints if old.id != id)
    return replace(record, endpoint=endpoint, former_endpoints=former)


def _build_error(step: object, outcome: Outcome) -> TypeError:
    return TypeError(f"{step} cannot come to {outcome!r}")


def _clear_waiting(model: RecordedModel) -> RecordedModel:
    return replace(model, waiting="", waiting_since="", waiting_said="")


def _change_model(
    record: Record, role: steps.Role, change: Callable[[RecordedModel], RecordedModel]
) -> Record:
    """Return the record with the model in this role changed, if there is one."""
    match role:
        case steps.Role.CANDIDATE if record.candidate is not None:
            return replace(record, candidate=change(record.candidate))
        case steps.Role.SERVING if record.serving is not None:
            return replace(record, serving=change(record.serving))
        case _:
            return record


def find_model(record: Record, id: str) -> RecordedModel | None:
    """Find the recorded model with this id. The candidate comes first."""
    models = (record.candidate, record.serving, *record.held, *record.deposed)
    return next((model for model in models if model is not None and model.id == id), None)


def _depose(record: Record, id: str) -> Record:
    """Return the record with this model deposed, because it cannot be deleted yet."""
    model = find_model(record, id)
    if model is None or model in record.deposed:
        return record
    candidate = None if model is record.candidate else record.candidate
    serving = None if model is record.serving else record.serving
    return replace(record, candidate=candidate, serving=serving, deposed=(*record.deposed, model))


def _drop_deposed(record: Record, id: str) -> Record:
    """Return the record without a deposed model, or one that is held back."""
    held = tuple(model for model in record.held if model.id != id)
    return replace(record, held=held, deposed=tuple(model for model in record.deposed if model.id != id))


def _drop_model(record: Record, id: str) -> Record:
    candidate = record.candidate if record.candidate and record.candidate.id != id else None
    serving = record.serving if record.serving and record.serving.id != id else None
    return replace(_drop_deposed(record, id), serving=serving, candidate=candidate)
