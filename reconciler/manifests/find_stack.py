"""Finds the Stack for a manifest that is given alone, and for commands that need only settings.

If PATH is a file, it only selects a model. But the Stack's name is part of the model's id, and the Stack's
variables are part of the manifest's text. Without the Stack, the same manifest would mean another model and
would be trained again. So the Stack is looked for beside the file, then in the folders above it, up to the
root of the work tree.

Rule: a fault outside the Stack is reported only if no Stack was found and the fault may be the reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reconciler import bounds, textfiles
from reconciler.manifests.documents import Document, read_manifests
from reconciler.manifests.kinds import STACK
from reconciler.problems import Problems

_SAYS_STACK = r"(?m)^[{\s]*[\"']?kind[\"']?\s*:\s*[\"']?Stack\b"


def find_stack_near(files: Sequence[str], problems: Problems) -> list[Document]:
    """Find the Stack documents nearest to any of these files. There may be none."""
    for folder in dict.fromkeys(folder for file in files for folder in _walk_up(str(Path(file).parent))):
        # other programs' files may lie there, so only files that say they are ours are read closely
        near = _read_texts(_list_manifests(folder), Problems())
        texts = [
            (path, text) for path, text in near if "reconciler/v1" in text and re.search(_SAYS_STACK, text)
        ]
        found = _read_stacks(texts, problems, Problems())
        if found:
            return found
    return []


def find_stacks_in(files: Sequence[str], problems: Problems) -> list[Document]:
    """Find the Stack documents in these files. Faults of other documents do not matter."""
    doubts = Problems()
    texts = ((path, text) for path, text in _read_texts(files, doubts) if STACK in text)
    return _read_stacks(texts, problems, doubts)


def _read_texts(paths: Iterable[str], problems: Problems) -> Iterator[tuple[str, str]]:
    for path in paths:
        text = textfiles.read_text(path, problems, limit=bounds.MANIFEST)
        if text is not None:
            yield path, text


def _read_stacks(texts: Iterable[tuple[str, str]], problems: Problems, doubts: Problems) -> list[Document]:
    """Read the Stack documents and note their faults. If there is none, note `doubts`, which may be why."""
    found: list[Document] = []
    for path, text in texts:
        noted, before, number = Problems(), 0, len(found)
        for document in read_manifests(path, text, noted):
            if document.kind == STACK:
                document.problems = problems
                found.append(document)
                problems.take(noted, before)
            before = len(noted)
        if len(found) == number:
            doubts.take(noted)
    if not found:
        problems.take(doubts)
    return found


def _walk_up(folder: str) -> Iterator[str]:
    """Yield the folder and those above it, up to the root of the work tree, else to the working directory."""
    real = Path(folder).resolve()
    top = Path(textfiles.find_work_tree(folder) or ".").resolve()
    for above in (real, *real.parents) if real.is_relative_to(top) else (real,):
        yield folder if above == real else os.path.relpath(above)
        if above == top:
            return


def _list_manifests(folder: str) -> Iterator[str]:
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.suffix.lower() in {".yaml", ".yml"} and not entry.name.startswith("."):
            yield str(entry)
