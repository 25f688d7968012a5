"""What a request looks like on the wire, over which connections, and what is shown of a reply."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import re
import socket
import threading
import zlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection

from reconciler.errors import (
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from reconciler.http import Transport
from reconciler.http.connection import USER_AGENT, Exchange, LostError
from reconciler.http.sockets import let_report
from reconciler.providers.google.connection import connect
from tests.fakes import FakeClock
from tests.http.wire import Keeping, Wire, answer, refusal

To = Callable[..., Transport]


class Pieces(socket.socket):
    """A socket that keeps what is sent, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Keep a piece."""
        del flags
        self.sent.append(bytes(data))


def test_a_request_says_who_and_what(wire: Wire, to: To) -> None:
    """It has method, quoted path, query, JSON body, content type and a User-Agent with the version."""
    to().call("POST", "v1beta/tuned Models/ä?x#y", query={"tunedModelId": "a b&c"}, body={"ü": "\u2028😀"})
    request = wire.requests[0]
    assert request.method == "POST"
    assert request.target == "/v1beta/tuned%20Models/%C3%A4%3Fx%23y?tunedModelId=a+b%26c"
    assert request.body == '{"ü": "\u2028😀"}'.encode()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("reconciler/")
    assert "gzip" in re.split(", *", request.headers["accept-encoding"])


def test_a_lone_surrogate_is_sent_escaped(wire: Wire, to: To) -> None:
    """A text that has no UTF-8 still travels, as the escape that it came from."""
    to().call("POST", "v1beta/x", body={"a": "\ud800ü"})
    assert wire.requests[0].body == b'{"a": "\\ud800\\u00fc"}'


def test_connections_are_used_again_and_without_cookies(wire: Wire, to: To) -> None:
    """Ten calls in a row use one connection, and what one reply sets is not sent back."""
    wire.always = answer({}, Set_Cookie="a=b")
    transport = to()
    for _ in range(10):
        transport.call("GET", "v1beta/x")
    assert wire.connections == 1
    assert not any("cookie" in one.headers for one in wire.requests)


def test_every_thread_keeps_its_connection(wire: Wire, to: To) -> None:
    """There are as many connections as threads, however often the threads call at once."""
    together = threading.Barrier(6)

    def meet(connection: socket.socket) -> None:
        together.wait(5)
        connection.sendall(answer({}))

    transport = to(parallelism=6)
    for _ in range(3):
        wire.script = [Keeping(meet)] * 6
        threads = [threading.Thread(target=transport.call, args=("GET", "v1beta/x")) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(wire.requests) == 18
    assert wire.connections == 6


def test_a_path_in_the_base_url_is_kept(wire: Wire, to: To) -> None:
    """An endpoint behind a prefix is called there, with or without a final slash."""
    for base in (f"{wire.url}/prefix", f"{wire.url}/prefix/"):
        to(base_url=base).call("GET", "v1beta/x")
    assert [one.target for one in wire.requests] == ["/prefix/v1beta/x"] * 2


def test_a_failure_says_where(wire: Wire, to: To) -> None:
    """An error names method, path and host."""
    wire.always = refusal(404, "Tuned model tunedModels/x does not exist.", canonical="NOT_FOUND")
    with pytest.raises(NotFoundError) as caught:
        to().call("GET", "v1beta/tunedModels/x")
    host = wire.url.removeprefix("http://")
    assert str(caught.value) == (
        f"GET v1beta/tunedModels/x at {host} was refused (404 NOT_FOUND): "
        "Tuned model tunedModels/x does not exist."
    )


def test_a_foreign_message_cannot_drive_a_terminal(wire: Wire, to: To) -> None:
    """Control and direction characters of a reply do not reach the message, nor more than 256 characters."""
    wire.always = refusal(400, "\x1b[31mred\x07\r\n\u202edne\x9b2J\u2066" + "y" * 5000)
    with pytest.raises(InvalidArgumentError) as caught:
        to().call("GET", "v1beta/x")
    assert caught.value.summary.isprintable()
    assert "[31mred dne" in caught.value.summary
    assert len(caught.value.summary) < 400


def test_a_204_is_an_empty_answer(wire: Wire, to: To) -> None:
    """A reply without content is not lost if its status says so."""
    wire.always = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert to().call("DELETE", "v1beta/x") == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_not_sent(wire: Wire, to: To, number: float) -> None:
    """NaN and infinity are refused before anything is sent."""
    with pytest.raises(Exception, match="NaN or infinity"):
        to().call("POST", "v1beta/x", body={"a": number})
    assert wire.requests == []


def test_a_reply_has_a_size_limit(wire: Wire) -> None:
    """A reply that is larger than the limit when decompressed is not read to its end. A smaller one is."""
    for megabytes, fits in ((3, True), (200, False)):
        packed = gzip.compress(bytes(megabytes * 1024 * 1024), compresslevel=1)
        wire.always = answer(body=packed, Content_Encoding="gzip")
        exchange = Exchange(wire.url, loopback=True, connections=1, most_bytes=4 * 1024 * 1024)
        send = functools.partial(exchange.send, "GET", "x", query={}, body=None, headers={}, timeout=5.0)
        if fits:
            assert len(send().body) == megabytes * 1024 * 1024
        else:
            with pytest.raises(LostError, match="larger than 4 MB"):
                send()
        exchange.close()


@pytest.mark.parametrize("in_chunks", [False, True], ids=["whole", "in chunks"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_reply_is_decompressed(wire: Wire, to: To, encoding: str, *, in_chunks: bool) -> None:
    """It does not matter whether the reply says its length or comes in chunks. Its connection is kept."""
    document = {"name": "x" * 1000}
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    packed = pack(json.dumps(document).encode())
    if in_chunks:
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nTransfer-Encoding: chunked\r\n\r\n"
        pieces = [packed[at : at + 10] for at in range(0, len(packed), 10)] + [b""]
        wire.always = head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    else:
        wire.always = answer(body=packed, Content_Encoding=encoding)
    transport = to()
    assert [transport.call("GET", "v1beta/x") for _ in range(2)] == [document] * 2
    assert wire.connections == 1


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy_gets_the_request_as_it_is(wire: Wire, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """Each header goes to a proxy of http:// once. The login of its address is for the proxy."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", wire.url.replace("http://", f"{scheme}user:p%40ss@"))
    exchange = Exchange("http://service.example", loopback=False, connections=1)
    exchange.send("GET", "x", query={"a": "b"}, body=None, headers={}, timeout=9)
    exchange.close()
    (request,) = wire.requests
    assert request.target == "http://service.example/x?a=b"
    login = base64.b64encode(b"user:p@ss").decode()
    assert request.headers == {
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "connection": "keep-alive",
        "host": "service.example",
        "proxy-authorization": f"Basic {login}",
        "user-agent": USER_AGENT,
    }


def test_a_body_may_be_refused_before_it_is_read() -> None:
    """The reply is read, although the service closes the connection while the body is being sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer({}, status=413))

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        exchange = Exchange(f"http://127.0.0.1:{server.getsockname()[1]}", loopback=True, connections=1)
        body = bytes(32 * 1024 * 1024)
        reply = exchange.send("POST", "x", query={}, body=body, headers={}, timeout=20.0)
        exchange.close()
        thread.join(5)
    assert (reply.status, reply.body) == (413, b"{}")


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1000, 1), (1024 * 1024, 2)])
def test_a_small_request_is_sent_in_one_piece(size: int, count: int) -> None:
    """Headers and body share a piece, unless the body is large."""
    manager = PoolManager()
    let_report(manager)
    pool = manager.connection_from_url("http://service.example")
    connection = cast("HTTPConnection", pool.ConnectionCls("service.example"))
    with Pieces() as pieces:
        connection.sock = pieces
        connection.request("POST", "/x", body=bytes(size), headers={})
    assert len(pieces.sent) == count
    assert b"".join(pieces.sent).endswith(b"\r\n\r\n" + bytes(size))


def test_a_proxy_that_is_not_there_is_named(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names an unreachable HTTPS_PROXY and says that nothing was sent."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    environ = {"GEMINI_API_KEY": "k", "RECONCILER_RETRY_SECONDS": "1"}
    transport = connect(base_url="https://service.invalid", environ=environ, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match="HTTPS_PROXY") as caught:
        transport.call("POST", "v1beta/tunedModels", body={})
    assert "Nothing was sent" in caught.value.detail
