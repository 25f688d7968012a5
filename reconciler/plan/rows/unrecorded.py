"""Rows in which no recorded model is the desired one: adopt a live model with our id, or train one."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.identity import GENERATIONS
from reconciler.kind import FieldRole
from reconciler.model.live import Status
from reconciler.plan.case import Answer, Case, record_training, refuse, renew_record
from reconciler.plan.change import Reason
from reconciler.plan.copies import is_unnamed
from reconciler.plan.rows import generations
from reconciler.plan.rows.adoption import adopt_imported
from reconciler.plan.rows.deposed import depose
from reconciler.plan.rows.pinned import decide_pinned
from reconciler.plan.rows.training import start_training
from reconciler.state.values import Record, RecordedModel, Verdict


def train(case: Case, *, retries: bool = False) -> Answer:
    """Adopt a live model with our id, or train one.

    Args:
        case: its desired model is not recorded, or has to be trained again.
        retries: train again because the last training failed.
    """
    record = _supersede_candidate(case)
    reason = Reason.REQUESTED if case.forced else Reason.RETRY if retries else _choose_reason(case)
    if case.desired.imports:
        return adopt_imported(case, record, reason)
    if case.desired.id:
        return decide_pinned(case, record, reason)
    return _train_next(case, record, reason, another=case.forced or retries)


def _train_next(case: Case, record: Record, reason: Reason, *, another: bool) -> Answer:
    """Adopt or train a generation of the id.

    Args:
        case: its id is computed, not pinned.
        record: has no candidate.
        reason: why a training would be needed.
        another: take a generation after all known ones.
    """
    every = generations.list_generations(case)
    known = {model.id for model in case.record.models}
    unknown = [
        (generation, live)
        for generation, live in generations.find_live(case, every)
        if live.id not in known and not generations.is_elsewhere(case, live)
    ]
    if unknown:
        failed = generations.record_failures(case, unknown)
        record = replace(record, deposed=(*record.deposed, *failed))
    if not case.forced and (usable := generations.choose_usable(case, unknown)):
        return generations.adopt(case, *usable, unknown, record)
    if not case.forced and (renamed := generations.find_renamed(case)):
        return generations.adopt_renamed(case, *renamed, record)
    free = generations.choose_first_free(every, case.list_live(), known, another=another)
    if free is None:
        return refuse(
            case.desired,
            f"{case.desired.address}: all {GENERATIONS} generations of its id are taken",
            f"Delete failed or unused models named {case.desired.address.name}-xxxxxxxx, "
            "or change metadata.name",
        )
    model = record_training(case, free)
    others = tuple(deposed for deposed in record.deposed if deposed.id != free.id)
    return start_training(case, model, reason, replace(record, candidate=model, deposed=others))


def _supersede_candidate(case: Case) -> Record:
    """Let a superseded candidate serve until its successor does, if it can. Otherwise depose it."""
    record, facts, superseded = case.record, case.facts, case.record.candidate
    if superseded:
        record = replace(record, candidate=None)
    if superseded and not case.find_serving(record) and _can_serve(case, superseded):
        record = replace(record, serving=replace(superseded, status=Status.ACTIVE, promoted=facts.timestamp))
        superseded = None
    return renew_record(case, depose(case, record, superseded))


def _can_serve(case: Case, model: RecordedModel) -> bool:
    """Return whether a superseded candidate can serve: it is ACTIVE, and no check failed or remains."""
    live = case.find_live(model)
    unproven = case.desired.checks or model.verdict in {Verdict.FAILED, Verdict.UNKNOWN}
    return live is not None and live.status is Status.ACTIVE and not unproven


def _choose_reason(case: Case) -> Reason:
    record = case.record
    if record.candidate is not None and not is_unnamed(record.candidate, case.kind):
        live = case.find_live(record.candidate)
        if live is None or live.status is Status.CREATING:
            return Reason.SUPERSEDED
    if record.serving is not None and case.find_serving(record) is None:
        return Reason.DELETED_OUTSIDE
    reference = record.serving or record.candidate
    if reference is None or is_unnamed(reference, case.kind):
        return Reason.NOT_LIVE
    fields, _ = case.compare(reference)
    if not case.kind.trains and {case.kind.fields[one.path].role for one in fields} == {FieldRole.SOURCE}:
        return Reason.SOURCE_CHANGED
    return Reason.IMMUTABLE_CHANGED if fields else Reason.DATA_CHANGED
