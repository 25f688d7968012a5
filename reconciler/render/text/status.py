"""The condition of every model as a table: what `status` prints.

Names are never cut, because two could become the same. A column that is empty in all rows is left out. What a
table has no room for stands below its row, and a narrow terminal gets a list instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from reconciler.bases import strip_publisher
from reconciler.formats import count_noun, format_age, format_duration
from reconciler.plan.status import Condition, ModelStatus, is_training
from reconciler.render.status import count_conditions, find_tone
from reconciler.render.terminal import UNLIMITED, Paint, count_cells, escape, pad, wrap, wrap_items
from reconciler.render.values import format_loss

_ROOMY = 80
"""A narrower terminal gets a list if it has no room for every column."""

_STYLES = {"good": "green", "bad": "red", "soft": "dim", "wait": "yellow"}

_NEXT_STEPS = {
    Condition.TRAINED: "To promote what is trained: reconciler wait",
    Condition.COPIED: "To promote what is copied: reconciler wait",
    Condition.UNCHECKED: "To run the checks again that did not finish: reconciler wait",
    Condition.QUOTA: "To send what waits for quota: reconciler wait",
    Condition.NOT_STARTED: "To begin what is not started: reconciler apply",
    Condition.NOT_TRAINED: "To train what is not trained yet: reconciler apply",
    Condition.NOT_COPIED: "To copy what is not copied yet: reconciler apply",
    Condition.NOT_RECORDED: "To see which live models apply would record: reconciler plan",
    Condition.MISSING: "To see what is missing: reconciler drift",
}


class _Column(Struct, frozen=True):
    """One column of the table.

    Attributes:
        label: how its value is written where there is no column: "loss {}".
        priority: a terminal without room for all columns leaves out those with the lowest first. Columns of
            the same priority stay together.
        is_number: aligned right.
    """

    title: str
    format: Callable[[ModelStatus], str]
    label: str
    priority: int
    is_number: bool = False


def _format_percent(model: ModelStatus) -> str:
    percent = model.progress.percent if model.progress else None
    return "" if percent is None else f"{percent:.0f}%"


def _format_remaining(model: ModelStatus) -> str:
    remaining = model.progress.remaining if model.progress else None
    return "" if remaining is None else format_duration(remaining)


def _format_base(model: ModelStatus) -> str:
    return escape(strip_publisher(model.base.name)) if model.base else ""


def _format_days(model: ModelStatus) -> str:
    """Write the days that are left to a base model. "+" marks a date that may move, and only to later."""
    base = model.base
    if base is None or base.days_left is None:
        return ""
    return f"{max(base.days_left, 0):,}{'+' if base.or_later else ''}"


def _format_mean_loss(model: ModelStatus) -> str:
    return "" if model.mean_loss is None else format_loss(model.mean_loss)


_ADDRESS = _Column("address", lambda model: escape(str(model.address)), "{}", 11)
_CONDITION = _Column("condition", lambda model: model.condition, "{}", 10)
_DAYS = _Column("days left", _format_days, "days left {}", 3, is_number=True)
_ENDPOINT = _Column("endpoint", lambda model: escape(model.endpoint), "endpoint {}", 1)
_COLUMNS = (
    _ADDRESS,
    _CONDITION,
    _Column("percent", _format_percent, "{}", 9, is_number=True),
    _Column("time left", _format_remaining, "{} left", 8, is_number=True),
    _Column("base", _format_base, "base {}", 3),
    _DAYS,
    _Column(
        "examples",
        lambda model: f"{model.examples:,}" if model.examples else "",
        "examples {}",
        4,
        is_number=True,
    ),
    _Column("loss", _format_mean_loss, "loss {}", 6, is_number=True),
    _Column("checks", lambda model: model.verdict, "checks {}", 7),
    _Column(
        "age", lambda model: "" if model.age is None else format_age(model.age), "age {}", 5, is_number=True
    ),
    _ENDPOINT,
)
"""From left to right."""


def render_status(models: Sequence[ModelStatus], *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render a row for each model, what is to be said of it below, and a count of each condition."""
    if not models:
        yield "No model is declared or recorded."
        return
    paint = Paint(colour)
    cells = [{column: column.format(model) for column in _COLUMNS} for model in models]
    used = [column for column in _COLUMNS if any(row[column] for row in cells)]
    widths = {
        column: max(count_cells(column.title), *(count_cells(row[column]) for row in cells))
        for column in used
    }
    shown = _choose_columns(used, widths, width)
    rest = [column for column in used if column not in shown]
    if shown:
        yield paint(_join([_pad(column, column.title, widths[column]) for column in shown]), "dim")
    for model, row in zip(models, cells, strict=True):
        facts = [column.label.format(row[column]) for column in rest if row[column]]
        remarks = [facts.pop()] if row[_ENDPOINT] and _ENDPOINT in rest else []  # long, and often copied
        if shown:
            yield _join([_paint_cell(model, column, row, widths[column], paint) for column in shown])
        else:
            _, condition, *facts = facts
            yield row[_ADDRESS]
            yield f"    {paint(condition, *_choose_style(model, _CONDITION))}"
        if facts:
            yield from wrap_items(facts, width, indent="    ")
        for text in (*remarks, *_list_remarks(model)):
            yield from wrap(text, width, indent="    ")
    yield ""
    yield from _count(models, width)


def fit_status(
    models: Sequence[ModelStatus], room: int, *, seconds: float = 0.0, colour: bool, width: int
) -> list[str]:
    """Render the table as it is probably `seconds` after the look, into `room` lines.

    If they are too few, what is in training or being copied comes first.
    """

    def render(shown: Sequence[ModelStatus]) -> list[str]:
        return list(
            render_status([model.add_seconds(seconds) for model in shown], colour=colour, width=width)
        )

    if len(models) <= room:
        lines = render(models)
        if len(lines) <= room:
            return lines
    first = sorted(models, key=lambda model: not is_training([model]))[:room]
    return [
        *render(first)[: max(room - 2, 0)],
        "… and more than this terminal has room for",
        *_count(models, UNLIMITED),
    ]


def list_next_steps(models: Sequence[ModelStatus]) -> list[str]:
    """List what people can do about the conditions of these models, each with its command."""
    found = {model.condition for model in models}
    return [step for condition, step in _NEXT_STEPS.items() if condition in found]


def _choose_columns(used: Sequence[_Column], widths: Mapping[_Column, int], width: int) -> list[_Column]:
    """Choose the columns that a terminal has room for. None if it has no room for a table."""
    shown = list(used)
    while width != UNLIMITED and sum(widths[column] + 2 for column in shown) - 2 > width:
        lowest = min(column.priority for column in shown)
        shown = [column for column in shown if column.priority != lowest]
    is_table = len(shown) == len(used) or (width >= _ROOMY and _CONDITION in shown)
    return shown if is_table else []


def _paint_cell(
    model: ModelStatus, column: _Column, row: Mapping[_Column, str], width: int, paint: Paint
) -> str:
    return paint(_pad(column, row[column], width), *_choose_style(model, column))


def _choose_style(model: ModelStatus, column: _Column) -> tuple[str, ...]:
    if column is _CONDITION:
        return (_STYLES[find_tone(model.condition)],)
    if column is _DAYS and model.base is not None and model.base.is_near:
        return ("red" if (model.base.days_left or 0) <= 0 else "yellow",)
    return ()


def _pad(column: _Column, text: str, width: int) -> str:
    return " " * (width - count_cells(text)) + text if column.is_number else pad(text, width)


def _join(cells: Sequence[str]) -> str:
    return "  ".join(cells).rstrip()


def _list_remarks(model: ModelStatus) -> Iterator[str]:
    """List why a model is in its condition, and the deposed models of its address."""
    if model.reason:
        yield escape(model.reason)
    for (kept, is_protected), count in Counter(
        (deposed.kept_until, deposed.is_protected) for deposed in model.deposed
    ).items():
        noun = count_noun(count, "deposed model")
        if is_protected:
            yield f"{noun} kept: prevent_destroy protects {'it' if count == 1 else 'them'}"
        else:
            yield f"{noun} kept until {escape(kept)}" if kept else f"{noun} to be deleted"


def _count(models: Sequence[ModelStatus], width: int) -> Iterator[str]:
    """Count the models in each condition: 2 serving, 1 training."""
    counted = [f"{count:,} {condition}" for condition, count in count_conditions(models)]
    mark = ";" if any(", " in words for words in counted) else ","
    *first, last = counted
    yield from wrap_items([*first, f"{last}."], width, mark=mark)
