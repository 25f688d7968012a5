"""Vertex: tuning jobs are created, got and listed; bad requests are refused."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import DATA, PLACE, Vertex, body, spec

STATUS = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND"}


def test_create_answers_the_job_itself(vertex: Vertex) -> None:
    """Create answers a PENDING TuningJob with a number, the project's number, and defaults."""
    job = vertex.create(labels={"reconciler": "x", "team_a": ""}, description="counts")
    assert re.fullmatch(r"projects/\d{12}/locations/us-central1/tuningJobs/\d{19}", job["name"])
    assert job["state"] == "JOB_STATE_PENDING"
    assert job["labels"] == {"reconciler": "x", "team_a": ""}
    assert job["supervisedTuningSpec"]["hyperParameters"] == {
        "epochCount": "2",
        "learningRateMultiplier": 1.0,
        "adapterSize": "ADAPTER_SIZE_TWO",
    }
    assert not {"startTime", "endTime", "error", "tunedModel", "tuningDataStats"} & job.keys()
    assert vertex.job(job["name"]) == job


def test_two_equal_requests_are_two_jobs(vertex: Vertex) -> None:
    """A second POST always makes a second job."""
    first, second = vertex.create(), vertex.create()
    assert first["name"] != second["name"]
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 2


def test_states_follow_the_clock(vertex: Vertex) -> None:
    """A job is PENDING, then RUNNING with a start time, then SUCCEEDED with statistics and a model."""
    job = vertex.create()
    vertex.api.advance(0.9)
    assert vertex.state(job) == "PENDING"
    vertex.api.advance(0.1)
    running = vertex.job(job["name"])
    assert running["state"] == "JOB_STATE_RUNNING"
    assert running["updateTime"] == running["startTime"] > job["createTime"]
    assert not {"endTime", "tunedModel", "tuningDataStats"} & running.keys()
    vertex.api.advance(9)
    done = vertex.job(job["name"])
    assert done["state"] == "JOB_STATE_SUCCEEDED"
    assert done["updateTime"] == done["endTime"] > done["startTime"]
    stats = done["tuningDataStats"]["supervisedTuningDataStats"]
    assert (stats["tuningDatasetExampleCount"], stats["tuningStepCount"]) == ("4", "1")
    assert re.fullmatch(r"projects/\d+/locations/us-central1/models/\d+@1", done["tunedModel"]["model"])
    assert "error" not in done
    vertex.api.advance(1000)
    assert vertex.job(job["name"]) == done


def test_a_checkpoint_for_each_epoch(vertex: Vertex) -> None:
    """Each epoch has a checkpoint with its endpoint, ten at most. The job's endpoint has the last one."""
    few = vertex.finished(supervisedTuningSpec=spec(epochCount=3))["tunedModel"]
    many = vertex.finished(supervisedTuningSpec=spec(epochCount=25))["tunedModel"]
    assert [item["epoch"] for item in few["checkpoints"]] == ["1", "2", "3"]
    assert len({item["endpoint"] for item in few["checkpoints"]}) == 3
    assert few["endpoint"] == few["checkpoints"][-1]["endpoint"]
    assert len(many["checkpoints"]) == 10
    assert many["checkpoints"][-1]["epoch"] == "25"


def test_checkpoints_appear_one_by_one_while_a_job_trains(vertex: Vertex) -> None:
    """Each endpoint answers at once. The job's own is that of the last checkpoint so far."""
    job = vertex.create(supervisedTuningSpec=spec(epochCount=3))
    seen = []
    for _ in range(10):
        vertex.api.advance(1)
        tuned = vertex.job(job["name"]).get("tunedModel", {})
        checkpoints = tuned.get("checkpoints", [])
        assert tuned.get("endpoint") == (checkpoints[-1]["endpoint"] if checkpoints else None)
        listed = vertex.ok("GET", "endpoints").get("endpoints", [])
        assert {item["name"] for item in listed} == {item["endpoint"] for item in checkpoints}
        seen.append([item["checkpointId"] for item in checkpoints])
    assert seen == [[], [], [], ["1"], ["1"], ["1"], ["1", "2"], ["1", "2"], ["1", "2"], ["1", "2", "3"]]
    assert vertex.state(job) == "SUCCEEDED"


def test_a_checkpoint_of_a_job_in_training_answers(vertex: Vertex) -> None:
    """Its endpoint serves it before the job has ended."""
    job = vertex.create(supervisedTuningSpec=spec(epochCount=2))
    vertex.api.advance(6)
    tuned = vertex.job(job["name"])["tunedModel"]
    prompt = {"contents": [{"role": "user", "parts": [{"text": "1"}]}]}
    assert vertex.ok("POST", f"{tuned['endpoint']}:generateContent", json=prompt)["candidates"]


def test_checkpoints_of_a_job_that_waits_appear_later(vertex: Vertex) -> None:
    """They appear when it trains, and not when it would have trained without the jobs before it."""
    vertex.api.control("settings", {"vertex_concurrent_jobs": 1})
    first, second = vertex.create(), vertex.create()
    vertex.api.advance(10)
    assert (vertex.state(first), vertex.state(second)) == ("SUCCEEDED", "PENDING")
    assert "tunedModel" not in vertex.job(second["name"])
    vertex.api.advance(6)
    (made,) = vertex.job(second["name"])["tunedModel"]["checkpoints"]
    assert vertex.ok("GET", made["endpoint"])["deployedModels"][0]["checkpointId"] == "1"


def test_only_the_last_checkpoint(vertex: Vertex) -> None:
    """With exportLastCheckpointOnly there is one endpoint, and no list of checkpoints."""
    tuned = vertex.finished(supervisedTuningSpec={**spec(epochCount=3), "exportLastCheckpointOnly": True})[
        "tunedModel"
    ]
    assert set(tuned) == {"model", "endpoint"}
    assert len(vertex.ok("GET", "endpoints")["endpoints"]) == 1


def test_both_spellings_and_both_versions(vertex: Vertex) -> None:
    """snake_case and camelCase are one request. v1beta1 serves the same jobs as v1."""
    request = {
        "base_model": "publishers/google/models/gemini-3.1-flash-lite",
        "supervised_tuning_spec": {
            "training_dataset_uri": DATA,
            "hyper_parameters": {"epoch_count": "2", "adapter_size": 2},
        },
        "tuned_model_display_name": "number generator",
        "state": "JOB_STATE_FAILED",
        "name": "projects/1/locations/x/tuningJobs/2",
        "tuned_model": {"endpoint": "mine"},
    }
    beta = Vertex(vertex.api, "v1beta1")
    one, other = beta.ok("POST", "tuningJobs", json=request), vertex.create()
    for job in (one, other):
        job.pop("name")
    one["baseModel"] = one["baseModel"].rpartition("/")[2]
    assert one == other
    assert len(vertex.ok("GET", "tuningJobs")["tuningJobs"]) == 2


def test_a_project_has_a_number(vertex: Vertex) -> None:
    """A job is found under the project's id and under its number, and in no other project or location."""
    job = vertex.create()
    number, job_id = job["name"].split("/")[1], job["name"].rpartition("/")[2]
    for place in (PLACE, f"projects/{number}/locations/us-central1"):
        assert vertex.ok("GET", f"{place}/tuningJobs/{job_id}")["name"] == job["name"]
    for place in ("projects/other/locations/us-central1", f"projects/{number}/locations/europe-west4"):
        assert vertex.refused("GET", f"{place}/tuningJobs/{job_id}")[:2] == (404, "NOT_FOUND")
        assert vertex.ok("GET", f"{place}/tuningJobs") == {}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("base model unknown", {"baseModel": "gemini-1.5-flash-001-tuning"}, "is not supported"),
    ("no base model", {"baseModel": None}, "base_model"),
    ("no spec", {"supervisedTuningSpec": None}, "supervised_tuning_spec"),
    ("two specs", {"preferenceOptimizationSpec": spec()}, "already set"),
    ("two sources", {"preTunedModel": {"tunedModelName": "x"}}, "already set"),
    ("no data", {"supervisedTuningSpec": {}}, "training_dataset_uri"),
    ("data elsewhere", {"supervisedTuningSpec": spec("https://x/y.jsonl")}, "Cloud Storage URI"),
    ("bucket only", {"supervisedTuningSpec": spec("gs://bucket")}, "Cloud Storage URI"),
    (
        "validation elsewhere",
        {"supervisedTuningSpec": {**spec(), "validationDatasetUri": "validation.jsonl"}},
        "Cloud Storage URI",
    ),
    ("long name", {"tunedModelDisplayName": "x" * 129}, "128"),
    ("no epoch", {"supervisedTuningSpec": spec(epochCount="0")}, "epoch_count"),
    ("no rate", {"supervisedTuningSpec": spec(learningRateMultiplier=0)}, "learningRateMultiplier"),
    ("epochs in words", {"supervisedTuningSpec": spec(epochCount="three")}, "TYPE_INT64"),
    ("adapter unheard of", {"supervisedTuningSpec": spec(adapterSize="ADAPTER_SIZE_TEN")}, "TYPE_ENUM"),
    ("upper case label", {"labels": {"Team": "x"}}, "label key"),
    ("upper case value", {"labels": {"team": "X"}}, "label value"),
    ("label from a digit", {"labels": {"1st": "x"}}, "label key"),
    ("long label key", {"labels": {"k" * 64: "x"}}, "label key"),
    ("long label value", {"labels": {"k": "x" * 64}}, "label value"),
    ("dot in a label", {"labels": {"k": "a.b"}}, "label value"),
    ("too many labels", {"labels": {f"k{n}": "x" for n in range(65)}}, "64"),
    ("label of a number", {"labels": {"k": 3}}, "TYPE_STRING"),
    ("labels in a list", {"labels": ["k"]}, "not repeating"),
    (
        "key of another region",
        {"encryptionSpec": {"kmsKeyName": "projects/p/locations/eu/keyRings/r/cryptoKeys/k"}},
        "region",
    ),
    ("nobody's account", {"serviceAccount": "nobody"}, "service account"),
    ("unknown field", {"temperature": 1}, "Unknown name \"temperature\" at 'tuning_job': Cannot find field."),
    (
        "unknown field inside",
        {"supervisedTuningSpec": spec(batchSize=4)},
        "Unknown name \"batchSize\" at 'tuning_job.supervised_tuning_spec.hyper_parameters'",
    ),
    ("flag in words", {"supervisedTuningSpec": {**spec(), "exportLastCheckpointOnly": "yes"}}, "TYPE_BOOL"),
]


@pytest.mark.parametrize(("fields", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_bad_request_is_refused(vertex: Vertex, fields: dict[str, Any], told: str) -> None:
    """It is a 400 that says what is wrong, and no job is made."""
    code, status, message = vertex.refused("POST", "tuningJobs", json=body(**fields))
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert told in message
    assert vertex.ok("GET", "tuningJobs") == {}


def test_all_unknown_fields_are_named(vertex: Vertex) -> None:
    """Two unknown fields are two lines and two violations."""
    response = vertex.call("POST", "tuningJobs", json=body(one=1, two=2))
    error = response.json()["error"]
    assert error["message"].count("Unknown name") == 2
    assert len(error["details"][0]["fieldViolations"]) == 2


@pytest.mark.parametrize(
    ("base", "size", "fits"),
    [
        ("gemini-3.1-flash-lite", "ADAPTER_SIZE_SIXTEEN", True),
        ("gemini-3.1-flash-lite", "ADAPTER_SIZE_THIRTY_TWO", False),
        ("translation-llm-002", "ADAPTER_SIZE_FOUR", True),
        ("translation-llm-002", "ADAPTER_SIZE_TWO", False),
        ("gemini-2.5-pro", "ADAPTER_SIZE_EIGHT", True),
        ("gemini-2.5-pro", "ADAPTER_SIZE_SIXTEEN", False),
        ("gemini-3.5-flash-lite", "ADAPTER_SIZE_ONE", True),
    ],
)
def test_adapter_sizes(start: Callable[..., Api], base: str, size: str, fits: bool) -> None:  # noqa: FBT001
    """An adapter must fit its base model. Otherwise it is refused in the service's own words."""
    vertex = Vertex(start(vertex_tunable=(base,), vertex_retires={}))
    vertex.upload_pairs()
    request = body(baseModel=base, supervisedTuningSpec=spec(adapterSize=size))
    response = vertex.call("POST", "tuningJobs", json=request)
    if fits:
        hyperparameters = response.json()["supervisedTuningSpec"]["hyperParameters"]
        assert hyperparameters["adapterSize"] == size
    else:
        expected = "The adapter size is not supported for this base model."
        assert response.json()["error"]["message"] == expected


def test_no_own_key_for_gemini_3(vertex: Vertex) -> None:
    """A base of another kind accepts a customer's encryption key. 3.x refuses it."""
    key = {"kmsKeyName": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"}
    job = vertex.finished(encryptionSpec=key, baseModel="translation-llm-002")
    assert vertex.ok("GET", job["tunedModel"]["model"])["encryptionSpec"] == key
    request = body(encryptionSpec=key, baseModel="gemini-3.5-flash")
    assert vertex.refused("POST", "tuningJobs", json=request)[1] == "FAILED_PRECONDITION"


def test_gemini_3_is_tuned_in_two_regions(vertex: Vertex) -> None:
    """The refusal names the region where 3.x is not tuned. Another base is tuned there."""
    elsewhere = "projects/my-project/locations/asia-east1/tuningJobs"
    request = body(baseModel="gemini-3.5-flash")
    code, _, message = vertex.refused("POST", elsewhere, json=request)
    assert code == 400
    assert "us-central1 or europe-west4" in message
    assert vertex.ok("POST", elsewhere.replace("asia-east1", "europe-west4"), json=request)
    assert vertex.ok("POST", elsewhere, json=body(baseModel="translation-llm-002"))


def test_base_models_that_are_taken(start: Callable[..., Api]) -> None:
    """A setting says which base models can be tuned. It may be none."""
    vertex = Vertex(start(vertex_tunable=()))
    vertex.upload_pairs()
    assert "is not supported" in vertex.refused("POST", "tuningJobs", json=body())[2]


def test_what_is_not_there(vertex: Vertex) -> None:
    """An unknown job is a 404, and rebasing is a 501. A job can be neither patched nor deleted."""
    assert vertex.refused("GET", "tuningJobs/7")[:2] == (404, "NOT_FOUND")
    assert vertex.refused("POST", "tuningJobs/7:cancel", json={})[:2] == (404, "NOT_FOUND")
    assert vertex.refused("POST", "tuningJobs:rebaseTunedModel", json={})[:2] == (501, "UNIMPLEMENTED")
    job = vertex.create()
    for method in ("PATCH", "DELETE"):
        assert vertex.api.call(method, f"v1/{job['name']}", json={}).status_code == 404
    assert vertex.api.call("GET", f"v1beta/{PLACE}/tuningJobs").status_code == 404


def test_api_keys_do_not_tune(start: Callable[..., Api]) -> None:
    """If credentials count, Vertex and the object store need a token, whatever Gemini accepts."""
    api = start(auth="any")
    keyed = Vertex(api.as_caller(x_goog_api_key="k"))
    response = keyed.call("GET", "tuningJobs")
    assert response.status_code == 401
    detail = response.json()["error"]["details"][0]
    assert (detail["reason"], detail["metadata"]["service"]) == (
        "CREDENTIALS_MISSING",
        "aiplatform.googleapis.com",
    )
    assert (
        keyed.api.call("GET", "storage/v1/b/bucket/o").json()["error"]["errors"][0]["reason"] == "authError"
    )
    assert keyed.api.call("GET", "v1beta/tunedModels").status_code == 200
    assert Vertex(api.as_caller(authorization="Bearer t")).ok("GET", "tuningJobs") == {}
