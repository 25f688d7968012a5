"""Holds the differences between desired, live and recorded, as values: fields, data sets and grants."""

from __future__ import annotations

from msgspec import Struct

from reconciler.model.names import Value
from reconciler.model.permission import Permission


class FieldChange(Struct, frozen=True):
    """One field that differs. `before` None: not there; `after` None: no longer declared, left as it is."""

    path: str
    before: Value | None
    after: Value | None
    forces_replacement: bool = False


class ExampleChange(Struct, frozen=True):
    """Counts of the examples that were added, were removed, or are the same. Their order does not count."""

    added: int
    removed: int
    same: int


class DataChange(Struct, frozen=True):
    """A data set whose digest is not the recorded one; "" where there was or is none.

    The count of examples before is None when it is unknown. `compared` is None if the former data was not
    found.
    """

    field: str
    before_digest: str
    after_digest: str
    before_examples: int | None
    after_examples: int
    forces_replacement: bool = True
    compared: ExampleChange | None = None


class PermissionChange(Struct, frozen=True):
    """One grant to add (before None), to revoke (after None), or whose role changes."""

    before: Permission | None
    after: Permission | None
