"""Finds the host of a location, opens a transport to it, and paces the operations that begin there.

Rule: the location is that of the resource's own name. A Gemini 3.x job in us-central1 has its model and its
endpoints in the multi-region us, and the host of us-central1 answers 404 about them.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable

from msgspec import Struct, field

from reconciler.errors import UsageError
from reconciler.http import Transport
from reconciler.settings.hosts import parse_url

STORAGE = "https://storage.googleapis.com"
BEGUN, WINDOW_SECONDS = 60, 60.0
"""The service begins so many jobs and operations in so many seconds, in each region (its page on quotas)."""
_MULTI_REGIONS = {"us-": "us", "europe-": "eu"}
"""The beginning of a region's name, to the multi-region that stores the models of its Gemini 3.x jobs.

us: seen on the service. eu: implied by Google's pages ("us and eu multi-region endpoints only").
"""
_OWN_HOST = re.compile(
    r"aiplatform\.googleapis\.com|([a-z0-9-]+)-aiplatform\.googleapis\.com|aiplatform\.([a-z0-9-]+)\.rep\.googleapis\.com"
)


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
    if is_multi_region(location):
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def is_multi_region(location: str) -> bool:
    """Return whether a location is us or eu."""
    return location in _MULTI_REGIONS.values()


def is_beside(location: str, other: str) -> bool:
    """Return whether two locations are the same, or one is the multi-region of the other."""
    return other in {location, find_multi_region(location)} or location == find_multi_region(other)


def find_multi_region(location: str) -> str:
    """Return the multi-region that has the models of a region's Gemini 3.x jobs, "" if there is none."""
    return next((found for start, found in _MULTI_REGIONS.items() if location.startswith(start)), "")


def find_served(url: str) -> str:
    """Return the location that one of Google's own hosts serves, "" for any other address."""
    parts = parse_url(url)
    found = _OWN_HOST.fullmatch((parts.hostname or "").removesuffix(".") if parts else "")
    return (found[1] or found[2] or "global") if found else ""


def explain_host(url: str) -> str:
    """Say why a multi-region's host is called, for whoever only set a region. "" for any other address."""
    location = find_served(url)
    if not is_multi_region(location):
        return ""
    return (
        f"Models and endpoints of Gemini 3.x jobs are in the multi-region {location}, whatever the job's "
        "region: a firewall, proxy or private DNS must let this host through too."
    )


class Regions(Struct, frozen=True, kw_only=True):
    """Opens one transport for each base URL, when it is first needed.

    All providers of a run share one Regions, because the service's quotas count their requests together.

    Args:
        project: the default for manifests that name none, "" if there is none.
        location: the default in the same way.
        open: opens a transport to a base URL.
        base_url: the address for every location, "" for Google's own hosts. One of Google's own hosts serves
            its own location alone, so the others keep theirs.
        storage_url: the address of Cloud Storage. "" for `base_url`, or for Google's own if `base_url` is
            Google's own or "".
    """

    project: str
    location: str
    open: Callable[[str], Transport]
    base_url: str = ""
    storage_url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _opened: dict[str, Transport] = field(default_factory=dict)
    _begun: dict[str, deque[float]] = field(default_factory=dict)

    def place(self, project: object = None, location: object = None) -> tuple[str, str]:
        """Fill in the defaults of (project, location). UsageError if one is neither given nor set."""
        where = str(location or self.location)
        whose = str(project or self.project)
        if not whose:
            raise UsageError(
                "no project is set for models of Vertex AI",
                "Set GOOGLE_CLOUD_PROJECT, the Stack's spec.project, or metadata.project.",
            )
        if not where:
            raise UsageError(
                "no location is set for models of Vertex AI",
                "Set GOOGLE_CLOUD_LOCATION, the Stack's spec.location, or metadata.location (us-central1).",
            )
        return whose, where

    @property
    def default(self) -> tuple[str, str]:
        """The (project, location) of manifests that name none; "" if there is no default."""
        return self.project, self.location

    def open_location(self, location: str) -> Transport:
        """Open the transport to a location, mostly the one in a resource's name."""
        is_for_all = self.base_url and find_served(self.base_url) in {"", location}
        return self._open_url(self.base_url if is_for_all else find_host(location))

    def open_to_begin(self, location: str) -> Transport:
        """Open the transport to a location for a call that begins a job or an operation.

        First waits until fewer than BEGUN were begun there in WINDOW_SECONDS. StoppedError if the run is
        being stopped meanwhile.
        """
        transport = self.open_location(location)
        while True:
            with self._lock:
                begun, now = self._begun.setdefault(location, deque()), transport.clock()
                while begun and begun[0] <= now - WINDOW_SECONDS:
                    begun.popleft()
                if len(begun) < BEGUN:
                    begun.append(now)
                    return transport
                pause = begun[0] + WINDOW_SECONDS - now
            transport.wait(pause, f"beginning another operation in {location}")

    def _open_url(self, url: str) -> Transport:
        with self._lock:
            if url not in self._opened:
                self._opened[url] = self.open(url)
            return self._opened[url]

    def open_storage(self) -> Transport:
        """Open the transport to Cloud Storage, or to the server that replaces it."""
        instead = "" if find_served(self.base_url) else self.base_url
        return self._open_url(self.storage_url or instead or STORAGE)

    def close(self) -> None:
        """Close every transport that is open by now."""
        with self._lock:
            opened = list(self._opened.values())
        for transport in opened:
            transport.close()
