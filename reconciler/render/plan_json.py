"""The plan as Terraform's plan JSON, and the drift report beside it.

The format is version 1.2 of what `terraform show -json` writes, so that conftest and OPA policies, bots and
dashboards work unchanged. Keys that we would have to invent (planned_values, prior_state, configuration) are
left out. Everything that Terraform does not have is under the key `reconciler`:

    reconciler.plan_version   the version of this part; `planfile` refuses all others
    reconciler.context        endpoint, project, credential's kind, service, stack
    reconciler.inputs         paths, variables, selection and guards that the plan was made with
    reconciler.changes[i]     action, reason, ids, fields, data, bill, notes … of resource_changes[i]
    reconciler.drift[i]       class, fields … of resource_drift[i]
    reconciler.bindings       what must not change before a saved plan is applied, for each of its addresses
    reconciler.lineage/serial of the state it was made from
    reconciler.reconciler_version  of the program that wrote it
    reconciler.bill, summary  the sum of all trainings, and the last line of the text
    reconciler.checksum       SHA-256 of the canonical document without this key

The actions are those that policies look for. A replacement is ["create", "delete"], or ["delete", "create"]
under `lifecycle: {replace: delete_first}`. A stable endpoint has an entry of its own, KIND/NAME/endpoint of
type Endpoint, after those of all models: ["create"], ["update"] for a model that is deployed to it or
undeployed, or ["delete"]. An adoption is ["no-op"] with change.importing. A move is
["no-op"] with `previous_address`. Waiting is ["no-op"], and so is a change of the record only. The deletion
of a deposed model, or of one that a rollback holds back, is ["delete"] with `deposed`. A model that stays
held back is ["no-op"] with `deposed`.

Rule: the document contains the digest and the counts of training data, never its content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

from reconciler import __version__
from reconciler.codec import Json, encode, encode_fields
from reconciler.kind import Kind
from reconciler.model.names import Address, Attributes
from reconciler.model.permission import Permission
from reconciler.plan import steps
from reconciler.plan.change import Action, Change, Drift, Plan, Reason
from reconciler.plan.inputs import Context
from reconciler.plan.steps import find_step
from reconciler.render.bill import sum_bills
from reconciler.render.drift_words import find_drift_words, summarize_drift
from reconciler.render.words import summarize_plan

FORMAT_VERSION = "1.2"
PLAN_VERSION = 2

_REPLACE_REASONS = {
    Reason.RETRY: "replace_because_tainted",
    Reason.REQUESTED: "replace_by_request",
}


def build_plan_document(plan: Plan, kinds: Mapping[str, Kind]) -> dict[str, Json]:
    """Build the whole plan JSON with its checksum. `kinds` are the kinds of the plan, by name."""
    changes, programs = plan.changes, [change.steps for change in plan.changes]
    # both lists exist, even if empty: entry i belongs to resource_changes[i] or resource_drift[i]
    ours = {"changes": [], "drift": [], **encode_fields(plan)}
    ours |= {
        "plan_version": PLAN_VERSION,
        "reconciler_version": __version__,
        "summary": summarize_plan(plan),
        "bill": _build_bill(plan),
    }
    document: dict[str, Json] = {
        "format_version": FORMAT_VERSION,
        "variables": {name: {"value": value} for name, value in plan.inputs.variables.items()},
        "resource_drift": [build_drift_entry(drift, kinds) for drift in plan.drift],
        "resource_changes": [
            *(build_change_entry(change, kinds[change.address.kind]) for change in changes),
            *(
                _build_endpoint_entry(change, endpoint, kinds[change.address.kind])
                for change in changes
                for endpoint in list_endpoint_changes(change)
            ),
        ],
        "output_changes": _build_output_changes(changes),
        "checks": [_build_check(change) for change in changes if steps.find_checks(change.steps)],
        "timestamp": plan.created,
        "applyable": any(program and not find_step(program, steps.ReportFailure) for program in programs),
        "complete": not (plan.inputs.targets or plan.inputs.excludes),
        "errored": False,
        "reconciler": ours,
    }
    ours["checksum"] = compute_checksum(document)
    return document


def compute_checksum(document: Mapping[str, Json]) -> str:
    """Compute the SHA-256, in hex, of the canonical document without `reconciler.checksum`."""
    ours = document.get("reconciler")
    members = ours.items() if isinstance(ours, dict) else ()
    bare = {name: value for name, value in members if name != "checksum"}
    canonical = json.dumps(
        {**document, "reconciler": bare}, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def build_drift_document(
    drifts: Sequence[Drift], context: Context, kinds: Mapping[str, Kind], *, created: str = ""
) -> dict[str, Json]:
    """Build what `drift --json` prints: resource_drift[], each with its class."""
    return {
        "format_version": FORMAT_VERSION,
        "timestamp": created,
        "resource_drift": [build_drift_entry(drift, kinds) for drift in drifts],
        "reconciler": {
            "reconciler_version": __version__,
            "context": encode(context),
            "drift": [encode(drift) for drift in drifts],
            "summary": summarize_drift(drifts),
            "drifted": any(drift.fails for drift in drifts),
        },
    }


def list_actions(done: Iterable[steps.Step]) -> list[str]:  # noqa: C901, PLR0912  # a row for each step
    """List Terraform's actions for steps, in the order in which they happen."""
    restores, is_deployed = False, False
    for step in done:
        match step:
            case steps.DeleteFirst():
                return ["delete", "create"]
            case steps.Create():
                return ["create", "delete"] if step.replaces else ["create"]
            case steps.Update() | steps.GoBack():
                return ["update"]
            case steps.SetPermissions() if step.changes:
                return ["update"]
            case steps.DeleteReplaced() | steps.Delete():
                return ["delete"]
            case steps.Forget() | steps.ForgetDeposed():
                return ["forget"]
            case steps.Adopt() | steps.Promote() | steps.HoldBack():
                return ["no-op"]
            case steps.AwaitTraining() if not restores:
                return ["no-op"]
            case steps.Restore():
                restores = True
            case steps.Move() | steps.RecordIntent() | steps.AwaitTraining() | steps.AwaitEnd():
                pass
            case (
                steps.SetPermissions() | steps.RunChecks() | steps.ReportFailure() | steps.ChooseCheckpoint()
            ):
                pass
            case steps.AwaitDeployment():
                is_deployed = True
            case steps.SetDefaultCheckpoint() if not is_deployed:
                return ["update"]
            case steps.CreateEndpoint() | steps.Deploy() | steps.SetDefaultCheckpoint():
                pass  # an endpoint has an entry of its own
            case steps.AwaitDrain() | steps.Undeploy() | steps.DeleteEndpoint():
                pass
            case _:
                assert_never(step)
    return ["no-op"]


ENDPOINT = "Endpoint"
"""The type of a stable endpoint in Terraform's formats."""


class EndpointChange(NamedTuple):
    """The change of a stable endpoint.

    Attributes:
        name: its resource name, "" if it is not known.
        deployments: ids of the deployments that it has before, as far as they are affected.
        model: id of the model that it sends its requests to afterwards; "" for none.
        adopts: it is taken over.
    """

    id: str
    actions: list[str]
    name: str = ""
    deployments: tuple[str, ...] = ()
    model: str = ""
    adopts: bool = False


def list_endpoint_changes(change: Change) -> list[EndpointChange]:
    """List the stable endpoints that a change affects, in order."""
    found: dict[str, EndpointChange] = {}
    for step in change.steps:
        match step:
            case steps.CreateEndpoint(trial=True) | steps.Deploy(trial=True):
                pass  # it is there only for the checks
            case steps.DeleteEndpoint(trial=True):
                pass
            case steps.CreateEndpoint():
                action = "update" if step.adopts else "create"
                found[step.id] = EndpointChange(step.id, [action], model=change.id, adopts=step.adopts)
            case steps.Deploy() if not step.is_fallback:
                known = found.get(step.endpoint, EndpointChange(step.endpoint, ["update"]))
                found[step.endpoint] = known._replace(model=change.id, deployments=step.replaces)
            case steps.Undeploy():
                known = found.get(step.endpoint, EndpointChange(step.endpoint, ["update"]))
                ids = (*known.deployments, *(id for id in step.ids if id not in known.deployments))
                found[step.endpoint] = known._replace(deployments=ids)
            case steps.DeleteEndpoint():
                known = found.get(step.id, EndpointChange(step.id, []))
                ids = (*known.deployments, *(id for id in step.ids if id not in known.deployments))
                found[step.id] = EndpointChange(step.id, ["delete"], step.name, ids)
            case _:
                pass
    return list(found.values())


def _build_endpoint_entry(change: Change, endpoint: EndpointChange, kind: Kind) -> dict[str, Json]:
    """Build the element of resource_changes for a stable endpoint."""
    before: dict[str, Json] = {"id": endpoint.id, "deployments": list[Json](endpoint.deployments)}
    after: dict[str, Json] = {"id": endpoint.id}
    if endpoint.model:
        after["model"] = endpoint.model
    (action,) = endpoint.actions
    body = _build_body(
        endpoint.actions, None if action == "create" else before, None if action == "delete" else after
    )
    if endpoint.adopts:
        body["importing"] = {"id": endpoint.id}
    entry = _build_head(change.address, f"{change.address}/endpoint", kind.api) | {"type": ENDPOINT}
    if change.deposed:
        entry["deposed"] = endpoint.id
    return entry | {"change": body}


def find_action_reason(change: Change) -> str:
    """Find Terraform's word for the reason of a change, "" if it has none."""
    if change.action is Action.REPLACE:
        return _REPLACE_REASONS.get(change.reason, "replace_because_cannot_update")
    if change.action is Action.DELETE and change.reason in {Reason.NOT_DECLARED, Reason.REMOVED}:
        return "delete_because_no_resource_config"
    return ""


def build_change_entry(change: Change, kind: Kind) -> dict[str, Json]:
    """Build one element of resource_changes."""
    done = list_actions(change.steps)
    body = _build_body(done, _build_before(change, kind), _build_after(change, kind))
    if "create" in done and not change.name:
        body["after_unknown"] = {"name": True}
    if change.action is Action.REPLACE and (paths := _list_replace_paths(change, kind)):
        body["replace_paths"] = paths
    if find_step(change.steps, steps.Adopt):
        body["importing"] = {"id": change.id}
    entry = _build_head(change.address, str(change.address), kind.api)
    if move := find_step(change.steps, steps.Move):
        entry["previous_address"] = str(move.previous)
    if change.deposed:
        entry["deposed"] = change.id
    entry["change"] = body
    if reason := find_action_reason(change):
        entry["action_reason"] = reason
    return entry


def build_drift_entry(drift: Drift, kinds: Mapping[str, Kind]) -> dict[str, Json]:
    """Build one element of resource_drift, with its `class`, and the date of a base model that retires."""
    before = _build_attributes(drift.before, drift.id, ()) if drift.before is not None else None
    after = _build_attributes(drift.after, drift.id, ()) if drift.after is not None else None
    if drift.address is not None:
        entry = _build_head(drift.address, str(drift.address), kinds[drift.address.kind].api)
    else:
        entry = _build_head(Address("", drift.id), drift.name or drift.id, "")
    if drift.is_endpoint:
        entry |= {"address": f"{drift.address}/endpoint", "type": ENDPOINT}
    entry["class"] = str(drift.drift_class)
    if drift.days_left is not None:
        entry |= {"retires": drift.retires, "or_later": drift.or_later, "days_left": drift.days_left}
    entry["change"] = _build_body([find_drift_words(drift).action], before, after)
    return entry


def _build_body(actions: Sequence[str], before: Json, after: Json) -> dict[str, Json]:
    return {
        "actions": list[Json](actions),
        "before": before,
        "after": after,
        "after_unknown": {},
        "before_sensitive": False if before is None else {},
        "after_sensitive": False if after is None else {},
    }


def _build_head(address: Address, shown: str, api: str) -> dict[str, Json]:
    return {
        "address": shown,
        "mode": "managed",
        "type": address.kind,
        "name": address.name,
        "provider_name": api,
    }


def nest_paths(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Turn dotted paths into nested objects: {"a.b": 1} is {"a": {"b": 1}}."""
    nested: dict[str, Json] = {}
    for path, value in attributes.items():
        *parents, leaf = path.split(".")
        level = nested
        for parent in parents:
            below = level.setdefault(parent, {})
            if not isinstance(below, dict):  # "a" and "a.b": keep both, the second under its path
                level, leaf = nested, path
                break
            level = below
        level[leaf] = value
    return nested


def _build_attributes(attributes: Attributes, id: str, data: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    flat: dict[str, Json] = {path: encode(value) for path, value in attributes.items()}
    head: dict[str, Json] = {"id": id} if id else {}
    return {**head, **nest_paths({**flat, **dict(data)})}


def _build_before(change: Change, kind: Kind) -> Json:
    if change.before is None:
        return None
    # a training or a restoration has two models: one serves now, and the other takes its place
    promote = find_step(change.steps, steps.Promote)
    trades = find_step(change.steps, steps.Create) or find_step(change.steps, steps.Restore)
    id = promote.replaces if promote and trades else change.id
    # a data set that does not change is the recorded one
    sets = {**dict(_list_data_after(change, kind)), **dict(_list_data_before(change, kind))}
    nested = _build_attributes(change.before, id, sets.items())
    if (after := _find_permissions(change)) is not None:
        grants = _find_permissions_before(change, after)
        nested["permissions"] = [_build_permission(grant) for grant in grants]
    return nested


def _build_after(change: Change, kind: Kind) -> Json:
    if change.after is None:
        return None
    nested = _build_attributes(change.after, change.id, _list_data_after(change, kind))
    if (grants := _find_permissions(change)) is not None:
        nested["permissions"] = [_build_permission(grant) for grant in grants]
    return nested


def _list_data_before(change: Change, kind: Kind) -> Iterator[tuple[str, Json]]:
    for data in change.data:
        was: Json = {"digest": data.before_digest, "examples": data.before_examples}
        yield kind.find_data_path(data.field), was if data.before_digest else None


def _list_data_after(change: Change, kind: Kind) -> Iterator[tuple[str, Json]]:
    for data in change.datasets:
        counts: Json = {"digest": data.digest, "examples": data.examples, "characters": data.characters}
        yield kind.find_data_path(data.field), counts


def _build_permission(grant: Permission) -> Json:
    return {"grantee_type": grant.grantee_type, "email_address": grant.email_address, "role": grant.role}


def _find_permissions(change: Change) -> tuple[Permission, ...] | None:
    """Find the grants after the change. None if they are not managed or were not read."""
    grants = find_step(change.steps, steps.SetPermissions)
    promote = find_step(change.steps, steps.Promote)
    return grants.permissions if grants else promote.permissions if promote else None


def _find_permissions_before(change: Change, after: Iterable[Permission]) -> list[Permission]:
    """Find the grants before the change: undo each step's change of a grant."""
    granted = {grant.grantee: grant for grant in after}
    step = find_step(change.steps, steps.SetPermissions)
    for grant_change in step.changes if step else ():
        if grant_change.after is not None:
            granted.pop(grant_change.after.grantee, None)
        if grant_change.before is not None:
            granted[grant_change.before.grantee] = grant_change.before
    return sorted(granted.values())


def _list_replace_paths(change: Change, kind: Kind) -> list[Json]:
    forcing = [field.path for field in change.fields if field.forces_replacement]
    forcing += [kind.find_data_path(data.field) for data in change.data if data.forces_replacement]
    return [list[Json](path.split(".")) for path in forcing]


def _build_check(change: Change) -> Json:
    """Build a check that has not run yet. Terraform calls its status "unknown"."""
    address: Json = {
        "kind": "resource",
        "mode": "managed",
        "type": change.address.kind,
        "name": change.address.name,
        "to_display": str(change.address),
    }
    return {
        "address": address,
        "status": "unknown",
        "instances": [{"address": {"to_display": str(change.address)}, "status": "unknown"}],
    }


def _build_output_changes(changes: Iterable[Change]) -> dict[str, Json]:
    """Build the outputs that change: address to the name to call. A new name is unknown until apply."""
    outputs: dict[str, Json] = {}
    gone: Json = {"actions": ["delete"], "after": None}
    for change in changes:
        for step in () if change.deposed else steps.select_unapproved(change.steps):
            match step:
                case steps.Move():
                    outputs[str(step.previous)] = gone
                    if serving := step.record.serving:
                        outputs[str(change.address)] = {"actions": ["create"], "after": serving.name}
                case steps.GoBack() if find_step(change.steps, steps.AwaitDeployment):
                    pass
                case steps.GoBack():
                    outputs[str(change.address)] = {"actions": ["update"], "after": change.name}
                case steps.CreateEndpoint():
                    action = "update" if change.serving else "create"
                    outputs[str(change.address)] = {"actions": [action], "after_unknown": True}
                case steps.Promote() if find_step(change.steps, steps.AwaitDeployment):
                    pass  # programs go on calling the stable endpoint
                case steps.Promote():
                    output: dict[str, Json] = {"actions": ["update" if step.replaces else "create"]}
                    output |= {"after": change.name} if change.name else {"after_unknown": True}
                    outputs[str(change.address)] = output
                case steps.Delete() | steps.Forget():
                    outputs[str(change.address)] = gone
                case _:
                    pass
    return outputs


def _build_bill(plan: Plan) -> Json:
    sums = sum_bills(plan.trainings)
    return {
        "trainings": sums.trainings,
        "examples": sums.examples,
        "characters": sums.characters,
        "steps": sums.steps,
        "estimated": sums.estimated,
        "prices": {currency or "unknown": amount for currency, amount in sorted(sums.prices.items())},
        "unpriced": sums.unpriced,
        **(
            {"tokens": sums.tokens, "tokens_at_most": sums.at_most, "tokens_at_least": sums.texts_only}
            if sums.tokens
            else {}
        ),
    }
