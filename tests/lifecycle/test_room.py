"""A service without room for another training is waited for: nothing fails, nothing is trained twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.errors import ExitCode, NoCapacityError, NotReadyError, RateLimitedError, StoppedError
from reconciler.events import Failed, Skipped
from reconciler.model import Desired, Guards, Status
from tests.lifecycle.simulation import CHECK, READER, Simulation, serving, want


def full(sim: Simulation, times: int, name: str = "a") -> None:
    """Refuse so many creates of this name, without effect."""
    id = sim.plan().trainings[0].id
    assert id.startswith(name)
    sim.service.fail("create", NoCapacityError("no room", status=429), id=id, times=times)


def test_it_waits_without_the_lock_and_asks_again() -> None:
    """After each of two refusals, apply waits at least 30 s without the lock. It trains once."""
    sim = Simulation(want("a"))
    full(sim, 2)
    process = sim.apply()
    assert not [one for one in process.events if isinstance(one, Failed)]
    assert [one.unfinished for one in process.events if isinstance(one, Skipped)] == [False]
    assert process.journal.count("lock") == process.journal.count("unlock") >= 3
    assert sim.clock() >= 60
    assert list(sim.service.creates.values()) == [1]
    assert sim.settled()


def test_what_has_room_is_trained_meanwhile() -> None:
    """One address without room does not hold up another."""
    sim = Simulation(want("a"), want("b"))
    full(sim, 5)
    sim.apply()
    assert sorted(sim.service.creates.values()) == [1, 1]
    assert sim.settled()


def test_a_timeout_leaves_it_for_later() -> None:
    """When the time for waiting is up it is told as unfinished; the next run trains it, once."""
    sim = Simulation(want("a"))
    full(sim, 2)
    process = sim.apply(timeout=20.0)
    assert [one.unfinished for one in process.events if isinstance(one, Skipped)] == [False, True]
    sim.apply()
    assert list(sim.service.creates.values()) == [1]
    assert sim.settled()


# --- recorded as waiting ------------------------------------------------------------------------------


def refused(sim: Simulation, error: Exception, times: int = 1) -> None:
    """Refuse so many creates with this, without effect."""
    sim.service.fail("create", error, id=sim.plan().trainings[0].id, times=times)


def waits(sim: Simulation, name: str = "a") -> tuple[str, str, str]:
    """What a pending create is recorded to wait for, since when, and in whose words."""
    model = sim.record(name).candidate
    assert model is not None
    return model.waiting, model.waiting_since, model.waiting_said


def test_a_create_without_room_is_recorded_as_waiting_and_wait_sends_it() -> None:
    """With the time and the service's words; `wait` is the command that is named, and it trains it once."""
    sim = Simulation(want("a"))
    full(sim, 1)
    process = sim.apply(wait=False)
    assert waits(sim) == ("quota", "2026-01-01T00:00:00Z", "no room")
    (skipped,) = [one for one in process.events if isinstance(one, Skipped)]
    assert (skipped.unfinished, skipped.resume) == (True, "wait")
    assert "wait sends it" in skipped.reason
    assert process.code is ExitCode.UNFINISHED
    process = sim.wait()
    assert process.told == ["a create Started", "a create Completed"]
    assert list(sim.service.creates.values()) == [1]
    assert sim.record("a").serving is not None
    assert sim.settled()


def test_wait_goes_on_asking_while_there_is_no_room() -> None:
    """Two more refusals are two more waits; since when it waits stays as it was recorded first."""
    sim = Simulation(want("a"))
    full(sim, 4)
    sim.apply(timeout=40.0)
    since = waits(sim)[1]
    sim.clock.sleep(100.0)
    process = sim.wait(timeout=20.0)
    assert waits(sim)[1] == since
    assert process.code is ExitCode.UNFINISHED
    sim.wait()
    assert list(sim.service.creates.values()) == [1]
    assert sim.settled()


def test_an_accepted_create_waits_for_room_no_more() -> None:
    """What was recorded of the refusal goes with the acceptance."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(timeout=40.0)
    candidate = sim.record("a").candidate
    assert candidate is not None
    assert (candidate.status, waits(sim)) == (Status.CREATING, ("", "", ""))


@pytest.mark.parametrize(
    "changed",
    [
        want("a", epochs=7),
        want("a", "two"),
        want("a", checks=(CHECK,)),
        want("a", permissions=(READER,)),
        want("a", temperature=0.1),
    ],
    ids=["trained otherwise", "other data", "a check", "a grant", "a field"],
)
def test_wait_sends_only_what_was_approved(changed: Desired) -> None:
    """A manifest that was changed while its create waited is apply's, and the note says so."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(wait=False)
    sim.manifests = (changed,)
    (note,) = sim.process().operation.plan_unfinished().notes
    assert "has changed since it was approved" in note
    assert "`reconciler apply` does" in note
    assert sim.wait().told == []
    assert sim.service.creates == {}


def test_wait_sends_nothing_that_no_manifest_declares() -> None:
    """Its manifest is gone: nothing is trained, and apply forgets it."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(wait=False)
    sim.manifests = ()
    sim.wait()
    assert sim.service.creates == {}
    sim.apply()
    assert sim.state.resources == {}


def test_todays_guards_hold_for_what_waits() -> None:
    """max_trainings 0 in the Stack by now: nothing is sent, and the note names guard and apply."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(wait=False)
    sim.stack = replace(sim.stack, guards=Guards(max_trainings=0))
    (note,) = sim.process().operation.plan_unfinished().notes
    assert "max_trainings 0" in note
    assert "`reconciler apply` does" in note
    assert sim.wait().told == []
    assert sim.service.creates == {}


def test_what_arrived_after_all_is_not_sent_again() -> None:
    """The service said that it had no room, and trains it: wait finds it by its id."""
    sim = Simulation(want("a"))
    id = sim.plan().trainings[0].id
    sim.service.fail("create", NoCapacityError("no room", status=429), id=id, when="after")
    sim.apply(wait=False)
    assert waits(sim)[0] == "quota"
    sim.wait()
    assert sim.service.creates[id] == 1
    assert serving(sim, "a") == id


def test_a_create_that_was_not_refused_for_want_of_room_is_apply_s() -> None:
    """Stopped before it was sent: the line names apply, and wait leaves it alone."""
    sim = Simulation(want("a"))

    def calling(method: str, _id: str) -> None:
        if method == "create":
            process.operation.stopping.set()
            raise StoppedError("stopped")

    process = sim.process()
    sim.calling = calling
    process.operation.providers["TunedModel"].calling = calling  # type: ignore[attr-defined]
    sim.apply(process=process)
    sim.calling = lambda _method, _id: None
    (skipped,) = [one for one in process.events if isinstance(one, Skipped)]
    assert (skipped.unfinished, skipped.resume) == (True, "apply")
    assert waits(sim) == ("", "", "")
    assert sim.wait().told == []
    sim.apply()
    assert sim.settled()


# --- how long -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [90.0, 1.0, 600.0])
def test_a_delay_that_the_service_names_is_kept(seconds: float) -> None:
    """RetryInfo of a 429 that means no room: asked again after that delay, not before and not long after."""
    sim = Simulation(want("a"))
    refused(sim, NoCapacityError("no room", status=429, again=seconds, named=True))
    asked: list[float] = []
    sim.calling = lambda method, _id: asked.append(sim.clock()) if method == "create" else None
    process = sim.process()
    sim.apply(process=process)
    first, second = asked
    assert seconds <= second - first <= seconds + 2.0
    assert sim.settled()


def test_another_training_that_ends_does_not_shorten_a_named_delay() -> None:
    """The service named the time; only where it did not, room may come earlier."""
    sim = Simulation(want("a"), want("b"), training_seconds=5.0)
    refused(sim, NoCapacityError("no room", status=429, again=120.0, named=True))
    asked: list[float] = []

    def calling(method: str, id: str) -> None:
        if method == "create" and id.startswith("a"):
            asked.append(sim.clock())

    sim.calling = calling
    sim.apply()
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 120.0


def test_a_429_that_is_not_worth_waiting_for_ends_its_address() -> None:
    """`limit: 0`, or a delay that nobody waits for: failed with the service's words, the others go on."""
    sim = Simulation(want("a"), want("b"))
    refused(sim, RateLimitedError("limit: 0", status=429))
    process = sim.apply()
    (failed,) = [one for one in process.events if isinstance(one, Failed)]
    assert failed.error == "limit: 0"
    assert waits(sim) == ("", "", "")
    assert process.code is ExitCode.FAILED
    assert sum(sim.service.creates.values()) == 1


@pytest.mark.parametrize("method", ["update", "set_permissions", "delete"])
def test_other_calls_are_asked_again_too(method: str) -> None:
    """A 429 with a delay outlasts no patience while apply waits: the call is made again after it."""
    sim = Simulation(want("a"), want("old"))
    sim.apply()
    sim.manifests = (want("a", temperature=0.5, permissions=(READER,)),)
    sim.service.fail(method, RateLimitedError("slow", status=429, again=200.0, named=True))
    process = sim.apply()
    assert process.code is ExitCode.DONE, process.told
    assert sim.settled()


def test_a_passing_condition_is_asked_again() -> None:
    """Service agents that are being provisioned: it waits without the lock, and is trained once."""
    sim = Simulation(want("a"))
    refused(sim, NotReadyError("Service agents are being provisioned", status=400), times=3)
    process = sim.apply()
    assert process.told[-1] == "a create Completed"
    assert sim.settled()


def test_a_passing_condition_that_stays_is_said_to_be_one() -> None:
    """After ten minutes it is a failure, with the words that it passes by itself."""
    sim = Simulation(want("a"))
    refused(sim, NotReadyError("being provisioned", "This passes by itself", status=400), times=100)
    process = sim.apply()
    (failed,) = [one for one in process.events if isinstance(one, Failed)]
    assert "passes by itself" in failed.advice
    assert 600 <= sim.clock() <= 700


def test_a_passing_condition_without_waiting_is_apply_s() -> None:
    """--no-wait: not done, exit 3, and apply is named, because wait sends only what had no room."""
    sim = Simulation(want("a"))
    refused(sim, NotReadyError("being provisioned", status=400))
    process = sim.apply(wait=False)
    (skipped,) = [one for one in process.events if isinstance(one, Skipped)]
    assert (skipped.unfinished, skipped.resume) == (True, "apply")
    assert "apply again" in skipped.reason
