"""Sends one request and reads one reply, over a pool of connections. No retry, no redirect, no cookie.

If there is no reply, the type of the error says whether the service can have received the request. A caller
must know that before it sends the request again.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from reconciler import __version__, bounds
from reconciler.http.deadline import Call, limit_call
from reconciler.settings.tls import Trust

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

CONNECT_SECONDS = 10.0
_CHUNK = 1024 * 1024
_LATE = "it did not answer in time"
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL"})

# Some services compress only for clients that say gzip here as well as in Accept-Encoding.
USER_AGENT = f"reconciler/{__version__} (gzip)"


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
        self._session: Session | None = None

    def _open(self) -> Session:
        from http.cookiejar import DefaultCookiePolicy

        from reconciler.http.sockets import BoundedAdapter
        from reconciler.http.unredirected import UnredirectedSession

        with self._lock:
            if self._session is None:
                session = UnredirectedSession()
                session.trust_env = not self._loopback
                session.headers["user-agent"] = USER_AGENT
                session.headers["accept"] = "application/json"
                session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
                adapter = BoundedAdapter(
                    pool_connections=2, pool_maxsize=self._connections, max_retries=0, pool_block=False
                )
                session.mount(self._base_url, adapter)
                self._session = session
            return self._session

    def close(self) -> None:
        """Close idle connections; a later request opens new ones."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

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
        import requests

        def sign(request: PreparedRequest) -> PreparedRequest:
            # Passed as `auth`, because requests would otherwise use a password from ~/.netrc.
            request.headers.update(headers)
            return request

        with limit_call(timeout) as call:
            try:
                response = self._open().request(
                    method,
                    f"{self._base_url}/{path}",
                    params=query,
                    data=body if body is None or sent is None else _Counted(body, sent),
                    headers=about,
                    auth=sign,
                    timeout=(min(CONNECT_SECONDS, timeout), timeout),
                    allow_redirects=False,
                    stream=True,
                    verify=self._trust.verify,
                )
                with response:
                    content = _read(response, self._most_bytes)
            except requests.RequestException as error:
                raise _classify(error, call, self._trust) from error
            if call.is_over:
                raise LostError(_LATE)
        names = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, names, content)


def _read(response: Response, most: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            raise LostError(f"the reply is larger than {most // 1024 // 1024} MB")
    return b"".join(chunks)


def _classify(error: Exception, call: Call, trust: Trust) -> UnsentError | LostError:
    """Return LostError if anything was sent, else UnsentError. Only the call knows whether it was."""
    if call.was_sent:
        return LostError(_explain_lost(error, call))
    if call.is_over:
        return UnsentError("no connection in time")
    return _explain_unsent(error, trust)


def _explain_lost(error: Exception, call: Call) -> str:
    """Say why a request that was sent got no whole reply."""
    import requests
    from urllib3 import exceptions

    reason = _find_cause(error)
    if call.is_over or isinstance(error, requests.exceptions.Timeout):
        return _LATE
    causes = (reason, *reason.args) if isinstance(reason, Exception) else (reason,)
    if any(isinstance(cause, (exceptions.ReadTimeoutError, TimeoutError)) for cause in causes):
        return _LATE
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS failed ({_find_innermost(reason)})"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "its answer cannot be decompressed"
    return "the connection was lost"


def _explain_unsent(error: Exception, trust: Trust) -> UnsentError:
    """Say why there is no connection."""
    import ssl

    import requests
    from urllib3 import exceptions

    reason = _find_cause(error)
    if isinstance(error, requests.exceptions.SSLError):
        inner = _find_innermost(reason)
        if isinstance(inner, ssl.SSLCertVerificationError):
            return UnsentError(
                f"its TLS certificate is not trusted ({inner.verify_message})",
                final=True,
                advice=trust.advice,
            )
        if isinstance(inner, ssl.SSLError) and inner.reason in _NO_TLS:
            return UnsentError("it does not speak TLS: http:// instead of https://?", final=True)
        return UnsentError(f"TLS failed ({inner})")
    if isinstance(reason, exceptions.NameResolutionError):
        return UnsentError("its name cannot be resolved")
    if isinstance(reason, exceptions.NewConnectionError):
        return UnsentError("the connection was refused or there is no route to it")
    if isinstance(reason, exceptions.ConnectTimeoutError):
        return UnsentError(f"no connection within {CONNECT_SECONDS:g} s")
    if isinstance(error, requests.exceptions.ProxyError):
        status = re.search(r"Tunnel connection failed: (\d{3})", str(reason))
        said = f": it answers {status[1]}" if status else ""
        return UnsentError(f"the proxy of the environment (HTTPS_PROXY) does not let us through{said}")
    if isinstance(error, ValueError):
        # InvalidURL, InvalidHeader and the like are raised before there is a connection.
        # The error's text may repeat a header, and so a credential.
        return UnsentError(f"the request cannot be made ({type(error).__name__})", final=True)
    return UnsentError("the connection was lost before anything was sent")


def _find_cause(error: Exception) -> object:
    """Return the error of urllib3 itself, without what requests wrapped around it."""
    from urllib3 import exceptions

    cause: object = error.args[0] if error.args else error
    return cause.reason if isinstance(cause, exceptions.MaxRetryError) else cause


def _find_innermost(reason: object) -> object:
    return reason.args[0] if isinstance(reason, Exception) and reason.args else reason
