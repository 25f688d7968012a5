"""The table of base models as text and as JSON."""

from __future__ import annotations

from datetime import date

import pytest

from reconciler.bases import Base
from reconciler.model.names import Address
from reconciler.plan.base_models import BaseUse
from reconciler.render.bases import build_bases_document
from reconciler.render.terminal import count_cells
from reconciler.render.text.bases import render_bases

TODAY = date(2026, 11, 29)
READ = "2026-11-28"
SUPPORT = (Address("TuningJob", "support"), Address("TuningJob", "triage"))
USES = (
    BaseUse(
        "TuningJob",
        Base("old", tunable=False, retires="2026-10-20", read=READ),
        SUPPORT,
        days_left=-40,
        replacement="new",
    ),
    BaseUse(
        "TuningJob",
        Base("soon", tunable=True, retires="2026-12-01", place="stack.yaml:9:7"),
        (Address("TuningJob", "a"),),
        days_left=2,
        replacement="new",
    ),
    BaseUse(
        "TuningJob",
        Base("mine", tunable=True),
        tuple(Address("TuningJob", f"m{number:02}") for number in range(12)),
        is_known=False,
    ),
    BaseUse(
        "TuningJob",
        Base("new", tunable=True, retires="2027-05-19", or_later=True, read=READ, doubt="one page only"),
        days_left=171,
    ),
    BaseUse("TuningJob", Base("floor", tunable=True, retires="2026-11-20", or_later=True), days_left=-9),
    BaseUse("TunedModel", Base("none", tunable=False, read=READ)),
)


def test_a_wide_terminal_has_one_line_for_each() -> None:
    """It has the name, whether it can be tuned, date, time left and replacement.

    Our addresses are below it.
    """
    assert list(render_bases(USES, TODAY, colour=False, width=100)) == [
        "Base models on 29 November 2026, as documents read on 28 November 2026 say.",
        "",
        "TuningJob",
        "  base model  tune  retires                      left      instead",
        "  old         no    20 October 2026              over      new",
        "      TuningJob/support, TuningJob/triage",
        "  soon        yes   1 December 2026              2 days    new",
        "      TuningJob/a",
        "      according to stack.yaml:9:7",
        "  mine        ?     not known",
        "      TuningJob/m00, TuningJob/m01, TuningJob/m02, TuningJob/m03, TuningJob/m04, TuningJob/m05,",
        "      TuningJob/m06, TuningJob/m07, TuningJob/m08, TuningJob/m09 and 2 more",
        "  new         yes   not before 19 May 2027       171 days",
        "      one page only",
        "  floor       yes   not before 20 November 2026  any day",
        "",
        "TunedModel",
        "  base model  tune  retires    left  instead",
        "  none        no    not known",
    ]


def test_a_narrow_terminal_has_what_is_left_on_a_line_of_its_own() -> None:
    """Sixty columns have room for name and date. The rest is below them."""
    lines = list(render_bases(USES[:2] + USES[3:4], TODAY, colour=False, width=50))
    assert lines[4:] == [
        "  base model  tune  retires",
        "  old         no    20 October 2026",
        "      instead: new",
        "      TuningJob/support, TuningJob/triage",
        "  soon        yes   1 December 2026",
        "      2 days left; instead: new",
        "      TuningJob/a",
        "      according to stack.yaml:9:7",
        "  new         yes   not before 19 May 2027",
        "      171 days left",
        "      one page only",
    ]


@pytest.mark.parametrize("width", [60, 100])
def test_no_line_is_too_long(width: int) -> None:
    """The terminal itself need not break any line."""
    assert [
        line for line in render_bases(USES, TODAY, colour=False, width=width) if count_cells(line) > width
    ] == []


def test_colours_show_what_concerns_us() -> None:
    """Ours are red when over, yellow when near, and green otherwise.

    Those that we do not use are dim when over.
    """
    lines = list(render_bases(USES, TODAY, colour=True, width=0))
    styles = {
        name: line[2 : line.index("m")]
        for line in lines
        for name in ("old ", "soon ", "mine ", "new ", "none ")
        if line.startswith("\x1b[") and f"  {name}" in line
    }
    assert styles == {"old ": "31", "soon ": "33", "mine ": "32", "none ": "2"}


def test_a_table_without_a_date_of_reading_claims_none() -> None:
    """The API of somebody else may have no dated table."""
    (first, *_) = render_bases([BaseUse("Parrot", Base("grey", tunable=True))], TODAY, colour=False)
    assert first == "Base models on 29 November 2026."


def test_the_document_has_every_key_of_every_row() -> None:
    """What is not known is null, and an unknown base model is not called tunable."""
    document = build_bases_document(USES[1:3], TODAY)
    assert document["today"] == "2026-11-29"
    rows = document["base_models"]
    assert isinstance(rows, list)
    known, unknown = rows
    assert isinstance(known, dict)
    assert isinstance(unknown, dict)
    assert known == {
        "kind": "TuningJob",
        "name": "soon",
        "tunable": True,
        "released": None,
        "retires": "2026-12-01",
        "or_later": False,
        "replacements": [],
        "adapters": [],
        "locations": [],
        "serves": [],
        "own_keys": True,
        "characters_per_token": 4.0,
        "doubt": None,
        "read": None,
        "source": None,
        "place": "stack.yaml:9:7",
        "refused": False,
        "days_left": 2,
        "replacement": "new",
        "addresses": ["TuningJob/a"],
    }
    assert unknown.keys() == known.keys()
    assert (unknown["tunable"], unknown["days_left"], unknown["replacement"]) == (None, None, None)
