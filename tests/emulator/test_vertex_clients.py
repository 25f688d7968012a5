"""Vertex: clients that nobody here wrote, and a process that is killed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

from tests.emulator.conftest import Api
from tests.emulator.discovery import google_service
from tests.emulator.test_emulator_control import process
from tests.emulator.vertex_caller import DATA, PLACE, Vertex, body
from tests.limits import repeats

REPOSITORY = pathlib.Path(__file__).parents[2]
SDK, SDK_LIFE = "new_sdk_vertex.py", "new_sdk_life.py"
# A token is four characters. Each of the four sums is for one example: "Count on." with the question, and
# the answer.
TOKENS = sum((3 + 1, 4 + 1, 5 + 3, 4 + 2))


@pytest.fixture
def quick(start: Callable[..., Api]) -> Vertex:
    """Return a Vertex in real time, where a training takes a moment."""
    vertex = Vertex(start(frozen=False, training_seconds=0.6, vertex_operation_seconds=0.1))
    vertex.upload_pairs()
    return vertex


def run_sdk(vertex: Vertex, *arguments: str, script: str = SDK, **environment: str) -> dict[str, Any]:
    """Run google-genai in a process of its own, and return what it found."""
    path = str(pathlib.Path(__file__).with_name(script))
    command = [sys.executable, path, vertex.api.url, *(arguments or [DATA])]
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        command, env={**kept, **environment}, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_sdk(vertex: Vertex, found: dict[str, Any]) -> None:
    """Check what google-genai found."""
    ends = ["JOB_STATE_SUCCEEDED", "JOB_STATE_SUCCEEDED", "JOB_STATE_CANCELLED"]
    assert found == {
        "states": ["JOB_STATE_PENDING", *ends],
        "error": 1,
        "found": True,
        "hyperparameters": "ADAPTER_SIZE_FOUR",
        "checkpoints": [1, 2],
        "answers": ["eight", "eight"],
        "tokens": 2,
        "listed": True,
        "model": ["renamed", "d", "1"],
        "got": "renamed",
        "second": "2",
        "refusals": ["400 FAILED_PRECONDITION", "400 INVALID_ARGUMENT"],
        "chosen": [40, "ADAPTER_SIZE_TWO", 1.0],
        "billed": [2 * TOKENS, 40 * TOKENS],
        "base label": "gemini-3_1-flash-lite",
    }
    posts = [
        entry["path"].partition("/projects/")[0]
        for entry in vertex.api.requests_logged()
        if entry["method"] == "POST" and entry["path"].endswith("/tuningJobs")
    ]
    assert len(posts) == 4


def test_google_genai(quick: Vertex) -> None:
    """The pinned google-genai tunes, goes on tuning, lists, asks, renames, cancels, and reads its bill."""
    found = run_sdk(quick)
    assert found.pop("version") == "1.46.0"
    check_sdk(quick, found)


def find_newest_genai() -> str:
    """Return the folder of the newest google-genai."""
    newest = os.environ.get("RECONCILER_NEWEST_GENAI") or str(REPOSITORY / ".venv/newest-genai")
    if not pathlib.Path(newest, "google", "genai").is_dir():
        pytest.fail(
            f"No google-genai in {newest}: install it with pip install --target, or set"
            " RECONCILER_NEWEST_GENAI to where it is."
        )
    return newest


@pytest.mark.thorough
def test_newest_google_genai(quick: Vertex) -> None:
    """The newest google-genai does the same."""
    found = run_sdk(quick, PYTHONPATH=find_newest_genai())
    assert int(found.pop("version").partition(".")[0]) >= 2
    check_sdk(quick, found)


@pytest.mark.parametrize("release", ["newest", *repeats("pinned")])
@pytest.mark.thorough
def test_google_genai_after_the_training(quick: Vertex, release: str) -> None:
    """google-genai asks an endpoint in `us`, and reads, changes, lists and deletes a copy of a model."""
    quick.api.control("settings", {"vertex_gemini_3_place": "multi_region", "vertex_copy_seconds": 0})
    quick.api.control("settings", {"vertex_create_endpoint_seconds": 0, "vertex_deploy_seconds": 0})
    job = quick.create()
    model = until_trained(quick, job)["model"]
    place = f"{model.partition('/models/')[0]}"
    endpoint = quick.make_endpoint("support", place=place)
    quick.deploy(endpoint, model=model, checkpointId="1")
    quick.ok("PATCH", model, params={"updateMask": "defaultCheckpointId"}, json={"defaultCheckpointId": "1"})
    request = {"sourceModel": model, "modelId": "support"}
    made = quick.ok("POST", "projects/prod/locations/europe-west4/models:copy", json=request)["response"]
    options = {"PYTHONPATH": find_newest_genai()} if release == "newest" else {}
    found = run_sdk(quick, endpoint, made["model"], script=SDK_LIFE, **options)
    assert (int(found.pop("version").partition(".")[0]) > 1) == (release == "newest")
    assert found == {
        "answers": ["eight", "eight"],
        "endpoints": [],
        "checkpoints": ["1", "2"],
        "defaults": ["1", "2"],
        "description": "copied",
        "listed": [made["model"]],
    }


def until_trained(vertex: Vertex, job: dict[str, Any]) -> dict[str, Any]:
    """Let a job end, and return its tunedModel."""
    vertex.api.advance(10)
    return dict(vertex.job(job["name"])["tunedModel"])


def test_google_api_client(vertex: Vertex) -> None:
    """google-api-python-client with the static aiplatform document goes the whole way, to deletion."""
    with google_service("aiplatform", vertex.api.url) as service:
        places = service.projects().locations()
        jobs = places.tuningJobs()
        job = jobs.create(parent=PLACE, body=body(labels={"team": "red"})).execute()
        vertex.api.advance(10)
        job = jobs.get(name=job["name"]).execute()
        assert job["state"] == "JOB_STATE_SUCCEEDED"
        other = jobs.create(parent=PLACE, body=body()).execute()
        assert jobs.cancel(name=other["name"], body={}).execute() == {}
        listing = jobs.list(parent=PLACE, pageSize=1)
        pages = [listing.execute()]
        while listing := jobs.list_next(listing, pages[-1]):
            pages.append(listing.execute())
        assert [page["tuningJobs"][0]["name"] for page in pages] == [other["name"], job["name"]]
        endpoints, models = places.endpoints(), places.models()
        tuned = job["tunedModel"]
        change = {"displayName": "renamed"}
        patched = endpoints.patch(name=tuned["endpoint"], updateMask="displayName", body=change).execute()
        assert patched["displayName"] == "renamed"
        request = {"contents": [{"role": "user", "parts": [{"text": "seven"}]}]}
        answer = endpoints.generateContent(model=tuned["endpoint"], body=request).execute()
        assert answer["candidates"][0]["content"]["parts"] == [{"text": "eight"}]

        def settled(operation: dict[str, Any]) -> bool:
            vertex.api.advance(1)
            name = operation["name"]
            kind = name.split("/")[-4] if len(name.split("/")) > 6 else ""
            owner = {"endpoints": endpoints, "models": models}.get(kind, places)
            return bool(owner.operations().wait(name=name, timeout="1s").execute()["done"])

        for endpoint in endpoints.list(parent=PLACE, filter="labels.team=red").execute()["endpoints"]:
            deployed = {"deployedModelId": endpoint["deployedModels"][0]["id"]}
            assert settled(endpoints.undeployModel(endpoint=endpoint["name"], body=deployed).execute())
            assert settled(endpoints.delete(name=endpoint["name"]).execute())
        model = models.list(parent=PLACE).execute()["models"][0]
        assert settled(models.delete(name=model["name"]).execute())
        assert models.list(parent=PLACE).execute() == endpoints.list(parent=PLACE).execute() == {}


def test_google_api_client_serves_and_copies(vertex: Vertex) -> None:
    """google-api-python-client takes one endpoint through promotion, checkpoints, copies and deletion."""
    vertex.api.control("settings", {"vertex_gemini_3_place": "multi_region"})
    first, second = (until_trained(vertex, vertex.create())["model"] for _ in range(2))
    place = first.partition("/models/")[0]
    with google_service("aiplatform", vertex.api.url) as service:
        places = service.projects().locations()
        endpoints, models = places.endpoints(), places.models()

        def finish(request: Any) -> dict[str, Any]:
            operation = request.execute()
            if "done" not in operation:
                vertex.api.advance(1)
                kind = endpoints if "/endpoints/" in operation["name"] else models
                operation = kind.operations().get(name=operation["name"]).execute()
            return dict(operation["response"])

        made = {"displayName": "support", "labels": {"team": "red"}}
        endpoint = finish(endpoints.create(parent=place, endpointId="support", body=made))["name"]

        def deploy(**deployed: str) -> str:
            request = {"deployedModel": deployed, "trafficSplit": {"0": 100}}
            return str(finish(endpoints.deployModel(endpoint=endpoint, body=request))["deployedModel"]["id"])

        def ask() -> str:
            request = {"contents": [{"role": "user", "parts": [{"text": "seven"}]}]}
            answer = endpoints.generateContent(model=endpoint, body=request).execute()
            return str(answer["candidates"][0]["content"]["parts"][0]["text"])

        old = deploy(model=first, id="1111111111")
        new = deploy(model=second, id="2222222222", checkpointId="1")
        shown = endpoints.get(name=endpoint).execute()
        assert shown["trafficSplit"] == {new: 100}
        assert shown["deployedModels"][1]["checkpointId"] == "1"
        finish(endpoints.undeployModel(endpoint=endpoint, body={"deployedModelId": old}))
        assert ask() == "eight"
        shown = endpoints.get(name=endpoint).execute()
        change = {"labels": {**shown["labels"], "stage": "prod"}, "etag": shown["etag"]}
        shown = endpoints.patch(name=endpoint, updateMask="labels", body=change).execute()
        assert shown["labels"] == {"team": "red", "stage": "prod"}
        found = endpoints.list(
            parent=place, filter="labels.stage=prod", orderBy="create_time desc", readMask="name"
        ).execute()
        assert found == {"endpoints": [{"name": endpoint}]}
        logging = {"deployedModel": {"id": new, "disableContainerLogging": True}}
        mask = {"updateMask": "disableContainerLogging"}
        finish(endpoints.mutateDeployedModel(endpoint=endpoint, body={**logging, **mask}))
        cancelled = endpoints.undeployModel(endpoint=endpoint, body={"deployedModelId": new}).execute()
        operations = endpoints.operations()
        assert operations.cancel(name=cancelled["name"]).execute() == {}
        assert operations.list(name=endpoint).execute()["operations"][0]["error"]["code"] == 1
        assert operations.delete(name=cancelled["name"]).execute() == {}

        model = models.patch(
            name=second, updateMask="defaultCheckpointId", body={"defaultCheckpointId": "1"}
        ).execute()
        assert model["defaultCheckpointId"] == "1"
        aliases = models.mergeVersionAliases(name=second, body={"versionAliases": ["gold"]}).execute()
        assert aliases["versionAliases"] == ["gold", "default"]
        assert len(models.listCheckpoints(name=second).execute()["checkpoints"]) == 2
        prod = "projects/prod/locations/eu"
        request = {"sourceModel": second.replace("@1", "@gold"), "modelId": "support"}
        copied = finish(models.copy(parent=prod, body=request))["model"]
        assert models.get(name=copied).execute()["originalModelInfo"] == {"model": second}
        again = {"sourceModel": first, "parentModel": copied}
        assert finish(models.copy(parent=prod, body=again))["modelVersionId"] == "2"
        versions = models.listVersions(name=copied, orderBy="create_time").execute()["models"]
        assert [version["versionId"] for version in versions] == ["1", "2"]
        assert finish(models.deleteVersion(name=f"{copied}@1"))
        assert finish(models.delete(name=copied))
        assert models.list(parent=prod).execute() == {}
        finish(endpoints.undeployModel(endpoint=endpoint, body={"deployedModelId": new}))
        assert finish(endpoints.delete(name=endpoint))


def test_google_api_client_follows_a_copy(vertex: Vertex) -> None:
    """google-api-python-client finds, waits for, cancels and forgets the operations of copies."""
    vertex.api.control("settings", {"vertex_copy_seconds": 60, "vertex_copy_grants": ["my-project>prod"]})
    source = until_trained(vertex, vertex.create())["model"]
    place = f"projects/prod/locations/{source.split('/')[3]}"
    with google_service("aiplatform", vertex.api.url) as service:
        models = service.projects().locations().models()
        operations = models.operations()

        def copy(parent: str = place, **fields: Any) -> dict[str, Any]:
            request = {"sourceModel": source, "modelId": "support-1a2b", **fields}
            return dict(models.copy(parent=parent, body=request).execute())

        first = copy()
        name = first["name"].partition("/operations/")[0]
        assert operations.list(name=name).execute() == {"operations": [first]}
        assert operations.wait(name=first["name"], timeout="1s").execute() == first
        assert operations.cancel(name=first["name"]).execute() == {}
        assert operations.get(name=first["name"]).execute()["error"]["code"] == 1
        second = copy()
        vertex.api.advance(60)
        done = operations.get(name=second["name"]).execute()
        assert done["response"]["model"] == name
        assert [one["name"] for one in operations.list(name=name).execute()["operations"]] == [
            second["name"],
            first["name"],
        ]
        assert operations.delete(name=second["name"]).execute() == {}
        listed = models.list(parent=place, pageSize=1, filter='model="support-1a2b"').execute()["models"]
        assert [one["modelSourceInfo"]["copy"] for one in listed] == [True]
        account = {"customServiceAccount": "copier@other.iam.gserviceaccount.com", "modelId": "other"}
        refused = [{"parent": place.replace("prod", "else")}, account, {}]
        codes = []
        for fields in refused:
            with pytest.raises(HttpError) as caught:
                copy(**fields)
            codes.append(caught.value.resp.status)
        assert codes == [403, 403, 409]


def test_a_kill_loses_nothing_acknowledged(tmp_path: pathlib.Path) -> None:
    """After kill -9 a new process has jobs, queue, models, operations, objects and half an upload."""
    data = tmp_path / "emulator.sqlite3"
    paths = ["tuningJobs", "models", "endpoints", "operations"]
    with process(data) as (child, api):
        api.control("settings", {"training_seconds": 10, "vertex_concurrent_jobs": 1})
        api.control("clock", {"frozen": True})
        vertex = Vertex(api)
        vertex.upload_pairs()
        first, second = vertex.create(), vertex.create()
        api.advance(10)
        endpoint = vertex.job(first["name"])["tunedModel"]["endpoint"]
        deployed = vertex.ok("GET", endpoint)["deployedModels"][0]["id"]
        vertex.ok("POST", f"{endpoint}:undeployModel", json={"deployedModelId": deployed})
        query = {"uploadType": "resumable", "name": "half"}
        opened = api.call("POST", "upload/storage/v1/b/training/o", params=query)
        upload = opened.headers["Location"].removeprefix(api.url + "/")
        half = b"x" * 256 * 1024
        api.call("PUT", upload, data=half, headers={"Content-Range": f"bytes 0-{len(half) - 1}/*"})
        before = [vertex.ok("GET", path) for path in paths]
        child.send_signal(signal.SIGKILL)
        child.wait()
    with process(data) as (_, api):
        vertex = Vertex(api)
        assert [vertex.ok("GET", path) for path in paths] == before
        assert vertex.state(second) == "PENDING"
        asked = api.call("PUT", upload, headers={"Content-Range": "bytes */*"}, allow_redirects=False)
        assert asked.headers["Range"] == f"bytes=0-{len(half) - 1}"
        api.advance(10)
        assert "deployedModels" not in vertex.ok("GET", endpoint)
        done = vertex.job(second["name"])
        prompt = {"contents": [{"parts": [{"text": "seven"}]}]}
        answer = vertex.ok("POST", f"{done['tunedModel']['endpoint']}:generateContent", json=prompt)
        assert answer["candidates"][0]["content"]["parts"][0]["text"] == "eight"


def test_a_reset_forgets_it_all(vertex: Vertex) -> None:
    """After a reset there are no jobs, models, endpoints, operations and objects."""
    job = vertex.finished()
    vertex.undeploy(job["tunedModel"]["endpoint"])
    vertex.api.control("reset", {})
    for path in ("tuningJobs", "models", "endpoints", "operations"):
        assert vertex.ok("GET", path) == {}
    assert vertex.api.call("GET", "storage/v1/b/training/o").json() == {"kind": "storage#objects"}
