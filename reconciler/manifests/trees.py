"""Where manifests lie, as records keep it: relative to the git root, else to the working directory.

Rule: the same file has the same path on every machine that has the repository, whatever it is called from.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from pathlib import Path, PurePath

from reconciler.manifests.sources import work_tree


class Trees:
    """The paths of one run.

    Args:
        paths: folders and files, as given.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._places: dict[str, str] = {}
        self._roots = [(os.path.abspath(path), path) for path in paths if Path(path).is_dir()]  # noqa: PTH100
        self.folders = tuple(self._place(path) for _, path in self._roots)

    def path_of(self, file: str) -> str:
        """The path of a manifest file; what a link inside of a folder leads to counts as lying there."""
        whole = os.path.abspath(file)  # noqa: PTH100 -- links are not followed
        for root, path in self._roots:
            if whole.startswith(root.rstrip(os.sep) + os.sep):
                return _joined(self._place(path), os.path.relpath(whole, root))
        folder, name = os.path.split(whole)
        return _joined(self._place(folder), name)

    def _place(self, folder: str) -> str:
        """Of a folder; "." for the root itself."""
        if folder not in self._places:
            real = os.path.realpath(folder)
            root = work_tree(folder) or os.path.realpath(".")
            self._places[folder] = PurePath(os.path.relpath(real, root)).as_posix()
        return self._places[folder]


def _joined(folder: str, rest: str) -> str:
    """With "/" between the parts."""
    path = PurePath(rest) if folder == "." else PurePath(folder, rest)
    return path.as_posix()
