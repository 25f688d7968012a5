"""Connections to one address through a proxy, made with urllib3.

Importing it imports urllib3 and requests. Its errors are those of the standard library, as in `direct`.
"""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Mapping
from typing import Any

from urllib3 import Timeout, exceptions

from reconciler.http.adapter import BoundedAdapter
from reconciler.http.direct import make_context
from reconciler.http.pool import (
    CHUNK,
    CONNECT_SECONDS,
    NoConnectionError,
    ProxyRefusedError,
    Reply,
    limit_size,
)
from reconciler.settings.tls import Trust


class Proxied:
    """Keeps so many idle connections to an address. Connects to nothing yet.

    Raises:
        ValueError: the proxy is of a kind that cannot be used.
    """

    def __init__(self, base_url: str, trust: Trust, connections: int, proxy: str) -> None:
        context = make_context(trust)  # one for all connections, because it takes long
        named: dict[str, Any] = {"ssl_context": context}
        if proxy.startswith("https:"):
            named["proxy_ssl_context"] = context
        self._base_url = base_url
        self._pools = BoundedAdapter(pool_maxsize=connections).proxy_manager_for(proxy, **named)

    def send(
        self, method: str, path: str, *, body: Any, headers: Mapping[str, str], seconds: float, most: int
    ) -> Reply:
        """See `pool.Pool`."""
        try:
            response = self._pools.urlopen(
                method,
                f"{self._base_url}/{path}",
                body=body,
                headers=headers,
                timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                content = b"".join(limit_size(response.stream(CHUNK), most))
            except BaseException:
                response.close()
                raise
        except exceptions.HTTPError as error:
            raise _translate(error) from error
        response.release_conn()
        names = {name.lower(): value for name, value in response.headers.itermerged()}
        return Reply(response.status, names, content)

    def close(self) -> None:
        """See `pool.Pool`."""
        self._pools.clear()


def _translate(error: exceptions.HTTPError) -> Exception:
    """Return the error of the standard library that means the same."""
    inner = error.args[0] if error.args else None
    match error:
        case exceptions.SSLError() if isinstance(inner, OSError):
            return inner
        case exceptions.NameResolutionError():
            return socket.gaierror(str(error))
        case exceptions.NewConnectionError():
            return NoConnectionError(str(error))
        case exceptions.ProxyError():
            status = re.search(r"Tunnel connection failed: (\d{3})", str(error))
            return ProxyRefusedError(status[1] if status else "")
        case exceptions.TimeoutError():
            return TimeoutError(str(error))
        case exceptions.DecodeError():
            return zlib.error(str(error))
        case ValueError():
            return error
        case _:
            causes = (exceptions.TimeoutError, TimeoutError)
            is_late = any(isinstance(cause, causes) for cause in error.args)
            return TimeoutError(str(error)) if is_late else ConnectionError(str(error))
