"""Makes the call of each step at the service. Rule: it changes no record and yields no event."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from reconciler.apply.checkpoints import choose_checkpoint
from reconciler.apply.endpoints import execute_at_endpoint
from reconciler.apply.subject import Subject
from reconciler.checks import ask_model, decide_verdict, run_checks, sum_scores
from reconciler.errors import InUseError
from reconciler.model.live import Live, Status
from reconciler.observe import make_handle
from reconciler.plan import steps
from reconciler.plan.recording import Checked, Done, Outcome, Unproven
from reconciler.plan.rows.deposed import explain_traffic
from reconciler.providers import Accepted, Fence, Handle, Provider, Training
from reconciler.state.values import Record, RecordedModel, Verdict


def execute(  # noqa: C901, PLR0912  # a row for each step
    step: steps.Step, provider: Provider, subject: Subject, *, fence: Fence
) -> Outcome:
    """Execute a step at the service. `fence` is called before each request that changes something.

    Raises:
        ServiceError: see `providers.Provider`.
    """
    match step:
        case steps.Create():
            return _create(provider, subject, fence)
        case steps.AwaitTraining():
            return look(provider, subject.find_handle())
        case steps.AwaitEnd():
            return look(provider, subject.find_handle(step.id))
        case steps.Update():
            provider.update(subject.find_handle(), step.fields, fence=fence)
        case steps.SetPermissions():
            provider.set_permissions(subject.find_handle(), step.permissions, fence=fence)
        case steps.RunChecks():
            ask = ask_model(provider, subject.find_handle())
            results = tuple(run_checks(ask, step.checks, subject.examples))
            said = "; ".join(result.detail for result in results if result.verdict is not Verdict.PASSED)
            return Checked(decide_verdict(results), sum_scores(results), said)
        case steps.ChooseCheckpoint():
            return choose_checkpoint(step, provider, subject)
        case steps.DeleteFirst():
            old = _find_deposed(subject.record, step.id)
            provider.delete(make_handle(old) if old else subject.find_handle(step.id), fence=fence)
        case steps.DeleteReplaced():
            return _delete_replaced(step, provider, subject, fence)
        case steps.Delete():
            return _delete(provider, subject.find_handle(step.id), fence)
        case steps.CreateEndpoint() | steps.Deploy() | steps.AwaitDeployment():
            return execute_at_endpoint(step, provider, subject, fence)
        case steps.AwaitDrain() | steps.Undeploy() | steps.DeleteEndpoint() | steps.SetDefaultCheckpoint():
            return execute_at_endpoint(step, provider, subject, fence)
        case steps.RecordStep():
            pass
        case _:
            assert_never(step)
    return Done()


def _create(provider: Provider, subject: Subject, fence: Fence) -> Accepted:
    desired = subject.desired
    if desired is None:
        raise AssertionError(f"{subject.record.address}: nothing is created that no manifest declares")
    data = {data_set.field: subject.examples(data_set) for data_set in desired.data}
    return provider.create(
        desired, subject.task.id, subject.source, data, fence=fence, attempted=subject.task.attempted
    )


def _delete_replaced(
    step: steps.DeleteReplaced, provider: Provider, subject: Subject, fence: Fence
) -> Done | Unproven:
    """Delete a replaced model, if its successor is ACTIVE at this moment.

    The successor may have been promoted minutes ago, or because of a list or an operation. The model to
    delete is known to be good, so look at the successor itself once more.
    """
    serving = subject.record.serving
    if serving is None:
        return Unproven("nothing serves in its place")
    found = provider.get(make_handle(serving))
    if found is None or found.status is not Status.ACTIVE:
        shown = "not to be seen" if found is None else f"{found.status}, not ACTIVE"
        return Unproven(
            f"its successor {serving.id} is {shown} at the service; wait deletes it when it is ACTIVE"
        )
    old = _find_deposed(subject.record, step.id)
    if old is None:
        return Done()
    live = provider.get(make_handle(old))
    if live is not None and live.traffic:
        return Unproven(f"{explain_traffic(live)}; it is kept until then", unfinished=False)
    return _delete(provider, make_handle(old), fence)


def _delete(provider: Provider, handle: Handle, fence: Fence) -> Done | Unproven:
    """Delete a model. One that stands on somebody else's endpoint is kept. That is not a failure."""
    try:
        provider.delete(handle, fence=fence)
    except InUseError as error:
        return Unproven(f"{error.summary}; it is kept until then", unfinished=False)
    return Done()


def _find_deposed(record: Record, id: str) -> RecordedModel | None:
    return next((model for model in record.deposed if model.id == id), None)


def look(provider: Provider, handle: Handle) -> Training:
    """Read the progress of a training. Once it has ended, read the model too, for its record."""
    training = provider.poll(handle)
    if training.status is Status.CREATING or training.live is not None:
        return training
    return replace(training, live=provider.get(handle))


def read_training(live: Live, total_steps: int | None) -> Training:
    """Read the progress of a training from its live model, which may come from a list of many."""
    last = live.snapshots[-1] if live.snapshots else None
    step = last.step if last else None
    percent = min(100.0, 100.0 * step / total_steps) if step and total_steps else None
    return Training(
        status=live.status,
        percent=percent,
        step=step,
        total_steps=total_steps,
        snapshots=live.snapshots,
        live=live,
    )
