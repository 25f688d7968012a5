"""The search for moves: many renamed models are not compared with each other."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import PlanError
from reconciler.model.live import Live
from reconciler.model.names import Address, Attributes
from reconciler.model.stack import Guards, Stack
from reconciler.plan.change import Action
from reconciler.plan.facts import Facts
from reconciler.plan.inputs import Inputs
from reconciler.providers.gemini.fields import HYPERPARAMETERS, PARENT
from reconciler.state.values import Record, RecordedModel
from tests.worlds import BASE, address, count_calls, live, make_plan, model, want, world

RATE = f"{HYPERPARAMETERS}.learning_rate"
EPOCHS = f"{HYPERPARAMETERS}.epoch_count"


def renamed(count: int, sort: str) -> Facts:
    """So many models under new names, all with the same data. A chain: each is tuned from the one before."""
    desired, recorded, alive = [], [], []
    for number in range(count):
        trained: dict[str, Any] = {"base_model": BASE, EPOCHS: 5}
        if sort not in {"equal", "chain"}:
            trained[RATE] = (number + 1) / 2**16
        if sort == "chain" and number:
            trained = {PARENT: f"tunedModels/old-{number - 1:04}-aaaaaaaa", EPOCHS: 5}
        old, id = address(f"old-{number:04}"), f"old-{number:04}-aaaaaaaa"
        others: dict[str, Any] = {}
        if sort == "moved_from":
            others["moved_from"] = old
        if sort == "pinned":
            others["id"] = id
        declared = {path: value for path, value in trained.items() if sort != "dropped" or path != RATE}
        if PARENT in declared:
            declared[PARENT] = str(address(f"new-{number - 1:04}"))
        desired.append(want(f"new-{number:04}", attributes=declared, **others))
        recorded.append(Record(old, model(id, attributes=trained)))
        alive.append(live(id, attributes=trained))
    return world(desired, recorded, alive, inputs=Inputs(guards=Guards(max_trainings=count)))


@pytest.mark.parametrize("sort", ["told apart", "equal", "dropped", "pinned", "moved_from", "chain"])
def test_twice_as_many_renamed_models_are_twice_as_much_work(sort: str) -> None:
    """This holds for different trainings and for equal ones, though all have the same data."""
    count_calls(renamed(10, sort))  # the first call fills caches
    assert count_calls(renamed(120, sort)) < 2.3 * count_calls(renamed(60, sort))


@pytest.mark.parametrize("sort", ["told apart", "pinned", "moved_from", "chain"])
def test_each_renamed_model_takes_its_own_record(sort: str) -> None:
    """Only the training, the id or the manifest tells them apart; in a chain, what they are tuned from."""
    plan = make_plan(renamed(12, sort))
    assert [(one.address.name, one.action, one.id) for one in plan.changes] == [
        (f"new-{number:04}", Action.MOVE, f"old-{number:04}-aaaaaaaa") for number in range(12)
    ]


def test_a_pinned_manifest_without_data_takes_no_record_over() -> None:
    """It does not say what it is trained on, so it may be another training."""
    facts = renamed(1, "pinned")
    (desired,) = facts.desired.values()
    without = replace(facts, desired={desired.address: replace(desired, data=())})
    with pytest.raises(PlanError, match="old-0000-aaaaaaaa, which is recorded as TunedModel/old-0000"):
        make_plan(without)


def test_a_message_names_five_of_many_that_fit() -> None:
    """Ten thousand names in ten thousand messages help nobody."""
    with pytest.raises(PlanError) as refused:
        make_plan(renamed(8, "equal"))
    names = " and ".join(f"TunedModel/old-{number:04}" for number in range(5))
    assert [one.summary for one in refused.value.diagnostics] == [
        f"TunedModel/new-{number:04} is the training of {names} and others, which no manifest declares: "
        "it can be one of them"
        for number in range(8)
    ]


def take_over(old: RecordedModel, shown: Live, declared: Attributes) -> list[tuple[str, str]]:
    """Return what becomes of a model that is recorded under an old name."""
    named = Stack(name="s")
    facts = world([want("new", attributes=declared)], [Record(address("old"), old)], [shown], stack=named)
    return [(one.address.name, str(one.action)) for one in make_plan(facts).changes]


def test_a_model_that_never_served_or_had_other_data_is_not_taken_over() -> None:
    """A deposed model moves nobody. One whose data was assumed raises no doubt if it had other data."""
    old = model("old-aaaaaaaa")
    other = replace(old, data=(replace(old.data[0], field="validation_data", assumed=True),))
    for record in (Record(address("old"), deposed=(old,)), Record(address("old"), other)):
        plan = make_plan(world([want("new")], [record], [live("old-aaaaaaaa")]))
        assert [(one.action, one.notes) for one in plan.trainings] == [(Action.CREATE, ())]


def test_an_unknown_kind_is_no_twin() -> None:
    """It is refused, though a model of a known kind leaves."""
    facts = renamed(1, "told apart")
    unknown = replace(want("x"), address=Address("Other", "x"))
    with pytest.raises(PlanError, match="Other/x: this version knows no kind Other"):
        make_plan(world([unknown], facts.state.resources.values()))


def test_a_value_that_was_sent_or_is_live_finds_the_model() -> None:
    """The service may write a value in another form, or have chosen what is now declared."""
    sent: dict[str, Any] = {"base_model": BASE, EPOCHS: 5}
    shown = live("old-aaaaaaaa", attributes={"base_model": BASE, EPOCHS: 6, RATE: 0.5})
    old = model("old-aaaaaaaa", attributes=sent)
    moved, kept = [("new", "move")], [("new", "create"), ("old", "delete")]
    assert take_over(old, shown, {**sent, EPOCHS: 5}) == moved
    assert take_over(old, shown, {**sent, EPOCHS: 6}) == moved
    assert take_over(old, shown, {**sent, RATE: 0.5}) == moved
    assert take_over(old, shown, {**sent, EPOCHS: 7}) == kept
    assert take_over(old, shown, {**sent, RATE: 0.25}) == kept


def test_a_model_that_is_shown_otherwise_in_every_field_is_still_found() -> None:
    """Each value may be the sent one or the live one, which makes too many ids to compute them all."""
    paths = [f"{HYPERPARAMETERS}.{name}" for name in ("epoch_count", "batch_size")]
    rates = [f"{HYPERPARAMETERS}.{name}" for name in ("learning_rate", "learning_rate_multiplier")]
    sent: dict[str, Any] = {"base_model": BASE, **dict.fromkeys(paths, 5), **dict.fromkeys(rates, 0.5)}
    shown: dict[str, Any] = {
        "base_model": "models/x",
        **dict.fromkeys(paths, 6),
        **dict.fromkeys(rates, 0.25),
    }
    source = {"tuned_model_source.tuned_model": "tunedModels/a"}
    old = model("old-aaaaaaaa", attributes={**sent, **source})
    alive = live("old-aaaaaaaa", attributes={**shown, "tuned_model_source.tuned_model": "tunedModels/b"})
    mixed = {**sent, paths[1]: 6, rates[1]: 0.25, **source}
    assert take_over(old, alive, mixed) == [("new", "move")]
    assert take_over(old, alive, {**mixed, paths[0]: 7}) == [("new", "create"), ("old", "delete")]
