"""The bytes of objects and uploads: appended, read, deleted."""

import secrets

from reconciler.emulator.database import Database
from reconciler.emulator.storage.records import Chunk, StoredObject


def add_content(database: Database, data: bytes = b"") -> int:
    """Keep *data* as a new content, and return its number."""
    content = secrets.randbits(62)
    append(database, content, data)
    return content


def append(database: Database, content: int, data: bytes) -> None:
    """Add *data* at the end of a content."""
    if data:
        database.add(Chunk(content=content, start=measure(database, content), data=data))


def measure(database: Database, content: int) -> int:
    """Return how many bytes a content has."""
    query = "SELECT coalesce(max(start + length(data)), 0) FROM chunks WHERE content = :content"
    ((size,),) = database.execute(query, content=content)
    return int(size)


def read(database: Database, content: int) -> bytes:
    """Return the bytes of a content."""
    chunks = database.find(Chunk, "content = :content", order="start", content=content)
    return b"".join(chunk.data for chunk in chunks)


def delete(database: Database, content: int) -> None:
    """Delete the bytes of a content."""
    database.delete_where(Chunk, "content = :content", content=content)


def read_object(database: Database, uri: str) -> bytes | None:
    """Return the bytes of the object at a gs:// address, None if there is none."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    where = "bucket = :bucket AND name = :name"
    found = database.find_one(StoredObject, where, bucket=bucket, name=name)
    return read(database, found.content) if found else None
