"""Parses the lines of a .csv file (RFC 4180, with a header, and any delimiter) into rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from reconciler.datasets import lookalikes
from reconciler.datasets.columns import INSTRUCTION, make_example, refuse_missing
from reconciler.datasets.pairs import COLUMNS, PAIRS_ONLY, SPELLINGS, refuse_name
from reconciler.datasets.rows import Batch, Blanks, Row, Typed, quote_name
from reconciler.datasets.typed_rows import MOST, make_pairs
from reconciler.formats import count_noun
from reconciler.model.data import Example, Layout
from reconciler.problems import Place, Refusal

CELL_LIMIT = 1024 * 1024
"""The most characters of a line or a field. The service allows 45,000 for an example of a TunedModel."""


class Table(Struct, frozen=True):
    """Some rows below the header.

    Attributes:
        numbers: of their first lines.
        rows: their cells.
        width: how many cells the header has.
        positions: of our columns.
    """

    numbers: list[int]
    rows: list[list[str]]
    width: int
    positions: Mapping[str, int]

    def read(self, path: str, layout: Layout) -> Iterator[Row]:
        """Read the rows one by one."""
        for number, cells in zip(self.numbers, self.rows, strict=True):
            yield Place(path, number), _read_cells(cells, self.width, self.positions, layout)

    def make_batch(self, typed: Typed | None) -> Batch | None:
        """Read all rows at once as pairs; None if they must be read one by one."""
        if typed is None or not typed.takes_pairs or {*map(len, self.rows)} != {self.width}:
            return None
        asked, outputs = (self._list_texts(self.positions[name]) for name in COLUMNS)
        if INSTRUCTION in self.positions and any(self._list_texts(self.positions[INSTRUCTION])):
            return None
        longest = typed.longest or (MOST, MOST)  # a cell may be longer than the blocks that it is read in
        return make_pairs(self.numbers, asked, outputs, replace(typed, longest=longest))

    def _list_texts(self, at: int) -> list[str]:
        texts = [cells[at] for cells in self.rows]
        has_breaks = "\r" in "".join(texts)
        return [text.replace("\r\n", "\n") for text in texts] if has_breaks else texts


class _Lines:
    """Lines that come in blocks, which are counted."""

    def __init__(self, blocks: Iterable[Iterable[str]]) -> None:
        self._blocks = blocks
        self.blocks = 0

    def __iter__(self) -> Iterator[str]:
        for block in self._blocks:
            self.blocks += 1
            yield from block


def read_csv(path: str, lines: Iterable[str], layout: Layout) -> Iterator[Row]:
    """Read each row below the header, with its first line. Stop at the first line that is not CSV."""
    for found in read_tables(path, ([line] for line in refuse_long(lines)), layout):
        if isinstance(found, Table):
            yield from found.read(path, layout)
        else:
            yield found


def read_tables(path: str, blocks: Iterable[Iterable[str]], layout: Layout) -> Iterator[Row | Table]:
    """Read each block of lines as a table. Rows that are refused are yielded beside it."""
    csv.field_size_limit(CELL_LIMIT)  # holds for the whole process; Python's default is 131,072
    lines = _Lines(blocks)
    reader = csv.reader(iter(lines), delimiter=layout.delimiter, strict=True)
    blanks, block = Blanks(path), 0
    table: Table | None = None
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield from _close(table)
            yield Place(path, start), _refuse_csv(str(error))
            return
        if lines.blocks != block or not cells:
            block = lines.blocks
            yield from _close(table)
        if cells is None:
            return
        if not cells:
            blanks.note(start)
            continue
        if blanks.is_noted:
            yield from blanks.take("each row holds one example")
        if table is not None:
            table.numbers.append(start)
            table.rows.append(cells)
            continue
        found = _find_named(cells, layout) if layout.columns else _find_ours(cells, layout)
        if isinstance(found, Refusal):
            yield Place(path, start), found
            return
        table = Table([], [], len(cells), found)


def _close(table: Table | None) -> Iterator[Table]:
    """Yield the rows so far, and begin again."""
    if table is not None and table.rows:
        yield replace(table, numbers=[*table.numbers], rows=[*table.rows])
        table.numbers.clear()
        table.rows.clear()


def refuse_long(lines: Iterable[str]) -> Iterator[str]:
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
        return Refusal(
            f"a field has more than {CELL_LIMIT:,} characters",
            "Close a quote that is left open above it, or shorten the text.",
        )
    return Refusal(f"not CSV: {said}", "Correct this line.")


def _find_named(header: Sequence[str], layout: Layout) -> dict[str, int] | Refusal:
    """Find the positions of the columns that the manifest names."""
    columns = layout.columns
    if not any(name in header for name in columns.values()):
        named = lookalikes.name_header(header, layout.delimiter)
        if named is not None:
            return named
    for name in columns.values():
        if name not in header:
            return refuse_missing(name, "column", header)
        if header.count(name) > 1:
            return Refusal(f"the column {quote_name(name)} occurs twice", "Rename one of the two.")
    return {ours: header.index(name) for ours, name in columns.items()}


def _find_ours(header: Sequence[str], layout: Layout) -> dict[str, int] | Refusal:
    """Find the positions of our columns in a file that has no others."""
    names = [SPELLINGS.get(name) for name in header]
    named = None if any(names) else lookalikes.name_header(header, layout.delimiter)
    if named is not None:
        return named
    looks_like_data = not any(names) and not any(map(lookalikes.find_column, header))
    hint = " If it is already an example, put the line text_input,output above it." if looks_like_data else ""
    for name in header:
        if name not in SPELLINGS:
            return refuse_name(name, "column", header, f"{PAIRS_ONLY} The first line must name them.{hint}")
    for name in COLUMNS:
        if names.count(name) != 1:
            problem = "is missing" if name not in names else "occurs twice"
            return Refusal(f"the column {name} {problem}", "The first line is: text_input,output.")
    return {SPELLINGS[name]: at for at, name in enumerate(header)}


def _read_cells(
    cells: Sequence[str], width: int, positions: Mapping[str, int], layout: Layout
) -> Example | Refusal:
    if len(cells) != width:
        sign = "a comma" if layout.delimiter == "," else f"the delimiter {layout.delimiter!r}"
        return Refusal(
            f"the row has {count_noun(len(cells), 'field')}, but the header has {width}",
            "Add the missing field."
            if len(cells) < width
            else f"Put a text that holds {sign} in double quotes.",
        )
    return make_example({name: cells[at].replace("\r\n", "\n") for name, at in positions.items()})
