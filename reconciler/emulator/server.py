"""The emulator as a server: `serve` blocks, `run_emulator` serves in a thread beside the caller.

It listens on the loopback unless told otherwise. It stops at once and cuts open connections, since
everything that was acknowledged is in the file.
"""

import asyncio
import contextlib
import email.utils
import functools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reconciler.emulator.app import RECORDS, App
from reconciler.emulator.control import Control
from reconciler.emulator.database import Database
from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.host_guard import HostGuard
from reconciler.emulator.json_text import format_json
from reconciler.emulator.settings import Settings

_START_SECONDS = 10
_UVICORN: Mapping[str, Any] = {
    "log_config": None,
    "log_level": "critical",
    "ws": "none",
    "timeout_keep_alive": 600,
}
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Protocol(H11Protocol):
    """HTTP/1.1, with an application that can break the connection, as a fault may ask."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Head and body are two writes. Without this the second one waits 40 ms for the first one's ACK.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app = cast("Any", functools.partial(cast("App", self.config.app), transport))

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the API's shape; uvicorn itself would answer in plain text."""
        content = (format_json(ArgumentError(msg).write_body()) + "\n").encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
            f"Content-Type: application/json; charset=UTF-8\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(head.encode() + content)
        self.transport.close()


class Running:
    """An emulator that listens and serves until it is stopped; *is_listening* is set once it answers."""

    def __init__(self, listener: socket.socket, app: App, database: Database) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._listener = listener
        self._app = app
        self._database = database
        self.is_listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Serve until it is stopped, and close the database."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        finally:
            self._database.close()
            self._stopped.set()

    def begin_stop(self) -> None:
        """Make it stop. Any thread or signal handler may call this, any number of times."""
        with contextlib.suppress(RuntimeError):  # The loop is closed already.
            self._loop.call_soon_threadsafe(self._stopping.set)

    def stop(self) -> None:
        """Stop it, and wait until it has stopped. Only another thread than that of `run` may call this."""
        self.begin_stop()
        self.wait()

    def wait(self) -> None:
        """Wait until it has stopped. Only another thread than that of `run` may call this."""
        self._stopped.wait()

    async def _serve(self) -> None:
        config, state = uvicorn.Config(cast("Any", self._app), **_UVICORN), ServerState()
        server = await self._loop.create_server(lambda: _Protocol(config, state, {}), sock=self._listener)
        self.is_listening.set()
        while not self._stopping.is_set():
            state.default_headers = [(b"date", email.utils.formatdate(usegmt=True).encode())]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1)
        server.close()
        for connection in list(state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()
        for task in state.tasks:
            task.cancel()


@contextlib.contextmanager
def run_emulator(
    *,
    data: str | os.PathLike[str] | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    settings: Settings | None = None,
    changes: Mapping[str, Any] = {},
) -> Iterator[Running]:
    """Run an emulator in a background thread, until the block ends.

    *data* is the file that keeps its state; without one nothing is kept. Port 0 is any free one. It may be
    called by the name *host*, and by loopback names. *settings* are by default those in the file; *changes*
    are made to them, as the control plane takes them.

    Raises:
        OSError: it cannot listen there, or not keep its state in the file.
        sqlite3.DatabaseError: the file is damaged, or not an emulator's.
        ArgumentError: one of the *changes* is not a setting, or not a value of it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=256)
    except (UnicodeError, TypeError) as error:  # The encoding of host names refuses it.
        raise OSError("that is not the name of a host") from error
    with listener:
        database = Database(data, RECORDS)
        try:
            control = Control(database, settings, changes)
        except ArgumentError:
            database.close()
            raise
        app = App(database, control, HostGuard(host))
        emulator = Running(listener, app, database)
        thread = threading.Thread(target=emulator.run, name="emulator", daemon=True)
        thread.start()
        if not emulator.is_listening.wait(_START_SECONDS):
            raise TimeoutError(f"The emulator did not start within {_START_SECONDS} seconds.")
        try:
            yield emulator
        finally:
            emulator.stop()
            thread.join()


def serve(
    *,
    host: str,
    port: int,
    data: str | os.PathLike[str] | None,
    changes: Mapping[str, Any],
    ready: Callable[[str], None],
) -> None:
    """Run an emulator until a signal stops it; *ready* gets the URL once it listens."""
    with (
        run_emulator(data=data, port=port, host=host, changes=changes) as emulator,
        _stop_on_signals(emulator),
    ):
        ready(emulator.url)
        emulator.wait()


@contextlib.contextmanager
def _stop_on_signals(emulator: Running) -> Iterator[None]:
    """Stop on SIGINT, SIGTERM and SIGHUP. A SIGHUP that is ignored, as under nohup, stays ignored."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in _SIGNALS}
    if before.get(signal.SIGHUP) is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, lambda *_: emulator.begin_stop())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
