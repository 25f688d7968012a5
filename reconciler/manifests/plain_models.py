"""Reads the documents of models that have what nearly every one has, without the schemas.

The schemas take longer to import than everything else together. Rule: this reader reads what `close_reader`
reads, which a test checks with any document. If a document has anything else (a fault, another spelling, a
key that is not in its kind's table), it is left to `close_reader`.
"""

from __future__ import annotations

from typing import Any

from reconciler.datasets.data_sets import DataSets
from reconciler.kind import Kind
from reconciler.manifests.content import Content, Reading, merge_lifecycle
from reconciler.manifests.documents import Document
from reconciler.manifests.places import BESIDE
from reconciler.manifests.plain_table import Table, find_table
from reconciler.manifests.plain_values import LeftError, read_keys
from reconciler.manifests.references import Declaration, parse_former
from reconciler.model.checks import Checks
from reconciler.model.desired import Lifecycle, Replacement
from reconciler.model.endpoint import Serving
from reconciler.model.names import Address
from reconciler.model.permission import Permission
from reconciler.model.stack import Stack

_LIVE = ("metadata.id", "metadata.import")
"""The paths of what names a live model, which needs no training data."""


class PlainModels:
    """Reads the plain documents of one kind.

    Args:
        kind: the kind of the models.
        stack: the Stack.
        lifecycle: the one for models that say nothing themselves, and whose id is not pinned.
        data_sets: measures the training data.
    """

    def __init__(self, kind: Kind, stack: Stack, lifecycle: Lifecycle, data_sets: DataSets) -> None:
        self._kind, self._stack, self._lifecycle, self._data_sets = kind, stack, lifecycle, data_sets
        self._sound: set[tuple[object, ...]] = set()
        self._paths = tuple(
            (path, path if path.startswith(BESIDE) else f"spec.{path}") for path in kind.fields
        )

    def read(self, document: Document) -> Reading | None:
        """Read a document whose values do not know their places. None if only its schema can read it.

        What is wrong with its data, its checks or its base model, or what contradicts itself, is noted.
        """
        table = find_table(self._kind.name)
        if table is None:
            return None
        found: dict[str, Any] = {}
        try:
            read_keys(table.keys, document.body, found)
        except LeftError:
            return None
        there = found.keys()
        names_live = not there.isdisjoint(_LIVE)
        if not there >= table.required or len(there & table.excluding) > 1:
            return None
        if len(there & table.choices) != 1 and not (names_live and table.allows_no_data(there)):
            return None
        attributes = {path: found[key] for path, key in self._paths if key in found}
        lifecycle = self._read_lifecycle(document, found)
        permissions = self._read_permissions(document, found)
        if names_live or lifecycle.replace is Replacement.DELETE_FIRST:
            self._check_pinning(document)
        checks = self._read_checks(document, table.questions) if "checks" in found else ()
        self._check_base(document, found, table)
        data = table.read_data(document, self._data_sets, found, attributes)
        serving = table.build_serving(found)
        content = Content(
            attributes=attributes,
            labels=found.get("metadata.labels", {}),
            lifecycle=lifecycle,
            id=found.get("metadata.id"),
            imports=found.get("metadata.import", ""),
            permissions=permissions,
            serving=serving,
        )
        return Reading(self._declare(document, found, table, serving), content, data, checks)

    def _declare(
        self, document: Document, found: dict[str, Any], table: Table, serving: Serving | None
    ) -> Declaration:
        """Tell what other documents must know of a model."""
        kind, source, former = self._kind, found.get("spec.source", ""), found.get("metadata.moved_from", "")
        return Declaration(
            address=Address(kind.name, found["metadata.name"]),
            document=document,
            id=found.get("metadata.id", ""),
            imports=found.get("metadata.import", "").removeprefix(kind.collection),
            parent=Address.parse(source) if source.partition("/")[0] in table.parents else None,
            parent_path=table.parent,
            moved_from=parse_former(former, kind.name),
            endpoint=(serving.endpoint, found.get(table.endpoint_place, "")) if serving else ("", ""),
            trains=kind.trains,
        )

    def _check_base(self, document: Document, found: dict[str, Any], table: Table) -> None:
        """Check the limits of the base model, unless a document with the same settings was sound."""
        said, before = tuple(map(found.get, table.base_paths)), len(document.problems)
        if table.check_base is not None and said not in self._sound:
            table.check_base(document, self._kind.bases, self._stack.location or "")
            if len(document.problems) == before:
                self._sound.add(said)

    def _read_lifecycle(self, document: Document, found: dict[str, Any]) -> Lifecycle:
        defaults = self._stack.lifecycle if "metadata.id" in found else self._lifecycle
        if "lifecycle" not in found:
            return defaults
        from reconciler.manifests.rules import check_lifecycle_fields

        spelled = check_lifecycle_fields(document, "lifecycle", tuple(self._kind.fields.values()))
        return merge_lifecycle(defaults, found["lifecycle"], spelled)

    def _check_pinning(self, document: Document) -> None:
        from reconciler.manifests.rules import check_pinning

        check_pinning(document, self._kind)

    def _read_permissions(self, document: Document, found: dict[str, Any]) -> tuple[Permission, ...] | None:
        if "permissions" not in found:
            return None
        from reconciler.manifests.rules import check_permissions

        check_permissions(document, self._kind)
        return tuple(
            Permission(grant["grantee_type"], grant.get("email_address", ""), grant["role"])
            for grant in found["permissions"]
        )

    def _read_checks(self, document: Document, questions: str) -> Checks:
        from reconciler.manifests.checks import read_checks

        return read_checks(document, self._data_sets, questions)
