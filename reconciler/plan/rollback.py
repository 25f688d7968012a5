"""The plan of `rollback`: let a former model of one address serve again at once, without its manifest.

Rule: nothing is trained, checked or deleted. What served is held back (`rows.held`), so that the next apply
does not undo this. Only a model that has served may serve again. Its checks passed then, and are not run now.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from reconciler.errors import Diagnostic, PlanError
from reconciler.model.live import Status
from reconciler.model.names import SOURCE, Address
from reconciler.plan import guards
from reconciler.plan.binding import bind
from reconciler.plan.case import Case, start_change
from reconciler.plan.change import Action, Change, Plan, Reason
from reconciler.plan.facts import Facts
from reconciler.plan.rows import endpoints, held
from reconciler.plan.rows.deposed import depose
from reconciler.plan.rows.moves import resolve_sources
from reconciler.plan.rows.strange import block
from reconciler.plan.steps import CreateEndpoint, GoBack, ReportFailure, drop_intent, find_step, has_effect
from reconciler.state.values import Record, RecordedModel


class Request(Struct, frozen=True):
    """What a rollback was asked to do.

    Attributes:
        to: id or resource name of the model that is to serve; "" for the one that was deposed last.
        undo: let the model serve again that is held back.
        by: user@host.
    """

    address: Address
    to: str = ""
    undo: bool = False
    by: str = ""


def plan_rollback(facts: Facts, request: Request) -> Plan:
    """Plan a rollback. The plan has no changes to approve if it was done before.

    Raises:
        PlanError: there is no model to go back to, or it may not serve now. Says what to do instead.
    """
    case, serving = _build_case(facts, request)
    main = _decide(case, serving, request)
    held_back = () if main.steps else tuple(held.list_held(facts, case.record))
    changes = (main, *held_back)
    return Plan(
        changes=changes,
        context=replace(facts.observed.context, stack=facts.stack.name),
        inputs=facts.inputs,
        lineage=facts.state.lineage,
        serial=facts.state.serial,
        bindings=bind(facts, changes),
        created=facts.timestamp,
    )


def _build_case(facts: Facts, request: Request) -> tuple[Case, RecordedModel]:
    """Build the case of the address, and find what serves. PlanError if nothing may be changed there."""
    address = request.address
    record, desired = facts.state.resources.get(address), facts.desired.get(address)
    if record is None or record.serving is None:
        raise PlanError(
            f"{address}: no model serves, so there is nothing to go back from",
            "Apply first; reconciler show lists what is recorded",
        )
    if desired is None:
        raise PlanError(
            f"{address}: no manifest declares it, so the next apply would delete its models",
            "Declare it again, and run this with the whole folder of manifests",
        )
    if errors := guards.find_forbidden(facts, record, None):
        raise PlanError(errors[0].summary, errors[0].detail, errors)
    if (blocked := block(facts, record, None)) and (failure := find_step(blocked.steps, ReportFailure)):
        raise PlanError(f"{address}: {failure.error}", "Nothing was changed. Try again later")
    declared = resolve_sources(facts, desired, facts.state.resources)
    attributes = {**desired.effective, **(desired.attributes if declared is None else declared)}
    return Case(facts, desired, record, facts.get_kind(address), attributes, source=""), record.serving


def _decide(case: Case, serving: RecordedModel, request: Request) -> Change:
    target = _find_target(case, serving, request)
    if target is serving:
        return _finish(case, serving, request)
    _require_no_candidate(case.record)
    _require_usable(case, target)
    return _go_back(case, serving, target, request)


def _finish(case: Case, serving: RecordedModel, request: Request) -> Change:
    """Go on with a rollback that was done before, if it ended before all was done."""
    nothing = replace(start_change(case, Action.NO_OP, Reason.NONE), id=serving.id, name=serving.name)
    rest = _find_rest(case, serving, nothing)
    if failure := find_step(rest.steps, ReportFailure):
        raise PlanError(f"{case.record.address}: {failure.error}", failure.advice)
    if has_effect(rest.steps):
        return replace(rest, notes=(_explain_nothing(case, replace(request, undo=False)),))
    return replace(nothing, notes=(_explain_nothing(case, request),))


def _find_rest(case: Case, serving: RecordedModel, nothing: Change) -> Change:
    """Find what is left to do: updates of what serves in a hold, and the switch of the stable endpoint.

    Another endpoint than the recorded one has nothing to do with a rollback.
    """
    if held.is_holding(case):
        return _serve(case, held.keep_held(case, serving))
    if case.record.endpoint is None or case.desired.serving is None:
        return nothing
    rest = _serve(case, nothing)
    return nothing if find_step(rest.steps, CreateEndpoint) is not None else rest


def _find_target(case: Case, serving: RecordedModel, request: Request) -> RecordedModel:
    """Find the model that is to serve: the serving one if this rollback was done before."""
    record = case.record
    if request.undo:
        return record.held[0] if record.held else serving
    if request.to:
        named = (model for model in record.models if request.to in {model.id, model.name})
        found = next(named, None)
        if found is None:
            raise _refuse_unknown(case, request.to)
        return found
    if record.held:
        return serving
    usable = (model for model in reversed(record.deposed) if model.promoted and _is_active(case, model))
    found = next(usable, None)
    if found is None:
        raise _refuse_nothing(case, serving)
    return found


def _go_back(case: Case, serving: RecordedModel, target: RecordedModel, request: Request) -> Change:
    """Let the target serve, and bring its fields and permissions to what the manifest declares."""
    record = case.record
    ends = bool(record.held) and target is record.held[0]
    back = replace(
        record,
        serving=replace(
            target,
            promoted=case.facts.timestamp,
            status=Status.ACTIVE,
            deposed="",
            kept_until="",
            held="",
            held_by="",
        ),
        held=tuple(model for model in record.held if model is not target),
        deposed=tuple(model for model in record.deposed if model is not target),
    )
    if ends or case.is_same(target):
        back = depose(case, held.depose_held(case, back), serving)
    else:
        held_back = replace(serving, held=case.facts.timestamp, held_by=request.by)
        back = replace(back, held=(*back.held, held_back))
    kept = held.keep_held(replace(case, record=back), back.serving or target)
    kept = _serve(case, replace(kept, steps=(GoBack(back, serving.id), *drop_intent(kept.steps))))
    return replace(
        kept,
        action=Action.ROLLBACK,
        reason=Reason.ROLLBACK,
        serving=serving.id,
        notes=(*_list_notes(case, back, serving), *kept.notes),
    )


def _serve(case: Case, change: Change) -> Change:
    """Let a stable endpoint send its requests to what serves then. Raises PlanError if it may not."""
    answer = endpoints.serve(case, change)
    if isinstance(answer, Diagnostic):
        raise PlanError(answer.summary, answer.detail, (answer,))
    return answer


def _list_notes(case: Case, back: Record, serving: RecordedModel) -> Iterator[str]:
    if not back.held:
        if case.record.held:
            yield "this ends the hold"
        yield from (
            f"{model.id} is deposed, and kept until {model.kept_until}"
            for model in back.deposed
            if not any(model.id == old.id for old in case.record.deposed)
        )
        return
    yield f"{serving.id} is held back. {held.describe_end(back.address)}"
    if not case.is_same(back.held[0]):
        yield "its manifest declares another training already: the next apply trains it, which ends the hold"


def _explain_nothing(case: Case, request: Request) -> str:
    record = case.record
    if request.undo:
        return "nothing is held back, so there is nothing to undo"
    if request.to or not record.held:
        return "it serves already"
    word = record.address.word
    return f"it serves since a rollback. To go further back: reconciler rollback {word} --to ID"


def _is_active(case: Case, model: RecordedModel) -> bool:
    live = case.find_live(model)
    return live is not None and live.status is Status.ACTIVE


def _require_usable(case: Case, target: RecordedModel) -> None:
    """Refuse a model that cannot answer now, or has never served."""
    live, choices = case.find_live(target), _list_choices(case)
    about = f"{case.record.address}: {target.id}"
    retrain = "let the manifest declare its training: apply trains it again"
    if live is None:
        raise PlanError(f"{about} is not live any more", f"{choices}To have it again, {retrain}")
    if live.status is not Status.ACTIVE:
        raise PlanError(f"{about} is {live.status}, not ACTIVE", f"{choices}To have it again, {retrain}")
    if not target.promoted:
        raise PlanError(
            f"{about} has never served: its checks did not pass, or were not run",
            f"{choices}To let it serve, let the manifest declare its training: apply runs its checks first",
        )


def _require_no_candidate(record: Record) -> None:
    """Refuse while another model is about to serve: the next wait would promote it and end the hold."""
    candidate = record.candidate
    if candidate is None:
        return
    finish = f"reconciler wait --target {record.address.word}"
    revert = "let the manifest declare again what serves, and apply: that deposes it"
    match candidate.status:
        case Status.ACTIVE:
            why = f"is {'copied' if SOURCE in candidate.sent else 'trained'} and not promoted yet"
            advice = f"Finish it: {finish}. Or {revert}"
        case Status.FAILED:
            why = "has failed"
            advice = f"First {revert}. Then roll back"
        case _:
            going_on = "being copied" if SOURCE in candidate.sent else "in training"
            why = f"is {going_on}, and would be promoted when it has ended"
            advice = f"Wait for it: {finish}. Or {revert}"
    raise PlanError(f"{record.address}: its candidate {candidate.id} {why}", advice)


def _refuse_unknown(case: Case, to: str) -> PlanError:
    address = case.record.address
    advice = f"reconciler show {address.word} lists its models"
    return PlanError(f"{address}: {to} is not a model of its record", f"{_list_choices(case)}{advice}")


def _refuse_nothing(case: Case, serving: RecordedModel) -> PlanError:
    address, deposed = case.record.address, case.record.deposed
    ids = ", ".join(old.id for old in deposed)
    gone = f". None of its deposed models has served and is ACTIVE: {ids}" if deposed else ""
    return PlanError(
        f"{address}: there is no model to go back to from {serving.id}{gone}",
        "A replaced model stays for lifecycle.keep_deposed (24h by default). After that, let the manifest "
        "declare its training again: apply trains it",
    )


def _list_choices(case: Case) -> str:
    """Name the models that can serve now, for an advice."""
    record = case.record
    usable = [
        model.id for model in (*record.held, *record.deposed) if model.promoted and _is_active(case, model)
    ]
    return f"It can go back to {', '.join(usable)}. " if usable else ""
