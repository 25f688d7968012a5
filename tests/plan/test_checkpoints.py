"""Which checkpoint is chosen, what that leaves recorded, and when it has drifted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.identity import digest_questions
from reconciler.model.checks import PROMPTS, AnyCheck, Check, HeldOut, Score
from reconciler.model.endpoint import BEST, LAST, Checkpoint, Deployment, LiveEndpoint, Serving
from reconciler.plan import steps
from reconciler.plan.change import Drift, DriftClass
from reconciler.plan.checkpoints import (
    Judged,
    Selection,
    choose_best,
    count_unasked,
    explain_missing,
    find_scores,
    find_wanted,
    judge_scores,
    select,
    select_copied,
)
from reconciler.plan.drift import find_drift
from reconciler.plan.recording import Chosen, Done, expect_outcome, list_undeployed, recorded_after
from reconciler.state.values import Record, RecordedCheckpoint, RecordedEndpoint, RecordedModel, Verdict
from tests import worlds

BOT = worlds.address()
ID = worlds.id_of()
NAME = "projects/1/locations/us/endpoints/support"
SUPPORT = RecordedEndpoint("support", "us", NAME, deployed="7", since=worlds.CREATED)
THREE = tuple(Checkpoint(str(number), number, 10 * number) for number in (1, 2, 3))
ONE, TWO = Check("one", "1"), Check("two", "2")
FILE = HeldOut("data/held-out.jsonl", "held-out.jsonl", "", "0" * 64, 4, at_least=0.75)
NOW = "2026-11-22T12:00:00Z"


def score(right: int, *checks: AnyCheck) -> Score:
    """A score with so many right answers to checks of one part."""
    (first, *_) = checks
    name, asked = (first.shown, first.examples) if isinstance(first, HeldOut) else (PROMPTS, len(checks))
    return Score(name, digest_questions(checks), right, asked)


def asked(id: str, *scores: Score) -> RecordedCheckpoint:
    """A checkpoint whose checks were run."""
    return RecordedCheckpoint(id, scores)


def chosen(checkpoint: str = "2", choice: str = "2", **more: object) -> RecordedModel:
    """A model that serves with a chosen checkpoint."""
    model = worlds.model(ID, checkpoint=checkpoint, choice=choice, model=worlds.deployable(ID))
    return replace(model, **more)


@pytest.mark.parametrize(("choice", "ids"), [(LAST, ["3"]), (BEST, ["1", "2", "3"]), ("2", ["2"]), ("9", [])])
def test_a_choice_is_made_from_these(choice: str, ids: list[str]) -> None:
    """The choice means the last checkpoint, all of them, or the one with that id."""
    assert [one.id for one in find_wanted(choice, THREE)] == ids


def test_a_missing_checkpoint_is_explained_with_those_that_there_are() -> None:
    """If the service shows none, the error says so."""
    assert explain_missing(ID, "9", THREE) == f"{ID} has no checkpoint 9: it has 1, 2, 3"
    assert explain_missing(ID, "9", ()) == f"the service shows no checkpoints of {ID}, so 9 cannot be chosen"


def test_nothing_is_selected_where_nothing_is_declared_or_there_is_no_choice() -> None:
    """Then the service's default serves."""
    live = worlds.live(ID)
    assert select(Serving("e"), (), chosen(), live, serves=True) is None
    assert select(Serving("e", checkpoint=LAST), (), chosen(), live, serves=True) is None


@pytest.mark.parametrize(
    ("choice", "model", "serves", "expected"),
    [
        ("2", chosen(), True, Selection("2", "2", is_chosen=True)),
        ("3", chosen(), True, Selection("3", "3")),
        (LAST, chosen("3", "3"), True, Selection(LAST, "3", is_chosen=True)),
        (BEST, chosen(), True, Selection(BEST)),
        (BEST, chosen(choice=BEST), True, Selection(BEST, "2", is_chosen=True)),
        (BEST, chosen(choice=BEST, scores=(score(1, ONE),)), False, Selection(BEST, "2", is_chosen=True)),
        (BEST, chosen(choice=BEST), False, Selection(BEST, "2")),
        (BEST, chosen(choice=BEST, promoted=""), False, Selection(BEST)),
        ("2", chosen(promoted=""), False, Selection("2", "2")),
    ],
)
def test_a_choice_stays_until_another_is_declared(
    choice: str,
    model: RecordedModel,
    serves: bool,  # noqa: FBT001
    expected: Selection,
) -> None:
    """A model that does not serve has to pass today's checks with it first."""
    live = worlds.live(ID, checkpoints=THREE)
    assert select(Serving("e", checkpoint=choice), (ONE,), model, live, serves=serves) == expected


def test_a_model_in_training_has_nothing_to_choose_from_yet() -> None:
    """Its checkpoints are not known before the end."""
    assert select(Serving("e", checkpoint="2"), (), worlds.candidate(ID), None, serves=False) == Selection(
        "2"
    )


def test_scores_are_found_of_each_checkpoint_and_of_the_chosen_one() -> None:
    """If the chosen one has no scores of its own, those of the model are its scores."""
    model = chosen(scores=(score(1, ONE),), checkpoints=(asked("1", score(0, ONE)),))
    found = [find_scores(model, id) for id in ("1", "2", "3")]
    assert found == [(score(0, ONE),), (score(1, ONE),), ()]


@pytest.mark.parametrize(
    ("scores", "checks", "verdict"),
    [
        ([score(2, ONE, TWO)], (ONE, TWO), Verdict.PASSED),
        ([score(1, ONE, TWO)], (ONE, TWO), Verdict.FAILED),
        ([score(1, ONE), score(3, FILE)], (ONE, FILE), Verdict.PASSED),
        ([score(1, ONE), score(2, FILE)], (ONE, FILE), Verdict.FAILED),
        ([score(1, ONE)], (TWO,), None),
        ([], (ONE,), None),
        ([score(8, FILE, FILE)], (FILE, FILE), None),
    ],
)
def test_recorded_scores_are_judged_by_the_checks_of_today(
    scores: list[Score], checks: tuple[AnyCheck, ...], verdict: Verdict | None
) -> None:
    """They count only for the same questions. The scores of two checks of one file cannot be told apart."""
    assert judge_scores(scores, checks) is verdict


def test_the_best_has_passed_and_has_most_right_answers_and_is_the_earliest() -> None:
    """The rules apply in this order."""

    def judge(id: str, verdict: Verdict, right: int) -> Judged:
        return Judged(Checkpoint(id), verdict, (Score(PROMPTS, "", right, 9),))

    failed, passed = Verdict.FAILED, Verdict.PASSED
    judged = [judge("1", failed, 9), judge("2", passed, 5), judge("3", passed, 6), judge("4", passed, 6)]
    assert choose_best(judged).checkpoint.id == "3"
    assert choose_best(judged[:1]).checkpoint.id == "1"


def test_only_what_was_not_asked_is_counted() -> None:
    """Before the training has ended, nobody knows how many checkpoints there will be."""
    live = worlds.live(ID, checkpoints=THREE)
    model = chosen(checkpoint="", checkpoints=(asked("1", score(1, ONE)), asked("2", score(1, TWO))))
    assert count_unasked(Selection(BEST), (ONE,), model, live) == 2
    assert count_unasked(Selection(BEST), (ONE,), model, None) is None
    assert count_unasked(Selection(BEST, "2"), (ONE,), model, live) == 1
    assert count_unasked(Selection(LAST), (ONE,), model, None) == 1


# -- what is recorded --------------------------------------------------------------------------------


def record(role: steps.Role, outcome: Chosen) -> Record:
    """The record after a choice for the model in this role."""
    serving = chosen(scores=(score(1, ONE),), verdict=Verdict.PASSED, checkpoints=(asked("1"), asked("3")))
    before = Record(BOT, serving, worlds.candidate("bot-new"), endpoint=SUPPORT)
    return recorded_after(steps.ChooseCheckpoint(role, BEST), before, outcome, NOW)


def test_a_choice_is_recorded_with_its_scores() -> None:
    """The scores of the other checkpoints are recorded too, each once."""
    outcome = Chosen("3", Verdict.PASSED, (score(1, TWO),), (asked("3", score(1, TWO)),))
    model = record(steps.Role.SERVING, outcome).serving
    assert model is not None
    assert (model.checkpoint, model.choice, model.verdict) == ("3", BEST, Verdict.PASSED)
    assert model.scores == (score(1, TWO),)
    assert model.checkpoints == (asked("1"), asked("3", score(1, TWO)))


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN])
def test_what_serves_keeps_its_checkpoint_if_another_does_not_pass(verdict: Verdict) -> None:
    """It also keeps its verdict and its scores. A candidate is recorded in the same way."""
    outcome = Chosen("", verdict, (score(0, ONE),), (asked("2", score(0, ONE)),))
    model = record(steps.Role.SERVING, outcome).serving
    assert model is not None
    assert (model.checkpoint, model.choice, model.verdict) == ("2", "2", Verdict.PASSED)
    assert model.scores == (score(1, ONE),)
    candidate = record(steps.Role.CANDIDATE, outcome).candidate
    assert candidate is not None
    assert (candidate.checkpoint, candidate.choice, candidate.verdict) == ("", "", verdict)


def test_a_choice_comes_to_nothing_else() -> None:
    """Another outcome is a defect. A plan's step expects its checkpoint."""
    step = steps.ChooseCheckpoint(steps.Role.SERVING, "2", "2")
    with pytest.raises(TypeError, match="cannot come to"):
        recorded_after(step, Record(BOT, chosen()), Done(), NOW)
    assert expect_outcome(step) == Chosen("2", Verdict.PASSED)
    default = steps.SetDefaultCheckpoint(steps.Role.SERVING)
    assert expect_outcome(default) == Done()
    before = Record(BOT, chosen())
    assert recorded_after(default, before, Done(), NOW) is before


def test_what_has_the_requests_by_then_may_be_spared() -> None:
    """The best checkpoint may be deployed already. Without an endpoint, nothing need be spared."""
    spares = steps.Undeploy("support", ("7", "8"), spares=True)
    before = Record(BOT, chosen(), endpoint=SUPPORT)
    assert list_undeployed(spares, before) == ("8",)
    assert list_undeployed(replace(spares, spares=False), before) == ("7", "8")
    assert list_undeployed(spares, Record(BOT, chosen())) == ("7", "8")


def test_the_checks_of_a_choice_are_those_of_the_plan() -> None:
    """A choice has the same checks as a promotion without a choice."""
    assert steps.find_checks([steps.ChooseCheckpoint(steps.Role.SERVING, "2", checks=(ONE,))]) == (ONE,)
    assert steps.find_checks([steps.RunChecks((TWO,))]) == (TWO,)
    assert steps.find_checks([]) == ()


# -- drift -------------------------------------------------------------------------------------------


def drift(*deployments: Deployment, default: str = "2", checkpoint: str = "2") -> list[tuple[bool, str]]:
    """The findings of the class changed: whether each is about the endpoint, and its detail."""
    recorded = Record(BOT, chosen(checkpoint), endpoint=SUPPORT)
    live = worlds.live(ID, deployable=worlds.deployable(ID), checkpoints=THREE, default_checkpoint=default)
    endpoint = LiveEndpoint(NAME, "support", "us", deployments=deployments)
    found: tuple[Drift, ...] = find_drift(
        worlds.world([worlds.want()], [recorded], [live], endpoints={NAME: endpoint})
    )
    assert all(one.drift_class is DriftClass.CHANGED and one.fails for one in found)
    return [(one.is_endpoint, one.detail) for one in found]


def deployed(checkpoint: str, id: str = "7", traffic: int = 100) -> Deployment:
    """A deployment of our model."""
    return Deployment(id, worlds.deployable(ID), checkpoint, traffic)


def test_the_chosen_checkpoint_that_serves_and_is_the_default_has_not_drifted() -> None:
    """A model without a choice does not drift either, nor one whose default the service does not show."""
    assert drift(deployed("2")) == []
    assert drift(deployed("3"), default="1", checkpoint="") == []
    assert drift(deployed("2"), default="") == []


def test_another_default_than_the_chosen_one_has_drifted() -> None:
    """A copy of the model would have that default."""
    assert drift(deployed("2"), default="3") == [(False, "checkpoint 3 is its default, and 2 was chosen")]


@pytest.mark.parametrize(("shown", "said"), [("3", "3"), ("", "(not shown)")])
def test_another_checkpoint_on_the_endpoint_has_drifted(shown: str, said: str) -> None:
    """It drifts even under our own deployment, because the service may move that with the default."""
    assert drift(deployed(shown)) == [(True, f"it serves checkpoint {said}, and 2 was chosen")]


def test_another_deployment_is_named_with_its_checkpoint() -> None:
    """Somebody deployed it by hand."""
    ((is_endpoint, detail),) = drift(deployed("2", traffic=0), deployed("3", "8"))
    assert is_endpoint
    assert f"{worlds.deployable(ID)} (checkpoint 3) is deployed to it with 100 %" in detail


def test_a_copy_serves_the_checkpoint_of_its_source() -> None:
    """It is named by its id, even before the copy exists. Without a choice it is left open."""
    source = "projects/1/locations/us/models/m@1"
    model = RecordedModel("bot-aaaaaaaa", source=f"{source}#2")
    bare = worlds.live("bot-aaaaaaaa")
    assert select_copied(model, None) == Selection("", "2", is_chosen=True)
    assert select_copied(model, replace(bare, checkpoints=(Checkpoint("1"),))) == select_copied(model, None)
    assert select_copied(model, bare) is None
    assert select_copied(replace(model, source=source), None) is None
