"""What the API shows of a model and of its operation, at a moment.

Zero and empty fields are left out, as proto3's JSON does. The training data is never shown.
"""

import dataclasses
from typing import Any

from reconciler.emulator.call import Call
from reconciler.emulator.database import Model
from reconciler.emulator.gemini import progress
from reconciler.emulator.json_text import write

_TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."


def tuned_model(model: Model, now: int) -> dict[str, Any]:
    """Return the TunedModel as it is at *now*; never the training data."""
    training, fields = model.training, dict(model.fields)
    task: dict[str, Any] = {}
    if now >= training.started:
        task["startTime"] = progress.six_digits(training.started)
    if now >= training.ended:
        task["completeTime"] = progress.six_digits(training.ended)
    if snapshots := progress.snapshots(training, now):
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
        "state": progress.state(training, now),
        "createTime": progress.six_digits(training.created),
        "updateTime": progress.six_digits(model.updated),
        "tuningTask": task,
        **{key: value for key, value in fields.items() if value not in ("", [])},
    }


def tuned_model_text(call: Call, model: Model) -> str:
    """Return the TunedModel as JSON text, kept once it cannot change by itself."""
    if model.settled is None:
        text = write(tuned_model(model, call.now))
        if call.now < model.training.ended:
            return text
        model = dataclasses.replace(model, settled=text)
        call.store.update_model(model)
    return model.settled or ""


def operation(model: Model, now: int) -> dict[str, Any]:
    """Return the Operation as it is at *now*."""
    training = model.training
    metadata: dict[str, Any] = {
        "@type": f"{_TYPES}CreateTunedModelMetadata",
        "totalSteps": training.total_steps,
    }
    if done := progress.completed_steps(training, now):
        percent = 100 * done / training.total_steps
        metadata["completedSteps"] = done
        metadata["completedPercent"] = round(percent, 6) if percent < 100 else 100
        metadata["snapshots"] = progress.snapshots(training, now)
    metadata["tunedModel"] = model.name
    answer = {"name": f"{model.name}/operations/{model.operation}", "metadata": metadata}
    if now < training.ended:
        return answer
    if training.failure:
        error = {"code": training.failure.code, "message": training.failure.message}
        return {**answer, "done": True, "error": error}
    made = {"@type": f"{_TYPES}TunedModel", **tuned_model(model, now)}
    return {**answer, "done": True, "response": made}
