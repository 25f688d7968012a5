"""A newer version wrote the state: nothing of it is lost, and no command crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.harness import Project, identity, model
from tests.limits import repeats

Edit = Callable[[dict[str, Any]], None]
NEWER: dict[str, Edit] = {
    "hold": lambda record: record.update(hold={"by": "ann"}),
    "score": lambda record: record["serving"].update(score=0.5),
    "tokens": lambda record: record["serving"]["data"][0].update(tokens=9),
    "sent: response_format": lambda record: record["serving"]["sent"].update(response_format="x"),
}
EVERY = (
    ("plan",),
    ("apply", "--auto-approve"),
    ("drift", "--json"),
    ("report", "-o", "r.html"),
    ("show",),
    ("show", "one"),
    ("output",),
    ("state", "list"),
    ("state", "show", "one"),
    ("wait",),
)


def edit(project: Project, change: Edit) -> dict[str, Any]:
    """Change the only record by hand and return it."""
    state = project.state()
    (record,) = state["resources"]
    change(record)
    project.state_file.write_text(json.dumps(state))
    assert isinstance(record, dict)
    return record


@pytest.mark.parametrize("named", ["hold", "sent: response_format", *repeats("score", "tokens")])
def test_what_a_newer_version_recorded_is_named_once_and_kept(project: Project, named: str) -> None:
    """Each command names unknown keys in one line and goes on. An update of the model keeps them."""
    project.declare(model("one"))
    project.apply()
    edit(project, NEWER[named])
    for command in EVERY:
        told = project.run(*command, expect=0).err
        assert told.count(named) == 1, command
        assert "A newer Reconciler wrote it" in told
    project.declare(model("one", spec={"description": "another"}))
    project.apply()
    kept = project.record("one")
    NEWER[named](again := json.loads(json.dumps(kept)))
    assert again == kept
    assert project.service.creates() == 1
    project.run("destroy", "--auto-approve", expect=0)
    assert project.service.models() == {}


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1e300"])
def test_a_number_that_no_service_takes_crashes_nothing(project: Project, number: str) -> None:
    """Every command names a recorded temperature beyond all numbers, and leaves it unchanged."""
    project.declare(model("one", spec={"temperature": 0.5}))
    project.apply()
    edit(project, lambda record: record["serving"]["sent"].update(temperature=424242))
    project.state_file.write_text(project.state_file.read_text().replace("424242", number))
    before = project.state_file.read_bytes()
    for command in (*EVERY, ("destroy", "--auto-approve"), ("state", "rm", "one")):
        assert "temperature: is too large for a number" in project.run(*command, expect=1).all, command
    assert project.state_file.read_bytes() == before


def test_a_record_of_an_unknown_kind_is_kept_and_named(project: Project) -> None:
    """Read-only commands warn about the record and go on. Commands that need its kind are refused.

    The record stays, and --exclude leaves it out of a plan.
    """
    project.declare(model("one"))
    project.apply()
    state = project.state()
    foreign = {**state["resources"][0], "address": "Foo/m", "id": "m-aaaaaaaa"}
    project.state_file.write_text(json.dumps({**state, "resources": [foreign, *state["resources"]]}))
    for command in (("drift", "--json"), ("report", "-o", "r.html"), ("show",), ("output",), ("wait",)):
        assert "Foo/m (kind Foo)" in project.run(*command, expect=0).err
    assert project.run("state", "list", expect=0).out.splitlines() == ["Foo/m", "TunedModel/one"]
    project.run("state", "show", "Foo/m", expect=0)
    for refused in (
        ("plan",),
        ("destroy", "--auto-approve"),
        ("show", "Foo/m"),
        ("generate", "Foo/m", "1"),
        ("state", "rm", "Foo/m"),
        ("state", "mv", "Foo/m", "Foo/n"),
    ):
        assert "this version knows no kind Foo" in project.run(*refused, expect=1).err, refused
    project.plan("--exclude", "Foo/m")
    assert project.recorded() == ["Foo/m", "TunedModel/one"]
    assert identity("one") in project.service.models()
