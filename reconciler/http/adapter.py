"""The adapter of every session of `requests`, so that each of its calls ends in time.

Importing it imports requests.
"""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, ProxyManager

from reconciler.http.sockets import let_report


class BoundedAdapter(HTTPAdapter):
    """An adapter for sessions that make every call within `deadline.limit_call`."""

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Make a pool of connections that report their sockets."""
        super().init_poolmanager(*arguments, **named)
        manager: PoolManager = self.poolmanager
        let_report(manager)

    def proxy_manager_for(self, proxy: str, **named: Any) -> ProxyManager:
        """Do the same for a proxy that the environment names."""
        manager: ProxyManager = super().proxy_manager_for(proxy, **named)
        let_report(manager)
        return manager
