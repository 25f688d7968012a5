"""The rows in which no recorded model is what is wanted: adopt what is live under our id, else train."""

from __future__ import annotations

from dataclasses import replace

from reconciler import diff
from reconciler.identity import is_generation_of
from reconciler.model import Attributes, Live, Status
from reconciler.plan.deposed import depose
from reconciler.plan.values import Action, DataChange, FieldChange, Reason
from reconciler.plan.wanted import Decision, Wanted, about, finish, keep_reason, protected, refuse, updates
from reconciler.plan.world import adopted_model, bill_of, new_model, replacement_reasons
from reconciler.state import Model, Record


def train(wanted: Wanted, reason: Reason = Reason.NOT_LIVE) -> Decision:
    """No recorded model is what is wanted: adopt one that is live under our id, else train."""
    world, want = wanted.world, wanted.want
    record = replace(wanted.record, candidate=None)
    superseded = wanted.record.candidate
    if superseded and record.serving is None and _can_serve(wanted, superseded):
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
    taken = {model.id for model in wanted.record.models}
    for generation, id, digest in world.generations(want, wanted.source):
        live = world.live(want.address, id)
        if id in taken:
            continue
        if live is None:
            model = new_model(
                world,
                want,
                wanted.attributes,
                id=id,
                digest=digest,
                generation=generation,
                source=wanted.source,
            )
            return start(wanted, model, reason, replace(record, candidate=model))
        found = adopted_model(
            world, want, wanted.attributes, live, digest=digest, generation=generation, source=wanted.source
        )
        if live.status is Status.FAILED:
            record = replace(record, deposed=(*record.deposed, replace(found, deposed=world.timestamp)))
        elif not wanted.forced and (live.status is Status.ACTIVE or not _later_active(wanted, generation)):
            return _adopt(wanted, found, live, record)
    return refuse(
        wanted,
        f"{want.address}: all generations of its id are taken",
        f"Delete failed or unused models named {want.address.name}-xxxxxxxx, or change metadata.name",
    )


def _later_active(wanted: Wanted, generation: int) -> bool:
    """Whether a later generation is ACTIVE: the first ACTIVE wins over the first CREATING."""
    for number, id, _ in wanted.world.generations(wanted.want, wanted.source):
        live = wanted.world.live(wanted.want.address, id)
        if number > generation and live is not None and live.status is Status.ACTIVE:
            return True
    return False


def _adopt(wanted: Wanted, found: Model, live: Live, record: Record) -> Decision:
    fields = diff.immutable_changes({}, live.attributes, _returned(wanted, live), wanted.kind.fields)
    if fields:
        different = ", ".join(
            f"{one.path} is {one.before!r} there and {one.after!r} in the manifest" for one in fields
        )
        return refuse(
            wanted,
            f"{wanted.want.address}: {live.name} exists already and is another model: {different}",
            "Give another metadata.id, or correct the manifest if that model is the one you mean",
        )
    notes: tuple[str, ...] = ()
    if wanted.want.id:
        notes = ("its id is pinned, which proves nothing about its data: the digest is recorded as assumed",)
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
        if wanted.record.prevent_destroy or want.lifecycle.prevent_destroy:
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
    return refuse(
        wanted,
        f"{want.address}: {', '.join(what) or reason} cannot change under the pinned id {pinned}",
        "Pin another metadata.id (it is trained beside the old one, which then goes), or set "
        "lifecycle: {replace: delete_first} (the old one goes first, and nothing serves meanwhile)",
    )


def start(
    wanted: Wanted, model: Model, reason: Reason, record: Record, *, delete_first: bool = False
) -> Decision:
    """Start a training: create, or replace when something serves."""
    world, want = wanted.world, wanted.want
    tunable = world.observed.tunable.get(want.address.kind)
    if tunable is not None and wanted.source.startswith("models/") and wanted.source not in tunable:
        offered = ", ".join(sorted(tunable)) or "none today; declare kind: TuningJob instead"
        return refuse(
            wanted,
            f"{want.address}: {wanted.source} is not offered for tuning",
            f"Base models that are: {offered}",
            path="base_model",
        )
    serving = record.serving
    namesake = next((old for old in record.deposed if old.id == model.id), None)
    delete_first = delete_first or (
        namesake is not None and wanted.world.live(want.address, model.id) is not None
    )
    before = serving or (namesake if delete_first else None)
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
        serving=before.id if before else "",
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
        notes=_generation_notes(wanted),
        delete_first=delete_first,
    )
    return Decision([change])


def _can_serve(wanted: Wanted, model: Model) -> bool:
    """An ACTIVE candidate that nothing keeps from serving, though it is not what is wanted any more."""
    live = wanted.live(model)
    return live is not None and live.status is Status.ACTIVE and not wanted.want.checks and not wanted.forced


def _why_replaced(wanted: Wanted) -> Reason:
    record = wanted.record
    if record.serving is None and record.candidate is None:
        return Reason.NOT_LIVE
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


def _generation_notes(wanted: Wanted) -> tuple[str, ...]:
    """Unrecorded live models that look like earlier trainings of this name."""
    address = wanted.want.address
    if wanted.record.models or address.name not in wanted.world.stems.get(address.kind, frozenset()):
        return ()
    known = {model.id for record in wanted.world.state.resources.values() for model in record.models}
    return tuple(
        f"possibly an earlier generation, not recorded: {live.name} ({live.status})"
        for id, live in sorted(wanted.world.observed.live.get(address.kind, {}).items())
        if is_generation_of(address.name, id) and id not in known
    )
