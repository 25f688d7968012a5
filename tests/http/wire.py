"""A server made of raw sockets. It sends exactly the bytes that it is told, or nothing, or hangs up."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from reconciler.http import Transport
from reconciler.providers.google.connection import connect
from tests.fakes import FakeClock

Action: TypeAlias = "bytes | Keeping | Callable[[socket.socket], None]"


@dataclass(frozen=True)
class Request:
    """A request that arrived. A header that came twice has both values, with a comma between them."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Wire:
    """One port on 127.0.0.1. Each request meets the next action in `script`, and afterwards `always`."""

    url: str = ""
    script: list[Action] = field(default_factory=list)
    always: Action = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, request: Request) -> Action:
        """Note a request, and return the action that it meets."""
        with self.lock:
            self.requests.append(request)
            return self.script.pop(0) if self.script else self.always


def answer(document: object = None, *, status: int = 200, body: bytes | None = None, **headers: str) -> bytes:
    """A whole reply."""
    content = json.dumps({} if document is None else document).encode() if body is None else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def refusal(
    status: int, message: str, *, canonical: str = "", details: list[dict[str, Any]] | None = None
) -> bytes:
    """An error as Google words it."""
    error: dict[str, Any] = {"code": status, "message": message, "status": canonical}
    if details:
        error["details"] = details
    return answer({"error": error}, status=status)


def hang_up(connection: socket.socket) -> None:
    """Close the connection and send nothing."""
    connection.shutdown(socket.SHUT_RDWR)


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    connection.settimeout(10)
    with contextlib.suppress(OSError):
        connection.recv(1)


def cut(reply: bytes, length: int) -> Callable[[socket.socket], None]:
    """Send only the first bytes of a reply, then hang up."""

    def action(connection: socket.socket) -> None:
        connection.sendall(reply[:length])
        hang_up(connection)

    return action


@dataclass(frozen=True)
class Keeping:
    """An action after which the connection stays open."""

    action: Callable[[socket.socket], None]


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        before = headers.get(name.lower())
        headers[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    method, target, _ = first.split(" ")
    return Request(method, target, headers, body)


def _converse(wire: Wire, connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        while (request := _read(connection)) is not None:
            action = wire.meet(request)
            if isinstance(action, Keeping):
                action.action(connection)
                continue
            if callable(action):
                action(connection)
                return
            connection.sendall(action)


W = TypeVar("W", bound=Wire)


@contextlib.contextmanager
def listening(wire: W) -> Iterator[W]:
    """Serve until the end of the block."""
    server = socket.create_server(("127.0.0.1", 0))
    wire.url = f"http://127.0.0.1:{server.getsockname()[1]}"

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                wire.connections += 1
                threading.Thread(target=_converse, args=(wire, connection), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


@contextlib.contextmanager
def connecting(wire: Wire, clock: FakeClock) -> Iterator[Callable[..., Transport]]:
    """A function that makes transports to the server. They use Google's errors, and no sleep takes time."""
    made: list[Transport] = []

    def maker(environ: Mapping[str, str] | None = None, **options: object) -> Transport:
        given = {"base_url": wire.url, "clock": clock, "sleep": clock.sleep, **options}
        made.append(connect(environ={"RECONCILER_HTTP_TIMEOUT": "2", **(environ or {})}, **given))  # type: ignore[arg-type]
        return made[-1]

    yield maker
    for one in made:
        one.close()


def vanishing(*replies: bytes) -> tuple[str, threading.Thread]:
    """The address of a server that gives these replies over one connection, and then is gone."""
    server = socket.create_server(("127.0.0.1", 0))

    def meet() -> None:
        with server.accept()[0] as connection:
            for reply in replies:
                if _read(connection) is not None:
                    connection.sendall(reply)
            server.close()

    thread = threading.Thread(target=meet, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{server.getsockname()[1]}", thread
