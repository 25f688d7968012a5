"""The condition of every model, as `status` shows it.

Rule: it is found from facts, and from what polls said of the trainings. Nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from reconciler.events import Progress
from reconciler.formats import format_time, parse_time
from reconciler.identity import is_generation_of
from reconciler.model.checks import describe_scores
from reconciler.model.desired import Desired, Lifecycle
from reconciler.model.live import Live, Status
from reconciler.model.names import Address
from reconciler.plan.base_models import BaseEnd, BaseFinder, list_ends
from reconciler.plan.facts import Facts
from reconciler.plan.rows.deposed import find_end
from reconciler.plan.rows.held import describe_hold
from reconciler.state.values import Record, RecordedModel, Verdict


class Condition(StrEnum):
    """What a model does or waits for, in words. The order is that of a summary."""

    SERVING = "serving"
    TRAINING = "training"
    COPYING = "being copied"
    TRAINED = "trained, not promoted"
    COPIED = "copied, not promoted"
    UNCHECKED = "checks not finished"
    CHECKS_FAILED = "checks failed"
    FAILED = "failed"
    MISSING = "missing"
    UNREADABLE = "cannot be read"
    QUOTA = "waits for quota"
    NOT_STARTED = "not started"
    NOT_TRAINED = "not trained yet"
    NOT_COPIED = "not copied yet"
    NOT_RECORDED = "not recorded"
    HELD_BACK = "held back"
    DEPOSED = "deposed"


_OF_COPIES = {
    Condition.TRAINING: Condition.COPYING,
    Condition.TRAINED: Condition.COPIED,
    Condition.NOT_TRAINED: Condition.NOT_COPIED,
}
"""The conditions of a copy that has others than a model that is trained."""

_AFTER_TRAINING = {
    Verdict.NONE: Condition.TRAINED,
    Verdict.PASSED: Condition.TRAINED,
    Verdict.UNKNOWN: Condition.UNCHECKED,
    Verdict.FAILED: Condition.CHECKS_FAILED,
}
"""The condition of a candidate that is ACTIVE, by the verdict of its checks."""


_UNTOLD = "the reason is not recorded yet; reconciler plan tells it"


class Deposed(Struct, frozen=True):
    """A deposed model.

    Attributes:
        kept_until: RFC 3339. "" if no time keeps it.
        is_protected: whether prevent_destroy keeps it.
    """

    id: str
    kept_until: str = ""
    is_protected: bool = False


class ModelStatus(Struct, frozen=True):
    """One model with its condition. An address that replaces its model has two.

    Attributes:
        id: "" if there is no model yet.
        progress: of its training, if it is in training.
        base: the base model that it stands on. None if nobody knows.
        examples: of all its data sets; 0 if unknown.
        mean_loss: at the last step that the service shows.
        created: RFC 3339; when the service made it, or else when we asked for it.
        age: seconds since then.
        endpoint: the name that programs call. "" unless it serves.
        reason: why it failed, waits or cannot be read, as far as that is known.
        deposed: the deposed models of its address. Only the first model of an address has them.
    """

    address: Address
    condition: Condition
    id: str = ""
    progress: Progress | None = None
    base: BaseEnd | None = None
    examples: int = 0
    mean_loss: float | None = None
    verdict: Verdict = Verdict.NONE
    created: str = ""
    age: float | None = None
    endpoint: str = ""
    reason: str = ""
    deposed: tuple[Deposed, ...] = ()

    def add_seconds(self, seconds: float) -> ModelStatus:
        """Return what it is probably some seconds later: older, and nearer to the end of its training."""
        progress = self.progress
        if progress is not None:
            left = None if progress.remaining is None else max(progress.remaining - seconds, 0.0)
            progress = replace(progress, elapsed=progress.elapsed + seconds, remaining=left)
        return replace(self, age=None if self.age is None else self.age + seconds, progress=progress)


def leave_out_times(found: Iterable[ModelStatus]) -> list[ModelStatus]:
    """Leave out what changes from second to second, to compare what was found at two times."""
    timeless = []
    for model in found:
        progress = model.progress
        if progress is not None:
            percent = None if progress.percent is None else float(round(progress.percent))
            progress = replace(progress, percent=percent, elapsed=0.0, remaining=None)
        timeless.append(replace(model, age=None, progress=progress))
    return timeless


def decide_condition(facts: Facts, record: Record, model: RecordedModel) -> Condition:
    """Decide the condition of a serving model, a candidate, or one that a rollback holds back."""
    live = facts.find_live_of(record, model)
    if model in record.held:
        return Condition.HELD_BACK
    if facts.is_hidden(record.address, model.id):
        return Condition.UNREADABLE
    if live is None and model.is_pending:
        return Condition.QUOTA if model.has_no_room else Condition.NOT_STARTED
    status = live.status if live is not None else model.status
    if status is Status.FAILED:
        return Condition.FAILED
    if live is None and not facts.is_unseen_yet(model):
        return Condition.MISSING
    if status is Status.CREATING:
        return Condition.TRAINING
    return Condition.SERVING if model is record.serving else _AFTER_TRAINING[model.verdict]


def list_in_training(facts: Facts, addresses: Iterable[Address]) -> list[tuple[Address, RecordedModel, Live]]:
    """List the models in training that the service shows: those that a poll can tell more of."""
    records = (facts.state.resources[address] for address in addresses if address in facts.state.resources)
    return [
        (record.address, model, live)
        for record in records
        for model in _list_current(record)
        if (live := facts.find_live_of(record, model)) is not None
        and decide_condition(facts, record, model) is Condition.TRAINING
    ]


def find_status(
    facts: Facts, addresses: Collection[Address], progress: Mapping[str, Progress]
) -> tuple[ModelStatus, ...]:
    """Find the status of these addresses, sorted: what serves before its successor.

    Args:
        facts: read briefly (`observe`).
        addresses: declared or recorded.
        progress: what polls told of the models in training, by id.
    """
    resources = facts.state.resources
    records = [resources[address] for address in addresses if address in resources]
    live = [
        live for record in records for model in record.models if (live := facts.find_live_of(record, model))
    ]
    finder = BaseFinder(facts.desired, facts.state.resources, facts.kinds)
    bases = list_ends(finder, records, facts.today, live)
    found: list[ModelStatus] = []
    for address in sorted(addresses):
        record = resources.get(address, Record(address))
        if address in facts.desired and not record.models:
            found.append(_describe_unrecorded(facts, facts.desired[address]))
        elif address in resources and address.kind in facts.kinds:
            found += _describe_record(facts, record, progress, bases)
        # else it is of a newer version's kind, or another run has just removed its record
    return tuple(found)


def _list_current(record: Record) -> list[RecordedModel]:
    return [model for model in (record.serving, record.candidate, *record.held) if model is not None]


def _describe_unrecorded(facts: Facts, desired: Desired) -> ModelStatus:
    """Describe a declared model without a record. A live model that may be it is named."""
    address = desired.address
    shown = facts.observed.live.get(address.kind, {})
    named = [desired.id] if desired.id in shown else []
    named += [facts.imports[address]] if address in facts.imports else []
    stems = facts.stems.get(address.kind, {}).get(address.name, [])
    named += [id for id in stems if is_generation_of(address.name, id)]
    if not named:
        return ModelStatus(address, _name_condition(facts, address, Condition.NOT_TRAINED))
    reason = f"the service has {', '.join(map(str, dict.fromkeys(named)))}"
    return ModelStatus(address, Condition.NOT_RECORDED, reason=reason)


def _describe_record(
    facts: Facts, record: Record, progress: Mapping[str, Progress], bases: Mapping[str, BaseEnd]
) -> Iterator[ModelStatus]:
    deposed = tuple(_describe_deposed(facts, record))
    current = _list_current(record)
    if not current:
        yield ModelStatus(record.address, Condition.DEPOSED, deposed=deposed)
    for index, model in enumerate(current):
        live = facts.find_live_of(record, model)
        condition = decide_condition(facts, record, model)
        told = progress.get(model.id) if condition is Condition.TRAINING else None
        created = parse_time((live.create_time if live else "") or model.create_time or model.started)
        yield ModelStatus(
            record.address,
            _name_condition(facts, record.address, condition),
            model.id,
            told,
            bases.get(model.id),
            sum(data.examples for data in model.data),
            _find_loss(live, told),
            model.verdict,
            format_time(created) if created else "",
            max(0.0, (facts.now - created).total_seconds()) if created else None,
            _find_endpoint(facts, record, live) if condition is Condition.SERVING else "",
            _find_reason(facts, record, model, condition),
            () if index else deposed,
        )


def _name_condition(facts: Facts, address: Address, condition: Condition) -> Condition:
    """Name the condition of a copy in words that do not speak of a training."""
    if address.kind not in facts.kinds or facts.get_kind(address).trains:
        return condition
    return _OF_COPIES.get(condition, condition)


def _describe_deposed(facts: Facts, record: Record) -> Iterator[Deposed]:
    desired = facts.desired.get(record.address)
    lifecycle = Lifecycle() if desired is None else desired.lifecycle
    for model in record.deposed:
        until = find_end(lifecycle, model) if model.promoted else facts.now
        kept = format_time(until) if facts.now < until else ""
        yield Deposed(model.id, kept, is_protected=record.prevent_destroy and bool(model.promoted))


def _find_loss(live: Live | None, progress: Progress | None) -> float | None:
    if progress is not None and progress.mean_loss is not None:
        return progress.mean_loss
    return live.snapshots[-1].mean_loss if live is not None and live.snapshots else None


def _find_endpoint(facts: Facts, record: Record, live: Live | None) -> str:
    """Find the name that `output` prints, without asking for it."""
    stable = record.called_endpoint
    if stable is not None:
        return stable.name
    if live is None:
        return ""
    is_called_by_name = facts.get_kind(record.address).called_by_name
    return live.name if is_called_by_name else live.outputs.get("endpoint", "")


def _find_reason(facts: Facts, record: Record, model: RecordedModel, condition: Condition) -> str:
    match condition:
        case Condition.FAILED:
            return model.error or _UNTOLD  # what the service says may repeat training data
        case Condition.QUOTA:
            return model.waiting_said
        case Condition.HELD_BACK:
            return describe_hold(facts, record, model)
        case Condition.CHECKS_FAILED:
            return describe_scores(model.scores)
        case Condition.UNREADABLE:
            key = (record.address.kind, model.id)
            return facts.observed.odd.get(key, "") or facts.observed.forbidden.get(key, "")
        case _:
            return ""


def is_training(found: Sequence[ModelStatus]) -> bool:
    """Return whether any of these models is in training, or being copied."""
    return any(model.condition in {Condition.TRAINING, Condition.COPYING} for model in found)
