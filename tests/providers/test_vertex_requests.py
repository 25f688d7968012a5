"""What the provider of Vertex AI sends, held against Google's discovery document; and what a crash leaves.

The document is that of google-api-python-client (aiplatform v1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import pytest
import requests
from msgspec.structs import asdict

from reconciler.datasets.chat import write_chat_line
from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from reconciler.errors import NoCapacityError, ServiceError
from reconciler.http import Transport
from reconciler.identity import encode_canonical
from reconciler.model.checks import Prompt
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Odd, Status
from reconciler.providers import Accepted, Handle
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions, find_host
from tests.contract.provider import EXAMPLES, TUNING_JOB
from tests.emulator_clock import EmulatorClock
from tests.fakes import Crash, unfenced

HOME = "projects/p/locations/us-central1"
MODELS_HOME = "projects/p/locations/us"
SOURCE = "gemini-3.1-flash-lite"
TAKES_A_KEY = "translation-llm-002"
"""A base model that can be tuned under a customer's own key. Gemini 3.x cannot."""
ID = "numbers-aaaaaaaa"
EVALUATION_CONFIG = {
    "metrics": [{"exactMatchSpec": {}, "aggregationMetrics": ["AVERAGE"]}],
    "autoraterConfig": {"samplingCount": 4, "generationConfig": {"temperature": 0.5}},
    "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://data/out"}},
}


class Recording(Transport, eq=False, kw_only=True):
    """Notes what is called, and dies where it is told to: before or after the n-th changing call.

    Each request that changes something must come with a fence, and no other.
    """

    seen: list[tuple[str, str, Mapping[str, str], Any]]
    dies: tuple[int, str] | None

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """See Transport.call."""
        self.seen.append((method, path, options.get("query") or {}, options.get("body")))
        changes = method != "GET" and not path.endswith(":generateContent")
        assert changes is (options.get("fence") is not None), f"{method} {path}"
        changing = sum(one[0] != "GET" for one in self.seen)
        if method != "GET" and self.dies == (changing, "before"):
            raise Crash(path)
        answer = super().call(method, path, **options)
        if method != "GET" and self.dies == (changing, "after"):
            raise Crash(path)
        return answer


class Stand:
    """A provider on an emulator; a new one is a new process."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url, self.session, self.clock = url, session, EmulatorClock(url, session)

    def control(self, path: str, change: object) -> None:
        """Post to the emulator's control plane, at the time of our clock."""
        self.clock.catch_up()
        assert self.session.post(f"{self.url}/emulator/{path}", json=change, timeout=5).ok

    def provider(self, dies: tuple[int, str] | None = None) -> tuple[VertexProvider, Recording]:
        """A new process."""
        opened = connect(base_url=self.url, environ={}, clock=self.clock, sleep=self.clock.sleep)
        recording = Recording(**asdict(self.clock.share(opened)), seen=[], dies=dies)
        regions = Regions(project="p", location="us-central1", open=lambda _: recording, base_url=self.url)
        return VertexProvider(regions, Bucket(regions, "gs://data/sets", lambda _: None)), recording

    def listed(self, collection: str) -> list[dict[str, Any]]:
        """List what the service has, at the time of our clock."""
        self.clock.catch_up()
        homes = (HOME, MODELS_HOME)
        answers = [self.session.get(f"{self.url}/v1/{home}/{collection}", timeout=5).json() for home in homes]
        return [item for answer in answers for item in answer.get(collection, [])]

    def train(
        self, provider: VertexProvider, id: str = ID, want: Desired | None = None, source: str = SOURCE
    ) -> Accepted:
        """Create, and let it end."""
        want = want or TUNING_JOB.want()
        made = provider.create(want, id, source, {TUNING_JOB.data: EXAMPLES}, fence=unfenced)
        self.control("clock", {"advance": 1000})
        return made


@pytest.fixture
def stand() -> Iterator[Stand]:
    """An emulator for this test alone."""
    with run_emulator(settings=Settings(training_seconds=100)) as served, requests.Session() as session:
        session.trust_env = False
        yield Stand(served.url, session)


@pytest.fixture(scope="module")
def discovery() -> Any:
    """Google's discovery document."""
    folder = resources.files("googleapiclient.discovery_cache.documents")
    return json.loads(folder.joinpath("aiplatform.v1.json").read_text())


def methods(resource: Any) -> Iterator[Any]:
    """Every method of a resource and those below it."""
    yield from resource.get("methods", {}).values()
    for below in resource.get("resources", {}).values():
        yield from methods(below)


def fits(value: object, schema: Any, schemas: Any, where: str) -> None:
    """Assert that a value of a request is what the document says."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    assert not schema.get("readOnly"), where
    match schema["type"]:
        case "object" if "additionalProperties" in schema:
            assert isinstance(value, dict), where
            for key, item in value.items():
                fits(item, schema["additionalProperties"], schemas, f"{where}.{key}")
        case "object":
            assert isinstance(value, dict), where
            for key, item in value.items():
                assert key in schema["properties"], f"{where}.{key}"
                fits(item, schema["properties"][key], schemas, f"{where}.{key}")
        case "array":
            assert isinstance(value, list), where
            for item in value:
                fits(item, schema["items"], schemas, where)
        case "string":
            assert isinstance(value, str), where
            assert value in schema.get("enum", [value]), where
            if schema.get("format") == "int64":
                assert re.fullmatch("-?[0-9]+", value), where
        case "number" | "integer":
            assert isinstance(value, (int, float)), where
        case "boolean":
            assert isinstance(value, bool), where
        case other:
            raise AssertionError(f"{where}: {other}")


def test_every_request_is_one_of_the_api(stand: Stand, discovery: Any) -> None:
    """Paths, query parameters and bodies of a whole life are those of the discovery document."""
    provider, recording = stand.provider()
    everything = {
        **TUNING_JOB.attributes,
        "description": "counts",
        "supervised_tuning_spec.export_last_checkpoint_only": True,
        "supervised_tuning_spec.evaluation_config": json.dumps(EVALUATION_CONFIG),
        "service_account": "t@p.iam.gserviceaccount.com",
        "metadata.location": "us-central1",
        "encryption_spec.kms_key_name": "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k",
    }
    made = stand.train(provider, want=TUNING_JOB.want(everything), source=TAKES_A_KEY)
    handle = Handle(ID, made.name)
    list(provider.list())
    provider.poll(handle)
    provider.generate(handle, Prompt("1"), temperature=0.0)
    provider.update(handle, TUNING_JOB.change, fence=unfenced)
    child = {path: value for path, value in everything.items() if path != "base_model"}
    want = TUNING_JOB.want({**child, TUNING_JOB.parent: ID})
    second = provider.create(want, "child-aaaaaaaa", made.name, {TUNING_JOB.data: EXAMPLES}, fence=unfenced)
    provider.delete(Handle("child-aaaaaaaa", second.name), fence=unfenced)
    provider.delete(handle, fence=unfenced)
    known = [(one, re.compile(re.sub(r"\{[^}]*\}", "[^/:]+", one["flatPath"]))) for one in methods(discovery)]
    everywhere = set(discovery["parameters"])
    for method, path, query, body in recording.seen:
        if path.startswith("storage/"):
            continue
        one = next((one for one, form in known if one["httpMethod"] == method and form.fullmatch(path)), None)
        assert one is not None, f"{method} {path}"
        assert set(query) <= set(one["parameters"]) | everywhere, f"{method} {path} {query}"
        if "request" in one:
            fits(body, one["request"], discovery["schemas"], path)
        else:
            assert body is None, path
    called = {(method, re.sub(r"[0-9]{5,}|@.*", "N", path)) for method, path, _, _ in recording.seen}
    assert len(called) > 12


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.thorough)])
def test_a_deletion_survives_a_crash_at_every_step(stand: Stand, stride: int) -> None:
    """Whichever call a process dies at, a second process finishes, and nothing is left.

    To delete twice is fine.
    """
    for count in range(1, 50, stride):
        deaths = [killed(stand, count, when) for when in ("before", "after")]
        if not any(deaths):
            assert count > 6
            return
    raise AssertionError("a deletion has no end")


def killed(stand: Stand, count: int, when: str) -> bool:
    """Let a deletion die at its count-th call, if it has so many, and let another one finish it."""
    provider, _ = stand.provider()
    handle = Handle(ID, stand.train(provider).name)
    dying, _ = stand.provider((count, when))
    died = False
    try:
        dying.delete(handle, fence=unfenced)
    except Crash:
        died = True
    again, _ = stand.provider()
    again.delete(handle, fence=unfenced)
    again.delete(handle, fence=unfenced)
    assert again.get(handle) is None
    assert (stand.listed("models"), stand.listed("endpoints")) == ([], [])
    return died


def test_two_jobs_under_one_label_are_both_seen(stand: Stand) -> None:
    """Both jobs are shown, and the oldest has our id. To delete one leaves the other."""
    provider, _ = stand.provider()
    first = stand.train(provider)
    data = stand.listed("tuningJobs")[0]["supervisedTuningSpec"]["trainingDatasetUri"]
    body = {
        "baseModel": SOURCE,
        "labels": {"reconciler_id": ID},
        "supervisedTuningSpec": {"trainingDatasetUri": data},
    }
    second = stand.session.post(f"{stand.url}/v1/{HOME}/tuningJobs", json=body, timeout=5).json()["name"]
    stand.control("clock", {"advance": 1000})
    shown = {one.id: one.name for one in provider.list()}
    assert shown == {ID: first.name, second.rpartition("/")[2]: second}
    provider.delete(Handle(ID, first.name), fence=unfenced)
    assert [one.name for one in provider.list()] == [second]


def test_a_difference_between_model_and_endpoint_is_seen_and_mended(stand: Stand) -> None:
    """If somebody changed only one of the two, the value equals no manifest's.

    An update makes both the same.
    """
    provider, _ = stand.provider()
    handle = Handle(ID, stand.train(provider).name)
    endpoint = provider.find_endpoint(handle)
    body = {"displayName": "theirs", "labels": {"team": "theirs"}}
    reply = stand.session.patch(
        f"{stand.url}/v1/{endpoint}", params={"updateMask": "displayName,labels"}, json=body, timeout=5
    )
    assert reply.ok, reply.text
    seen = provider.get(handle)
    assert seen is not None
    assert "theirs" in str(seen.attributes["tuned_model_display_name"])
    assert seen.attributes["labels"] != ("team=search",)
    wish = {path: TUNING_JOB.attributes[path] for path in ("tuned_model_display_name", "labels")}
    provider.update(handle, wish, fence=unfenced)
    mended = provider.get(handle)
    assert mended is not None
    assert {path: mended.attributes[path] for path in wish} == wish


def test_data_is_uploaded_once_under_its_digest(stand: Stand) -> None:
    """The same examples are one object however often they are uploaded. Other examples are another object."""
    provider, recording = stand.provider()
    bucket = provider._bucket
    first = bucket.put(DataSet("d", 15, 60), EXAMPLES, fence=unfenced)
    assert bucket.put(DataSet("d", 15, 60), EXAMPLES, fence=unfenced) == first
    assert bucket.put(DataSet("e", 14, 60), EXAMPLES[1:], fence=unfenced) != first
    log = stand.session.get(f"{stand.url}/emulator/requests", timeout=5).json()["requests"]
    uploads = [one for one in log if one["method"] == "POST" and "/upload/" in one["path"]]
    assert len(uploads) == 2
    assert all(one["query"]["ifGenerationMatch"] == "0" for one in uploads)
    assert recording.seen[0][1].endswith(f"o/sets%2F{first.rpartition('/')[2]}")
    assert json.loads(write_chat_line(EXAMPLES[0]))["contents"][0]["parts"] == [{"text": "0"}]


def test_an_object_that_came_between_is_taken(stand: Stand) -> None:
    """If another run uploads the same between look and upload, the refusal (412) is success."""
    provider, _ = stand.provider()
    bucket = provider._bucket
    uri = bucket.put(DataSet("d", 15, 60), EXAMPLES, fence=unfenced)
    stand.control("faults", [{"method": "GET", "path": "/storage/v1/b/data/o/", "status": 404}])
    assert bucket.put(DataSet("d", 15, 60), EXAMPLES, fence=unfenced) == uri


def test_a_429_is_no_capacity_and_sends_nothing_twice(stand: Stand) -> None:
    """A create without room raises at once. A second call with room is accepted."""
    stand.control("settings", {"vertex_concurrent_jobs": 1, "vertex_over_quota": "refuse"})
    provider, _ = stand.provider()
    provider.create(TUNING_JOB.want(), "a-aaaaaaaa", SOURCE, {TUNING_JOB.data: EXAMPLES}, fence=unfenced)
    with pytest.raises(NoCapacityError):
        stand.train(provider)
    stand.control("clock", {"advance": 1000})
    stand.train(provider)
    assert len(stand.listed("tuningJobs")) == 2


def test_changed_data_in_a_bucket_is_not_trained_on(stand: Stand) -> None:
    """If the object has another digest now, the create is refused before any POST of a job."""
    provider, recording = stand.provider()
    uri = provider._bucket.put(DataSet("d", 15, 60), EXAMPLES, fence=unfenced)
    want = TUNING_JOB.want()
    data = DataSet("0" * 64, 0, 0, field=TUNING_JOB.data, uri=uri)
    stale = Desired(want.address, want.attributes, (data,))
    with pytest.raises(ServiceError, match="has changed since the plan"):
        provider.create(stale, ID, SOURCE, {}, fence=unfenced)
    (measured,) = provider.measure_data([stale])
    assert provider.create(measured, ID, SOURCE, {}, fence=unfenced).name
    assert sum(method == "POST" for method, *_ in recording.seen) == 1


def test_a_data_set_of_the_service_is_sent_by_its_name(stand: Stand) -> None:
    """The name goes into the job as it is. Nothing is measured, read or uploaded."""
    provider, recording = stand.provider()
    want, name = TUNING_JOB.want(), f"{HOME}/datasets/7"
    data = DataSet("0" * 64, 0, 0, field=TUNING_JOB.data, uri=name)
    asked = Desired(want.address, want.attributes, (data,))
    (measured,) = provider.measure_data([asked])
    assert (measured.data, measured.attributes) == (asked.data, asked.attributes)
    made = provider.create(asked, ID, SOURCE, {}, fence=unfenced)
    assert not any(path.startswith("storage/") for _, path, *_ in recording.seen)
    (job,) = stand.listed("tuningJobs")
    assert job["supervisedTuningSpec"]["trainingDatasetUri"] == name
    stand.control("clock", {"advance": 1000})
    found = provider.get(Handle(ID, made.name))
    assert found is not None
    assert found.status is Status.ACTIVE


def test_an_evaluation_is_shown_with_what_came_of_a_job(stand: Stand) -> None:
    """Its configuration is read back as it was sent. The outputs say where its results are."""
    provider, _ = stand.provider()
    path = "supervised_tuning_spec.evaluation_config"
    text = encode_canonical(EVALUATION_CONFIG).decode()
    want = TUNING_JOB.want({**TUNING_JOB.attributes, path: text})
    found = provider.get(Handle(ID, stand.train(provider, want=want).name))
    assert found is not None
    assert found.attributes[path] == text
    assert found.outputs["evaluation"].startswith("gs://data/out/evaluation-")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("EXPIRED", "FAILED"),
        ("PAUSED", "CREATING"),
        ("PARTIALLY_SUCCEEDED", "ACTIVE"),
        ("CANCELLED", "FAILED"),
    ],
)
def test_every_end_has_a_status(stand: Stand, state: str, status: str) -> None:
    """EXPIRED and CANCELLED are failures with a reason, PAUSED goes on, PARTIALLY_SUCCEEDED serves."""
    stand.control("faults", [{"train": ".", "end": f"JOB_STATE_{state}"}])
    provider, _ = stand.provider()
    handle = Handle(ID, stand.train(provider).name)
    training, found = provider.poll(handle), provider.get(handle)
    assert found is not None
    assert training.status is found.status is Status(status)
    assert bool(training.error) == bool(found.error) == (status == "FAILED")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
    ],
)
def test_each_location_has_its_host(location: str, url: str) -> None:
    """Regions, multi-regions and global have hosts of different forms."""
    assert find_host(location) == url


@pytest.mark.parametrize(
    ("changed", "id"),
    [
        ({"name": f"{HOME}/tuningJobs/9", "labels": {}, "baseModel": {}}, "9"),
        ({"name": f"{HOME}/tuningJobs/9", "labels": {}, "tunedModel": 7}, "9"),
        ({"name": "projects/p/locations/elsewhere/tuningJobs/9"}, ""),
        ({"name": "nonsense"}, ""),
    ],
)
def test_an_odd_job_of_a_list_stops_no_other(stand: Stand, changed: dict[str, Any], id: str) -> None:
    """It is listed as an Odd, with its id if that is known. The job beside it is whole."""
    provider, _ = stand.provider()
    stand.train(provider)
    (good,) = stand.listed("tuningJobs")
    body = {"tuningJobs": [{**good, **changed}, good]}
    stand.control("faults", [{"method": "GET", "path": "tuningJobs$", "status": 200, "body": body}])
    live, odd = sorted(provider.list(), key=lambda one: isinstance(one, Odd))
    assert isinstance(live, Live)
    assert isinstance(odd, Odd)
    assert (live.id, odd.id) == (ID, id)


def test_traffic_on_another_endpoint_is_seen_in_both_ways(stand: Stand) -> None:
    """A list and a get show who else sends a model requests. A list needs no more requests for it."""
    provider, recording = stand.provider()
    handle = Handle(ID, stand.train(provider).name)

    def send(path: str, body: dict[str, Any]) -> Any:
        reply = stand.session.post(f"{stand.url}/v1/{path}", json=body, timeout=5)
        assert reply.ok, reply.text
        return reply.json()

    def look() -> tuple[tuple[str, ...], tuple[str, ...], list[int]]:
        recording.seen.clear()
        (listed,) = provider.list()
        count = len(recording.seen)
        found = provider.get(handle)
        assert isinstance(listed, Live)
        assert found is not None
        return listed.traffic, found.traffic, [count, len(recording.seen) - count]

    assert look() == ((), (), [3, 3])
    (model,) = stand.listed("models")
    stand.control("settings", {"vertex_create_endpoint_seconds": 0, "vertex_deploy_seconds": 0})
    theirs = send(f"{MODELS_HOME}/endpoints", {"displayName": "theirs"})["response"]["name"]
    body = {"deployedModel": {"model": model["name"]}, "trafficSplit": {"0": 100}}
    deployed = send(f"{theirs}:deployModel", body)["response"]["deployedModel"]
    assert look() == ((theirs,), (theirs,), [3, 4])
    send(f"{theirs}:undeployModel", {"deployedModelId": deployed["id"]})
    stand.control("clock", {"advance": 1000})
    assert look() == ((), (), [3, 3])


def test_a_list_sees_traffic_in_another_location(stand: Stand) -> None:
    """So a plan tells it. The Model Registry names such an endpoint, and one request asks for it."""
    provider, recording = stand.provider()
    stand.train(provider)
    (model,) = stand.listed("models")
    there = f"{HOME}/endpoints/5".replace("us-central1", "europe-west4")
    deployed = [*model["deployedModels"], {"endpoint": there, "deployedModelId": "4"}]
    endpoint = {
        "name": there,
        "deployedModels": [{"id": "4", "model": model["name"]}],
        "trafficSplit": {"4": 100},
    }
    shown = {"method": "GET", "path": "/models$", "status": 200}
    far = {"method": "GET", "path": "europe-west4/endpoints/5$"}
    stand.control(
        "faults",
        [
            {**shown, "body": {"models": [{**model, "deployedModels": deployed}]}},
            {**far, "status": 200, "body": endpoint},
        ],
    )
    recording.seen.clear()
    (live,) = provider.list()
    assert isinstance(live, Live)
    assert live.traffic == (there,)
    assert len(recording.seen) == 4


def test_an_odd_endpoint_of_a_list_stops_no_model(stand: Stand) -> None:
    """It is listed as an Odd with its name, and the model beside it is whole."""
    provider, _ = stand.provider()
    stand.train(provider)
    endpoints = stand.listed("endpoints")
    odd_endpoint = {"name": f"{MODELS_HOME}/endpoints/77", "deployedModels": 7}
    body = {"endpoints": [odd_endpoint, *endpoints]}
    stand.control("faults", [{"method": "GET", "path": "endpoints$", "status": 200, "body": body}])
    live, odd = sorted(provider.list(), key=lambda found: isinstance(found, Odd))
    assert isinstance(live, Live)
    assert isinstance(odd, Odd)
    assert (live.status, odd.name) == (Status.ACTIVE, odd_endpoint["name"])
