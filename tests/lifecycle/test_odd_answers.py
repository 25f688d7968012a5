"""Answers that cannot be understood: told, not waited for in silence, and no matter of the others."""

from __future__ import annotations

from reconciler.errors import ExitCode, NotUnderstoodError, UnavailableError, UnreadableError
from reconciler.events import Skipped
from reconciler.plan.change import Action
from tests.lifecycle.stage import Stage, want

ODD = NotUnderstoodError("the service answered temperature = 'warm', which is not a number")


def start(stage: Stage) -> None:
    """Begin every training, and wait for none."""
    stage.apply(wait=False)


def test_the_third_odd_answer_in_a_row_ends_the_wait_for_its_address() -> None:
    """Told as trouble within half a minute, exit 3; the training is recorded as it was."""
    stage = Stage(want("a"))
    start(stage)
    stage.service.fail("poll", ODD, times=10**6)
    process = stage.wait()
    skipped = process.one(Skipped)
    assert (skipped.unfinished, skipped.trouble, skipped.resume) == (True, True, "wait")
    assert "temperature" in skipped.reason
    assert process.code is ExitCode.UNFINISHED
    assert [one for one in stage.service.calls if one[0] == "poll"][3:] == []
    assert stage.clock() < 30
    candidate = stage.record("a").candidate
    assert candidate is not None
    assert candidate.name


def test_two_odd_answers_are_endured() -> None:
    """A gateway's page, twice: the third answer counts, and the count begins anew."""
    stage = Stage(want("a"))
    start(stage)
    stage.service.fail("poll", UnreadableError("HTML"), times=2)
    process = stage.wait()
    assert process.told == ["a create Completed"]


def test_other_addresses_are_waited_for() -> None:
    """One odd model blocks its address alone, whether looked at one by one or in a list."""
    for count in (2, 12):
        stage = Stage(*(want(f"bot{number:02}") for number in range(count)))
        start(stage)
        odd = stage.record("bot00").candidate
        assert odd is not None
        stage.service.odd[odd.id] = "temperature is 'warm'"
        stage.service.fail("poll", ODD, id=odd.id, times=10**6)
        process = stage.wait()
        assert process.told.count("bot00 create Skipped") == 1
        assert len([one for one in process.told if one.endswith("create Completed")]) == count - 1
        assert process.code is ExitCode.UNFINISHED


def test_a_failure_elsewhere_wins() -> None:
    """4 if something else failed."""
    stage = Stage(want("a"), want("b"))
    start(stage)
    models = {name: stage.record(name).candidate for name in ("a", "b")}
    assert models["a"] is not None
    assert models["b"] is not None
    stage.service.models[models["b"].id].error = "bad data"
    stage.service.fail("poll", ODD, id=models["a"].id, times=10**6)
    assert stage.wait().code is ExitCode.FAILED


def test_a_defect_in_reading_an_answer_is_an_odd_answer() -> None:
    """A TypeError that nobody foresaw ends the wait for one address, with its name, and no traceback."""
    stage = Stage(want("a"), want("b"))
    start(stage)
    model = stage.record("a").candidate
    assert model is not None
    stage.service.fail("poll", TypeError("unhashable"), id=model.id, times=10**6)
    process = stage.wait()
    assert "internal error: TypeError: unhashable" in process.one(Skipped).reason
    assert "b create Completed" in process.told


def test_a_service_that_is_away_is_waited_for() -> None:
    """No connection for a while is no odd answer: the wait goes on."""
    stage = Stage(want("a"))
    start(stage)
    stage.service.fail("poll", UnavailableError("down"), times=20)
    assert stage.wait().told == ["a create Completed"]


def test_an_odd_model_of_somebody_else_stops_nobody() -> None:
    """It is named in a warning, once, and left out; plan, apply and drift do the rest."""
    stage = Stage(want("a"))
    stage.service.odd["theirs"] = "temperature is 'warm'"
    said: list[str] = []
    process = stage.process()
    process.operation.tell = said.append
    stage.apply(process=process)
    assert process.told[-1] == "a create Completed"
    assert said == ["Warning: theirs is left out, and its name counts as taken: temperature is 'warm'"]
    assert stage.process().operation.drift() == ()


def test_an_odd_model_under_our_id_is_not_trained_again() -> None:
    """The state is lost, and what lives under our id is not understood: blocked, nothing is sent."""
    stage = Stage(want("a"), want("b"))
    stage.apply()
    id = next(id for id in stage.service.models if id.startswith("a-"))
    stage.store.stored = None
    stage.service.odd[id] = "odd"
    process = stage.apply()
    assert process.code is ExitCode.UNFINISHED
    assert stage.service.creates[id] == 1
    assert stage.record("b").serving is not None
    first = stage.plan().changes[0]
    assert (first.address.name, first.action) == ("a", Action.FAILED)


def test_an_odd_model_of_ours_is_not_deleted_nor_forgotten() -> None:
    """Its manifest is gone, and it is not understood: the record stays."""
    stage = Stage(want("a"), want("b"))
    stage.apply()
    model = stage.record("a").serving
    assert model is not None
    stage.service.odd[model.id] = "odd"
    stage.manifests = ()
    stage.apply()
    assert stage.ids("a") == [model.id]
    assert stage.record("a").serving == model
    assert stage.ids("b") == []
