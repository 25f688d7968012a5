"""One desired model that the decision table is asked about, and the parts that rows build changes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler import diff
from reconciler.difference import DataChange, FieldChange, PermissionChange
from reconciler.errors import Diagnostic
from reconciler.formats import format_period
from reconciler.kind import Kind, OnChange
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.compile import compile_promotion, compile_update
from reconciler.plan.facts import (
    Facts,
    Generation,
    build_model,
    find_replacement_reasons,
    merge_sent,
    record_data,
)
from reconciler.plan.steps import (
    Adopt,
    AwaitTraining,
    Ending,
    Promote,
    RecordIntent,
    ReportFailure,
    Restore,
    Role,
    Serves,
)
from reconciler.state.values import Record, RecordedModel

NOT_SHOWN_YET = "the service does not show it yet: it was accepted or promoted a moment ago"
RETRY_ADVICE = "Correct its data or its manifest, or train the same again with --retry-failed."
COPY_ADVICE = "Correct its manifest, or copy the same again with --retry-failed."
NOT_REFUNDED = "its training is cancelled; what it has cost is not refunded"


class Case(Struct, frozen=True):
    """One desired model, with what the decision table needs.

    Attributes:
        attributes: the declared attributes. The source is already a resource name.
        source: resource name of the model that it is tuned or copied from, or (of a copy, see
            `plan.copies`) the address that stands for it.
        parent: the address that must serve first; None if the source serves already.
        awaited: id of the parent's model to wait for. "" if `source` names it.
        forced: --replace names this address.
        doubt: an undeclared address whose model may come from the same training.
    """

    facts: Facts
    desired: Desired
    record: Record
    kind: Kind
    attributes: Attributes
    source: str
    parent: Address | None = None
    forced: bool = False
    doubt: Address | None = None
    awaited: str = ""

    @property
    def awaited_parent(self) -> Serves | None:
        """What to wait for before the model is made or restored. None if its source serves already."""
        return None if self.parent is None else Serves(self.parent, self.awaited or self.source)

    @property
    def is_protected(self) -> bool:
        """Whether prevent_destroy protects what has served."""
        return self.desired.lifecycle.prevent_destroy

    def find_live(self, model: RecordedModel) -> Live | None:
        """Find the live model of a recorded one."""
        return self.facts.find_live_of(self.record, model)

    def list_live(self) -> Mapping[str, Live]:
        """List the live models of this kind by id."""
        return self.facts.observed.live.get(self.desired.address.kind, {})

    def is_same(self, model: RecordedModel) -> bool:
        """Return whether this recorded model is the desired one, except for fields that can be updated."""
        return not any(self.compare(model))

    def compare(self, model: RecordedModel) -> tuple[tuple[FieldChange, ...], tuple[DataChange, ...]]:
        """Find immutable fields and data sets that differ between a recorded and the desired model."""
        live = self.find_live(model)
        return find_replacement_reasons(self.desired, self.attributes, model, live, self.kind)

    def list_updates(self, live: Live | None) -> tuple[FieldChange, ...]:
        """List declared fields that can be updated and differ from the live model."""
        if live is None:
            return ()
        ignored = self.desired.lifecycle.ignore_changes
        return diff.compare_mutable(live.attributes, self.attributes, self.kind.fields, ignore=ignored)

    def list_permission_updates(self, live: Live | None) -> tuple[PermissionChange, ...]:
        """List grants that differ from the live model; none if permissions are not managed."""
        if live is None or self.desired.permissions is None:
            return ()
        return diff.compare_permissions(live.permissions or (), self.desired.permissions)

    def find_serving(self, record: Record) -> RecordedModel | None:
        """Find the serving model of this record, if it is live or not shown yet."""
        serving = record.serving
        return serving if serving is not None and self.facts.is_there(record, serving) else None


Answer: TypeAlias = Change | Diagnostic
"""The result of a row: a change, or the reason to refuse one."""


class Decision(Struct):
    """The decision on one address.

    `errors` and `refusals` both refuse the whole plan. With `refusals`, the changes can still be shown.
    """

    changes: list[Change] = field(default_factory=list)
    errors: list[Diagnostic] = field(default_factory=list)
    refusals: list[Diagnostic] = field(default_factory=list)


def warn_of_deletion(live: Live | None) -> tuple[str, ...]:
    """Return notes on a deletion: the model is in training, or the service does not show it yet."""
    if live is None:
        return (NOT_SHOWN_YET,)
    return (NOT_REFUNDED,) if live.status is Status.CREATING else ()


def block_address(
    record: Record, desired: Desired | None, reason: Reason, error: str, advice: str, *, blocked: bool = False
) -> Change:
    """Build the change of an address for which nothing can be done. `blocked`: see `ReportFailure`."""
    return Change(
        record.address,
        Action.FAILED,
        reason,
        serving=record.serving.id if record.serving else "",
        after=desired.attributes if desired else None,
        steps=(ReportFailure(error, advice, blocked=blocked),),
        place=write_place(desired) if desired else "",
    )


def start_change(case: Case, action: Action, reason: Reason) -> Change:
    """Build the part that all changes of a declared address share."""
    desired = case.desired
    return Change(
        desired.address,
        action,
        reason,
        serving=case.record.serving.id if case.record.serving else "",
        after=case.attributes,
        datasets=desired.data,
        place=write_place(desired),
    )


def write_place(desired: Desired) -> str:
    """Write FILE:LINE of a manifest, as far as they are known."""
    return f"{desired.file}:{desired.line}" if desired.file and desired.line else desired.file


def record_training(case: Case, generation: Generation) -> RecordedModel:
    """Build the record of a training that is about to be requested."""
    return build_model(case.facts, case.desired, case.attributes, generation, case.source)


def record_training_again(case: Case, model: RecordedModel) -> RecordedModel:
    """Build the record of a training that is requested again under the same id."""
    generation = Generation(model.id, model.digest, model.generation, model.formula)
    return replace(
        record_training(case, generation),
        commit=case.facts.commit or model.commit,
        waiting=model.waiting,
        waiting_since=model.waiting_since,
        waiting_said=model.waiting_said,
    )


def record_found(case: Case, generation: Generation, live: Live) -> RecordedModel:
    """Build the record of a model that is live already. A pinned id proves nothing about its data."""
    fields, desired = case.kind.fields, case.desired
    sent = {
        path: value
        for path, value in case.attributes.items()
        if fields[path].on_change is OnChange.REPLACE
        or diff.is_same(fields[path], value, live.attributes.get(path))
    }
    return replace(
        record_training(case, generation),
        name=live.name,
        status=live.status,
        sent=sent,
        create_time=live.create_time,
        model=live.deployable,
        completed="" if live.status is Status.CREATING else live.complete_time,
        data=record_data(desired, assumed=desired.id is not None or bool(desired.imports)),
        started="",
        error=live.error,
        estimate=None,
    )


def renew_record(case: Case, record: Record) -> Record:
    """Renew the protection and the manifest's place, and drop what delete_first left behind."""
    protection = case.desired.lifecycle.prevent_destroy
    manifest = case.desired.manifest or record.manifest
    if (record.prevent_destroy, record.manifest) != (protection, manifest):
        record = replace(record, prevent_destroy=protection, manifest=manifest)
    if not record.deposed:
        return record
    kept = {model.id for model in (record.serving, record.candidate) if model is not None}
    left = tuple(
        old
        for old in record.deposed
        if old.id not in kept or case.facts.find_live_of(record, old) is not None
    )
    return record if left == record.deposed else replace(record, deposed=left)


def drop_if_same(case: Case, record: Record) -> Record | None:
    """Return the record as an intent; None if committing it would change nothing."""
    return None if record == case.record else record


def refuse(desired: Desired, summary: str, detail: str, *, path: str = "") -> Diagnostic:
    """Build a refusal that points at the manifest, at the key `path` if its place is known."""
    line, column = desired.places.get(path, (desired.line, 1))
    place = column if desired.file and line else None
    address = str(desired.address)
    return Diagnostic(summary, detail, desired.file or None, line or None, place, address=address)


def finish_training(
    case: Case,
    action: Action,
    reason: Reason,
    *,
    model: RecordedModel,
    live: Live | None,
    record: Record | None,
) -> Change:
    """Build the change that takes a model in training, or a trained one, until it serves."""
    desired, serving = case.desired, (record or case.record).serving
    fields = case.list_updates(live)
    grants = case.list_permission_updates(live)
    trains = live is None or live.status is not Status.ACTIVE
    permissions = desired.permissions if trains or grants else None
    sent = merge_sent(case.kind, case.attributes, model)
    made = Ending.CREATE if case.kind.trains else Ending.COPY
    intend, ending = _ADOPTIONS.get(action, (RecordIntent, made))
    promote = Promote(
        ending,
        replaces=serving.id if serving else "",
        kept=explain_keeping(case) if serving else "",
        keep_seconds=case.desired.lifecycle.keeps_for.total_seconds() if serving else 0.0,
        sent=sent,
        permissions=desired.permissions if permissions is None else None,
        verdict=model.verdict,
        scores=model.scores,
        rivals=serving.scores if serving else (),
    )
    deletes = serving is not None and not promote.kept
    return replace(
        start_change(case, action, reason),
        steps=(
            *([intend(record)] if record else []),
            *([AwaitTraining(copies=not case.kind.trains)] if trains else []),
            *compile_update(Role.CANDIDATE, fields, sent, permissions, grants),
            *compile_promotion(desired.checks, promote, deletes_replaced=deletes),
        ),
        id=model.id,
        name=live.name if live else model.name,
        serving=serving.id if serving else "",
        before=live.attributes if live else None,
        fields=fields,
    )


_ADOPTIONS: Mapping[Action, tuple[type[Adopt | Restore], Ending]] = {
    Action.ADOPT: (Adopt, Ending.ADOPT),
    Action.RESTORE: (Restore, Ending.RESTORE),
}
"""For each action: the step that records its model before the first call, and how its promotion ends."""


def explain_keeping(case: Case) -> str:
    """Explain why the serving model is kept after its successor is promoted; "" if it is deleted."""
    lifecycle = case.desired.lifecycle
    if lifecycle.prevent_destroy:
        return "prevent_destroy protects it"
    if lifecycle.keeps_for:
        return f"keep_deposed keeps it for {format_period(lifecycle.keeps_for.total_seconds())}"
    return ""
