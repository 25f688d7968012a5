"""What was spent on trainings, as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.codec import Json
from reconciler.formats import count_noun, format_estimate
from reconciler.plan.costs import Spent, total_spent
from reconciler.render.bill import format_price
from reconciler.render.terminal import Paint, count_cells, cut, escape, pad

_OLDER = "(older, all models)"
_NOTHING = "No cost is recorded. The state keeps what trainings cost once spec.prices is declared."


def render_costs(spent: Sequence[Spent], *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render a line for each month and model, and a total for each currency."""
    if not spent:
        yield _NOTHING
        return
    paint = Paint(colour)
    rows = [_format_spent(part) for part in spent]
    columns = [max(count_cells(row[index]) for row in rows) for index in range(len(rows[0]))]
    room = columns[1] if not width else max(min(columns[1], width - 8 - sum(columns[2:])), 12)
    month = ""
    for month_shown, name, trainings, tokens, price in rows:
        if month_shown != month:
            month = month_shown
            yield paint(month, "bold")
        line = f"  {pad(cut(name, room), room)}  {trainings:>{columns[2]}}  {tokens:>{columns[3]}}  {price}"
        yield line.rstrip()
    yield ""
    for total in total_spent(spent):
        yield f"{'Estimated' if total.is_estimate else 'Billed'}: {_describe_total(total)}"


def _format_spent(part: Spent) -> tuple[str, str, str, str, str]:
    name = escape(str(part.address)) if part.address is not None else _OLDER
    about = "about " if part.is_estimate else ""
    tokens = f"{about}{_format_tokens(part)} tokens" if part.tokens else ""
    return part.month, name, count_noun(part.trainings, "training"), tokens, _format_amount(part)


def _format_tokens(part: Spent) -> str:
    return format_estimate(part.tokens) if part.is_estimate else f"{part.tokens:,}"


def _format_amount(part: Spent) -> str:
    """Write the amount; an estimate is called one, and a training without a price is named."""
    if part.unpriced == part.trainings:
        return "no price was declared"
    text = format_price(part.amount, part.currency)
    text = f"about {text} (estimate)" if part.is_estimate else text
    return f"{text}, {part.unpriced:,} without a price" if part.unpriced else text


def _describe_total(total: Spent) -> str:
    parts = [_format_amount(total), count_noun(total.trainings, "training")]
    if total.tokens:
        parts.append(f"{'about ' if total.is_estimate else ''}{_format_tokens(total)} tokens")
    return ", ".join(parts)


def build_cost_document(spent: Sequence[Spent]) -> Json:
    """Build the document of `cost --json`: each sum, and the totals."""
    return {
        "costs": [
            {"month": part.month, "address": str(part.address) if part.address else None, **_encode(part)}
            for part in spent
        ],
        "totals": [_encode(total) for total in total_spent(spent)],
    }


def _encode(part: Spent) -> dict[str, Json]:
    return {
        "currency": part.currency or None,
        "estimate": part.is_estimate,
        "trainings": part.trainings,
        "tokens": part.tokens,
        "amount": None if part.unpriced == part.trainings else round(part.amount, 6),
        "unpriced": part.unpriced,
    }
