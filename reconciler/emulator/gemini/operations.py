"""The operation that a creation answers with: get, list, cancel.

A model has one, for as long as it exists. It ends with `done` and either `response` or `error`; the
reason of a failure is told here and nowhere else.
"""

import dataclasses

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.database import Model
from reconciler.emulator.errors import ApiError
from reconciler.emulator.gemini import progress
from reconciler.emulator.gemini.access import find
from reconciler.emulator.gemini.resources import operation


def get(call: Call) -> Reply:
    """tunedModels.operations.get."""
    call.parameters()
    return Reply(payload=operation(_find(call, "READER"), call.now))


def list_operations(call: Call) -> Reply:
    """tunedModels.operations.list: the one there is."""
    call.parameters("filter", "page_size", "page_token", "return_partial_success")
    return Reply(payload={"operations": [operation(find(call), call.now)]})


def cancel(call: Call) -> Reply:
    """tunedModels.operations.cancel; the documents do not say what becomes of the model: FAILED."""
    call.parameters()
    model = _find(call, "WRITER")
    if call.now < model.training.ended:
        training = dataclasses.replace(model.training, failure=progress.cancelled(call.now))
        call.store.update_model(dataclasses.replace(model, training=training))
        call.effect = True
    return Reply(payload={})


def _find(call: Call, role: str) -> Model:
    model = find(call, role)
    if model.operation != call.path["operation"]:
        name = f"{model.name}/operations/{call.path['operation']}"
        raise ApiError(404, f"Operation {name} does not exist.")
    return model
