"""A run that gets a signal, from CI or Ctrl-C, detaches at once and in good order."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.cli.harness import Project, Result, finish, identity, model, until
from tests.lifecycle.crash_harness import APPLY, SCENARIOS, CrashHarness, crash_harness
from tests.lifecycle.crash_proxy import AFTER, BEFORE
from tests.limits import repeats

LIST = "GET /v1beta/tunedModels?"
CREATE = "POST /v1beta/tunedModels?"
CALL = "POST /v1beta/tunedModels/"
"""A permission, or a check."""


def signalled(made: CrashHarness, line: str, when: str, *signals: int, hang: bool) -> Result:
    """Run until a request begins with this line, then send the signals. Returns how the run ended.

    With `hang`, the service never answers that request.
    """
    reached, released = threading.Event(), threading.Event()

    def act(number: int, moment: str) -> bool:
        if reached.is_set() or moment != when or not made.proxy.requests[number - 1].startswith(line):
            return True
        if line == LIST and sum(request.startswith(LIST) for request in made.proxy.requests) < 2:
            return True  # this is the list of the plan, before the state is locked
        reached.set()
        if hang:
            released.wait(120)
        return not hang

    made.proxy.reset(act)
    process = made.start(*APPLY)
    try:
        until(reached.is_set)
        for number in signals[:-1]:
            process.send_signal(number)
            time.sleep(0.3)
        return finish(process, signals[-1])
    finally:
        released.set()


ONE, TWO = (signal.SIGINT,), (signal.SIGINT, signal.SIGINT)
TERM, HANG_UP = (signal.SIGTERM,), (signal.SIGHUP,)


@pytest.mark.parametrize(
    ("line", "when", "signals", "hang"),
    [
        (CREATE, BEFORE, TERM, True),
        (CREATE, AFTER, ONE, False),
        (CREATE, AFTER, HANG_UP, False),
        (CALL, BEFORE, TERM, True),
        ("DELETE /v1beta/tunedModels/", AFTER, TERM, True),
        *repeats(
            (LIST, BEFORE, TERM, True),
            (LIST, BEFORE, TWO, True),
            (CREATE, AFTER, TWO, True),
            ("GET /v1/tunedModels/", AFTER, TERM, True),
            (LIST, BEFORE, ONE, True),
            (LIST, BEFORE, HANG_UP, True),
            (CREATE, AFTER, TERM, True),
            (CREATE, AFTER, TERM, False),
            ("GET /v1/tunedModels/", AFTER, TWO, True),
            (CALL, BEFORE, ONE, False),
            ("DELETE /v1beta/tunedModels/", AFTER, ONE, True),
        ),
    ],
)
def test_a_signal_detaches(
    project: Project, line: str, when: str, signals: tuple[int, ...], *, hang: bool
) -> None:
    """Whatever the service does, the run exits 3, or 0 if done, without a traceback and without the lock."""
    with crash_harness(project, SCENARIOS["replace"]) as made:
        made.begin()
        result = signalled(made, line, when, *signals, hang=hang)
        assert result.code in ({3} if hang else {0, 3}), result.all
        assert (project.root / "state" / "default.lock").read_bytes() == b"", "the lock was not given back"
        made.converged()


def test_a_closed_terminal_detaches(project: Project) -> None:
    """SIGHUP, as from a closed terminal, exits 3 and tells how to continue, like SIGTERM."""
    project.service.settings(training_seconds=600)
    project.declare(model("one"))
    process = project.start("apply", "--auto-approve")
    until(lambda: project.state_file.exists() and '"CREATING"' in project.state_file.read_text())
    result = finish(process, signal.SIGHUP)
    assert result.code == 3, result.all
    assert "reconciler wait" in result.out
    assert (project.root / "state" / "default.lock").read_bytes() == b""


def test_what_nohup_started_outlives_its_terminal(project: Project) -> None:
    """A SIGHUP that was ignored at the start of the run is ignored until its end."""
    project.service.settings(training_seconds=600)
    project.declare(model("one"))
    process = project.start(
        "apply", "--auto-approve", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    until(lambda: project.state_file.exists() and '"CREATING"' in project.state_file.read_text())
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    project.service.advance()
    result = finish(process)
    assert result.code == 0, result.all
    assert list(project.service.models()) == [identity("one")]
