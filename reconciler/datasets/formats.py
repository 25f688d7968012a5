"""Parses the stream of a data file into rows, by the extension of the file's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO

from msgspec.structs import replace

from reconciler.datasets.columns import read_object
from reconciler.datasets.csv_rows import Table, read_csv, read_tables, refuse_long
from reconciler.datasets.json_rows import LINE_LIMIT, JsonLines, read_json
from reconciler.datasets.rows import Batch, Form, Row, Typed
from reconciler.datasets.stripes import Stripe, open_blocks
from reconciler.datasets.text import Stream, TextLines, read_blocks, read_lines, read_whole, skip_mark
from reconciler.datasets.typed_rows import MOST, TypedReader
from reconciler.model.data import PLAIN, Layout
from reconciler.problems import Problems

FORMATS = (".jsonl", ".json", ".csv")

_LONGEST = 4 * LINE_LIMIT
"""Bytes. A longer line has too many characters in any case."""


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
    yield from read_csv(path, lines, layout) if is_csv else JsonLines(path, form).read(lines)
    _read_on(lines)


def read_batches(
    stream: Stream, path: str, form: Form, problems: Problems, layout: Layout = PLAIN
) -> Iterator[Row | Batch]:
    """Yield what `read_rows` yields, but examples of texts in batches. That takes a fraction of the time."""
    is_csv = find_extension(path) == ".csv"
    typed = None if layout.columns and not is_csv else form.typed
    if typed is None or find_extension(path) == ".json":
        yield from read_rows(stream, path, form, problems, layout)
        return
    offset = skip_mark(stream, path, problems)
    if offset is None:
        return
    text = TextLines(path, problems, longest=LINE_LIMIT, newline="" if is_csv else "\n", offset=offset)
    if is_csv:
        yield from _read_csv(path, text, read_blocks(stream, longest=_LONGEST), form, layout)
        return
    rows = JsonLines(path, form)
    with open_blocks(stream, typed, longest=_LONGEST, wants_lines=lambda: rows.is_refused) as opened:
        yield from _read_jsonl(rows, text, opened, typed)


def _read_jsonl(
    rows: JsonLines, text: TextLines, blocks: Iterable[bytes | Stream | Stripe], typed: Typed
) -> Iterator[Row | Batch]:
    reader = TypedReader(typed)
    for block in blocks:
        if isinstance(block, Stripe):
            first, count = text.number + 1, len(block.batch.numbers)
            yield from rows.pass_over(count)
            text.pass_over(count, block.size)
            yield replace(block.batch, numbers=range(first, first + count))
            continue
        parts = reader.read(block, text.number + 1) if isinstance(block, bytes) else ((block, None),)
        for part, batch in parts:
            if isinstance(part, bytes) and batch is not None and not rows.is_refused:
                yield from rows.pass_over(len(batch.numbers))
                text.pass_over(len(batch.numbers), len(part))
                yield batch
                continue
            lines = text.read(_open(part))
            if not rows.is_refused:
                yield from rows.read(lines)
            _read_on(lines)
            if text.is_broken:
                return


def _read_csv(
    path: str, text: TextLines, blocks: Iterable[bytes | Stream], form: Form, layout: Layout
) -> Iterator[Row | Batch]:
    lines = _decode(text, blocks)
    for found in read_tables(path, lines, layout):
        batch = found.make_batch(form.typed) if isinstance(found, Table) else None
        if batch is not None:
            yield batch
        elif isinstance(found, Table):
            yield from found.read(path, layout)
        else:
            yield found
    _read_on(lines)


def _decode(text: TextLines, blocks: Iterable[bytes | Stream]) -> Iterator[Iterable[str]]:
    """Yield the lines of each block, up to the first one that is not text."""
    for block in blocks:
        decoded = text.decode(block) if isinstance(block, bytes) and len(block) <= MOST else None
        if decoded is None:
            lines = text.read(_open(block))
            yield refuse_long(lines)
            _read_on(lines)
        else:
            yield decoded
        if text.is_broken:
            return


def _open(block: bytes | Stream) -> Stream | BytesIO:
    return BytesIO(block) if isinstance(block, bytes) else block


def _read_on(lines: Iterable[object]) -> None:
    """After a refused line, go on to report bytes that are not text."""
    for _ in lines:
        pass


def find_limit(path: str, form: Form) -> int:
    """Find how many bytes a data file may have."""
    return form.most_json if find_extension(path) == ".json" else form.most
