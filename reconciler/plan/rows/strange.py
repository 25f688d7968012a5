"""Models that are there and cannot be understood: theirs blocks nobody, ours its own address.

Rule: what is not understood is neither trained again, nor deleted, nor forgotten; its name is taken.
"""

from __future__ import annotations

from reconciler.model import Desired
from reconciler.plan.case import RETRY_ADVICE, Decision, Wanted, place_of
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.facts import World
from reconciler.plan.steps import ReportFailure
from reconciler.state.values import Record

_SUFFIX = 9  # "-" and eight characters


def block(world: World, record: Record, want: Desired | None) -> Decision | None:
    """Nothing is done for an address of which a model is not understood; None where all are."""
    if not world.observed.odd:
        return None
    ids = [model.id for model in record.models]
    ids += [one for one in (want.id, want.imports) if one] if want else []
    return next((_blocked(world, record, want, id) for id in ids if _why(world, record, id)), None)


def block_training(wanted: Wanted, decision: Decision) -> Decision:
    """The same decision, unless it trains what may be there already: what holds the id is not understood."""
    world = wanted.world
    trains = any(change.trains for change in decision.changes)
    if not (world.observed.odd and trains):
        return decision
    kind = wanted.want.address.kind
    odd = [id for of, id in world.observed.odd if of == kind]
    ours = {id[-_SUFFIX:] for _, id, _ in world.generations(wanted.want, wanted.source)}
    taken = next((id for id in odd if id[-_SUFFIX:] in ours), None)
    return decision if taken is None else _blocked(world, wanted.record, wanted.want, taken)


def _why(world: World, record: Record, id: str) -> str:
    return world.observed.odd.get((record.address.kind, id), "")


def _blocked(world: World, record: Record, want: Desired | None, id: str) -> Decision:
    error = f"what the service shows of {id} cannot be understood: {_why(world, record, id)}"
    change = Change(
        record.address,
        Action.FAILED,
        Reason.NOT_UNDERSTOOD,
        serving=record.serving.id if record.serving else "",
        after=want.attributes if want else None,
        steps=(ReportFailure(error, RETRY_ADVICE),),
        place=place_of(want) if want else "",
    )
    return Decision([change])
