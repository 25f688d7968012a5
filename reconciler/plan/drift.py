"""Drift: differences between the live models and what was last applied.

Rule: only fields that were declared when last applied are compared. The server's own defaults are not drift,
and ignored differences are not reported until their date.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from reconciler import diff
from reconciler.difference import PermissionChange
from reconciler.identity import is_generation_of
from reconciler.model import BASE_MODEL, Address, IgnoredDrift, Live, Status
from reconciler.plan.case import NOT_SHOWN_YET
from reconciler.plan.change import Drift, DriftClass
from reconciler.plan.facts import Facts
from reconciler.plan.rows.generations import list_ids
from reconciler.plan.rows.training import describe_undocumented
from reconciler.state.values import Record, RecordedModel, Verdict


def find_drift(facts: Facts, *, own: frozenset[tuple[str, str]] = frozenset()) -> tuple[Drift, ...]:
    """Find every difference, sorted by address. Unmanaged and retired models are notes.

    Args:
        facts: with live models and state; `observed.tunable` allows base_retired to be seen.
        own: (kind, id) of the live models that we own, to name the unmanaged among them.
    """
    found: list[Drift] = []
    for address, record in sorted(facts.state.resources.items()):
        if address.kind in facts.kinds:  # a newer version's kind is reported elsewhere
            found += _find_record_drift(facts, record)
    return (*found, *_find_unmanaged(facts, own))


def find_selected_drift(facts: Facts, *, own: frozenset[tuple[str, str]] = frozenset()) -> tuple[Drift, ...]:
    """Find the drift of the selected addresses. No target selects an unmanaged model."""
    selected: set[Address | None] = set(facts.choose_addresses())
    if facts.whole and not facts.inputs.targets:
        selected.add(None)
    return tuple(one for one in find_drift(facts, own=own) if one.address in selected)


def _find_record_drift(facts: Facts, record: Record) -> list[Drift]:
    models = [model for model in (record.serving, record.candidate) if model is not None]
    found = [one for model in models for one in _find_model_drift(facts, record, model)]
    kept = [model for model in record.deposed if record.prevent_destroy and model.promoted]
    note = "kept as deposed: prevent_destroy protects it"
    return found + [
        Drift(record.address, DriftClass.UNMANAGED, model.id, model.name, fails=False, detail=note)
        for model in kept
        if facts.live_of(record, model) is not None
    ]


def _find_model_drift(facts: Facts, record: Record, model: RecordedModel) -> list[Drift]:
    """Find the drift of a serving model or a candidate. Skips unaccepted and hidden models."""
    address = record.address
    if why := facts.observed.odd.get((address.kind, model.id)):
        detail = f"what the service shows of it cannot be understood: {why}"
        return [Drift(address, DriftClass.FAILED, model.id, model.name, detail=detail)]
    if model.is_pending or facts.is_hidden(address, model.id):
        return []
    live = facts.live_of(record, model)
    if live is None:
        missing = Drift(address, DriftClass.MISSING, model.id, model.name, before=dict(model.sent))
        if facts.is_unseen_yet(model):
            missing = replace(missing, fails=False, detail=NOT_SHOWN_YET)
        return [missing]
    if live.status is Status.FAILED:
        return [Drift(address, DriftClass.FAILED, model.id, live.name, detail=live.error or model.error)]
    changed = _find_changes(facts, record, model, live) if model is record.serving else []
    return [
        *changed,
        *_find_retired(facts, address, model, live),
        *_find_unpromoted(facts, record, model, live),
    ]


def _find_unpromoted(facts: Facts, record: Record, model: RecordedModel, live: Live) -> list[Drift]:
    """Report a candidate that is trained but not promoted, so that its training is not paid in vain."""
    if model is not record.candidate or live.status is not Status.ACTIVE:
        return []
    return [
        Drift(
            record.address,
            DriftClass.UNPROMOTED,
            model.id,
            live.name,
            fails=DriftClass.UNPROMOTED in facts.stack.fail_on,
            detail=_KEPT_BACK[model.verdict],
        )
    ]


_KEPT_BACK = {
    Verdict.NONE: "it is promoted by: reconciler wait",
    Verdict.PASSED: "it is promoted by: reconciler wait",
    Verdict.UNKNOWN: "its checks could not be asked, and are asked again by: reconciler wait",
    Verdict.FAILED: "its checks failed: correct the checks, or the data (which trains again), and apply",
}


def _find_changes(facts: Facts, record: Record, model: RecordedModel, live: Live) -> list[Drift]:
    desired = facts.desired.get(record.address)
    ignored = set(desired.lifecycle.ignore_changes) if desired else set()
    if desired:
        ignored |= {one.field for one in desired.lifecycle.ignore_drift if _is_in_force(one, facts)}
    kind = facts.kind(record.address)
    fields = diff.compare_mutable(live.attributes, model.sent, kind.fields, ignore=ignored)
    # drift reads the other way round: recorded before, live after
    turned = tuple(type(one)(one.path, one.after, one.before) for one in fields)
    permissions: tuple[PermissionChange, ...] = ()
    if model.permissions is not None and live.permissions is not None and "permissions" not in ignored:
        permissions = diff.compare_permissions(model.permissions, live.permissions)
    if not turned and not permissions:
        return []
    after = {path: live.attributes[path] for path in model.sent if path in live.attributes}
    return [
        Drift(
            record.address,
            DriftClass.CHANGED,
            model.id,
            live.name,
            fields=turned,
            permissions=permissions,
            before=dict(model.sent),
            after=after,
        )
    ]


def _is_in_force(one: IgnoredDrift, facts: Facts) -> bool:
    """Whether a difference is still ignored: up to and including the day `until`."""
    return not one.until or facts.now.date() <= date.fromisoformat(one.until)


def _find_retired(facts: Facts, address: Address, model: RecordedModel, live: Live) -> list[Drift]:
    tunable = facts.observed.tunable.get(address.kind)
    base = live.attributes.get(BASE_MODEL, model.sent.get(BASE_MODEL))
    if tunable is None or not isinstance(base, str) or base in tunable:
        return []
    detail = f"{base} is not offered for tuning any more: it could not be trained again"
    if address.kind in facts.observed.assumed:
        detail = describe_undocumented(base, facts.kind(address), facts.now.date())
    return [
        Drift(
            address,
            DriftClass.BASE_RETIRED,
            model.id,
            live.name,
            fails=DriftClass.BASE_RETIRED in facts.stack.fail_on,
            detail=detail,
        )
    ]


def _ids_of(facts: Facts, address: Address) -> frozenset[str]:
    """List every id that the desired model of an address may have."""
    desired = facts.desired.get(address)
    return frozenset() if desired is None else list_ids(facts, desired)


def _find_unmanaged(facts: Facts, own: frozenset[tuple[str, str]]) -> list[Drift]:
    recorded = {
        (address.kind, model.id)
        for address, record in facts.state.resources.items()
        for model in record.models
    }
    names = {address.name for address in (*facts.desired, *facts.state.resources)}
    found = []
    for kind, id in sorted(own - recorded):
        live = facts.observed.live.get(kind, {}).get(id)
        stem = id.rpartition("-")[0]
        ours = id in _ids_of(facts, Address(kind, stem))
        if not ours and stem in names and is_generation_of(stem, id):
            continue  # the name alone does not show whether it is ours
        found.append(
            Drift(
                None,
                DriftClass.UNMANAGED,
                id,
                live.name if live else id,
                fails=DriftClass.UNMANAGED in facts.stack.fail_on,
                detail="looks like an earlier generation of a declared model" if ours else "",
            )
        )
    return found
