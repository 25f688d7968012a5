"""Runs the checks that a model must pass before it serves. Rule: it asks the service and records nothing."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.errors import RateLimitedError, ReplyLostError, UnavailableError
from reconciler.model import Check
from reconciler.providers import Handle, Provider
from reconciler.state.values import Verdict


def run_checks(provider: Provider, handle: Handle, checks: Iterable[Check]) -> tuple[Verdict, str]:
    """Run the checks in turn and return the first verdict that is not "passed", with its reason."""
    for check in checks:
        verdict, reason = run_check(provider, handle, check)
        if verdict is not Verdict.PASSED:
            return verdict, reason
    return Verdict.PASSED, ""


def run_check(provider: Provider, handle: Handle, check: Check) -> tuple[Verdict, str]:
    """Ask the model at temperature 0 and compare its answer, ignoring surrounding white space.

    Returns:
        The verdict, and the reason when it is not "passed". It is "unknown" when a 429, a 5xx or a time-out
        outlasts the provider's own retries.
    """
    try:
        answer = provider.generate(handle, check.prompt, temperature=0.0)
    except (RateLimitedError, UnavailableError, ReplyLostError) as error:
        return Verdict.UNKNOWN, error.summary
    if answer.strip() == check.expect.strip():
        return Verdict.PASSED, ""
    got, expected = answer.strip()[:80], check.expect.strip()[:80]
    return Verdict.FAILED, f"{check.prompt!r} is answered with {got!r}, not {expected!r}"
