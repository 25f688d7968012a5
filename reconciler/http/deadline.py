"""Limits the time of a whole HTTP call, whatever the server does.

urllib3 limits only each single read. A server that sends one byte a second, or chunks without end, could
keep a call open for ever. Here a thread shuts the connection down when the time is up, and every read and
write on it ends at once. `sockets` reports each socket to this module.

Rule: one thread watches all calls, because starting one takes as long as a quarter of a call.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar


class Line:
    """A descriptor of its own of a connection, with which another thread can shut the connection down.

    TLS takes the descriptor away from the socket, and a reply may outlive its connection's object. This one
    is closed when neither the connection nor a call has it any more.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._handle = socket.socket(fileno=os.dup(connection.fileno()))

    def __del__(self) -> None:
        with suppress(AttributeError):  # the machine had no descriptor for it
            self._handle.close()

    def shut(self) -> None:
        """End every read and write on the connection."""
        with suppress(OSError):  # the server has closed it already
            self._handle.shutdown(socket.SHUT_RDWR)


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
        self._line: Line | None = None

    def take(self, line: Line) -> None:
        """Note that the call uses this connection from now on."""
        with self._lock:
            self._line = line
            if self.is_over:
                line.shut()

    def end(self) -> None:
        """End the call, because its time is up."""
        with self._lock:
            self.is_over = True
            if self._line is not None:
                self._line.shut()

    def close(self) -> None:
        """Let go of the connection, after the call was answered or given up."""
        with self._lock:
            self._line = None


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def find_call() -> Call | None:
    """Return the call that this thread is making, None if it makes none."""
    return _current.get()


_LONGEST_SLEEP = 1.0
"""Seconds after which the watching thread looks whether there is still a call, and ends if there is none."""


class _Watch:
    """Ends the calls whose time is up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ends: dict[Call, float] = {}
        self._wakes = 0.0
        self._thread: threading.Thread | None = None

    def add(self, call: Call, seconds: float) -> None:
        """End a call after this many seconds."""
        with self._changed:
            end = self._ends[call] = time.monotonic() + seconds
            if self._thread is None or not self._thread.is_alive():  # a fork leaves it behind
                self._thread = threading.Thread(target=self._run, name="deadline", daemon=True)
                self._thread.start()
            elif end < self._wakes:
                self._changed.notify()

    def remove(self, call: Call) -> None:
        """Forget a call that has ended."""
        with self._changed:
            self._ends.pop(call, None)

    def _run(self) -> None:
        with self._changed:
            while self._ends:
                now = time.monotonic()
                for call in [call for call, end in self._ends.items() if end <= now]:
                    del self._ends[call]
                    call.end()
                self._wakes = min((now + _LONGEST_SLEEP, *self._ends.values()))
                self._changed.wait(self._wakes - now)
            self._thread = None


_watch = _Watch()


@contextmanager
def limit_call(seconds: float) -> Iterator[Call]:
    """End every HTTP call that this thread makes within the block after this many seconds."""
    call = Call()
    _watch.add(call, seconds)
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)
        _watch.remove(call)
        call.close()
