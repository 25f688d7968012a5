"""The decision: every row of the table as a case file, and what must hold in any world."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from reconciler.errors import PlanError
from reconciler.identity import GENERATIONS
from reconciler.model.desired import Lifecycle, Replacement
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.model.stack import Guards
from reconciler.plan import table
from reconciler.plan.change import Action, Bill, Change, Plan, Reason
from reconciler.plan.facts import Facts, find_replacement_reasons, index_desired
from reconciler.plan.inputs import Inputs
from reconciler.plan.rows.generations import choose_first_free
from reconciler.plan.selection import matches
from reconciler.plan.steps import (
    AwaitTraining,
    Create,
    Delete,
    DeleteFirst,
    Move,
    Promote,
    ReportFailure,
    Serves,
    SetPermissions,
    find_step,
)
from reconciler.state.values import Record
from tests import worlds
from tests.casefiles import Case, cases, field_text, permission_text
from tests.limits import examples
from tests.worlds import make_plan

CASES = cases("plan")
UNBOUNDED = st.builds(
    Inputs,
    retry_failed=st.booleans(),
    replace=st.sampled_from([(), ("bot",)]),
    guards=st.just(Guards(max_trainings=99)),
)
slow = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # A failure must be reported within 120 s.
    phases=[phase for phase in Phase if phase is not Phase.explain],
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    """The file's name is the claim."""
    world = case.world()
    if "error" in case.expected:
        with pytest.raises(PlanError) as refused:
            case.plan(world)
        said = "\n".join(f"{diagnostic} {diagnostic.address}" for diagnostic in refused.value.diagnostics)
        for words in case.expected["error"]:
            assert case_text(case, words) in said
        return
    plan = case.plan(world)
    assert [shown(change, expected_change, world) for change, expected_change in paired(plan, case)] == [
        wanted(case, change) for change in case.expected["changes"]
    ]
    for key in ("deletes", "has_changes", "has_work"):
        if key in case.expected:
            assert (key, getattr(plan, key)) == (key, case.expected[key])
    if "notes" in case.expected:
        assert list(plan.notes) == case.expected["notes"]
    assert case.described(plan) == case.body["steps"].rstrip("\n")


def paired(plan: Plan, case: Case) -> list[tuple[Change, Mapping[str, Any]]]:
    """Each change with what is expected of it; the counts must agree."""
    expected = case.expected["changes"]
    assert [(str(change.action), change.address.name) for change in plan.changes] == [
        (each["action"], each.get("address", "bot")) for each in expected
    ]
    return list(zip(plan.changes, expected, strict=True))


ALWAYS = {"fields": [], "data": [], "permissions": [], "notes": [], "keep": "", "deposed": "", "flags": [],
          "verdict": "", "previous": ""}  # fmt: skip
"""What a case does not mention must not be there."""


def wanted(case: Case, expected: Mapping[str, Any]) -> dict[str, Any]:
    """The expectation with its symbols resolved."""
    whole = {**ALWAYS, **expected}
    for key in ("id", "deposed", "serving", "source"):
        if key in whole:
            whole[key] = case_text(case, whole[key])
    for key in ("notes", "fields"):
        whole[key] = [case_text(case, text) for text in whole[key]]
    if whole.get("intent"):
        whole["intent"] = {
            key: [case.id(id) for id in ids] if isinstance(ids, list) else case.id(ids)
            for key, ids in whole["intent"].items()
        }
    return whole


def case_text(case: Case, text: str) -> str:
    """The text with `{bot.0}` and a bare `bot.0` resolved to ids."""
    return case.id(re.sub(r"\{([a-z0-9-]+\.\d+(?:@1)?)\}", lambda found: case.id(found[1]), text))


def shown(change: Change, expected: Mapping[str, Any], world: Facts) -> dict[str, Any]:
    """The change in a case's words, as far as the case speaks of it."""
    steps = change.steps
    create, promote = find_step(steps, Create), find_step(steps, Promote)
    grants, failure = find_step(steps, SetPermissions), find_step(steps, ReportFailure)
    delete, move = find_step(steps, Delete), find_step(steps, Move)
    flags = ["delete_first"] if find_step(steps, DeleteFirst) else []
    flags += ["after_accepted"] if delete and delete.after else []
    candidate = change.intent.candidate if change.intent else None
    words: dict[str, Any] = {
        "action": str(change.action),
        "address": change.address.name,
        "reason": change.reason.name.lower(),
        "id": change.id,
        "deposed": change.id if change.deposed else "",
        "serving": change.serving,
        "generation": create.generation if create else candidate and candidate.generation,
        "source": create.source if create else "",
        "parent": create.after.address.name if create and create.after else None,
        "previous": move.previous.name if move else "",
        "status": status(change, world),
        "error": failure.error if failure else "",
        "verdict": str(promote.verdict) if promote else "",
        "fields": [field_text(field) for field in change.fields],
        "data": [
            f"{data_set.field} {word(data_set.before_digest)} -> {word(data_set.after_digest)}"
            for data_set in change.data
        ],
        "permissions": [permission_text(change) for change in grants.changes] if grants else [],
        "keep": promote.kept if promote else "",
        "notes": list(change.notes),
        "flags": flags,
        "bill": bill(change.bill),
        "intent": intent(change.intent),
    }
    return {key: value for key, value in words.items() if key in ALWAYS or key in expected}


def status(change: Change, world: Facts) -> str:
    """The condition of the model that a change is about, as its steps take it to be."""
    if change.trains:
        return ""
    delete, failure = find_step(change.steps, Delete), find_step(change.steps, ReportFailure)
    if failure is not None:
        return "FAILED" if failure.trained else ""
    if delete is None:
        return "CREATING" if find_step(change.steps, AwaitTraining) else "ACTIVE"
    live = world.find_live(change.address, change.id)
    assert delete.trains == (live is not None and live.status is Status.CREATING)
    return str(live.status) if live else ""


def word(digest: str) -> str:
    """The word behind a data digest."""
    return next((name for name in ("one", "two", "three") if worlds.digest(name) == digest), digest)


def bill(training: Bill | None) -> dict[str, Any] | None:
    """The bill of a training, without the values that are not set."""
    if training is None:
        return None
    return {field.name: value for field in fields(training) if (value := getattr(training, field.name))}


def intent(record: Record | None) -> dict[str, Any] | None:
    """The ids of a record, and its protection."""
    if record is None:
        return None
    found: dict[str, Any] = {}
    if record.serving:
        found["serving"] = record.serving.id
    if record.candidate:
        found["candidate"] = record.candidate.id
    if record.held:
        found["held"] = [held.id for held in record.held]
    if record.deposed:
        found["deposed"] = [deposed.id for deposed in record.deposed]
    if record.prevent_destroy:
        found["prevent_destroy"] = "true"
    if record.manifest:
        found["manifest"] = record.manifest
    return found


def try_plan(world: Facts) -> Plan | None:
    """The plan, None where it is refused; anything but a refusal is a defect."""
    try:
        return make_plan(world)
    except PlanError as refusal:
        refused = refusal
    assert refused.summary
    assert refused.detail, "a refusal says what to do now"
    event("refused")
    return None


@slow
@given(worlds.worlds(), st.randoms(use_true_random=False))
def test_any_world_is_decided_or_refused_whatever_its_order(world: Facts, random: Any) -> None:
    """make_plan raises only PlanError, and the order of its inputs has no meaning."""
    desired = list(world.desired.values())
    live = list(world.observed.live[worlds.KIND].items())
    recorded = list(world.state.resources.items())
    for part in (desired, live, recorded):
        random.shuffle(part)
    other = replace(
        world,
        desired=index_desired(desired),
        observed=replace(world.observed, live={worlds.KIND: dict(live)}),
        state=replace(world.state, resources=dict(recorded)),
    )
    assert try_plan(world) == try_plan(other)


@settings(slow, max_examples=examples(30))
@given(
    worlds.worlds(
        options=st.builds(
            Inputs,
            targets=st.sampled_from([(), (), ("bot",), (f"{worlds.KIND}/*",)]),
            replace=st.sampled_from([(), ("bot",)]),
            retry_failed=st.booleans(),
            destroy=st.sampled_from([False, False, False, True]),
            guards=st.just(Guards(max_trainings=99)),
        ),
        tunable=False,
    )
)
def test_what_is_neither_desired_nor_recorded_is_never_touched(world: Facts) -> None:
    """Changes are about declared and recorded addresses; what goes is recorded, or failed under our id.

    An older twin that is ACTIVE does not go in the plan that finds it: see cases/plan/an-older-twin-*.
    """
    plan = try_plan(world)
    if plan is None:
        return
    known = world.desired.keys() | world.state.resources.keys()
    assert {change.address for change in plan.changes} <= known
    recorded = {model.id for record in world.state.resources.values() for model in record.models}
    for change in plan.changes:
        if change.action is Action.DELETE and change.id not in recorded:
            want = world.desired[change.address]
            ours = {generation.id for generation in world.list_generations(want, _source_of(plan, change))}
            live = world.find_live(change.address, change.id)
            assert live is not None
            assert live.status is Status.FAILED
            assert change.id in ours


def _source_of(plan: Plan, change: Change) -> str:
    main = next(other for other in plan.changes if other.address == change.address and not other.deposed)
    create = find_step(main.steps, Create)
    model = main.intent.candidate if main.intent else None
    return create.source if create else model.source if model else ""


@slow
@given(worlds.worlds())
def test_changes_are_told_apart_and_well_named(world: Facts) -> None:
    """No two changes share a key, and the service accepts the ids to create.

    A no-op leaves the record alone.
    """
    plan = try_plan(world)
    if plan is None:
        return
    keys = [change.key for change in plan.changes]
    assert len(set(keys)) == len(keys)
    for change in plan.changes:
        if change.trains:
            assert re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", change.id)
            assert change.bill is not None
            assert change.intent is not None
            assert change.intent.candidate is not None
            assert change.intent.candidate.id == change.id
            assert change.intent.candidate.is_pending
        if change.action is Action.NO_OP:
            assert change.intent is None


def begin(world: Facts, plan: Plan) -> Facts:
    """The world after the first write of an apply: every intent, and no record under a name that it left.

    A name that --replace gave and that a record has left means nothing any more.
    """
    left = [move.previous for change in plan.changes if (move := find_step(change.steps, Move))]
    intents = [change.intent for change in plan.changes if change.intent is not None]
    names = {address.name for address in left}
    kept = tuple(name for name in world.inputs.replace if name not in names)
    return replace(
        world,
        state=world.state.put(*map(Record, left), *intents),
        inputs=replace(world.inputs, replace=kept),
    )


@slow
@given(worlds.worlds(options=UNBOUNDED, tunable=False))
def test_recording_the_intents_again_and_again_trains_nothing_twice(world: Facts) -> None:
    """After a crash between intents and calls, the next plan creates under the very same ids."""
    plan = try_plan(world)
    if plan is None:
        return
    again = try_plan(begin(world, plan))
    assert again is not None
    once = {change.address: change.id for change in plan.trainings}
    twice = {change.address: change.id for change in again.trainings}
    event(f"{min(len(once), 2)} trainings")
    assert twice == once


@slow
@given(worlds.worlds(options=UNBOUNDED, tunable=False))
def test_a_second_plan_after_recording_is_settled(world: Facts) -> None:
    """A third plan decides exactly what the second one did."""
    plan = try_plan(world)
    if plan is None:
        return
    begun = begin(world, plan)
    second = make_plan(begun)
    third = make_plan(begin(begun, second))
    assert [(change.key, change.action, change.id) for change in third.changes] == [
        (change.key, Action.NO_OP if change.action is Action.RECORD else change.action, change.id)
        for change in second.changes
    ]


@pytest.mark.parametrize("create_time", ["", worlds.CREATED])
def test_the_old_model_under_a_pinned_id_is_never_taken_for_the_new_one(create_time: str) -> None:
    """After a crash before its deletion every plan deletes it first, whatever time the service tells."""
    wanted = worlds.want(id="bot-v2", lifecycle=Lifecycle(replace=Replacement.DELETE_FIRST))
    old = worlds.model("bot-v2", "two", status=None, create_time="", deposed=worlds.CREATED)
    live = worlds.live("bot-v2", Status.CREATING, create_time=create_time)
    world = worlds.world([wanted], [Record(worlds.address(), deposed=(old,))], alive=[live])
    for _ in range(4):
        plan = make_plan(world)
        (change,) = plan.changes
        assert (change.action, change.id) == (Action.REPLACE, "bot-v2")
        assert find_step(change.steps, DeleteFirst) is not None
        world = begin(world, plan)


@slow
@given(worlds.worlds(options=UNBOUNDED))
def test_nothing_that_serves_goes_for_a_twin_that_does_not_serve_yet(world: Facts) -> None:
    """No undeclared model is deleted while the same training is to be paid again, whatever is renamed."""
    plan = try_plan(world)
    if plan is None:
        return
    started = [training for training in plan.trainings if not training.serving]
    for gone in plan.changes:
        record = world.state.resources.get(gone.address)
        if gone.action is not Action.DELETE or gone.address in world.desired or gone.deposed:
            continue
        assert record is not None
        if record.serving is None or gone.id != record.serving.id:
            continue
        for change in started:
            want = world.desired[change.address]
            fields, data = find_replacement_reasons(
                replace(want, id=None),
                change.after or {},
                record.serving,
                world.find_live(gone.address, gone.id),
                world.get_kind(gone.address),
            )
            assert fields or data, f"{gone.id} is deleted, and {change.id} is the same training"


@slow
@given(worlds.worlds(options=UNBOUNDED))
def test_a_protected_model_is_never_deleted(world: Facts) -> None:
    """The manifest protects a model that served, or the record does if no manifest declares the address."""
    plan = try_plan(world)
    if plan is None:
        return
    for change in plan.changes:
        record = world.state.resources.get(change.address, Record(change.address))
        want = world.desired.get(change.address)
        if want.lifecycle.prevent_destroy if want else record.prevent_destroy:
            served = {model.id for model in record.models if model is record.serving or model.promoted}
            assert not (change.action is Action.DELETE and change.id in served)
            assert not (change.deletes and change.serving in served)


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("bot", True),
        ("TunedModel/bot", True),
        ("b*", True),
        ("TunedModel/*", True),
        ("team=search", True),
        ("team=*", True),
        ("bo", False),
        ("Bot", False),
        ("team=other", False),
        ("owner=search", False),
    ],
)
def test_a_pattern_means_an_address_or_a_label(pattern: str, hit: bool) -> None:  # noqa: FBT001
    """It is KIND/NAME or NAME with shell wildcards, or KEY=VALUE. Upper and lower case differ."""
    assert matches(worlds.address("bot"), {"team": "search"}, pattern) is hit


def test_a_chain_of_parents_may_be_longer_than_the_stack() -> None:
    """Parents come first in a chain of 3,000 models, and nothing recurses."""
    first = worlds.want("m0")
    chain = [first] + [
        worlds.want(
            f"m{number}",
            attributes={"tuned_model_source.tuned_model": f"TunedModel/m{number - 1}"},
        )
        for number in range(1, 3000)
    ]
    plan = make_plan(worlds.world(chain))
    assert plan.count(Action.CREATE) == 3000
    by_name = {change.address.name: change for change in plan.changes}
    create = find_step(by_name["m2999"].steps, Create)
    assert create is not None
    assert create.source == by_name["m2998"].name
    assert create.after == Serves(worlds.address("m2998"), by_name["m2998"].name)


def test_only_the_first_generation_is_looked_for_where_nothing_can_be_live() -> None:
    """If no live id begins with a name, one identity is computed for it, not sixteen.

    So 10,000 creates stay cheap.
    """
    world = worlds.world([worlds.want()], alive=[worlds.live("other-aaaaaaaa")])
    assert world.stems[worlds.KIND] == {"other": ["other-aaaaaaaa"]}
    assert len(list(world.list_generations(world.desired[worlds.address()], worlds.BASE))) == GENERATIONS
    assert choose_first_free([], {}, set(), another=False) is None


def test_where_no_base_is_offered_another_kind_is_named_only_by_the_kind_itself() -> None:
    """The core knows no kind by name. If a kind says nothing, the advice names no other kind."""
    world = worlds.world([worlds.want()], tunable={worlds.KIND: frozenset()})
    lonely = replace(world.kinds[worlds.KIND], instead="")
    with pytest.raises(PlanError) as refused:
        make_plan(replace(world, kinds={worlds.KIND: lonely}))
    assert refused.value.detail == "Base models that are: none today"


def test_a_record_of_a_kind_that_is_not_known_here_is_neither_deleted_nor_forgotten() -> None:
    """A newer version wrote it. The plan is refused, and the error says what helps."""
    address = Address("Other", "bot")
    world = worlds.world(recorded=[Record(address, serving=worlds.model("bot-aaaaaaaa"))])
    with pytest.raises(PlanError) as refused:
        make_plan(world)
    assert refused.value.summary == ("Other/bot: this version knows no kind Other (it knows TunedModel)")
    assert refused.value.detail == "Upgrade reconciler"


def test_every_reason_is_used_by_a_case() -> None:
    """If no case shows a reason, nobody can meet it, or nobody has tested it."""
    spoken = {change.get("reason") for case in CASES for change in case.expected.get("changes", ())}
    assert {reason.name.lower() for reason in Reason} - spoken == set()


def test_every_action_is_used_by_a_case() -> None:
    """If no case shows an action, nobody can meet it, or nobody has tested it."""
    spoken = {change["action"] for case in CASES for change in case.expected.get("changes", ())}
    assert {str(action) for action in Action} - spoken == set()


WITHOUT_PARENT = {
    "a-circle-of-parents-refuses-the-plan",
    "Removed-of-an-unknown-address-does-nothing",
    "a-parent-that-nothing-declares-or-records-refuses-the-plan",
    "an-excluded-parent-that-does-not-serve-refuses-the-plan",
    "copy-of-an-address-that-nothing-declares-or-records-refuses-the-plan",
    "copy-of-itself-refuses-the-plan",
}
"""Decided before the table: what they are tuned from could not be trained on, or there is no record."""


ROWS = "reconciler.plan.rows"


def rows() -> list[str]:
    """The functions that the table names, row by row; "-" for the row in which nothing is done."""
    lines = (table.__doc__ or "").split("\n\n")[1].splitlines()
    return [line.split()[-1] for line in lines[2:]]


def answering(case: Case) -> set[str]:
    """The functions of the core that answered something while the case was decided: "recorded.wait"."""
    met: set[str] = set()

    def note(frame: FrameType, happened: str, answer: object) -> None:
        package, _, module = str(frame.f_globals.get("__name__")).rpartition(".")
        if package in {table.__package__, ROWS} and happened == "return" and answer:
            met.add(f"{module}.{frame.f_code.co_name}")

    world = case.world()
    sys.setprofile(note)
    try:
        with suppress(PlanError):
            make_plan(world)
    finally:
        sys.setprofile(None)
    return met


def test_every_row_has_its_function_and_every_case_its_row() -> None:
    """The table and the code agree. Each function decides some case, and each case is decided by one."""
    named = set(rows()) - {"-"}
    for row in named:
        module, function = row.split(".")
        found = importlib.import_module(
            f"{ROWS}.{module}" if module != "guards" else "reconciler.plan.guards"
        )
        assert callable(getattr(found, function)), row
    met = {case.name: answering(case) & named for case in CASES}
    assert named - set().union(*met.values()) == set()
    assert {name for name, found in met.items() if not found} == WITHOUT_PARENT
