"""Splits the addresses of services, and recognises addresses of this machine.

Rule: a text that two parsers could read in two ways is not an address.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
# "@" and "\" are where parsers disagree about which part is the host.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0@\\]")
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,254}}$){_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\]", re.ASCII)
"""ASCII only: what a name with other letters stands for depends on who reads it; its xn-- form does not."""


def parse_url(url: str) -> SplitResult | None:
    """Take http(s)://host[:port][/path][?query] apart. None if it is anything else."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    if not usable or parts.scheme not in {"http", "https"} or _FORBIDDEN.search(url):
        return None
    host = parts.netloc if parts.netloc.endswith("]") else parts.netloc.rpartition(":")[0] or parts.netloc
    return parts if _HOST.fullmatch(host) else None


def is_loopback(url: str) -> bool:
    """Return whether an address can only be this machine: localhost, 127.0.0.0/8 or ::1.

    Not x.localhost, which some resolvers ask the network for.
    """
    parts = parse_url(url)
    host = (parts.hostname or "") if parts else ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in _LOOPBACK if address.version == 4 else address == ipaddress.IPv6Address("::1")


def is_plain(url: str) -> bool:
    """Return whether a request to this address is not encrypted."""
    parts = parse_url(url)
    return parts is None or parts.scheme == "http"
