"""Watching trainings, and `wait`: a slow training is not given up, and nothing unapproved is promoted."""

from __future__ import annotations

import pytest

from reconciler.errors import (
    ExitCode,
    ForbiddenError,
    UnavailableError,
)
from reconciler.events import Failed, Skipped
from reconciler.model.live import Status
from tests.lifecycle.simulation import CHECK, READER, Simulation, checked, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


def test_a_timeout_detaches() -> None:
    """At the time-out the run exits 3 and names what continues. `wait` finishes it."""
    sim = Simulation(want())
    process = sim.apply(timeout=30.0)
    assert (process.told, process.code) == (["bot create Started", "Detached timeout bot"], UNFINISHED)
    assert sim.clock() == pytest.approx(30.0)
    assert sim.wait().told == ["bot create Completed"]
    assert sim.settled()


def test_a_busy_service_is_polled_until_it_answers() -> None:
    """A training is not given up, however often the service answers 503."""
    sim = Simulation(want())
    sim.service.fail("poll", UnavailableError("busy", status=503), times=50)
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Completed"]
    assert sim.settled()


def test_a_training_that_may_not_be_watched_is_left_to_itself() -> None:
    """After some refusals the training is reported as unfinished.

    Nothing is lost, and the next run continues.
    """
    sim = Simulation(want())
    sim.service.fail("poll", ForbiddenError("not allowed", status=403), times=100)
    process = sim.apply()
    assert (process.told, process.code) == (["bot create Started", "bot create Skipped"], UNFINISHED)
    sim.service.failures.clear()
    sim.service.finish()
    sim.apply()
    assert sim.settled()
    assert sum(sim.service.creates.values()) == 1


def test_a_model_that_was_just_accepted_may_be_invisible() -> None:
    """A 404 right after the create is lag, not loss."""
    sim = Simulation(want())
    sim.service.get_lag = 50.0
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Completed"]
    assert sim.settled()


def test_a_model_that_disappears_is_told() -> None:
    """A model deleted during its training is a failure, and the next apply trains it again."""
    sim = Simulation(want(), training_seconds=1000.0)

    def calling(method: str, id: str) -> None:
        if method == "poll" and sim.clock() > 300.0:
            sim.service.models.pop(id, None)

    sim.calling = calling
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Failed"]
    assert "is gone" in process.find_only(Failed).error
    sim.calling = lambda _method, _id: None
    assert sim.apply().told == ["bot create Started", "bot create Completed"]
    assert sim.settled()


def test_many_trainings_are_watched_by_lists() -> None:
    """Each round sends one list, and a get only for what the list does not show."""
    sim = Simulation(*(want(f"bot{number:03}") for number in range(50)))
    sim.service.failing["bot007"] = "out of luck"
    process = sim.apply(parallelism=4)
    assert process.told.count("bot007 create Failed") == 1
    assert sum(event.endswith("Completed") for event in process.told) == 49
    polls = [call for call in sim.service.calls if call[0] == "poll"]
    lists = [call for call in sim.service.calls if call[0] == "list"]
    assert len(polls) == 1
    assert 3 < len(lists) < 60


def test_wait_finishes_what_was_approved() -> None:
    """`wait` sets permissions, runs checks, promotes, and deletes the replaced model."""
    sim = checked(Simulation(want()))
    sim.apply()
    sim.manifests = (want(epochs=6, permissions=(READER,), checks=(CHECK,)),)
    sim.apply(wait=False)
    assert sim.wait().told == [
        "bot permissions Completed",
        "bot check Completed",
        "bot create Completed",
        "bot delete Completed",
    ]
    assert sim.settled()


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
    """`wait` records the outcome and says so, and promotes, deletes and trains nothing."""
    sim = Simulation(want())
    sim.apply()
    old = serving(sim)
    sim.manifests = (want(epochs=6),)
    sim.apply(wait=False)
    sim.manifests = (changed,)  # type: ignore[assignment]
    changes = list(sim.service.changes)
    process = sim.wait()
    assert process.told == ["bot promote Skipped"]
    assert "manifest has changed" in process.find_only(Skipped).reason
    assert (serving(sim), sim.service.changes) == (old, changes)
    candidate = sim.record().candidate
    assert candidate is not None
    assert candidate.status is Status.ACTIVE
    assert sim.wait().told == ["bot promote Skipped"]
    checked(sim)
    sim.apply()
    assert sim.settled()


def test_wait_starts_no_training() -> None:
    """`wait` does not send a create that never arrived. Apply does."""
    sim = Simulation(want())
    sim.service.fail("create", UnavailableError("busy", status=503))
    sim.apply()
    changes = list(sim.service.changes)
    assert sim.wait().told == []
    assert sim.service.changes == changes
