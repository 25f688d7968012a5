"""A watch of the conditions: when it looks, how often it asks, and what ends it."""

from __future__ import annotations

import pytest

from reconciler.errors import StateError, StoppedError, UnavailableError
from reconciler.operation.status import look, watch
from reconciler.plan.status import Condition
from tests.lifecycle.simulation import Simulation, want


def training(*names: str, seconds: float = 1000.0, lag: float = 0.0) -> Simulation:
    """Models that were accepted just now."""
    sim = Simulation(*(want(name, data=name) for name in names), training_seconds=seconds, list_lag=lag)
    sim.apply(wait=False)
    sim.service.calls.clear()
    return sim


@pytest.mark.parametrize(("count", "polls"), [(8, 8), (9, 0), (50, 0)])
def test_a_look_asks_for_one_list_and_polls_few_trainings_once(count: int, polls: int) -> None:
    """The list answers for all models, however many there are, and for many trainings too."""
    sim = training(*(f"bot{number}" for number in range(count)))
    found = look(sim.process(parallelism=1).operation)
    assert {model.condition for model in found} == {Condition.TRAINING}
    assert {model.progress and model.progress.percent for model in found} == {0 if polls else None}
    methods = [method for method, _ in sim.service.calls]
    assert (methods.count("list"), methods.count("poll"), len(methods)) == (1, polls, 1 + polls)


def test_a_watch_shows_the_progress_until_the_end() -> None:
    """It looks seldom at the start of a long training, and ends with the look that finds it trained."""
    sim = training("bot")
    looks = list(watch(sim.process().operation))
    percents = [found[0].progress.percent for found in looks if found[0].progress is not None]
    assert percents == sorted(set(map(float, filter(None, percents))) | {0.0})
    assert (looks[0][0].condition, looks[-1][0].condition) == (Condition.TRAINING, Condition.TRAINED)
    assert len(looks) < 100
    assert {method for method, _ in sim.service.calls} == {"list", "poll"}


def test_a_watch_of_what_does_not_train_looks_once() -> None:
    """Nobody need watch a model that only waits for a person."""
    sim = Simulation(want())
    assert [found[0].condition for found in watch(sim.process().operation)] == [Condition.NOT_TRAINED]


def test_a_model_that_no_list_shows_yet_is_watched() -> None:
    """It was accepted, so it is in training, though nobody knows how far it is."""
    sim = training("bot", lag=20.0)
    first, *_, last = watch(sim.process().operation)
    assert (first[0].condition, last[0].condition) == (Condition.TRAINING, Condition.TRAINED)


def test_a_look_that_fails_is_repeated() -> None:
    """Four failures in a row do not end the watch. Later failures are counted anew."""
    sim = training("bot")
    looks = watch(sim.process().operation)
    next(looks)
    for _ in range(2):
        sim.service.fail("list", UnavailableError("busy", ""), times=4)
        assert next(looks)[0].condition is Condition.TRAINING
    assert [failure.times for failure in sim.service.failures] == [0, 0]


def test_the_fifth_failure_in_a_row_ends_a_watch() -> None:
    """The watch tells its reason. A failure of the first look is told at once."""
    sim = training("bot")
    process = sim.process()
    looks = watch(process.operation)
    next(looks)
    process.backend.unreadable = StateError("the store is gone", "")
    with pytest.raises(StateError, match="gone"):
        next(looks)
    assert process.backend.refused == 5
    fresh = sim.process()
    fresh.backend.unreadable = StateError("the store is gone", "")
    with pytest.raises(StateError, match="gone"):
        next(watch(fresh.operation))
    assert fresh.backend.refused == 1


def test_a_poll_that_fails_leaves_the_model_in_the_table() -> None:
    """The list has shown that the model is in training."""
    sim = training("bot")
    sim.service.fail("poll", UnavailableError("busy", ""))
    (found,) = look(sim.process().operation)
    assert found.condition is Condition.TRAINING
    assert found.progress is not None


@pytest.mark.parametrize("method", ["list", "poll"])
@pytest.mark.parametrize(
    "stop", [StoppedError("stopped", ""), KeyboardInterrupt()], ids=["stop", "interrupt"]
)
def test_a_stopped_run_looks_no_more(method: str, stop: BaseException) -> None:
    """A watch that has shown something just ends. If the first look is stopped, the command fails."""
    sim = training("bot")
    looks = watch(sim.process().operation)
    next(looks)
    sim.service.fail(method, stop)
    assert list(looks) == []
    sim.service.fail(method, stop)
    with pytest.raises(type(stop)):
        look(sim.process().operation)


def test_a_signal_ends_the_pause_between_two_looks() -> None:
    """No other look follows."""
    sim = training("bot")
    process = sim.process()
    looks = watch(process.operation)
    next(looks)
    sim.service.calls.clear()
    process.operation.stopping.set()
    assert list(looks) == []
    assert sim.service.calls == []
