"""What trainings cost: found when they end, kept in the state, and summed."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.plan.costs import Spent, list_new_costs, sum_spent, total_spent
from reconciler.state.file import dumps, loads
from reconciler.state.values import COSTS, Cost, MonthlyCost, Record, RecordedEstimate, RecordedModel, State

JOB = Address("TuningJob", "job")
NOW = "2026-11-29T02:00:00Z"
ESTIMATE = RecordedEstimate(1000, amount=0.01, currency="USD", token_price=10.0)
RUNNING = RecordedModel("job-1", status=Status.CREATING, estimate=ESTIMATE)
BILLED = replace(RUNNING, status=Status.ACTIVE, completed="2026-11-28T23:30:00-02:00", billed_tokens=1100)


def end(after: RecordedModel, before: RecordedModel | None = RUNNING) -> list[Cost]:
    """The costs of a training that was recorded as `before` and now as `after`."""
    state = State(resources={JOB: Record(JOB, candidate=before)} if before else {})
    return list_new_costs(state, [Record(Address("TuningJob", "new-name"), candidate=after)], NOW)


def test_the_count_of_the_service_is_the_cost() -> None:
    """It has the billed tokens and amount, the UTC day of the end, and the address of that moment."""
    moved = Address("TuningJob", "new-name")
    expected = Cost("2026-11-29", moved, "job-1", 1100, 0.011, "USD", expected=1000)
    assert end(BILLED) == [expected]
    assert end(replace(BILLED, status=Status.FAILED))[0].amount == 0.011
    assert end(replace(BILLED, estimate=None)) == [replace(expected, amount=None, currency="", expected=0)]
    assert end(BILLED, replace(RUNNING, status=None)) == [expected]


def test_without_a_count_the_estimate_is_kept_and_marked() -> None:
    """A service that tells nothing leaves the plan's figure. A failure without one has no cost."""
    silent = replace(BILLED, billed_tokens=0, completed="")
    (cost,) = end(silent)
    assert (cost.date, cost.tokens, cost.amount, cost.is_estimate) == ("2026-11-29", 1000, 0.01, True)
    assert end(replace(silent, status=Status.FAILED)) == []
    assert end(replace(silent, estimate=None)) == []
    assert end(replace(silent, estimate=replace(ESTIMATE, amount=None))) == []


def test_a_training_is_counted_once() -> None:
    """It does not count before its end, a second time, or if it never trained here."""
    assert end(RUNNING) == []
    assert end(BILLED, BILLED) == []
    assert end(BILLED, None) == []


def spend(count: int) -> list[Cost]:
    """Costs of a dollar each, a few in each month of 2026."""
    months = [f"2026-{number % 12 + 1:02}" for number in range(count)]
    return [Cost(f"{month}-05", JOB, f"m-{at}", 100, 1.0, "USD") for at, month in enumerate(months)]


def test_old_costs_are_summed_by_month() -> None:
    """The last 1,000 are kept one by one. The sum loses nothing, in whatever order they came."""
    costs = [*spend(30), Cost("2026-01-01", JOB, "free", 7), *spend(COSTS)]
    at_once, slowly = State().add_costs(costs), State()
    for cost in costs:
        slowly = slowly.add_costs([cost])
    assert at_once == slowly
    assert len(at_once.costs) == COSTS
    assert sum(month.trainings for month in at_once.older_costs) == 31
    assert at_once.older_costs[0] == MonthlyCost("2026-01", 1, 7)
    (unpriced, dollars) = total_spent(sum_spent(at_once))
    assert (unpriced.tokens, unpriced.unpriced, dollars.amount) == (7, 1, 1030.0)
    state = State()
    assert state.add_costs([]) is state


def test_sums_keep_currencies_and_estimates_apart() -> None:
    """A sum is of one month, one address, one currency, and either billed or estimated."""
    euro = Cost("2026-11-02", JOB, "e", 5, 2.0, "EUR")
    guess = Cost("2026-11-03", JOB, "g", 5, 3.0, "EUR", is_estimate=True)
    state = State(costs=(euro, euro, guess), older_costs=(MonthlyCost("2026-10", 2, 9, 4.0, "EUR"),))
    assert sum_spent(state) == [
        Spent("2026-10", None, "EUR", False, 2, 9, 4.0),
        Spent("2026-11", JOB, "EUR", False, 2, 10, 4.0),
        Spent("2026-11", JOB, "EUR", True, 1, 5, 3.0),
    ]
    assert [spent.month for spent in sum_spent(state, "2026-11-03")] == ["2026-11"]
    assert [spent.is_estimate for spent in total_spent(sum_spent(state))] == [False, True]


def test_a_state_with_costs_can_be_read_again_and_has_its_own_version() -> None:
    """An older program would lose the costs, so version 3 keeps it out. Without costs nothing changes."""
    plain = State(lineage="l", serial=1)
    state = plain.add_costs([*spend(COSTS + 2), Cost("2026-12-24", JOB, "x", is_estimate=True)])
    assert loads(dumps(state), place="here") == state
    assert (plain.version, state.version) == (1, 3)
    assert replace(plain, older_costs=state.older_costs).version == 3
    assert b"costs" not in dumps(plain)
