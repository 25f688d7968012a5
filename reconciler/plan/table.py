"""The decision table: one function for each row. Rows return values and do nothing.

desired  recorded            live               decision, and the function that makes it
-------  ------------------  -----------------  --------------------------------------------------------
yes      no                  no                 create                                  unrecorded.train
yes      no                  no, base retired   refused: not offered for tuning         training.refuse_base
yes      no                  our id, not FAILED adopt: record it, train nothing         generations.adopt
yes      no                  our digest, renamed adopt: the id has another name      generations.adopt_renamed
yes      under an old name   as recorded        move: the record changes its address    moves.move
yes      under an old name?  several may match  refused: asks for metadata.moved_from moves.refuse_move
yes      no                  our id, FAILED     record as deposed, train next  generations.record_failures
yes      no                  pinned, different  refused                                 pinned.refuse_other
yes      no, `import`        at that name       adopt: record it, train nothing        adoption.adopt_imported
yes      no, `import`        no, or different   refused: an import never trains        adoption.adopt_imported
yes      another, `import`   any                refused: the message names both models adoption.refuse_another
yes      any, without data   not as declared    refused: there is no data             training.refuse_training
yes      candidate, same     no                 create again under the same id          recorded.create_again
yes      candidate, other    no                 create under a new id; depose the old   unrecorded.train
yes      candidate, same     CREATING           wait                                    recorded.wait
yes      candidate, other    CREATING           replace now; depose the unfinished one  unrecorded.train
yes      candidate           ACTIVE             complete what was started, then compare recorded.complete
yes      candidate or id     FAILED             fail; train again with --retry-failed   recorded.report_failed
yes      deposed, same       ACTIVE, CREATING   restore it, train nothing               recorded.restore
yes      id, same            ACTIVE             no-op, or update                        recorded.keep
yes      id, same            CREATING           wait: it is a candidate again           recorded.wait_anew
yes      id, other           ACTIVE             replace: candidate, promote, delete     unrecorded.train
yes      id                  404                create                                  recorded.create_anew
yes      id, within the lag  404                no-op: the service shows it later       recorded.keep_unseen
any      any                 403                refused                                 guards.find_forbidden
any      any                 not understood     only this address is blocked            strange.block
no       any                 yes                delete; refused when protected          undeclared.delete
no       id, needed by others yes               keep until their model serves           undeclared.keep_for
no       declared elsewhere  yes                refused: not ours to delete        undeclared.refuse_elsewhere
Removed  any                 any                forget; delete with `destroy: true` undeclared.decide_removed
Removed  any                 CREATING           refused: a training goes on         undeclared.decide_removed
no       any                 no                 forget                                  undeclared.forget
a copy   any                 -                  what it copies, if another state has it copied.find_elsewhere
a copy   any                 -                  what it copies, or the address to wait for copied.find_beside
yes      id, another held    both               held: nothing, or update what serves    held.keep_held
yes      id, deposed called  both               restore: a lost rollback        lost_holds.find_lost_hold
-        deposed             yes                delete when its time has come           deposed.decide_deposed
no       no                  yes                not ours: never touched                 -

Rule: a hold that has ended is recorded first: what was held back is deposed, and another row decides.

Rows for stable endpoints are in `rows.endpoints`.

Rule: the row is chosen here (in `undeclared` if there is no manifest). The row's function makes the decision.
"""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from reconciler.errors import Diagnostic
from reconciler.model.live import Live, Status
from reconciler.plan import guards
from reconciler.plan.case import Answer, Case, Decision
from reconciler.plan.change import Action, Reason
from reconciler.plan.compile import hold_intent, prepend_intent
from reconciler.plan.rows import adoption, deposed, endpoints, held, lost_holds, pinned, recorded, strange
from reconciler.plan.rows.unrecorded import train
from reconciler.plan.steps import DeleteFirst, find_intent, find_step
from reconciler.state.values import Record, RecordedModel


def decide(case: Case) -> Decision:
    """Decide on an address that a manifest declares."""
    if lost := lost_holds.find_lost_hold(case):
        decision = _decide_settled(case, lost)
        if decision.changes:
            main = decision.changes[0]
            note = lost_holds.describe_lost_hold(lost)
            decision.changes[0] = replace(main, notes=(note, *main.notes))
        return decision
    settled = pinned.take_back_delete_first(case) or held.end_hold(case)
    return _decide_row(case) if settled is None else _decide_settled(case, settled)


def _decide_settled(case: Case, settled: Record) -> Decision:
    """Decide on a record that is not what the state has, and commit it first."""
    decision = _decide_row(replace(case, record=settled))
    if not decision.errors and find_intent(decision.changes[0].steps) is None:
        main = decision.changes[0]
        main = replace(main, steps=prepend_intent(settled, main.steps))
        if main.action is Action.NO_OP:
            main = replace(main, action=Action.RECORD, reason=Reason.RECORD_ONLY)
        decision.changes[0] = main
    return decision


def _decide_row(case: Case) -> Decision:
    record = case.record
    if blocked := strange.block(case.facts, record, case.desired):
        return Decision([blocked])
    if errors := guards.find_forbidden(case.facts, record, case.desired):
        return Decision(errors=errors)
    if refusal := adoption.refuse_another(case):
        return Decision(errors=[refusal])
    main = strange.block_training(case, _choose_row(case))
    if not isinstance(main, Diagnostic):
        main = endpoints.serve(case, main)
    if isinstance(main, Diagnostic):
        return Decision(errors=[main])
    others = [
        *held.list_held(case.facts, case.record),
        *deposed.decide_deposed(case, main),
        *endpoints.decide_former(case, main),
    ]
    if find_step(main.steps, DeleteFirst) and not any(change.steps for change in others):
        main = replace(main, steps=hold_intent(main.steps))
    protected = pinned.refuse_protected(case, main)
    return Decision([main, *others], refusals=[protected] if protected else [])


def _choose_row(case: Case) -> Answer:
    candidate, serving = case.record.candidate, case.record.serving
    if serving and held.is_holding(case):
        return held.keep_held(case, serving)
    if candidate and case.is_same(candidate) and not (case.forced and _has_failed(case, candidate)):
        return _decide_candidate(case, candidate)
    if serving and not case.forced and case.is_same(serving):
        return _decide_serving(case, serving)
    past = None if case.forced else recorded.find_restorable(case)
    return recorded.restore(case, past) if past else train(case)


def _has_failed(case: Case, model: RecordedModel) -> bool:
    live = case.find_live(model)
    return live is not None and live.status is Status.FAILED


def _decide_candidate(case: Case, candidate: RecordedModel) -> Answer:
    """Decide on a candidate that still matches its manifest."""
    live = case.find_live(candidate)
    if live is None and case.facts.is_unseen_yet(candidate):
        return recorded.wait(case, candidate, None)
    if live is None:
        return recorded.create_again(case, candidate)
    match live.status:
        case Status.CREATING:
            return recorded.wait(case, candidate, live)
        case Status.ACTIVE:
            return recorded.complete(case, candidate, live)
        case Status.FAILED:
            return _decide_failed(case, candidate, live)
        case _:
            assert_never(live.status)


def _decide_serving(case: Case, serving: RecordedModel) -> Answer:
    """Decide on a serving model that matches its manifest, except for fields that can be updated."""
    live = case.find_live(serving)
    if live is None and case.facts.is_unseen_yet(serving):
        return recorded.keep_unseen(case, serving)
    if live is None:
        return recorded.create_anew(case, serving)
    match live.status:
        case Status.CREATING:
            return recorded.wait_anew(case, serving, live)
        case Status.ACTIVE:
            return recorded.keep(case, serving, live)
        case Status.FAILED:
            return _decide_failed(case, serving, live)
        case _:
            assert_never(live.status)


def _decide_failed(case: Case, model: RecordedModel, live: Live) -> Answer:
    """Train again only with --retry-failed."""
    return (
        train(case, retries=True)
        if case.facts.inputs.retry_failed
        else recorded.report_failed(case, model, live)
    )
