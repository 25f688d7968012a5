"""Gives each test its own emulator and project folder. They start in milliseconds, and share nothing."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from tests.cli.harness import Project, Service


@pytest.fixture
def service() -> Iterator[Service]:
    """Return an emulator; a training takes a third of a second."""
    with run_emulator(settings=Settings(training_seconds=0.3)) as emulator:
        yield Service(emulator.url)


@pytest.fixture
def project(tmp_path: pathlib.Path, service: Service) -> Project:
    """Return an empty project that uses the emulator."""
    root = tmp_path / "project"
    (root / "manifests").mkdir(parents=True)
    return Project(root, service)
