"""Masks (the parameter `fields`): what lists and gets ask for, and servers that ignore or refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.emulator.gemini.messages import TUNED_MODEL
from reconciler.emulator.partial import Selection, parse_fields, select
from reconciler.emulator.protojson import Message, to_snake
from reconciler.errors import InvalidArgumentError, ServiceError
from reconciler.http import Transport
from reconciler.model.live import Live, Odd, Snapshot, Status
from reconciler.providers import Handle
from reconciler.providers.gemini import codec
from reconciler.providers.gemini.provider import GeminiProvider
from reconciler.providers.google.partial import Partial
from reconciler.providers.vertex.masks import LISTED
from reconciler.providers.vertex.resources import ENDPOINTS, JOBS, MODELS
from tests.emulator.discovery import Document
from tests.http.wire import Wire, answer, refusal
from tests.limits import repeats

PREFIX = "GoogleCloudAiplatformV1"


def list_unknown(document: Document, schema: str, selection: Selection, at: str = "") -> Iterator[str]:
    """Yield each path of a selection that a schema of the discovery document does not have."""
    properties = document.schemas[schema].get("properties", {})
    for name, below in selection.items():
        place = f"{at}{name}"
        if name not in properties:
            yield place
        elif below:
            inner = properties[name].get("items", properties[name])
            yield from list_unknown(document, inner["$ref"], below, f"{place}/")


@pytest.mark.parametrize(
    ("collection", "schema"), [(JOBS, "TuningJob"), (MODELS, "Model"), (ENDPOINTS, "Endpoint")]
)
def test_a_mask_names_fields_that_vertex_has(collection: str, schema: str) -> None:
    """The real service refuses a mask with an unknown name, so every name is in its discovery document."""
    document = Document("aiplatform.v1")
    assert list(list_unknown(document, PREFIX + schema, parse_fields(LISTED[collection]))) == []


def list_unknown_in_proto(message: Message, selection: Selection) -> Iterator[str]:
    """Yield each name of a selection that a message does not have."""
    for name, below in selection.items():
        field = message.get(to_snake(name))
        if field is None:
            yield name
        elif below:
            yield from list_unknown_in_proto(field.message or {}, below)


@pytest.mark.parametrize("fields", [codec.WITH_CURVE, codec.WITHOUT_CURVE, codec.STATE])
def test_a_mask_names_fields_that_gemini_has(fields: str) -> None:
    """Every name of the masks for tuned models is in the API's proto, as the emulator declares it."""
    assert list(list_unknown_in_proto(TUNED_MODEL, parse_fields(fields))) == []


MODEL = {
    "name": "tunedModels/x-abcdefgh",
    "baseModel": "models/flash",
    "displayName": "x",
    "temperature": 0.7,
    "state": "ACTIVE",
    "createTime": "2026-01-01T00:00:00Z",
    "tuningTask": {
        "completeTime": "2026-01-01T01:00:00Z",
        "hyperparameters": {"epochCount": 5},
        "snapshots": [
            {"step": 1, "epoch": 1, "meanLoss": 3.5, "computeTime": "2026-01-01T00:10:00Z"},
            {"step": 2, "epoch": 1, "meanLoss": 2.5, "computeTime": "2026-01-01T00:20:00Z"},
        ],
    },
    "unknown": {"of": "tomorrow"},
}


def read_masks(wire: Wire) -> list[str]:
    """The mask of each request, "" for none."""
    return [parse_qs(urlsplit(one.target).query).get("fields", [""])[0] for one in wire.requests]


def test_what_is_selected_is_all_that_is_read(wire: Wire, provider: GeminiProvider) -> None:
    """A model reads the same from the whole answer as from the part that the mask selects."""
    for progress, fields in ((False, codec.WITHOUT_CURVE), (True, codec.WITH_CURVE)):
        part = select(MODEL, parse_fields(fields))
        assert part != MODEL
        wire.script = [answer({"tunedModels": [MODEL]}), answer({"tunedModels": [part]})]
        whole, partial = list(provider.list(progress=progress)), list(provider.list(progress=progress))
        assert whole == partial
        (live,) = whole
        assert isinstance(live, Live)
        assert live.snapshots == ((Snapshot(2, 1, 2.5),) if progress else ())
    wire.script = [answer(MODEL), answer(select(MODEL, parse_fields(codec.WITH_CURVE)))]
    assert provider.get(Handle("x-abcdefgh")) == provider.get(Handle("x-abcdefgh"))
    lists = [f"tunedModels({mask}),nextPageToken" for mask in (codec.WITHOUT_CURVE, codec.WITH_CURVE)]
    gets = [codec.WITH_CURVE] * 2
    assert read_masks(wire) == [lists[0], lists[0], lists[1], lists[1], *gets]


def test_a_server_that_refuses_masks_is_asked_without_and_once(wire: Wire, provider: GeminiProvider) -> None:
    """A process sends one request more. The list goes on without masks, and so does everything after it."""
    refused = refusal(400, "Invalid field selection", canonical="INVALID_ARGUMENT")
    wire.script = [
        refused,
        answer({"tunedModels": [MODEL], "nextPageToken": "second"}),
        answer({"tunedModels": []}),
        answer(MODEL),
    ]
    assert len(list(provider.list())) == 1
    assert provider.get(Handle("x-abcdefgh")) is not None
    asked, *others = read_masks(wire)
    assert asked == f"tunedModels({codec.WITHOUT_CURVE}),nextPageToken"
    assert others == ["", "", ""]


@pytest.mark.parametrize("status", [414, *repeats(400, 403, 404, 405, 501)])
def test_a_proxy_may_refuse_a_mask_with_any_status(wire: Wire, provider: GeminiProvider, status: int) -> None:
    """A refusal that is not in the API's own words may mean the mask, so the server is asked without it."""
    page = b"<html><title>Blocked</title></html>"
    wire.script = [answer(body=page, status=status), answer({"tunedModels": [MODEL]}), answer(MODEL)]
    assert len(list(provider.list())) == 1
    assert provider.get(Handle("x-abcdefgh")) is not None
    assert read_masks(wire)[1:] == ["", ""]


@pytest.mark.parametrize(("status", "canonical"), [(403, "PERMISSION_DENIED"), (404, "NOT_FOUND"), (401, "")])
def test_a_refusal_in_the_apis_own_words_is_no_question_of_masks(
    wire: Wire, provider: GeminiProvider, status: int, canonical: str
) -> None:
    """One request is sent, because the mask is not the cause."""
    wire.always = refusal(status, "No", canonical=canonical)
    with pytest.raises(ServiceError):
        list(provider.list())
    assert len(wire.requests) == 1


def test_a_refusal_for_another_reason_is_told_and_not_remembered(
    wire: Wire, provider: GeminiProvider
) -> None:
    """The same request fails without a mask too. Later requests go on with masks."""
    refused = refusal(400, "Invalid filter", canonical="INVALID_ARGUMENT")
    wire.script = [refused, refused, answer({"tunedModels": [MODEL]})]
    with pytest.raises(InvalidArgumentError, match="Invalid filter"):
        list(provider.list())
    assert len(list(provider.list())) == 1
    mask = f"tunedModels({codec.WITHOUT_CURVE}),nextPageToken"
    assert read_masks(wire) == [mask, "", mask]


def test_the_states_of_many_models_take_few_bytes(wire: Wire, provider: GeminiProvider) -> None:
    """Only names and states are asked for. What makes no sense is left out, and a new state is no end."""
    states = [("a", "ACTIVE"), ("b", 3), ("c", "CREATING"), ("d", "OF_TOMORROW"), ("e", ["ACTIVE"])]
    models: list[object] = [{"name": f"tunedModels/{name}", "state": state} for name, state in states]
    wire.script = [
        answer({"tunedModels": models, "nextPageToken": "second"}),
        answer({"tunedModels": ["odd", {"state": "ACTIVE"}]}),
    ]
    creating = dict.fromkeys(["tunedModels/c", "tunedModels/d"], Status.CREATING)
    ended = {"tunedModels/a": Status.ACTIVE, "tunedModels/b": Status.FAILED}
    assert list(provider.list_states()) == [ended | creating, {}]
    assert read_masks(wire) == ["tunedModels(name,state),nextPageToken"] * 2


def test_an_odd_model_stays_odd_behind_a_mask(wire: Wire, provider: GeminiProvider) -> None:
    """The mask asks for every field that is compared, so a value that makes no sense is still reported."""
    odd = {**MODEL, "temperature": {"kelvin": 300}, "name": "tunedModels/odd"}
    wire.always = answer({"tunedModels": [select(odd, parse_fields(codec.WITHOUT_CURVE)), MODEL]})
    good, bad = provider.list()
    assert isinstance(good, Live)
    assert isinstance(bad, Odd)
    assert (good.id, bad.id) == ("x-abcdefgh", "odd")


def test_what_nobody_reads_is_skipped_if_the_server_sends_it(
    wire: Wire, to: Callable[..., Transport]
) -> None:
    """Loss curves are not even decoded if a server ignores the mask. An error in a list is seen."""
    model = {"name": "x", "tuningTask": {"snapshots": [{"step": 1}], "completeTime": "t"}, "topK": 5}
    wire.always = answer({"tunedModels": [model, "odd", None], "error": {"code": 1}, "more": 1})
    found = Partial().get(to(), "models", fields="tunedModels(name,tuningTask(completeTime))")
    part = {"name": "x", "tuningTask": {"completeTime": "t"}}
    assert found == {"tunedModels": [part, "odd", None], "error": {"code": 1}}
