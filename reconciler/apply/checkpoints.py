"""Chooses the checkpoint of a model, and runs the checks on those to choose from. See `execute`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.apply.endpoints import find_role, require_endpoints, require_model
from reconciler.apply.subject import Subject
from reconciler.checks import Ask, ask_model, decide_verdict, run_checks, sum_scores
from reconciler.errors import NotFoundError, ServiceError
from reconciler.model.checks import describe_scores
from reconciler.model.endpoint import BEST, LAST, Checkpoint
from reconciler.model.live import Live
from reconciler.plan import steps
from reconciler.plan.checkpoints import (
    Judged,
    choose_best,
    explain_missing,
    find_scores,
    find_wanted,
    judge_scores,
)
from reconciler.plan.recording import Chosen
from reconciler.providers import Provider
from reconciler.state.values import RecordedCheckpoint, Verdict


def choose_checkpoint(step: steps.ChooseCheckpoint, provider: Provider, subject: Subject) -> Chosen:
    """Choose a checkpoint of a trained model, after running the checks on those to choose from.

    A run that is stopped keeps the results that it has, and the next one asks only the others.

    Raises:
        ServiceError: the model has no such checkpoint.
    """
    judged: list[Judged] = []
    reasons: dict[str, str] = {}
    live = _find_live(step, provider, subject)
    for checkpoint in _find_wanted(step, live):
        found, why = _judge(step, checkpoint, _ask(step, provider, subject, live, checkpoint), subject)
        if found.verdict is Verdict.UNKNOWN:
            said = f"checkpoint {checkpoint.id}: {why}"
            return Chosen("", Verdict.UNKNOWN, asked=_list_asked(judged), said=said)
        judged.append(found)
        reasons[checkpoint.id] = why
    best = choose_best(judged)
    id = best.checkpoint.id
    said = f"checkpoint {id}: {reasons[id]}" if id and reasons[id] else reasons[id]
    return Chosen(id, best.verdict, best.scores, _list_asked(judged), said)


def _find_wanted(step: steps.ChooseCheckpoint, live: Live) -> Sequence[Checkpoint]:
    """Find the checkpoints to choose from. A model that shows none is taken as a whole for the last one."""
    choice = step.checkpoint or step.choice
    wanted = find_wanted(choice, live.checkpoints)
    if wanted or (choice == LAST and not live.checkpoints):
        return wanted or (Checkpoint(""),)
    raise ServiceError(
        explain_missing(live.id, choice, live.checkpoints),
        "Correct serving.checkpoint, and apply again: nothing is trained again.",
    )


def _find_live(step: steps.ChooseCheckpoint, provider: Provider, subject: Subject) -> Live:
    handle = find_role(subject.record, step.of)
    live = provider.get(handle)
    if live is None:
        raise NotFoundError(
            f"{handle.id} is not live any more", "reconciler plan shows what an apply would do.", status=404
        )
    return live


def _judge(
    step: steps.ChooseCheckpoint, checkpoint: Checkpoint, ask: Ask, subject: Subject
) -> tuple[Judged, str]:
    """Run the checks of one checkpoint, and say why it did not pass. For the best, known scores count."""
    if not step.checks:
        return Judged(checkpoint, Verdict.NONE, ()), ""
    if step.choice == BEST:
        scores = find_scores(require_model(subject.record, step.of), checkpoint.id)
        if verdict := judge_scores(scores, step.checks):
            why = "" if verdict is Verdict.PASSED else f"failed before ({describe_scores(scores)})"
            return Judged(checkpoint, verdict, scores), why
    results = tuple(run_checks(ask, step.checks, subject.examples))
    why = "; ".join(result.detail for result in results if result.verdict is not Verdict.PASSED)
    is_unknown = any(result.verdict is Verdict.UNKNOWN for result in results)
    # without all answers, the best cannot be told even from one that failed
    verdict = Verdict.UNKNOWN if is_unknown and step.choice == BEST else decide_verdict(results)
    return Judged(checkpoint, verdict, sum_scores(results)), why


def _ask(
    step: steps.ChooseCheckpoint, provider: Provider, subject: Subject, live: Live, checkpoint: Checkpoint
) -> Ask:
    """Ask a checkpoint at its own endpoint. The only one of a model answers at the model's.

    Raises:
        ServiceError: there is no endpoint at which this checkpoint answers.
    """
    if checkpoint.endpoint:
        endpoints = require_endpoints(provider)
        return lambda prompt: endpoints.generate(checkpoint.endpoint, prompt, temperature=0.0)
    if step.checks and len(live.checkpoints) > 1:
        raise ServiceError(
            f"checkpoint {checkpoint.id} of {live.id} has no endpoint of its own, so it cannot be checked",
            "Choose another one in serving.checkpoint.",
        )
    return ask_model(provider, find_role(subject.record, step.of))


def _list_asked(judged: Iterable[Judged]) -> tuple[RecordedCheckpoint, ...]:
    return tuple(
        RecordedCheckpoint(one.checkpoint.id, one.scores)
        for one in judged
        if one.checkpoint.id and one.scores
    )
