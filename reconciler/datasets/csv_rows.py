"""Parses the lines of a .csv file (RFC 4180, with a header) into rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from reconciler.datasets import lookalikes
from reconciler.datasets.pairs import COLUMNS, SPELLINGS, refuse_name
from reconciler.datasets.rows import Blanks, Row
from reconciler.formats import count_noun
from reconciler.model import Example
from reconciler.problems import Place, Refusal

CELL_LIMIT = 1024 * 1024
"""Most characters of a line or a field. The service allows 45,000 for an example of a TunedModel."""


def read_csv(path: str, lines: Iterable[str]) -> Iterator[Row]:
    """Read each row below the header, with its first line. Stop at the first line that is not CSV."""
    csv.field_size_limit(CELL_LIMIT)  # of the whole process; Python's own is 131,072
    reader = csv.reader(_refuse_long(lines), strict=True)
    columns: list[str] = []
    blanks = Blanks(path)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Place(path, start), _refuse_csv(str(error))
            return
        if not cells:
            blanks.note(start)
            continue
        yield from blanks.take("each row holds one example")
        if columns:
            yield Place(path, start), _read_cells(columns, cells)
            continue
        refusal = _check_header(cells)
        if refusal is not None:
            yield Place(path, start), refusal
            return
        columns = [SPELLINGS[name] for name in cells]


def _refuse_long(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines. Raise at the first one that is too long, because it may have been cut off."""
    for line in lines:
        if len(line.rstrip("\r\n")) > CELL_LIMIT:
            raise csv.Error("field larger than the limit")
        yield line


def _refuse_csv(said: str) -> Refusal:
    if "unexpected end of data" in said:
        return Refusal("a quote is opened and never closed", 'Close it; a quote inside is doubled: "".')
    if "expected after" in said:
        return Refusal("text follows a closing quote", 'Double a quote inside a quoted field: "".')
    if "field larger than" in said:
        return Refusal(f"a field has more than {CELL_LIMIT:,} characters", "Is a quote left open above it?")
    return Refusal(f"not CSV: {said}", "Correct this line.")


def _check_header(header: list[str]) -> Refusal | None:
    names = [SPELLINGS.get(name) for name in header]
    named = None if any(names) else lookalikes.name_header(header)
    if named is not None:
        return named
    looks_like_data = not any(names) and not any(map(lookalikes.find_column, header))
    hint = " If it is already an example, put the line text_input,output above it." if looks_like_data else ""
    for name in header:
        if name not in SPELLINGS:
            summary, detail = refuse_name(name, "column")
            return Refusal(summary, f"{detail} The first line must name the columns.{hint}")
    for name in COLUMNS:
        if names.count(name) != 1:
            what = "missing" if name not in names else "there twice"
            return Refusal(f"the column {name} is {what}", "The first line is: text_input,output.")
    return None


def _read_cells(columns: list[str], cells: list[str]) -> Example | Refusal:
    if len(cells) != len(columns):
        is_short = len(cells) < len(columns)
        return Refusal(
            f"the row has {count_noun(len(cells), 'field')}, but the header has {len(columns)}",
            "Add the missing field." if is_short else "Put a text that holds a comma in double quotes.",
        )
    row = {name: cell.replace("\r\n", "\n") for name, cell in zip(columns, cells, strict=True)}
    return Example(row["text_input"], row["output"])
