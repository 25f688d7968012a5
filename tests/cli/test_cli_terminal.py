"""Approval on a real terminal (design 2.2)."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from tests.cli.harness import Project, identity, model


def on_terminal(project: Project, *arguments: str, answer: bytes | None, **environ: str) -> tuple[int, str]:
    """Run on a terminal and answer the question. Returns the exit code and all output."""
    ours, theirs = pty.openpty()
    process = project.start(
        *arguments,
        environ={"TERM": "xterm", "COLUMNS": "100", "LINES": "40", **environ},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        terminal=True,  # it becomes the controlling terminal, which passes Ctrl-C on
    )
    os.close(theirs)
    shown, answered, end = b"", False, time.monotonic() + 40
    while time.monotonic() < end:
        ready, _, _ = select.select([ours], [], [], 0.1)
        if ready:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        elif process.poll() is not None:
            break
        if not answered and answer is not None and b"yes" in shown and b"accepted" in shown:
            os.write(ours, answer)
            answered = True
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    assert process.poll() is not None, shown.decode()
    os.close(ours)
    text = shown.decode()
    assert "Traceback" not in text
    return process.returncode, text


def test_yes_is_yes(project: Project) -> None:
    """Typing yes starts the training."""
    project.declare(model("one"))
    code, text = on_terminal(project, "apply", answer=b"yes\n")
    assert code == 0, text
    assert list(project.service.models()) == [identity("one")]
    project.settled()


@pytest.mark.parametrize("answer", [b"no\n", b"y\n", b"YES\n", b"\n", b"\x04", b"yes please\n"])
def test_anything_else_is_no(project: Project, answer: bytes) -> None:
    """no, y, an empty line and end of input all exit 1, with nothing done and no state."""
    project.declare(model("one"))
    code, text = on_terminal(project, "apply", answer=answer)
    assert code == 1, text
    assert project.service.creates() == 0
    assert not project.state_file.exists()


def test_ctrl_c_at_the_question_changes_nothing(project: Project) -> None:
    """Ctrl-C at the question ends the command, and nothing was begun."""
    project.declare(model("one"))
    code, text = on_terminal(project, "apply", answer=b"\x03")
    assert code in {1, 130, -signal.SIGINT}, text
    assert project.service.creates() == 0


def test_destroy_asks(project: Project) -> None:
    """`destroy` deletes after yes, and leaves everything after no."""
    project.declare(model("one"))
    project.apply()
    code, _ = on_terminal(project, "destroy", answer=b"no\n")
    assert code == 1
    assert len(project.service.models()) == 1
    code, _ = on_terminal(project, "destroy", answer=b"yes\n")
    assert code == 0
    assert project.service.models() == {}


def test_nothing_to_do_asks_nothing(project: Project) -> None:
    """An apply without changes asks no question."""
    project.declare(model("one"))
    project.apply()
    code, text = on_terminal(project, "apply", answer=None)
    assert code == 0
    assert "No changes." in text


def test_a_saved_plan_asks_nothing(project: Project) -> None:
    """Applying a saved plan is the approval, so there is no question."""
    project.declare(model("one"))
    project.plan("--out", "p")
    code, text = on_terminal(project, "apply", "p", answer=None)
    assert code == 0, text
    assert "accepted" not in text


def test_colours_on_a_terminal(project: Project) -> None:
    """A terminal gets colours. NO_COLOR, CLICOLOR=0, TERM=dumb and --no-color turn them off."""
    project.declare(model("one"))
    assert "\x1b[1mTunedModel/one will be trained" in on_terminal(project, "plan", answer=None)[1]
    assert "\x1b[" not in on_terminal(project, "plan", answer=None, NO_COLOR="1")[1]
    assert "\x1b[" not in on_terminal(project, "plan", answer=None, CLICOLOR="0")[1]
    assert "\x1b[" not in on_terminal(project, "plan", answer=None, TERM="dumb")[1]
    assert "\x1b[" not in on_terminal(project, "plan", "--no-color", answer=None)[1]


def test_progress_is_shown_live(project: Project) -> None:
    """During a training, one line for each model shows percent and steps."""
    project.service.settings(training_seconds=2)
    project.declare(model("one"))
    code, text = on_terminal(project, "apply", "--auto-approve", answer=None)
    assert code == 0
    assert re.search(r"\bone .*  [0-9]+%  step [0-9]+/25  ", text), text
