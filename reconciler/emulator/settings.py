"""What can be set about an emulator, when it starts or while it runs.

A Settings is a value: a change makes another one. `merge` is the only place that reads settings
from JSON, and refuses what it does not know.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Literal

from reconciler.emulator.base_models import GEMINI, VERTEX_RETIRES, VERTEX_TUNABLE
from reconciler.emulator.errors import invalid

Auth = Literal["none", "bearer", "key", "any"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How the emulator behaves.

    Attributes:
        training_seconds: how long a training takes, on the emulator's clock.
        auth: which credential a call needs; "none" takes anything, and all callers are one owner.
        quota_project_required: bearer calls without x-goog-user-project are refused.
        tunable: the models that createTunedModel takes; none is how the service is since 2025-05.
        retires: the days from which models of the Gemini API are gone, by name; none of them by itself.
        delete_creating: whether a model in training may be deleted, which no document says.
        list_lag_seconds: how long a new model or tuning job is missing from the list.
        vertex_tunable: the base models that a tuning job takes.
        vertex_retires: the days from which base models of Vertex are gone, by name.
        tuning_blocked_days: how many days before its base retires a tuning is refused; the newest
            document has none, an older one a month.
        tuned_ends_with_base: whether a tuned model stops to answer when its base retires, as an older
            document says and the newest does not.
        vertex_concurrent_jobs: how many jobs of a project train at once.
        vertex_over_quota: whether one more is refused (429), or waits as QUEUED.
        vertex_operation_seconds: how long it takes to undeploy or delete something.
        vertex_cancel_seconds: how long a job is CANCELLING.
        storage_buckets: whether any bucket is there, or only those that were created.
    """

    training_seconds: float = 4.0
    auth: Auth = "none"
    quota_project_required: bool = False
    tunable: tuple[str, ...] = GEMINI
    retires: Mapping[str, str] = dataclasses.field(default_factory=dict)
    delete_creating: Literal["allow", "refuse"] = "allow"
    list_lag_seconds: float = 0
    vertex_tunable: tuple[str, ...] = VERTEX_TUNABLE
    vertex_retires: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(VERTEX_RETIRES))
    tuning_blocked_days: int = 0
    tuned_ends_with_base: bool = False
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


_MOST_DAYS = 366
_FIRST_DAY = dt.date(1970, 1, 1)


def restored(kept: Mapping[str, Any]) -> Settings:
    """Return the settings that `shown` made *kept* of; those that it lacks are as usual."""
    # Days are merged, and one that was taken away must not come back.
    without: dict[str, Any] = {name: {} for name in ("retires", "vertex_retires") if name in kept}
    return merge(Settings(**without), kept)


def merge(settings: Settings, change: object) -> Settings:
    """Return *settings* with the JSON object *change* applied, or raise a 400."""
    if not isinstance(change, Mapping):
        raise invalid("Settings are a JSON object.")
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(set(change) - known):
        raise invalid(f"No such setting: {', '.join(unknown)}. Settings: {', '.join(known)}.")
    for name, value in change.items():
        fits, takes = _TAKEN.get(name, _SECONDS)
        if not fits(value):
            raise invalid(f"{name} is {takes}.")
    values: dict[str, Any] = {name: _read(getattr(settings, name), change[name]) for name in change}
    return dataclasses.replace(settings, **values)


def _read(kept: object, value: Any) -> object:
    """Return a value that fits as the Settings keep it; days by model are merged, null takes one away."""
    if isinstance(value, Mapping) and isinstance(kept, Mapping):
        return {model: day for model, day in {**kept, **value}.items() if day is not None}
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(kept, float) else value


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_one_of(*values: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in values


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _is_count(least: int, most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _are_names(prefix: str) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        return isinstance(value, list) and all(
            isinstance(item, str) and item and item.startswith(prefix) for item in value
        )

    return fits


def _are_days(value: object) -> bool:
    return isinstance(value, Mapping) and all(day is None or _is_day(day) for day in value.values())


def _is_day(text: object) -> bool:
    try:
        day = dt.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return False
    return day is not None and day.isoformat() == text and day >= _FIRST_DAY


def _choice(*values: str) -> tuple[Callable[[object], bool], str]:
    return _is_one_of(*values), f"one of {', '.join(values)}"


_SECONDS = (_is_seconds, "a number of seconds, 0 or more")
_SWITCH = (_is_switch, "true or false")
_DAYS = (_are_days, 'an object of days by model, like {"gemini-3.5-flash": "2027-05-19"}')
# What each setting may be, and how that is said; what is not here is a number of seconds.
_TAKEN: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "auth": _choice("none", "bearer", "key", "any"),
    "delete_creating": _choice("allow", "refuse"),
    "vertex_over_quota": _choice("refuse", "queue"),
    "storage_buckets": _choice("any", "strict"),
    "quota_project_required": _SWITCH,
    "tuned_ends_with_base": _SWITCH,
    "tunable": (_are_names("models/"), "a list of names models/*"),
    "vertex_tunable": (_are_names(""), "a list of names such as gemini-3.1-flash-lite"),
    "retires": _DAYS,
    "vertex_retires": _DAYS,
    "vertex_concurrent_jobs": (_is_count(1, 10**9), "a number, 1 or more"),
    "tuning_blocked_days": (_is_count(0, _MOST_DAYS), f"a number of days, 0 to {_MOST_DAYS}"),
}
