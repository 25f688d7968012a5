"""What can be set about an emulator, when it starts or while it runs.

A Settings is a value: a change makes another one. `merge` is the only place that reads settings
from JSON, and refuses what it does not know.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from reconciler.emulator.errors import ApiError, invalid

Auth = Literal["none", "bearer", "key", "any"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How the emulator behaves.

    Attributes:
        training_seconds: how long a training takes, on the emulator's clock.
        auth: which credential a call needs; "none" takes anything, and all callers are one owner.
        quota_project_required: bearer calls without x-goog-user-project are refused.
        tunable: the models that createTunedModel takes; none is how the service is since 2025-05.
        delete_creating: whether a model in training may be deleted, which no document says.
        list_lag_seconds: how long a new model or tuning job is missing from the list.
        vertex_tunable: the base models that a tuning job takes.
        vertex_concurrent_jobs: how many jobs of a project train at once.
        vertex_over_quota: whether one more is refused (429), or waits as QUEUED.
        vertex_operation_seconds: how long it takes to undeploy or delete something.
        vertex_cancel_seconds: how long a job is CANCELLING.
        storage_buckets: whether any bucket is there, or only those that were created.
    """

    training_seconds: float = 4.0
    auth: Auth = "none"
    quota_project_required: bool = False
    tunable: tuple[str, ...] = ("models/gemini-1.0-pro-001", "models/gemini-1.5-flash-001-tuning")
    delete_creating: Literal["allow", "refuse"] = "allow"
    list_lag_seconds: float = 0
    vertex_tunable: tuple[str, ...] = (
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-3.1-flash-lite",
        "gemini-3.5-flash",
        "gemini-3.5-flash-lite",
        "translation-llm-002",
    )
    vertex_concurrent_jobs: int = 4
    vertex_over_quota: Literal["refuse", "queue"] = "queue"
    vertex_operation_seconds: float = 0.5
    vertex_cancel_seconds: float = 0.5
    storage_buckets: Literal["any", "strict"] = "any"

    def shown(self) -> dict[str, Any]:
        """Return the settings as JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
        }


_CHOICES = {
    "auth": ("none", "bearer", "key", "any"),
    "delete_creating": ("allow", "refuse"),
    "vertex_over_quota": ("refuse", "queue"),
    "storage_buckets": ("any", "strict"),
}


def merge(settings: Settings, change: object) -> Settings:
    """Return *settings* with the JSON object *change* applied, or raise a 400."""
    if not isinstance(change, Mapping):
        raise invalid("Settings are a JSON object.")
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(set(change) - known):
        raise invalid(f"No such setting: {', '.join(unknown)}. Settings: {', '.join(known)}.")
    values: dict[str, Any] = {name: _value(name, change[name]) for name in change}
    return dataclasses.replace(settings, **values)


def _value(name: str, value: object) -> object:
    if name in _CHOICES:
        if value in _CHOICES[name]:
            return value
        raise invalid(f"{name} is one of {', '.join(_CHOICES[name])}.")
    if name == "quota_project_required":
        if isinstance(value, bool):
            return value
        raise invalid(f"{name} is true or false.")
    if name == "tunable":
        if isinstance(value, list) and all(_is_model(item) for item in value):
            return tuple(value)
        raise invalid("tunable is a list of names models/*.")
    if name == "vertex_tunable":
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        raise invalid("vertex_tunable is a list of names such as gemini-2.5-flash.")
    if name == "vertex_concurrent_jobs":
        if type(value) is int and value >= 1:
            return value
        raise invalid("vertex_concurrent_jobs is a number, 1 or more.")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    raise _number(name)


def _is_model(item: object) -> bool:
    return isinstance(item, str) and item.startswith("models/")


def _number(name: str) -> ApiError:
    return invalid(f"{name} is a number of seconds, 0 or more.")
