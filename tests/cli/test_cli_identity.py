"""Ids, digests, generations, pinned ids, adoption and import (design 2.3, 2.4)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.cli.harness import (
    BASE,
    OTHER_BASE,
    PAIRS,
    Project,
    data_digest,
    float_bits,
    identity,
    model,
    stack,
)

ODD = [("  a ", "b\n"), ("é", "e\u0301"), ('"quoted"', "tab\there"), ("\u2028", "🙂")]
CHANGED = [*PAIRS[:-1], ("19", "twenty")]


def test_the_tutorials_body_gets_the_formulas_id(project: Project) -> None:
    """Google's curl body, pasted under spec, trains as NAME-DIGEST8 of design 2.4."""
    pairs = [("1", "2"), ("3", "4"), ("-3", "-2"), ("twenty two", "twenty three")]
    examples = "".join(f'{{"text_input": "{a}", "output": "{b}",}},' for a, b in pairs)
    project.write(
        "manifests/tutorial.yaml",
        f"""\
apiVersion: reconciler/v1
kind: TunedModel
metadata:
  name: number-generator
spec:
      {{
        "display_name": "number generator model",
        "base_model": "{BASE}",
        "tuning_task": {{
          "hyperparameters": {{
            "batch_size": 2,
            "learning_rate": 0.001,
            "epoch_count":5,
          }},
          "training_data": {{
            "examples": {{
              "examples": [{examples}]
            }}
          }}
        }}
      }}
""",
    )
    hyperparameters = {"batchSize": 2, "learningRate": float_bits(0.001), "epochCount": 5}
    project.apply()
    assert list(project.service.models()) == [
        identity("number-generator", pairs, hyperparameters=hyperparameters)
    ]


def test_camel_case_and_snake_case_are_one_model(project: Project) -> None:
    """Both spellings of the API's fields give the same id."""
    document = model("one")
    spec = document["spec"]
    task = spec["tuning_task"]
    document["spec"] = {
        "displayName": "one",
        "baseModel": BASE,
        "tuningTask": {
            "hyperparameters": {"batchSize": 4, "learningRate": 0.001, "epochCount": 5},
            "trainingData": {
                "examples": {
                    "examples": [
                        {"textInput": example["text_input"], "output": example["output"]}
                        for example in task["training_data"]["examples"]["examples"]
                    ]
                }
            },
        },
    }
    project.declare(document)
    project.apply()
    assert list(project.service.models()) == [identity("one")]


HYPERPARAMETERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"learning_rate": 1e-7}, {"learningRate": float_bits(1e-7)}),
    ({"learning_rate_multiplier": 1}, {"learningRateMultiplier": float_bits(1.0)}),
    (
        {"learning_rate_multiplier": 0.5, "epoch_count": 3},
        {"learningRateMultiplier": float_bits(0.5), "epochCount": 3},
    ),
    ({"batch_size": 16}, {"batchSize": 16}),
]


def test_hyperparameters_in_the_id(project: Project) -> None:
    """Only declared hyperparameters are in the id. A float counts as the hex of its float32 bits."""
    project.declare(*(model(f"m{n}", hyperparameters=given) for n, (given, _) in enumerate(HYPERPARAMETERS)))
    project.apply("--no-wait")
    assert set(project.service.models()) == {
        identity(f"m{n}", hyperparameters=canonical) for n, (_, canonical) in enumerate(HYPERPARAMETERS)
    }


def test_stack_and_base_are_in_the_id(project: Project) -> None:
    """The Stack's name and the source are part of the identity."""
    project.declare(stack("prod-x1"), model("one", spec={"base_model": OTHER_BASE}))
    project.apply("--no-wait")
    assert list(project.service.models()) == [identity("one", stack="prod-x1", source=OTHER_BASE)]


NOT_IN_THE_ID: list[dict[str, Any]] = [
    {"spec": {"display_name": "another"}},
    {"spec": {"description": "d"}},
    {"spec": {"temperature": 0.1}},
    {"spec": {"top_k": 3}},
    {"spec": {"top_p": 0.3}},
    {"metadata": {"labels": {"a": "b"}}},
    {"lifecycle": {"keep_deposed": "1h"}},
    {"checks": [{"prompt": "1", "expect": "2"}]},
    {"permissions": [{"grantee_type": "EVERYONE", "role": "READER"}]},
]


def test_mutable_fields_are_not_in_the_id(project: Project) -> None:
    """display_name and all that can change in place leave the id as it is."""
    project.declare(*(model(f"m{n}", **copy.deepcopy(changes)) for n, changes in enumerate(NOT_IN_THE_ID)))
    out = project.plan().out
    for n in range(len(NOT_IN_THE_ID)):
        assert identity(f"m{n}") in out


def test_inline_and_every_file_form_are_equal(project: Project) -> None:
    """The same examples have the same digest inline and as .jsonl, .json or .csv."""
    import csv
    import io

    rows = [{"text_input": text, "output": output} for text, output in ODD]
    table = io.StringIO()
    writer = csv.DictWriter(table, ["output", "text_input"])
    writer.writeheader()
    writer.writerows(rows)
    (project.root / "manifests/data").mkdir()
    project.write(
        "manifests/data/a.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    )
    project.write("manifests/data/b.json", json.dumps(rows))
    (project.root / "manifests/data/c.csv").write_bytes(b"\xef\xbb\xbf" + table.getvalue().encode())
    project.declare(
        model("inline", pairs=ODD),
        model("lines", file="data/a.jsonl"),
        model("array", file="data/b.json"),
        model("table", file="data/c.csv"),
    )
    project.apply("--no-wait")
    assert set(project.service.models()) == {
        identity(name, ODD) for name in ("inline", "lines", "array", "table")
    }
    for name in ("inline", "lines", "array", "table"):
        [data] = project.record(name)["candidate"]["data"]
        assert (data["digest"], data["examples"]) == (data_digest(ODD), len(ODD))


def test_crlf_inside_a_csv_field_reads_as_lf(project: Project) -> None:
    """A CSV written on Windows trains the same model."""
    (project.root / "manifests/d.csv").write_bytes(b'text_input,output\r\n"a\r\nb","c"\r\n1,2\r\n')
    project.declare(model("one", file="d.csv"))
    assert identity("one", [("a\nb", "c"), ("1", "2")]) in project.plan().out


def test_order_of_examples_matters(project: Project) -> None:
    """The same examples in another order are another data set."""
    project.declare(model("one", pairs=PAIRS[::-1]))
    assert identity("one", PAIRS[::-1]) in project.plan().out
    assert identity("one", PAIRS[::-1]) != identity("one")


def test_moving_inline_data_to_a_file_changes_nothing(project: Project) -> None:
    """After inline examples move to a file, the plan is empty."""
    project.declare(model("one"))
    project.apply()
    project.write(
        "manifests/d.jsonl", "".join(json.dumps({"text_input": a, "output": b}) + "\n" for a, b in PAIRS)
    )
    project.declare(model("one", file="d.jsonl"))
    project.settled()


def test_state_can_be_thrown_away(project: Project) -> None:
    """Without a state file, every model with an id that we chose is adopted, and nothing trains."""
    project.declare(*(model(f"m{n}") for n in range(5)))
    project.apply()
    before = {name: project.record(name)["id"] for name in (f"m{n}" for n in range(5))}
    project.state_file.unlink()
    assert set(map(json.dumps, project.actions())) == set()
    document = project.plan_json()
    for change in document["resource_changes"]:
        assert change["change"]["actions"] == ["no-op"]
        assert change["change"]["importing"]["id"]
    project.apply()
    assert project.service.creates() == 5
    assert {name: project.record(name)["id"] for name in before} == before
    project.settled()


def test_state_thrown_away_while_training(project: Project) -> None:
    """A model in training under our id is adopted as the candidate and promoted when it is ready."""
    project.service.freeze()
    project.declare(model("one"))
    project.apply("--no-wait")
    project.state_file.unlink()
    project.apply("--no-wait")
    assert project.record("one")["candidate"]["id"] == identity("one")
    project.service.advance()
    project.run("wait", expect=0)
    assert project.service.creates() == 1
    assert project.record("one")["id"] == identity("one")


def test_a_failed_model_at_our_id_is_deposed_and_the_next_generation_created(project: Project) -> None:
    """Without a record, a FAILED model under our id is recorded as deposed.

    Generation 1 trains, then the failed model is deleted.
    """
    project.service.fault({"train": "", "fail": {"code": 3, "message": "no"}, "at": 0.1})
    project.declare(model("one"))
    project.apply(expect=4)
    project.service.heal()
    project.state_file.unlink()
    project.apply()
    assert list(project.service.models()) == [identity("one", generation=1)]
    project.settled()


def test_without_a_record_the_first_active_generation_is_adopted(project: Project) -> None:
    """If generation 1 is ACTIVE and 0 is CREATING, generation 1 is adopted and nothing trains."""
    project.service.settings(training_seconds=0)
    project.service.create(identity("one", generation=1))
    project.service.settings(training_seconds=1000)
    project.service.create(identity("one"))
    project.declare(model("one"))
    project.apply()
    assert project.record("one")["id"] == identity("one", generation=1)
    assert project.service.creates() == 2


def test_earlier_generations_are_listed_beside_a_create(project: Project) -> None:
    """A plan that creates a model names unrecorded live models called NAME-xxxxxxxx."""
    project.declare(model("one"))
    project.apply()
    project.state_file.unlink()
    project.declare(model("one", pairs=CHANGED))
    assert identity("one") in project.plan().out
    project.apply()
    assert identity("one") in project.service.models()


def test_a_model_deleted_outside_is_trained_again(project: Project) -> None:
    """A model that somebody deleted is trained again under its id. Drift calls it missing."""
    project.environ["RECONCILER_LAG_SECONDS"] = "0.001"
    project.declare(model("one"))
    project.apply()
    project.service.delete(identity("one"))
    assert (
        f"  - TunedModel/one is missing: {identity('one')} is not live\n"
        in project.run("drift", expect=2).out
    )
    project.plan("--detailed-exitcode", expect=2)
    project.apply()
    assert list(project.service.models()) == [identity("one")]
    project.settled()


def test_a_model_promoted_a_moment_ago_that_nobody_shows_is_no_loss(project: Project) -> None:
    """A new serving model may be invisible for a while.

    Until then it is not trained again, forgotten or called drift.
    """
    project.service.settings(list_lag_seconds=3600)
    project.declare(model("one"))
    project.apply()
    gone = {"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}
    path = f"tunedModels/{identity('one')}"
    project.service.fault({"method": "GET", "path": path, "status": 404, "times": 99, "body": gone})
    kept = project.state_file.read_bytes()
    assert "does not show it yet" in project.plan("--detailed-exitcode").out
    project.apply()
    assert project.run("drift", expect=0).out.count("does not show it yet") == 1
    assert project.state_file.read_bytes() == kept
    assert project.service.creates() == 1
    project.environ["RECONCILER_LAG_SECONDS"] = "0.001"
    assert "deleted outside" in project.plan("--detailed-exitcode", expect=2).out


def test_a_lagging_list_is_no_loss(project: Project) -> None:
    """A model that the list does not show yet is looked up by name, and nothing trains."""
    project.service.settings(list_lag_seconds=3600)
    project.declare(model("one"))
    project.apply()
    project.apply()
    assert project.service.creates() == 1
    project.settled()


def test_a_403_neither_creates_nor_forgets(project: Project) -> None:
    """A get that answers 403 is an error, and the record stays."""
    project.declare(model("one"))
    project.apply()
    project.service.delete(identity("one"))
    project.service.fault(
        {
            "method": "GET",
            "path": f"tunedModels/{identity('one')}",
            "status": 403,
            "times": 50,
            "body": {
                "error": {"code": 403, "message": "You do not have permission", "status": "PERMISSION_DENIED"}
            },
        }
    )
    kept = project.state_file.read_bytes()
    assert identity("one") in project.apply(expect=1).err
    assert project.service.creates() == 1
    assert project.state_file.read_bytes() == kept


def test_a_pinned_id_is_used(project: Project) -> None:
    """metadata.id becomes the tunedModelId."""
    project.declare(model("one", metadata={"id": "number-generator-v1"}))
    project.apply()
    assert list(project.service.models()) == ["number-generator-v1"]
    project.settled()


def test_adopting_a_pinned_id_says_that_it_proves_nothing(project: Project) -> None:
    """The plan and the record say that the data is assumed, and nothing trains."""
    project.service.create("v1", pairs=CHANGED)
    project.service.advance()
    project.declare(model("one", metadata={"id": "v1"}, spec={"display_name": "v1"}))
    planned = project.plan().out
    assert "  = TunedModel/one will adopt v1\n" in planned
    assert "note: its id is pinned and proves nothing about its data, " in planned
    project.apply()
    assert project.service.creates() == 1
    assert [data_set["assumed"] for data_set in project.record("one")["serving"]["data"]] == [True]
    project.settled()


def test_a_different_model_at_a_pinned_id_is_a_conflict(project: Project) -> None:
    """Another model under a pinned id is an error in the plan, before any cost."""
    project.service.create("v1", baseModel=OTHER_BASE)
    project.service.advance()
    project.declare(model("one", metadata={"id": "v1"}), model("two"))
    project.service.forget_log()
    for refused in (project.plan(expect=1).err, project.apply(expect=1).err):
        assert (
            "TunedModel/one: tunedModels/v1 exists already and is another model: "
            f"base_model is '{OTHER_BASE}' there and '{BASE}' in the manifest\n"
        ) in refused
    assert project.service.sent("POST", "PATCH", "DELETE") == []


def test_an_immutable_change_under_a_pinned_id_names_both_ways_out(project: Project) -> None:
    """The error names both ways out: another id, or lifecycle.replace: delete_first."""
    project.declare(model("one", metadata={"id": "v1"}))
    project.apply()
    project.declare(model("one", metadata={"id": "v1"}, pairs=CHANGED))
    result = project.plan(expect=1)
    assert " cannot change under the pinned id v1\n" in result.err
    assert "Pin another metadata.id (" in result.err
    assert "or set lifecycle: {replace: delete_first} (" in result.err
    project.declare(model("one", metadata={"id": "v2"}, pairs=CHANGED))
    project.apply()
    assert list(project.service.models()) == ["v2"]
    project.settled()


def test_delete_first_deletes_then_trains(project: Project) -> None:
    """delete_first deletes the model under the pinned id, then trains. The actions are delete, create."""
    first = {"replace": "delete_first"}
    project.declare(model("one", metadata={"id": "v1"}, lifecycle=first))
    project.apply()
    project.declare(model("one", metadata={"id": "v1"}, lifecycle=first, pairs=CHANGED))
    project.service.forget_log()
    project.apply()
    changing = list(project.service.sent("POST", "DELETE"))
    assert changing == [("DELETE", "/v1beta/tunedModels/v1"), ("POST", "/v1beta/tunedModels")]
    assert list(project.service.models()) == ["v1"]
    project.settled()


def test_delete_first_of_a_protected_model_is_refused(project: Project) -> None:
    """prevent_destroy wins over delete_first, before any call is sent."""
    first = {"replace": "delete_first", "prevent_destroy": True}
    project.declare(model("one", metadata={"id": "v1"}, lifecycle=first))
    project.apply()
    project.declare(model("one", metadata={"id": "v1"}, lifecycle=first, pairs=CHANGED))
    project.service.forget_log()
    assert "prevent_destroy" in project.apply(expect=1).err
    assert project.service.sent("POST", "DELETE") == []


def test_two_manifests_with_one_pinned_id_are_an_error(project: Project) -> None:
    """Two addresses cannot share one model."""
    project.declare(model("one", metadata={"id": "v1"}), model("two", metadata={"id": "v1"}))
    places = "manifests/models.yaml:115:9", "manifests/models.yaml:6:9"
    refused = project.run("validate", expect=1).err.splitlines()[0]
    assert refused == "{}: error: the id 'v1' is pinned twice, first at {}".format(*places)


def test_import_adopts_and_prints_the_line_to_add(project: Project) -> None:
    """Import records a live model under an address and prints its metadata.id line."""
    project.service.create("handmade")
    project.service.advance()
    project.declare(model("one", spec={"display_name": "handmade"}))
    result = project.run("import", "TunedModel/one", "handmade", expect=0)
    assert "id: handmade" in result.out
    assert project.record("one")["id"] == "handmade"
    project.service.forget_log()
    project.declare(model("one", metadata={"id": "handmade"}, spec={"display_name": "handmade"}))
    project.settled()
    assert project.service.sent("POST", "PATCH", "DELETE") == []


def test_import_accepts_the_resource_name(project: Project) -> None:
    """Import accepts tunedModels/ID as well as ID."""
    project.service.create("handmade")
    project.service.advance()
    project.declare(model("one", spec={"display_name": "handmade"}))
    project.run("import", "one", "tunedModels/handmade", expect=0)
    assert project.record("one")["id"] == "handmade"


@pytest.mark.parametrize(
    "arguments", [("TunedModel/one", "missing"), ("TunedModel/other", "handmade"), ("one",), ()]
)
def test_import_refuses_what_is_not_there(project: Project, arguments: tuple[str, ...]) -> None:
    """A missing model, a missing manifest or too few arguments exit 1 and write no state."""
    project.service.create("handmade")
    project.service.advance()
    project.declare(model("one"))
    project.run("import", *arguments, expect=1)
    assert not project.state_file.exists()


def test_import_refuses_what_is_recorded(project: Project) -> None:
    """Import refuses an address that already has a model."""
    project.service.create("handmade")
    project.service.advance()
    project.declare(model("one"))
    project.apply()
    project.run("import", "one", "handmade", expect=1)
    assert project.record("one")["id"] == identity("one")


def test_import_of_a_model_that_differs_is_refused(project: Project) -> None:
    """Import refuses a model with another base model than the manifest declares, and records nothing."""
    project.service.create("handmade", baseModel=OTHER_BASE)
    project.service.advance()
    project.declare(model("one"))
    project.run("import", "one", "handmade", expect=1)
    assert not project.state_file.exists()


def test_a_base_that_cannot_be_tuned_is_an_error_in_the_plan(project: Project) -> None:
    """The error names tunable base models, or TuningJob if there are none. Nothing is sent."""
    project.declare(model("one", spec={"base_model": "models/gemini-2.0-flash"}))
    result = project.plan(expect=1)
    assert OTHER_BASE in result.err
    project.service.settings(tunable=[])
    project.declare(model("one"))
    result = project.apply(expect=1)
    assert "none today; declare kind: TuningJob instead\n" in result.err
    assert project.service.creates() == 0


def test_a_retired_base_is_no_reason_to_touch_what_is_trained(project: Project) -> None:
    """If no base model is tunable any more, as since 2025-05, trained models stay and drift has a note."""
    project.declare(model("one"))
    project.apply()
    project.service.settings(tunable=[])
    project.settled()
    result = project.run("drift", expect=0)
    assert "no longer offered" in result.out or "not offered" in result.out
