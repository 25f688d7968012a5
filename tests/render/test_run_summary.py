"""The end of a run: counts of what was done, in words and in Terraform's format."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.events import Billed, Completed, Detached, Event, Failed, Skipped, Started, Verb
from reconciler.model.names import Address
from reconciler.plan.change import Bill, Plan
from reconciler.render.run_summary import (
    describe_counts,
    render_ending,
    render_names,
    sum_cost,
    summarize_run,
)
from reconciler.render.stream import build_done_record
from tests.render import plans

A, B = plans.address("a"), plans.address("b")
TRAINED = (
    Started(A, Verb.CREATE, "a-1"),
    Completed(A, Verb.PERMISSIONS, "a-1"),
    Completed(A, Verb.CREATE, "a-1", 60.0),
)
REPLACED = (
    Started(B, Verb.CREATE, "b-2"),
    Completed(B, Verb.REPLACE, "b-2"),
    Completed(B, Verb.DELETE, "b-1"),
)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        (TRAINED, "Apply complete in 1m05s: 1 trained."),
        ((*TRAINED, *REPLACED), "Apply complete in 1m05s: 2 trained, 1 deleted."),
        ((Completed(A, Verb.UPDATE), Completed(A, Verb.PERMISSIONS)), "Apply complete in 1m05s: 1 updated."),
        ((Completed(A, Verb.ADOPT), Completed(A, Verb.UPDATE)), "Apply complete in 1m05s: 1 adopted."),
        (
            (Started(A, Verb.CREATE), Detached("no-wait", (A,))),
            "Apply complete in 1m05s: 1 in training.",
        ),
        (
            (Started(A, Verb.CREATE), Detached("timeout", (A,))),
            "Apply is not finished after 1m05s: 1 in training.",
        ),
        (
            (Started(A, Verb.COPY), Detached("interrupt", copying=(A,), deploying=(B,))),
            "Apply is not finished after 1m05s: 1 being copied, 1 being deployed.",
        ),
        (
            (*TRAINED, Skipped(B, Verb.CHECK, "no answer", unfinished=True)),
            "Apply is not finished after 1m05s: 1 trained, 1 not done yet.",
        ),
        (
            (*TRAINED, Failed(B, Verb.DELETE, "refused")),
            "Apply failed in part after 1m05s: 1 trained, 1 failed. What was done is recorded.",
        ),
        ((Completed(A, Verb.MOVE, "a-1"),), "Apply complete in 1m05s: 1 moved."),
        ((Skipped(B, Verb.PROMOTE, "changed"),), "Apply complete in 1m05s: nothing changed."),
    ],
)
def test_the_first_line_counts_what_was_done(events: tuple[Event, ...], text: str) -> None:
    """Each model counts once, however many steps it took. Failures are counted beside successes."""
    first, *_ = render_ending("apply", summarize_run(events), elapsed=65.4)
    assert first == text


def test_a_stream_ends_with_terraforms_counts() -> None:
    """The counts are of what was added, changed, imported and removed, not of what was planned."""
    outcome = summarize_run((*TRAINED, *REPLACED, Failed(A, Verb.CHECK, "no")))
    record = build_done_record(
        outcome, "T", operation="apply", command="apply", elapsed=2.0, cost=sum_cost(outcome, Plan(()))
    )
    assert record["type"] == "change_summary"
    assert record["changes"] == {"add": 2, "change": 0, "import": 0, "remove": 1, "operation": "apply"}
    ours = record["reconciler"]
    assert isinstance(ours, dict)
    assert (ours["begun"], ours["failed"], ours["elapsed_seconds"]) == (2, 1, 2)
    assert "cost" not in ours


def test_the_cost_is_that_of_the_trainings_that_were_begun() -> None:
    """A training that the service refused costs nothing. Without prices, no cost is shown."""
    bill = Bill(20, 100, 5, 4, 25, price=1.5, currency="EUR")
    both = Plan((replace(plans.CREATE, address=A, bill=bill), replace(plans.CREATE, address=B, bill=bill)))
    outcome = summarize_run((*TRAINED, Failed(B, Verb.CREATE, "refused")))
    lines = list(render_ending("apply", outcome, elapsed=0.2, cost=sum_cost(outcome, both)))
    assert lines[0].startswith("Apply failed in part after less than 1s")
    assert lines[1] == "Cost of its training: 1.50 EUR."
    unknown = Plan((replace(plans.CREATE, address=A, bill=replace(bill, price=None, currency="")),))
    assert len(list(render_ending("apply", outcome, elapsed=1, cost=sum_cost(outcome, unknown)))) == 1
    waited = summarize_run((Completed(A, Verb.CREATE, "a-1"),))
    assert sum_cost(waited, both).price == ""
    assert sum_cost(waited, both, of_ended=True).price == "1.50 EUR"


def test_bills_are_summed_for_each_currency() -> None:
    """Tokens without a price stand alone. An estimate that lacks a training is not shown."""
    run = summarize_run(
        (
            *TRAINED,
            Billed(A, "a-1", 900, 0.27, "USD", 1_000),
            Billed(B, "b-2", 100, 0.03, "USD", 100),
            Billed(A, "a-2", 50, 0.5, "EUR"),
            Billed(B, "b-3", 7, None, "", 9),
            Billed(B, "b-4", 7),
        )
    )
    _, *lines = render_ending("apply", run, elapsed=1)
    assert lines == [
        "Billed: 14 tokens.",
        "Billed: 50 tokens, 0.50 EUR.",
        (
            "Billed: 1,000 tokens, 0.30 USD; "
            "the estimate was 1,100 tokens, 0.33 USD (-100 tokens, -0.03 USD, -9.1 %)."
        ),
    ]
    record = build_done_record(
        run, "T", operation="apply", command="apply", elapsed=2.0, cost=sum_cost(run, Plan(()))
    )
    ours = record["reconciler"]
    assert isinstance(ours, dict)
    assert ours["billed"] == [
        {"tokens": 14, "amount": None, "currency": "", "estimated_tokens": 0},
        {"tokens": 50, "amount": 0.5, "currency": "EUR", "estimated_tokens": 0},
        {"tokens": 1_000, "amount": 0.3, "currency": "USD", "estimated_tokens": 1_100},
    ]


def test_a_bill_takes_the_place_of_the_estimate() -> None:
    """A person who reads the bill need not read the estimate above it."""
    bill = Bill(20, 100, 5, 4, 25, price=1.5, currency="EUR")
    both = Plan((replace(plans.CREATE, address=A, bill=bill), replace(plans.CREATE, address=B, bill=bill)))
    first = (*TRAINED, Billed(A, "a-1", 900, 1.4, "EUR"))
    run = summarize_run(first)
    assert list(render_ending("apply", run, elapsed=1, cost=sum_cost(run, both)))[1:] == [
        "Billed: 900 tokens, 1.40 EUR."
    ]
    run = summarize_run((*first, Started(B, Verb.CREATE, "b-1")))
    assert list(render_ending("apply", run, elapsed=1, cost=sum_cost(run, both)))[1:] == [
        "Cost of 2 trainings: 3.00 EUR.",
        "Billed: 900 tokens, 1.40 EUR.",
    ]


def test_names_are_listed_whole() -> None:
    """Names are never cut. The number of other names comes with the command that lists them."""
    names = {A: "projects/p/locations/us-central1/endpoints/" + "9" * 40, B: "tunedModels/b-2"}
    lines = list(render_names(names, more=3))
    assert lines[1].endswith("9" * 40)
    assert lines[-1] == "  … and 3 others: reconciler output"
    assert describe_counts(summarize_run(())) == "nothing changed"


def test_a_narrow_terminal_breaks_bills_and_puts_names_on_their_own_lines() -> None:
    """Nothing is cut. What has room stays on one line, in its column."""
    names = {A: "tunedModels/a-1", Address("TunedModel", "n" * 31): "tunedModels/" + "n" * 31 + "-2"}
    assert list(render_names(names, width=62)) == [
        "To call:",
        f"  TunedModel/a{'':30}  tunedModels/a-1",
        f"  TunedModel/{'n' * 31}",
        f"      tunedModels/{'n' * 31}-2",
    ]
    run = summarize_run((*TRAINED, Billed(A, "a-1", 900, 0.27, "USD", 1_000)))
    assert list(render_ending("apply", run, elapsed=1, width=60))[1:] == [
        "Billed: 900 tokens, 0.27 USD; the estimate was 1,000 tokens,",
        "    0.30 USD (-100 tokens, -0.03 USD, -10.0 %).",
    ]


def test_what_goes_on_is_named_where_it_was_not_yet() -> None:
    """It is the last line, and it is in the stream. A price without a currency is of an unknown one."""
    outcome = summarize_run((*TRAINED, Detached("timeout", (A,))))
    *_, last = render_ending("apply", outcome, elapsed=1, resume="reconciler wait")
    assert last == "To go on: reconciler wait"
    bill = Bill(20, 100, 5, 4, 25, price=1.5)
    cost = sum_cost(outcome, Plan((replace(plans.CREATE, address=A, bill=bill),)))
    record = build_done_record(
        outcome, "T", operation="apply", command="apply", elapsed=2.0, cost=cost, ways=["reconciler wait"]
    )
    ours = record["reconciler"]
    assert isinstance(ours, dict)
    assert (ours["resume"], ours["cost"]) == (["reconciler wait"], {"unknown": 1.5})


def test_no_names_are_no_lines() -> None:
    """If nothing can be called, nothing is said. The command that lists the others is always named."""
    assert list(render_names({})) == []
    assert list(render_names({}, more=1)) == ["  … and 1 other: reconciler output"]
    assert list(render_names({A: "tunedModels/a-1"})) == ["To call:", "  TunedModel/a  tunedModels/a-1"]


def test_what_has_gone_back_is_counted_and_named() -> None:
    """Programs call another model from then on, so its name is printed."""
    summary = summarize_run([Completed(A, Verb.ROLLBACK, "a-1", detail="a-2 is held back")])
    assert describe_counts(summary) == "1 gone back"
    assert summary.called == (A,)
