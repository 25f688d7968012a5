"""What is kept of Vertex resources, one dataclass a table, and the questions asked of them.

Nothing changes by itself: times that lie ahead are in the record, and a question says what time it
is. A job's state is computed in one place, the SQL below, for answers and filters alike.
"""

import dataclasses
import json
import sqlite3
from typing import Any, TypeVar

_STATE = """CASE
    WHEN ended <= :now THEN outcome
    WHEN cancelled <= :now THEN 'JOB_STATE_CANCELLING'
    WHEN begun > :now THEN 'JOB_STATE_QUEUED'
    WHEN begun + pending > :now THEN 'JOB_STATE_PENDING'
    ELSE 'JOB_STATE_RUNNING' END"""
_JSON = {"fields", "error", "stats", "tuned", "system", "effect"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """What all have: a number in order of creation, an id, and where they are."""

    seq: int = 0
    id: str
    project: str
    location: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job(Resource):
    """A tuning job.

    Attributes:
        fields: what its maker said, gaps filled, in JSON names.
        begun: when it leaves the queue; PENDING from here, RUNNING after `pending` microseconds.
        lasting: microseconds from `begun` to `ended`.
        outcome: the state it ends in.
        cancelled: when somebody asked for that.
        tuned: its TunedModel, shown when it has one.
        state: at the time of the question.
    """

    fields: dict[str, Any]
    created: int
    begun: int
    pending: int
    lasting: int
    ended: int
    outcome: str
    error: dict[str, Any] | None = None
    cancelled: int | None = None
    uncancellable: bool = False
    listed: int
    readable: int
    stats: dict[str, Any] | None = None
    tuned: dict[str, Any] | None = None
    state: str = dataclasses.field(default="", metadata={"sql": _STATE})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelVersion(Resource):
    """One version of a tuned model; *system* is what the service says of it."""

    version: int
    job: int
    fields: dict[str, Any]
    system: dict[str, Any]
    born: int | None
    updated: int | None = None
    died: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint(Resource):
    """An endpoint, with one checkpoint of one model version deployed to it until `undeployed`."""

    job: int
    model: str
    version: int
    checkpoint: str
    deployed: str
    fields: dict[str, Any]
    system: dict[str, Any]
    born: int | None
    updated: int | None = None
    undeployed: int | None = None
    died: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation(Resource):
    """A long-running operation.

    Attributes:
        parent: what its name begins with, such as "models/1", or nothing.
        target: what it works on, such as "endpoints/2".
        effect: the column that its end is written in, and the rows; taken back when cancelled.
    """

    parent: str
    target: str
    verb: str
    effect: dict[str, Any]
    created: int
    ended: int
    error: dict[str, Any] | None = None


_TABLES: dict[type[Resource], str] = {
    Job: "vertex_jobs",
    ModelVersion: "vertex_models",
    Endpoint: "vertex_endpoints",
    Operation: "vertex_operations",
}
R = TypeVar("R", bound=Resource)


class Records:
    """The records of Vertex in the emulator's file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def add(self, record: R) -> R:
        """Keep a new record."""
        values = _values(record)
        columns = ", ".join(values)
        names = ", ".join(f":{name}" for name in values)
        query = f"INSERT INTO {_TABLES[type(record)]} ({columns}) VALUES ({names})"  # noqa: S608
        cursor = self._db.execute(query, values)
        return dataclasses.replace(record, seq=cursor.lastrowid or 0)

    def put(self, record: Resource) -> None:
        """Keep what changed of a record."""
        values = _values(record)
        columns = ", ".join(f"{name} = :{name}" for name in values)
        query = f"UPDATE {_TABLES[type(record)]} SET {columns} WHERE seq = :seq"  # noqa: S608
        self._db.execute(query, {**values, "seq": record.seq})

    def find(
        self, kind: type[R], where: str, /, *, order: str = "seq", limit: int = -1, **values: object
    ) -> list[R]:
        """Return the records for which the SQL *where* holds."""
        fields = dataclasses.fields(kind)
        columns = ", ".join(f"{field.metadata.get('sql', field.name)} AS {field.name}" for field in fields)
        query = (
            f"SELECT {columns} FROM {_TABLES[kind]} WHERE {where}"  # noqa: S608
            f" ORDER BY {order} LIMIT {limit}"
        )
        rows = self._db.execute(query, values)
        names = [field.name for field in fields]
        return [kind(**_read(names, row)) for row in rows]

    def count(self, kind: type[Resource], where: str, /, **values: object) -> int:
        """Return for how many records the SQL *where* holds."""
        query = f"SELECT count(*) FROM {_TABLES[kind]} WHERE {where}"  # noqa: S608
        return int(self._db.execute(query, values).fetchone()[0])

    def discard(self, record: Resource) -> None:
        """Forget a record."""
        self._db.execute(f"DELETE FROM {_TABLES[type(record)]} WHERE seq = ?", (record.seq,))  # noqa: S608

    def schedule(self, column: str, time: int | None, effect: dict[str, Any]) -> None:
        """Write when something happens to the rows that *effect* names; None: it does not."""
        for table, rows in effect.items():
            for seq in rows:
                self._db.execute(
                    f"UPDATE {table} SET {column} = ? WHERE seq = ?",  # noqa: S608
                    (time, seq),
                )

    def unfinished(self, project: str, now: int) -> list[tuple[int, int, int, int, int | None]]:
        """Return seq, begun, lasting, ended, cancelled of the jobs that have not ended, in order."""
        query = (
            "SELECT seq, begun, lasting, ended, cancelled FROM vertex_jobs"
            " WHERE project = ? AND ended > ? ORDER BY seq"
        )
        return list(self._db.execute(query, (project, now)))

    def begin(self, job: int, begun: int) -> None:
        """Write when a job begins; its end and what it makes move with it."""
        query = "UPDATE vertex_jobs SET begun = ?, ended = ? + lasting WHERE seq = ?"
        self._db.execute(query, (begun, begun, job))
        for table in ("vertex_models", "vertex_endpoints"):
            self._db.execute(
                f"UPDATE {table} SET born = (SELECT ended FROM vertex_jobs WHERE seq = job)"  # noqa: S608
                " WHERE job = ? AND born IS NOT NULL",
                (job,),
            )

    def never_born(self, job: Job) -> None:
        """Write that nothing will come of a job."""
        for table in ("vertex_models", "vertex_endpoints"):
            self._db.execute(f"UPDATE {table} SET born = NULL WHERE job = ?", (job.seq,))  # noqa: S608

    def add_pairs(self, job: Job, pairs: list[tuple[str, str]]) -> None:
        """Keep the examples of a job: what was asked, and the answer."""
        self._db.execute("INSERT INTO vertex_examples VALUES (?, ?)", (job.seq, json.dumps(pairs)))

    def pairs(self, job: int) -> list[tuple[str, str]]:
        """Return the examples of a job."""
        row = self._db.execute("SELECT pairs FROM vertex_examples WHERE job = ?", (job,)).fetchone()
        return [(pair[0], pair[1]) for pair in json.loads(row[0])] if row else []


def _values(record: Resource) -> dict[str, Any]:
    values = {
        field.name: getattr(record, field.name)
        for field in dataclasses.fields(record)
        if field.name != "seq" and "sql" not in field.metadata
    }
    return {
        name: json.dumps(value) if name in _JSON and value is not None else value
        for name, value in values.items()
    }


def _read(names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        name: json.loads(value) if name in _JSON and value is not None else value
        for name, value in zip(names, row, strict=True)
    }
