"""Training data in Cloud Storage: measured where it lies, or uploaded once under its digest.

JSON API v1 (https://cloud.google.com/storage/docs/json_api/v1/objects). Rule: an object is written only where
there is none (ifGenerationMatch=0), under a name that is the digest of its content, so that being there is
being right.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from urllib.parse import quote

from reconciler.errors import NotFoundError, ServiceError, UsageError
from reconciler.identity import canonical
from reconciler.model import DataSet, Example
from reconciler.providers.answers import JsonObject, text_of, wrong
from reconciler.providers.vertex.regions import Regions

HOST = "https://storage.googleapis.com"
LARGE = 8 * 1024 * 1024
"""Bytes from which on an upload tells how far it is."""

_URI = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(?P<object>[^\x00-\x1f]{1,1024})")

Tell = Callable[[str], None]


def chat_line(example: Example) -> bytes:
    """An example as a line of the API's chat JSONL, canonical: the same examples are the same bytes."""
    if example.line:
        return example.line.encode()
    turns = (("user", example.text_input), ("model", example.output))
    return canonical({"contents": [{"role": role, "parts": [{"text": text}]} for role, text in turns]})


class Bucket:
    """Reads and writes objects.

    Args:
        regions: opens the transport.
        folder: "gs://BUCKET/PREFIX" for uploads, "" when none is configured.
        tell: shows a line to people while something large is uploaded.
    """

    def __init__(self, regions: Regions, folder: str, tell: Tell) -> None:
        self._regions = regions
        self._folder = folder.rstrip("/")
        self._tell = tell

    def digest(self, uri: str) -> str:
        """What stands for an object's content, SHA-256 in hex of its checksum; "" when there is none.

        MD5 and size where the object has one; else (composed of parts) its generation and CRC32C, which is
        too short to be trusted alone.
        """
        found = self._object(uri)
        if found is None:
            return ""
        size, md5 = text_of(found, "size"), text_of(found, "md5Hash")
        generation, crc = text_of(found, "generation"), text_of(found, "crc32c")
        what = ["md5", md5, size] if md5 else ["crc32c", crc, size, generation]
        if not (md5 or (crc and generation)):
            raise wrong(uri, "an object", found, "one with a checksum")
        return hashlib.sha256(canonical(what)).hexdigest()

    def _object(self, uri: str) -> JsonObject | None:
        bucket, name = _parts(uri)
        try:
            return self._regions.anywhere(HOST).call(
                "GET", f"storage/v1/b/{bucket}/o/{quote(name, safe='')}", api_key=False
            )
        except NotFoundError:
            return None

    def put(self, data: DataSet, examples: Sequence[Example]) -> str:
        """Where the examples lie, after uploading them if they do not yet."""
        if not self._folder:
            raise UsageError(
                f"{data.shown} must be uploaded, and no bucket is named for it",
                "Set the Stack's spec.bucket: gs://BUCKET/PREFIX, or upload it and write its gs:// address",
            )
        content = b"".join(chat_line(one) + b"\n" for one in examples)
        uri = f"{self._folder}/{hashlib.sha256(content).hexdigest()}.jsonl"
        if self._object(uri) is None:
            self._upload(uri, content, data.shown)
        return uri

    def _upload(self, uri: str, content: bytes, shown: str) -> None:
        bucket, name = _parts(uri)
        query = {"uploadType": "media", "name": name, "ifGenerationMatch": "0"}
        bar = _Bar(shown, len(content), self._tell) if len(content) >= LARGE else None
        try:
            self._regions.anywhere(HOST).upload(
                f"upload/storage/v1/b/{bucket}/o",
                query=query,
                content=content,
                content_type="application/jsonl",
                sent=bar,
            )
        except NotFoundError as error:
            raise ServiceError(
                f"{shown} cannot be uploaded: {error.summary}",
                f"Create the bucket: gcloud storage buckets create gs://{bucket}",
                status=error.status,
                reason=error.reason,
            ) from error
        except ServiceError as error:
            if error.status != 412:  # Precondition Failed: it is there already, put by another run
                raise


class _Bar:
    """Ten steps of a bar, each a line, fit for a terminal and a log."""

    def __init__(self, shown: str, size: int, tell: Tell) -> None:
        self._shown, self._size, self._tell, self._last = shown, size, tell, -1

    def __call__(self, sent: int) -> None:
        step = 10 * sent // self._size
        if step != self._last:
            self._last = step
            bar = "#" * step + "." * (10 - step)
            self._tell(f"Uploading {self._shown} [{bar}] {step * 10} % of {self._size / 2**20:,.0f} MB")


def _parts(uri: str) -> tuple[str, str]:
    found = _URI.fullmatch(uri)
    if found is None:
        raise UsageError(f"{uri[:120]!r} is not the address of an object", "Write gs://BUCKET/NAME.")
    return found["bucket"], found["object"]
