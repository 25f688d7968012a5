"""A plan whose copies wait for their sources is still true when the sources have begun to serve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from msgspec.structs import replace

from reconciler.errors import StalePlanError
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.model.names import Address
from reconciler.plan.binding import verify
from reconciler.plan.change import Action, Plan
from reconciler.plan.facts import Facts
from reconciler.plan.stand_ins import StandIn, find_stand_ins
from reconciler.plan.steps import RecordIntent
from reconciler.providers.vertex.fields import MODEL_COPY
from reconciler.state.values import Record, RecordedModel
from tests import copy_cases, worlds
from tests.worlds import candidate, deployable, id_of, live, make_plan, model, plan_with_facts, want, world

BOT = worlds.address("bot")
FIRST, SECOND = copy_cases.address("first"), copy_cases.address("second")
COPY = copy_cases.want("first", {"source": str(BOT)})
CHAIN = (COPY, copy_cases.want("second", {"source": str(FIRST)}))
SOURCE = deployable(id_of())
OLD = "first-aaaaaaaa"


def around(
    copies: Iterable[Desired] = (COPY,),
    recorded: Iterable[Record] = (),
    shown: Iterable[Live] = (),
    *,
    data: str = "one",
) -> Facts:
    """The model `bot` and copies of it. Of `shown`, copies have names of resources."""
    facts = world([want(data=data), *copies], recorded)
    alive: dict[str, dict[str, Live]] = {worlds.KIND: {}, copy_cases.KIND: {}}
    for one in shown:
        alive[copy_cases.KIND if one.name.startswith("projects/") else worlds.KIND][one.id] = one
    kinds = {**facts.kinds, copy_cases.KIND: MODEL_COPY}
    return replace(facts, kinds=kinds, observed=replace(facts.observed, live=alive))


def copy_id(name: str = "first", source: str = SOURCE) -> str:
    """The id of a copy, by the independent formula."""
    return copy_cases.id_of(name, 0, source, "")


def serves(approved: Plan) -> Record:
    """The record of `bot` after its step of a plan."""
    (change,) = [change for change in approved.changes if change.address == BOT and not change.deposed]
    assert change.intent is not None
    assert change.intent.candidate is not None
    serving = replace(
        change.intent.candidate,
        name=f"tunedModels/{change.id}",
        status=Status.ACTIVE,
        create_time=worlds.CREATED,
        promoted=worlds.CREATED,
        model=deployable(change.id),
    )
    return replace(change.intent, serving=serving, candidate=None)


def copied(name: str = "first", source: str = SOURCE, **body: str) -> RecordedModel:
    """A recorded copy."""
    return copy_cases.record_model({"source": source, **body}, copy_id(name, source))


def shown(name: str = "first", source: str = SOURCE, status: str = "ACTIVE") -> Live:
    """A copy as the service shows it."""
    return copy_cases.live({"source": source, "status": status}, copy_id(name, source))


def find(approved: Plan, now: Facts) -> Mapping[Address, StandIn]:
    """The copies of an approved plan that have their own ids by now."""
    return find_stand_ins(approved, make_plan(now), now)


def check(approved: Plan, now: Facts) -> list[tuple[str, Action, str]]:
    """List what is still to be done of an APPROVED plan: name, action and id."""
    plan = verify(approved, *plan_with_facts(now))
    return [(change.address.name, change.action, change.id) for change in plan.changes]


APPROVED = make_plan(around())
BEGUN = (live(id_of(), deployable=SOURCE),)
DONE = ("bot", Action.NO_OP, id_of())


def test_a_source_that_began_to_serve_is_progress() -> None:
    """The copy has its own id then, and it is the copy that was APPROVED."""
    (stand_in,) = [change.id for change in APPROVED.changes if change.address == FIRST]
    assert stand_in != copy_id()
    assert check(APPROVED, around(recorded=[serves(APPROVED)], shown=BEGUN)) == [
        ("first", Action.CREATE, copy_id()),
        DONE,
    ]


def test_a_source_that_is_trained_and_not_promoted_yet_is_progress() -> None:
    """Its model has a name already, so the copy has its own id."""
    record = serves(APPROVED)
    assert record.serving is not None
    trained = replace(record, serving=None, candidate=replace(record.serving, promoted=""))
    assert check(APPROVED, around(recorded=[trained], shown=BEGUN)) == [
        ("first", Action.CREATE, copy_id()),
        ("bot", Action.COMPLETE, id_of()),
    ]


@pytest.mark.parametrize("status", ["pending", "CREATING", "ACTIVE"])
def test_a_copy_that_the_same_plan_began_is_progress(status: str) -> None:
    """A run that was interrupted after it had named the copy, or asked for it."""
    body = {"status": status, "promoted": ""}
    there = [] if status == "pending" else [shown(status=status)]
    now = around(recorded=[serves(APPROVED), Record(FIRST, candidate=copied(**body))], shown=[*BEGUN, *there])
    action = {"pending": Action.CREATE, "CREATING": Action.WAIT, "ACTIVE": Action.COMPLETE}[status]
    assert check(APPROVED, now) == [("first", action, copy_id()), DONE]


def test_a_copy_that_the_same_plan_promoted_is_progress() -> None:
    """Nothing is left to do for it."""
    now = around(recorded=[serves(APPROVED), Record(FIRST, serving=copied())], shown=[*BEGUN, shown()])
    assert check(APPROVED, now) == [("first", Action.NO_OP, copy_id()), DONE]


def test_a_copy_that_waited_when_the_run_was_interrupted_goes_on() -> None:
    """It is recorded under the id that stands in, or was when the plan was made."""
    copy, bot = (change.intent for change in APPROVED.changes)
    assert copy is not None
    assert bot is not None
    assert bot.candidate is not None
    now = around(recorded=[serves(APPROVED), copy], shown=BEGUN)
    expected = [("first", Action.CREATE, copy_id()), DONE]
    assert check(APPROVED, now) == expected
    begun = replace(bot.candidate, status=Status.CREATING, create_time=worlds.CREATED)
    training = around(recorded=[replace(bot, candidate=begun), copy], shown=[live(id_of(), Status.CREATING)])
    assert check(make_plan(training), now) == expected


def test_a_replacement_of_a_copy_goes_on_with_what_serves() -> None:
    """The copy that is replaced is checked as ever."""
    before, new = deployable("bot-aaaaaaaa"), id_of(data="two")
    trained = Record(BOT, serving=model("bot-aaaaaaaa", model=before))
    old = Record(FIRST, serving=copy_cases.record_model({"source": before}, OLD))
    old_shown = copy_cases.live({"source": before}, OLD)
    alive = live("bot-aaaaaaaa", deployable=before)
    approved = make_plan(around(recorded=[trained, old], shown=[alive, old_shown], data="two"))
    alive_now = [live(new, deployable=deployable(new)), alive]
    now = around(recorded=[serves(approved), old], shown=[*alive_now, old_shown], data="two")
    assert ("first", Action.REPLACE, copy_id(source=deployable(new))) in check(approved, now)
    gone = around(recorded=[serves(approved), old], shown=alive_now, data="two")
    with pytest.raises(StalePlanError, match="ModelCopy/first: the live model is gone"):
        check(approved, gone)


def test_a_copy_of_a_copy_goes_on_too() -> None:
    """Both have got their own ids, one after the other."""
    approved = make_plan(around(CHAIN))
    between = copied()
    now = around(CHAIN, [serves(approved), Record(FIRST, serving=between)], [*BEGUN, shown()])
    assert check(approved, now) == [
        ("first", Action.NO_OP, copy_id()),
        ("second", Action.CREATE, copy_id("second", between.model)),
        DONE,
    ]
    begun = Record(FIRST, candidate=copied(status="pending"))
    early = check(approved, around(CHAIN, [serves(approved), begun], BEGUN))
    assert [(name, action) for name, action, _ in early] == [
        ("first", Action.CREATE),
        ("second", Action.CREATE),
        ("bot", Action.NO_OP),
    ]


def test_another_model_that_serves_is_another_copy() -> None:
    """The source was trained again by somebody else, or the copy was made from something else."""
    other = id_of(generation=1)
    trained = Record(BOT, serving=model(other, model=deployable(other)))
    now = around(recorded=[trained], shown=[live(other, deployable=deployable(other))])
    with pytest.raises(StalePlanError, match="TunedModel/bot: its record has changed"):
        check(APPROVED, now)
    assert find(APPROVED, now) == {}
    strange = Record(FIRST, candidate=copied(source=deployable("bot-zzzzzzzz")))
    with pytest.raises(StalePlanError, match="ModelCopy/first: its record has changed"):
        check(APPROVED, around(recorded=[serves(APPROVED), strange], shown=BEGUN))


def test_a_copy_that_still_waits_has_no_id_of_its_own() -> None:
    """Its source serves the right model already, and is to get another checkpoint."""
    serving = around(recorded=[serves(APPROVED)], shown=BEGUN)
    assert find_stand_ins(APPROVED, APPROVED, serving) == {}


def test_what_does_not_wait_has_no_stand_in() -> None:
    """A training, a copy of a model that is there, a copy without a manifest, a plan without records."""
    serving = around(recorded=[serves(APPROVED)], shown=BEGUN)
    assert list(find(APPROVED, serving)) == [FIRST]
    assert find(make_plan(serving), serving) == {}
    assert find(APPROVED, around(copies=(), recorded=[serves(APPROVED)], shown=BEGUN)) == {}
    assert find(APPROVED, around()) == {}
    bare = replace(
        APPROVED,
        changes=tuple(
            replace(change, steps=tuple(step for step in change.steps if not isinstance(step, RecordIntent)))
            for change in APPROVED.changes
        ),
    )
    assert find(bare, serving) == {}
    checked = around(recorded=[Record(BOT, candidate=candidate(id_of(), model=SOURCE))], shown=BEGUN)
    assert find(make_plan(checked), serving) == {}
