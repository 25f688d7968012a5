"""A proxy on this machine, through which the clients of the object stores reach their own store only.

Their client follows redirects and takes some credentials along (x-amz-security-token, which stays readable),
and it cannot be told not to. So each client connects through this proxy, with a login of its own. A request
under that login goes to the one scheme, host and port that the login is for, through the proxy of the
environment if there is one. Every other request is refused here, before a byte of it leaves the process.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import selectors
import socket
import ssl
import threading
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from msgspec import Struct

from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback
from reconciler.settings.tls import Trust

_CONNECTING, _SECONDS = 5.0, 15.0
"""Seconds to connect, and for each piece that is passed on. The client bounds its calls itself."""
_HEAD = 64 * 1024
_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class _RefusedError(Exception):
    """A request that the proxy refuses, with the reason for people.

    Attributes:
        status: of the answer. A client repeats a request that is answered 502.
    """

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.status = status


class _Way(Struct, frozen=True):
    """The destination of the requests under one login.

    Attributes:
        origin: scheme, host (in lower case, without brackets) and port of the store. Two addresses must share
            them, or a credential does not go along.
        proxy: the proxy that the environment names for the store, with its login. "" if there is none.
        certificates: a file or folder with the certificates for an https:// proxy. "" for the machine's own.
    """

    origin: tuple[str, str, int]
    proxy: str
    certificates: str


def open_way_out(endpoint: str, settings: Settings) -> str:
    """Open a proxy that leads to the origin of an endpoint only, and return its address.

    Args:
        endpoint: of a store. It is a valid address.
        settings: proxies and certificates.

    Raises:
        CredentialError, UsageError: a proxy or the certificates cannot be used.
    """
    parts = urlsplit(endpoint)
    way = _Way(_find_origin(parts), _find_proxy(endpoint, settings), Trust.read(settings).path)
    return get_gate().open(way)


def _find_origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _find_proxy(endpoint: str, settings: Settings) -> str:
    from requests.utils import should_bypass_proxies

    if is_loopback(endpoint):
        return ""
    names = (f"{urlsplit(endpoint).scheme}_proxy", "all_proxy")
    found = next((settings[key] for name in names for key in (name, name.upper()) if key in settings), "")
    passed_by = settings.get("no_proxy", "") or settings.get("NO_PROXY", "")
    if not found or should_bypass_proxies(endpoint, no_proxy=passed_by or None):
        return ""
    return found if "://" in found else f"http://{found}"


class Gate:
    """Listens on loopback for as long as the process lives, with a thread for each connection."""

    def __init__(self) -> None:
        self._ways: dict[str, _Way] = {}
        self._complaint = ""
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, name="gate", daemon=True).start()

    def open(self, way: _Way) -> str:
        """Make a login that leads there. Returns the proxy's address with the login."""
        with self._lock:
            known = next((login for login, known_way in self._ways.items() if known_way == way), "")
            login = known or secrets.token_hex(16)
            self._ways[login] = way
        return f"http://reconciler:{login}@127.0.0.1:{self._listener.getsockname()[1]}"

    def take_complaint(self) -> str:
        """Take why the last request was refused: "" if it was not, or if the reason was taken already."""
        with self._lock:
            text, self._complaint = self._complaint, ""
        return text

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            client.settimeout(_SECONDS)
            head, begun = _read_head(client)
            request = _Request.parse(head, begun)
            try:
                store = self._connect_store(request)
            except _RefusedError as error:
                self._note(str(error))
                client.sendall(b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n" % error.status)
                return
            self._note("")
            with store:
                _converse(request, client, store)

    def _note(self, text: str) -> None:
        with self._lock:
            self._complaint = text

    def _connect_store(self, request: _Request) -> socket.socket:
        """Connect to the store that a request is for."""
        with self._lock:
            way = self._ways.get(request.login)
        if way is None and request.login:
            raise _RefusedError("another program asks")
        parts = request.address
        if way is None or _find_origin(parts) != way.origin:  # a login is for one origin
            where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            raise _RefusedError(
                f"the store redirects to {where}, and a credential is not sent along a redirect"
            )
        return _connect(way)


class _Request(Struct, frozen=True):
    """A request of a client: for a tunnel, or over plain http.

    Attributes:
        method: CONNECT for a tunnel.
        address: of the store, with path and query.
        headers: lower-case name to value.
        begun: the bytes after the headers that have arrived already.
    """

    method: str
    address: SplitResult
    headers: dict[str, str]
    begun: bytes

    @classmethod
    def parse(cls, head: bytes, begun: bytes) -> _Request:
        """Read the head of a request. ValueError if it is not HTTP."""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        address = urlsplit(f"https://{target}" if method == "CONNECT" else target)
        return cls(method, address, headers, begun)

    @property
    def login(self) -> str:
        """The login that `Gate.open` gave the client, as it sends it."""
        shown = self.headers.get("proxy-authorization", "").removeprefix("Basic ")
        with contextlib.suppress(ValueError):
            return base64.b64decode(shown).decode("latin-1").rpartition(":")[2]
        return ""

    @property
    def head(self) -> bytes:
        """The head as the store gets it. One request for each connection: every request is checked."""
        path = self.address._replace(scheme="", netloc="").geturl() or "/"
        kept = (f"{name}: {value}" for name, value in self.headers.items() if name != "proxy-authorization")
        lines = [f"{self.method} {path} HTTP/1.1", *kept, "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1")


@cache
def get_gate() -> Gate:
    """Return the proxy of this process."""
    return Gate()


def _read_head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read up to the empty line. Returns what is before it, and the bytes after it that have arrived."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_CHUNK)
        if not more or len(data) > _HEAD:
            raise ValueError("it is no HTTP")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _connect(way: _Way) -> socket.socket:
    _, host, port = way.origin
    if not way.proxy:
        try:
            return socket.create_connection((host, port), _CONNECTING)
        except OSError as error:
            raise _RefusedError(f"no connection to {host}:{port}: {error}", 502) from error
    proxy = urlsplit(way.proxy)
    address = (proxy.hostname or "", proxy.port or _PORTS[proxy.scheme])
    try:
        connection = socket.create_connection(address, _CONNECTING)
        if proxy.scheme == "https":
            connection = _make_tls_context(way.certificates).wrap_socket(
                connection, server_hostname=address[0]
            )
    except OSError as error:
        raise _RefusedError(f"the proxy {address[0]}:{address[1]} is not reached: {error}", 502) from error
    try:
        _ask_for_a_tunnel(connection, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy)
    except (OSError, ValueError) as error:
        connection.close()
        raise _RefusedError(f"the proxy {address[0]}:{address[1]} hangs up: {error}", 502) from error
    except _RefusedError:
        connection.close()
        raise
    return connection


def _make_tls_context(certificates: str) -> ssl.SSLContext:
    from requests.adapters import DEFAULT_CA_BUNDLE_PATH

    named = certificates or DEFAULT_CA_BUNDLE_PATH
    is_folder = Path(named).is_dir()
    return ssl.create_default_context(
        cafile=None if is_folder else named, capath=named if is_folder else None
    )


def _ask_for_a_tunnel(connection: socket.socket, store: str, proxy: SplitResult) -> None:
    lines = [f"CONNECT {store} HTTP/1.1", f"Host: {store}"]
    if proxy.username or proxy.password:
        login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer, _ = _read_head(connection)
    status = answer.decode("latin-1").split("\r\n")[0].split(" ", 2)
    if len(status) < 2 or not status[1].startswith("2"):
        raise _RefusedError(f"the proxy {proxy.hostname} answers {' '.join(status[1:])}", 502)


def _converse(request: _Request, client: socket.socket, store: socket.socket) -> None:
    """Pass on the request and its answer."""
    store.settimeout(_SECONDS)
    if request.method == "CONNECT":
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        store.sendall(request.begun)
        _join(client, store)
        return
    store.sendall(request.head + request.begun)
    left = int(request.headers.get("content-length", "0")) - len(request.begun)
    while left > 0 and (data := client.recv(min(_CHUNK, left))):
        store.sendall(data)
        left -= len(data)
    store.settimeout(None)  # the client bounds its calls, and hangs up
    head, begun = _read_head(store)
    client.sendall(_close_after(head) + begun)
    while data := store.recv(_CHUNK):
        client.sendall(data)


def _close_after(head: bytes) -> bytes:
    """Say in the head of an answer that the connection ends with it."""
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([*kept, b"connection: close", b"", b""])


def _join(client: socket.socket, store: socket.socket) -> None:
    """Pass on bytes in both directions until one side hangs up."""
    with selectors.DefaultSelector() as waiting:
        for source, sink in ((client, store), (store, client)):
            waiting.register(source, selectors.EVENT_READ, (source, sink))
        while True:
            for key, _ in waiting.select():
                source, sink = key.data
                data = source.recv(_CHUNK)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(_CHUNK)
                if not data:
                    return
                sink.sendall(data)
