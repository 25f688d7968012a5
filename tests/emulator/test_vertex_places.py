"""Vertex: Gemini 3.x is tuned in a region and serves in a multi-region; 2.x stays where it was tuned."""

from typing import Any

import pytest

from reconciler.emulator import Settings
from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import PLACE, Vertex

PROMPT = {"contents": [{"parts": [{"text": "one"}]}]}
US = PLACE.replace("us-central1", "us")


@pytest.fixture
def vertex(api: Api) -> Vertex:
    """Return the Vertex side of an emulator that puts Gemini 3.x where the real service does."""
    api.control("settings", {"vertex_gemini_3_place": "multi_region"})
    caller = Vertex(api)
    caller.upload_pairs()
    return caller


@pytest.mark.parametrize(("region", "multi_region"), [("us-central1", "us"), ("europe-west4", "eu")])
def test_a_model_of_gemini_3_is_in_the_multi_region(vertex: Vertex, region: str, multi_region: str) -> None:
    """The job is in the region. The model and its endpoints are neither there nor in global."""
    place = PLACE.replace("us-central1", region)
    request = {
        "baseModel": "gemini-3.5-flash",
        "supervisedTuningSpec": {"trainingDatasetUri": "gs://training/sets/numbers.jsonl"},
    }
    made = vertex.ok("POST", f"{place}/tuningJobs", json=request)
    vertex.api.advance(10)
    job = vertex.job(made["name"])
    assert f"/locations/{region}/tuningJobs/" in job["name"]
    tuned = job["tunedModel"]
    names = [tuned["model"], tuned["endpoint"], *(item["endpoint"] for item in tuned["checkpoints"])]
    assert {name.split("/")[3] for name in names} == {multi_region}
    assert vertex.ok("GET", tuned["endpoint"])["deployedModels"][0]["model"] == tuned["model"]
    answer = vertex.ok("POST", f"{tuned['endpoint']}:generateContent", json=PROMPT)
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "two"}]
    for other in (region, "global"):
        name = tuned["endpoint"].replace(f"/{multi_region}/", f"/{other}/")
        code, status, message = vertex.refused("POST", f"{name}:generateContent", json=PROMPT)
        assert (code, status) == (404, "NOT_FOUND")
        assert "not found" in message
        assert vertex.ok("GET", f"projects/my-project/locations/{other}/models") == {}
    undeployed = vertex.undeploy(tuned["endpoint"])
    assert f"/locations/{multi_region}/endpoints/" in undeployed["name"]


def test_a_model_of_gemini_2_is_in_the_region_of_its_job(vertex: Vertex) -> None:
    """Its endpoints are there too."""
    vertex.api.control("settings", {"vertex_retires": {"gemini-2.5-flash": None}})
    vertex.api.control("settings", {"vertex_tunable": ["gemini-2.5-flash"]})
    tuned = vertex.finished(baseModel="gemini-2.5-flash")["tunedModel"]
    assert {name.split("/")[3] for name in (tuned["model"], tuned["endpoint"])} == {"us-central1"}


def test_a_model_of_gemini_3_is_tuned_further_in_the_region(vertex: Vertex) -> None:
    """The next version is in the multi-region beside the first. A model of another region is refused."""
    first = vertex.finished()["tunedModel"]["model"]
    further: dict[str, Any] = {"baseModel": None, "tunedModelDisplayName": None}
    second = vertex.finished(**further, preTunedModel={"tunedModelName": first})["tunedModel"]["model"]
    assert second == first.removesuffix("@1") + "@2"
    for place in ("eu", "us-east1"):
        source = {"tunedModelName": first.replace("/us/", f"/{place}/")}
        request = {"preTunedModel": source, "supervisedTuningSpec": {"trainingDatasetUri": "gs://abc/d"}}
        assert vertex.refused("POST", "tuningJobs", json=request)[0] == 400


def test_own_endpoints_for_gemini_3_are_in_the_multi_regions(vertex: Vertex) -> None:
    """In `us` it answers, under an id that the caller chose. A deployment elsewhere is refused."""
    model = vertex.finished()["tunedModel"]["model"]
    request = {"deployedModel": {"model": model}, "trafficSplit": {"0": 100}}
    code, status, message = vertex.refused("POST", f"{vertex.make_endpoint()}:deployModel", json=request)
    assert (code, status) == (400, "FAILED_PRECONDITION")
    assert "us and eu" in message
    endpoint = vertex.make_endpoint("support", place=US)
    vertex.deploy(endpoint, model=model)
    answer = vertex.ok("POST", f"{endpoint}:generateContent", json=PROMPT)
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "two"}]


def test_where_a_base_model_of_gemini_3_answers(vertex: Vertex) -> None:
    """It answers in the multi-regions and in global, and not in the regions where it is tuned."""
    for base, places, code in [
        ("gemini-3.5-flash", ("us", "eu", "global"), 200),
        ("gemini-3.5-flash", ("us-central1", "europe-west4"), 404),
        ("gemini-2.0-nothing", ("us-central1",), 200),
    ]:
        for place in places:
            path = f"projects/p/locations/{place}/publishers/google/models/{base}:generateContent"
            assert vertex.call("POST", path, json=PROMPT).status_code == code


def test_no_job_of_gemini_3_runs_in_global(vertex: Vertex) -> None:
    """There it is a 400 FAILED_PRECONDITION. In another region it is an INVALID_ARGUMENT."""
    request = {
        "baseModel": "gemini-3.5-flash",
        "supervisedTuningSpec": {"trainingDatasetUri": "gs://training/sets/numbers.jsonl"},
    }
    for place, status in (("global", "FAILED_PRECONDITION"), ("us-east1", "INVALID_ARGUMENT")):
        path = f"projects/my-project/locations/{place}/tuningJobs"
        assert vertex.refused("POST", path, json=request)[:2] == (400, status)


def test_the_usual_emulator_splits_the_location() -> None:
    """Without a setting it does what the real service does."""
    assert Settings().vertex_gemini_3_place == "multi_region"


def test_a_setting_puts_it_all_in_the_region(vertex: Vertex) -> None:
    """The setting is for tests of programs that do not know multi-regions."""
    vertex.api.control("settings", {"vertex_gemini_3_place": "job"})
    tuned = vertex.finished()["tunedModel"]
    assert {name.split("/")[3] for name in (tuned["model"], tuned["endpoint"])} == {"us-central1"}
