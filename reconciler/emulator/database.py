"""The emulator's memory: records in one SQLite file.

A record is a frozen dataclass, and its fields are the columns of its table. The APIs declare their records
and ask for them with SQL conditions. Only this module opens the file, makes tables and begins transactions.

A request is one transaction, committed before its answer leaves. Kill the process at any moment, and a new
one on the same file knows everything that was acknowledged. The write-ahead log is not synced at each
commit, so the process may die at any time, but not the machine.

Times are microseconds since 1970 on the emulator's clock. Nothing changes by itself: what will happen is
written down when it is decided, and it happens because the clock gets there.

The file holds training examples, because answers are made of them, and is readable by its owner only. It
never holds a credential (see auth.py).
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import sqlite3
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, TypeVar

# json.dumps would make an encoder for each value.
_ENCODER = json.JSONEncoder(default=dataclasses.asdict)
_SQL_TYPES = {int: "INTEGER", bool: "INTEGER", str: "TEXT", bytes: "BLOB"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A row of a table. A subclass adds the columns: numbers, text and bytes as they are, the rest as JSON.

    Attributes:
        TABLE: the table's name.
        UNIQUE: columns, or combinations of columns, that occur only once.
        INDEXES: columns, or combinations of columns, by which records are found fast.
        seq: a number in order of creation, 0 until the record is added.
    """

    TABLE: ClassVar[str]
    UNIQUE: ClassVar[tuple[str, ...]] = ()
    INDEXES: ClassVar[tuple[str, ...]] = ()
    seq: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Fact(Record):
    """A value that is kept once: the settings, the clock, the last generation of an object."""

    TABLE = "facts"
    UNIQUE = ("name",)
    name: str
    value: Any


R = TypeVar("R", bound=Record)


@dataclasses.dataclass(frozen=True)
class Computed:
    """Marks a field that is not kept: *sql* computes it when the record is read."""

    sql: str


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Marks a field that *load* makes of its JSON value; it is a dataclass."""

    load: Callable[[Any], object]


class Database:
    """The records in an open file."""

    def __init__(self, path: str | os.PathLike[str] | None, kinds: Iterable[type[Record]] = ()) -> None:
        """Open a file, and make the tables that it lacks for records of these *kinds*.

        With None or ":memory:" nothing is kept. Raises OSError if the file cannot be made, and
        sqlite3.DatabaseError if it is no database or is damaged.
        """
        if path is not None and str(path) != ":memory:":
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._kinds: tuple[type[Record], ...] = (_Fact, *kinds)
        self._connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        for kind in self._kinds:
            self._connection.executescript(_find_table(kind).create)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it if the block raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction, undo what the block does if it raises."""
        self._connection.execute("SAVEPOINT block")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK TO block")
            raise
        finally:
            self._connection.execute("RELEASE block")

    @property
    def changes(self) -> int:
        """How many rows were written since the file was opened."""
        return self._connection.total_changes

    def add(self, record: R) -> R:
        """Insert a new record, and return it with its number."""
        table = _find_table(type(record))
        cursor = self._connection.execute(table.insert, table.dump(record))
        return dataclasses.replace(record, seq=cursor.lastrowid or 0)

    def update(self, record: Record) -> None:
        """Write all fields of a record that was added before."""
        table = _find_table(type(record))
        self._connection.execute(table.update, table.dump(record))

    def delete(self, record: Record) -> None:
        """Delete a record."""
        self.delete_where(type(record), "rowid = :seq", seq=record.seq)

    def delete_where(self, kind: type[Record], where: str = "1", /, **values: object) -> None:
        """Delete the records for which the SQL *where* holds."""
        self.execute(f"DELETE FROM {kind.TABLE} WHERE {where}", **values)  # noqa: S608

    def find(
        self, kind: type[R], where: str = "1", /, *, order: str = "rowid", limit: int = -1, **values: object
    ) -> list[R]:
        """Return the records for which the SQL *where* holds."""
        table = _find_table(kind)
        query = f"{table.select} WHERE {where} ORDER BY {order} LIMIT {limit}"
        return [kind(**table.load(row)) for row in self.execute(query, **values)]

    def find_one(self, kind: type[R], where: str, /, **values: object) -> R | None:
        """Return a record for which the SQL *where* holds, or None."""
        table = _find_table(kind)
        for row in self.execute(f"{table.select} WHERE {where} LIMIT 1", **values):
            return kind(**table.load(row))
        return None

    def count(self, kind: type[Record], where: str = "1", /, **values: object) -> int:
        """Return for how many records the SQL *where* holds."""
        ((number,),) = self.execute(f"SELECT count(*) FROM {kind.TABLE} WHERE {where}", **values)  # noqa: S608
        return int(number)

    def execute(self, sql: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Run an SQL statement that none of the other methods covers, and return its rows."""
        return self._connection.execute(sql, values).fetchall()

    def read_fact(self, name: str) -> Any:
        """Return the value that is kept under *name*, or None."""
        fact = self.find_one(_Fact, "name = :name", name=name)
        return fact.value if fact else None

    def write_fact(self, name: str, value: object) -> None:
        """Keep a JSON value under *name*, in place of the one that was there."""
        self.delete_where(_Fact, "name = :name", name=name)
        self.add(_Fact(name=name, value=value))

    def reset(self) -> None:
        """Delete all records. The settings stay, and the clock shows the real time again."""
        for kind in self._kinds[1:]:
            self.delete_where(kind)
        self.delete_where(_Fact, "name = 'clock'")
        self.execute("DELETE FROM sqlite_sequence")


@dataclasses.dataclass(frozen=True)
class _Column:
    """How a field of a record is kept; sql_type is '' if it is computed."""

    name: str
    source: str
    sql_type: str
    load: Callable[[Any], Any] | None
    is_json: bool


class _Table:
    """The table of one kind of records: its columns and statements. The row's id is the record's `seq`."""

    def __init__(self, kind: type[Record]) -> None:
        self._columns = [_describe_column(field) for field in dataclasses.fields(kind) if field.name != "seq"]
        kept = [column for column in self._columns if column.sql_type]
        names, name = [column.name for column in kept], kind.TABLE
        sources = ", ".join(f"{column.source} AS {column.name}" for column in self._columns)
        self.select = f"SELECT rowid, {sources} FROM {name}"  # noqa: S608
        values = ", ".join(f":{each}" for each in names)
        self.insert = f"INSERT INTO {name} ({', '.join(names)}) VALUES ({values})"  # noqa: S608
        changes = ", ".join(f"{each} = :{each}" for each in names)
        self.update = f"UPDATE {name} SET {changes} WHERE rowid = :seq"  # noqa: S608
        parts = ["seq INTEGER PRIMARY KEY AUTOINCREMENT", *(f"{each.name} {each.sql_type}" for each in kept)]
        parts += [f"UNIQUE ({each})" for each in kind.UNIQUE]
        self.create = f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(parts)});"
        for each in kind.INDEXES:
            index = f"{name}_by_{each.partition(',')[0]}"
            self.create += f"CREATE INDEX IF NOT EXISTS {index} ON {name} ({each});"

    def dump(self, record: Record) -> dict[str, Any]:
        """Return the values of a record's columns."""
        values: dict[str, Any] = {"seq": record.seq}
        for column in self._columns:
            value = getattr(record, column.name)
            if column.is_json and value is not None:
                value = _ENCODER.encode(value)
            values[column.name] = value
        return values

    def load(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """Return the fields of the record in a selected row."""
        fields: dict[str, Any] = {"seq": row[0]}
        for column, value in zip(self._columns, row[1:], strict=True):
            kept = json.loads(value) if column.is_json and value is not None else value
            fields[column.name] = column.load(kept) if column.load else kept
        return fields


_TABLES: dict[type[Record], _Table] = {}


def _find_table(kind: type[Record]) -> _Table:
    if kind not in _TABLES:
        _TABLES[kind] = _Table(kind)
    return _TABLES[kind]


def _describe_column(field: "dataclasses.Field[Any]") -> _Column:
    kind, *marks = (
        typing.get_args(field.type) if typing.get_origin(field.type) is typing.Annotated else (field.type,)
    )
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    sql_type = _SQL_TYPES.get(options[0], "")
    computed = next((mark.sql for mark in marks if isinstance(mark, Computed)), "")
    load = next((mark.load for mark in marks if isinstance(mark, Loaded)), None)
    kept = (sql_type or "TEXT") + ("" if types.NoneType in options else " NOT NULL")
    return _Column(field.name, computed or field.name, "" if computed else kept, load, is_json=not sql_type)
