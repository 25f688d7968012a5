"""The plan of `wait`: finish what an apply approved, including models that the service had no room for.

Rule: `wait` only starts trainings that an apply approved, exactly as approved.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from reconciler.errors import Diagnostic, PlanError
from reconciler.model.desired import Desired
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.plan import guards
from reconciler.plan.case import Decision
from reconciler.plan.change import Action, Change, Plan, Reason
from reconciler.plan.compile import prepend_intent
from reconciler.plan.facts import Facts, is_approved
from reconciler.plan.planner import Planner
from reconciler.plan.rows.undeclared import decide_undeclared
from reconciler.plan.steps import (
    AwaitTraining,
    DeleteEndpoint,
    DeleteReplaced,
    HoldBack,
    Steps,
    Undeploy,
    find_intent,
    find_step,
    list_deleted,
)
from reconciler.state.values import Record, RecordedModel

_LEFT_TO_APPLY = "wait does not send it, reconciler apply does"
_NOT_APPROVED = "its create waits for room, and its manifest has changed since it was approved"
_FINISHED_BY_WAIT = frozenset({Action.WAIT, Action.COMPLETE})


def plan_resumption(facts: Facts) -> Plan:
    """Plan the part of today's plan that was approved before, plus outcomes to record.

    If a manifest has changed since, the outcome of its training is only recorded (`HoldBack`). A waiting
    create is then left to the next apply, as are creates that today's guards refuse. Deletions were approved
    together with the changes that they follow.

    Raises:
        PlanError: a target matches nothing.
    """
    planner, selected = Planner(facts), facts.choose_addresses()
    if list_unknown := planner.list_unknown():
        raise PlanError(list_unknown[0].summary, list_unknown[0].detail, list_unknown)
    changes: list[Change] = []
    notes: list[str] = []
    for address, record in sorted(facts.state.resources.items()):
        desired = facts.desired.get(address)
        if address not in selected:
            continue
        if _is_to_be_deleted(record):
            reason = Reason.DESTROY if desired else Reason.NOT_DECLARED
            decision = decide_undeclared(facts, record, reason, desired)
            changes += () if decision.refusals else decision.changes
            continue
        decision = planner.decide(address)
        if decision.refusals:
            decision = Decision()  # what an apply would refuse, wait does not do either
        main = next((change for change in decision.changes if not change.deposed), None)
        found = _continue_main(facts, record, main, decision.errors)
        changes += found
        if (
            record.candidate is not None
            and record.candidate.is_pending
            and not any(change.id == record.candidate.id for change in found)
        ):
            notes.append(f"{address}: {_explain_left(facts, record.candidate, address)}")
        changes += [
            change for change in decision.changes if desired and change.deposed and _is_due(change.steps)
        ]
    plan = Plan(
        changes=tuple(guards.hold_deletions(changes, facts)),
        context=facts.observed.context,
        inputs=facts.inputs,
        lineage=facts.state.lineage,
        serial=facts.state.serial,
        notes=tuple(notes),
        created=facts.timestamp,
    )
    return _drop_refused(plan, facts)


def _explain_left(facts: Facts, candidate: RecordedModel, address: Address) -> str:
    """Say why a create is left to the next apply."""
    if candidate.has_no_room:
        return f"{_NOT_APPROVED}; {_LEFT_TO_APPLY}"
    made = "training" if facts.get_kind(address).trains else "copy"
    return f"its {made} never began; wait does not begin it, reconciler apply does"


def _drop_refused(plan: Plan, facts: Facts) -> Plan:
    """Remove the creates that today's guards refuse, with a note on each."""
    if not plan.trainings:
        return plan
    try:
        guards.check_majority(facts, plan)
        guards.check(replace(plan, changes=plan.trainings), facts)
    except PlanError as error:
        notes = [
            f"{change.address}: its create waits for room, and {error.summary}; {_LEFT_TO_APPLY}"
            for change in plan.trainings
        ]
        rest = tuple(change for change in plan.changes if change not in plan.trainings)
        return replace(plan, changes=rest, notes=(*plan.notes, *notes))
    return plan


def _is_to_be_deleted(record: Record) -> bool:
    """Return whether only models are left that the service refused to delete while they were in training."""
    alone = record.serving is None and record.candidate is None
    return alone and bool(record.deposed) and not any(model.promoted for model in record.deposed)


def _continue_main(
    facts: Facts, record: Record, main: Change | None, errors: Sequence[Diagnostic]
) -> list[Change]:
    """Continue what is under way at one address. `errors` are those that a plan of it would end in."""
    candidate = record.candidate
    if main is not None and main.action is Action.FAILED:
        return [main]
    if candidate is None and main is not None and main.action is Action.RECORD:
        is_left = find_step(main.steps, Undeploy) or find_step(main.steps, DeleteEndpoint)
        return [main] if is_left else []  # approved with the switch, or with the checks
    if candidate is None:
        return []
    desired = facts.desired.get(record.address)
    if main is not None and main.action in _FINISHED_BY_WAIT and desired is not None:
        approved = not candidate.approved or is_approved(
            candidate.approved, desired, main.after or {}, facts.get_kind(desired.address)
        )
        if not approved:
            return [_record_only(main, candidate.approved, HoldBack())]
        return [replace(main, bill=facts.compute_bill(desired)) if desired.data else main]
    if main is not None and desired is not None and _is_approved(facts, candidate, main, desired):
        return [main]
    live = facts.find_live_of(record, candidate)
    if live is None or live.status is Status.FAILED:
        return []
    change = Change(
        record.address,
        Action.WAIT if live.status is Status.CREATING else Action.COMPLETE,
        Reason.IN_TRAINING if live.status is Status.CREATING else Reason.TRAINED,
        id=candidate.id,
        name=live.name,
        before=live.attributes,
        steps=(AwaitTraining(),) if live.status is Status.CREATING else (),
    )
    known = replace(
        candidate,
        status=live.status,
        create_time=live.create_time,
        name=live.name,
        model=live.deployable or candidate.model,
    )
    intent = replace(record, candidate=known)
    if intent != record:
        change = replace(change, steps=prepend_intent(intent, change.steps))
    return [_record_only(change, candidate.approved, _hold_back(record.address, errors))]


def _hold_back(address: Address, errors: Sequence[Diagnostic]) -> HoldBack:
    """Say why a candidate is not promoted: its manifest has changed, or cannot be applied any more."""
    if not errors:
        return HoldBack()
    return HoldBack(errors[0].summary.removeprefix(f"{address}: "), errors[0].detail)


def _is_due(steps: Steps) -> bool:
    """Return whether the steps delete a deposed model as approved, without waiting for its successor."""
    asks = any(isinstance(step, DeleteReplaced) and not step.is_due for step in steps)
    ends = any(isinstance(step, DeleteEndpoint) and step.is_due for step in steps)
    return (ends or bool(list_deleted(steps))) and not asks and all(step.after is None for step in steps)


def _is_approved(facts: Facts, candidate: RecordedModel, main: Change, desired: Desired) -> bool:
    """Return whether a create is unchanged since an apply sent it and the service had no room."""
    if not candidate.has_no_room or not main.creates or main.id != candidate.id:
        return False
    return bool(candidate.approved) and is_approved(
        candidate.approved, desired, main.after or {}, facts.get_kind(desired.address)
    )


def _record_only(change: Change, approved: str, why: HoldBack) -> Change:
    """Remove what nobody approved. The old approval stays recorded until the next apply renews it."""
    intent = find_intent(change.steps)
    if intent is not None and intent.candidate is not None:
        intent = replace(intent, candidate=replace(intent.candidate, approved=approved))
    waiting = [step for step in change.steps if isinstance(step, AwaitTraining)]
    return replace(change, fields=(), steps=prepend_intent(intent, [*waiting, why]))
