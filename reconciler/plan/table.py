"""The decision table (design section 3): one function a row, each answering with values.

desired  recorded            live               decision, and the function that makes it
-------  ------------------  -----------------  --------------------------------------------------------
yes      no                  no                 create                                  unrecorded.train
yes      no                  no, base retired   refused: not offered for tuning         training.refuse_base
yes      no                  our id, not FAILED adopt: record it, train nothing         generations.adopt
yes      no                  our digest, renamed adopt: the id has another name      generations.adopt_renamed
yes      no, an old name's   as recorded        move: the record changes its address    moves.move
yes      no, an old name's   which is not clear refused: says metadata.moved_from       moves.refuse
yes      no                  our id, FAILED     recorded as deposed; the next one  generations.record_failures
yes      no                  pinned, different  refused                                 pinned.refuse_other
yes      no, `import`        at that name       adopt: record it, train nothing        adoption.adopt_imported
yes      no, `import`        no, or different   refused: an import never trains        adoption.adopt_imported
yes      another, `import`   any                refused: names both                    adoption.refuse_another
yes      any, without data   would be trained   refused: there is no data             training.refuse_training
yes      candidate, same     no                 create, same id: the POST never came    recorded.create_again
yes      candidate, other    no                 create under today's id; old deposed    unrecorded.train
yes      candidate, same     CREATING           wait                                    recorded.wait
yes      candidate, other    CREATING           replace now; the unfinished one deposed unrecorded.train
yes      candidate           ACTIVE             complete what was started, then compare recorded.complete
yes      candidate or id     FAILED             shown, never green; --retry-failed      recorded.failed
yes      deposed, same       ACTIVE, CREATING   restore it, train nothing               recorded.restore
yes      id, same            ACTIVE             no-op, or update                        recorded.keep
yes      id, same            CREATING           wait: it is a candidate again           recorded.wait_anew
yes      id, other           ACTIVE             replace: candidate, promote, delete     unrecorded.train
yes      id                  404                create                                  recorded.create_anew
yes      id, within the lag  404                no-op: the service shows it later       recorded.keep_unseen
any      any                 403                refused                                 guards.find_forbidden
any      any                 not understood     this address alone is blocked           strange.block
no       any                 yes                delete; refused when protected          undeclared.delete
no       id; others want it  yes                kept until what declares it serves      undeclared.keep_for
no       declared elsewhere  yes                refused: a Stack, or another state undeclared.refuse_elsewhere
no       any                 no                 forget                                  undeclared.forget
-        deposed             yes                delete when its time has come           deposed.decide_deposed
no       no                  yes                not ours: never touched                 -

Rule: a row is chosen here (without a manifest: in `undeclared`), and its function says what it comes to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from reconciler.errors import Diagnostic
from reconciler.model import Live, Status
from reconciler.plan import guards
from reconciler.plan.case import Answer, Case, Decision
from reconciler.plan.change import Action, Reason
from reconciler.plan.compile import hold_intent, prepend_intent
from reconciler.plan.rows import adoption, deposed, pinned, recorded, strange
from reconciler.plan.rows.unrecorded import train
from reconciler.plan.steps import DeleteFirst, find_intent, find_step
from reconciler.state.values import RecordedModel


def decide(case: Case) -> Decision:
    """Every row in which a manifest declares the address."""
    kept = pinned.take_back_delete_first(case)
    if kept is None:
        return _row(case)
    decision = _row(replace(case, record=kept))
    if not decision.errors and find_intent(decision.changes[0].steps) is None:
        main = decision.changes[0]
        main = replace(main, steps=prepend_intent(kept, main.steps))
        if main.action is Action.NO_OP:
            main = replace(main, action=Action.RECORD, reason=Reason.RECORD_ONLY)
        decision.changes[0] = main
    return decision


def _row(case: Case) -> Decision:
    record = case.record
    if blocked := strange.block(case.facts, record, case.desired):
        return Decision([blocked])
    if errors := guards.find_forbidden(case.facts, record, case.desired):
        return Decision(errors=errors)
    if refusal := adoption.refuse_another(case):
        return Decision(errors=[refusal])
    main = strange.block_training(case, _choose_row(case))
    if isinstance(main, Diagnostic):
        return Decision(errors=[main])
    others = deposed.decide_deposed(case, main)
    if find_step(main.steps, DeleteFirst) and not any(one.steps for one in others):
        main = replace(main, steps=hold_intent(main.steps))
    protected = pinned.refuse_protected(case, main)
    return Decision([main, *others], refusals=[protected] if protected else [])


def _choose_row(case: Case) -> Answer:
    candidate, serving = case.record.candidate, case.record.serving
    if candidate and case.is_same(candidate) and not (case.forced and _failed(case, candidate)):
        return _of_candidate(case, candidate)
    if serving and not case.forced and case.is_same(serving):
        return _of_serving(case, serving)
    past = None if case.forced else recorded.find_restorable(case)
    return recorded.restore(case, past) if past else train(case)


def _failed(case: Case, model: RecordedModel) -> bool:
    live = case.live(model)
    return live is not None and live.status is Status.FAILED


def _of_candidate(case: Case, candidate: RecordedModel) -> Answer:
    """Recorded as candidate, and still what is wanted."""
    live = case.live(candidate)
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
            return _of_failed(case, candidate, live)
        case _:
            assert_never(live.status)


def _of_serving(case: Case, serving: RecordedModel) -> Answer:
    """Recorded as serving, and still what is wanted, updates aside."""
    live = case.live(serving)
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
            return _of_failed(case, serving, live)
        case _:
            assert_never(live.status)


def _of_failed(case: Case, model: RecordedModel, live: Live) -> Answer:
    """Trained and failed: another only when asked for."""
    return train(case, retries=True) if case.facts.inputs.retry_failed else recorded.failed(case, model, live)
