"""The HTTP session of HTTP state: retries and TLS, by Terraform's settings."""

from __future__ import annotations

import ssl
import tempfile
from typing import Any

import requests
import urllib3
from urllib3.util.retry import Retry

from reconciler.errors import UsageError
from reconciler.http.adapter import BoundedAdapter
from reconciler.settings import Settings
from reconciler.settings.tls import Trust


def open_session(environ: Settings, login: tuple[str, str] | None, trust: Trust) -> requests.Session:
    """Open a session that retries, does not follow redirects, and does not read ~/.netrc.

    Args:
        environ: TF_HTTP_RETRY_*, TF_HTTP_SKIP_CERT_VERIFICATION, TF_HTTP_CLIENT_*_PEM.
        login: user and password.
        trust: the certificates that a server's must be signed by.

    Raises:
        UsageError: a setting is not a number, or a certificate cannot be used.
    """

    def read_number(name: str, default: int) -> int:
        return int(environ.get(f"TF_HTTP_{name}", default))

    retry = _Retry(
        read_number("RETRY_MAX", 2),
        allowed_methods=None,  # all of them, safe here: see the module's rule
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=read_number("RETRY_WAIT_MIN", 1),
        backoff_max=read_number("RETRY_WAIT_MAX", 30),
        raise_on_status=False,
        redirect=False,
    )
    session = _Session()
    # Some auth must be set, or requests looks into ~/.netrc and sends what it finds there.
    # As bytes, or what is not Latin-1 in a password would be an error of its encoding.
    sign: Any = (login[0].encode(), login[1].encode()) if login else (lambda request: request)
    session.auth = sign
    skip = environ.get("TF_HTTP_SKIP_CERT_VERIFICATION", "").lower() in ("1", "t", "true")
    session.mount("http://", BoundedAdapter(max_retries=retry))
    session.mount("https://", _TLSAdapter(_make_context(environ, skip=skip), max_retries=retry))
    session.verify = trust.verify if not skip else False
    if skip:  # explicitly asked for: do not warn at each request
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return session


class _Retry(Retry):
    """Waits no longer than TF_HTTP_RETRY_WAIT_MAX, whatever a Retry-After asks for."""

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        try:
            asked = super().get_retry_after(response)
        except (ValueError, OverflowError, urllib3.exceptions.InvalidHeader):  # an invalid number or date
            asked = self.backoff_max
        return None if asked is None else min(asked, self.backoff_max)


class _Session(requests.Session):
    """Does not parse a Location, which may be invalid."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        del resp
        return None


class _TLSAdapter(BoundedAdapter):
    def __init__(self, context: ssl.SSLContext | None, *, max_retries: Retry) -> None:
        self._context = context
        super().__init__(max_retries=max_retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._context is not None:
            kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)


def _make_context(environ: Settings, *, skip: bool) -> ssl.SSLContext | None:
    """Make a context for TF_HTTP_CLIENT_*_PEM, or one without verification. None for the usual context."""
    authority = environ.get("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM")
    certificate = environ.get("TF_HTTP_CLIENT_CERTIFICATE_PEM")
    key = environ.get("TF_HTTP_CLIENT_PRIVATE_KEY_PEM")
    if not (authority or certificate or skip):
        return None
    try:
        context = ssl.create_default_context(cadata=authority or None)
        if skip:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # 0600; ssl reads only files
                file.write(f"{certificate}\n{key or ''}\n")
                file.flush()
                context.load_cert_chain(file.name, password="")  # or OpenSSL would ask for one
    except (ssl.SSLError, OSError, ValueError) as error:
        raise UsageError(f"TF_HTTP_CLIENT_*_PEM: the certificates cannot be used: {error}") from error
    return context
