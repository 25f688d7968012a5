"""Rows for recorded addresses that no manifest declares, or that destroy deletes."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.errors import Diagnostic
from reconciler.model.desired import Desired, Removal
from reconciler.model.live import Live, Status
from reconciler.model.names import Address
from reconciler.plan.case import Decision, warn_of_deletion
from reconciler.plan.change import Action, Change, Deposed, Reason
from reconciler.plan.compile import compile_deletion, prepend_intent
from reconciler.plan.facts import Facts
from reconciler.plan.guards import find_forbidden
from reconciler.plan.rows.endpoints import remove_endpoints
from reconciler.plan.rows.strange import block
from reconciler.plan.steps import Delete, Forget
from reconciler.state.values import Record, RecordedModel


def keep_for(record: Record, serving: RecordedModel, twin: Address) -> Decision:
    """Keep a serving model until `twin`, which declares the same training, serves."""
    note = f"kept until {twin} serves, which declares the same training"
    change = Change(
        record.address,
        Action.NO_OP,
        Reason.TWIN,
        id=serving.id,
        name=serving.name,
        serving=serving.id,
        notes=(note,),
    )
    return Decision([change])


def decide_undeclared(
    facts: Facts, record: Record, reason: Reason, desired: Desired | None = None
) -> Decision:
    """Delete the live models of a record, or forget the record.

    Args:
        facts: the facts of the plan.
        record: a record that is not empty.
        reason: why it is deleted.
        desired: under destroy, the manifest that still declares it.
    """
    if blocked := block(facts, record, None):
        return Decision([blocked])
    errors = find_forbidden(facts, record, None)
    if desired is None and facts.is_elsewhere(record) and not _is_live(facts, record):
        return Decision()  # its model is gone: left to the runs that declare it
    if desired is None and not facts.may_delete(record) and _is_live(facts, record):
        return refuse_elsewhere(facts, record)
    there = [model for model in record.models if facts.is_there(record, model)]
    living = [(model, facts.find_live_of(record, model)) for model in there]
    protected = record.prevent_destroy or (desired is not None and desired.lifecycle.prevent_destroy)
    if living or _has_endpoint(facts, record):
        decision = delete(facts, record, living, reason, protected=protected)
    else:
        decision = forget(record)
    return Decision(errors=[*errors, *decision.errors]) if errors else decision


def decide_removed(facts: Facts, record: Record, removal: Removal) -> Decision:
    """Forget a record, or delete its models, as a manifest of kind Removed says.

    Its models may be protected, or hidden from us, and are forgotten all the same: they stay as they are.
    """
    candidate = record.candidate
    if removal.destroy or (candidate is not None and facts.is_hidden(record.address, candidate.id)):
        if blocked := block(facts, record, None):
            return Decision([blocked])
        if errors := find_forbidden(facts, record, None):
            return Decision(errors=errors)
    if training := next((model for model in record.models if _may_train(facts, record, model)), None):
        return Decision(errors=[_refuse_training(record, removal, training)])
    place = f"{removal.file}:{removal.line}" if removal.file and removal.line else removal.file
    there = [model for model in record.models if facts.is_there(record, model)]
    if not removal.destroy:
        stay = [m for m in record.models if m in there or facts.is_hidden(record.address, m.id)]
        notes = tuple(f"{model.id} stays at the service, and nobody manages it" for model in stay)
        decision = forget(record, Reason.REMOVED, notes)
    elif there or _has_endpoint(facts, record):
        living = [(model, facts.find_live_of(record, model)) for model in there]
        decision = delete(facts, record, living, Reason.REMOVED, protected=record.prevent_destroy)
    else:
        decision = forget(record)
    return replace(decision, changes=[replace(change, place=place) for change in decision.changes])


def _may_train(facts: Facts, record: Record, model: RecordedModel) -> bool:
    live = facts.find_live_of(record, model)
    if live is None:
        return model is record.candidate and facts.is_unseen_yet(model)
    return live.status is Status.CREATING


def _refuse_training(record: Record, removal: Removal, model: RecordedModel) -> Diagnostic:
    return Diagnostic(
        f"{record.address} is Removed, and its model {model.id} is in training",
        "Wait until the training has ended (reconciler wait), then apply again. To end it now, take this "
        "document and its manifest out: an apply then cancels the training, and deletes the model",
        removal.file or None,
        removal.line or None,
        address=str(record.address),
    )


def _is_live(facts: Facts, record: Record) -> bool:
    return any(facts.is_there(record, model) for model in record.models) or _has_endpoint(facts, record)


def _has_endpoint(facts: Facts, record: Record) -> bool:
    """Return whether an endpoint of the record is there, or we may not see it."""
    observed = facts.observed
    return any(
        one.name in observed.endpoints or one.name in observed.hidden_endpoints for one in record.endpoints
    )


def refuse_elsewhere(facts: Facts, record: Record) -> Decision:
    """Refuse to delete a record that may be declared outside the folders of this run."""
    address = record.address
    here = ", ".join(facts.folders or ())
    where = f"it was declared in {record.manifest}, which is outside of {here or 'what this run reads'}"
    if not record.manifest:
        where = "it was recorded by a version that kept no path: it may be declared elsewhere"
    error = Diagnostic(
        f"{address} would be deleted, but {where}",
        "Give the manifests a Stack (kind: Stack, with a name) if all of the state is theirs, or use another "
        f"--state for them. To forget {address} and keep its model: reconciler state rm {address}",
        address=str(address),
    )
    return Decision(errors=[error])


def forget(record: Record, reason: Reason = Reason.GONE, notes: tuple[str, ...] = ()) -> Decision:
    """Forget a record, because none of its models is live, or because they are to stay as they are."""
    names = [(model.id, model.name) for model in record.models]
    id, name = (names or [(endpoint.id, endpoint.name) for endpoint in record.endpoints])[0]
    change = Change(record.address, Action.FORGET, reason, id=id, name=name, notes=notes, steps=(Forget(),))
    return Decision([change])


def delete(
    facts: Facts,
    record: Record,
    living: list[tuple[RecordedModel, Live | None]],
    reason: Reason,
    *,
    protected: bool,
) -> Decision:
    """Delete each live model of a record: the first as the address's own, the others as deposed ones.

    Its stable endpoints are deleted last, and what is deployed to them is undeployed first.
    """
    endpoints = remove_endpoints(facts, record)
    if isinstance(endpoints, Diagnostic):
        return Decision(errors=[endpoints])
    undeploys, deletes = endpoints
    protection = Diagnostic(
        f"{record.address} is protected by prevent_destroy and would be deleted",
        "To delete it, first apply its manifest with lifecycle.prevent_destroy: false. "
        f"To keep the model and forget it: reconciler state rm {record.address.word}",
        address=str(record.address),
    )
    refusals = [protection] if protected else []
    left = _keep_only(record, [model for model, _ in living])
    if not living:
        first = record.endpoints[0]
        steps = prepend_intent(left if left != record else None, [*undeploys, *deletes])
        change = Change(record.address, Action.DELETE, reason, id=first.id, name=first.name, steps=steps)
        return Decision([change], refusals=refusals)
    main = living[0][0]
    return Decision(
        [
            Change(
                record.address,
                Action.DELETE,
                reason,
                id=model.id,
                name=live.name if live else model.name,
                deposed=None if model is main else Deposed(held=bool(model.held)),
                serving=record.serving.id if record.serving else "",
                before=live.attributes if live else None,
                notes=(*_tell_hold(model), *warn_of_deletion(live)),
                steps=prepend_intent(
                    left if model is main and left != record else None,
                    [
                        *(undeploys if model is main else ()),
                        *compile_deletion(
                            Delete(
                                model.id,
                                deposed=model is not main,
                                trains=live is not None and live.status is Status.CREATING,
                            )
                        ),
                        *(deletes if model is main else ()),
                    ],
                ),
            )
            for model, live in living
        ],
        refusals=refusals,
    )


def _tell_hold(model: RecordedModel) -> tuple[str, ...]:
    """Tell that a model is held back, so that nobody deletes it unknowingly."""
    by = f" by {model.held_by}" if model.held_by else ""
    return (f"it is held back since {model.held}{by}",) if model.held else ()


def _keep_only(record: Record, models: list[RecordedModel]) -> Record:
    """Return the record with only these of its models."""

    def keep(model: RecordedModel | None) -> RecordedModel | None:
        return model if any(model is kept for kept in models) else None

    return replace(
        record,
        serving=keep(record.serving),
        candidate=keep(record.candidate),
        held=tuple(model for model in record.held if keep(model)),
        deposed=tuple(model for model in record.deposed if keep(model)),
    )
