"""What the emulator remembers, in one SQLite file.

A request is one transaction, committed before its answer leaves: kill the process at any moment
and a new one on the same file knows all that was acknowledged. The write-ahead log is not synced
at each commit, so it is the process that may die here, not the machine.

Credentials never get here, only what was made of them (see auth.py). Training examples do, since
answers are made of them; the file is the owner's alone.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.emulator.gemini.progress import Failure, Training
from reconciler.emulator.tables import NAMES, TABLES

_MODEL = "seq, id, owner, operation, fields, updated, training, listed, readable, settled"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A tuned model as it is kept: *fields* is what its maker said, in JSON names.

    *settled* is the whole answer as text, once nothing but an update can change it.
    """

    seq: int = 0
    id: str
    owner: str
    operation: str
    fields: dict[str, Any]
    updated: int
    training: Training
    listed: int = 0
    readable: int = 0
    settled: str | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return f"tunedModels/{self.id}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Permission:
    """Who may do what with a model."""

    seq: int = 0
    model: int
    id: str
    grantee: str
    email: str
    role: str


class Store:
    """The file, and every question asked of it."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        if path is not None and str(path) != ":memory:":
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(TABLES)

    @property
    def connection(self) -> sqlite3.Connection:
        """The open file, for the other APIs' questions to it; transactions are this class's."""
        return self._db

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what happens inside."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """All or nothing of what happens inside, within a transaction."""
        self._db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO attempt")
            raise
        finally:
            self._db.execute("RELEASE attempt")

    def forget_all(self) -> None:
        """Empty every table; the settings stay, the clock is right again."""
        for name in NAMES[1:]:
            self.clear(name)
        self._db.execute("DELETE FROM facts WHERE name = 'clock'")
        self._db.execute("DELETE FROM sqlite_sequence")

    # Facts: settings and the clock.

    def fact(self, name: str) -> Any:
        """Return a stored JSON value, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_fact(self, name: str, value: object) -> None:
        """Keep a JSON value."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    # Tuned models.

    def add_model(self, model: Model, search: str, pairs: Sequence[tuple[str, str]]) -> Model:
        """Keep a new model; the caller has seen that its id is free."""
        cursor = self._db.execute(
            "INSERT INTO models (id, owner, operation, fields, search, updated, training, listed,"
            " readable) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                model.id,
                model.owner,
                model.operation,
                json.dumps(model.fields),
                search,
                model.updated,
                json.dumps(dataclasses.asdict(model.training)),
                model.listed,
                model.readable,
            ),
        )
        seq = cursor.lastrowid or 0
        self._db.execute("INSERT INTO examples VALUES (?, ?)", (seq, json.dumps(pairs)))
        return dataclasses.replace(model, seq=seq)

    def model(self, model_id: str) -> Model | None:
        """Return a model by its id."""
        query = f"SELECT {_MODEL} FROM models WHERE id = ?"  # noqa: S608
        row = self._db.execute(query, (model_id,)).fetchone()
        return _model(row) if row else None

    def models(
        self, after: int, limit: int, where: str, values: Sequence[object]
    ) -> list[tuple[int, str] | Model]:
        """Return a page in order of creation; a settled model is its number and text only."""
        query = (
            f"SELECT {_MODEL} FROM models WHERE seq > ? AND ({where})"  # noqa: S608
            " ORDER BY seq LIMIT ?"
        )
        rows = self._db.execute(query, (after, *values, limit))
        return [(row[0], row[-1]) if row[-1] else _model(row) for row in rows]

    def update_model(self, model: Model, search: str | None = None) -> None:
        """Keep what changed of a model; *search* is the text that a filter looks in."""
        self._db.execute(
            "UPDATE models SET owner = ?, fields = ?, updated = ?, training = ?, settled = ?,"
            " search = coalesce(?, search) WHERE seq = ?",
            (
                model.owner,
                json.dumps(model.fields),
                model.updated,
                json.dumps(dataclasses.asdict(model.training)),
                model.settled,
                search,
                model.seq,
            ),
        )

    def change_owner(self, model: Model, owner: str) -> None:
        """Give a model to someone else."""
        self._db.execute("UPDATE models SET owner = ? WHERE seq = ?", (owner, model.seq))

    def delete_model(self, model: Model) -> None:
        """Forget a model and all that hangs on it."""
        self._db.execute("DELETE FROM models WHERE seq = ?", (model.seq,))
        self._db.execute("DELETE FROM examples WHERE model = ?", (model.seq,))
        self._db.execute("DELETE FROM permissions WHERE model = ?", (model.seq,))

    def pairs(self, model: Model) -> list[tuple[str, str]]:
        """Return the examples that a model was made from."""
        query = "SELECT pairs FROM examples WHERE model = ?"
        row = self._db.execute(query, (model.seq,)).fetchone()
        return [(pair[0], pair[1]) for pair in json.loads(row[0])] if row else []

    # Permissions.

    def permissions(self, model: Model) -> list[Permission]:
        """Return a model's permissions, in order of creation."""
        query = "SELECT seq, model, id, grantee, email, role FROM permissions WHERE model = ? ORDER BY seq"
        rows = self._db.execute(query, (model.seq,))
        names = [field.name for field in dataclasses.fields(Permission)]
        return [Permission(**dict(zip(names, row, strict=True))) for row in rows]

    def put_permission(self, permission: Permission) -> None:
        """Keep a permission, in place of the one with its id if there is one."""
        self._db.execute(
            "INSERT INTO permissions (model, id, grantee, email, role) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (model, id) DO UPDATE SET role = excluded.role",
            dataclasses.astuple(permission)[1:],
        )

    def delete_permission(self, permission: Permission) -> None:
        """Forget a permission."""
        self._db.execute("DELETE FROM permissions WHERE seq = ?", (permission.seq,))

    # Fault rules.

    def add_rule(self, rule: dict[str, Any], skip: int, times: int | None) -> None:
        """Append a rule."""
        query = "INSERT INTO rules (rule, skip, times) VALUES (?, ?, ?)"
        self._db.execute(query, (json.dumps(rule), skip, times))

    def rules(self) -> list[tuple[int, dict[str, Any], int, int | None]]:
        """Return the rules that are not used up: number, rule, how often to skip, how often left."""
        query = "SELECT seq, rule, skip, times FROM rules WHERE times IS NULL OR times > 0 ORDER BY seq"
        rows = self._db.execute(query)
        return [(seq, json.loads(rule), skip, times) for seq, rule, skip, times in rows]

    def count_rule(self, seq: int, *, skipped: bool) -> None:
        """Take one from what a rule has left to skip, or to do."""
        column = "skip" if skipped else "times"
        self._db.execute(f"UPDATE rules SET {column} = {column} - 1 WHERE seq = ?", (seq,))  # noqa: S608

    def clear(self, table: str) -> None:
        """Empty one table."""
        if table not in NAMES:
            raise KeyError(table)
        self._db.execute(f"DELETE FROM {table}")  # noqa: S608

    # The log of requests.

    def log(self, entry: dict[str, Any]) -> None:
        """Append an entry."""
        self._db.execute("INSERT INTO requests (entry) VALUES (?)", (json.dumps(entry),))

    def logged(self, after: int = 0) -> list[dict[str, Any]]:
        """Return the entries after number *after*, in order."""
        rows = self._db.execute("SELECT seq, entry FROM requests WHERE seq > ? ORDER BY seq", (after,))
        return [{"sequence": seq, **json.loads(entry)} for seq, entry in rows]

    def logged_count(self) -> int:
        """Return how many entries there are."""
        return int(self._db.execute("SELECT count(*) FROM requests").fetchone()[0])


def _model(row: tuple[Any, ...]) -> Model:
    seq, model_id, owner, operation, fields, updated, training, listed, readable, settled = row
    known = json.loads(training)
    failure = known.pop("failure")
    return Model(
        seq=seq,
        id=model_id,
        owner=owner,
        operation=operation,
        fields=json.loads(fields),
        updated=updated,
        training=Training(**known, failure=Failure(**failure) if failure else None),
        listed=listed,
        readable=readable,
        settled=settled,
    )
