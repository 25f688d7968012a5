"""Rows of `name = before -> after`: aligned, grouped by prefix, cut to the width around what differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.model import Value
from reconciler.render.formats import value_text
from reconciler.render.terminal import UNLIMITED, Paint, cells, cut, pad, quoted, visible, wrap

_COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "red"}
_NAME_LIMIT = 26
_LEAST = 16
"""Cells that a value gets at least, however narrow the terminal."""
_CONTEXT = 6
"""Characters kept before the first difference of two long texts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a block.

    Attributes:
        symbol: + ~ - or a space.
        path: dotted; what stands before the last dot becomes the group's heading.
        before, after: None where there is none; with both, an arrow stands between.
        text: instead of values: already fit for a terminal, wrapped rather than cut.
        remark: kept whole behind the value ("# forces replacement").
    """

    symbol: str
    path: str
    before: Value | None = None
    after: Value | None = None
    text: str = ""
    remark: str = ""


def colour_of(symbol: str) -> tuple[str, ...]:
    """The style of a symbol, as arguments of Paint."""
    if symbol in {"+/-", "-/+"}:
        return ("yellow",)
    return (_COLOURS[symbol],) if symbol in _COLOURS else ()


def row_lines(rows: Iterable[Row], *, indent: int, width: int, paint: Paint) -> Iterator[str]:
    """The rows as lines; those with a common prefix stand under one heading, in order of appearance."""
    groups: dict[str, list[tuple[str, Row]]] = {"": []}
    for row in rows:
        prefix, _, name = row.path.rpartition(".")
        groups.setdefault(prefix, []).append((visible(name), row))
    for prefix, members in groups.items():
        deeper = 0
        if prefix:
            yield cut(" " * (indent + 2) + visible(prefix), width)
            deeper = 2
        column = min(max((cells(name) for name, _ in members), default=0), _NAME_LIMIT)
        for name, row in members:
            yield from _row(row, pad(name, column), " " * (indent + deeper), width, paint)


def _row(row: Row, name: str, indent: str, width: int, paint: Paint) -> Iterator[str]:
    lead = f"{indent}{row.symbol or ' '} {name} = "
    start = indent + paint(row.symbol or " ", *colour_of(row.symbol)) + lead[len(indent) + 1 :]
    room = max(width - cells(lead), _LEAST) if width != UNLIMITED else UNLIMITED
    remark = f" {row.remark}" if row.remark else ""
    lines = _values(row, room)
    if not remark or room == UNLIMITED or cells(lines[-1]) + cells(remark) <= room:
        yield from _stacked(lines, paint(remark, "red"), start, len(lead))
        return
    shorter = _values(row, room - cells(remark)) if room - cells(remark) >= _LEAST else []
    if len(shorter) == len(lines):
        yield from _stacked(shorter, paint(remark, "red"), start, len(lead))
        return
    yield from _stacked(lines, "", start, len(lead))  # a line of its own rather than be lost
    yield " " * max(min(len(lead), width - cells(row.remark)), 0) + paint(row.remark, "red")


def _stacked(lines: list[str], end: str, start: str, hanging: int) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield (" " * hanging if index else start) + line + (end if index == len(lines) - 1 else "")


def _values(row: Row, room: int) -> list[str]:
    if row.text:
        return list(wrap(row.text, room))
    if row.before is None or row.after is None:
        value = row.after if row.before is None else row.before
        return ["null" if value is None else _fit(value, room)]
    whole = f"{value_text(row.before)} -> {value_text(row.after)}"
    if room == UNLIMITED or cells(whole) <= room:
        return [whole]
    before, after = row.before, row.after
    if isinstance(before, str) and isinstance(after, str):
        return _two_texts(before, after, room)
    return [_fit(before, room), "-> " + _fit(after, room - 3)]


def _two_texts(before: str, after: str, room: int) -> list[str]:
    """Two long texts below each other, their common beginning left out where the difference would be cut."""
    shared = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    shared = min(len(before), len(after)) if shared is None else shared
    longest = max(cells(quoted(before)), cells(quoted(after)) + 3)
    skip = shared - _CONTEXT if longest > room and shared > _CONTEXT * 2 else 0
    mark = "…" if skip else ""
    return [_fit(mark + before[skip:], room), "-> " + _fit(mark + after[skip:], room - 3)]


def _fit(value: Value, room: int) -> str:
    if not isinstance(value, str) or room == UNLIMITED:
        return cut(value_text(value), room)
    text = quoted(value)
    return text if cells(text) <= room else cut(text[:-1], room - 1) + '"'
