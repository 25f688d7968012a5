"""Decides where a credential may be sent: where the environment or the command line says (design 2.2).

No other module decides this. Anyone who opens a pull request can edit a manifest, a Stack, a saved plan and a
data file. So an address that only these files name gets no credential and no request, unless the address is
the service's own or this machine's, or its host is listed in RECONCILER_TRUSTED_HOSTS.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.errors import CredentialError, Diagnostic
from reconciler.settings import Settings
from reconciler.settings.hosts import is_loopback, is_plain, parse_url

VARIABLE = "RECONCILER_TRUSTED_HOSTS"
_BUCKETS = ("s3://", "az://", "gs://")
"""These name a bucket; its host comes from the provider, or from the environment."""


@dataclass(frozen=True, slots=True)
class Named:
    """An address that a manifest names.

    Attributes:
        url: of a service, or of a state.
        what: its name in messages: "the Stack's endpoint".
        file: that names it.
        line: 1-based, None where unknown.
        column: 1-based, None where unknown.
        instead: the advice to name it in the environment or on the command line.
    """

    url: str
    what: str
    file: str
    line: int | None
    column: int | None
    instead: str


def explain_distrust(named: Named, settings: Settings, own_hosts: Iterable[str]) -> Diagnostic | None:
    """Say why nothing may be sent to an address; None if it may.

    Args:
        named: the address.
        settings: of the environment.
        own_hosts: the services' own: names, and "*.example.com" for all below one.

    Raises:
        UsageError: RECONCILER_TRUSTED_HOSTS is no list of hosts.
    """
    if named.url.startswith(_BUCKETS) or "://" not in named.url or is_loopback(named.url):
        return None
    parts = parse_url(named.url)
    host = (parts.hostname or "").removesuffix(".") if parts else ""
    trusted = [one for one in settings.get(VARIABLE, "").split(",") if one]
    plain = is_plain(named.url)
    is_own = bool(host) and any(_matches(host, one) for one in own_hosts)
    if is_own and not plain:
        return None
    if host and any(_matches(host, one) for one in trusted):
        return None
    place = (named.file, named.line, named.column)
    if is_own:
        summary = f"{named.what} is plain http, which is not encrypted: nothing is sent there"
        return Diagnostic(summary, "Write https://.", *place)
    return Diagnostic(
        f"{named.what} names a host that is neither a service's own nor this machine: only the "
        "environment and the command line may send a credential elsewhere, so nothing is sent there",
        f"If it is meant, {named.instead}, or set {VARIABLE} to its host (comma-separated; *.example.com "
        "for all below example.com) where the command runs.",
        *place,
    )


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


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
