"""Vertex: models are copied, to other regions and projects and as new versions."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import PLACE, Vertex

DEV, PROD = "projects/my-project", "projects/prod"
PROD_PLACE = f"{PROD}/locations/europe-west4"
ELSEWHERE = f"{DEV}/locations/europe-west4"
KEY = "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k"


@pytest.fixture
def source(vertex: Vertex) -> str:
    """Return a model with two checkpoints, of which the first is the default, and an alias."""
    job = vertex.finished(labels={"team": "red"}, description="counts")
    model = str(job["tunedModel"]["model"])
    query = {"updateMask": "defaultCheckpointId,versionAliases"}
    change = {"defaultCheckpointId": "1", "versionAliases": ["gold"]}
    vertex.ok("PATCH", model, params=query, json=change)
    return model


def copy(vertex: Vertex, source: str, place: str = PROD_PLACE, **fields: Any) -> dict[str, Any]:
    """Copy a model, wait, and return the operation."""
    request = {"sourceModel": source, **fields}
    return vertex.settle(vertex.ok("POST", f"{place}/models:copy", json=request))


def refuse_copy(vertex: Vertex, source: str, place: str = PROD_PLACE, **fields: Any) -> tuple[int, str, str]:
    """Try to copy a model; return code, status and message."""
    return vertex.refused("POST", f"{place}/models:copy", json={"sourceModel": source, **fields})


def ask(vertex: Vertex, model: str) -> str:
    """Deploy a model to an endpoint in its location, and return what it answers."""
    endpoint = vertex.make_endpoint(place=model.partition("/models/")[0])
    vertex.deploy(endpoint, model=model)
    body = {"contents": [{"parts": [{"text": "one"}]}]}
    reply = vertex.ok("POST", f"{endpoint}:generateContent", json=body)
    return str(reply["candidates"][0]["content"]["parts"][0]["text"])


def test_a_copy_is_made_by_an_operation(vertex: Vertex, source: str) -> None:
    """The operation is named after the copy, which does not exist before.

    Its response has the copy and the version.
    """
    request = {"sourceModel": source, "modelId": "support-1a2b"}
    operation = vertex.ok("POST", f"{PROD_PLACE}/models:copy", json=request)
    name = operation["name"].partition("/operations/")[0]
    assert name.endswith("/locations/europe-west4/models/support-1a2b")
    kind = "type.googleapis.com/google.cloud.aiplatform.v1.CopyModelOperationMetadata"
    assert operation["metadata"]["@type"] == kind
    assert vertex.refused("GET", name)[0] == 404
    assert refuse_copy(vertex, source, modelId="support-1a2b")[:2] == (409, "ALREADY_EXISTS")
    done = vertex.settle(operation)
    kind = "type.googleapis.com/google.cloud.aiplatform.v1.CopyModelResponse"
    assert done["response"] == {"@type": kind, "model": name, "modelVersionId": "1"}
    assert refuse_copy(vertex, source, modelId="support-1a2b")[:2] == (409, "ALREADY_EXISTS")
    assert vertex.ok("GET", f"{PROD_PLACE}/models")["models"] == [vertex.ok("GET", name)]


def test_what_a_copy_has_of_its_source(vertex: Vertex, source: str) -> None:
    """It has name, description, labels, base and checkpoints with their default.

    It names its origin, and has no alias.
    """
    origin = vertex.ok("GET", source)
    made = vertex.ok("GET", copy(vertex, source)["response"]["model"])
    for key in ("displayName", "description", "labels", "checkpoints", "baseModelSource"):
        assert made[key] == origin[key]
    assert made["defaultCheckpointId"] == "1"
    assert made["versionAliases"] == ["default"]
    assert made["originalModelInfo"] == {"model": source}
    assert made["modelSourceInfo"] == {"sourceType": "GENIE", "copy": True}
    assert "deployedModels" not in made
    assert "originalModelInfo" not in origin
    assert origin["modelSourceInfo"] == {"sourceType": "GENIE"}


def test_a_copy_outlives_its_source(vertex: Vertex, source: str) -> None:
    """It answers like the source, which can be deleted. A copy of a copy is a copy too."""
    made = copy(vertex, source)["response"]["model"]
    again = copy(vertex, f"{made}@1", f"{PROD}/locations/us-central1")["response"]["model"]
    assert vertex.ok("GET", again)["originalModelInfo"] == {"model": f"{made}@1"}
    for item in vertex.ok("GET", source)["deployedModels"]:
        vertex.undeploy(item["endpoint"])
        vertex.settle(vertex.ok("DELETE", item["endpoint"]))
    vertex.settle(vertex.ok("DELETE", source.partition("@")[0]))
    assert vertex.refused("GET", source)[0] == 404
    assert [ask(vertex, name) for name in (made, again)] == ["two", "two"]
    assert vertex.ok("GET", made)["originalModelInfo"] == {"model": source}


def test_a_copy_without_a_version_is_of_the_default_one(vertex: Vertex, source: str) -> None:
    """An alias or a number names another version."""
    plain = source.removesuffix("@1")
    going_on = {"preTunedModel": {"tunedModelName": source}, "tunedModelDisplayName": None}
    vertex.finished(baseModel=None, **going_on)
    for name, version in ((plain, 2), (source, 1), (f"{plain}@gold", 1), (f"{plain}@default", 2)):
        made = vertex.ok("GET", copy(vertex, name, ELSEWHERE)["response"]["model"])
        assert made["originalModelInfo"] == {"model": f"{plain}@{version}"}


def test_a_copy_becomes_a_version_of_a_model(vertex: Vertex, source: str) -> None:
    """The model is in the destination, and the copy becomes its default version."""
    first = copy(vertex, source, modelId="bot")["response"]
    second = copy(vertex, source, parentModel=first["model"])["response"]
    assert (second["model"], second["modelVersionId"]) == (first["model"], "2")
    assert vertex.ok("GET", first["model"])["versionId"] == "2"
    for parent in (source.partition("@")[0], "bot", f"{first['model']}@1"):
        assert refuse_copy(vertex, source, parentModel=parent)[0] == 400
    assert refuse_copy(vertex, source, parentModel=f"{first['model']}x")[0] == 404
    assert refuse_copy(vertex, source, parentModel=first["model"], modelId="x")[0] == 400


@pytest.mark.parametrize("chosen", ["a", "_a", "a-b_c-9", "a" * 63, "a-"])
def test_an_id_of_a_copy(vertex: Vertex, source: str, chosen: str) -> None:
    """An id has up to 63 of [a-z0-9_-], and begins with neither a digit nor a hyphen."""
    assert copy(vertex, source, modelId=chosen)["response"]["model"].endswith(f"/models/{chosen}")


@pytest.mark.parametrize("chosen", ["1a", "-a", "A", "a" * 64, "a.b", "ü"])
def test_an_id_that_no_copy_has(vertex: Vertex, source: str, chosen: str) -> None:
    """Any other id is a 400 that names model_id."""
    code, status, message = refuse_copy(vertex, source, modelId=chosen)
    assert (code, status) == (400, "INVALID_ARGUMENT")
    assert "model_id" in message


def test_the_id_of_a_deleted_copy_is_free(vertex: Vertex, source: str) -> None:
    """The id of a copy that failed is free too."""
    name = copy(vertex, source, modelId="bot")["response"]["model"]
    vertex.settle(vertex.ok("DELETE", name))
    vertex.api.control("faults", {"operation": "^copy models/bot", "times": 1})
    assert copy(vertex, source, modelId="bot")["error"]["code"] == 13
    assert vertex.refused("GET", name)[0] == 404
    assert copy(vertex, source, modelId="bot")["response"]["model"] == name


def test_what_cannot_be_copied(vertex: Vertex, source: str) -> None:
    """A request without a source, with a wrong name, or with a model that does not exist is refused."""
    for name, code in [("", 400), ("models/7", 400), (f"{source}2", 404), (f"{PLACE}/models/7", 404)]:
        assert refuse_copy(vertex, name)[0] == code
    assert refuse_copy(vertex, source, customServiceAccount="nobody")[0] == 400
    key = {"kmsKeyName": KEY.replace("europe-west4", "us-central1")}
    assert refuse_copy(vertex, source, encryptionSpec=key)[0] == 400
    made = copy(vertex, source, encryptionSpec={"kmsKeyName": KEY})["response"]["model"]
    assert vertex.ok("GET", made)["encryptionSpec"] == {"kmsKeyName": KEY}


def test_a_role_lets_a_project_copy_from_another(vertex: Vertex, source: str) -> None:
    """Without the role a copy is a 403 that may mean a 404, at once or in its operation.

    The id stays free.
    """
    vertex.api.control("settings", {"vertex_copy_grants": []})
    code, status, message = refuse_copy(vertex, source, modelId="bot")
    assert (code, status) == (403, "PERMISSION_DENIED")
    resource = f"//aiplatform.googleapis.com/{source}"
    told = f"Permission 'aiplatform.models.export' denied on resource '{resource}' (or it may not exist)."
    assert message == told
    assert refuse_copy(vertex, f"{PLACE}/models/7")[0] == 403
    vertex.api.control("settings", {"vertex_copy_refusal": "operation"})
    failed = copy(vertex, source, modelId="bot")
    assert (failed["error"]["code"], failed["error"]["message"]) == (7, told)
    assert failed["error"]["details"][0]["reason"] == "IAM_PERMISSION_DENIED"
    assert copy(vertex, source, ELSEWHERE)["response"]
    for grant in ("other>prod", "my-project>other"):
        vertex.api.control("settings", {"vertex_copy_grants": [grant]})
        assert "error" in copy(vertex, source, modelId="bot")
    vertex.api.control("settings", {"vertex_copy_grants": ["my-project>prod"]})
    assert copy(vertex, source, modelId="bot")["response"]


def test_an_account_of_the_caller_may_copy(vertex: Vertex, source: str) -> None:
    """With customServiceAccount, that account needs the permission instead of the project's service agent."""
    account = {"customServiceAccount": "copier@prod.iam.gserviceaccount.com"}
    number = source.split("/")[1]
    vertex.api.control("settings", {"vertex_copy_grants": [f"{number}>{account['customServiceAccount']}"]})
    assert refuse_copy(vertex, source)[0] == 403
    assert copy(vertex, source, **account)["response"]
    vertex.api.control("settings", {"vertex_copy_grants": ["my-project>prod"]})
    assert refuse_copy(vertex, source, **account)[0] == 403


@pytest.mark.parametrize(
    ("scope", "codes"),
    [("any", [200, 200, 200]), ("one_at_a_time", [200, 200, 400]), ("one_project", [200, 400, 400])],
)
def test_how_far_a_copy_goes_is_a_setting(vertex: Vertex, source: str, scope: str, codes: list[int]) -> None:
    """Google's pages contradict each other about another region, another project, and both in one call."""
    vertex.api.control("settings", {"vertex_copy_scope": scope})
    places = (ELSEWHERE, f"{PROD}/locations/us-central1", PROD_PLACE)
    request = {"sourceModel": source}
    answers = [vertex.call("POST", f"{place}/models:copy", json=request).status_code for place in places]
    assert answers == codes


def test_what_no_document_says_of_copies_is_a_setting(vertex: Vertex, source: str) -> None:
    """Settings say whether labels and checkpoints are carried, and whether `us` is a destination."""
    vertex.api.control("settings", {"vertex_copy_carries": []})
    made = copy(vertex, source)["response"]["model"]
    shown = vertex.ok("GET", made)
    assert {"labels", "checkpoints", "defaultCheckpointId"}.isdisjoint(shown)
    assert ask(vertex, made) == "two"
    query = {"updateMask": "labels"}
    assert vertex.ok("PATCH", made, params=query, json={"labels": {"a": "b"}})["labels"] == {"a": "b"}
    multi_region = f"{PROD}/locations/us"
    assert copy(vertex, source, multi_region)["response"]
    vertex.api.control("settings", {"vertex_copy_to_multi_regions": False})
    assert refuse_copy(vertex, source, multi_region)[0] == 400


def test_whether_the_default_checkpoint_is_carried_is_a_setting(vertex: Vertex, source: str) -> None:
    """If it is not carried, the last of the copied checkpoints is the default. It can be changed."""
    made = ""
    for carried, default in ((["checkpoints", "default_checkpoint"], "1"), (["checkpoints"], "2")):
        vertex.api.control("settings", {"vertex_copy_carries": carried})
        made = copy(vertex, source)["response"]["model"]
        assert vertex.ok("GET", made)["defaultCheckpointId"] == default
        assert [one["checkpointId"] for one in vertex.ok("GET", made)["checkpoints"]] == ["1", "2"]
    change = {"defaultCheckpointId": "1"}
    vertex.ok("PATCH", made, params={"updateMask": "defaultCheckpointId"}, json=change)
    assert vertex.ok("GET", made)["defaultCheckpointId"] == "1"


def test_a_copy_that_is_one_too_many_leaves_nothing(vertex: Vertex, source: str) -> None:
    """A 429 of the quota of operations leaves the id free, and no operation is listed."""
    vertex.api.control("settings", {"vertex_submissions_per_minute": 1})
    copy(vertex, source)
    assert refuse_copy(vertex, source, modelId="support-1a2b")[0] == 429
    assert vertex.refused("GET", f"{PROD_PLACE}/models/support-1a2b")[0] == 404
    assert vertex.ok("GET", f"{PROD_PLACE}/models/support-1a2b/operations") == {}
    vertex.api.advance(61)
    assert copy(vertex, source, modelId="support-1a2b")["response"]


def test_a_copy_takes_its_time(start: Callable[..., Api]) -> None:
    """A setting says how long."""
    vertex = Vertex(start(vertex_copy_seconds=600))
    vertex.upload_pairs()
    source = vertex.finished()["tunedModel"]["model"]
    operation = vertex.ok("POST", f"{ELSEWHERE}/models:copy", json={"sourceModel": source})
    vertex.api.advance(599)
    assert vertex.ok("POST", f"{operation['name']}:wait", json={}) == operation
    vertex.api.advance(1)
    assert vertex.ok("GET", operation["name"])["response"]["modelVersionId"] == "1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"vertex_copy_carries": ["aliases"]},
        {"vertex_copy_carries": "labels"},
        {"vertex_copy_grants": ["my-project"]},
        {"vertex_copy_grants": [7]},
        {"vertex_copy_scope": "all"},
    ],
)
def test_a_setting_that_is_none(api: Api, wrong: dict[str, object]) -> None:
    """It is a 400 that names the setting."""
    assert next(iter(wrong)) in api.refused("POST", "emulator/settings", json=wrong)[2]
