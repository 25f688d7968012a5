"""Who is let in, on every path: callers that used a name of this machine, and no web page.

The emulator stands on somebody's machine and asks for no credential, so two things are refused before
anything is done, logged or counted. A Host that is another's name is a page that got its own name to point
here (DNS rebinding). An Origin, or a Sec-Fetch-Site that is neither the same origin nor a person's own, is a
page of somebody else: simple requests come without asking first. Programs send neither.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Mapping, Sequence

from reconciler.emulator.errors import ApiError

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
_OWN_SITES = ("same-origin", "none")


@dataclasses.dataclass(frozen=True)
class Entry:
    """The names by which an emulator may be called: those of the loopback, and *host*.

    Attributes:
        host: what it was told to listen on. The address at which a request came in is a name too, as an
            address cannot be made to point elsewhere.
    """

    host: str = "127.0.0.1"

    def refusal(self, server: Sequence[object] | None, headers: Mapping[str, str]) -> ApiError | None:
        """Return the 403 that a request gets, None for one that is let in.

        Args:
            server: address and port at which the request came in.
            headers: of the request.
        """
        if "origin" in headers or headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
            return ApiError(403, "The emulator does not answer web pages.")
        name = _name(headers.get("host", ""))
        if _is_loopback(name) or name == self.host.strip("[]").lower():
            return None
        if server and _address(name) is not None and name == str(server[0]).lower():
            return None
        return ApiError(
            403,
            "The emulator answers only to a loopback name (localhost, 127.0.0.1, [::1]) and to the one given "
            "with --host.",
        )


def _name(authority: str) -> str:
    """Return the name or address in a Host header, '' where there is none."""
    match = _AUTHORITY.fullmatch(authority.strip())
    return match[1].strip("[]").lower() if match else ""


def _is_loopback(name: str) -> bool:
    address = _address(name)
    if address is None:
        return name in {"localhost", "localhost."}
    return address == ipaddress.IPv6Address("::1") or (address.version == 4 and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
