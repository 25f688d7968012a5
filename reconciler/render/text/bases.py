"""The table of base models for people, with the models that are tuned from each base model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from reconciler.bases import WARN_WITHIN
from reconciler.formats import count_noun, format_date
from reconciler.plan.base_models import BaseUse
from reconciler.render.terminal import Paint, count_cells, escape, pad, wrap

_COLUMNS = ("base model", "tune", "retires", "left", "instead")
_NARROW = 3
"""Columns that a narrow terminal has room for. The other two stand on a line of their own there."""
_LISTED = 10
"""Addresses that are named for one base model."""


def render_bases(uses: Sequence[BaseUse], today: date, *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render the table, a part for each kind.

    Args:
        uses: the rows, those of our own models first.
        today: the day that the dates are judged by.
        colour: whether escape sequences may be used.
        width: cells a line, 0 for no limit.
    """
    paint = Paint(colour)
    newest = max((use.base.read for use in uses), default="")
    read = f", as documents read on {format_date(date.fromisoformat(newest))} say" if newest else ""
    yield from wrap(f"Base models on {format_date(today)}{read}.", width)
    for kind, group in groupby(uses, key=lambda use: use.kind):
        members = list(group)
        cells = [_COLUMNS, *(_list_cells(use) for use in members)]
        widths = [max(count_cells(row[column]) for row in cells) for column in range(len(_COLUMNS))]
        is_wide = not width or 2 + sum(widths) + 2 * (len(widths) - 1) <= width
        shown = widths if is_wide else widths[:_NARROW]
        yield ""
        yield paint(escape(kind), "bold")
        yield paint(_join(_COLUMNS, shown), "dim")
        for use, row in zip(members, cells[1:], strict=True):
            yield paint(_join(row, shown), *_choose_style(use))
            for line in _list_remarks(use, row, is_wide=is_wide):
                yield from wrap(line, width, indent=" " * 6)


def _join(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  " + "  ".join(pad(text, width) for text, width in zip(row, widths, strict=False)).rstrip()


def _list_cells(use: BaseUse) -> tuple[str, ...]:
    base = use.base
    tune = ("yes" if base.tunable else "no") if use.is_known else "?"
    day = format_date(date.fromisoformat(base.retires)) if base.retires else "not known"
    retires = f"not before {day}" if base.or_later and base.retires else day
    return escape(base.name), tune, retires, _count_days(use), escape(use.replacement)


def _count_days(use: BaseUse) -> str:
    if use.days_left is None:
        return ""
    if use.days_left > 0:
        return count_noun(use.days_left, "day")
    return "over" if not use.base.or_later else "any day"


def _choose_style(use: BaseUse) -> tuple[str, ...]:
    """Choose the style of a row. Only rows with models of ours are coloured."""
    if not use.addresses:
        return ("dim",) if not use.base.tunable else ()
    if use.days_left is not None and use.days_left <= 0:
        return ("red",)
    return ("yellow",) if use.days_left is not None and use.days_left <= WARN_WITHIN else ("green",)


def _list_remarks(use: BaseUse, row: Sequence[str], *, is_wide: bool) -> Iterator[str]:
    """List what stands below a row: what has no room in it, the models, and what is uncertain."""
    left, instead = row[_NARROW:]
    rest = [f"{left} left"] if use.days_left is not None and use.days_left > 0 else []
    rest += [f"instead: {instead}"] if instead else []
    if not is_wide and rest:
        yield "; ".join(rest)
    if use.addresses:
        names = [escape(str(address)) for address in use.addresses[:_LISTED]]
        more = len(use.addresses) - _LISTED
        yield ", ".join(names) + (f" and {more:,} more" if more > 0 else "")
    if use.base.doubt:
        yield escape(use.base.doubt)
    if use.base.place:
        yield f"according to {escape(use.base.place)}"
