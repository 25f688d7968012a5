"""Tuned models: create, get, patch, delete.

The answer to create is an operation (operations.py); the model itself is there at once, CREATING.
Fields are the service's where no document is silent; what is guessed is said where it is done.
"""

import dataclasses
import re
import secrets
import string
from typing import Any

from reconciler.emulator import faults
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.database import Model, Permission
from reconciler.emulator.errors import (
    ApiError,
    failed_precondition,
    invalid,
    no_model,
)
from reconciler.emulator.gemini import models, progress
from reconciler.emulator.gemini.access import find, find_named
from reconciler.emulator.gemini.resources import operation, tuned_model_text
from reconciler.emulator.gemini.training_data import read_task
from reconciler.emulator.protojson import TUNED_MODEL, camel, snake

_ID = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_RANDOM = string.ascii_lowercase + string.digits
_MUTABLE = (
    "displayName",
    "description",
    "temperature",
    "topP",
    "topK",
    "readerProjectNumbers",
)
_OUTPUT_ONLY = ("name", "state", "createTime", "updateTime")


def create(call: Call) -> Reply:
    """tunedModels.create."""
    parameters = call.parameters("tuned_model_id")
    asked = call.message(TUNED_MODEL, "tuned_model")
    if len(asked.get("displayName", "")) > 40:
        raise invalid()
    model_id = _chosen_id(parameters.get("tuned_model_id", ""), asked.get("displayName", ""))
    source, base = _source(call, asked)
    task = read_task(asked.get("tuningTask", {}))
    if call.store.model(model_id) is not None:
        raise ApiError(409, f"Tuned model tunedModels/{model_id} already exists.")
    fields = {
        **source,
        **{key: asked[key] for key in ("displayName", "description") if asked.get(key)},
        "hyperparameters": task.hyperparameters,
        **models.defaults(base),
        **_sampling(asked),
    }
    training = progress.Training(
        model=model_id,
        created=call.now,
        duration=round(call.settings.training_seconds * progress.SECOND),
        examples=len(task.pairs),
        epochs=task.hyperparameters["epochCount"],
        batch=task.hyperparameters["batchSize"],
    )
    path = f"/v1beta/tunedModels/{model_id}"
    fate = faults.fate(call.store, path, model_id, call.settings.list_lag_seconds)
    model = Model(
        id=model_id,
        owner=call.principal.email,
        operation=_random(),
        fields=fields,
        updated=call.now,
        training=fate.applied_to(training),
        listed=call.now + fate.hidden_from_list,
        readable=call.now + fate.hidden_from_get,
    )
    model = call.store.add_model(model, _search(fields), task.pairs)
    if call.principal.kind == "bearer" and call.principal.email:
        permission = Permission(
            model=model.seq,
            id=str(10**11 + secrets.randbelow(9 * 10**11)),
            grantee="USER",
            email=call.principal.email,
            role="OWNER",
        )
        call.store.put_permission(permission)
    call.effect = True
    return Reply(payload=operation(model, call.now))


def get(call: Call) -> Reply:
    """tunedModels.get."""
    call.parameters()
    model = find(call)
    if call.now < model.readable:
        raise no_model(model.name)
    return Reply(text=tuned_model_text(call, model))


def patch(call: Call) -> Reply:
    """tunedModels.patch: what the mask names, or without one what the body has."""
    parameters = call.parameters("update_mask")
    asked = call.message(TUNED_MODEL, "tuned_model")
    model = find(call, "WRITER")
    mask = parameters.get("update_mask")
    paths = _masked(mask) if mask else _present(asked, model)
    if len(asked.get("displayName", "")) > 40:
        raise invalid()
    sampling = _sampling(asked)
    fields = dict(model.fields)
    standard = models.defaults(models.base_of(fields))
    for path in paths:
        if path in asked:
            fields[path] = sampling.get(path, asked[path])
        else:
            fields.pop(path, None)
            if path in standard:
                fields[path] = standard[path]
    changed = dataclasses.replace(
        model, fields=fields, updated=max(call.now, model.updated + 1), settled=None
    )
    call.store.update_model(changed, _search(fields))
    call.effect = True
    return Reply(text=tuned_model_text(call, changed))


def delete(call: Call) -> Reply:
    """tunedModels.delete."""
    call.parameters()
    model = find(call, "OWNER")
    creating = progress.state(model.training, call.now) == "CREATING"
    if creating and call.settings.delete_creating == "refuse":
        raise failed_precondition(f"Tuned model {model.name} is still being created.")
    call.store.delete_model(model)
    call.effect = True
    return Reply(payload={})


def _chosen_id(asked: str, display_name: str) -> str:
    if asked:
        if _ID.fullmatch(asked):
            return asked
        raise invalid(
            "* CreateTunedModelRequest.tuned_model_id: must match [a-z]([a-z0-9-]{0,38}[a-z0-9])?",
            field="tuned_model_id",
        )
    words = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).lstrip("-0123456789")[:27].strip("-")
    return f"{words}-{_random()}" if words else secrets.choice(_RANDOM[:26]) + _random()


def _random() -> str:
    return "".join(secrets.choice(_RANDOM) for _ in range(12))


def _source(call: Call, asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what the model says of its origin, and the base model behind it."""
    if "tunedModelSource" in asked:
        name = asked["tunedModelSource"].get("tunedModel", "")
        if not re.fullmatch(r"tunedModels/[^/]+", name):
            raise invalid(field="tuned_model.tuned_model_source.tuned_model")
        origin = find_named(call, name)
        if progress.state(origin.training, call.now) != "ACTIVE":
            raise failed_precondition(f"Tuned model {name} is not active.")
        base = models.base_of(origin.fields)
        source: dict[str, Any] = {"tunedModelSource": {"tunedModel": name, "baseModel": base}}
    else:
        base = asked.get("baseModel", "")
        if not re.fullmatch(r"models/[^/]+", base):
            raise invalid(
                "* CreateTunedModelRequest.tuned_model.source_model: a source model models/* or "
                "tunedModels/* must be specified",
                field="tuned_model.base_model",
            )
        source = {"baseModel": base}
    if not models.is_tunable(base, call.settings, call.now):
        raise models.not_found(base, call.version, "createTunedModel")
    return source, base


def _sampling(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the sampling fields of a request, within their ranges."""
    found: dict[str, Any] = {key: asked[key] for key in ("temperature", "topP", "topK") if key in asked}
    for key in ("temperature", "topP"):
        if not 0 <= found.get(key, 0) <= 1:
            raise invalid(f"{snake(key)} must be in the range [0.0, 1.0].", field=snake(key))
    if found.get("topK", 1) < 1:
        raise invalid("top_k must be positive.", field="top_k")
    if "readerProjectNumbers" in asked:
        found["readerProjectNumbers"] = [str(number) for number in asked["readerProjectNumbers"]]
    return found


def _search(fields: dict[str, Any]) -> str:
    return f"{fields.get('displayName', '')}\n{fields.get('description', '')}".lower()


def _masked(mask: str) -> list[str]:
    paths: list[str] = []
    for raw in mask.split(","):
        path = snake(raw.strip()).removeprefix("tuned_model.")
        top = camel(path.split(".")[0])
        if path == "*":
            paths += _MUTABLE
        elif path in TUNED_MODEL and camel(path) in _MUTABLE:
            paths.append(camel(path))
        elif path not in TUNED_MODEL and snake(top) not in TUNED_MODEL:
            raise invalid(f"Invalid field mask: unknown path {raw[:80]}", field="update_mask")
        elif top not in _OUTPUT_ONLY:
            raise invalid(f"Field {path[:80]} is immutable.", field="update_mask")
    return paths


def _present(asked: dict[str, Any], model: Model) -> list[str]:
    """Return the fields a body without a mask changes; another value of a fixed one is a 400."""
    task = asked.get("tuningTask", {})
    given = {key: asked[key] for key in ("baseModel", "tunedModelSource") if key in asked}
    same = all(model.fields.get(key) == value for key, value in given.items())
    settings = task.get("hyperparameters", {})
    kept = model.fields["hyperparameters"]
    if "trainingData" in task or not same or any(kept.get(k) != v for k, v in settings.items()):
        raise invalid("Only the fields that are not immutable can be updated.")
    return [key for key in _MUTABLE if key in asked]
