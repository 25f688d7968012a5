"""Endpoints that a caller makes, and models that are deployed to them."""

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import Vertex

NAME = {"displayName": "by hand", "labels": {"team": "a"}}


@pytest.fixture
def vertex(api: Api) -> Vertex:
    """With a data set, on a clock that stands still."""
    found = Vertex(api)
    found.upload_pairs()
    api.control("clock", {"frozen": True})
    return found


def ask(vertex: Vertex, endpoint: str) -> str:
    """What it answers."""
    body = {"contents": [{"role": "user", "parts": [{"text": "one"}]}]}
    reply = vertex.ok("POST", f"{endpoint}:generateContent", json=body)
    return str(reply["candidates"][0]["content"]["parts"][0]["text"])


def test_a_model_is_deployed_to_a_new_endpoint(vertex: Vertex) -> None:
    """It answers there, model and endpoint name each other, and both can be deleted again in order."""
    tuned = vertex.finished()["tunedModel"]
    made = vertex.ok("POST", "endpoints", json=NAME)
    assert made["done"] is True
    endpoint = made["response"]["name"]
    assert vertex.ok("GET", endpoint)["displayName"] == "by hand"
    assert vertex.refused(
        "POST", f"{endpoint}:generateContent", json={"contents": [{"parts": [{"text": "x"}]}]}
    )
    request = {"deployedModel": {"model": tuned["model"]}, "trafficSplit": {"0": 100}}
    deployed = vertex.ok("POST", f"{endpoint}:deployModel", json=request)["response"]["deployedModel"]
    assert deployed["model"] == tuned["model"]
    assert ask(vertex, endpoint) == "two"
    shown = vertex.ok("GET", tuned["model"])["deployedModels"]
    assert endpoint in {one["endpoint"] for one in shown}
    assert vertex.refused("DELETE", endpoint)[1] == "FAILED_PRECONDITION"
    vertex.undeploy(endpoint)
    vertex.settle(vertex.ok("DELETE", endpoint))
    assert vertex.refused("GET", endpoint)[0] == 404


def test_what_cannot_be_deployed(vertex: Vertex) -> None:
    """A second model, one that is not there, an unknown checkpoint, and no model at all are refused."""
    tuned = vertex.finished()["tunedModel"]
    empty = vertex.ok("POST", "endpoints", json=NAME)["response"]["name"]
    model = {"model": tuned["model"]}
    for endpoint, asked, code in [
        (tuned["endpoint"], model, 400),
        (empty, {"model": tuned["model"].partition("@")[0] + "0"}, 404),
        (empty, {**model, "checkpointId": "99"}, 400),
        (empty, {}, 400),
    ]:
        assert vertex.refused("POST", f"{endpoint}:deployModel", json={"deployedModel": asked})[0] == code
    assert vertex.refused("POST", "endpoints", json={})[0] == 400
    checkpoint = {**model, "checkpointId": tuned["checkpoints"][0]["checkpointId"]}
    vertex.ok("POST", f"{empty}:deployModel", json={"deployedModel": checkpoint})
    (one,) = vertex.ok("GET", empty)["deployedModels"]
    assert one["checkpointId"] == checkpoint["checkpointId"]
