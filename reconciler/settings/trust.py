"""Decides where a credential may be sent: where the environment or the command line says (design 2.2).

No other module decides this. Anyone who opens a pull request can edit a manifest, a Stack, a saved plan and a
data file. So an address that only these files name gets no credential and no request, unless the address is
the service's own or this machine's, or its host is listed in RECONCILER_TRUSTED_HOSTS.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import CredentialError
from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback, is_plain, parse_url

VARIABLE = "RECONCILER_TRUSTED_HOSTS"
_BUCKETS = ("s3://", "az://", "gs://")
"""These name a bucket; its host comes from the provider, or from the environment."""


def explain_distrust(
    url: str, what: str, instead: str, *, settings: Settings, own_hosts: Iterable[str]
) -> tuple[str, str] | None:
    """Say why nothing may be sent to an address that a manifest names, and what to do; None if it may.

    Args:
        url: of a service, or of a state.
        what: its name in messages: "the Stack's endpoint".
        instead: the advice to name it in the environment or on the command line.
        settings: of the environment.
        own_hosts: the services' own: names, and "*.example.com" for all below example.com.

    Raises:
        UsageError: RECONCILER_TRUSTED_HOSTS is not a list of hosts.
    """
    if url.startswith(_BUCKETS) or "://" not in url or is_loopback(url):
        return None
    parts = parse_url(url)
    host = (parts.hostname or "").removesuffix(".") if parts else ""
    trusted = settings.get(VARIABLE, "").split(",")
    is_own = any(_matches(host, pattern) for pattern in own_hosts)
    if (is_own and not is_plain(url)) or any(_matches(host, pattern) for pattern in trusted):
        return None
    if is_own:
        return f"{what} is plain http, which is not encrypted: nothing is sent there", "Write https://."
    named = f"the host {host}" if host else "a host that cannot be read"
    return (
        f"{what} names {named}, which is not trusted: no credential and no request is sent there",
        (
            "A manifest alone may not send credentials to a host that is neither a service's own nor this "
            f"machine. If you trust it, {instead}, or set {VARIABLE} to it where the command runs "
            "(comma-separated; *.example.com for all below example.com)."
        ),
    )


def _matches(host: str, pattern: str) -> bool:
    """Return whether a host is the one of a pattern, or below it where the pattern begins with "*."."""
    if not host or not pattern.startswith("*."):
        return bool(host) and host == pattern
    return host.endswith(pattern[1:]) and len(host) >= len(pattern)


def must_be_private(url: str, credential: str) -> None:
    """Refuse to send a credential where it can be read on the way.

    Args:
        url: where it would go.
        credential: what it is, and never itself: "access token".

    Raises:
        CredentialError: plain http, and not to this machine.
    """
    if is_plain(url) and not is_loopback(url):
        parts = parse_url(url)
        where = f"{parts.scheme}://{parts.netloc}" if parts else "that address"
        raise CredentialError(
            f"The {credential} must not be sent to {where}: plain http is not encrypted",
            "Use an https:// address; http:// is for loopback addresses (127.0.0.1, localhost).",
        )
