"""Runs the checks that a model must pass before it serves. Rule: it asks the service and records nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from reconciler.datasets.held_out import split_example
from reconciler.errors import NoTextError, RateLimitedError, ReplyLostError, UnavailableError
from reconciler.formats import format_share
from reconciler.identity import digest_questions
from reconciler.model.checks import PROMPTS, AnyCheck, Check, Comparison, HeldOut, Prompt, Score
from reconciler.model.data import DataSet, Example
from reconciler.observe import run_each
from reconciler.problems import Refusal
from reconciler.providers import Handle, Provider
from reconciler.state.values import Verdict

_AT_ONCE = 8
"""Questions of a held-out file that are asked at the same time."""
_SHOWN = 80
"""Characters of an answer in a message."""

Examples = Callable[[DataSet], Iterable[Example]]
"""Reads a data set again and verifies its digest."""

Ask = Callable[[Prompt], str]
"""Asks a model at temperature 0. Raises like `Provider.generate`."""


class CheckResult(Struct, frozen=True):
    """The result of one check.

    Attributes:
        passed: how many answers were right.
        asked: how many were asked for. 0 if that is not known, because a call failed.
        detail: why it did not pass; "" if it did.
    """

    check: AnyCheck
    verdict: Verdict
    passed: int = 0
    asked: int = 0
    detail: str = ""


def ask_model(provider: Provider, handle: Handle) -> Ask:
    """Ask a model where it stands."""
    return lambda prompt: provider.generate(handle, prompt, temperature=0.0)


def run_checks(ask: Ask, checks: Iterable[AnyCheck], examples: Examples) -> Iterator[CheckResult]:
    """Run the checks one after the other, up to the first whose result is unknown.

    It is unknown when a 429, a 5xx or a time-out outlasts the provider's own retries. The checks after it
    would meet the same.

    Raises:
        StalePlanError: a held-out file has changed since it was read with the manifest.
    """
    for check in checks:
        result = run_check(ask, check, examples)
        yield result
        if result.verdict is Verdict.UNKNOWN:
            return


def run_check(ask: Ask, check: AnyCheck, examples: Examples) -> CheckResult:
    """Ask the model at temperature 0 and compare its answers, ignoring white space around them.

    An answer without text is a wrong one.
    """
    try:
        match check:
            case Check():
                return _run_prompt(ask, check)
            case HeldOut():
                return _run_held_out(ask, check, examples)
    except (RateLimitedError, UnavailableError, ReplyLostError) as error:
        return CheckResult(check, Verdict.UNKNOWN, detail=error.summary)


def decide_verdict(results: Iterable[CheckResult]) -> Verdict:
    """Decide about the model: failed if one check failed, or else unknown if one is unknown."""
    verdicts = {result.verdict for result in results}
    return next((one for one in (Verdict.FAILED, Verdict.UNKNOWN) if one in verdicts), Verdict.PASSED)


def sum_scores(results: Sequence[CheckResult]) -> tuple[Score, ...]:
    """Add up the answers by held-out file, and for all prompts together. Unknown results give no score."""
    if any(result.verdict is Verdict.UNKNOWN for result in results):
        return ()
    parts: dict[str, list[CheckResult]] = {}
    for result in results:
        check = result.check
        parts.setdefault(check.shown if isinstance(check, HeldOut) else PROMPTS, []).append(result)
    return tuple(
        Score(
            name,
            digest_questions(result.check for result in part),
            sum(result.passed for result in part),
            sum(result.asked for result in part),
        )
        for name, part in parts.items()
    )


def _run_prompt(ask: Ask, check: Check) -> CheckResult:
    try:
        answer = ask(Prompt(check.prompt, check.system)).strip()
    except NoTextError as error:
        return CheckResult(check, Verdict.FAILED, 0, 1, f"{check.prompt!r}: {error.summary}")
    if _is_right(answer, check):
        return CheckResult(check, Verdict.PASSED, 1, 1)
    why = f"{check.prompt!r} is answered with {answer[:_SHOWN]!r}, {_describe_miss(check)}"
    return CheckResult(check, Verdict.FAILED, 0, 1, why)


def _is_right(answer: str, check: Check) -> bool:
    match check.by:
        case Comparison.EXACT:
            return answer == check.expect.strip()
        case Comparison.CONTAINS:
            return check.expect.strip() in answer
        case Comparison.MATCHES:
            return re.search(check.expect, answer) is not None
        case Comparison.ONE_OF:
            return answer in {choice.strip() for choice in check.one_of}


def _describe_miss(check: Check) -> str:
    expected = check.expect.strip()[:_SHOWN]
    match check.by:
        case Comparison.EXACT:
            return f"not {expected!r}"
        case Comparison.CONTAINS:
            return f"which does not contain {expected!r}"
        case Comparison.MATCHES:
            return f"which does not match {expected!r}"
        case Comparison.ONE_OF:
            return f"not one of {', '.join(repr(choice.strip()) for choice in check.one_of)[:_SHOWN]}"


def _run_held_out(ask: Ask, check: HeldOut, examples: Examples) -> CheckResult:
    data = check.to_data()

    def is_right(example: Example) -> bool:
        question = split_example(example)
        if isinstance(question, Refusal):  # it was refused with its manifest
            raise TypeError(question.summary)
        prompt, expected = question
        try:
            answer = ask(prompt).strip()
        except NoTextError:
            return False
        return answer == expected if check.by is Comparison.EXACT else expected in answer

    asked = list(examples(data))
    right = [
        found
        for start in range(0, len(asked), _AT_ONCE)  # a call that fails ends the check within a few more
        for found in run_each(is_right, asked[start : start + _AT_ONCE], _AT_ONCE)
    ]
    passed, share = sum(right), format_share(sum(right), len(right))
    if passed >= check.at_least * len(right):
        return CheckResult(check, Verdict.PASSED, passed, len(right))
    why = (
        f"{check.shown}: {share} answers are right, and at least {check.at_least:g} of them must be; "
        f"the first wrong answer is to example {right.index(False) + 1}"
    )
    return CheckResult(check, Verdict.FAILED, passed, len(right), why)
