"""Replacing a model: candidate, checks, promotion, then the old model's deletion (design 1, 2.1, 2.3, 3)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.cli.harness import PAIRS, Project, identity, model

CHANGED = [*PAIRS[:-1], ("19", "twenty")]
FAILS = {"train": "", "fail": {"code": 3, "message": "the data is unfit"}, "at": 0.1}


def retrain(project: Project, **changes: Any) -> tuple[str, str]:
    """Apply one model, then declare it with other data. Returns the old and the new id."""
    project.declare(model("one", **changes))
    project.apply()
    project.declare(model("one", pairs=CHANGED, **changes))
    return identity("one"), identity("one", CHANGED)


def test_changed_data_trains_a_candidate_promotes_it_and_only_then_deletes(project: Project) -> None:
    """The requests come in this order: create, permissions, checks, and the old model's DELETE."""
    old, new = retrain(
        project,
        permissions=[{"grantee_type": "GROUP", "email_address": "ml@example.com", "role": "READER"}],
        checks=[{"prompt": "1", "expect": "2"}],
    )
    project.service.forget_log()
    project.apply()
    changing = [
        (method, path)
        for method, path in project.service.sent("POST", "PATCH", "DELETE")
        if "/tunedModels" in path
    ]
    assert changing == [
        ("POST", "/v1beta/tunedModels"),
        ("POST", f"/v1beta/tunedModels/{new}/permissions"),
        ("POST", f"/v1beta/tunedModels/{new}:generateContent"),
        ("DELETE", f"/v1beta/tunedModels/{old}"),
    ]
    assert list(project.service.models()) == [new]
    record = project.record("one")
    assert (record["id"], record["deposed"]) == (new, [])
    project.settled()


def test_while_the_candidate_trains_the_old_one_serves(project: Project) -> None:
    """`output` names the old model until the candidate is promoted."""
    old, new = retrain(project)
    project.service.freeze()
    project.apply("--no-wait")
    record = project.record("one")
    assert (record["id"], record["candidate"]["id"]) == (old, new)
    assert project.run("output", "one", expect=0).out.strip() == f"tunedModels/{old}"
    project.service.advance()
    project.run("wait", expect=0)
    assert project.run("output", "one", expect=0).out.strip() == f"tunedModels/{new}"
    assert list(project.service.models()) == [new]


@pytest.mark.parametrize(
    ("changes", "hyperparameters"),
    [
        ({"hyperparameters": {"batch_size": 8, "learning_rate": 0.001, "epoch_count": 5}}, True),
        ({"hyperparameters": {"batch_size": 4, "learning_rate": 0.002, "epoch_count": 5}}, True),
        ({"spec": {"base_model": "models/gemini-1.5-flash-001-tuning"}}, False),
    ],
)
def test_an_immutable_field_forces_replacement(
    project: Project, changes: dict[str, Any], *, hyperparameters: bool
) -> None:
    """The plan names the field. The actions are create, delete, and replace_paths has the field."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one", **changes))
    change = project.plan_json()["resource_changes"][0]["change"]
    assert change["actions"] == ["create", "delete"]
    assert ("hyperparameters" in str(change["replace_paths"])) is hyperparameters
    assert change["replace_paths"]
    assert "Plan: 1 to replace.\n" in project.plan("--detailed-exitcode", expect=2).out


def test_keep_deposed_keeps_the_old_one_for_its_time(project: Project) -> None:
    """keep_deposed: 24h keeps the old model live and deposed, and the plan is empty in the meantime."""
    old, new = retrain(project, lifecycle={"keep_deposed": "24h"})
    project.apply()
    assert set(project.service.models()) == {old, new}
    record = project.record("one")
    assert record["id"] == new
    assert [deposed["id"] for deposed in record["deposed"]] == [old]
    project.settled()


def test_keep_deposed_passes(project: Project) -> None:
    """After that time, the plan lists the deletion but counts no change, and `wait` deletes the model."""
    old, new = retrain(project, lifecycle={"keep_deposed": "2s"})
    project.apply()
    assert set(project.service.models()) == {old, new}
    time.sleep(2)
    assert f"deposed model {old} will be deleted" in project.plan("--detailed-exitcode", expect=0).out
    project.run("wait", expect=0)
    assert list(project.service.models()) == [new]
    project.settled()


def test_keep_deposed_shortened_deletes_it_with_approval(project: Project) -> None:
    """With a shorter time the kept model is deleted early.

    The plan counts the deletion as a change with `deposed`.
    """
    old, new = retrain(project, lifecycle={"keep_deposed": "24h"})
    project.apply()
    project.declare(model("one", pairs=CHANGED))
    changes = [change for change in project.plan_json()["resource_changes"] if change.get("deposed")]
    assert [(change["change"]["actions"], change["deposed"]) for change in changes] == [(["delete"], old)]
    project.apply()
    assert list(project.service.models()) == [new]


def test_going_back_to_a_deposed_model_restores_it_and_trains_nothing(project: Project) -> None:
    """A manifest that matches a deposed ACTIVE model makes it serve again."""
    old, new = retrain(project, lifecycle={"keep_deposed": "24h"})
    project.apply()
    project.service.forget_log()
    project.declare(model("one", lifecycle={"keep_deposed": "24h"}))
    project.apply()
    assert project.service.creates() == 0
    assert project.record("one")["id"] == old
    assert new in project.service.models()
    project.settled()


def test_changing_the_manifest_while_it_trains_replaces_the_candidate(project: Project) -> None:
    """A new candidate is created, and the unfinished one is deposed and then deleted. The bill says so."""
    project.service.freeze()
    project.declare(model("one"))
    project.apply("--no-wait")
    project.declare(model("one", pairs=CHANGED))
    assert "Plan: 1 to replace, 1 to delete.\n" in project.plan("--detailed-exitcode", expect=2).out
    project.apply("--no-wait")
    project.service.advance()
    project.run("wait", expect=0)
    assert list(project.service.models()) == [identity("one", CHANGED)]
    assert project.record("one")["id"] == identity("one", CHANGED)
    project.settled()


def test_wait_after_the_manifest_changed_only_records_and_says_so(project: Project) -> None:
    """If the manifest changed, `wait` promotes and trains nothing, and says why."""
    old, new = retrain(project)
    project.service.freeze()
    project.apply("--no-wait")
    third = [*PAIRS[:-1], ("19", "XX")]
    project.declare(model("one", pairs=third))
    project.service.advance()
    project.service.forget_log()
    result = project.run("wait")
    assert "its manifest has changed since it was approved" in result.all
    assert project.service.sent("POST", "DELETE", "PATCH") == []
    record = project.record("one")
    assert (record["id"], record["candidate"]["id"], record["candidate"]["status"]) == (old, new, "ACTIVE")
    project.service.control("clock", {"frozen": False})
    project.apply()
    assert list(project.service.models()) == [identity("one", third)]
    project.settled()


def test_the_old_model_is_not_deleted_when_the_new_training_fails(project: Project) -> None:
    """A failed candidate leaves the serving model serving: exit 4, output unchanged."""
    old, _ = retrain(project)
    project.service.fault(FAILS)
    result = project.apply(expect=4)
    assert "the data is unfit" in result.err
    assert project.record("one")["id"] == old
    assert project.service.models()[old]["state"] == "ACTIVE"
    assert project.run("output", "one", expect=0).out.strip() == f"tunedModels/{old}"


def test_a_failed_training_is_4_shows_why_and_stays_red(project: Project) -> None:
    """Apply exits 4 with the operation's error. The plan exits 2 and says why.

    A second apply exits 4 without training.
    """
    project.service.fault(FAILS)
    project.declare(model("one"))
    assert "the data is unfit" in project.apply(expect=4).err
    planned = project.plan("--detailed-exitcode", expect=2)
    assert "the data is unfit" in planned.out
    again = project.apply(expect=4)
    assert "the data is unfit" in again.all
    assert project.service.creates() == 1
    assert "--retry-failed" in planned.all
    assert "reconciler apply --retry-failed --target TunedModel/one\n" in again.all
    assert project.record("one")["candidate"]["operation"]


def test_wait_shows_a_failed_training(project: Project) -> None:
    """`wait` exits 4 with the operation's error if a training fails."""
    project.service.freeze()
    project.service.fault(FAILS)
    project.declare(model("one"))
    project.apply("--no-wait")
    project.service.advance()
    assert "the data is unfit" in project.run("wait", expect=4).err


def test_retry_failed_trains_the_next_generation(project: Project) -> None:
    """--retry-failed trains generation 1 under its own id, and the failed model is deleted."""
    project.service.fault(FAILS)
    project.declare(model("one"))
    project.apply(expect=4)
    project.service.heal()
    project.apply("--retry-failed")
    new = identity("one", generation=1)
    assert list(project.service.models()) == [new]
    assert (project.record("one")["id"], project.record("one")["serving"]["generation"]) == (new, 1)
    project.settled()


def test_a_failed_training_heals_by_other_data(project: Project) -> None:
    """Changed data replaces a failed model without --retry-failed."""
    project.service.fault(FAILS)
    project.declare(model("one"))
    project.apply(expect=4)
    project.service.heal()
    project.declare(model("one", pairs=CHANGED))
    project.apply()
    assert list(project.service.models()) == [identity("one", CHANGED)]
    project.settled()


def test_retry_failed_retries_nothing_that_is_well(project: Project) -> None:
    """--retry-failed does not train an ACTIVE model again."""
    project.declare(model("one"))
    project.apply()
    project.apply("--retry-failed")
    assert project.service.creates() == 1


def test_replace_trains_the_next_generation_once(project: Project) -> None:
    """--replace ADDR trains generation 1 of an unchanged model once. The next plan is empty."""
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.apply()
    project.apply("--replace", "TunedModel/one")
    assert project.record("one")["id"] == identity("one", generation=1)
    assert project.service.creates() == 3
    project.settled()
    project.apply("--replace", "one")
    assert project.record("one")["id"] == identity("one", generation=2)
    project.settled()


def test_generations_are_found_again_without_state(project: Project) -> None:
    """After --replace and a lost state, the live generation is adopted."""
    project.declare(model("one"))
    project.apply()
    project.apply("--replace", "one")
    project.state_file.unlink()
    project.apply()
    assert project.service.creates() == 2
    assert project.record("one")["id"] == identity("one", generation=1)
    project.settled()


def test_a_failed_check_is_4_and_nothing_is_promoted(project: Project) -> None:
    """A failed check exits 4 and shows both answers. The old model still serves."""
    old, new = retrain(project)
    project.declare(model("one", pairs=CHANGED, checks=[{"prompt": "1", "expect": "three"}]))
    result = project.apply(expect=4)
    assert f"TunedModel/one: check failed [{new}]: '1' is answered with '2', not 'three'." in result.err
    record = project.record("one")
    assert (record["id"], record["candidate"]["id"]) == (old, new)
    assert set(project.service.models()) == {old, new}
    project.plan("--detailed-exitcode", expect=2)


def test_a_corrected_check_promotes_without_training(project: Project) -> None:
    """After the check is corrected, the next apply runs the checks again and promotes."""
    _, new = retrain(project)
    project.declare(model("one", pairs=CHANGED, checks=[{"prompt": "1", "expect": "three"}]))
    project.apply(expect=4)
    project.declare(model("one", pairs=CHANGED, checks=[{"prompt": "1", "expect": "2"}]))
    project.service.forget_log()
    project.apply()
    assert project.service.creates() == 0
    assert list(project.service.models()) == [new]
    project.settled()


def test_a_failed_first_check_leaves_no_id(project: Project) -> None:
    """Before the first promotion there is no id, so `output` and `generate` refuse."""
    project.declare(model("one", checks=[{"prompt": "1", "expect": "three"}]))
    project.apply(expect=4)
    assert not project.record("one").get("id")
    project.run("output", "one", expect=1)
    project.run("generate", "one", "1", expect=1)


def test_a_check_that_cannot_run_is_unknown_and_3(project: Project) -> None:
    """A lasting 503 makes the result unknown: exit 3 and no promotion. A later apply promotes."""
    project.service.fault({"path": "generateContent", "status": 503, "times": 50})
    project.declare(model("one", checks=[{"prompt": "1", "expect": "2"}]))
    result = project.apply(expect=3)
    assert "reconciler wait" in result.all
    assert not project.record("one").get("id")
    project.service.heal()
    project.run("wait", expect=0)
    assert project.record("one")["id"] == identity("one")
    assert project.service.creates() == 1
    project.settled()


def test_checks_compare_trimmed_text_at_temperature_0(project: Project) -> None:
    """Spaces around the expected text do not matter, and checks ask at temperature 0."""
    project.declare(
        model("one", pairs=[*PAIRS, ("hi", " there\n")], checks=[{"prompt": "hi", "expect": "there  "}])
    )
    project.apply()
    project.settled()


def test_prevent_destroy_keeps_the_old_model_when_replaced(project: Project) -> None:
    """The replacement is trained and promoted. The protected old model stays deposed and is named."""
    old, new = retrain(project, lifecycle={"prevent_destroy": True})
    project.apply()
    assert set(project.service.models()) == {old, new}
    record = project.record("one")
    assert record["id"] == new
    assert [deposed["id"] for deposed in record["deposed"]] == [old]
    planned = project.plan().out
    assert old in planned
    assert "1 model is as declared" in planned
    assert old in project.run("drift").all
    project.declare(model("one", pairs=CHANGED))
    project.apply()
    assert list(project.service.models()) == [new]


def test_prevent_destroy_outlives_its_manifest(project: Project) -> None:
    """The protection is recorded, so plan and apply refuse to delete even without the manifest."""
    project.declare(model("one", lifecycle={"prevent_destroy": True}), model("two", pairs=PAIRS[:10]))
    project.apply()
    project.declare(model("two", pairs=PAIRS[:10]))
    project.service.forget_log()
    for refused in (project.apply(expect=1).err, project.plan(expect=1).err):
        assert "TunedModel/one is protected by prevent_destroy and would be deleted\n" in refused
    assert project.service.sent("DELETE", "POST", "PATCH") == []


def test_prevent_destroy_refuses_destroy_before_its_first_call(project: Project) -> None:
    """`destroy` deletes nothing if one model is protected."""
    project.declare(model("one", lifecycle={"prevent_destroy": True}), model("two", pairs=PAIRS[:10]))
    project.apply()
    project.service.forget_log()
    assert "prevent_destroy" in project.run("destroy", "--auto-approve", expect=1).err
    assert project.service.sent("DELETE", "POST", "PATCH") == []
    assert len(project.service.models()) == 2


def test_prevent_destroy_lifted_lets_destroy(project: Project) -> None:
    """An apply lifts the protection, and then `destroy` deletes."""
    project.declare(model("one", lifecycle={"prevent_destroy": True}))
    project.apply()
    project.declare(model("one"))
    project.apply()
    assert project.record("one")["prevent_destroy"] is False
    project.run("destroy", "--auto-approve", expect=0)
    assert project.service.models() == {}


def test_prevent_destroy_added_later_is_recorded(project: Project) -> None:
    """Adding the protection changes the record without a request to change the service."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one", lifecycle={"prevent_destroy": True}))
    project.service.forget_log()
    project.apply()
    assert project.record("one")["prevent_destroy"] is True
    assert project.service.sent("DELETE", "POST", "PATCH") == []
    project.settled()


def test_prevent_destroy_from_the_stack(project: Project) -> None:
    """Stack.spec.lifecycle applies to models without a setting of their own."""
    from tests.cli.harness import stack

    project.declare(stack("s", lifecycle={"prevent_destroy": True}), model("one"))
    project.apply()
    assert project.record("one")["prevent_destroy"] is True
    project.run("destroy", "--auto-approve", expect=1)


def test_removed_manifest_deletes_the_model(project: Project) -> None:
    """A folder is the whole desired set, so a model whose manifest was removed is deleted and forgotten."""
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.apply()
    project.declare(model("two", pairs=PAIRS[:10]))
    assert project.actions() == {"TunedModel/one": [["delete"]]}
    project.apply()
    assert list(project.service.models()) == [identity("two", PAIRS[:10])]
    assert project.recorded() == ["TunedModel/two"]
    project.settled()


def test_destroy_deletes_all_that_is_recorded_and_nothing_else(project: Project) -> None:
    """An unrecorded model survives, the state ends empty, and a second destroy has nothing to do."""
    project.service.create("foreign-model")
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.apply()
    project.run("destroy", "--auto-approve", expect=0)
    assert list(project.service.models()) == ["foreign-model"]
    assert project.recorded() == []
    project.service.forget_log()
    project.run("destroy", "--auto-approve", expect=0)
    assert project.service.sent("DELETE") == []


def test_destroy_works_without_any_manifest(project: Project) -> None:
    """`destroy` works without manifests. For every other command that is an error."""
    project.declare(model("one"))
    project.apply()
    (project.root / "manifests/models.yaml").unlink()
    for command in (("plan",), ("apply", "--auto-approve"), ("validate",), ("drift",)):
        project.run(*command, expect=1)
    project.run("destroy", "--auto-approve", expect=0)
    assert project.service.models() == {}


def test_destroying_what_is_in_training_cancels_it_first(project: Project) -> None:
    """The operation is cancelled over v1, then the model is deleted.

    The plan says that there is no refund.
    """
    project.service.freeze()
    project.declare(model("one"))
    project.apply("--no-wait")
    assert "its training is cancelled; what it has cost is not refunded\n" in project.plan("--destroy").out
    project.service.forget_log()
    project.run("destroy", "--auto-approve", expect=0)
    sent = project.service.sent("POST", "DELETE")
    assert [method for method, _ in sent] == ["POST", "DELETE"]
    assert sent[0][1].startswith("/v1/")
    assert sent[0][1].endswith(":cancel")
    assert project.service.models() == {}


def test_a_creating_model_that_cannot_be_deleted_is_finished_by_wait(project: Project) -> None:
    """If the service refuses the deletion, the model is deposed and `wait` deletes it later."""
    project.service.settings(delete_creating="refuse")
    project.service.freeze()
    project.service.fault({"path": ":cancel", "status": 404, "times": 50})
    project.declare(model("one"), model("two", pairs=PAIRS[:10]))
    project.apply("--no-wait")
    project.declare(model("two", pairs=PAIRS[:10]))
    project.apply("--timeout", "2s", expect=3)
    project.service.advance()
    project.run("wait", expect=0)
    assert list(project.service.models()) == [identity("two", PAIRS[:10])]
    assert project.recorded() == ["TunedModel/two"]
    project.settled()
