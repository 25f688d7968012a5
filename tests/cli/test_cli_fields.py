"""Fields and permissions: which are patched, ignored, or left to the server (design 2.1, 3)."""

from __future__ import annotations

from typing import Any

from tests.cli.harness import Project, identity, model

ML = {"grantee_type": "GROUP", "email_address": "ml@example.com", "role": "READER"}
ANN = {"grantee_type": "USER", "email_address": "ann@example.com", "role": "WRITER"}


MUTABLE: list[tuple[dict[str, Any], tuple[str, Any]]] = [
    ({"display_name": "another name"}, ("displayName", "another name")),
    ({"description": "counts"}, ("description", "counts")),
    ({"temperature": 0.25}, ("temperature", 0.25)),
    ({"top_p": 0.5}, ("topP", 0.5)),
    ({"top_k": 7}, ("topK", 7)),
    ({"reader_project_numbers": [123, 456]}, ("readerProjectNumbers", ["123", "456"])),
]


def test_mutable_fields_are_patched_in_place(project: Project) -> None:
    """Each field gets one PATCH that sets only it. Nothing trains, and the ids do not change."""
    names = [f"m{n}" for n in range(len(MUTABLE))]
    project.declare(*(model(name) for name in names))
    project.apply()
    project.declare(*(model(name, spec=spec) for name, (spec, _) in zip(names, MUTABLE, strict=True)))
    assert project.actions() == {f"TunedModel/{name}": [["update"]] for name in names}
    project.service.forget_log()
    project.apply()
    patches = sorted(path for method, path in project.service.sent() if method == "PATCH")
    assert patches == sorted(f"/v1beta/tunedModels/{identity(name)}" for name in names)
    assert project.service.creates() == 0
    live = project.service.models()
    for name, (_, (field, value)) in zip(names, MUTABLE, strict=True):
        assert live[identity(name)][field] == value
    project.settled()


def test_a_patch_touches_the_masked_field_only(project: Project) -> None:
    """A field that the manifest does not declare keeps its live value."""
    project.declare(model("one"))
    project.apply()
    project.service.patch(identity("one"), "description,temperature", description="theirs", temperature=0.125)
    project.settled()
    project.declare(model("one", spec={"display_name": "new"}))
    project.apply()
    live = project.service.models()[identity("one")]
    assert (live["displayName"], live["description"], live["temperature"]) == ("new", "theirs", 0.125)


def test_server_defaults_are_no_difference(project: Project) -> None:
    """A model without temperature, top_p, top_k and hyperparameters has an empty plan after one apply."""
    document = model("bare", hyperparameters={})
    del document["spec"]["display_name"]
    project.declare(document)
    project.apply()
    assert "temperature" in project.service.models()[identity("bare", hyperparameters={})]
    project.settled()


def test_float32_rounding_is_no_difference(project: Project) -> None:
    """0.1 and 0.7 are no exact float32 numbers, and the plan is empty all the same."""
    project.declare(model("one", spec={"temperature": 0.7, "top_p": 0.1}))
    project.apply()
    project.settled()


def test_small_learning_rates_differ(project: Project) -> None:
    """Learning rates of 1e-7 and 4e-7 are different trainings."""
    project.declare(model("one", hyperparameters={"learning_rate": 1e-7}))
    project.apply()
    project.declare(model("one", hyperparameters={"learning_rate": 4e-7}))
    project.plan("--detailed-exitcode", expect=2)


def test_ignore_changes_leaves_a_field_alone(project: Project) -> None:
    """An ignored field is neither patched nor shown as a change, whoever changed it."""
    project.declare(model("one", spec={"description": "ours"}, lifecycle={"ignore_changes": ["description"]}))
    project.apply()
    project.service.patch(identity("one"), "description", description="theirs")
    project.settled()
    project.declare(
        model("one", spec={"description": "ours again"}, lifecycle={"ignore_changes": ["description"]})
    )
    project.settled()
    assert project.service.models()[identity("one")]["description"] == "theirs"


def test_ignore_changes_of_an_immutable_field_is_an_error(project: Project) -> None:
    """Ignoring an immutable field is refused, because a lost state could not find the model by its id."""
    ignoring = {"ignore_changes": ["tuning_task.hyperparameters.epoch_count"]}
    project.declare(model("one", lifecycle=ignoring))
    assert "tuning_task.hyperparameters.epoch_count" in project.run("validate", expect=1).err


def test_a_released_field_stays_and_is_said_once(project: Project) -> None:
    """A field removed from the manifest keeps its live value. The plan says so once."""
    project.declare(model("one", spec={"description": "ours"}))
    project.apply()
    project.declare(model("one"))
    first = project.plan("--detailed-exitcode", expect=None)
    assert "TunedModel/one: description is no longer declared and left as before\n" in first.out
    project.apply()
    assert project.service.models()[identity("one")]["description"] == "ours"
    second = project.plan("--detailed-exitcode", expect=0)
    assert "description" not in second.out


def test_a_default_written_out_never_retrains(project: Project) -> None:
    """Declaring the value that the server chose trains nothing."""
    project.declare(model("one", hyperparameters={"batch_size": 4, "learning_rate": 0.001}))
    project.apply()
    live = project.service.models()
    epochs = next(iter(live.values()))["tuningTask"]["hyperparameters"]["epochCount"]
    project.declare(
        model("one", hyperparameters={"batch_size": 4, "learning_rate": 0.001, "epoch_count": epochs})
    )
    project.apply()
    assert list(project.service.models()) == list(live)
    assert project.service.creates() == 1
    project.settled()


def test_live_changes_are_set_right_again(project: Project) -> None:
    """The next apply updates a declared field back after somebody changed it."""
    project.declare(model("one", spec={"description": "ours"}))
    project.apply()
    project.service.patch(identity("one"), "description", description="theirs")
    project.apply()
    assert project.service.models()[identity("one")]["description"] == "ours"
    project.settled()


def test_permissions_are_created_changed_and_deleted(project: Project) -> None:
    """Permissions follow the manifest: apply adds, changes and removes them."""
    id = identity("one")
    project.declare(model("one", permissions=[ML]))
    project.apply()
    assert project.service.permissions(id) == {("GROUP", "ml@example.com", "READER")}
    project.declare(model("one", permissions=[{**ML, "role": "WRITER"}, ANN]))
    assert project.actions() == {"TunedModel/one": [["update"]]}
    project.apply()
    assert project.service.permissions(id) == {
        ("GROUP", "ml@example.com", "WRITER"),
        ("USER", "ann@example.com", "WRITER"),
    }
    project.settled()
    project.declare(model("one", permissions=[]))
    project.apply()
    assert project.service.permissions(id) == set()
    project.settled()
    assert project.service.creates() == 1


def test_absent_permissions_are_not_managed(project: Project) -> None:
    """Without the key, other people's grants stay. With an empty list, apply removes them."""
    id = identity("one")
    project.declare(model("one"))
    project.apply()
    project.service.call(
        "POST",
        f"v1beta/tunedModels/{id}/permissions",
        {"granteeType": "USER", "emailAddress": "eve@example.com", "role": "READER"},
    )
    project.settled()
    project.declare(model("one", permissions=[]))
    project.plan("--detailed-exitcode", expect=2)
    project.apply()
    assert project.service.permissions(id) == set()


def test_a_foreign_grant_is_a_difference(project: Project) -> None:
    """With managed permissions, apply removes a grant that somebody else added."""
    id = identity("one")
    project.declare(model("one", permissions=[ML]))
    project.apply()
    project.service.call(
        "POST", f"v1beta/tunedModels/{id}/permissions", {"granteeType": "EVERYONE", "role": "READER"}
    )
    project.plan("--detailed-exitcode", expect=2)
    project.run("drift", expect=2)
    project.apply()
    assert project.service.permissions(id) == {("GROUP", "ml@example.com", "READER")}


def test_a_refused_permission_is_4_and_keeps_the_candidate(project: Project) -> None:
    """A refused permission stops the promotion. The next apply continues without training."""
    project.declare(model("one", permissions=[ML]))
    project.service.fault(
        {
            "method": "POST",
            "path": "permissions",
            "status": 403,
            "times": 50,
            "body": {"error": {"code": 403, "message": "Only OAuth.", "status": "PERMISSION_DENIED"}},
        }
    )
    assert "Only OAuth." in project.apply(expect=4).err
    assert not project.record("one").get("id")
    project.service.heal()
    project.apply()
    assert project.service.creates() == 1
    assert project.record("one")["id"] == identity("one")


def test_labels_are_ours_alone(project: Project) -> None:
    """A changed label in the manifest sends no update to the service."""
    project.declare(model("one", metadata={"labels": {"team": "search"}}))
    project.apply()
    project.declare(model("one", metadata={"labels": {"team": "ads"}}))
    project.service.forget_log()
    project.apply()
    assert project.service.sent("PATCH", "POST", "DELETE") == []
    project.settled()


def test_tuned_model_source_trains_on_the_parents_live_id(project: Project) -> None:
    """A child waits for its parent's training and is tuned from the parent's live id."""
    parent = model("parent")
    child = model(
        "child", spec={"base_model": None, "tuned_model_source": {"tuned_model": "TunedModel/parent"}}
    )
    project.declare(parent, child)
    project.apply()
    source = f"tunedModels/{identity('parent')}"
    live = project.service.models()
    assert set(live) == {identity("parent"), identity("child", source=source)}
    assert live[identity("child", source=source)]["tunedModelSource"]["tunedModel"] == source
    project.settled()
