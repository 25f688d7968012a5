"""A stdout that is closed, full or in another encoding gives no traceback and loses no work (design 2.2)."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from tests.cli.harness import Project, Result, identity, model
from tests.limits import repeats


def run_into_full(project: Project, *arguments: str) -> Result:
    """Run with a standard output that accepts no bytes, as on a full disk."""
    with pathlib.Path("/dev/full").open("w") as full, project.start(*arguments, stdout=full) as process:
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert "internal error" not in err
    return Result(process.returncode, "", err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--json"),
        *repeats(
            (("output",),),
            (("plan",),),
            (("plan", "--detailed-exitcode", "--replace", "one"),),
            (("state", "pull"),),
        ),
    ],
)
def test_a_result_that_is_lost_is_an_error(project: Project, arguments: tuple[str, ...]) -> None:
    """A result that cannot be written exits 1 with the reason. A script must not trust an empty file."""
    project.declare(model("one"))
    project.apply()
    result = run_into_full(project, *arguments)
    assert result.code == 1, result.err
    assert "standard output cannot be written to: No space left on device" in result.err


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("plan", "--help")])
def test_a_help_text_that_is_lost_is_an_error(project: Project, arguments: tuple[str, ...]) -> None:
    """A help text that cannot be written exits 1 too, although the option parser prints it."""
    result = run_into_full(project, *arguments)
    assert result.code == 1, result.err
    assert result.err.count("standard output cannot be written to: No space left on device") == 1


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_approved_apply_goes_on_without_output(project: Project, options: tuple[str, ...]) -> None:
    """An apply without output finishes and records its work, and its exit code is unaffected."""
    project.declare(model("one"))
    project.plan("--out", "p")
    result = run_into_full(project, "apply", "p", *options)
    assert "standard output cannot be written to" in result.err
    if options:
        # The first line of the stream is lost before the run begins anything.
        assert (result.code, project.service.creates()) == (1, 0)
        return
    assert result.code == 0, result.err
    assert project.record("one")["id"] == identity("one")


def test_what_cannot_be_shown_is_not_approved(project: Project) -> None:
    """A plan that could not be printed is not applied, even with --auto-approve."""
    project.declare(model("one"))
    result = run_into_full(project, "apply", "--auto-approve")
    assert result.code == 1
    assert project.service.creates() == 0


@pytest.mark.parametrize("number", [1, *repeats(0, 2)])
def test_a_stream_that_is_closed(project: Project, number: int) -> None:
    """A stream closed by `<&-`, `>&-` or `2>&-` acts like the null device.

    No file of ours gets its number.
    """
    project.declare(model("one"))
    pipes = {0: {}, 1: {"stdout": None}, 2: {"stderr": None}}[number]
    with project.start("apply", "--auto-approve", **pipes, preexec_fn=lambda: os.close(number)) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "Traceback" not in (out or "") + (err or "")
    project.settled()


def test_characters_that_the_encoding_has_not(project: Project) -> None:
    """Characters that the encoding lacks are escaped, and the command does not fail."""
    project.declare(model("one", spec={"description": "≈ 数"}))
    project.apply()
    shown = project.run("show", "one", expect=0, environ={"PYTHONIOENCODING": "ascii"}).out
    assert r"\u2248 \u6570" in shown


def test_a_prompt_that_is_no_text(project: Project) -> None:
    """A prompt on stdin in another encoding is refused with an error and not sent."""
    project.declare(model("one"))
    project.apply()
    done = subprocess.run(
        [sys.executable, "-m", "reconciler", "generate", "one", "-"],
        cwd=project.root,
        env=project.env(),
        input=b"\xff",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert b"standard input is not UTF-8" in done.stderr
