"""Whatever is sent to the Vertex side and the object store, no answer is a mistake of the emulator."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.emulator import Settings
from reconciler.emulator.protojson import to_camel
from reconciler.emulator.server import run_emulator
from reconciler.emulator.vertex import messages
from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import PLACE, Vertex, body

KEYS = st.sampled_from(
    [
        key
        for message in (
            messages.TUNING_JOB,
            messages.MODEL,
            messages.ENDPOINT,
            messages.PREFERENCE_EXAMPLE,
            messages.DEPLOY,
            messages.DEPLOYED_MODEL,
            messages.COPY,
            messages.MERGE_ALIASES,
        )
        for name in message
        for key in (name, to_camel(name))
    ]
    + ["trainingDatasetUri", "hyperParameters", "parts", "text", "role", "tunedModelName", "name"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
PIECES = ("labels", "labels.a", "state", ".", "=", "!=", ":", "*", "(", ")", "AND", "OR", "NOT", "-", "x")
MARKS = ('"', '"x"', " ", "\\", "'", "%", "\n", "\0")
WORDS = st.lists(st.sampled_from((*PIECES, *MARKS)), max_size=12).map("".join)
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def shared() -> Iterator[Vertex]:
    """Return one Vertex for many requests, with a tuned model."""
    unlimited = Settings(vertex_concurrent_jobs=10**6)
    with run_emulator(settings=unlimited) as emulator, requests.Session() as session:
        session.trust_env = False
        vertex = Vertex(Api(emulator.url, session))
        vertex.upload_pairs()
        vertex.finished()
        yield vertex


def is_well(response: requests.Response) -> None:
    """Check that an answer is a success or the caller's fault, told in Google's shape."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.json()["error"]["message"]


@CALM
@given(value=JSON)
def test_no_body_breaks_it(shared: Vertex, value: Any) -> None:
    """Any JSON on any method is a success or a 4xx."""
    tuned = shared.ok("GET", "tuningJobs", params={"filter": "state=JOB_STATE_SUCCEEDED"})
    tuned = tuned["tuningJobs"][-1]["tunedModel"]
    endpoint, model = tuned["endpoint"], tuned["model"]
    for method, path in (
        ("POST", "tuningJobs"),
        ("PATCH", model),
        ("PATCH", endpoint),
        ("POST", "endpoints"),
        ("POST", f"{endpoint}:deployModel"),
        ("POST", f"{endpoint}:mutateDeployedModel"),
        ("POST", f"{endpoint}:undeployModel"),
        ("POST", f"{model}:mergeVersionAliases"),
        ("POST", "models:copy"),
        ("POST", f"{endpoint}:generateContent"),
        ("POST", f"{endpoint}:countTokens"),
    ):
        is_well(shared.call(method, path, json=value))
    for path in ("storage/v1/b", "upload/storage/v1/b/bucket/o?uploadType=resumable"):
        is_well(shared.api.call("POST", path, json=value))


@CALM
@given(
    deployed=st.dictionaries(KEYS, JSON, max_size=2),
    split=st.none() | st.dictionaries(st.sampled_from("017"), st.integers(-1, 101) | JSON, max_size=3),
)
def test_no_deployment_breaks_it(shared: Vertex, deployed: dict[str, Any], split: Any) -> None:
    """Any deployed model with any split is accepted or refused. Then the endpoint fits its schema."""
    tuned = shared.ok("GET", "tuningJobs", params={"filter": "state=JOB_STATE_SUCCEEDED"})
    tuned = tuned["tuningJobs"][-1]["tunedModel"]
    request = {"deployedModel": {"model": tuned["model"], **deployed}, "trafficSplit": split}
    is_well(shared.call("POST", f"{tuned['endpoint']}:deployModel", json=request))
    shared.api.advance(1)
    split_there = shared.ok("GET", tuned["endpoint"]).get("trafficSplit", {})
    assert sum(split_there.values()) in {0, 100}
    is_well(shared.call("PATCH", tuned["endpoint"], json={"trafficSplit": split}))


@CALM
@given(fields=st.dictionaries(KEYS, JSON, min_size=1, max_size=3))
def test_a_job_that_is_taken_can_be_read(shared: Vertex, fields: dict[str, Any]) -> None:
    """A job made from any fields that are taken fits its schema, and is listed."""
    response = shared.call("POST", "tuningJobs", json=body(**fields))
    is_well(response)
    if response.status_code == 200:
        name = response.json()["name"]
        shared.job(name)
        assert name in [job["name"] for job in shared.ok("GET", "tuningJobs")["tuningJobs"]]


@CALM
@given(wanted=WORDS)
def test_no_filter_breaks_it(shared: Vertex, wanted: str) -> None:
    """Any text is a filter or a 400, for each list."""
    for path in ("tuningJobs", "models", "endpoints"):
        is_well(shared.call("GET", path, params={"filter": wanted}))


@CALM
@given(lines=st.lists(JSON, min_size=1, max_size=3), ends=st.sampled_from(["\n", "\r\n", "\n\n", ",\n"]))
def test_no_data_breaks_it(shared: Vertex, lines: list[Any], ends: str) -> None:
    """Any lines make a job that ends, well or with an error."""
    shared.upload(ends.join(json.dumps(item) for item in lines), "gs://training/any.jsonl")
    spec = {"trainingDatasetUri": "gs://training/any.jsonl"}
    job = shared.finished(supervisedTuningSpec=spec)
    assert job["state"] in {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED"}
    assert ("error" in job) == (job["state"] == "JOB_STATE_FAILED")


@CALM
@given(name=st.text(min_size=1, max_size=20), content=st.binary(max_size=50))
def test_no_object_name_breaks_it(shared: Vertex, name: str, content: bytes) -> None:
    """Any name and any bytes are stored and come back, or are refused."""
    query = f"uploadType=media&name={quote(name, safe='')}"
    response = shared.api.call("POST", f"upload/storage/v1/b/names/o?{query}", data=content)
    is_well(response)
    if response.status_code == 200:
        assert response.json()["name"] == name
        path = response.json()["mediaLink"].removeprefix(shared.api.url + "/")
        assert shared.api.call("GET", path).content == content


def test_no_path_breaks_it(shared: Vertex) -> None:
    """Unknown paths and methods get the 404 page of Google's front end."""
    for method, path in (
        ("GET", f"v1/{PLACE}"),
        ("PUT", f"v1/{PLACE}/tuningJobs"),
        ("GET", f"v1/{PLACE}/tuningJobs/1/x"),
        ("POST", f"v1/{PLACE}/models/1:explode"),
        ("GET", "v2/projects/p/locations/l/models"),
        ("GET", "storage/v2/b"),
        ("PATCH", "storage/v1/b/bucket/o/name"),
    ):
        response = shared.api.call(method, path)
        assert response.status_code == 404
        assert response.headers["content-type"].startswith("text/html")
