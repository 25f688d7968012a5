"""Decide when deposed models are deleted, and why they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec.structs import replace

from reconciler.formats import add_seconds, format_time, parse_time
from reconciler.model.desired import Lifecycle
from reconciler.model.live import Live, Status
from reconciler.plan.case import Case, warn_of_deletion
from reconciler.plan.change import Action, Change, Deposed, Reason
from reconciler.plan.compile import compile_deletion
from reconciler.plan.copies import is_unnamed
from reconciler.plan.steps import (
    AwaitDrain,
    Delete,
    DeleteReplaced,
    ForgetDeposed,
    IsAccepted,
    Step,
    Undeploy,
    find_intent,
    find_step,
)
from reconciler.state.values import Record, RecordedModel

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def decide_deposed(case: Case, main: Change) -> Iterator[Change]:
    """Decide on the deposed models of an address, given the address's own change."""
    record = find_intent(main.steps) or case.record
    for model in record.deposed:
        if model.id == main.id:
            continue  # delete_first: part of the change itself
        live = case.facts.find_live_of(case.record, model)
        about = Change(
            case.desired.address,
            Action.FORGET,
            Reason.GONE,
            id=model.id,
            name=model.name,
            deposed=Deposed(),
            before=live.attributes if live else None,
        )
        superseded_now = case.record.candidate is not None and model.id == case.record.candidate.id
        if not case.facts.is_there(case.record, model):
            if not superseded_now:
                yield replace(about, steps=(ForgetDeposed(model.id),))
        elif model.promoted:
            yield _decide_replaced(case, record, model, about, main)
        else:
            wait = IsAccepted(case.desired.address) if main.creates else None
            deletion = Delete(model.id, deposed=True, trains=_is_training(live), after=wait)
            yield replace(
                about,
                steps=tuple(compile_deletion(deletion)),
                action=Action.DELETE,
                reason=Reason.UNUSED,
                notes=warn_of_deletion(live),
            )


def _decide_replaced(case: Case, record: Record, model: RecordedModel, about: Change, main: Change) -> Change:
    """Decide on a deposed model that has served: keep it until its time has come, then delete it.

    Nobody need approve its deletion again, because its replacement was approved with this time. If the
    manifest now keeps it for less time, its deletion is a change like any other.
    """
    about = replace(about, action=Action.NO_OP, reason=Reason.REPLACED)
    lifecycle, now = case.desired.lifecycle, case.facts.now
    until, declared = find_end(lifecycle, model), _find_declared_end(lifecycle, model)
    was_held = any(held.id == model.id for held in _find_stored(case).held)  # its hold ends in this plan
    is_due = now >= until and not was_held
    live = case.facts.find_live_of(case.record, model)
    why = _explain_stay(case, record, model, live)
    if not is_due and not case.is_protected and (declared is None or now < declared):
        note = f"kept until {format_time(until)}; until then a manifest that goes back to it trains nothing"
        return replace(about, deposed=Deposed(format_time(until)), notes=(note,))
    if why:
        return replace(about, notes=(f"kept: {why}",))
    deletion = DeleteReplaced(model.id, _is_training(live), is_due=is_due)
    passed = (f"it was kept until {model.kept_until}",) if is_due and model.kept_until else ()
    return replace(
        about,
        action=Action.DELETE,
        steps=(*_undeploy_first(case, main, live), *compile_deletion(deletion)),
        notes=(*passed, *warn_of_deletion(live)),
    )


def _find_stored(case: Case) -> Record:
    return case.facts.state.resources.get(case.desired.address, case.record)


def _undeploy_first(case: Case, main: Change, live: Live | None) -> Iterator[Step]:
    """Undeploy a model that another one has just replaced, where the address's own change does so too.

    Both look before they act, so whichever comes first does it. A deployed model cannot be deleted.
    """
    drain, undeploy = find_step(main.steps, AwaitDrain), find_step(main.steps, Undeploy)
    if drain is None or undeploy is None or live is None:
        return
    ids = [
        deployment.id
        for endpoint in case.facts.observed.endpoints.values()
        for deployment in endpoint.deployments
        if deployment.id in undeploy.ids and deployment.is_of(live.deployable)
    ]
    if ids:
        yield drain
        yield replace(undeploy, ids=tuple(ids))


def _is_training(live: Live | None) -> bool:
    return live is not None and live.status is Status.CREATING


def find_end(lifecycle: Lifecycle, model: RecordedModel) -> datetime:
    """Find the time until which a deposed model is kept that has served.

    It is the recorded time, or a later one if the manifest keeps it for longer by now. An older version
    recorded no time: then what is declared counts, and without it that version's default of no time.
    """
    recorded, declared = parse_time(model.kept_until), _find_declared_end(lifecycle, model)
    if recorded is None:
        return declared or parse_time(model.deposed) or _LONG_AGO
    return max(recorded, declared or recorded)


def _find_declared_end(lifecycle: Lifecycle, model: RecordedModel) -> datetime | None:
    """Find the time until which its manifest keeps a deposed model. None if keep_deposed is not declared."""
    keep = lifecycle.keep_deposed
    return None if keep is None else parse_time(add_seconds(model.deposed, keep.total_seconds()))


def _explain_stay(case: Case, record: Record, model: RecordedModel, live: Live | None) -> str:
    """Explain why a replaced model must stay although its time has come; "" if it may go.

    Traffic is asked for again right before the deletion, and so is the successor (`apply.execute`).
    """
    serving = record.serving
    successor = None if serving is None else case.find_live(serving)
    child = case.facts.find_child_in_training(case.desired.address, model)
    if case.is_protected:
        return "prevent_destroy protects it until the protection is lifted"
    if serving is None:
        return "nothing serves in its place yet"
    if successor is None and not case.facts.is_unseen_yet(serving):
        return f"its successor {serving.id} is not live"
    if successor is not None and successor.status is not Status.ACTIVE:
        return f"its successor {serving.id} is {successor.status}, not ACTIVE"
    if _may_be_needed(case, model):
        return "it is what the manifest declares, and no model of that training serves yet"
    if live is not None and live.traffic:
        return explain_traffic(live)
    if child is None:
        return ""
    made = "trained" if case.facts.get_kind(child).trains else "copied"
    return f"{child} is being {made} from it"


def explain_traffic(live: Live) -> str:
    """Explain that a model may not be deleted, because an endpoint of somebody else sends it requests."""
    return f"it has traffic on {', '.join(live.traffic)}, which the tuning service did not make for it"


def _may_be_needed(case: Case, model: RecordedModel) -> bool:
    """Return whether a model is the desired training and no model of that training serves yet.

    Its twin may still fail its checks. Then this one is the good one. With --replace neither is wanted.
    """
    return not case.forced and case.is_same(model) and not _is_served(case)


def _is_served(case: Case) -> bool:
    serving = case.record.serving
    live = None if serving is None else case.find_live(serving)
    return serving is not None and live is not None and live.status is Status.ACTIVE and case.is_same(serving)


def depose(case: Case, record: Record, model: RecordedModel | None) -> Record:
    """Move a model, if any, to the deposed ones. A copy that only waited for its source leaves nothing."""
    if model is None or is_unnamed(model, case.kind):
        return record
    if any(deposed.id == model.id for deposed in record.deposed):
        return record
    if record.candidate is not None and record.candidate.id == model.id:
        return record
    return replace(record, deposed=(*record.deposed, depose_model(case, model)))


def depose_model(case: Case, model: RecordedModel) -> RecordedModel:
    """Record that a model is deposed now, and until when it is kept if it has served."""
    now, keep = case.facts.timestamp, case.desired.lifecycle.keeps_for
    until = add_seconds(now, keep.total_seconds()) if model.promoted else ""
    return replace(model, deposed=now, kept_until=until)
