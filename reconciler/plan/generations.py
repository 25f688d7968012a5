"""The ids under which what is wanted may be live already, and which of them a training takes.

Without a record, these are how a model is found again: generations 0 to 15 of its id (design 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from reconciler.identity import is_generation_of
from reconciler.model import Live, Status
from reconciler.plan.wanted import Wanted
from reconciler.plan.world import adopted_model
from reconciler.state import Model, Record


@dataclass(frozen=True, slots=True)
class Generation:
    """One of the ids under which what is wanted may be live."""

    number: int
    id: str
    digest: str
    live: Live | None

    @property
    def status(self) -> Status | None:
        """Of the live model, None where there is none."""
        return self.live.status if self.live else None

    def adopted(self, wanted: Wanted) -> Model:
        """Its record, from what is live."""
        if self.live is None:
            raise ValueError(f"{self.id} is not live")
        return adopted_model(
            wanted.world,
            wanted.want,
            wanted.attributes,
            self.live,
            digest=self.digest,
            generation=self.number,
            source=wanted.source,
        )


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
