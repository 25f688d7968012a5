"""Sends one request and reads one reply, over a pool of connections. No retry, no redirect, no cookie.

If there is no reply, the type of the error says whether the service can have received the request. A caller
must know that before it sends the request again.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from msgspec import Struct

from reconciler import __version__, bounds
from reconciler.http.deadline import Call, limit_call
from reconciler.settings.tls import Trust

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from reconciler.http.pools import Pool

CONNECT_SECONDS = 10.0
_CHUNK = 1024 * 1024
_LATE = "it did not answer in time"
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL"})

# Some services compress only for clients that say gzip here as well as in Accept-Encoding.
USER_AGENT = f"reconciler/{__version__} (gzip)"
_HEADERS = {
    "user-agent": USER_AGENT,
    "Accept": "application/json",  # spelled as urllib3 does, or a proxy would get urllib3's own beside it
    "accept-encoding": "gzip, deflate",
    "connection": "keep-alive",
}


class UnsentError(Exception):
    """There was no connection, so the request cannot have arrived.

    Attributes:
        final: another try would fail in the same way.
        advice: what to do. "" if the only advice is to check the address.
    """

    def __init__(self, cause: str, *, final: bool = False, advice: str = "") -> None:
        super().__init__(cause)
        self.final, self.advice = final, advice


class LostError(Exception):
    """The request was sent, perhaps only in part, and no whole reply came."""


class Reply(Struct, frozen=True):
    """A whole reply, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def encode_json(body: Mapping[str, Any]) -> bytes:
    """Encode JSON in UTF-8. ValueError for NaN or infinity. Lone surrogates stay escaped."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return json.dumps(body, allow_nan=False).encode()


class _Counted:
    """A request body that reports how many of its bytes were read."""

    def __init__(self, body: bytes, sent: Callable[[int], None]) -> None:
        self._body, self._sent, self._at = body, sent, 0

    def __len__(self) -> int:
        return len(self._body)

    def read(self, size: int = -1) -> bytes:
        """Return the next piece."""
        end = len(self._body) if size < 0 else self._at + max(size, _CHUNK // 4)
        piece = self._body[self._at : end]
        self._at += len(piece)
        self._sent(self._at)
        return piece


class Exchange:
    """The connections to one base URL, shared by all threads.

    Args:
        base_url: every path is relative to it.
        loopback: whether the server is on this machine. Then no proxy is used, because a credential must not
            leave the machine.
        connections: how many to keep open, one for each thread.
        trust: the certificates of the authorities that we trust.
        most_bytes: the largest reply, decompressed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        loopback: bool,
        connections: int,
        trust: Trust | None = None,
        most_bytes: int = bounds.REPLY,
    ) -> None:
        self._base_url = base_url
        self._trust = trust or Trust()
        self._loopback = loopback
        self._connections = connections
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    def _open(self) -> Pool:
        from reconciler.http.pools import open_pool

        with self._lock:
            if self._pool is None:
                self._pool = open_pool(
                    self._base_url, self._trust, loopback=self._loopback, connections=self._connections
                )
            return self._pool

    def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        with self._lock:
            self._pool = None  # each connection closes itself once nobody uses it

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        about: Mapping[str, str] | None = None,
        sent: Callable[[int], None] | None = None,
    ) -> Reply:
        """Send once. UnsentError or LostError if no whole reply came within `timeout` seconds.

        `about` holds headers that describe the body, or the wanted reply. `sent` is called with the number of
        bytes sent so far.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        said = {**_HEADERS, **(about or {}), **headers}
        if body is not None and sent is not None:
            said["content-length"] = str(len(body))
        with limit_call(timeout) as call:
            try:
                pool = self._open()
                target = f"{pool.prefix}/{path}"
                response = pool.connections.urlopen(
                    method,
                    f"{target}?{urlencode(query)}" if query else target,
                    body=body if body is None or sent is None else cast("IO[bytes]", _Counted(body, sent)),
                    headers=said,
                    timeout=Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                content = _read(response, self._most_bytes)
            except (HTTPError, OSError, ValueError) as error:
                raise _classify(error, call, self._trust) from error
            if call.is_over:
                raise LostError(_LATE)
        names = {name.lower(): value for name, value in response.headers.itermerged()}
        return Reply(response.status, names, content)


def _read(response: BaseHTTPResponse, most: int) -> bytes:
    """Read a whole reply, and keep its connection. One that is not read to its end is closed."""
    try:
        # Said outright, because urllib3 would leave a reply that comes in chunks compressed.
        content = b"".join(_limit(response.stream(_CHUNK, decode_content=True), most))
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return content


def _limit(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise LostError(f"the reply is larger than {most // 1024 // 1024} MB")
        yield chunk


def _classify(error: Exception, call: Call, trust: Trust) -> UnsentError | LostError:
    """Return LostError if anything was sent, else UnsentError. Only the call knows whether it was."""
    if call.was_sent:
        return LostError(_explain_lost(error, call))
    if call.is_over:
        return UnsentError("no connection in time")
    return _explain_unsent(error, trust)


def _explain_lost(error: Exception, call: Call) -> str:
    """Say why a request that was sent got no whole reply."""
    from urllib3 import exceptions

    if call.is_over or any(
        isinstance(cause, (exceptions.TimeoutError, TimeoutError)) for cause in (error, *error.args)
    ):
        return _LATE
    if isinstance(error, exceptions.SSLError):
        return f"TLS failed ({_find_innermost(error)})"
    if isinstance(error, exceptions.DecodeError):
        return "its answer cannot be decompressed"
    return "the connection was lost"


def _explain_unsent(error: Exception, trust: Trust) -> UnsentError:
    """Say why there is no connection."""
    import ssl

    from urllib3 import exceptions

    if isinstance(error, exceptions.SSLError):
        inner = _find_innermost(error)
        if isinstance(inner, ssl.SSLCertVerificationError):
            return UnsentError(
                f"its TLS certificate is not trusted ({inner.verify_message})",
                final=True,
                advice=trust.advice,
            )
        if isinstance(inner, ssl.SSLError) and inner.reason in _NO_TLS:
            return UnsentError("it does not speak TLS: http:// instead of https://?", final=True)
        return UnsentError(f"TLS failed ({inner})")
    if isinstance(error, exceptions.NameResolutionError):
        return UnsentError("its name cannot be resolved")
    if isinstance(error, exceptions.NewConnectionError):
        return UnsentError("the connection was refused or there is no route to it")
    if isinstance(error, exceptions.ConnectTimeoutError):
        return UnsentError(f"no connection within {CONNECT_SECONDS:g} s")
    if isinstance(error, exceptions.ProxyError):
        status = re.search(r"Tunnel connection failed: (\d{3})", str(error))
        said = f": it answers {status[1]}" if status else ""
        return UnsentError(f"the proxy of the environment (HTTPS_PROXY) does not let us through{said}")
    if isinstance(error, ValueError):
        # A malformed address or header is found before there is a connection.
        # The error's text may repeat a header, and so a credential.
        return UnsentError(f"the request cannot be made ({type(error).__name__})", final=True)
    return UnsentError("the connection was lost before anything was sent")


def _find_innermost(error: Exception) -> object:
    return error.args[0] if error.args else error
