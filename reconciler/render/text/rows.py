"""Rows of `name = before -> after`. They are aligned, grouped by prefix, and cut so that differences show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from reconciler.model.names import Value
from reconciler.render.terminal import (
    UNLIMITED,
    WORD_LIMIT,
    Paint,
    count_cells,
    cut,
    escape,
    pad,
    quote,
    wrap,
)
from reconciler.render.values import format_value

_COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "red"}
_NAME_LIMIT = 26
_LEAST = 16
"""The least number of cells for a value, even on a narrow terminal."""
_CONTEXT = 6
"""The number of characters that are shown before the first difference of two long texts."""


class Row(Struct, frozen=True):
    """One line of a block.

    Attributes:
        symbol: + ~ - or a space.
        path: dotted. The part before the last dot becomes the group's heading.
        before, after: the values, None if there is none. An arrow joins two values.
        text: shown instead of values. It is already escaped. It is wrapped, never cut.
        remark: shown after the value and never cut ("# forces replacement").
    """

    symbol: str
    path: str
    before: Value | None = None
    after: Value | None = None
    text: str = ""
    remark: str = ""


def choose_colour(symbol: str) -> tuple[str, ...]:
    """Choose the style of a symbol, as arguments of Paint."""
    if symbol in {"+/-", "-/+"}:
        return ("yellow",)
    return (_COLOURS[symbol],) if symbol in _COLOURS else ()


def render_rows(rows: Iterable[Row], *, indent: int, width: int, paint: Paint) -> Iterator[str]:
    """Render the rows. Rows with a common prefix get one heading, in order of appearance."""
    groups: dict[str, list[tuple[str, Row]]] = {"": []}
    for row in rows:
        prefix, _, name = row.path.rpartition(".")
        groups.setdefault(prefix, []).append((escape(name), row))
    for prefix, members in groups.items():
        deeper = 0
        if prefix:
            yield cut(" " * (indent + 2) + escape(prefix), width)
            deeper = 2
        column = min(max((count_cells(name) for name, _ in members), default=0), _NAME_LIMIT)
        for name, row in members:
            yield from _render_row(row, pad(name, column), " " * (indent + deeper), width, paint)


def _render_row(row: Row, name: str, indent: str, width: int, paint: Paint) -> Iterator[str]:
    lead = f"{indent}{row.symbol or ' '} {name} = "
    start = indent + paint(row.symbol or " ", *choose_colour(row.symbol)) + lead[len(indent) + 1 :]
    room = max(width - count_cells(lead), _LEAST) if width != UNLIMITED else UNLIMITED
    remark = f" {row.remark}" if row.remark else ""
    if names := _list_long_names(row, room):
        yield start.rstrip()
        hanging = " " * (len(indent) + 4)
        yield from (hanging + name for name in names)
        if remark:
            yield hanging + paint(row.remark, "red")
        return
    lines = _format_values(row, room)
    if not remark or room == UNLIMITED or count_cells(lines[-1]) + count_cells(remark) <= room:
        yield from _join_lines(lines, paint(remark, "red"), start, len(lead))
        return
    shorter = _format_values(row, room - count_cells(remark)) if room - count_cells(remark) >= _LEAST else []
    if len(shorter) == len(lines):
        yield from _join_lines(shorter, paint(remark, "red"), start, len(lead))
        return
    yield from _join_lines(lines, "", start, len(lead))  # the remark gets its own line, so that it is not cut
    yield " " * max(min(len(lead), width - count_cells(row.remark)), 0) + paint(row.remark, "red")


def _join_lines(lines: list[str], end: str, start: str, hanging: int) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield (" " * hanging if index else start) + line + (end if index == len(lines) - 1 else "")


def _list_long_names(row: Row, room: int) -> list[str]:
    """List the values, if one is a resource name without room: people copy names, so none is cut."""
    values = [value for value in (row.before, row.after) if value is not None]
    if row.text or room == UNLIMITED or not any(_is_long_name(value, room) for value in values):
        return []
    first, *others = map(format_value, values)
    return [first, *(f"-> {other}" for other in others)]


def _is_long_name(value: Value, room: int) -> bool:
    if not isinstance(value, str) or len(quote(value)) <= room or len(value) > WORD_LIMIT:
        return False
    return value.isascii() and value.count("/") > 1 and " " not in value


def _format_values(row: Row, room: int) -> list[str]:
    if row.text:
        return list(wrap(row.text, room))
    if row.before is None or row.after is None:
        value = row.after if row.before is None else row.before
        return ["null" if value is None else _fit(value, room)]
    whole = f"{format_value(row.before)} -> {format_value(row.after)}"
    if room == UNLIMITED or count_cells(whole) <= room:
        return [whole]
    before, after = row.before, row.after
    if isinstance(before, str) and isinstance(after, str):
        return _cut_two_texts(before, after, room)
    return [_fit(before, room), "-> " + _fit(after, room - 3)]


def _cut_two_texts(before: str, after: str, room: int) -> list[str]:
    """Put two long texts below each other. Leave out a common beginning that would hide the difference."""
    shared = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    shared = min(len(before), len(after)) if shared is None else shared
    longest = max(count_cells(quote(before)), count_cells(quote(after)) + 3)
    skip = shared - _CONTEXT if longest > room and shared > _CONTEXT * 2 else 0
    mark = "…" if skip else ""
    return [_fit(mark + before[skip:], room), "-> " + _fit(mark + after[skip:], room - 3)]


def _fit(value: Value, room: int) -> str:
    if not isinstance(value, str) or room == UNLIMITED:
        return cut(format_value(value), room)
    text = quote(value)
    return text if count_cells(text) <= room else cut(text[:-1], room - 1) + '"'
