"""The bill of a plan's trainings: a table where it fits, sentences where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.plan.values import Change
from reconciler.render.bill import bill_text, money, total
from reconciler.render.figures import counted
from reconciler.render.screen import UNLIMITED, Paint, cells, cut, pad, visible, wrap

_LEAST_NAME = 20
_HEADINGS = ("examples", "epochs", "batch", "steps", "characters", "price")


def bill_lines(trainings: Sequence[Change], *, width: int, paint: Paint) -> Iterator[str]:
    """What each training is made of, and all together; nothing when there are none.

    Characters are those seen in all epochs together: what a price is put on.
    """
    if not trainings:
        return
    yield ""
    yield paint(f"The bill, {counted(len(trainings), 'training')}:", "bold")
    priced = any(one.bill is not None and one.bill.price is not None for one in trainings)
    table = [_figures(change, priced=priced) for change in trainings]
    last = _total_figures(trainings, priced=priced)
    headings = _HEADINGS if priced else _HEADINGS[:-1]
    columns = [
        max(len(heading), *(len(row[index]) for row in (*table, last)))
        for index, heading in enumerate(headings)
    ]
    names = [visible(str(change.address)) for change in trainings]
    longest = max(cells(name) for name in (*names, "model"))
    room = longest if width == UNLIMITED else min(longest, width - 2 - sum(columns) - 2 * len(columns))
    if room < min(longest, _LEAST_NAME):
        yield from _sentences(trainings, width)
        return
    yield paint(_line("model", headings, columns, room), "dim")
    for name, figures in zip(names, table, strict=True):
        yield _line(name, figures, columns, room)
    if len(trainings) > 1:
        yield _line("total", last, columns, room)
    yield from _footnotes(trainings, width)


def _figures(change: Change, *, priced: bool) -> list[str]:
    bill = change.bill
    if bill is None:
        return ["?"] * (len(_HEADINGS) - (not priced))
    mark = "*" if bill.estimated else ""
    figures = [
        f"{bill.examples:,}",
        f"{bill.epochs:,}",
        f"{bill.batch:,}" if bill.batch else "-",
        f"{bill.steps:,}{mark}" if bill.steps else "-",
        f"{bill.trained_characters:,}{mark}",
    ]
    if priced:
        figures.append("?" if bill.price is None else money(bill.price, bill.currency) + mark)
    return figures


def _total_figures(trainings: Sequence[Change], *, priced: bool) -> list[str]:
    sums = total(trainings)
    mark = "*" if sums.estimated else ""
    steps = f"{sums.steps:,}{mark}" if sums.steps else "-"
    figures = [f"{sums.examples:,}", "", "", steps, f"{sums.characters:,}{mark}"]
    return [*figures, sums.amount + mark] if priced else figures


def _line(name: str, figures: Sequence[str], columns: Sequence[int], room: int) -> str:
    cells_of = "".join(f"  {figure:>{column}}" for figure, column in zip(figures, columns, strict=True))
    return "  " + pad(cut(name, room), room) + cells_of


def _sentences(trainings: Sequence[Change], width: int) -> Iterator[str]:
    for change in trainings:
        yield cut(f"  {visible(str(change.address))}", width)
        text = bill_text(change.bill) if change.bill else "unknown"
        yield from wrap(text, width, indent=" " * 4)
    if len(trainings) > 1:
        yield "  total"
        yield from wrap(str(total(trainings)), width, indent=" " * 4)


def _footnotes(trainings: Sequence[Change], width: int) -> Iterator[str]:
    sums = total(trainings)
    if sums.prices and sums.unpriced:
        yield from wrap(
            f"? no price is known for {sums.unpriced:,} of them", width, indent="  ", hanging="    "
        )
    if sums.estimated:
        yield from wrap(
            "* estimated: a default of the service was assumed", width, indent="  ", hanging="    "
        )
