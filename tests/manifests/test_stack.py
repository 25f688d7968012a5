"""Reading the Stack alone, for commands that work on records."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import Diagnostic, ManifestError
from reconciler.manifests import Loaded
from reconciler.manifests.loading import load_settings
from tests.manifests.conftest import KINDS

STACK = """\
apiVersion: reconciler/v1
kind: Stack
metadata: {name: search-x1y2}
spec: {state: elsewhere}
"""
WRONG_MODEL = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: Not A Name}
spec: {base_modle: x, base_modle: y}
"""


def _settings(*paths: str) -> Loaded:
    return load_settings(paths or ["manifests"], kinds=KINDS, variables={})


def _refused(*paths: str) -> list[Diagnostic]:
    with pytest.raises(ManifestError) as caught:
        _settings(*paths)
    return list(caught.value.diagnostics)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    "other",
    [
        WRONG_MODEL,
        "a: [b\nc: d\n",
        "# a Stack is elsewhere\na: [b\nc: d\n",
        "kind: TunedModl\n",
        "- Stack\n",
        "kind: Stac\n",
    ],
    ids=["model", "syntax", "syntax and the word", "kind", "list", "typo"],
)
@pytest.mark.parametrize("name", ["a.yaml", "z.yaml"])
def test_what_is_wrong_elsewhere_stops_nothing(workspace: Path, other: str, name: str) -> None:
    """The Stack is read although other files are broken."""
    _write(workspace / "manifests" / "stack.yaml", STACK)
    _write(workspace / "manifests" / name, other)
    loaded = _settings()
    assert (loaded.stack.name, loaded.stack.state) == ("search-x1y2", "elsewhere")
    assert set(loaded.files) == {"manifests/stack.yaml", f"manifests/{name}"}
    assert loaded.desired == ()


@pytest.mark.parametrize("text", [f"{STACK}---\n{WRONG_MODEL}", f"{WRONG_MODEL}---\n{STACK}---\na: [\n"])
def test_what_is_wrong_in_the_stacks_own_file_stops_nothing(workspace: Path, text: str) -> None:
    """Only the Stack's document counts, even if its file has broken documents after it."""
    _write(workspace / "manifests" / "all.yaml", text)
    assert _settings().stack.name == "search-x1y2"
    assert _settings("manifests/all.yaml").stack.name == "search-x1y2"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{STACK}---\n{STACK}", 6),
        (STACK.replace("state:", "stat:"), 4),
        (STACK.replace("{state: elsewhere}", "{state: a, state: b}"), 4),
        (STACK.replace("elsewhere", "'${var.nowhere}'"), 4),
    ],
    ids=["two", "typo", "twice", "variable"],
)
def test_what_is_wrong_in_the_stack_is_told(workspace: Path, text: str, where: int) -> None:
    """Each problem of the Stack is an error. Commands might use the wrong state otherwise."""
    _write(workspace / "manifests" / "a.yaml", f"{WRONG_MODEL}---\n{text}")
    told = _refused()
    assert [(problem.file, problem.line) for problem in told] == [("manifests/a.yaml", 5 + where)]


@pytest.mark.parametrize(
    "broken", [f"{STACK}spec: [\n".encode(), STACK.encode("utf-16")], ids=["syntax", "encoding"]
)
def test_a_file_that_may_hold_the_stack_is_told(workspace: Path, broken: bytes) -> None:
    """If a broken file may hold the Stack, it is an error, because the default state may be wrong."""
    (workspace / "manifests" / "stack.yaml").write_bytes(broken)
    assert {problem.file for problem in _refused()} == {"manifests/stack.yaml"}


def test_without_a_stack(workspace: Path) -> None:
    """Without a Stack the defaults apply. A broken file without the word Stack cannot hold one."""
    _write(workspace / "manifests" / "a.yaml", "a: [b\nc: d\n")
    assert _settings().stack.name == ""
    assert _settings().files == ("manifests/a.yaml",)


def test_the_stack_near_a_file(workspace: Path) -> None:
    """A file as PATH uses the Stack beside it, even if both files have broken models."""
    _write(workspace / "manifests" / "stack.yaml", f"{STACK}---\n{WRONG_MODEL}")
    _write(workspace / "manifests" / "a.yaml", WRONG_MODEL)
    loaded = _settings("manifests/a.yaml")
    assert (loaded.stack.name, loaded.whole) == ("search-x1y2", False)
    assert loaded.files == ("manifests/a.yaml", "manifests/stack.yaml")
