"""Each test gets its own emulator and project folder. Simulations of one module share an emulator."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import pytest

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from tests.cli.harness import Project, Service
from tests.lifecycle.emulated_simulation import Emulator


@pytest.fixture
def service() -> Iterator[Service]:
    """Return an emulator; a training takes no time."""
    with run_emulator(settings=Settings(training_seconds=0)) as emulator:
        yield Service(emulator.url)


@pytest.fixture
def project(tmp_path: pathlib.Path, service: Service) -> Project:
    """Return an empty project that uses the emulator."""
    root = tmp_path / "project"
    (root / "manifests").mkdir(parents=True)
    return Project(root, service)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Return an emulator that is reset by each simulation that uses it."""
    with run_emulator() as served, contextlib.closing(Emulator(served.url)) as made:
        yield made
