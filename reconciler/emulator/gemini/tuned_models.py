"""Tuned models: create, get, patch, delete, and the operation that a creation answers with.

The model exists at once, as CREATING. It has one operation, which exists as long as the model and ends with
`response` or `error`. Only that error tells why a training failed. Fields are those of the documents. Where
the documents are silent, a comment says what was guessed.
"""

import dataclasses
import re
import secrets
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply, show_operation
from reconciler.emulator.clock import SECOND, format_time
from reconciler.emulator.errors import ApiError, ArgumentError, ModelNotFoundError, PreconditionError
from reconciler.emulator.gemini import messages, models, permissions, progress, training_data
from reconciler.emulator.gemini.records import Examples, Permission, TunedModel, make_owner
from reconciler.emulator.json_text import format_json
from reconciler.emulator.protojson import read_mask, to_snake

_ID = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_LONGEST_NAME = 40
_TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."
_MUTABLE = ("displayName", "description", "temperature", "topP", "topK", "readerProjectNumbers")
_OUTPUT_ONLY = ("name", "state", "createTime", "updateTime")


def create(call: Call) -> Reply:
    """Answer tunedModels.create."""
    asked_id = call.parameters.get("tuned_model_id", "")
    message = call.read_message(messages.TUNED_MODEL, "tuned_model")
    _check_display_name(message)
    model_id = _choose_id(asked_id, message.get("displayName", ""))
    source, base = _read_source(call, message)
    pairs, hyperparameters = training_data.read_task(message.get("tuningTask", {}))
    if call.database.count(TunedModel, "id = :id", id=model_id):
        raise ApiError(409, f"Tuned model tunedModels/{model_id} already exists.")
    fields = {
        **source,
        **{key: message[key] for key in ("displayName", "description") if message.get(key)},
        "hyperparameters": hyperparameters,
        **models.find_sampling(base),
        **_read_sampling(message),
    }
    model = call.database.add(_make_model(call, model_id, fields, len(pairs)))
    call.database.add(Examples(model=model.seq, pairs=pairs))
    if call.principal.kind == "bearer" and call.principal.email:
        call.database.add(make_owner(model, call.principal.email))
    return Reply(payload=_show_operation(model, call.now))


def _make_model(call: Call, model_id: str, fields: dict[str, Any], examples: int) -> TunedModel:
    """Return the new model. The fault rules decide how its training ends."""
    path, settings = f"/v1beta/tunedModels/{model_id}", call.settings
    fate = faults.decide_fate(call.database, path, model_id, settings.list_lag_seconds)
    training = progress.Training(
        model=model_id,
        created=call.now,
        duration=round(settings.training_seconds * SECOND),
        examples=examples,
        epochs=fields["hyperparameters"]["epochCount"],
        batch=fields["hyperparameters"]["batchSize"],
    )
    if fate.failure is not None:
        time = training.created + round(training.duration * fate.at)
        failure = {**faults.DEFAULT_FAILURE, **fate.failure, "time": time}
        training = dataclasses.replace(training, failure=failure)
    return TunedModel(
        id=model_id,
        owner=call.principal.email,
        operation=secrets.token_hex(6),
        fields=fields,
        search=_write_search_text(fields),
        updated=call.now,
        training=training,
        listed=call.now + fate.hidden_from_list,
        readable=call.now + fate.hidden_from_get,
    )


def get(call: Call) -> Reply:
    """Answer tunedModels.get."""
    model = permissions.find_model(call)
    if call.now < model.readable:
        raise ModelNotFoundError(model.name)
    return Reply(text=write_tuned_model(call, model))


def patch(call: Call) -> Reply:
    """Answer tunedModels.patch: change what the mask names, or without a mask what is in the body."""
    mask = call.parameters.get("update_mask")
    message = call.read_message(messages.TUNED_MODEL, "tuned_model")
    model = permissions.find_model(call, "WRITER")
    if mask:
        names = read_mask(mask, messages.TUNED_MODEL, _MUTABLE, ignored=_OUTPUT_ONLY, prefix="tuned_model.")
    else:
        _check_fixed_fields(message, model)
        names = [key for key in _MUTABLE if key in message]
    _check_display_name(message)
    new, defaults = {**message, **_read_sampling(message)}, models.find_sampling(model.base)
    fields = {key: value for key, value in model.fields.items() if key not in names}
    fields |= {key: source[key] for source in (defaults, new) for key in names if key in source}
    changed = dataclasses.replace(
        model,
        fields=fields,
        search=_write_search_text(fields),
        updated=max(call.now, model.updated + 1),
        settled=None,
    )
    call.database.update(changed)
    return Reply(text=write_tuned_model(call, changed))


def delete(call: Call) -> Reply:
    """Answer tunedModels.delete."""
    model = permissions.find_model(call, "OWNER")
    is_creating = progress.find_state(model.training, call.now) == "CREATING"
    if is_creating and call.settings.delete_creating == "refuse":
        raise PreconditionError(f"Tuned model {model.name} is still being created.")
    call.database.delete(model)
    for kind in (Examples, Permission):
        call.database.delete_where(kind, "model = :model", model=model.seq)
    return Reply(payload={})


def get_operation(call: Call) -> Reply:
    """Answer tunedModels.operations.get."""
    return Reply(payload=_show_operation(_find_model_of_operation(call, "READER"), call.now))


def list_operations(call: Call) -> Reply:
    """Answer tunedModels.operations.list, with the only one there is."""
    return Reply(payload={"operations": [_show_operation(permissions.find_model(call), call.now)]})


def cancel_operation(call: Call) -> Reply:
    """Answer tunedModels.operations.cancel. No document says what becomes of the model; here it is FAILED."""
    model = _find_model_of_operation(call, "WRITER")
    if call.now < model.training.ended:
        failure = {"code": 1, "message": "The operation was cancelled.", "time": call.now}
        training = dataclasses.replace(model.training, failure=failure)
        call.database.update(dataclasses.replace(model, training=training))
    return Reply(payload={})


def _find_model_of_operation(call: Call, role: str) -> TunedModel:
    model = permissions.find_model(call, role)
    if model.operation != call.path["operation"]:
        name = f"{model.name}/operations/{call.path['operation']}"
        raise ApiError(404, f"Operation {name} does not exist.")
    return model


def _check_display_name(message: dict[str, Any]) -> None:
    if len(message.get("displayName", "")) > _LONGEST_NAME:
        raise ArgumentError  # The service says no more than that.


def _choose_id(asked: str, display_name: str) -> str:
    if asked:
        if _ID.fullmatch(asked):
            return asked
        raise ArgumentError(
            "* CreateTunedModelRequest.tuned_model_id: must match [a-z]([a-z0-9-]{0,38}[a-z0-9])?",
            field="tuned_model_id",
        )
    words = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).lstrip("-0123456789")[:27].strip("-")
    return f"{words or 'model'}-{secrets.token_hex(6)}"


def _read_source(call: Call, message: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what the model says of its origin, and the base model behind it."""
    if "tunedModelSource" in message:
        name = message["tunedModelSource"].get("tunedModel", "")
        if not re.fullmatch(r"tunedModels/[^/]+", name):
            raise ArgumentError(field="tuned_model.tuned_model_source.tuned_model")
        origin = permissions.find_model_named(call, name)
        if progress.find_state(origin.training, call.now) != "ACTIVE":
            raise PreconditionError(f"Tuned model {name} is not active.")
        base = origin.base
        source: dict[str, Any] = {"tunedModelSource": {"tunedModel": name, "baseModel": base}}
    else:
        base = message.get("baseModel", "")
        if not re.fullmatch(r"models/[^/]+", base):
            raise ArgumentError(
                "* CreateTunedModelRequest.tuned_model.source_model: a source model models/* or "
                "tunedModels/* must be specified",
                field="tuned_model.base_model",
            )
        source = {"baseModel": base}
    if not models.is_tunable(call, base):
        raise models.BaseModelNotFoundError(base, call.version, "createTunedModel")
    return source, base


def _read_sampling(message: dict[str, Any]) -> dict[str, Any]:
    """Return the sampling fields of a request, which must be in range, and its project numbers as text."""
    found: dict[str, Any] = {key: message[key] for key in ("temperature", "topP", "topK") if key in message}
    for key in ("temperature", "topP"):
        if not 0 <= found.get(key, 0) <= 1:
            raise ArgumentError(f"{to_snake(key)} must be in the range [0.0, 1.0].", field=to_snake(key))
    if found.get("topK", 1) < 1:
        raise ArgumentError("top_k must be positive.", field="top_k")
    if "readerProjectNumbers" in message:
        found["readerProjectNumbers"] = [str(number) for number in message["readerProjectNumbers"]]
    return found


def _write_search_text(fields: dict[str, Any]) -> str:
    return f"{fields.get('displayName', '')}\n{fields.get('description', '')}".lower()


def _check_fixed_fields(message: dict[str, Any], model: TunedModel) -> None:
    """Raise a 400 for a body that gives an immutable field another value."""
    task = message.get("tuningTask", {})
    given = {key: message[key] for key in ("baseModel", "tunedModelSource") if key in message}
    hyperparameters, kept = task.get("hyperparameters", {}), model.fields["hyperparameters"]
    is_same = all(model.fields.get(key) == value for key, value in given.items())
    is_same &= all(kept.get(key) == value for key, value in hyperparameters.items())
    if "trainingData" in task or not is_same:
        raise ArgumentError("Only the fields that are not immutable can be updated.")


def _show(model: TunedModel, now: int) -> dict[str, Any]:
    """Return the TunedModel at *now*, without the training data, and without empty fields (proto3)."""
    training, fields = model.training, dict(model.fields)
    times = {"startTime": training.started, "completeTime": training.ended}
    task: dict[str, Any] = {key: format_time(time) for key, time in times.items() if time <= now}
    if snapshots := progress.list_snapshots(training, now):
        task["snapshots"] = snapshots
    task["hyperparameters"] = fields.pop("hyperparameters")
    return {
        "name": model.name,
        **{key: value for key, value in fields.items() if value not in ("", [])},
        "state": progress.find_state(training, now),
        "createTime": format_time(training.created),
        "updateTime": format_time(model.updated),
        "tuningTask": task,
    }


def write_tuned_model(call: Call, model: TunedModel) -> str:
    """Return the TunedModel as JSON text, which is kept once it cannot change by itself."""
    if model.settled is not None:
        return model.settled
    text = format_json(_show(model, call.now))
    if call.now >= model.training.ended:
        call.database.update(dataclasses.replace(model, settled=text))
    return text


def _show_operation(model: TunedModel, now: int) -> dict[str, Any]:
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
    response = {"@type": f"{_TYPES}TunedModel", **_show(model, now)}
    return show_operation(name, metadata, response=response)
