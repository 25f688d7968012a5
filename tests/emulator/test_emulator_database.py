"""What the emulator keeps: records as they are, and the files of earlier versions."""

import contextlib
import dataclasses
import json
import pathlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
import requests

from reconciler.emulator.database import Database, Record
from reconciler.emulator.server import run_emulator
from tests.emulator.conftest import Api

DATA = pathlib.Path(__file__).parent / "data"


@dataclasses.dataclass(frozen=True)
class Size:
    """A value that is kept as JSON."""

    width: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box(Record):
    """A record with a field of each sort."""

    TABLE = "boxes"
    UNIQUE = ("name",)
    INDEXES = ("weight, name",)
    COMPUTED: ClassVar[Mapping[str, str]] = {"is_heavy": "weight > 2"}
    name: str
    weight: int | None = None
    data: bytes = b""
    labels: dict[str, Any] | None = None
    size: Size = Size(1)
    is_heavy: bool | None = False


@pytest.fixture
def database() -> Iterator[Database]:
    """Return an empty database in memory."""
    opened = Database(None, (Box,))
    yield opened
    opened.close()


def test_a_record_comes_back_as_it_was_added(database: Database) -> None:
    """Text that looks like a number, bytes, JSON, None and dataclasses come back. The number is new."""
    full = Box(name="007", weight=3, data=b"\x00\xff", labels={"ä": [1.5, None]}, size=Size(7))
    empty = Box(name="")
    assert database.add(full) == dataclasses.replace(full, seq=1)
    assert database.add(empty) == dataclasses.replace(empty, seq=2)
    assert database.find(Box) == [
        dataclasses.replace(full, seq=1, is_heavy=True),
        dataclasses.replace(empty, seq=2, is_heavy=None),
    ]


def test_conditions_find_change_and_delete(database: Database) -> None:
    """Records are found in order, counted, changed and deleted by SQL conditions with values."""
    for weight in (3, 1, 2):
        database.add(Box(name=f"box {weight}", weight=weight))
    found = database.find(Box, "weight >= :least", order="weight", limit=1, least=2)
    assert [box.name for box in found] == ["box 2"]
    database.update(dataclasses.replace(found[0], name="changed"))
    assert database.find_one(Box, "weight = 2") == dataclasses.replace(found[0], name="changed")
    database.delete(found[0])
    database.delete_where(Box, "name = :name", name="box 1")
    assert database.find_one(Box, "weight < 3") is None
    assert database.count(Box) == 1
    with pytest.raises(sqlite3.IntegrityError):
        database.add(Box(name="box 3"))


def test_numbers_are_not_used_again(database: Database) -> None:
    """A page token names a number, so a deleted record's number is not used again."""
    database.delete(database.add(Box(name="a")))
    assert database.add(Box(name="b")).seq == 2


def add_and_fail(database: Database) -> None:
    """Add a record, and raise."""
    database.add(Box(name="undone"))
    raise KeyError


def test_a_block_that_fails_leaves_nothing(database: Database) -> None:
    """A savepoint undoes its block, and a transaction everything. The exception goes on."""
    with database.begin_transaction():
        database.add(Box(name="kept"))
        with pytest.raises(KeyError), database.begin_savepoint():
            add_and_fail(database)
    with pytest.raises(KeyError), database.begin_transaction():
        add_and_fail(database)
    assert [box.name for box in database.find(Box)] == ["kept"]


def test_a_reset_keeps_facts_but_the_clock(database: Database) -> None:
    """After a reset there are no records, and the settings are what they were."""
    database.write_fact("settings", {"a": 1})
    database.write_fact("settings", {"a": 2})
    database.write_fact("clock", {"frozen": 7})
    database.add(Box(name="a"))
    database.reset()
    assert (database.read_fact("settings"), database.read_fact("clock")) == ({"a": 2}, None)
    assert database.count(Box) == 0


def test_a_file_of_the_previous_version_is_read(tmp_path: pathlib.Path) -> None:
    """Models, jobs, endpoints, operations, objects, faults, settings and the clock are answered as it did.

    `previous.sql` is such a file, with trainings and a deletion under way. `previous.json` has what the
    previous version answered, at once and ten seconds later. Only the etags of endpoints are others.
    """
    data = tmp_path / "data"
    with contextlib.closing(sqlite3.connect(data)) as connection:
        connection.executescript((DATA / "previous.sql").read_text(encoding="utf-8"))
    answers = json.loads((DATA / "previous.json").read_text(encoding="utf-8"))
    with run_emulator(data=data) as emulator, requests.Session() as session:
        api = Api(emulator.url, session)
        for stage in ("now", "later"):
            for path, answer in answers[stage].items():
                text = json.dumps(api.ok("GET", path)).replace(emulator.url, "URL")
                shown = json.loads(text)
                if path == "emulator/settings":  # later versions may add settings
                    shown = {name: value for name, value in shown.items() if name in answer}
                assert shown == answer, path
            api.advance(10)
        api.create("new")
        assert api.ok("GET", "v1beta/tunedModels/new")["state"] == "CREATING"


def test_another_programs_file_is_refused(tmp_path: pathlib.Path) -> None:
    """A file that is not SQLite's is refused in SQLite's words, before anything is served."""
    data = tmp_path / "data"
    data.write_text("somebody's notes\n" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"), run_emulator(data=data):
        pass
