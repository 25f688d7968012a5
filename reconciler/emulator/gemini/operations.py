"""The operation that a creation answers with: get, list, cancel.

A model has one, and it exists as long as the model. It ends with `done`, and with `response` or `error`.
Nothing else tells why a training failed.
"""

import dataclasses

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError
from reconciler.emulator.gemini import progress
from reconciler.emulator.gemini.access import find_model
from reconciler.emulator.gemini.records import TunedModel
from reconciler.emulator.gemini.resources import show_creation


def get(call: Call) -> Reply:
    """Answer tunedModels.operations.get."""
    return Reply(payload=show_creation(_find_model_of_operation(call, "READER"), call.now))


def list_operations(call: Call) -> Reply:
    """Answer tunedModels.operations.list, with the only one there is."""
    return Reply(payload={"operations": [show_creation(find_model(call), call.now)]})


def cancel(call: Call) -> Reply:
    """Answer tunedModels.operations.cancel. No document says what becomes of the model; here it is FAILED."""
    model = _find_model_of_operation(call, "WRITER")
    if call.now < model.training.ended:
        failure = progress.Failure(code=1, message="The operation was cancelled.", time=call.now)
        training = dataclasses.replace(model.training, failure=failure)
        call.database.update(dataclasses.replace(model, training=training))
    return Reply(payload={})


def _find_model_of_operation(call: Call, role: str) -> TunedModel:
    model = find_model(call, role)
    if model.operation != call.path["operation"]:
        name = f"{model.name}/operations/{call.path['operation']}"
        raise ApiError(404, f"Operation {name} does not exist.")
    return model
