"""Opens a transport to one of Google's APIs, with a credential and a reader of Google's errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from reconciler import http
from reconciler.http import Transport
from reconciler.providers.google.credentials import GoogleCredential
from reconciler.providers.google.errors import GoogleErrors


def connect(
    *,
    base_url: str,
    environ: Mapping[str, str],
    project: str = "",
    api_keys: bool = True,
    parallelism: int = 8,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
    unreachable: str = "",
) -> Transport:
    """Open a transport to one API. Sends nothing and looks for no credential yet.

    Args:
        base_url: the endpoint.
        environ: the environment variables: credentials, RECONCILER_SCOPES, and those of `http.connect`.
        project: the Google Cloud project that is charged if neither GOOGLE_CLOUD_QUOTA_PROJECT nor the
            credential names one; "" for none.
        api_keys: whether the API accepts API keys.
        parallelism: see `http.connect`.
        clock: see `http.connect`.
        sleep: see `http.connect`.
        stopping: see `http.connect`.
        unreachable: see `http.connect`.

    Raises:
        UsageError: the address, or a setting of the environment, is malformed.
    """
    url = http.check_address(base_url)
    return http.connect(
        base_url=url,
        credential=GoogleCredential(environ, url, project, api_keys=api_keys),
        errors=GoogleErrors(),
        environ=environ,
        parallelism=parallelism,
        clock=clock,
        sleep=sleep,
        stopping=stopping,
        unreachable=unreachable,
    )


def sign_without_keys(transport: Transport, environ: Mapping[str, str], project: str = "") -> Transport:
    """Return a transport with the same connections and pace, for calls that refuse API keys."""
    return transport.sign_with(GoogleCredential(environ, transport.base_url, project, api_keys=False))
