"""The condition of every model: what all formats say of it, and its JSON for `status --json`.

    {"created", "models": [{"address", "condition", "id", "percent", "step", "total_steps", "epoch",
     "elapsed_seconds", "remaining_seconds", "base_model", "examples", "mean_loss", "checks", "created",
     "age_seconds", "endpoint", "reason", "deposed"}]}

An address that replaces its model has two objects: what serves, then its successor. `base_model` is {"name",
"retires", "or_later", "days_left", "replacement"}. `deposed` is a list of {"id", "kept_until", "protected"}.
Times are RFC 3339. What is not known is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler.codec import Json
from reconciler.events import Progress
from reconciler.plan.base_models import BaseEnd
from reconciler.plan.status import Condition, Deposed, ModelStatus

_TONES = {
    Condition.SERVING: "good",
    Condition.CHECKS_FAILED: "bad",
    Condition.FAILED: "bad",
    Condition.MISSING: "bad",
    Condition.UNREADABLE: "bad",
    Condition.NOT_TRAINED: "soft",
    Condition.NOT_COPIED: "soft",
    Condition.DEPOSED: "soft",
}
"""How a condition is to be taken. The others are "wait": something is still to come."""


def find_tone(condition: Condition) -> str:
    """Find out how a condition is to be taken: "good", "bad", "soft" (no model) or "wait" (not the end)."""
    return _TONES.get(condition, "wait")


def count_conditions(models: Sequence[ModelStatus]) -> Iterator[tuple[Condition, int]]:
    """Count the models in each condition that occurs, in the order of the conditions."""
    counts = Counter(model.condition for model in models)
    yield from ((condition, counts[condition]) for condition in Condition if counts[condition])


def build_status_document(models: Sequence[ModelStatus], created: str) -> dict[str, Json]:
    """Build the document. `created` is the time of the look, RFC 3339."""
    return {"created": created, "models": [_build_model(model) for model in models]}


def _build_model(model: ModelStatus) -> Json:
    found: dict[str, Json] = {
        "address": str(model.address),
        "condition": str(model.condition),
        "id": model.id or None,
        **_build_progress(model.progress),
        "base_model": _build_base(model.base) if model.base else None,
        "examples": model.examples or None,
        "mean_loss": model.mean_loss,
        "checks": str(model.verdict) or None,
        "created": model.created or None,
        "age_seconds": None if model.age is None else round(model.age),
        "endpoint": model.endpoint or None,
        "reason": model.reason or None,
        "deposed": [_build_deposed(deposed) for deposed in model.deposed] or None,
    }
    return _leave_out_unknown(found)


def _build_progress(progress: Progress | None) -> dict[str, Json]:
    if progress is None:
        return {}
    return {
        "percent": progress.percent,
        "step": progress.step,
        "total_steps": progress.total_steps,
        "epoch": progress.epoch,
        "elapsed_seconds": round(progress.elapsed),
        "remaining_seconds": None if progress.remaining is None else round(progress.remaining),
    }


def _build_base(base: BaseEnd) -> Json:
    is_known = base.days_left is not None
    return _leave_out_unknown(
        {
            "name": base.name,
            "retires": base.retires or None,
            "or_later": base.or_later if is_known else None,
            "days_left": base.days_left,
            "replacement": base.replacement or None,
        }
    )


def _build_deposed(deposed: Deposed) -> Json:
    return _leave_out_unknown(
        {
            "id": deposed.id,
            "kept_until": deposed.kept_until or None,
            "protected": deposed.is_protected or None,
        }
    )


def _leave_out_unknown(found: dict[str, Json]) -> Json:
    return {key: value for key, value in found.items() if value is not None}
