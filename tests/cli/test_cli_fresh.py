"""Every command works in a new interpreter. Other tests use forks that have imported everything already."""

from __future__ import annotations

import signal

import pytest

from reconciler.cli.app import COMMANDS
from tests.cli.harness import PAIRS, Project, finish, identity, model

CHECKS = [{"prompt": PAIRS[0][0], "expect": PAIRS[0][1]}]
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "init": ("init", "new", "--kind", "TunedModel"),
    "validate": ("validate",),
    "plan": ("plan", "--out", "next.plan"),
    "apply": ("apply", "--auto-approve"),
    "destroy": ("destroy", "--auto-approve"),
    "rollback": ("rollback", "one", "--undo", "--auto-approve"),
    "drift": ("drift",),
    "wait": ("wait",),
    "status": ("status",),
    "show": ("show", "one"),
    "bases": ("bases",),
    "cost": ("cost",),
    "data": ("data", "one"),
    "output": ("output", "one"),
    "generate": ("generate", "one", PAIRS[0][0]),
    "test": ("test",),
    "import": ("import", "TunedModel/two", "adopted"),
    "state": ("state", "list"),
    "force-unlock": ("force-unlock", "nobody"),
    "report": ("report", "--output", "report.html"),
    "schema": ("schema",),
    "emulator": ("emulator", "--port", "0"),
}
NOW = ("validate", "show")
"""The commands that `make test` tries. `make test-all` tries the others."""
UNLIKE_0 = {"force-unlock": 1}
"""Exit codes that are not 0. There is no lock to break."""


@pytest.fixture
def applied(project: Project) -> Project:
    """A project with one serving model and another one to import."""
    project.declare(model("one", checks=CHECKS))
    project.apply()
    project.service.create("adopted")
    project.service.advance()
    project.declare(model("one", checks=CHECKS), model("two"))
    project.fresh = True
    return project


@pytest.mark.parametrize(
    "command",
    [
        command if command in NOW else pytest.param(command, marks=pytest.mark.thorough)
        for command in COMMANDS
    ],
)
def test_a_command_needs_nothing_that_another_one_has_imported(applied: Project, command: str) -> None:
    """Each command works alone in a new interpreter, and the model stays unchanged."""
    if command == "emulator":
        with applied.start(*ARGUMENTS[command]) as process:
            assert process.stdout is not None
            assert "http://127.0.0.1:" in process.stdout.readline()
            assert finish(process, signal.SIGTERM).code == 0
    else:
        applied.run(*ARGUMENTS[command], expect=UNLIKE_0.get(command, 0))
    assert (identity("one") in applied.service.models()) == (command != "destroy")
