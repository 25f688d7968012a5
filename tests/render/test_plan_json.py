"""The plan JSON as policies and bots read it."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from reconciler.codec import Json
from reconciler.difference import PermissionChange
from reconciler.plan.change import Action, Change, Plan, Reason
from reconciler.plan.steps import (
    Adopt,
    AwaitDeployment,
    AwaitDrain,
    AwaitEnd,
    AwaitTraining,
    ChooseCheckpoint,
    Create,
    CreateEndpoint,
    Delete,
    DeleteEndpoint,
    DeleteFirst,
    DeleteReplaced,
    Deploy,
    Ending,
    Forget,
    ForgetDeposed,
    GoBack,
    HoldBack,
    Move,
    Promote,
    RecordIntent,
    ReportFailure,
    Restore,
    Role,
    RunChecks,
    SetDefaultCheckpoint,
    SetPermissions,
    Step,
    Steps,
    Undeploy,
    Update,
)
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from reconciler.render.plan_json import (
    build_change_entry,
    build_drift_document,
    build_plan_document,
    find_action_reason,
    list_actions,
    nest_paths,
)
from reconciler.state.values import Record
from tests.limits import examples
from tests.render import plans
from tests.render.strategies import SECRET
from tests.render.strategies import plans as any_plan


def body(change: Change) -> dict[str, Json]:
    """The `change` of a resource change."""
    found = build_change_entry(change, TUNED_MODEL)["change"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (plans.CREATE, ["create"]),
        (plans.UPDATE, ["update"]),
        (plans.REPLACE, ["create", "delete"]),
        (plans.REPLACE_IN_PLACE, ["delete", "create"]),
        (plans.DELETE, ["delete"]),
        (plans.DELETE_DEPOSED, ["delete"]),
        (plans.ADOPT, ["no-op"]),
        (plans.WAIT, ["no-op"]),
        (plans.COMPLETE, ["update"]),
        (plans.CHECK_AGAIN, ["no-op"]),
        (plans.RESTORE, ["no-op"]),
        (replace(plans.RESTORE, steps=(Update(Role.CANDIDATE, {"top_k": 2}),)), ["update"]),
        (plans.FORGET, ["forget"]),
        (plans.MOVE, ["no-op"]),
        (plans.RECORD, ["no-op"]),
        (plans.FAILED, ["no-op"]),
        (plans.NO_OP, ["no-op"]),
    ],
)
def test_actions(change: Change, expected: list[str]) -> None:
    """Each action has Terraform's words, in the order in which they happen."""
    assert list_actions(change.steps) == expected


GRANT = PermissionChange(None, plans.GROUP)
RECORD = Record(plans.address("x"), serving=plans.model("x-1"))
ACTIONS: dict[type[Step], list[tuple[Step, list[str]]]] = {
    Move: [(Move(plans.address("y"), RECORD), ["no-op"])],
    RecordIntent: [(RecordIntent(RECORD), ["no-op"])],
    Adopt: [(Adopt(RECORD), ["no-op"])],
    Restore: [(Restore(RECORD), ["no-op"])],
    GoBack: [(GoBack(RECORD, "x-2"), ["update"])],
    DeleteFirst: [(DeleteFirst("x-1"), ["delete", "create"])],
    Create: [(Create("x-1"), ["create"]), (Create("x-2", replaces="x-1"), ["create", "delete"])],
    AwaitTraining: [(AwaitTraining(), ["no-op"])],
    AwaitEnd: [(AwaitEnd("x-1"), ["no-op"])],
    Update: [(Update(Role.SERVING, {"top_k": 2}), ["update"])],
    SetPermissions: [
        (SetPermissions(Role.SERVING, (plans.GROUP,), (GRANT,)), ["update"]),
        (SetPermissions(Role.SERVING, (plans.GROUP,)), ["no-op"]),
    ],
    RunChecks: [(RunChecks(plans.TWO_CHECKS), ["no-op"])],
    ChooseCheckpoint: [(ChooseCheckpoint(Role.SERVING, "best"), ["no-op"])],
    SetDefaultCheckpoint: [(SetDefaultCheckpoint(Role.SERVING, "3"), ["update"])],
    Promote: [(Promote(Ending.CREATE), ["no-op"])],
    HoldBack: [(HoldBack(), ["no-op"])],
    DeleteReplaced: [(DeleteReplaced("x-1"), ["delete"])],
    Delete: [(Delete("x-1"), ["delete"])],
    Forget: [(Forget(), ["forget"])],
    ForgetDeposed: [(ForgetDeposed("x-1"), ["forget"])],
    ReportFailure: [(ReportFailure("13 INTERNAL", ""), ["no-op"])],
    CreateEndpoint: [(CreateEndpoint("e-1"), ["no-op"])],
    Deploy: [(Deploy(Role.SERVING, "e-1"), ["no-op"])],
    AwaitDeployment: [(AwaitDeployment(Role.SERVING, "e-1"), ["no-op"])],
    AwaitDrain: [(AwaitDrain(60), ["no-op"])],
    Undeploy: [(Undeploy("e-1", ("d-1",)), ["no-op"])],
    DeleteEndpoint: [(DeleteEndpoint("e-1"), ["no-op"])],
}


def test_each_step_has_terraforms_actions() -> None:
    """What a step alone does to a model; what only records, waits or concerns an endpoint is a no-op."""
    assert set(ACTIONS) == set(get_args(Step))
    for rows in ACTIONS.values():
        for step, expected in rows:
            assert list_actions([step]) == expected, step


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ((Restore(RECORD), AwaitTraining(), Update(Role.CANDIDATE, {"top_k": 2})), ["update"]),
        ((AwaitTraining(), Update(Role.CANDIDATE, {"top_k": 2})), ["no-op"]),
        ((AwaitDeployment(Role.SERVING, "e-1"), SetDefaultCheckpoint(Role.SERVING, "3")), ["no-op"]),
    ],
)
def test_what_follows_another_step(done: Steps, expected: list[str]) -> None:
    """The first step that changes the model decides, and so does a wait for a training or deployment."""
    assert list_actions(done) == expected


def test_a_move_names_the_address_that_it_had() -> None:
    """A move has Terraform's previous_address, and an output under each of its two names."""
    entry = build_change_entry(plans.MOVE, TUNED_MODEL)
    assert (entry["address"], entry["previous_address"]) == ("TunedModel/faq-new", "TunedModel/faq")
    assert "previous_address" not in build_change_entry(plans.UPDATE, TUNED_MODEL)
    outputs = build_plan_document(plans.EVERYTHING, plans.KINDS)["output_changes"]
    assert isinstance(outputs, dict)
    assert outputs["TunedModel/faq"] == {"actions": ["delete"], "after": None}
    assert outputs["TunedModel/faq-new"] == {"actions": ["create"], "after": "tunedModels/faq-55555555"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (plans.REPLACE, "replace_because_cannot_update"),
        (plans.REPLACE_KEPT, "replace_by_request"),
        (replace(plans.REPLACE, reason=Reason.RETRY), "replace_because_tainted"),
        (plans.DELETE, "delete_because_no_resource_config"),
        (plans.DELETE_DEPOSED, ""),
        (plans.CREATE, ""),
    ],
)
def test_action_reason(change: Change, reason: str) -> None:
    """The reason is one of Terraform's. It is absent if Terraform has no reason for it."""
    assert find_action_reason(change) == reason
    assert build_change_entry(change, TUNED_MODEL).get("action_reason", "") == reason


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(any_plan)
def test_any_plan_is_json_without_training_data(plan: Plan) -> None:
    """Every plan can be written, has an entry for each change in its order, and holds no example."""
    document = json.loads(json.dumps(build_plan_document(plan, plans.KINDS), allow_nan=False))
    assert SECRET not in json.dumps(document)
    entries = [one["address"] for one in document["resource_changes"]]
    assert entries[: len(plan.changes)] == [str(one.address) for one in plan.changes]
    assert all(address.endswith("/endpoint") for address in entries[len(plan.changes) :])
    assert len(document["reconciler"]["changes"]) == len(plan.changes)
    assert len(document["reconciler"]["drift"]) == len(document["resource_drift"]) == len(plan.drift)


def test_the_keys_that_tools_look_for() -> None:
    """conftest, PR bots and dashboards find the keys that Terraform writes."""
    document = build_plan_document(plans.EVERYTHING, plans.KINDS)
    assert document["format_version"] == "1.2"
    assert document["variables"] == {"team": {"value": "search"}}
    assert (document["applyable"], document["complete"], document["errored"]) == (True, False, False)
    entries = document["resource_changes"]
    assert isinstance(entries, list)
    for entry in entries:
        assert isinstance(entry, dict)
        assert {"address", "mode", "type", "name", "provider_name", "change"} <= set(entry)
        change = entry["change"]
        assert isinstance(change, dict)
        assert {"actions", "before", "after", "after_unknown", "before_sensitive", "after_sensitive"} <= set(
            change
        )


@pytest.mark.parametrize(
    ("changes", "applyable"),
    [((), False), ((plans.NO_OP, plans.FAILED), False), ((plans.WAIT,), True), ((plans.CREATE,), True)],
)
def test_applyable(changes: tuple[Change, ...], applyable: bool) -> None:  # noqa: FBT001
    """A plan is applyable if apply would do something."""
    assert build_plan_document(Plan(changes), plans.KINDS)["applyable"] is applyable


def test_attributes_are_nested_like_the_manifest() -> None:
    """Dotted paths become objects, beside the id and the data's digest and counts."""
    after = body(plans.CREATE)["after"]
    assert isinstance(after, dict)
    assert after["tuning_task"] == {
        "hyperparameters": {"batch_size": 2, "epoch_count": 5, "learning_rate": 0.001},
        "training_data": {"digest": plans.NEW_DIGEST, "examples": 18, "characters": 812},
    }
    assert after["id"] == "number-generator-k3j5h2l1"
    assert body(plans.CREATE)["before"] is None
    assert body(plans.CREATE)["before_sensitive"] is False


def test_what_forces_a_replacement_is_named() -> None:
    """replace_paths point into before and after."""
    change = body(plans.REPLACE)
    assert change["replace_paths"] == [
        ["tuning_task", "hyperparameters", "epoch_count"],
        ["tuning_task", "training_data"],
    ]
    before, after = change["before"], change["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert (before["id"], after["id"]) == ("roman-eeeeeeee", "roman-ffffffff")
    assert "replace_paths" not in body(plans.REPLACE_KEPT)
    assert "replace_paths" not in body(plans.UPDATE)


def test_permissions_before_are_what_is_granted_now() -> None:
    """`before` has the grants that will be revoked and the old roles, but not the grants to add."""
    before = body(plans.UPDATE)["before"]
    assert isinstance(before, dict)
    grants = before["permissions"]
    assert isinstance(grants, list)
    assert [(one["email_address"], one["role"]) for one in grants if isinstance(one, dict)] == [
        ("ann@example.com", "WRITER"),
        ("bob@example.com", "READER"),
    ]


def test_unchanged_data_is_the_same_before_and_after() -> None:
    """If the data does not change, it is equal in before and after."""
    change = body(replace(plans.UPDATE, datasets=(plans.DATA,)))
    before, after = change["before"], change["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert before["tuning_task"] == after["tuning_task"]


def test_a_kind_says_who_serves_it_and_where_its_data_stands() -> None:
    """The provider of an entry is the API of its kind, and a data set's full path is taken as it is."""
    data = replace(plans.DATA, field=TUNING_JOB.data_field)
    job = replace(plans.CREATE, address=plans.address("job", "TuningJob"), datasets=(data,), after={})
    entry = build_change_entry(job, TUNING_JOB)
    assert entry["provider_name"] == "aiplatform.googleapis.com"
    assert (
        build_change_entry(plans.CREATE, TUNED_MODEL)["provider_name"] == "generativelanguage.googleapis.com"
    )
    change = entry["change"]
    assert isinstance(change, dict)
    assert isinstance(change["after"], dict)
    assert change["after"]["supervised_tuning_spec"] == {
        "training_dataset_uri": {"digest": plans.NEW_DIGEST, "examples": 18, "characters": 812}
    }


def test_adopting_is_importing() -> None:
    """Only an adoption has importing, with the id."""
    importing = {change.address.name for change in plans.CHANGES if "importing" in body(change)}
    assert importing == {"adopted"}
    assert body(plans.ADOPT)["importing"] == {"id": "adopted-v1"}


def test_deposed_models_are_marked() -> None:
    """The deletion of a deposed model differs from the deletion of its address."""
    assert build_change_entry(plans.DELETE_DEPOSED, TUNED_MODEL)["deposed"] == "roman-00000000"
    assert "deposed" not in build_change_entry(plans.DELETE, TUNED_MODEL)


def test_only_outputs_that_change_are_listed() -> None:
    """A model that continues to serve is not an output change."""
    changed = build_plan_document(plans.EVERYTHING, plans.KINDS)["output_changes"]
    assert isinstance(changed, dict)
    assert changed["TunedModel/roman"] == {"actions": ["update"], "after_unknown": True}
    assert changed["TunedModel/retired"] == {"actions": ["delete"], "after": None}
    assert not {"TunedModel/steady", "TunedModel/support-bot", "TunedModel/slow"} & set(changed)


def test_every_action_has_an_entry() -> None:
    """No action is left out of the document, quiet ones included."""
    for action in Action:
        assert (
            build_change_entry(replace(plans.CREATE, action=action), TUNED_MODEL)["address"]
            == "TunedModel/number-generator"
        )


def test_the_drift_document_has_classes() -> None:
    """Each finding has its class, and perhaps a date. An undeclared model has its resource name."""
    document = build_drift_document(plans.DRIFTS, plans.CONTEXT, plans.KINDS)
    found = document["resource_drift"]
    assert isinstance(found, list)
    assert [(one["address"], one["class"]) for one in found if isinstance(one, dict)] == [
        ("TunedModel/support-bot", "changed"),
        ("TunedModel/lost", "missing"),
        ("TunedModel/broken", "failed"),
        ("tunedModels/by-hand-1", "unmanaged"),
        ("TunedModel/steady", "base_retired"),
        ("TunedModel/steady", "base_retired"),
        ("TunedModel/back", "held_back"),
    ]
    offered, dated = found[-3:-1]
    assert isinstance(offered, dict)
    assert isinstance(dated, dict)
    assert {"retires", "or_later", "days_left"} & offered.keys() == set()
    assert [dated[key] for key in ("retires", "or_later", "days_left")] == ["2026-12-01", True, 9]
    ours = document["reconciler"]
    assert isinstance(ours, dict)
    assert ours["drifted"] is True


def test_nest_paths_keeps_both_of_a_clash() -> None:
    """If a path is both a value and a prefix, both values are kept."""
    assert nest_paths({"a": 1, "a.b": 2, "c.d": 3, "c.e": 4}) == {"a": 1, "a.b": 2, "c": {"d": 3, "e": 4}}


def test_programs_go_on_calling_a_stable_endpoint() -> None:
    """A switch and a rollback on it change no output; an endpoint that is created does."""
    switch = tuple(step for step in plans.SWITCH.steps if not isinstance(step, CreateEndpoint))
    back = (*plans.GO_BACK.steps, AwaitDeployment(Role.SERVING, "support"))
    quiet = Plan((replace(plans.SWITCH, steps=switch), replace(plans.GO_BACK, steps=back)))
    assert build_plan_document(quiet, plans.KINDS)["output_changes"] == {}
    first = replace(plans.SWITCH, serving="")
    assert build_plan_document(Plan((first,)), plans.KINDS)["output_changes"] == {
        "TuningJob/roman": {"actions": ["create"], "after_unknown": True}
    }
