"""A defect of the program is reported as a defect, with exit 1 only if nothing was begun (design 2.2)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.harness import Project, identity, model
from tests.limits import repeats

DEFECTIVE = str(Path(__file__).with_name("defective.py"))


def with_defect(project: Project, place: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run apply with a defect at that place."""
    return subprocess.run(
        [sys.executable, DEFECTIVE, place, "apply", "--auto-approve", "--json"],
        cwd=project.root,
        env=project.env(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("place", ["create", "conclude", *repeats("settle", "show")])
def test_a_defect_after_something_was_begun_is_4(project: Project, place: str) -> None:
    """A defect anywhere after the POST exits 4, because exit 1 would mean that nothing was begun."""
    project.declare(model("one"))
    result = with_defect(project, place)
    assert project.service.creates() == 1
    assert result.returncode == 4, result.stdout + result.stderr
    assert "internal error: TypeError: a defect" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    project.apply(expect=0)
    assert project.record("one")["id"] == identity("one")
    assert project.service.creates() == 1


def test_a_defect_before_anything_was_begun_is_1(project: Project) -> None:
    """A defect before the first changing request exits 1."""
    project.declare(model("one"))
    result = with_defect(project, "list")
    assert result.returncode == 1, result.stdout + result.stderr
    assert project.service.creates() == 0


def test_what_cannot_be_shown_is_done_all_the_same(project: Project) -> None:
    """A defect in rendering events does not stop the work.

    It is reported once, and everything is recorded.
    """
    project.declare(model("one"), model("two"))
    result = with_defect(project, "show")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["type"] for record in records].count("diagnostic") == 1
    assert project.record("two")["id"] == identity("two")


def test_a_traceback_that_was_asked_for_changes_no_code(project: Project) -> None:
    """RECONCILER_DEBUG prints a traceback on stderr and leaves the exit code as it is."""
    project.declare(model("one"))
    result = with_defect(project, "settle", RECONCILER_DEBUG="1")
    assert result.returncode == 4, result.stdout + result.stderr
    assert "Traceback" in result.stderr
