"""Whatever anybody sends, the answer is JSON in the API's shape, comes soon, and is no mistake of ours."""

import base64
import contextlib
import json
import pathlib
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes
from xml.etree import ElementTree as ET

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.emulator import Settings, clock
from reconciler.emulator.database import Database
from reconciler.emulator.paging import _compute_digest, encode_token
from reconciler.emulator.server import run_emulator
from tests.emulator.conftest import Api
from tests.emulator.vertex_caller import PLACE, Vertex
from tests.limits import examples

SOON = 30.0
DIGITS = "9" * 5_000
NUMBERS = [
    "-1",
    "0",
    "1",
    str(2**31),
    str(2**63 - 1),
    str(2**63),
    "9" * 20,
    "9" * 23,
    DIGITS,
    "1e9",
    "²",
    "٣",
    "NaN",
]
TEXTS = ["", " ", "x", "%", "\0", "\n", "🎯", "a" * 3_000, "(" * 300, "NOT " * 300, "a=b " * 1_500, "é" * 500]
WORDS = st.sampled_from([*NUMBERS, *TEXTS]) | st.text(max_size=20)
BYTES = WORDS.map(str.encode) | st.binary(max_size=20) | st.just(b"\xff\xfe\xc0\x80")
PATHS = [
    "emulator",
    "emulator/requests",
    "emulator/faults",
    "emulator/clock",
    "emulator/settings",
    "v1beta/tunedModels",
    "v1beta/tunedModels/m",
    "v1beta/tunedModels/m/permissions",
    "v1beta/tunedModels/m:generateContent",
    "v1beta/tunedModels/m/operations",
    "v1/models",
    "v1/models/gemini-2.5-pro:streamGenerateContent",
    f"v1/{PLACE}/tuningJobs",
    f"v1/{PLACE}/models",
    f"v1/{PLACE}/endpoints",
    f"v1/{PLACE}/operations",
    "storage/v1/b",
    "storage/v1/b/bucket",
    "storage/v1/b/bucket/o",
    "storage/v1/b/bucket/o/name",
    "upload/storage/v1/b/bucket/o",
    "bucket",
    "bucket/name",
]
PARAMETERS = [
    "after",
    "pageSize",
    "page_token",
    "filter",
    "updateMask",
    "tunedModelId",
    "name",
    "uploadType",
    "upload_id",
    "generation",
    "ifGenerationMatch",
    "maxResults",
    "max-keys",
    "continuation-token",
    "prefix",
    "delimiter",
    "pageToken",
    "alt",
    "$alt",
    "prettyPrint",
    "key",
    "fields",
]
HEADERS = [
    "x-goog-if-generation-match",
    "If-Match",
    "Content-MD5",
    "Content-Type",
    "Range",
    "Content-Range",
    "Authorization",
    "X-Upload-Content-Type",
    "Accept",
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]
DEEP = b"[" * 100_000
BODIES = st.sampled_from(
    [
        b"",
        b"{}",
        b"null",
        b"\xff",
        b'"\xed\xa0\x80"',
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"advance": 1e308}',
        DEEP,
        b'{"labels": ' + b'{"a": ' * 500 + b"1" + b"}" * 501,
        b'{"a": ' + DIGITS.encode() + b"}",
        b'{"advance": 999999999}',
        b'{"path": "' + b"(" * 300 + b'", "drop": true}',
        b'{"path": "a{99999999999999999999}", "drop": true}',
        b'{"delay": 0, "skip": ' + b"9" * 30 + b"}",
        b"--x\r\nContent-Type: \xff;;=\r\n\r\n{}\r\n--x\r\nContent-Type: ;=\r\n\r\nx\r\n--x--",
    ]
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    """Return one emulator for many requests, with a model and a job."""
    with (
        run_emulator(settings=Settings(vertex_concurrent_jobs=10**6)) as emulator,
        requests.Session() as session,
    ):
        session.trust_env = False
        api = Api(emulator.url, session)
        api.create("m")
        vertex = Vertex(api)
        vertex.upload_pairs()
        vertex.finished()
        yield api


def sent(api: Api, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are; return status, headers and body, and see that they came soon."""
    host, _, port = api.url.removeprefix("http://").rpartition(":")
    begun, answer = time.perf_counter(), b""
    with socket.create_connection((host, int(port)), timeout=SOON) as connection:
        with contextlib.suppress(ConnectionError):  # the answer may come before all has arrived
            connection.sendall(raw)
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                answer += part
    assert time.perf_counter() - begun < SOON
    head, _, content = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, content


def request(method: str, path: bytes, headers: dict[str, bytes], content: bytes) -> bytes:
    """Return a request as it goes over the wire; the connection is closed after it."""
    lines = [method.encode() + b" /" + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close"]
    lines += [key.encode() + b": " + value for key, value in headers.items()]
    lines.append(b"Content-Length: " + str(len(content)).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + content


def is_well(method: str, answer: tuple[int, dict[str, str], bytes]) -> None:
    """Check that it is a success, Google's page for unknown paths, or an error told as JSON; no mistake."""
    status, headers, content = answer
    assert status < 500 or status == 501, (status, content)
    if status < 400 or method == "HEAD":
        return
    if headers.get("content-type", "").startswith("text/html"):
        assert status == 404
        return
    if headers["content-type"].startswith("application/xml"):
        assert ET.fromstring(content).findtext("Code")  # noqa: S314
        return
    assert headers["content-type"].startswith("application/json"), (status, content)
    error = json.loads(content)["error"]
    assert error["code"] == status
    assert error["message"]


@settings(
    deadline=None, max_examples=examples(400), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(METHODS),
    path=st.sampled_from(PATHS),
    query=st.lists(st.tuples(st.sampled_from(PARAMETERS), BYTES), max_size=3),
    headers=st.dictionaries(st.sampled_from(HEADERS), BYTES, max_size=2),
    content=BODIES | st.binary(max_size=40),
)
@example("GET", "emulator/requests", [("after", b"9" * 23)], {}, b"")
@example("GET", "emulator/requests", [("after", b"99999999999999999999")], {}, b"")
@example(
    "GET", "storage/v1/b/bucket/o/name", [("alt", b"media")], {"Range": b"bytes=" + b"9" * 5_000 + b"-"}, b""
)
def test_nothing_that_is_asked_breaks_it(  # noqa: PLR0917
    shared: Api,
    method: str,
    path: str,
    query: list[tuple[str, bytes]],
    headers: dict[str, bytes],
    content: bytes,
) -> None:
    """Numbers, texts and bytes of any sort, anywhere in a request, are answered soon and in shape."""
    text = "&".join(f"{key}={quote_from_bytes(value)}" for key, value in query)
    clean = {
        key: bytes(one for one in value if one >= 0x20 and one != 0x7F) for key, value in headers.items()
    }
    raw = request(method, f"{path}?{text}".encode(), clean, content)
    is_well(method, sent(shared, raw))
    shared.session.delete(f"{shared.url}/emulator/faults", timeout=5)
    calm = {"training_seconds": 1, "list_lag_seconds": 0, "vertex_concurrent_jobs": 10**6}
    shared.control("settings", calm)


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1beta/tunedModels\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1beta/tunedModels?a=\xc3\x28 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /v1beta/models HTTP/1.1\r\n\r\n",
        b"GET /v1beta/models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"POST /v1beta/tunedModels HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /v1beta/tunedModels HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_told_as_json(shared: Api, raw: bytes) -> None:
    """Bytes that are no request get a 400 in the API's shape. Others are still served."""
    answer = sent(shared, raw)
    assert answer[0] == 400
    is_well("GET", answer)
    assert shared.ok("GET", "v1beta/models")


@pytest.mark.parametrize("length", [60_000, 100_000, 10**6])
def test_a_long_head_is_answered(shared: Api, length: int) -> None:
    """Whether it is accepted depends on how it arrives. It gets an answer in shape."""
    for path, headers in (
        (b"v1beta/models?a=" + b"a" * length, {}),
        (b"v1beta/models", {"X": b"a" * length}),
    ):
        is_well("GET", sent(shared, request("GET", path, headers, b"")))


@pytest.mark.parametrize(
    "content",
    [b'"' + b'\\"' * 1_000_000, b'"' * 999_999, b'{"a": [' + b",\n" * 1_000_000, b"[" * 2_000_000],
)
def test_a_body_is_read_in_one_go(shared: Api, content: bytes) -> None:
    """A large body that is no JSON is refused soon, whatever it is made of."""
    answer = sent(shared, request("POST", b"v1beta/tunedModels", {}, content))
    assert answer[0] == 400
    is_well("POST", answer)


def test_what_is_answered_is_strict_json(shared: Api) -> None:
    """An infinite number in a free field is refused, because nobody could read the answer."""
    config: dict[str, Any] = {
        "metrics": [{"a": 0}],
        "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://bucket/x"}},
    }
    spec = {"trainingDatasetUri": "gs://bucket/t.jsonl", "evaluationConfig": config}
    job = json.dumps({"baseModel": "gemini-3.1-flash-lite", "supervisedTuningSpec": spec})
    raw = job.replace('"a": 0', '"a": 1e999').encode()
    assert sent(shared, request("POST", f"v1/{PLACE}/tuningJobs".encode(), {}, raw))[0] == 400


def test_a_made_up_page_token_is_refused(shared: Api) -> None:
    """A token with the right digest and an impossible place is a 400."""
    assert encode_token(1, ("models",))
    place = b"\xff" * 40
    token = base64.urlsafe_b64encode(_compute_digest(place, ("models",)) + place).decode()
    assert shared.refused("GET", "v1beta/models", params={"pageToken": token})[0] == 400


def test_the_clock_does_not_leave_the_calendar(tmp_path: pathlib.Path) -> None:
    """An advance beyond the end of the calendar is refused, and the emulator goes on."""
    with run_emulator(data=tmp_path / "data") as emulator, requests.Session() as session:
        api = Api(emulator.url, session)
        answers = [
            api.call("POST", "emulator/clock", json={"advance": 999_999_999}).status_code for _ in range(300)
        ]
        assert answers[0] == 200
        assert answers[-1] == 400
        api.create("m", pairs=[("1", "2")])
        assert api.ok("GET", "emulator/clock")["now"].startswith("89")
        assert api.ok("GET", "v1beta/tunedModels")["tunedModels"]
    database = Database(tmp_path / "data")
    assert clock.read_time(database) > 0
    database.close()
