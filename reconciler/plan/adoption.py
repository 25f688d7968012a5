"""`import`: a live model that a person says is the declared one."""

from __future__ import annotations

from dataclasses import replace

from reconciler import diff
from reconciler.errors import PlanError
from reconciler.model import Desired, Live, Status
from reconciler.plan.world import World, new_model, recorded_data
from reconciler.state import Model, Record


def imported(world: World, want: Desired, live: Live) -> Record:
    """The record of the live model under the manifest's address.

    Its data cannot be seen: the manifest's digest is recorded as assumed. Declared fields that can be
    updated may differ, the next plan shows them; what cannot be updated must be the same.

    Raises:
        PlanError: the address or the model is recorded already, the model failed, or is another.
    """
    record = world.state.resources.get(want.address, Record(want.address, manifest=want.manifest))
    for other in world.state.resources.values():
        if other.address.kind == want.address.kind and any(one.id == live.id for one in other.models):
            raise PlanError(
                f"{live.name} is recorded already, as {other.address}",
                "There is nothing left to import"
                if other.address == want.address
                else "To give it another address: reconciler state mv "
                f"{other.address.word} {want.address.word}",
            )
    if not record.empty:
        raise PlanError(
            f"{want.address} is recorded already, as {record.models[0].id}",
            f"To forget that one, without deleting it: reconciler state rm {want.address.word}",
        )
    if live.status is Status.FAILED:
        raise PlanError(f"{live.name} failed to train: there is nothing to adopt")
    kind = world.kind(want.address)
    sources = {path for path, field in kind.fields.items() if field.role == "source"}
    attributes = {
        path: value
        for path, value in want.attributes.items()
        if path not in sources or not _is_address(world, value)
    }
    different = diff.immutable_changes({}, live.attributes, attributes, kind.fields)
    if different:
        what = ", ".join(f"{one.path} is {one.before!r}, declared {one.after!r}" for one in different)
        raise PlanError(
            f"{live.name} is not what {want.address} declares: {what}",
            f"Correct {want.place}: with these, the next apply would train it anew",
        )
    model = _model(world, want, live)
    if live.status is Status.ACTIVE:
        return replace(
            record,
            serving=replace(model, promoted=world.timestamp),
            prevent_destroy=want.lifecycle.prevent_destroy,
        )
    return replace(record, candidate=model, prevent_destroy=want.lifecycle.prevent_destroy)


def _is_address(world: World, value: object) -> bool:
    return isinstance(value, str) and value.partition("/")[0] in world.kinds


def _model(world: World, want: Desired, live: Live) -> Model:
    sources = [path for path, field in world.kind(want.address).fields.items() if field.role == "source"]
    sent = {path: live.attributes[path] for path in want.attributes if path in live.attributes}
    source = next((str(live.attributes[path]) for path in reversed(sources) if path in live.attributes), "")
    model = new_model(world, want, sent, id=live.id, digest="", generation=0, source=source, formula=1)
    return replace(
        model,
        name=live.name,
        status=live.status,
        started="",
        approved="",
        create_time=live.create_time,
        completed=live.complete_time,
        data=recorded_data(want, assumed=True),
    )
