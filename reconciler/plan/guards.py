"""What a plan must not exceed, whatever the table says: trainings, deletions, and a missing majority."""

from __future__ import annotations

from reconciler.errors import PlanError
from reconciler.model import Guards
from reconciler.plan.values import Context, Plan
from reconciler.plan.world import World

_MAJORITY_FROM = 4


def bounds(flags: Guards, stack: Guards) -> Guards:
    """The bound in force: the command line's, else the Stack's."""

    def first(one: int | None, other: int | None) -> int | None:
        return other if one is None else one

    return Guards(
        first(flags.max_trainings, stack.max_trainings), first(flags.max_deletes, stack.max_deletes)
    )


def check(plan: Plan, world: World) -> None:
    """Raise PlanError when the plan exceeds a bound."""
    guards = bounds(world.inputs.guards, world.stack.guards)
    trainings, deletes = len(plan.trainings), plan.deletes
    if guards.max_trainings is not None and trainings > guards.max_trainings:
        names = ", ".join(str(change.address) for change in plan.trainings[:10])
        raise PlanError(
            f"the plan starts {trainings} trainings, over max_trainings {guards.max_trainings}: {names}",
            f"If you mean it: --max-trainings {trainings}",
        )
    if guards.max_deletes is not None and deletes > guards.max_deletes:
        names = ", ".join(str(change.address) for change in plan.changes if change.deletes)
        raise PlanError(
            f"the plan deletes {deletes} models, over max_deletes {guards.max_deletes}: {names}",
            f"If you mean it: --max-deletes {deletes}",
        )


def check_majority(world: World, trainings: int) -> None:
    """Raise PlanError when most of what is recorded is not there: a wrong key must not retrain it.

    Only models that the service has accepted count. An explicit --max-trainings that covers what would
    be trained goes on.
    """
    known = missing = 0
    for record in world.state.resources.values():
        model = record.serving or record.candidate
        if model is None or model.pending:
            continue
        known += 1
        missing += world.live_of(record, model) is None
    if known < _MAJORITY_FROM or missing * 2 <= known:
        return
    explicit = world.inputs.guards.max_trainings
    if explicit is not None and explicit >= trainings:
        return
    raise PlanError(
        f"{missing} of {known} recorded models are missing at {_place(world.observed.context)}",
        "This is more likely a wrong endpoint, project or credential than a loss. If they are really gone: "
        f"--max-trainings {trainings}",
    )


def _place(context: Context) -> str:
    project = f", project {context.project}" if context.project else ""
    credential = f", credential: {context.credential}" if context.credential else ""
    return f"{context.endpoint or 'the service'}{project}{credential}"
