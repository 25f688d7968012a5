"""What a model's document says, in the core's terms, whoever has read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler.manifests.references import Declaration
from reconciler.model.checks import Checks
from reconciler.model.data import DataSet
from reconciler.model.desired import IgnoredDrift, Lifecycle, Replacement, StateSource
from reconciler.model.endpoint import Serving
from reconciler.model.names import Attributes
from reconciler.model.permission import Permission


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


def merge_lifecycle(
    defaults: Lifecycle, declared: Mapping[str, Any], spelled: Mapping[str, str]
) -> Lifecycle:
    """Put what a document declares of its lifecycle in the place of the defaults.

    Args:
        defaults: what counts for keys that are absent.
        declared: the value of each key that is there.
        spelled: maps spellings of fields to their paths.
    """
    merged = dict(declared)
    if "ignore_changes" in declared:
        merged["ignore_changes"] = tuple(spelled.get(name, name) for name in declared["ignore_changes"])
    if "ignore_drift" in declared:
        merged["ignore_drift"] = tuple(
            IgnoredDrift(
                spelled.get(drift["field"], drift["field"]), drift.get("reason", ""), drift.get("until") or ""
            )
            for drift in declared["ignore_drift"]
        )
    if "replace" in declared:
        merged["replace"] = Replacement(declared["replace"])
    return replace(defaults, **merged)


def keep_unpinned(defaults: Lifecycle) -> Lifecycle:
    """Return the Stack's lifecycle for a model without a pinned id: without its delete_first."""
    if defaults.replace == Lifecycle().replace:
        return defaults
    return replace(defaults, replace=Lifecycle().replace)
