"""Start a training, for any row: what it replaces, what it costs, what is uncertain."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler import diff
from reconciler.bases import WARN_WITHIN, Base, sort_offered
from reconciler.difference import DataChange, FieldChange
from reconciler.errors import Diagnostic
from reconciler.kind import Kind
from reconciler.model.live import Status
from reconciler.model.names import BASE_MODEL
from reconciler.plan.base_models import describe_refusal, describe_way_on
from reconciler.plan.case import Answer, Case, explain_keeping, refuse, start_change
from reconciler.plan.change import Action, Reason
from reconciler.plan.compile import compile_promotion, compile_training, compile_update, prepend_intent
from reconciler.plan.facts import Facts
from reconciler.plan.rows.generations import note_generations
from reconciler.plan.steps import Create, DeleteFirst, Ending, Promote, Role, Steps
from reconciler.state.values import Record, RecordedModel


def start_training(
    case: Case, model: RecordedModel, reason: Reason, record: Record, *, delete_first: bool = False
) -> Answer:
    """Start a training that creates a model, or replaces a serving one or a candidate."""
    if not can_train(case):
        return refuse_training(case, reason)
    facts, desired = case.facts, case.desired
    unknown = _is_unknown_base(case)
    row = case.kind.find_base(case.source) if BASE_MODEL in case.attributes else None
    if row is not None and row.refused:
        return _refuse_declared_base(case, row)
    if unknown and desired.address.kind not in facts.observed.assumed:
        return refuse_base(case)
    serving = case.find_serving(record)
    record = record if serving is record.serving else replace(record, serving=serving)
    superseded = _find_superseded(case, model)
    namesake = next((old for old in record.deposed if old.id == model.id), None)
    delete_first = delete_first or (
        namesake is not None and case.facts.find_live(desired.address, model.id) is not None
    )
    before = serving or (namesake if delete_first else superseded)
    live = facts.find_live_of(case.record, before) if before else None
    fields: tuple[FieldChange, ...] = ()
    data: tuple[DataChange, ...] = ()
    if before:
        fields, data = case.compare(before)
        fields = (*fields, *case.list_updates(live))
    replaces = before.id if before and before is not superseded else ""
    keep = explain_keeping(case) if serving else ""
    return replace(
        start_change(case, Action.REPLACE if before else Action.CREATE, reason),
        id=model.id,
        name=model.name,
        serving=replaces,
        before=live.attributes if live else None,
        fields=fields,
        data=data,
        bill=facts.compute_bill(desired) if case.kind.trains else None,
        notes=(*note_generations(case, record), *_list_doubts(case, unknown=unknown)),
        steps=_compile_steps(
            case,
            model,
            record,
            first=(namesake or model) if delete_first else None,
            replaces=before.id if before else "",
            promote=Promote(
                _choose_ending(case, before),
                replaces=replaces,
                kept=keep,
                keep_seconds=desired.lifecycle.keeps_for.total_seconds() if serving else 0.0,
                rivals=serving.scores if serving else (),
            ),
        ),
    )


def _choose_ending(case: Case, before: RecordedModel | None) -> Ending:
    if not case.kind.trains:
        return Ending.COPY
    return Ending.REPLACE if before else Ending.CREATE


def _compile_steps(
    case: Case,
    model: RecordedModel,
    record: Record,
    *,
    first: RecordedModel | None,
    replaces: str,
    promote: Promote,
) -> Steps:
    """Compile the steps that train the candidate and let it serve.

    Args:
        case: the desired model.
        model: the candidate.
        record: the intent.
        first: an old model with the candidate's id, to be deleted before the training; None if there is none.
        replaces: id of the model that is replaced. It may never have served.
        promote: the promotion step.
    """
    desired = case.desired
    known = case.facts.state.resources.get(desired.address, Record(desired.address)).models
    after = case.awaited_parent
    create = Create(
        model.id,
        model.generation,
        case.source,
        replaces,
        attempted=any(recorded.id == model.id and recorded.is_pending for recorded in known),
        after=after,
        copies=not case.kind.trains,
    )
    delete_first = None
    if first is not None:
        delete_first = DeleteFirst(model.id, first.status in {None, Status.CREATING}, after)
    deletes = bool(promote.replaces) and not promote.kept and first is None
    grants = diff.compare_permissions((), desired.permissions or ())
    steps = [
        *compile_training(create, delete_first=delete_first),
        *compile_update(Role.CANDIDATE, (), {}, desired.permissions, grants),
        *compile_promotion(desired.checks, promote, deletes_replaced=deletes),
    ]
    return prepend_intent(record, steps)


def can_train(case: Case) -> bool:
    """Return whether the model can be made: the manifest has data or is a copy, and no `metadata.import`."""
    return (bool(case.desired.data) or not case.kind.trains) and not case.desired.imports


def refuse_training(case: Case, reason: Reason) -> Diagnostic:
    """Refuse a training because `can_train` is false."""
    desired = case.desired
    made, make = ("trained", "train") if case.kind.trains else ("copied", "copy")
    why = f"{desired.address} would have to be {made} ({_explain(case, reason)})"
    if desired.data or not case.kind.trains:
        never = "trains" if case.kind.trains else "copies"
        return refuse(
            case.desired,
            f"{why}, and metadata.import never {never}",
            f"Take the line metadata.import out to {make} it, or correct the manifest",
            path="metadata.import",
        )
    line = f"take the line metadata.import: {desired.imports} out and " if desired.imports else ""
    return refuse(
        case.desired,
        f"{why}, and its manifest has no data",
        f"To train it, {line}declare {case.kind.data_field}; else correct the manifest, or remove it",
        path="metadata.import" if desired.imports else "metadata.id",
    )


def _explain(case: Case, reason: Reason) -> str:
    record = case.record
    reference = record.serving or record.candidate
    if reference is None or case.forced:
        return str(reason)
    fields, _ = case.compare(reference)
    differ = ", ".join(f"{field.path} {field.before!r} -> {field.after!r}" for field in fields)
    return differ or str(reason)


def _is_unknown_base(case: Case) -> bool:
    """Return whether the base model is not among the tunable ones, as far as they are known."""
    tunable = case.facts.observed.tunable.get(case.desired.address.kind)
    return tunable is not None and BASE_MODEL in case.attributes and case.source not in tunable


def refuse_base(case: Case) -> Diagnostic:
    """Refuse a base model that the service does not offer for tuning."""
    address = case.desired.address
    tunable = case.facts.observed.tunable[address.kind]
    instead = f"; declare kind: {case.kind.instead} instead" if case.kind.instead else ""
    offered = ", ".join(sort_offered(case.kind.bases, tunable)) or f"none today{instead}"
    return refuse(
        case.desired,
        f"{address}: {case.source} is not offered for tuning",
        f"Base models that are: {offered}",
        path=BASE_MODEL,
    )


def _refuse_declared_base(case: Case, row: Base) -> Diagnostic:
    """Refuse a base model that the Stack says cannot be tuned."""
    address = case.desired.address
    return refuse(
        case.desired,
        f"{address}: {describe_refusal(row)}",
        describe_way_on(case.facts.kinds, address.kind, row, case.facts.today),
        path=BASE_MODEL,
    )


def _list_doubts(case: Case, *, unknown: bool) -> tuple[str, ...]:
    """List notes on what is uncertain before the training."""
    notes = [
        f"{data.shown} is not read here: its examples are not counted"
        for data in case.desired.data
        if data.uri
    ]
    if case.doubt is not None:
        notes.append(
            f"if it is {case.doubt} under a new name, add metadata.moved_from: {case.doubt.name}, "
            "and nothing is trained"
        )
    if case.parent is not None and case.source == str(case.parent):
        notes.append(f"its id follows from what {case.parent} serves, and is known then")
    if unknown:
        notes.append(describe_undocumented(case.source, case.kind, case.facts))
    return tuple(notes)


def describe_undocumented(source: str, kind: Kind, facts: Facts) -> str:
    """Say that a base model is not documented as tunable, and what can be tuned instead.

    Another note says so of one that ends soon.
    """
    said = f"{source} is not among the base models that are documented as tunable"
    row = kind.find_base(source)
    if row is None or row.ends_within(facts.today, WARN_WITHIN):
        return said
    return f"{said}. {describe_way_on(facts.kinds, kind.name, row, facts.today)}"


def _find_superseded(case: Case, model: RecordedModel) -> RecordedModel | None:
    """Find the candidate that this training replaces, if it is still live."""
    candidate = case.record.candidate
    if candidate is None or candidate.id == model.id or case.find_live(candidate) is None:
        return None
    return candidate
