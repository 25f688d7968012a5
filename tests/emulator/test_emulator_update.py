"""Patch and delete."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api

MODEL = "v1beta/tunedModels/m"


def test_without_a_mask_the_body_is_what_changes(api: Api) -> None:
    """The fields of the body change at once, and others stay. updateTime changes."""
    api.create("m", description="old")
    before = api.ok("GET", MODEL)
    after = api.ok("PATCH", MODEL, json={"display_name": "new", "temperature": 0.25})
    assert after == api.ok("GET", MODEL)
    assert (after["displayName"], after["temperature"]) == ("new", 0.25)
    assert after["description"] == "old"
    assert after["updateTime"] > before["updateTime"]
    assert after["createTime"] == before["createTime"]


@pytest.mark.parametrize("mask", ["description,top_k", "description,topK", " description , topK "])
def test_with_a_mask_only_it_counts(api: Api, mask: str) -> None:
    """Of a whole resource only the fields in the mask change, in either spelling."""
    api.create("m")
    whole = api.ok("GET", MODEL)
    changed = {**whole, "description": "told", "displayName": "ignored", "topK": 7, "state": 2}
    after = api.ok("PATCH", MODEL, params={"updateMask": mask}, json=changed)
    assert (after["description"], after["topK"]) == ("told", 7)
    assert after["displayName"] == whole["displayName"]


def test_what_the_mask_names_and_the_body_lacks_is_cleared(api: Api) -> None:
    """A cleared text is gone. A cleared temperature is that of the base model again."""
    api.create("m", description="old", temperature=0.1)
    paths = {"updateMask": "description,temperature"}
    after = api.ok("PATCH", MODEL, params=paths, json={})
    assert "description" not in after
    assert after["temperature"] == 0.9


@pytest.mark.parametrize(
    "mask",
    ["base_model", "tuningTask", "tuning_task.hyperparameters.epoch_count", "nonsense", "tuned"],
)
def test_immutable_and_unknown_paths_are_refused(api: Api, mask: str) -> None:
    """A mask with a field that cannot change is a 400, and nothing changes."""
    api.create("m")
    before = api.ok("GET", MODEL)
    query = {"updateMask": f"description,{mask}"}
    assert api.refused("PATCH", MODEL, params=query, json={"description": "x"})[0] == 400
    assert api.ok("GET", MODEL) == before


def test_output_only_paths_are_ignored(api: Api) -> None:
    """A mask with state and times is accepted, and they do not change."""
    api.create("m")
    query = {"updateMask": "state,create_time,description"}
    after = api.ok("PATCH", MODEL, params=query, json={"description": "x", "state": "ACTIVE"})
    assert (after["state"], after["description"]) == ("CREATING", "x")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"baseModel": "models/gemini-1.0-pro-001", "description": "x"}, 200),
        ({"baseModel": "models/other"}, 400),
        ({"tuningTask": {"hyperparameters": {"epochCount": 5}}}, 200),
        ({"tuningTask": {"hyperparameters": {"epochCount": 6}}}, 400),
        ({"tuningTask": {"trainingData": {}}}, 400),
        ({"displayName": "x" * 41}, 400),
        ({"temperature": 2}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_bodies_without_a_mask_may_repeat_but_not_change(api: Api, change: dict[str, Any], code: int) -> None:
    """A field that cannot change may be sent with its value. Another value is refused."""
    api.create("m")
    assert api.call("PATCH", MODEL, json=change).status_code == code


def test_project_numbers_are_replaced_whole(api: Api) -> None:
    """The project numbers are a list of int64. They are answered as strings, and can be emptied."""
    api.create("m", readerProjectNumbers=[1, "2"])
    assert api.ok("GET", MODEL)["readerProjectNumbers"] == ["1", "2"]
    after = api.ok("PATCH", MODEL, json={"readerProjectNumbers": ["3"]})
    assert after["readerProjectNumbers"] == ["3"]
    query = {"updateMask": "reader_project_numbers"}
    assert "readerProjectNumbers" not in api.ok("PATCH", MODEL, params=query, json={})


def test_deleted_is_gone(api: Api) -> None:
    """A delete answers {}. Then everything is a 404 in Google's words, and the id is free again."""
    name = api.create("m")["name"]
    api.advance(11)
    assert api.ok("DELETE", MODEL) == {}
    gone = (404, "NOT_FOUND", "Tuned model tunedModels/m does not exist.")
    assert api.refused("GET", MODEL) == gone
    assert api.refused("DELETE", MODEL) == gone
    assert api.refused("PATCH", MODEL, json={}) == gone
    assert api.refused("GET", f"v1/{name}") == gone
    api.create("m")
    assert api.ok("GET", MODEL)["state"] == "CREATING"


def test_deleting_in_training_is_a_setting(start: Callable[..., Api]) -> None:
    """A setting says whether a delete while CREATING works or is a FAILED_PRECONDITION."""
    api = start(delete_creating="refuse")
    api.create("m")
    assert api.refused("DELETE", MODEL)[:2] == (400, "FAILED_PRECONDITION")
    api.control("settings", {"delete_creating": "allow"})
    assert api.ok("DELETE", MODEL) == {}
