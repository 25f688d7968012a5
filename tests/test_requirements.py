"""The pinned requirements are what pyproject.toml asks for, and name nobody's index."""

from __future__ import annotations

import pathlib
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[1]
FILES = {
    path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / ".ci").glob("requirements*.txt"))
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
WANTED = {
    "requirements.txt": [
        *PROJECT["project"]["dependencies"],
        *(requirement for extra in EXTRAS.values() for requirement in extra),
    ],
    "requirements-run.txt": [*PROJECT["project"]["dependencies"]],
    "requirements-newest-genai.txt": ["google-genai"],
}
BUILD = PROJECT["build-system"]["requires"]


def pins(name: str) -> dict[str, str]:
    """The version of each package."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", FILES[name], re.MULTILINE)
    return {canonicalize_name(package): version for package, version in found}


@pytest.mark.parametrize("name", WANTED)
def test_what_is_asked_for_is_pinned(name: str) -> None:
    """Each dependency of pyproject.toml has a pin that it allows; after a change: make requirements."""
    pinned = pins(name)
    wanted = WANTED[name] if name.endswith("genai.txt") else [*WANTED[name], *BUILD]
    for requirement in map(Requirement, wanted):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_the_demo_runs_on_what_is_tested() -> None:
    """What `make demo` installs has the same versions in `make test`."""
    assert pins("requirements-run.txt").items() <= pins("requirements.txt").items()


@pytest.mark.parametrize("name", WANTED)
def test_a_pin_has_hashes_and_no_origin(name: str) -> None:
    """Every pin has a hash; no line names a host, a folder or an option of pip."""
    lines = [line.split("#")[0].strip() for line in FILES[name].splitlines()]
    for line in filter(None, lines):
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+==[^ /]+( ; [^/]+)? \\|--hash=sha256:[0-9a-f]{64}( \\)?", line
        ), line
    assert "://" not in FILES[name]
    entries = re.split(r"^(?=[A-Za-z0-9])", FILES[name], flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=" in entry for entry in entries)
