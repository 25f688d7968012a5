"""Limits the time of a whole HTTP call, whatever the server does.

requests limits only each single read. A server that sends one byte a second, or chunks without end, could
keep a call open for ever. Here a timer shuts the connection down when the time is up, and every read and
write on it ends at once. `sockets` reports each socket to this module.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar


class Call:
    """One HTTP call that is being made.

    Attributes:
        is_over: the time is up. The reply may be cut off.
        was_sent: the server may have received some of the request.
    """

    def __init__(self) -> None:
        self.is_over = False
        self.was_sent = False
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None

    def take(self, connection: socket.socket) -> None:
        """Note that the call uses this connection from now on.

        Keeps a descriptor of its own, because TLS takes the descriptor away from the socket, and a reply may
        outlive its connection's object.
        """
        with self._lock:
            self._release()
            self._handle = socket.socket(fileno=os.dup(connection.fileno()))
            if self.is_over:
                self._shut()

    def end(self) -> None:
        """End the call, because its time is up."""
        with self._lock:
            self.is_over = True
            self._shut()

    def close(self) -> None:
        """Let go of the connection, after the call was answered or given up."""
        with self._lock:
            self._release()

    def _shut(self) -> None:
        if self._handle is not None:
            with suppress(OSError):  # the server has closed it already
                self._handle.shutdown(socket.SHUT_RDWR)

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def find_call() -> Call | None:
    """Return the call that this thread is making, None if it makes none."""
    return _current.get()


@contextmanager
def limit_call(seconds: float) -> Iterator[Call]:
    """End every HTTP call that this thread makes within the block after this many seconds."""
    call = Call()
    timer = threading.Timer(seconds, call.end)
    timer.daemon = True
    timer.start()
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)
        timer.cancel()
        call.close()
