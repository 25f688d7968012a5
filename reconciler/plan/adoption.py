"""`import`: a live model that a person says is the declared one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from reconciler import diff
from reconciler.errors import PlanError
from reconciler.model import DataSet, Desired, Live, Status
from reconciler.plan.world import World, new_model, recorded_data
from reconciler.state import Model, Record


def imported(world: World, want: Desired, live: Live, there: Mapping[str, str]) -> Record:
    """The record of the live model under the manifest's address.

    What its data was when it was trained cannot be seen: the manifest's digest is recorded as assumed, after
    what the service shows of it was compared. Declared fields that can be updated may differ, the next plan
    shows them; what cannot be updated must be the same.

    Args:
        world: what there is.
        want: what is declared, its data measured.
        live: the model.
        there: path of each data set that the service shows, to the digest of what lies there now.

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
    attributes = {**want.effective, **attributes}
    different = diff.immutable_changes({}, live.shown, attributes, kind.fields)
    found = [f"{one.path} is {one.before!r}, declared {one.after!r}" for one in different]
    found += _other_data(want, live, there)
    if found:
        what = ", ".join(found)
        raise PlanError(
            f"{live.name} is not what {want.address} declares: {what}",
            f"Correct {want.place}: with these, the next apply would train it anew",
        )
    if gone := [one for one in want.data if not one.digest]:
        raise PlanError(
            f"{gone[0].shown} does not exist, so nothing can be recorded of the data of {live.name}",
            "Put the data there again, or correct the address",
        )
    model = _model(world, want, live)
    if live.status is Status.ACTIVE:
        return replace(
            record,
            serving=replace(model, promoted=world.timestamp),
            prevent_destroy=want.lifecycle.prevent_destroy,
        )
    return replace(record, candidate=model, prevent_destroy=want.lifecycle.prevent_destroy)


def _other_data(want: Desired, live: Live, there: Mapping[str, str]) -> list[str]:
    """Each data set that the service shows otherwise than the manifest names it.

    Two addresses of the same content are one data set. What a local file was uploaded as is not compared.
    """
    if not live.data:
        return []
    declared = {one.field: one for one in want.data}
    found = []
    for field in dict.fromkeys((*declared, *live.data)):
        one, shown = declared.get(field), live.data.get(field)
        if one is None:
            found.append(f"{field} is {shown!r}, which the manifest does not declare")
        elif shown is None:
            found.append(f"{field} is none, declared {one.shown!r}")
        elif one.uri and not _is_same_data(one, shown, there.get(field, "")):
            found.append(f"{field} is {shown!r}, declared {one.uri!r}")
    return found


def _is_same_data(one: DataSet, shown: str, digest: str) -> bool:
    return _from_location(one.uri) == _from_location(shown) or bool(digest and one.digest == digest)


def _from_location(address: str) -> str:
    """A resource's name without its project, which has an id and a number."""
    return re.sub(r"^projects/[^/]+/", "", address)


def _is_address(world: World, value: object) -> bool:
    return isinstance(value, str) and value.partition("/")[0] in world.kinds


def _model(world: World, want: Desired, live: Live) -> Model:
    sources = [path for path, field in world.kind(want.address).fields.items() if field.role == "source"]
    asked = {**want.effective, **want.attributes}
    sent = {path: live.attributes[path] for path in asked if path in live.attributes}
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
