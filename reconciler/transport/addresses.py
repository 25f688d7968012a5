"""Where requests go: base URLs, and which of them are on this machine."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from reconciler.errors import UsageError

DEFAULT_GEMINI = "https://generativelanguage.googleapis.com"
GOOGLE = "google"
EMULATOR = "emulator"

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
# "@" and "\" are where parsers disagree about which part is the host.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0@\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom we talk to and as whom, for the first line of a plan; holds no secret.

    Attributes:
        base_url: without a final slash.
        service: "google", or "emulator" for every loopback address.
        project: the Google Cloud project, "" where unknown.
        credential: its kind ("access token", "API key from GEMINI_API_KEY", "none").
    """

    base_url: str
    service: str
    project: str = ""
    credential: str = "none"

    def describe(self) -> str:
        """One line: endpoint, project, kind of credential."""
        return f"{self.base_url}, project {self.project or 'not set'}, credential: {self.credential}"


def _split(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or parts.scheme not in {"http", "https"} or _FORBIDDEN.search(base_url):
        shown = re.sub(r"//.*@", "//…@", re.sub(r"[\x00-\x1f\x7f-\x9f]", "", base_url))
        raise UsageError(
            f"{shown!r} is not a usable address of an API: it must be http(s)://host[:port][/path], "
            "without user name or spaces",
            "Correct the endpoint (the Stack's endpoint, or GOOGLE_GEMINI_BASE_URL).",
        )
    return parts


def checked(base_url: str) -> str:
    """The address without a final slash; UsageError when it is no plain http(s) address."""
    parts = _split(base_url)
    if parts.query or parts.fragment:
        raise UsageError(
            f"{parts.scheme}://{parts.netloc}{parts.path} must not carry a query or a fragment",
            "Leave out everything from '?' or '#' on; an API key belongs into GEMINI_API_KEY.",
        )
    return base_url.rstrip("/")


def is_loopback(base_url: str) -> bool:
    """Whether it can only be this machine: localhost, 127.0.0.0/8 or ::1. UsageError as `checked`."""
    host = _split(base_url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in _LOOPBACK if address.version == 4 else address == ipaddress.IPv6Address("::1")


def is_plain(base_url: str) -> bool:
    """Whether what is sent there can be read on the way."""
    return _split(base_url).scheme == "http"


def service_of(base_url: str) -> str:
    """Which service answers there: "emulator" on every loopback address whatever its port, else "google"."""
    return EMULATOR if is_loopback(base_url) else GOOGLE
