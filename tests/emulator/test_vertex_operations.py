"""Vertex: long-running operations take their time, can fail, be cancelled and be found again."""

from typing import Any

import pytest

from tests.emulator.vertex_caller import Vertex


@pytest.fixture
def endpoint(vertex: Vertex) -> str:
    """Return the endpoint of a job that has succeeded."""
    name: str = vertex.finished()["tunedModel"]["endpoint"]
    return name


def undeploy(vertex: Vertex, endpoint: str) -> dict[str, Any]:
    """Begin to undeploy."""
    deployed = vertex.ok("GET", endpoint)["deployedModels"][0]["id"]
    return vertex.ok("POST", f"{endpoint}:undeployModel", json={"deployedModelId": deployed})


def test_an_operation_takes_its_time(vertex: Vertex, endpoint: str) -> None:
    """It is done, and has its effect, only after that time. Its metadata and response are typed."""
    vertex.api.control("settings", {"vertex_operation_seconds": 60})
    operation = undeploy(vertex, endpoint)
    assert operation["name"].startswith(f"{endpoint}/operations/")
    kind = "type.googleapis.com/google.cloud.aiplatform.v1.UndeployModelOperationMetadata"
    assert operation["metadata"]["@type"] == kind
    vertex.api.advance(59)
    for waiting in (
        vertex.ok("GET", operation["name"]),
        vertex.ok("POST", f"{operation['name']}:wait", json={}),
        vertex.ok("POST", f"{operation['name']}:wait", params={"timeout": "5s"}),
    ):
        assert waiting == operation
    assert "deployedModels" in vertex.ok("GET", endpoint)
    vertex.api.advance(1)
    done = vertex.ok("POST", f"{operation['name']}:wait")
    assert done["done"] is True
    assert done["response"]["@type"].endswith(".UndeployModelResponse")
    generic = done["metadata"]["genericMetadata"]
    assert generic["updateTime"] > generic["createTime"]
    assert "deployedModels" not in vertex.ok("GET", endpoint)


def test_one_at_a_time(vertex: Vertex, endpoint: str) -> None:
    """While an operation runs, a second one on the same resource is refused, and names the first."""
    first = undeploy(vertex, endpoint)
    deployed = vertex.ok("GET", endpoint)["deployedModels"][0]["id"]
    request = {"deployedModelId": deployed}
    code, status, message = vertex.refused("POST", f"{endpoint}:undeployModel", json=request)
    assert (code, status) == (400, "FAILED_PRECONDITION")
    assert first["name"] in message
    vertex.settle(first)
    vertex.settle(vertex.ok("DELETE", endpoint))


def test_an_operation_outlives_its_resource(vertex: Vertex, endpoint: str) -> None:
    """After the endpoint is gone its operations can still be read, also under the location."""
    first = vertex.undeploy(endpoint)
    second = vertex.settle(vertex.ok("DELETE", endpoint))
    assert second["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
    for operation in (first, second):
        assert vertex.ok("GET", operation["name"]) == operation
        number = operation["name"].rpartition("/")[2]
        assert vertex.ok("GET", f"operations/{number}") == operation
        assert vertex.ok("GET", f"{endpoint}/operations/{number}") == operation
        assert vertex.refused("GET", f"models/7/operations/{number}")[0] == 404


def test_operations_are_listed(vertex: Vertex, endpoint: str) -> None:
    """A location or a resource lists its operations in pages. A deleted operation is forgotten."""
    operations = [vertex.undeploy(endpoint), vertex.settle(vertex.ok("DELETE", endpoint))]
    assert vertex.ok("GET", "operations")["operations"] == operations[::-1]
    assert vertex.ok("GET", f"{endpoint}/operations")["operations"] == operations[:1]
    assert vertex.ok("GET", "models/7/operations") == {}
    page = vertex.ok("GET", "operations", params={"pageSize": 1})
    assert page["operations"] == operations[1:]
    rest = vertex.ok("GET", "operations", params={"pageToken": page["nextPageToken"]})
    assert rest == {"operations": operations[:1]}
    assert vertex.ok("DELETE", operations[1]["name"]) == {}
    assert vertex.refused("GET", operations[1]["name"])[0] == 404


def test_a_cancelled_operation_has_no_effect(vertex: Vertex, endpoint: str) -> None:
    """It ends with error 1 and does nothing. A finished operation stays finished."""
    operation = undeploy(vertex, endpoint)
    assert vertex.ok("POST", f"{operation['name']}:cancel", json={}) == {}
    cancelled = vertex.ok("GET", operation["name"])
    assert (cancelled["done"], cancelled["error"]["code"]) == (True, 1)
    vertex.api.advance(10)
    assert "deployedModels" in vertex.ok("GET", endpoint)
    done = vertex.undeploy(endpoint)
    vertex.ok("POST", f"{done['name']}:cancel", json={})
    assert vertex.ok("GET", done["name"]) == done


def test_an_operation_fails_by_a_fault(vertex: Vertex, endpoint: str) -> None:
    """A rule for undeploy or delete ends so many operations in its error, without effect."""
    failure = {"code": 14, "message": "no luck"}
    rule = {"operation": "^undeploy endpoints/", "fail": failure, "times": 1}
    vertex.api.control("faults", [rule, {"operation": "^delete models", "times": 1}])
    failed = vertex.settle(undeploy(vertex, endpoint))
    assert failed["error"] == failure
    assert "response" not in failed
    assert "deployedModels" in vertex.ok("GET", endpoint)
    vertex.undeploy(endpoint)
    vertex.settle(vertex.ok("DELETE", endpoint))
    for other in vertex.ok("GET", "endpoints")["endpoints"]:
        vertex.undeploy(other["name"])
    model = vertex.ok("GET", "models")["models"][0]["name"]
    assert vertex.settle(vertex.ok("DELETE", model))["error"]["code"] == 13
    assert vertex.ok("GET", model)["name"] == model
    assert "response" in vertex.settle(vertex.ok("DELETE", model))


def test_an_operation_without_an_end_is_none(vertex: Vertex) -> None:
    """An unknown operation is a 404, whatever the request."""
    for method, path in (("GET", ""), ("POST", ":wait"), ("POST", ":cancel"), ("DELETE", "")):
        assert vertex.refused(method, f"operations/7{path}")[:2] == (404, "NOT_FOUND")
