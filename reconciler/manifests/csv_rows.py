"""The text of a .csv file to rows: RFC 4180, with a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator

from reconciler.manifests.data_rows import (
    COLUMNS,
    SPELLINGS,
    Blanks,
    RefusedError,
    Row,
    raiser,
    unknown_column,
)
from reconciler.manifests.problems import Place, plural
from reconciler.model import Example


def csv_rows(path: str, lines: Iterable[str]) -> Iterator[Row]:
    """Each row below the header, with the line where it begins; what is no CSV ends them."""
    reader = csv.reader(lines, strict=True)
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


def _csv_refusal(error: csv.Error) -> Callable[[], Example]:
    said = str(error)
    if "unexpected end of data" in said:
        return raiser("a quote is opened and never closed", 'Close it; a quote inside is doubled: "".')
    if "expected after" in said:
        return raiser("text follows a closing quote", 'Double a quote inside a quoted field: "".')
    if "field larger than" in said:
        return raiser(
            f"a field has more than {csv.field_size_limit():,} characters", "Is a quote left open above it?"
        )
    return raiser(f"not CSV: {said}", "Correct it there.")


def _header_refusals(header: list[str]) -> Iterator[Callable[[], Example]]:
    names = [SPELLINGS.get(name) for name in header]
    if len(header) == 1 and names == [None] and re.search(r"[;\t|]", header[0]):
        yield raiser("the columns are not separated by commas", "Save it with commas: text_input,output.")
        return
    for name in header:
        if name not in SPELLINGS:
            refusal = unknown_column(name)
            yield raiser(refusal.summary, f"{refusal.detail} The first line names them.")
            return
    for name in COLUMNS:
        if names.count(name) != 1:
            what = "missing" if name not in names else "there twice"
            yield raiser(f"the column {name} is {what}", "The first line is: text_input,output.")
            return


def _csv_example(header: list[str], cells: list[str]) -> Example:
    if len(cells) != len(header):
        raise RefusedError(
            f"the row has {plural(len(cells), 'field')}, and the header {len(header)}",
            "Put a text that holds a comma in double quotes.",
        )
    row = {SPELLINGS[name]: cell.replace("\r\n", "\n") for name, cell in zip(header, cells, strict=True)}
    return Example(row["text_input"], row["output"])
