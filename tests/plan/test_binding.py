"""Whether an approved plan is still true: progress is no move, everything else on a touched address is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.errors import PlanError, StalePlanError
from reconciler.model.desired import Desired, Lifecycle
from reconciler.model.live import Live, Status
from reconciler.model.stack import Guards
from reconciler.plan.binding import bind, verify
from reconciler.plan.change import Action, Plan
from reconciler.plan.facts import Facts
from reconciler.plan.inputs import Inputs
from reconciler.plan.steps import Move, find_step
from reconciler.state.values import Record, RecordedModel, Verdict
from tests import worlds
from tests.casefiles import Case, cases
from tests.limits import examples
from tests.worlds import (
    CREATED,
    OWN,
    READER,
    candidate,
    id_of,
    live,
    make_plan,
    model,
    plan_with_facts,
    want,
    world,
)

BOT = worlds.address("bot")
OLD = "bot-aaaaaaaa"
NEW = id_of(data="two")
PLANNED = [case for case in cases("plan") if "error" not in case.expected]
IDLE = want("idle")
IDLE_ID = id_of("idle")
IDLE_RECORD = Record(IDLE.address, serving=model(IDLE_ID))


def around(
    desired: Iterable[Desired] = (),
    recorded: Iterable[Record] = (),
    alive: Iterable[Live] = (),
    inputs: Inputs | None = None,
) -> Facts:
    """The world with these models, and one that the plan leaves alone."""
    return world(
        [IDLE, *desired], [IDLE_RECORD, *recorded], [live(IDLE_ID), *alive], inputs=inputs or Inputs()
    )


def replaced() -> Facts:
    """A replacement that was approved: other data, an old model that serves."""
    at_once = Lifecycle(keep_deposed=timedelta(0))
    return around([want(data="two", lifecycle=at_once)], [Record(BOT, serving=model(OLD))], [live(OLD)])


def check(approved: Plan, now: Facts) -> Plan:
    """The approved plan as it is now, or the refusal."""
    return verify(approved, *plan_with_facts(now))


def actions(plan: Plan) -> list[tuple[str, str, str]]:
    """List the actions of a plan, without no-ops."""
    return [(one.address.name, str(one.action), one.id) for one in plan.changes]


def plan_or_none(now: Facts) -> Plan | None:
    """The plan, None where it is refused."""
    try:
        return make_plan(now)
    except PlanError:
        return None


def with_record(now: Facts, record: Record) -> Facts:
    """The world in which this is recorded."""
    return replace(now, state=now.state.put(record))


def with_live(now: Facts, *models: Live, without: str = "") -> Facts:
    """The world in which these are live, and that one is gone."""
    shown = {id: one for id, one in now.observed.live[worlds.KIND].items() if id != without}
    shown |= {one.id: one for one in models}
    return replace(now, observed=replace(now.observed, live={worlds.KIND: shown}))


def with_want(now: Facts, desired: Desired) -> Facts:
    """The world in which this manifest says something else."""
    return replace(now, desired={**now.desired, desired.address: desired})


SCENES: dict[str, tuple[Facts, list[tuple[str, str, str]]]] = {
    "create": (around([want()]), [("bot", "create", id_of())]),
    "create after a failure": (
        around([want()], alive=[live(id_of(), Status.FAILED)]),
        [("bot", "create", id_of("bot", 1)), ("bot", "delete", id_of())],
    ),
    "adopt": (around([want()], alive=[live(id_of())]), [("bot", "adopt", id_of())]),
    "wait": (
        around([want()], [Record(BOT, candidate=candidate(id_of()))], [live(id_of(), Status.CREATING)]),
        [("bot", "wait", id_of())],
    ),
    "complete": (
        around([want()], [Record(BOT, candidate=candidate(id_of()))], [live(id_of())]),
        [("bot", "complete", id_of())],
    ),
    "update": (
        around(
            [want()],
            [Record(BOT, serving=model(OLD))],
            [live(OLD, attributes={**worlds.DECLARED, "temperature": 0.2})],
        ),
        [("bot", "update", OLD)],
    ),
    "update beside a deposed model": (
        around(
            [want()],
            [Record(BOT, serving=model(OLD), deposed=(model("bot-bbbbbbbb"),))],
            [live(OLD, attributes={**worlds.DECLARED, "temperature": 0.2}), live("bot-bbbbbbbb")],
        ),
        [("bot", "update", OLD), ("bot", "delete", "bot-bbbbbbbb")],
    ),
    "replace": (replaced(), [("bot", "replace", NEW)]),
    "replace an unfinished candidate": (
        around([want(data="two")], [Record(BOT, candidate=candidate(OLD))], [live(OLD, Status.CREATING)]),
        [("bot", "replace", NEW), ("bot", "delete", OLD)],
    ),
    "restore": (
        around(
            [want()],
            [Record(BOT, serving=model(OLD, "two"), deposed=(model(id_of()),))],
            [live(OLD), live(id_of())],
        ),
        [("bot", "restore", id_of())],
    ),
    "delete": (
        around([], [Record(BOT, serving=model(OLD), candidate=candidate(NEW))], [live(OLD), live(NEW)]),
        [("bot", "delete", OLD), ("bot", "delete", NEW)],
    ),
    "delete a deposed model": (
        around([want()], [Record(BOT, serving=model(OLD), deposed=(model(NEW),))], [live(OLD), live(NEW)]),
        [("bot", "delete", NEW)],
    ),
    "forget": (around([], [Record(BOT, serving=model(OLD))]), [("bot", "forget", OLD)]),
    "failed": (
        around([want()], [Record(BOT, candidate=candidate(id_of()))], [live(id_of(), Status.FAILED)]),
        [("bot", "failed", id_of())],
    ),
    "failed, and its record is written beside a deletion": (
        around(
            [want()],
            [Record(BOT, candidate=candidate(id_of()), deposed=(candidate(OLD),), prevent_destroy=True)],
            [live(id_of(), Status.FAILED), live(OLD)],
        ),
        [("bot", "failed", id_of()), ("bot", "delete", OLD)],
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_an_unchanged_world_passes(scene: str) -> None:
    """What was approved is done, model by model. No-ops are left out."""
    now, expected = SCENES[scene]
    assert actions(check(make_plan(now), now)) == expected


@pytest.mark.parametrize("scene", SCENES)
def test_the_intents_of_a_run_that_crashed_are_progress(scene: str) -> None:
    """After a crash between its first commit and its first call, the same plan goes on under the same ids."""
    now, expected = SCENES[scene]
    approved = make_plan(now)
    state = now.state.put(*(one.intent for one in approved.changes if one.intent is not None))
    again = check(approved, replace(now, state=state))
    assert [(name, id) for name, _, id in actions(again)] == [(name, id) for name, _, id in expected]
    trainings = {one.id for one in approved.trainings}
    assert {one.id for one in again.trainings} == trainings


@pytest.mark.parametrize("scene", [one for one in SCENES if one not in {"delete", "forget"}])
def test_another_manifest_is_a_move(scene: str) -> None:
    """If the document of a touched address has changed, the plan is refused. A failure touches no address."""
    now, expected = SCENES[scene]
    moved = with_want(now, replace(now.desired[BOT], labels={"team": "other"}))
    if scene == "failed":
        assert actions(check(make_plan(now), moved)) == expected
        return
    with pytest.raises(StalePlanError, match="TunedModel/bot: its manifest or its data has changed"):
        check(make_plan(now), moved)


def test_other_data_are_a_move() -> None:
    """The document is the same, but the file that it names has changed."""
    now = replaced()
    moved = with_want(now, replace(now.desired[BOT], data=(worlds.dataset("three"),)))
    with pytest.raises(StalePlanError, match="TunedModel/bot: its manifest or its data has changed"):
        check(make_plan(now), moved)


def test_a_manifest_that_came_back_is_a_move() -> None:
    """A deletion was approved because nothing declared the model."""
    now = around([], [Record(BOT, serving=model(OLD))], [live(OLD)])
    with pytest.raises(StalePlanError, match="TunedModel/bot: its manifest"):
        check(make_plan(now), with_want(now, want()))


RECORD_MOVES: dict[str, Callable[[RecordedModel], RecordedModel]] = {
    "another id": lambda one: replace(one, id="bot-cccccccc"),
    "other fields sent": lambda one: replace(one, sent={**one.sent, "temperature": 0.1}),
    "other data": lambda one: model(one.id, "three"),
    "other grants": lambda one: replace(one, permissions=(READER,)),
    "another generation": lambda one: replace(one, generation=4),
}


@pytest.mark.parametrize("move", RECORD_MOVES)
def test_another_record_is_a_move(move: str) -> None:
    """Another run has worked on the address."""
    now = replaced()
    moved = with_record(now, Record(BOT, serving=RECORD_MOVES[move](model(OLD))))
    with pytest.raises(StalePlanError, match="TunedModel/bot: its record has changed") as refused:
        check(make_plan(now), moved)
    assert [one.address for one in refused.value.diagnostics] == ["TunedModel/bot"]
    assert "new plan" in refused.value.detail


def test_protection_is_a_move() -> None:
    """Somebody protected the model after its deletion was approved."""
    now = around([], [Record(BOT, serving=model(OLD))], [live(OLD)])
    approved = make_plan(now)
    moved = with_record(now, Record(BOT, serving=model(OLD), prevent_destroy=True))
    with pytest.raises(PlanError, match="prevent_destroy"):
        check(approved, moved)


LIVE_MOVES: dict[str, tuple[Callable[[Facts], Facts], str]] = {
    "a declared field": (
        lambda now: with_live(now, live(OLD, attributes={**worlds.DECLARED, "temperature": 0.1})),
        "the live model has changed",
    ),
    "an immutable field": (
        lambda now: with_live(now, live(OLD, attributes={**worlds.DECLARED, "base_model": "models/x"})),
        "the live model has changed",
    ),
    "failed": (lambda now: with_live(now, live(OLD, Status.FAILED)), "the live model has changed"),
    "gone": (lambda now: with_live(now, without=OLD), "the live model is gone"),
}


@pytest.mark.parametrize("move", LIVE_MOVES)
def test_another_live_model_is_a_move(move: str) -> None:
    """The model that serves has changed since its replacement was approved."""
    now = replaced()
    change, words = LIVE_MOVES[move]
    with pytest.raises(StalePlanError, match=f"TunedModel/bot: {words}"):
        check(make_plan(now), change(now))


@pytest.mark.parametrize("move", ["manifest", "data", "record", "field", "failed", "gone"])
def test_a_move_of_what_the_plan_leaves_alone_is_none(move: str) -> None:
    """A change of another model does not refuse the plan, and is not applied with it."""
    now = replaced()
    moved = {
        "manifest": with_want(now, replace(IDLE, attributes={**IDLE.attributes, "temperature": 0.1})),
        "data": with_want(now, replace(IDLE, data=(worlds.dataset("three"),))),
        "record": with_record(now, Record(IDLE.address, serving=model("idle-cccccccc"))),
        "field": with_live(now, live(IDLE_ID, attributes={**worlds.DECLARED, "temperature": 0.1})),
        "failed": with_live(now, live(IDLE_ID, Status.FAILED)),
        "gone": with_live(now, without=IDLE_ID),
    }[move]
    assert actions(check(make_plan(now), moved)) == [("bot", "replace", NEW)]


def test_a_change_of_the_record_can_only_turn_out_to_be_made() -> None:
    """If nothing is left to do, that is progress. Nobody has approved any other decision."""
    plan, facts = plan_with_facts(replaced())
    change = next(change for change in plan.changes if change.address == BOT)
    approved = replace(plan, changes=(replace(change, action=Action.RECORD),))
    made = replace(plan, changes=(replace(change, action=Action.NO_OP),))
    assert verify(approved, made, facts).changes == made.changes
    with pytest.raises(StalePlanError, match="by now it would say replace"):
        verify(approved, plan, facts)


def test_what_only_time_changes_is_no_move() -> None:
    """Times, statuses, operations, verdicts, snapshots and undeclared fields may change."""
    now = replaced()
    approved = make_plan(now)
    aged = model(OLD, operation="x", total_steps=3, verdict=Verdict.PASSED, completed="later", error="y")
    shown = live(OLD, attributes={**worlds.DECLARED, **OWN, "top_k": 1}, complete_time="later")
    moved = with_live(with_record(now, Record(BOT, serving=aged)), shown)
    moved = replace(moved, now=moved.now.replace(year=2027), state=replace(moved.state, serial=99))
    assert actions(check(approved, moved)) == [("bot", "replace", NEW)]


def steps_of_a_replacement() -> list[tuple[str, Facts, list[tuple[str, str, str]]]]:
    """The worlds that the approved replacement itself leads through, and what is left to do in each."""
    now = replaced()
    (change,) = [one for one in make_plan(now).changes if one.address == BOT]
    assert change.intent is not None
    assert change.intent.candidate is not None
    intent, trained = change.intent, change.intent.candidate
    accepted = replace(trained, status=Status.CREATING, operation="op", create_time=CREATED)
    done = replace(trained, status=Status.ACTIVE, create_time=CREATED, promoted=CREATED)
    old = model(OLD, deposed=CREATED)
    creating = with_live(now, live(NEW, Status.CREATING))
    active = with_live(now, live(NEW))
    serving = with_record(active, Record(BOT, serving=done, deposed=(old,)))
    return [
        ("intent recorded", with_record(now, intent), [("bot", "replace", NEW)]),
        ("accepted, not recorded", with_record(creating, intent), [("bot", "wait", NEW)]),
        (
            "accepted and recorded",
            with_record(creating, replace(intent, candidate=accepted)),
            [("bot", "wait", NEW)],
        ),
        ("trained", with_record(active, replace(intent, candidate=accepted)), [("bot", "complete", NEW)]),
        ("promoted", serving, [("bot", "no-op", NEW), ("bot", "delete", OLD)]),
        (
            "old deleted, not recorded",
            with_live(serving, without=OLD),
            [("bot", "no-op", NEW), ("bot", "forget", OLD)],
        ),
        (
            "all done",
            with_live(with_record(active, Record(BOT, serving=done)), without=OLD),
            [("bot", "no-op", NEW)],
        ),
    ]


@pytest.mark.parametrize("step", range(7), ids=[name for name, _, _ in steps_of_a_replacement()])
def test_a_replacement_goes_on_wherever_it_was_left(step: int) -> None:
    """After a crash at any step, a second run of an approved replacement does what is left and no more."""
    _, now, left = steps_of_a_replacement()[step]
    assert actions(check(make_plan(replaced()), now)) == left


def test_a_training_that_failed_meanwhile_is_a_move() -> None:
    """The approved create was begun and has failed. Nobody has approved another one."""
    now = around([want()])
    approved = make_plan(now)
    (change,) = approved.trainings
    assert change.intent is not None
    moved = with_live(with_record(now, change.intent), live(change.id, Status.FAILED))
    with pytest.raises(
        StalePlanError, match="TunedModel/bot: the plan said create, by now it would say failed"
    ):
        check(approved, moved)


def test_another_id_to_train_is_a_move() -> None:
    """An unrecorded failure has taken the approved id. Nobody has approved another id."""
    now = around([want()])
    moved = with_live(now, live(id_of(), Status.FAILED))
    words = f"TunedModel/bot: the plan was about {id_of()}, by now it would be about {id_of('bot', 1)}"
    with pytest.raises(StalePlanError, match=words):
        check(make_plan(now), moved)


def test_a_saved_plan_with_replace_trains_once() -> None:
    """The plan has --replace. A second run after the promotion would train the next generation."""
    first, second = model(id_of()), model(id_of("bot", 1), generation=1)
    asked = Inputs(replace=("bot",))
    now = around([want()], [Record(BOT, serving=first)], [live(first.id)], asked)
    approved = make_plan(now)
    assert [one.id for one in approved.trainings] == [second.id]
    done = with_live(with_record(now, Record(BOT, serving=second)), live(second.id), without=first.id)
    with pytest.raises(StalePlanError, match="TunedModel/bot"):
        check(approved, done)


def test_a_candidate_that_failed_or_went_while_the_plan_lay_is_a_move() -> None:
    """To wait was approved, and not to train again."""
    now, _ = SCENES["wait"]
    approved = make_plan(now)
    with pytest.raises(StalePlanError, match="TunedModel/bot: the live model has changed"):
        check(approved, with_live(now, live(id_of(), Status.FAILED)))
    with pytest.raises(StalePlanError, match="TunedModel/bot: the live model is gone"):
        check(approved, with_live(now, without=id_of()))


def test_a_candidate_that_went_on_to_serve_is_progress() -> None:
    """It went from CREATING to ACTIVE, and another run finished it.

    Nothing is left, and nothing is refused.
    """
    now, _ = SCENES["wait"]
    approved = make_plan(now)
    active = with_live(now, live(id_of()))
    assert actions(check(approved, active)) == [("bot", "complete", id_of())]
    served = with_record(active, Record(BOT, serving=model(id_of())))
    assert [one.action for one in check(approved, served).changes] in ([Action.NO_OP], [Action.RECORD])


def test_an_update_that_was_made_is_progress() -> None:
    """The reply to a PATCH was lost. The live model is as the plan would leave it."""
    now, _ = SCENES["update"]
    again = check(make_plan(now), with_live(now, live(OLD)))
    assert {one.action for one in again.changes} <= {Action.NO_OP, Action.RECORD}


def test_a_deletion_that_was_made_is_progress() -> None:
    """The model was deleted and its record is still there, or one of two models was deleted."""
    now, _ = SCENES["delete"]
    approved = make_plan(now)
    half = with_live(with_record(now, Record(BOT, candidate=candidate(NEW))), without=OLD)
    assert actions(check(approved, half)) == [("bot", "delete", NEW)]
    both = with_live(with_live(now, without=OLD), without=NEW)
    assert actions(check(approved, both)) == [("bot", "forget", OLD)]
    forgotten = replace(both, state=both.state.put(Record(BOT)))
    assert actions(check(approved, forgotten)) == []


def test_a_failure_stays_one_whatever_was_changed_since() -> None:
    """A plan that showed a failure does not train it again, even if today's manifest would."""
    now, _ = SCENES["failed"]
    again = check(make_plan(now), with_want(now, want(data="two")))
    assert actions(again) == [("bot", "failed", id_of())]
    assert [one.intent for one in again.changes] == [None]


def test_a_trained_candidate_that_another_run_promoted_is_progress() -> None:
    """Only its completion was approved. That is done, so nothing is left."""
    now, _ = SCENES["complete"]
    served = with_record(now, Record(BOT, serving=model(id_of())))
    assert actions(check(make_plan(now), served)) == [("bot", "no-op", id_of())]


def test_a_deposed_model_that_appeared_after_a_forget_was_approved_is_a_move() -> None:
    """To forget a missing model was approved, and not to delete a live one."""
    now, _ = SCENES["forget"]
    deposed = with_record(now, Record(BOT, serving=model(OLD), deposed=(model(NEW),)))
    words = "TunedModel/bot: the plan said forget, by now it would say delete"
    with pytest.raises(StalePlanError, match=words):
        check(make_plan(now), with_live(deposed, live(NEW)))


def test_what_was_only_to_be_recorded_is_left_out_once_more_is_to_be_done() -> None:
    """Nobody has approved the update that the same manifest now needs."""
    protects = want(lifecycle=Lifecycle(prevent_destroy=True))
    now = around([protects], [Record(BOT, serving=model(OLD))], [live(OLD)])
    assert actions(make_plan(now))[0] == ("bot", "record", OLD)
    changed = with_live(now, live(OLD, attributes={**worlds.DECLARED, "temperature": 0.2}))
    assert actions(make_plan(changed))[0] == ("bot", "update", OLD)
    assert actions(check(make_plan(now), changed)) == []


def test_a_plan_that_does_not_say_what_it_depends_on_is_refused() -> None:
    """Nobody can tell whether it is still true."""
    now = replaced()
    with pytest.raises(StalePlanError, match="TunedModel/bot: it is not in the list of what the plan"):
        check(replace(make_plan(now), bindings={}), now)


def test_every_move_is_named() -> None:
    """The error names all addresses that moved at once."""
    two = [want("a", "two"), want("b", "two")]
    recorded = [Record(one.address, serving=model(f"{one.address.name}-aaaaaaaa")) for one in two]
    now = world(two, recorded, [live("a-aaaaaaaa"), live("b-aaaaaaaa")])
    with pytest.raises(StalePlanError) as refused:
        check(make_plan(now), with_live(with_live(now, without="a-aaaaaaaa"), without="b-aaaaaaaa"))
    assert [one.address for one in refused.value.diagnostics] == ["TunedModel/a", "TunedModel/b"]
    assert [one.detail.partition(".")[0] for one in refused.value.diagnostics] == [
        "",
        "The plan is out of date",
    ]


def test_only_touched_addresses_are_bound() -> None:
    """No-ops, failures and changes of the record alone bind nothing."""
    assert set(make_plan(replaced()).bindings) == {BOT}
    assert make_plan(SCENES["failed"][0]).bindings == {}
    protects = want(lifecycle=Lifecycle(prevent_destroy=True))
    recording = around([protects], [Record(BOT, serving=model(OLD))], [live(OLD)])
    assert [one.action for one in make_plan(recording).changes] == [Action.RECORD, Action.NO_OP]
    assert make_plan(recording).bindings == {}


@pytest.mark.parametrize("case", PLANNED, ids=[case.name for case in PLANNED])
def test_a_plan_of_every_row_holds_in_its_own_world(case: Case) -> None:
    """What was approved is carried out whole if nothing has changed, whatever its steps are."""
    now = case.world()
    is_rollback = "rollback" in case.body
    fresh, facts = (case.plan(now), now) if is_rollback else plan_with_facts(now)
    approved = replace(fresh, bindings=dict(bind(facts, fresh.changes)))
    same = verify(approved, fresh, facts)
    work = [one.key for one in approved.changes if one.action is not Action.NO_OP]
    assert [one.key for one in same.changes] == work


@pytest.mark.timeout(400)  # Hypothesis shrinks a failure for at most 300 s
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    worlds.worlds(
        options=st.builds(Inputs, retry_failed=st.booleans(), guards=st.just(Guards(max_trainings=99))),
        tunable=False,
    )
)
def test_any_plan_holds_in_its_own_world_and_after_its_intents(now: Facts) -> None:
    """No plan is refused in an unchanged world, or after a crash between its intents and its calls."""
    approved = plan_or_none(now)
    assume(approved)
    assert approved is not None
    same = check(approved, now)
    work = [one for one in approved.changes if one.action is not Action.NO_OP]
    assert [(one.key, one.action) for one in same.changes] == [(one.key, one.action) for one in work]
    left = [Record(move.previous) for one in approved.changes if (move := find_step(one.steps, Move))]
    state = now.state.put(*left, *(one.intent for one in approved.changes if one.intent is not None))
    again = check(approved, replace(now, state=state))
    assert {one.id for one in again.trainings} == {one.id for one in approved.trainings}


def test_a_candidate_that_serves_until_it_is_replaced_is_bound_before_and_after_the_intents() -> None:
    """The first write makes it the serving model, so a run that ends after that write can be repeated."""
    trained = model(OLD, promoted="")
    now = world([want(data="two")], [Record(BOT, candidate=trained)], [live(OLD)])
    approved = make_plan(now)
    (change,) = approved.changes
    assert change.intent is not None
    assert change.intent.serving == replace(trained, promoted="2026-11-22T12:00:00Z")
    begun = replace(now, state=now.state.put(change.intent))
    assert [actions(check(approved, at)) for at in (now, begun)] == [actions(approved)] * 2
    other = live(OLD, attributes={**worlds.DECLARED, "base_model": "models/x"})
    for at in (now, begun):
        with pytest.raises(StalePlanError, match="TunedModel/bot: the live model has changed"):
            check(approved, with_live(at, other))


def test_a_saved_plan_is_the_same_in_every_process() -> None:
    """The order of Python's sets, which differs from run to run, does not change the bindings."""
    code = (
        "from tests import worlds; from tests.worlds import READER, WRITER, id_of; "
        "from tests.worlds import make_plan; from reconciler.state.values import Record; "
        "old = Record(worlds.address(), worlds.model(id_of(), permissions=(READER,))); "
        "wish = worlds.want(attributes={**worlds.DECLARED, 'temperature': 0.2}, permissions=(WRITER,)); "
        "world = worlds.world([wish], [old], [worlds.live(id_of())]); "
        "print(*make_plan(world).bindings.values())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3, 4)
    }
    assert len(told) == 1


def test_a_binding_is_made_when_it_is_asked_for() -> None:
    """A plan that was not decided again is up to date without its bindings. They are the same at any time."""
    plan, facts = plan_with_facts(replaced())
    assert verify(plan, plan, facts).changes
    asked = plan.bindings[BOT]
    assert asked is plan.bindings[BOT]
    assert dict(plan.bindings) == dict(make_plan(replaced()).bindings) == {BOT: asked}
