"""The row of a record in which `rollback` holds a model back: another one serves than the manifest declares.

Rule: a hold ends only with another training in the manifest, with --replace or with `rollback --undo`. Until
then nothing is trained, promoted or deleted here, and fields that can be updated are updated on what serves.

A hold is known from the record alone. Where the state was restored from before the rollback, a stable
endpoint still tells which model is called (`lost_holds`). Without one, nothing does.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from reconciler.kind import OnChange
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.plan.case import Case, block_address
from reconciler.plan.change import Action, Change, Deposed, Reason
from reconciler.plan.facts import Facts
from reconciler.plan.rows import recorded
from reconciler.plan.rows.deposed import depose_model
from reconciler.state.values import Record, RecordedModel


def is_holding(case: Case) -> bool:
    """Whether a model is held back, and the manifest still declares its training."""
    held, serving = case.record.held, case.record.serving
    return bool(held) and serving is not None and not case.forced and case.is_same(held[0])


def end_hold(case: Case) -> Record | None:
    """Depose what was held back, because its hold has ended; None if nothing is held back, or it still is."""
    return None if not case.record.held or is_holding(case) else depose_held(case, case.record)


def depose_held(case: Case, record: Record) -> Record:
    """Move the models that are held back to the deposed ones. They are kept from now on for keep_deposed.

    They have served, even if a record of another version does not say when.
    """
    ended = tuple(
        depose_model(case, replace(model, promoted=model.promoted or model.held, held="", held_by=""))
        for model in record.held
    )
    return replace(record, held=(), deposed=(*record.deposed, *ended))


def keep_held(case: Case, serving: RecordedModel) -> Change:
    """Leave alone what serves instead of the declared model, except for fields that can be updated."""
    live = case.find_live(serving)
    if live is None and case.facts.is_unseen_yet(serving):
        return recorded.keep_unseen(case, serving)
    if live is None or live.status is not Status.ACTIVE:
        shown = "is not live any more" if live is None else f"is {live.status}, not ACTIVE"
        error = f"{serving.id} {shown}: it serves since a rollback, and {case.record.held[0].id} is held back"
        blocked = block_address(case.record, case.desired, Reason.HELD_BACK, error, _advise(case.record))
        return replace(blocked, id=serving.id, name=serving.name)
    return recorded.keep(_declare_like(case, serving), serving, live)


def _advise(record: Record) -> str:
    word = record.address.word
    return (
        f"Let another model serve: reconciler rollback --undo {word}, or reconciler rollback {word} --to ID"
    )


def _declare_like(case: Case, serving: RecordedModel) -> Case:
    """Return the case as if the manifest declared the training that serves.

    Its record then keeps what was sent with that training, and the other fields are compared as declared.
    """
    fields = case.kind.fields
    own = {
        path: value
        for path, value in serving.sent.items()
        if path in fields and fields[path].on_change is OnChange.REPLACE
    }
    declared = {
        path: value for path, value in case.attributes.items() if fields[path].on_change is OnChange.UPDATE
    }
    desired = replace(case.desired, data=())
    return replace(case, desired=desired, attributes={**own, **declared})


def list_held(facts: Facts, record: Record) -> Iterator[Change]:
    """List the models that stay held back, as changes without steps."""
    for model in record.held:
        live = facts.find_live_of(record, model)
        yield Change(
            record.address,
            Action.NO_OP,
            Reason.HELD_BACK,
            id=model.id,
            name=model.name,
            deposed=Deposed(held=True),
            before=live.attributes if live else None,
            notes=(describe_hold(facts, record, model),),
        )


def describe_hold(facts: Facts, record: Record, model: RecordedModel) -> str:
    """Tell since when a model is held back, by whom, what serves instead, and how that ends."""
    serving = f", and {record.serving.id} serves" if record.serving else ""
    by = f" by {model.held_by}" if model.held_by else ""
    said = f"held back since {model.held}{by}{serving}"
    if model is not record.held[0]:
        return said
    if not facts.is_there(record, model):
        return f"{said}. It is not live any more. While it is held back, it is not trained again"
    return f"{said}. {describe_end(record.address)}"


def describe_end(address: Address) -> str:
    """Tell how a hold ends."""
    return (
        f"This ends with another training in the manifest, or with: reconciler rollback --undo {address.word}"
    )
