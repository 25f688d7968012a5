"""Replies as they are read without a proxy, and connections as they are kept."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest

from reconciler.http.connection import Exchange
from reconciler.http.pool import LostError, Reply
from tests.http.wire import Wire, answer, cut, hang_up

BODY = b"one two three " * 1000


@pytest.fixture
def exchange(wire: Wire) -> Iterator[Exchange]:
    """The connections to the wire."""
    made = Exchange(wire.url, loopback=True, connections=1)
    yield made
    made.close()


def ask(exchange: Exchange, method: str = "GET") -> Reply:
    """Ask once."""
    return exchange.send(method, "x", query={}, body=None, headers={}, timeout=5.0)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY[:500]) + gzip.compress(BODY[500:])),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
    ],
    ids=["gzip", "parts", "deflate", "plain"],
)
def test_a_reply_is_decompressed(wire: Wire, exchange: Exchange, encoding: str, packed: bytes) -> None:
    """A service may compress its reply in several parts, or not at all."""
    wire.always = answer(body=packed, Content_Encoding=encoding)
    assert ask(exchange).body == BODY


def test_an_empty_reply_may_say_that_it_is_compressed(wire: Wire, exchange: Exchange) -> None:
    """Nothing is nothing, compressed or not."""
    wire.always = answer(body=b"", Content_Encoding="gzip")
    assert ask(exchange).body == b""


def test_garbage_is_not_taken_for_compressed(wire: Wire, exchange: Exchange) -> None:
    """A reply that is not compressed as it says is lost, and the cause is named."""
    wire.always = answer(body=b"{}", Content_Encoding="gzip")
    with pytest.raises(LostError, match="cannot be decompressed"):
        ask(exchange)


@pytest.mark.parametrize(
    "reply",
    [
        answer(body=BODY),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{ }\r\n5\r\n     \r\n0\r\n\r\n",
    ],
    ids=["sized", "chunked"],
)
def test_half_a_reply_is_lost(wire: Wire, exchange: Exchange, reply: bytes) -> None:
    """A reply that ends before its end is not taken for a whole one. The next call has a new connection."""
    wire.script = [cut(reply, len(reply) - 6), reply]
    with pytest.raises(LostError, match="the connection was lost"):
        ask(exchange)
    assert ask(exchange).status == 200
    assert wire.connections == 2


def test_a_connection_that_was_closed_meanwhile_is_not_used(wire: Wire, exchange: Exchange) -> None:
    """A server may close an idle connection. The next request is sent over a new one, and only once."""
    closed = threading.Event()

    def answer_and_close(connection: socket.socket) -> None:
        connection.sendall(answer(body=BODY))
        hang_up(connection)
        closed.set()

    wire.script = [answer_and_close]
    assert ask(exchange, "POST").body == BODY
    assert closed.wait(5)
    assert ask(exchange, "POST").body == b"{}"
    assert (len(wire.requests), wire.connections) == (2, 2)


def test_a_header_may_come_twice(wire: Wire, exchange: Exchange) -> None:
    """Its values are joined, under one name in lower case."""
    wire.always = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVary: one\r\nvary: two\r\n\r\n"
    assert ask(exchange).headers == {"content-length": "0", "vary": "one, two"}
