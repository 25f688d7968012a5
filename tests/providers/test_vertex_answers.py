"""What the Vertex provider makes of answers about something else, and of figures that make no sense."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from reconciler.errors import ForbiddenError, ReplyLostError, ServiceError
from reconciler.model.endpoint import Checkpoint
from reconciler.model.live import Status
from reconciler.providers import Handle
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex import codec, names
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.deletion import Deletion, is_deployment_of, is_version
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions
from tests.fakes import FakeClock, unfenced
from tests.http.wire import Wire, answer, listening, refusal

HOME = "projects/p/locations/us-central1"
NUMBERED = "projects/123/locations/us-central1"
ID = "numbers-aaaaaaaa"
JOB = {"name": f"{NUMBERED}/tuningJobs/7", "state": "JOB_STATE_RUNNING", "labels": {"reconciler_id": ID}}
MADE = {"model": f"{NUMBERED}/models/9@1", "endpoint": f"{NUMBERED}/endpoints/8"}
DONE = {**JOB, "state": "JOB_STATE_SUCCEEDED", "tunedModel": MADE}
ENDPOINT = {
    "name": f"{NUMBERED}/endpoints/8",
    "deployedModels": [{"id": "1", "model": f"{NUMBERED}/models/9@1"}],
}
MODEL = {"name": f"{NUMBERED}/models/9", "versionId": "1"}


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server for this test alone."""
    with listening(Wire()) as served:
        yield served


@pytest.fixture
def provider(wire: Wire) -> VertexProvider:
    """A provider on the raw server. Its waits take no time."""
    clock = FakeClock()
    transport = connect(base_url=wire.url, environ={}, clock=clock, sleep=clock.sleep)
    regions = Regions(project="p", location="us-central1", open=lambda _: transport, base_url=wire.url)
    return VertexProvider(regions, Bucket(regions, "gs://data/sets", lambda _: None))


def deletion(provider: VertexProvider) -> Deletion:
    """The deletion that the provider uses."""
    return Deletion(provider._regions, provider._jobs, unfenced)


HANDLE = Handle(ID, f"{HOME}/tuningJobs/7")


def test_a_project_is_named_by_id_or_by_number(wire: Wire, provider: VertexProvider) -> None:
    """We asked with the id of the project, and the service answers with its number. It is the same job."""
    wire.script = [answer(JOB)]
    found = provider.get(HANDLE)
    assert found is not None
    assert found.status is Status.CREATING


@pytest.mark.parametrize(
    "other",
    [
        f"{NUMBERED}/tuningJobs/8",
        "projects/123/locations/europe-west4/tuningJobs/7",
        "projects/somebody-elses/locations/us-central1/tuningJobs/7",
        f"{NUMBERED}/models/7",
        f"{NUMBERED}/tuningJobs/7/operations/1",
        "",
        7,
    ],
)
def test_a_job_that_was_not_asked_for_is_no_answer(
    wire: Wire, provider: VertexProvider, other: object
) -> None:
    """A look, a poll and a delete that looks first do not believe it."""
    wire.always = answer({**DONE, "name": other})
    delete = partial(provider.delete, fence=unfenced)
    look: tuple[Callable[[Handle], Any], ...] = (provider.get, provider.poll, delete)
    for act in look:
        with pytest.raises(ServiceError, match="asked about"):
            act(HANDLE)
    assert {one.method for one in wire.requests} == {"GET"}


@pytest.mark.parametrize(
    "model", [{**MODEL, "name": f"{NUMBERED}/models/10"}, {**MODEL, "versionId": "2"}, {}]
)
def test_a_model_that_was_not_asked_for_is_no_answer(
    wire: Wire, provider: VertexProvider, model: dict[str, Any]
) -> None:
    """A job that ended is ACTIVE only through its own model in its own version."""
    wire.script = [answer(DONE), answer(model)]
    with pytest.raises(ServiceError, match="asked about"):
        provider.get(HANDLE)


def test_an_endpoint_that_was_not_asked_for_is_no_answer(wire: Wire, provider: VertexProvider) -> None:
    """Otherwise programs would call it instead of the model's own."""
    wire.script = [answer(DONE), answer(MODEL), answer({**ENDPOINT, "name": f"{NUMBERED}/endpoints/1"})]
    with pytest.raises(ServiceError, match="asked about"):
        provider.get(HANDLE)


@pytest.mark.parametrize(
    "reply",
    [
        {**JOB, "name": "projects/123/locations/europe-west4/tuningJobs/7"},
        {**JOB, "labels": {"reconciler_id": "another-bbbbbbbb"}},
        {**JOB, "labels": {}},
        {**JOB, "name": f"{NUMBERED}/models/7"},
        {},
    ],
)
def test_a_create_answered_with_another_job_is_looked_for(
    wire: Wire, provider: VertexProvider, reply: dict[str, Any]
) -> None:
    """The created job has our label, in the place that was asked. Otherwise nothing is known yet."""
    wire.script = [answer({}), answer(reply), answer({"tuningJobs": [JOB]})]
    place = ("p", "us-central1")
    made = provider._creation.create(ID, place, {}, {"baseModel": "b"}, {}, attempted=False, fence=unfenced)
    assert made.name == JOB["name"]
    assert [one.method for one in wire.requests] == ["GET", "POST", "GET"]


def test_a_job_listed_in_two_conditions_is_asked_for(wire: Wire, provider: VertexProvider) -> None:
    """Pages that changed meanwhile show it twice, and neither is believed."""
    failed = {**JOB, "state": "JOB_STATE_FAILED"}
    wire.always = answer({})
    found = provider._jobs.list_resources(("p", "us-central1"), "tuningJobs")
    wire.script = [answer({"tuningJobs": [failed, JOB, failed]}), answer(JOB)]
    assert list(found) == [JOB]
    assert [one.target.split("?")[0] for one in wire.requests] == [
        f"/v1/{HOME}/tuningJobs",
        f"/v1/{JOB['name']}",
    ]


def test_a_list_of_another_place_is_no_answer(wire: Wire, provider: VertexProvider) -> None:
    """Our list leaves out a job of another location, and what is no job."""
    for name in ("projects/123/locations/europe-west4/tuningJobs/7", f"{NUMBERED}/models/7", "x"):
        wire.always = answer({"tuningJobs": [{**JOB, "name": name}]})
        with pytest.raises(ServiceError):
            list(provider._jobs.list_resources(("p", "us-central1"), "tuningJobs"))


@pytest.mark.parametrize(
    "operation",
    [
        {"name": "projects/123/locations/us-central1/models/9"},
        {"name": "../../x"},
        {"name": f"{HOME}/operations/1?x=y"},
        {"name": "projects/123/locations/europe-west4/operations/1", "done": True},
        {},
    ],
)
def test_a_deletion_follows_no_operation_of_something_else(
    wire: Wire, provider: VertexProvider, operation: dict[str, Any]
) -> None:
    """The name of an operation goes into an address, so it must be a name of the same place."""
    wire.always = answer(operation)
    with pytest.raises(ServiceError, match=r"asked about|not the name of a resource"):
        deletion(provider)._step("DELETE", f"{HOME}/endpoints/8")
    assert len(wire.requests) == 1


def test_an_operation_polled_must_be_the_one_that_was_begun(wire: Wire, provider: VertexProvider) -> None:
    """The end of another operation is not ours."""
    begun = {"name": f"{NUMBERED}/operations/1"}
    wire.script = [answer(begun), answer({"name": f"{NUMBERED}/operations/2", "done": True})]
    with pytest.raises(ServiceError, match="asked about"):
        deletion(provider)._step("DELETE", f"{HOME}/endpoints/8")


@pytest.mark.parametrize("value", [-1, "x", True, 10**400, float("nan"), "9" * 5000, [], {"a": 1}])
def test_figures_of_a_job_that_make_no_sense_are_left_out(value: object) -> None:
    """Counts of the data, steps and checkpoints, and times, are for people."""
    job = {
        **DONE,
        "createTime": value,
        "endTime": value,
        "tuningDataStats": {"supervisedTuningDataStats": {"tuningStepCount": value, "xCount": "5"}},
        "tunedModel": {**MADE, "checkpoints": [{"checkpointId": "1", "epoch": value, "step": "3"}]},
    }
    found = codec.read_model(job, MODEL, ENDPOINT)
    assert found is not None
    assert codec.read_steps(job) is None
    assert (found.create_time, found.complete_time) == ("", "")
    assert found.checkpoints == (Checkpoint("1", 0, 3),)
    assert found.outputs["data: xs"] == "5"


@pytest.mark.parametrize("value", [float("nan"), "NaN", 1e39, float("inf"), 10**400])
def test_a_compared_number_that_makes_no_sense_is_not_understood(value: object) -> None:
    """Otherwise it would be compared and recorded."""
    parameters = {"hyperParameters": {"learningRateMultiplier": value}}
    with pytest.raises(ServiceError, match="learning_rate_multiplier"):
        codec.read_model({**JOB, "supervisedTuningSpec": parameters}, None, None)
    spec = {"evaluationConfig": {"autoraterConfig": {"x": float("nan")}}}
    with pytest.raises(ServiceError, match="evaluation_config"):
        codec.read_model({**JOB, "supervisedTuningSpec": spec}, None, None)


def test_versions_of_a_model_are_told_apart() -> None:
    """An answer about another version is about another model."""
    assert names.is_answer(f"{HOME}/models/9@1", f"{NUMBERED}/models/9")
    assert names.is_answer(f"{HOME}/models/9@1", f"{NUMBERED}/models/9@1")
    assert not names.is_answer(f"{HOME}/models/9@1", f"{NUMBERED}/models/9@2")


def test_an_alias_may_mean_any_version() -> None:
    """Only the service knows which version "default" is. Two numbers are two versions."""
    for alias in ("@default", "@prod-2", ""):
        assert names.is_same(f"{HOME}/models/9@1", f"{NUMBERED}/models/9{alias}")
        assert names.is_answer(f"{HOME}/models/9@1", f"{NUMBERED}/models/9{alias}")
    assert not names.is_same(f"{HOME}/models/9@1", f"{NUMBERED}/models/9@2")
    assert not names.is_same(f"{HOME}/models/9@default", f"{NUMBERED}/models/8@default")


DEPLOYED = {"id": "4", "model": f"{NUMBERED}/models/9@default"}


@pytest.mark.parametrize(
    ("deployed", "is_ours"),
    [
        (DEPLOYED, True),
        ({**DEPLOYED, "modelVersionId": "1"}, True),
        ({**DEPLOYED, "modelVersionId": "2"}, False),
        ({**DEPLOYED, "model": f"{NUMBERED}/models/9@2"}, False),
        ({**DEPLOYED, "model": "publishers/google/models/gemini-x"}, False),
        ({**DEPLOYED, "model": f"{NUMBERED}/models/8", "modelVersionId": "1"}, False),
    ],
)
def test_what_is_undeployed_is_our_version(deployed: dict[str, Any], *, is_ours: bool) -> None:
    """A deployment's name may have an alias. Then `modelVersionId` tells the version."""
    assert is_deployment_of(deployed, f"{HOME}/models/9@1") is is_ours


@pytest.mark.parametrize(("wanted", "is_it"), [("", True), ("3", True), ("default", True), ("2", False)])
def test_a_version_is_found_by_its_number_or_alias(wanted: str, *, is_it: bool) -> None:
    """A name without a version means every version."""
    assert is_version({"versionId": "3", "versionAliases": ["default"]}, wanted) is is_it


def test_a_lost_create_that_cannot_be_looked_for_is_told(wire: Wire, provider: VertexProvider) -> None:
    """If the look gets an answer about something else too, the effect is unknown."""
    wire.script = [answer({}), answer({})]
    wire.always = answer({"tuningJobs": [{**JOB, "name": "x"}]})
    with pytest.raises(ReplyLostError):
        provider._creation.create(
            ID, ("p", "us-central1"), {}, {"baseModel": "b"}, {}, attempted=False, fence=unfenced
        )


OTHER = f"{NUMBERED}/endpoints/5"
LOOK = [answer(DONE), answer(DONE)]
"""The answers about the job, and about its project's other name, which is asked for once."""
ELSEWHERE = "projects/123/locations/europe-west4/endpoints/5"


def deployed_to(*endpoints: str) -> dict[str, Any]:
    """The model, which says that it is deployed to these endpoints."""
    return {**MODEL, "deployedModels": [{"endpoint": name, "deployedModelId": "4"} for name in endpoints]}


def sending(model: str, split: object, **changes: Any) -> dict[str, Any]:
    """Another endpoint, to which a model is deployed."""
    deployed = {"id": "4", "model": model, **changes}
    return {"name": OTHER, "deployedModels": [deployed], "trafficSplit": split}


@pytest.mark.parametrize(
    ("endpoint", "has_traffic"),
    [
        (sending(f"{HOME}/models/9@1", {"4": 100}), True),
        (sending(f"{NUMBERED}/models/9", {"4": 1, "6": 99}), True),
        (sending(f"{NUMBERED}/models/9@default", {"4": 100}), True),
        (sending(f"{NUMBERED}/models/9", {"4": 100}, modelVersionId="1"), True),
        (sending(f"{NUMBERED}/models/9@default", {"4": 100}, modelVersionId="2"), False),
        (sending(f"{NUMBERED}/models/9@2", {"4": 100}), False),
        (sending(f"{NUMBERED}/models/9@1", {"4": 0, "6": 100}), False),
        (sending(f"{NUMBERED}/models/9@1", {"6": 100}), False),
        (sending(f"{NUMBERED}/models/9@1", None), False),
        (sending(f"{NUMBERED}/models/8@1", {"4": 100}), False),
        (sending("publishers/google/models/x", {"4": 100}), False),
    ],
)
def test_traffic_is_a_share_of_another_endpoints_requests(
    wire: Wire, provider: VertexProvider, endpoint: dict[str, Any], *, has_traffic: bool
) -> None:
    """A model has traffic if an endpoint gives its version a share above 0."""
    wire.script = [*LOOK, answer(deployed_to(OTHER)), answer(ENDPOINT), answer(endpoint)]
    found = provider.get(HANDLE)
    assert found is not None
    assert found.traffic == ((OTHER,) if has_traffic else ())
    assert found.status is Status.ACTIVE


def test_endpoints_of_the_tuning_service_are_no_traffic(wire: Wire, provider: VertexProvider) -> None:
    """The endpoints of the job and of its checkpoints are left out. Nobody asks for them again."""
    checkpoint = f"{HOME}/endpoints/6"
    job = {**DONE, "tunedModel": {**MADE, "checkpoints": [{"checkpointId": "1", "endpoint": checkpoint}]}}
    wire.script = [answer(job), answer(job), answer(deployed_to(MADE["endpoint"], f"{NUMBERED}/endpoints/6"))]
    wire.script.append(answer({**ENDPOINT, "trafficSplit": {"1": 100}}))
    found = provider.get(HANDLE)
    assert found is not None
    assert found.traffic == ()
    assert len(wire.requests) == 4


def test_traffic_in_another_location_is_seen(wire: Wire, provider: VertexProvider) -> None:
    """A model may be deployed to an endpoint in another location, which its own location does not list."""
    there = {**sending(f"{NUMBERED}/models/9@1", {"4": 100}), "name": ELSEWHERE}
    wire.script = [*LOOK, answer(deployed_to(ELSEWHERE)), answer(ENDPOINT), answer(there)]
    found = provider.get(HANDLE)
    assert found is not None
    assert found.traffic == (ELSEWHERE,)


def test_an_endpoint_that_may_not_be_read_counts_as_traffic(wire: Wire, provider: VertexProvider) -> None:
    """A model on a hidden endpoint may be in use. If that endpoint is gone, it is not."""
    read = [answer(DONE), answer(deployed_to(OTHER)), answer(ENDPOINT)]
    wire.script = [answer(DONE), *read, refusal(403, "no", canonical="PERMISSION_DENIED")]
    hidden = provider.get(HANDLE)
    wire.script = [*read, refusal(404, "no", canonical="NOT_FOUND")]
    gone = provider.get(HANDLE)
    assert hidden is not None
    assert gone is not None
    assert (hidden.traffic, gone.traffic) == ((OTHER,), ())
    lost = refusal(404, "no", canonical="NOT_FOUND")
    wire.script = [*read[:2], lost, refusal(403, "no", canonical="PERMISSION_DENIED")]
    with pytest.raises(ForbiddenError):  # programs may call the model on the endpoint that is hidden
        provider.get(HANDLE)


@pytest.mark.parametrize("split", [[], "100", 7])
def test_traffic_that_is_not_understood_is_no_lack_of_it(
    wire: Wire, provider: VertexProvider, split: object
) -> None:
    """An endpoint in another form stops a look at the model, and so its deletion."""
    endpoint = sending(f"{NUMBERED}/models/9@1", split)
    wire.script = [*LOOK, answer(deployed_to(OTHER)), answer(ENDPOINT), answer(endpoint)]
    with pytest.raises(ServiceError, match="trafficSplit"):
        provider.get(HANDLE)
