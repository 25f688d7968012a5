"""The order of effects, seen from outside as one list of sends, writes and reports."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.errors import ExitCode
from reconciler.events import Event, Uploading
from reconciler.model.desired import Desired
from tests.fakes import FakeModel
from tests.lifecycle.simulation import CHECK, READER, Process, Simulation, address, want


def test_the_intents_of_all_creates_are_recorded_before_the_first_post() -> None:
    """One commit holds every id to be created, before the first create is sent."""
    sim = Simulation(*(want(f"bot{number}") for number in range(5)))
    recorded: list[set[str]] = []

    def calling(method: str, id: str) -> None:
        if method == "create":
            candidates = {
                resource.candidate.id for resource in sim.state.resources.values() if resource.candidate
            }
            assert id in candidates
            recorded.append(candidates)

    sim.calling = calling
    process = sim.apply()
    assert [len(addresses) for addresses in recorded] == [5] * 5
    assert process.journal[:3] == ["lock", "write", f"create {sim.ids('bot0')[0]}"]


@pytest.mark.parametrize("parallelism", [1, 7])
def test_an_outcome_is_recorded_before_it_is_told(parallelism: int) -> None:
    """When an event is reported, the written state already says the same."""
    manifests = [want(f"bot{number}", permissions=(READER,), checks=(CHECK,)) for number in range(7)]
    sim = Simulation(*manifests)
    sim.service.answer = lambda _model, _prompt: CHECK.expect

    def react(event: Event, process: Process) -> None:
        record = sim.state.resources[event.address]  # type: ignore[union-attr]
        match process.told[-1].split()[1:]:
            case ["create", "Started"]:
                assert record.candidate is not None
                assert record.candidate.operation
            case ["permissions", "Completed"]:
                model = record.candidate or record.serving
                assert model is not None
                assert model.permissions == (READER,)
            case ["check", "Completed"]:
                model = record.candidate or record.serving
                assert model is not None
                assert model.verdict == "passed"
            case ["create", "Completed"]:
                assert record.serving is not None

    def telling(event: Event, process: Process) -> None:
        if process.told and hasattr(event, "address"):
            react(event, process)

    process = sim.apply(react=telling, parallelism=parallelism)
    assert len(process.told) == 7 * 4
    assert sim.settled()


def test_what_serves_goes_only_after_its_successor_is_recorded_as_serving() -> None:
    """The order is always create, permissions, checks, promotion, deletion."""
    sim = Simulation(want())
    sim.service.answer = lambda _model, _prompt: CHECK.expect
    sim.apply()
    (old,) = sim.ids()
    sim.manifests = (want(epochs=6, permissions=(READER,), checks=(CHECK,)),)

    def deleting(id: str) -> None:
        serving = sim.record().serving
        assert id == old
        assert serving is not None
        assert serving.id != old
        assert [deposed.id for deposed in sim.record().deposed] == [old]

    sim.deleting = deleting
    process = sim.apply()
    (new,) = sim.ids()
    sent = [entry for entry in process.journal if entry.partition(" ")[2]]
    assert sent == [f"create {new}", f"set_permissions {new}", f"generate {new}", f"delete {old}"]
    assert sim.record().deposed == ()


def test_a_model_is_forgotten_only_after_it_was_deleted() -> None:
    """The record exists while the delete is sent. The next commit removes it."""
    sim = Simulation(want(), want("other"))
    sim.apply()
    sim.manifests = (want("other"),)
    sim.deleting = lambda gone: None if sim.record().serving else pytest.fail(f"{gone} was forgotten")
    process = sim.apply()
    assert process.journal == ["lock", process.journal[1], "write", "Completed", "unlock"]
    assert process.journal[1].startswith("delete bot-")
    assert address("bot") not in sim.state.resources


@pytest.mark.parametrize(
    "manifest",
    [want(), want(permissions=(READER,), checks=(CHECK,)), want("kid", parent="bot")],
    ids=["plain", "checked", "child"],
)
def test_the_lock_is_not_held_while_a_training_is_watched(manifest: Desired) -> None:
    """The lock is free between the commit of the starts and the commit of the first end."""
    sim = Simulation(want(), *((manifest,) if manifest.address.name != "bot" else ()))
    sim.manifests = sim.manifests if len(sim.manifests) > 1 else (manifest,)
    sim.service.answer = lambda _model, _prompt: CHECK.expect
    held: list[bool] = []

    def calling(method: str, _id: str) -> None:
        if method == "poll":
            held.append(sim.store.holder is not None)

    sim.calling = calling
    process = sim.apply()
    assert len(held) > 10
    assert not any(held)
    assert process.journal.count("lock") == process.journal.count("unlock") == len(sim.manifests) + 1


def test_the_next_generation_is_recorded_before_it_is_tried() -> None:
    """If an invisible model has taken the id, the next id is recorded before it is sent."""
    sim = Simulation(want())
    first = sim.plan().changes[0].id
    sim.service.hidden.add(first)
    process = sim.apply()
    (second,) = sim.ids()
    assert process.journal[:6] == ["lock", "write", f"create {first}", "write", f"create {second}", "write"]
    assert sim.record().serving is not None
    assert sim.record().models[0].generation == 1
    assert sim.settled()


def test_an_unfinished_candidate_goes_only_after_its_successor_was_accepted() -> None:
    """After an edit during a training, the new model is created before the old training is cancelled."""
    sim = Simulation(want())
    sim.apply(wait=False)
    (unfinished,) = sim.ids()
    sim.manifests = (want(epochs=6),)
    process = sim.apply(wait=False)
    (new,) = sim.ids()
    sent = [entry for entry in process.journal if entry.partition(" ")[2] or entry == "write"]
    assert sent == ["write", f"create {new}", "write", f"delete {unfinished}", "write"]


def test_a_kept_model_goes_when_its_time_has_come() -> None:
    """With keep_deposed the old model outlives the promotion, and a later apply deletes it."""
    sim = Simulation(want(keep_deposed=timedelta(hours=24)))
    sim.apply()
    (old,) = sim.ids()
    sim.manifests = (want(epochs=6, keep_deposed=timedelta(hours=24)),)
    sim.apply()
    assert old in sim.ids()
    assert not sim.plan().has_work
    sim.clock.sleep(25 * 3600)
    sim.apply()
    assert old not in sim.ids()
    assert sim.settled()


@pytest.mark.parametrize("gone", [False, True])
def test_a_replaced_model_goes_only_while_its_successor_is_active(*, gone: bool) -> None:
    """A last lookup precedes the deletion. If the successor is not ACTIVE, `wait` deletes later."""
    sim = Simulation(want())
    sim.apply()
    (old,) = sim.ids()
    sim.manifests = (want(epochs=6),)
    taken: list[FakeModel] = []

    def calling(method: str, id: str) -> None:
        serving = sim.record().serving
        if method == "get" and id != old and serving is not None and serving.id == id and not taken:
            taken.append(sim.service.models[id])
            if gone:
                del sim.service.models[id]
            else:
                taken[0].started = sim.clock()

    sim.calling = calling
    process = sim.apply()
    assert len(taken) == 1
    assert old in sim.ids()
    assert (process.told[-1], process.code) == ("bot delete Skipped", ExitCode.UNFINISHED)
    assert [deposed.id for deposed in sim.record().deposed] == [old]
    sim.service.models[taken[0].id] = taken[0]
    sim.service.finish()
    assert sim.wait().code is ExitCode.DONE
    assert sim.ids() == [taken[0].id]


def test_a_kept_model_stays_while_its_successor_is_not_active() -> None:
    """The same lookup precedes a deletion that is due long after the promotion."""
    sim = Simulation(want(keep_deposed=timedelta(hours=24)))
    sim.apply()
    (old,) = sim.ids()
    sim.manifests = (want(epochs=6, keep_deposed=timedelta(hours=24)),)
    sim.apply()
    sim.clock.sleep(25 * 3600)
    new = next(id for id in sim.ids() if id != old)

    def calling(method: str, id: str) -> None:
        if method == "get" and id == new:
            sim.service.models[new].started = sim.clock()

    sim.calling = calling
    process = sim.apply()
    assert old in sim.ids()
    assert (process.told[-1], process.code) == ("bot delete Skipped", ExitCode.UNFINISHED)


def test_what_a_call_tells_of_its_upload_is_an_event() -> None:
    """Upload events come after the apply's start and before the create is reported."""
    sim = Simulation(want())

    def calling(method: str, _id: str) -> None:
        if method == "create":
            for sent in (1, 2):
                process.operation.uploads.put(Uploading("a.jsonl", sent, 2))

    sim.calling = calling
    process = sim.process()
    sim.apply(process=process)
    uploads = [event for event in process.events if isinstance(event, Uploading)]
    assert uploads == [Uploading("a.jsonl", 1, 2), Uploading("a.jsonl", 2, 2)]
    assert process.told[:3] == ["upload a.jsonl", "upload a.jsonl", "bot create Started"]
    assert process.code is ExitCode.DONE


def test_a_revert_within_the_default_time_restores_without_training_and_wait_deletes_after_it() -> None:
    """By default a revert within 24 hours trains nothing. A day later `wait` deletes the other model."""
    sim = Simulation(want(keep_deposed=None))
    sim.apply()
    (old,) = sim.ids()
    sim.manifests = (want(epochs=6, keep_deposed=None),)
    sim.apply()
    (new,) = (id for id in sim.ids() if id != old)
    sim.clock.sleep(23 * 3600)
    sim.manifests = (want(keep_deposed=None),)
    assert not sim.plan().trainings
    sim.apply()
    serving = sim.record().serving
    assert serving is not None
    assert (serving.id, sorted(sim.ids())) == (old, sorted([old, new]))
    sim.clock.sleep(25 * 3600)
    assert (sim.plan().has_changes, sim.plan().due) == (False, 1)
    assert sim.wait().code is ExitCode.DONE
    assert sim.ids() == [old]
