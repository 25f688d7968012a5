"""What is released has one version, and what builds it cannot change under us."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import shutil
from types import ModuleType

import pytest

from reconciler import __version__

ROOT = pathlib.Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def check() -> ModuleType:
    """The script that `make release-check` runs."""
    spec = importlib.util.spec_from_file_location("release_check", ROOT / ".ci" / "release_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of what names the version, with a changelog that is ready for a release."""
    (tmp_path / "reconciler").mkdir()
    shutil.copy(ROOT / "reconciler" / "__init__.py", tmp_path / "reconciler" / "__init__.py")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n## {__version__} - 2026-12-01\n", encoding="utf-8")
    return tmp_path


def test_a_release_needs_one_version_everywhere(check: ModuleType, tree: pathlib.Path) -> None:
    """Tag, package and changelog that name the same version can be released."""
    assert check.find_problems(f"v{__version__}", tree) == []


def test_a_release_is_refused_for_another_tag(check: ModuleType, tree: pathlib.Path) -> None:
    """If the tag has another version than the package, the error names both versions."""
    problems = check.find_problems("v99.0.0", tree)
    assert problems == [f"The tag is v99.0.0, and reconciler/__init__.py says {__version__}."]


def test_a_release_is_refused_without_its_changes(check: ModuleType, tree: pathlib.Path) -> None:
    """A version whose changes stand under Unreleased is not released."""
    (tree / "CHANGELOG.md").write_text("# Changes\n\n## Unreleased\n", encoding="utf-8")
    problems = check.find_problems(f"v{__version__}", tree)
    assert problems == [f"CHANGELOG.md has no section '## {__version__} - YYYY-MM-DD'."]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_hash(workflow: pathlib.Path) -> None:
    """Every action is named by a commit, with its version beside it.

    The exception is PyPA's documented branch.
    """
    for use in re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8")):
        pinned = re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)
        assert pinned or use == "pypa/gh-action-pypi-publish@release/v1", use
