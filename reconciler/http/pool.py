"""What the ways to connect to a base URL have in common: `direct`, and `proxied`.

Rule: they tell failures with the errors of the standard library, and `connection` judges what these mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct

CONNECT_SECONDS = 10.0
CHUNK = 1024 * 1024
"""Bytes of a reply, or of a body, that are held at a time."""


class LostError(Exception):
    """The request was sent, perhaps only in part, and no whole reply came."""


class NoConnectionError(OSError):
    """An address refuses connections, or there is no route to it."""


class ProxyRefusedError(OSError):
    """A proxy does not let us through. Its argument is the status that it answers, or ""."""


class Reply(Struct, frozen=True):
    """A whole reply, whatever its status. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Pool(Protocol):
    """Connections to one base URL, used by several threads at once."""

    def send(
        self, method: str, path: str, *, body: Any, headers: Mapping[str, str], seconds: float, most: int
    ) -> Reply:
        """Send once. Each step takes so many seconds at most, and the reply has so many bytes at most.

        Raises:
            LostError: the reply has more bytes.
            OSError, http.client.HTTPException, ValueError, zlib.error: there is no whole reply.
        """

    def close(self) -> None:
        """Close idle connections."""


def limit_size(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Yield the chunks of a reply. LostError once they are more than so many bytes."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise LostError(f"the reply is larger than {most // 1024 // 1024} MB")
        yield chunk
