"""Paths of manifests as records keep them: relative to the git root, else to the working directory.

Rule: a file has the same path on every machine that has the repository, and from every working directory.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from reconciler import bounds, files
from reconciler.model.names import Address
from reconciler.textfiles import find_work_tree


class Trees:
    """The paths of one run.

    Args:
        paths: folders and files, as given.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._found: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._roots = [(os.path.abspath(path), path) for path in paths if Path(path).is_dir()]  # noqa: PTH100
        self.folders = tuple(self._find_place(path) for _, path in self._roots)

    def find_path(self, file: str) -> str:
        """Find the path of a manifest file. The target of a link counts as a file in the link's folder."""
        if file in self._found:  # many models stand in one file
            return self._found[file]
        parent, name = os.path.split(file)
        if parent not in self._parents:
            self._parents[parent] = self._find_parent(os.path.abspath(parent))  # noqa: PTH100 -- links are not followed
        found = self._parents[parent]
        self._found[file] = name if found == "." else f"{found}/{name}"
        return self._found[file]

    def _find_parent(self, folder: str) -> str:
        """Find the path of a folder that contains manifests."""
        for root, path in self._roots:
            if f"{folder}{os.sep}".startswith(root.rstrip(os.sep) + os.sep):
                return PurePath(self._find_place(path), os.path.relpath(folder, root)).as_posix()
        return self._find_place(folder)

    def _find_place(self, folder: str) -> str:
        """Find the path of a folder; "." for the root itself."""
        if folder not in self._places:
            real = os.path.realpath(folder)
            root = find_work_tree(folder) or os.path.realpath(".")
            self._places[folder] = PurePath(os.path.relpath(real, root)).as_posix()
        return self._places[folder]


def find_named_elsewhere(
    records: Iterable[tuple[str, Address]], read: Sequence[str], paths: Sequence[str]
) -> frozenset[Address]:
    """Find the recorded addresses that are still named in a manifest that this run did not read.

    Args:
        records: the recorded path of each one's manifest, and the address.
        read: the files of this run.
        paths: folders and files, as given.
    """
    trees = Trees(paths)
    known = {trees.find_path(file) for file in read}
    start = paths[0] if paths else "."
    root = find_work_tree(start if Path(start).is_dir() else os.path.dirname(start) or ".") or "."  # noqa: PTH120
    texts: dict[str, str] = {}
    found = set()
    for path, address in records:
        if not path or path in known:
            continue
        if path not in texts:
            texts[path] = _read_text(os.path.join(root, path))  # noqa: PTH118
        if re.search(rf"(?<![a-z0-9-]){re.escape(address.name)}(?![a-z0-9-])", texts[path]):
            found.add(address)
    return frozenset(found)


def _read_text(path: str) -> str:
    """Read a file; "" if it cannot be read."""
    try:
        return files.read(path, most=bounds.MANIFEST).decode("utf-8", "replace")
    except OSError:
        return ""
