"""Drift: differences between the live models and what was last applied.

Rule: only fields that were declared when last applied are compared. The server's own defaults are not drift,
and ignored differences are not reported until their date.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler import diff
from reconciler.bases import Base
from reconciler.difference import PermissionChange
from reconciler.formats import format_time
from reconciler.identity import is_generation_of
from reconciler.model.desired import IgnoredDrift, Lifecycle
from reconciler.model.endpoint import Deployment, LiveEndpoint
from reconciler.model.live import Live, Status
from reconciler.model.names import BASE_MODEL, Address, Value
from reconciler.plan.base_models import BaseFinder, describe_end, describe_refusal, describe_way_on
from reconciler.plan.case import NOT_SHOWN_YET
from reconciler.plan.change import Drift, DriftClass
from reconciler.plan.facts import Facts
from reconciler.plan.rows.deposed import find_end
from reconciler.plan.rows.generations import list_ids
from reconciler.plan.rows.held import describe_hold
from reconciler.plan.rows.training import describe_undocumented
from reconciler.state.values import Record, RecordedEndpoint, RecordedModel, Verdict


def find_drift(facts: Facts, *, own: frozenset[tuple[str, str]] = frozenset()) -> tuple[Drift, ...]:
    """Find every difference, sorted by address. Unmanaged and retired models are notes.

    Args:
        facts: with live models and state; `observed.tunable` allows base_retired to be seen.
        own: (kind, id) of the live models that we own, to name the unmanaged among them.
    """
    found: list[Drift] = []
    retirements = _Retirements(facts, BaseFinder(facts.desired, facts.state.resources, facts.kinds))
    for address in sorted(facts.state.resources):
        if address.kind in facts.kinds:  # a newer version's kind is reported elsewhere
            found += _find_record_drift(facts, facts.state.resources[address], retirements)
    return (*found, *_find_unmanaged(facts, own))


def find_selected_drift(facts: Facts, *, own: frozenset[tuple[str, str]] = frozenset()) -> tuple[Drift, ...]:
    """Find the drift of the selected addresses. No target selects an unmanaged model."""
    selected: set[Address | None] = set(facts.choose_addresses())
    if facts.whole and not facts.inputs.targets:
        selected.add(None)
    return tuple(found for found in find_drift(facts, own=own) if found.address in selected)


def _find_record_drift(facts: Facts, record: Record, retirements: _Retirements) -> Iterator[Drift]:
    for model in (record.serving, record.candidate):
        if model is not None:
            yield from _find_model_drift(facts, record, model, retirements)
    for model in record.held:
        detail, fails = describe_hold(facts, record, model), DriftClass.HELD_BACK in facts.stack.fail_on
        yield Drift(record.address, DriftClass.HELD_BACK, model.id, model.name, fails=fails, detail=detail)
    if record.endpoints:
        yield from _find_endpoint_drift(facts, record)
    for model in record.deposed:
        if model.promoted and facts.find_live_of(record, model) is not None:
            detail = _explain_keeping(facts, record, model)
            yield Drift(record.address, DriftClass.KEPT, model.id, model.name, fails=False, detail=detail)


def _find_endpoint_drift(facts: Facts, record: Record) -> Iterator[Drift]:
    """Find the drift of the stable endpoint that programs call: gone, or with another model or split."""
    endpoint = record.called_endpoint
    if endpoint is None or endpoint.name in facts.observed.hidden_endpoints:
        return
    found = partial(Drift, record.address, id=endpoint.id, name=endpoint.name, is_endpoint=True)
    live = facts.observed.endpoints.get(endpoint.name)
    if live is None:
        yield found(DriftClass.MISSING, detail="apply creates it again")
        return
    others = [one for one in live.deployments if one.id != endpoint.deployed]
    share = sum(one.traffic for one in live.deployments if one.id == endpoint.deployed)
    said = [] if share == 100 else [f"what was deployed to it has {share} % of its requests"]
    said += [
        f"{_name_deployment(one, record)} is deployed to it with {one.traffic} %"
        for one in others
        if one.traffic
    ]
    names = _list_deployable(facts, record)
    said += [
        f"{one.model} is deployed to it without requests, and is not ours"
        for one in others
        if not one.traffic and not any(one.is_of(name) for name in names)
    ]
    said += _list_other_checkpoints(record, endpoint, live)
    if said:
        yield found(DriftClass.CHANGED, detail="; ".join(said))


def _name_deployment(deployment: Deployment, record: Record) -> str:
    """Name what is deployed, with its checkpoint where somebody has chosen one."""
    is_chosen = record.serving is not None and bool(record.serving.checkpoint)
    which = f" (checkpoint {deployment.checkpoint})" if is_chosen and deployment.checkpoint else ""
    return f"{deployment.model}{which}"


def _list_other_checkpoints(record: Record, endpoint: RecordedEndpoint, live: LiveEndpoint) -> list[str]:
    """Say which checkpoint an endpoint serves instead of the chosen one."""
    serving = record.serving
    if serving is None or not serving.checkpoint:
        return []
    return [
        f"it serves checkpoint {one.checkpoint or '(not shown)'}, and {serving.checkpoint} was chosen"
        for one in live.deployments
        if one.id == endpoint.deployed and one.is_of(serving.model) and one.checkpoint != serving.checkpoint
    ]


def _list_deployable(facts: Facts, record: Record) -> list[str]:
    models = [facts.find_live_of(record, model) for model in record.models]
    return [live.deployable for live in models if live is not None]


def _explain_keeping(facts: Facts, record: Record, model: RecordedModel) -> str:
    """Tell how long a deposed model stays that has served."""
    if record.prevent_destroy:
        return "kept as deposed: prevent_destroy protects it"
    desired = facts.desired.get(record.address)
    until = find_end(Lifecycle() if desired is None else desired.lifecycle, model)
    if facts.now < until:
        return f"kept as deposed until {format_time(until)}"
    return "its time has come: the next apply or wait deletes it, unless it is still used"


def _find_model_drift(
    facts: Facts, record: Record, model: RecordedModel, retirements: _Retirements
) -> Iterator[Drift]:
    """Find the drift of a serving model or a candidate. Skips unaccepted and hidden models."""
    address, live = record.address, facts.find_live_of(record, model)
    found = partial(Drift, address, id=model.id, name=live.name if live else model.name)
    if why := facts.observed.odd.get((address.kind, model.id)):
        yield found(DriftClass.FAILED, detail=f"what the service shows of it cannot be understood: {why}")
    elif model.is_pending or facts.is_hidden(address, model.id):
        return
    elif live is None:
        is_unseen = facts.is_unseen_yet(model)
        detail = NOT_SHOWN_YET if is_unseen else ""
        yield found(DriftClass.MISSING, before=dict(model.sent), fails=not is_unseen, detail=detail)
    elif live.status is Status.FAILED:
        yield found(DriftClass.FAILED, detail=live.error or model.error)
    else:
        if model is record.serving:
            yield from _find_changes(facts, address, model, live)
            yield from _find_default_drift(address, model, live)
        fail_on = facts.stack.fail_on
        if retired := retirements.describe(address, model, live):
            yield found(DriftClass.BASE_RETIRED, fails=DriftClass.BASE_RETIRED in fail_on, **retired)
        if model is record.candidate and live.status is Status.ACTIVE:
            # reported so that its training is not paid in vain
            detail = _KEPT_BACK[model.verdict]
            yield found(DriftClass.UNPROMOTED, fails=DriftClass.UNPROMOTED in fail_on, detail=detail)


def _find_default_drift(address: Address, model: RecordedModel, live: Live) -> Iterator[Drift]:
    """Find another default checkpoint than the chosen one: a copy would have that."""
    default = live.default_checkpoint
    if model.checkpoint and default and default != model.checkpoint:
        detail = f"checkpoint {default} is its default, and {model.checkpoint} was chosen"
        yield Drift(address, DriftClass.CHANGED, model.id, live.name, detail=detail)


_KEPT_BACK = {
    Verdict.NONE: "it is promoted by: reconciler wait",
    Verdict.PASSED: "it is promoted by: reconciler wait",
    Verdict.UNKNOWN: "its checks could not be asked, and are asked again by: reconciler wait",
    Verdict.FAILED: "its checks failed: correct the checks, or the data (which trains again), and apply",
}


def _find_changes(facts: Facts, address: Address, model: RecordedModel, live: Live) -> Iterator[Drift]:
    """Find the fields and grants of the serving model that differ."""
    desired = facts.desired.get(address)
    ignored = _list_ignored(facts, desired.lifecycle) if desired else frozenset[str]()
    fields = diff.compare_mutable(live.attributes, model.sent, facts.get_kind(address).fields, ignore=ignored)
    # drift reads the other way round: recorded before, live after
    turned = tuple(replace(field, before=field.after, after=field.before) for field in fields)
    permissions: tuple[PermissionChange, ...] = ()
    if model.permissions is not None and live.permissions is not None and "permissions" not in ignored:
        permissions = diff.compare_permissions(model.permissions, live.permissions)
    if turned or permissions:
        yield Drift(
            address,
            DriftClass.CHANGED,
            model.id,
            live.name,
            fields=turned,
            permissions=permissions,
            before=dict(model.sent),
            after={path: live.attributes[path] for path in model.sent if path in live.attributes},
        )


def _list_ignored(facts: Facts, lifecycle: Lifecycle) -> frozenset[str]:
    if not (lifecycle.ignore_changes or lifecycle.ignore_drift):
        return frozenset()
    in_force = (drift.field for drift in lifecycle.ignore_drift if _is_in_force(drift, facts))
    return frozenset((*lifecycle.ignore_changes, *in_force))


def _is_in_force(ignored: IgnoredDrift, facts: Facts) -> bool:
    """Return whether a difference is still ignored: up to and including the day `until`."""
    return not ignored.until or facts.now.date() <= date.fromisoformat(ignored.until)


class _Retirements(Struct):
    """Describes base models that retire, each once: thousands of models may stand on one.

    Attributes:
        facts: the facts of the drift.
        finder: finds the base models of what is tuned from another model.
    """

    facts: Facts
    finder: BaseFinder
    _described: dict[tuple[str, Value | None, str], dict[str, Any]] = field(default_factory=dict)

    def describe(self, address: Address, model: RecordedModel, live: Live) -> dict[str, Any]:
        """Describe the base model of a model: the attributes of the Drift; {} for nothing to report."""
        own = live.attributes.get(BASE_MODEL, model.sent.get(BASE_MODEL))
        key = (address.kind, own, str(own or self.finder.find_recorded(model) or live.base))
        if key not in self._described:
            self._described[key] = _describe_retirement(self.facts, self.finder, *key)
        return self._described[key]


def _describe_retirement(
    facts: Facts, finder: BaseFinder, kind: str, own: Value | None, base: str
) -> dict[str, Any]:
    """Describe a base model that retires soon or has retired, else one that is not offered any more.

    `own` is the model's own base model: None if it is tuned from another model, which stands on `base`.
    """
    row = finder.find_row(kind, base)
    if row is not None and row.ends_within(facts.today, facts.stack.retire_within.total_seconds() / 86_400):
        said = describe_way_on(facts.kinds, kind, row, facts.today)
        return {
            "detail": f"{describe_end(row, facts.today)}. {said}",
            "retires": row.retires,
            "or_later": row.or_later,
            "days_left": row.count_days_left(facts.today),
        }
    why = _explain_missing_offer(facts, kind, own, row) if isinstance(own, str) else ""
    return {"detail": why} if why else {}


def _explain_missing_offer(facts: Facts, kind: str, base: str, row: Base | None) -> str:
    """Explain why a base model could not be tuned again. "" if it could, or if nobody was asked."""
    tunable = facts.observed.tunable.get(kind)
    if tunable is None:
        return ""
    if row is not None and row.refused:
        return f"{describe_refusal(row)}: it could not be trained again"
    if base in tunable:
        return ""
    if kind in facts.observed.assumed:
        return describe_undocumented(base, facts.kinds[kind], facts)
    return f"{base} is not offered for tuning any more: it could not be trained again"


def list_unrecorded(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield the (kind, id) of every live model that no address records, whosever it is."""
    recorded = _list_recorded(facts)
    for kind, shown in facts.observed.live.items():
        yield from ((kind, id) for id in shown if (kind, id) not in recorded)


def _list_recorded(facts: Facts) -> set[tuple[str, str]]:
    return {
        (address.kind, model.id)
        for address, record in facts.state.resources.items()
        for model in record.models
    }


def _find_unmanaged(facts: Facts, own: frozenset[tuple[str, str]]) -> Iterator[Drift]:
    if not own:
        return
    recorded = _list_recorded(facts)
    names = {address.name for address in (*facts.desired, *facts.state.resources)}
    for kind, id in sorted(own - recorded):
        live = facts.observed.live.get(kind, {}).get(id)
        stem = id.rpartition("-")[0]
        desired = facts.desired.get(Address(kind, stem))
        ours = desired is not None and id in list_ids(facts, desired)
        if not ours and stem in names and is_generation_of(stem, id):
            continue  # the name alone does not show whether it is ours
        detail = "looks like an earlier generation of a declared model" if ours else ""
        fails = DriftClass.UNMANAGED in facts.stack.fail_on
        yield Drift(None, DriftClass.UNMANAGED, id, live.name if live else id, fails=fails, detail=detail)
