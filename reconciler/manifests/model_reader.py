"""Reads the document of a model as Desired."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import ValidationError

from reconciler.datasets.data_cache import DataCache
from reconciler.datasets.data_sets import ADVISED, DataSets, warn_of_few
from reconciler.identity import (
    encode_canonical,
    find_meaning,
    list_check_meanings,
    list_serving_meanings,
)
from reconciler.kind import FieldRole, Kind
from reconciler.manifests import rules
from reconciler.manifests.checks import read_checks
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope, ServedEnvelope
from reconciler.manifests.kinds import FORMS, Form
from reconciler.manifests.model_copy import ModelCopyManifest
from reconciler.manifests.places import BESIDE, Places
from reconciler.manifests.references import Declaration
from reconciler.manifests.schema_types import Named
from reconciler.manifests.trees import Trees
from reconciler.manifests.validation_messages import explain
from reconciler.model import (
    Address,
    Attributes,
    Checks,
    DataSet,
    Desired,
    HeldOut,
    Lifecycle,
    Permission,
    Serving,
    Stack,
    StateSource,
    Value,
)
from reconciler.problems import Problems


class ModelReader:
    """Reads documents one by one, and remembers what later documents must know.

    Attributes:
        declarations: one for every model with a name, even if it has problems.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        stack: Stack,
        problems: Problems,
        trees: Trees,
        *,
        reads_training: bool = True,
        cache: DataCache | None = None,
    ) -> None:
        self.declarations: list[Declaration] = []
        self._kinds = kinds
        self._fields = {name: tuple(kind.fields.values()) for name, kind in kinds.items()}
        self._stack = stack
        self._trees = trees
        self._problems = problems
        self._data_sets = DataSets(problems, reads_training=reads_training, cache=cache)

    def read(self, document: Document) -> Desired | None:
        """Read the model that a document declares. None after noting what is wrong with it."""
        name, file = document.kind, document.file
        kind, form = self._kinds[name], FORMS[name]
        before = len(self._problems)
        known = _read_declaration(document, kind, form)
        if known is not None:
            self.declarations.append(known)
        spelled = rules.check_lifecycle_fields(document, "lifecycle", self._fields[name])
        rules.check_choices(document, form.choices)
        rules.check_data(document, form.data)
        rules.check_permissions(document, kind)
        rules.check_pinning(document, kind)
        rules.check_checkpoint(document)
        if form.check_checkpoint is not None:
            form.check_checkpoint(document)
        checks = read_checks(document, self._data_sets, form.questions)
        declared: ModelEnvelope | None = None
        attributes: Attributes = {}
        try:
            declared = form.manifest.model_validate(document.body)
        except ValidationError as error:
            explain(error, form.manifest, document, str(known.address) if known else None)
        else:
            attributes = _read_attributes(declared, kind)
        if form.check_base is not None:
            form.check_base(document, kind.bases, self._stack.location or "")
        data = form.read_data_sets(document, self._data_sets, len(encode_canonical(attributes)))
        if declared is None or known is None or len(self._problems) > before:
            return None
        if form.data and not data and not rules.is_there_already(document):
            return None
        for stored in data[:1]:
            if not stored.uri and stored.examples < ADVISED:
                place = document.at(f"spec.{kind.data_field}").key_place
                warn_of_few(stored, place, self._problems, address=str(known.address))
        self._warn_of_held_back(document, data, checks, str(known.address))
        permissions = None
        if declared.permissions is not None:
            grants = declared.permissions
            permissions = tuple(Permission(g.grantee_type, g.email_address or "", g.role) for g in grants)
        desired = Desired(
            address=known.address,
            attributes=attributes,
            data=data,
            permissions=permissions,
            id=declared.metadata.id,
            imports=declared.metadata.import_ or "",
            labels=declared.metadata.labels,
            lifecycle=_merge_lifecycle(declared, self._stack.lifecycle, spelled),
            checks=checks,
            moved_from=known.moved_from,
            manifest=self._trees.find_path(file),
            file=file,
            line=document.mark[0],
            places=Places(document, attributes, kind),
            serving=_read_serving(declared),
            elsewhere=_read_elsewhere(declared),
        )
        return replace(desired, digest=_digest_meaning(desired, kind))

    def _warn_of_held_back(
        self, document: Document, data: Sequence[DataSet], checks: Checks, address: str
    ) -> None:
        """Warn of validation data and of held-out examples that the training data makes worthless."""
        for held in data[1:]:
            place = document.at(f"spec.{held.field}").key_place
            self._data_sets.warn_of_share(data[0], held, place, address=address)
        files = [check.to_data() for check in checks if isinstance(check, HeldOut)]
        for held in (*data[1:], *files) if data else ():
            self._data_sets.warn_of_held_back(data[0], held, address=address)


def _read_declaration(document: Document, kind: Kind, form: Form) -> Declaration | None:
    name = document.at("metadata.name").text
    if not name:
        return None
    parent_path = f"spec.{form.parent}"
    parent = "" if document.at("spec.source.state").is_there else document.at(parent_path).text
    kinds = (kind.name, *form.parents)
    former = document.at("metadata.moved_from").text
    return Declaration(
        address=Address(kind.name, name),
        document=document,
        id=document.at("metadata.id").text,
        imports=document.at("metadata.import").text.removeprefix(kind.collection),
        parent=_parse_address(parent) if parent.partition("/")[0] in kinds else None,
        parent_path=parent_path,
        moved_from=_parse_address(former if "/" in former else f"{kind.name}/{former}"),
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


def _read_serving(declared: ModelEnvelope) -> Serving | None:
    return declared.build_serving() if isinstance(declared, ServedEnvelope) else None


def _read_elsewhere(declared: ModelEnvelope) -> StateSource | None:
    return declared.spec.source.to_model() if isinstance(declared, ModelCopyManifest) else None


def _merge_lifecycle(declared: ModelEnvelope, defaults: Lifecycle, spelled: Mapping[str, str]) -> Lifecycle:
    """Merge the manifest's lifecycle over the Stack's. The Stack's delete_first holds for pinned ids only."""
    if declared.metadata.id is None and defaults.replace != Lifecycle().replace:
        defaults = replace(defaults, replace=Lifecycle().replace)
    return defaults if declared.lifecycle is None else declared.lifecycle.to_model(defaults, spelled=spelled)


def _digest_meaning(desired: Desired, kind: Kind) -> str:
    """Compute the SHA-256 of what a document means, whatever its spelling, comments and order."""
    lifecycle, permissions = desired.lifecycle, desired.permissions
    said = {
        "address": str(desired.address),
        "attributes": {
            path: meant
            for path, value in desired.attributes.items()
            # project and location are left out, because only the service knows whether two names mean one
            # place
            if kind.fields[path].role is not FieldRole.PLACE
            and (meant := find_meaning(kind.fields[path], value)) is not None
        },
        "permissions": None if permissions is None else sorted(map(str, permissions)),
        "id": desired.id,
        **({"import": desired.imports} if desired.imports else {}),
        **({"moved_from": str(desired.moved_from)} if desired.moved_from else {}),
        "labels": desired.labels,
        "lifecycle": {
            "prevent_destroy": lifecycle.prevent_destroy,
            "ignore_changes": lifecycle.ignore_changes,
            "keep_deposed": lifecycle.keeps_for.total_seconds(),
            "ignore_drift": [[drift.field, drift.reason, drift.until] for drift in lifecycle.ignore_drift],
            "replace": lifecycle.replace,
        },
        "checks": list_check_meanings(desired.checks),
        **({"serving": list_serving_meanings(desired.serving)} if desired.serving else {}),
    }
    return hashlib.sha256(encode_canonical(said)).hexdigest()
