"""The emulator as a server: `serve` blocks, `running` runs it in a thread beside the caller.

It listens on the loopback unless told otherwise. It stops at once and cuts open connections, since
everything that was acknowledged is in the file.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reconciler.emulator.app import RECORDS, App, ConnectionApp
from reconciler.emulator.control import Control
from reconciler.emulator.database import Database
from reconciler.emulator.errors import ArgumentError
from reconciler.emulator.host_guard import HostGuard
from reconciler.emulator.json_text import format_json
from reconciler.emulator.settings import Settings

_KEEP_ALIVE_SECONDS = 600
_START_SECONDS = 10


class _Protocol(H11Protocol):
    """HTTP/1.1, with an application that can break the connection, as a fault may ask."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Head and body are two writes. Without this the second one waits 40 ms for the first one's ACK.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app = cast("Any", ConnectionApp(cast("App", self.config.app), transport))

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


class _Server(uvicorn.Server):
    """A server that tells when it listens, wakes up when it is to stop, and then cuts its connections."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening
        self._wake: Callable[[], object] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()

    async def main_loop(self) -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(stopping.set)
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol):
                connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGINT, SIGTERM and SIGHUP, and restore the handlers without raising the signal again.

        A SIGHUP that is ignored, as under nohup, stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.getsignal(number) for number in numbers}
        if before[signal.SIGHUP] is signal.SIG_IGN:
            del before[signal.SIGHUP]
        for number in before:
            signal.signal(number, self._handle_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Make it stop. Any thread may call this, any number of times."""
        self.should_exit = True
        with contextlib.suppress(RuntimeError):  # The loop is closed already.
            self._wake()


class Running:
    """An emulator in the background."""

    def __init__(self, url: str, server: _Server, thread: threading.Thread) -> None:
        self.url = url
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """Stop it, and wait until it has stopped. A second call does nothing."""
        self._server.stop()
        self._thread.join()


@contextlib.contextmanager
def running(
    *,
    data: str | os.PathLike[str] | None = None,
    port: int = 0,
    host: str = "127.0.0.1",
    settings: Settings | None = None,
) -> Iterator[Running]:
    """Run an emulator in a background thread, until the block ends.

    Args:
        data: the file that keeps its state; with None or ":memory:" nothing is kept.
        port: 0 for any free one.
        host: the address to listen on. It may be called by this name, and by loopback names.
        settings: None for those in the file, or the defaults if it has none.
    """
    listening = threading.Event()
    with _listen(host, port) as listener:
        url = _format_url(listener)
        database = Database(data, RECORDS)
        server = _make_server(database, settings, host, listening.set)
        thread = threading.Thread(
            target=_run, args=(server, listener, database), name="emulator", daemon=True
        )
        thread.start()
        if not listening.wait(_START_SECONDS):
            raise TimeoutError(f"The emulator did not start within {_START_SECONDS} seconds.")
        handle = Running(url, server, thread)
        try:
            yield handle
        finally:
            handle.stop()


def serve(
    *,
    host: str,
    port: int,
    data: str | os.PathLike[str] | None,
    settings: Settings | None,
    ready: Callable[[str], None],
) -> None:
    """Run an emulator until a signal stops it; *ready* gets the URL once it listens."""
    with _listen(host, port) as listener:
        url = _format_url(listener)
        database = Database(data, RECORDS)
        _run(_make_server(database, settings, host, lambda: ready(url)), listener, database)


def _make_server(
    database: Database, settings: Settings | None, host: str, listening: Callable[[], None]
) -> _Server:
    config = uvicorn.Config(
        App(database, Control(database, settings), HostGuard(host)),
        http=_Protocol,
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, listening)


def _run(server: _Server, listener: socket.socket, database: Database) -> None:
    try:
        asyncio.run(server.serve([listener]))
    finally:
        database.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (UnicodeError, TypeError) as error:  # The encoding of host names refuses it.
        raise OSError("that is no name of a host") from error


def _format_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
