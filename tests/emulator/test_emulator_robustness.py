"""Whatever is sent, the emulator answers as the service would, and never with a mistake of its own."""

import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.emulator import json_text, protojson
from reconciler.emulator.errors import ApiError
from reconciler.emulator.gemini import messages
from reconciler.emulator.server import run_emulator
from tests.emulator.conftest import Api, body

KEYS = st.sampled_from(
    [
        key
        for message in (messages.TUNED_MODEL, messages.PERMISSION, messages.GENERATE_CONTENT)
        for name in message
        for key in (name, protojson.to_camel(name))
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
CALLS = st.sampled_from(
    [
        ("POST", "v1beta/tunedModels"),
        ("PATCH", "v1beta/tunedModels/there"),
        ("POST", "v1beta/tunedModels/there/permissions"),
        ("PATCH", "v1beta/tunedModels/there/permissions/everyone?updateMask=role"),
        ("POST", "v1beta/tunedModels/there:generateContent"),
        ("POST", "v1beta/tunedModels/there:transferOwnership"),
        ("POST", "emulator/clock"),
        ("POST", "emulator/faults"),
        ("POST", "emulator/settings"),
    ]
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """Return one emulator for many requests, with a trained model."""
    with run_emulator() as emulator, requests.Session() as session:
        api = Api(emulator.url, session)
        api.create("there")
        api.advance(100)
        yield api


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CALLS, JSON)
def test_no_body_breaks_it(shared: Api, call: tuple[str, str], value: Any) -> None:
    """Any JSON on any method is a success or a 4xx with Google's error shape."""
    api = shared
    response = api.call(*call, json=value)
    assert response.status_code < 500
    if response.status_code >= 400:
        assert response.json()["error"]["message"]
    api.ok("DELETE", "emulator/faults")
    api.ok("POST", "emulator/settings", json={"auth": "none"})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, JSON, min_size=1, max_size=3))
def test_what_create_takes_get_can_say(shared: Api, fields: dict[str, Any]) -> None:
    """A model made from any fields that are taken can be read, listed, updated and deleted."""
    response = shared.call("POST", "v1beta/tunedModels", json=body(**fields))
    assert response.status_code in {200, 400, 404}
    if response.status_code == 200:
        path = f"v1beta/{response.json()['metadata']['tunedModel']}"
        model = shared.ok("GET", path)
        assert shared.ok("PATCH", path, json={}) | {"updateTime": ""} == model | {"updateTime": ""}
        shared.ok("GET", "v1beta/tunedModels", params={"pageSize": 1000})
        shared.ok("DELETE", path)


@given(JSON)
def test_json_comes_back(value: Any) -> None:
    """What is written can be read again, pretty or not."""
    for pretty in (True, False):
        assert json_text.parse_json(json_text.format_json(value, pretty=pretty).encode()) == value


@given(JSON)
def test_json_is_indented_by_two_spaces(value: Any) -> None:
    """The text is exactly that of Python's json, because people grep its lines."""
    assert json_text.format_json(value) == json.dumps(value, ensure_ascii=False, indent=2)


@given(JSON)
def test_reading_never_breaks(value: Any) -> None:
    """Reading any JSON as a TunedModel gives a dictionary or the service's 400."""
    parsed: dict[str, Any] = {}
    with contextlib.suppress(ApiError):
        parsed = protojson.parse_message(messages.TUNED_MODEL, value, "tuned_model")
    assert set(parsed) <= {protojson.to_camel(name) for name in messages.TUNED_MODEL}


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_is_kept(value: float) -> None:
    """The decimal that is shown is the same 32-bit float."""
    assert struct.pack("<f", json_text.round_to_float32(value)) == struct.pack("<f", value)
