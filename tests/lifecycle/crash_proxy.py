"""A proxy on loopback that counts requests, and lets a test act on the client at any of them.

It sits between a real command and an emulator. So the command can be killed before its n-th request arrives,
or after the request was answered and before the command sees the answer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BEFORE, AFTER = "before", "after"


@dataclass
class CrashProxy:
    """One port. `act` is called for each request, before it is forwarded and after it was answered.

    Attributes:
        requests: "METHOD /path" of each request, in order.
        act: takes the number (from 1) and BEFORE or AFTER. It returns False to hang up.
    """

    url: str
    requests: list[str] = field(default_factory=list)
    act: Callable[[int, str], bool] = lambda _number, _when: True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self, act: Callable[[int, str], bool] | None = None) -> None:
        """Count from 1 again."""
        self.requests = []
        self.act = act or (lambda _number, _when: True)

    def number(self, line: str) -> int:
        """Count a request and return its number."""
        with self.lock:
            self.requests.append(line)
            return len(self.requests)


class _Stream:
    """Reads whole HTTP messages from a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.rest = b""

    def message(self) -> bytes | None:
        """Return head and body as received. None if the other side has closed the connection."""
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                return None
        head, _, body = self.rest.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length:
            if not self._more():
                return None
            body = self.rest[len(head) + 4 :]
        self.rest = body[length:]
        return head + b"\r\n\r\n" + body[:length]

    def _more(self) -> bool:
        more = self.connection.recv(65536)
        self.rest += more
        return bool(more)


def _converse(proxy: CrashProxy, client: socket.socket, target: tuple[str, int]) -> None:
    with client, contextlib.suppress(OSError), socket.create_connection(target) as upstream:
        for connection in (client, upstream):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        asked, answered = _Stream(client), _Stream(upstream)
        while (request := asked.message()) is not None:
            line = request.partition(b" HTTP/")[0].decode()
            number = proxy.number(line)
            if not proxy.act(number, BEFORE):
                return
            upstream.sendall(request)
            reply = answered.message()
            if reply is None or not proxy.act(number, AFTER):
                return
            client.sendall(reply)


@contextlib.contextmanager
def crash_proxy_to(url: str) -> Iterator[CrashProxy]:
    """A proxy in front of a server, until the end of the block."""
    parts = urlsplit(url)
    target = (parts.hostname or "", parts.port or 80)
    server = socket.create_server(("127.0.0.1", 0))
    proxy = CrashProxy(f"http://127.0.0.1:{server.getsockname()[1]}")

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                threading.Thread(target=_converse, args=(proxy, client, target), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
