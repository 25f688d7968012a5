"""Every reader of foreign values gets nonsense, and ends soon in a value or in our own error."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.apply.schedule import measure_duration, measure_progress
from reconciler.errors import NotJSONError, ReconcilerError
from reconciler.formats import format_time
from reconciler.http.connection import Reply
from reconciler.model.live import Live
from reconciler.model.names import Address
from reconciler.providers.gemini import codec as gemini
from reconciler.providers.gemini import grants, operations
from reconciler.providers.google.errors import GoogleErrors
from reconciler.providers.google.json import read_next_page
from reconciler.providers.vertex import codec as vertex
from reconciler.render import planfile
from reconciler.render.plan_json import compute_checksum
from reconciler.render.records import build_record_document
from reconciler.render.stream import encode_line
from reconciler.render.text.chart import draw_loss_chart
from reconciler.state.backends import LockInfo
from reconciler.state.file import loads as load_state
from reconciler.state.values import Record, RecordedModel
from reconciler.strictjson import dumps, loads_answer
from tests.fakes import EPOCH
from tests.limits import NET, examples
from tests.providers.test_gemini_codec import MODEL, OPERATION
from tests.providers.test_vertex_answers import DONE, ENDPOINT
from tests.providers.test_vertex_answers import MODEL as TUNED
from tests.render import plans

NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1",
    "1e300",
    str(2**63),
    "9" * 400,
    "9" * 5000,
    "0.5",
    "true",
]
TEXTS = [
    "",
    "x",
    "9" * 5000,
    "NaN",
    "1e999",
    r"\ud800",
    r"\u001b[31m",
    "../..",
    "$(x)",
    "[" * 200,
    "a" * 9000,
]
nonsense = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS).map(lambda text: f'"{text}"'),
    st.sampled_from(["null", "true", "0.5", "[]", "{}", "[[]]", '{"a": [NaN]}', "[" * 300 + "]" * 300]),
)
"""JSON texts that no field has, some of them beyond every bound."""

NAME = OPERATION["name"].partition("/operations/")[0]
REFUSAL = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "Please retry in 1h2m3.5s. limit: 5",
        "details": [
            {"@type": "x/google.rpc.RetryInfo", "retryDelay": "3s"},
            {"@type": "x/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "metadata": {"service": "a.b"}},
        ],
    }
}
CALM = settings(deadline=None, max_examples=examples(150), suppress_health_check=[HealthCheck.too_slow])


def _refusal(document: Any) -> None:
    for status in (400, 401, 403, 404, 409, 429, 500):
        reply = Reply(status, {"retry-after": "9" * 400}, json.dumps(document).encode())
        GoogleErrors().read(reply, "GET x")
        GoogleErrors().read(reply, "GET x", any_form=True)


def _tuned_model(document: Any) -> Live | None:
    return gemini.read_model(document, curve=True)


def _operation(document: Any) -> None:
    operations.read_accepted(document, NAME)
    told = operations.read_training(document, NAME)
    if told is not None:
        line = measure_progress(
            Address("TunedModel", "x"), RecordedModel("x", started=format_time(EPOCH)), told, EPOCH
        )
        dumps([line.percent, line.step, line.total_steps, line.mean_loss, line.remaining, line.elapsed])


READERS: Mapping[str, tuple[Any, Callable[[Any], Any]]] = {
    "a tuned model": (MODEL, _tuned_model),
    "an operation": ({**OPERATION, "done": True, "response": MODEL}, _operation),
    "a permission": (
        {"granteeType": "USER", "role": "READER", "emailAddress": "a@b.c"},
        lambda document: grants.read_permission(document, "x"),
    ),
    "a tuning job": (
        {**DONE, "tuningDataStats": {"s": {"aCount": "5"}}, "createTime": "2026-01-01T00:00:00Z"},
        lambda document: vertex.read_model(document, TUNED, ENDPOINT),
    ),
    "a model of Vertex AI": (TUNED, lambda document: vertex.read_model(DONE, document, ENDPOINT)),
    "an endpoint": (ENDPOINT, lambda document: vertex.read_model(DONE, TUNED, document)),
    "a refusal": (REFUSAL, _refusal),
    "a lock": (LockInfo("i", "apply", "me").to_json(), LockInfo.from_json),
}


def spoilt(document: Any, value: str, seed: int) -> bytes:
    """The document's JSON with one value replaced by that text."""
    mark, found = "\0here\0", copy.deepcopy(document)
    place, chance = found, random.Random(seed)
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = chance.choice(keys)
        if not (isinstance(place[key], (dict, list)) and place[key]) or chance.random() < 0.3:
            place[key] = mark
            return json.dumps(found).replace(json.dumps(mark), value).encode()
        place = place[key]


@CALM
@pytest.mark.parametrize("name", READERS)
@given(value=nonsense, seed=st.integers(0, 10_000))
def test_an_answer_with_nonsense_in_it_ends_in_a_value_or_our_error(name: str, value: str, seed: int) -> None:
    """Nonsense at any place is a value or our error.

    A value can be shown, drawn, recorded and written as strict JSON.
    """
    document, read = READERS[name]
    began = time.process_time()
    try:
        found = loads_answer(spoilt(document, value, seed))
        live = read(found)
    except ReconcilerError:
        live = None
    if isinstance(live, Live):
        model = RecordedModel(
            live.id,
            live.name,
            sent=live.attributes,
            create_time=live.create_time,
            completed=live.complete_time,
        )
        encode_line(build_record_document(Record(Address("TunedModel", "x"), serving=model), live))  # type: ignore[arg-type]
        list(draw_loss_chart(live.snapshots, width=80, unicode=True))
        measure_duration(model)
    assert time.process_time() - began < NET


GOLDEN = json.loads((Path(__file__).parent / "golden/state/version-1.json").read_text())
PLAN = json.loads(planfile.dumps(plans.SMALL, plans.KINDS))


@CALM
@given(value=nonsense, seed=st.integers(0, 10_000))
def test_a_state_with_nonsense_in_it_is_read_or_refused(value: str, seed: int) -> None:
    """A state with nonsense is refused, or can be read and written again."""
    began = time.process_time()
    try:
        state = load_state(spoilt(GOLDEN, value, seed), place="x")
    except ReconcilerError:
        state = None
    for record in () if state is None else state.resources.values():
        build_record_document(record, None)
        for model in record.models:
            measure_duration(model)
    assert time.process_time() - began < NET


@CALM
@given(value=nonsense, seed=st.integers(0, 10_000), sealed=st.booleans())
def test_a_plan_file_with_nonsense_in_it_is_read_or_refused(value: str, seed: int, *, sealed: bool) -> None:
    """A plan file with nonsense is read or refused, even with a matching checksum."""
    data = spoilt(PLAN, value, seed)
    if sealed:
        try:
            document = loads_answer(data)
            document["reconciler"]["checksum"] = compute_checksum(document)
            data = json.dumps(document).encode()
        except (NotJSONError, TypeError, ValueError):
            return
    began = time.process_time()
    try:
        planfile.loads(data, place="x")
    except ReconcilerError as error:
        assert len(str(error)) < 10_000  # noqa: PT017
    assert time.process_time() - began < NET


def test_a_next_page_that_is_null_is_none() -> None:
    """A null page token ends the list, because proto3's JSON may write a default as null."""
    assert read_next_page({"nextPageToken": None}, "x") == ""
    assert read_next_page({}, "x") == ""
    with pytest.raises(ReconcilerError, match="nextPageToken"):
        read_next_page({"nextPageToken": 5}, "x")
