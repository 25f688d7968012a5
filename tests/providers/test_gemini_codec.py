"""JSON of tuned models and operations, held against Google's own protos and against what users saw."""

from __future__ import annotations

import importlib
import json
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ServiceError
from reconciler.identity import to_float32
from reconciler.kind import FieldRole, FieldType, OnChange
from reconciler.model.data import Example
from reconciler.model.live import Live, Snapshot, Status
from reconciler.model.names import Attributes, Value
from reconciler.providers import Accepted
from reconciler.providers.gemini import codec, grants, operations
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.google import json as google_json

with warnings.catch_warnings():
    # google.api_core warns that support for this version of Python will end.
    warnings.simplefilter("ignore", FutureWarning)
    google: Any = importlib.import_module("google.ai.generativelanguage_v1beta")

BASE = "models/gemini-1.5-flash-001-tuning"
LEARNING_RATES = [path for path in TUNED_MODEL.fields if "learning_rate" in path]

# Google's tutorial and notebook print these for a real model and a real operation.
MODEL: dict[str, Any] = {
    "name": "tunedModels/number-generator-model-dzlmi0gswwqb",
    "displayName": "number generator model",
    "baseModel": "models/gemini-1.0-pro-001",
    "temperature": 0.9,
    "topP": 1,
    "topK": 1,
    "state": "ACTIVE",
    "createTime": "2024-03-05T23:06:24.543413Z",
    "updateTime": "2024-03-05T23:08:08.311342Z",
    "readerProjectNumbers": ["123", "9223372036854775807"],
    "tuningTask": {
        "startTime": "2024-03-05T23:06:24.960172Z",
        "completeTime": "2024-03-05T23:08:08.311342Z",
        "snapshots": [
            {"step": 1, "meanLoss": 11.75, "computeTime": "2024-03-05T23:07:08.455102Z"},
            {"step": 19, "epoch": 5, "meanLoss": 0.25, "computeTime": "2024-03-05T23:08:23.766989274Z"},
        ],
        "hyperparameters": {"batchSize": 4, "learningRate": 0.001, "epochCount": 5},
    },
}
OPERATION: dict[str, Any] = {
    "name": "tunedModels/number-generator-model-dzlmi0gswwqb/operations/bvl8dymw0fhw",
    "metadata": {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1beta.CreateTunedModelMetadata",
        "totalSteps": 19,
        "tunedModel": "tunedModels/number-generator-model-dzlmi0gswwqb",
    },
}
NAME = MODEL["name"]


def message(document: object) -> Any:
    """The proto message that Google's parser makes of our JSON; unknown fields are refused."""
    found = google.TunedModel.pb()()
    json_format.Parse(json.dumps(document), found, ignore_unknown_fields=False)
    return found


# ---------------------------------------------------------------- writing

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES: dict[FieldType, st.SearchStrategy[Value]] = {
    FieldType.STRING: TEXTS,
    FieldType.INTEGER: st.integers(0, 2**31 - 1),
    FieldType.FLOAT32: st.floats(0, 1e30),
    FieldType.INTEGERS: st.lists(st.integers(0, 2**63 - 1), max_size=3).map(tuple),
}


@st.composite
def declared(draw: st.DrawFn) -> Attributes:
    """Any fields that a manifest can declare, without its source. There is at most one learning rate."""
    own = [path for path, row in TUNED_MODEL.fields.items() if row.role is not FieldRole.SOURCE]
    chosen = draw(st.sets(st.sampled_from([path for path in own if path not in LEARNING_RATES])))
    rate = draw(st.sampled_from([*LEARNING_RATES, None]))
    paths = sorted(chosen | ({rate} if rate else set()))
    return {path: draw(VALUES[TUNED_MODEL.fields[path].type]) for path in paths}


EXAMPLES = st.lists(st.builds(Example, TEXTS, TEXTS), max_size=3)


def read(model: Any, path: str) -> Any:
    """A field of the proto message by its path."""
    for part in path.split("."):
        model = getattr(model, part)
    return model


@given(declared(), EXAMPLES, st.sampled_from([BASE, "tunedModels/parent-abcdefgh"]))
def test_a_create_says_to_google_what_was_declared(
    attributes: Attributes, examples: list[Example], source: str
) -> None:
    """Google's proto reads every declared field, example and source as meant, and no other."""
    found = message(codec.create_body(attributes, source, examples))
    for path, value in attributes.items():
        shown = read(found, path)
        match TUNED_MODEL.fields[path].type:
            case FieldType.FLOAT32:
                assert isinstance(value, float)
                assert shown == to_float32(value)
            case FieldType.INTEGERS:
                assert tuple(shown) == value
            case _:
                assert shown == value
    pairs = found.tuning_task.training_data.examples.examples
    assert [Example(one.text_input, one.output) for one in pairs] == examples
    assert source == (found.base_model or found.tuned_model_source.tuned_model)
    assert found.WhichOneof("source_model") == ("base_model" if source == BASE else "tuned_model_source")
    declared_fields = {re.sub(r"\..*", "", path) for path in attributes} | {"tuning_task"}
    assert {field.name for field, _ in found.ListFields()} <= declared_fields | {
        "base_model",
        "tuned_model_source",
    }


@given(declared())
def test_a_patch_holds_just_its_fields(attributes: Attributes) -> None:
    """Mask and body name the same fields, in Google's FieldMask JSON. Empty values and zeros are sent."""
    changed = {
        path: value
        for path, value in attributes.items()
        if TUNED_MODEL.fields[path].on_change is OnChange.UPDATE
    }
    mask, body = codec.patch(changed)
    assert set(mask.split(",") if mask else []) == set(body)
    message(body)
    request = google.UpdateTunedModelRequest.pb()()
    json_format.ParseDict({"tunedModel": body, "updateMask": mask}, request)
    assert set(request.update_mask.paths) == set(changed)


def test_an_immutable_field_is_not_patched() -> None:
    """A patch of a hyperparameter is a defect of the caller, and an error before the request."""
    with pytest.raises(ValueError, match="batch_size"):
        codec.patch({"tuning_task.hyperparameters.batch_size": 4})


def test_the_table_is_googles() -> None:
    """Every path of the table is a field of Google's TunedModel, and has the type that the table says."""
    kinds = {
        FieldType.STRING: "TYPE_STRING",
        FieldType.INTEGER: "TYPE_INT32",
        FieldType.FLOAT32: "TYPE_FLOAT",
        FieldType.INTEGERS: "TYPE_INT64",
    }
    for path, row in TUNED_MODEL.fields.items():
        descriptor = google.TunedModel.pb().DESCRIPTOR
        field = None
        for part in path.split("."):
            field = descriptor.fields_by_name[part]
            descriptor = field.message_type
        assert field is not None
        assert getattr(field, kinds[row.type]) == field.type, path
        assert (field.label == field.LABEL_REPEATED) == (row.type is FieldType.INTEGERS)


# ---------------------------------------------------------------- reading


def test_a_real_model_is_read() -> None:
    """Google's own example becomes the live value, with its integers and its readers' numbers."""
    found = codec.read_model(MODEL, curve=True)
    assert found == Live(
        id="number-generator-model-dzlmi0gswwqb",
        name=NAME,
        status=Status.ACTIVE,
        attributes={
            "base_model": "models/gemini-1.0-pro-001",
            "display_name": "number generator model",
            "temperature": 0.9,
            "top_p": 1.0,
            "top_k": 1,
            "reader_project_numbers": (123, 9223372036854775807),
            "tuning_task.hyperparameters.batch_size": 4,
            "tuning_task.hyperparameters.epoch_count": 5,
            "tuning_task.hyperparameters.learning_rate": 0.001,
        },
        create_time="2024-03-05T23:06:24.543413Z",
        complete_time="2024-03-05T23:08:08.311342Z",
        snapshots=(
            Snapshot(1, 0, 11.75),
            Snapshot(19, 5, 0.25),
        ),
    )
    assert isinstance(found.attributes["top_p"], float)


def test_a_list_keeps_the_last_point_of_a_curve() -> None:
    """If the curve is not asked for, only the last snapshot is read."""
    assert [one.step for one in codec.read_model(MODEL, curve=False).snapshots] == [19]


@given(declared(), EXAMPLES)
def test_what_google_prints_is_read_back(attributes: Attributes, examples: list[Example]) -> None:
    """What Google's JSON printer makes of a model is read as what was sent, except for float32."""
    stored = message(codec.create_body(attributes, BASE, examples))
    stored.name, stored.state = NAME, 2
    stored.tuning_task.ClearField("training_data")
    for numbers in (False, True):
        printed = json_format.MessageToDict(stored, use_integers_for_enums=numbers)
        found = codec.read_model(printed, curve=True)
        assert found.status is Status.ACTIVE
        for path, value in attributes.items():
            if isinstance(value, float):
                shown = found.attributes[path]
                assert isinstance(shown, float)
                assert to_float32(shown) == to_float32(value)
            elif path in found.attributes:
                assert found.attributes[path] == value
            else:
                # Proto3 does not tell an empty value from an absent one.
                assert value in {"", 0, ()}
        assert not codec.find_differences(attributes, BASE, found)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("CREATING", Status.CREATING),
        ("ACTIVE", Status.ACTIVE),
        ("FAILED", Status.FAILED),
        (1, Status.CREATING),
        (2, Status.ACTIVE),
        (3, Status.FAILED),
        ("STATE_UNSPECIFIED", Status.CREATING),
        ("PAUSED_SINCE_2027", Status.CREATING),
        (None, Status.CREATING),
    ],
)
def test_a_state_is_a_name_or_a_number(state: object, status: Status) -> None:
    """An unknown state counts as CREATING, so that nothing is done to the model."""
    assert codec.read_model({"name": NAME, "state": state}, curve=True).status is status


def test_a_tuned_source_hides_the_base_model() -> None:
    """A model tuned from a tuned one shows its parent. The parent's base model is not its own field."""
    source = {"tunedModel": "tunedModels/parent", "baseModel": BASE}
    found = codec.read_model({"name": NAME, "tunedModelSource": source, "baseModel": BASE}, curve=True)
    assert found.attributes == {"tuned_model_source.tuned_model": "tunedModels/parent"}


def test_unknown_fields_are_ignored() -> None:
    """Fields that Google adds to its answers later change nothing."""
    more = json.loads(json.dumps(MODEL))
    more["new"] = more["tuningTask"]["new"] = more["tuningTask"]["snapshots"][0]["new"] = {"a": [1]}
    assert codec.read_model(more, curve=True) == codec.read_model(MODEL, curve=True)


@pytest.mark.parametrize(
    "change",
    [
        {"displayName": 7},
        {"temperature": "warm"},
        {"temperature": True},
        {"topK": 1.5},
        {"topK": "many"},
        {"topK": "9" * 5000},
        {"readerProjectNumbers": "123"},
        {"readerProjectNumbers": [[]]},
        {"state": ["ACTIVE"]},
        {"state": {}},
        {"tuningTask": []},
        {"tuningTask": {"hyperparameters": 5}},
        {"tunedModelSource": "tunedModels/x"},
        {"temperature": "NaN"},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 1e39},
        {"topP": 10**400},
        {"topK": 2**63},
        {"topK": float("inf")},
        {"topK": "1e400"},
        {"readerProjectNumbers": [str(2**63)]},
    ],
    ids=str,
)
def test_a_wrong_type_names_the_model(change: dict[str, Any]) -> None:
    """An answer of another shape is a ServiceError that names the model."""
    with pytest.raises(ServiceError, match=NAME) as caught:
        codec.read_model({**MODEL, **change}, curve=True)
    assert len(caught.value.summary) < 300


@pytest.mark.parametrize("name", [None, 7, "", "models/x", "x"])
def test_a_model_without_a_name_is_refused(name: object) -> None:
    """Nobody could manage a model that has no name."""
    with pytest.raises(ServiceError, match="name"):
        codec.read_model({"name": name}, curve=True)


def error_of(read: Callable[..., object], *arguments: object, **options: object) -> str:
    """Return the text of a ServiceError. Every other exception is raised."""
    try:
        read(*arguments, **options)
    except ServiceError as error:
        return error.summary
    return str(NAME)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXTS, st.lists))
def test_no_answer_is_a_traceback(value: Any) -> None:
    """Whatever an answer has in place of a field, reading gives a value, or an error with the name."""
    for key in ("state", "displayName", "temperature", "tuningTask", "readerProjectNumbers", "topK"):
        assert NAME in error_of(codec.read_model, {"name": NAME, key: value}, curve=True)
    odd = {"name": NAME, "tuningTask": {"snapshots": value}}
    assert NAME in error_of(codec.read_model, odd, curve=True)
    for key in ("metadata", "response", "error", "done", "name"):
        told = {**OPERATION, key: value}
        assert NAME in error_of(operations.read_training, told, NAME)
        assert NAME in error_of(operations.read_accepted, told, NAME)


# ---------------------------------------------------------------- comparing


def test_the_asked_model_is_recognised_at_float32() -> None:
    """The service keeps learning rates in single precision. Such a rate equals the declared one."""
    asked: Attributes = {"tuning_task.hyperparameters.learning_rate": 0.001}
    shown = {**MODEL, "tuningTask": {"hyperparameters": {"learningRate": 0.0010000000474974513}}}
    assert codec.find_differences(asked, MODEL["baseModel"], codec.read_model(shown, curve=True)) == ()


@pytest.mark.parametrize(
    ("asked", "source", "different"),
    [
        ({"tuning_task.hyperparameters.epoch_count": 6}, MODEL["baseModel"], "epoch_count"),
        ({"tuning_task.hyperparameters.learning_rate": 0.0011}, MODEL["baseModel"], "learning_rate"),
        ({"tuning_task.hyperparameters.learning_rate": 1e300}, MODEL["baseModel"], "learning_rate"),
        ({}, "models/other", "base_model"),
        ({}, "tunedModels/other", "tuned_model_source.tuned_model"),
    ],
)
def test_another_model_is_told_from_ours(asked: Attributes, source: str, different: str) -> None:
    """Each immutable difference is named by its path."""
    found = codec.find_differences(asked, source, codec.read_model(MODEL, curve=True))
    assert len(found) == 1
    assert different in found[0]


def test_mutable_and_unseen_fields_make_no_other_model() -> None:
    """A changed name and hyperparameters that the answer leaves out do not make it another model."""
    asked: Attributes = {"display_name": "other", "tuning_task.hyperparameters.epoch_count": 6}
    bare = codec.read_model({"name": NAME}, curve=True)
    assert codec.find_differences(asked, BASE, bare) == ()


# ---------------------------------------------------------------- operations


def test_a_real_create_is_accepted() -> None:
    """The answer to a create gives the model, its operation and its steps."""
    assert operations.read_accepted(OPERATION, NAME) == Accepted(NAME, OPERATION["name"], 19, "")


@pytest.mark.parametrize("document", [{}, {"name": ""}, {"name": 7}, {"done": True}, {"metadata": {}}])
def test_an_answer_that_is_no_operation_says_nothing(document: dict[str, Any]) -> None:
    """Without an operation's name nobody knows whether a create was accepted."""
    assert operations.read_accepted(document, NAME) is None


def test_another_model_than_asked_for_is_told() -> None:
    """A service that chose an id of its own has trained something. The error names it."""
    with pytest.raises(ServiceError, match="dzlmi0gswwqb"):
        operations.read_accepted(OPERATION, "tunedModels/ours-abcdefgh")


@pytest.mark.parametrize("metadata", [5, "x", [1], None, True])
def test_metadata_that_is_no_object_is_none(metadata: object) -> None:
    """Metadata is for people. A create that answers so was accepted, and its training is waited for."""
    odd = {**OPERATION, "metadata": metadata}
    accepted, told = operations.read_accepted(odd, NAME), operations.read_training(odd, NAME)
    assert accepted == Accepted(NAME, OPERATION["name"], None, "")
    assert told is not None
    assert told.status is Status.CREATING
    assert operations.find_create([odd], NAME) == odd


def test_the_first_poll_is_at_zero() -> None:
    """Metadata without progress means none yet, because zeros are left out."""
    told = operations.read_training(OPERATION, NAME)
    assert told is not None
    assert (told.status, told.percent, told.step, told.total_steps) == (Status.CREATING, 0.0, 0, 19)


def test_progress_is_told() -> None:
    """Percentage, steps and the whole curve come from the metadata."""
    progress = {"completedPercent": 42.1, "completedSteps": 8, "snapshots": MODEL["tuningTask"]["snapshots"]}
    told = operations.read_training({**OPERATION, "metadata": {**OPERATION["metadata"], **progress}}, NAME)
    assert told is not None
    assert (told.percent, told.step, len(told.snapshots)) == (42.1, 8, 2)


@pytest.mark.parametrize("done", [{}, {"done": True}])
def test_a_response_ends_it(done: dict[str, Any]) -> None:
    """A response is the end, with or without `done`. Its model is the live one."""
    told = operations.read_training({**OPERATION, **done, "response": {"@type": "x", **MODEL}}, NAME)
    assert told is not None
    assert (told.status, told.live) == (Status.ACTIVE, codec.read_model(MODEL, curve=True))
    assert len(told.snapshots) == 2


@pytest.mark.parametrize(
    "response", [{"done": True}, {"response": {"state": "CREATING"}}, {"done": True, "response": 7}]
)
def test_an_end_that_says_too_little_asks_the_model(response: dict[str, Any]) -> None:
    """Done without a result, or with an unfinished model, decides nothing."""
    assert operations.read_training({**OPERATION, **response}, NAME) is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"code": 13, "message": "out of chips"}, "out of chips"),
        ({"code": 1}, "the training was cancelled"),
        ({"code": 1, "message": "by ann"}, "the training was cancelled: by ann"),
        ({"code": 13}, "gave no reason (code 13)"),
        ({"message": ""}, "gave no reason"),
        ("odd", "gave no reason"),
        ({"message": "\x1b[2J" + "x" * 999}, "[2Jxxx"),
    ],
)
def test_an_error_ends_it(error: object, said: str) -> None:
    """The operation's error is the reason of the failure. It is made printable and cut."""
    told = operations.read_training({**OPERATION, "error": error}, NAME)
    assert told is not None
    assert told.status is Status.FAILED
    assert said in told.error
    assert told.error.isprintable()
    assert len(told.error) <= 300


def test_a_failed_model_alone_has_no_reason() -> None:
    """If the operation is gone, the message says that nobody gave a reason."""
    told = operations.describe_training(codec.read_model({"name": NAME, "state": "FAILED"}, curve=True))
    assert (told.status, told.error) == (Status.FAILED, operations.NO_REASON)


NONSENSE = [float("nan"), float("inf"), "NaN", "-Infinity", 10**400, "9" * 5000, -1e300, True, [], {}, "x"]
"""Values that are not possible for a figure."""


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("key", ["step", "epoch", "meanLoss"])
def test_a_point_that_makes_no_sense_is_left_out(key: str, value: object) -> None:
    """A loss curve is for people. It keeps its other points, in a model and in an operation."""
    points = [{"step": 1, "meanLoss": 2.5}, {"step": 2, "epoch": 1, "meanLoss": 1.5, key: value}]
    found = codec.read_model({"name": NAME, "tuningTask": {"snapshots": points}}, curve=True)
    assert found.snapshots == (Snapshot(1, 0, 2.5),)
    assert codec.read_model({"name": NAME, "tuningTask": {"snapshots": points}}, curve=False).snapshots == (
        Snapshot(1, 0, 2.5),
    )
    told = operations.read_training({**OPERATION, "metadata": {"snapshots": points}}, NAME)
    assert told is not None
    assert told.snapshots == (Snapshot(1, 0, 2.5),)


@pytest.mark.parametrize("odd", [{}, [1], [{"step": "x"}], "x", 5])
def test_snapshots_of_another_shape_are_none(odd: object) -> None:
    """Snapshots are for people. The model is read without them."""
    assert codec.read_model({**MODEL, "tuningTask": {"snapshots": odd}}, curve=True).snapshots == ()


@pytest.mark.parametrize("value", [*NONSENSE, -5, "-5", 2**63], ids=lambda value: str(value)[:20])
def test_progress_that_makes_no_sense_is_left_out(value: object) -> None:
    """Steps and percentages are for people. They are unknown then, and the training goes on."""
    metadata = {"totalSteps": value, "completedSteps": value, "completedPercent": value}
    told = operations.read_training({**OPERATION, "metadata": metadata}, NAME)
    assert told is not None
    assert (told.status, told.percent, told.step, told.total_steps) == (Status.CREATING, None, None, None)
    accepted = operations.read_accepted({**OPERATION, "metadata": metadata}, NAME)
    assert accepted is not None
    assert accepted.total_steps is None


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", 5, "9" * 5000])
def test_a_time_that_is_none_is_left_out(time: object) -> None:
    """Times are for people, so a wrong one is no error."""
    found = codec.read_model({**MODEL, "createTime": time, "tuningTask": {"completeTime": time}}, curve=True)
    assert (found.create_time, found.complete_time) == ("", "")


def test_numbers_may_come_as_text() -> None:
    """proto3 allows this in JSON."""
    shown = {"name": NAME, "temperature": "0.7", "topP": "9.5e-1", "topK": "40"}
    assert codec.read_model(shown, curve=True).attributes == {"temperature": 0.7, "top_p": 0.95, "top_k": 40}
    point = {"step": "3", "epoch": "1", "meanLoss": "1.5"}
    assert codec.read_model({"name": NAME, "tuningTask": {"snapshots": [point]}}, curve=True).snapshots == (
        Snapshot(3, 1, 1.5),
    )


OTHER = "tunedModels/the-good-model"


def test_an_operation_of_another_model_tells_nothing() -> None:
    """Its name, its metadata or its response may be another model's. Then the model itself is asked."""
    good = {**MODEL, "name": OTHER}
    nameless = {key: value for key, value in MODEL.items() if key != "name"}
    for odd in (
        {"name": f"{OTHER}/operations/one"},
        {"metadata": {"tunedModel": OTHER}},
        {"done": True, "response": good},
        {"done": True, "response": nameless},
        {"name": f"{OTHER}/operations/one", "error": {"code": 13, "message": "out of chips"}},
    ):
        assert operations.read_training({**OPERATION, **odd}, NAME) is None
    assert operations.find_create([{"name": f"{OTHER}/operations/one"}], NAME) is None


def test_a_model_that_was_not_asked_for_is_no_answer() -> None:
    """An answer about another name is an error that names both."""
    with pytest.raises(ServiceError, match=rf"asked about {OTHER} but answered about '{NAME}'"):
        codec.read_model(MODEL, curve=True, asked=OTHER)


@pytest.mark.parametrize("rest", ["../x", "x?y", "x/y", "\ud800"])
def test_a_name_that_is_no_name_is_refused(rest: str) -> None:
    """Nobody could ask for it or record it."""
    with pytest.raises(ServiceError, match="name"):
        codec.read_model({"name": f"tunedModels/{rest}"}, curve=True)


# ---------------------------------------------------------------- everything else


def test_permissions_are_names_or_numbers() -> None:
    """Enums may be names or numbers. A permission without a grantee or a role is an error."""
    named = {"granteeType": "GROUP", "emailAddress": "a@b.c", "role": "WRITER"}
    numbered = {"granteeType": 2, "emailAddress": "a@b.c", "role": 2}
    assert grants.read_permission(named, NAME) == grants.read_permission(numbered, NAME)
    for odd in ({}, {"granteeType": 9, "role": 3}, {"granteeType": "USER", "role": None}):
        with pytest.raises(ServiceError, match=NAME):
            grants.read_permission(odd, NAME)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "no reason"),
        ({"candidates": []}, "no reason"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, r"blocked \(SAFETY\)"),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, "MAX_TOKENS"),
        ({"candidates": [{"content": {"parts": []}, "finishReason": "RECITATION"}]}, "RECITATION"),
        ({"candidates": [{"content": {"parts": [{"text": "t", "thought": True}]}}]}, "no reason"),
    ],
)
def test_an_answer_without_text_says_why(document: dict[str, Any], said: str) -> None:
    """The error names the reason of the block or of the end."""
    with pytest.raises(ServiceError, match=said):
        google_json.read_reply(document, NAME)


def test_the_text_of_an_answer_is_all_its_parts() -> None:
    """Parts are joined, and thoughts are left out. An empty text is a text."""
    parts = [{"text": "a"}, {"thought": True, "text": "?"}, {"inlineData": {}}, {"text": "b"}]
    assert google_json.read_reply({"candidates": [{"content": {"parts": parts}}]}, NAME) == "ab"
    assert google_json.read_reply({"candidates": [{"content": {"parts": [{"text": ""}]}}]}, NAME) == ""
