"""An emulator and a project folder for each test."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.cli.harness import Project, Service


@pytest.fixture
def service() -> Iterator[Service]:
    """Return an emulator; a training takes no time."""
    from reconciler.emulator import Settings
    from reconciler.emulator.server import running

    with running(settings=Settings(training_seconds=0)) as emulator:
        yield Service(emulator.url)


@pytest.fixture
def project(tmp_path: pathlib.Path, service: Service) -> Project:
    """Return an empty project that uses the emulator."""
    root = tmp_path / "project"
    (root / "manifests").mkdir(parents=True)
    return Project(root, service)
