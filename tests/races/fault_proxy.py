"""A proxy between a command and its store that can be slow, hang, or break connections.

Rule: it only knows where a request begins, and nothing else of the protocol. So it works with every store.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_REQUEST = re.compile(rb"(?m)^([A-Z]{3,6}) (\S+) HTTP/1\.1\r$")
_CHUNK = 65536


@dataclass
class FaultProxy:
    """One port in front of one server.

    Attributes:
        url: the address at which it forwards to the server.
        requests: method and path of each request that came, in order.
        delay: seconds that each piece of an answer is held back.
        before: takes the method and path of each request before it is forwarded. It returns False to hang up.
        hanging: whether nothing is forwarded any more, without any sign of it.
        down: whether connections are broken at once.
    """

    url: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    delay: float = 0.0
    before: Callable[[str, str], bool] = lambda _method, _path: True
    hanging: bool = False
    down: bool = False

    def methods(self) -> set[str]:
        """The methods of all requests so far."""
        return {method for method, _ in self.requests}

    def restore(self) -> None:
        """Reset all faults and forget the requests."""
        self.delay, self.hanging, self.down = 0.0, False, False
        self.before = lambda _method, _path: True
        self.requests = []

    def passes(self, data: bytes) -> bool:
        """Record the requests that begin in these bytes. Return whether to forward them."""
        passed = not self.down
        for method, path in _REQUEST.findall(data):
            request = (method.decode(), unquote(path.decode()))
            self.requests.append(request)
            passed = self.before(*request) and passed
        return passed and not self.down

    def wait(self) -> None:
        """Block while the proxy hangs."""
        while self.hanging and not self.down:
            time.sleep(0.02)


@contextlib.contextmanager
def fault_proxy_to(url: str) -> Iterator[FaultProxy]:
    """A proxy to the server of that URL, until the end of the block."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        proxy = FaultProxy(parts._replace(netloc=f"127.0.0.1:{port}").geturl())
        target = (str(parts.hostname), int(parts.port or 80))
        thread = threading.Thread(target=_accept, args=(listener, target, proxy), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.down = True
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, target: tuple[str, int], proxy: FaultProxy) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            threading.Thread(target=_serve, args=(near, target, proxy), daemon=True).start()


def _serve(near: socket.socket, target: tuple[str, int], proxy: FaultProxy) -> None:
    with near, contextlib.suppress(OSError), socket.create_connection(target) as far:
        for connection in (near, far):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = threading.Thread(target=_answers, args=(far, near, proxy), daemon=True)
        answers.start()
        with contextlib.suppress(OSError):
            while data := near.recv(_CHUNK):
                if not proxy.passes(data):
                    break
                proxy.wait()
                far.sendall(data)
        for connection in (near, far):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        answers.join()


def _answers(far: socket.socket, near: socket.socket, proxy: FaultProxy) -> None:
    with contextlib.suppress(OSError):
        while data := far.recv(_CHUNK):
            time.sleep(proxy.delay)
            proxy.wait()
            if proxy.down:
                break
            near.sendall(data)
        near.shutdown(socket.SHUT_RDWR)
