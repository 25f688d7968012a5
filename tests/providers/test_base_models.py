"""The packaged tables of base models: dated rows that do not contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from reconciler.cli.apis import list_kinds
from reconciler.kind import Base
from reconciler.providers.vertex.fields import TUNING_JOB

SIZES = {1, 2, 4, 8, 16, 32}


def rows() -> Iterator[tuple[str, Base]]:
    """Each row of each kind's table."""
    for kind in list_kinds().values():
        yield from ((kind.name, row) for row in kind.bases.values())


@pytest.mark.parametrize(("kind", "row"), list(rows()), ids=lambda value: getattr(value, "name", value))
def test_a_row_says_when_and_where_it_was_read(kind: str, row: Base) -> None:
    """Every row has the day on which it was read and a source, dates that are dates, and sizes that exist."""
    assert row.source
    assert date.fromisoformat(row.read) <= date(2027, 12, 31)
    for day in filter(None, (row.released, row.retires)):
        assert date.fromisoformat(day) < date(2030, 1, 1)
    assert set(row.adapters) <= SIZES
    assert list_kinds()[kind].bases[row.name] is row


@pytest.mark.parametrize(("kind", "row"), list(rows()), ids=lambda value: getattr(value, "name", value))
def test_what_has_retired_is_not_tunable_and_what_replaces_it_is(kind: str, row: Base) -> None:
    """No row is tunable past its day, and no replacement leads to a base model that cannot be tuned."""
    assert not (row.tunable and row.is_retired(row.read))
    for name in row.replacements:
        assert list_kinds()[kind].bases[name].tunable


def test_a_floor_is_no_date_of_retirement() -> None:
    """A base model that retires on a day or later has not retired when the day has come."""
    row = Base("x", tunable=True, retires="2027-05-07", or_later=True)
    assert not row.is_retired("2028-01-01")
    dated = replace(row, or_later=False)
    assert [dated.is_retired(day) for day in ("2027-05-06", "2027-05-07")] == [False, True]


def test_what_retired_in_october_2026_is_not_named_as_tunable() -> None:
    """The 2.5 generation is over for tuning jobs, and three of the 3.x are not."""
    tunable = {one.name for one in TUNING_JOB.bases.values() if one.tunable}
    assert {one for one in tunable if one.startswith("gemini-")} == {
        "gemini-3.1-flash-lite",
        "gemini-3.5-flash",
        "gemini-3.5-flash-lite",
    }
    assert TUNING_JOB.bases["gemini-2.5-flash"].is_retired("2026-11-28")


def test_a_row_tells_its_end_and_what_comes_in_its_place() -> None:
    """A plan can say when a base model retired, and names what can be tuned instead; a floor is no end."""
    for name in ("gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"):
        row = TUNING_JOB.find_base(name)
        assert row is not None
        assert row.describe_end("2026-11-28").startswith(
            "it retired on 2026-10-20, according to documents read on "
        )
        assert row.describe_end("2026-10-19") == "in its place: gemini-3.5-flash-lite, gemini-3.1-flash-lite"
    living = TUNING_JOB.find_base("gemini-3.1-flash-lite")
    assert living is not None
    assert living.describe_end("2030-01-01") == ""
    assert TUNING_JOB.find_base("somebody-elses") is None
