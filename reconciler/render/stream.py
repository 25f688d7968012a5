"""The NDJSON stream of `plan --json` and `apply --json`: Terraform's machine-readable UI, version 1.2.

Each line is one JSON object. Every object has

    @level      "info", "warn" or "error"
    @message    the line in words, for people
    @module     "reconciler.ui"
    @timestamp  RFC 3339
    type        one of the following, which says what else the object has

    version           reconciler, ui; the first line
    resource_drift    change {resource, action}, class: live differs from recorded
    planned_change    change {resource, action, reason?, importing?, previous_resource?},
                      reconciler {action, reason, id, bill?, verdict?, scores?, serving_scores?,
                      check_calls?, error?}; `verdict` and `scores` are the results of the last run of the
                      checks, `check_calls` is how many calls they make
    change_summary    changes {add, change, import, remove, operation}. Operation plan: what is planned, and
                      reconciler {create, replace …}. Operation apply (also of wait) or destroy, at the end:
                      what was done, and reconciler {begun, trained, … elapsed_seconds, resume?, cost?,
                      billed?}
    apply_start       hook {resource, action, id_key, id_value}
    apply_progress    hook {resource, action, id_value, elapsed_seconds, percent, step, total_steps,
                      epoch, mean_loss, remaining_seconds}; a key is absent if the service does not say
    upload_progress   upload {data, sent_bytes, total_bytes}: progress of a large upload; ours
    apply_complete    hook {resource, action, id_key, id_value, elapsed_seconds, scores?}; scores of checks
    billed            resource, bill {id, tokens, amount?, currency?, estimated_tokens?, difference_tokens?}:
                      what the service bills for a training, beside the plan's estimate; ours
    apply_errored     hook {resource, action, id_key, id_value, elapsed_seconds}; a diagnostic with the reason
                      follows
    apply_skipped     hook {resource, action, reason, unfinished}; ours, Terraform has nothing like it
    detached          reason, training, copying, deploying [addresses]: we stopped waiting, and these
                      go on; ours
    diagnostic        diagnostic {severity, summary, detail, address?, range?}
    outputs           outputs {ADDRESS: {value, type, sensitive}}

`resource` is {addr, module, resource, resource_type, resource_name, resource_key, implied_provider}.
`action` of a planned change is Terraform's: noop, create, update, replace, delete, remove (to forget),
import, move. `action` of a hook is what apply does: create, copy, adopt, update, permissions, check, promote,
delete, wait, move, rollback; for a stable endpoint create-endpoint, deploy, undeploy, delete-endpoint. The
`resource` of a stable endpoint is KIND/NAME/endpoint, of type Endpoint. `add` counts trainings and copies.
`remove` counts models that are deleted now or after a promotion. Both count a replacement.

A reader must ignore types and keys that it does not know. Rule: the functions turn values into dictionaries.
The time is an argument. No line contains training data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from reconciler import __version__
from reconciler.codec import Json, encode
from reconciler.errors import Diagnostic, Severity
from reconciler.events import (
    Billed,
    Completed,
    Detached,
    Event,
    Failed,
    Progress,
    Skipped,
    Started,
    Uploading,
    Verb,
)
from reconciler.model.checks import count_calls
from reconciler.model.names import Address
from reconciler.plan import steps
from reconciler.plan.change import Action, Change, Drift, Plan
from reconciler.plan.steps import find_step
from reconciler.render.bill import Total
from reconciler.render.diagnostics import build_diagnostic
from reconciler.render.drift_words import describe_subject, find_drift_words
from reconciler.render.plan_json import ENDPOINT, find_action_reason, list_actions, list_endpoint_changes
from reconciler.render.run_summary import RunSummary, render_ending, sum_billed
from reconciler.render.terminal import escape
from reconciler.render.text.events import describe_failure, render_event
from reconciler.render.words import find_wording, name_subject, summarize_plan
from reconciler.state.values import Verdict
from reconciler.strictjson import dumps

UI_VERSION = "1.2"


def encode_line(record: Mapping[str, Json]) -> str:
    """Encode one line without its line end. It is ASCII, so that it cannot control a terminal or a log."""
    return dumps(record)


def build_version_record(timestamp: str) -> dict[str, Json]:
    """Build the first line of every stream."""
    record = _build_record("version", f"Reconciler {__version__}", timestamp)
    return record | {"reconciler": __version__, "ui": UI_VERSION}


def build_plan_records(plan: Plan, timestamp: str) -> Iterator[dict[str, Json]]:
    """Build the lines of a plan: drift, each change, the summary."""
    for drift in plan.drift:
        yield build_drift_record(drift, timestamp)
    for note in plan.notes:
        yield build_diagnostic_record(Diagnostic(note, severity=Severity.WARNING), timestamp)
    for change in plan.changes:
        if change.is_kept or any(not isinstance(step, steps.RecordIntent) for step in change.steps):
            yield build_planned_change_record(change, timestamp)
            yield from _build_planned_endpoints(change, timestamp)
    yield build_change_summary_record(plan, timestamp)


def build_planned_change_record(change: Change, timestamp: str) -> dict[str, Json]:
    """Build the line for an address, or for a deposed model of an address."""
    planned: dict[str, Json] = {
        "resource": describe_resource(change.address),
        "action": _choose_planned_action(change),
    }
    if reason := find_action_reason(change).removeprefix("replace_because_").removeprefix("delete_because_"):
        planned["reason"] = reason
    if find_step(change.steps, steps.Adopt):
        planned["importing"] = {"id": change.id}
    if move := find_step(change.steps, steps.Move):
        planned["previous_resource"] = describe_resource(move.previous)
    if change.deposed:
        planned["deposed"] = change.id
    ours: dict[str, Json] = {"action": str(change.action), "reason": str(change.reason), "id": change.id}
    if change.deposed is not None and change.is_kept:
        ours["kept_until"] = change.deposed.kept_until
        ours["notes"] = list[Json](change.notes)
    if change.bill is not None:
        ours["bill"] = encode(change.bill)
    promote = find_step(change.steps, steps.Promote)
    if promote is not None and promote.verdict is not Verdict.NONE:
        ours["verdict"] = str(promote.verdict)
        ours["scores"] = encode(promote.scores)
    if promote is not None and promote.rivals:
        ours["serving_scores"] = encode(promote.rivals)
    ours |= _describe_checks(change)
    if failure := find_step(change.steps, steps.ReportFailure):
        ours["error"] = failure.error
    record = _build_record(
        "planned_change", f"{name_subject(change)} {find_wording(change).phrase}", timestamp
    )
    return record | {"change": planned, "reconciler": ours}


def _describe_checks(change: Change) -> dict[str, Json]:
    """Describe how many calls the checks make, and which checkpoint is to serve after them."""
    if run_checks := find_step(change.steps, steps.RunChecks):
        return {"check_calls": count_calls(run_checks.checks)}
    choose = find_step(change.steps, steps.ChooseCheckpoint)
    if choose is None:
        return {}
    calls = count_calls(choose.checks)
    chosen: Json = {"choice": choose.choice, "id": choose.checkpoint}
    if choose.asks is None:  # the training tells how many checkpoints there are
        return {"checkpoint": chosen, "check_calls_per_checkpoint": calls}
    return {"checkpoint": chosen, "check_calls": calls * choose.asks}


def _build_planned_endpoints(change: Change, timestamp: str) -> Iterator[dict[str, Json]]:
    """Build a line for each stable endpoint that a change affects."""
    for endpoint in list_endpoint_changes(change):
        action = endpoint.actions[0].replace("-", "")
        message = f"{escape(str(change.address))}/endpoint {escape(endpoint.id)}: {action}"
        record = _build_record("planned_change", message, timestamp)
        planned: dict[str, Json] = {"resource": describe_endpoint(change.address), "action": action}
        yield record | {"change": planned, "reconciler": {"id": endpoint.id, "name": endpoint.name}}


def build_change_summary_record(plan: Plan, timestamp: str) -> dict[str, Json]:
    """Build the summary of what is planned, in numbers."""
    counts: dict[str, Json] = {
        "add": sum(change.creates for change in plan.changes),
        "change": plan.count(Action.UPDATE),
        "import": plan.count(Action.ADOPT),
        "remove": plan.deletes + plan.due,
        "operation": "plan",
    }
    ours: dict[str, Json] = {str(action): plan.count(action) for action in Action}
    record = _build_record("change_summary", summarize_plan(plan), timestamp)
    return record | {"changes": counts, "reconciler": ours}


def build_done_record(
    summary: RunSummary,
    timestamp: str,
    *,
    operation: str,
    command: str,
    elapsed: float,
    cost: Total,
    ways: Sequence[str] = (),
) -> dict[str, Json]:
    """Build the summary of what was done, in numbers.

    `operation` is apply or destroy. `ways` are the commands to run next.
    """
    done = summary.done
    counts: dict[str, Json] = {
        "add": summary.trained + done.get(Verb.COPY, 0),
        "change": done.get(Verb.UPDATE, 0),
        "import": done.get(Verb.ADOPT, 0),
        "remove": done.get(Verb.DELETE, 0) + done.get(Verb.DELETE_ENDPOINT, 0),
        "operation": operation,
    }
    ours: dict[str, Json] = {
        "begun": len(summary.begun),
        "trained": summary.trained,
        "copied": done.get(Verb.COPY, 0),
        "adopted": done.get(Verb.ADOPT, 0),
        "restored": done.get(Verb.RESTORE, 0),
        "rolled_back": done.get(Verb.ROLLBACK, 0),
        "updated": done.get(Verb.UPDATE, 0),
        "deleted": done.get(Verb.DELETE, 0),
        "forgotten": done.get(Verb.FORGET, 0),
        "failed": summary.failed,
        "training": summary.training,
        "copying": summary.copying,
        "deploying": summary.deploying,
        "left": summary.left,
        "elapsed_seconds": round(elapsed),
    }
    if ways:
        ours["resume"] = list[Json](ways)
    if summary.billed:
        ours["billed"] = [
            {"tokens": tokens, "amount": amount, "currency": currency, "estimated_tokens": expected}
            for tokens, amount, currency, expected in sum_billed(summary.billed)
        ]
    if cost.prices:
        ours["cost"] = {currency or "unknown": amount for currency, amount in sorted(cost.prices.items())}
    message, *_ = render_ending(command, summary, elapsed=elapsed)
    return _build_record("change_summary", message, timestamp) | {"changes": counts, "reconciler": ours}


def build_drift_record(drift: Drift, timestamp: str) -> dict[str, Json]:
    """Build the line for a difference between live and recorded. A note has the level info."""
    words = find_drift_words(drift)
    message = f"{describe_subject(drift)} {words.phrase}"
    record = _build_record("resource_drift", message, timestamp, level="warn" if drift.fails else "info")
    describe = describe_endpoint if drift.is_endpoint else describe_resource
    resource = describe(drift.address or Address("", drift.id))
    if not drift.address:
        resource |= {"addr": drift.name or drift.id, "resource": drift.name or drift.id}
    change: dict[str, Json] = {"resource": resource, "action": words.action.replace("-", "")}
    return record | {"class": str(drift.drift_class), "change": change, "reconciler": encode(drift)}


def build_event_records(event: Event, timestamp: str) -> Iterator[dict[str, Json]]:
    """Build the lines for an event of an apply: one line, or two for a failure (what failed, and why)."""
    message = render_event(event, colour=False) or "Nothing is under way at the service"
    match event:
        case Started():
            yield _build_record("apply_start", message, timestamp) | {"hook": _build_hook(event)}
        case Progress():
            hook = _build_hook(event) | {"elapsed_seconds": round(event.elapsed)}
            known: dict[str, Json] = {
                "percent": event.percent,
                "step": event.step,
                "total_steps": event.total_steps,
                "epoch": event.epoch,
                "mean_loss": event.mean_loss,
                "remaining_seconds": None if event.remaining is None else round(event.remaining),
            }
            hook |= {name: value for name, value in known.items() if value is not None}
            yield _build_record("apply_progress", message, timestamp) | {"hook": hook}
        case Uploading():
            upload: Json = {"data": event.shown, "sent_bytes": event.sent, "total_bytes": event.size}
            yield _build_record("upload_progress", message, timestamp) | {"upload": upload}
        case Completed():
            hook = _build_hook(event) | {"elapsed_seconds": round(event.elapsed)}
            yield _build_record("apply_complete", message, timestamp) | {"hook": hook}
        case Billed():
            record = _build_record("billed", message, timestamp)
            yield record | {"resource": describe_resource(event.address), "bill": _build_billed(event)}
        case Failed():
            hook = _build_hook(event) | {"elapsed_seconds": round(event.elapsed)}
            yield _build_record("apply_errored", message, timestamp, level="error") | {"hook": hook}
            problem = f"{describe_failure(event)}: {event.error}"
            yield build_diagnostic_record(
                Diagnostic(problem, event.advice, address=str(event.address)), timestamp
            )
        case Skipped():
            hook = _build_hook(event) | {"reason": event.reason, "unfinished": event.unfinished}
            if event.unfinished:
                hook |= {"resume": event.resume}
            yield _build_record("apply_skipped", message, timestamp, level="warn") | {"hook": hook}
            if event.trouble:
                told = Diagnostic(event.reason, severity=Severity.WARNING, address=str(event.address))
                yield build_diagnostic_record(told, timestamp)
        case Detached():
            found = {"training": event.training, "copying": event.copying, "deploying": event.deploying}
            going_on: dict[str, Json] = {name: list(map(str, found[name])) for name in found}
            record = _build_record("detached", message, timestamp)
            yield record | {"reason": event.reason, **going_on, "resume": event.resume}
        case _:
            assert_never(event)


def _build_billed(event: Billed) -> dict[str, Json]:
    """Build the counts of what was billed, as far as they are known."""
    bill: dict[str, Json] = {"id": event.id, "tokens": event.tokens}
    if event.amount is not None:
        bill |= {"amount": event.amount, "currency": event.currency}
    if event.expected:
        bill |= {"estimated_tokens": event.expected, "difference_tokens": event.tokens - event.expected}
    return bill


def build_diagnostic_record(diagnostic: Diagnostic, timestamp: str, *, byte: int = 0) -> dict[str, Json]:
    """Build the line of an error or a warning. `byte` is the offset of its place in the file."""
    error = diagnostic.severity is Severity.ERROR
    message = f"{'Error' if error else 'Warning'}: {escape(diagnostic.summary)}"
    record = _build_record("diagnostic", message, timestamp, level="error" if error else "warn")
    return record | {"diagnostic": build_diagnostic(diagnostic, byte=byte)}


def build_outputs_record(outputs: Mapping[Address, str], timestamp: str) -> dict[str, Json]:
    """Build the line of the outputs: address to the resource name to call."""
    values: dict[str, Json] = {
        str(address): {"value": name, "type": "string", "sensitive": False}
        for address, name in sorted(outputs.items())
    }
    return _build_record("outputs", f"Outputs: {len(values)}", timestamp) | {"outputs": values}


def describe_resource(address: Address) -> dict[str, Json]:
    """Describe the resource of a line, as Terraform does."""
    return {
        "addr": str(address),
        "module": "",
        "resource": str(address),
        "implied_provider": "reconciler",
        "resource_type": address.kind,
        "resource_name": address.name,
        "resource_key": None,
    }


def describe_endpoint(address: Address) -> dict[str, Json]:
    """Describe the stable endpoint of an address, as `describe_resource` describes its model."""
    shown = f"{address}/endpoint"
    return describe_resource(address) | {"addr": shown, "resource": shown, "resource_type": ENDPOINT}


_OF_ENDPOINTS = frozenset({Verb.CREATE_ENDPOINT, Verb.DEPLOY, Verb.UNDEPLOY, Verb.DELETE_ENDPOINT})


def _build_record(kind: str, message: str, timestamp: str, *, level: str = "info") -> dict[str, Json]:
    return {
        "@level": level,
        "@message": message,
        "@module": "reconciler.ui",
        "@timestamp": timestamp,
        "type": kind,
    }


def _build_hook(event: Started | Progress | Completed | Failed | Skipped) -> dict[str, Json]:
    describe = describe_endpoint if event.operation in _OF_ENDPOINTS else describe_resource
    hook: dict[str, Json] = {"resource": describe(event.address), "action": event.operation}
    if event.id:
        hook |= {"id_key": "id", "id_value": event.id}
    if isinstance(event, (Completed, Failed)) and event.scores:
        hook["scores"] = encode(event.scores)
    return hook


def _choose_planned_action(change: Change) -> str:
    """Choose the word in Terraform's stream for the actions in its plan JSON."""
    match list_actions(change.steps):
        case ["no-op"]:
            return {Action.ADOPT: "import", Action.MOVE: "move"}.get(change.action, "noop")
        case ["forget"]:
            return "remove"
        case [action]:
            return action
        case _:
            return "replace"
