"""The ids under which what is wanted may be live already, and which of them a training takes.

Without a record, these are how a model is found again: generations 0 to 15 of its id (design 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

from reconciler import diff
from reconciler.identity import is_generation_of
from reconciler.model import Attributes, Live, Status
from reconciler.plan.values import Action, Change, Reason
from reconciler.plan.wanted import Decision, Wanted, finish, found
from reconciler.state import Model, Record


@dataclass(frozen=True, slots=True)
class Generation:
    """One of the ids under which what is wanted may be live."""

    number: int
    id: str
    digest: str
    live: Live | None


def generations_of(wanted: Wanted) -> list[Generation]:
    """Every generation; only the first where nothing live or recorded can be one of them."""
    world, want = wanted.world, wanted.want
    stems = world.stems.get(want.address.kind)
    none_exists = stems is not None and want.address.name not in stems and not wanted.record.models
    every = world.generations(want, wanted.source)
    return [
        Generation(number, id, digest, world.live(want.address, id))
        for number, id, digest in (islice(every, 1) if none_exists else every)
    ]


def first_free(generations: list[Generation], known: set[str], *, another: bool) -> Generation | None:
    """The generation to train.

    One that was recorded and is not live takes its own id again: should its create arrive late, it is
    found instead of trained twice. `another` training on purpose grows beyond all that are known.
    """
    free = [one for one in generations if one.live is None and not (another and one.id in known)]
    if another:
        used = [one.number for one in generations if one.live is not None or one.id in known]
        later = [one for one in free if one.number > max(used, default=-1)]
        free = later or free
    return free[0] if free else None


def generation_notes(wanted: Wanted, record: Record) -> tuple[str, ...]:
    """Live models that look like other trainings of this name and are not recorded, by `record` neither."""
    address, world = wanted.want.address, wanted.world
    known = {model.id for model in (*wanted.record.models, *record.models)}
    ids = world.stems.get(address.kind, {}).get(address.name, ())
    return tuple(
        f"possibly an earlier generation, not recorded: {live.name} ({live.status})"
        for id in ids
        if is_generation_of(address.name, id) and id not in known and (live := world.live(address, id))
    )


def failures(wanted: Wanted, generations: list[tuple[Generation, Live]]) -> tuple[Model, ...]:
    """Those that failed, as deposed models: they are nobody's, and may go."""
    return tuple(
        replace(found(wanted, live, digest=one.digest, generation=one.number), deposed=wanted.world.timestamp)
        for one, live in generations
        if live.status is Status.FAILED
    )


def usable(generations: list[tuple[Generation, Live]]) -> tuple[Generation, Live] | None:
    """The first that is ACTIVE, else the first in training."""
    for status in (Status.ACTIVE, Status.CREATING):
        for one, live in generations:
            if live.status is status:
                return one, live
    return None


def adopt(wanted: Wanted, one: Generation, live: Live, record: Record) -> Decision:
    """It is there already: it is recorded, and nothing is trained."""
    model = found(wanted, live, digest=one.digest, generation=one.number)
    record = replace(record, candidate=model)
    notes = generation_notes(wanted, record)
    if different := unlike(wanted, live):
        notes = (f"the service shows it otherwise than its id says: {different}", *notes)
    return Decision([adoption(wanted, model, live, record, notes)])


def adoption(wanted: Wanted, model: Model, live: Live, record: Record, notes: tuple[str, ...]) -> Change:
    """The change that adopts a live model as the record's candidate."""
    change = finish(wanted, Action.ADOPT, Reason.FOUND_LIVE, model=model, live=live, record=record)
    return replace(change, notes=(*change.notes, *notes))


def unlike(wanted: Wanted, live: Live) -> str:
    """In which immutable fields a live model is not what is declared, "" for none."""
    fields = diff.immutable_changes({}, live.attributes, _returned(wanted, live), wanted.kind.fields)
    return ", ".join(
        f"{one.path} is {one.before!r} there and {one.after!r} in the manifest" for one in fields
    )


def _returned(wanted: Wanted, live: Live) -> Attributes:
    """The declared immutable fields that the service can be held to: those it shows."""
    sources = [path for path, one in wanted.kind.fields.items() if one.role == "source"]
    shown = any(path in live.attributes for path in sources)
    return {
        path: value
        for path, value in wanted.attributes.items()
        if path in live.attributes or (path in sources and shown)
    }
