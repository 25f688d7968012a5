"""What a model's document says, in the core's terms, whoever has read it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from reconciler.manifests.references import Declaration
from reconciler.model import Attributes, Checks, DataSet, Lifecycle, Permission, Serving, StateSource


class Content(Struct, frozen=True):
    """The content of a document without faults. Each attribute is as in `Desired`."""

    attributes: Attributes
    labels: Mapping[str, str]
    lifecycle: Lifecycle
    id: str | None = None
    imports: str = ""
    permissions: tuple[Permission, ...] | None = None
    serving: Serving | None = None
    elsewhere: StateSource | None = None


class Reading(Struct, frozen=True):
    """The result of reading a document.

    Attributes:
        declaration: what other documents must know. None if it has no name.
        content: None if anything is wrong with the document, which is noted then.
        data: its data sets, also of a document with faults.
        checks: its checks.
    """

    declaration: Declaration | None
    content: Content | None
    data: tuple[DataSet, ...] = ()
    checks: Checks = ()


def keep_unpinned(defaults: Lifecycle) -> Lifecycle:
    """Return the Stack's lifecycle for a model without a pinned id: without its delete_first."""
    if defaults.replace == Lifecycle().replace:
        return defaults
    return replace(defaults, replace=Lifecycle().replace)
