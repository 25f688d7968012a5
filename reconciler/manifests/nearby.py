"""The Stack of a manifest that is given alone.

A file as PATH only selects, but its model's id depends on the Stack's name and its text on the
Stack's variables: without them the same manifest would be another model, and would be trained again.
So the Stack is looked for beside the file, then in the folders above it within the work tree.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from reconciler.manifests import sources
from reconciler.manifests.documents import Document, read_documents
from reconciler.manifests.kinds import STACK
from reconciler.manifests.problems import Problems

_STACK = re.compile(r"^[{\s]*[\"']?kind[\"']?\s*:\s*[\"']?Stack\b", re.MULTILINE)


def stack_near(files: Sequence[str], problems: Problems) -> list[Document]:
    """The Stack documents nearest to any of these files; none is fine."""
    for folder in dict.fromkeys(folder for file in files for folder in _upward(str(Path(file).parent))):
        found = [one for path in _manifests(folder) for one in _stacks(path, problems)]
        if found:
            return found
    return []


def _upward(folder: str) -> Iterator[str]:
    """The folder and those above it, as far as one work tree (without one: the working directory) goes."""
    real = Path(folder).resolve()
    top = Path(sources.work_tree(folder) or ".").resolve()
    for above in (real, *real.parents) if real.is_relative_to(top) else (real,):
        yield folder if above == real else os.path.relpath(above)
        if above == top:
            return


def _manifests(folder: str) -> Iterator[str]:
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix.lower() in {".yaml", ".yml"} and not entry.name.startswith("."):
            yield str(entry)


def _stacks(path: str, problems: Problems) -> Iterator[Document]:
    # other programs' files may lie there: only one that says it is ours is looked at closely
    unread = Problems()
    text = sources.read_text(path, unread, limit=sources.MANIFEST_LIMIT)
    if text is not None and "reconciler/v1" in text and _STACK.search(text):
        yield from (one for one in read_documents(path, text, problems) if one.kind == STACK)
