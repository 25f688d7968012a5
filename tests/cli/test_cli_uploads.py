"""How far an upload is: a line for each tenth on stderr, or whatever display there is."""

from __future__ import annotations

import pytest

from reconciler.cli.uploads import Uploads
from reconciler.events import Uploading


def test_without_a_display_each_tenth_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred calls are eleven lines, of each data set, and stdout has none of them."""
    uploads = Uploads()
    for percent in range(101):
        for shown in ("a.jsonl", "b.jsonl"):
            uploads(Uploading(shown, percent * 2**20, 100 * 2**20))
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 22
    assert err.splitlines()[-1] == "Uploading b.jsonl: 100% of 100 MB"


def test_a_display_takes_over_and_gives_back(capsys: pytest.CaptureFixture[str]) -> None:
    """While something shows the run, it shows the uploads too, and nothing is written beside it."""
    uploads, told = Uploads(), list[Uploading]()
    with uploads.shown_by(told.append):
        uploads(Uploading("a", 1, 2))
    assert told == [Uploading("a", 1, 2)]
    assert capsys.readouterr().err == ""
    uploads(Uploading("a", 2, 2))
    assert capsys.readouterr().err.startswith("Uploading a: 100%")
