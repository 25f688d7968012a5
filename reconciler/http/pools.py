"""Opens the connections to one address, through the proxy that the environment names for it.

Importing it imports urllib3. Calls to this machine need nothing more. requests is imported only to find a
proxy: urllib3 has no rules for NO_PROXY.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.util.ssl_ import create_urllib3_context

from reconciler.http.sockets import let_report
from reconciler.settings.tls import Trust


class Pool(Struct, frozen=True):
    """The connections to one address.

    Attributes:
        connections: sends requests, each to a target that begins with `prefix`.
        prefix: the path of the address. The whole address where a proxy must be told it.
    """

    connections: HTTPConnectionPool | PoolManager
    prefix: str


def open_pool(base_url: str, trust: Trust, *, loopback: bool, connections: int) -> Pool:
    """Open a pool that keeps so many connections. Connects to nothing yet. For the arguments, see `Exchange`.

    Raises:
        ValueError: the address or the proxy is of a kind that cannot be used.
        UsageError: a file of `trust` holds no certificate.
    """
    manager = _open_manager(base_url, trust, loopback=loopback, connections=connections)
    address = urlsplit(base_url)
    if manager.proxy is not None and address.scheme == "http":
        return Pool(manager, base_url)
    return Pool(manager.connection_from_url(base_url), address.path)


def _open_manager(base_url: str, trust: Trust, *, loopback: bool, connections: int) -> PoolManager:
    proxy = "" if loopback else _find_proxy(base_url)
    named: dict[str, Any] = {}
    if proxy or base_url.startswith("https:"):
        named["ssl_context"] = _make_context(trust)  # one for all connections, because it takes long
    if proxy:
        from reconciler.http.adapter import BoundedAdapter

        named["proxy_ssl_context"] = named["ssl_context"]
        return BoundedAdapter(pool_maxsize=connections).proxy_manager_for(proxy, **named)
    pools = PoolManager(maxsize=connections, **named)
    let_report(pools)
    return pools


def _find_proxy(url: str) -> str:
    """Find the proxy that the environment names for an address. "" if there is none."""
    from urllib.request import getproxies

    if not getproxies():
        return ""
    from requests.utils import get_environ_proxies, select_proxy

    found = select_proxy(url, get_environ_proxies(url)) or ""
    return found if not found or "://" in found else f"http://{found}"


def _make_context(trust: Trust) -> ssl.SSLContext:
    import certifi

    context = create_urllib3_context()
    path = trust.path or certifi.where()
    is_folder = Path(path).is_dir()
    try:
        context.load_verify_locations(cafile=None if is_folder else path, capath=path if is_folder else None)
    except OSError:
        trust.check()  # says what is wrong
        raise
    return context
