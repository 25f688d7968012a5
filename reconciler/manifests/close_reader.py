"""Reads the document of a model by the schema of its kind, and notes everything that is wrong with it.

Rule: `plain_models` reads plain documents quicker. No module may import this one at its top, because the
schemas take long to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from reconciler.datasets.data_sets import DataSets
from reconciler.identity import encode_canonical
from reconciler.kind import Kind
from reconciler.manifests import rules
from reconciler.manifests.checks import read_checks
from reconciler.manifests.content import Content, Reading, keep_unpinned
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.manifests.form import Form
from reconciler.manifests.places import BESIDE
from reconciler.manifests.references import Declaration, parse_former
from reconciler.manifests.schema_types import Named
from reconciler.manifests.validation_messages import explain, list_misspelled
from reconciler.model.desired import Lifecycle
from reconciler.model.names import Address, Attributes, Value
from reconciler.model.permission import Permission
from reconciler.model.stack import Stack


def read_closely(document: Document, kind: Kind, form: Form, stack: Stack, data_sets: DataSets) -> Reading:
    """Read the model that a document declares. Notes what is wrong with it."""
    before = len(document.problems)
    declared, error = _validate(document, form.manifest)
    misspelled = list_misspelled(error, form.manifest) if error else frozenset()
    known = _read_declaration(document, kind, form)
    spelled = rules.check_lifecycle_fields(document, "lifecycle", tuple(kind.fields.values()))
    rules.check_choices(document, form.choices, misspelled)
    rules.check_data(document, form.data, misspelled)
    rules.check_permissions(document, kind)
    rules.check_pinning(document, kind)
    rules.check_checkpoint(document)
    if form.check_checkpoint is not None:
        form.check_checkpoint(document)
    checks = read_checks(document, data_sets, form.questions)
    if error is not None:
        explain(error, form.manifest, document, str(known.address) if known else None)
    attributes = {} if declared is None else _read_attributes(declared, kind)
    if form.check_base is not None:
        form.check_base(document, kind.bases, stack.location or "")
    data = form.read_data_sets(document, data_sets, len(encode_canonical(attributes)))
    content = None
    is_whole = not form.data or data or rules.is_there_already(document)
    if declared is not None and is_whole and len(document.problems) == before:
        content = _read_content(declared, attributes, stack.lifecycle, spelled)
    return Reading(known, content, data, checks)


def _validate(
    document: Document, manifest: type[ModelEnvelope]
) -> tuple[ModelEnvelope | None, ValidationError | None]:
    """Validate a document by its schema. Return what it declares, or else the errors."""
    try:
        return manifest.model_validate(document.body), None
    except ValidationError as error:
        return None, error


def _read_content(
    declared: ModelEnvelope, attributes: Attributes, defaults: Lifecycle, spelled: Mapping[str, str]
) -> Content:
    permissions = None
    if declared.permissions is not None:
        grants = declared.permissions
        permissions = tuple(Permission(g.grantee_type, g.email_address or "", g.role) for g in grants)
    return Content(
        attributes=attributes,
        labels=declared.metadata.labels,
        lifecycle=_merge_lifecycle(declared, defaults, spelled),
        id=declared.metadata.id,
        imports=declared.metadata.import_ or "",
        permissions=permissions,
        serving=declared.build_serving(),
        elsewhere=declared.build_elsewhere(),
    )


def _read_declaration(document: Document, kind: Kind, form: Form) -> Declaration | None:
    name = document.at("metadata.name").text
    if not name:
        return None
    parent_path = f"spec.{form.parent}"
    parent = "" if document.at("spec.source.state").is_there else document.at(parent_path).text
    kinds = (kind.name, *form.parents)
    return Declaration(
        address=Address(kind.name, name),
        document=document,
        id=document.at("metadata.id").text,
        imports=document.at("metadata.import").text.removeprefix(kind.collection),
        parent=_parse_address(parent) if parent.partition("/")[0] in kinds else None,
        parent_path=parent_path,
        moved_from=parse_former(document.at("metadata.moved_from").text, kind.name),
        endpoint=form.find_endpoint(document) if kind.has_endpoints else ("", ""),
        trains=kind.trains,
    )


def _parse_address(text: str) -> Address | None:
    """Parse an address. None if the text is not an address, which the field's type reports."""
    try:
        return Address.parse(text)
    except ValueError:
        return None


def _read_attributes(declared: Any, kind: Kind) -> Attributes:
    found = {}
    for path in kind.fields:
        value = declared
        for step in _split_path(path):
            value = getattr(value, step, None)
            if value is None:
                break
        else:
            found[path] = _flatten(value)
    return found


@cache
def _split_path(path: str) -> tuple[str, ...]:
    return tuple(path.split(".") if path.startswith(BESIDE) else ["spec", *path.split(".")])


def _flatten(value: Any) -> Value:
    """Turn a list into a tuple, and a mapping into a tuple of KEY=VALUE."""
    if isinstance(value, dict):
        return tuple(sorted(f"{key}={text}" for key, text in value.items()))
    if isinstance(value, Named):
        return value.text
    flat: Value = tuple(value) if isinstance(value, list) else value
    return flat


def _merge_lifecycle(declared: ModelEnvelope, defaults: Lifecycle, spelled: Mapping[str, str]) -> Lifecycle:
    """Merge the manifest's lifecycle over the Stack's."""
    if declared.metadata.id is None:
        defaults = keep_unpinned(defaults)
    return defaults if declared.lifecycle is None else declared.lifecycle.to_model(defaults, spelled=spelled)
