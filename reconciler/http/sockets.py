"""Connections that report to the current call (`deadline`) which socket they use and when they send.

They send a small request in one piece, where urllib3 would send its body after its headers.

Importing it imports urllib3.
"""

from __future__ import annotations

import socket
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from reconciler.http import deadline

_SMALL = 64 * 1024
"""The most bytes of a body that is sent together with its headers. One piece takes less time than two."""


class _Told(HTTPConnection):
    """A connection that reports its socket at once, before it sets up TLS or a proxy's tunnel."""

    _connecting = False
    _held: list[bytes] | None = None
    _line: deadline.Line | None = None

    def _new_conn(self) -> socket.socket:
        found = super()._new_conn()
        self._line = deadline.Line(found)
        self._report()
        return found

    def _report(self) -> None:
        call = deadline.find_call()
        if call is not None and self._line is not None:
            call.take(self._line)

    def close(self) -> None:
        self._line = None
        super().close()

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def request(self, *arguments: Any, **named: Any) -> None:
        self._report()  # the connection may be kept from an earlier call
        body = named.get("body")
        held = self._held = [] if isinstance(body, bytes) and len(body) <= _SMALL else None
        try:
            super().request(*arguments, **named)
        finally:
            self._held = None
        if held:
            self.send(b"".join(held))

    def send(self, data: Any) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        if self.sock is None:
            self.connect()
        call = deadline.find_call()
        if call is not None and not self._connecting:  # else this only opens a proxy's tunnel
            call.was_sent = True
        super().send(data)


class _ToldHTTPS(_Told, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Told


class _PoolHTTPS(HTTPSConnectionPool):
    ConnectionCls = _ToldHTTPS


_POOLS = {"http": _Pool, "https": _PoolHTTPS}


def let_report(manager: PoolManager) -> None:
    """Let the connections of a manager report their sockets, so that `deadline` can end their calls."""
    manager.pool_classes_by_scheme = _POOLS
