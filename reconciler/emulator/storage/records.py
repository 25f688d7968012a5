"""Buckets, objects and unfinished uploads in the emulator's file.

Bytes are kept in the chunks they came in, under the number of a content, so that a large upload is
never put together. A generation is the time in microseconds, and always larger than the last.
"""

import dataclasses
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

_OBJECT = "seq, bucket, name, generation, size, md5, crc32c, fields, created, content"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object's metadata; *fields* is what its maker said."""

    seq: int = 0
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
class Upload:
    """A resumable upload; *finished* is the answer to it once it is over."""

    seq: int = 0
    id: str
    bucket: str
    name: str
    fields: dict[str, Any]
    conditions: dict[str, str]
    content: int
    finished: dict[str, Any] | None = None


class Records:
    """What is kept of the object store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def bucket(self, name: str) -> dict[str, Any] | None:
        """Return what was said when a bucket was made."""
        row = self._db.execute("SELECT fields FROM buckets WHERE name = ?", (name,)).fetchone()
        return dict(json.loads(row[0])) if row else None

    def add_bucket(self, name: str, fields: dict[str, Any]) -> None:
        """Keep a new bucket."""
        self._db.execute("INSERT INTO buckets VALUES (?, ?)", (name, json.dumps(fields)))

    def delete_bucket(self, name: str) -> None:
        """Forget a bucket."""
        self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def object(self, bucket: str, name: str) -> StoredObject | None:
        """Return an object's metadata."""
        query = f"SELECT {_OBJECT} FROM objects WHERE bucket = ? AND name = ?"  # noqa: S608
        row = self._db.execute(query, (bucket, name)).fetchone()
        return _object(row) if row else None

    def objects(self, bucket: str, prefix: str, after: str, limit: int) -> list[StoredObject]:
        """Return objects by name."""
        query = (
            f"SELECT {_OBJECT} FROM objects WHERE bucket = ? AND name > ?"  # noqa: S608
            " AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?"
        )
        rows = self._db.execute(query, (bucket, after, len(prefix), prefix, limit))
        return [_object(row) for row in rows]

    def next_generation(self, now: int) -> int:
        """Return a generation that no object has had."""
        known = "SELECT value FROM facts WHERE name = 'generation'"
        row = self._db.execute(known).fetchone()
        generation = max(now, int(row[0]) + 1 if row else 0)
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('generation', ?)", (str(generation),))
        return generation

    def put_object(self, made: StoredObject) -> None:
        """Keep an object in place of the one with its name."""
        self.delete_object(made.bucket, made.name)
        names = [field.name for field in dataclasses.fields(made) if field.name != "seq"]
        values = {name: getattr(made, name) for name in names}
        values["fields"] = json.dumps(values["fields"])
        self._db.execute(
            f"INSERT INTO objects ({', '.join(names)})"  # noqa: S608
            f" VALUES ({', '.join(f':{name}' for name in names)})",
            values,
        )

    def delete_object(self, bucket: str, name: str) -> None:
        """Forget an object and its bytes."""
        if old := self.object(bucket, name):
            self._db.execute("DELETE FROM objects WHERE seq = ?", (old.seq,))
            self.delete_content(old.content)

    def new_content(self) -> int:
        """Return the number of a new content, empty so far."""
        return self._db.execute("INSERT INTO contents (size) VALUES (0)").lastrowid or 0

    def append(self, content: int, data: bytes) -> None:
        """Put bytes at the end of a content."""
        start = self.size(content)
        if data:
            self._db.execute("INSERT INTO chunks VALUES (?, ?, ?)", (content, start, data))
            query = "UPDATE contents SET size = ? WHERE seq = ?"
            self._db.execute(query, (start + len(data), content))

    def size(self, content: int) -> int:
        """Return how many bytes a content has."""
        row = self._db.execute("SELECT size FROM contents WHERE seq = ?", (content,)).fetchone()
        return int(row[0]) if row else 0

    def chunks(self, content: int) -> Iterator[bytes]:
        """Yield the bytes of a content."""
        query = "SELECT data FROM chunks WHERE content = ? ORDER BY start"
        return (row[0] for row in self._db.execute(query, (content,)))

    def delete_content(self, content: int) -> None:
        """Forget the bytes of a content."""
        self._db.execute("DELETE FROM chunks WHERE content = ?", (content,))
        self._db.execute("DELETE FROM contents WHERE seq = ?", (content,))

    def add_upload(self, upload: Upload) -> None:
        """Keep a new upload."""
        values = (upload.bucket, upload.name, json.dumps(upload.fields), json.dumps(upload.conditions))
        self._db.execute(
            "INSERT INTO uploads (id, bucket, name, fields, conditions, content) VALUES (?, ?, ?, ?, ?, ?)",
            (upload.id, *values, upload.content),
        )

    def upload(self, upload_id: str) -> Upload | None:
        """Return an upload."""
        query = (
            "SELECT seq, id, bucket, name, fields, conditions, content, finished FROM uploads WHERE id = ?"
        )
        row = self._db.execute(query, (upload_id,)).fetchone()
        if row is None:
            return None
        seq, known, bucket, name, fields, conditions, content, finished = row
        return Upload(
            seq=seq,
            id=known,
            bucket=bucket,
            name=name,
            fields=json.loads(fields),
            conditions=json.loads(conditions),
            content=content,
            finished=json.loads(finished) if finished else None,
        )

    def finish_upload(self, upload: Upload, answer: dict[str, Any]) -> None:
        """Keep what an upload was answered with."""
        query = "UPDATE uploads SET finished = ? WHERE seq = ?"
        self._db.execute(query, (json.dumps(answer), upload.seq))

    def delete_upload(self, upload: Upload) -> None:
        """Forget an upload, and its bytes unless they are an object's."""
        self._db.execute("DELETE FROM uploads WHERE seq = ?", (upload.seq,))
        if upload.finished is None:
            self.delete_content(upload.content)


def _object(row: tuple[Any, ...]) -> StoredObject:
    names = [field.name for field in dataclasses.fields(StoredObject)]
    values = dict(zip(names, row, strict=True))
    return StoredObject(**{**values, "fields": json.loads(values["fields"])})
