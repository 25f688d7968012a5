"""The course of a training: a function of the clock."""

import re

from hypothesis import given
from hypothesis import strategies as st

from reconciler.emulator import clock
from reconciler.emulator.gemini import progress
from tests.emulator.conftest import Api

DONE = "type.googleapis.com/google.ai.generativelanguage.v1beta.TunedModel"


def test_progress_follows_the_clock(api: Api) -> None:
    """Halfway through, half of the steps have a snapshot each, and the model is CREATING."""
    name = api.create("m")["name"]
    assert api.ok("GET", "v1beta/tunedModels")["tunedModels"][0]["state"] == "CREATING"
    assert api.ok("GET", "v1beta/tunedModels/m") == api.ok("GET", "v1beta/tunedModels/m")
    api.advance(5.2)
    operation = api.ok("GET", f"v1/{name}")
    metadata = operation["metadata"]
    assert "done" not in operation
    assert metadata["completedSteps"] == len(metadata["snapshots"]) == 9
    assert 47 < metadata["completedPercent"] < 48
    model = api.ok("GET", "v1beta/tunedModels/m")
    assert model["state"] == "CREATING"
    assert "startTime" in model["tuningTask"]
    assert "completeTime" not in model["tuningTask"]


def test_the_end_has_done_and_response(api: Api) -> None:
    """A finished operation is done and complete. It holds the model that get returns."""
    name = api.create("m")["name"]
    api.advance(10)
    operation = api.ok("GET", f"v1beta/{name}")
    model = api.ok("GET", "v1beta/tunedModels/m")
    assert operation["done"] is True
    assert operation["response"] == {"@type": DONE, **model}
    assert operation["metadata"]["completedPercent"] == 100
    assert operation["metadata"]["snapshots"] == model["tuningTask"]["snapshots"]
    last = operation["metadata"]["snapshots"][-1]
    assert (last["step"], last["epoch"]) == (19, 5)
    assert model["state"] == "ACTIVE"
    assert model["updateTime"] == model["createTime"]
    assert model["createTime"] < model["tuningTask"]["startTime"]
    assert model["tuningTask"]["completeTime"] >= last["computeTime"][:26]


def test_times_have_six_and_nine_digits(api: Api) -> None:
    """Times of snapshots have nanoseconds, and all others microseconds, in UTC."""
    api.create("m")
    api.advance(10)
    model = api.ok("GET", "v1beta/tunedModels/m")
    second = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\."
    for time in (model["createTime"], model["updateTime"], model["tuningTask"]["completeTime"]):
        assert re.fullmatch(second + r"\d{6}Z", time)
    for snapshot in model["tuningTask"]["snapshots"]:
        assert re.fullmatch(second + r"\d{9}Z", snapshot["computeTime"])


def test_a_failure_is_told_by_the_operation_alone(api: Api) -> None:
    """An injected failure ends the operation with its error. The model has only its state."""
    fail = {"code": 13, "message": "out of chips"}
    api.control("faults", [{"train": "^doomed", "fail": fail, "at": 0.5}])
    name = api.create("doomed")["name"]
    api.create("lucky")
    api.advance(4)
    assert api.ok("GET", "v1beta/tunedModels/doomed")["state"] == "CREATING"
    api.advance(1)
    operation = api.ok("GET", f"v1beta/{name}")
    assert operation["done"] is True
    assert operation["error"] == fail
    assert "response" not in operation
    assert 0 < operation["metadata"]["completedPercent"] < 50
    model = api.ok("GET", "v1beta/tunedModels/doomed")
    assert model["state"] == "FAILED"
    assert "chips" not in str(model)
    api.advance(10)
    assert api.ok("GET", "v1beta/tunedModels/lucky")["state"] == "ACTIVE"
    assert api.ok("GET", "v1beta/tunedModels/doomed") == model


def test_cancelling_ends_with_code_one(api: Api) -> None:
    """A cancelled training ends at once with CANCELLED, and stays so."""
    name = api.create("m")["name"]
    api.advance(5)
    assert api.ok("POST", f"v1/{name}:cancel", json={}) == {}
    operation = api.ok("GET", f"v1/{name}")
    assert operation["done"] is True
    assert operation["error"]["code"] == 1
    api.advance(20)
    assert api.ok("GET", f"v1/{name}") == operation
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "FAILED"


def test_cancelling_what_is_over_changes_nothing(api: Api) -> None:
    """A cancel after the end is answered, and the model stays ACTIVE."""
    name = api.create("m")["name"]
    api.advance(11)
    assert api.ok("POST", f"v1beta/{name}:cancel") == {}
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "ACTIVE"


def test_operations_are_in_both_versions(api: Api) -> None:
    """Get and list of operations answer alike under /v1 and /v1beta. Others are a 404."""
    name = api.create("m")["name"]
    assert api.ok("GET", f"v1/{name}") == api.ok("GET", f"v1beta/{name}")
    listed = api.ok("GET", "v1/tunedModels/m/operations")
    assert [operation["name"] for operation in listed["operations"]] == [name]
    assert listed == api.ok("GET", "v1beta/tunedModels/m/operations")
    assert api.refused("GET", "v1/tunedModels/m/operations/none")[0] == 404
    assert api.refused("GET", "v1/tunedModels/none/operations/none")[0] == 404


TRAININGS = st.builds(
    progress.Training,
    model=st.text("abc", min_size=1),
    created=st.integers(0, 10**15),
    duration=st.integers(0, 10**10),
    examples=st.integers(1, 5000),
    epochs=st.integers(1, 100),
    batch=st.integers(1, 64),
)


@given(TRAININGS, st.floats(0, 1), st.floats(0, 1))
def test_progress_never_goes_back(training: progress.Training, one: float, other: float) -> None:
    """The later of two moments has all the snapshots of the earlier one, and no fewer steps."""
    early, late = (training.created + int(training.duration * part) for part in sorted((one, other)))
    assert progress.count_completed_steps(training, early) <= progress.count_completed_steps(training, late)
    before, after = progress.list_snapshots(training, early), progress.list_snapshots(training, late)
    assert after[: len(before)] == before
    assert bool(before) == bool(progress.count_completed_steps(training, early))


@given(TRAININGS)
def test_losses_fall(training: progress.Training) -> None:
    """A finished training ends on its last step. Its loss is below that of its first quarter."""
    shots = progress.list_snapshots(training, training.ended)
    assert shots[-1]["step"] == training.total_steps
    assert len(shots) <= 501
    steps = [shot["step"] for shot in shots]
    assert steps == sorted(set(steps))
    times = [shot["computeTime"] for shot in shots]
    assert times[-1] <= clock.format_nanoseconds(training.ended * 1000)
    if len(shots) >= 8:
        assert shots[-1]["meanLoss"] < min(shot["meanLoss"] for shot in shots[: len(shots) // 4])
