"""What was spent on trainings, as a table for people and as JSON."""

from __future__ import annotations

import pytest

from reconciler.model.names import Address
from reconciler.plan.costs import Spent
from reconciler.render.costs import build_cost_document
from reconciler.render.terminal import UNLIMITED, count_cells
from reconciler.render.text.costs import render_costs

NAMES = ("a-very-long-name-of-a-model-121", "a-very-long-name-of-a-model-122")
TWINS = tuple(Address("TuningJob", name) for name in NAMES)
SPENT = (
    Spent("2026-10", None, "USD", is_estimate=True, trainings=12, tokens=1_500_000, amount=12.0),
    Spent("2026-11", TWINS[0], "USD", is_estimate=True, trainings=1, tokens=15_000, amount=0.12),
    Spent("2026-11", TWINS[1], "USD", is_estimate=False, trainings=2, tokens=12_360, amount=0.12, unpriced=1),
    Spent("2026-11", Address("TuningJob", "bot"), "", is_estimate=False, trainings=1, tokens=7, unpriced=1),
)
TOTALS = [
    "Billed: no price was declared, 1 training, 7 tokens",
    "Billed: 0.12 USD, 1 without a price, 2 trainings, 12,360 tokens",
    "Estimated: about 12.12 USD (estimate), 13 trainings, about 1.5 M tokens",
]


def render(width: int) -> list[str]:
    """The lines for a terminal of this width."""
    return list(render_costs(SPENT, colour=False, width=width))


@pytest.mark.parametrize("width", [45, 60, 80, 100])
def test_no_line_is_too_long_and_no_name_is_cut(width: int) -> None:
    """Two names that differ at the end stay two names, whatever the width."""
    lines = render(width)
    assert [line for line in lines if count_cells(line) > width] == []
    assert {str(address) for address in TWINS} <= {word for line in lines for word in line.split()}
    assert "…" not in "".join(lines)


def test_a_table_has_a_line_for_each_model() -> None:
    """This holds in a pipe, and on any terminal that has room for the longest name."""
    older, *rows = [line for line in render(UNLIMITED)[:-4] if line.startswith(" ")]
    first = "TuningJob/a-very-long-name-of-a-model-12"
    assert (
        older == f"  (older, all models){'':24}12 trainings   about 1.5 M tokens  about 12.00 USD (estimate)"
    )
    assert rows == [
        f"  {first}1    1 training  about 15,000 tokens  about 0.12 USD (estimate)",
        f"  {first}2   2 trainings        12,360 tokens  0.12 USD, 1 without a price",
        f"  TuningJob/bot{'':32}1 training             7 tokens  no price was declared",
    ]
    assert render(UNLIMITED)[-4:] == ["", *TOTALS]
    assert render(120) == render(UNLIMITED)


def test_a_long_name_gets_its_own_line() -> None:
    """The columns beside short names stay a table, and nothing else breaks."""
    assert render(98)[2:5] == [
        "2026-11",
        "  TuningJob/a-very-long-name-of-a-model-121",
        f"{'':38}1 training  about 15,000 tokens  about 0.12 USD (estimate)",
    ]
    assert render(60)[4:] == [
        "2026-11",
        "  TuningJob/a-very-long-name-of-a-model-121",
        "    1 training, about 15,000 tokens, about 0.12 USD",
        "    (estimate)",
        "  TuningJob/a-very-long-name-of-a-model-122",
        "    2 trainings, 12,360 tokens, 0.12 USD, 1 without a price",
        "  TuningJob/bot",
        "    1 training, 7 tokens, no price was declared",
        "",
        TOTALS[0],
        "Billed: 0.12 USD, 1 without a price, 2 trainings, 12,360",
        "    tokens",
        "Estimated: about 12.12 USD (estimate), 13 trainings, about",
        "    1.5 M tokens",
    ]


def test_no_cost_is_said() -> None:
    """An empty list says what would fill it. If there are colours, months are bold."""
    (said,) = render_costs([], colour=False)
    assert said.startswith("No cost is recorded.")
    assert next(render_costs(SPENT, colour=True)) == "\x1b[1m2026-10\x1b[0m"


def test_a_price_without_tokens_stands_alone() -> None:
    """A price by character counts no tokens, so neither the line nor the total names any."""
    spent = Spent("2026-11", TWINS[0], "USD", is_estimate=True, trainings=1, amount=0.5)
    assert list(render_costs([spent], colour=False, width=100))[1:] == [
        f"  {TWINS[0]}  1 training    about 0.50 USD (estimate)",
        "",
        "Estimated: about 0.50 USD (estimate), 1 training",
    ]


def test_json_has_every_sum_and_the_totals() -> None:
    """What is not known is null, and an amount has no tail of binary digits."""
    document = build_cost_document(SPENT)
    assert isinstance(document, dict)
    costs, totals = document["costs"], document["totals"]
    assert isinstance(costs, list)
    assert isinstance(totals, list)
    assert costs[0] == {
        "month": "2026-10",
        "address": None,
        "currency": "USD",
        "estimate": True,
        "trainings": 12,
        "tokens": 1_500_000,
        "amount": 12.0,
        "unpriced": 0,
    }
    assert costs[3] == {
        "month": "2026-11",
        "address": "TuningJob/bot",
        "currency": None,
        "estimate": False,
        "trainings": 1,
        "tokens": 7,
        "amount": None,
        "unpriced": 1,
    }
    assert [total["amount"] for total in totals if isinstance(total, dict)] == [None, 0.12, 12.12]
