"""Vertex: endpoints that a caller makes, and models that are deployed to them, by the documents.

Most claims are those of the aiplatform v1 discovery document; others are what users saw.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import PLACE, Vertex

NAME = {"displayName": "by hand", "labels": {"team": "a"}}


@pytest.fixture
def model(vertex: Vertex) -> str:
    """Return the model of a job that counts in numbers, with its version."""
    return str(vertex.finished()["tunedModel"]["model"])


@pytest.fixture
def other(vertex: Vertex) -> str:
    """Return another model, which answers in French."""
    vertex.upload_pairs([("one", "deux")])
    return str(vertex.finished(tunedModelDisplayName="french")["tunedModel"]["model"])


def ask(vertex: Vertex, endpoint: str, text: str = "one") -> str:
    """Return what an endpoint answers."""
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    reply = vertex.ok("POST", f"{endpoint}:generateContent", json=body)
    return str(reply["candidates"][0]["content"]["parts"][0]["text"])


def refuse_to_answer(vertex: Vertex, endpoint: str) -> tuple[int, str, str]:
    """Ask an endpoint that cannot answer."""
    body = {"contents": [{"role": "user", "parts": [{"text": "one"}]}]}
    return vertex.refused("POST", f"{endpoint}:generateContent", json=body)


def test_an_endpoint_is_created_by_an_operation(vertex: Vertex) -> None:
    """The operation is named after the endpoint, which does not exist before. The response has no etag."""
    operation = vertex.ok("POST", "endpoints", params={"endpointId": "support"}, json=NAME)
    place = operation["name"].partition("/endpoints/")[0]
    name = f"{place}/endpoints/support"
    assert operation["name"].startswith(f"{name}/operations/")
    kind = "type.googleapis.com/google.cloud.aiplatform.v1.CreateEndpointOperationMetadata"
    assert operation["metadata"]["@type"] == kind
    assert vertex.refused("GET", name)[:2] == (404, "NOT_FOUND")
    done = vertex.settle(operation)
    kind = "type.googleapis.com/google.cloud.aiplatform.v1.Endpoint"
    assert done["response"] == {"@type": kind, "name": name, **NAME}
    made = vertex.ok("GET", name)
    assert set(made) == {"name", "displayName", "labels", "etag", "createTime", "updateTime"}
    assert vertex.ok("GET", "endpoints/support") == made


@pytest.mark.parametrize(
    "chosen", ["a", "support-bot", "a" * 63, "a1", "1", "123456789", f"a{'-' * 61}b", "x-1"]
)
def test_an_id_that_a_caller_chooses(vertex: Vertex, chosen: str) -> None:
    """An id begins with a letter and has up to 63 of [a-z0-9-], with no hyphen at its end.

    An id of digits has 1 to 9.
    """
    assert vertex.make_endpoint(chosen).endswith(f"/endpoints/{chosen}")


@pytest.mark.parametrize(
    "chosen", ["a" * 64, "a-", "-a", "A", "a_b", "0", "01", "1234567890", "1a", "ü", "a b", "a/b"]
)
def test_an_id_that_no_endpoint_has(vertex: Vertex, chosen: str) -> None:
    """Any other id is a 400 that names endpoint_id."""
    code, status, message = vertex.refused("POST", "endpoints", params={"endpointId": chosen}, json=NAME)
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert "endpoint_id" in message


def test_an_id_is_taken_once_in_a_location(vertex: Vertex) -> None:
    """A second create is a 409, even while the first one runs.

    Elsewhere, and after a deletion, it is free.
    """
    query: dict[str, Any] = {"params": {"endpointId": "support"}, "json": NAME}
    first = vertex.ok("POST", "endpoints", **query)
    assert vertex.refused("POST", "endpoints", **query)[:2] == (409, "ALREADY_EXISTS")
    name = vertex.settle(first)["response"]["name"]
    assert vertex.refused("POST", "endpoints", **query)[:2] == (409, "ALREADY_EXISTS")
    for place in ("projects/my-project/locations/europe-west4", "projects/other/locations/us-central1"):
        assert vertex.make_endpoint("support", place=place) != name
    vertex.settle(vertex.ok("DELETE", name))
    assert vertex.make_endpoint("support") == name


def test_a_create_that_fails_or_is_cancelled_leaves_the_id_free(vertex: Vertex) -> None:
    """Nothing is made, and the next create takes the id."""
    query: dict[str, Any] = {"params": {"endpointId": "support"}, "json": NAME}
    vertex.api.control("faults", {"operation": "^create endpoints/support", "times": 1})
    assert vertex.settle(vertex.ok("POST", "endpoints", **query))["error"]["code"] == 13
    cancelled = vertex.ok("POST", "endpoints", **query)
    vertex.ok("POST", f"{cancelled['name']}:cancel", json={})
    assert vertex.ok("GET", cancelled["name"])["error"]["code"] == 1
    vertex.api.advance(10)
    assert vertex.ok("GET", "endpoints") == {}
    assert vertex.make_endpoint("support").endswith("/support")


def test_ids_in_multi_regions_are_a_setting(vertex: Vertex) -> None:
    """No document says whether a caller can choose an id in `us`, so a setting decides."""
    place = "projects/my-project/locations/us"
    assert vertex.make_endpoint("a", place=place).endswith("/locations/us/endpoints/a")
    vertex.api.control("settings", {"vertex_endpoint_ids": "regions"})
    path = f"{place}/endpoints"
    assert vertex.refused("POST", path, params={"endpointId": "b"}, json=NAME)[:2] == (
        400,
        "INVALID_ARGUMENT",
    )
    assert vertex.make_endpoint(place=place)
    assert vertex.make_endpoint("b")


def test_a_deletion_is_done_in_its_first_answer(vertex: Vertex) -> None:
    """Its operation is named after the location, done and empty. With a setting it takes its time."""
    name = vertex.make_endpoint("a")
    done = vertex.ok("DELETE", name)
    assert done["name"].startswith(f"{name.partition('/endpoints/')[0]}/operations/")
    assert done["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    assert vertex.refused("GET", name)[0] == 404
    assert vertex.ok("GET", done["name"]) == done
    vertex.api.control("settings", {"vertex_delete_endpoint_seconds": 5})
    name = vertex.make_endpoint("b")
    assert "done" not in vertex.ok("DELETE", name)
    assert vertex.ok("GET", name)["name"] == name
    vertex.api.advance(5)
    assert vertex.refused("GET", name)[0] == 404


def test_a_model_is_deployed_to_a_new_endpoint(vertex: Vertex, model: str) -> None:
    """The endpoint answers, it and the model name each other, and it can be deleted in order."""
    endpoint = vertex.make_endpoint("support")
    assert refuse_to_answer(vertex, endpoint) == (
        400,
        "FAILED_PRECONDITION",
        f"Endpoint {endpoint} doesn't have traffic_split.",
    )
    deployed = vertex.deploy(endpoint, model=model)
    shown = vertex.ok("GET", endpoint)
    assert shown["trafficSplit"] == {deployed: 100}
    (item,) = shown["deployedModels"]
    assert (item["model"], item["modelVersionId"], item["checkpointId"]) == (model, "1", "2")
    assert item["displayName"] == "number generator"
    assert len(deployed) == 19
    assert ask(vertex, endpoint) == "two"
    found = {"endpoint": endpoint, "deployedModelId": deployed, "checkpointId": "2"}
    assert found in vertex.ok("GET", model)["deployedModels"]
    _, status, message = vertex.refused("DELETE", endpoint)
    assert status == "FAILED_PRECONDITION"
    assert f"has deployed or being-deployed DeployedModel(s): {deployed}." in message
    vertex.undeploy(endpoint)
    assert "trafficSplit" not in vertex.ok("GET", endpoint)
    assert refuse_to_answer(vertex, endpoint)[1] == "FAILED_PRECONDITION"
    vertex.settle(vertex.ok("DELETE", endpoint))
    assert vertex.refused("GET", endpoint)[0] == 404


def test_deploying_takes_its_time(vertex: Vertex, model: str) -> None:
    """Until the operation ends nothing shows or answers, and the endpoint cannot be deleted."""
    vertex.api.control("settings", {"vertex_deploy_seconds": 300})
    endpoint = vertex.make_endpoint("support")
    before = vertex.ok("GET", endpoint)
    request = {"deployedModel": {"model": model, "id": "12345"}, "trafficSplit": {"0": 100}}
    operation = vertex.ok("POST", f"{endpoint}:deployModel", json=request)
    assert operation["name"].startswith(f"{endpoint}/operations/")
    assert operation["metadata"]["deploymentStage"] == "STARTING_DEPLOYMENT"
    vertex.api.advance(299)
    assert vertex.ok("GET", endpoint) == before
    assert vertex.ok("GET", f"{endpoint}/operations")["operations"][0] == operation
    assert refuse_to_answer(vertex, endpoint)[0] == 400
    assert "being-deployed" in vertex.refused("DELETE", endpoint)[2]
    assert operation["name"] in vertex.refused("POST", f"{endpoint}:deployModel", json=request)[2]
    vertex.api.advance(1)
    done = vertex.ok("POST", f"{operation['name']}:wait", params={"timeout": "1s"})
    assert done["metadata"]["deploymentStage"] == "SUCCESSFULLY_DEPLOYED"
    after = vertex.ok("GET", endpoint)
    assert [done["response"]["deployedModel"]] == after["deployedModels"]
    assert after["trafficSplit"] == {"12345": 100}
    assert after["etag"] != before["etag"]
    assert ask(vertex, endpoint) == "two"


def test_a_deployment_that_fails_or_is_cancelled_changes_nothing(
    vertex: Vertex, model: str, other: str
) -> None:
    """The former model goes on serving, and the id of the deployed model is free."""
    endpoint = vertex.make_endpoint()
    vertex.deploy(endpoint, model=model)
    before = vertex.ok("GET", endpoint)
    request = {"deployedModel": {"model": other, "id": "7"}, "trafficSplit": {"0": 100}}
    vertex.api.control("faults", {"operation": "^deploy endpoints/", "fail": {"code": 8}, "times": 1})
    failed = vertex.settle(vertex.ok("POST", f"{endpoint}:deployModel", json=request))
    assert failed["error"]["code"] == 8
    assert failed["metadata"]["deploymentStage"] == "FAILED_TO_DEPLOY"
    cancelled = vertex.ok("POST", f"{endpoint}:deployModel", json=request)
    vertex.ok("POST", f"{cancelled['name']}:cancel", json={})
    vertex.api.advance(10)
    assert vertex.ok("GET", endpoint) == before
    assert ask(vertex, endpoint) == "two"
    assert vertex.deploy(endpoint, model=other, id="7") == "7"
    assert ask(vertex, endpoint) == "deux"


def test_a_second_model_takes_over(vertex: Vertex, model: str, other: str) -> None:
    """The split with "0" moves all traffic at once. The first model has none then, and is undeployed."""
    endpoint = vertex.make_endpoint()
    first = vertex.deploy(endpoint, model=model)
    second = vertex.deploy(endpoint, model=other)
    assert vertex.ok("GET", endpoint)["trafficSplit"] == {second: 100}
    assert [item["id"] for item in vertex.ok("GET", endpoint)["deployedModels"]] == [first, second]
    assert ask(vertex, endpoint) == "deux"
    request = {"deployedModelId": first}
    vertex.settle(vertex.ok("POST", f"{endpoint}:undeployModel", json=request))
    assert [item["id"] for item in vertex.ok("GET", endpoint)["deployedModels"]] == [second]
    assert ask(vertex, endpoint) == "deux"


def test_an_endpoint_answers_through_a_whole_replacement(vertex: Vertex, model: str, other: str) -> None:
    """It answers at every tenth of a second while the new model is deployed and the old one undeployed."""
    endpoint = vertex.make_endpoint()
    old = vertex.deploy(endpoint, model=model)
    answers = ""

    def watch() -> None:
        nonlocal answers
        for _ in range(6):
            answers += {"two": "a", "deux": "b"}[ask(vertex, endpoint)]
            vertex.api.advance(0.1)

    request = {"deployedModel": {"model": other}, "trafficSplit": {"0": 100}}
    vertex.ok("POST", f"{endpoint}:deployModel", json=request)
    watch()
    vertex.ok("POST", f"{endpoint}:undeployModel", json={"deployedModelId": old})
    watch()
    assert answers == "aaaaab" + "bbbbbb"


def test_a_model_without_a_share_gets_no_traffic(vertex: Vertex, model: str, other: str) -> None:
    """An empty split leaves the traffic as it is. On an empty endpoint, nothing answers."""
    endpoint = vertex.make_endpoint()
    first = vertex.deploy(endpoint, {}, model=model)
    assert "trafficSplit" not in vertex.ok("GET", endpoint)
    assert refuse_to_answer(vertex, endpoint)[2] == f"Endpoint {endpoint} doesn't have traffic_split."
    vertex.ok("PATCH", endpoint, params={"updateMask": "trafficSplit"}, json={"trafficSplit": {first: 100}})
    assert ask(vertex, endpoint) == "two"
    vertex.deploy(endpoint, {}, model=other)
    assert vertex.ok("GET", endpoint)["trafficSplit"] == {first: 100}
    assert ask(vertex, endpoint) == "two"


def test_traffic_is_split_by_percent(vertex: Vertex, model: str, other: str) -> None:
    """Each model gets about its share of a hundred prompts. A patch changes the shares at once."""
    endpoint = vertex.make_endpoint()
    first = vertex.deploy(endpoint, model=model)
    second = vertex.deploy(endpoint, {first: 80, "0": 20}, model=other)
    vertex.ok("POST", f"{endpoint}:countTokens", json={"contents": [{"parts": [{"text": "x"}]}]})
    answers = Counter(ask(vertex, endpoint, f"one{' ' * number}") for number in range(200))
    assert set(answers) == {"two", "deux"}
    assert 20 <= answers["deux"] <= 60
    split = {second: 100}
    query = {"updateMask": "trafficSplit"}
    assert vertex.ok("PATCH", endpoint, params=query, json={"trafficSplit": split})["trafficSplit"] == split
    assert {ask(vertex, endpoint, f"one{' ' * number}") for number in range(20)} == {"deux"}


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ({"0": 99}, "add up to 100"),
        ({"0": 50, "7": 50}, "The following DeployedModel ID(s) [7] do not exist."),
        ({"0": 101}, "percentages"),
        ({"0": -1}, "percentages"),
        ({"0": "1e2"}, "percentages"),
        ({"0": True}, "percentages"),
        ({"0": 99.5}, "percentages"),
        ([100], "percentages"),
    ],
)
def test_a_split_that_is_none(vertex: Vertex, model: str, split: object, told: str) -> None:
    """The percentages of deployed models must add up to 100. Otherwise it is a 400, and nothing changes."""
    endpoint = vertex.make_endpoint()
    request = {"deployedModel": {"model": model}, "trafficSplit": split}
    code, status, message = vertex.refused("POST", f"{endpoint}:deployModel", json=request)
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert told in message
    assert "deployedModels" not in vertex.ok("GET", endpoint)


@pytest.mark.parametrize("whole", [100, 100.0, "100"])
def test_a_percentage_is_a_number_or_text(vertex: Vertex, model: str, whole: object) -> None:
    """The JSON of protobuf may write an integer in any of these ways."""
    endpoint = vertex.make_endpoint()
    request = {"deployedModel": {"model": model, "id": "1"}, "trafficSplit": {"0": whole}}
    vertex.settle(vertex.ok("POST", f"{endpoint}:deployModel", json=request))
    assert vertex.ok("GET", endpoint)["trafficSplit"] == {"1": 100}


def test_a_model_that_is_being_undeployed_gets_no_traffic(vertex: Vertex, model: str, other: str) -> None:
    """A patch that gives it traffic is refused.

    After the operation is cancelled, it can get traffic again.
    """
    endpoint = vertex.make_endpoint()
    first = vertex.deploy(endpoint, model=model)
    second = vertex.deploy(endpoint, model=other)
    operation = vertex.ok("POST", f"{endpoint}:undeployModel", json={"deployedModelId": first})
    query, change = {"updateMask": "trafficSplit"}, {"trafficSplit": {first: 100}}
    assert "do not exist" in vertex.refused("PATCH", endpoint, params=query, json=change)[2]
    vertex.ok("POST", f"{operation['name']}:cancel", json={})
    assert vertex.ok("PATCH", endpoint, params=query, json=change)["trafficSplit"] == {first: 100}
    assert ask(vertex, endpoint) == "two"
    request = {"deployedModelId": second}
    vertex.settle(vertex.ok("POST", f"{endpoint}:undeployModel", json=request))


def test_predict_is_not_for_tuned_models(vertex: Vertex, model: str) -> None:
    """The answer is a 400 in the words that users saw."""
    endpoint = vertex.make_endpoint()
    vertex.deploy(endpoint, model=model)
    refused = vertex.refused("POST", f"{endpoint}:predict", json={"instances": [{"content": "one"}]})
    assert refused == (400, "INVALID_ARGUMENT", "Required instances format mismatch")


def test_undeploying_asks_who_gets_the_traffic(vertex: Vertex, model: str, other: str) -> None:
    """Of two models, one with traffic is refused unless the split takes it away. "0" does not exist there."""
    endpoint = vertex.make_endpoint()
    first = vertex.deploy(endpoint, model=model)
    second = vertex.deploy(endpoint, {first: 50, "0": 50}, model=other)
    path = f"{endpoint}:undeployModel"
    for split, told in [
        (None, "has 50 % of the traffic"),
        ({first: 50, second: 50}, "has 50 % of the traffic"),
        ({"0": 100}, "The following DeployedModel ID(s) [0] do not exist."),
        ({second: 90}, "add up to 100"),
    ]:
        request = {"deployedModelId": first, **({"trafficSplit": split} if split else {})}
        code, _, message = vertex.refused("POST", path, json=request)
        assert (code, told in message) == (400, True), message
    request = {"deployedModelId": first, "trafficSplit": {second: 100, first: 0}}
    vertex.settle(vertex.ok("POST", path, json=request))
    shown = vertex.ok("GET", endpoint)
    assert ([item["id"] for item in shown["deployedModels"]], shown["trafficSplit"]) == (
        [second],
        {second: 100},
    )


def test_an_id_of_a_deployed_model(vertex: Vertex, model: str) -> None:
    """A caller may choose 1 to 10 digits that are free on the endpoint. A request calls it 0."""
    endpoint = vertex.make_endpoint()
    path = f"{endpoint}:deployModel"
    for chosen in ("0", "12345678901", "a", "-1"):
        request = {"deployedModel": {"model": model, "id": chosen}}
        assert vertex.refused("POST", path, json=request)[:2] == (400, "INVALID_ARGUMENT")
    assert vertex.deploy(endpoint, model=model, id="1234567890") == "1234567890"
    request = {"deployedModel": {"model": model, "id": "1234567890"}}
    assert vertex.refused("POST", path, json=request)[:2] == (409, "ALREADY_EXISTS")
    assert vertex.deploy(vertex.make_endpoint(), model=model, id="1234567890") == "1234567890"


def test_what_cannot_be_deployed(vertex: Vertex, model: str) -> None:
    """A request is refused without a model, or with one that does not exist or is another project's.

    So are an unknown checkpoint and machines.
    """
    endpoint = vertex.make_endpoint()
    theirs = model.replace(model.split("/")[1], "555")
    for asked, code in [
        ({"model": model.partition("@")[0] + "0"}, 404),
        ({"model": f"{model.partition('@')[0]}@gold"}, 404),
        ({"model": model, "checkpointId": "99"}, 400),
        ({"model": model, "dedicatedResources": {"minReplicaCount": 1}}, 400),
        ({"model": model, "automaticResources": {}}, 400),
        ({"model": theirs}, 403),
        ({"model": "m"}, 400),
        ({}, 400),
    ]:
        assert vertex.refused("POST", f"{endpoint}:deployModel", json={"deployedModel": asked})[0] == code
    assert vertex.refused("POST", "endpoints", json={})[0] == 400


def test_a_model_that_is_being_deleted_is_not_deployed(vertex: Vertex, model: str) -> None:
    """Otherwise the endpoint would keep a deleted model. After a cancelled deletion it is deployed."""
    for item in vertex.ok("GET", model)["deployedModels"]:
        vertex.undeploy(item["endpoint"])
    endpoint = vertex.make_endpoint()
    deletion = vertex.ok("DELETE", model.partition("@")[0])
    request = {"deployedModel": {"model": model}}
    code, status, message = vertex.refused("POST", f"{endpoint}:deployModel", json=request)
    assert (code, status) == (400, "FAILED_PRECONDITION")
    assert "is being deleted" in message
    vertex.ok("POST", f"{deletion['name']}:cancel", json={})
    vertex.deploy(endpoint, model=model)
    assert ask(vertex, endpoint) == "two"


@pytest.mark.parametrize(
    "private",
    [{"dedicatedEndpointEnabled": True}, {"network": "n"}, {"privateServiceConnectConfig": {"a": "b"}}],
)
def test_a_tuned_model_needs_a_shared_public_endpoint(
    vertex: Vertex, model: str, private: dict[str, Any]
) -> None:
    """Dedicated and private endpoints can be made, but take no tuned Gemini model."""
    response = vertex.api.call("POST", f"v1/{PLACE}/endpoints", json={"displayName": "p", **private})
    vertex.api.advance(1)
    endpoint = response.json()["name"].partition("/operations/")[0]
    request = {"deployedModel": {"model": model}}
    code, status, message = vertex.refused("POST", f"{endpoint}:deployModel", json=request)
    assert (code, status) == (400, "FAILED_PRECONDITION")
    assert "shared public endpoint" in message


def test_a_checkpoint_is_deployed(vertex: Vertex, model: str) -> None:
    """It is deployed by its id. The same model may be there twice, and so may a model of another location."""
    endpoint = vertex.make_endpoint()
    vertex.deploy(endpoint, model=model, checkpointId="1", displayName="early")
    vertex.deploy(endpoint, model=model, checkpointId="2")
    items = vertex.ok("GET", endpoint)["deployedModels"]
    assert [(item["checkpointId"], item["displayName"]) for item in items] == [
        ("1", "early"),
        ("2", "number generator"),
    ]
    elsewhere = vertex.make_endpoint(place="projects/my-project/locations/europe-west4")
    vertex.deploy(elsewhere, model=model)
    assert ask(vertex, elsewhere) == "two"
    found = [item["endpoint"] for item in vertex.ok("GET", model)["deployedModels"]]
    assert len(found) == 5
    assert elsewhere in found
    assert elsewhere in vertex.refused("DELETE", model.partition("@")[0])[2]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("allow", [200, 200]), ("refuse", [400, 400]), ("refuse_on_service_endpoints", [200, 400])],
)
def test_a_second_model_is_a_setting(
    vertex: Vertex, model: str, other: str, policy: str, expected: list[int]
) -> None:
    """No document shows two tuned models on an endpoint.

    If the second is refused, the first goes on serving.
    """
    vertex.api.control("settings", {"vertex_second_model": policy})
    mine = vertex.make_endpoint()
    vertex.deploy(mine, model=model)
    theirs = vertex.ok("GET", model)["deployedModels"][0]["endpoint"]
    request = {"deployedModel": {"model": other}, "trafficSplit": {"0": 100}}
    codes = [vertex.call("POST", f"{name}:deployModel", json=request).status_code for name in (mine, theirs)]
    assert codes == expected
    vertex.api.advance(1)
    answers = [ask(vertex, name) for name in (mine, theirs)]
    assert answers == ["deux" if code == 200 else "two" for code in codes]
    if codes[0] == 400:
        assert "already has a DeployedModel" in vertex.refused("POST", f"{mine}:deployModel", json=request)[2]
        vertex.undeploy(mine)
        vertex.deploy(mine, model=other)
        assert ask(vertex, mine) == "deux"


def test_only_the_logging_of_a_deployed_model_changes(vertex: Vertex, model: str) -> None:
    """MutateDeployedModel is an operation. It changes no checkpoint and no machines."""
    endpoint = vertex.make_endpoint()
    deployed = vertex.deploy(endpoint, model=model)
    path = f"{endpoint}:mutateDeployedModel"
    change = {"id": deployed, "disableContainerLogging": True, "checkpointId": "1"}
    request = {"deployedModel": change, "updateMask": "disableContainerLogging"}
    (before,) = vertex.ok("GET", endpoint)["deployedModels"]
    vertex.api.control("faults", {"operation": "^mutate endpoints/", "times": 1})
    assert "error" in vertex.settle(vertex.ok("POST", path, json=request))
    assert vertex.ok("GET", endpoint)["deployedModels"] == [before]
    done = vertex.settle(vertex.ok("POST", path, json=request))
    (item,) = vertex.ok("GET", endpoint)["deployedModels"]
    assert item == {**before, "disableContainerLogging": True}
    assert ask(vertex, endpoint) == "two"
    assert done["response"]["deployedModel"] == item
    assert (item["disableContainerLogging"], item["checkpointId"]) == (True, "2")
    for mask, code in [("checkpointId", 400), ("dedicatedResources.minReplicaCount", 400), ("", 400)]:
        request = {"deployedModel": change, "updateMask": mask}
        assert vertex.refused("POST", path, json=request)[0] == code
    request = {"deployedModel": {"id": "7"}, "updateMask": "disableContainerLogging"}
    assert vertex.refused("POST", path, json=request)[0] == 404


def test_a_patch_knows_what_changed_since(vertex: Vertex, model: str, other: str) -> None:
    """An etag of before a deployment is a 409 ABORTED. Without an etag the patch overwrites."""
    endpoint = vertex.make_endpoint()
    first = vertex.deploy(endpoint, model=model)
    old = vertex.ok("GET", endpoint)["etag"]
    second = vertex.deploy(endpoint, {}, model=other)
    query, change = {"updateMask": "traffic_split"}, {"trafficSplit": {second: 100}}
    assert vertex.refused("PATCH", endpoint, params=query, json={**change, "etag": old})[:2] == (
        409,
        "ABORTED",
    )
    new = vertex.ok("GET", endpoint)["etag"]
    vertex.ok("PATCH", endpoint, params=query, json={**change, "etag": new})
    assert ask(vertex, endpoint) == "deux"
    vertex.ok("PATCH", endpoint, params=query, json={"trafficSplit": {first: 100}})
    assert ask(vertex, endpoint) == "two"
    assert "trafficSplit" not in vertex.ok("PATCH", endpoint, params=query, json={})
    assert vertex.refused("PATCH", endpoint, params=query, json={"trafficSplit": {first: 1}})[0] == 400


def test_lists_of_endpoints(vertex: Vertex, model: str) -> None:
    """They have filters, an order, pages and a mask. They include the endpoints that the service made."""
    vertex.make_endpoint("b", labels={"team": "red"}, displayName="y")
    vertex.api.advance(1)
    endpoint = vertex.make_endpoint("a", labels={"team": "blue"}, displayName="x")
    vertex.deploy(endpoint, model=model)

    def list_ids(**query: str) -> list[str]:
        found = vertex.ok("GET", "endpoints", params=query).get("endpoints", [])
        return [item["name"].rpartition("/")[2] for item in found]

    own = "labels:team"
    assert len(list_ids()) == 4
    assert list_ids(filter=own) == ["a", "b"]
    assert list_ids(filter='endpoint="b"') == ["b"]
    assert list_ids(filter=f'display_name!="x" AND {own}') == ["b"]
    assert list_ids(filter=f'base_model_name="gemini-3.1-flash-lite" AND {own}') == ["a"]
    assert list_ids(filter=own, orderBy="display_name desc") == ["b", "a"]
    assert list_ids(filter=own, orderBy="create_time") == ["b", "a"]
    assert list_ids(filter=own, orderBy="update_time desc, display_name") == ["a", "b"]
    query = {"orderBy": "create_time", "pageSize": "3"}
    page = vertex.ok("GET", "endpoints", params=query)
    rest = vertex.ok("GET", "endpoints", params={**query, "pageToken": page["nextPageToken"]})
    names = [item["name"] for item in (*page["endpoints"], *rest["endpoints"])]
    assert (len(names), len(set(names))) == (4, 4)
    assert "nextPageToken" not in rest
    masked = vertex.ok("GET", "endpoints", params={"filter": own, "readMask": "name,displayName"})
    assert [set(item) for item in masked["endpoints"]] == [{"name", "displayName"}] * 2
    assert vertex.refused("GET", "endpoints", params={"orderBy": "colour"})[0] == 400


def test_a_project_begins_so_many_jobs_and_operations_a_minute(start: Callable[..., Api]) -> None:
    """One more is a 429 until a minute has passed. Another location has its own quota."""
    vertex = Vertex(start(vertex_submissions_per_minute=3))
    vertex.upload_pairs()
    vertex.create()
    for name in ("a", "b"):
        vertex.make_endpoint(name)
    code, status, message = vertex.refused("POST", "endpoints", json=NAME)
    assert (code, status) == (429, "RESOURCE_EXHAUSTED")
    assert "aiplatform.googleapis.com/" in message
    assert vertex.refused("POST", "tuningJobs", json={"baseModel": "gemini-3.1-flash-lite"})[0] == 400
    vertex.make_endpoint("a", place="projects/my-project/locations/europe-west4")
    vertex.api.advance(60)
    vertex.create()
