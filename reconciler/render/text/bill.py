"""The bill of a plan's trainings: a table, or sentences if the terminal is too narrow for a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.formats import count_noun
from reconciler.plan.change import Bill, Change
from reconciler.render.bill import describe_bill, describe_bill_price, describe_tokens, sum_bills
from reconciler.render.terminal import Paint, escape, fit_name_column, pad, put_beside, wrap

_UNREAD, _CHOSEN = "not read", "by service"
_HEADINGS = ("examples", "epochs", "batch", "steps", "characters", "tokens", "price")


def render_bill(trainings: Sequence[Change], *, width: int, paint: Paint) -> Iterator[str]:
    """Render the figures of each training, and the total. Nothing if there are no trainings.

    Characters are counted in every epoch, because the price depends on them.
    """
    if not trainings:
        return
    yield ""
    yield paint(f"The bill, {count_noun(len(trainings), 'training')}:", "bold")
    headings = _choose_headings(trainings)
    totals = _format_totals(trainings)
    rows = [_format_figures(change) for change in trainings]
    table = [[row[heading] for heading in headings] for row in rows]
    last = [totals.get(heading, "") for heading in headings]
    columns = [max(map(len, column)) for column in zip(headings, last, *table, strict=True)]
    names = [escape(str(change.address)) for change in trainings]
    room = fit_name_column([*names, "model"], 2 + sum(columns) + 2 * len(columns), width)
    if not room:
        yield from _render_sentences(trainings, width)
        return
    yield paint("  " + pad("model", room) + _join_figures(headings, columns), "dim")
    for name, figures in zip(names, table, strict=True):
        yield from put_beside(name, _join_figures(figures, columns), room)
    if len(trainings) > 1:
        yield from put_beside("total", _join_figures(last, columns), room)
    is_chosen = any(_CHOSEN in figures for figures in table)
    yield from _render_footnotes(trainings, width, is_chosen=is_chosen)


def _choose_headings(trainings: Sequence[Change]) -> list[str]:
    """Choose the headings for which at least one bill has a figure."""
    bills = [change.bill for change in trainings if change.bill is not None]
    known = {
        "epochs": any(bill.epochs for bill in bills),
        "batch": any(bill.batch for bill in bills),
        "steps": any(bill.steps for bill in bills),
        "tokens": any(bill.tokens for bill in bills),
        "price": any(bill.price is not None or bill.token_price is not None for bill in bills),
    }
    known = known if bills else {"tokens": False, "price": False}
    return [heading for heading in _HEADINGS if known.get(heading, True)]


def _format_figures(change: Change) -> dict[str, str]:
    bill = change.bill
    if bill is None:
        return dict.fromkeys(_HEADINGS, "?")
    mark = "*" if bill.estimated else ""
    characters = f"{bill.trained_characters:,}{mark if bill.epochs else ' an epoch'}"
    return {
        "examples": f"{bill.examples:,}" if bill.examples else _UNREAD,
        "epochs": f"{bill.epochs:,}" if bill.epochs else _CHOSEN,
        "batch": f"{bill.batch:,}" if bill.batch else _CHOSEN,
        "steps": f"{bill.steps:,}{mark}" if bill.steps else _CHOSEN,
        "characters": characters if bill.characters else _UNREAD,
        "tokens": _format_tokens(bill),
        "price": describe_bill_price(bill) + mark if bill.price is not None else "?",
    }


def _format_tokens(bill: Bill) -> str:
    if not bill.tokens:
        return "?"
    tokens = describe_tokens(bill.trained_tokens, at_most=bill.at_most, at_least=bill.texts_only)
    tokens = tokens.removesuffix(" tokens")
    return tokens if bill.epochs else f"{tokens} an epoch"


def _format_totals(trainings: Sequence[Change]) -> dict[str, str]:
    sums = sum_bills(trainings)
    mark = "*" if sums.estimated else ""
    return {
        "examples": f"{sums.examples:,}" if sums.examples else "",
        "steps": f"{sums.steps:,}{mark}" if sums.steps else "",
        "characters": f"{sums.characters:,}{mark}" if sums.characters else "",
        "tokens": describe_tokens(sums.tokens, at_most=sums.at_most, at_least=sums.texts_only).removesuffix(
            " tokens"
        )
        if sums.tokens
        else "",
        "price": sums.price + mark if sums.tokens else sums.amount + mark,
    }


def _join_figures(figures: Sequence[str], columns: Sequence[int]) -> str:
    return "".join(f"  {figure:>{column}}" for figure, column in zip(figures, columns, strict=True))


def _render_sentences(trainings: Sequence[Change], width: int) -> Iterator[str]:
    for change in trainings:
        yield f"  {escape(str(change.address))}"
        text = describe_bill(change.bill) if change.bill else "unknown"
        yield from wrap(text, width, indent=" " * 4)
    if len(trainings) > 1:
        yield "  total"
        yield from wrap(str(sum_bills(trainings)), width, indent=" " * 4)


def _render_footnotes(trainings: Sequence[Change], width: int, *, is_chosen: bool) -> Iterator[str]:
    """Explain the marks in the table. `is_chosen`: the service chooses a figure that the table shows."""
    sums = sum_bills(trainings)
    bills = [change.bill for change in trainings if change.bill is not None]
    unpriced = count_noun(sums.unpriced, "training is", "trainings are")
    notes = {
        "by service: the service chooses, and tells once the training runs": is_chosen,
        "not read: the data is in a bucket or at the service": sums.unread,
        f"? no known price: {unpriced} not in the sum": sums.prices and sums.unpriced,
        _explain_tokens(trainings): any(bill.tokens for bill in bills),
        "at most: estimated from the size of a file in bytes, as an upper bound": sums.at_most,
        "at least: estimated from texts only. Images, audio and video have tokens too": sums.texts_only,
        "* estimated: a default of the service was assumed": sums.estimated,
    }
    for note, applies in notes.items():
        if applies:
            yield from wrap(note, width, indent="  ", hanging="    ")


def _explain_tokens(trainings: Sequence[Change]) -> str:
    """Explain where the estimate of the tokens comes from."""
    calibrated = max((change.bill.calibrated for change in trainings if change.bill is not None), default=0)
    basis = (
        f"measured from what was billed for {count_noun(calibrated, 'training')} before"
        if calibrated
        else "about 4 characters a token"
    )
    return f"about: an estimate ({basis}). The exact tokens are known after the training"
