"""With a broken state every command is refused. Without a state every command works."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.harness import Project, model
from tests.contract.servers import Server
from tests.limits import repeats
from tests.races.conftest import Store
from tests.races.team import APPLY, converged

NAMES = ["bot-0", "bot-1"]


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """A copy of the document with a change."""

    def apply(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return apply


BREAKAGES: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "truncated": lambda text: text[: len(text) // 2],
    "one byte short": lambda text: text.rstrip()[:-1],
    "conflict markers": lambda text: text.replace(
        '  "serial"', '<<<<<<< HEAD\n  "serial": 1,\n=======\n  "serial"', 1
    ),
    "a list": lambda _: "[]",
    "another program's": lambda _: '{"version": 4, "terraform_version": "1.9.0", "resources": []}',
    "a text for a serial": changed(lambda document: document.update(serial="3")),
    "a number for an id": changed(lambda document: document["resources"][0].update(id=7)),
    "an unknown key": changed(lambda document: document.update(colour="red")),
    "an address twice": changed(lambda document: document["resources"].append(document["resources"][0])),
    "newer": changed(lambda document: document.update(version=99)),
}
COMMANDS = [
    ("plan",),
    APPLY,
    ("destroy", "--auto-approve"),
    ("drift",),
    ("wait",),
    ("show",),
    ("output",),
    ("generate", "bot-0", "1"),
    ("test",),
    ("import", "bot-0", "some-id"),
    ("report", "-o", "report.html"),
    ("state", "list"),
    ("state", "show", "bot-0"),
    ("state", "mv", "bot-0", "bot-2"),
    ("state", "rm", "bot-0"),
    ("state", "pull"),
]


@pytest.fixture
def trained(project: Project) -> Project:
    """A project with two applied models and its state in a folder."""
    project.declare(*(model(name) for name in NAMES))
    project.apply()
    project.service.forget_log()
    return project


WAYS_OUT = {
    "newer": "pip install",
    "conflict": "git checkout",
    "another program's": "Leave it to Terraform, and give another place with --state.",
}
"""The advice of a message by a part of the breakage's name. Any other state may be deleted."""


NOW = ["truncated", "conflict markers", "another program's", "a number for an id", "newer"]
"""One breakage for each advice: for a file that is no JSON, and for JSON of another shape."""


@pytest.mark.parametrize("how", [*NOW, *repeats(*(how for how in BREAKAGES if how not in NOW))])
def test_a_broken_state_is_refused_and_untouched(trained: Project, how: str) -> None:
    """Each command exits 1 and names the file and a way out.

    It sends no changing call and leaves the state's bytes alone.
    """
    broken = BREAKAGES[how](trained.state_file.read_text())
    trained.state_file.write_text(broken)
    for command in COMMANDS if how == "truncated" else (APPLY, ("state", "rm", "bot-0")):
        result = trained.run(*command, expect=1)
        assert "default.json" in result.err, f"{command}: {result.all}"
        way_out = next((words for part, words in WAYS_OUT.items() if part in how), "delete it")
        assert way_out in " ".join(result.err.split()), f"{command}: {result.err}"
    assert trained.state_file.read_text() == broken
    assert trained.service.sent("POST", "PATCH", "DELETE") == []


def test_a_broken_state_in_a_bucket_is_refused_by_its_place_and_unlocked(
    project: Project, gs: Store, gcs: Server
) -> None:
    """A refusal under the lock releases the lock, and the object keeps its bytes."""
    project.environ |= gs.environ
    project.declare(*(model(name) for name in NAMES))
    project.apply()
    pulled = project.run("state", "pull", expect=0).out
    key = f"{gs.url.removeprefix('gs://bucket/')}/default.json"
    data, generation = gcs.objects[key]
    gcs.objects[key] = (data[:-20], generation + 1)
    for command in (APPLY, ("state", "rm", "bot-0", "--lock-timeout", "0s")):
        result = project.run(*command, expect=1)
        assert f"{gs.url}/default.json" in result.err
        assert "delete it" in " ".join(result.err.split())
    assert gcs.objects[key] == (data[:-20], generation + 1)
    gcs.objects[key] = (data, generation + 2)
    assert project.run("state", "pull", expect=0).out == pulled
    project.apply("--lock-timeout", "0s")


@pytest.mark.parametrize("command", [APPLY, ("apply", "--auto-approve", "--no-wait")], ids=" ".join)
def test_a_deleted_state_is_rebuilt_and_nothing_is_trained(
    trained: Project, command: tuple[str, ...]
) -> None:
    """Apply adopts every model by its id. Drift and wait create no state."""
    before = {resource["address"]: resource["id"] for resource in trained.state()["resources"]}
    trained.state_file.unlink()
    trained.run("drift", expect=1)
    assert not trained.state_file.exists()
    trained.run(*command, expect=0)
    assert trained.service.sent("POST") == []
    assert {resource["address"]: resource["id"] for resource in trained.state()["resources"]} == before
    converged(trained, NAMES)
