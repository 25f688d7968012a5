"""Compile a decision into steps, in their order of execution. Only the rows call this."""

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
    """Update a model in place.

    Args:
        of: the role of the model.
        fields: the differing fields. Those that are no longer declared keep their value.
        sent: attributes to record as sent.
        permissions: permissions to set; None to set none.
        changes: the grants that this adds, revokes or changes.
    """
    values: dict[str, Value] = {one.path: one.after for one in fields if one.after is not None}
    if values:
        yield Update(of, values, sent)
    if permissions is not None:
        yield SetPermissions(of, permissions, changes)


def steps_of_training(create: Create, *, delete_first: DeleteFirst | None) -> Iterator[Step]:
    """Start a training and wait for it. If the old model holds the id, delete that one first."""
    if delete_first is not None:
        yield from steps_of_deletion(delete_first)
    yield create
    yield AwaitTraining()


def steps_of_promotion(
    checks: tuple[Check, ...], promote: Promote, *, deletes_replaced: bool
) -> Iterator[Step]:
    """Let a trained model serve: run checks, promote it, and delete the replaced model."""
    if checks:
        yield RunChecks(checks)
    yield promote
    if deletes_replaced:
        yield DeleteReplaced(promote.replaces)


def steps_of_deletion(deletion: DeleteFirst | DeleteReplaced | Delete) -> Iterator[Step]:
    """Delete a model. For a model in training, a wait and a second try follow."""
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
    """Put the commit of a record, if any, before the steps."""
    return tuple(steps) if record is None else (RecordIntent(record), *steps)


def hold_intent(steps: Steps) -> Steps:
    """Delay the first record of a delete_first until the parent serves.

    Until then the old model still exists, and its record says that it serves.
    """
    match steps:
        case (RecordIntent() as intent, DeleteFirst(after=after), *_) if after is not None:
            return (replace(intent, after=after), *steps[1:])
        case _:
            return steps
