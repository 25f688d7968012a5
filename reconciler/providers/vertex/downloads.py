"""Reads an object of Cloud Storage part by part, without keeping it.

https://cloud.google.com/storage/docs/json_api/v1/objects/get. Rule: all parts are of one generation, so a
change meanwhile is an error, and never a mixture.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors import NotFoundError, ServiceError
from reconciler.http import Transport

PART = 8 * 1024 * 1024
"""Bytes of a part."""


def read_parts(transport: Transport, path: str, uri: str, *, size: int, generation: str) -> Iterator[bytes]:
    """Yield the content of an object in parts.

    Args:
        transport: to Cloud Storage.
        path: of the object there.
        uri: its address, for messages.
        size: its bytes.
        generation: its version.

    Raises:
        ServiceError: the object has changed, or as `Transport.download`.
    """
    query = {"alt": "media", "generation": generation}
    for first in range(0, size, PART):
        last = min(first + PART, size) - 1
        try:
            reply = transport.download(path, query=query, first=first, last=last)
        except NotFoundError as error:
            raise ServiceError(f"{uri} changed while it was read", "Run the command again.") from error
        part = reply.body[first : last + 1] if reply.status == 200 else reply.body
        if len(part) != last + 1 - first:
            raise ServiceError(
                f"{uri}: {len(part):,} bytes came instead of {last + 1 - first:,}",
                "A proxy may have changed the answer. Run the command again.",
            )
        yield part
