"""The report: one self-contained HTML page with the models, their states, their loss curves, and the drift.

Rule: the page loads nothing and runs no script. Its Content-Security-Policy forbids both. All text that
others wrote is escaped. The page uses the reader's light or dark scheme, and prints all details.
"""

from __future__ import annotations

import html
import importlib.resources
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

from reconciler.formats import count_noun, format_date
from reconciler.model.checks import describe_scores
from reconciler.model.live import Live, Status
from reconciler.model.names import Address
from reconciler.plan.base_models import BaseEnd
from reconciler.plan.change import Drift
from reconciler.plan.inputs import Context
from reconciler.plan.status import ModelStatus
from reconciler.render.bill import describe_cost
from reconciler.render.drift_words import describe_subject, find_drift_words, summarize_drift
from reconciler.render.html.curve import draw_loss_curve
from reconciler.render.status import count_conditions, find_tone
from reconciler.render.terminal import escape
from reconciler.render.text.records import NO_BASES, list_model_facts, list_titled_models
from reconciler.render.values import format_loss, format_value
from reconciler.render.words import describe_context
from reconciler.state.values import Record, RecordedModel, State, Verdict

_STYLES = {Status.ACTIVE: "good", Status.CREATING: "wait", Status.FAILED: "bad"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render_report(
    state: State,
    models: Sequence[ModelStatus],
    live_by_address: Mapping[Address, Live],
    drifts: Sequence[Drift],
    context: Context,
    *,
    now: str,
    bases: Mapping[str, BaseEnd] = NO_BASES,
) -> str:
    """Render the whole page.

    Args:
        state: the recorded state.
        models: the condition of each model, as `status` shows it.
        live_by_address: the serving model (or the candidate, if none serves) as the service shows it. An
            address may be missing.
        drifts: the differences between live and recorded.
        context: the service that was asked.
        now: the time, RFC 3339. It is shown unchanged.
        bases: the base model of each recorded model, by the id of the model.
    """
    records = sorted(state.resources.values(), key=lambda record: record.address)
    title = f"Tuned models of {state.stack}" if state.stack else "Tuned models"
    style = importlib.resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_escape(title)}</title><style>{style}</style></head>",
        f"<body><header><h1>{_escape(title)}</h1>",
        f"<p>{_escape(describe_context(context))}</p>",
        f"<p>{_escape(now)}, state serial {state.serial}, workspace {_escape(state.workspace)}</p></header>",
        _render_tiles(state, models, drifts),
        *_render_drift_section(drifts),
        *_render_table(state, models, {drift.id for drift in drifts if drift.detail}),
    ]
    for record in records:
        own = [model for model in models if model.address == record.address]
        parts += _render_section(record, own, live_by_address.get(record.address), bases)
    parts.append("<footer>Made by reconciler. Training data is not on this page.</footer></body></html>")
    return "\n".join(part for part in parts if part) + "\n"


def _escape(text: str) -> str:
    return html.escape(escape(text))


def _render_condition(model: ModelStatus) -> str:
    return f'<span class="{find_tone(model.condition)}">{_escape(model.condition)}</span>'


def _render_tiles(state: State, models: Sequence[ModelStatus], drifts: Sequence[Drift]) -> str:
    addresses = len({*state.resources, *(model.address for model in models)})
    counts = [
        ("address" if addresses == 1 else "addresses", addresses),
        *((str(condition), count) for condition, count in count_conditions(models)),
        ("kept as deposed", sum(len(record.deposed) for record in state.resources.values())),
        ("drifted", sum(1 for drift in drifts if drift.fails)),
    ]
    return (
        '<ul class="tiles">' + "".join(f"<li><b>{count:,}</b>{name}</li>" for name, count in counts) + "</ul>"
    )


def _render_drift_section(drifts: Sequence[Drift]) -> Iterator[str]:
    yield f"<h2>Drift</h2><p>{_escape(summarize_drift(drifts))}</p>"
    if not drifts:
        return
    yield '<div class="scroll"><table><thead><tr><th>model<th>finding<th>detail</tr></thead><tbody>'
    for drift in drifts:
        style = "bad" if drift.fails else "soft"
        yield (
            f"<tr>{_render_cell('model', _escape(describe_subject(drift)), 'id')}"
            f"{_render_cell('finding', _escape(find_drift_words(drift).phrase), style)}"
            f"{_render_cell('detail', '<br>'.join(_list_findings(drift)))}</tr>"
        )
    yield "</tbody></table></div>"


def _render_cell(label: str, content: str, style: str = "") -> str:
    """Render a cell. A narrow page shows the label before it, because it has no room for the table's head."""
    class_name = f' class="{style}"' if style else ""
    return f'<td{class_name} data-label="{label}">{content}'


def _list_findings(drift: Drift) -> Iterator[str]:
    if drift.detail:
        yield _escape(drift.detail)
    for change in drift.fields:
        before = "nothing" if change.before is None else format_value(change.before)
        after = "nothing" if change.after is None else format_value(change.after)
        yield f"<code>{_escape(change.path)}</code> {_escape(before)} → {_escape(after)}"
    for grant in drift.permissions:
        yield f"permission {_escape(str(grant.before or 'nobody'))} → {_escape(str(grant.after or 'nobody'))}"


def _render_table(state: State, models: Sequence[ModelStatus], explained: Collection[str]) -> Iterator[str]:
    """Render a row for each model. `explained` are the ids of models whose condition the drift explains."""
    yield "<h2>Models</h2>"
    if not models:
        yield "<p>No model is declared or recorded.</p>"
        return
    yield (
        '<div class="scroll"><table><thead><tr><th>model<th>condition<th class="figure">examples'
        '<th class="figure">mean loss<th>checks<th>cost<th>promoted<th>base model</tr></thead><tbody>'
    )
    named: set[Address] = set()
    for model in models:
        record = state.resources.get(model.address, Record(model.address))
        recorded = next((one for one in record.models if one.id == model.id), None)
        name = _escape(str(model.address))
        name = f'<a href="#{_name_anchor(record)}">{name}</a>' if record.models else name
        name += f'<br><span class="id soft">{_escape(model.id)}</span>' if model.id else ""
        called = record.called_endpoint if model.address not in named else None
        name += f'<br><span class="id soft">endpoint {_escape(called.id)}</span>' if called else ""
        named.add(model.address)
        condition = _render_condition(model)
        if model.reason and model.id not in explained:
            condition += f'<br><span class="soft">{_escape(model.reason)}</span>'
        loss = "" if model.mean_loss is None else format_loss(model.mean_loss)
        yield (
            f"<tr>{_render_cell('model', name)}{_render_cell('condition', condition)}"
            f"{_render_cell('examples', f'{model.examples:,}' if model.examples else '', 'figure')}"
            f"{_render_cell('mean loss', loss, 'figure')}"
            f"{_render_cell('checks', _render_verdict(recorded) if recorded else '')}"
            f"{_render_cell('cost', _escape(describe_cost(recorded)) if recorded else '', 'day')}"
            f"{_render_cell('promoted', _escape(recorded.promoted[:10]) if recorded else '', 'day')}"
            f"{_render_cell('base model', _render_end(model.base))}</tr>"
        )
    yield "</tbody></table></div>"


def _name_anchor(record: Record) -> str:
    """Name the place of a record in the page."""
    return "m-" + _escape(str(record.address)).replace("/", "-")


_VERDICTS = {Verdict.PASSED: "good", Verdict.FAILED: "bad", Verdict.UNKNOWN: "wait"}


def _render_verdict(model: RecordedModel) -> str:
    """Render the verdict of a model's checks, and below it each score."""
    if model.verdict is Verdict.NONE:
        return ""
    verdict = f'<span class="{_VERDICTS[model.verdict]}">{model.verdict}</span>'
    return "<br>".join([verdict, *(_escape(describe_scores([score])) for score in model.scores)])


def _render_end(base: BaseEnd | None) -> str:
    """Render a base model, and when it retires."""
    if base is None:
        return ""
    if base.days_left is None:
        return _escape(base.name)
    has_retired = base.days_left <= 0 and not base.or_later
    style = "bad" if has_retired else "wait" if base.is_near else "soft"
    word = "retired" if has_retired else "retires not before" if base.or_later else "retires"
    day = format_date(date.fromisoformat(base.retires))
    return f'{_escape(base.name)}<br><span class="{style}">{word} {day}</span>'


def _render_section(
    record: Record, models: Sequence[ModelStatus], live: Live | None, bases: Mapping[str, BaseEnd]
) -> Iterator[str]:
    conditions = ", ".join(map(_render_condition, models))
    protected = ' <span class="soft">protected</span>' if record.prevent_destroy else ""
    yield f'<section class="model" id="{_name_anchor(record)}">'
    yield f"<h3>{_escape(str(record.address))} {conditions}{protected}</h3>"
    if live is not None and (
        curve := draw_loss_curve(live.snapshots, title=f"Mean loss of {live.id} over its steps")
    ):
        last = max(live.snapshots, key=lambda snapshot: snapshot.step)
        yield curve
        yield (
            f'<p class="soft">'
            f"Mean loss {format_loss(last.mean_loss)} at step {last.step:,}, epoch {last.epoch:,}; "
            f"{count_noun(len(live.snapshots), 'snapshot')} of {_escape(live.id)}</p>"
        )
    for title, model in list_titled_models(record):
        yield from _render_model(title.capitalize(), model, live, bases.get(model.id))
    yield "</section>"


def _render_model(title: str, model: RecordedModel, live: Live | None, base: BaseEnd | None) -> Iterator[str]:
    mine = live if live is not None and live.id == model.id else None
    status = mine.status if mine else model.status
    style = _STYLES[status] if status else "wait"
    name = f'<span class="id">{_escape(model.id)}</span>'
    yield f'<h4>{title} {name} <span class="{style}">{status or "pending"}</span></h4>'
    facts = ((label, text) for label, text in list_model_facts(model, mine, base) if text)
    yield f"<dl>{''.join(f'<dt>{html.escape(label)}<dd>{html.escape(text)}' for label, text in facts)}</dl>"
    attributes = {**model.sent, **(mine.attributes if mine else {})}
    if attributes:
        yield f"<details><summary>{count_noun(len(attributes), 'attribute')}</summary><dl>"
        yield "".join(
            f"<dt><code>{_escape(path)}</code><dd>{html.escape(format_value(value))}"
            for path, value in sorted(attributes.items())
        )
        yield "</dl></details>"
