"""Rows for the source of a copy. They say what is copied, before the table decides on the copy.

source                              does it serve?                  decision
----------------------------------  ------------------------------  ---------------------------------------
a resource name                     -                               it is the source
address of this stack               as before                       what serves there is the source
address of this stack               another model, after this run   wait for it, because it has no name yet
address of this stack               it failed, and a copy exists    keep the copy, and warn
address of this stack               it failed, and no copy exists   block this address
address of another state            yes                             what serves there is the source
address of another state            not known, and a copy exists    keep the copy, and warn
address of another state            not known, and no copy exists   block this address
address of another service's state  any                             refuse
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.plan.base_models import find_source
from reconciler.plan.case import NOT_REFUNDED, Decision, block_address, refuse
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.copies import CopySource, SourceFault, keep_known_source, write_source
from reconciler.plan.facts import Facts
from reconciler.plan.recording import find_model
from reconciler.plan.steps import ChooseCheckpoint, find_step
from reconciler.state.values import Record

_SETTLED = frozenset({Action.NO_OP, Action.UPDATE, Action.RECORD, Action.MOVE, Action.FAILED})
"""Changes after which an address serves the same model as before."""
_UNKNOWN = "the model it is copied from is not known: {}"
_LEAVING = frozenset({Action.DELETE, Action.FORGET})


class Copied(Struct, frozen=True):
    """What a copy is copied from.

    Attributes:
        source: see `plan.copies`.
        parent: the address that must serve it first. None if the source is there.
        awaited: the id of the parent's model to wait for.
        warning: a line for people, if the source is not known now. "" otherwise.
    """

    source: str
    parent: Address | None = None
    awaited: str = ""
    warning: str = ""


def find_elsewhere(facts: Facts, desired: Desired, record: Record) -> Copied | Decision:
    """Find a source that another state records."""
    found = facts.observed.sources.get(desired.elsewhere) if desired.elsewhere is not None else None
    if isinstance(found, CopySource):
        return Copied(found.text)
    return _keep_or_block(facts, desired, record, found or SourceFault("it was not read", "Apply again"))


def find_beside(
    facts: Facts, desired: Desired, record: Record, parent: Address, changes: Sequence[Change]
) -> Copied | Decision | None:
    """Find a source that is an address of this stack, from its changes. None if nothing serves there."""
    known, main = facts.state.resources.get(parent), changes[0] if changes else None
    serving = known.serving if known is not None else None
    if main is not None and main.action is Action.FAILED and not main.serving:
        kept = _keep(facts, desired, record, f"{parent} failed", f"See what becomes of {parent}")
        return kept or _block_by_parent(desired, record, parent, main)
    if main is not None and main.action in _LEAVING:
        return None
    if main is not None and (main.action not in _SETTLED or _chooses_checkpoint(main)):
        return Copied(_foresee_source(facts, parent, known, main) or str(parent), parent, main.id)
    if serving is None:
        return None
    if text := write_source(serving, facts.find_live(parent, serving.id)):
        return Copied(text)
    why = f"the service does not show {serving.id}, which serves {parent}"
    return _keep_or_block(facts, desired, record, SourceFault(why, f"See what becomes of {parent}"))


def _block_by_parent(desired: Desired, record: Record, parent: Address, main: Change) -> Decision:
    error = f"{parent} failed, so nothing can be copied from it"
    advice = f"Nothing is done for it until {parent} serves: see there."
    reason, is_blocked = Reason.SOURCE_FAILED, main.is_blocked
    return Decision([block_address(record, desired, reason, error, advice, blocked=is_blocked)])


def _chooses_checkpoint(change: Change) -> bool:
    return find_step(change.steps, ChooseCheckpoint) is not None


def _foresee_source(facts: Facts, parent: Address, record: Record | None, main: Change) -> str:
    """Name the model that a change promotes, if it is there already. "" if that is not known yet."""
    live = facts.find_live(parent, main.id)
    if live is None or live.status is not Status.ACTIVE:
        return ""
    model = find_model(main.intent or record or Record(parent), main.id)
    if _chooses_checkpoint(main):
        return ""  # the checkpoint is part of the source, and not chosen yet
    return write_source(model, live) if model is not None else live.deployable


def _keep_or_block(facts: Facts, desired: Desired, record: Record, fault: SourceFault) -> Copied | Decision:
    """Keep a copy whose source is not known now. If no copy exists, block its address."""
    unknown = _UNKNOWN.format(fault.why)
    if fault.is_refused:
        path, _ = find_source(desired, facts.get_kind(desired.address))
        return Decision(errors=[refuse(desired, f"{desired.address}: {unknown}", fault.advice, path=path)])
    if kept := _keep(facts, desired, record, fault.why, fault.advice):
        return kept
    reason = Reason.SOURCE_UNREADABLE
    return Decision([block_address(record, desired, reason, unknown, fault.advice, blocked=True)])


def _keep(facts: Facts, desired: Desired, record: Record, why: str, advice: str) -> Copied | None:
    """Keep what is copied already, and warn. None if nothing was copied."""
    known = keep_known_source(record, facts.get_kind(desired.address))
    kept = f"{_UNKNOWN.format(why)}. What is copied already stays as it is"
    return Copied(known, warning=f"{desired.address}: {kept}. {advice}") if known else None


def name_copies(changes: Iterable[Change], kind: Kind) -> list[Change]:
    """Reword the reasons and notes of a copy's changes, so that they do not speak of a training."""
    if kind.trains:
        return list(changes)
    return [
        replace(
            change,
            reason=_REASONS.get(change.reason, change.reason),
            notes=tuple(_NOT_COPIED if note == NOT_REFUNDED else note for note in change.notes),
        )
        for change in changes
    ]


_REASONS: Mapping[Reason, Reason] = {
    Reason.SUPERSEDED: Reason.COPY_SUPERSEDED,
    Reason.RETRY: Reason.COPY_RETRY,
    Reason.FAILED: Reason.COPY_FAILED,
    Reason.PARENT_FAILED: Reason.SOURCE_FAILED,
    Reason.IN_TRAINING: Reason.IN_COPY,
    Reason.TRAINED: Reason.COPIED,
    Reason.TRAINED_BEFORE: Reason.COPIED_BEFORE,
    Reason.RENAMED: Reason.COPY_RENAMED,
    Reason.UNUSED: Reason.COPY_UNUSED,
}

_NOT_COPIED = "it is still being copied, which ends first"
