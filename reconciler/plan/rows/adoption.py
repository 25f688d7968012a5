"""A live model that a person says is the declared one: by `metadata.import`, or by the command `import`.

Rule: both compare the same, and neither trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler import diff
from reconciler.errors import PlanError
from reconciler.kind import FieldRole
from reconciler.model import DataSet, Desired, Live, Status
from reconciler.plan.case import Decision, Wanted, refuse
from reconciler.plan.change import Reason
from reconciler.plan.facts import World, approval, new_model, recorded_data
from reconciler.plan.naming import is_name_of, without_project
from reconciler.plan.rows.generations import adoption
from reconciler.plan.rows.training import refuse_training
from reconciler.state.values import Record, RecordedModel


def imported(world: World, want: Desired, live: Live, there: Mapping[str, str]) -> Record:
    """The record of the live model under the manifest's address, for the command `import`.

    Raises:
        PlanError: the address or the model is recorded already, or see `compared`.
    """
    _check_unrecorded(world, want, live)
    model = compared(world, want, live, there)
    record = world.state.resources.get(want.address, Record(want.address, manifest=want.manifest))
    record = replace(record, prevent_destroy=want.lifecycle.prevent_destroy)
    if live.status is Status.ACTIVE:
        return replace(record, serving=replace(model, promoted=world.timestamp))
    return replace(record, candidate=model)


def adopt_imported(wanted: Wanted, record: Record, reason: Reason) -> Decision:
    """The model that `metadata.import` names, compared as `import` does: it is recorded, nothing is trained.

    Args:
        wanted: with an import.
        record: of the address, without a candidate.
        reason: why it would be trained, were there no such line.
    """
    world, want = wanted.world, wanted.want
    if wanted.record.serving is not None or wanted.record.candidate is not None:
        return refuse_training(wanted, reason) or Decision()
    live = world.live(want.address, world.imports.get(want.address, ""))
    if live is None:
        return refuse(
            wanted,
            f"{want.address}: metadata.import names {want.imports}, which does not exist at "
            f"{world.observed.context.endpoint or 'the service'}",
            "Correct the name, the project or the location, or take the line out"
            + (": then it is trained" if want.data else f" and declare {wanted.kind.data_field} to train it"),
            path="metadata.import",
        )
    if any(one.id == live.id for one in wanted.record.deposed):
        return refuse_training(wanted, reason) or Decision()
    there = world.observed.data.get((want.address.kind, live.id), {})
    try:
        model = compared(world, want, live, there)
    except PlanError as error:
        return refuse(wanted, f"{want.address}: {error.summary}", error.detail, path="metadata.import")
    model = replace(model, approved=approval(want, wanted.attributes, wanted.kind))
    note = "metadata.import names it: what its data was cannot be seen, and is taken on trust"
    change = adoption(wanted, model, live, replace(record, candidate=model), (note,))
    return Decision([replace(change, reason=Reason.IMPORTED)])


def refuse_another(wanted: Wanted) -> Decision | None:
    """Refuse an address that has recorded another model than its `metadata.import` names."""
    want, record = wanted.want, wanted.record
    models = [one for one in (record.serving, record.candidate) if one is not None]
    if not want.imports or not models or any(is_name_of(want.imports, one.id, one.name) for one in models):
        return None
    other = models[0].name or models[0].id
    return refuse(
        wanted,
        f"{want.address} has recorded {other}, and metadata.import names {want.imports}",
        f"Take the line out to keep {other}. To take {want.imports} instead, forget the other one first, "
        f"which deletes nothing: reconciler state rm {want.address.word}",
        path="metadata.import",
    )


def compared(world: World, want: Desired, live: Live, there: Mapping[str, str]) -> RecordedModel:
    """The model as it would be recorded under the manifest's address, once all that is shown was compared.

    What its data was when it was trained cannot be seen: the manifest's digest is recorded as assumed, after
    what the service shows of it was compared. Declared fields that can be updated may differ, the next plan
    shows them; what cannot be updated must be the same.

    Args:
        world: what there is.
        want: what is declared, its data measured.
        live: the model.
        there: path of each data set that the service shows, to the digest of what lies there now.

    Raises:
        PlanError: the model failed, or is another.
    """
    if want.imports and not is_name_of(want.imports, live.id, live.name):
        raise PlanError(
            f"{live.name} is not {want.imports}, which {want.address} imports",
            f"Correct metadata.import in {want.place}, or name that model",
        )
    if live.status is Status.FAILED:
        raise PlanError(
            f"{live.name} failed to train: there is nothing to adopt",
            f"Name another model in {want.place}" if want.imports else "",
        )
    found = [*_other_fields(world, want, live), *_other_data(want, live, there)]
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
    return _model(world, want, live)


def _check_unrecorded(world: World, want: Desired, live: Live) -> None:
    for other in world.state.resources.values():
        if other.address.kind == want.address.kind and any(one.id == live.id for one in other.models):
            raise PlanError(
                f"{live.name} is recorded already, as {other.address}",
                "There is nothing left to import"
                if other.address == want.address
                else "To give it another address: reconciler state mv "
                f"{other.address.word} {want.address.word}",
            )
    record = world.state.resources.get(want.address)
    if record is not None and not record.is_empty:
        raise PlanError(
            f"{want.address} is recorded already, as {record.models[0].id}",
            f"To forget that one, without deleting it: reconciler state rm {want.address.word}",
        )


def _other_fields(world: World, want: Desired, live: Live) -> list[str]:
    """Each declared field that cannot be updated, and that the service shows otherwise."""
    kind = world.kind(want.address)
    sources = {path for path, field in kind.fields.items() if field.role is FieldRole.SOURCE}
    attributes = {
        path: value
        for path, value in want.attributes.items()
        if path not in sources or not _is_address(world, value)
    }
    attributes = {**want.effective, **attributes}
    different = diff.compare_immutable({}, live.shown, attributes, kind.fields)
    return [f"{one.path} is {one.before!r}, declared {one.after!r}" for one in different]


def _other_data(want: Desired, live: Live, there: Mapping[str, str]) -> list[str]:
    """Each data set that the service shows otherwise than the manifest names it.

    Two addresses of the same content are one data set. What a local file was uploaded as is not compared.
    """
    if not live.data or not want.data:
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
    return without_project(one.uri) == without_project(shown) or bool(digest and one.digest == digest)


def _is_address(world: World, value: object) -> bool:
    return isinstance(value, str) and value.partition("/")[0] in world.kinds


def _model(world: World, want: Desired, live: Live) -> RecordedModel:
    sources = [
        path for path, field in world.kind(want.address).fields.items() if field.role is FieldRole.SOURCE
    ]
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
