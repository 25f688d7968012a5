"""The packaged tables of base models: data files with dated rows that do not contradict each other."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from datetime import date

import pytest

from reconciler import strictjson
from reconciler.bases import Base, choose_replacement
from reconciler.cli.apis import list_kinds
from reconciler.codec import decode
from reconciler.providers.base_models import FILE, PackagedBases
from reconciler.providers.vertex.fields import TUNING_JOB

SIZES = {1, 2, 4, 8, 16, 32}
KINDS = {name: kind for name, kind in list_kinds().items() if kind.trains}


def rows() -> Iterator[tuple[str, Base]]:
    """Each row of each kind's table."""
    for kind in KINDS.values():
        yield from ((kind.name, row) for row in kind.bases.values())


@pytest.mark.parametrize(("kind", "row"), list(rows()), ids=lambda value: getattr(value, "name", value))
def test_a_row_says_when_and_where_it_was_read(kind: str, row: Base) -> None:
    """Every row has a source and the day of reading. Its dates are dates, and its sizes exist."""
    assert row.source
    assert date.fromisoformat(row.read) <= date(2027, 12, 31)
    for day in filter(None, (row.released, row.retires)):
        assert date.fromisoformat(day) < date(2030, 1, 1)
    assert set(row.adapters) <= SIZES
    assert "/" not in row.name
    assert KINDS[kind].bases[row.name] is row


@pytest.mark.parametrize(("kind", "row"), list(rows()), ids=lambda value: getattr(value, "name", value))
def test_what_has_retired_is_not_tunable_and_what_replaces_it_is(kind: str, row: Base) -> None:
    """No row is tunable past its day, and no replacement leads to a base model that cannot be tuned."""
    assert not (row.tunable and row.is_retired(date.fromisoformat(row.read)))
    for name in row.replacements:
        assert KINDS[kind].bases[name].tunable


@pytest.mark.parametrize(("kind", "row"), list(rows()), ids=lambda value: getattr(value, "name", value))
def test_a_replacement_can_be_tuned_and_does_not_retire_earlier(kind: str, row: Base) -> None:
    """Each row that retires is replaced by one that can be tuned and has no earlier date."""
    found = choose_replacement(KINDS[kind].bases, row, date.fromisoformat(row.read))
    if found is not None:
        assert found.tunable
        assert not row.retires or found.retires >= row.retires


def test_no_row_of_a_table_is_lost() -> None:
    """Two rows of one name would hide each other."""
    for kind in KINDS.values():
        assert isinstance(kind.bases, PackagedBases)
        file = importlib.resources.files(kind.bases.package) / FILE
        written = strictjson.loads(file.read_bytes(), most=100_000)["rows"]
        assert [row["name"] for row in written] == list(kind.bases)
        assert len(kind.bases) == len(written)


def test_the_rows_have_the_types_of_their_columns() -> None:
    """The strict codec, which refuses unknown keys and wrong types, reads the same rows."""
    for kind in KINDS.values():
        assert isinstance(kind.bases, PackagedBases)
        file = importlib.resources.files(kind.bases.package) / FILE
        document = strictjson.loads(file.read_bytes(), most=100_000)
        assert [decode(Base, document["common"] | row) for row in document["rows"]] == list(
            kind.bases.values()
        )


def test_each_api_has_dates_of_its_own() -> None:
    """A base model that left the Gemini API lives on in Vertex AI."""
    dates = {name: kind.bases["gemini-3.5-flash"].retires for name, kind in KINDS.items()}
    assert dates == {"TunedModel": "2026-10-08", "TuningJob": "2027-05-19"}


def test_what_retired_in_october_2026_is_not_named_as_tunable() -> None:
    """Tuning jobs cannot use 2.5 any more, but three of 3.x. The doubtful one comes last."""
    tunable = [row.name for row in TUNING_JOB.bases.values() if row.tunable]
    assert [name for name in tunable if name.startswith("gemini-")] == [
        "gemini-3.5-flash",
        "gemini-3.1-flash-lite",
        "gemini-3.5-flash-lite",
    ]
    assert [row.name for row in TUNING_JOB.bases.values() if row.doubt] == ["gemini-3.5-flash-lite"]
    assert TUNING_JOB.bases["gemini-2.5-flash"].is_retired(date(2026, 11, 28))


@pytest.mark.parametrize(
    ("name", "today", "offered"),
    [
        ("gemini-2.5-pro", date(2026, 9, 1), "gemini-3.5-flash"),
        ("gemini-2.5-flash", date(2026, 11, 29), "gemini-3.1-flash-lite"),
        ("publishers/google/models/gemini-2.5-flash", date(2026, 11, 29), "gemini-3.1-flash-lite"),
        ("gemini-3.1-flash-lite", date(2027, 4, 1), "gemini-3.5-flash"),
        ("gemini-3.5-flash", date(2027, 4, 1), "gemini-3.5-flash-lite"),
        ("gemini-3.5-flash-lite", date(2027, 7, 1), None),
        ("gemini-2.5-flash", date(2027, 6, 1), "gemini-3.5-flash-lite"),
        ("gemini-3.8-flash", date(2026, 11, 29), "gemini-3.5-flash"),
    ],
)
def test_what_is_offered_for_tuning_jobs(name: str, today: date, offered: str | None) -> None:
    """A base model that only one page calls tunable comes last.

    Neither 3.6 to 3.8 nor an earlier date is offered.
    """
    base = TUNING_JOB.find_base(name)
    assert base is not None
    found = choose_replacement(TUNING_JOB.bases, base, today)
    assert (found and found.name) == offered


def test_what_the_table_does_not_know_has_no_row() -> None:
    """A base model of somebody else gives no error."""
    assert TUNING_JOB.find_base("somebody-elses") is None
