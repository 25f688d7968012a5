"""Models that are tuned from models: in order, or not begun and said so."""

from __future__ import annotations

import pytest

from reconciler.errors import (
    ExitCode,
)
from reconciler.events import Skipped
from tests.lifecycle.stage import Stage, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


def test_a_child_is_trained_when_its_parent_serves() -> None:
    """One apply, in order, with the parent's live id as the source."""
    stage = Stage(want("child", parent="bot"), want())
    process = stage.apply()
    assert process.told == [
        "bot create Started",
        "bot create Completed",
        "child create Started",
        "child create Completed",
    ]
    assert stage.service.models[serving(stage, "child")].source == f"tunedModels/{serving(stage)}"
    assert stage.settled()


def test_a_child_of_a_parent_that_fails_is_not_begun() -> None:
    """The parent's failure is told once a run, the child is skipped; exit 4."""
    stage = Stage(want("child", parent="bot"), want())
    stage.service.failing["bot"] = "out of luck"
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Failed", "child create Skipped"]
    assert (process.code, "which failed" in process.one(Skipped).reason) == (FAILED, True)
    again = stage.apply()
    assert (again.told, again.code) == (["bot create Failed", "child create Skipped"], FAILED)
    stage.service.failing.clear()
    stage.apply(retry_failed=True)
    stage.apply()  # forgets the child's id that was never created: it was made from the failed parent's
    assert stage.settled()
    assert sorted(stage.service.creates.values()) == [1, 1, 1]


@pytest.mark.parametrize("settings", [{"wait": False}, {"timeout": 20.0}])
def test_a_child_of_a_parent_in_training_is_left_for_later(settings: dict[str, object]) -> None:
    """Not waiting, or not long enough: exit 3, because not all is accepted, and the next apply goes on."""
    stage = Stage(want("child", parent="bot"), want())
    process = stage.apply(**settings)  # type: ignore[arg-type]
    assert process.told[:2] == ["bot create Started", "child create Skipped"]
    assert (process.code, "does not serve yet" in process.one(Skipped).reason) == (UNFINISHED, True)
    assert stage.wait().told == ["bot create Completed"]
    assert stage.apply().told == ["child create Started", "child create Completed"]
    assert stage.settled()


def test_a_child_of_a_parent_under_another_id_than_planned_waits_for_the_next_apply() -> None:
    """The parent took the next generation, so the child's own id would be another: it says so."""
    stage = Stage(want("child", parent="bot"), want())
    stage.service.hidden.add(stage.plan().changes[0].id)
    process = stage.apply()
    assert process.told == ["bot create Started", "bot create Completed", "child create Skipped"]
    assert "apply again" in process.one(Skipped).reason
    assert process.code is UNFINISHED
    assert stage.apply().told == ["child create Started", "child create Completed"]
    stage.apply()  # forgets the id that was never created
    assert stage.settled()
    assert set(stage.service.creates.values()) == {1}


def test_delete_first_waits_for_the_parent_before_it_deletes() -> None:
    """A pinned child keeps serving until it can be trained anew."""
    stage = Stage(want(), want("child", parent="bot", id="mine", replace="delete_first"))
    stage.apply()
    stage.manifests = (want(epochs=6), want("child", parent="bot", id="mine", replace="delete_first"))
    process = stage.apply(wait=False)
    assert "mine" in stage.service.models
    assert process.code is UNFINISHED
    stage.apply()
    assert stage.settled()
    assert stage.service.models["mine"].source == f"tunedModels/{serving(stage)}"
