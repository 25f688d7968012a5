"""Checks: how answers are compared, what is asked, and how a score is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import pytest

from reconciler.checks import CheckResult, ask_model, decide_verdict, run_check, run_checks, sum_scores
from reconciler.errors import NoTextError, UnavailableError
from reconciler.model.checks import (
    AnyCheck,
    Check,
    Comparison,
    HeldOut,
    Prompt,
    Score,
    count_calls,
    describe_rivals,
    describe_scores,
)
from reconciler.model.data import DataSet, Example
from reconciler.providers import Handle, Provider
from reconciler.state.values import Verdict

HANDLE = Handle("bot", "")
FILE = HeldOut("data/held-out.jsonl", "held-out.jsonl", "", "0" * 64, 4, at_least=0.75)
PAIRS = (Example("1", "one"), Example("2", "two"), Example("3", " three "), Example("4", "four"))


class Parrot:
    """A model that gives the answers it was told, and remembers the prompts."""

    def __init__(self, answer: Callable[[Prompt], str]) -> None:
        self.asked: list[Prompt] = []
        self._answer = answer

    def generate(self, _handle: Handle, prompt: Prompt, *, temperature: float) -> str:
        """Answer at temperature 0."""
        assert temperature == 0
        self.asked.append(prompt)
        return self._answer(prompt)


def read(_data: DataSet) -> Iterable[Example]:
    """Read the held-out examples."""
    return PAIRS


def run(check: AnyCheck, answer: Callable[[Prompt], str]) -> CheckResult:
    """Run one check against a model that gives this answer."""
    return run_check(ask_model(cast("Provider", Parrot(answer)), HANDLE), check, read)


def make(by: Comparison, expect: str = "", one_of: tuple[str, ...] = ()) -> Check:
    """A check of one prompt."""
    return Check("LXIII", expect, by, one_of)


@pytest.mark.parametrize(
    ("check", "answer", "why"),
    [
        (make(Comparison.EXACT, "LXIV"), " LXIV\n", ""),
        (make(Comparison.EXACT, " LXIV "), "LXIV", ""),
        (make(Comparison.EXACT, "LXIV"), "lxiv", "not 'LXIV'"),
        (make(Comparison.CONTAINS, "LXIV"), "It is LXIV.", ""),
        (make(Comparison.CONTAINS, "LXIV"), "It is 64.", "which does not contain 'LXIV'"),
        (make(Comparison.MATCHES, "^L[XIV]+$"), "LXIV", ""),
        (make(Comparison.MATCHES, "64|IV"), "It is LXIV.", ""),
        (make(Comparison.MATCHES, "^64"), "LXIV", "which does not match '^64'"),
        (make(Comparison.ONE_OF, one_of=("yes", " LXIV ")), "LXIV", ""),
        (make(Comparison.ONE_OF, one_of=("yes", "no")), "LXIV", "not one of 'yes', 'no'"),
    ],
)
def test_an_answer_is_compared_as_the_check_says(check: Check, answer: str, why: str) -> None:
    """The error quotes a wrong answer beside the expected one."""
    verdict = Verdict.FAILED if why else Verdict.PASSED
    detail = f"'LXIII' is answered with {answer.strip()!r}, {why}" if why else ""
    assert run(check, lambda _: answer) == CheckResult(check, verdict, 0 if why else 1, 1, detail)


def test_a_check_sends_its_system_instruction() -> None:
    """The system instruction is part of the prompt."""
    parrot = Parrot(lambda prompt: prompt.system)
    check = Check("LXIII", "Count.", system="Count.")
    assert run_check(ask_model(cast("Provider", parrot), HANDLE), check, read).verdict is Verdict.PASSED
    assert parrot.asked == [Prompt("LXIII", "Count.")]


def answer_some(*wrong: str) -> Callable[[Prompt], str]:
    """Answer the held-out examples, some of them wrongly."""
    right = {pair.text_input: pair.output for pair in PAIRS}
    return lambda prompt: "?" if prompt.text in wrong else f"{right[prompt.text]}"


def test_a_share_of_a_held_out_file_must_be_right() -> None:
    """3 of 4 are 0.75 and enough, 2 of 4 are not.

    The error names the first wrong example without quoting it.
    """
    assert run(FILE, answer_some("2")) == CheckResult(FILE, Verdict.PASSED, 3, 4)
    failed = run(FILE, answer_some("2", "3"))
    assert (failed.verdict, failed.passed, failed.asked) == (Verdict.FAILED, 2, 4)
    assert failed.detail == (
        "held-out.jsonl: 2 of 4 (0.50) answers are right, and at least 0.75 of them must be; "
        "the first wrong answer is to example 2"
    )


def test_a_held_out_answer_may_only_have_to_contain_the_text() -> None:
    """With `contains` an answer is right if it contains the expected text; by default it is not."""
    loose = HeldOut("f", "f", "", "0" * 64, 4, Comparison.CONTAINS)
    right = answer_some()
    assert run(loose, lambda prompt: f"It is {right(prompt)}.").passed == 4
    assert run(FILE, lambda prompt: f"It is {right(prompt)}.").passed == 0


def raise_no_text(prompt: Prompt) -> str:
    """Answer without a text."""
    raise NoTextError(f"{prompt.text} was blocked", "Change it.", reason="SAFETY")


def raise_unavailable(prompt: Prompt) -> str:
    """Fail as a service that is down."""
    raise UnavailableError(f"{prompt.text}: 503")


def test_an_answer_without_text_is_wrong_and_no_answer_is_unknown() -> None:
    """An empty answer is wrong, because the model gave it. A missing answer says nothing about the model."""
    check = Check("LXIII", "LXIV")
    assert run(check, raise_no_text) == CheckResult(check, Verdict.FAILED, 0, 1, "'LXIII': LXIII was blocked")
    assert run(FILE, raise_no_text).verdict is Verdict.FAILED
    assert run(check, raise_unavailable) == CheckResult(check, Verdict.UNKNOWN, 0, 0, "LXIII: 503")
    assert run(FILE, raise_unavailable).verdict is Verdict.UNKNOWN


def test_an_unknown_result_ends_the_checks_and_a_wrong_answer_does_not() -> None:
    """After an unknown result the next check would fail alike.

    After a wrong answer the score still counts.
    """
    checks: list[AnyCheck] = [Check("a", "b"), Check("c", "d"), FILE]
    parrot = Parrot(lambda _: "b")
    results = list(run_checks(ask_model(cast("Provider", parrot), HANDLE), checks, read))
    assert [result.verdict for result in results] == [Verdict.PASSED, Verdict.FAILED, Verdict.FAILED]
    assert len(parrot.asked) == count_calls(checks) == 6
    away = list(run_checks(ask_model(cast("Provider", Parrot(raise_unavailable)), HANDLE), checks, read))
    assert [result.verdict for result in away] == [Verdict.UNKNOWN]


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        ([], Verdict.PASSED),
        ([Verdict.PASSED], Verdict.PASSED),
        ([Verdict.PASSED, Verdict.UNKNOWN], Verdict.UNKNOWN),
        ([Verdict.FAILED, Verdict.UNKNOWN], Verdict.FAILED),
    ],
)
def test_one_failed_check_fails_the_model(verdicts: list[Verdict], verdict: Verdict) -> None:
    """A failed check outweighs an unknown one, and an unknown one outweighs a passed one."""
    assert decide_verdict(CheckResult(FILE, each) for each in verdicts) is verdict


def test_scores_are_summed_by_file_and_for_all_prompts() -> None:
    """Each score has a digest of its questions, so scores of other questions can be told apart."""
    first, two = Check("a", "b"), Check("c", "d")
    results = [
        CheckResult(first, Verdict.PASSED, 1, 1),
        CheckResult(FILE, Verdict.PASSED, 3, 4),
        CheckResult(two, Verdict.FAILED, 0, 1),
    ]
    prompts, file = sum_scores(results)
    assert (prompts.check, prompts.passed, prompts.asked) == ("prompts", 1, 2)
    assert (file.check, file.passed, file.asked) == ("held-out.jsonl", 3, 4)
    assert sum_scores(results[:1])[0].digest != prompts.digest
    assert sum_scores([*results, CheckResult(two, Verdict.UNKNOWN)]) == ()


def test_scores_are_said_beside_those_of_the_model_that_serves() -> None:
    """Scores are shown beside the serving model's. Scores of other questions are marked."""
    now, then = Score("prompts", "x", 1, 2), Score("prompts", "x", 2, 2)
    assert describe_scores([now, Score("f", "y", 46, 50)]) == "prompts 1 of 2 (0.50), f 46 of 50 (0.92)"
    assert describe_rivals([now], [then]) == "the model that serves: prompts 2 of 2 (1.00)"
    other = Score("prompts", "z", 2, 2)
    assert (
        describe_rivals([now], [other]) == "the model that serves: prompts 2 of 2 (1.00) for other questions"
    )
    assert describe_rivals([now], []) == ""
    assert describe_scores([Score("f", "y", 0, 0)]) == "f 0 of 0"
