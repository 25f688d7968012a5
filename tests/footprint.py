"""Checks that tests leave nothing in the home folder, and no new file in this repository."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

import pytest

CACHES = frozenset(
    {
        ".git",
        ".hypothesis",
        ".import_linter_cache",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        "__pycache__",
    }
)
"""Caches that tools keep. They may come and go."""
IN_HOME = frozenset({".IdentityService"})
"""azure-identity makes this folder as soon as somebody looks for a credential."""


class Footprint:
    """A plugin that gives the tests a home of their own, and fails the session if they leave files."""

    def __init__(self, repository: pathlib.Path) -> None:
        self._repository = repository
        self._before = self._files()
        self._home = pathlib.Path(tempfile.mkdtemp(prefix="home-"))
        os.environ["HOME"] = str(self._home)
        self._left: list[str] = []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for new files."""
        self._left = [f"~/{path.name}" for path in self._home.iterdir() if path.name not in IN_HOME]
        self._left += sorted(self._files() - self._before)
        shutil.rmtree(self._home)
        if self._left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the new files."""
        for path in self._left:
            terminalreporter.write_line(f"New while the tests ran, and left there: {path}", red=True)

    def _files(self) -> set[str]:
        found = set[str]()
        for folder, folders, files in os.walk(self._repository):
            folders[:] = [name for name in folders if name not in CACHES]
            paths = (pathlib.Path(folder, name) for name in files if name not in CACHES)
            found.update(str(path.relative_to(self._repository)) for path in paths)
        return found
