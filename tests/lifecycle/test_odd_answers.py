"""Answers that cannot be understood: told, not waited for in silence, and no matter of the others."""

from __future__ import annotations

from reconciler.errors import ExitCode, NotUnderstoodError, UnavailableError, UnreadableError
from reconciler.events import Skipped
from reconciler.plan.change import Action
from tests.lifecycle.simulation import Simulation, want

ODD = NotUnderstoodError("the service answered temperature = 'warm', which is not a number")


def start(sim: Simulation) -> None:
    """Begin every training, and wait for none."""
    sim.apply(wait=False)


def test_the_third_odd_answer_in_a_row_ends_the_wait_for_its_address() -> None:
    """Told as trouble within half a minute, exit 3; the training is recorded as it was."""
    sim = Simulation(want("a"))
    start(sim)
    sim.service.fail("poll", ODD, times=10**6)
    process = sim.wait()
    skipped = process.one(Skipped)
    assert (skipped.unfinished, skipped.trouble, skipped.resume) == (True, True, "wait")
    assert "temperature" in skipped.reason
    assert process.code is ExitCode.UNFINISHED
    assert [one for one in sim.service.calls if one[0] == "poll"][3:] == []
    assert sim.clock() < 30
    candidate = sim.record("a").candidate
    assert candidate is not None
    assert candidate.name


def test_two_odd_answers_are_endured() -> None:
    """A gateway's page, twice: the third answer counts, and the count begins anew."""
    sim = Simulation(want("a"))
    start(sim)
    sim.service.fail("poll", UnreadableError("HTML"), times=2)
    process = sim.wait()
    assert process.told == ["a create Completed"]


def test_other_addresses_are_waited_for() -> None:
    """One odd model blocks its address alone, whether looked at one by one or in a list."""
    for count in (2, 12):
        sim = Simulation(*(want(f"bot{number:02}") for number in range(count)))
        start(sim)
        odd = sim.record("bot00").candidate
        assert odd is not None
        sim.service.odd[odd.id] = "temperature is 'warm'"
        sim.service.fail("poll", ODD, id=odd.id, times=10**6)
        process = sim.wait()
        assert process.told.count("bot00 create Skipped") == 1
        assert len([one for one in process.told if one.endswith("create Completed")]) == count - 1
        assert process.code is ExitCode.UNFINISHED


def test_a_failure_elsewhere_wins() -> None:
    """4 if something else failed."""
    sim = Simulation(want("a"), want("b"))
    start(sim)
    models = {name: sim.record(name).candidate for name in ("a", "b")}
    assert models["a"] is not None
    assert models["b"] is not None
    sim.service.models[models["b"].id].error = "bad data"
    sim.service.fail("poll", ODD, id=models["a"].id, times=10**6)
    assert sim.wait().code is ExitCode.FAILED


def test_a_defect_in_reading_an_answer_is_an_odd_answer() -> None:
    """A TypeError that nobody foresaw ends the wait for one address, with its name, and no traceback."""
    sim = Simulation(want("a"), want("b"))
    start(sim)
    model = sim.record("a").candidate
    assert model is not None
    sim.service.fail("poll", TypeError("unhashable"), id=model.id, times=10**6)
    process = sim.wait()
    assert "internal error: TypeError: unhashable" in process.one(Skipped).reason
    assert "b create Completed" in process.told


def test_a_service_that_is_away_is_waited_for() -> None:
    """No connection for a while is no odd answer: the wait goes on."""
    sim = Simulation(want("a"))
    start(sim)
    sim.service.fail("poll", UnavailableError("down"), times=20)
    assert sim.wait().told == ["a create Completed"]


def test_an_odd_model_of_somebody_else_stops_nobody() -> None:
    """It is named in a warning, once, and left out; plan, apply and drift do the rest."""
    sim = Simulation(want("a"))
    sim.service.odd["theirs"] = "temperature is 'warm'"
    said: list[str] = []
    process = sim.process()
    process.operation.tell = said.append
    sim.apply(process=process)
    assert process.told[-1] == "a create Completed"
    assert said == ["Warning: theirs is left out, and its name counts as taken: temperature is 'warm'"]
    assert sim.process().operation.find_drift() == ()


def test_an_odd_model_under_our_id_is_not_trained_again() -> None:
    """The state is lost, and what lives under our id is not understood: blocked, nothing is sent."""
    sim = Simulation(want("a"), want("b"))
    sim.apply()
    id = next(id for id in sim.service.models if id.startswith("a-"))
    sim.store.stored = None
    sim.service.odd[id] = "odd"
    process = sim.apply()
    assert process.code is ExitCode.UNFINISHED
    assert sim.service.creates[id] == 1
    assert sim.record("b").serving is not None
    first = sim.plan().changes[0]
    assert (first.address.name, first.action) == ("a", Action.FAILED)


def test_an_odd_model_of_ours_is_not_deleted_nor_forgotten() -> None:
    """Its manifest is gone, and it is not understood: the record stays."""
    sim = Simulation(want("a"), want("b"))
    sim.apply()
    model = sim.record("a").serving
    assert model is not None
    sim.service.odd[model.id] = "odd"
    sim.manifests = ()
    sim.apply()
    assert sim.ids("a") == [model.id]
    assert sim.record("a").serving == model
    assert sim.ids("b") == []
