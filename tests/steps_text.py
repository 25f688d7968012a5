"""Writes a compiled plan as text, for reviewers and golden files: changes, steps, and what they wait for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import assert_never

from reconciler.plan.change import Change
from reconciler.plan.steps import (
    Adopt,
    AwaitDeployment,
    AwaitDrain,
    AwaitEnd,
    AwaitTraining,
    ChooseCheckpoint,
    Create,
    CreateEndpoint,
    Delete,
    DeleteEndpoint,
    DeleteFirst,
    DeleteReplaced,
    Deploy,
    Forget,
    ForgetDeposed,
    GoBack,
    HoldBack,
    IsAccepted,
    Move,
    Promote,
    RecordIntent,
    ReportFailure,
    Restore,
    RunChecks,
    Serves,
    SetDefaultCheckpoint,
    SetPermissions,
    Step,
    Undeploy,
    Update,
    Wait,
)
from reconciler.state.values import Record


def describe_changes(changes: Iterable[Change]) -> Iterator[str]:
    """Write a line for each change, with its steps indented below it."""
    for change in changes:
        of = f" ({'held back' if change.deposed.held else 'deposed'})" if change.deposed else ""
        yield f"{change.address} {change.action} {change.id}".rstrip() + of
        for number, step in enumerate(change.steps, 1):
            yield f"  {number}. {describe_step(step)}"


def describe_step(step: Step) -> str:  # noqa: C901, PLR0912  # a row for each step
    """Write a line for a reviewer: what a step does, and what it waits for."""
    match step:
        case Move():
            said = f"move the record from {step.previous}"
        case RecordIntent():
            said = f"record {_models(step.record)}"
        case Adopt():
            said = f"adopt {_models(step.record)}"
        case Restore():
            said = f"restore {_models(step.record)}"
        case GoBack():
            said = f"go back from {step.replaces}: record {_models(step.record)}"
        case DeleteFirst():
            said = f"delete {step.id} first"
        case Create():
            again = ", which an earlier run may have sent" * step.attempted
            said = f"create {step.id} (generation {step.generation}) from {step.source}{again}"
            if step.copies:
                said = f"copy {step.source} as {step.id} (generation {step.generation}){again}"
        case AwaitTraining():
            said = f"await the end of its {'copy' if step.copies else 'training'}"
        case AwaitEnd():
            said = f"await the end of {step.id}, if it could not be deleted in training"
        case Update():
            said = f"update the {step.of} model: {', '.join(sorted(step.fields))}"
        case SetPermissions():
            grants = ", ".join(map(str, step.permissions)) or "none"
            said = f"set the permissions of the {step.of} model: {grants}"
        case RunChecks():
            said = f"run its checks ({len(step.checks)})"
        case ChooseCheckpoint():
            which = f"{step.choice} ({step.checkpoint})" if step.checkpoint else step.choice
            on = "every checkpoint" if step.asks is None else f"{step.asks} of them"
            checked = f", after {len(step.checks)} checks of {on}" * bool(step.checks)
            said = f"choose the checkpoint of the {step.of} model: {which}{checked}"
        case SetDefaultCheckpoint():
            said = f"make {step.checkpoint or 'that'} the default checkpoint of the {step.of} model"
        case Promote():
            kept = f", which is kept ({step.kept})" if step.kept else ""
            said = f"promote it ({step.ending})" + (
                f" in place of {step.replaces}{kept}" * bool(step.replaces)
            )
        case HoldBack():
            said = f"hold it back: {step.error or 'its manifest has changed since it was approved'}"
        case DeleteReplaced():
            due = ", because its time has come" if step.is_due else ""
            said = f"delete {step.id}{due}, if what serves now is ACTIVE"
        case Delete():
            said = f"delete {'the deposed ' * step.deposed}{step.id}"
        case Forget():
            said = "forget the address"
        case ForgetDeposed():
            said = f"forget the deposed {step.id}"
        case CreateEndpoint():
            how = "take over" if step.adopts else "create again" if step.again else "create"
            said = f"{how} the endpoint {step.id}{' for its checks' * step.trial}"
        case Deploy():
            replaced = f" in place of {', '.join(step.replaces)}" * bool(step.replaces)
            again = ", if it is not there" * step.is_fallback
            which = f" (checkpoint {step.checkpoint})" * bool(step.checkpoint)
            checks = " for its checks" * step.trial
            said = f"deploy the {step.of} model{which} to {step.endpoint}{replaced}{again}{checks}"
        case AwaitDeployment():
            said = f"await that the {step.of} model has all requests of {step.endpoint}"
        case AwaitDrain():
            said = f"await that {step.seconds:g} s have passed since"
        case Undeploy():
            how = " first" * step.interrupts + ", as approved before" * step.is_due
            said = f"undeploy {', '.join(step.ids)} from {step.endpoint}{how}"
        case DeleteEndpoint():
            first = f", and undeploy {', '.join(step.ids)} before" * bool(step.ids)
            due = ", because its time has come" * step.is_due
            said = f"delete the endpoint {step.id}{first}{due}{' of its checks' * step.trial}"
        case ReportFailure():
            said = f"report: {step.error}"
        case _:
            assert_never(step)
    return said + _waiting(step.after)


def _waiting(wait: Wait | None) -> str:
    match wait:
        case None:
            return ""
        case Serves():
            return f"; after {wait.address} serves {wait.model}"
        case IsAccepted():
            return f"; after the create of {wait.address} is accepted"
        case _:
            assert_never(wait)


def _models(record: Record) -> str:
    """The models of a record by their roles."""
    named = [
        f"{role} {model.id}"
        for role, model in (("serving", record.serving), ("candidate", record.candidate))
        if model is not None
    ]
    named += [f"held {model.id}" for model in record.held]
    named += [f"deposed {model.id}" for model in record.deposed]
    named += [f"endpoint {record.endpoint.id}"] if record.endpoint else []
    named += [
        f"{'retired' if one.retired else 'replaced'} endpoint {one.id}" for one in record.former_endpoints
    ]
    return ", ".join(named) or "nothing"
