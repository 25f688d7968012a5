"""Rows for live models that this version does not understand. Such a model blocks only its own address.

Rule: a model that is not understood is not trained again, not deleted and not forgotten. Its id is taken.
"""

from __future__ import annotations

from reconciler.errors import Diagnostic
from reconciler.model.desired import Desired
from reconciler.plan.case import RETRY_ADVICE, Answer, Case, block_address
from reconciler.plan.change import Change, Reason
from reconciler.plan.facts import SUFFIX, Facts
from reconciler.state.values import Record


def block(facts: Facts, record: Record, desired: Desired | None) -> Change | None:
    """Do nothing for an address if one of its models is not understood. Returns None if all are."""
    if not facts.observed.odd:
        return None
    ids = [model.id for model in record.models]
    ids += [id for id in (desired.id, desired.imports) if id] if desired else []
    id = next((id for id in ids if (record.address.kind, id) in facts.observed.odd), None)
    return None if id is None else _block_by(facts, record, desired, id)


def block_training(case: Case, answer: Answer) -> Answer:
    """Do not train a model under an id whose present model is not understood: it may be the same one."""
    facts = case.facts
    if not facts.observed.odd or isinstance(answer, Diagnostic) or not answer.creates:
        return answer
    kind = case.desired.address.kind
    ours = {generation.id[-SUFFIX:] for generation in facts.list_generations(case.desired, case.source)}
    taken = next((id for of, id in facts.observed.odd if of == kind and id[-SUFFIX:] in ours), None)
    return answer if taken is None else _block_by(facts, case.record, case.desired, taken)


def _block_by(facts: Facts, record: Record, desired: Desired | None, id: str) -> Change:
    why = facts.observed.odd[record.address.kind, id]
    error = f"what the service shows of {id} cannot be understood: {why}"
    return block_address(record, desired, Reason.NOT_UNDERSTOOD, error, RETRY_ADVICE)
