"""Vertex: how jobs end, by the data, by a fault, or by a cancellation."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import Vertex, body, jsonl, line, spec
from tests.limits import repeats


def test_a_fault_fails_a_job_by_name_label_or_number(vertex: Vertex) -> None:
    """A train rule is looked for in display name and labels, and its error is the job's."""
    failure = {"code": 8, "message": "out of tomatoes"}
    vertex.api.control("faults", [{"train": "^team=red$|bad name", "fail": failure, "at": 0.5}])
    labelled = vertex.create(labels={"team": "red"})
    named = vertex.create(tunedModelDisplayName="a bad name")
    other = vertex.create(labels={"team": "blue"})
    vertex.api.advance(4.9)
    assert [vertex.state(job) for job in (labelled, named, other)] == ["RUNNING"] * 3
    vertex.api.advance(0.1)
    for job in (labelled, named):
        failed = vertex.job(job["name"])
        assert failed["state"] == "JOB_STATE_FAILED"
        assert failed["error"] == failure
        assert failed["endTime"] > failed["startTime"]
        assert "tunedModel" not in failed
    vertex.api.advance(10)
    assert vertex.state(other) == "SUCCEEDED"
    assert len(vertex.ok("GET", "models")["models"]) == 1


@pytest.mark.parametrize(
    ("end", "has_model", "has_end_time", "code"),
    [
        ("SUCCEEDED", True, True, None),
        ("PARTIALLY_SUCCEEDED", True, False, None),
        ("FAILED", False, True, 13),
        ("EXPIRED", False, True, None),
        ("PAUSED", False, False, None),
        ("CANCELLED", False, True, 1),
    ],
)
def test_a_fault_chooses_the_end(
    vertex: Vertex,
    end: str,
    has_model: bool,  # noqa: FBT001
    has_end_time: bool,  # noqa: FBT001
    code: int | None,
) -> None:
    """A job ends in the state a rule says, with model, end time and error as documented for it."""
    vertex.api.control("faults", [{"train": ".", "end": f"JOB_STATE_{end}"}])
    job = vertex.finished()
    assert job["state"] == f"JOB_STATE_{end}"
    assert ("tunedModel" in job, "endTime" in job) == (has_model, has_end_time)
    assert job.get("error", {}).get("code") == code
    assert ("models" in vertex.ok("GET", "models")) == has_model


def test_end_and_train_rules_are_checked(vertex: Vertex) -> None:
    """A rule with a state in which no job ends is refused. A used-up rule does nothing."""
    assert vertex.api.refused("POST", "emulator/faults", json={"train": "x", "end": "DONE"})[0] == 400
    vertex.api.control("faults", [{"train": ".", "end": "JOB_STATE_EXPIRED", "times": 1}])
    assert vertex.finished()["state"] == "JOB_STATE_EXPIRED"
    assert vertex.finished()["state"] == "JOB_STATE_SUCCEEDED"


GOOD = line("one", "two")
TURN = {"role": "user", "parts": [{"text": "one"}]}
ANSWER = {"role": "model", "parts": [{"text": "two"}]}
UNFIT: list[tuple[str, str | bytes, str]] = [
    ("empty", "", "no usable example"),
    ("not JSON", "hello\n", "line 1: Invalid JSON"),
    ("second line cut", json.dumps(GOOD) + '\n{"contents": [', "line 2: Invalid JSON"),
    ("not UTF-8", b'{"contents": "\xff"}\n', "line 1: Invalid JSON"),
    ("a list", "[]\n", "line 1"),
    ("the simple form", jsonl([{"text_input": "one", "output": "two"}]), 'Unknown name "text_input"'),
    ("the form of PaLM", jsonl([{"messages": []}]), 'Unknown name "messages"'),
    ("no answer", jsonl([{"contents": [TURN]}]), "model turn"),
    ("no question", jsonl([{"contents": [ANSWER]}]), "model turn"),
    ("the user has the last word", jsonl([{"contents": [TURN, ANSWER, TURN]}]), "model turn"),
    ("two users", jsonl([{"contents": [TURN, TURN, ANSWER]}]), "alternate"),
    ("the model begins", jsonl([{"contents": [ANSWER, TURN, ANSWER]}]), "alternate"),
    ("an unknown role", jsonl([{"contents": [{**TURN, "role": "me"}, ANSWER]}]), "valid role"),
    ("no parts", jsonl([{"contents": [{"role": "user"}, ANSWER]}]), "at least one part"),
    ("an empty answer", jsonl([line("one", "")]), "empty"),
    ("a text in place of parts", jsonl([{"contents": [{"role": "user", "parts": "x"}, ANSWER]}]), "TYPE_"),
    ("all too long", jsonl([line("x" * 600_000, "two")]), "no usable example"),
]


@pytest.mark.parametrize(("content", "told"), [row[1:] for row in UNFIT], ids=[row[0] for row in UNFIT])
def test_unfit_data_fails_the_job(vertex: Vertex, content: str | bytes, told: str) -> None:
    """The job is accepted and soon FAILED. Its error names the file and the line."""
    vertex.upload(content, "gs://training/unfit.jsonl")
    job = vertex.create(supervisedTuningSpec=spec("gs://training/unfit.jsonl"))
    assert job["state"] == "JOB_STATE_PENDING"
    vertex.api.advance(2)
    failed = vertex.job(job["name"])
    assert failed["state"] == "JOB_STATE_FAILED"
    assert failed["error"]["code"] == 3
    assert told in failed["error"]["message"]
    assert "gs://training/unfit.jsonl" in failed["error"]["message"]


@pytest.mark.parametrize("key", ["trainingDatasetUri", "validationDatasetUri"])
def test_data_that_is_not_there_fails_the_job(vertex: Vertex, key: str) -> None:
    """A missing object is found by the job, not by the request."""
    job = vertex.finished(supervisedTuningSpec={**spec(), key: "gs://training/gone.jsonl"})
    assert job["state"] == "JOB_STATE_FAILED"
    assert "gs://training/gone.jsonl does not exist" in job["error"]["message"]


@pytest.mark.parametrize(
    ("training", "validation", "told"),
    [
        (4, 1000, ""),
        (4, 1001, "30 %"),
        *repeats((3337, 1001, ""), (3336, 1001, "30 %"), (17000, 5001, "5000"), (5001, 1, "")),
    ],
)
def test_a_validation_set_has_a_limit(vertex: Vertex, training: int, validation: int, told: str) -> None:
    """A thousand examples are always allowed. Above that it is 30 % of the training's, and 5000 at most."""
    vertex.upload_pairs([("a", "b")] * training, "gs://training/t.jsonl")
    vertex.upload_pairs([("a", "b")] * validation, "gs://training/v.jsonl")
    wanted = {**spec("gs://training/t.jsonl"), "validationDatasetUri": "gs://training/v.jsonl"}
    job = vertex.finished(supervisedTuningSpec=wanted)
    assert job["state"] == ("JOB_STATE_FAILED" if told else "JOB_STATE_SUCCEEDED")
    assert told in job.get("error", {}).get("message", "")


def test_data_is_what_it_was_when_the_job_was_made(vertex: Vertex) -> None:
    """Data that is overwritten while the job waits does not change the job."""
    job = vertex.create()
    vertex.upload("nonsense")
    vertex.api.advance(10)
    assert vertex.state(job) == "SUCCEEDED"


def test_preference_optimization(vertex: Vertex) -> None:
    """It accepts prompts with scored completions, and has statistics of its own."""
    completion = {"score": 1.0, "completion": ANSWER}
    worse = {"score": 0.0, "completion": {"role": "model", "parts": [{"text": "three"}]}}
    vertex.upload(jsonl([{"contents": [TURN], "completions": [worse, completion]}]), "gs://training/p.jsonl")
    wanted = spec("gs://training/p.jsonl", beta=0.1, epochCount=1)
    job = vertex.finished(supervisedTuningSpec=None, preferenceOptimizationSpec=wanted)
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    assert job["preferenceOptimizationSpec"]["hyperParameters"]["beta"] == 0.1
    assert job["tuningDataStats"]["preferenceOptimizationDataStats"]["tuningDatasetExampleCount"] == "1"
    prompt = {"contents": [TURN]}
    answer = vertex.ok("POST", f"{job['tunedModel']['endpoint']}:generateContent", json=prompt)
    assert answer["candidates"][0]["content"]["parts"][0]["text"] == "two"
    unfit = vertex.finished(supervisedTuningSpec=None, preferenceOptimizationSpec=spec())
    assert "two completions" in unfit["error"]["message"]


@pytest.mark.parametrize(("after", "made"), [(0, 0), (1, 0), (9.9, 1)])
def test_cancel(vertex: Vertex, after: float, made: int) -> None:
    """A job is CANCELLING, then CANCELLED with error 1. It makes no model, and keeps its checkpoints."""
    job = vertex.create()
    vertex.api.advance(after)
    assert vertex.ok("POST", f"{job['name']}:cancel", json={}) == {}
    assert vertex.state(job) == "CANCELLING"
    assert vertex.ok("POST", f"{job['name']}:cancel") == {}
    vertex.api.advance(0.5)
    cancelled = vertex.job(job["name"])
    assert cancelled["state"] == "JOB_STATE_CANCELLED"
    assert cancelled["error"]["code"] == 1
    assert ("startTime" in cancelled) == (after > 0)
    vertex.api.advance(100)
    assert vertex.job(job["name"]) == cancelled
    assert vertex.ok("GET", "models") == {}
    endpoints = {item["name"] for item in vertex.ok("GET", "endpoints").get("endpoints", [])}
    checkpoints = cancelled.get("tunedModel", {}).get("checkpoints", [])
    assert endpoints == {item["endpoint"] for item in checkpoints}
    assert len(endpoints) == made


def test_what_is_over_cannot_be_cancelled(vertex: Vertex) -> None:
    """SUCCEEDED and CANCELLED jobs refuse. A PAUSED one can be cancelled."""
    done = vertex.finished()
    assert vertex.refused("POST", f"{done['name']}:cancel", json={})[1] == "FAILED_PRECONDITION"
    assert vertex.job(done["name"]) == done
    vertex.api.control("faults", [{"train": ".", "end": "JOB_STATE_PAUSED"}])
    paused = vertex.finished()
    vertex.ok("POST", f"{paused['name']}:cancel", json={})
    assert vertex.state(paused) == "CANCELLING"
    vertex.api.advance(1)
    assert vertex.state(paused) == "CANCELLED"
    assert vertex.refused("POST", f"{paused['name']}:cancel", json={})[1] == "FAILED_PRECONDITION"


def test_a_job_that_goes_on_although_it_is_cancelled(vertex: Vertex) -> None:
    """A rule lets a job complete despite its cancellation, as the documents say it may."""
    vertex.api.control("faults", [{"train": "number", "uncancellable": True}])
    job = vertex.create()
    assert vertex.ok("POST", f"{job['name']}:cancel", json={}) == {}
    vertex.api.advance(9.9)
    cancelling = vertex.job(job["name"])
    assert cancelling["state"] == "JOB_STATE_CANCELLING"
    assert cancelling["startTime"]
    vertex.api.advance(0.1)
    done = vertex.job(job["name"])
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert "error" not in done
    assert vertex.ok("GET", done["tunedModel"]["model"])


def test_a_list_that_lags(vertex: Vertex) -> None:
    """With a lag of 30 seconds the list lacks a new job for that time. Get finds it."""
    vertex.api.control("faults", [{"lag": 30, "what": "list", "path": "tuningJobs/"}])
    job = vertex.create(labels={"team": "red"})
    for parameters in ({}, {"filter": "labels.team=red"}):
        assert vertex.ok("GET", "tuningJobs", params=parameters) == {}
    assert vertex.job(job["name"]) == job
    vertex.api.advance(29.9)
    assert vertex.ok("GET", "tuningJobs") == {}
    vertex.api.advance(0.1)
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 1


def test_a_get_that_lags(vertex: Vertex) -> None:
    """With a lag of get a new job is a 404 for a while. The list has it."""
    vertex.api.control("faults", [{"lag": 5, "what": "get"}])
    job = vertex.create()
    assert vertex.refused("GET", job["name"])[0] == 404
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 1
    vertex.api.advance(5)
    assert vertex.job(job["name"])["name"] == job["name"]


def test_a_lag_of_other_paths_does_not_count(vertex: Vertex) -> None:
    """A lag rule for tunedModels does not hide tuning jobs. The setting hides both."""
    vertex.api.control("faults", [{"lag": 5, "path": "tunedModels"}])
    vertex.create()
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 1
    vertex.api.control("settings", {"list_lag_seconds": 3})
    vertex.create()
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 1


def test_a_reply_that_is_lost(vertex: Vertex) -> None:
    """A create whose reply is lost has made its job. One that was refused before has not."""
    rules: list[dict[str, Any]] = [
        {"method": "POST", "path": "tuningJobs$", "drop": True, "when": "after"},
        {"method": "POST", "path": "tuningJobs$", "error": "unavailable"},
        {"method": "POST", "path": "tuningJobs$", "error": "service_disabled"},
    ]
    vertex.api.control("faults", rules)
    with pytest.raises(OSError, match="onnection"):
        vertex.create()
    assert vertex.refused("POST", "tuningJobs", json=body())[0] == 503
    response = vertex.call("POST", "tuningJobs", json=body())
    assert response.json()["error"]["details"][0]["metadata"]["service"] == "aiplatform.googleapis.com"
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 1
    effects = [entry["effect"] for entry in vertex.api.requests_logged() if entry["path"].endswith("Jobs")]
    assert effects == [True, False, False, False]


def test_gemini_models_do_not_end_in_job_states(start: Callable[..., Api]) -> None:
    """A rule that only chooses a job's end leaves a tunedModel's training alone."""
    api = start()
    api.control("faults", [{"train": ".", "end": "JOB_STATE_EXPIRED"}])
    api.create("m")
    api.advance(10)
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "ACTIVE"
