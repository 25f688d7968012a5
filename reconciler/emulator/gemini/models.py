"""Base models: models.list and models.get.

Only the models that the settings call tunable have createTunedModel among their methods. The real service
has had none since May 2025; that is the setting `tunable: []`. A model that has retired does not exist, and
some time before, if the settings say so, it cannot be tuned any more.
"""

from collections.abc import Mapping
from typing import Any

from reconciler.emulator.base_models import GEMINI, is_retired
from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError
from reconciler.emulator.paging import read_page

_SAMPLING: Mapping[str, Any] = {"temperature": 0.9, "topP": 1.0, "topK": 1}
_OWN_SAMPLING: Mapping[str, Mapping[str, Any]] = {
    "models/gemini-1.5-flash-001-tuning": {"temperature": 1.0, "topP": 0.95, "topK": 64}
}


def find_sampling(name: str) -> Mapping[str, Any]:
    """Return temperature, topP and topK of a base model, which are the defaults of its tuned models."""
    return _OWN_SAMPLING.get(name, _SAMPLING)


def find_names(call: Call) -> list[str]:
    """Return the base models that exist, in the order of the list."""
    names = {*call.settings.tunable, *GEMINI}
    return sorted(name for name in names if not is_retired(name, call.settings.retires, call.now))


def is_tunable(call: Call, name: str) -> bool:
    """Return whether a tuning of a base model may begin."""
    settings = call.settings
    is_gone = is_retired(name, settings.retires, call.now, days_before=settings.tuning_blocked_days)
    return name in settings.tunable and not is_gone


def _describe(call: Call, name: str) -> dict[str, Any]:
    """Return the Model."""
    short = name.removeprefix("models/")
    version = short.rsplit("-", 1)[-1]
    is_embedding = "embedding" in name
    methods = ["embedContent"] if is_embedding else ["generateContent", "countTokens"]
    if is_tunable(call, name):
        methods.append("createTunedModel")
    return {
        "name": name,
        "version": version if version.isdigit() else "001",
        "displayName": short.replace("-", " ").title(),
        "description": "Listed by the emulator; it answers by echo.",
        "inputTokenLimit": 30720,
        "outputTokenLimit": 2048,
        "supportedGenerationMethods": methods,
        **({} if is_embedding else find_sampling(name)),
    }


class BaseModelNotFoundError(ApiError):
    """The 404 of a base model that does not exist, or does not have the requested method."""

    def __init__(self, name: str, version: str, method: str = "") -> None:
        supported = f", or is not supported for {method}" if method else ""
        super().__init__(
            404,
            f"{name} is not found for API version {version}{supported}. Call ListModels to see the "
            "list of available models and their supported methods.",
        )


def list_models(call: Call) -> Reply:
    """Answer models.list."""
    page = read_page(call.parameters, "models", default=50)
    rows = list(enumerate(find_names(call), 1))[page.place :]
    return Reply(payload=page.answer("models", rows, lambda row: _describe(call, row[1]), lambda row: row[0]))


def get(call: Call) -> Reply:
    """Answer models.get."""
    name = f"models/{call.path['model']}"
    if name not in find_names(call):
        raise BaseModelNotFoundError(name, call.version)
    return Reply(payload=_describe(call, name))
