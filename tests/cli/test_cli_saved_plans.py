"""plan --out FILE, apply FILE, show FILE: apply runs exactly that plan or refuses it (design 2.2)."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.emulator.server import run_emulator
from tests.cli.harness import PAIRS, Project, Service, identity, model, stack

CHANGED = [*PAIRS[:-1], ("19", "twenty")]
CHANGING = ("POST", "PATCH", "DELETE")


def saved(project: Project, *arguments: str) -> None:
    """Save a plan as p, and empty the log."""
    project.plan("--out", "p", *arguments)
    project.service.forget_log()


def refused(project: Project, *arguments: str) -> str:
    """Apply p, which must exit 1 without a changing call. Returns the error."""
    result = project.run("apply", "p", *arguments, expect=1)
    assert project.service.sent(*CHANGING) == []
    return result.err


def test_a_saved_plan_is_private_and_needs_no_approval(project: Project) -> None:
    """The file has mode 0600, and `apply FILE` needs neither a terminal nor --auto-approve."""
    project.declare(model("one"))
    saved(project)
    assert stat.S_IMODE((project.root / "p").stat().st_mode) == 0o600
    project.run("apply", "p", expect=0)
    assert list(project.service.models()) == [identity("one")]
    project.settled()


def test_a_plan_file_that_was_world_readable_becomes_private(project: Project) -> None:
    """--out over a file of mode 0644 leaves a file of mode 0600."""
    project.write("p", "old").chmod(0o644)
    project.declare(model("one"))
    project.plan("--out", "p")
    assert stat.S_IMODE((project.root / "p").stat().st_mode) == 0o600


def test_training_data_is_not_in_it(project: Project) -> None:
    """The plan file contains no training text, inline or from a file."""
    project.write(
        "manifests/d.jsonl", json.dumps({"text_input": "secret question", "output": "secret answer"}) + "\n"
    )
    project.declare(model("one", pairs=[("inline question", "inline answer")]), model("two", file="d.jsonl"))
    saved(project)
    text = (project.root / "p").read_text()
    for word in ("secret question", "secret answer", "inline question", "inline answer"):
        assert word not in text


def test_it_runs_exactly_that_plan(project: Project) -> None:
    """The saved plan does not apply what was declared after it was made."""
    project.declare(model("one"), file="manifests/one.yaml")
    saved(project)
    project.declare(model("two"), file="manifests/two.yaml")
    project.run("apply", "p", expect=0)
    assert list(project.service.models()) == [identity("one")]


def test_it_holds_its_paths_variables_and_selection(project: Project) -> None:
    """The plan holds its variables, so it can be applied from another shell without them."""
    project.write(
        "other/m.yaml", json.dumps(model("one", spec={"description": "MARK"})).replace("MARK", "${var.who}")
    )
    project.write("other/n.yaml", json.dumps(model("two")))
    result = project.plan("--out", "p", "--var", "who=search", "--target", "one", "other", expect=None)
    if result.code != 0:
        pytest.fail(result.all)
    project.run("apply", "p", expect=0)
    live = project.service.models()
    assert list(live) == [identity("one")]
    assert live[identity("one")]["description"] == "search"


def test_what_a_plan_is_saved_to_stays_what_it_is(project: Project) -> None:
    """A pipe or a link given to --out stays one. The plan goes into the pipe or the link's target."""
    project.declare(model("one"))
    pipe, link = project.root / "pipe", project.root / "link"
    os.mkfifo(pipe)
    with project.start("plan", "--out", "pipe") as process:
        document = json.loads(pipe.read_bytes())
        process.communicate(timeout=60)
    assert (process.returncode, pipe.is_fifo()) == (0, True)
    assert "format_version" in document
    link.symlink_to("kept/plan")
    project.plan("--out", "link", expect=1)
    (project.root / "kept").mkdir()
    project.plan("--out", "link")
    assert link.is_symlink()
    assert stat.S_IMODE((project.root / "kept" / "plan").stat().st_mode) == 0o600


def test_giving_again_what_it_holds_is_an_error(project: Project) -> None:
    """`apply FILE` refuses paths, variables, selections and guards, a guard of zero included."""
    project.declare(model("one"))
    saved(project)
    for options in (
        ("--var", "a=b"),
        ("--var-file", "f"),
        ("--target", "one"),
        ("--exclude", "one"),
        ("--replace", "one"),
        ("--retry-failed",),
        ("--max-trainings", "5"),
        ("--max-deletes", "0"),
        ("manifests",),
    ):
        named = options[0] if options[0].startswith("--") else "more paths"
        assert f": {named} cannot be given again" in refused(project, *options)


def test_its_guards_are_enforced(project: Project) -> None:
    """A saved plan keeps the guards that it was made with, which allow what the Stack's guards refuse."""
    project.declare(stack("ours", guards={"max_trainings": 0}), model("one"))
    saved(project, "--max-trainings", "1")
    refusal = project.apply(expect=1).err
    assert "the plan starts 1 training, over max_trainings 0: TunedModel/one\n" in refusal
    assert project.service.sent(*CHANGING) == []
    project.run("apply", "p", expect=0)
    assert project.service.creates() == 1


def change_manifest(project: Project) -> None:
    """Declare another field."""
    project.declare(model("one", spec={"description": "moved"}), model("two"))


def change_data(project: Project) -> None:
    """Declare other examples."""
    project.declare(model("one", pairs=CHANGED), model("two"))


def change_record(project: Project) -> None:
    """Forget the record."""
    project.declare(model("one"), model("two"))
    project.run("state", "rm", "one", expect=0)


def change_live_field(project: Project) -> None:
    """Change the live model's field."""
    project.service.patch(identity("one"), "displayName", displayName="theirs")


def delete_live(project: Project) -> None:
    """Delete the live model."""
    project.service.delete(identity("one"))


@pytest.mark.parametrize(
    ("move", "says"),
    [
        (change_manifest, "its manifest or its data has changed"),
        (change_data, "its manifest or its data has changed"),
        (change_record, "its manifest or its data has changed"),
        (change_live_field, "the live model has changed"),
        (delete_live, "the live model is gone"),
    ],
)
def test_what_it_touches_and_moved_is_refused(
    project: Project, move: Callable[[Project], None], says: str
) -> None:
    """The plan is refused by name before any call if a manifest, data, record or live model has changed."""
    project.declare(model("one", spec={"description": "first"}), model("two"))
    project.apply()
    project.declare(model("one", spec={"description": "second"}), model("two"))
    saved(project)
    move(project)
    project.service.forget_log()
    assert refused(project).splitlines()[0] == f"Error: TunedModel/one: {says}"


def test_a_data_file_that_moved_is_refused(project: Project) -> None:
    """Training data is read again from its path, and its digest must match."""
    line = json.dumps({"text_input": "1", "output": "2"}) + "\n"
    project.write("manifests/d.jsonl", line)
    project.declare(model("one", file="d.jsonl"))
    saved(project)
    project.write("manifests/d.jsonl", line * 2)
    assert "Error: TunedModel/one: its manifest or its data has changed\n" in refused(project)


def test_a_stale_plan_after_its_own_apply_is_refused(project: Project) -> None:
    """Applying a plan a second time is refused with the reason, and sends nothing."""
    project.declare(model("one"))
    saved(project)
    project.run("apply", "p", expect=0)
    project.service.forget_log()
    result = project.run("apply", "p")
    assert result.code in {0, 1}
    assert project.service.sent(*CHANGING) == []


def test_what_it_does_not_touch_may_move(project: Project) -> None:
    """Changes to models that the plan does not change do not matter."""
    project.declare(model("one"), model("two"))
    project.apply("--target", "two")
    saved(project)
    project.declare(model("one"), model("two", spec={"description": "moved"}))
    project.service.patch(identity("two"), "displayName", displayName="theirs")
    project.apply("--target", "two")
    project.run("apply", "p", expect=0)
    assert set(project.service.models()) == {identity("one"), identity("two")}


def test_progress_is_not_a_move(project: Project) -> None:
    """The plan still runs if a model went from CREATING to ACTIVE in between."""
    project.service.freeze()
    project.declare(model("one"), model("two"))
    project.apply("--no-wait", "--target", "one")
    saved(project)
    project.service.advance()
    project.service.control("clock", {"frozen": False})
    project.run("apply", "p", expect=0)
    project.settled()


def test_a_failure_is_a_move(project: Project) -> None:
    """The plan is refused if a training went from CREATING to FAILED in between."""
    project.service.freeze()
    project.service.fault({"train": "one", "fail": {"code": 3, "message": "bad"}, "at": 0.5})
    project.declare(model("one"), model("two"))
    project.apply("--no-wait", "--target", "one")
    saved(project)
    project.service.advance()
    assert "Error: TunedModel/one: the live model has changed\n" in refused(project)


def test_another_stacks_plan_or_state_is_refused(project: Project) -> None:
    """A plan made from one state is refused for a state of another lineage."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one", spec={"description": "d"}))
    saved(project)
    project.state_file.unlink()
    project.declare(model("one"))
    project.apply()
    project.declare(model("one", spec={"description": "d"}))
    project.service.forget_log()
    refused(project)


def test_a_plan_for_one_service_is_not_applied_to_another(project: Project) -> None:
    """A plan names its endpoint, and is refused for any other before any call."""
    project.declare(model("one"))
    saved(project)
    result = project.run(
        "apply", "p", environ={"GOOGLE_GEMINI_BASE_URL": "https://192.0.2.1", "GEMINI_API_KEY": "k"}, expect=1
    )
    assert project.service.creates() == 0
    here = f"{project.service.url} (here: https://192.0.2.1), the service emulator (here: google)"
    assert f"Error: the plan was made for the endpoint {here}\n" in result.err


def test_an_empty_or_cut_file_is_neither_plan_nor_manifest(project: Project) -> None:
    """Empty and truncated plans are errors for apply and show."""
    project.declare(model("one"))
    saved(project)
    whole = (project.root / "p").read_bytes()
    for cut in (0, 1, 200, -2):
        (project.root / "p").write_bytes(whole[:cut])
        refused(project, "--auto-approve")
    project.run("show", "./p", expect=1)
    assert not project.state_file.exists()


def test_an_edited_file_is_refused(project: Project) -> None:
    """A plan file that somebody edited is refused."""
    project.declare(model("one"))
    saved(project)
    path = project.root / "p"
    text = path.read_text()
    for edited in (
        text.replace(identity("one"), "one-aaaaaaaa"),
        text.replace('"format_version"', '"formatversion"', 1),
        text.replace("gemini-1.0-pro-001", "gemini-1.5-flash-001-tuning"),
        text.replace('"create"', '"delete"'),
        text + "x",
        "[" + text + "]",
    ):
        assert edited != text
        path.write_text(edited)
        refused(project, "--auto-approve")


def test_a_manifest_given_to_apply_is_a_manifest(project: Project) -> None:
    """A document with apiVersion is a manifest and needs approval."""
    project.declare(model("one"))
    project.run("apply", "manifests/models.yaml", expect=1)
    project.run("apply", "manifests/models.yaml", "--auto-approve", expect=0)


@pytest.mark.parametrize("text", ["hello", "{}", "[]", "a: b\n", "\x00\x01"])
def test_anything_else_is_an_error(project: Project, text: str) -> None:
    """A file that is neither a plan nor a manifest exits 1 and is named."""
    project.write("thing", text)
    applied = project.run("apply", "thing", "--auto-approve", expect=1).err
    assert "Error: thing is neither a saved plan nor a manifest\n" in applied
    shown = project.run("show", "./thing", expect=1).err
    assert "Error: ./thing is not a saved plan, and declares no model\n" in shown


def test_show_prints_a_saved_plan(project: Project) -> None:
    """`show FILE` prints the text of `plan`. With --json it prints the file's plan JSON."""
    project.declare(model("one"))
    planned = project.plan("--out", "p").out
    shown = project.run("show", "p", expect=0).out
    assert "Plan: 1 to train.\n" in shown
    assert identity("one") in planned
    assert identity("one") in shown
    document = project.run("show", "--json", "p", expect=0).json()
    assert document == json.loads((project.root / "p").read_text())


def test_showing_a_plan_asks_nobody(project: Project) -> None:
    """`show FILE` sends no request."""
    project.declare(model("one"))
    saved(project)
    project.run("show", "p", expect=0, environ={"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"})
    project.run("show", "--json", "p", expect=0, environ={"GOOGLE_GEMINI_BASE_URL": "https://192.0.2.1"})
    assert project.service.sent() == []


def test_an_address_wins_over_a_file_of_that_name(project: Project) -> None:
    """`show NAME` shows the address, and `show ./NAME` the file."""
    project.declare(model("one"))
    project.apply()
    project.declare(model("one", spec={"description": "d"}))
    project.plan("--out", "one")
    assert f"  serving {identity('one')}  ACTIVE\n" in project.run("show", "one", expect=0).out
    assert "Plan: 1 to update.\n" in project.run("show", "./one", expect=0).out


def test_a_saved_empty_plan_applies_to_nothing(project: Project) -> None:
    """A plan without changes is applied with exit 0 and no write."""
    project.declare(model("one"))
    project.apply()
    before = project.state_file.read_bytes()
    saved(project)
    project.run("apply", "p", expect=0)
    assert project.state_file.read_bytes() == before
    assert project.service.sent(*CHANGING) == []


def test_a_destroy_plan_is_applied(project: Project) -> None:
    """A plan of `plan --destroy --out FILE` deletes when it is applied."""
    project.declare(model("one"))
    project.apply()
    saved(project, "--destroy")
    project.run("apply", "p", expect=0)
    assert project.service.models() == {}


def test_a_plan_with_an_error_leaves_no_file(project: Project) -> None:
    """A refused plan is not saved, and the file from before stays."""
    project.declare(model("one"))
    project.plan("--out", "p")
    before = (project.root / "p").read_bytes()
    project.declare(model("one"), model("two"))
    project.plan("--out", "p", "--max-trainings", "1", expect=1)
    assert (project.root / "p").read_bytes() == before


def test_a_plan_that_cannot_be_saved_is_an_error(project: Project) -> None:
    """--out into a missing folder exits 1 and names the folder."""
    project.declare(model("one"))
    assert "--out nowhere/p: No such file or directory\n" in project.plan("--out", "nowhere/p", expect=1).err


def test_no_wait_and_timeout_go_with_a_saved_plan(project: Project) -> None:
    """--no-wait and --timeout are allowed with a saved plan, because a plan does not hold them."""
    project.service.freeze()
    project.declare(stack("s"), model("one"))
    saved(project)
    project.run("apply", "p", "--no-wait", expect=0)
    assert project.service.creates() == 1


def tuning(**metadata: str) -> dict[str, Any]:
    """A tuning job with data in a bucket."""
    return {
        "apiVersion": "reconciler/v1",
        "kind": "TuningJob",
        "metadata": {"name": "v", **metadata},
        "spec": {
            "base_model": "gemini-3.1-flash-lite",
            "supervised_tuning_spec": {
                "training_dataset_uri": "gs://bkt/d.jsonl",
                "hyper_parameters": {"epoch_count": 3},
            },
        },
    }


PLACES: list[tuple[dict[str, str], list[str]]] = [
    ({"GOOGLE_CLOUD_PROJECT": "p2"}, ["the project p1 (here: p2)"]),
    ({"GOOGLE_CLOUD_LOCATION": "europe-west4"}, ["the location us-central1 (here: europe-west4)"]),
    ({"RECONCILER_STATE": "elsewhere"}, ["the state state/default.json (here: elsewhere/default.json)"]),
    (
        {"GOOGLE_CLOUD_PROJECT": "p2", "GOOGLE_CLOUD_LOCATION": "europe-west4"},
        ["the project p1 (here: p2)", "the location us-central1 (here: europe-west4)"],
    ),
]


@pytest.mark.parametrize(("elsewhere", "said"), PLACES, ids=["project", "location", "state", "both"])
def test_a_plan_is_carried_out_where_it_was_made_or_nowhere(
    project: Project, elsewhere: dict[str, str], said: list[str]
) -> None:
    """A plan for one project, location and state sends nothing to another. The error names both."""
    url = project.service.url
    project.environ |= {"GOOGLE_VERTEX_BASE_URL": url, "STORAGE_EMULATOR_HOST": url}
    project.environ |= {"GOOGLE_CLOUD_PROJECT": "p1", "GOOGLE_CLOUD_LOCATION": "us-central1"}
    turn = {"contents": [{"role": role, "parts": [{"text": "a"}]} for role in ("user", "model")]}
    project.service.call("POST", "upload/storage/v1/b/bkt/o?uploadType=media&name=d.jsonl", turn)
    project.declare(tuning())
    saved(project)
    result = project.run("apply", "p", environ=elsewhere, expect=1)
    assert project.service.log() == []
    for words in said:
        assert words in result.err
    assert not (project.root / "elsewhere" / "default.json").exists()
    project.run("apply", "p", "--no-wait", "--state", str(project.root / "state"), expect=0)


def test_a_plan_for_one_emulator_is_not_for_another(project: Project) -> None:
    """A plan for one emulator's endpoint is refused at another's."""
    project.declare(model("one"))
    saved(project)
    with run_emulator() as other:
        result = project.run("apply", "p", environ={"GOOGLE_GEMINI_BASE_URL": other.url}, expect=1)
        assert f"the endpoint {project.service.url} (here: {other.url})" in result.err
        assert Service(other.url).log() == []


def test_a_plan_for_the_embedded_emulator_is_carried_out_by_it(project: Project) -> None:
    """The embedded emulator's port changes with each run, and the plan ignores it. It needs --emulator."""
    project.declare(model("one"))
    project.plan("--out", "p", "--emulator")
    assert project.run("apply", "p", expect=1).err == (
        "Error: p was made with --emulator, and is for the emulator alone\n"
        "    Add --emulator, or make a new plan without it\n"
    )
    project.run("apply", "p", "--emulator", expect=0)


def test_a_plan_of_one_stack_is_not_for_another(project: Project) -> None:
    """A plan is refused under another stack's name, because the ids in it would differ."""
    project.declare(stack("red"), model("one"))
    saved(project)
    project.declare(stack("blue"), model("one"))
    assert "the stack red (here: blue)" in refused(project)


def replaced(project: Project, *names: str) -> None:
    """Models that were replaced a moment ago, and whose predecessors are kept for a day."""
    project.declare(*[model(name, lifecycle={"keep_deposed": "24h"}) for name in names])
    project.apply()
    project.declare(*[model(name, pairs=CHANGED, lifecycle={"keep_deposed": "24h"}) for name in names])
    project.apply()


def let_pass(project: Project, name: str) -> None:
    """Record that the time of NAME's deposed model has come."""
    state = project.state()
    (record,) = [entry for entry in state["resources"] if entry["address"] == f"TunedModel/{name}"]
    record["deposed"][0] |= {"deposed": "2020-01-01T00:00:00Z", "kept_until": "2020-01-02T00:00:00Z"}
    project.state_file.write_text(json.dumps(state))


def test_a_saved_plan_restores_what_a_revert_asks_for(project: Project) -> None:
    """The former model serves again, nothing is trained, and the plan after it is empty."""
    replaced(project, "one")
    project.declare(model("one", lifecycle={"keep_deposed": "24h"}))
    saved(project)
    project.run("apply", "p", expect=0)
    assert project.service.creates() == 0
    assert project.service.sent("DELETE") == []
    record = project.record("one")
    assert record["id"] == identity("one")
    assert [deposed["id"] for deposed in record["deposed"]] == [identity("one", CHANGED)]
    project.settled()


def test_a_saved_restore_is_refused_once_that_model_is_gone(project: Project) -> None:
    """Its plan said that nothing is trained, so nothing is trained in its place."""
    replaced(project, "one")
    project.declare(model("one", lifecycle={"keep_deposed": "24h"}))
    saved(project)
    project.service.delete(identity("one"))
    project.service.forget_log()
    assert "TunedModel/one" in refused(project)


def test_a_saved_plan_deletes_only_what_it_lists(project: Project) -> None:
    """A deposed model whose time comes after the plan was saved stays until another plan lists it."""
    replaced(project, "one", "two")
    let_pass(project, "one")
    saved(project)
    let_pass(project, "two")
    project.run("apply", "p", expect=0)
    deletes = [path.rpartition("/")[2] for _, path in project.service.sent("DELETE")]
    assert deletes == [identity("one")]
    assert identity("two") in project.service.models()
    project.run("wait", expect=0)
    assert set(project.service.models()) == {identity("one", CHANGED), identity("two", CHANGED)}
