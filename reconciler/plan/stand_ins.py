"""Finds the ids that the copies of an approved plan have now.

A copy whose source does not serve yet is approved under an id that stands in, which is made from the address
of the source. The copy gets its own id when the model that the source will serve has a name.

Rule: it is the approved copy only if it copies the model that the plan said. A copy of another model is
another copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from reconciler.model.desired import Desired
from reconciler.model.names import Address
from reconciler.plan.base_models import find_source
from reconciler.plan.change import Plan
from reconciler.plan.copies import is_unnamed, write_source
from reconciler.plan.facts import Facts
from reconciler.plan.recording import find_model
from reconciler.plan.steps import Create, Serves, find_step
from reconciler.state.values import Record, RecordedModel


class StandIn(Struct, frozen=True):
    """A copy that was approved under an id that stands in, and has its own id by now.

    Attributes:
        approved: the copy as the plan records it.
        named: the same copy with its own id and source.
        path: that of the field with the source.
    """

    approved: RecordedModel
    named: RecordedModel
    path: str

    def put_back(self, record: Record) -> Record:
        """Return a record with the copy under the id that stands in."""
        serving, candidate = (self._put_back(model) for model in (record.serving, record.candidate))
        return replace(record, serving=serving, candidate=candidate)

    def _put_back(self, model: RecordedModel | None) -> RecordedModel | None:
        if model is None or (model.id, model.source) != (self.named.id, self.named.source):
            return model
        approved = self.approved
        sent = {**model.sent, self.path: approved.sent[self.path]}
        return replace(model, id=approved.id, digest=approved.digest, source=approved.source, sent=sent)


class _Waiting(Struct, frozen=True):
    """A copy of an approved plan that waits for its source."""

    desired: Desired
    create: Create
    after: Serves
    approved: RecordedModel


def find_stand_ins(plan: Plan, fresh: Plan, facts: Facts) -> Mapping[Address, StandIn]:
    """Find the copies of an approved plan that have their own ids by now.

    `fresh` is the plan of today. What still waits there has none yet: its source may serve the right model
    already, and is to get another checkpoint.
    """
    found: dict[Address, StandIn] = {}
    still = {one.desired.address for one in _list_waiting(fresh, facts)}
    waiting = [one for one in _list_waiting(plan, facts) if one.desired.address not in still]
    while named := _find_names(waiting, facts, found):
        found |= named  # a copy of one of these may have its own id too
        waiting = [one for one in waiting if one.desired.address not in found]
    return found


def _list_waiting(plan: Plan, facts: Facts) -> Iterator[_Waiting]:
    for change in plan.changes:
        create, desired = find_step(change.steps, Create), facts.desired.get(change.address)
        approved = change.intent.candidate if change.intent is not None else None
        if create is None or create.after is None or approved is None or desired is None:
            continue
        if is_unnamed(approved, facts.get_kind(change.address)):
            yield _Waiting(desired, create, create.after, approved)


def _find_names(
    waiting: Iterable[_Waiting], facts: Facts, known: Mapping[Address, StandIn]
) -> dict[Address, StandIn]:
    found = ((copy.desired.address, _find_name(copy, facts, known)) for copy in waiting)
    return {address: name for address, name in found if name is not None}


def _find_name(copy: _Waiting, facts: Facts, known: Mapping[Address, StandIn]) -> StandIn | None:
    """Find the own id of a copy. `known`: those that are found already. None if it has none yet."""
    above, awaited = known.get(copy.after.address), copy.after.model
    if above is not None and above.approved.id == awaited:
        awaited = above.named.id
    source_address = copy.after.address
    model = find_model(facts.state.resources.get(source_address, Record(source_address)), awaited)
    if model is None:
        return None
    source = write_source(model, facts.find_live(source_address, awaited))
    generation = facts.compute_generation(copy.desired, source, copy.create.generation)
    named = replace(copy.approved, id=generation.id, digest=generation.digest, source=source)
    return StandIn(copy.approved, named, find_source(copy.desired, facts.get_kind(copy.desired.address))[0])
