"""The exit code of a run. Rule: it is decided here, and nowhere else.

0  done, nothing to do, or no drift; with --no-wait, all was accepted
1  an error before anything was begun at a service
2  changes or drift were found (`plan --detailed-exitcode`, `drift`)
3  unfinished: something still trains or waits, or a check is unknown
4  something was begun or changed at a service, and something failed; it wins over 3
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.events import Event
    from reconciler.plan.change import Drift, Plan
    from reconciler.state.values import Verdict

_BEGUN: list[Callable[[], bool]] = []


def watch(has_begun: Callable[[], bool]) -> None:
    """From now on an error ends in 4 if `has_begun` says that a call may have begun something."""
    _BEGUN.append(has_begun)


def decide_after_error() -> ExitCode:
    """1; 4 once something may have been begun at a service, whatever the error is."""
    return ExitCode.FAILED if any(has_begun() for has_begun in _BEGUN) else ExitCode.ERROR


def decide_after_lost_output(code: int) -> int:
    """The last of the output was lost: an error, unless the run already ended in one or is unfinished."""
    return decide_after_error() if code in {ExitCode.DONE, ExitCode.CHANGES} else code


def decide_after_events(
    events: Iterable[Event], *, has_failed: bool = False, was_interrupted: bool = False
) -> ExitCode:
    """What an apply, wait or destroy ends in.

    Args:
        events: all that it told.
        has_failed: an error ended it, or one of its events could not be shown.
        was_interrupted: it was stopped at once, with calls under way.
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
    """3 in place of 0 when something is left that `wait` cannot finish; the plan's notes name it."""
    return ExitCode.UNFINISHED if plan.notes and code is ExitCode.DONE else code


def decide_after_plan(plan: Plan, *, is_detailed: bool) -> ExitCode:
    """2 for changes, or for drift with --refresh-only, if --detailed-exitcode asks for it."""
    has_drift = plan.inputs.refresh_only and decide_after_drift(plan.drift) is ExitCode.CHANGES
    return ExitCode.CHANGES if is_detailed and (plan.has_changes or has_drift) else ExitCode.DONE


def decide_after_drift(drift: Iterable[Drift]) -> ExitCode:
    """2 for drift that is more than a note."""
    return ExitCode.CHANGES if any(one.fails for one in drift) else ExitCode.DONE


def decide_after_checks(verdicts: Collection[Verdict]) -> ExitCode:
    """4 when a check failed, else 3 when a check is unknown."""
    from reconciler.state.values import Verdict

    if Verdict.FAILED in verdicts:
        return ExitCode.FAILED
    return ExitCode.UNFINISHED if Verdict.UNKNOWN in verdicts else ExitCode.DONE
