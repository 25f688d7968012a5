"""Compares what is declared with what is live or recorded, field by field. Only this module uses deepdiff.

Rule: only declared fields are compared, by what they mean (`identity.find_meaning`). A field that the
manifest does not set is the server's own. A field that is declared empty equals one that the service does not
show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.difference import FieldChange, PermissionChange
from reconciler.identity import find_meaning
from reconciler.kind import Field, FieldRole, FieldType, OnChange
from reconciler.model.names import Attributes, Value
from reconciler.model.permission import Permission


def is_same(field: Field, one: Value | None, other: Value | None) -> bool:
    """Return whether two values of a field mean the same to the service. None is an absent value."""
    if type(one) is type(other) and one == other:  # the common case, much quicker than finding the meanings
        return True
    return find_meaning(field, one) == find_meaning(field, other)


def list_unlike(before: Attributes, after: Attributes) -> list[str]:
    """List the paths of `after` that `before` has not, or with a value that is not written in the same way.

    Only these may differ. So the meanings of few fields are found: most have not changed since a training.
    """
    return [
        path
        for path, value in after.items()
        if path not in before or type(value) is not type(before[path]) or value != before[path]
    ]


def compare_mutable(
    before: Attributes, after: Attributes, fields: Mapping[str, Field], *, ignore: Iterable[str] = ()
) -> tuple[FieldChange, ...]:
    """Find declared fields that can be updated and differ from `before`, sorted by path.

    Args:
        before: what is live.
        after: what is declared, or was. Only its paths count. A path that only a newer version knows cannot
            be compared, and is taken to be as it was sent.
        fields: the kind's table.
        ignore: paths that are left alone (lifecycle.ignore_changes).
    """
    skipped = frozenset(ignore)
    paths = [
        path
        for path in list_unlike(before, after)
        if path in fields
        and fields[path].on_change is OnChange.UPDATE
        and path not in skipped
        and not is_same(fields[path], after[path], before.get(path))
    ]
    if not paths:
        return ()  # the common case, a thousand times cheaper than DeepDiff
    from deepdiff import DeepDiff

    new = {path: find_meaning(fields[path], after[path]) for path in paths}
    old = {path: find_meaning(fields[path], before.get(path)) for path in paths}
    delta = DeepDiff(old, new, view="tree", threshold_to_diff_deeper=0)
    moved = {level.path(output_format="list")[0] for found in delta.values() for level in found}
    return tuple(FieldChange(path, before.get(path), after[path]) for path in sorted(moved, key=str))


def compare_immutable(
    sent: Attributes, live: Attributes | None, after: Attributes, fields: Mapping[str, Field]
) -> tuple[FieldChange, ...]:
    """Find declared fields that cannot be updated and equal neither what was sent nor what is live.

    What was sent counts, because the service may write a value in another form. What is live counts, because
    a default that is now written out is not a change.
    """
    unlike = list_unlike(sent, after)
    if not unlike:
        return ()
    shown = sent if live is None else live
    return tuple(
        FieldChange(path, _find_before(fields[path], path, sent, shown), after[path], forces_replacement=True)
        for path in sorted(unlike)
        if fields[path].on_change is OnChange.REPLACE
        and not (path in sent and is_same(fields[path], after[path], sent[path]))
        and not is_same(fields[path], after[path], shown.get(path))
        and not (
            fields[path].role is FieldRole.PLACE
            and _may_be_there(fields[path], path, after[path], sent, shown)
        )
    )


def _find_before(field: Field, path: str, sent: Attributes, shown: Attributes) -> Value | None:
    """Find the value before, as people know it: of several names the one that was sent."""
    before = shown.get(path, sent.get(path))
    if field.type is FieldType.NAMES and isinstance(before, tuple):
        return sent.get(path, before[-1])
    return before


def _may_be_there(field: Field, path: str, value: Value, sent: Attributes, shown: Attributes) -> bool:
    """Return whether the model may live at the declared place, judging by the names.

    An id and a number may name one project; two ids, or two numbers, name two.
    """
    known = {*_list_names(sent.get(path)), *_list_names(shown.get(path))}
    if field.type is not FieldType.NAMES:
        return not known
    named = _list_names(value)
    if known & named:
        return True
    return not {name.isdigit() for name in named} & {name.isdigit() for name in known}


def _list_names(value: Value | None) -> set[str]:
    if value is None:
        return set()
    return {str(name) for name in value} if isinstance(value, tuple) else {str(value)}


def compare_permissions(
    before: Sequence[Permission], after: Sequence[Permission]
) -> tuple[PermissionChange, ...]:
    """Find grants to add, to revoke or to change, sorted by grantee."""
    old = {permission.grantee: permission for permission in before}
    new = {permission.grantee: permission for permission in after}
    return tuple(
        PermissionChange(old.get(grantee), new.get(grantee))
        for grantee in sorted(old.keys() | new.keys())
        if grantee not in old or grantee not in new or old[grantee].role != new[grantee].role
    )
