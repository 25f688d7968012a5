"""A decision as steps, in the order in which they are done. The rows call this; nobody compiles later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from reconciler.difference import FieldChange, PermissionChange
from reconciler.model import Attributes, Check, Permission, Value
from reconciler.plan.steps import (
    AwaitEnd,
    AwaitTraining,
    Create,
    Delete,
    DeleteFirst,
    DeleteReplaced,
    Promote,
    RecordIntent,
    Role,
    RunChecks,
    SetPermissions,
    Step,
    Steps,
    Update,
)
from reconciler.state.values import Record


def steps_of_update(
    of: Role,
    fields: Iterable[FieldChange],
    sent: Attributes,
    permissions: tuple[Permission, ...] | None,
    changes: tuple[PermissionChange, ...] = (),
) -> Iterator[Step]:
    """Set what differs of a model in place.

    Args:
        of: which model.
        fields: what differs; what is no longer declared stays as it is.
        sent: what counts as sent afterwards.
        permissions: to be made true; None where nothing is to be set.
        changes: what setting them adds, revokes or changes.
    """
    values: dict[str, Value] = {one.path: one.after for one in fields if one.after is not None}
    if values:
        yield Update(of, values, sent)
    if permissions is not None:
        yield SetPermissions(of, permissions, changes)


def steps_of_training(create: Create, *, delete_first: DeleteFirst | None) -> Iterator[Step]:
    """Start a training and wait for it, with the old model out of the way first where its id is needed."""
    if delete_first is not None:
        yield from steps_of_deletion(delete_first)
    yield create
    yield AwaitTraining()


def steps_of_promotion(
    checks: tuple[Check, ...], promote: Promote, *, deletes_replaced: bool
) -> Iterator[Step]:
    """Let a trained model serve: checks, promotion, and the deletion of what served."""
    if checks:
        yield RunChecks(checks)
    yield promote
    if deletes_replaced:
        yield DeleteReplaced(promote.replaces)


def steps_of_deletion(deletion: DeleteFirst | DeleteReplaced | Delete) -> Iterator[Step]:
    """Delete a model; one that trains a second time once it has ended, where the service refuses at first."""
    yield deletion
    if not deletion.trains:
        return
    match deletion:
        case DeleteFirst():
            yield AwaitEnd(deletion.id, is_namesake=True)
            yield replace(deletion, trains=False, after=None)
        case Delete():
            yield AwaitEnd(deletion.id)
            yield replace(deletion, trains=False, after=None)
        case DeleteReplaced():
            yield AwaitEnd(deletion.id)
            yield replace(deletion, trains=False)
        case _:
            assert_never(deletion)


def prepend_intent(record: Record | None, steps: Iterable[Step]) -> Steps:
    """The steps, with this record committed before the first of them; None for no record to commit."""
    return tuple(steps) if record is None else (RecordIntent(record), *steps)


def hold_intent(steps: Steps) -> Steps:
    """The same, its first record written only once a parent serves whose child deletes what serves first.

    Until then the old model is there, and its record says that it serves.
    """
    match steps:
        case (RecordIntent() as intent, DeleteFirst(after=after), *_) if after is not None:
            return (replace(intent, after=after), *steps[1:])
        case _:
            return steps
