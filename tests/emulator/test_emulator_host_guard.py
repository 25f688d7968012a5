"""Whom the emulator lets in: callers by a name of this machine, and no page of a browser."""

import http.client
import json
import socket
from typing import Any

import pytest
import requests

from reconciler.emulator.host_guard import HostGuard
from reconciler.emulator.server import run_emulator
from tests.emulator.conftest import EXAMPLES, Api, body
from tests.emulator.vertex_caller import PLACE, Vertex
from tests.emulator.vertex_caller import body as job_body

EVERYWHERE = "0.0.0.0"  # noqa: S104
OURS = [
    "localhost",
    "LOCALHOST:8085",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.9.8.7:8085",
    "[::1]",
    "[::1]:8085",
]
FOREIGN = [
    "evil.example",
    "evil.example:8085",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil-localhost",
    "localhost@evil.example",
    "evil.example#localhost",
    "127.1",
    "2130706433",
    EVERYWHERE,
    "10.0.0.1",
    "[::2]",
    "[::1",
    "::1",
    "localhost:99999999",
    "localhost, evil.example",
    "",
]
STORED = b"what a caller has stored"
UPLOAD = "upload/storage/v1/b/bucket/o?uploadType=media&name=train.jsonl"
# One request for each sort of path: its method, its path and its body.
DOORS = [
    ("GET", "emulator", None),
    ("GET", "emulator/requests", None),
    ("POST", "emulator/reset", {}),
    ("POST", "emulator/faults", {"status": 503}),
    ("DELETE", "emulator/requests", None),
    ("GET", "v1beta/tunedModels", None),
    ("POST", "v1beta/tunedModels?tunedModelId=planted", body()),
    ("DELETE", "v1beta/tunedModels/mine", None),
    ("POST", "v1beta/tunedModels/mine:transferOwnership", {"emailAddress": "e@example.com"}),
    ("GET", "v1beta/models", None),
    ("POST", f"v1/{PLACE}/tuningJobs", job_body()),
    ("GET", f"v1/{PLACE}/tuningJobs", None),
    ("POST", UPLOAD, {"poisoned": True}),
    ("GET", "storage/v1/b/training/o/sets%2Fnumbers.jsonl?alt=media", None),
    ("DELETE", "storage/v1/b/training/o/sets%2Fnumbers.jsonl", None),
    ("POST", "storage/v1/b", {"name": "bucket"}),
    ("GET", "nothing/here", None),
    ("OPTIONS", "v1beta/tunedModels", None),
]
PAGES = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:8085"},
    {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Cross-Site", "Sec-Fetch-Mode": "no-cors"},
]


def ask(api: Api, method: str, path: str, payload: Any, headers: dict[str, str]) -> tuple[int, bytes]:
    """Send a request as a page's form would, its Content-Type a simple one; return status and body."""
    content = None if payload is None else json.dumps(payload)
    host, _, port = api.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.putrequest(method, f"/{path}", skip_host="Host" in headers)
        for key, value in {"Content-Type": "text/plain", **headers}.items():
            connection.putheader(key, value)
        if content is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content.encode() if content else None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def everything(api: Api) -> list[Any]:
    """Return all that a caller could have changed, and how often anybody asked."""
    paths = [
        "v1beta/tunedModels",
        f"v1/{PLACE}/tuningJobs",
        "storage/v1/b/bucket/o",
        "storage/v1/b/training/o",
    ]
    seen: list[Any] = [api.ok("GET", "emulator/requests")["count"], api.ok("GET", "emulator/faults")]
    return [*seen, api.ok("GET", "emulator/settings"), *(api.ok("GET", path) for path in paths)]


@pytest.fixture
def furnished(vertex: Vertex) -> Api:
    """Return an emulator with a model of ours, and data in its object store."""
    vertex.api.create("mine", pairs=EXAMPLES[:1])
    return vertex.api


def is_refused(answer: tuple[int, bytes]) -> bool:
    """Whether it is a 403 in the shape of Google's errors."""
    return answer[0] == 403 and json.loads(answer[1])["error"]["code"] == 403


@pytest.mark.parametrize("host", OURS)
def test_names_of_this_machine_are_answered(api: Api, host: str) -> None:
    """Whatever loopback name and port a caller uses, it is answered."""
    assert ask(api, "GET", "v1beta/models", None, {"Host": host})[0] == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_other_names_are_refused_on_every_path(furnished: Api, host: str) -> None:
    """A request under somebody else's name gets a JSON 403 everywhere, and nothing is done or logged."""
    before = everything(furnished)
    for method, path, payload in DOORS:
        answer = ask(furnished, method, path, payload, {"Host": host})
        assert is_refused(answer), (method, path, answer)
    after = everything(furnished)
    assert after[0] == before[0] + 4  # these four requests are this test's own
    assert after[1:] == before[1:]


def test_without_a_name_nobody_is_answered(furnished: Api) -> None:
    """HTTP/1.0 without a Host gets no data."""
    host, _, port = furnished.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /v1beta/tunedModels HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert b" 403 " in answer.splitlines()[0]
    assert b"tunedModels/mine" not in answer


@pytest.mark.parametrize("headers", PAGES)
def test_web_pages_change_nothing_on_any_path(furnished: Api, headers: dict[str, str]) -> None:
    """Any request of a page gets a JSON 403 on every path. Nothing is done or logged."""
    before = everything(furnished)
    for method, path, payload in DOORS:
        answer = ask(furnished, method, path, payload, headers)
        assert is_refused(answer), (method, path, answer)
    after = everything(furnished)
    assert after[0] == before[0] + 4
    assert after[1:] == before[1:]


def test_a_person_may_look_with_a_browser(api: Api) -> None:
    """An address that a person typed comes with Sec-Fetch-Site: none, and is answered."""
    headers = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
    assert ask(api, "GET", "emulator", None, headers)[0] == 200


def test_no_page_is_told_what_an_answer_says(api: Api) -> None:
    """No answer allows another origin to read it."""
    for headers in ({}, {"Origin": "http://evil.example"}):
        response = requests.get(f"{api.url}/v1beta/models", headers=headers, timeout=5)
        assert not [key for key in response.headers if key.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("host", "name", "let_in"),
    [
        ("emulator.lan", "emulator.lan:8085", True),
        ("Emulator.lan", "EMULATOR.LAN", True),
        ("emulator.lan", "other.lan", False),
        ("emulator.lan", "localhost", True),
        ("192.168.1.5", "192.168.1.5:8085", True),
        ("192.168.1.5", "192.168.1.6", False),
        ("fe80::1", "[fe80::1]:8085", True),
        (EVERYWHERE, "172.17.0.2:8085", True),
        (EVERYWHERE, "172.17.0.3", False),
        (EVERYWHERE, "evil.example", False),
        ("::", "172.17.0.2", True),
        ("127.0.0.1", "172.17.0.9", False),
    ],
)
def test_the_host_that_was_given_is_a_name(host: str, name: str, let_in: bool) -> None:  # noqa: FBT001
    """It answers to loopback, to --host, and to the address that was called."""
    refusal = HostGuard(host).refuse(("172.17.0.2", 8085), {"host": name})
    assert (refusal is None) is let_in


def test_the_servers_host_is_the_name_it_answers_to() -> None:
    """Besides the names of loopback, a running emulator answers only to its --host."""
    with run_emulator(host=EVERYWHERE) as emulator:
        api = Api(emulator.url.replace(EVERYWHERE, "127.0.0.1"), requests.Session())
        assert ask(api, "GET", "v1beta/models", None, {"Host": f"{EVERYWHERE}:1"})[0] == 200
        assert ask(api, "GET", "v1beta/models", None, {"Host": "evil.example"})[0] == 403
