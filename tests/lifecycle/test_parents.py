"""Models that are tuned from other models are trained in order, or skipped with a reason."""

from __future__ import annotations

import pytest

from reconciler.errors import (
    ExitCode,
)
from reconciler.events import Skipped
from tests.lifecycle.simulation import Simulation, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


def test_a_child_is_trained_when_its_parent_serves() -> None:
    """One apply trains parent and child, with the parent's live id as the source."""
    sim = Simulation(want("child", parent="bot"), want())
    process = sim.apply()
    assert process.told == [
        "bot create Started",
        "bot create Completed",
        "child create Started",
        "child create Completed",
    ]
    assert sim.service.models[serving(sim, "child")].source == f"tunedModels/{serving(sim)}"
    assert sim.settled()


def test_a_child_of_a_parent_that_fails_is_not_begun() -> None:
    """The parent's failure is reported once, the child is skipped, and the exit code is 4."""
    sim = Simulation(want("child", parent="bot"), want())
    sim.service.failing["bot"] = "out of luck"
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Failed", "child create Skipped"]
    assert (process.code, "which failed" in process.find_only(Skipped).reason) == (FAILED, True)
    again = sim.apply()
    assert (again.told, again.code) == (["bot create Failed", "child create Skipped"], FAILED)
    sim.service.failing.clear()
    sim.apply(retry_failed=True)
    # It forgets the child's first id, which was made from the failed parent's id and never created.
    sim.apply()
    assert sim.settled()
    assert sorted(sim.service.creates.values()) == [1, 1, 1]


@pytest.mark.parametrize("settings", [{"wait": False}, {"timeout": 20.0}])
def test_a_child_of_a_parent_in_training_is_left_for_later(settings: dict[str, object]) -> None:
    """Without enough waiting the exit code is 3, because the child is not accepted.

    The next apply continues.
    """
    sim = Simulation(want("child", parent="bot"), want())
    process = sim.apply(**settings)  # type: ignore[arg-type]
    assert process.told[:2] == ["bot create Started", "child create Skipped"]
    assert (process.code, "does not serve yet" in process.find_only(Skipped).reason) == (UNFINISHED, True)
    assert sim.wait().told == ["bot create Completed"]
    assert sim.apply().told == ["child create Started", "child create Completed"]
    assert sim.settled()


def test_a_child_waits_for_the_successor_of_its_parent() -> None:
    """The parent serves the former model meanwhile. The child is not said to come from that one."""
    sim = Simulation(want("child", parent="bot"), want())
    sim.apply()
    sim.manifests = (want("child", parent="bot"), want(data="two"))
    skipped = sim.apply(wait=False).find_only(Skipped)
    assert skipped.reason == (
        "it is tuned from TunedModel/bot, whose new model does not serve yet: apply again when it does"
    )
    sim.wait()
    sim.apply()
    assert sim.settled()


def test_a_child_of_a_parent_under_another_id_than_planned_waits_for_the_next_apply() -> None:
    """If the parent takes the next generation, the child's id would differ.

    The child is skipped with this reason.
    """
    sim = Simulation(want("child", parent="bot"), want())
    sim.service.hidden.add(sim.plan().changes[0].id)
    process = sim.apply()
    assert process.told == ["bot create Started", "bot create Completed", "child create Skipped"]
    assert "apply again" in process.find_only(Skipped).reason
    assert process.code is UNFINISHED
    assert sim.apply().told == ["child create Started", "child create Completed"]
    sim.apply()  # it forgets the id that was never created
    assert sim.settled()
    assert set(sim.service.creates.values()) == {1}


def test_delete_first_waits_for_the_parent_before_it_deletes() -> None:
    """A pinned child serves until it can be trained again."""
    sim = Simulation(want(), want("child", parent="bot", id="mine", replace="delete_first"))
    sim.apply()
    sim.manifests = (want(epochs=6), want("child", parent="bot", id="mine", replace="delete_first"))
    process = sim.apply(wait=False)
    assert sim.ids("mine") == ["mine"]
    assert process.code is UNFINISHED
    sim.apply()
    assert sim.settled()
    assert sim.service.models["mine"].source == f"tunedModels/{serving(sim)}"
