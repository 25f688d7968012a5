"""Ctrl-C and SIGTERM end a run soon, wherever it is with its lock and however slow the store is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.cli.harness import Project, finish, model, until
from tests.limits import repeats
from tests.races.conftest import Opener, Store
from tests.races.team import APPLY, GITHUB, converged, creating, holder, take_over


@pytest.fixture
def remote(request: pytest.FixtureRequest, project: Project, open_store: Opener) -> Store:
    """A project with its state in this store."""
    store = open_store(request.param)
    project.environ |= store.environ | {"TF_HTTP_RETRY_MAX": "0"}
    project.declare(model("bot"))
    return store


@pytest.mark.parametrize(
    ("remote", "command", "number"),
    [("gs", APPLY, signal.SIGINT), ("http", ("state", "rm", "bot"), signal.SIGTERM)],
    indirect=["remote"],
    ids=["apply", "state rm"],
)
def test_while_somebody_else_holds_the_lock(
    project: Project, remote: Store, command: tuple[str, ...], number: int
) -> None:
    """Nothing is begun, and the other run's lock stays."""
    assert remote.proxy is not None
    with holder(project) as other:
        other.send_signal(signal.SIGSTOP)
        remote.proxy.requests.clear()
        environ = {"RECONCILER_LOCK_LEASE": "60s"}
        process = project.start(*command, environ=environ)
        until(lambda: len(remote.proxy.requests) > 5 if remote.proxy else True)
        posts = project.service.sent("POST")
        result = finish(process, number)
        assert result.code in {1, 3}, result.all
        assert project.service.sent("POST") == posts
        refused = project.run("force-unlock", "not-the-lock", expect=1)
        assert "locked by" in refused.err


@pytest.mark.parametrize(
    ("remote", "number"), [("http", signal.SIGINT), *repeats(("gs", signal.SIGTERM))], indirect=["remote"]
)
def test_while_a_call_hangs_under_the_lock(project: Project, remote: Store, number: int) -> None:
    """The hanging call is abandoned, known results are recorded, and the lock is released at once."""
    assert remote.proxy is not None
    with holder(project) as process:
        result = finish(process, number)
        assert result.code == 3, result.all
    project.apply("--lock-timeout", "0s")
    assert project.service.creates() == 1
    converged(project, ["bot"])


@pytest.mark.parametrize("remote", ["gs"], indirect=True)
@pytest.mark.thorough
def test_while_the_store_is_slow(project: Project, remote: Store) -> None:
    """A slow store delays the end by a bounded time."""
    assert remote.proxy is not None
    project.service.settings(training_seconds=60)
    remote.proxy.delay = 1.0
    process = project.start(*APPLY, environ={"RECONCILER_LOCK_LEASE": "60s"})
    until(lambda: project.service.creates() == 1, 60)
    result = finish(process, signal.SIGTERM)
    assert result.code == 3, result.all
    remote.proxy.delay = 0
    project.apply("--no-wait", "--lock-timeout", "10s")
    assert project.service.creates() == 1


@pytest.mark.parametrize(
    ("remote", "how"),
    [("http", "down"), *repeats(("gs", "hanging"), ("http", "hanging"))],
    indirect=["remote"],
)
def test_while_the_store_is_dead(project: Project, remote: Store, how: str) -> None:
    """If the store dies under the lock, the run still ends and says what is not recorded."""
    assert remote.proxy is not None
    with holder(project) as process:
        setattr(remote.proxy, how, True)
        result = finish(process, signal.SIGTERM)
        assert result.code in {3, 4}, result.all
        remote.proxy.restore()
    take_over(project, remote)
    assert project.service.creates() == 1
    converged(project, ["bot"])


@pytest.mark.parametrize(
    ("remote", "how"), [("gs", "hanging"), ("http", "hanging"), ("http", "down")], indirect=["remote"]
)
def test_a_store_that_is_dead_from_the_beginning(project: Project, remote: Store, how: str) -> None:
    """Ctrl-C ends a run that cannot read its state. Without Ctrl-C it gives up within a minute."""
    assert remote.proxy is not None
    setattr(remote.proxy, how, True)
    process = project.start("plan", environ=GITHUB)
    until(lambda: process.poll() is not None or (remote.proxy is not None and remote.proxy.requests != []))
    time.sleep(0.5)
    result = finish(process, signal.SIGINT)
    assert result.code == 1, result.all
    assert creating(project) == 0


LATE = """
import os, signal, sys

class Late:
    def __del__(self, kill=os.kill, process=os.getpid(), number=int(sys.argv[1])):
        kill(process, number)  # the interpreter has taken its handlers back by now

late = Late()
from reconciler.cli.app import main
main(["plan"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, *repeats(signal.SIGTERM)])
def test_a_signal_while_the_interpreter_ends_does_not_change_the_exit_code(
    project: Project, number: int
) -> None:
    """A signal after all output finds a process that is finished."""
    command = [sys.executable, "-c", LATE, str(int(number))]
    done = subprocess.run(command, cwd=project.root, env=project.env(), capture_output=True, check=False)
    assert done.returncode == 1, done
    assert b"no manifest found" in done.stderr
