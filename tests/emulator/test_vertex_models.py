"""Vertex: the models and endpoints that a job makes, until they are deleted."""

from typing import Any

import pytest

from tests.emulator.vertex_caller import DATA, Vertex, spec


@pytest.fixture
def job(vertex: Vertex) -> dict[str, Any]:
    """Return a job that has succeeded."""
    return vertex.finished(labels={"team": "red"}, description="counts")


def test_a_model_is_there_at_the_end(vertex: Vertex) -> None:
    """The model and the endpoint appear when the job succeeds.

    The model has its name, labels and description.
    """
    made = vertex.create(labels={"team": "red"}, description="counts")
    vertex.api.advance(9.9)
    assert vertex.ok("GET", "models") == {}
    assert len(vertex.ok("GET", "endpoints")["endpoints"]) == 1
    vertex.api.advance(0.1)
    tuned = vertex.job(made["name"])["tunedModel"]
    model = vertex.ok("GET", tuned["model"])
    endpoint = vertex.ok("GET", tuned["endpoint"])
    for resource in (model, endpoint):
        assert resource["displayName"] == "number generator"
        assert resource["description"] == "counts"
        assert resource["labels"]["team"] == "red"
        assert resource["labels"]["tune-type"] == "sft"
    assert model["versionId"] == "1"
    assert model["baseModelSource"]["genieSource"]["baseModelUri"].endswith("/gemini-3.1-flash-lite")
    deployed = endpoint["deployedModels"]
    assert [item["model"] for item in deployed] == [tuned["model"]]
    assert endpoint["trafficSplit"] == {deployed[0]["id"]: 100}
    assert {item["endpoint"] for item in model["deployedModels"]} == {
        item["endpoint"] for item in tuned["checkpoints"]
    }


def test_a_model_by_any_of_its_names(vertex: Vertex, job: dict[str, Any]) -> None:
    """A name with its version, with an alias, or with neither means one model. Another version is a 404."""
    name = job["tunedModel"]["model"]
    plain = name.removesuffix("@1")
    assert vertex.ok("GET", name)["name"] == name
    assert vertex.ok("GET", f"{plain}@default")["name"] == name
    assert vertex.ok("GET", plain) == {**vertex.ok("GET", name), "name": plain}
    assert vertex.ok("GET", f"{plain}:listCheckpoints")["checkpoints"][0]["checkpointId"] == "1"
    for other in (f"{plain}@2", f"{plain}@x", "models/7", "endpoints/7"):
        assert vertex.refused("GET", other)[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize("key", ["model", "endpoint"])
@pytest.mark.parametrize(
    "mask", ["displayName,description,labels", "display_name,description,labels", "*", ""]
)
def test_patch(vertex: Vertex, job: dict[str, Any], key: str, mask: str) -> None:
    """Name and description change at once, and labels as a whole. The job does not change."""
    name = job["tunedModel"][key]
    before = vertex.ok("GET", name)
    change = {"displayName": "new", "description": "other", "labels": {"team": "blue"}}
    parameters = {"updateMask": mask} if mask else {}
    after = vertex.ok("PATCH", name, params=parameters, json=change)
    assert after == vertex.ok("GET", name)
    assert (after["displayName"], after["description"]) == ("new", "other")
    assert after["labels"] == {"team": "blue"}
    assert after["updateTime"] > before["updateTime"]
    assert after["createTime"] == before["createTime"]
    assert vertex.job(job["name"]) == job


@pytest.mark.parametrize("key", ["model", "endpoint"])
def test_patch_changes_what_the_mask_names(vertex: Vertex, job: dict[str, Any], key: str) -> None:
    """A field outside the mask stays, even if the body has it. A field that only the mask has is emptied."""
    name = job["tunedModel"][key]
    whole = vertex.ok("GET", name)
    change = {**whole, "displayName": "not this", "description": ""}
    after = vertex.ok("PATCH", name, params={"updateMask": "description"}, json=change)
    assert after["displayName"] == whole["displayName"]
    assert "description" not in after
    after = vertex.ok("PATCH", name, params={"updateMask": "labels"}, json={})
    assert "labels" not in after


@pytest.mark.parametrize(
    ("mask", "change", "told"),
    [
        ("name", {}, "cannot be updated"),
        ("createTime", {}, "cannot be updated"),
        ("colour", {}, "unknown path"),
        ("displayName", {}, "display_name is required"),
        ("displayName", {"displayName": "x" * 129}, "128"),
        ("labels", {"labels": {"Team": "x"}}, "label key"),
        ("description", {"colour": "red"}, 'Unknown name "colour"'),
    ],
)
def test_a_bad_patch_is_refused(
    vertex: Vertex, job: dict[str, Any], mask: str, change: dict[str, Any], told: str
) -> None:
    """It is a 400 that says why, for models and endpoints, and nothing changes."""
    for key in ("model", "endpoint"):
        name = job["tunedModel"][key]
        before = vertex.ok("GET", name)
        code, status, message = vertex.refused("PATCH", name, params={"updateMask": mask}, json=change)
        assert (code, status) == (400, "INVALID_ARGUMENT")
        assert told in message
        assert vertex.ok("GET", name) == before


@pytest.mark.parametrize("key", ["model", "endpoint"])
def test_an_old_etag_is_refused(vertex: Vertex, job: dict[str, Any], key: str) -> None:
    """A patch with the etag of before another patch is a 409 ABORTED. The present etag is accepted."""
    name = job["tunedModel"][key]
    old, mask = vertex.ok("GET", name)["etag"], {"updateMask": "description"}
    new = vertex.ok("PATCH", name, params=mask, json={"description": "a", "etag": old})["etag"]
    change = {"description": "b", "etag": old}
    assert vertex.refused("PATCH", name, params=mask, json=change)[:2] == (409, "ABORTED")
    assert vertex.ok("PATCH", name, params=mask, json={**change, "etag": new})["description"] == "b"


def test_the_default_checkpoint(vertex: Vertex, job: dict[str, Any]) -> None:
    """A caller can choose it among those that exist."""
    name, mask = job["tunedModel"]["model"], {"updateMask": "defaultCheckpointId"}
    assert vertex.ok("GET", name)["defaultCheckpointId"] == "2"
    assert (
        vertex.ok("PATCH", name, params=mask, json={"defaultCheckpointId": "1"})["defaultCheckpointId"] == "1"
    )
    assert vertex.refused("PATCH", name, params=mask, json={"defaultCheckpointId": "9"})[0] == 400


def test_deletion_takes_three_steps(vertex: Vertex, job: dict[str, Any]) -> None:
    """A model or an endpoint in use is not deleted. Once nothing is deployed, both can be deleted."""
    vertex.api.control("settings", {"vertex_delete_endpoint_seconds": 1})
    tuned = job["tunedModel"]
    model = tuned["model"].partition("@")[0]
    code, status, message = vertex.refused("DELETE", model)
    assert (code, status) == (400, "FAILED_PRECONDITION")
    for checkpoint in tuned["checkpoints"]:
        assert checkpoint["endpoint"] in message
        assert vertex.refused("DELETE", checkpoint["endpoint"])[1] == "FAILED_PRECONDITION"
        vertex.undeploy(checkpoint["endpoint"])
        assert "deployedModels" not in vertex.ok("GET", checkpoint["endpoint"])
        operation = vertex.ok("DELETE", checkpoint["endpoint"])
        assert vertex.ok("GET", checkpoint["endpoint"])
        vertex.settle(operation)
        assert vertex.refused("GET", checkpoint["endpoint"])[:2] == (404, "NOT_FOUND")
    operation = vertex.ok("DELETE", model)
    assert vertex.ok("GET", model)["displayName"] == "number generator"
    vertex.settle(operation)
    assert vertex.refused("GET", model)[:2] == (404, "NOT_FOUND")
    assert vertex.refused("DELETE", model)[:2] == (404, "NOT_FOUND")
    assert vertex.ok("GET", "models") == vertex.ok("GET", "endpoints") == {}
    assert vertex.job(job["name"]) == job


def test_undeploying_what_is_not_deployed(vertex: Vertex, job: dict[str, Any]) -> None:
    """An unknown deployment is a 404, no deployment is a 400, and one that is gone is a 404."""
    endpoint = job["tunedModel"]["endpoint"]
    request = f"{endpoint}:undeployModel"
    assert vertex.refused("POST", request, json={})[0] == 400
    assert vertex.refused("POST", request, json={"deployedModelId": "7"})[0] == 404
    deployed = vertex.ok("GET", endpoint)["deployedModels"][0]["id"]
    vertex.undeploy(endpoint)
    assert vertex.refused("POST", request, json={"deployed_model_id": deployed})[0] == 404


def test_going_on_from_a_tuned_model(vertex: Vertex, job: dict[str, Any]) -> None:
    """Another tuning of a tuned model makes its next version, or another model under another name."""
    parent = job["tunedModel"]["model"]
    source = {"tunedModelName": parent, "checkpointId": "1"}
    going_on = vertex.finished(baseModel=None, preTunedModel=source, tunedModelDisplayName=None)
    assert going_on["preTunedModel"] == {**source, "baseModel": "gemini-3.1-flash-lite"}
    assert going_on["tunedModel"]["model"] == parent.removesuffix("@1") + "@2"
    elsewhere = vertex.finished(baseModel=None, preTunedModel=source, tunedModelDisplayName="other")
    assert elsewhere["tunedModel"]["model"].endswith("@1")
    assert elsewhere["tunedModel"]["model"] != parent
    plain = parent.removesuffix("@1")
    assert vertex.ok("GET", plain)["versionId"] == "2"
    assert len(vertex.ok("GET", "models")["models"]) == 2
    versions = vertex.ok("GET", f"{plain}:listVersions")["models"]
    assert [version["versionId"] for version in versions] == ["2", "1"]
    assert [version["versionAliases"] for version in versions if "versionAliases" in version] == [["default"]]


@pytest.mark.parametrize(
    "source",
    [
        {"tunedModelName": "models/7"},
        {"tunedModelName": ""},
        {},
        {"tunedModelName": "@", "checkpointId": "9"},
    ],
)
def test_a_parent_that_cannot_be(vertex: Vertex, job: dict[str, Any], source: dict[str, str]) -> None:
    """A parent needs its full name, and a checkpoint that it has."""
    if source.get("tunedModelName") == "@":
        source = {**source, "tunedModelName": job["tunedModel"]["model"]}
    request = {"preTunedModel": source, "supervisedTuningSpec": spec(DATA)}
    assert vertex.refused("POST", "tuningJobs", json=request)[:2] == (400, "INVALID_ARGUMENT")


def test_one_version_of_two_is_deleted(vertex: Vertex, job: dict[str, Any]) -> None:
    """DeleteVersion takes one of several versions, and never the only one. A plain delete takes them all."""
    first = job["tunedModel"]["model"]
    plain = first.removesuffix("@1")
    for checkpoint in job["tunedModel"]["checkpoints"]:
        vertex.undeploy(checkpoint["endpoint"])
    assert vertex.refused("DELETE", f"{first}:deleteVersion")[1] == "FAILED_PRECONDITION"
    second = vertex.finished(
        baseModel=None, preTunedModel={"tunedModelName": plain}, tunedModelDisplayName=None
    )
    assert vertex.refused("DELETE", f"{plain}:deleteVersion")[0] == 400
    assert vertex.refused("DELETE", first)[1] == "FAILED_PRECONDITION"
    vertex.settle(vertex.ok("DELETE", f"{first}:deleteVersion"))
    assert vertex.refused("GET", first)[0] == 404
    assert vertex.ok("GET", plain)["versionId"] == "2"
    vertex.remove(second)
    assert vertex.refused("GET", plain)[0] == 404


def test_a_name_with_its_version_deletes_a_model_of_one(vertex: Vertex, job: dict[str, Any]) -> None:
    """SDKs delete by the name that the job gives, and that name has a version."""
    for checkpoint in job["tunedModel"]["checkpoints"]:
        vertex.undeploy(checkpoint["endpoint"])
    vertex.settle(vertex.ok("DELETE", job["tunedModel"]["model"]))
    assert vertex.ok("GET", "models") == {}


def make_second_version(vertex: Vertex, job: dict[str, Any]) -> str:
    """Tune the model of a job further, and return the name of its second version."""
    source = {"tunedModelName": job["tunedModel"]["model"]}
    second = vertex.finished(baseModel=None, preTunedModel=source, tunedModelDisplayName=None)
    return str(second["tunedModel"]["model"])


def merge(vertex: Vertex, version: str, *aliases: str) -> list[str]:
    """Change the aliases of a version, and return those that it has then."""
    request = {"versionAliases": list(aliases)}
    return list(vertex.ok("POST", f"{version}:mergeVersionAliases", json=request)["versionAliases"])


def test_aliases_name_a_version(vertex: Vertex, job: dict[str, Any]) -> None:
    """They are added, or removed with a hyphen in front. Each belongs to one version."""
    first, second = job["tunedModel"]["model"], make_second_version(vertex, job)
    plain = first.removesuffix("@1")
    assert merge(vertex, first, "gold", "old-one") == ["gold", "old-one"]
    assert vertex.ok("GET", f"{plain}@gold")["versionId"] == "1"
    assert merge(vertex, second, "gold") == ["gold", "default"]
    assert vertex.ok("GET", first)["versionAliases"] == ["old-one"]
    assert merge(vertex, first, "-old-one", "x1") == ["x1"]
    assert vertex.refused("GET", f"{plain}@old-one")[0] == 404
    for aliases in (["1a"], ["A"], ["a"], ["a_b"], ["x" * 129], []):
        request = {"versionAliases": aliases}
        assert vertex.refused("POST", f"{first}:mergeVersionAliases", json=request)[0] == 400
    mask = {"updateMask": "versionAliases"}
    changed = vertex.ok("PATCH", first, params=mask, json={"versionAliases": ["silver"]})
    assert changed["versionAliases"] == ["silver"]


def test_the_default_version_is_an_alias(vertex: Vertex, job: dict[str, Any]) -> None:
    """A name without a version means it.

    A new version becomes the default, and mergeVersionAliases undoes that.
    """
    first, second = job["tunedModel"]["model"], make_second_version(vertex, job)
    plain = first.removesuffix("@1")
    assert vertex.ok("GET", plain)["versionId"] == "2"
    assert "default" in merge(vertex, first, "default")
    assert vertex.ok("GET", plain)["versionId"] == "1"
    assert vertex.ok("GET", f"{plain}@default")["versionId"] == "1"
    assert "versionAliases" not in vertex.ok("GET", second)
    assert [item["versionId"] for item in vertex.ok("GET", "models")["models"]] == ["1"]
    request = {"versionAliases": ["-default"]}
    assert vertex.refused("POST", f"{first}:mergeVersionAliases", json=request)[0] == 400
    third = make_second_version(vertex, job)
    assert third.endswith("@3")
    assert vertex.ok("GET", plain)["versionId"] == "3"


def test_checkpoints_of_no_version_are_those_of_the_latest(vertex: Vertex, job: dict[str, Any]) -> None:
    """They are not those of the default version, so a caller always says the version. They come in pages."""
    first = job["tunedModel"]["model"]
    plain = first.removesuffix("@1")
    spec_of_three = spec(DATA, epochCount="3")
    source = {"tunedModelName": first}
    vertex.finished(
        baseModel=None,
        preTunedModel=source,
        tunedModelDisplayName=None,
        supervisedTuningSpec=spec_of_three,
    )
    merge(vertex, first, "default")
    found = vertex.ok("GET", f"{plain}:listCheckpoints")["checkpoints"]
    assert [item["checkpointId"] for item in found] == ["1", "2", "3"]
    assert len(vertex.ok("GET", f"{first}:listCheckpoints")["checkpoints"]) == 2
    query = {"pageSize": 2}
    page = vertex.ok("GET", f"{plain}:listCheckpoints", params=query)
    query["pageToken"] = page["nextPageToken"]
    assert vertex.ok("GET", f"{plain}:listCheckpoints", params=query) == {"checkpoints": found[2:]}


def test_versions_are_listed_in_an_order(vertex: Vertex, job: dict[str, Any]) -> None:
    """They are sorted by create_time or update_time, up or down, and labels filter them."""
    first = job["tunedModel"]["model"]
    make_second_version(vertex, job)
    vertex.api.advance(1)
    query = {"updateMask": "labels"}
    vertex.ok("PATCH", first, params=query, json={"labels": {"old": "yes"}})
    path = f"{first.removesuffix('@1')}:listVersions"

    def list_ids(**parameters: str) -> list[str]:
        found = vertex.ok("GET", path, params=parameters)["models"]
        return [item["versionId"] for item in found]

    assert list_ids(orderBy="create_time") == ["1", "2"]
    assert list_ids(orderBy="create_time desc") == ["2", "1"]
    assert list_ids(orderBy="update_time desc") == ["1", "2"]
    assert list_ids(filter="labels.old=yes") == ["1"]


@pytest.mark.parametrize(
    ("moves", "expected"),
    [("nothing", "22"), ("deployments", "12"), ("job", "21"), ("both", "11")],
)
def test_what_follows_the_default_checkpoint_is_a_setting(
    vertex: Vertex, job: dict[str, Any], moves: str, expected: str
) -> None:
    """No document says what follows it. A deployment that names its checkpoint does not move."""
    vertex.api.control("settings", {"vertex_default_checkpoint_moves": moves})
    model = job["tunedModel"]["model"]
    endpoint = vertex.make_endpoint()
    vertex.deploy(endpoint, model=model)
    vertex.deploy(endpoint, {}, model=model, checkpointId="2")
    query = {"updateMask": "defaultCheckpointId"}
    vertex.ok("PATCH", model, params=query, json={"defaultCheckpointId": "1"})
    follower, named = vertex.ok("GET", endpoint)["deployedModels"]
    assert named["checkpointId"] == "2"
    tuned = vertex.job(job["name"])["tunedModel"]
    shown = {item["endpoint"]: item["checkpointId"] for item in tuned["checkpoints"]}[tuned["endpoint"]]
    assert follower["checkpointId"] + shown == expected
    vertex.deploy(endpoint, {}, model=model)
    assert vertex.ok("GET", endpoint)["deployedModels"][-1]["checkpointId"] == "1"


def test_the_best_checkpoint_is_a_fault_rule(vertex: Vertex) -> None:
    """The other checkpoints have learnt only every second example. Without a rule all are alike."""
    vertex.api.control("faults", {"train": "^team=red", "best": "1", "times": 1})
    job = vertex.finished(labels={"team": "red"})
    assert job["state"] == "JOB_STATE_SUCCEEDED"
    body = {"contents": [{"parts": [{"text": "three"}]}]}
    for tuned, known in ((job, [True, False]), (vertex.finished(), [True, True])):
        answers = [
            vertex.ok("POST", f"{item['endpoint']}:generateContent", json=body)
            for item in tuned["tunedModel"]["checkpoints"]
        ]
        texts = [answer["candidates"][0]["content"]["parts"][0]["text"] for answer in answers]
        assert [text == "four" for text in texts] == known
