"""Upload progress: a line for each tenth on stderr, or a record in the stream with --json."""

from __future__ import annotations

import json

import pytest

from reconciler.cli.console import Console
from reconciler.cli.progress import open_printer
from reconciler.events import Uploading

EVENTS = [
    Uploading(shown, percent * 2**20, 100 * 2**20)
    for percent in range(101)
    for shown in ("a.jsonl", "b.jsonl")
]


def test_in_a_pipe_each_tenth_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred events print eleven lines for each data set on stderr, and none on stdout."""
    with open_printer(Console()) as printer:
        for event in EVENTS:
            printer.show(event)
    assert not printer.has_failed
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 22
    assert err.splitlines()[-1] == "Uploading b.jsonl: 100% of 100 MB"


def test_a_stream_has_a_record_of_each(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each event is a record with its numbers, and stderr stays empty."""
    with open_printer(Console(as_json=True)) as printer:
        for event in EVENTS:
            printer.show(event)
    assert not printer.has_failed
    out, err = capsys.readouterr()
    assert err == ""
    records = [json.loads(line) for line in out.splitlines()]
    assert {record["type"] for record in records} == {"upload_progress"}
    assert [record["upload"]["data"] for record in records] == [record.shown for record in EVENTS]
    assert records[-1]["upload"] == {"data": "b.jsonl", "sent_bytes": 100 * 2**20, "total_bytes": 100 * 2**20}
    assert records[-1]["@message"] == "Uploading b.jsonl: 100% of 100 MB"
