"""Finds the host of a location, and opens a transport to it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.errors import UsageError
from reconciler.http import Transport

STORAGE = "https://storage.googleapis.com"
_MULTI_REGIONS = frozenset({"us", "eu"})


def find_host(location: str) -> str:
    """Return the base URL of a location's API.

    It is https://{location}-aiplatform.googleapis.com. Multi-regions, which alone serve the newest models,
    have hosts of their own (Google's list of locations). UsageError if the location cannot be part of a
    host's name: anyone may write a location, and it decides where a credential goes.
    """
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?", location, re.ASCII):
        raise UsageError(f"{location[:60]!r} is not a location", "Write one like us-central1.")
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Opens one transport for each base URL, when it is first needed.

    Args:
        project: the default for manifests that name none, "" if there is none.
        location: the default in the same way.
        open: opens a transport to a base URL.
        base_url: the address for every location, "" for Google's own hosts.
        storage_url: the address of Cloud Storage. "" for `base_url`, or for Google's own if that is "" too.
    """

    project: str
    location: str
    open: Callable[[str], Transport]
    base_url: str = ""
    storage_url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _opened: dict[str, Transport] = field(default_factory=dict, init=False)

    def place(self, project: object = None, location: object = None) -> tuple[str, str]:
        """Fill in the defaults of (project, location). UsageError if one is neither given nor set."""
        where = str(location or self.location)
        whose = str(project or self.project)
        if not whose:
            raise UsageError(
                "no project is set for TuningJob models",
                "Set GOOGLE_CLOUD_PROJECT, the Stack's spec.project, or metadata.project.",
            )
        if not where:
            raise UsageError(
                "no location is set for TuningJob models",
                "Set GOOGLE_CLOUD_LOCATION, the Stack's spec.location, or metadata.location (us-central1).",
            )
        return whose, where

    @property
    def default(self) -> tuple[str, str]:
        """The (project, location) of manifests that name none; "" if there is no default."""
        return self.project, self.location

    def open_location(self, location: str) -> Transport:
        """Open the transport to a location."""
        return self._open_url(self.base_url or find_host(location))

    def _open_url(self, url: str) -> Transport:
        with self._lock:
            if url not in self._opened:
                self._opened[url] = self.open(url)
            return self._opened[url]

    def open_storage(self) -> Transport:
        """Open the transport to Cloud Storage, or to the server that replaces it."""
        return self._open_url(self.storage_url or self.base_url or STORAGE)

    def close(self) -> None:
        """Close every transport."""
        for transport in self._opened.values():
            transport.close()
