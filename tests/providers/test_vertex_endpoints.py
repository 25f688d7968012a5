"""Stable endpoints of Vertex AI on the emulator: exactly once, whatever happens to a reply."""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import NotFoundError, ServiceError, WrongStateError
from reconciler.model.checks import Prompt
from reconciler.model.endpoint import LiveEndpoint, Serving
from reconciler.model.live import Live, Status
from reconciler.providers import EndpointHandle, Handle
from reconciler.providers.vertex.endpoints import VertexEndpoints, make_deployment_id
from tests.contract.provider import TUNING_JOB
from tests.fakes import unfenced
from tests.providers.test_vertex_requests import HOME, ID, Stand, discovery, fits, methods, stand

__all__ = ["discovery", "stand"]  # the fixtures come from that module
OTHER = "numbers-bbbbbbbb"
OWNER = "a" * 40
NEW = EndpointHandle("support", project="p", near="us-central1")


def trained(stand: Stand, *ids: str) -> list[Handle]:
    """Models that exist."""
    provider, _ = stand.provider()
    return [Handle(id, stand.train(provider, id).name) for id in ids or (ID,)]


def opened(stand: Stand, model: Handle, **fields: Any) -> tuple[VertexEndpoints, Any, EndpointHandle]:
    """An endpoint that is there: our provider, what it sends, and the endpoint's handle."""
    provider, recording = stand.provider()
    live = provider.endpoints.create(NEW, model, OWNER, is_ours=False, fence=unfenced)
    recording.seen.clear()
    return provider.endpoints, recording, EndpointHandle(live.id, live.name, live.location, **fields)


def settle(stand: Stand, endpoints: VertexEndpoints, handle: EndpointHandle, model: Handle) -> str:
    """Deploy, and poll until the model has all requests. Returns the id of the deployment."""
    operation = endpoints.deploy(handle, model, fence=unfenced)
    assert endpoints.poll(handle, model, operation).status is Status.CREATING
    stand.control("clock", {"advance": 10})
    done = endpoints.poll(handle, model, operation)
    assert done.status is Status.ACTIVE
    return done.deployment


def look(endpoints: VertexEndpoints, handle: EndpointHandle) -> LiveEndpoint:
    """The endpoint as it is now."""
    (found,) = endpoints.find([handle])
    assert isinstance(found, LiveEndpoint)
    return found


def changing(recording: Any) -> list[tuple[str, str]]:
    """The requests so far that change something."""
    return [
        (method, path.rpartition("/")[2].partition(":")[2] or path.rpartition("/")[2])
        for method, path, *_ in recording.seen
        if method != "GET"
    ]


def test_every_request_of_an_endpoint_is_one_of_the_api(stand: Stand, discovery: Any) -> None:
    """Paths, query parameters and bodies of its life are those of the discovery document."""
    first, second = trained(stand, ID, OTHER)
    provider, recording = stand.provider()
    endpoints = provider.endpoints
    live = endpoints.create(NEW, first, OWNER, is_ours=False, fence=unfenced)
    handle = EndpointHandle("support", live.name, live.location)
    old = settle(stand, endpoints, handle, first)
    settle(stand, endpoints, handle, second)
    # The model is still deployed, and gets the requests again.
    endpoints.deploy(handle, first, fence=unfenced)
    endpoints.generate(live.name, Prompt("1"), temperature=0.0)
    assert {one.id: one.traffic for one in look(endpoints, handle).deployments}[old] == 100
    by_share = sorted(look(endpoints, handle).deployments, key=lambda one: one.traffic)
    endpoints.undeploy(handle, [one.id for one in by_share], fence=unfenced)
    endpoints.delete(handle, fence=unfenced)
    known = [(one, re.compile(re.sub(r"\{[^}]*\}", "[^/:]+", one["flatPath"]))) for one in methods(discovery)]
    for method, path, query, body in recording.seen:
        one = next((one for one, form in known if one["httpMethod"] == method and form.fullmatch(path)), None)
        assert one is not None, f"{method} {path}"
        assert set(query) <= set(one["parameters"]) | set(discovery["parameters"]), f"{method} {path} {query}"
        if "request" in one and body is not None:
            writable = {key: value for key, value in body.items() if key != "etag"}
            fits(writable, one["request"], discovery["schemas"], path)


def test_an_endpoint_is_created_in_the_location_of_the_models_own(stand: Stand) -> None:
    """The manifest may declare another location. The endpoint has our id and our label."""
    (model,) = trained(stand)
    provider, _ = stand.provider()
    own = provider.find_endpoint(model).split("/")[3]
    live = provider.endpoints.create(NEW, model, OWNER, is_ours=False, fence=unfenced)
    assert (live.id, live.location, live.owner, live.deployments) == ("support", own, OWNER, ())
    elsewhere = replace(NEW, id="other", location="europe-west4")
    assert (
        provider.endpoints.create(elsewhere, model, OWNER, is_ours=False, fence=unfenced).location
        == "europe-west4"
    )
    assert look(provider.endpoints, NEW).name == live.name
    assert provider.endpoints.find([replace(NEW, id="nobody"), replace(NEW, location="europe-west1")]) == [
        None,
        None,
    ]


def test_a_declared_endpoint_is_searched_for_near_its_job(stand: Stand) -> None:
    """The handle has the place that the manifest and the Stack say."""
    provider, _ = stand.provider()
    (want,) = provider.measure_data([replace(TUNING_JOB.want(), serving=Serving("support", "us"))])
    handle = provider.endpoints.make_handle(want)
    assert (handle.id, handle.location, handle.project, handle.near) == ("support", "us", "p", "us-central1")


def test_what_is_there_is_neither_created_nor_deployed_again(stand: Stand) -> None:
    """A second run sends nothing that changes anything."""
    (model,) = trained(stand)
    endpoints, recording, handle = opened(stand, model)
    settle(stand, endpoints, handle, model)
    recording.seen.clear()
    endpoints.create(handle, model, OWNER, is_ours=True, fence=unfenced)
    assert endpoints.deploy(handle, model, fence=unfenced) == ""
    assert changing(recording) == []


def test_an_endpoint_of_somebody_else_is_refused_or_labelled(stand: Stand) -> None:
    """It keeps its other labels, though a patch replaces all labels."""
    (model,) = trained(stand)
    endpoints, _, handle = opened(stand, model)
    with pytest.raises(ServiceError, match="exists and is not ours") as refused:
        endpoints.create(NEW, model, "b" * 40, is_ours=False, fence=unfenced)
    assert "serving.adopt: true" in refused.value.detail
    stand.session.patch(
        f"{stand.url}/v1/{handle.name}",
        params={"updateMask": "labels"},
        json={"labels": {"team": "a"}},
        timeout=5,
    )
    assert endpoints.create(handle, model, OWNER, is_ours=True, fence=unfenced).owner == OWNER
    shown = stand.session.get(f"{stand.url}/v1/{handle.name}", timeout=5).json()
    assert shown["labels"] == {"team": "a", "reconciler_endpoint": OWNER}


@pytest.mark.parametrize(
    ("what", "action"),
    [
        ("endpoints$", {"drop": True, "when": "after"}),
        ("endpoints$", {"drop": True}),
        ("endpoints$", {"status": 503}),
        (":deployModel$", {"drop": True, "when": "after"}),
        (":deployModel$", {"drop": True}),
        (":deployModel$", {"status": 503}),
        (":undeployModel$", {"drop": True, "when": "after"}),
        (":undeployModel$", {"status": 503}),
    ],
)
def test_a_lost_reply_leads_to_no_second_call(stand: Stand, what: str, action: dict[str, Any]) -> None:
    """The effect is looked up, and a call is sent again only if it had none."""
    (model,) = trained(stand)
    stand.control("faults", [{"method": "POST", "path": what, "times": 1, **action}])
    endpoints, _, handle = opened(stand, model)
    id = settle(stand, endpoints, handle, model)
    endpoints.undeploy(handle, [id], fence=unfenced)
    assert look(endpoints, handle).deployments == ()
    log = stand.session.get(f"{stand.url}/emulator/requests", timeout=5).json()["requests"]
    effects = [
        one for one in log if one["method"] == "POST" and re.search(what, one["path"]) and one["effect"]
    ]
    assert len(effects) == 1


def test_an_operation_of_a_run_that_died_is_waited_for(stand: Stand) -> None:
    """The deployment is found among the operations of the endpoint. Nothing is sent again."""
    (model,) = trained(stand)
    endpoints, recording, handle = opened(stand, model)
    operation = endpoints.deploy(handle, model, fence=unfenced)
    recording.seen.clear()
    assert endpoints.deploy(handle, model, fence=unfenced) == operation
    assert changing(recording) == []


def test_a_deployment_id_that_is_taken_is_followed_by_another(stand: Stand) -> None:
    """The service may refuse an id that was used before. Our ids differ with each attempt."""
    (model,) = trained(stand)
    endpoints, recording, handle = opened(stand, model)
    stand.control(
        "faults",
        [{"method": "POST", "path": ":deployModel$", "times": 1, "status": 409, "body": CONFLICT}],
    )
    settle(stand, endpoints, handle, model)
    ids = [
        body["deployedModel"]["id"] for _, path, _, body in recording.seen if path.endswith(":deployModel")
    ]
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[1-9][0-9]{9}", id) for id in ids)
    assert (
        make_deployment_id("e", "m", 0) == make_deployment_id("e", "m", 0) != make_deployment_id("e", "m", 1)
    )


CONFLICT = {"error": {"code": 409, "status": "ALREADY_EXISTS", "message": "taken"}}


def test_a_refused_second_model_is_refused_with_the_services_words(stand: Stand) -> None:
    """The first model goes on serving."""
    stand.control("settings", {"vertex_second_model": "refuse"})
    first, second = trained(stand, ID, OTHER)
    endpoints, _, handle = opened(stand, first)
    old = settle(stand, endpoints, handle, first)
    with pytest.raises(WrongStateError, match="a second tuned Gemini model cannot be deployed"):
        endpoints.deploy(handle, second, fence=unfenced)
    assert [(one.id, one.traffic) for one in look(endpoints, handle).deployments] == [(old, 100)]


def test_a_deployment_that_fails_tells_why(stand: Stand) -> None:
    """Only the operation has the reason. Without an operation, the model is missing from the endpoint."""
    (model,) = trained(stand)
    endpoints, _, handle = opened(stand, model)
    stand.control("faults", [{"operation": "^deploy ", "fail": {"code": 13, "message": "no machines"}}])
    operation = endpoints.deploy(handle, model, fence=unfenced)
    stand.control("clock", {"advance": 10})
    failed = endpoints.poll(handle, model, operation)
    assert (failed.status, failed.error) == (Status.FAILED, "no machines")
    with pytest.raises(NotFoundError, match="not deployed"):
        endpoints.poll(handle, model, "")


def test_an_etag_keeps_a_shift_from_overwriting_what_somebody_did(stand: Stand) -> None:
    """After the refusal, the endpoint is looked at again, and then its requests are shifted."""
    first, second = trained(stand, ID, OTHER)
    endpoints, recording, handle = opened(stand, first)
    old = settle(stand, endpoints, handle, first)
    settle(stand, endpoints, handle, second)
    aborted = {"error": {"code": 409, "status": "ABORTED", "message": "etag"}}
    rule = {"method": "PATCH", "path": "endpoints/support$", "times": 1, "status": 409, "body": aborted}
    stand.control("faults", [rule])
    recording.seen.clear()
    assert endpoints.deploy(handle, first, fence=unfenced) == ""
    patches = [body for method, _, _, body in recording.seen if method == "PATCH"]
    assert len(patches) == 2
    assert all(body["etag"] and body["trafficSplit"] == {old: 100} for body in patches)


def default_of(stand: Stand, model: Handle) -> tuple[str, dict[str, Any]]:
    """The resource name of a trained model with its version, and the model as the service shows it."""
    provider, _ = stand.provider()
    live = provider.get(model)
    assert live is not None
    return live.deployable, stand.session.get(f"{stand.url}/v1/{live.deployable}", timeout=5).json()


@pytest.mark.parametrize(
    ("fault", "patches"),
    [
        ({}, 1),
        ({"drop": True, "when": "after"}, 2),
        ({"drop": True}, 2),
        ({"status": 409, "body": {"error": {"code": 409, "status": "ABORTED", "message": "etag"}}}, 2),
    ],
)
def test_a_default_checkpoint_is_set_whatever_happens_to_the_reply(
    stand: Stand, fault: dict[str, Any], patches: int
) -> None:
    """The request has the version and the etag, and changes nothing else of the model."""
    (model,) = trained(stand)
    endpoints, recording, _ = opened(stand, model)
    name, before = default_of(stand, model)
    if fault:
        stand.control("faults", [{"method": "PATCH", "path": "/models/", "times": 1, **fault}])
    endpoints.set_default_checkpoint(model, "1", fence=unfenced)
    _, after = default_of(stand, model)
    assert (before["defaultCheckpointId"], after["defaultCheckpointId"]) == ("5", "1")
    assert {key for key in before if before[key] != after[key]} <= {
        "defaultCheckpointId", "etag", "updateTime", "versionUpdateTime",
    }  # fmt: skip
    sent = [(path, query, body) for method, path, query, body in recording.seen if method == "PATCH"]
    assert len(sent) <= patches
    for path, query, body in sent:
        assert path == f"v1/{name}"
        assert query == {"updateMask": "defaultCheckpointId"}
        assert body["etag"]
        assert set(body) == {"defaultCheckpointId", "etag"}
    recording.seen.clear()
    endpoints.set_default_checkpoint(model, "1", fence=unfenced)
    assert changing(recording) == []


def test_a_checkpoint_is_deployed_by_its_id(stand: Stand) -> None:
    """Another checkpoint of the same model is another deployment, and counts as not deployed."""
    (model,) = trained(stand)
    endpoints, _, handle = opened(stand, model)
    settle(stand, endpoints, handle, model)
    with pytest.raises(NotFoundError, match="checkpoint 1"):
        endpoints.poll(handle, model, "", "1")
    operation = endpoints.deploy(handle, model, "1", fence=unfenced)
    stand.control("clock", {"advance": 10})
    done = endpoints.poll(handle, model, operation, "1")
    assert done.status is Status.ACTIVE
    assert endpoints.deploy(handle, model, "1", fence=unfenced) == ""
    shown = {one.id: (one.checkpoint, one.traffic) for one in look(endpoints, handle).deployments}
    assert shown.pop(done.deployment) == ("1", 100)
    assert list(shown.values()) == [("5", 0)]


def test_the_checkpoints_of_a_model_are_told_by_the_list(stand: Stand) -> None:
    """The list tells epoch, step, endpoint and the default, like a look at the model itself."""
    (model,) = trained(stand)
    provider, _ = stand.provider()
    (listed,) = [live for live in provider.list() if isinstance(live, Live)]
    live = provider.get(model)
    assert live is not None
    assert [(one.id, one.epoch) for one in listed.checkpoints] == [
        (str(number), number) for number in range(1, 6)
    ]
    assert all(one.step and "/endpoints/" in one.endpoint for one in listed.checkpoints)
    assert listed.default_checkpoint == "5"
    assert (live.checkpoints, live.default_checkpoint) == (listed.checkpoints, listed.default_checkpoint)


def test_what_is_gone_counts_as_undeployed_and_deleted(stand: Stand) -> None:
    """A second deletion succeeds like the first."""
    (model,) = trained(stand)
    endpoints, _, handle = opened(stand, model)
    id = settle(stand, endpoints, handle, model)
    for _ in range(2):
        endpoints.undeploy(handle, [id], fence=unfenced)
    for _ in range(2):
        endpoints.delete(handle, fence=unfenced)
    endpoints.undeploy(handle, [id], fence=unfenced)
    assert endpoints.find([handle]) == [None]
    with pytest.raises(ServiceError, match="does not exist any more"):
        endpoints.deploy(handle, model, fence=unfenced)


def test_an_endpoint_that_may_not_be_seen_says_why(stand: Stand) -> None:
    """A 403 does not mean that the endpoint is absent."""
    stand.control("faults", [{"method": "GET", "path": "endpoints/support$", "status": 403}])
    provider, _ = stand.provider()
    (found,) = provider.endpoints.find([NEW])
    assert isinstance(found, str)
    assert "403" in found


def test_many_endpoints_are_looked_up_in_a_list(stand: Stand) -> None:
    """Many endpoints in one place cost one list, and a GET for each that the list does not show."""
    (model,) = trained(stand)
    endpoints, recording, handle = opened(stand, model)
    others = [replace(handle, id=f"e{number}", name=f"{handle.name}{number}") for number in range(12)]
    found = endpoints.find([handle, *others])
    assert [one is not None for one in found] == [True, *([False] * 12)]
    lists = [path for _, path, *_ in recording.seen if path.endswith("/endpoints")]
    assert len(lists) == 1


def test_a_model_that_is_not_there_cannot_be_deployed(stand: Stand) -> None:
    """No endpoint is created for it, and the error says what to do."""
    provider, _ = stand.provider()
    nobody, there = Handle("nobody"), replace(NEW, name=f"{HOME}/endpoints/e")
    with pytest.raises(ServiceError, match="no model to deploy"):
        provider.endpoints.create(NEW, nobody, OWNER, is_ours=False, fence=unfenced)
    with pytest.raises(ServiceError, match="no model to deploy"):
        provider.endpoints.deploy(there, nobody, fence=unfenced)
    with pytest.raises(ServiceError, match="was not created yet"):
        provider.endpoints.delete(NEW, fence=unfenced)
