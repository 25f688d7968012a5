"""Machine formats: the plan JSON, the NDJSON stream, drift, output, markdown (design 2.2)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.harness import PAIRS, Project, identity, model, stack

CHANGED = [*PAIRS[:-1], ("19", "twenty")]
FRESH = [*PAIRS[:-1], ("20", "thirty")]
"""Data that no other model has, so that its model is not taken for an earlier one under a new name."""


def changes(document: dict[str, Any]) -> dict[str, Any]:
    """Address to change, for addresses that have one."""
    return {change["address"]: change for change in document["resource_changes"]}


def test_the_plan_document_of_a_create(project: Project) -> None:
    """The plan JSON has Terraform's names, and our own facts under one key."""
    project.declare(model("one"))
    document = project.plan_json()
    assert document["format_version"].startswith("1.")
    assert document["applyable"] is True
    assert "reconciler" in document
    [change] = document["resource_changes"]
    assert (change["address"], change["type"], change["name"]) == ("TunedModel/one", "TunedModel", "one")
    assert change["change"]["actions"] == ["create"]
    assert change["change"]["before"] is None
    assert "display_name" in json.dumps(change["change"]["after"])
    assert "after_unknown" in change["change"]


def test_the_plan_document_of_each_change(project: Project) -> None:
    """Update, replace, delete and no-op have the actions that policies look for."""
    project.declare(*(model(name) for name in ("stays", "updates", "replaces", "goes")))
    project.apply()
    project.declare(
        model("stays"),
        model("updates", spec={"description": "d"}),
        model("replaces", pairs=CHANGED),
        model("comes", pairs=FRESH),
    )
    found = {address: change["change"]["actions"] for address, change in changes(project.plan_json()).items()}
    assert found == {
        "TunedModel/comes": ["create"],
        "TunedModel/goes": ["delete"],
        "TunedModel/replaces": ["create", "delete"],
        "TunedModel/stays": ["no-op"],
        "TunedModel/updates": ["update"],
    }
    update = changes(project.plan_json())["TunedModel/updates"]["change"]
    assert update["before"] != update["after"]
    replaced = changes(project.plan_json())["TunedModel/replaces"]
    assert replaced["change"]["replace_paths"]
    assert replaced["action_reason"]


def test_waiting_is_a_no_op(project: Project) -> None:
    """A model in training has the action ["no-op"], and the plan is not applyable."""
    project.service.freeze()
    project.declare(model("one"))
    project.apply("--no-wait")
    [change] = project.plan_json()["resource_changes"]
    assert change["change"]["actions"] == ["no-op"]


def test_an_empty_plan_is_not_applyable(project: Project) -> None:
    """Terraform's applyable is false when there is nothing to apply."""
    project.declare(model("one"))
    project.apply()
    assert project.plan_json()["applyable"] is False


def test_resource_drift_is_in_the_plan(project: Project) -> None:
    """resource_drift shows a live change of somebody else with before and after."""
    project.declare(model("one", spec={"description": "ours"}))
    project.apply()
    project.service.patch(identity("one"), "description", description="theirs")
    [drift] = project.plan_json()["resource_drift"]
    assert drift["address"] == "TunedModel/one"
    sides = drift["change"]["before"], drift["change"]["after"]
    assert [side["description"] for side in sides] == ["ours", "theirs"]


def test_the_plan_stream(project: Project) -> None:
    """Every line is JSON with @level, @message, @timestamp and type. The summary comes last."""
    project.declare(model("one"))
    records = project.plan("--json").records()
    for record in records:
        assert {"@level", "@message", "@timestamp", "type"} <= set(record)
    types = [record["type"] for record in records]
    assert types[0] == "version"
    assert "planned_change" in types
    assert types[-1] == "change_summary"
    [planned] = [record for record in records if record["type"] == "planned_change"]
    assert planned["change"]["action"] == "create"
    assert planned["change"]["resource"]["addr"] == "TunedModel/one"
    assert records[-1]["changes"]["add"] == 1


def test_the_apply_stream(project: Project) -> None:
    """The stream has apply_start, apply_complete, a change_summary of the apply, and the outputs."""
    project.declare(model("one"))
    records = project.apply("--json").records()
    types = [record["type"] for record in records]
    assert types.index("apply_start") < types.index("apply_complete")
    assert "change_summary" in types
    [outputs] = [record for record in records if record["type"] == "outputs"]
    assert f"tunedModels/{identity('one')}" in json.dumps(outputs)


def _summaries(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record["changes"] for record in records if record["type"] == "change_summary"]


def test_an_apply_says_first_what_is_planned_and_last_what_was_done(project: Project) -> None:
    """The stream has Terraform's two summaries: `plan` first and `apply` last.

    Saved plans and wait have them too.
    """
    none = {"add": 0, "change": 0, "import": 0, "remove": 0}
    project.declare(model("one"), model("two"))
    records = project.apply("--json").records()
    types = [record["type"] for record in records]
    assert _summaries(records) == [
        {**none, "add": 2, "operation": "plan"},
        {**none, "add": 2, "operation": "apply"},
    ]
    assert types.index("change_summary") < types.index("apply_start")
    assert types[-2:] == ["change_summary", "outputs"]
    again = project.apply("--json").records()
    assert _summaries(again) == [{**none, "operation": "plan"}, {**none, "operation": "apply"}]
    project.declare(model("one", spec={"temperature": 0.5}), model("three", pairs=FRESH))
    project.plan("--out", "p")
    saved = project.run("apply", "p", "--json", "--no-wait", expect=0).records()
    assert _summaries(saved) == [
        {"add": 1, "change": 1, "import": 0, "remove": 1, "operation": "plan"},
        {"add": 0, "change": 1, "import": 0, "remove": 1, "operation": "apply"},
    ]
    assert saved[0]["type"] == "version"
    waited = project.run("wait", "--json", expect=0).records()
    assert _summaries(waited) == [{**none, "add": 1, "operation": "apply"}]
    gone = project.run("destroy", "--auto-approve", "--json", expect=0).records()
    assert _summaries(gone) == [
        {**none, "remove": 2, "operation": "plan"},
        {**none, "remove": 2, "operation": "destroy"},
    ]


def test_an_apply_that_fails_says_what_was_done_all_the_same(project: Project) -> None:
    """After a failure, the last summary counts the changes that were made, not the planned ones."""
    project.service.fault({"train": "bad", "fail": {"code": 3, "message": "the data is unfit"}, "at": 0.1})
    project.declare(model("good"), model("bad"))
    planned, done = _summaries(project.apply("--json", expect=4).records())
    assert (planned["add"], done["add"]) == (2, 1)


def test_the_text_ends_with_counts_time_cost_and_names(project: Project) -> None:
    """The text ends with the counts, the duration, the cost if prices are known, and the names to call."""
    project.declare(
        stack("s", prices={"per_1000_characters": 2, "currency": "EUR"}), model("one"), model("two")
    )
    lines = project.apply().out.splitlines()
    assert "Apply complete in" in lines[-5]
    assert "s: 2 trained." in lines[-5]
    assert lines[-4].startswith("Cost of 2 trainings: ")
    assert lines[-4].endswith("EUR.")
    assert lines[-3:] == [
        "To call:",
        f"  TunedModel/one  tunedModels/{identity('one', stack='s')}",
        f"  TunedModel/two  tunedModels/{identity('two', stack='s')}",
    ]
    prices = {"per_1000_characters": 2, "currency": "EUR"}
    project.declare(stack("s", prices=prices), model("three", pairs=FRESH))
    detached = project.apply("--no-wait").out
    assert "1 in training" in detached
    assert "Cost of its training" in detached
    assert "To call" not in detached
    waited = project.run("wait", expect=0).out.splitlines()
    assert waited[-1] == f"  TunedModel/three  tunedModels/{identity('three', FRESH, stack='s')}"
    assert any("Wait complete in" in line and "1 trained" in line for line in waited)
    gone = project.run("destroy", "--auto-approve", expect=0).out.splitlines()
    assert "Destroy complete in" in gone[-1]
    assert "1 deleted" in gone[-1]


def test_the_documents_have_no_key_at_the_top_that_terraforms_have_not(project: Project) -> None:
    """All keys of our own are under `reconciler`, the program's version included."""
    project.declare(model("one"))
    terraforms = {
        "format_version", "terraform_version", "variables", "planned_values", "resource_drift",
        "resource_changes", "deferred_changes", "output_changes", "prior_state", "configuration",
        "relevant_attributes", "checks", "timestamp", "applyable", "complete", "errored",
    }  # fmt: skip
    plan = project.plan_json()
    project.apply()
    drift = project.run("drift", "--json", expect=0).json()
    for document in (plan, drift):
        assert set(document) <= {*terraforms, "reconciler"}
        assert document["reconciler"]["reconciler_version"]


def test_validate_prints_terraforms_object_valid_or_not(project: Project) -> None:
    """The object has counts and diagnostics, each with line, column and byte. Exit code 1 means invalid."""
    keys = {"format_version", "valid", "error_count", "warning_count", "diagnostics", "reconciler"}
    project.declare(model("one"))
    sound = project.run("validate", "--json", expect=0).json()
    assert set(sound) == keys
    assert (sound["valid"], sound["error_count"]) == (True, 0)
    assert sound["reconciler"]["models"] == 1
    assert len(sound["diagnostics"]) == sound["warning_count"]
    text = project.write(
        "manifests/é.yaml", "# é\nkind: TunedModel\nmetadata: {name: ü, nmae: x}\n"
    ).read_bytes()
    result = project.run("validate", "--json", expect=1)
    assert result.err == ""
    broken = result.json()
    assert set(broken) == keys
    assert (broken["valid"], broken["format_version"]) == (False, sound["format_version"])
    errors = [diagnostic for diagnostic in broken["diagnostics"] if diagnostic["severity"] == "error"]
    assert len(errors) == broken["error_count"] > 0
    for error in errors:
        assert set(error["range"]) == {"filename", "start", "end"}
        start = error["range"]["start"]
        before = text[: start["byte"]].decode().split("\n")
        assert (start["line"], start["column"]) == (len(before), len(before[-1]) + 1)
    nowhere = project.run("validate", "--json", "nowhere", expect=1).json()
    assert (nowhere["valid"], nowhere["error_count"]) == (False, 1)


def test_the_apply_stream_of_nothing_to_do_ends_with_outputs(project: Project) -> None:
    """An apply without changes still ends with the outputs, for programs that read them."""
    project.declare(model("one"))
    project.apply()
    records = project.apply("--json").records()
    assert records[-1]["type"] == "outputs"
    assert f"tunedModels/{identity('one')}" in json.dumps(records[-1])


def test_the_apply_stream_of_a_failure(project: Project) -> None:
    """A failure gives apply_errored and a diagnostic of severity error.

    Stdout stays JSON, and the exit code is 4.
    """
    project.service.fault({"train": "", "fail": {"code": 3, "message": "the data is unfit"}, "at": 0.1})
    project.declare(model("one"))
    records = project.apply("--json", expect=4).records()
    assert "apply_errored" in [record["type"] for record in records]
    diagnostics = [record["diagnostic"] for record in records if record["type"] == "diagnostic"]
    assert any(
        diagnostic["severity"] == "error" and "the data is unfit" in json.dumps(diagnostic)
        for diagnostic in diagnostics
    )


@pytest.mark.parametrize(
    ("command", "summary"),
    [
        ("plan --json --nonsense", "there is no option --nonsense"),
        ("plan --json nowhere", "nowhere: there is no such file or folder"),
        ("apply --json", "there is no terminal to ask for approval"),
        ("nonsense --json", "there is no command 'nonsense'."),
        ("drift --json", "state/default.json records no model, and the manifests declare 1"),
        ("show --json nonesuch", "nothing is called nonesuch"),
        (
            "apply --json --auto-approve --timeout x",
            "--timeout: 'x' is not a duration; write 90s, 50m, 2h or 5d",
        ),
        ("wait --json nowhere", "nowhere: there is no such file or folder"),
        ("destroy --json", "there is no terminal to ask for approval"),
        ("plan --json --max-trainings 0", "the plan starts 1 training, over max_trainings 0: TunedModel/one"),
    ],
)
def test_errors_are_json_too(project: Project, command: str, summary: str) -> None:
    """On exit 1 with --json, stdout holds only JSON with a diagnostic of severity error."""
    project.declare(model("one"))
    result = project.run(*command.split(), expect=1)
    errors = [
        record
        for record in result.records()
        if record.get("type") == "diagnostic" and record["diagnostic"]["severity"] == "error"
    ]
    assert [error["@message"] for error in errors] == [f"Error: {summary}"]
    assert errors[0]["diagnostic"]["summary"] == summary
    assert errors[0]["@level"] == "error"


def test_manifest_errors_have_a_range_in_json(project: Project) -> None:
    """A diagnostic about a manifest names file and line in Terraform's form."""
    project.write("manifests/bad.yaml", "apiVersion: reconciler/v1\nkind: TunedModel\nmetadata: {nam: x}\n")
    records = project.plan("--json", expect=1).records()
    ranges = [
        record["diagnostic"]["range"]
        for record in records
        if record["type"] == "diagnostic" and "range" in record["diagnostic"]
    ]
    assert any(place["filename"].endswith("bad.yaml") and place["start"]["line"] == 3 for place in ranges)


def test_drift_classes(project: Project) -> None:
    """Changed, missing and failed each exit 2 with that class. Drift sends only GETs and writes nothing."""
    project.declare(model("same"), model("changed", spec={"description": "ours"}), model("missing"))
    project.apply()
    project.service.fault({"train": "failed", "fail": {"code": 3, "message": "unfit"}, "at": 0.1})
    project.declare(
        model("same"), model("changed", spec={"description": "ours"}), model("missing"), model("failed")
    )
    project.apply(expect=4)
    project.service.patch(identity("changed"), "description", description="theirs")
    project.service.delete(identity("missing"))
    before = (project.state_file.read_bytes(), project.state_file.stat().st_mtime_ns)
    project.service.forget_log()
    result = project.run("drift", "--json", expect=2)
    assert {method for method, _ in project.service.sent()} == {"GET"}
    assert before == (project.state_file.read_bytes(), project.state_file.stat().st_mtime_ns)
    document = result.json()
    found = {change["address"]: json.dumps(change) for change in document["resource_drift"]}
    assert set(found) == {"TunedModel/changed", "TunedModel/missing", "TunedModel/failed"}
    for name in ("changed", "missing", "failed"):
        assert f'"{name}"' in found[f"TunedModel/{name}"].replace(f"TunedModel/{name}", "")
    text = project.run("drift", expect=2).out
    assert '      ~ description = "ours" -> "theirs"\n' in text
    assert f"  ! TunedModel/failed has failed: {identity('failed')}\n      unfit\n" in text


def test_no_drift_is_0(project: Project) -> None:
    """Without differences, drift exits 0 and its list is empty."""
    project.declare(model("one"))
    project.apply()
    assert project.run("drift", "--json", expect=0).json()["resource_drift"] == []
    assert project.run("drift", expect=0).out.endswith("\nNo drift.\n")


def test_drift_without_state_is_an_error(project: Project) -> None:
    """Drift fails if manifests declare models and there is no state. It must not pass."""
    project.declare(model("one"))
    project.run("drift", expect=1)
    assert not (project.root / "state").exists()


def test_unmanaged_models_are_notes_unless_fail_on(project: Project) -> None:
    """An unrecorded live model is a note. With fail_on: [unmanaged] drift exits 2."""
    from tests.cli.harness import stack

    project.declare(stack("s"), model("one"))
    project.apply()
    project.service.create("stranger")
    result = project.run("drift", expect=0)
    assert "  ? tunedModels/stranger is live, and no manifest declares it (note)\n" in result.out
    project.declare(stack("s", drift={"fail_on": ["unmanaged"]}), model("one"))
    project.run("drift", expect=2)


def test_base_retired_is_a_note_unless_fail_on(project: Project) -> None:
    """With fail_on: [base_retired], drift exits 2 if a base model is no longer offered."""
    from tests.cli.harness import stack

    project.declare(stack("s", drift={"fail_on": ["base_retired"]}), model("one"))
    project.apply()
    project.run("drift", expect=0)
    project.service.settings(tunable=[])
    project.run("drift", expect=2)


@pytest.mark.parametrize(("until", "code"), [("2999-01-31", 0), ("2020-01-31", 2), (None, 0)])
def test_ignore_drift_until(project: Project, until: str | None, code: int) -> None:
    """Drift does not report a known difference until the date given for it."""
    entry = {"field": "temperature", "reason": "experiment of search"}
    if until:
        entry["until"] = until
    project.declare(model("one", spec={"temperature": 0.5}, lifecycle={"ignore_drift": [entry]}))
    project.apply()
    project.service.patch(identity("one"), "temperature", temperature=0.75)
    project.run("drift", expect=code)


def test_drift_in_markdown(project: Project) -> None:
    """The first line is a stable marker, and the finding is below it."""
    project.declare(model("one", spec={"description": "ours"}))
    project.apply()
    project.service.patch(identity("one"), "description", description="theirs")
    out = project.run("drift", "--format", "markdown", expect=2).out
    assert out.splitlines()[0].startswith("<!--")
    assert "TunedModel/one" in out


def test_plan_in_markdown_fits_a_comment(project: Project) -> None:
    """The comment has a stable marker and always the summary. It fits --max-chars and names what was cut."""
    project.declare(*(model(f"m{n}") for n in range(30)))
    first = project.plan("--format", "markdown").out
    assert "\n**Plan: 30 to train.**\n" in first
    assert "<details>" in first
    short = project.plan("--format", "markdown", "--max-chars", "2000").out
    assert len(short) <= 2000 + 1
    assert short.splitlines()[0] == first.splitlines()[0]
    assert "**Plan: 30 to train.**" in short
    assert all(f"<summary><b>TunedModel/m{n}</b> will be trained as " in first for n in range(30))


def test_output_formats(project: Project) -> None:
    """`output` prints text, JSON or env lines. For one address it prints only the name."""
    project.declare(model("number-generator"), model("two"))
    project.apply()
    name = f"tunedModels/{identity('number-generator')}"
    assert project.run("output", "number-generator", expect=0).out == name + "\n"
    assert name in project.run("output", expect=0).out
    assert project.run("output", "--format", "json", expect=0).json()["TunedModel/number-generator"] == name
    lines = project.run("output", "--format", "env", expect=0).out.splitlines()
    assert f"TUNEDMODEL_NUMBER_GENERATOR={name}" in lines
    assert project.run(
        "output", "TunedModel/number-generator", "--format", "env", expect=0
    ).out.splitlines() == [f"TUNEDMODEL_NUMBER_GENERATOR={name}"]
    project.run("output", "three", expect=1)


def test_output_asks_nobody(project: Project) -> None:
    """`output` reads the name from the record and sends no request."""
    project.declare(model("one"))
    project.apply()
    project.service.forget_log()
    project.run("output", expect=0)
    assert project.service.sent() == []


def test_show(project: Project) -> None:
    """`show` prints one model with its loss curve, or the whole state. --json prints JSON."""
    project.declare(model("one"))
    project.apply()
    shown = project.run("show", "one", expect=0).out
    assert identity("one") in shown
    assert re.search(r"^  mean loss [0-9.]+ at step 25, epoch 5 \(25 snapshots\)$", shown, re.MULTILINE), (
        shown
    )
    assert identity("one") in project.run("show", expect=0).out
    assert identity("one") in json.dumps(project.run("show", "one", "--json", expect=0).json())
    assert identity("one") in json.dumps(project.run("show", "--json", expect=0).json())
    project.run("show", "three", expect=1)


def test_show_of_a_failed_model_says_why(project: Project) -> None:
    """`show` prints the operation's error for a failed model."""
    project.service.fault({"train": "", "fail": {"code": 3, "message": "the data is unfit"}, "at": 0.1})
    project.declare(model("one"))
    project.apply(expect=4)
    assert "the data is unfit" in project.run("show", "one", expect=0).out


def test_the_bill(project: Project) -> None:
    """The bill counts trainings, examples, characters and ceil(examples * epochs / batch) steps.

    It has the price if prices are known.
    """
    from tests.cli.harness import stack

    project.declare(
        stack("s", prices={"per_1000_characters": 2, "currency": "EUR"}),
        model("one", pairs=PAIRS[:15], hyperparameters={"batch_size": 2, "epoch_count": 5}),
    )
    heads, values = project.plan().out.partition("The bill, 1 training:\n")[2].splitlines()[:2]
    characters = 5 * sum(len(a) + len(b) for a, b in PAIRS[:15])
    assert heads.split() == ["model", "examples", "epochs", "batch", "steps", "characters", "price"]
    assert values.split() == ["TunedModel/one", "15", "5", "2", "38", str(characters), "0.41", "EUR"]


def test_colours_only_where_somebody_sees_them(project: Project) -> None:
    """A pipe gets no escape sequences. CLICOLOR_FORCE asks for them; NO_COLOR and --no-color win."""
    project.declare(model("one"))
    assert "\x1b[" not in project.plan().all
    assert "\x1b[1mTunedModel/one will be trained" in project.plan(environ={"CLICOLOR_FORCE": "1"}).out
    assert "\x1b[" not in project.plan(environ={"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).all
    assert "\x1b[" not in project.plan("--no-color", environ={"CLICOLOR_FORCE": "1"}).all
    assert "\x1b[" not in project.plan("--json", environ={"CLICOLOR_FORCE": "1"}).all
