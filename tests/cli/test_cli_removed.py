"""`kind: Removed` takes an address out of the state, and deletes its model or keeps it."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.harness import Project, model


def removed(address: str = "TunedModel/one", *, destroy: bool = False) -> dict[str, Any]:
    """A document of kind Removed."""
    spec = {"address": address, "destroy": destroy}
    return {
        "apiVersion": "reconciler/v1",
        "kind": "Removed",
        "metadata": {"name": "what we had"},
        "spec": spec,
    }


def test_a_protected_model_is_forgotten_and_stays(project: Project) -> None:
    """Every format of the plan says that the model stays. Apply calls nothing, and a second plan is empty."""
    service = project.service
    project.declare(model("one", lifecycle={"prevent_destroy": True}), model("two"))
    project.apply()
    (id,) = [id for id in service.models() if id.startswith("one-")]
    project.declare(removed(), model("two"))
    shown = project.plan().out
    assert "  . TunedModel/one will be forgotten" in shown
    assert f"note: {id} stays at the service, and nobody manages it" in shown
    entry = project.plan_json()["resource_changes"][0]
    assert (entry["address"], entry["change"]["actions"]) == ("TunedModel/one", ["forget"])
    markdown = project.plan("--format", "markdown").out
    assert f"{id} stays at the service, and nobody manages it" in markdown
    service.forget_log()
    done = project.apply()
    assert "TunedModel/one: forgotten" in done.out
    assert service.sent("POST", "PATCH", "DELETE") == []
    assert id in service.models()
    assert "TunedModel/one" not in project.state_file.read_text(encoding="utf-8")
    project.settled()


def test_destroy_deletes_the_model_in_a_run_on_one_file(project: Project) -> None:
    """A file with only the Removed document is enough, and no other model is deleted."""
    service = project.service
    project.declare(model("one"), model("two"))
    project.apply()
    project.declare(model("two"))
    project.write("manifests/gone.yaml", json.dumps(removed(destroy=True)))
    entry = project.plan_json("manifests/gone.yaml")["resource_changes"][0]
    assert entry["change"]["actions"] == ["delete"]
    assert entry["action_reason"] == "delete_because_no_resource_config"
    project.run("apply", "--auto-approve", "manifests/gone.yaml")
    assert [id.rpartition("-")[0] for id in service.models()] == ["two"]
    project.settled()


def test_what_trains_is_not_removed(project: Project) -> None:
    """A model in training is refused with the document's place. After `wait` it can be removed."""
    project.declare(model("one"))
    project.service.freeze()
    project.run("apply", "--auto-approve", "--no-wait")
    project.declare(removed())
    refused = project.plan(expect=1)
    assert "manifests/models.yaml:1: " in refused.err
    assert "TunedModel/one is Removed, and its model one-" in refused.err
    assert "reconciler wait" in refused.err
    project.service.advance()
    project.run("wait")
    project.apply()
    assert len(project.service.models()) == 1
    project.settled()


def test_a_saved_plan_that_forgets_never_deletes(project: Project) -> None:
    """Without the document the record would mean a deletion, so the saved plan is refused as out of date."""
    project.declare(model("one"), model("two"))
    project.apply()
    project.declare(removed(), model("two"))
    project.plan("--out", "saved.plan")
    project.declare(model("two"))
    refused = project.run("apply", "saved.plan", expect=1)
    assert "the plan said forget, by now it would say delete" in refused.err
    assert len(project.service.models()) == 2
