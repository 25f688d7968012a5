"""The discovery documents as the measure: of the emulator's tables, and the measure itself measured."""

from typing import Any

import pytest

from reconciler.emulator.protojson import Message, to_camel
from reconciler.emulator.vertex import messages
from tests.emulator.discovery import document

AIPLATFORM = "GoogleCloudAiplatformV1"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (messages.TUNING_JOB, "TuningJob"),
        (messages.MODEL, "Model"),
        (messages.ENDPOINT, "Endpoint"),
        (messages.UNDEPLOY, "UndeployModelRequest"),
        (messages.DEPLOY, "DeployModelRequest"),
        (messages.MUTATE, "MutateDeployedModelRequest"),
        (messages.COPY, "CopyModelRequest"),
        (messages.MERGE_ALIASES, "MergeVersionAliasesRequest"),
        (messages.CONTENT, "Content"),
        (messages.GENERATE_CONTENT, "GenerateContentRequest"),
        (messages.COUNT_TOKENS, "CountTokensRequest"),
    ],
)
def test_the_tables_are_the_documents(message: Message, name: str) -> None:
    """What a request may say is what the document has, field by field, kind by kind, all the way down."""
    check(message, document("aiplatform.v1").schemas[AIPLATFORM + name], name)


def check(message: Message, described: dict[str, Any], at: str) -> None:
    """Compare a table with a schema. Values that are taken as they are have no table."""
    properties = described["properties"]
    assert {to_camel(name) for name in message} == set(properties), at
    for name, field in message.items():
        known = properties[to_camel(name)]
        here = f"{at}.{name}"
        if field.kind == "TYPE_ANY":
            continue
        assert field.repeated == (known.get("type") == "array"), here
        known = known.get("items", known)
        if field.message is not None:
            check(field.message, document("aiplatform.v1").schemas[known["$ref"]], here)
        elif field.kind == "TYPE_ENUM":
            assert list(field.names) == known["enum"], here
        elif field.kind == "TYPE_MAP":
            assert known["additionalProperties"] == {"type": "string"}, here
        else:
            kinds = {"int64": "TYPE_INT64", "double": "TYPE_DOUBLE"}
            expected = kinds.get(known.get("format", ""), f"TYPE_{known['type'].upper()}")
            assert field.kind.replace("BOOL", "BOOLEAN") == expected.replace("BOOLEANEAN", "BOOLEAN"), here


GOOD = {
    "name": "x",
    "state": "JOB_STATE_RUNNING",
    "createTime": "2026-01-02T03:04:05.123456Z",
    "labels": {"a": "b"},
}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"temperature": 1}, "temperature: no such field"),
        ({"state": "RUNNING"}, "state"),
        ({"state": 3}, "state"),
        ({"createTime": "yesterday"}, "createTime"),
        ({"createTime": "2026-01-02T03:04:05.1Z"}, "createTime"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": ["a"]}, "labels: not an object"),
        ({"tunedModel": {"checkpoints": [{"epoch": 1}]}}, "tunedModel.checkpoints[0].epoch"),
        ({"tunedModel": {"checkpoints": [{"epoch": "01"}]}}, "epoch"),
        ({"tunedModel": {"checkpoints": {}}}, "checkpoints"),
        ({"supervisedTuningSpec": {"exportLastCheckpointOnly": "true"}}, "exportLastCheckpointOnly"),
        (
            {"supervisedTuningSpec": {"hyperParameters": {"learningRateMultiplier": "1"}}},
            "learningRateMultiplier",
        ),
        ({"error": {"code": "3"}}, "error.code"),
    ],
)
def test_the_judge_judges(change: dict[str, Any], told: str) -> None:
    """A value that does not fit is told with its place, and one that fits is not."""
    problems = document("aiplatform.v1").problems(f"{AIPLATFORM}TuningJob", {**GOOD, **change})
    assert len(problems) == (1 if told else 0)
    assert told in "".join(problems)
