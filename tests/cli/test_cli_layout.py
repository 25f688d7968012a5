"""The command line's own code has short commands and one place that decides exit codes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.cli.harness import ROOT

CLI = ROOT / "reconciler" / "cli"
LONGEST = 20
"""Lines of a command's body, its docstring left out; docs/architecture.md names this number."""


def _commands() -> Iterator[tuple[str, int]]:
    """Each function that click calls, with the lines of its body."""
    for path in sorted((CLI / "commands").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if not any(
                decorator.startswith(("click.command(", "command.command(")) for decorator in decorators
            ):
                continue
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{path.stem}.{node.name}", lines


def test_the_commands_are_found() -> None:
    """Every module of commands/ has at least one command, and `state` has six."""
    names = [name.partition(".")[0] for name, _ in _commands()]
    modules = {path.stem for path in (CLI / "commands").glob("*.py")} - {"__init__"}
    assert set(names) == modules
    assert names.count("state") == 6


@pytest.mark.parametrize(("name", "lines"), list(_commands()))
def test_a_command_is_short(name: str, lines: int) -> None:
    """No command is longer than the limit: the work belongs to the module that owns it."""
    assert lines <= LONGEST, name


def test_the_limit_is_written_down() -> None:
    """docs/architecture.md names the same number."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"Each command has at most {LONGEST} lines." in " ".join(text.split())


def test_exit_codes_are_decided_in_one_place() -> None:
    """No module but cli/exit_codes.py picks one of the codes."""
    pick = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "reconciler").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ExitCode"
    ]
    assert set(pick) == {"reconciler/cli/exit_codes.py"}
