"""The models that others made: models.list and models.get.

Only those that the settings call tunable have createTunedModel among their methods. Since May 2025
the real service has none; an empty `tunable` is that service. A model whose day in `retires` has come is
not there; a month before, if the settings say so, it cannot be tuned.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.emulator.base_models import is_retired
from reconciler.emulator.call import Call, Reply, page_size
from reconciler.emulator.errors import ApiError
from reconciler.emulator.paging import decode, encode
from reconciler.emulator.settings import Settings

_OTHERS = (
    "models/gemini-1.5-flash",
    "models/gemini-1.5-pro",
    "models/gemini-2.0-flash",
    "models/gemini-2.0-flash-lite",
    "models/gemini-2.5-flash",
    "models/gemini-2.5-flash-lite",
    "models/gemini-2.5-pro",
    "models/text-embedding-004",
)
# What a tuned model gets for what its maker left out.
DEFAULTS = {"temperature": 0.9, "topP": 1.0, "topK": 1}
_BY_MODEL = {"models/gemini-1.5-flash-001-tuning": {"temperature": 1.0, "topP": 0.95, "topK": 64}}


def defaults(name: str) -> dict[str, Any]:
    """Return temperature, topP and topK of a base model."""
    return _BY_MODEL.get(name, DEFAULTS)


def names(settings: Settings, now: int) -> list[str]:
    """Return the base models that are there at *now*, in the order of the list."""
    return sorted(
        name for name in {*settings.tunable, *_OTHERS} if not is_retired(name, settings.retires, now)
    )


def is_tunable(name: str, settings: Settings, now: int) -> bool:
    """Whether a tuning on it may begin at *now*."""
    blocked = settings.tuning_blocked_days
    return name in settings.tunable and not is_retired(name, settings.retires, now, days_before=blocked)


def describe(name: str, settings: Settings, now: int) -> dict[str, Any]:
    """Return a Model."""
    short = name.removeprefix("models/")
    version = short.rsplit("-", 1)[-1]
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    if is_tunable(name, settings, now):
        methods.append("createTunedModel")
    model: dict[str, Any] = {
        "name": name,
        "version": version if version.isdigit() else "001",
        "displayName": short.replace("-", " ").title(),
        "description": "Listed by the emulator; it answers by echo.",
        "inputTokenLimit": 30720,
        "outputTokenLimit": 2048,
        "supportedGenerationMethods": methods,
    }
    return model if "embedding" in name else {**model, **defaults(name)}


def base_of(fields: Mapping[str, Any]) -> str:
    """Return the base model behind a tuned model, from the fields of that."""
    return str(fields.get("baseModel") or fields["tunedModelSource"]["baseModel"])


def not_found(name: str, version: str, method: str) -> ApiError:
    """Return the 404 of a base model that is absent, or does not have *method*."""
    supported = f", or is not supported for {method}" if method else ""
    return ApiError(
        404,
        f"{name} is not found for API version {version}{supported}. Call ListModels to see the "
        "list of available models and their supported methods.",
    )


def list_models(call: Call) -> Reply:
    """models.list."""
    parameters = call.parameters("page_size", "page_token")
    size = page_size(parameters, 50, 1000)
    after = decode(parameters.get("page_token", ""), "models")
    known = names(call.settings, call.now)
    answer: dict[str, Any] = {
        "models": [describe(name, call.settings, call.now) for name in known[after : after + size]]
    }
    if after + size < len(known):
        answer["nextPageToken"] = encode(after + size, "models")
    return Reply(payload=answer)


def get_model(call: Call) -> Reply:
    """models.get."""
    call.parameters()
    name = f"models/{call.path['model']}"
    if name not in names(call.settings, call.now):
        raise not_found(name, call.version, "")
    return Reply(payload=describe(name, call.settings, call.now))
