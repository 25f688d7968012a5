"""Import a live model as the declared one: by `metadata.import`, or by the command `import`.

Rule: both compare in the same way, and neither trains.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from reconciler import diff
from reconciler.errors import Diagnostic, PlanError
from reconciler.kind import FieldRole
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.plan.case import Answer, Case, refuse
from reconciler.plan.change import Reason
from reconciler.plan.facts import Facts, Generation, build_model, digest_approval, record_data
from reconciler.plan.naming import is_name_of, strip_project
from reconciler.plan.rows.generations import build_adoption
from reconciler.plan.rows.moves import resolve_sources
from reconciler.plan.rows.training import refuse_training
from reconciler.state.values import Record, RecordedModel


def record_import(facts: Facts, desired: Desired, live: Live, there: Mapping[str, str]) -> Record:
    """Build the record of a live model under the manifest's address, for the command `import`.

    Raises:
        PlanError: the address or the model is recorded already, or see `compare_import`.
    """
    _check_unrecorded(facts, desired, live)
    model = compare_import(facts, desired, live, there)
    record = facts.state.resources.get(desired.address, Record(desired.address, manifest=desired.manifest))
    record = replace(record, prevent_destroy=desired.lifecycle.prevent_destroy)
    if live.status is Status.ACTIVE:
        return replace(record, serving=replace(model, promoted=facts.timestamp))
    return replace(record, candidate=model)


def adopt_imported(case: Case, record: Record, reason: Reason) -> Answer:
    """Adopt the model that `metadata.import` names, after the same comparison as in `import`.

    Args:
        case: its manifest has metadata.import.
        record: the record of the address, without a candidate.
        reason: why a training would be needed without metadata.import.
    """
    facts, desired = case.facts, case.desired
    if case.record.serving is not None or case.record.candidate is not None:
        return refuse_training(case, reason)
    live = facts.find_live(desired.address, facts.imports.get(desired.address, ""))
    if live is None:
        return refuse(
            case.desired,
            f"{desired.address}: metadata.import names {desired.imports}, which does not exist at "
            f"{facts.observed.context.endpoint or 'the service'}",
            "Correct the name, the project or the location, or take the line out" + _say_what_then(case),
            path="metadata.import",
        )
    if any(deposed.id == live.id for deposed in case.record.deposed):
        return refuse_training(case, reason)
    there = facts.observed.data.get((desired.address.kind, live.id), {})
    try:
        model = compare_import(facts, desired, live, there)
    except PlanError as error:
        return refuse(desired, f"{desired.address}: {error.summary}", error.detail, path="metadata.import")
    model = replace(model, approved=digest_approval(desired, case.attributes, case.kind))
    note = "metadata.import names it"
    if case.kind.trains:
        note += "; nobody can see its training data, so the manifest is taken at its word"
    change = build_adoption(case, model, live, replace(record, candidate=model), (note,))
    return replace(change, reason=Reason.IMPORTED)


def _say_what_then(case: Case) -> str:
    """Say what happens without the line metadata.import."""
    if not case.kind.trains:
        return ": then it is copied"
    return ": then it is trained" if case.desired.data else f" and declare {case.kind.data_field} to train it"


def refuse_another(case: Case) -> Diagnostic | None:
    """Refuse an address whose recorded model is not the one that `metadata.import` names."""
    desired, record = case.desired, case.record
    models = [model for model in (record.serving, *record.held, record.candidate) if model is not None]
    if (
        not desired.imports
        or not models
        or any(is_name_of(desired.imports, model.id, model.name) for model in models)
    ):
        return None
    other = models[0].name or models[0].id
    return refuse(
        case.desired,
        f"{desired.address} has recorded {other}, and metadata.import names {desired.imports}",
        f"Take the line out to keep {other}. To take {desired.imports} instead, forget the other one first, "
        f"which deletes nothing: reconciler state rm {desired.address.word}",
        path="metadata.import",
    )


def compare_import(facts: Facts, desired: Desired, live: Live, there: Mapping[str, str]) -> RecordedModel:
    """Compare a live model with its manifest, and build its record.

    The service does not return training data, so the manifest's digest is recorded as assumed. Fields that
    can be updated may differ: the next plan shows them. All other declared fields must be the same.

    Args:
        facts: the facts of the plan.
        desired: the manifest, with its data measured.
        live: the model.
        there: path of each data set that the service shows, to the digest of its present content.

    Raises:
        PlanError: the model failed, or differs from the manifest.
    """
    if desired.imports and not is_name_of(desired.imports, live.id, live.name):
        raise PlanError(
            f"{live.name} is not {desired.imports}, which {desired.address} imports",
            f"Correct metadata.import in {desired.place}, or name that model",
        )
    if live.status is Status.FAILED:
        raise PlanError(
            f"{live.name} failed to train: there is nothing to adopt",
            f"Name another model in {desired.place}" if desired.imports else "",
        )
    found = [*_list_other_fields(facts, desired, live), *_list_other_data(desired, live, there)]
    if found:
        what = ", ".join(found)
        raise PlanError(
            f"{live.name} is not what {desired.address} declares: {what}",
            f"Correct {desired.place}: with these, the next apply would train it again",
        )
    if gone := [data for data in desired.data if not data.digest]:
        raise PlanError(
            f"{gone[0].shown} does not exist, so nothing can be recorded of the data of {live.name}",
            "Put the data there again, or correct the address",
        )
    return _record_imported(facts, desired, live)


def _check_unrecorded(facts: Facts, desired: Desired, live: Live) -> None:
    for other in facts.state.resources.values():
        if other.address.kind == desired.address.kind and any(model.id == live.id for model in other.models):
            raise PlanError(
                f"{live.name} is recorded already, as {other.address}",
                "There is nothing left to import"
                if other.address == desired.address
                else "To give it another address: reconciler state mv "
                f"{other.address.word} {desired.address.word}",
            )
    record = facts.state.resources.get(desired.address)
    if record is not None and not record.is_empty:
        raise PlanError(
            f"{desired.address} is recorded already, as {record.models[0].id}",
            f"To forget that one, without deleting it: reconciler state rm {desired.address.word}",
        )


def _list_other_fields(facts: Facts, desired: Desired, live: Live) -> list[str]:
    """List declared immutable fields that differ from the live model."""
    kind = facts.get_kind(desired.address)
    attributes = resolve_sources(facts, desired, facts.state.resources)
    if attributes is None:  # its parent is not recorded yet, so nobody knows which model that is
        addresses = {path for path, value in desired.attributes.items() if facts.parse_source(value)}
        attributes = {path: value for path, value in desired.attributes.items() if path not in addresses}
    attributes = {**desired.effective, **attributes}
    different = diff.compare_immutable({}, live.shown, attributes, kind.fields)
    return [f"{field.path} is {field.before!r}, declared {field.after!r}" for field in different]


def _list_other_data(desired: Desired, live: Live, there: Mapping[str, str]) -> list[str]:
    """List data sets that differ between the service and the manifest.

    Two addresses with the same content are one data set. The addresses of uploaded files are not compared.
    """
    if not live.data or not desired.data:
        return []
    declared = {data.field: data for data in desired.data}
    found = []
    for field in dict.fromkeys((*declared, *live.data)):
        data, shown = declared.get(field), live.data.get(field)
        if data is None:
            found.append(f"{field} is {shown!r}, which the manifest does not declare")
        elif shown is None:
            found.append(f"{field} is none, declared {data.shown!r}")
        elif data.uri and not _is_same_data(data, shown, there.get(field, "")):
            found.append(f"{field} is {shown!r}, declared {data.uri!r}")
    return found


def _is_same_data(data: DataSet, shown: str, digest: str) -> bool:
    return strip_project(data.uri) == strip_project(shown) or bool(digest and data.digest == digest)


def _record_imported(facts: Facts, desired: Desired, live: Live) -> RecordedModel:
    sources = [
        path
        for path, field in facts.get_kind(desired.address).fields.items()
        if field.role is FieldRole.SOURCE
    ]
    asked = {**desired.effective, **desired.attributes}
    sent = {path: live.attributes[path] for path in asked if path in live.attributes}
    source = next((str(live.attributes[path]) for path in reversed(sources) if path in live.attributes), "")
    model = build_model(facts, desired, sent, Generation(live.id, "", formula=1), source)
    return replace(
        model,
        name=live.name,
        status=live.status,
        started="",
        approved="",
        create_time=live.create_time,
        model=live.deployable,
        completed=live.complete_time,
        data=record_data(desired, assumed=True),
    )
