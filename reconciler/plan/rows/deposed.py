"""Decide when deposed models are deleted, and why they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.formats import parse_time
from reconciler.model import Status
from reconciler.plan.case import Case, warn_of_deletion
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.compile import compile_deletion
from reconciler.plan.steps import Delete, DeleteReplaced, ForgetDeposed, IsAccepted, find_intent
from reconciler.state.values import Record, RecordedModel


def decide_deposed(case: Case, main: Change) -> Iterator[Change]:
    """Decide on the deposed models of an address, given the address's own change."""
    record = find_intent(main.steps) or case.record
    protected = case.desired.lifecycle.prevent_destroy
    for model in record.deposed:
        if model.id == main.id:
            continue  # delete_first: part of the change itself
        live = case.facts.find_live_of(case.record, model)
        served = bool(model.promoted)
        about = Change(
            case.desired.address,
            Action.FORGET,
            Reason.GONE,
            id=model.id,
            name=model.name,
            deposed=True,
            before=live.attributes if live else None,
        )
        superseded_now = case.record.candidate is not None and model.id == case.record.candidate.id
        if not case.facts.is_there(case.record, model):
            if not superseded_now:
                yield replace(about, steps=(ForgetDeposed(model.id),))
            continue
        if served and protected:
            note = "kept: prevent_destroy protects it until the protection is lifted"
            yield replace(about, action=Action.NO_OP, reason=Reason.REPLACED, notes=(note,))
            continue
        if served and (record.serving is None or _is_kept(case, model) or _may_be_needed(case, model)):
            continue
        wait = IsAccepted(case.desired.address) if main.trains else None
        trains = live is not None and live.status is Status.CREATING
        deletion = (
            DeleteReplaced(model.id, trains)
            if served
            else Delete(model.id, deposed=True, trains=trains, after=wait)
        )
        yield replace(
            about,
            steps=tuple(compile_deletion(deletion)),
            action=Action.DELETE,
            reason=Reason.REPLACED if served else Reason.UNUSED,
            notes=warn_of_deletion(live),
        )


def _is_kept(case: Case, model: RecordedModel) -> bool:
    """Whether the time of keep_deposed has not passed yet."""
    keep = case.desired.lifecycle.keep_deposed
    since = parse_time(model.deposed)
    return bool(keep) and since is not None and case.facts.now < since + keep


def _may_be_needed(case: Case, model: RecordedModel) -> bool:
    """Whether a model is the desired training and no model of that training serves yet.

    Its twin may still fail its checks. Then this one is the good one. With --replace neither is wanted.
    """
    return not case.forced and case.is_same(model) and not _is_served(case)


def _is_served(case: Case) -> bool:
    serving = case.record.serving
    live = None if serving is None else case.find_live(serving)
    return serving is not None and live is not None and live.status is Status.ACTIVE and case.is_same(serving)


def depose(case: Case, record: Record, model: RecordedModel | None) -> Record:
    """Move a model, if any, to the deposed ones."""
    if model is None or any(deposed.id == model.id for deposed in record.deposed):
        return record
    if record.candidate is not None and record.candidate.id == model.id:
        return record
    return replace(record, deposed=(*record.deposed, replace(model, deposed=case.facts.timestamp)))
