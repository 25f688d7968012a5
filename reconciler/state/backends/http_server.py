"""Sends requests to the server of an HTTP state, and quotes its answers without secrets.

Rules: redirects are not followed. Logins and query values in an answer are hidden. An answer that is larger
than any state is not read to its end.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

import requests
from msgspec import Struct

from reconciler.bounds import EXCERPT, MB, STATE
from reconciler.errors import StateStoreError
from reconciler.http.deadline import limit_call
from reconciler.redaction import hide_secrets, make_printable
from reconciler.settings import Settings, hide_login, read_seconds
from reconciler.settings.hosts import is_loopback
from reconciler.settings.tls import Trust
from reconciler.state.backends import UNCHANGED
from reconciler.state.backends.http_session import open_session
from reconciler.state.backends.network import CALL_TIMEOUT, CONNECT_TIMEOUT, TIMEOUT

_FLAG = 3
"""Characters. A shorter value in a query is not a secret, and hiding it would remove words of a message."""


class Reply(Struct, frozen=True):
    """A whole answer."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is neither a redirect nor an error."""
        return self.status < 300


class Server:
    """The server of one state.

    Args:
        address: of the state, without a login.
        environ: TF_HTTP_* as in Terraform, certificates, proxies, RECONCILER_HTTP_TIMEOUT.
        login: user and password, None for neither.
    """

    def __init__(self, address: str, environ: Settings, login: tuple[str, str] | None) -> None:
        self._place = hide_login(address)
        self._secrets = _find_secrets(address, login)
        self._trust = Trust.read(environ)
        self._session = open_session(environ, login, self._trust)
        self._seconds = read_seconds(environ, "RECONCILER_HTTP_TIMEOUT", CALL_TIMEOUT)

    def send(
        self, method: str, url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send a request, and read the whole answer.

        Raises:
            StateStoreError: no answer in time, a certificate that is not trusted, or an answer without end.
        """
        if data is not None:
            headers = {"Content-Type": "application/json", **(headers or {})}
        # A proxy never sees what is meant for this machine.
        self._session.trust_env = not is_loopback(url)
        with limit_call(self._seconds) as call:
            try:
                reply = self._session.request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    verify=self._session.verify,  # said again, or REQUESTS_CA_BUNDLE would win over False
                    timeout=(CONNECT_TIMEOUT, TIMEOUT),
                    stream=True,
                )
                with reply:
                    content = self._read_content(reply)
            except requests.RequestException as error:
                why = f"not within {self._seconds:g} s" if call.is_over else self._find_reason(error)
                if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE" in str(error):
                    raise StateStoreError(
                        f"{self._place}: the TLS certificate of the server of the state is not trusted: "
                        + why,
                        f"{self._trust.advice} {UNCHANGED}",
                    ) from error
                raise self._build_silence_error(why) from error
            if call.is_over:
                raise self._build_silence_error(f"not within {self._seconds:g} s")
        return Reply(reply.status_code, reply.reason or "", reply.headers, content)

    def require_success(self, reply: Reply, what: str, detail: str = UNCHANGED) -> None:
        """Raise StateStoreError unless the server did what it was asked: "cannot {what}: …"."""
        if reply.is_success:
            return
        if reply.status in (401, 403):
            detail = f"Check TF_HTTP_USERNAME and TF_HTTP_PASSWORD, and what they may do there. {detail}"
        elif reply.status < 400:
            where = _find_host(reply.headers.get("Location", ""))
            detail = f"It redirects to {where}: if that is right, give that address. {detail}"
        raise StateStoreError(
            f"{self._place}: cannot {what}: {reply.status} {self.quote(reply)}".rstrip(), detail
        )

    def quote(self, reply: Reply) -> str:
        """Quote the server's error text, without secrets: some servers repeat a request that they refuse."""
        said = reply.content[:EXCERPT].decode(errors="replace")
        text = f"{reply.reason}: {said}" if said.strip() else reply.reason
        return make_printable(hide_secrets(text, self._secrets))

    def _read_content(self, reply: requests.Response) -> bytes:
        content = bytearray()
        for chunk in reply.iter_content(MB):
            content += chunk
            if len(content) > STATE:
                raise StateStoreError(
                    f"{self._place}: the server of the state answers with more than {STATE // MB} MB",
                    "No state is that large. Check the address.",
                )
        return bytes(content)

    def _build_silence_error(self, why: str) -> StateStoreError:
        return StateStoreError(
            f"{self._place}: the server of the state does not answer: {why}",
            f"Check the address and the network. {UNCHANGED}",
        )

    def _find_reason(self, error: requests.RequestException) -> str:
        """Find the innermost cause. The outer ones repeat the URL with its query."""
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        return hide_secrets(str(cause) or type(error).__name__, self._secrets)


def _find_host(location: str) -> str:
    """Find the host that a redirect leads to, without login and query."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(location)
        if parts.netloc:
            return make_printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    return "another path"


def _find_secrets(address: str, login: tuple[str, str] | None) -> list[str]:
    """List what no message may repeat, longest first: the login as sent, the password, a query's values."""
    found = [value for _, value in parse_qsl(urlsplit(address).query) if len(value) > _FLAG]
    if login:
        found += [login[1], base64.b64encode(":".join(login).encode()).decode()]
    return sorted(
        {form for text in found if text for form in (text, quote(text, safe=""))}, key=len, reverse=True
    )
