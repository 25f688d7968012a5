"""Sends one request and reads one reply, over a pool of connections. No retry, no redirect, no cookie.

If there is no reply, the type of the error says whether the service can have received the request. A caller
must know that before it sends the request again.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from reconciler import __version__, bounds
from reconciler.http.deadline import Call, limit_call
from reconciler.http.pool import (
    CHUNK,
    CONNECT_SECONDS,
    LostError,
    NoConnectionError,
    Pool,
    ProxyRefusedError,
    Reply,
)
from reconciler.settings.tls import Trust

_LATE = "it did not answer in time"
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL"})

# Some services compress only for clients that say gzip here as well as in Accept-Encoding.
USER_AGENT = f"reconciler/{__version__} (gzip)"
_HEADERS = {
    "user-agent": USER_AGENT,
    "accept": "application/json",
    "accept-encoding": "gzip",
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
        end = len(self._body) if size < 0 else self._at + max(size, CHUNK // 4)
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
        with self._lock:
            if self._pool is None:
                proxy = "" if self._loopback else _find_proxy(self._base_url)
                if proxy:
                    from reconciler.http.proxied import Proxied

                    self._pool = Proxied(self._base_url, self._trust, self._connections, proxy)
                else:
                    from reconciler.http.direct import Direct

                    self._pool = Direct(self._base_url, self._trust, self._connections)
            return self._pool

    def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

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
        from http.client import HTTPException

        said = {**_HEADERS, **(about or {}), **headers}
        if body is not None and sent is not None:
            said["content-length"] = str(len(body))
        with limit_call(timeout) as call:
            try:
                reply = self._open().send(
                    method,
                    f"{path}?{urlencode(query)}" if query else path,
                    body=body if body is None or sent is None else _Counted(body, sent),
                    headers=said,
                    seconds=timeout,
                    most=self._most_bytes,
                )
            except (HTTPException, OSError, ValueError, zlib.error) as error:
                raise _classify(error, call, self._trust) from error
            if call.is_over:
                raise LostError(_LATE)
        return reply


def _find_proxy(url: str) -> str:
    """Find the proxy that the environment names for an address. "" if there is none."""
    from urllib.request import getproxies

    if not getproxies():
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    found = select_proxy(url, get_environ_proxies(url)) or ""
    return found if not found or "://" in found else f"http://{found}"


def _classify(error: Exception, call: Call, trust: Trust) -> UnsentError | LostError:
    """Return LostError if anything was sent, else UnsentError. Only the call knows whether it was."""
    if call.was_sent:
        return LostError(_explain_lost(error, call))
    if call.is_over:
        return UnsentError("no connection in time")
    return _explain_unsent(error, trust)


def _explain_lost(error: Exception, call: Call) -> str:
    """Say why a request that was sent got no whole reply."""
    import ssl

    if call.is_over or isinstance(error, TimeoutError):
        return _LATE
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error})"
    if isinstance(error, zlib.error):
        return "its answer cannot be decompressed"
    return "the connection was lost"


def _explain_unsent(error: Exception, trust: Trust) -> UnsentError:
    """Say why there is no connection."""
    import socket
    import ssl

    match error:
        case ssl.SSLCertVerificationError():
            cause = f"its TLS certificate is not trusted ({error.verify_message})"
            return UnsentError(cause, final=True, advice=trust.advice)
        case ssl.SSLError() if error.reason in _NO_TLS:
            return UnsentError("it does not speak TLS: http:// instead of https://?", final=True)
        case ssl.SSLError():
            return UnsentError(f"TLS failed ({error})")
        case socket.gaierror():
            return UnsentError("its name cannot be resolved")
        case NoConnectionError():
            return UnsentError("the connection was refused or there is no route to it")
        case TimeoutError():
            return UnsentError(f"no connection within {CONNECT_SECONDS:g} s")
        case ProxyRefusedError(args=(status,)):
            said = f": it answers {status}" if status else ""
            return UnsentError(f"the proxy of the environment (HTTPS_PROXY) does not let us through{said}")
        case ValueError():
            # A malformed address or header is found before there is a connection.
            # The error's text may repeat a header, and so a credential.
            return UnsentError(f"the request cannot be made ({type(error).__name__})", final=True)
        case _:
            return UnsentError("the connection was lost before anything was sent")
