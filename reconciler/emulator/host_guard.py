"""The guard against web pages: only callers that use a name of this machine are answered.

The emulator runs on somebody's machine and asks for no credential. A page in a browser there could call it,
so two kinds of requests are refused on every path, before anything is done, logged or counted:

- A Host that is somebody else's name. A page can make its own name point here (DNS rebinding).
- An Origin, or a Sec-Fetch-Site other than the same origin or the address bar. A browser sends simple
  requests of other people's pages without asking first. Programs send neither header.
"""

import dataclasses
import ipaddress
import re
from collections.abc import Mapping, Sequence

from reconciler.emulator.errors import ApiError

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
_OWN_SITES = ("same-origin", "none")
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclasses.dataclass(frozen=True)
class HostGuard:
    """The names by which an emulator may be called: loopback names, *host*, and the address it was called at.

    *host* is what it was told to listen on. An address is safe, since it cannot be made to point elsewhere.
    """

    host: str = "127.0.0.1"

    def refuse(self, server: Sequence[object] | None, headers: Mapping[str, str]) -> ApiError | None:
        """Return the 403 for a request that must not be answered; *server* is where it came in."""
        if "origin" in headers or headers.get("sec-fetch-site", "none").lower() not in _OWN_SITES:
            return ApiError(403, "The emulator does not answer web pages.")
        match = _AUTHORITY.fullmatch(headers.get("host", "").strip())
        name = match[1].strip("[]").lower() if match else ""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            is_ours = name in {"localhost", "localhost."}
        else:
            is_loopback = address.version == 4 and address.is_loopback
            is_called_at = server is not None and name == str(server[0]).lower()
            is_ours = is_loopback or address == ipaddress.IPv6Address("::1") or is_called_at
        if is_ours or name == self.host.strip("[]").lower():
            return None
        return ApiError(
            403,
            "The emulator answers only to a loopback name (localhost, 127.0.0.1, [::1]) and to the one given "
            "with --host.",
        )


def is_local(client: str) -> bool:
    """Return whether the address of a client is of this machine."""
    return client.startswith(_LOOPBACK)
