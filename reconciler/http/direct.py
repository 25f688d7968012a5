"""Connections to one address without a proxy, made with the standard library's http.client.

Own code, because importing urllib3 took a sixth of a short command. urllib3 goes through proxies (`proxied`).
"""

from __future__ import annotations

import socket
import ssl
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any
from urllib.parse import urlsplit
from weakref import finalize

from reconciler.http import deadline
from reconciler.http.pool import CHUNK, CONNECT_SECONDS, NoConnectionError, Reply, limit_size
from reconciler.settings.tls import Trust

_ANY_HEADER = 32 + zlib.MAX_WBITS
"""zlib finds out itself whether content is in the form of gzip or in its own."""


def make_context(trust: Trust) -> ssl.SSLContext:
    """Make the TLS settings of all connections to an address; it takes long."""
    path = trust.path
    if not path:
        import certifi

        path = certifi.where()
    is_folder = Path(path).is_dir()
    context = ssl.create_default_context(
        cafile=None if is_folder else path, capath=path if is_folder else None
    )
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Connection(HTTPConnection):
    """A connection that tells the current call its socket, before TLS is set up, and when it sends."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port)
        self.default_port = 80 if context is None else 443  # which a request does not name
        self._context = context

    def connect(self) -> None:
        try:
            self.sock = socket.create_connection((self.host, self.port), self.timeout)
        except (TimeoutError, socket.gaierror):
            raise
        except OSError as error:
            raise NoConnectionError(str(error)) from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tell()
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host.removesuffix("."))

    def prepare(self, connect_seconds: float, seconds: float) -> None:
        """Make sure that there is a socket, and limit each of its steps."""
        if self.sock is None:
            self.timeout = connect_seconds
            self.connect()
        else:
            self._tell()
        self.sock.settimeout(seconds)

    def _tell(self) -> None:
        call = deadline.find_call()
        if call is not None:
            call.take(self.sock)

    def send(self, data: Any) -> None:
        call = deadline.find_call()
        if call is not None:
            call.was_sent = True
        super().send(data)

    def is_dropped(self) -> bool:
        """Return whether the server has closed an idle connection: then there is something to read."""
        if self.sock is None:
            return True
        with DefaultSelector() as selector:
            selector.register(self.sock, EVENT_READ)
            return bool(selector.select(0))


class Direct:
    """Keeps so many idle connections to an address. Connects to nothing yet."""

    def __init__(self, base_url: str, trust: Trust, connections: int) -> None:
        parts = urlsplit(base_url)
        self._host, self._prefix = parts.hostname or "", parts.path
        self._context = make_context(trust) if parts.scheme == "https" else None
        self._port = parts.port or (80 if self._context is None else 443)
        self._most_idle = connections
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        finalize(self, _close_all, self._idle)

    def send(
        self, method: str, path: str, *, body: Any, headers: Mapping[str, str], seconds: float, most: int
    ) -> Reply:
        """See `pool.Pool`."""
        connection = self._take()
        try:
            connection.prepare(min(CONNECT_SECONDS, seconds), seconds)
            connection.request(method, f"{self._prefix}/{path}", body, headers)
            with connection.getresponse() as response:
                content = b"".join(limit_size(_decompress(_read(response), response), most))
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        named: dict[str, str] = {}
        for name, value in response.headers.items():
            known = named.get(name.lower())
            named[name.lower()] = value if known is None else f"{known}, {value}"
        return Reply(response.status, named, content)

    def close(self) -> None:
        """See `pool.Pool`."""
        _close_all(self._idle)

    def _take(self) -> _Connection:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _Connection(self._host, self._port, self._context)
            if not connection.is_dropped():
                return connection
            connection.close()

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            is_kept = connection.sock is not None and len(self._idle) < self._most_idle
            if is_kept:
                self._idle.append(connection)
        if not is_kept:
            connection.close()


def _close_all(idle: list[_Connection]) -> None:
    with suppress(IndexError):
        while True:
            idle.pop().close()


def _read(response: HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk
    if response.length:
        raise IncompleteRead(b"", response.length)


def _decompress(chunks: Iterable[bytes], response: HTTPResponse) -> Iterator[bytes]:
    """Decompress a reply piece by piece, so that no small reply becomes a huge one at once.

    Raises:
        zlib.error: it is not what it says.
    """
    if response.headers.get("content-encoding", "").lower() not in {"gzip", "x-gzip", "deflate"}:
        yield from chunks
        return
    decoder = zlib.decompressobj(_ANY_HEADER)
    for chunk in chunks:
        rest = chunk
        while rest:
            if decoder.eof:  # gzip may have several parts
                decoder = zlib.decompressobj(_ANY_HEADER)
            yield decoder.decompress(rest, CHUNK)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    yield decoder.flush()
