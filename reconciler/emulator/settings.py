"""Holds the emulator's settings, which can be set when it starts or while it runs.

A Settings is a value: a change makes another one. Only `merge_settings` reads settings from JSON, and it
refuses what it does not know.
"""

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from reconciler.emulator.base_models import RETIRES, TUNABLE, VERTEX_RETIRES, VERTEX_TUNABLE
from reconciler.emulator.errors import ArgumentError

CARRIED = ("labels", "checkpoints", "default_checkpoint")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The behaviour of the emulator.

    Attributes:
        training_seconds: how long a training takes, on the emulator's clock.
        auth: which credential a call needs; with "none" anything will do, and all callers are one owner.
        quota_project_required: whether bearer calls without x-goog-user-project are refused.
        tunable: the base models that createTunedModel takes; the real service takes none since 2025-05.
        retires: the days on which base models of the Gemini API retire, by name.
        delete_creating: whether a model in training may be deleted; no document says.
        list_lag_seconds: how long a new model or tuning job is missing from lists.
        partial_responses: what becomes of the parameter `fields`: it selects parts of an answer, as the
            documents say, or has no effect, or is refused.
        vertex_tunable: the base models that a tuning job takes.
        vertex_retires: the days on which base models of Vertex AI retire, by name.
        tuning_blocked_days: how many days before its base retires a tuning is refused. The newest document
            has no such rule; an older one has a month.
        tuned_ends_with_base: whether a tuned model stops answering when its base retires. An older document
            says so; the newest does not.
        vertex_concurrent_jobs: how many jobs of a project train at once.
        vertex_over_quota: whether one more job is refused (429) or waits as QUEUED.
        vertex_operation_seconds: how long it takes to undeploy a model or to delete it.
        vertex_create_endpoint_seconds: how long it takes to create an endpoint.
        vertex_delete_endpoint_seconds: how long it takes to delete an endpoint; 0 for done in the answer.
        vertex_deploy_seconds: how long it takes to deploy a model; no document says.
        vertex_second_model: whether a second tuned model can be deployed to an endpoint; no document says.
        vertex_endpoint_ids: whether the caller can choose ids of endpoints everywhere, or only in regions and
            not in the multi-regions; no document says.
        vertex_gemini_3_place: whether what is tuned from Gemini 3.x is in the multi-region of the job, as on
            the real service, or in the region of the job.
        vertex_default_checkpoint_moves: what follows when another checkpoint of a model becomes its default:
            deployments that named no checkpoint, the endpoint that the job shows, both, or nothing. No
            document says.
        vertex_copy_seconds: how long it takes to copy a model; no document says.
        vertex_copy_carries: what a copy has of its source: labels, checkpoints, and which of them is the
            default, else it is the last one. No document says.
        vertex_copy_scope: whether a copy may change project and region in one call, only one of them, or only
            the region. The documents contradict each other.
        vertex_copy_to_multi_regions: whether models can be copied to `us` and `eu`; no document says.
        vertex_copy_grants: who may copy models out of other projects: "SOURCE>DESTINATION" for the service
            agent of a project, "SOURCE>ACCOUNT" for a service account, "*" for everybody.
        vertex_copy_refusal: whether a copy without that role is refused at the call or by its operation.
        vertex_submissions_per_minute: how many jobs and operations a project may begin in a location within
            a minute; 0 for any number. The real service allows 60.
        vertex_cancel_seconds: how long a job is CANCELLING.
        storage_buckets: whether every bucket exists, or only those that were created.
    """

    training_seconds: float = 4.0
    auth: Literal["none", "bearer", "key", "any"] = "none"
    quota_project_required: bool = False
    tunable: tuple[str, ...] = TUNABLE
    retires: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(RETIRES))
    delete_creating: Literal["allow", "refuse"] = "allow"
    list_lag_seconds: float = 0
    partial_responses: Literal["select", "ignore", "refuse"] = "select"
    vertex_tunable: tuple[str, ...] = VERTEX_TUNABLE
    vertex_retires: Mapping[str, str] = dataclasses.field(default_factory=lambda: dict(VERTEX_RETIRES))
    tuning_blocked_days: int = 0
    tuned_ends_with_base: bool = False
    vertex_concurrent_jobs: int = 4
    vertex_over_quota: Literal["refuse", "queue"] = "queue"
    vertex_operation_seconds: float = 0.5
    vertex_create_endpoint_seconds: float = 0.5
    vertex_delete_endpoint_seconds: float = 0.0
    vertex_deploy_seconds: float = 0.5
    vertex_second_model: Literal["allow", "refuse", "refuse_on_service_endpoints"] = "allow"
    vertex_endpoint_ids: Literal["everywhere", "regions"] = "everywhere"
    vertex_gemini_3_place: Literal["multi_region", "job"] = "multi_region"
    vertex_default_checkpoint_moves: Literal["nothing", "deployments", "job", "both"] = "nothing"
    vertex_copy_seconds: float = 0.5
    vertex_copy_carries: tuple[str, ...] = CARRIED
    vertex_copy_scope: Literal["any", "one_at_a_time", "one_project"] = "any"
    vertex_copy_to_multi_regions: bool = True
    vertex_copy_grants: tuple[str, ...] = ("*",)
    vertex_copy_refusal: Literal["call", "operation"] = "call"
    vertex_submissions_per_minute: int = 0
    vertex_cancel_seconds: float = 0.5
    storage_buckets: Literal["any", "strict"] = "any"


_MOST_DAYS = 366
_FIRST_DAY = dt.date(1970, 1, 1)


def restore_settings(kept: Mapping[str, Any]) -> Settings:
    """Return the settings that were kept as JSON; those that are missing have their defaults."""
    # Merging adds days to the default ones, and a day that was taken away must not come back.
    without: dict[str, Any] = {name: {} for name in ("retires", "vertex_retires") if name in kept}
    return merge_settings(Settings(**without), kept)


def merge_settings(settings: Settings, change: object) -> Settings:
    """Return *settings* with the JSON object *change* applied; a 400 for a value it cannot have."""
    if not isinstance(change, Mapping):
        raise ArgumentError("Settings are a JSON object.")
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(set(change) - known):
        raise ArgumentError(f"No such setting: {', '.join(unknown)}. Settings: {', '.join(known)}.")
    for name, value in change.items():
        is_valid, expected = _EXPECTED.get(name, _SECONDS)
        if not is_valid(value):
            raise ArgumentError(f"{name} must be {expected}.")
    values: dict[str, Any] = {name: _merge_value(getattr(settings, name), change[name]) for name in change}
    return dataclasses.replace(settings, **values)


def _merge_value(kept: object, value: Any) -> object:
    """Return the new value of a setting. Days by model are merged, and null takes one away."""
    if isinstance(value, Mapping) and isinstance(kept, Mapping):
        return {model: day for model, day in {**kept, **value}.items() if day is not None}
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(kept, float) else value


def is_seconds(value: object) -> bool:
    """Return whether it is a number of seconds that the clock can handle."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def make_count_check(least: int, most: int) -> Callable[[object], bool]:
    """Return the check for a whole number from *least* to *most*."""
    return lambda value: type(value) is int and least <= value <= most


def make_choice_check(*values: object) -> Callable[[object], bool]:
    """Return the check for one of *values*, and of their types."""
    return lambda value: any(type(value) is type(choice) and value == choice for choice in values)


def _make_names_check(prefix: str) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, list)
        and all(isinstance(item, str) and item and item.startswith(prefix) for item in value)
    )


def _is_days_by_model(value: object) -> bool:
    return isinstance(value, Mapping) and all(day is None or _is_day(day) for day in value.values())


def _is_day(text: object) -> bool:
    try:
        day = dt.date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return False
    return day is not None and day.isoformat() == text and day >= _FIRST_DAY


def _is_list_of_carried(value: object) -> bool:
    return isinstance(value, list) and all(item in CARRIED for item in value)


def _is_list_of_grants(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) and re.fullmatch(r"\*|[^>\s]+>[^>\s]+", item) for item in value
    )


def _expect_one_of(*values: str) -> tuple[Callable[[object], bool], str]:
    return make_choice_check(*values), f"one of {', '.join(values)}"


_SECONDS = (is_seconds, "a number of seconds, 0 or more")
_BOOLEAN = (make_choice_check(True, False), "true or false")
_DAYS = (_is_days_by_model, 'an object of days by model, like {"gemini-3.5-flash": "2027-05-19"}')
# The check of each setting, and what an error says is expected. A setting that is not here is seconds.
_EXPECTED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "auth": _expect_one_of("none", "bearer", "key", "any"),
    "partial_responses": _expect_one_of("select", "ignore", "refuse"),
    "delete_creating": _expect_one_of("allow", "refuse"),
    "vertex_over_quota": _expect_one_of("refuse", "queue"),
    "vertex_second_model": _expect_one_of("allow", "refuse", "refuse_on_service_endpoints"),
    "vertex_endpoint_ids": _expect_one_of("everywhere", "regions"),
    "vertex_gemini_3_place": _expect_one_of("multi_region", "job"),
    "vertex_default_checkpoint_moves": _expect_one_of("nothing", "deployments", "job", "both"),
    "vertex_copy_carries": (_is_list_of_carried, f"a list of {', '.join(CARRIED)}"),
    "vertex_copy_scope": _expect_one_of("any", "one_at_a_time", "one_project"),
    "vertex_copy_to_multi_regions": _BOOLEAN,
    "vertex_copy_grants": (_is_list_of_grants, 'a list of SOURCE>DESTINATION, SOURCE>ACCOUNT or "*"'),
    "vertex_copy_refusal": _expect_one_of("call", "operation"),
    "vertex_submissions_per_minute": (make_count_check(0, 10**9), "a number, 0 or more"),
    "storage_buckets": _expect_one_of("any", "strict"),
    "quota_project_required": _BOOLEAN,
    "tuned_ends_with_base": _BOOLEAN,
    "tunable": (_make_names_check("models/"), "a list of names models/*"),
    "vertex_tunable": (_make_names_check(""), "a list of names such as gemini-3.1-flash-lite"),
    "retires": _DAYS,
    "vertex_retires": _DAYS,
    "vertex_concurrent_jobs": (make_count_check(1, 10**9), "a number, 1 or more"),
    "tuning_blocked_days": (make_count_check(0, _MOST_DAYS), f"a number of days, 0 to {_MOST_DAYS}"),
}
