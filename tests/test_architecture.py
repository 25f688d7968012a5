"""Who imports whom, and what is imported when."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
HEAVY = {
    "boto3",
    "deepdiff",
    "google.auth",
    "obstore",
    "pydantic",
    "requests",
    "rich",
    "starlette",
    "uvicorn",
    "yaml",
}
"""Libraries that cost more to import than most commands take."""


def test_every_import_contract_is_kept() -> None:
    """No module imports what the contracts in pyproject.toml forbid it, and each has a row in the layers."""
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command as run; run()",
        "--no-cache",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set()),
        (["--version"], set()),
        (["plan", "--help"], set()),
        (["validate", "manifests"], {"pydantic", "yaml"}),
        (["schema"], {"pydantic", "yaml"}),
        (["state", "list"], {"pydantic", "yaml"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_pays_only_for_what_it_uses(arguments: list[str], allowed: set[str]) -> None:
    """A command that needs no service imports no library that only talking to one needs."""
    code = (
        "import sys, contextlib\n"
        "from reconciler.cli.app import main\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    main({arguments!r})\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(result.stderr.splitlines()[-1].split())
    assert HEAVY & imported <= allowed
