"""The bytes of objects and uploads: appended, read, deleted."""

from reconciler.emulator.database import Database
from reconciler.emulator.storage.records import Chunk, Content, StoredObject


def add_content(database: Database, data: bytes = b"") -> int:
    """Keep *data* as a new content, and return its number."""
    content = database.add(Content()).seq
    append(database, content, data)
    return content


def append(database: Database, content: int, data: bytes) -> None:
    """Add *data* at the end of a content."""
    if data:
        start = measure(database, content)
        database.add(Chunk(content=content, start=start, data=data))
        database.update(Content(seq=content, size=start + len(data)))


def measure(database: Database, content: int) -> int:
    """Return how many bytes a content has."""
    found = database.find_one(Content, "seq = :seq", seq=content)
    return found.size if found else 0


def read(database: Database, content: int) -> bytes:
    """Return the bytes of a content."""
    chunks = database.find(Chunk, "content = :content", order="start", content=content)
    return b"".join(chunk.data for chunk in chunks)


def delete(database: Database, content: int) -> None:
    """Delete the bytes of a content."""
    database.delete_where(Chunk, "content = :content", content=content)
    database.delete_where(Content, "seq = :content", content=content)


def find_content(database: Database, uri: str) -> bytes | None:
    """Return the bytes of the object at a gs:// address, None if there is none."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    where = "bucket = :bucket AND name = :name"
    found = database.find_one(StoredObject, where, bucket=bucket, name=name)
    return read(database, found.content) if found else None
