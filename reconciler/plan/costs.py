"""Finds the cost of trainings in their records when they end, and sums costs afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from reconciler.formats import parse_day
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.state.values import Cost, Record, RecordedModel, State


def list_new_costs(before: State, records: Iterable[Record], now: str) -> list[Cost]:
    """List the costs of the trainings that have ended.

    Args:
        before: the state in which they were still in training.
        records: the records that will be committed.
        now: RFC 3339.
    """
    training = {
        (record.address.kind, record.candidate.id)
        for record in before.resources.values()
        if record.candidate is not None and _is_training(record.candidate)
    }
    return [
        cost
        for record in records
        for model in record.models
        if (record.address.kind, model.id) in training and not _is_training(model)
        if (cost := _make_cost(record.address, model, now)) is not None
    ]


def _is_training(model: RecordedModel) -> bool:
    return model.status is None or model.status is Status.CREATING


def _make_cost(address: Address, model: RecordedModel, now: str) -> Cost | None:
    """Make the cost of a training that has ended.

    The service's count comes first, of a failed training too. A training that failed without a count is not
    known to have cost anything.
    """
    estimate = model.estimate
    date = parse_day(model.completed) or parse_day(now)
    cost = Cost(date, address, model.id, currency=estimate.currency if estimate else "")
    if model.billed_tokens:
        expected = estimate.tokens if estimate else 0
        return replace(cost, tokens=model.billed_tokens, amount=model.amount, expected=expected)
    if estimate is None or estimate.amount is None or model.status is Status.FAILED:
        return None
    return replace(cost, tokens=estimate.tokens, amount=estimate.amount, is_estimate=True)


class Spent(Struct, frozen=True):
    """A sum of costs, all in one currency, and all estimated or all billed.

    Attributes:
        month: 2026-11.
        address: None for older costs, which are summed for all addresses.
        unpriced: how many of the trainings have no price.
    """

    month: str
    address: Address | None
    currency: str
    is_estimate: bool
    trainings: int = 0
    tokens: int = 0
    amount: float = 0.0
    unpriced: int = 0


def sum_spent(state: State, since: str = "") -> list[Spent]:
    """Sum costs by month and address, apart for each currency and for estimates.

    Args:
        state: has the costs.
        since: ISO date from which costs count. Of older costs only the month is known: those of its month
            count.
    """
    sums: dict[tuple[str, str, str, bool], Spent] = {}
    for spent in _list_spent(state, since):
        key = (spent.month, str(spent.address or ""), spent.currency, spent.is_estimate)
        sums[key] = _add(sums[key], spent) if key in sums else spent
    return [sums[key] for key in sorted(sums)]


def _list_spent(state: State, since: str) -> Iterator[Spent]:
    for sum in state.older_costs:
        if sum.month >= since[:7]:
            unpriced = sum.trainings if not sum.currency else 0
            yield Spent(
                sum.month,
                None,
                sum.currency,
                sum.is_estimate,
                sum.trainings,
                sum.tokens,
                sum.amount,
                unpriced,
            )
    for cost in state.costs:
        if cost.date >= since:
            amount, unpriced = cost.amount or 0.0, int(cost.amount is None)
            month, kind = cost.date[:7], (cost.currency, cost.is_estimate)
            yield Spent(month, cost.address, *kind, 1, cost.tokens, amount, unpriced)


def _add(left: Spent, right: Spent) -> Spent:
    return replace(
        left,
        trainings=left.trainings + right.trainings,
        tokens=left.tokens + right.tokens,
        amount=left.amount + right.amount,
        unpriced=left.unpriced + right.unpriced,
    )


def total_spent(spent: Iterable[Spent]) -> list[Spent]:
    """Total the sums for each currency, estimates apart. Their month is "" and their address None."""
    totals: dict[tuple[str, bool], Spent] = {}
    for part in spent:
        key = (part.currency, part.is_estimate)
        plain = replace(part, month="", address=None)
        totals[key] = _add(totals[key], plain) if key in totals else plain
    return [totals[key] for key in sorted(totals)]
