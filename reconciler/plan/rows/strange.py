"""Models that are there and cannot be understood: theirs blocks nobody, ours its own address.

Rule: what is not understood is neither trained again, nor deleted, nor forgotten; its name is taken.
"""

from __future__ import annotations

from reconciler.errors import Diagnostic
from reconciler.model import Desired
from reconciler.plan.case import RETRY_ADVICE, Answer, Case, write_place
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.facts import SUFFIX, Facts
from reconciler.plan.steps import ReportFailure
from reconciler.state.values import Record


def block(facts: Facts, record: Record, desired: Desired | None) -> Change | None:
    """Nothing is done for an address of which a model is not understood; None where all are."""
    if not facts.observed.odd:
        return None
    ids = [model.id for model in record.models]
    ids += [one for one in (desired.id, desired.imports) if one] if desired else []
    return next(
        (_block_by(facts, record, desired, id) for id in ids if _find_reason(facts, record, id)), None
    )


def block_training(case: Case, answer: Answer) -> Answer:
    """The same answer, unless it trains what may be there already: what holds the id is not understood."""
    facts = case.facts
    if not facts.observed.odd or isinstance(answer, Diagnostic) or not answer.trains:
        return answer
    kind = case.desired.address.kind
    odd = [id for of, id in facts.observed.odd if of == kind]
    ours = {generation.id[-SUFFIX:] for generation in facts.list_generations(case.desired, case.source)}
    taken = next((id for id in odd if id[-SUFFIX:] in ours), None)
    return answer if taken is None else _block_by(facts, case.record, case.desired, taken)


def _find_reason(facts: Facts, record: Record, id: str) -> str:
    return facts.observed.odd.get((record.address.kind, id), "")


def _block_by(facts: Facts, record: Record, desired: Desired | None, id: str) -> Change:
    error = f"what the service shows of {id} cannot be understood: {_find_reason(facts, record, id)}"
    return Change(
        record.address,
        Action.FAILED,
        Reason.NOT_UNDERSTOOD,
        serving=record.serving.id if record.serving else "",
        after=desired.attributes if desired else None,
        steps=(ReportFailure(error, RETRY_ADVICE),),
        place=write_place(desired) if desired else "",
    )
