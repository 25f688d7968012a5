"""The emulator's memory: records in one SQLite file.

A record is a frozen dataclass, and its fields are the columns of its table. The APIs declare their records
and ask for them with SQL conditions. Only this module opens the file, makes tables and begins transactions.

A request is one transaction, committed before its answer leaves. Kill the process at any moment, and a new
one on the same file knows everything that was acknowledged. The write-ahead log is not synced at each
commit, so the process may die at any time, but not the machine.

Times are microseconds since 1970 on the emulator's clock. Nothing runs in the background: a future event is
written down with its time, and it has happened once the clock shows that time.

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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar

# json.dumps would make an encoder for each value.
_ENCODER = json.JSONEncoder(default=dataclasses.asdict)
_SQL_TYPES = {int: "INTEGER", bool: "INTEGER", str: "TEXT", bytes: "BLOB"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """A row of a table. A subclass adds the columns: numbers, text and bytes as they are, the rest as JSON.

    JSON of a field whose type is a dataclass becomes that dataclass again when the record is read.

    Attributes:
        TABLE: the table's name.
        UNIQUE: columns, or combinations of columns, that occur only once.
        INDEXES: columns, or combinations of columns, by which records are found fast.
        COMPUTED: fields that are not kept, and the SQL that computes each when the record is read.
        UPGRADE: SQL that saves what earlier versions kept in other columns. It runs when such a table was
            found and renewed; the former one is called `former_TABLE` then.
        seq: a number in order of creation, 0 until the record is added.
    """

    TABLE: ClassVar[str]
    UNIQUE: ClassVar[tuple[str, ...]] = ()
    INDEXES: ClassVar[tuple[str, ...]] = ()
    COMPUTED: ClassVar[Mapping[str, str]] = {}
    UPGRADE: ClassVar[str] = ""
    seq: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Fact(Record):
    """A value that is kept once: the settings, the clock, the last generation of an object."""

    TABLE = "facts"
    UNIQUE = ("name",)
    name: str
    value: Any


R = TypeVar("R", bound=Record)


class Database:
    """The records in an open file."""

    def __init__(self, path: str | os.PathLike[str] | None, kinds: Iterable[type[Record]] = ()) -> None:
        """Open a file, and make the tables that it lacks for records of these *kinds*.

        A table of an earlier version is renewed: records keep the columns that there still are. With None or
        ":memory:" nothing is kept. Raises OSError if the file cannot be made, and sqlite3.DatabaseError if it
        is no database or is damaged.
        """
        if path is not None and str(path) != ":memory:":
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        every_kind: list[type[Record]] = [_Fact, *kinds]
        self._tables = {kind: _Table(kind) for kind in every_kind}
        self._connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        with self.begin_transaction():
            upgrades = [kind for kind, table in self._tables.items() if self._create_table(table)]
            for kind in upgrades:
                self._copy_former(kind)
            for kind in upgrades:
                for statement in filter(str.strip, kind.UPGRADE.split(";")):
                    self.execute(statement)
                self.execute(f"DROP TABLE former_{kind.TABLE}")

    def _create_table(self, table: "_Table") -> bool:
        """Make a table if the file has none, and return whether the file has one of an earlier version."""
        known = self._read_shape(table.name)
        is_former = bool(known.columns) and known != table.shape
        if is_former:
            self.execute(f"ALTER TABLE {table.name} RENAME TO former_{table.name}")
            indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql > ''"
            for (index,) in self.execute(indexes, name=f"former_{table.name}"):
                self.execute(f"DROP INDEX {index}")
        for statement in table.create:
            self.execute(statement)
        return is_former

    def _read_shape(self, table: str) -> "_Shape":
        """Return what a table of the file has; no columns if there is no such table."""
        columns = {row[1] for row in self.execute(f"PRAGMA table_info({table})")} - {"seq"}
        indexes = self.execute(f"PRAGMA index_list({table})")
        unique = [row[1] for row in indexes if row[3] in {"u", "pk"}]
        groups = [self.execute(f"PRAGMA index_info({index})") for index in unique]
        return _Shape(frozenset(columns), frozenset(", ".join(row[2] for row in group) for group in groups))

    def _copy_former(self, kind: type[Record]) -> None:
        """Copy the records of an earlier version into the new table."""
        name, defaults = kind.TABLE, self._tables[kind].defaults
        former = self._read_shape(f"former_{name}").columns
        sources = {key: key if key in former else f":{key}" for key in defaults}
        query = (
            f"INSERT INTO {name} (seq, {', '.join(sources)})"  # noqa: S608
            f" SELECT rowid, {', '.join(sources.values())} FROM former_{name}"
        )
        self.execute(query, **{key: value for key, value in defaults.items() if key not in former})

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def begin_transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it if the block raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    @contextlib.contextmanager
    def begin_savepoint(self) -> Iterator[None]:
        """Undo what the block does if it raises, within a transaction."""
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
        """The number of rows that were written since the file was opened."""
        return self._connection.total_changes

    def add(self, record: R) -> R:
        """Insert a new record, and return it with its number."""
        table = self._tables[type(record)]
        cursor = self._connection.execute(table.insert, table.dump(record))
        return dataclasses.replace(record, seq=cursor.lastrowid or 0)

    def update(self, record: Record) -> None:
        """Write all fields of a record that was added before."""
        table = self._tables[type(record)]
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
        table = self._tables[kind]
        query = f"{table.select} WHERE {where} ORDER BY {order} LIMIT {limit}"
        return [kind(**table.load(row)) for row in self.execute(query, **values)]

    def find_one(self, kind: type[R], where: str, /, **values: Any) -> R | None:
        """Return a record for which the SQL *where* holds, or None."""
        return next(iter(self.find(kind, where, limit=1, **values)), None)

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
        for kind in self._tables:
            self.delete_where(kind, "name = 'clock'" if kind is _Fact else "1")
        self.execute("DELETE FROM sqlite_sequence")


class _Shape(NamedTuple):
    """The names of a table's columns without `seq`, and which of them occur only once."""

    columns: frozenset[str]
    unique: frozenset[str]


class _Table:
    """The table of one kind of records: its columns and statements. The row's id is the record's `seq`."""

    def __init__(self, kind: type[Record]) -> None:
        types = {field.name: _split_type(field.type) for field in dataclasses.fields(kind)}
        self._names = list(types)
        self._kept = [name for name in types if name not in kind.COMPUTED]
        self._json: dict[str, Any] = {
            name: python for name, (python, _) in types.items() if python not in _SQL_TYPES
        }
        names = [name for name in self._kept if name != "seq"]
        sources = {"seq": "rowid", **kind.COMPUTED}
        columns = ", ".join(f"{sources.get(name, name)} AS {name}" for name in types)
        self.select = f"SELECT {columns} FROM {kind.TABLE}"  # noqa: S608
        values = ", ".join(f":{name}" for name in names)
        self.insert = f"INSERT INTO {kind.TABLE} ({', '.join(names)}) VALUES ({values})"  # noqa: S608
        changes = ", ".join(f"{name} = :{name}" for name in names)
        self.update = f"UPDATE {kind.TABLE} SET {changes} WHERE rowid = :seq"  # noqa: S608
        parts = ["seq INTEGER PRIMARY KEY AUTOINCREMENT"]
        parts += [f"{name} {_SQL_TYPES.get(types[name][0], 'TEXT')}{types[name][1]}" for name in names]
        parts += [f"UNIQUE ({columns})" for columns in kind.UNIQUE]
        self.name = kind.TABLE
        self.shape = _Shape(frozenset(names), frozenset(kind.UNIQUE))
        self.create = [f"CREATE TABLE IF NOT EXISTS {kind.TABLE} ({', '.join(parts)})"]
        for columns in kind.INDEXES:
            index = f"{kind.TABLE}_by_{columns.partition(',')[0]}"
            self.create.append(f"CREATE INDEX IF NOT EXISTS {index} ON {kind.TABLE} ({columns})")
        # What a record of an earlier version gets for a column that it lacks.
        self.defaults = {
            field.name: self._write(field.name, _read_default(field))
            for field in dataclasses.fields(kind)
            if field.name in names
        }

    def dump(self, record: Record) -> dict[str, Any]:
        """Return the values of a record's columns."""
        return {name: self._write(name, getattr(record, name)) for name in self._kept}

    def _write(self, name: str, value: Any) -> Any:
        return _ENCODER.encode(value) if name in self._json and value is not None else value

    def load(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """Return the fields of the record in a selected row."""
        fields = dict(zip(self._names, row, strict=True))
        for name, kind in self._json.items():
            if fields[name] is not None:
                value = json.loads(fields[name])
                fields[name] = kind(**value) if hasattr(kind, "__dataclass_fields__") else value
        return fields


def _read_default(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _split_type(kind: Any) -> tuple[Any, str]:
    """Return a field's type without None, and the constraint that says whether it can be None."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return options[0], "" if types.NoneType in options else " NOT NULL"
