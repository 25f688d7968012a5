"""The text of a .csv file to rows: RFC 4180, with a header."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator

from reconciler.datasets import lookalikes
from reconciler.datasets.rows import COLUMNS, SPELLINGS, Blanks, RefusedError, Row, raiser, unknown_column
from reconciler.formats import count_noun
from reconciler.model import Example
from reconciler.problems import Place

CELL_LIMIT = 1024 * 1024
"""Characters of a line, and of a field with line breaks in it; an example of a TunedModel has 45,000."""


def csv_rows(path: str, lines: Iterable[str]) -> Iterator[Row]:
    """Each row below the header, with the line where it begins; what is no CSV ends them."""
    csv.field_size_limit(CELL_LIMIT)  # of the whole process; Python's own is 131,072
    reader = csv.reader(_bounded(lines), strict=True)
    header: list[str] | None = None
    blank = Blanks(path)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Place(path, start), _csv_refusal(error)
            return
        if not cells:
            blank.note(start)
            continue
        yield from blank.between("each row holds one example")
        if header is None:
            header = cells
            refusals = list(_header_refusals(header))
            for refusal in refusals:
                yield Place(path, start), refusal
            if refusals:
                return
            continue
        yield Place(path, start), lambda cells=cells, header=header: _csv_example(header, cells)  # type: ignore[misc]


def _bounded(lines: Iterable[str]) -> Iterator[str]:
    """The same; a line that is too long may have been cut already, so nothing of it is taken for data."""
    for line in lines:
        if len(line.rstrip("\r\n")) > CELL_LIMIT:
            raise csv.Error("field larger than the limit")
        yield line


def _csv_refusal(error: csv.Error) -> Callable[[], Example]:
    said = str(error)
    if "unexpected end of data" in said:
        return raiser("a quote is opened and never closed", 'Close it; a quote inside is doubled: "".')
    if "expected after" in said:
        return raiser("text follows a closing quote", 'Double a quote inside a quoted field: "".')
    if "field larger than" in said:
        return raiser(f"a field has more than {CELL_LIMIT:,} characters", "Is a quote left open above it?")
    return raiser(f"not CSV: {said}", "Correct it there.")


def _header_refusals(header: list[str]) -> Iterator[Callable[[], Example]]:
    names = [SPELLINGS.get(name) for name in header]
    named = None if any(names) else lookalikes.name_header(header)
    if named is not None:
        yield raiser(*named)
        return
    above = "" if any(names) or any(map(lookalikes.column_for, header)) else _NO_HEADER
    for name in header:
        if name not in SPELLINGS:
            refusal = unknown_column(name)
            yield raiser(refusal.summary, f"{refusal.detail} The first line names them.{above}")
            return
    for name in COLUMNS:
        if names.count(name) != 1:
            what = "missing" if name not in names else "there twice"
            yield raiser(f"the column {name} is {what}", "The first line is: text_input,output.")
            return


_NO_HEADER = " If it is an example already, put the line text_input,output above it."


def _csv_example(header: list[str], cells: list[str]) -> Example:
    if len(cells) != len(header):
        raise RefusedError(
            f"the row has {count_noun(len(cells), 'field')}, and the header {len(header)}",
            "Put a text that holds a comma in double quotes.",
        )
    row = {SPELLINGS[name]: cell.replace("\r\n", "\n") for name, cell in zip(header, cells, strict=True)}
    return Example(row["text_input"], row["output"])
