"""What was spent on trainings, for people: what `cost` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.formats import count_noun, format_estimate
from reconciler.plan.costs import Spent, total_spent
from reconciler.render.bill import format_price
from reconciler.render.terminal import Paint, count_cells, escape, fit_name_column, put_beside, wrap

_OLDER = "(older, all models)"
_NOTHING = "No cost is recorded. The state keeps what trainings cost once spec.prices is declared."


def render_costs(spent: Sequence[Spent], *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render a line for each month and model, and a total for each currency.

    Names are never cut, because two could become the same. On a narrow terminal they get their own lines.
    """
    if not spent:
        yield _NOTHING
        return
    paint = Paint(colour)
    names = [escape(str(part.address)) if part.address is not None else _OLDER for part in spent]
    rows = [_format_spent(part) for part in spent]
    widths = [max(count_cells(row[column]) for row in rows) for column in range(3)]
    room = fit_name_column(names, 2 + sum(widths) + 2 * len(widths), width)
    month = ""
    for part, name, row in zip(spent, names, rows, strict=True):
        if part.month != month:
            month = part.month
            yield paint(month, "bold")
        trainings, tokens, price = row
        if room:
            figures = f"  {trainings:>{widths[0]}}  {tokens:>{widths[1]}}  {price}"
            yield from put_beside(name, figures, room)
        else:
            yield f"  {name}"
            yield from wrap(", ".join(filter(None, row)), width, indent=" " * 4)
    yield ""
    for total in total_spent(spent):
        said = f"{'Estimated' if total.is_estimate else 'Billed'}: {_describe_total(total)}"
        yield from wrap(said, width, hanging=" " * 4)


def _format_spent(part: Spent) -> tuple[str, str, str]:
    about = "about " if part.is_estimate else ""
    tokens = f"{about}{_format_tokens(part)} tokens" if part.tokens else ""
    return count_noun(part.trainings, "training"), tokens, _format_amount(part)


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
