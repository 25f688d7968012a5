"""A plan or a drift report as Markdown that fits a pull-request comment.

The first line is a stable marker, by which a bot finds its own comment. The summary always follows. Then
come a table with the most dangerous changes first, and the folded details. GitHub accepts 65,536 characters.
Blocks that do not fit are left out whole, and named.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct

from reconciler.formats import count_noun
from reconciler.plan.change import Action, Change, Drift, Plan
from reconciler.plan.inputs import Context
from reconciler.plan.steps import ReportFailure, find_step
from reconciler.render import words
from reconciler.render.bill import sum_bills
from reconciler.render.drift_words import describe_subject, find_drift_words, summarize_drift
from reconciler.render.terminal import cut, escape
from reconciler.render.text.plan import render_change_body, render_drift_body

MAX_CHARS = 60_000

_ESCAPED = {
    **{mark: f"\\{mark}" for mark in "\\`*_{}[]#!~"},
    # a backslash does not escape these in tables, HTML and formulas
    **{mark: f"&#{ord(mark)};" for mark in "|<>&$"},
}
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=[A-Za-z0-9])")
_UNMENTIONED = "@\u200b"
"""An at sign that mentions nobody. GitHub decodes entities before it looks for mentions."""
_DIFF = {"+": "+", "-": "-", "~": "!", "!": "-"}
_SIGN = re.compile(r"( *)([-+~!]) (.*)")
_CELL = 160
_TITLE = 400
_LINE = 1_000
_LEAST_DETAILS = 120
_RELEASED = 10
"""The number of sentences about released fields. A comment has no room for thousands."""
_KEPT = 10
"""The number of kept deposed models that are named."""


class _Block(Struct, frozen=True):
    """One model: its row of the table, and its folded details, which are made if there is room for them.

    `name` is listed if the details are left out. `foldable`: the details say more than the row.
    """

    name: str
    row: str
    foldable: bool
    details: Callable[[], str]


def render_plan_comment(plan: Plan, *, max_chars: int = MAX_CHARS) -> str:
    """Render the plan as a comment of at most `max_chars` characters (code points)."""
    shown = (
        change for change in plan.changes if change.is_change or change.is_due or change.action is Action.WAIT
    )
    changes = sorted(shown, key=lambda change: (words.find_wording(change).rank, change.key))
    head = [_describe_context(plan.context)]
    if plan.trainings:
        head.insert(0, f"Bill: {_escape(str(sum_bills(plan.trainings)))}")
    if copied := words.describe_copies(plan):
        head.insert(1 if plan.trainings else 0, _escape(copied))
    if plan.inputs.targets or plan.inputs.excludes:
        head.append("Note: `--target` or `--exclude` is in effect: this plan is a part of what is declared")
    said = [*plan.notes, *words.list_released_fields(plan)[:_RELEASED], *words.list_kept(plan)[:_KEPT]]
    head += [f"Note: {_escape(note)}" for note in said]
    if plan.drift:
        head.append(_escape(summarize_drift(plan.drift)))
    return _compose(
        [_make_marker("plan", plan.context), f"**{_escape(words.summarize_plan(plan))}**"],
        head,
        "| | model | action | why | where |\n|---|---|---|---|---|",
        map(_make_change_block, changes),
        max_chars,
    )


def render_drift_comment(drifts: Sequence[Drift], context: Context, *, max_chars: int = MAX_CHARS) -> str:
    """Render the drift report as a comment of at most `max_chars` characters."""
    return _compose(
        [_make_marker("drift", context), f"**{_escape(summarize_drift(drifts))}**"],
        [_describe_context(context)],
        "| | model | finding | detail |\n|---|---|---|---|",
        map(_make_drift_block, sorted(drifts, key=lambda drift: not drift.fails)),
        max_chars,
    )


def _compose(always: list[str], head: list[str], table: str, blocks: Iterable[_Block], max_chars: int) -> str:
    """Join head, rows and details as far as they fit, and name the models that do not fit."""
    start = "\n\n".join(always)
    reserve = min(600, max_chars // 4)
    room = max_chars - reserve - len(start)
    if room < 0:
        return start[:max_chars]
    parts = [start]
    for line in head:
        if len(line) + 2 <= room:
            parts.append(line)
            room -= len(line) + 2
    found = list(blocks)
    rows = _count_fitting([block.row for block in found], room // 3 - len(table) - 2) if found else 0
    if rows:
        parts.append("\n".join([table, *(block.row for block in found[:rows])]))
        room -= len(parts[-1]) + 2
    missing: list[str] = []
    for index, block in enumerate(found):
        if index < rows and not block.foldable:
            continue  # its row says everything
        details = block.details() if room > _LEAST_DETAILS else ""
        if details and len(details) + 2 <= room:
            parts.append(details)
            room -= len(details) + 2
        else:
            missing.append(block.name)
    if missing:
        left = max_chars - sum(len(part) + 2 for part in parts)
        parts.append(_name_missing(missing, len(found) - rows, left))
    return "\n\n".join(part for part in parts if part)


def _count_fitting(rows: Sequence[str], room: int) -> int:
    """Count the rows that fit, from the first on."""
    for count, row in enumerate(rows):
        room -= len(row) + 1
        if room < 0:
            return count
    return len(rows)


def _name_missing(names: Sequence[str], rows: int, room: int) -> str:
    """Name the models that were left out, as far as the names fit. "" if not even the sentence fits."""
    lead = "Cut to fit. "
    lead += f"{count_noun(rows, 'model is', 'models are')} not in the table. " if rows else ""
    lead += f"The details of {count_noun(len(names), 'model')} are left out: "
    tail = f", … and {len(names):,} more"
    named = ""
    shown = 0
    for name in names:
        longer = f"{named}, {name}" if named else name
        if len(lead) + len(longer) + len(tail) > room:
            break
        named, shown = longer, shown + 1
    if not named:
        return lead.rstrip(": ") if len(lead) <= room else ""
    rest = len(names) - shown
    return lead + named + (f", … and {rest:,} more" if rest else "")


def _make_marker(report: str, context: Context) -> str:
    stack = re.sub(r"[^A-Za-z0-9_.]+", "-", context.stack)  # "--" would end the comment
    return f"<!-- reconciler:{report} stack={stack} -->"


def _describe_context(context: Context) -> str:
    stack = f", stack {escape(context.stack)}" if context.stack else ""
    return _escape(words.describe_context(context) + stack)


def _escape(text: str, limit: int = _TITLE) -> str:
    """Escape text that others wrote. It is shown literally, without markup, HTML or mentions."""
    shown = "".join(_ESCAPED.get(character, character) for character in cut(escape(text), limit))
    return _MENTION.sub(_UNMENTIONED, shown)


def _escape_html(text: str) -> str:
    """Escape text that others wrote, inside an HTML element."""
    return _MENTION.sub(_UNMENTIONED, html.escape(cut(escape(text), _TITLE)))


def _make_row(*cells: str) -> str:
    return "| " + " | ".join(_escape(cell, _CELL) for cell in cells) + " |"


def _make_change_block(change: Change) -> _Block:
    name, wording = words.name_subject(change), words.find_wording(change)
    deposed = f" (deposed {escape(change.id)})" if change.deposed else ""
    failure = find_step(change.steps, ReportFailure)
    why = (failure.error if failure else "") or str(change.reason)
    row = _make_row(wording.symbol, name, wording.phrase, why, change.place)
    title = f"<b>{_escape_html(name)}</b> {_escape_html(wording.phrase)}"
    details = partial(_fold_details, title, render_change_body(change))
    return _Block(_escape(name + deposed), row, change.action is not Action.WAIT, details)


def _make_drift_block(drift: Drift) -> _Block:
    name, wording = describe_subject(drift), find_drift_words(drift)
    found = wording.phrase + ("" if drift.fails else " (note)")
    paths = [escape(field.path) for field in drift.fields] + ["permissions"] * bool(drift.permissions)
    row = _make_row(wording.symbol, name, found, drift.detail or ", ".join(paths))
    title = f"<b>{_escape_html(name)}</b> {_escape_html(wording.phrase)}"
    foldable = bool(drift.fields or drift.permissions or len(drift.detail) > _CELL)
    return _Block(_escape(name), row, foldable, partial(_fold_details, title, render_drift_body(drift)))


def _fold_details(title: str, body: Iterable[str]) -> str:
    """Fold the body. It is marked as a diff, so that GitHub colours it."""
    lines = [_format_diff_line(cut(line, _LINE)) for line in body]
    ticks = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(ticks + 1, 3)
    return "\n".join(
        ["<details>", f"<summary>{title}</summary>", "", f"{fence}diff", *lines, fence, "", "</details>"]
    )


def _format_diff_line(line: str) -> str:
    if match := _SIGN.fullmatch(line):
        indent, sign, rest = match.groups()
        return f"{_DIFF[sign]}{indent[4:]} {rest}"
    return " " + line[4:]
