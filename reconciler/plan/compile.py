"""Compile a decision into steps, in their order of execution. Only the rows call this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from reconciler.difference import FieldChange, PermissionChange
from reconciler.model.checks import Checks
from reconciler.model.names import Attributes, Value
from reconciler.model.permission import Permission
from reconciler.plan import steps
from reconciler.state.values import Record


def compile_update(
    of: steps.Role,
    fields: Iterable[FieldChange],
    sent: Attributes,
    permissions: tuple[Permission, ...] | None,
    changes: tuple[PermissionChange, ...] = (),
) -> Iterator[steps.Step]:
    """Update a model in place.

    Args:
        of: the role of the model.
        fields: the differing fields. Those that are no longer declared keep their value.
        sent: attributes to record as sent.
        permissions: permissions to set; None to set none.
        changes: the grants that this adds, revokes or changes.
    """
    values: dict[str, Value] = {field.path: field.after for field in fields if field.after is not None}
    if values:
        yield steps.Update(of, values, sent)
    if permissions is not None:
        yield steps.SetPermissions(of, permissions, changes)


def compile_training(create: steps.Create, *, delete_first: steps.DeleteFirst | None) -> Iterator[steps.Step]:
    """Start a training and wait for it. If the old model holds the id, delete that one first."""
    if delete_first is not None:
        yield from compile_deletion(delete_first)
    yield create
    yield steps.AwaitTraining(create.copies)


def compile_promotion(
    checks: Checks, promote: steps.Promote, *, deletes_replaced: bool
) -> Iterator[steps.Step]:
    """Let a trained model serve: run checks, promote it, and delete the replaced model."""
    if checks:
        yield steps.RunChecks(checks)
    yield promote
    if deletes_replaced:
        yield steps.DeleteReplaced(promote.replaces)


def compile_deletion(
    deletion: steps.DeleteFirst | steps.DeleteReplaced | steps.Delete,
) -> Iterator[steps.Step]:
    """Delete a model. For a model in training, a wait and a second try follow."""
    yield deletion
    if deletion.trains:
        yield steps.AwaitEnd(deletion.id, is_namesake=isinstance(deletion, steps.DeleteFirst))
        yield (
            replace(deletion, trains=False)
            if isinstance(deletion, steps.DeleteReplaced)
            else replace(deletion, trains=False, after=None)
        )


def prepend_intent(record: Record | None, following: Iterable[steps.Step]) -> steps.Steps:
    """Put the commit of a record, if any, before the steps."""
    return tuple(following) if record is None else (steps.RecordIntent(record), *following)


def hold_restoration(held: steps.Steps, after: steps.Serves | None) -> steps.Steps:
    """Delay the record of a restored model until the parent serves."""
    return tuple(replace(step, after=after) if isinstance(step, steps.Restore) else step for step in held)


def hold_intent(held: steps.Steps) -> steps.Steps:
    """Delay the first record of a delete_first until the parent serves.

    Until then the old model still exists, and its record says that it serves.
    """
    match held:
        case (steps.RecordIntent() as intent, steps.DeleteFirst(after=after), *_) if after is not None:
            return (replace(intent, after=after), *held[1:])
        case _:
            return held
