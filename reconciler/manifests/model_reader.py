"""One document of a model's kind to Desired."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from reconciler.datasets.data_sets import DataSets, warn_of_few
from reconciler.identity import encode_canonical, find_meaning
from reconciler.kind import Kind
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import ModelEnvelope
from reconciler.manifests.kinds import FORMS, Form, field_value
from reconciler.manifests.located import YamlMap, locate, value_at
from reconciler.manifests.references import Seen
from reconciler.manifests.rules import (
    check_choices,
    check_data,
    check_lifecycle_fields,
    check_permissions,
    check_pinning,
    is_there_already,
)
from reconciler.manifests.spelling import spelled_path
from reconciler.manifests.trees import Trees
from reconciler.manifests.validation_messages import explain
from reconciler.model import Address, Attributes, Desired, Lifecycle, Stack, Value
from reconciler.problems import Place, Problems

_BESIDE = "metadata."
"""How the path of a field begins that does not stand under spec."""


class ModelReader:
    """Reads documents one by one, and remembers what those that follow must know.

    Attributes:
        seen: every model that has a name, sound or not.
    """

    def __init__(self, kinds: Mapping[str, Kind], stack: Stack, problems: Problems, trees: Trees) -> None:
        self.seen: list[Seen] = []
        self._kinds = kinds
        self._fields = {name: tuple(kind.fields.values()) for name, kind in kinds.items()}
        self._stack = stack
        self._trees = trees
        self._problems = problems
        self._data = DataSets(problems)

    def read(self, body: YamlMap, document: Document) -> Desired | None:
        """The model that a document declares, or None after noting what is wrong with it."""
        name = str(body["kind"])
        kind, form, file = self._kinds[name], FORMS[name], document.file
        before = len(self._problems)
        seen = _seen(body, kind, form, document)
        if seen is not None:
            self.seen.append(seen)
        address = str(seen.address) if seen else None
        spelled = check_lifecycle_fields(body, "lifecycle", self._fields[name], file, self._problems)
        check_choices(body, form.choices, file, self._problems)
        check_data(body, form.data, file, self._problems)
        check_permissions(body, kind, file, self._problems)
        check_pinning(body, kind, file, self._problems)
        declared: ModelEnvelope | None = None
        attributes: Attributes = {}
        try:
            declared = form.manifest.model_validate(body)
        except ValidationError as error:
            explain(error, form.manifest, body, document.place, self._problems, address=address)
        else:
            attributes = _attributes(declared, kind)
        if form.check_base is not None:
            form.check_base(body, file, kind.bases, self._stack.location or "", self._problems)
        rest = len(encode_canonical(attributes))
        data = form.data_sets(body, file, self._data, self._problems, rest)
        if declared is None or seen is None or len(self._problems) > before:
            return None
        if not data and not is_there_already(body):
            return None
        places = _places(body, attributes, kind)
        for one in data[:1]:
            if not one.uri:
                mark = places.get(kind.data_field, body.mark)
                warn_of_few(one, Place(file, *mark), self._problems, address=str(seen.address))
        lifecycle = _lifecycle(declared, self._stack.lifecycle, spelled)
        permissions = declared.permissions
        desired = Desired(
            address=seen.address,
            attributes=attributes,
            data=data,
            permissions=None if permissions is None else tuple(one.to_model() for one in permissions),
            id=declared.metadata.id,
            imports=declared.metadata.import_ or "",
            labels=declared.metadata.labels,
            lifecycle=lifecycle,
            checks=tuple(one.to_model() for one in declared.checks),
            moved_from=seen.moved_from,
            manifest=self._trees.path_of(file),
            file=file,
            line=document.place.line or 0,
            places=places,
        )
        return replace(desired, digest=_digest(desired, kind))


def _seen(body: YamlMap, kind: Kind, form: Form, document: Document) -> Seen | None:
    name = value_at(body, ["metadata", "name"])
    if not isinstance(name, str) or not name:
        return None

    def place(path: list[str]) -> Place:
        return Place(document.file, *(locate(body, path) or body.mark))

    id_path = ["metadata", "id"]
    pinned = value_at(body, id_path)
    imported = value_at(body, ["metadata", "import"])
    parent_path = spelled_path(body, f"spec.{form.parent}")
    parent = value_at(body, parent_path)
    address = None
    if isinstance(parent, str) and parent.startswith(f"{body['kind']}/"):
        try:
            address = Address.parse(parent)
        except ValueError:
            address = None  # told by the type of the field
    return Seen(
        address=Address(str(body["kind"]), name),
        place=place(["metadata", "name"]),
        id=pinned if isinstance(pinned, str) else "",
        id_place=place(id_path),
        imports=imported.removeprefix(kind.collection) if isinstance(imported, str) else "",
        import_place=place(["metadata", "import"]),
        parent=address,
        parent_place=place(parent_path),
        moved_from=_former(body),
        moved_from_place=place(["metadata", "moved_from"]),
    )


def _former(body: YamlMap) -> Address | None:
    """The address that it had before; what is none is told by the type of the field."""
    former = value_at(body, ["metadata", "moved_from"])
    if not isinstance(former, str) or not former:
        return None
    try:
        return Address.parse(former if "/" in former else f"{body['kind']}/{former}")
    except ValueError:
        return None


def _attributes(declared: Any, kind: Kind) -> Attributes:
    found = {}
    for path in kind.fields:
        value = field_value(declared if path.startswith(_BESIDE) else declared.spec, path)
        if value is not None:
            found[path] = _flat(value)
    return found


def _flat(value: Any) -> Value:
    """A list as a tuple, a map as a tuple of KEY=VALUE."""
    if isinstance(value, dict):
        return tuple(sorted(f"{key}={text}" for key, text in value.items()))
    flat: Value = tuple(value) if isinstance(value, list) else value
    return flat


def _places(body: YamlMap, attributes: Attributes, kind: Kind) -> dict[str, tuple[int, int]]:
    places = {}
    for path in (*attributes, kind.data_field):
        where = path if path.startswith(_BESIDE) else f"spec.{path}"
        mark = locate(body, spelled_path(body, where), of_key=path == kind.data_field)
        if mark is not None:
            places[path] = mark
    for path in ("metadata.id", "metadata.import", "metadata.moved_from", "permissions"):
        mark = locate(body, path.split("."))
        if value_at(body, path.split(".")) is not None and mark is not None:
            places[path] = mark
    return places


def _lifecycle(declared: ModelEnvelope, defaults: Lifecycle, spelled: Mapping[str, str]) -> Lifecycle:
    """The manifest's over the Stack's; the Stack's delete_first is for pinned ids only."""
    if declared.metadata.id is None and defaults.replace != Lifecycle().replace:
        defaults = replace(defaults, replace=Lifecycle().replace)
    return defaults if declared.lifecycle is None else declared.lifecycle.to_model(defaults, spelled=spelled)


def _digest(desired: Desired, kind: Kind) -> str:
    """SHA-256 of what the document means: spelling, comments and the order of keys are no change of it."""
    lifecycle, permissions = desired.lifecycle, desired.permissions
    said = {
        "address": str(desired.address),
        "attributes": {
            path: meant
            for path, value in desired.attributes.items()
            # where it lives counts by its effect, which only its service knows
            if kind.fields[path].role != "place"
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
            "keep_deposed": lifecycle.keep_deposed.total_seconds(),
            "ignore_drift": [[one.field, one.reason, one.until] for one in lifecycle.ignore_drift],
            "replace": lifecycle.replace,
        },
        "checks": [[check.prompt, check.expect] for check in desired.checks],
    }
    return hashlib.sha256(encode_canonical(said)).hexdigest()
