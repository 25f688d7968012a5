"""The NDJSON stream as Terraform's readers expect it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from msgspec.structs import replace

from reconciler.codec import Json
from reconciler.errors import Diagnostic, Severity
from reconciler.events import APPLY, Billed, Detached, Event, Failed, Progress, Skipped, Uploading, Verb
from reconciler.plan.change import Action, Change, Deposed
from reconciler.render import stream
from tests.render import plans
from tests.render.strategies import SECRET, changes, events

NOW = "2026-11-22T18:00:00Z"
MIB = 2**20


@given(events)
def test_any_event_is_lines_of_json(event: Event) -> None:
    """Every event is one ASCII line with the five keys that every line has."""
    records = list(stream.build_event_records(event, NOW))
    assert records
    for record in records:
        line = stream.encode_line(record)
        assert "\n" not in line
        assert line.isascii()
        assert {"@level", "@message", "@module", "@timestamp", "type"} <= set(json.loads(line))


@given(changes())
def test_any_change_is_a_line_without_training_data(change: Change) -> None:
    """Every plan can be streamed, without any training example."""
    line = stream.encode_line(stream.build_planned_change_record(change, NOW))
    assert SECRET not in line
    assert json.loads(line)["change"]["resource"]["addr"] == str(change.address)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (plans.CREATE, "create"),
        (plans.UPDATE, "update"),
        (plans.REPLACE, "replace"),
        (plans.REPLACE_IN_PLACE, "replace"),
        (plans.DELETE, "delete"),
        (plans.DELETE_DEPOSED, "delete"),
        (plans.FORGET, "remove"),
        (plans.ADOPT, "import"),
        (plans.WAIT, "noop"),
        (plans.MOVE, "move"),
        (plans.RECORD, "noop"),
        (plans.FAILED, "noop"),
        (plans.NO_OP, "noop"),
        (plans.COMPLETE, "update"),
        (plans.CHECK_AGAIN, "noop"),
        (plans.RESTORE, "noop"),
    ],
)
def test_planned_actions_are_terraforms(change: Change, word: str) -> None:
    """A dashboard finds Terraform's words. Ours are beside them."""
    record = stream.build_planned_change_record(change, NOW)
    planned, ours = record["change"], record["reconciler"]
    assert isinstance(planned, dict)
    assert isinstance(ours, dict)
    assert planned["action"] == word
    assert ours["action"] == change.action


def test_a_plan_streams_drift_changes_and_summary_in_that_order() -> None:
    """A model that does not change is not streamed, and the counts come last."""
    records = list(stream.build_plan_records(plans.EVERYTHING, NOW))
    types = [str(record["type"]) for record in records]
    assert sorted(set(types), key=types.index) == [
        "resource_drift",
        "diagnostic",
        "planned_change",
        "change_summary",
    ]
    assert types.count("planned_change") == len(plans.CHANGES) - 2  # a no-op and a record are not streamed
    assert records[-1]["changes"] == {"add": 5, "change": 1, "import": 1, "remove": 7, "operation": "plan"}


def test_unknown_progress_is_absent() -> None:
    """A reader never takes an unknown loss for zero."""
    (record,) = stream.build_event_records(Progress(plans.address("x"), "x-1", percent=0.0), NOW)
    hook = record["hook"]
    assert isinstance(hook, dict)
    assert hook["percent"] == 0.0
    assert not {"step", "epoch", "mean_loss", "remaining_seconds"} & set(hook)


def test_a_planned_change_says_what_the_checks_said() -> None:
    """A bot can tell a model that its checks keep back from one that has just been trained."""
    ours = stream.build_planned_change_record(plans.CHECK_AGAIN, NOW)["reconciler"]
    assert isinstance(ours, dict)
    assert (ours["action"], ours["verdict"]) == ("complete", "failed")
    fresh = stream.build_planned_change_record(plans.COMPLETE, NOW)["reconciler"]
    assert isinstance(fresh, dict)
    assert "verdict" not in fresh


def test_a_deposed_model_that_is_kept_says_until_when() -> None:
    """A bot need not read the words to know the time and the reason."""
    kept = replace(
        plans.DELETE_DEPOSED,
        action=Action.NO_OP,
        deposed=Deposed("2026-11-23T09:00:00Z"),
        notes=("kept for 24h",),
        steps=(),
    )
    ours = stream.build_planned_change_record(kept, NOW)["reconciler"]
    assert isinstance(ours, dict)
    assert (ours["kept_until"], ours["notes"]) == ("2026-11-23T09:00:00Z", ["kept for 24h"])


@pytest.mark.parametrize(
    ("billed", "figures"),
    [
        (Billed(plans.address("x"), "x-1", 900), {}),
        (
            Billed(plans.address("x"), "x-1", 900, 0.27, "USD", 1_000),
            {"amount": 0.27, "currency": "USD", "estimated_tokens": 1_000, "difference_tokens": -100},
        ),
    ],
)
def test_a_bill_is_a_line_of_what_is_known(billed: Billed, figures: dict[str, object]) -> None:
    """What has no price and no estimate is absent, and never a zero."""
    (record,) = stream.build_event_records(billed, NOW)
    assert record["type"] == "billed"
    assert record["bill"] == {"id": "x-1", "tokens": 900} | figures


def test_a_failure_is_followed_by_its_diagnostic() -> None:
    """The first line says what failed. The second says why and what to do. Both have the level error."""
    failed = Failed(plans.address("x"), Verb.CREATE, "no quota", "Ask for more.")
    what, why = stream.build_event_records(failed, NOW)
    assert (what["type"], why["type"]) == ("apply_errored", "diagnostic")
    assert what["@level"] == why["@level"] == "error"
    assert why["diagnostic"] == {
        "severity": "error",
        "summary": "create failed: no quota",
        "detail": "Ask for more.",
        "address": "TunedModel/x",
    }


def test_an_upload_is_counted_in_bytes() -> None:
    """A dashboard can draw how far the upload of a data set is."""
    (record,) = stream.build_event_records(Uploading("data/big.jsonl", 30 * MIB, 100 * MIB), NOW)
    assert record["type"] == "upload_progress"
    assert record["@message"] == "Uploading data/big.jsonl: 30% of 100 MB"
    assert record["upload"] == {
        "data": "data/big.jsonl",
        "sent_bytes": 30 * MIB,
        "total_bytes": 100 * MIB,
    }


def test_what_is_left_undone_says_which_command_continues() -> None:
    """Only what is unfinished has a command to resume it with."""
    done = Skipped(plans.address("x"), Verb.DELETE, "it is kept", "x-1")
    (record,) = stream.build_event_records(done, NOW)
    assert (record["type"], record["@level"]) == ("apply_skipped", "warn")
    assert "resume" not in _get_hook(record)
    unfinished = replace(done, reason="it is still training", unfinished=True, resume=APPLY)
    (record,) = stream.build_event_records(unfinished, NOW)
    hook = _get_hook(record)
    assert (hook["unfinished"], hook["resume"]) == (True, APPLY)


def test_what_needs_attention_is_also_a_warning() -> None:
    """A reader that collects diagnostics does not miss what was skipped because of some trouble."""
    troubled = Skipped(plans.address("x"), Verb.CHECK, "the checks failed", "x-1", trouble=True)
    _, warning = stream.build_event_records(troubled, NOW)
    assert (warning["type"], warning["@level"]) == ("diagnostic", "warn")
    assert warning["diagnostic"] == {
        "severity": "warning",
        "summary": "the checks failed",
        "detail": "",
        "address": "TunedModel/x",
    }


def _get_hook(record: dict[str, Json]) -> dict[str, Json]:
    hook = record["hook"]
    assert isinstance(hook, dict)
    return hook


def test_a_diagnostic_has_terraforms_range() -> None:
    """A bot can annotate the line of a manifest."""
    record = stream.build_diagnostic_record(
        Diagnostic("odd", "Mend it.", "a.yaml", 3, severity=Severity.WARNING), NOW
    )
    assert record["@level"] == "warn"
    body = record["diagnostic"]
    assert isinstance(body, dict)
    start = {"line": 3, "column": 1, "byte": 0}
    assert body["range"] == {"filename": "a.yaml", "start": start, "end": start}


def test_detaching_names_what_goes_on() -> None:
    """After --no-wait, the stream names the models to wait for later."""
    going_on = Detached("no-wait", (plans.address("x"),), copying=(plans.address("y"),))
    (record,) = stream.build_event_records(going_on, NOW)
    assert (record["training"], record["copying"], record["deploying"]) == (
        ["TunedModel/x"],
        ["TunedModel/y"],
        [],
    )


def test_drift_that_is_a_note_is_no_warning() -> None:
    """The level distinguishes drift from notes."""
    assert [stream.build_drift_record(one, NOW)["@level"] for one in plans.DRIFTS] == [
        "warn",
        "warn",
        "warn",
        *["info"] * 4,
    ]


def test_outputs_are_sorted_names() -> None:
    """Outputs have Terraform's shape."""
    record = stream.build_outputs_record(
        {plans.address("b"): "tunedModels/b", plans.address("a"): "tunedModels/a"}, NOW
    )
    outputs = record["outputs"]
    assert isinstance(outputs, dict)
    assert list(outputs) == ["TunedModel/a", "TunedModel/b"]
    assert outputs["TunedModel/a"] == {"value": "tunedModels/a", "type": "string", "sensitive": False}
