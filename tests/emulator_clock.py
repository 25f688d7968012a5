"""A made-up clock that an emulator shares. A wait of many short sleeps costs one request."""

from __future__ import annotations

import threading
from typing import Any

import requests
from msgspec.structs import replace

from reconciler.http import Transport
from reconciler.http.connection import Exchange, Reply
from tests.fakes import FakeClock


class EmulatorClock(FakeClock):
    """Seconds that pass only when somebody sleeps. The emulator is told of them before its next request."""

    def __init__(self, url: str, session: requests.Session) -> None:
        super().__init__()
        self._url, self._session = f"{url}/emulator/clock", session
        self._telling = threading.Lock()
        self._told = self.now
        self._post({"frozen": True})

    def catch_up(self) -> None:
        """Set the emulator's clock to this one."""
        with self._telling:
            passed, self._told = self.now - self._told, self.now
            if passed:
                self._post({"advance": passed})

    def share(self, transport: Transport) -> Transport:
        """Return the transport. Before each of its requests the emulator gets this clock's time."""
        return replace(transport, exchange=_Timely(transport.base_url, self))

    def _post(self, change: dict[str, Any]) -> None:
        reply = self._session.post(self._url, json=change, timeout=5)
        assert reply.ok, reply.text


class _Timely(Exchange):
    def __init__(self, url: str, clock: EmulatorClock) -> None:
        super().__init__(url, loopback=True, connections=4)
        self._clock = clock

    def send(self, method: str, path: str, **rest: Any) -> Reply:
        """See Exchange.send."""
        self._clock.catch_up()
        return super().send(method, path, **rest)
