"""Parses the stream of a data file into rows, by the extension of the file's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from reconciler.datasets.columns import read_object
from reconciler.datasets.csv_rows import read_csv
from reconciler.datasets.json_rows import LINE_LIMIT, read_json, read_jsonl
from reconciler.datasets.rows import Form, Row
from reconciler.datasets.text import Stream, read_lines, read_whole
from reconciler.model import PLAIN, Layout
from reconciler.problems import Problems

FORMATS = (".jsonl", ".json", ".csv")


def find_extension(path: str) -> str:
    """Return the extension in lower case, with its dot; "" if the name has none."""
    return "." + path.rpartition(".")[2].lower() if "." in path.rpartition("/")[2] else ""


def read_rows(
    stream: Stream, path: str, form: Form, problems: Problems, layout: Layout = PLAIN
) -> Iterator[Row]:
    """Yield the rows of a data file as they are read. JSONL and CSV take constant memory.

    Args:
        stream: at the beginning of the file.
        path: of the file; its extension is the format.
        form: how the rows are written.
        problems: notes bytes that are not text.
        layout: which columns of the file are read.
    """
    if layout.columns:
        form = replace(form, read=partial(read_object, columns=layout.columns))
    extension = find_extension(path)
    if extension == ".json":
        text = read_whole(stream, path, problems, most=form.most_json)
        yield from () if text is None else read_json(path, text, form)
        return
    is_csv = extension == ".csv"  # an object in a bucket may have any name, and is JSONL
    newline = "" if is_csv else "\n"
    lines = read_lines(stream, path, problems, longest=LINE_LIMIT, newline=newline)
    yield from read_csv(path, lines, layout) if is_csv else read_jsonl(path, lines, form)
    for _ in lines:  # after a refused header, go on to report bytes that are not text
        pass


def find_limit(path: str, form: Form) -> int:
    """Find how many bytes a data file may have."""
    return form.most_json if find_extension(path) == ".json" else form.most
