"""The masks of the Gemini API: no answer, however odd, is read differently, and what they save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from reconciler.emulator.gemini.messages import TUNED_MODEL
from reconciler.emulator.json_text import format_json
from reconciler.emulator.partial import parse_fields, select
from reconciler.emulator.protojson import Field, Message, to_camel
from reconciler.errors import ServiceError
from reconciler.http import Transport
from reconciler.model.live import Live, Odd
from reconciler.providers import Handle
from reconciler.providers.gemini import codec
from reconciler.providers.gemini.provider import GeminiProvider
from tests.providers.masked import Service, hide_text, shorten, spoil

MODELS = codec.COLLECTION


def build_message(message: Message) -> dict[str, Any]:
    """Build a message with every field of its proto."""
    return {to_camel(name): build_field(field) for name, field in message.items()}


def build_field(field: Field) -> Any:
    """Build a value of a field's type."""
    value: Any = "12"
    if field.message is not None:
        value = build_message(field.message)
    elif field.names:
        value = field.names[2]
    elif field.kind in {"TYPE_FLOAT", "TYPE_INT32"}:
        value = 3
    elif field.kind == "TYPE_TIMESTAMP":
        value = "2026-01-02T03:04:05Z"
    return [value] if field.repeated else value


def build_resources() -> dict[str, list[Any]]:
    """A model with every field, and each of its fields spoiled. Each that has a name gets one of its own."""
    whole = {**build_message(TUNED_MODEL), "name": f"{MODELS}/whole"}
    whole["tuningTask"]["hyperparameters"] = {"epochCount": 5, "batchSize": 4, "learningRate": 0.5}
    ours = {key: value for key, value in whole.items() if key != "tunedModelSource"}
    spoiled = [*spoil(whole, 4), *spoil(ours, 1), 7, "text", {}]
    found = []
    for number, one in enumerate(spoiled):
        is_named = isinstance(one, dict) and one.get("name") == whole["name"]
        found.append({**one, "name": f"{MODELS}/m{number}"} if is_named else one)
    return {MODELS: found}


def read_all(service: Service) -> list[object]:
    """Read the list with and without progress, and each model singly."""
    provider = GeminiProvider(cast("Transport", service))
    found: list[object] = list(map(hide_text, (*provider.list(), *provider.list(progress=True))))
    for number in range(len(service.shown[MODELS])):
        try:
            found.append(provider.get(Handle(f"m{number}")))
        except ServiceError as error:
            found.append(shorten(error.summary))
    return found


def test_a_mask_changes_nothing_that_is_read() -> None:
    """Models and odd ones are the same from whole answers and from their parts.

    The service selects the parts, or we decode no others.
    Each field of the proto is there, then missing, then of another type.
    """
    resources = build_resources()
    service = Service(resources, selects=True)
    expected, found = read_all(Service(resources, selects=False)), read_all(service)
    assert [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]] == []
    decoded = read_all(Service(resources, selects=False, decodes=True))
    assert [pair for pair in zip(expected, decoded, strict=True) if pair[0] != pair[1]] == []
    assert {type(one) for one in found} >= {Live, Odd, str}
    assert len(found) > 100
    assert service.masks == {
        MODELS: f"{MODELS}({codec.WITH_CURVE}),nextPageToken",
        "": codec.WITH_CURVE,
    }


@pytest.mark.parametrize("key", sorted(parse_fields(codec.WITH_CURVE)))
def test_a_field_that_a_mask_forgets_is_noticed(key: str) -> None:
    """A mask that lacks one field changes what is read, so the comparison would notice the lack."""
    resources = build_resources()
    whole = read_all(Service(resources, selects=False))
    part = Service(resources, selects=True)
    for dropped in (MODELS, ""):
        assert read_all(replace(part, dropped=(dropped, key))) != whole


def test_a_list_of_a_plan_is_a_twelfth() -> None:
    """1,000 models with 30 snapshots each, uncompressed: whole, for `status`, and for a plan."""
    task = {
        "startTime": "2026-01-02T03:04:05.123456Z",
        "completeTime": "2026-01-02T04:04:05.123456Z",
        "hyperparameters": {"epochCount": 5, "batchSize": 4, "learningRate": 0.001},
        "snapshots": [
            {
                "step": step,
                "epoch": 1 + step // 6,
                "meanLoss": 7.25 / step,
                "computeTime": "2026-01-02T03:05:05.123456Z",
            }
            for step in range(1, 31)
        ],
    }
    models = [
        {
            "name": f"{MODELS}/numbers-{number:08}",
            "baseModel": "models/gemini-1.5-flash-001-tuning",
            "displayName": f"numbers {number}",
            "description": "the next number",
            "state": "ACTIVE",
            "createTime": "2026-01-02T03:04:05.123456Z",
            "updateTime": "2026-01-02T03:04:05.123456Z",
            "tuningTask": task,
        }
        for number in range(1000)
    ]
    service = Service({MODELS: models}, selects=True)
    provider = GeminiProvider(cast("Transport", service))
    sizes = [len(format_json({MODELS: models}))]
    for progress in (True, False):
        assert len(list(provider.list(progress=progress))) == 1000
        part = select({MODELS: models}, parse_fields(service.masks[MODELS]))
        sizes.append(len(format_json(part)))
    assert sizes == [5_704_915, 3_861_915, 476_915]
