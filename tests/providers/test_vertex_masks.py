"""The masks of Vertex AI's lists: no answer, however odd, is read differently because of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from reconciler.emulator.partial import parse_fields, select
from reconciler.errors import ServiceError
from reconciler.http import Transport
from reconciler.model.endpoint import LiveEndpoint
from reconciler.model.live import Live, Odd, Status
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.copies import CopyProvider
from reconciler.providers.vertex.endpoints import _read
from reconciler.providers.vertex.masks import LISTED
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.resources import ENDPOINTS, JOBS, MODELS
from tests.emulator import discovery
from tests.limits import repeats
from tests.providers.masked import Service, build_full, hide_text, shorten, spoil

HOME = "projects/1/locations/us-central1"
FIRST, OTHER = f"{HOME}/{ENDPOINTS}/8", f"{HOME}/{ENDPOINTS}/other"
COPIES = "copies"
UNREAD = {
    (JOBS, "error"),
    (ENDPOINTS, "createTime"),
    (ENDPOINTS, "etag"),
    (MODELS, "etag"),
    (MODELS, "versionAliases"),
}
"""What masks name though no list is read for it. Whoever changes or deletes a resource reads it."""


def build(schema: str) -> dict[str, Any]:
    """Build a resource with all fields of the discovery document."""
    document = discovery.document("aiplatform.v1")
    return cast("dict[str, Any]", build_full(document, {"$ref": f"GoogleCloudAiplatformV1{schema}"}, 4))


def build_job(state: str) -> dict[str, Any]:
    """A job with the model 9 and the endpoint 8."""
    job = build("TuningJob") | {
        "name": f"{HOME}/{JOBS}/7",
        "state": f"JOB_STATE_{state}",
        "labels": {"reconciler_id": "numbers-aaaaaaaa", "team": "x"},
    }
    job["supervisedTuningSpec"]["hyperParameters"]["adapterSize"] = "ADAPTER_SIZE_FOUR"
    job["tunedModel"] |= {"model": f"{HOME}/{MODELS}/9@1", "endpoint": FIRST}
    job["tunedModel"]["checkpoints"][0]["endpoint"] = FIRST
    return job


def build_model(*, copied: bool) -> dict[str, Any]:
    """A job's model, or a copy. It is deployed to two endpoints."""
    model = build("Model") | {
        "name": f"{HOME}/{MODELS}/{'numbers-aaaaaaaa' if copied else '9'}",
        "versionId": "1",
        "labels": {"team": "x"},
        "deployedModels": [{"endpoint": FIRST, "deployedModelId": "5"}, {"endpoint": OTHER}],
        "modelSourceInfo": {"sourceType": "GENIE", "copy": copied},
        "originalModelInfo": {"model": "projects/2/locations/us-central1/models/4@1"},
    }
    if not copied:
        del model["originalModelInfo"]
    return model


def build_endpoint(name: str) -> dict[str, Any]:
    """An endpoint that sends two thirds of its requests to the job's model, and the rest to the copy."""
    made = build("Endpoint")
    deployed = made["deployedModels"][0] | {"modelVersionId": "1"}
    return made | {
        "name": name,
        "displayName": "edited by hand",
        "description": "edited by hand",
        "deployedModels": [
            {**deployed, "id": "5", "model": f"{HOME}/{MODELS}/9"},
            {**deployed, "id": "6", "model": f"{HOME}/{MODELS}/numbers-aaaaaaaa"},
        ],
        "trafficSplit": {"5": 67, "6": 33},
        "labels": {"reconciler_endpoint": "a" * 40, "team": "x"},
    }


def number_all(whole: dict[str, Any], start: str) -> list[Any]:
    """Spoil each field of a resource, and give those that still have a name one of their own."""
    letters = "abcdefgh"
    found = []
    depth = 2 if start.startswith(f"{HOME}/{MODELS}/") else 3
    for number, one in enumerate([*spoil(whole, depth), 7, "text", {}]):
        own = "".join(letters[number // 8**place % 8] for place in range(4))
        is_named = isinstance(one, dict) and one.get("name") == whole["name"]
        found.append({**one, "name": f"{start}{own}"} if is_named else one)
    return found


def build_resources(what: str, state: str) -> dict[str, list[Any]]:
    """Build one of each resource, of which one is there in hundreds of spoiled forms.

    Each spoiled model or endpoint has a job that names it.
    """
    job, tuned, copy = build_job(state), build_model(copied=False), build_model(copied=True)
    own, other = build_endpoint(FIRST), build_endpoint(OTHER)
    foreign = {**copy, "name": f"{HOME}/{MODELS}/copied-by-hand", "versionId": "2"}
    found: dict[str, list[Any]] = {JOBS: [job], MODELS: [tuned, copy, foreign], ENDPOINTS: [own, other]}
    if what == JOBS:
        found[JOBS] = number_all(job, f"{HOME}/{JOBS}/")
    elif what == COPIES:
        found[MODELS] += number_all(copy, f"{HOME}/{MODELS}/numbers-aaaa")
    elif what == MODELS:
        found[MODELS] += number_all(tuned, f"{HOME}/{MODELS}/x")
        found[JOBS] += (_make_for(job, model, "model") for model in found[MODELS][3:] if _has_name(model))
    elif what == ENDPOINTS:
        found[ENDPOINTS] += number_all(own, f"{HOME}/{ENDPOINTS}/x")
        edited = [one for one in found[ENDPOINTS][2:] if _has_name(one) and not _is_described(one, own)]
        found[JOBS] += (_make_for(job, endpoint, "endpoint") for endpoint in edited)
    return found


def _has_name(one: object) -> bool:
    return isinstance(one, dict) and str(one.get("name")).startswith("projects/")


def _is_described(one: dict[str, Any], own: dict[str, Any]) -> bool:
    return all(one.get(key) == own[key] for key in ("displayName", "description", "labels"))


def _make_for(job: dict[str, Any], made: dict[str, Any], key: str) -> dict[str, Any]:
    name = made["name"] + ("@1" if key == "model" else "")
    own = f"{HOME}/{JOBS}/{made['name'].rpartition('/')[2]}"
    return {**job, "name": own, "tunedModel": {**job["tunedModel"], key: name}}


def open_regions(service: Service) -> Regions:
    """Open our side of a service."""
    return Regions(project="1", location="us-central1", open=lambda _: cast("Transport", service))


def open_jobs(service: Service) -> VertexProvider:
    """The provider of jobs."""
    regions = open_regions(service)
    return VertexProvider(regions, Bucket(regions, "gs://data/sets", lambda _: None))


def _has_clear_model(job: dict[str, Any]) -> bool:
    return isinstance(job.get("tunedModel", {}), dict)


def read_all(service: Service) -> list[object]:
    """Read everything that the lists of one service show."""
    jobs, regions = open_jobs(service), open_regions(service)
    copies = CopyProvider(regions, declared=frozenset({"numbers"}))
    # A job that is not understood is an error for this reader, so it gets only the other jobs.
    clear = [job for job in service.shown[JOBS] if _has_name(job) and _has_clear_model(job)]
    ended = open_jobs(replace(service, shown={**service.shown, JOBS: clear}))
    listed = service.call(
        "GET", f"v1/{HOME}/{ENDPOINTS}", query={"fields": f"{ENDPOINTS}({LISTED[ENDPOINTS]}),nextPageToken"}
    )
    return [
        *map(hide_text, (*jobs.list(), *copies.list())),
        *ended.list_ended(),
        *(read_endpoint(endpoint) for endpoint in listed[ENDPOINTS] if isinstance(endpoint, dict)),
    ]


def read_endpoint(endpoint: dict[str, Any]) -> LiveEndpoint | str:
    """Read an endpoint, as `VertexEndpoints.find` does with one of a list, or say why it cannot be read."""
    try:
        return _read(endpoint)
    except ServiceError as error:
        return shorten(error.summary)


CASES = [
    *((JOBS, state) for state in ("SUCCEEDED", "FAILED", "RUNNING")),
    *((what, "SUCCEEDED") for what in (MODELS, COPIES, ENDPOINTS)),
]


@pytest.mark.parametrize(("what", "state"), CASES)
def test_a_mask_changes_nothing_that_is_read(what: str, state: str) -> None:
    """Models, odd ones, ended jobs and endpoints are the same from whole answers and from their parts.

    The service selects the parts, or we decode no others.
    Each field of the discovery document is there, then missing, then of another type.
    """
    resources = build_resources(what, state)
    whole, part = Service(resources, selects=False), Service(resources, selects=True)
    expected, found = read_all(whole), read_all(part)
    assert [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]] == []
    decoded = read_all(Service(resources, selects=False, decodes=True))
    assert [pair for pair in zip(expected, decoded, strict=True) if pair[0] != pair[1]] == []
    assert {type(one) for one in found} >= {Live, Odd, LiveEndpoint}
    assert len(found) > 100
    assert part.masks.keys() <= LISTED.keys()


def test_every_list_of_everything_has_its_mask() -> None:
    """Each mask has the token of the next page. Single resources are read whole."""
    service = Service(build_resources("", "SUCCEEDED"), selects=True)
    (job,) = open_jobs(service).list()
    assert isinstance(job, Live)
    assert job.traffic == (OTHER,)
    assert service.masks == {key: f"{key}({fields}),nextPageToken" for key, fields in LISTED.items()}
    service.masks.clear()
    copy, foreign = CopyProvider(open_regions(service)).list()
    assert isinstance(copy, Live)
    assert copy.traffic == (FIRST, OTHER)
    assert isinstance(foreign, Live)
    assert foreign.deployable.endswith("@2")
    assert service.masks == {MODELS: f"{MODELS}({LISTED[MODELS]}),nextPageToken"}


def test_the_states_of_many_jobs_take_few_bytes() -> None:
    """Only names and states are asked for, of as many jobs as a page may have. Odd entries are left out."""
    ended, going = build_job("SUCCEEDED"), build_job("OF_TOMORROW") | {"name": f"{HOME}/{JOBS}/6"}
    service = Service({JOBS: [ended, "odd", going]}, selects=False)
    (states,) = open_jobs(service).list_states()
    assert states == {f"{HOME}/{JOBS}/7": Status.ACTIVE, f"{HOME}/{JOBS}/6": Status.CREATING}
    assert service.masks == {JOBS: f"{JOBS}(name,state),nextPageToken"}


@pytest.mark.parametrize("collection", ["endpoints", *repeats("tuningJobs", "models")])
def test_a_field_that_a_mask_forgets_is_noticed(collection: str) -> None:
    """A mask that lacks one field changes what is read, so the comparison would notice the lack."""
    cases = [case for case in CASES if case[0] == collection or {case[0], collection} == {COPIES, MODELS}]
    forgotten = set(parse_fields(LISTED[collection]))
    for case in cases:
        resources = build_resources(*case)
        whole = read_all(Service(resources, selects=False))
        for key in sorted(forgotten):
            try:
                found = read_all(Service(resources, selects=True, dropped=(collection, key)))
            except ServiceError:
                found = []
            if found != whole:
                forgotten.discard(key)
    assert {(collection, key) for key in forgotten} == {one for one in UNREAD if one[0] == collection}


def test_all_counts_of_a_jobs_data_are_asked_for() -> None:
    """A list shows the same statistics as a single job, for both tuning methods."""
    stats = {key: {"tuningStepCount": 1} for key in build("TuningJob")["tuningDataStats"]}
    schemas = discovery.document("aiplatform.v1").schemas
    for key in stats:
        schema = schemas[f"GoogleCloudAiplatformV1{key[0].upper()}{key[1:]}"]
        stats[key] = dict.fromkeys((name for name in schema["properties"] if name.endswith("Count")), 1)
    assert select({"tuningDataStats": stats}, parse_fields(LISTED[JOBS])) == {"tuningDataStats": stats}
