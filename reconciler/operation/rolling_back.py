"""`rollback`: let a former model of one address serve again, without touching its manifest."""

from __future__ import annotations

from reconciler.errors import UsageError
from reconciler.manifests import Loaded
from reconciler.operation import Check, Operation
from reconciler.plan.change import Plan
from reconciler.plan.facts import Facts
from reconciler.plan.rollback import Request, plan_rollback
from reconciler.records import find_named, resolve
from reconciler.state.values import State


def ask_kinds_of(name: str, loaded: Loaded, state: State) -> set[str]:
    """Return the kinds that NAME or KIND/NAME may be of. Only their services are asked."""
    known = {*state.resources, *(desired.address for desired in loaded.desired)}
    return {address.kind for address in find_named(name, known)}


def prepare_rollback(operation: Operation, name: str, *, to: str, undo: bool) -> tuple[Plan, Check]:
    """Plan the rollback of one address. Returns the plan, and what makes it again under the lock.

    Raises:
        UsageError: NAME or KIND/NAME is neither recorded nor declared, or both options are given.
        PlanError: see `plan.rollback`.
    """
    if to and undo:
        raise UsageError("--undo takes no --to: it goes to the model that is held back", "Give one of them")
    state = operation.read_state()
    known = {*state.resources, *(desired.address for desired in operation.loaded.desired)}
    request = Request(resolve(name, known), to, undo=undo, by=operation.manager.who)

    def make(state: State) -> tuple[Plan, Facts]:
        facts = operation.read_facts(state)
        return plan_rollback(facts, request), facts

    plan, _ = make(state)
    return plan, operation.recheck(plan, make)
