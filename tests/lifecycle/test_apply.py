"""A plan goes in, and an exact list of events comes out, for every action."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.errors import (
    ExitCode,
    NotFoundError,
    StalePlanError,
)
from reconciler.events import Completed, Detached, Failed
from reconciler.formats import format_time
from reconciler.model.desired import Replacement
from reconciler.model.live import LAG_SECONDS
from tests.fakes import EPOCH
from tests.lifecycle.simulation import CHECK, READER, WRITER, Simulation, checked, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


def test_create_trains_and_serves() -> None:
    """Started is reported when the create is accepted, Completed when the model serves."""
    sim = Simulation(want())
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Completed"]
    assert (process.code, sim.settled()) == (DONE, True)


def test_create_sets_permissions_and_runs_checks_before_it_promotes() -> None:
    """A create sets permissions and runs checks before the promotion, and reports each step."""
    sim = checked(Simulation(want(permissions=(READER,), checks=(CHECK,))))
    process = sim.apply()
    assert process.told == [
        "bot create Started",
        "bot permissions Completed",
        "bot check Completed",
        "bot create Completed",
    ]
    assert sim.settled()


def test_update_patches_and_sets_permissions() -> None:
    """An update patches a field and sets a grant without training."""
    sim = Simulation(want())
    sim.apply()
    sim.manifests = (want(temperature=0.5, permissions=(WRITER,)),)
    process = sim.apply()
    assert process.told == ["bot update Completed", "bot permissions Completed"]
    (model,) = sim.service.models.values()
    assert (model.attributes["temperature"], set(model.permissions.values())) == (0.5, {WRITER})
    assert sim.settled()


def test_replace_promotes_and_then_deletes() -> None:
    """The successor is reported as trained, then the old model as deleted."""
    sim = Simulation(want())
    sim.apply()
    old = serving(sim)
    sim.manifests = (want(data="two"),)
    process = sim.apply()
    assert process.told == ["bot create Started", "bot replace Completed", "bot delete Completed"]
    assert sim.ids() == [serving(sim)] != [old]
    assert sim.settled()


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        (True, ["bot adopt Completed"]),
        (False, ["Detached no-wait bot"]),
    ],
)
def test_adopt_waits_for_what_is_still_training(wait: bool, told: list[str]) -> None:  # noqa: FBT001
    """Without a state, a model in training is found by its id and waited for."""
    sim = Simulation(want())
    sim.apply(wait=False)
    sim.store.stored = None
    process = sim.apply(wait=wait)
    assert process.told == told
    assert (process.code, sum(sim.service.creates.values())) == (DONE, 1)


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        ("adopt", ["bot adopt Completed"]),
        ("restore", ["bot restore Completed"]),
        ("record", []),
        ("forget", ["bot forget Completed"]),
    ],
)
def test_what_needs_no_call_is_written_once(prepare: str, told: list[str]) -> None:
    """ADOPT, RESTORE, RECORD and FORGET take one write of the state and no changing call."""
    sim = Simulation(want(keep_deposed=timedelta(hours=24)), want("other"))
    sim.apply()
    match prepare:
        case "adopt":
            sim.store.stored = None
            sim.manifests = (want(),)
        case "restore":
            sim.manifests = (want(epochs=6, keep_deposed=timedelta(hours=24)), want("other"))
            sim.apply()
            sim.manifests = (want(keep_deposed=timedelta(hours=24)), want("other"))
        case "record":
            sim.manifests = (want(prevent_destroy=True), want("other"))
        case "forget":
            del sim.service.models[serving(sim)]
            sim.clock.sleep(LAG_SECONDS)  # until then, the model may only be invisible
            sim.manifests = (want("other"),)
    changes = list(sim.service.changes)
    process = sim.apply()
    assert process.told == told
    assert (process.journal.count("write"), sim.service.changes) == (1, changes)
    assert sim.settled()


def test_delete_of_a_model_in_training_cancels_it() -> None:
    """A deletion cancels a running training if the service allows it."""
    sim = Simulation(want(), want("other"))
    sim.apply(wait=False)
    sim.manifests = (want("other"),)
    assert sim.apply(wait=False).told == ["bot delete Completed", "Detached no-wait other"]
    assert sim.ids() == []


def test_a_model_that_cannot_be_deleted_while_it_trains_is_waited_for() -> None:
    """A refused deletion waits for the end of the training and is then sent again."""
    sim = Simulation(want(), want("other"))
    sim.service.keeps_creating = True
    sim.apply(wait=False)
    sim.manifests = (want("other"),)
    process = sim.apply()
    assert sorted(process.told) == ["bot delete Completed", "other create Completed"]
    assert sim.settled()


def test_wait_deletes_what_could_not_be_deleted_while_it_trained() -> None:
    """With --no-wait the model stays deposed and is reported as unfinished. `wait` deletes it later."""
    sim = Simulation(want(), want("other"))
    sim.service.keeps_creating = True
    sim.apply(wait=False)
    sim.manifests = (want("other"),)
    process = sim.apply(wait=False)
    assert process.told == ["bot delete Skipped", "Detached no-wait other"]
    assert (process.code, len(sim.record().deposed)) == (UNFINISHED, 1)
    process = sim.wait()
    assert sorted(process.told) == ["bot delete Completed", "other create Completed"]
    assert sim.settled()


def test_delete_first_makes_room_under_a_pinned_id() -> None:
    """The old model is deleted, then the new one is created under the same id."""
    sim = Simulation(want(id="mine", replace=Replacement.DELETE_FIRST))
    sim.apply()
    sim.manifests = (want(epochs=6, id="mine", replace=Replacement.DELETE_FIRST),)
    process = sim.apply()
    assert process.told == ["bot delete Completed", "bot create Started", "bot replace Completed"]
    assert (sim.service.deletes, sim.service.creates["mine"]) == (["mine"], 2)
    assert sim.settled()


def test_delete_first_waits_for_a_training_that_cannot_be_deleted() -> None:
    """The run waits for the training, deletes the model, creates the new one and waits again."""
    sim = Simulation(want(id="mine", replace=Replacement.DELETE_FIRST))
    sim.service.keeps_creating = True
    sim.apply(wait=False)
    sim.manifests = (want(epochs=6, id="mine", replace=Replacement.DELETE_FIRST),)
    process = sim.apply()
    assert process.told == ["bot delete Completed", "bot create Started", "bot replace Completed"]
    assert sim.settled()


def test_retry_failed_takes_the_next_generation_and_removes_the_failed_one() -> None:
    """Only --retry-failed trains again. The failed model is deleted once its successor is accepted."""
    sim = Simulation(want())
    sim.service.failing["bot"] = "out of luck"
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Failed"]
    failed = process.find_only(Failed)
    assert "out of luck" in failed.error
    assert "--retry-failed" in failed.advice
    again = sim.apply()
    assert (again.told, again.code, again.journal) == (
        ["bot create Failed"],
        FAILED,
        ["lock", "Failed", "unlock"],
    )
    sim.service.failing.clear()
    process = sim.apply(retry_failed=True)
    assert process.told == ["bot create Started", "bot delete Completed", "bot replace Completed"]
    assert (sim.record().models[0].generation, len(sim.ids())) == (1, 1)
    assert sim.settled()


def test_protection_keeps_the_old_model() -> None:
    """With prevent_destroy, the successor serves, the old model stays deposed, and the plan is empty."""
    sim = Simulation(want(prevent_destroy=True))
    sim.apply()
    sim.manifests = (want(epochs=6, prevent_destroy=True),)
    assert sim.apply().told == ["bot create Started", "bot replace Completed"]
    assert (len(sim.ids()), sim.settled()) == (2, True)


def test_what_moved_between_approval_and_lock_refuses_the_plan() -> None:
    """If another run has applied something else, the plan is refused before any write or call."""
    sim = Simulation(want())
    sim.apply()
    sim.manifests = (want(epochs=6),)
    process = sim.process()
    plan, _ = process.operation.make_plan()
    sim.manifests = (want(epochs=7),)
    sim.apply()
    stored, changes = sim.store.stored, list(sim.service.changes)
    with pytest.raises(StalePlanError):
        sim.follow(process, process.operation.recheck(plan))
    assert (sim.store.stored, sim.service.changes) == (stored, changes)
    assert process.journal == ["lock", "unlock"]


def test_progress_between_approval_and_lock_refuses_nothing() -> None:
    """If another run has applied the same plan, ours has nothing left to do and trains nothing."""
    sim = Simulation(want(), want("other"))
    process = sim.process()
    plan, _ = process.operation.make_plan()
    sim.apply(wait=False)
    sim.follow(process, process.operation.recheck(plan))
    assert sorted(process.told) == ["bot create Completed", "other create Completed"]
    assert set(sim.service.creates.values()) == {1}
    assert sim.settled()


def test_elapsed_counts_from_the_start_of_the_training() -> None:
    """The event of a finished training says how long the training took."""
    sim = Simulation(want(), training_seconds=90.0)
    process = sim.apply()
    done = process.find_only(Completed)
    assert done.elapsed == pytest.approx(90.0, abs=5.0)
    assert sim.now() >= EPOCH
    assert not [event for event in process.events if isinstance(event, Detached)]


def test_a_model_that_nobody_can_see_is_no_loss() -> None:
    """A single 404 does not make the plan train again while the list shows the model."""
    sim = Simulation(want())
    sim.apply()
    sim.service.fail("get", NotFoundError("gone", status=404))
    assert sim.settled()


@pytest.mark.parametrize(("minutes", "asked"), [(0, 1), (10, 2)])
def test_what_was_decided_a_moment_ago_still_holds(minutes: int, asked: int) -> None:
    """From the same facts, nothing is decided again at once. After a long approval, everything is.

    A model's record says when its training was asked for, and not when the plan was shown.
    """
    sim = Simulation(want())
    process = sim.process()
    plan, _ = process.operation.make_plan()
    sim.clock.sleep(60 * minutes)
    before = sim.now()
    sim.follow(process, process.operation.recheck(plan), waits=False)
    assert [method for method, _ in sim.service.calls].count("base_models") == asked
    candidate = sim.record().candidate
    assert candidate is not None
    assert candidate.started == format_time(before)
