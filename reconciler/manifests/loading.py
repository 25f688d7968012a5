"""From files to desired models: read all, settle the Stack, then each document, then what spans them.

Rule: one pass finds every problem of every document; a document with a problem yields no model, and
nothing is returned unless all are sound.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from reconciler import bounds, textfiles
from reconciler.kind import Kind
from reconciler.manifests import sources
from reconciler.manifests.documents import Document, read_documents
from reconciler.manifests.envelope import API_VERSION
from reconciler.manifests.find_stack import stack_near, stacks_in
from reconciler.manifests.kinds import FORMS, STACK
from reconciler.manifests.located import YamlMap, locate, value_at
from reconciler.manifests.model_reader import ModelReader
from reconciler.manifests.references import check_references
from reconciler.manifests.rules import check_lifecycle_fields
from reconciler.manifests.stack import StackManifest
from reconciler.manifests.trees import Trees
from reconciler.manifests.validation_messages import explain
from reconciler.model import Address, Desired, Stack
from reconciler.problems import Place, Problems, describe, find_nearest

if TYPE_CHECKING:
    from reconciler.manifests import Loaded, Names


def load(
    paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str], allow_empty: bool
) -> Loaded:
    """See `reconciler.manifests.load`."""
    with _collector_paused():
        return _load(paths, kinds, variables, allow_empty=allow_empty)


def load_settings(
    paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str], selecting: bool
) -> Loaded:
    """See `reconciler.manifests.load_settings`."""
    from reconciler.manifests import Loaded

    problems = Problems()
    found, whole = sources.discover(paths)
    files = [source.path for source in found]
    with _collector_paused():
        documents = stacks_in(files, problems)
        if not documents and (selecting or not whole):
            alone = [source.path for source in found if source.alone or selecting]
            documents = stack_near(alone, problems)
    stack = _stack(documents, kinds, variables, problems)
    problems.raise_if_any()
    files += [one.file for one in documents]
    return Loaded(desired=(), stack=stack, whole=whole, files=tuple(dict.fromkeys(files)))


def load_names(paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str]) -> Names:
    """See `reconciler.manifests.load_names`."""
    problems = Problems()
    found, _ = sources.discover(paths)
    with _collector_paused():
        documents = [one for source in found for one in _documents(source, problems)]
    if not documents:
        problems.error(
            Place(", ".join(paths)),
            "no manifest found",
            "Give a folder or a file of manifests, or KIND/NAME.",
        )
    problems.raise_if_any()
    names: dict[Address, dict[str, str]] = {}
    for document in documents:
        document.fill(variables, Problems())  # what cannot be filled in is told by validate
        body = document.body
        metadata = body.get("metadata") if isinstance(body, YamlMap) else None
        name = metadata.get("name") if isinstance(metadata, YamlMap) else None
        if not isinstance(metadata, YamlMap) or not isinstance(name, str) or document.kind not in kinds:
            continue
        labels = metadata.get("labels")
        labels = labels.items() if isinstance(labels, YamlMap) else ()
        names[Address(str(document.kind), name)] = {str(key): str(value) for key, value in labels}
    return names


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: a million small values and no circle, walked again and again.

    A quarter of the time of 10,000 manifests, measured.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(
    paths: Sequence[str], kinds: Mapping[str, Kind], variables: Mapping[str, str], *, allow_empty: bool
) -> Loaded:
    from reconciler.manifests import Loaded

    problems = Problems()
    found, whole = sources.discover(paths)
    documents = [one for source in found for one in _documents(source, problems)]
    files = [source.path for source in found]
    if not documents and not problems:
        if not allow_empty:
            problems.error(
                Place(", ".join(paths) or "."),
                "no manifest found",
                "Manifests end in .yaml or .yml; reconciler init writes a first one.",
            )
        problems.raise_if_any()
    if not whole and not any(one.kind == STACK for one in documents):
        near = stack_near([source.path for source in found if source.alone], problems)
        documents.extend(near)
        files.extend({one.file: None for one in near})
    stack = _stack([one for one in documents if one.kind == STACK], kinds, variables, problems)
    values = {**stack.variables, **variables}
    trees = Trees(paths)
    reader = ModelReader(kinds, stack, problems, trees)
    desired: list[Desired] = []
    for document in documents:
        if document.kind == STACK:
            continue
        body = _body(document, values, problems)
        if body is not None and _is_manifest(body, document.place, kinds, problems):
            one = reader.read(body, document)
            if one is not None:
                desired.append(one)
    check_references(reader.seen, problems, whole=whole)
    problems.raise_if_any()
    return Loaded(
        desired=tuple(sorted(desired, key=lambda one: one.address)),
        stack=stack,
        whole=whole,
        files=tuple(files),
        folders=trees.folders,
        warnings=problems.warnings,
    )


def _documents(source: sources.Source, problems: Problems) -> list[Document]:
    before = len(problems)
    text = textfiles.read_text(source.path, problems, limit=bounds.MANIFEST)
    found = [] if text is None else list(read_documents(source.path, text, problems))
    if source.alone and not found and len(problems) == before:
        problems.error(
            Place(source.path),
            "the file holds no manifest",
            f"A manifest begins with apiVersion: {API_VERSION}.",
        )
    return found


def _body(document: Document, variables: Mapping[str, str], problems: Problems) -> YamlMap | None:
    document.fill(variables, problems)
    body = document.body
    if not isinstance(body, YamlMap):
        problems.error(
            document.place,
            f"a manifest is a mapping, not {describe(body)}",
            f"It begins with apiVersion: {API_VERSION}.",
        )
        return None
    return body


def _is_manifest(body: YamlMap, place: Place, kinds: Mapping[str, Kind], problems: Problems) -> bool:
    """Whether a document is one of ours, so that looking at the rest of it makes sense."""
    version, kind = body.get("apiVersion"), body.get("kind")
    known = [*(name for name in FORMS if name in kinds), STACK]
    if "format_version" in body:
        problems.error(place, "this is a saved plan, not a manifest", "Give it to: reconciler apply FILE")
        return False
    if "apiVersion" not in body and kind not in known:
        near = find_nearest("apiVersion", [key for key in body if key != "kind"])
        advice = f" (there is {near})." if near else ", or move it elsewhere."
        if not _REQUEST_KEYS.isdisjoint(body):
            advice = ", kind and metadata, and put this under spec."
        problems.error(
            place, "not a manifest: it has no apiVersion", f"Add apiVersion: {API_VERSION}{advice}"
        )
        return False
    near = find_nearest("apiVersion", list(body)) if "apiVersion" not in body else None
    if near is not None:
        problems.error(_at(body, near, place, of_key=True), f"{near} is not a key", "Write apiVersion.")
        return False
    if version not in {API_VERSION, None}:
        problems.error(
            _at(body, "apiVersion", place),
            f"apiVersion is {describe(version)}, which this program does not read",
            f"Write apiVersion: {API_VERSION}, or move the file elsewhere if it is not a manifest.",
        )
        return False
    if kind in known:
        return True
    where = _at(body, "kind", place)
    if "kind" not in body:
        problems.error(place, "kind is missing", f"Add kind: {' or '.join(known)}.")
    elif kind is not None:
        near = find_nearest(kind, known) if isinstance(kind, str) else None
        advice = f"Did you mean {near}?" if near else f"Known here: {', '.join(known)}."
        problems.error(where, f"kind is {describe(kind)}, which is not known", advice)
    return False


_REQUEST_KEYS = frozenset({"base_model", "baseModel", "tuning_task", "tuningTask"})
"""What tells that somebody pasted the body of Google's tutorial, and only that."""


def _at(body: YamlMap, key: str, place: Place, *, of_key: bool = False) -> Place:
    mark = locate(body, [key], of_key=of_key)
    return Place(place.file, *mark) if mark else place


def _keep_texts(body: YamlMap) -> None:
    """Variables are texts, as written: a version 1.10 is not 1.1."""
    variables = value_at(body, ["spec", "variables"])
    if isinstance(variables, YamlMap):
        variables.update({name: variables.text_of(name) for name in variables.texts or {}})


def _places(stack: YamlMap) -> dict[str, tuple[int, int]]:
    spec = stack.get("spec")
    keys = spec if isinstance(spec, YamlMap) else ()
    found = {f"spec.{key}": locate(stack, ["spec", key]) for key in keys}
    return {path: mark for path, mark in found.items() if mark}


def _stack(
    documents: Sequence[Document],
    kinds: Mapping[str, Kind],
    variables: Mapping[str, str],
    problems: Problems,
) -> Stack:
    stack = Stack()
    for number, document in enumerate(documents):
        body = _body(document, variables, problems)
        if body is None or not _is_manifest(body, document.place, kinds, problems):
            continue
        if number:
            problems.error(
                document.place, f"a second Stack; the first is at {documents[0].place}", "Keep one of them."
            )
        fields = [field for kind in kinds.values() for field in kind.fields.values()]
        _keep_texts(body)
        spelled = check_lifecycle_fields(body, "spec.lifecycle", fields, document.file, problems)
        try:
            declared = StackManifest.model_validate(body)
        except ValidationError as error:
            explain(error, StackManifest, body, document.place, problems, address=None)
            continue
        if not number:
            stack = declared.to_model(document.file, document.place.line or 0, spelled=spelled)
            stack = replace(stack, places=_places(body))
    return stack
