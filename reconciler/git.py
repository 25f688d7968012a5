"""Reads former versions of a file from its git repository. Changes nothing there, and asks no remote.

Without git, outside of a repository, or for a file that was never committed, there are no versions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

_SECONDS = 10.0
"""The time limit of a call that lists versions."""
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}


def find_commit(path: str) -> str:
    """Find the id of the commit that is checked out where a file or a folder is. "" if there is none."""
    return Versions(os.path.join(path, "-")).find_commit()  # noqa: PTH118 -- the name does not matter


class Versions:
    """The former versions of one file.

    Args:
        path: of the file, which may be gone.
        most: how many commits are looked at, the newest first. Renames are followed.
    """

    def __init__(self, path: str, *, most: int = 20) -> None:
        real = Path(os.path.realpath(path))
        self._program = shutil.which("git") or ""
        self._folder = next((str(folder) for folder in real.parents if folder.is_dir()), "/")
        self._path = str(real)
        self._most = most

    def find(self) -> list[tuple[str, int]]:
        """Find the id and the size of each different content, the newest first."""
        options = ["--follow", "--raw", "--no-abbrev", "--format=", "-n", str(self._most)]
        said = self._run(["log", *options, "--", self._path])
        ids: dict[str, None] = {}
        for line in said.splitlines():
            if line.startswith(":"):
                _, _, before, after, _ = line.split(maxsplit=4)
                ids |= {after: None, before: None}
        wanted = [id for id in ids if id.strip("0")]
        sizes = self._run(["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)"], wanted)
        found = [line.split() for line in sizes.splitlines()]
        return [(words[0], int(words[2])) for words in found if words[1:2] == ["blob"]]

    def find_commit(self) -> str:
        """Find the id of the commit that is checked out. "" if there is none."""
        return self._run(["rev-parse", "--verify", "--quiet", "HEAD"]).strip()

    def _run(self, arguments: Sequence[str], lines: Sequence[str] = ()) -> str:
        """Return what git prints; "" if it fails."""
        try:
            done = subprocess.run(
                self._spell(arguments),
                input="".join(f"{line}\n" for line in lines).encode(),
                capture_output=True,
                env={**os.environ, **_QUIET},
                timeout=_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.decode("utf-8", "replace")

    def _spell(self, arguments: Sequence[str]) -> list[str]:
        return [self._program, "--literal-pathspecs", "-C", self._folder, *arguments]

    @contextmanager
    def open(self, id: str) -> Iterator[BufferedReader[Any]]:
        """Open a version to read it once, forwards.

        Raises:
            OSError: git cannot be started.
        """
        with subprocess.Popen(
            self._spell(["cat-file", "blob", id]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_QUIET},
        ) as process:
            try:
                assert isinstance(process.stdout, BufferedReader)  # noqa: S101 -- of a pipe
                yield process.stdout
            finally:
                process.kill()
