"""A plan in, the exact list of events out: every action."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.errors import (
    ExitCode,
    NotFoundError,
    StalePlanError,
)
from reconciler.events import Completed, Detached, Failed
from reconciler.model import LAG_SECONDS
from tests.fakes import EPOCH
from tests.lifecycle.stage import CHECK, READER, WRITER, Stage, checked, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


def test_create_trains_and_serves() -> None:
    """Started when the create is accepted, completed when the model serves."""
    stage = Stage(want())
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Completed"]
    assert (process.code, stage.settled()) == (DONE, True)


def test_create_sets_permissions_and_runs_checks_before_it_promotes() -> None:
    """Each of them is told."""
    stage = checked(Stage(want(permissions=(READER,), checks=(CHECK,))))
    process = stage.apply()
    assert process.told == [
        "bot create Started",
        "bot permissions Completed",
        "bot check Completed",
        "bot create Completed",
    ]
    assert stage.settled()


def test_update_patches_and_sets_permissions() -> None:
    """A field that can be updated, and a grant: no training."""
    stage = Stage(want())
    stage.apply()
    stage.manifests = (want(temperature=0.5, permissions=(WRITER,)),)
    process = stage.apply()
    assert process.told == ["bot update Completed", "bot permissions Completed"]
    (model,) = stage.service.models.values()
    assert (model.attributes["temperature"], set(model.permissions.values())) == (0.5, {WRITER})
    assert stage.settled()


def test_replace_promotes_and_then_deletes() -> None:
    """The successor is told as trained, then the old one as deleted."""
    stage = Stage(want())
    stage.apply()
    old = serving(stage)
    stage.manifests = (want(data="two"),)
    process = stage.apply()
    assert process.told == ["bot create Started", "bot replace Completed", "bot delete Completed"]
    assert stage.ids() == [serving(stage)] != [old]
    assert stage.settled()


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        (True, ["bot adopt Completed"]),
        (False, ["Detached no-wait bot"]),
    ],
)
def test_adopt_waits_for_what_is_still_training(wait: bool, told: list[str]) -> None:  # noqa: FBT001
    """Without a state, a model in training is found by its id and waited for."""
    stage = Stage(want())
    stage.apply(wait=False)
    stage.store.stored = None
    process = stage.apply(wait=wait)
    assert process.told == told
    assert (process.code, sum(stage.service.creates.values())) == (DONE, 1)


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
    """ADOPT, RESTORE, RECORD and FORGET: one write of the state, and no changing call."""
    stage = Stage(want(keep_deposed=timedelta(hours=24)), want("other"))
    stage.apply()
    match prepare:
        case "adopt":
            stage.store.stored = None
            stage.manifests = (want(),)
        case "restore":
            stage.manifests = (want(epochs=6, keep_deposed=timedelta(hours=24)), want("other"))
            stage.apply()
            stage.manifests = (want(keep_deposed=timedelta(hours=24)), want("other"))
        case "record":
            stage.manifests = (want(prevent_destroy=True), want("other"))
        case "forget":
            del stage.service.models[serving(stage)]
            stage.clock.sleep(LAG_SECONDS)  # before, it may only be invisible
            stage.manifests = (want("other"),)
    changes = list(stage.service.changes)
    process = stage.apply()
    assert process.told == told
    assert (process.journal.count("write"), stage.service.changes) == (1, changes)
    assert stage.settled()


def test_delete_of_a_model_in_training_cancels_it() -> None:
    """Where the service lets us."""
    stage = Stage(want(), want("other"))
    stage.apply(wait=False)
    stage.manifests = (want("other"),)
    assert stage.apply(wait=False).told == ["bot delete Completed", "Detached no-wait other"]
    assert stage.ids() == []


def test_a_model_that_cannot_be_deleted_while_it_trains_is_waited_for() -> None:
    """The refused deletion waits for the training to end, then is done."""
    stage = Stage(want(), want("other"))
    stage.service.keeps_creating = True
    stage.apply(wait=False)
    stage.manifests = (want("other"),)
    process = stage.apply()
    assert sorted(process.told) == ["bot delete Completed", "other create Completed"]
    assert stage.settled()


def test_wait_deletes_what_could_not_be_deleted_while_it_trained() -> None:
    """With --no-wait it stays deposed, is told as unfinished, and `wait` deletes it later."""
    stage = Stage(want(), want("other"))
    stage.service.keeps_creating = True
    stage.apply(wait=False)
    stage.manifests = (want("other"),)
    process = stage.apply(wait=False)
    assert process.told == ["bot delete Skipped", "Detached no-wait other"]
    assert (process.code, len(stage.record().deposed)) == (UNFINISHED, 1)
    process = stage.wait()
    assert sorted(process.told) == ["bot delete Completed", "other create Completed"]
    assert stage.settled()


def test_delete_first_makes_room_under_a_pinned_id() -> None:
    """The old model goes, then the new one is created under the same id."""
    stage = Stage(want(id="mine", replace="delete_first"))
    stage.apply()
    stage.manifests = (want(epochs=6, id="mine", replace="delete_first"),)
    process = stage.apply()
    assert process.told == ["bot delete Completed", "bot create Started", "bot replace Completed"]
    assert (stage.service.deletes, stage.service.creates["mine"]) == (["mine"], 2)
    assert stage.settled()


def test_delete_first_waits_for_a_training_that_cannot_be_deleted() -> None:
    """Then it deletes, creates and waits again."""
    stage = Stage(want(id="mine", replace="delete_first"))
    stage.service.keeps_creating = True
    stage.apply(wait=False)
    stage.manifests = (want(epochs=6, id="mine", replace="delete_first"),)
    process = stage.apply()
    assert process.told == ["bot delete Completed", "bot create Started", "bot replace Completed"]
    assert stage.settled()


def test_retry_failed_takes_the_next_generation_and_removes_the_failed_one() -> None:
    """Another training only when asked for; the failed one goes once its successor is accepted."""
    stage = Stage(want())
    stage.service.failing["bot"] = "out of luck"
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Failed"]
    failed = process.one(Failed)
    assert "out of luck" in failed.error
    assert "--retry-failed" in failed.advice
    again = stage.apply()
    assert (again.told, again.code, again.journal) == (
        ["bot create Failed"],
        FAILED,
        ["lock", "Failed", "unlock"],
    )
    stage.service.failing.clear()
    process = stage.apply(retry_failed=True)
    assert process.told == ["bot create Started", "bot delete Completed", "bot replace Completed"]
    assert (stage.record().models[0].generation, len(stage.ids())) == (1, 1)
    assert stage.settled()


def test_protection_keeps_the_old_model() -> None:
    """prevent_destroy: the successor serves, the old model stays as deposed, and the plan is empty."""
    stage = Stage(want(prevent_destroy=True))
    stage.apply()
    stage.manifests = (want(epochs=6, prevent_destroy=True),)
    assert stage.apply().told == ["bot create Started", "bot replace Completed"]
    assert (len(stage.ids()), stage.settled()) == (2, True)


def test_what_moved_between_approval_and_lock_refuses_the_plan() -> None:
    """Another run applied meanwhile something else: nothing is written or sent."""
    stage = Stage(want())
    stage.apply()
    stage.manifests = (want(epochs=6),)
    process = stage.process()
    plan, _ = process.operation.plan()
    stage.manifests = (want(epochs=7),)
    stage.apply()
    stored, changes = stage.store.stored, list(stage.service.changes)
    with pytest.raises(StalePlanError):
        stage.follow(process, process.operation.recheck(plan), None, stage.settings())
    assert (stage.store.stored, stage.service.changes) == (stored, changes)
    assert process.journal == ["lock", "unlock"]


def test_progress_between_approval_and_lock_refuses_nothing() -> None:
    """Another run applied the same plan: ours has nothing left to do, and trains nothing."""
    stage = Stage(want(), want("other"))
    process = stage.process()
    plan, _ = process.operation.plan()
    stage.apply(wait=False)
    stage.follow(process, process.operation.recheck(plan), None, stage.settings())
    assert sorted(process.told) == ["bot create Completed", "other create Completed"]
    assert set(stage.service.creates.values()) == {1}
    assert stage.settled()


def test_elapsed_counts_from_the_start_of_the_training() -> None:
    """What is told of a finished training says how long it took."""
    stage = Stage(want(), training_seconds=90.0)
    process = stage.apply()
    done = process.one(Completed)
    assert done.elapsed == pytest.approx(90.0, abs=5.0)
    assert stage.now() >= EPOCH
    assert not [event for event in process.events if isinstance(event, Detached)]


def test_a_model_that_nobody_can_see_is_no_loss() -> None:
    """A get that answers 404 once does not make the plan train anew while the list shows it."""
    stage = Stage(want())
    stage.apply()
    stage.service.fail("get", NotFoundError("gone", status=404))
    assert stage.settled()
