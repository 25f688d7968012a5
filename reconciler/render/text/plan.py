"""A plan and a drift report for people, in Terraform's style.

A model that does not change is not printed. The first line says where the plan would be applied. Then come a
block for each change and the bill of the trainings. The last line counts the changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reconciler.difference import FieldChange, PermissionChange
from reconciler.formats import count_noun
from reconciler.plan.change import Action, Change, Drift, Plan
from reconciler.plan.inputs import Context
from reconciler.plan.steps import ReportFailure, SetPermissions, find_step
from reconciler.render import words
from reconciler.render.drift_words import describe_subject, find_drift_words, summarize_drift
from reconciler.render.terminal import UNLIMITED, Paint, escape, put_side_by_side, wrap, wrap_items
from reconciler.render.text.bill import render_bill
from reconciler.render.text.rows import Row, choose_colour, render_rows

_FORCES = "# forces replacement"
_PLAIN = Paint(colour=False)
_LISTED = 10
"""The number of models that are named in a list that is only for information."""


def render_plan(plan: Plan, *, colour: bool, width: int = 80, show_header: bool = True) -> Iterator[str]:
    """Render the whole plan.

    Args:
        plan: what to show.
        colour: whether escape sequences may be used.
        width: cells of a line, 0 for no limit, as in a pipe: scripts read the first and the last line.
        show_header: False leaves out the first line and the legend (a saved plan shown again, a test).
    """
    lines = _render_plan(plan, Paint(colour), width, show_header=show_header)
    first = next(lines)
    if first:  # without a header, leave out the blank line that would follow it
        yield first
    yield from lines


def _render_plan(plan: Plan, paint: Paint, width: int, *, show_header: bool) -> Iterator[str]:
    shown = [
        change
        for change in plan.changes
        if change.is_due or (change.is_change and change.action is not Action.WAIT)
    ]
    if show_header:
        yield from _render_header(plan.context, width, paint)
    yield from _render_notes(plan, width, paint)
    yield from _render_drift_section(plan.drift, width, paint)
    if shown and show_header:
        yield ""
        yield from _render_legend(shown, width, paint)
    for change in shown:
        yield ""
        yield from _render_change_title(change, width, paint)
        yield from render_change_body(change, width, paint)
    yield from _render_waiting(plan, width, paint)
    yield from _render_noted(plan, width, paint)
    yield from _render_released(plan, width)
    yield from render_bill(plan.trainings, width=width, paint=paint)
    if copied := words.describe_copies(plan):
        yield ""
        yield from wrap(copied, width)
    yield ""
    yield from (paint(line, "bold") for line in wrap(words.summarize_plan(plan), width))


def render_drift(
    drifts: Sequence[Drift], context: Context, *, colour: bool, width: int = 80
) -> Iterator[str]:
    """Render a drift report: the service, each finding with its fields, and the count."""
    paint = Paint(colour)
    yield from _render_header(context, width, paint)
    for drift in drifts:
        yield ""
        found = find_drift_words(drift)
        style = choose_colour(found.symbol) if drift.fails else ("dim",)
        title = f"{describe_subject(drift)} {found.phrase}{'' if drift.fails else ' (note)'}"
        yield from _render_title(found.symbol, title, style, width, paint)
        yield from render_drift_body(drift, width, paint)
    yield ""
    yield from (paint(line, "bold") for line in wrap(summarize_drift(drifts), width))


def render_drift_body(drift: Drift, width: int = UNLIMITED, paint: Paint = _PLAIN) -> Iterator[str]:
    """Render the lines below the title of a finding."""
    if drift.detail:
        yield from wrap(escape(drift.detail), width, indent=" " * 6)
    rows = [*_list_field_rows(drift.fields, removed="-"), *_list_permission_rows(drift.permissions)]
    yield from render_rows(rows, indent=6, width=width, paint=paint)


def _render_header(context: Context, width: int, paint: Paint) -> Iterator[str]:
    if context == Context():
        return
    parts = [*words.list_context(context), *([f"stack {escape(context.stack)}"] if context.stack else [])]
    yield from (paint(line, "bold") for line in wrap_items(parts, width))


def _render_notes(plan: Plan, width: int, paint: Paint) -> Iterator[str]:
    lines = list(plan.notes)
    if plan.inputs.targets or plan.inputs.excludes:
        lines.insert(0, "--target or --exclude is in effect: this plan is a part of what is declared.")
    for line in lines:
        yield ""
        first, *rest = wrap(escape(line), width, indent="Note: ", hanging=" " * 4)
        yield paint("Note:", "yellow") + first.removeprefix("Note:")
        yield from rest


def _render_legend(changes: Iterable[Change], width: int, paint: Paint) -> Iterator[str]:
    for mark, meaning in words.list_legend(changes):
        lines = list(wrap(meaning, width, indent=" " * 4))
        yield f"{paint(f'{mark:>3}', *choose_colour(mark))} {lines[0].strip()}"
        yield from lines[1:]


def _render_title(mark: str, title: str, style: tuple[str, ...], width: int, paint: Paint) -> Iterator[str]:
    lines = list(wrap(title, width, indent=" " * 4, hanging=" " * 6))
    yield paint(f"{mark:>3}", *style) + " " + paint(lines[0][4:], "bold")
    yield from (" " * 6 + paint(line[6:], "bold") for line in lines[1:])


def _render_change_title(change: Change, width: int, paint: Paint) -> Iterator[str]:
    found = words.find_wording(change)
    title = f"{words.name_subject(change)} {found.phrase}"
    yield from _render_title(found.symbol, title, choose_colour(found.symbol), width, paint)


def render_change_body(change: Change, width: int = UNLIMITED, paint: Paint = _PLAIN) -> Iterator[str]:
    """Render the lines below the title of a change."""
    why = f"{escape(change.reason)} ({where})" if (where := escape(change.place)) else ""
    why = why if change.reason and why else escape(change.reason) or where
    if why:
        yield from (" " * 6 + paint(line, "dim") for line in wrap(why, _narrow(width)))
    if failure := find_step(change.steps, ReportFailure):
        if failure.error:
            error = failure.error.removeprefix(f"{change.reason}: ")  # the reason stands above
            for line in wrap(f"error: {escape(error)}", _narrow(width)):
                yield " " * 6 + paint(line, "red")
        yield from wrap(escape(failure.advice), width, indent=" " * 6)
    yield from render_rows(_list_rows(change), indent=6, width=width, paint=paint)
    for sentence in words.list_consequences(change):
        for index, line in enumerate(wrap(sentence, width - 8 if width else width)):
            yield " " * 6 + paint(("  " if index else "# ") + line, "dim")


def _narrow(width: int) -> int:
    return width - 6 if width != UNLIMITED else UNLIMITED


def _list_rows(change: Change) -> Iterator[Row]:
    """List the values that are set: all values of a new model, or those that differ."""
    is_new = change.action is Action.CREATE
    if is_new and not change.fields:
        for path, value in (change.after or {}).items():
            yield Row("+", path, after=value)
    yield from _list_field_rows(change.fields)
    for data_change in change.data:
        remark = _FORCES if data_change.forces_replacement else ""
        mark = "+" if not data_change.before_digest else "-" if not data_change.after_digest else "~"
        text = words.describe_data_change(data_change)
        yield Row(mark, _get_last_key(data_change.field), text=text, remark=remark)
    changed = {data_change.field for data_change in change.data}
    for data in change.datasets if is_new else ():
        if data.field not in changed:
            yield Row("+", _get_last_key(data.field), text=words.describe_data(data))
    if grants := find_step(change.steps, SetPermissions):
        yield from _list_permission_rows(grants.changes)


def _get_last_key(path: str) -> str:
    return path.rpartition(".")[2]


def _list_field_rows(fields: Iterable[FieldChange], *, removed: str = "") -> Iterator[Row]:
    for field in fields:
        remark = _FORCES if field.forces_replacement else ""
        if field.after is None:
            left = remark or ("" if removed else "# no longer declared, left as it is")
            yield Row(removed, field.path, before=field.before, remark=left)
        else:
            mark = "+" if field.before is None else "~"
            yield Row(mark, field.path, field.before, field.after, remark=remark)


def _list_permission_rows(permissions: Iterable[PermissionChange]) -> Iterator[Row]:
    for grant in permissions:
        if grant.before is not None and grant.after is not None:
            role = escape(grant.after.role)
            yield Row("~", "permission", text=f"{escape(str(grant.before))} -> {role}")
        elif grant.after is not None:
            yield Row("+", "permission", text=escape(str(grant.after)))
        else:
            yield Row("-", "permission", text=escape(str(grant.before)))


def _render_waiting(plan: Plan, width: int, paint: Paint) -> Iterator[str]:
    waiting = [change for change in plan.changes if change.action is Action.WAIT]
    for is_copy, said in ((False, "Still training"), (True, "Still being copied")):
        of_sort = [change for change in waiting if change.is_copy is is_copy]
        if not of_sort:
            continue
        yield ""
        yield f"{said} ({len(of_sort):,}), nothing to approve:"
        for change in of_sort[:_LISTED]:
            yield from put_side_by_side(escape(str(change.address)), escape(change.id), width, indent=" " * 4)
        if len(of_sort) > _LISTED:
            yield paint(f"    … and {len(of_sort) - _LISTED:,} more", "dim")


def _render_noted(plan: Plan, width: int, paint: Paint) -> Iterator[str]:
    """Render the models that are left as they are, each with the reason."""
    noted = [change for change in plan.changes if change.action is Action.NO_OP and change.notes]
    if noted:
        yield ""
        yield f"Left as {'they are' if len(noted) > 1 else 'it is'} ({len(noted):,}):"
    for change in noted[:_LISTED]:
        said = f"{escape(str(change.address))}  {escape(change.id)}: {escape('; '.join(change.notes))}"
        yield from wrap(said, width, indent=" " * 4, hanging=" " * 6)
    if len(noted) > _LISTED:
        yield paint(f"    … and {len(noted) - _LISTED:,} more", "dim")


def _render_released(plan: Plan, width: int) -> Iterator[str]:
    sentences = words.list_released_fields(plan)
    if sentences:
        yield ""
    for sentence in sentences[:_LISTED]:
        yield from wrap(sentence, width, indent=" " * 2)
    if len(sentences) > _LISTED:
        yield f"  … and {len(sentences) - _LISTED:,} more"


def _render_drift_section(drifts: Sequence[Drift], width: int, paint: Paint) -> Iterator[str]:
    """Render a line for each finding, first drift and then notes. The changes say what will be done."""
    failing = [drift for drift in drifts if drift.fails]
    notes = [drift for drift in drifts if not drift.fails]
    yield from _render_findings("Live differs from what was recorded", failing, width, paint)
    yield from _render_findings("Notes, which do not count as drift", notes, width, paint)


def _render_findings(title: str, drifts: Sequence[Drift], width: int, paint: Paint) -> Iterator[str]:
    if not drifts:
        return
    yield ""
    yield from wrap(f"{title} ({count_noun(len(drifts), 'finding')}):", width)
    for drift in drifts[:_LISTED]:
        named = [escape(field.path) for field in drift.fields] + ["permissions"] * bool(drift.permissions)
        fields = f": {', '.join(named)}" if named else ""
        found = find_drift_words(drift)
        text = f"{describe_subject(drift)} {found.phrase}{fields}"
        lines = wrap(text, _narrow(width), indent="", hanging="  ")
        yield f"{paint(f'{found.symbol:>5}', *choose_colour(found.symbol))} {next(lines)}"
        yield from (" " * 6 + line for line in lines)
    if len(drifts) > _LISTED:
        yield paint(f"    … and {len(drifts) - _LISTED:,} more: reconciler drift", "dim")
