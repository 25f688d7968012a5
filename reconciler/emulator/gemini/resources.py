"""How the API shows a tuned model and its operation at a given time.

Zero and empty fields are left out, as in the JSON of proto3. The training data is never shown.
"""

import dataclasses
from typing import Any

from reconciler.emulator.call import Call, show_operation
from reconciler.emulator.clock import format_time
from reconciler.emulator.gemini import progress
from reconciler.emulator.gemini.records import TunedModel
from reconciler.emulator.json_text import format_json

_TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."


def show_tuned_model(model: TunedModel, now: int) -> dict[str, Any]:
    """Return the TunedModel as it is at *now*."""
    training, fields = model.training, dict(model.fields)
    task: dict[str, Any] = {}
    if now >= training.started:
        task["startTime"] = format_time(training.started)
    if now >= training.ended:
        task["completeTime"] = format_time(training.ended)
    if snapshots := progress.list_snapshots(training, now):
        task["snapshots"] = snapshots
    task["hyperparameters"] = fields.pop("hyperparameters")
    source: dict[str, Any] = {
        key: fields.pop(key) for key in ("tunedModelSource", "baseModel") if key in fields
    }
    texts = {key: fields.pop(key) for key in ("displayName", "description") if fields.get(key)}
    return {
        "name": model.name,
        **source,
        **texts,
        "state": progress.find_state(training, now),
        "createTime": format_time(training.created),
        "updateTime": format_time(model.updated),
        "tuningTask": task,
        **{key: value for key, value in fields.items() if value not in ("", [])},
    }


def write_tuned_model(call: Call, model: TunedModel) -> str:
    """Return the TunedModel as JSON text, which is kept once it cannot change by itself."""
    if model.settled is not None:
        return model.settled
    text = format_json(show_tuned_model(model, call.now))
    if call.now >= model.training.ended:
        call.database.update(dataclasses.replace(model, settled=text))
    return text


def show_creation(model: TunedModel, now: int) -> dict[str, Any]:
    """Return the operation that creates a model, as it is at *now*."""
    training = model.training
    metadata: dict[str, Any] = {
        "@type": f"{_TYPES}CreateTunedModelMetadata",
        "totalSteps": training.total_steps,
    }
    if done := progress.count_completed_steps(training, now):
        percent = 100 * done / training.total_steps
        metadata["completedSteps"] = done
        metadata["completedPercent"] = round(percent, 6) if percent < 100 else 100
        metadata["snapshots"] = progress.list_snapshots(training, now)
    metadata["tunedModel"] = model.name
    name = f"{model.name}/operations/{model.operation}"
    if now < training.ended:
        return show_operation(name, metadata)
    if training.failure:
        error = {key: training.failure[key] for key in ("code", "message")}
        return show_operation(name, metadata, error=error)
    response = {"@type": f"{_TYPES}TunedModel", **show_tuned_model(model, now)}
    return show_operation(name, metadata, response=response)
