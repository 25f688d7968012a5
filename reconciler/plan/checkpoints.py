"""Decides which checkpoint of a model serves: the last, the best, or the one that the manifest names.

Rule: a model's checkpoints never change after its training, so a choice stays. It is made again only where
the manifest asks for another one. Scores of the same questions are never asked for twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from reconciler.identity import digest_questions
from reconciler.model.checks import PROMPTS, AnyCheck, Checks, HeldOut, Score
from reconciler.model.endpoint import BEST, LAST, Checkpoint, Serving
from reconciler.model.live import Live
from reconciler.plan.copies import read_checkpoint
from reconciler.state.values import RecordedModel, Verdict


class Selection(Struct, frozen=True):
    """What a manifest asks for, of one model.

    Attributes:
        choice: as declared.
        id: the checkpoint, if it is known. "" if it is to be found out first.
        is_chosen: the model was given this checkpoint already, and has passed today's checks with it.
    """

    choice: str
    id: str = ""
    is_chosen: bool = False


def select(
    serving: Serving, checks: Checks, model: RecordedModel, live: Live | None, *, serves: bool
) -> Selection | None:
    """Find what `serving.checkpoint` asks of a model. None if it asks nothing, or there is no choice.

    Args:
        serving: as declared.
        checks: as declared.
        model: the recorded model.
        live: None if it is not seen, or still in training.
        serves: it serves already. Else it has to pass today's checks first.
    """
    choice = serving.checkpoint
    if not choice or (choice == LAST and live is not None and not live.checkpoints):
        return None
    is_proved = serves or not checks or judge_scores(model.scores, checks) is Verdict.PASSED
    if model.checkpoint and model.choice == choice and (is_proved or model.promoted or choice != BEST):
        return Selection(choice, model.checkpoint, is_proved)
    if choice == BEST or live is None:
        return Selection(choice)
    id = next((one.id for one in find_wanted(choice, live.checkpoints)), "")
    return Selection(choice, id, bool(id) and id == model.checkpoint and is_proved)


def select_copied(model: RecordedModel, live: Live | None) -> Selection | None:
    """Find the checkpoint of a copy: the one that was chosen for its source. None if none was.

    No document says that a copy has checkpoints. One without them has only what its source served by default.
    """
    checkpoint = read_checkpoint(model.source)
    if not checkpoint or (live is not None and not live.checkpoints):
        return None
    return Selection("", checkpoint, is_chosen=True)


def find_wanted(choice: str, checkpoints: Sequence[Checkpoint]) -> tuple[Checkpoint, ...]:
    """Find the checkpoints that a choice is made from: all for the best. Empty if there is no such one."""
    if choice == BEST:
        return tuple(checkpoints)
    if choice == LAST:
        return tuple(checkpoints)[-1:]
    return tuple(one for one in checkpoints if one.id == choice)


def explain_missing(id: str, choice: str, checkpoints: Iterable[Checkpoint]) -> str:
    """Say that a model does not have the chosen checkpoint, and which it has."""
    ids = ", ".join(one.id for one in checkpoints)
    if not ids:
        return f"the service shows no checkpoints of {id}, so {choice} cannot be chosen"
    return f"{id} has no checkpoint {choice}: it has {ids}"


def find_scores(model: RecordedModel, checkpoint: str) -> tuple[Score, ...]:
    """Find what is recorded of the checks of a checkpoint. Empty if they were not run."""
    known = next((one.scores for one in model.checkpoints if one.id == checkpoint), ())
    return known or (model.scores if model.checkpoint == checkpoint else ())


def judge_scores(scores: Iterable[Score], checks: Checks) -> Verdict | None:
    """Judge recorded scores by today's checks. None if these ask anything else."""
    found = {score.check: score for score in scores}
    parts: dict[str, list[AnyCheck]] = {}
    for check in checks:
        parts.setdefault(check.shown if isinstance(check, HeldOut) else PROMPTS, []).append(check)
    if {name: score.digest for name, score in found.items()} != {
        name: digest_questions(part) for name, part in parts.items()
    }:
        return None
    verdict = Verdict.PASSED
    for name, part in parts.items():
        score, share = found[name], 1.0
        if isinstance(part[0], HeldOut):
            if len(part) > 1:
                return None  # the scores of both are added up, so neither can be told
            share = part[0].at_least
        if score.passed < share * score.asked:
            verdict = Verdict.FAILED
    return verdict


class Judged(Struct, frozen=True):
    """A checkpoint after its checks."""

    checkpoint: Checkpoint
    verdict: Verdict
    scores: tuple[Score, ...]


def choose_best(judged: Iterable[Judged]) -> Judged:
    """Choose one that passed its checks, before one that did not; then the most right answers.

    Of several the earliest is chosen: all were asked the same.
    """
    return max(judged, key=lambda one: (one.verdict is Verdict.PASSED, sum(s.passed for s in one.scores)))


def count_unasked(
    selection: Selection, checks: Checks, model: RecordedModel, live: Live | None
) -> int | None:
    """Count the checkpoints whose checks are to be run. None if it is not known before the training ends."""
    if selection.choice != BEST or selection.id:
        return 1
    if live is None:
        return None
    return sum(judge_scores(find_scores(model, one.id), checks) is None for one in live.checkpoints)
