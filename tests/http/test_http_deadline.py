"""A time-out bounds a call and not a read, whatever the other side does with its bytes."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from reconciler.errors import ReplyLostError, UnavailableError
from reconciler.http import Transport
from reconciler.http.connection import Exchange, LostError
from reconciler.http.deadline import Line, limit_call
from reconciler.http.unredirected import TokenSession
from reconciler.settings import to_settings
from reconciler.settings.tls import Trust
from tests.http.test_http_tls import one_connection, self_signed
from tests.http.wire import Wire, answer, refusal, vanishing
from tests.limits import NET, repeats

To = Callable[..., Transport]
SECONDS = {"RECONCILER_HTTP_TIMEOUT": "0.6", "RECONCILER_RETRY_SECONDS": "0.1"}
HEAD = b"HTTP/1.1 200 OK\r\n"


def endless(first: bytes, again: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    """Say something, and then something else for ever."""

    def act(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(first)
            until = time.monotonic() + 120
            while time.monotonic() < until:
                connection.sendall(again)
                time.sleep(pause)

    return act


DRIPS = {
    "a body a byte at a time": endless(HEAD + b"Content-Length: 5000\r\n\r\n", b" "),
    "a body to the end of the connection": endless(HEAD + b"\r\n", b" "),
    "chunks without end": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "chunks without end, at once": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.0),
    "100 Continue without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a first line without end": endless(b"HTTP/1.1 200 ", b"O"),
    "a header a byte at a time": endless(HEAD + b"X: ", b"x"),
    "one header after the other": endless(HEAD, b"X: x\r\n", 0.02),
}


@pytest.mark.parametrize("drip", DRIPS)
@pytest.mark.parametrize("method", ["GET", *repeats("POST")])
def test_an_answer_that_never_ends_ends_in_time(wire: Wire, to: To, method: str, drip: str) -> None:
    """Bytes may trickle, and chunks or heads may have no end. The call ends when its time is up."""
    wire.always = DRIPS[drip]
    began = time.monotonic()
    with pytest.raises(ReplyLostError if method == "POST" else UnavailableError) as caught:
        to(SECONDS).call(method, "v1beta/x", body={} if method == "POST" else None)
    assert time.monotonic() - began < NET
    assert "Nothing was sent" not in caught.value.detail


def test_a_slow_answer_that_ends_in_time_is_an_answer(wire: Wire, to: To) -> None:
    """An answer that trickles counts if it is whole before the time is up."""

    def drip(connection: socket.socket) -> None:
        for byte in answer({"name": "x"}):
            connection.sendall(bytes([byte]))
            time.sleep(0.001)

    wire.always = drip
    assert to(SECONDS).call("GET", "v1beta/x") == {"name": "x"}


def test_a_kept_connection_is_bounded_too(wire: Wire, to: To) -> None:
    """The second call over a connection ends in time, and the third one gets a new connection."""
    transport = to({**SECONDS, "RECONCILER_RETRY_SECONDS": "5"})
    wire.script = [answer({"n": 1}), DRIPS["a body a byte at a time"]]
    wire.always = answer({"n": 3})
    assert transport.call("GET", "v1beta/x") == {"n": 1}
    assert transport.call("GET", "v1beta/x") == {"n": 3}
    assert len(wire.requests) == 3
    assert wire.connections == 2


def test_a_body_that_is_not_taken_ends_in_time(to: To) -> None:
    """A server that does not read has no more time than one that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = to(SECONDS, base_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ReplyLostError, match="did not answer in time"):
            transport.call("POST", "v1beta/x", body={"x": "x" * 20_000_000})
        assert time.monotonic() - began < NET


def test_a_handshake_without_end_was_never_sent(to: To) -> None:
    """If the TLS handshake trickles, nothing of the request was sent, so a POST may be sent again."""
    with one_connection(endless(b"\x16\x03\x03\x40\x00", b"\x02")) as host:
        transport = to(SECONDS, base_url=f"https://{host}")
        began = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            transport.call("POST", "v1beta/tunedModels", body={})
        assert time.monotonic() - began < NET
    assert "Nothing was sent" in caught.value.detail


def test_tls_that_breaks_after_the_request_is_a_lost_reply(tmp_path: Path) -> None:
    """Garbage instead of the answer looks like a server without TLS, but the request was sent."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = self_signed(tmp_path)
    served.load_cert_chain(certificate)

    def garbage(plain: socket.socket) -> None:
        inner = served.wrap_socket(plain, server_side=True)
        inner.recv(65536)
        with socket.socket(fileno=inner.detach()) as raw:
            raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    trust = Trust.read(to_settings({"REQUESTS_CA_BUNDLE": str(certificate)}))
    with one_connection(garbage) as host:
        exchange = Exchange(f"https://{host}", loopback=True, connections=1, trust=trust)
        with pytest.raises(LostError, match=r"TLS failed|connection was lost"):
            exchange.send("POST", "x", query={}, body=b"{}", headers={}, timeout=5.0)
        exchange.close()


def test_a_connection_that_gets_no_second_descriptor_is_an_error_and_no_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error is raised, and Python prints nothing of its own when it frees what was half made."""
    noise: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", noise.append)
    connection = socket.socket()
    connection.close()
    with contextlib.suppress(OSError):
        Line(connection)
    gc.collect()
    assert noise == []


def test_a_kept_connection_is_watched_in_each_call() -> None:
    """The second call over a connection ends in time as well, and then closes it."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer({}))
        connection.recv(1000)  # the second request gets no answer
        connection.settimeout(NET)
        if connection.recv(1000) == b"":
            ended.set()

    with one_connection(serve) as host:
        exchange = Exchange(f"http://{host}", loopback=True, connections=1)
        assert exchange.send("GET", "x", query={}, body=None, headers={}, timeout=NET).status == 200
        with pytest.raises(LostError, match="in time"):
            exchange.send("GET", "x", query={}, body=None, headers={}, timeout=0.2)
        assert ended.wait(NET)
        exchange.close()


@pytest.mark.parametrize("kept", [True, False])
def test_a_closed_connection_is_closed_for_the_service_too(*, kept: bool) -> None:
    """That holds if it was kept for the next call, and if the service said that it would close it."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(answer({}) if kept else answer({}, Connection="close"))
        connection.settimeout(NET)
        if connection.recv(1000) == b"":
            ended.set()

    with one_connection(serve) as host:
        exchange = Exchange(f"http://{host}", loopback=True, connections=1)
        exchange.send("GET", "x", query={}, body=None, headers={}, timeout=NET)
        assert not ended.wait(0.1) if kept else ended.wait(NET)
        exchange.close()
        assert ended.wait(NET)


def test_nothing_was_sent_is_said_only_where_it_is_so(to: To) -> None:
    """The first try arrived, and the second one got no connection. The advice does not deny the first."""
    url, thread = vanishing(refusal(503, "later"))
    with pytest.raises(UnavailableError) as caught:
        to(base_url=url).call("GET", "v1beta/x")
    thread.join()
    assert "connection was refused" in caught.value.summary
    assert "Nothing was sent" not in caught.value.detail


@pytest.mark.parametrize("drip", DRIPS)
def test_a_token_that_never_comes_ends_in_time(wire: Wire, drip: str) -> None:
    """The time-out also bounds google-auth. A token endpoint whose answer trickles is given up."""
    wire.always = DRIPS[drip]
    began = time.monotonic()
    with TokenSession("key", 0.6) as session, pytest.raises(requests.RequestException):
        session.get(f"{wire.url}/token", timeout=120)
    assert time.monotonic() - began < NET


def test_one_thread_watches_all_calls() -> None:
    """One thread ends all calls, each when its own time is up, in whatever order they began."""
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(limit_call(60.0)) for _ in range(20)]
        first = stack.enter_context(limit_call(0.01))
        assert [thread.name for thread in threading.enumerate()].count("deadline") == 1
        until = time.monotonic() + NET
        while not first.is_over and time.monotonic() < until:
            time.sleep(0.001)
        assert first.is_over
        assert not any(call.is_over for call in calls)
