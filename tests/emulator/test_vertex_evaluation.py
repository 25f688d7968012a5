"""Evaluations of tuning jobs, and multimodal datasets: taken as the documents say."""

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import DATA, PLACE, Vertex

EVALUATION = {
    "metrics": [{"exactMatchSpec": {}}],
    "autoraterConfig": {"samplingCount": 4},
    "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://training/out/"}},
}
SET = f"{PLACE}/datasets/7"


def body(uri: str, **spec: object) -> dict[str, object]:
    """A job to ask for."""
    return {"baseModel": "gemini-3.1-flash-lite", "supervisedTuningSpec": {"trainingDatasetUri": uri, **spec}}


def test_an_evaluation_has_a_place_when_its_job_has_ended(api: Api) -> None:
    """The configuration is shown as it was sent, and the place of the results once there are any."""
    vertex = Vertex(api)
    vertex.upload_pairs()
    api.control("clock", {"frozen": True})
    job = vertex.ok("POST", "tuningJobs", json=body(DATA, evaluationConfig=EVALUATION))
    assert job["supervisedTuningSpec"]["evaluationConfig"] == EVALUATION
    assert "evaluateDatasetRuns" not in job
    api.control("clock", {"advance": 1000})
    (run,) = vertex.ok("GET", job["name"])["evaluateDatasetRuns"]
    folder = run["evaluateDatasetResponse"]["outputInfo"]["gcsOutputDirectory"]
    assert folder.startswith("gs://training/out/evaluation-")


@pytest.mark.parametrize("change", [{"metrics": []}, {"outputConfig": {}}, {"colour": "red"}])
def test_an_evaluation_that_is_none(api: Api, change: dict[str, object]) -> None:
    """A request without metrics, without a destination, or with an unknown key is a 400."""
    asked = body(DATA, evaluationConfig={**EVALUATION, **change})
    assert Vertex(api).refused("POST", "tuningJobs", json=asked)[:2] == (400, "INVALID_ARGUMENT")


def test_a_multimodal_dataset_is_trained_on_unseen(api: Api) -> None:
    """Such a job succeeds without counts. Its model says that nobody knows what it has learnt."""
    vertex = Vertex(api)
    api.control("clock", {"frozen": True})
    job = vertex.ok("POST", "tuningJobs", json=body(SET, validationDatasetUri=SET))
    api.control("clock", {"advance": 1000})
    ended = vertex.ok("GET", job["name"])
    assert ended["state"] == "JOB_STATE_SUCCEEDED"
    assert "tuningDataStats" not in ended
    prompt = {"contents": [{"role": "user", "parts": [{"text": "1"}]}]}
    reply = vertex.ok("POST", f"{ended['tunedModel']['endpoint']}:generateContent", json=prompt)
    assert "does not know" in reply["candidates"][0]["content"]["parts"][0]["text"]


def test_preferences_are_no_multimodal_dataset(api: Api) -> None:
    """Multimodal datasets are documented only for supervised tuning."""
    spec = {"preferenceOptimizationSpec": {"trainingDatasetUri": SET}}
    asked = {"baseModel": "gemini-3.1-flash-lite", **spec}
    assert Vertex(api).refused("POST", "tuningJobs", json=asked)[:2] == (400, "INVALID_ARGUMENT")
