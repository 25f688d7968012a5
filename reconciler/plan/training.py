"""The rows in which no recorded model is what is wanted: adopt what is live under our id, else train."""

from __future__ import annotations

from dataclasses import replace

from reconciler import diff
from reconciler.identity import GENERATIONS
from reconciler.model import BASE_MODEL, Attributes, Live, Status
from reconciler.plan.deposed import depose
from reconciler.plan.generations import first_free, generation_notes, generations_of
from reconciler.plan.values import Action, DataChange, FieldChange, Reason
from reconciler.plan.wanted import (
    Decision,
    Wanted,
    about,
    finish,
    keep_reason,
    protected,
    refuse,
    serves,
    updates,
)
from reconciler.plan.world import adopted_model, bill_of, new_model, replacement_reasons
from reconciler.state import Model, Record, Verdict


def train(wanted: Wanted, reason: Reason = Reason.NOT_LIVE) -> Decision:
    """No recorded model is what is wanted: adopt one that is live under our id, else train."""
    world, want = wanted.world, wanted.want
    record = replace(wanted.record, candidate=None)
    superseded = wanted.record.candidate
    if superseded and not serves(wanted, record) and _can_serve(wanted, superseded):
        # what was started is recorded as it ended: it serves until its successor does
        record = replace(record, serving=replace(superseded, status=Status.ACTIVE, promoted=world.timestamp))
        superseded = None
    record = protected(wanted, depose(wanted, record, superseded))
    if wanted.forced:
        reason = Reason.REQUESTED
    elif reason is Reason.NOT_LIVE and wanted.record.models:
        reason = _why_replaced(wanted)
    if want.id:
        return _pinned(wanted, record, reason)
    generations = generations_of(wanted)
    known = {model.id for model in wanted.record.models}
    found = [one for one in generations if one.live is not None and one.id not in known]
    failed = [one.adopted(wanted) for one in found if one.status is Status.FAILED]
    failed = [replace(one, deposed=world.timestamp) for one in failed]
    record = replace(record, deposed=(*record.deposed, *failed))
    if not wanted.forced:
        for status in (Status.ACTIVE, Status.CREATING):
            for one in found:
                if one.live is not None and one.status is status:
                    return _adopt(wanted, one.adopted(wanted), one.live, record)
    free = first_free(generations, known, another=wanted.forced or reason is Reason.RETRY)
    if free is None:
        return refuse(
            wanted,
            f"{want.address}: all {GENERATIONS} generations of its id are taken",
            f"Delete failed or unused models named {want.address.name}-xxxxxxxx, or change metadata.name",
        )
    model = new_model(
        world,
        want,
        wanted.attributes,
        id=free.id,
        digest=free.digest,
        generation=free.number,
        source=wanted.source,
    )
    others = tuple(one for one in record.deposed if one.id != free.id)
    return start(wanted, model, reason, replace(record, candidate=model, deposed=others))


def _adopt(wanted: Wanted, found: Model, live: Live, record: Record) -> Decision:
    fields = diff.immutable_changes({}, live.attributes, _returned(wanted, live), wanted.kind.fields)
    different = ", ".join(
        f"{one.path} is {one.before!r} there and {one.after!r} in the manifest" for one in fields
    )
    if fields and wanted.want.id:
        return refuse(
            wanted,
            f"{wanted.want.address}: {live.name} exists already and is another model: {different}",
            "Give another metadata.id, or correct the manifest if that model is the one you mean",
        )
    notes = generation_notes(wanted, replace(record, candidate=found))
    if wanted.want.id:
        notes = ("its id is pinned, which proves nothing about its data: the digest is recorded as assumed",)
    elif fields:
        notes = (f"the service shows it otherwise than its id says: {different}", *notes)
    change = finish(
        wanted,
        Action.ADOPT,
        Reason.FOUND_LIVE,
        model=found,
        live=live,
        record=replace(record, candidate=found),
    )
    return Decision([replace(change, notes=(*change.notes, *notes))])


def _returned(wanted: Wanted, live: Live) -> Attributes:
    """The declared immutable fields that the service can be held to: those it shows."""
    sources = [path for path, one in wanted.kind.fields.items() if one.role == "source"]
    shown = any(path in live.attributes for path in sources)
    return {
        path: value
        for path, value in wanted.attributes.items()
        if path in live.attributes or (path in sources and shown)
    }


def _pinned(wanted: Wanted, record: Record, reason: Reason) -> Decision:
    """A pinned id: there is one id only, and it may be taken."""
    world, want = wanted.world, wanted.want
    pinned = want.id or ""
    _, digest = world.identity(want, wanted.source, 0)
    live = world.live(want.address, pinned)
    ours = next((model for model in wanted.record.models if model.id == pinned), None)
    if live is not None and ours is None:
        found = adopted_model(
            world, want, wanted.attributes, live, digest=digest, generation=0, source=wanted.source
        )
        if live.status is Status.FAILED:
            return refuse(
                wanted,
                f"{want.address}: {live.name}, its pinned id, is a model whose training failed",
                "Delete that model, or pin another metadata.id",
            )
        return _adopt(wanted, found, live, record)
    model = new_model(
        world, want, wanted.attributes, id=pinned, digest=digest, generation=0, source=wanted.source
    )
    if live is None or ours is None:
        kept = tuple(one for one in record.deposed if one.id != pinned)
        serving = record.serving if record.serving and record.serving.id != pinned else None
        record = replace(record, deposed=kept, serving=serving, candidate=model)
        return start(wanted, model, reason, record)
    if want.lifecycle.replace == "delete_first":
        if want.lifecycle.prevent_destroy:
            return refuse(
                wanted,
                f"{want.address} is protected by prevent_destroy, and delete_first would delete it",
                "Lift the protection first, or pin another metadata.id",
            )
        old = replace(ours, deposed=world.timestamp, create_time=live.create_time)
        others = tuple(one for one in record.deposed if one.id != pinned)
        serving = record.serving if record.serving and record.serving.id != pinned else None
        record = replace(record, serving=serving, candidate=model, deposed=(*others, old))
        return start(wanted, model, reason, record, delete_first=True)
    fields, data = replacement_reasons(want, wanted.attributes, ours, live, wanted.kind)
    what = [f"{one.path} {one.before!r} -> {one.after!r}" for one in fields]
    what += [f"{one.field} {one.before_digest[:8]} -> {one.after_digest[:8]}" for one in data]
    why = f"{', '.join(what)} cannot change under" if what else f"{reason}, but {live.name} is there under"
    return refuse(
        wanted,
        f"{want.address}: {why} the pinned id {pinned}",
        "Pin another metadata.id (it is trained beside the old one, which then goes), or set "
        "lifecycle: {replace: delete_first} (the old one goes first, and nothing serves meanwhile)",
    )


def start(
    wanted: Wanted, model: Model, reason: Reason, record: Record, *, delete_first: bool = False
) -> Decision:
    """Start a training: create, or replace what serves or has not come to serve."""
    world, want = wanted.world, wanted.want
    tunable = world.observed.tunable.get(want.address.kind)
    unknown = tunable is not None and BASE_MODEL in wanted.attributes and wanted.source not in tunable
    assumed = want.address.kind in world.observed.assumed
    if tunable is not None and unknown and not assumed:
        offered = ", ".join(sorted(tunable)) or "none today; declare kind: TuningJob instead"
        return refuse(
            wanted,
            f"{want.address}: {wanted.source} is not offered for tuning",
            f"Base models that are: {offered}",
            path=BASE_MODEL,
        )
    serving = serves(wanted, record)
    record = replace(record, serving=serving)
    superseded = _superseded(wanted, model)
    namesake = next((old for old in record.deposed if old.id == model.id), None)
    delete_first = delete_first or (
        namesake is not None and wanted.world.live(want.address, model.id) is not None
    )
    before = serving or (namesake if delete_first else superseded)
    live = world.live_of(wanted.record, before) if before else None
    fields: tuple[FieldChange, ...] = ()
    data: tuple[DataChange, ...] = ()
    mutable: tuple[FieldChange, ...] = ()
    if before:
        fields, data = replacement_reasons(want, wanted.attributes, before, live, wanted.kind)
        mutable = updates(wanted, live) if live else ()
    wish = want.permissions
    change = replace(
        about(wanted, Action.REPLACE if before else Action.CREATE, reason),
        id=model.id,
        name=model.name,
        serving=before.id if before and before is not superseded else "",
        generation=model.generation,
        digest=model.digest,
        source=wanted.source,
        before=live.attributes if live else None,
        fields=(*fields, *mutable),
        data=data,
        permissions=diff.permission_changes((), wish or ()),
        permissions_after=wish,
        bill=bill_of(want, wanted.kind, world.stack),
        checks=want.checks,
        intent=record,
        keep=keep_reason(wanted) if serving else "",
        notes=(*generation_notes(wanted, record), *_doubts(wanted, unknown=unknown)),
        delete_first=delete_first,
    )
    return Decision([change])


def _doubts(wanted: Wanted, *, unknown: bool) -> tuple[str, ...]:
    """What cannot be known before the training: told, and refused by nobody."""
    notes = [
        f"{one.shown} is not read here: its examples are not counted" for one in wanted.want.data if one.uri
    ]
    if unknown:
        notes.append(f"{wanted.source} is not among the base models that are documented as tunable")
    return tuple(notes)


def _can_serve(wanted: Wanted, model: Model) -> bool:
    """An ACTIVE candidate that nothing keeps from serving, though it is not what is wanted any more."""
    live = wanted.live(model)
    unproven = wanted.want.checks or model.verdict in {Verdict.FAILED, Verdict.UNKNOWN}
    return live is not None and live.status is Status.ACTIVE and not unproven


def _superseded(wanted: Wanted, model: Model) -> Model | None:
    """The candidate that this training takes the place of, while the service still has it."""
    candidate = wanted.record.candidate
    if candidate is None or candidate.id == model.id or wanted.live(candidate) is None:
        return None
    return candidate


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
