"""Checks that refuse a plan: too many changes, a missing majority, a contested id, a 403."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil

from msgspec.structs import replace

from reconciler.errors import Diagnostic, GuardError, PlanError
from reconciler.formats import count_noun, format_price
from reconciler.model.desired import Desired
from reconciler.model.names import Address
from reconciler.model.stack import Guards
from reconciler.plan.case import refuse
from reconciler.plan.change import Action, Bill, Change, Plan
from reconciler.plan.facts import Facts
from reconciler.plan.inputs import Context
from reconciler.plan.steps import (
    Adopt,
    Forget,
    find_step,
    list_deleted,
    list_deleted_endpoints,
    select_unapproved,
)
from reconciler.state.values import Record

_MAJORITY_FROM = 4
_NAMED = 10
"""The largest number of addresses that one refusal names."""


def choose_bounds(flags: Guards, stack: Guards) -> Guards:
    """Choose each bound: the command line's, or else the Stack's."""
    trainings = stack.max_trainings if flags.max_trainings is None else flags.max_trainings
    deletes = stack.max_deletes if flags.max_deletes is None else flags.max_deletes
    cost = stack.max_cost if flags.max_cost is None else flags.max_cost
    return Guards(trainings, deletes, cost)


def check(plan: Plan, facts: Facts, refusals: Iterable[Diagnostic] = ()) -> None:
    """Refuse a whole plan that exceeds a bound or affects a protected model.

    Args:
        plan: the whole plan.
        facts: the facts that it was made from.
        refusals: what was refused while the plan was made, because a model is protected.

    Raises:
        GuardError: has the refused plan and its facts, so that it can be shown.
    """
    found = [*refusals, *_find_exceeded(plan, choose_bounds(facts.inputs.guards, facts.stack.guards))]
    if found:
        error = GuardError(found[0].summary, found[0].detail, found)
        error.plan, error.facts = plan, facts
        raise error


def hold_deletions(changes: list[Change], facts: Facts) -> list[Change]:
    """Hold deletions of deposed models whose time has come, where max_deletes leaves no room for them.

    They need no approval, so they do not exceed the bound either: the plan goes on without them.
    """
    most = choose_bounds(facts.inputs.guards, facts.stack.guards).max_deletes
    if most is None:
        return changes
    room = most - sum(change.deletes for change in changes)
    found = []
    for change in changes:
        if change.is_due:
            room -= 1
        held = change.is_due and room < 0
        note = f"kept: its time has come, and max_deletes {most} leaves no room to delete it"
        found.append(replace(change, action=Action.NO_OP, notes=(note,), steps=()) if held else change)
    return found


def _find_exceeded(plan: Plan, guards: Guards) -> Iterator[Diagnostic]:
    trainings = plan.trainings
    if guards.max_trainings is not None and len(trainings) > guards.max_trainings:
        yield Diagnostic(
            f"the plan starts {count_noun(len(trainings), 'training')}, "
            f"over max_trainings {guards.max_trainings}: {_join_names(trainings)}",
            f"If you mean it: --max-trainings {len(trainings)}",
        )
    if guards.max_deletes is not None and (deletes := plan.deletes) > guards.max_deletes:
        deleting = [change for change in plan.changes if change.deletes]
        yield Diagnostic(
            f"the plan deletes {_count_deleted(deleting)}, "
            f"over max_deletes {guards.max_deletes}: {_join_names(deleting)}",
            f"If you mean it: --max-deletes {deletes}",
        )
    if guards.max_cost is not None and trainings:
        yield from _find_expensive(plan, guards.max_cost)


def _count_deleted(changes: Iterable[Change]) -> str:
    """Count what a plan deletes: 2 models and 1 endpoint."""
    steps = [tuple(select_unapproved(change.steps)) for change in changes]
    models = sum(len(list_deleted(found)) for found in steps)
    endpoints = sum(len(list_deleted_endpoints(found)) for found in steps)
    words = [count_noun(models, "model")] if models or not endpoints else []
    return " and ".join([*words, *([count_noun(endpoints, "endpoint")] if endpoints else [])])


def _find_expensive(plan: Plan, most: float) -> Iterator[Diagnostic]:
    """Refuse trainings that cost too much together. Each one whose cost is unknown may cost too much."""
    amount, currency = 0.0, ""
    unknown: dict[str, list[Change]] = {}
    for change in plan.trainings:
        if change.bill is None or change.bill.price is None:
            unknown.setdefault(explain_unknown_cost(change.bill), []).append(change)
        else:
            amount, currency = amount + change.bill.price, change.bill.currency
    for way, changes in unknown.items():
        cost = count_noun(len(changes), "training's cost is", "trainings' costs are")
        yield Diagnostic(f"max_cost {most:g}: {cost} unknown: {_join_names(changes)}", way)
    if amount > most:
        is_estimate = any(change.bill and change.bill.is_price_estimated for change in plan.trainings)
        is_least = any(change.bill and change.bill.texts_only for change in plan.trainings)
        about = "at least " if is_least else "about " if is_estimate else ""
        mark = " (estimate)" if is_estimate else ""
        yield Diagnostic(
            f"the plan costs {about}{format_price(amount, currency)}{mark}, over max_cost {most:g}: "
            f"{_join_names(plan.trainings)}",
            f"If you mean it: --max-cost {ceil(amount * 100) / 100:.2f}",
        )


def describe_unknown_epochs(trainings: Iterable[Change]) -> str:
    """Describe the trainings whose epochs the service chooses. "" if there are none.

    The example is public: 166 examples on gemini-3.1-flash-lite became 40 epochs, July to September 2026.
    """
    found = [change for change in trainings if change.bill is not None and not change.bill.epochs]
    if not found:
        return ""
    declares = "declares" if len(found) == 1 else "declare"
    return (
        f"{_join_names(found)} {declares} no epoch_count, so the service chooses the epochs and the cost is "
        "unknown. Somebody else's 166 examples became 40 epochs: 17.5 M tokens, about 52 USD on "
        "gemini-3.1-flash-lite. Declare hyper_parameters.epoch_count to know the cost beforehand."
    )


def explain_unknown_cost(bill: Bill | None) -> str:
    """Say what to do so that the cost of a training is known before it."""
    if bill is not None and not bill.epochs:
        return (
            "Declare epoch_count: without it the service chooses the epochs, and nobody knows the cost. "
            "Or take max_cost out"
        )
    if bill is not None and bill.token_price is not None:
        return "Give its data as a file, or as a gs:// address: what is not read here cannot be counted"
    return "Declare the Stack's spec.prices: per_million_tokens (TuningJob) or per_1000_characters"


def _join_names(changes: Iterable[Change]) -> str:
    """Name each address once, up to a limit."""
    names = list(dict.fromkeys(str(change.address) for change in changes))
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def check_majority(facts: Facts, plan: Plan) -> None:
    """Refuse a plan if most of the recorded models are missing. A wrong key must not train them again.

    Only models that the service has accepted count. An explicit --max-trainings permits the plan if it is
    not less than the number of models that would be trained or forgotten.
    """
    known = missing = 0
    kept = {address for address, removal in facts.removals.items() if not removal.destroy}
    for record in facts.state.resources.values():
        if record.address in kept:
            continue  # it is forgotten, live or not
        model = record.serving or record.candidate
        if model is None or model.is_pending or facts.is_hidden(record.address, model.id):
            continue
        known += 1
        missing += facts.find_live_of(record, model) is None
    if known < _MAJORITY_FROM or missing * 2 <= known:
        return
    explicit = facts.inputs.guards.max_trainings
    forgotten = sum(
        find_step(change.steps, Forget) is not None and change.address not in kept for change in plan.changes
    )
    needed = len(plan.trainings) + forgotten
    if explicit is not None and explicit >= needed:
        return
    raise PlanError(
        f"{missing} of {known} recorded models are missing at {_describe_place(facts.observed.context)}",
        "This is more likely a wrong endpoint, project or credential than a loss. If they are really gone: "
        f"--max-trainings {needed}",
    )


def _describe_place(context: Context) -> str:
    project = f", project {context.project}" if context.project else ""
    credential = f", credential: {context.credential}" if context.credential else ""
    return f"{context.endpoint or 'the service'}{project}{credential}"


def find_contested(facts: Facts, plan: Plan) -> list[Diagnostic]:
    """Refuse an id that two addresses would have, because one of them would delete the other's model."""
    claims = [
        change for change in plan.changes if change.creates or find_step(change.steps, Adopt) is not None
    ]
    if not claims:
        return []
    recorded = {
        (address.kind, model.id): address
        for address, record in facts.state.resources.items()
        for model in record.models
    }
    errors = []
    claimed: dict[tuple[str, str], Address] = {}
    for change in claims:
        address, key = change.address, (change.address.kind, change.id)
        desired, owner = facts.desired[address], recorded.get(key, address)
        if owner != address:
            summary = f"{address} would take {change.id}, which is recorded as {owner}"
            advice = (
                "If it is the same model under a new name: "
                f"reconciler state mv {owner.word} {address.word}. {_advise_other_name(desired)}"
            )
            errors.append(refuse(desired, summary, advice))
        elif claimed.setdefault(key, address) != address:
            summary = f"{address} and {claimed[key]} would both be {change.id}"
            errors.append(refuse(desired, summary, _advise_contested(facts, change, claimed[key])))
    return errors


def _advise_other_name(desired: Desired) -> str:
    if desired.imports:
        return "Else take its line metadata.import out"
    return "Else give it another metadata.name or metadata.id"


def _advise_contested(facts: Facts, change: Change, other: Address) -> str:
    importing = [str(address) for address in (change.address, other) if facts.desired[address].imports]
    if importing:
        return f"One model cannot be both: take metadata.import out of {' or '.join(importing)}"
    if change.creates:
        return "Give one of them another metadata.id"
    return (
        "They declare the same training, and one model cannot be both: say whose it is with "
        f"metadata.import: {change.id}"
    )


def find_forbidden(facts: Facts, record: Record, desired: Desired | None) -> list[Diagnostic]:
    """Refuse an address with a model that the service refuses to show (403). That model may exist."""
    if not facts.observed.forbidden:
        return []
    asked = {model.id for model in record.models} | ({desired.id, desired.imports} if desired else set())
    return [
        Diagnostic(
            f"{record.address}: the service refuses to show {id}: {why}",
            "Give the account of this credential a role that may read it, or use a credential of the project "
            "that owns it. Only if the model is somebody else's for good: reconciler state rm "
            f"{record.address.word} (declared, it is then trained again)",
            file=desired.file if desired else None,
            line=desired.line if desired else None,
            address=str(record.address),
        )
        for id in sorted(id for id in asked if id)
        if (why := facts.observed.forbidden.get((record.address.kind, id)))
    ]
