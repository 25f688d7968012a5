"""The exit code of a run. Rule: it is decided here, and nowhere else.

0  done, nothing to do, or no drift; with --no-wait, all was accepted
1  an error before anything was begun at a service
2  changes or drift were found (`plan --detailed-exitcode`, `drift`)
3  unfinished: something still trains or waits, or a check is unknown
4  something was begun or changed at a service, and something failed; it wins over 3
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.events import Event
    from reconciler.plan.change import Drift, Plan
    from reconciler.plan.status import ModelStatus
    from reconciler.state.values import Verdict

_BEGUN: list[Callable[[], bool]] = []


def watch(has_begun: Callable[[], bool]) -> None:
    """Make an error end in 4 if `has_begun` says that a call may have begun something."""
    _BEGUN.append(has_begun)


def decide_after_error() -> ExitCode:
    """Return 1, or 4 if something may have been begun at a service."""
    return ExitCode.FAILED if any(has_begun() for has_begun in _BEGUN) else ExitCode.ERROR


def decide_after_lost_output(code: int) -> int:
    """Return the code of a run whose last output was lost. A code other than 0 and 2 stays."""
    return decide_after_error() if code in {ExitCode.DONE, ExitCode.CHANGES} else code


def decide_after_events(
    events: Iterable[Event], *, has_failed: bool = False, was_interrupted: bool = False
) -> ExitCode:
    """Return the code of an apply, a wait or a destroy.

    It has failed if an error ended it, or if one of its events could not be shown. It was interrupted if it
    was stopped at once, with calls under way.
    """
    from reconciler.events import NO_WAIT, Detached, Failed, Skipped

    code = ExitCode.UNFINISHED if was_interrupted else ExitCode.DONE
    for event in events:
        match event:
            case Failed():
                return ExitCode.FAILED
            case Detached(reason=reason) if reason != NO_WAIT:
                code = ExitCode.UNFINISHED
            case Skipped(unfinished=True):
                code = ExitCode.UNFINISHED
            case _:
                pass
    return ExitCode.FAILED if has_failed else code


def decide_after_wait(code: ExitCode, plan: Plan) -> ExitCode:
    """Return 3 instead of 0 if `wait` cannot finish everything. The plan's notes name what is left."""
    return ExitCode.UNFINISHED if plan.notes and code is ExitCode.DONE else code


def decide_after_plan(plan: Plan, *, is_detailed: bool) -> ExitCode:
    """Return 2 with --detailed-exitcode for changes, or with --refresh-only for drift. Otherwise return 0.

    An address that is blocked by what it depends on is an error, although the others can be applied.
    """
    if any(change.is_blocked for change in plan.changes):
        return ExitCode.ERROR
    has_drift = plan.inputs.refresh_only and decide_after_drift(plan.drift) is ExitCode.CHANGES
    return ExitCode.CHANGES if is_detailed and (plan.has_changes or has_drift) else ExitCode.DONE


def decide_after_drift(drift: Iterable[Drift]) -> ExitCode:
    """Return 2 if any drift is more than a note. Otherwise return 0."""
    return ExitCode.CHANGES if any(found.fails for found in drift) else ExitCode.DONE


def decide_after_status(found: Sequence[ModelStatus], *, is_watch: bool) -> ExitCode:
    """Return 3 if a watch ended while a model was in training. Otherwise return 0."""
    from reconciler.plan.status import is_training

    return ExitCode.UNFINISHED if is_watch and is_training(found) else ExitCode.DONE


def decide_after_checks(verdicts: Collection[Verdict]) -> ExitCode:
    """Return 4 if a check failed, else 3 if a check could not be run, else 0."""
    from reconciler.state.values import Verdict

    if Verdict.FAILED in verdicts:
        return ExitCode.FAILED
    return ExitCode.UNFINISHED if Verdict.UNKNOWN in verdicts else ExitCode.DONE
