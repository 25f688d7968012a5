"""Measures training data in Cloud Storage, and uploads training data once under its digest.

JSON API v1 (https://cloud.google.com/storage/docs/json_api/v1/objects). Rule: an object is written only if
it does not exist (ifGenerationMatch=0). Its name is the digest of its content, so an object that exists has
the right content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote

from reconciler import bounds
from reconciler.datasets.addresses import OBJECT
from reconciler.datasets.chat import write_chat_line
from reconciler.errors import NotFoundError, ServiceError, UsageError
from reconciler.events import Uploading
from reconciler.identity import encode_canonical
from reconciler.model.data import DataSet, Example
from reconciler.providers import Fence, StoredData
from reconciler.providers.google.calls import get_or_none
from reconciler.providers.google.json import (
    JsonObject,
    explain_another,
    explain_wrong_type,
    read_count,
    read_text,
)
from reconciler.providers.vertex.downloads import read_parts
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.uploads import PART, Content, Upload, measure_content

Tell = Callable[[Uploading], None]


class Bucket:
    """Reads and writes objects.

    Args:
        regions: open the transports.
        folder: "gs://BUCKET/PREFIX" for uploads, "" if none is configured.
        tell: called with the progress of an upload in parts, on the thread of the upload.
        part: bytes of a part. A smaller object is sent in one request, and its progress is not reported.
    """

    def __init__(self, regions: Regions, folder: str, tell: Tell, part: int = PART) -> None:
        self._regions = regions
        self._part = part
        self._folder = folder.rstrip("/")
        self._tell = tell

    def read_digest(self, uri: str) -> str:
        """Return the SHA-256 in hex of an object's checksum. "" if there is no such object."""
        return self.measure(uri)[0]

    def measure(self, uri: str) -> tuple[str, int]:
        """Return SHA-256 in hex of an object's checksum, and its size. ("", 0) if there is no such object.

        The checksum is the MD5 and the size. An object that is composed of parts has no MD5. Its checksum is
        its CRC32C and its generation, because a CRC32C alone is too short.
        """
        found = self._get_object(uri)
        if found is None:
            return "", 0
        size, md5 = read_text(found, "size"), read_text(found, "md5Hash")
        generation, crc = read_text(found, "generation"), read_text(found, "crc32c")
        what = ["md5", md5, size] if md5 else ["crc32c", crc, size, generation]
        if not (md5 or (crc and generation)):
            raise explain_wrong_type(uri, "an object", found, "one with a checksum")
        return hashlib.sha256(encode_canonical(what)).hexdigest(), read_count(found, "size") or 0

    def read(self, uri: str) -> StoredData:
        """Find an object. Its parts can be read once.

        Its version is its generation and its checksum.

        Raises:
            NotFoundError: there is no such object.
            ServiceError: it is stored compressed, or see `downloads.read_parts`.
        """
        found = self._get_object(uri)
        if found is None:
            raise NotFoundError(f"{uri} does not exist", "Put the data there, or correct the address.")
        encoding, size = read_text(found, "contentEncoding"), read_text(found, "size")
        if encoding:
            raise ServiceError(
                f"{uri} is stored with the content encoding {encoding}",
                "Upload it without compression: the service does not read compressed JSONL.",
            )
        if not size.isdecimal():
            raise explain_wrong_type(uri, "size", size, "a number")
        generation, checksum = read_text(found, "generation"), read_text(found, "crc32c")
        parts = read_parts(
            self._regions.open_storage(), _find_path(uri), uri, size=int(size), generation=generation
        )
        return StoredData(f"{generation}/{checksum}" if generation and checksum else "", parts)

    def _get_object(self, uri: str) -> JsonObject | None:
        bucket, name = _parse_uri(uri)
        found = get_or_none(self._regions.open_storage(), _find_path(uri))
        if found is None:
            return None
        if found.get("name") != name or found.get("bucket", bucket) != bucket:
            raise explain_another("GET", uri, f"gs://{read_text(found, 'bucket')}/{read_text(found, 'name')}")
        return found

    def put(self, data: DataSet, examples: Iterable[Example], *, fence: Fence) -> str:
        """Upload the examples, unless the bucket has them already. Returns their address.

        Args:
            data: the data set that the examples belong to.
            examples: iterated twice if they are many. The iteration raises StalePlanError if the examples
                have changed since they were measured.
            fence: called before each request that changes something.

        Raises:
            UsageError: no bucket is set, or the data is larger than the service accepts.
            ServiceError, CredentialError, StalePlanError: see `uploads.Upload.put`.
        """
        if not self._folder:
            raise UsageError(
                f"{data.shown} must be uploaded, but no bucket is set",
                "Set the Stack's spec.bucket: gs://BUCKET/PREFIX, or upload it and write its gs:// address",
            )
        content = measure_content(_Lines(examples), data.shown, small=self._part)
        if content.size > bounds.DATA:
            raise UsageError(
                f"{data.shown} has {content.size:,} bytes as chat JSONL, "
                f"and the service takes {bounds.DATA:,}",
                "Leave some examples out.",
            )
        uri = f"{self._folder}/{content.sha256}.jsonl"
        found = self._get_object(uri)
        if found is None and not self._upload(uri, content, fence):
            found = self._get_object(uri)  # the reply that reported success did not come from Cloud Storage
            if found is None:
                raise ServiceError(
                    f"{data.shown} was uploaded to {uri}, but is not there",
                    "A gateway or a proxy may have answered. Check the endpoint, and run the command again.",
                )
        if found is not None and read_text(found, "md5Hash") not in {"", content.md5}:
            raise ServiceError(
                f"{uri} does not hold {data.shown}, though its name is the digest of {data.shown}",
                "Somebody else wrote it. Delete that object, and run the command again.",
            )
        return uri

    def _upload(self, uri: str, content: Content, fence: Fence) -> bool:
        """Upload the examples. Returns whether Cloud Storage itself confirmed it."""
        bucket, name = _parse_uri(uri)
        progress = _Steps(content, self._tell)
        try:
            return Upload(
                self._regions.open_storage(),
                bucket,
                name,
                content,
                sent=progress,
                fence=fence,
                part=self._part,
            ).put()
        except NotFoundError as error:
            project, location = self._regions.default
            raise ServiceError(
                f"{content.shown} cannot be uploaded: {error.summary}",
                "Correct the Stack's spec.bucket, or create that bucket where the job runs: "
                f"gcloud storage buckets create gs://{bucket} --location={location or 'LOCATION'} "
                f"--project={project or 'PROJECT'}",
                status=error.status,
                reason=error.reason,
            ) from error


class _Lines:
    """The examples as lines of chat JSONL. They are encoded again for each reading."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples = examples

    def __iter__(self) -> Iterator[bytes]:
        return map(write_chat_line, self._examples)


class _Steps:
    """Reports the progress of a large upload, at most a hundred times."""

    def __init__(self, content: Content, tell: Tell) -> None:
        self._content, self._tell, self._last = content, tell, -1

    def __call__(self, sent: int) -> None:
        step = 100 * sent // self._content.size
        if step != self._last:
            self._last = step
            self._tell(Uploading(self._content.shown, sent, self._content.size))


def is_object(uri: str) -> bool:
    """Return whether a data set's address is an object's, and not the name of a Vertex AI data set."""
    return uri.startswith("gs://")


def _find_path(uri: str) -> str:
    bucket, name = _parse_uri(uri)
    return f"storage/v1/b/{bucket}/o/{quote(name, safe='')}"


def _parse_uri(uri: str) -> tuple[str, str]:
    found = re.fullmatch(OBJECT, uri)
    if found is None:
        raise UsageError(f"{uri[:120]!r} is not the address of an object", "Write gs://BUCKET/NAME.")
    return found["bucket"], found["object"]
