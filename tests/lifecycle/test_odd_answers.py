"""Answers that cannot be understood are reported, end the wait soon, and do not affect other models."""

from __future__ import annotations

from reconciler.errors import ExitCode, NotUnderstoodError, UnavailableError, UnreadableError
from reconciler.events import Skipped
from reconciler.plan.change import Action
from tests.lifecycle.simulation import Simulation, want

ODD = NotUnderstoodError("the service answered temperature = 'warm', which is not a number")


def start(sim: Simulation) -> None:
    """Start every training without waiting."""
    sim.apply(wait=False)


def test_the_third_odd_answer_in_a_row_ends_the_wait_for_its_address() -> None:
    """The wait ends within half a minute with trouble and exit 3. The training stays recorded."""
    sim = Simulation(want("a"))
    start(sim)
    sim.service.fail("poll", ODD, times=10**6)
    process = sim.wait()
    skipped = process.find_only(Skipped)
    assert (skipped.unfinished, skipped.trouble, skipped.resume) == (True, True, "wait")
    assert "temperature" in skipped.reason
    assert process.code is ExitCode.UNFINISHED
    assert [call for call in sim.service.calls if call[0] == "poll"][3:] == []
    assert sim.clock() < 30
    candidate = sim.record("a").candidate
    assert candidate is not None
    assert candidate.name


def test_two_odd_answers_are_endured() -> None:
    """After two odd answers, a good one resets the count."""
    sim = Simulation(want("a"))
    start(sim)
    sim.service.fail("poll", UnreadableError("HTML"), times=2)
    process = sim.wait()
    assert process.told == ["a create Completed"]


def test_other_addresses_are_waited_for() -> None:
    """An odd model ends the wait for its own address only, read alone or in a list."""
    for count in (2, 12):
        sim = Simulation(*(want(f"bot{number:02}") for number in range(count)))
        start(sim)
        odd = sim.record("bot00").candidate
        assert odd is not None
        sim.service.odd[odd.id] = "temperature is 'warm'"
        sim.service.fail("poll", ODD, id=odd.id, times=10**6)
        process = sim.wait()
        assert process.told.count("bot00 create Skipped") == 1
        assert len([event for event in process.told if event.endswith("create Completed")]) == count - 1
        assert process.code is ExitCode.UNFINISHED


def test_a_failure_elsewhere_wins() -> None:
    """The exit code is 4 if something else failed."""
    sim = Simulation(want("a"), want("b"))
    start(sim)
    models = {name: sim.record(name).candidate for name in ("a", "b")}
    assert models["a"] is not None
    assert models["b"] is not None
    sim.service.models[models["b"].id].error = "bad data"
    sim.service.fail("poll", ODD, id=models["a"].id, times=10**6)
    assert sim.wait().code is ExitCode.FAILED


def test_a_defect_in_reading_an_answer_is_an_odd_answer() -> None:
    """An unexpected TypeError ends the wait for one address by name, without a traceback."""
    sim = Simulation(want("a"), want("b"))
    start(sim)
    model = sim.record("a").candidate
    assert model is not None
    sim.service.fail("poll", TypeError("unhashable"), id=model.id, times=10**6)
    process = sim.wait()
    assert "internal error: TypeError: unhashable" in process.find_only(Skipped).reason
    assert "b create Completed" in process.told


def test_a_service_that_is_away_is_waited_for() -> None:
    """A lost connection is no odd answer, so the wait continues."""
    sim = Simulation(want("a"))
    start(sim)
    sim.service.fail("poll", UnavailableError("down"), times=20)
    assert sim.wait().told == ["a create Completed"]


def test_an_odd_model_of_somebody_else_stops_nobody() -> None:
    """A warning names the model once. Plan, apply and drift continue without it."""
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
    """Without a state, an odd model under our id blocks its address, and nothing is sent."""
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
    """The record of an odd model stays even if its manifest is gone."""
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
