"""A service without room for another training is waited for. Nothing fails, and nothing trains twice."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import ExitCode, NoCapacityError, NotReadyError, RateLimitedError, StoppedError
from reconciler.events import Failed, Skipped
from reconciler.model.desired import Desired
from reconciler.model.live import Status
from reconciler.model.stack import Guards
from tests.lifecycle.simulation import CHECK, READER, Simulation, serving, want


def full(sim: Simulation, times: int, name: str = "a") -> None:
    """Refuse the next creates of this name, without effect."""
    id = sim.plan().trainings[0].id
    assert id.startswith(name)
    sim.service.fail("create", NoCapacityError("no room", status=429), id=id, times=times)


def test_it_waits_without_the_lock_and_asks_again() -> None:
    """After each of two refusals, apply waits at least 30 s without the lock. It trains once."""
    sim = Simulation(want("a"))
    full(sim, 2)
    process = sim.apply()
    assert not [event for event in process.events if isinstance(event, Failed)]
    assert [event.unfinished for event in process.events if isinstance(event, Skipped)] == [False]
    assert process.journal.count("lock") == process.journal.count("unlock") >= 3
    assert sim.clock() >= 60
    assert list(sim.service.creates.values()) == [1]
    assert sim.settled()


def test_what_has_room_is_trained_meanwhile() -> None:
    """One address without room does not block another."""
    sim = Simulation(want("a"), want("b"))
    full(sim, 5)
    sim.apply()
    assert sorted(sim.service.creates.values()) == [1, 1]
    assert sim.settled()


def test_a_timeout_leaves_it_for_later() -> None:
    """At the time-out the create is reported as unfinished. The next run trains it once."""
    sim = Simulation(want("a"))
    full(sim, 2)
    process = sim.apply(timeout=20.0)
    assert [event.unfinished for event in process.events if isinstance(event, Skipped)] == [False, True]
    sim.apply()
    assert list(sim.service.creates.values()) == [1]
    assert sim.settled()


# --- recorded as waiting ------------------------------------------------------------------------------


def refused(sim: Simulation, error: Exception, times: int = 1) -> None:
    """Refuse the next creates with this error, without effect."""
    sim.service.fail("create", error, id=sim.plan().trainings[0].id, times=times)


def waits(sim: Simulation, name: str = "a") -> tuple[str, str, str]:
    """The reason for which a pending create waits, since when, and the service's words."""
    model = sim.record(name).candidate
    assert model is not None
    return model.waiting, model.waiting_since, model.waiting_said


def test_a_create_without_room_is_recorded_as_waiting_and_wait_sends_it() -> None:
    """The record has the time and the service's words. The run names `wait`, which trains it once."""
    sim = Simulation(want("a"))
    full(sim, 1)
    process = sim.apply(wait=False)
    assert waits(sim) == ("quota", "2026-01-01T00:00:00Z", "no room")
    (skipped,) = [event for event in process.events if isinstance(event, Skipped)]
    assert (skipped.unfinished, skipped.resume) == (True, "wait")
    assert "wait sends it" in skipped.reason
    assert process.code is ExitCode.UNFINISHED
    process = sim.wait()
    assert process.told == ["a create Started", "a create Completed"]
    assert list(sim.service.creates.values()) == [1]
    assert sim.record("a").serving is not None
    assert sim.settled()


def test_wait_goes_on_asking_while_there_is_no_room() -> None:
    """Two more refusals mean two more waits. The recorded start of the wait stays."""
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
    """The acceptance removes what was recorded about the refusal."""
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
    """If the manifest changed while its create waited, `wait` does not send it, and a note names apply."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(wait=False)
    sim.manifests = (changed,)
    (note,) = sim.process().operation.plan_unfinished().notes
    assert "has changed since it was approved" in note
    assert "reconciler apply does" in note
    assert sim.wait().told == []
    assert sim.service.creates == {}


def test_wait_sends_nothing_that_no_manifest_declares() -> None:
    """If the manifest is gone nothing trains, and apply forgets the create."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(wait=False)
    sim.manifests = ()
    sim.wait()
    assert sim.service.creates == {}
    sim.apply()
    assert sim.state.resources == {}


def test_todays_guards_hold_for_what_waits() -> None:
    """If the Stack now says max_trainings 0, nothing is sent, and a note names the guard and apply."""
    sim = Simulation(want("a"))
    full(sim, 1)
    sim.apply(wait=False)
    sim.stack = replace(sim.stack, guards=Guards(max_trainings=0))
    (note,) = sim.process().operation.plan_unfinished().notes
    assert "max_trainings 0" in note
    assert "reconciler apply does" in note
    assert sim.wait().told == []
    assert sim.service.creates == {}


def test_what_arrived_after_all_is_not_sent_again() -> None:
    """If the service trains a create that it refused, `wait` finds the model by its id."""
    sim = Simulation(want("a"))
    id = sim.plan().trainings[0].id
    sim.service.fail("create", NoCapacityError("no room", status=429), id=id, when="after")
    sim.apply(wait=False)
    assert waits(sim)[0] == "quota"
    sim.wait()
    assert sim.service.creates[id] == 1
    assert serving(sim, "a") == id


def test_a_create_that_was_not_refused_for_want_of_room_is_apply_s() -> None:
    """A create that was stopped before it was sent is continued by apply. `wait` leaves it alone."""
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
    (skipped,) = [event for event in process.events if isinstance(event, Skipped)]
    assert (skipped.unfinished, skipped.resume) == (True, "apply")
    assert waits(sim) == ("", "", "")
    assert sim.wait().told == []
    sim.apply()
    assert sim.settled()


# --- how long -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [90.0, 1.0, 600.0])
def test_a_delay_that_the_service_names_is_kept(seconds: float) -> None:
    """After a 429 with RetryInfo, apply asks again after that delay, not before and not much later."""
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
    """A delay that the service named is kept. Otherwise the end of another training may shorten the wait."""
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
    """With `limit: 0` or a very long delay the change fails with the service's words. The others continue."""
    sim = Simulation(want("a"), want("b"))
    refused(sim, RateLimitedError("limit: 0", status=429))
    process = sim.apply()
    (failed,) = [event for event in process.events if isinstance(event, Failed)]
    assert failed.error == "limit: 0"
    assert waits(sim) == ("", "", "")
    assert process.code is ExitCode.FAILED
    assert sum(sim.service.creates.values()) == 1


@pytest.mark.parametrize("method", ["update", "set_permissions", "delete"])
def test_other_calls_are_asked_again_too(method: str) -> None:
    """While apply waits, another call that meets a 429 with a delay is sent again after it."""
    sim = Simulation(want("a"), want("old"))
    sim.apply()
    sim.manifests = (want("a", temperature=0.5, permissions=(READER,)),)
    sim.service.fail(method, RateLimitedError("slow", status=429, again=200.0, named=True))
    process = sim.apply()
    assert process.code is ExitCode.DONE, process.told
    assert sim.settled()


def test_a_passing_condition_is_asked_again() -> None:
    """While service agents are being provisioned, apply waits without the lock and trains once."""
    sim = Simulation(want("a"))
    refused(sim, NotReadyError("Service agents are being provisioned", status=400), times=3)
    process = sim.apply()
    assert process.told[-1] == "a create Completed"
    assert sim.settled()


def test_a_passing_condition_that_stays_is_said_to_be_one() -> None:
    """After ten minutes the change fails, and the error says that the condition usually passes."""
    sim = Simulation(want("a"))
    refused(sim, NotReadyError("being provisioned", "This passes by itself", status=400), times=100)
    process = sim.apply()
    (failed,) = [event for event in process.events if isinstance(event, Failed)]
    assert "passes by itself" in failed.advice
    assert 600 <= sim.clock() <= 700


def test_a_passing_condition_without_waiting_is_apply_s() -> None:
    """With --no-wait the exit code is 3, and apply is named. `wait` sends only creates without room."""
    sim = Simulation(want("a"))
    refused(sim, NotReadyError("being provisioned", status=400))
    process = sim.apply(wait=False)
    (skipped,) = [event for event in process.events if isinstance(event, Skipped)]
    assert (skipped.unfinished, skipped.resume) == (True, "apply")
    assert "apply again" in skipped.reason
