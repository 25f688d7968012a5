"""`rollback`: a former model serves again at once, and what served is held back (design 2.6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.harness import PAIRS, Project, identity, model, stack
from tests.cli.test_tuning_job import job, write_data

CHANGED = [*PAIRS[:-1], ("19", "twenty")]
THIRD = [*PAIRS[:-1], ("19", "XX")]
OLD, NEW = identity("one"), identity("one", CHANGED)
FINISH = "reconciler apply --target one"
KEPT: dict[str, Any] = {"lifecycle": {"keep_deposed": "24h"}}


def replace_model(project: Project, **changes: Any) -> None:
    """Train one model, and let a second training of the same address replace it."""
    for pairs in (PAIRS, CHANGED):
        project.declare(model("one", pairs=pairs, **{**KEPT, **changes}))
        project.apply()
    project.service.forget_log()


def roll_back(project: Project, *words: str, expect: int = 0) -> str:
    """Run rollback with approval. Returns all that it prints."""
    return project.run("rollback", "one", "--auto-approve", *words, expect=expect).all


def list_roles(project: Project) -> dict[str, list[str]]:
    """The ids of the record, by role."""
    record = project.record("one")
    return {
        "serving": [record["id"]] if record["id"] else [],
        **{role: [kept["id"] for kept in record.get(role, [])] for role in ("held", "deposed")},
    }


def test_the_former_model_serves_again_and_nothing_is_trained_or_deleted(project: Project) -> None:
    """No call changes anything. `output` names the former model, and plan says so and exits 0."""
    replace_model(project)
    said = roll_back(project)
    assert f"TunedModel/one: went back [{OLD}]: {NEW} is held back" in said
    assert project.service.sent("POST", "PATCH", "DELETE") == []
    assert project.run("output", "one", expect=0).out.strip() == f"tunedModels/{OLD}"
    assert list_roles(project) == {"serving": [OLD], "held": [NEW], "deposed": []}
    held = project.record("one")["held"][0]
    assert "@" in held["held_by"]
    assert project.state()["version"] == 4
    shown = project.plan("--detailed-exitcode").out
    assert f"held back since {held['held']} by {held['held_by']}, and {OLD} serves" in shown
    assert shown.splitlines()[-1] == "No changes. 1 model serves after a rollback."
    project.apply()
    assert list_roles(project) == {"serving": [OLD], "held": [NEW], "deposed": []}


def test_a_second_rollback_does_nothing(project: Project) -> None:
    """It does nothing by default and with --to. The message names the way to an even older model."""
    replace_model(project)
    roll_back(project)
    before = project.state()
    assert "To go further back: reconciler rollback TunedModel/one --to ID" in roll_back(project)
    assert "it serves already" in roll_back(project, "--to", OLD)
    assert project.state() == before


def test_notes_advise_commands_on_the_state_of_the_run(project: Project) -> None:
    """rollback, plan and status name --undo with this run's --state: the advice works as it stands."""
    replace_model(project)
    (project.root / "state").rename(project.root / "elsewhere")
    place = ("--state", "elsewhere")
    told = [roll_back(project, *place)]
    told += [project.run(command, *place, expect=0).all for command in ("plan", "status")]
    for text in told:
        assert "reconciler rollback --state elsewhere --undo TunedModel/one" in " ".join(text.split())
    again = project.run("plan", *place, "--json", expect=0).all
    assert "reconciler rollback --undo" not in again


def test_undo_lets_the_held_model_serve_again(project: Project) -> None:
    """The state is as it was before the rollback, and a second --undo has nothing to do."""
    replace_model(project)
    version = project.state()["version"]
    roll_back(project)
    assert f"went back [{NEW}]: {OLD} is deposed" in roll_back(project, "--undo")
    assert list_roles(project) == {"serving": [NEW], "held": [], "deposed": [OLD]}
    assert project.state()["version"] == version
    assert "nothing is held back, so there is nothing to undo" in roll_back(project, "--undo")
    project.settled()


def test_another_training_ends_the_hold(project: Project) -> None:
    """The new model replaces the one that serves. The held model is deposed like any replaced model."""
    replace_model(project)
    roll_back(project)
    project.declare(model("one", pairs=THIRD, **KEPT))
    project.apply()
    third = identity("one", THIRD)
    assert list_roles(project) == {"serving": [third], "held": [], "deposed": [NEW, OLD]}
    assert set(project.service.models()) == {OLD, NEW, third}
    project.settled()


def test_a_manifest_that_declares_the_former_training_ends_the_hold(project: Project) -> None:
    """Nothing is trained, because the former model serves already and now stays."""
    replace_model(project)
    roll_back(project)
    project.declare(model("one", **KEPT))
    project.apply()
    assert list_roles(project) == {"serving": [OLD], "held": [], "deposed": [NEW]}
    assert project.service.creates() == 0


def test_fields_and_permissions_go_to_the_model_that_serves(project: Project) -> None:
    """The rollback sets them to what the manifest declares, and so does each later apply."""
    grant = {"grantee_type": "GROUP", "email_address": "ml@example.com", "role": "READER"}
    project.declare(model("one", **KEPT))
    project.apply()
    project.declare(model("one", pairs=CHANGED, spec={"description": "new"}, permissions=[grant], **KEPT))
    project.apply()
    roll_back(project)
    assert project.service.models()[OLD]["description"] == "new"
    assert project.service.permissions(OLD) == project.service.permissions(NEW)
    project.settled()
    project.declare(model("one", pairs=CHANGED, spec={"description": "newer"}, permissions=[grant], **KEPT))
    assert project.actions() == {"TunedModel/one": [["update"]]}
    project.apply()
    descriptions = {id: live["description"] for id, live in project.service.models().items()}
    assert descriptions == {OLD: "newer", NEW: "new"}
    assert list_roles(project)["held"] == [NEW]
    project.settled()


def test_an_update_that_is_refused_leaves_the_former_model_serving(project: Project) -> None:
    """The rollback exits 4, and the next apply makes the update."""
    project.declare(model("one", **KEPT))
    project.apply()
    project.declare(model("one", pairs=CHANGED, spec={"description": "new"}, **KEPT))
    project.apply()
    project.service.fault({"method": "PATCH", "path": f"tunedModels/{OLD}$", "status": 400, "times": 1})
    assert "update failed" in roll_back(project, expect=4)
    assert list_roles(project) == {"serving": [OLD], "held": [NEW], "deposed": []}
    project.service.heal()
    assert project.plan("--detailed-exitcode", expect=2).code == 2
    project.apply()
    project.settled()


def test_drift_notes_what_is_held_back_and_fails_if_the_stack_says_so(project: Project) -> None:
    """Text, JSON, Markdown and the report show the class held_back."""
    replace_model(project)
    roll_back(project)
    assert f"TunedModel/one has {NEW} held back (note)" in project.run("drift", expect=0).out
    assert [
        found["class"] for found in project.run("drift", "--json", expect=0).json()["resource_drift"]
    ] == ["held_back"]
    assert f"{NEW} is held back since" in project.plan("--format", "markdown").out
    assert f"held back {NEW}" in project.run("show", expect=0).out
    assert f"held back {NEW}  ACTIVE" in project.run("show", "one", expect=0).out
    assert '<span class="wait">held back</span></h3>' in project.run("report", expect=0).out
    (planned,) = [line for line in project.plan("--json").records() if line["type"] == "planned_change"]
    assert (planned["change"]["deposed"], planned["reconciler"]["reason"]) == (NEW, "rollback holds it back")
    project.declare(stack("team", drift={"fail_on": ["held_back"]}), file="manifests/stack.yaml")
    assert "Drift: 1 held back." in project.run("drift", expect=2).out
    project.settled()


def test_destroy_lists_what_is_held_back_and_deletes_it(project: Project) -> None:
    """The held model is in the plan that is approved, and nothing is left of it."""
    replace_model(project)
    roll_back(project)
    said = project.run("destroy", "--auto-approve", expect=0).out
    assert f"held-back model {NEW} will be deleted" in said
    assert "it is held back since" in said
    assert project.service.models() == {}
    assert project.state()["resources"] == []


def test_a_renamed_record_keeps_its_hold(project: Project) -> None:
    """The manifest or `state mv` may rename it. `state rm` forgets the models and deletes none."""
    replace_model(project)
    roll_back(project)
    project.declare(model("two", pairs=CHANGED, metadata={"moved_from": "one"}, **KEPT))
    assert "1 moved" in project.apply().out
    project.settled()
    project.run("state", "mv", "two", "three", expect=0)
    assert [kept["id"] for kept in project.record("three")["held"]] == [NEW]
    said = project.run("state", "rm", "three", expect=0).out
    assert f"{NEW} was held back" in said
    assert set(project.service.models()) == {OLD, NEW}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "nobody"), "nobody is not a model of its record"),
        (("--to", OLD, "--undo"), "--undo takes no --to"),
    ],
)
def test_a_wrong_rollback_changes_nothing(project: Project, words: tuple[str, ...], message: str) -> None:
    """It exits 1 before it writes anything."""
    replace_model(project)
    before = project.state()
    assert message in roll_back(project, *words, expect=1)
    assert project.state() == before


def test_without_a_terminal_it_needs_approval(project: Project) -> None:
    """It exits 1. The advice names no saved plan, because no file can hold a rollback."""
    replace_model(project)
    refused = project.run("rollback", "one", expect=1)
    assert refused.err == "Error: there is no terminal to ask for approval\n    Give --auto-approve\n"


def test_json_tells_of_a_rollback(project: Project) -> None:
    """The stream has the planned change, its completion, the counts and the outputs."""
    replace_model(project)
    records = project.run("rollback", "one", "--auto-approve", "--json", expect=0).records()
    planned = next(line for line in records if line["type"] == "planned_change")
    assert (planned["change"]["action"], planned["reconciler"]["action"]) == ("update", "rollback")
    done = next(line for line in records if line["type"] == "apply_complete")
    assert (done["hook"]["action"], done["hook"]["id_value"]) == ("rollback", OLD)
    assert records[-2]["reconciler"]["rolled_back"] == 1
    assert records[-1]["outputs"]["TunedModel/one"]["value"] == f"tunedModels/{OLD}"


def test_a_rollback_whose_time_is_up_names_the_command_that_finishes_it(project: Project) -> None:
    """The state says at once that the former model serves. The named command switches the stable endpoint."""
    write_data(project)
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.service.settings(vertex_operation_seconds=0)
    kept: dict[str, Any] = {"beside": {**KEPT, "serving": {"endpoint": "support", "drain": "0s"}}}
    for epochs in (3, 4):
        project.declare(job("one", spec={"hyper_parameters": {"epoch_count": epochs}}, **kept))
        project.apply()
    (record,) = project.state()["resources"]
    project.service.settings(vertex_operation_seconds=100)
    said = roll_back(project, "--timeout", "2s", expect=3)
    assert said.count(f"To go on: {FINISH}\n") == 1
    project.service.settings(vertex_operation_seconds=0)
    project.service.advance(100)
    project.run(*FINISH.split()[1:], "--auto-approve", expect=0)
    (now,) = project.state()["resources"]
    assert [kept["id"] for kept in now["held"]] == [record["id"]]
    project.settled()
