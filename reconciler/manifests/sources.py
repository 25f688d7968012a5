"""Finds the manifest files at the given paths.

Rule: a pull request may add links, so a link in a folder is refused if it leads out of the work tree.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from msgspec import Struct

from reconciler.errors import Diagnostic, ManifestError, UsageError
from reconciler.textfiles import explain_os_error, find_work_tree

_MANIFESTS = (".yaml", ".yml")


class Source(Struct, frozen=True):
    """A manifest file to read.

    Attributes:
        path: its path from the working directory.
        is_alone: whether the file itself was given as a path, so that it must contain a manifest.
    """

    path: str
    is_alone: bool


def discover(paths: Sequence[str]) -> tuple[list[Source], bool]:
    """Find each manifest file at the paths once. Also returns whether every path was a folder.

    Raises:
        UsageError: a path does not exist, or cannot be read.
        ManifestError: a link in a folder leads out of the work tree.
    """
    found: dict[str, Source] = {}
    whole = True
    for path in paths:
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 -- Path("") would be the working directory
        except (OSError, ValueError) as error:
            raise _refuse_path(path, error) from error
        if stat.S_ISDIR(mode):
            roots = {os.path.realpath(path), find_work_tree(path) or os.path.realpath(".")}
            for file in _walk(path):
                real = os.path.realpath(file)
                if not any(os.path.commonpath([root, real]) == root for root in roots):
                    # otherwise messages would show text of the file that the link leads to
                    summary = "the link leads out of the folder that was given, and of its git work tree"
                    advice = "Move the manifest there, or give its own path."
                    raise ManifestError([Diagnostic(summary, advice, file)])
                found.setdefault(real, Source(file, is_alone=False))
        else:
            whole = False
            found.setdefault(os.path.realpath(path), Source(path, is_alone=True))
    return list(found.values()), whole


def _refuse_path(path: str, error: OSError | ValueError) -> UsageError:
    if isinstance(error, FileNotFoundError):
        return UsageError(
            f"{path}: there is no such file or folder",
            "Give the folder that holds the manifests, or run: reconciler init (it writes a first one).",
        )
    return UsageError(
        f"{path}: cannot be read: {explain_os_error(error)}", "Give a folder or a file of manifests."
    )


def _walk(folder: str) -> Iterator[str]:
    """Yield every *.yaml and *.yml below the folder, sorted. Skip hidden files, and visit no folder twice."""
    seen: set[str] = set()
    pending = [folder]
    while pending:
        current = pending.pop()
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(
                f"{current}: cannot be read: {explain_os_error(error)}",
                "Make it readable: a folder that is left out would look like models to delete.",
            ) from error
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append(entry.path)
            elif entry.name.lower().endswith(_MANIFESTS):
                yield entry.path
        pending.extend(reversed(folders))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a circle of links: reading it reports the error, if it is named like a manifest
