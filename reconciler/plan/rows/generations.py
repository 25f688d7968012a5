"""The ids under which a desired model may be live already, and the choice of the id for a training.

A model without a record is found by these ids: generations 0 to 15, and the ids that formula 1 gave to
manifests with the same meaning, so that an upgrade trains nothing.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import TypeAlias

from msgspec.structs import replace

from reconciler import diff
from reconciler.formats import parse_time
from reconciler.identity import FORMULA, GENERATIONS, is_generation_of
from reconciler.kind import FieldRole
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes
from reconciler.plan.case import Case, finish_training, record_found
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.facts import Facts, Generation
from reconciler.plan.rows.deposed import depose_model
from reconciler.plan.rows.moves import resolve_sources
from reconciler.state.values import Record, RecordedModel

Found: TypeAlias = tuple[Generation, Live]

EARLIER = "possibly an earlier generation, not recorded"
NOT_OURS = "same name, not known to be ours; not touched"
"""Notes on a live model that has the name of a declared one."""


def _can_none_exist(case: Case) -> bool:
    """Return whether no live or recorded model can be a generation of this name."""
    address = case.desired.address
    return address.name not in case.facts.stems.get(address.kind, {}) and not case.record.models


def list_generations(case: Case) -> list[Generation]:
    """List every generation; only the first if no live or recorded model can be one of them."""
    numbers = range(1 if _can_none_exist(case) else GENERATIONS)
    return list(case.facts.list_generations(case.desired, case.source, numbers))


def find_live(case: Case, generations: Iterable[Generation]) -> list[Found]:
    """Find the live models of generations, after those that formula 1 named if they differ in no field."""
    shown = case.list_live()
    former = () if _can_none_exist(case) else case.facts.list_former_generations(case.desired, case.source)
    found = {
        named.id: named
        for named in former
        if named.id in shown and not describe_difference(case, shown[named.id])
    }
    found |= {named.id: named for named in generations if named.id in shown}
    return [(named, shown[id]) for id, named in found.items()]


def choose_first_free(
    generations: list[Generation], live: Container[str], known: set[str], *, another: bool
) -> Generation | None:
    """Choose the generation to train.

    A recorded model that is not live takes its own id again. If its create arrives late, the model is then
    found, and not trained twice. `another` takes a generation after all known ones.
    """
    free = [named for named in generations if named.id not in live and not (another and named.id in known)]
    if another:
        used = [named.number for named in generations if named.id in live or named.id in known]
        free = [named for named in free if named.number > max(used, default=-1)] or free
    return free[0] if free else None


def note_generations(case: Case, record: Record) -> tuple[str, ...]:
    """Name the live models that look like other trainings of this name and are not recorded.

    The models of `record` count as recorded too. There is one note for each sort of models.
    """
    address, facts = case.desired.address, case.facts
    known = {model.id for model in (*case.record.models, *record.models)}
    ids = [
        id
        for id in facts.stems.get(address.kind, {}).get(address.name, ())
        if is_generation_of(address.name, id) and id not in known
    ]
    ours = {named.id for named in list_identities(facts, case.desired, case.source)} if ids else set()
    found: dict[str, list[str]] = {}
    for id in ids:
        live = facts.observed.live[address.kind][id]
        found.setdefault(EARLIER if id in ours else NOT_OURS, []).append(f"{live.name} ({live.status})")
    return tuple(f"{said}: {', '.join(models)}" for said, models in found.items())


def find_renamed(case: Case) -> Found | None:
    """Find a live model of this training under another name that is neither recorded nor declared.

    Its id ends in one of our digests. In a named Stack that proves that it is ours. Without one, only the
    manifest's former name is looked up.
    """
    facts, desired = case.facts, case.desired
    suffixes = facts.suffixes.get(desired.address.kind)
    if not suffixes or desired.id or case.record.models or not (facts.stack.name or desired.moved_from):
        return None
    found = [
        (replace(generation, id=id), live)
        for generation in list_identities(facts, desired, case.source)
        for id in suffixes.get(generation.id.rpartition("-")[2], ())
        if _may_be_renamed(case, id)
        and (live := facts.find_live(desired.address, id))
        and (generation.formula == FORMULA or not describe_difference(case, live))
        and (case.kind.trains or not is_elsewhere(case, live))
    ]
    return choose_usable(case, found)


def _may_be_renamed(case: Case, id: str) -> bool:
    facts, desired = case.facts, case.desired
    name = id.rpartition("-")[0]
    if not facts.stack.name:
        return desired.moved_from is not None and name == desired.moved_from.name
    other = facts.desired.get(Address(desired.address.kind, name))
    return other is None or id not in list_ids(facts, other)


def list_ids(facts: Facts, desired: Desired) -> frozenset[str]:
    """List every id that the desired model may have; none if its source is not known yet."""
    attributes = resolve_sources(facts, desired, facts.state.resources)
    if attributes is None:
        return frozenset()
    fields = facts.get_kind(desired.address).fields
    source = next(str(attributes[path]) for path in attributes if fields[path].role is FieldRole.SOURCE)
    return frozenset(generation.id for generation in list_identities(facts, desired, source))


def list_identities(facts: Facts, desired: Desired, source: str) -> Iterable[Generation]:
    """List every generation that the desired model may have, by both formulas."""
    return chain(facts.list_generations(desired, source), facts.list_former_generations(desired, source))


def adopt_renamed(case: Case, generation: Generation, live: Live, record: Record) -> Change:
    """Adopt a model that was trained under another name. Its id proves that it is this training."""
    change = adopt(case, generation, live, [], record)
    note = "it was trained under another name: its id ends in the digest of this training"
    return replace(change, notes=(note, *change.notes))


def record_failures(case: Case, generations: list[Found]) -> tuple[RecordedModel, ...]:
    """Record failed generations as deposed models, so that they are deleted."""
    return tuple(
        replace(record_found(case, generation, live), deposed=case.facts.timestamp)
        for generation, live in generations
        if live.status is Status.FAILED
    )


def choose_usable(case: Case, generations: list[Found]) -> Found | None:
    """Choose the ACTIVE generation that the endpoint serves, else the youngest, else one in training."""
    active = [found for found in generations if found[1].status is Status.ACTIVE]
    if active:
        called = [found for found in active if _is_called(case, found[1])]
        return max(called or active, key=lambda found: _parse_create_time(found[1]))
    return next((found for found in generations if found[1].status is Status.CREATING), None)


def _is_called(case: Case, live: Live) -> bool:
    """Return whether the declared stable endpoint sends requests to a model."""
    endpoint = case.facts.observed.declared_endpoints.get(case.desired.address)
    return endpoint is not None and any(
        deployment.traffic and deployment.is_of(live.deployable) for deployment in endpoint.deployments
    )


def _parse_create_time(live: Live) -> tuple[datetime, str]:
    born = parse_time(live.create_time)
    return (born, live.create_time) if born else (datetime.min.replace(tzinfo=UTC), "")


def adopt(case: Case, generation: Generation, live: Live, generations: list[Found], record: Record) -> Change:
    """Adopt a live model: record it, and train nothing.

    Other ACTIVE generations come from the same training and may have served, so they are deposed.
    """
    moment = case.facts.timestamp
    others = tuple(
        depose_model(case, replace(record_found(case, other, shown), promoted=moment))
        for other, shown in generations
        if shown.status is Status.ACTIVE and shown.id != live.id
    )
    model = record_found(case, generation, live)
    record = replace(record, candidate=model, deposed=(*record.deposed, *others))
    notes = note_generations(case, record)
    if different := describe_difference(case, live):
        notes = (f"the service shows it otherwise than its id says: {different}", *notes)
    notes += tuple(f"{other.name} is another training of the same, and is deposed" for other in others)
    return build_adoption(case, model, live, record, notes)


def build_adoption(
    case: Case, model: RecordedModel, live: Live, record: Record, notes: tuple[str, ...]
) -> Change:
    """Build the change that adopts a live model as the candidate."""
    change = finish_training(case, Action.ADOPT, Reason.FOUND_LIVE, model=model, live=live, record=record)
    return replace(change, notes=(*change.notes, *notes))


def describe_difference(case: Case, live: Live) -> str:
    """Describe the immutable fields in which a live model differs from its manifest; "" if none do."""
    fields = diff.compare_immutable({}, live.shown, _select_returned(case, live), case.kind.fields)
    return ", ".join(
        f"{field.path} is {field.before!r} there and {field.after!r} in the manifest" for field in fields
    )


def is_elsewhere(case: Case, live: Live) -> bool:
    """Return whether a live model is known to be in another place than the desired one."""
    place = {
        path: value
        for path, value in case.attributes.items()
        if case.kind.fields[path].role is FieldRole.PLACE
    }
    return bool(place) and bool(diff.compare_immutable({}, live.shown, place, case.kind.fields))


def _select_returned(case: Case, live: Live) -> Attributes:
    """Return the declared fields that the service shows for a live model."""
    sources = [path for path, field in case.kind.fields.items() if field.role is FieldRole.SOURCE]
    shown = any(path in live.attributes for path in sources)
    return {
        path: value
        for path, value in case.attributes.items()
        if path in live.attributes or (path in sources and shown)
    }
