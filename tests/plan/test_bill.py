"""Estimates of tokens and cost before a training, and the guard that uses them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import GuardError
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.model.stack import Guards, Prices, Stack
from reconciler.plan.base_models import BaseFinder
from reconciler.plan.bill import TokenRates, compute_bill, record_estimate
from reconciler.plan.change import Bill, Plan
from reconciler.plan.guards import choose_bounds, explain_unknown_cost
from reconciler.plan.inputs import Inputs
from reconciler.providers.vertex.fields import TUNING_JOB
from reconciler.state.values import Record, RecordedData, RecordedEstimate, RecordedModel, State
from tests import worlds

JOB = Address("TuningJob", "job")
EPOCHS = "supervised_tuning_spec.hyper_parameters.epoch_count"
FLASH = "gemini-3.5-flash"
PRICES = Prices(per_million_tokens={"default": 8.0, FLASH: 10.0})


def declare(base: str = FLASH, epochs: int | None = 3, **data: object) -> Desired:
    """A tuning job with 10 examples of 4,000 characters, unless `data` says something else."""
    attributes = {"base_model": base} | ({EPOCHS: epochs} if epochs is not None else {})
    measured = {"digest": "d", "examples": 10, "characters": 4000, **data}
    return Desired(JOB, attributes, (DataSet(**measured),))  # type: ignore[arg-type]


def bill(desired: Desired, *records: Record, prices: Prices = PRICES) -> Bill:
    """The bill of this job, with what these records tell."""
    state = State(resources={record.address: record for record in records})
    finder = BaseFinder({desired.address: desired}, state.resources, {"TuningJob": TUNING_JOB})
    return compute_bill(desired, TUNING_JOB, prices, TokenRates(finder))


def trained(name: str, *, tokens: int, base: str = FLASH, epochs: int | None = 2) -> Record:
    """A recorded training of 1,000 characters, for which so many tokens were billed."""
    sent = {"base_model": base} | ({EPOCHS: epochs} if epochs is not None else {})
    data = (RecordedData("training_dataset_uri", "d", 5, 1000),)
    model = RecordedModel(f"{name}-1", sent=sent, data=data, status=Status.ACTIVE, billed_tokens=tokens)
    return Record(Address("TuningJob", name), serving=model)


def test_tokens_are_estimated_from_characters_and_priced_by_base_model() -> None:
    """A token has about 4 characters. The price is that of the base model or the default, for each epoch."""
    own, other = bill(declare()), bill(declare("publishers/google/models/gemini-3.1-flash-lite"))
    assert (own.tokens, own.trained_tokens, own.token_price) == (1000, 3000, 10.0)
    assert (own.price, own.currency, own.is_price_estimated, own.at_most) == (0.03, "USD", True, False)
    assert (other.token_price, other.price) == (8.0, 0.024)


def test_recorded_bills_measure_the_rate_of_their_own_base_model() -> None:
    """Two trainings of 2,000 characters were billed 1,000 tokens. So 4,000 characters are 1,000 tokens."""
    records = (
        trained("one", tokens=1200),
        trained("two", tokens=800),
        trained("unbilled", tokens=0),
        trained("unknown-epochs", tokens=99, epochs=None),
        trained("other", tokens=4000, base="gemini-3.1-flash-lite"),
        Record(Address("Newer", "kind"), serving=RecordedModel("n-1", billed_tokens=7)),
    )
    measured = bill(declare(), *records)
    assert (measured.tokens, measured.calibrated) == (2000, 2)
    assert bill(declare("gemini-3.1-flash-lite"), *records).tokens == 8000
    assert bill(declare("gemini-unheard-of"), *records).tokens == 1000


def test_data_in_a_bucket_is_estimated_from_its_bytes_as_an_upper_bound() -> None:
    """Its size counts like characters, and the bill says that there are at most so many tokens."""
    found = bill(declare(examples=0, characters=0, uri="gs://b/o.jsonl", size=8000))
    assert (found.tokens, found.at_most, found.price) == (2000, True, 0.06)
    unread = bill(declare(examples=0, characters=0, uri="projects/p/datasets/1"))
    assert (unread.tokens, unread.at_most, unread.price, unread.currency) == (0, False, None, "USD")


def test_an_estimate_of_texts_only_is_a_lower_bound() -> None:
    """Images have tokens that nobody estimates. The record keeps that, and no rate is measured from it."""
    found = bill(declare(multimodal=3))
    assert (found.tokens, found.texts_only, found.at_most) == (1000, True, False)
    assert not bill(declare(multimodal=3), prices=Prices()).texts_only
    estimate = record_estimate(found)
    assert estimate == RecordedEstimate(3000, amount=0.03, currency="USD", token_price=10.0, texts_only=True)
    before = trained("images", tokens=99_000)
    assert before.serving is not None
    records = Record(before.address, serving=replace(before.serving, estimate=estimate))
    assert (bill(declare(), records).tokens, bill(declare(), records).calibrated) == (1000, 0)


def test_without_epochs_there_is_no_price() -> None:
    """The service chooses the epochs. The tokens of one are known, and the cost is not."""
    found = bill(declare(epochs=None))
    assert (found.tokens, found.epochs, found.price) == (1000, 0, None)
    assert record_estimate(found) == RecordedEstimate(currency="USD", token_price=10.0)


def test_a_price_by_character_is_for_trainings_without_one_by_token() -> None:
    """It is used for a base model without a price by token. Without any price nothing is estimated."""
    both = Prices(per_1000_characters=0.5, per_million_tokens={FLASH: 10.0})
    assert bill(declare("gemini-3.1-flash-lite"), prices=both).price == 6.0
    assert bill(declare(), prices=both).price == 0.03
    nothing = bill(declare(), prices=Prices())
    assert (nothing.tokens, nothing.price, record_estimate(nothing)) == (0, None, None)
    unread = bill(declare(characters=0), prices=Prices(0.5))
    assert unread.price is None


def test_an_estimate_is_recorded_with_the_price_that_was_declared() -> None:
    """The record keeps what the plan said, so a later price does not change it."""
    estimate = record_estimate(bill(declare()))
    assert estimate == RecordedEstimate(3000, amount=0.03, currency="USD", token_price=10.0)
    model = RecordedModel("m-1", estimate=estimate, billed_tokens=3500)
    assert model.amount == 0.035
    assert replace(model, billed_tokens=0).amount is None
    assert replace(model, estimate=None).amount is None


def price_plan(*, most: float | None, **stack: object) -> Plan:
    """Plan one TunedModel at 0.5 a thousand characters, under a limit."""
    facts = worlds.world(
        [worlds.want()],
        stack=Stack(prices=Prices(0.5), **stack),  # type: ignore[arg-type]
        inputs=Inputs(guards=Guards(max_cost=most)),
    )
    return worlds.make_plan(facts)


def test_a_lower_bound_over_the_limit_is_refused_as_one() -> None:
    """The plan costs at least what the texts cost."""
    images = replace(worlds.want(), data=(replace(worlds.want().data[0], multimodal=1),))
    prices = Prices(per_million_tokens={"default": 10_000_000.0}, currency="USD")
    facts = worlds.world([images], stack=Stack(prices=prices), inputs=Inputs(guards=Guards(max_cost=0.5)))
    with pytest.raises(GuardError, match=r"the plan costs at least [\d,.]+ USD \(estimate\), over max_cost"):
        worlds.make_plan(facts)


def test_a_plan_over_its_limit_is_refused_and_shown() -> None:
    """The guard uses the plan's own figure, and names the limit that would let the plan through."""
    cost = price_plan(most=None).trainings[0].bill
    assert cost is not None
    assert cost.price is not None
    with pytest.raises(GuardError, match=r"the plan costs .* over max_cost 0") as caught:
        price_plan(most=0.0)
    assert isinstance(caught.value.plan, Plan)
    assert "--max-cost" in str(caught.value.detail)
    assert price_plan(most=cost.price).trainings
    with pytest.raises(GuardError, match="over max_cost 0"):
        price_plan(most=None, guards=Guards(max_cost=0.0))


def test_an_unknown_cost_is_refused_with_what_to_declare() -> None:
    """The guard says whether to declare a price or the epochs, or to give data that was not read."""
    facts = worlds.world([worlds.want()], inputs=Inputs(guards=Guards(max_cost=5.0)))
    with pytest.raises(GuardError, match="1 training's cost is unknown: TunedModel/bot") as caught:
        worlds.make_plan(facts)
    assert "spec.prices" in str(caught.value.detail)
    assert "epoch_count" in explain_unknown_cost(bill(declare(epochs=None)))
    assert "gs://" in explain_unknown_cost(bill(declare(characters=0)))
    assert "spec.prices" in explain_unknown_cost(None)


def test_a_limit_that_only_waits_is_no_hindrance() -> None:
    """A plan that trains nothing costs nothing, whatever the limit."""
    facts = worlds.world(inputs=Inputs(guards=Guards(max_cost=0.0)))
    assert not worlds.make_plan(facts).trainings


def test_the_command_line_wins_over_the_stack() -> None:
    """--max-cost replaces guards.max_cost."""
    assert choose_bounds(Guards(max_cost=1.0), Guards(max_cost=9.0)).max_cost == 1.0
    assert choose_bounds(Guards(), Guards(max_cost=9.0)).max_cost == 9.0
