"""The only way out for the clients of the object stores: a proxy on this machine with one way a client.

Their client follows redirects and takes some credentials along (x-amz-security-token, which stays readable),
and it has no switch for that. So each client is told this proxy, with a login of its own; whatever is asked
for under that login goes to the one scheme, host and port that it was given for, through the proxy of the
environment where there is one. Everything else is refused here, before a byte of it leaves the process.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import selectors
import socket
import ssl
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback
from reconciler.settings.tls import Trust

_CONNECTING, _SECONDS = 5.0, 15.0
"""For a connection, and for each piece that is passed on; the client bounds its calls itself."""
_HEAD = 64 * 1024
_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class _RefusedError(Exception):
    """What was asked for does not go through; its text is for people.

    Attributes:
        status: to answer; a client repeats what is answered 502.
    """

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Way:
    """Where one login leads.

    Attributes:
        scheme: of the store.
        host: in lower case, without brackets.
        port: the store's.
        proxy: that the environment names for it, with its login; "" for a straight way.
        certificates: a file or folder that signs for an https:// proxy, "" for those of the machine.
    """

    scheme: str
    host: str
    port: int
    proxy: str
    certificates: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two addresses must share for a credential to go from one to the other."""
        return self.scheme, self.host, self.port


def way_out(endpoint: str, settings: Settings) -> str:
    """The address of a proxy that leads to the origin of this address, and nowhere else.

    Args:
        endpoint: of a store; sound.
        settings: proxies and certificates.

    Raises:
        CredentialError, UsageError: a proxy or the certificates cannot be used.
    """
    parts = urlsplit(endpoint)
    way = _Way(*_origin(parts), _proxy_for(endpoint, settings), Trust.of(settings).path)
    return _gate().open(way)


def complaint() -> str:
    """Why the last request did not get through, "" when it was not stopped here; asking forgets it."""
    return _gate().complaint()


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)


def _proxy_for(endpoint: str, settings: Settings) -> str:
    from requests.utils import should_bypass_proxies

    if is_loopback(endpoint):
        return ""
    names = (f"{urlsplit(endpoint).scheme}_proxy", "all_proxy")
    found = next((settings[one] for name in names for one in (name, name.upper()) if one in settings), "")
    passed_by = settings.get("no_proxy", "") or settings.get("NO_PROXY", "")
    if not found or should_bypass_proxies(endpoint, no_proxy=passed_by or None):
        return ""
    return found if "://" in found else f"http://{found}"


class _Gate:
    """Listens on loopback as long as the process lives; one thread a connection."""

    def __init__(self) -> None:
        self._ways: dict[str, _Way] = {}
        self._complaint = ""
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, name="gate", daemon=True).start()

    def open(self, way: _Way) -> str:
        """The address, login and all, that leads there."""
        with self._lock:
            known = next((login for login, one in self._ways.items() if one == way), "")
            login = known or secrets.token_hex(16)
            self._ways[login] = way
        return f"http://reconciler:{login}@127.0.0.1:{self._listener.getsockname()[1]}"

    def complaint(self) -> str:
        """See `complaint`."""
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
            head, begun = _head(client)
            request = _Request.parsed(head, begun)
            try:
                store = self._store(request)
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

    def _store(self, request: _Request) -> socket.socket:
        """A connection to whom the request is for."""
        with self._lock:
            way = self._ways.get(request.login)
        if way is None and request.login:
            raise _RefusedError("another program asks")
        parts = request.address
        if way is None or _origin(parts) != way.origin:  # a client takes its login to no other origin
            where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            raise _RefusedError(
                f"the store redirects to {where}, and a credential is not sent along a redirect"
            )
        return _connected(way)


@dataclass(frozen=True, slots=True)
class _Request:
    """What a client asks: a tunnel, or something over plain http.

    Attributes:
        method: CONNECT for a tunnel.
        address: of the store, and what is asked of it.
        headers: lower-case name to value.
        begun: what has come of what follows them.
    """

    method: str
    address: SplitResult
    headers: dict[str, str]
    begun: bytes

    @classmethod
    def parsed(cls, head: bytes, begun: bytes) -> _Request:
        """ValueError when it is no HTTP."""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        address = urlsplit(f"https://{target}" if method == "CONNECT" else target)
        return cls(method, address, headers, begun)

    @property
    def login(self) -> str:
        """What the client shows of what `_Gate.open` gave it."""
        shown = self.headers.get("proxy-authorization", "").removeprefix("Basic ")
        with contextlib.suppress(ValueError):
            return base64.b64decode(shown).decode("latin-1").rpartition(":")[2]
        return ""

    @property
    def head(self) -> bytes:
        """As the store itself is asked; one request a connection, so that each is looked at."""
        path = self.address._replace(scheme="", netloc="").geturl() or "/"
        kept = (f"{name}: {value}" for name, value in self.headers.items() if name != "proxy-authorization")
        lines = [f"{self.method} {path} HTTP/1.1", *kept, "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1")


@cache
def _gate() -> _Gate:
    return _Gate()


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """What stands before the empty line, and what has come of what follows it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_CHUNK)
        if not more or len(data) > _HEAD:
            raise ValueError("it is no HTTP")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _connected(way: _Way) -> socket.socket:
    if not way.proxy:
        try:
            return socket.create_connection((way.host, way.port), _CONNECTING)
        except OSError as error:
            raise _RefusedError(f"no connection to {way.host}:{way.port}: {error}", 502) from error
    proxy = urlsplit(way.proxy)
    address = (proxy.hostname or "", proxy.port or _PORTS[proxy.scheme])
    try:
        connection = socket.create_connection(address, _CONNECTING)
        if proxy.scheme == "https":
            connection = _tls(way.certificates).wrap_socket(connection, server_hostname=address[0])
    except OSError as error:
        raise _RefusedError(f"the proxy {address[0]}:{address[1]} is not reached: {error}", 502) from error
    try:
        _ask_for_a_tunnel(connection, way, proxy)
    except (OSError, ValueError) as error:
        connection.close()
        raise _RefusedError(f"the proxy {address[0]}:{address[1]} hangs up: {error}", 502) from error
    except _RefusedError:
        connection.close()
        raise
    return connection


def _tls(certificates: str) -> ssl.SSLContext:
    from requests.adapters import DEFAULT_CA_BUNDLE_PATH

    named = certificates or DEFAULT_CA_BUNDLE_PATH
    is_folder = Path(named).is_dir()
    return ssl.create_default_context(
        cafile=None if is_folder else named, capath=named if is_folder else None
    )


def _ask_for_a_tunnel(connection: socket.socket, way: _Way, proxy: SplitResult) -> None:
    host = f"[{way.host}]" if ":" in way.host else way.host
    lines = [f"CONNECT {host}:{way.port} HTTP/1.1", f"Host: {host}:{way.port}"]
    if proxy.username or proxy.password:
        login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    answer, _ = _head(connection)
    status = answer.decode("latin-1").split("\r\n")[0].split(" ", 2)
    if len(status) < 2 or not status[1].startswith("2"):
        raise _RefusedError(f"the proxy {proxy.hostname} answers {' '.join(status[1:])}", 502)


def _converse(request: _Request, client: socket.socket, store: socket.socket) -> None:
    """Pass on what the two say."""
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
    store.settimeout(None)  # the client bounds its calls, and goes away
    head, begun = _head(store)
    client.sendall(_last(head) + begun)
    while data := store.recv(_CHUNK):
        client.sendall(data)


def _last(head: bytes) -> bytes:
    """An answer's head that says that the connection ends with it, whatever the store said of that."""
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([*kept, b"connection: close", b"", b""])


def _join(client: socket.socket, store: socket.socket) -> None:
    """Pass on what each says until one of them hangs up."""
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
