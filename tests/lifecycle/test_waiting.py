"""Watching trainings, and `wait`: nothing is given up for being slow, or promoted without approval."""

from __future__ import annotations

import pytest

from reconciler.errors import (
    ExitCode,
    ForbiddenError,
    UnavailableError,
)
from reconciler.events import Failed, Skipped
from reconciler.model import Status
from tests.lifecycle.stage import CHECK, READER, Stage, checked, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


def test_a_timeout_detaches() -> None:
    """Exit 3, naming what goes on; `wait` finishes it."""
    stage = Stage(want())
    process = stage.apply(timeout=30.0)
    assert (process.told, process.code) == (["bot create Started", "Detached timeout bot"], UNFINISHED)
    assert stage.clock() == pytest.approx(30.0)
    assert stage.wait().told == ["bot create Completed"]
    assert stage.settled()


def test_a_busy_service_is_polled_until_it_answers() -> None:
    """However often it says 503, a training is not given up."""
    stage = Stage(want())
    stage.service.fail("poll", UnavailableError("busy", status=503), times=50)
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Completed"]
    assert stage.settled()


def test_a_training_that_may_not_be_watched_is_left_to_itself() -> None:
    """After some refusals it is told as unfinished; nothing is lost, and the next run goes on."""
    stage = Stage(want())
    stage.service.fail("poll", ForbiddenError("not allowed", status=403), times=100)
    process = stage.apply()
    assert (process.told, process.code) == (["bot create Started", "bot create Skipped"], UNFINISHED)
    stage.service.failures.clear()
    stage.service.finish()
    stage.apply()
    assert stage.settled()
    assert sum(stage.service.creates.values()) == 1


def test_a_model_that_was_just_accepted_may_be_invisible() -> None:
    """A 404 is lag, not loss."""
    stage = Stage(want())
    stage.service.get_lag = 50.0
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Completed"]
    assert stage.settled()


def test_a_model_that_disappears_is_told() -> None:
    """Deleted by somebody during its training: a failure, and the next apply trains it anew."""
    stage = Stage(want(), training_seconds=1000.0)

    def calling(method: str, id: str) -> None:
        if method == "poll" and stage.clock() > 300.0:
            stage.service.models.pop(id, None)

    stage.calling = calling
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Failed"]
    assert "is gone" in process.one(Failed).error
    stage.calling = lambda _method, _id: None
    assert stage.apply().told == ["bot create Started", "bot create Completed"]
    assert stage.settled()


def test_many_trainings_are_watched_by_lists() -> None:
    """One list a round for many, and a look only at what the list cannot tell."""
    stage = Stage(*(want(f"bot{number:03}") for number in range(50)))
    stage.service.failing["bot007"] = "out of luck"
    process = stage.apply(parallelism=4)
    assert process.told.count("bot007 create Failed") == 1
    assert sum(one.endswith("Completed") for one in process.told) == 49
    polls = [call for call in stage.service.calls if call[0] == "poll"]
    lists = [call for call in stage.service.calls if call[0] == "list"]
    assert len(polls) == 1
    assert 3 < len(lists) < 60


def test_wait_finishes_what_was_approved() -> None:
    """Permissions, checks, promotion and the deletion of the replaced."""
    stage = checked(Stage(want()))
    stage.apply()
    stage.manifests = (want(epochs=6, permissions=(READER,), checks=(CHECK,)),)
    stage.apply(wait=False)
    assert stage.wait().told == [
        "bot permissions Completed",
        "bot check Completed",
        "bot create Completed",
        "bot delete Completed",
    ]
    assert stage.settled()


@pytest.mark.parametrize(
    "changed",
    [
        want(epochs=7),
        want(epochs=6, permissions=(READER,)),
        want(epochs=6, checks=(CHECK,)),
        want(epochs=6, temperature=0.1),
    ],
    ids=["trained otherwise", "a grant", "a check", "a field"],
)
def test_wait_only_records_what_the_manifest_does_not_ask_for_any_more(changed: object) -> None:
    """The outcome is recorded and said; nothing is promoted, deleted or trained."""
    stage = Stage(want())
    stage.apply()
    old = serving(stage)
    stage.manifests = (want(epochs=6),)
    stage.apply(wait=False)
    stage.manifests = (changed,)  # type: ignore[assignment]
    changes = list(stage.service.changes)
    process = stage.wait()
    assert process.told == ["bot promote Skipped"]
    assert "manifest has changed" in process.one(Skipped).reason
    assert (serving(stage), stage.service.changes) == (old, changes)
    candidate = stage.record().candidate
    assert candidate is not None
    assert candidate.status is Status.ACTIVE
    assert stage.wait().told == ["bot promote Skipped"]
    checked(stage)
    stage.apply()
    assert stage.settled()


def test_wait_starts_no_training() -> None:
    """A create that never arrived is for apply."""
    stage = Stage(want())
    stage.service.fail("create", UnavailableError("busy", status=503))
    stage.apply()
    changes = list(stage.service.changes)
    assert stage.wait().told == []
    assert stage.service.changes == changes
