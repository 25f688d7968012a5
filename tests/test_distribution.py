"""The published package has the intended files and dependencies."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tarfile
import zipfile
from email.parser import BytesParser

import pytest

ROOT = pathlib.Path(__file__).parents[1]
MEANT = {"reconciler", "manifests", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml"}
ADDED = {"PKG-INFO", ".gitignore"}  # hatchling adds them, for builds from the source distribution


def built(target: str, folder: pathlib.Path) -> pathlib.Path:
    """Build a distribution of the work tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in the source distribution, without its own folder."""
    with tarfile.open(built("sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        return [
            requirement.name.partition("/")[2] for requirement in archive.getmembers() if requirement.isfile()
        ]


def test_the_source_distribution_holds_what_is_meant(sdist: list[str]) -> None:
    """It has the package, the demo's manifests and three texts, and no tests."""
    assert {name.split("/")[0] for name in sdist} == MEANT | ADDED
    assert not [name for name in sdist if "tests" in name.split("/") or ".venv" in name]
    assert not [
        name for name in sdist if name.split("/")[0] not in ("reconciler", "manifests") and "/" in name
    ]


def test_no_module_is_left_out_of_it(sdist: list[str]) -> None:
    """Every module of the package is in the source distribution, and so are all manifests of the demo."""
    listed = subprocess.run(
        ["git", "ls-files", "reconciler", "manifests"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    known = [name for name in listed.stdout.split() if (ROOT / name).exists()]
    assert known
    assert set(known) <= set(sdist)


def test_the_wheel_asks_for_what_the_emulator_needs(tmp_path: pathlib.Path) -> None:
    """`--emulator` and `report` work after a plain installation, without an extra or a missing file."""
    with zipfile.ZipFile(built("wheel", tmp_path)) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        needed = BytesParser().parsebytes(archive.read(metadata)).get_all("Requires-Dist") or []
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert {
            "reconciler/render/html/style.css",
            "reconciler/providers/gemini/base_models.json",
            "reconciler/providers/vertex/base_models.json",
        } <= set(archive.namelist())
    plain = [requirement for requirement in needed if "extra ==" not in requirement]
    for library in ("starlette", "uvicorn"):
        assert any(requirement.startswith(library) for requirement in plain), needed
    assert {top for top in tops if not top.endswith(".dist-info")} == {"reconciler"}
