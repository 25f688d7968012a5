"""The rows in which no recorded model is what is wanted: adopt what is live under our id, else train."""

from __future__ import annotations

from dataclasses import replace

from reconciler.identity import GENERATIONS
from reconciler.model import Status
from reconciler.plan.case import Decision, Wanted, asked, refuse, renewed, serves
from reconciler.plan.change import Reason
from reconciler.plan.facts import replacement_reasons
from reconciler.plan.rows.adoption import adopt_imported
from reconciler.plan.rows.deposed import depose
from reconciler.plan.rows.generations import (
    adopt,
    adopt_renamed,
    failures,
    first_free,
    former_generations_of,
    generations_of,
    is_elsewhere,
    renamed,
    usable,
)
from reconciler.plan.rows.pinned import pinned
from reconciler.plan.rows.training import start
from reconciler.state.values import Record, RecordedModel, Verdict


def train(wanted: Wanted, reason: Reason = Reason.NOT_LIVE) -> Decision:
    """Adopt a model that is live under our id, else train; `reason` NOT_LIVE looks for a better one."""
    want = wanted.want
    record = _without_candidate(wanted)
    if wanted.forced:
        reason = Reason.REQUESTED
    elif reason is Reason.NOT_LIVE and wanted.record.models:
        reason = _why_replaced(wanted)
    if want.imports:
        return adopt_imported(wanted, record, reason)
    if want.id:
        return pinned(wanted, record, reason)
    generations = generations_of(wanted)
    known = {model.id for model in wanted.record.models}
    every = {one.id: one for one in (*former_generations_of(wanted), *generations)}.values()
    unknown = [
        (one, one.live)
        for one in every
        if one.live is not None and one.id not in known and not is_elsewhere(wanted, one.live)
    ]
    record = replace(record, deposed=(*record.deposed, *failures(wanted, unknown)))
    if not wanted.forced and (found := usable(unknown)):
        return adopt(wanted, *found, unknown, record)
    if not wanted.forced and (other := renamed(wanted)):
        return adopt_renamed(wanted, *other, record)
    free = first_free(generations, known, another=wanted.forced or reason is Reason.RETRY)
    if free is None:
        return refuse(
            wanted,
            f"{want.address}: all {GENERATIONS} generations of its id are taken",
            f"Delete failed or unused models named {want.address.name}-xxxxxxxx, or change metadata.name",
        )
    model = asked(wanted, id=free.id, digest=free.digest, generation=free.number)
    others = tuple(one for one in record.deposed if one.id != free.id)
    return start(wanted, model, reason, replace(record, candidate=model, deposed=others))


def _without_candidate(wanted: Wanted) -> Record:
    """What was started is recorded as it ended: it serves until its successor does, or it is deposed."""
    record, world = replace(wanted.record, candidate=None), wanted.world
    superseded = wanted.record.candidate
    if superseded and not serves(wanted, record) and _can_serve(wanted, superseded):
        record = replace(record, serving=replace(superseded, status=Status.ACTIVE, promoted=world.timestamp))
        superseded = None
    return renewed(wanted, depose(wanted, record, superseded))


def _can_serve(wanted: Wanted, model: RecordedModel) -> bool:
    """An ACTIVE candidate that nothing keeps from serving, though it is not what is wanted any more."""
    live = wanted.live(model)
    unproven = wanted.want.checks or model.verdict in {Verdict.FAILED, Verdict.UNKNOWN}
    return live is not None and live.status is Status.ACTIVE and not unproven


def _why_replaced(wanted: Wanted) -> Reason:
    record = wanted.record
    if record.candidate is not None:
        live = wanted.live(record.candidate)
        if live is None or live.status is Status.CREATING:
            return Reason.SUPERSEDED
    if record.serving is not None and serves(wanted, record) is None:
        return Reason.DELETED_OUTSIDE
    reference = record.serving or record.candidate
    if reference is None:
        return Reason.NOT_LIVE
    fields, data = replacement_reasons(
        wanted.want, wanted.attributes, reference, wanted.live(reference), wanted.kind
    )
    if fields:
        return Reason.IMMUTABLE_CHANGED
    if data:
        return Reason.DATA_CHANGED
    return Reason.SUPERSEDED
