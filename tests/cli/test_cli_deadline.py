"""--timeout bounds the whole run, hanging calls included (design 2.9).

A run ends within D + 5 s, with exit 1, 3 or 4.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.harness import Project, Result, identity, model
from tests.lifecycle.crash_proxy import AFTER, BEFORE, crash_proxy_to
from tests.limits import repeats

APPLY = ("apply", "--auto-approve")
SECONDS = 2.0


@contextmanager
def hanging(project: Project, line: str, when: str, count: int = 1) -> Iterator[None]:
    """Make the service hang on requests that begin with this line, starting at the count-th."""
    released, seen = threading.Event(), [0]
    with crash_proxy_to(project.service.url) as proxy:

        def act(number: int, moment: str) -> bool:
            if moment != when or not proxy.requests[number - 1].startswith(line):
                return True
            seen[0] += 1
            if seen[0] < count:
                return True
            released.wait(120)
            return False

        proxy.reset(act)
        project.environ["GOOGLE_GEMINI_BASE_URL"] = proxy.url
        try:
            yield
        finally:
            released.set()


def timed(project: Project, *arguments: str) -> Result:
    """Run with a time-out while the matching request hangs for twice as long as the run may last."""
    return project.run(*arguments, "--timeout", f"{SECONDS:g}s")


LIST, CREATE, POLL = "GET /v1beta/tunedModels?", "POST /v1beta/tunedModels?", "GET /v1/tunedModels/"


@pytest.mark.parametrize(
    ("line", "when", "count", "code"),
    [
        (LIST, BEFORE, 1, 1),
        (CREATE, AFTER, 1, 3),
        (POLL, BEFORE, 1, 3),
        *repeats(("GET /v1beta/models", BEFORE, 1, 1), (LIST, BEFORE, 2, 1), (CREATE, BEFORE, 1, 3)),
    ],
    ids=["plan", "create's reply", "poll", "bases", "recheck", "create"],
)
def test_a_call_that_hangs_ends_in_time(
    project: Project, line: str, when: str, count: int, code: int
) -> None:
    """The run exits 1 if nothing was begun and 3 after that.

    The lock is free, and the next run trains once in total.
    """
    project.service.settings(training_seconds=0.2)
    project.declare(model("one"))
    with hanging(project, line, when, count):
        result = timed(project, *APPLY)
    assert result.code == code, result.all
    assert ("--timeout" in result.err) is (code == 1)
    assert code == 1 or "reconciler wait" in result.out or "reconciler apply" in result.out
    project.environ["GOOGLE_GEMINI_BASE_URL"] = project.service.url
    project.apply()
    assert project.service.creates() == 1
    assert project.record("one")["id"] == identity("one")


def test_what_failed_wins(project: Project) -> None:
    """Exit 4 wins if one create is refused and another model is still in training."""
    project.service.fault(
        {
            "method": "POST",
            "path": "tunedModels$",
            "status": 400,
            "body": {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "bad"}},
        }
    )
    project.declare(model("bad"), model("one"))
    project.service.freeze()
    result = timed(project, *APPLY, "--parallelism", "1")
    assert result.code == 4, result.all


def test_wait_ends_in_time(project: Project) -> None:
    """A hanging poll ends with exit 3 and loses nothing. A hanging first list ends with exit 1."""
    project.declare(model("one"))
    project.service.freeze()
    project.apply("--no-wait")
    with hanging(project, POLL, BEFORE):
        assert timed(project, "wait").code == 3
    with hanging(project, LIST, BEFORE):
        assert timed(project, "wait").code == 1
    project.environ["GOOGLE_GEMINI_BASE_URL"] = project.service.url
    project.service.advance()
    project.run("wait", expect=0)


def test_destroy_ends_in_time(project: Project) -> None:
    """A hanging deletion ends with exit 3, keeps the record, and names `destroy` as the next command."""
    project.declare(model("one"))
    project.apply()
    with hanging(project, "DELETE", BEFORE):
        result = timed(project, "destroy", "--auto-approve")
    assert result.code == 3, result.all
    assert "reconciler destroy" in result.out
    assert project.recorded() == ["TunedModel/one"]


def test_a_wait_for_somebody_elses_lock_ends_in_time(project: Project) -> None:
    """Waiting for another run's lock ends with exit 1, because nothing was begun."""
    project.service.freeze()
    project.declare(model("one"))
    path = project.root / "state" / "default.lock"
    path.parent.mkdir()
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = timed(project, *APPLY)
    assert result.code == 1, result.all
    assert project.service.creates() == 0


def test_a_named_delay_ends_with_the_time(project: Project) -> None:
    """If the time-out comes before the 50 s that a 429 asks for, the create is recorded as waiting."""
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "50s"}]
    error = {"code": 429, "message": "Slower.", "status": "RESOURCE_EXHAUSTED", "details": details}
    project.service.fault(
        {"method": "POST", "path": "tunedModels$", "status": 429, "times": 9, "body": {"error": error}}
    )
    project.declare(model("one"))
    assert timed(project, *APPLY).code == 3
