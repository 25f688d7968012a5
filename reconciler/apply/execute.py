"""Each step's call at the service. Rule: nothing here touches a record or tells anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reconciler.apply.tasks import Step, Task, find, retired
from reconciler.checks import run_checks
from reconciler.kind import OnChange
from reconciler.model import DataSet, Desired, Example, Live, Status
from reconciler.observe import handle_of
from reconciler.plan.change import Reason
from reconciler.providers import Fence, Handle, Training
from reconciler.state.values import Record

Examples = Callable[[DataSet], Iterable[Example]]
"""Reads a data set again and verifies its digest."""


def call(
    task: Task, record: Record, want: Desired | None, source: str, examples: Examples, *, fence: Fence
) -> object:
    """Do the next step at the service; answers what `settle` needs. Raises ServiceError.

    `fence` is asked before each request that changes something.
    """
    provider, change = task.provider, task.change
    handle = _handle(task, record)
    match task.steps[0]:
        case Step.CREATE:
            if want is None:
                raise AssertionError(f"{change.address}: nothing is created that no manifest declares")
            data = {one.field: examples(one) for one in want.data}
            return provider.create(want, task.id, source, data, fence=fence, attempted=task.attempted)
        case Step.TRAIN | Step.OUTLAST:
            return look(task, record)
        case Step.UPDATE:
            fields = {one.path: one.after for one in change.fields if one.after is not None}
            kind = provider.kind.fields
            mutable = {
                path: value for path, value in fields.items() if kind[path].on_change is OnChange.UPDATE
            }
            provider.update(handle, mutable, fence=fence)
        case Step.PERMIT:
            provider.set_permissions(handle, change.permissions_after or (), fence=fence)
        case Step.CHECK:
            return run_checks(provider, handle, change.checks)
        case Step.DELETE | Step.RETIRE if unproven := _unproven(task, record):
            return unproven
        case Step.DELETE_FIRST | Step.DELETE:
            old = next((one for one in record.deposed if one.id == task.id), None)
            is_first = task.steps[0] is Step.DELETE_FIRST
            provider.delete(handle_of(old) if old and is_first else handle, fence=fence)
        case Step.RETIRE:
            for old in retired(record, change):
                provider.delete(handle_of(old), fence=fence)
        case Step.PROMOTE | Step.FORGET:
            pass
    return None


def _unproven(task: Task, record: Record) -> str:
    """Why the model that was replaced must not go yet; "" where its successor, asked by name, is ACTIVE.

    What made us promote the successor may have been minutes ago, a list, or an operation: this look is the
    last before the deletion of a model that is known to be good.
    """
    if task.steps[0] is Step.DELETE and task.change.reason is not Reason.REPLACED:
        return ""
    serving = record.serving
    if serving is None:
        return "nothing serves in its place"
    found = task.provider.get(handle_of(serving))
    if found is not None and found.status is Status.ACTIVE:
        return ""
    shown = "not to be seen" if found is None else f"{found.status}, not ACTIVE"
    return f"its successor {serving.id} is {shown} at the service; wait deletes it when it is ACTIVE"


def look(task: Task, record: Record) -> Training:
    """How a training goes; a trained model is looked at as well, for what the record keeps of it."""
    provider, handle = task.provider, _handle(task, record)
    training = provider.poll(handle)
    if training.status is Status.CREATING or training.live is not None:
        return training
    return replace(training, live=provider.get(handle))


def _handle(task: Task, record: Record) -> Handle:
    model = find(record, task.id)
    return handle_of(model) if model else Handle(task.id, task.change.name)


def training_of(live: Live, total_steps: int | None) -> Training:
    """How a training goes, as the model itself shows it (a list is one request for many)."""
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
