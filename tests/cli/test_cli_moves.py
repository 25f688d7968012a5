"""Renamed manifests, and two folders with one state.

Nothing trains twice, and no serving model is deleted.
"""

from __future__ import annotations

import json
from typing import Any

from tests.cli.harness import Project, identity, kill, model, stack, until

OLD, NEW = "TunedModel/faq", "TunedModel/faq-new"


def rename(project: Project, **changes: Any) -> None:
    """Apply faq, then declare it as faq-new."""
    project.declare(model("faq"))
    project.apply()
    project.service.forget_log()
    project.declare(model("faq-new", spec={"display_name": "faq"}, **changes))


def test_a_rename_trains_nothing_and_deletes_nothing(project: Project) -> None:
    """The plan shows old -> new and exits 2. Apply moves the record, and the same model serves."""
    rename(project)
    shown = project.plan("--detailed-exitcode", expect=2).out
    assert f"{OLD} -> {NEW}" in shown
    assert "metadata.moved_from: faq" in shown
    assert "Plan: 1 to move." in shown
    project.apply()
    assert project.service.sent("POST", "PATCH", "DELETE") == []
    assert project.recorded() == [NEW]
    assert project.record("faq-new")["id"] == identity("faq")
    project.settled()
    assert project.run("output", "faq-new").out.strip().endswith(identity("faq"))


def test_a_rename_in_the_plan_json_is_a_no_op_with_its_previous_address(project: Project) -> None:
    """A rename looks as in Terraform's JSON, in the saved plan and in the events.

    Applying the saved plan moves it.
    """
    rename(project)
    (change,) = project.plan_json()["resource_changes"]
    assert (change["address"], change["previous_address"]) == (NEW, OLD)
    assert change["change"]["actions"] == ["no-op"]
    records = project.run("plan", "--json").records()
    (planned,) = [record["change"] for record in records if record["type"] == "planned_change"]
    assert (planned["action"], planned["previous_resource"]["addr"]) == ("move", OLD)
    project.run("apply", "judged.plan", expect=0)
    assert project.recorded() == [NEW]
    assert project.service.creates() == 0


def test_a_rename_in_a_part_of_the_manifests_asks_for_moved_from(project: Project) -> None:
    """With one file or --target, an error names both addresses. With `moved_from` the record moves."""
    rename(project)
    for arguments in (("manifests/models.yaml",), ("--target", "faq-new")):
        refused = project.plan(*arguments, expect=1).err
        assert OLD in refused
        assert NEW in refused
        assert "metadata.moved_from: faq" in refused
    project.declare(
        model("faq-new", spec={"display_name": "faq"}, metadata={"name": "faq-new", "moved_from": "faq"})
    )
    project.apply("manifests/models.yaml")
    assert project.recorded() == [NEW]
    assert project.service.creates() == 0
    project.settled()


def test_moved_from_finds_the_model_when_the_state_is_lost(project: Project) -> None:
    """The model's id has the old name, which `moved_from` keeps. In a named Stack the line is not needed."""
    for documents in ((), (stack("numbers"),)):
        moved = {} if documents else {"moved_from": "faq"}
        project.declare(*documents, model("faq"))
        project.apply()
        project.state_file.unlink()
        project.service.forget_log()
        new = model("faq-new", spec={"display_name": "faq"}, metadata={"name": "faq-new", **moved})
        project.declare(*documents, new)
        project.apply()
        assert project.service.creates() == 0
        project.settled()
        project.run("destroy", "--auto-approve", expect=0)
        project.state_file.unlink()


def test_moved_from_is_held_against_what_is_declared(project: Project) -> None:
    """Offline checks refuse a declared address, another kind, the own name, and a second taker."""
    moved = [model(name, metadata={"name": name, "moved_from": "faq"}) for name in ("a", "b")]
    itself = model("c", metadata={"name": "c", "moved_from": "TunedModel/c"})
    other = model("d", metadata={"name": "d", "moved_from": "TuningJob/d"})
    project.declare(*moved, itself, other)
    said = project.run("validate", expect=1).err
    assert "TunedModel/faq became TunedModel/a already" in said
    assert "TunedModel/c is already its name" in said
    assert "TuningJob/d is of another kind" in said
    project.declare(model("faq"), moved[0])
    assert "TunedModel/faq is still declared" in project.run("validate", expect=1).err


def test_a_rename_that_is_killed_at_once_has_one_address_at_any_time(project: Project) -> None:
    """One write removes the old name and adds the new one. A kill before the write loses nothing."""
    rename(project)
    with project.start("apply", "--auto-approve") as process:
        until(lambda: project.recorded() == [NEW] or process.poll() is not None)
        kill(process)
    project.apply()
    assert project.recorded() == [NEW]
    assert project.service.creates() == 0


def two_folders(project: Project, *documents: dict[str, object]) -> None:
    """Declare a model in each of two folders, with the same other documents in both."""
    for name in ("a", "b"):
        project.declare(*documents, model(name), file=f"manifests/{name}/{name}.yaml")


def test_two_folders_with_one_state_delete_nothing_of_each_other(project: Project) -> None:
    """Without a Stack the second apply is refused. The error names the address and path and gives advice."""
    two_folders(project)
    project.apply("manifests/a")
    assert project.record("a")["manifest"] == "manifests/a/a.yaml"
    project.service.forget_log()
    for command in (("plan",), ("apply", "--auto-approve")):
        refused = project.run(*command, "manifests/b", expect=1).err
        assert "TunedModel/a would be deleted" in refused
        for words in (
            "manifests/a/a.yaml",
            "kind: Stack",
            "--state",
            "state rm TunedModel/a",
        ):
            assert words in refused
    assert project.service.sent("POST", "DELETE") == []
    project.apply("manifests")
    assert project.recorded() == ["TunedModel/a", "TunedModel/b"]
    assert "manifests/a/a.yaml" in project.run("destroy", "--auto-approve", "manifests/b", expect=1).err
    project.run("destroy", "--auto-approve", expect=0)
    assert project.service.models() == {}


def test_a_state_that_kept_no_path_deletes_nothing_without_a_stack(project: Project) -> None:
    """A record of an older version has no path, so it may be declared elsewhere.

    An apply that declares it records the path.
    """
    project.declare(model("one"), file="manifests/one.yaml")
    project.declare(model("two"), file="manifests/two.yaml")
    project.apply()
    state = project.state()
    for record in state["resources"]:
        del record["manifest"]
    project.state_file.write_text(json.dumps({**state, "version": 1}))
    (project.root / "manifests" / "two.yaml").unlink()
    assert "a version that kept no path" in project.apply(expect=1).err
    project.declare(model("two"), file="manifests/two.yaml")
    project.apply()
    assert project.state()["version"] == 2
    (project.root / "manifests" / "two.yaml").unlink()
    project.apply()
    assert project.recorded() == ["TunedModel/one"]


def test_a_changed_path_is_recorded_and_an_unchanged_one_writes_nothing(project: Project) -> None:
    """After a manifest moves to another file, the plan is empty and apply writes the new path once."""
    project.declare(model("one"), file="manifests/one.yaml")
    project.apply()
    (project.root / "manifests" / "deep").mkdir()
    (project.root / "manifests" / "one.yaml").rename(project.root / "manifests" / "deep" / "one.yaml")
    project.settled()
    project.apply()
    assert project.record("one")["manifest"] == "manifests/deep/one.yaml"
    before = project.state_file.read_bytes()
    project.apply()
    assert project.state_file.read_bytes() == before


def test_paths_are_relative_to_the_git_root(project: Project) -> None:
    """The recorded path is the same from every folder of the work tree."""
    (project.root.parent / ".git").mkdir()
    project.declare(model("one"))
    project.apply(str(project.root / "manifests"))
    assert project.record("one")["manifest"] == "project/manifests/models.yaml"
    before = project.state_file.read_bytes()
    project.apply("manifests")
    assert project.state_file.read_bytes() == before


def test_a_twin_in_another_file_is_no_former_name(project: Project) -> None:
    """A run on one file checks whether the other file still declares the twin.

    Only an undeclared twin is renamed.
    """
    project.declare(model("one"), file="manifests/one.yaml")
    project.declare(model("two"), file="manifests/two.yaml")
    project.apply("manifests/one.yaml")
    project.apply("manifests/two.yaml")
    assert project.recorded() == ["TunedModel/one", "TunedModel/two"]
    project.declare(model("three"), file="manifests/three.yaml")
    project.declare(model("one-more", pairs=[("1", "2")]), file="manifests/one.yaml")
    assert "metadata.moved_from: one" in project.plan("manifests/three.yaml", expect=1).err
