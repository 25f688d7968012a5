"""What every remote store shares: patience, and which addresses may see a credential.

Rule: a credential goes over TLS, or to this machine, and nowhere else.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reconciler.errors import CredentialError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECT_TIMEOUT, TIMEOUT = 5.0, 15.0
"""Seconds. Short, because a lease of a minute must survive a request that hangs.

For the clients of buckets the second one bounds a whole call, for HTTP each read of one.
"""

CALL_TIMEOUT = 60.0
"""Seconds for a whole call over HTTP, its repetitions included; RECONCILER_HTTP_TIMEOUT overrides."""

CLIENT: ClientConfig = {
    "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT),
    "timeout": timedelta(seconds=TIMEOUT),
}
RETRY: RetryConfig = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=3),
        "base": 2,
    },
}


def is_loopback(host: str | None) -> bool:
    """Whether that host is this machine."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def check_address(url: str, setting: str) -> bool:
    """Whether the address is plain http, which is only allowed on this machine.

    Raises:
        CredentialError: plain http to another machine; `setting` says where it was written.
    """
    parts = urlsplit(url)
    plain = parts.scheme.lower() != "https"
    if plain and not is_loopback(parts.hostname):
        raise CredentialError(
            f"{setting}: {parts.scheme}://{parts.hostname} is not encrypted, so no credential is sent there",
            "Use https://, or a tunnel to this machine (127.0.0.1).",
        )
    return plain
