"""Declares the records of Cloud Storage: buckets, objects, unfinished uploads, and the bytes of both.

Bytes stay in the chunks in which they came, under the number of a content, so that a large upload is never
copied.
"""

import dataclasses
from typing import Any

from reconciler.emulator.database import Record


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bucket(Record):
    """A bucket that was created; *fields* is what its creator set."""

    TABLE = "buckets"
    UNIQUE = ("name",)
    name: str
    fields: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredObject(Record):
    """The metadata of an object; *fields* is what its creator set, *content* the number of its content."""

    TABLE = "objects"
    UNIQUE = ("bucket, name",)
    bucket: str
    name: str
    generation: int
    size: int
    md5: str
    crc32c: str
    fields: dict[str, Any]
    created: int
    content: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Upload(Record):
    """A resumable upload; *finished* is the answer to it once it is finished."""

    TABLE = "uploads"
    UNIQUE = ("id",)
    id: str
    bucket: str
    name: str
    fields: dict[str, Any]
    conditions: dict[str, str]
    content: int
    finished: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chunk(Record):
    """A part of a content (the bytes of an object or an upload), and where it begins."""

    TABLE = "chunks"
    UNIQUE = ("content, start",)
    content: int
    start: int
    data: bytes


RECORDS = (Bucket, StoredObject, Upload, Chunk)
