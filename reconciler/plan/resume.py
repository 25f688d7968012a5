"""What `wait` may do: finish what an apply approved, and start nothing."""

from __future__ import annotations

from dataclasses import replace

from reconciler.errors import PlanError
from reconciler.model import Status
from reconciler.plan.make import Planner
from reconciler.plan.undeclared import undeclared
from reconciler.plan.values import Action, Change, Plan, Reason
from reconciler.plan.world import World, approval
from reconciler.state import Record

_FINISHED_BY_WAIT = frozenset({Action.WAIT, Action.COMPLETE})


def resumable(world: World) -> Plan:
    """The part of today's plan that was approved before, plus outcomes to be recorded.

    Where the manifest has changed since, the outcome of the training is only recorded (`Change.promote`).
    Guards do not matter: nothing is trained.

    Raises:
        PlanError: a target that nothing is called.
    """
    planner, selected = Planner(world), world.chosen()
    if unknown := planner.unknown():
        raise PlanError(unknown[0].summary, unknown[0].detail, unknown)
    changes: list[Change] = []
    notes: list[str] = []
    for address, record in sorted(world.state.resources.items()):
        want = world.desired.get(address)
        if address not in selected:
            continue
        if _to_be_deleted(record):
            reason = Reason.DESTROY if want else Reason.NOT_DECLARED
            changes += undeclared(world, record, reason, want).changes
            continue
        decision = planner.decide(address)
        main = next((change for change in decision.changes if not change.deposed), None)
        changes += _main(world, record, main)
        if (
            record.candidate is not None
            and record.candidate.pending
            and not any(change.address == address and change.id == record.candidate.id for change in changes)
        ):
            notes.append(f"{address}: its create never arrived; wait starts no training, apply does")
        changes += [
            change
            for change in decision.changes
            if change.deposed and change.action is Action.DELETE and not change.after_accepted and want
        ]
    return Plan(
        changes=tuple(changes),
        context=world.observed.context,
        inputs=world.inputs,
        lineage=world.state.lineage,
        serial=world.state.serial,
        notes=tuple(notes),
        created=world.timestamp,
    )


def _to_be_deleted(record: Record) -> bool:
    """Whether all that is left is what the service refused to delete while it was in training."""
    alone = record.serving is None and record.candidate is None
    return alone and bool(record.deposed) and not any(model.promoted for model in record.deposed)


def _main(world: World, record: Record, main: Change | None) -> list[Change]:
    candidate = record.candidate
    if main is not None and main.action is Action.FAILED:
        return [main]
    if candidate is None:
        return []
    want = world.desired.get(record.address)
    if main is not None and main.action in _FINISHED_BY_WAIT and want is not None:
        approved = not candidate.approved or candidate.approved == approval(want, main.after or {})
        return [main if approved else _record_only(main, candidate.approved)]
    live = world.live_of(record, candidate)
    if live is None or live.status is Status.FAILED:
        return []
    change = Change(
        record.address,
        Action.WAIT if live.status is Status.CREATING else Action.COMPLETE,
        Reason.IN_TRAINING if live.status is Status.CREATING else Reason.TRAINED,
        id=candidate.id,
        name=live.name,
        status=live.status,
        before=live.attributes,
    )
    known = replace(candidate, status=live.status, create_time=live.create_time, name=live.name)
    intent = replace(record, candidate=known)
    return [_record_only(replace(change, intent=intent if intent != record else None), candidate.approved)]


def _record_only(change: Change, approved: str) -> Change:
    """Without what nobody approved; what was approved stays on record, for the next apply to renew."""
    intent = change.intent
    if intent is not None and intent.candidate is not None:
        intent = replace(intent, candidate=replace(intent.candidate, approved=approved))
    return replace(
        change,
        intent=intent,
        promote=False,
        fields=(),
        permissions=(),
        permissions_after=None,
        checks=(),
    )
