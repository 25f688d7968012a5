"""Tells what documents declare before their models are read, so that services can be asked meanwhile.

Rule: a sketch names no place. What is asked for a sketch goes only where the Stack and the environment say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from reconciler.kind import FieldRole, Kind
from reconciler.manifests.documents import Document
from reconciler.manifests.places import BESIDE
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.names import Address

_LINES = ".jsonl"
_UNMEASURED = (DataSet("", 0, 0),)


def _count_helpers(size: int) -> int:
    from reconciler.datasets.stripes import count_helpers  # late, because most manifests name no data file

    return count_helpers(size)


def sketch_models(
    documents: Sequence[Document],
    kinds: Mapping[str, Kind],
    count_helpers: Callable[[int], int] = _count_helpers,
) -> tuple[Desired, ...] | None:
    """Return the models that documents declare, with nothing but their addresses, and data of no content.

    Of a kind whose models are all in one place, one model stands for all.

    None if nobody may ask a service yet: a manifest names a place of its own, or other processes will help to
    measure a data file. These are forked, which is not safe while a thread asks.

    Args:
        documents: of all manifests. Variables have been put in.
        kinds: the kinds of model.
        count_helpers: counts the processes that will help with a file of so many bytes.
    """
    places = {name: _list_places(kind) for name, kind in kinds.items()}
    found = dict[Address, Desired]()
    done = set[str]()
    for document in documents:
        name = document.kind
        if name in done or name not in kinds:
            continue
        if any(document.at(path).is_there for path in places[name]):
            return None
        address = Address(name, document.at("metadata.name").text)
        found[address] = Desired(address, {}, _UNMEASURED if kinds[name].trains else ())
        if not places[name]:
            done.add(name)
    return None if _is_helped(documents, count_helpers) else tuple(found.values())


def _list_places(kind: Kind) -> Collection[str]:
    """List the paths in a manifest that say where a model lives."""
    paths = (path for path, field in kind.fields.items() if field.role is FieldRole.PLACE)
    return [path if path.startswith(BESIDE) else f"spec.{path}" for path in paths]


def _is_helped(documents: Sequence[Document], count_helpers: Callable[[int], int]) -> bool:
    """Return whether other processes help to measure a file that one of these documents names."""
    texts = {document.file: document.text.content for document in documents}
    files = {file for file, text in texts.items() if _LINES in text}
    if not files:
        return False
    names = {
        os.path.join(os.path.dirname(document.file), text)  # noqa: PTH118, PTH120 - ten times as quick
        for document in documents
        if document.file in files
        for text in _list_texts(document.body)
        if text.endswith(_LINES)
    }
    return any(count_helpers(_find_size(path)) for path in names)


def _list_texts(value: object) -> Iterator[str]:
    """Yield every text in a value."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _find_size(path: str) -> int:
    """Return the bytes of a file. 0 if there is none: whoever reads it says so."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except (OSError, ValueError):
        return 0
