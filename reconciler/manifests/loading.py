"""Loads desired models: reads all files, then the Stack, then each document, then checks references.

Rule: one pass finds every problem of every document. A document with a problem yields no model. If there is
any problem, nothing is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reconciler import bounds, textfiles
from reconciler.datasets.open_cache import OpenCache
from reconciler.errors import Diagnostic, ManifestError
from reconciler.kind import Kind
from reconciler.manifests import sources
from reconciler.manifests.documents import Document, read_documents, read_manifests
from reconciler.manifests.find_stack import find_stack_near, find_stacks_in
from reconciler.manifests.kinds import API_VERSION, KINDS, REMOVED, STACK
from reconciler.manifests.loaded import Loaded, Names
from reconciler.manifests.model_reader import ModelReader
from reconciler.manifests.plain_stack import read_plain_stack
from reconciler.manifests.references import Declaration, check_references
from reconciler.manifests.sketch import sketch_models
from reconciler.manifests.trees import Trees
from reconciler.model.desired import Desired, Removal
from reconciler.model.names import Address
from reconciler.model.stack import Stack
from reconciler.problems import Place, Problems, describe, find_nearest


def load_settings(
    paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str], selecting: bool = False
) -> Loaded:
    """Read the Stack alone, for commands that work on recorded models.

    Other documents may be wrong. So a half-written manifest does not stop a program that asks for the name of
    its model.

    Args:
        paths: folders and files, as for `load`. They may have no manifest.
        kinds: the kinds of model with their field tables.
        variables: those of the command line.
        selecting: folders only select, like files, so the Stack may be in a folder above.

    Raises:
        ManifestError: the Stack is wrong, or was not found while a file that may contain it is broken.
        UsageError: a path does not exist or cannot be searched.
    """
    problems = Problems()
    found, whole = sources.discover(paths)
    files = [source.path for source in found]
    documents = find_stacks_in(files, problems)
    if not documents and (selecting or not whole):
        alone = [source.path for source in found if source.is_alone or selecting]
        documents = find_stack_near(alone, problems)
    stack = _read_stack(documents, kinds, variables)
    problems.raise_if_any()
    files += [document.file for document in documents]
    return Loaded(desired=(), stack=stack, whole=whole, files=tuple(dict.fromkeys(files)))


def load_names(paths: Sequence[str], *, kinds: Mapping[str, Kind], variables: Mapping[str, str]) -> Names:
    """Read the declared addresses with their labels, to select recorded models.

    Manifests may be wrong, as long as the files are YAML.

    Args:
        paths: folders and files, as for `load`.
        kinds: the kinds of model with their field tables.
        variables: those of the command line and of the Stack.

    Raises:
        ManifestError: a file cannot be read, so its models are unknown, or there is no manifest.
        UsageError: a path does not exist or cannot be searched.
    """
    problems = Problems()
    found, _ = sources.discover(paths)
    documents = [document for source in found for document in _read_source(source, problems)]
    if not documents:
        advice = "Give a folder or a file of manifests, or KIND/NAME."
        problems.error(Place(", ".join(paths)), "no manifest found", advice)
    problems.raise_if_any()
    names: dict[Address, dict[str, str]] = {}
    for document in documents:
        document.fill(variables)  # `validate` reports references that cannot be followed
        name, labels = document.at("metadata.name").value, document.at("metadata.labels").value
        if isinstance(name, str) and document.kind in kinds:
            items = labels.items() if isinstance(labels, dict) else ()
            names[Address(document.kind, name)] = {str(key): str(value) for key, value in items}
    return names


def load(
    paths: Sequence[str],
    *,
    kinds: Mapping[str, Kind],
    variables: Mapping[str, str],
    allow_empty: bool = False,
    reads_training: bool = True,
    cache: OpenCache | None = None,
    tell: Callable[[Loaded], None] | None = None,
) -> Loaded:
    """Read manifests, and measure their training data.

    If a path is a file, it only selects: its Stack is searched for in its folder and in those above.

    Args:
        paths: folders (searched for *.yaml and *.yml) and files.
        kinds: the kinds of model with their field tables.
        variables: those of the command line. They win over the Stack's.
        allow_empty: whether there may be no manifest at all (`destroy`).
        reads_training: False leaves the files of training data unread, for who reads only some of them.
        cache: what earlier runs have measured. What this one measures is added, even if there are problems.
        tell: called before models are built and their data is read, with the Stack and a sketch of the models
            (see `sketch`). Is not called if a problem is known by then.

    Raises:
        ManifestError: carries every problem of every file, sorted by file and line.
        UsageError: a path does not exist or cannot be searched.
    """
    problems = Problems()
    found, whole = sources.discover(paths)
    documents = [document for source in found for document in _read_source(source, problems)]
    files = [source.path for source in found]
    if not documents and not problems and not allow_empty:
        advice = "Manifests end in .yaml or .yml; reconciler init writes a first one."
        problems.error(Place(", ".join(paths) or "."), "no manifest found", advice)
        problems.raise_if_any()
    stacks = [document for document in documents if document.kind == STACK]
    if not whole and not stacks:
        stacks = find_stack_near([source.path for source in found if source.is_alone], problems)
        documents.extend(stacks)
        files.extend({document.file: None for document in stacks})
    stack = _read_stack(stacks, kinds, variables)
    values = {**stack.variables, **variables}
    for document in documents:
        if document.references and document.kind != STACK:
            document.fill(values)
    if tell is not None and not problems and (models := sketch_models(documents, kinds)) is not None:
        tell(Loaded(models, stack, whole, tuple(files)))
    trees = Trees(paths)
    reader = ModelReader(kinds, stack, problems, trees, reads_training=reads_training, cache=cache)
    desired: list[Desired] = []
    removing: list[Document] = []
    for document in documents:
        name = document.kind
        if name == STACK or not (_is_model(document, kinds) or _is_manifest(document, kinds)):
            continue
        if name == REMOVED:
            removing.append(document)
        elif (model := reader.read(document)) is not None:
            desired.append(model)
    if cache is not None:
        cache.close(files)
    check_references(reader.declarations, whole=whole)
    removals = _read_removals(removing, kinds, reader.declarations)
    problems.raise_if_any()
    return Loaded(
        desired=tuple(sorted(desired, key=lambda model: model.address)),
        stack=stack,
        whole=whole,
        files=tuple(files),
        folders=trees.folders,
        warnings=problems.list_warnings(),
        removals=removals,
    )


def _read_removals(
    documents: Sequence[Document], kinds: Mapping[str, Kind], declarations: Sequence[Declaration]
) -> tuple[Removal, ...]:
    """Read what is to be taken out of the state, sorted by address. Notes what is wrong with it."""
    if not documents:
        return ()
    from reconciler.manifests.removed import check_removals, read_removals

    removals = read_removals(documents, kinds)
    check_removals(removals, declarations)
    return tuple(removals[address][1] for address in sorted(removals))


def read_manifest(text: str, kind: Kind, stack: Stack) -> tuple[Desired | None, tuple[Diagnostic, ...]]:
    """Read the manifest of one model from a text. Returns None and the errors if it is wrong."""
    problems = Problems()
    reader = ModelReader({kind.name: kind}, stack, problems, Trees(()))
    found = []
    for document in read_documents("", text, problems):
        document.fill(stack.variables)
        found.append(reader.read(document))
    try:
        problems.raise_if_any()
    except ManifestError as error:
        return None, error.diagnostics
    return found[0], ()


def _read_source(source: sources.Source, problems: Problems) -> list[Document]:
    before = len(problems)
    text = textfiles.read_text(source.path, problems, limit=bounds.MANIFEST)
    found = [] if text is None else list(read_manifests(source.path, text, problems))
    if source.is_alone and not found and len(problems) == before:
        problems.error(
            Place(source.path),
            "the file holds no manifest",
            f"A manifest begins with apiVersion: {API_VERSION}.",
        )
    return found


def _is_model(document: Document, kinds: Mapping[str, Kind]) -> bool:
    """Return whether a document is the manifest of a model, as nearly every one is."""
    body, name = document.body, document.kind
    if not isinstance(body, dict) or name not in kinds or name not in KINDS:
        return False
    return body.get("apiVersion") == API_VERSION and "format_version" not in body


def _is_manifest(document: Document, kinds: Mapping[str, Kind]) -> bool:
    """Return whether a document is one of our manifests, so that its other keys can be checked."""
    root, body = document.at([]), document.body
    if not isinstance(body, dict):
        root.error(
            f"a manifest is a mapping, not {describe(body)}", f"It begins with apiVersion: {API_VERSION}."
        )
        return False
    if "format_version" in body:
        root.error("this is a saved plan, not a manifest", "Give it to: reconciler apply FILE")
        return False
    known = [*(name for name in KINDS if name in kinds), STACK, REMOVED]
    version, kind = document.at("apiVersion"), document.at("kind")
    if not version.is_there:
        near = find_nearest("apiVersion", [key for key in body if key != "kind"])
        if kind.text not in known:
            advice = f" (there is {near})." if near else ", or move it elsewhere."
            if not _REQUEST_KEYS.isdisjoint(body):
                advice = ", kind and metadata, and put this under spec."
            root.error("not a manifest: it has no apiVersion", f"Add apiVersion: {API_VERSION}{advice}")
            return False
        if near is not None:
            document.at([near]).error(f"{near} is not a key", "Write apiVersion.", of_key=True)
            return False
    if version.value is not None and version.value != API_VERSION:
        version.error(
            f"apiVersion must be {API_VERSION}, not {describe(version.value)}",
            f"Write apiVersion: {API_VERSION}, or move the file elsewhere if it is not a manifest.",
        )
        return False
    if kind.text in known:
        return True
    if not kind.is_there:
        root.error("kind is missing", f"Add kind: {' or '.join(known)}.")
    elif kind.value is not None:
        near = find_nearest(kind.text, known) if kind.text else None
        advice = f"Did you mean {near}?" if near else f"Known here: {', '.join(known)}."
        kind.error(f"kind is {describe(kind.value)}, which is not a known kind", advice)
    return False


_REQUEST_KEYS = frozenset({"base_model", "baseModel", "tuning_task", "tuningTask"})
"""Keys at the top that show that somebody pasted the body of Google's tutorial, and only that."""


def _read_stack(
    documents: Sequence[Document], kinds: Mapping[str, Kind], variables: Mapping[str, str]
) -> Stack:
    stack = Stack()
    for number, document in enumerate(documents):
        document.fill(variables)
        if not _is_manifest(document, kinds):
            continue
        if number:
            summary = f"a second Stack; the first is at {documents[0].place}"
            document.at([]).error(summary, "Keep one of them.")
        declared = _read_declared(document, kinds)
        if declared is not None and not number:
            stack = declared
    return stack


def _read_declared(document: Document, kinds: Mapping[str, Kind]) -> Stack | None:
    """Read one Stack. None after noting what is wrong with it."""
    fields = [field for kind in kinds.values() for field in kind.fields.values()]
    if document.is_plain and (stack := read_plain_stack(document, fields)) is not None:
        return stack
    from reconciler.manifests.stack import read_stack

    return read_stack(document, fields)
