"""Time-outs, retries and connections of all remote stores.

Rule: a credential goes only over TLS or to this machine.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from reconciler.settings import Settings
from reconciler.settings.hosts import is_plain
from reconciler.settings.tls import Trust
from reconciler.settings.trust import must_be_private
from reconciler.state.backends.gate import open_way_out

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CONNECT_TIMEOUT, TIMEOUT = 5.0, 15.0
"""Seconds. They are short, because a lease of a minute must survive a request that hangs.

For the clients of buckets, TIMEOUT bounds a whole call; for HTTP, each read of an answer.
"""

CALL_TIMEOUT = 60.0
"""Seconds for a whole call over HTTP with its repetitions. RECONCILER_HTTP_TIMEOUT overrides it."""

RETRY: RetryConfig = {
    "max_retries": 5,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {
        "init_backoff": timedelta(milliseconds=200),
        "max_backoff": timedelta(seconds=3),
        "base": 2,
    },
}


def configure_client(settings: Settings, endpoint: str, *, setting: str) -> ClientConfig:
    """Configure a store's client to connect to the origin of its endpoint only: see `gate`.

    Args:
        settings: certificates and proxies.
        endpoint: the only address that the client may reach.
        setting: which setting holds the endpoint.

    Raises:
        CredentialError: the endpoint is plain http on another machine.
        UsageError: the certificates or the proxy cannot be used.
    """
    must_be_private(endpoint, f"credential of the store that {setting} names")
    found: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT),
        "timeout": timedelta(seconds=TIMEOUT),
        "allow_http": is_plain(endpoint),
    }
    if certificates := Trust.read(settings).read_pem():
        found["root_certificate"] = certificates
    found["proxy_url"] = open_way_out(endpoint, settings)
    return found
