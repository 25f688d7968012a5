"""How a run ends in front of somebody: what was done, how long it took, what it cost, what to call now.

Rule: the exit code stands already; nothing that happens here changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.cli import late_signals
from reconciler.cli.console import Console, emit, timestamp
from reconciler.errors import Diagnostic, ReconcilerError
from reconciler.events import APPLY, NO_WAIT, WAIT, Detached, Event, Skipped
from reconciler.plan.change import Plan

if TYPE_CHECKING:
    from reconciler.cli.wiring import Resume
    from reconciler.model import Address
    from reconciler.operation import Operation

_LATER = "What was done is recorded; to read them: reconciler output --format json"


@dataclass(frozen=True, slots=True)
class Course:
    """A run as its end has to know it.

    Attributes:
        command: apply, wait or destroy.
        plan: what it was to do.
        resume: the commands that would go on.
    """

    command: str
    plan: Plan
    resume: Resume

    @property
    def operation(self) -> str:
        """Terraform's word for it: what wait finishes was applied."""
        return "destroy" if self.command == "destroy" else "apply"


def conclude(console: Console, course: Course, told: Sequence[Event], elapsed: float) -> None:
    """Say what was done."""
    from reconciler.render.run_summary import render_ending, sum_cost, summarize_run

    outcome = summarize_run(told)
    cost = sum_cost(outcome, course.plan, of_ended=course.command == "wait")
    ways = _ways_on(told, course.resume)
    if console.as_json:
        from reconciler.render import stream

        names = {"operation": course.operation, "command": course.command}
        console.records(
            [stream.build_done_record(outcome, timestamp(), **names, elapsed=elapsed, cost=cost, ways=ways)]
        )
        return
    if not told:
        console.lines(["Nothing to do."])
        return
    untold = ", then ".join(ways) if ways != _told_ways(told, course.resume) else ""
    lines = render_ending(course.command, outcome, elapsed=elapsed, cost=cost, resume=untold)
    console.lines(["", *lines])
    emit(flush=True)


def name_outputs(run: Operation, console: Console, told: Sequence[Event], code: int) -> None:
    """What to call now: every output as the last record of a stream, or the names that this run is about."""
    from reconciler.render.run_summary import summarize_run

    outcome = summarize_run(told)
    called = () if outcome.stopped else outcome.called  # a service that hangs is not asked again
    if not called and not console.as_json:
        return
    try:
        if not late_signals.attempt(lambda: outputs(run, console, called), code):
            run.stopping.set()
            console.errors(
                [Diagnostic("interrupted before the outputs were read", _LATER, severity="warning")]
            )
    except ReconcilerError as error:
        console.errors([replace(one, severity="warning") for one in error.diagnostics])
        console.errors([Diagnostic("the outputs could not be read", _LATER, severity="warning")])


def outputs(run: Operation, console: Console, called: Sequence[Address] = ()) -> None:
    """The last record of the stream, or the lines that name what to call."""
    from reconciler.operation.serving import outputs as names_of

    records = run.state().resources
    if console.as_json:
        from reconciler.render import stream

        console.records([stream.build_outputs_record(names_of(run, records.values()), timestamp())])
        return
    from reconciler.render.run_summary import NAMED, render_names

    serving = [record for one in called if (record := records.get(one)) and record.serving is not None]
    console.lines(render_names(names_of(run, serving[:NAMED]), len(serving[NAMED:])))
    emit(flush=True)


def _ways_on(events: Iterable[Event], resume: Resume) -> list[str]:
    """The commands that make progress with what is left, in their order; none where nothing is."""
    left = {one.resume for one in events if isinstance(one, Skipped) and one.unfinished}
    detached = [one for one in events if isinstance(one, Detached)]
    if any(one.training for one in detached):
        left.add(WAIT)
    if not left and any(one.reason != NO_WAIT for one in detached):
        return [resume.again]
    commands = {WAIT: resume.wait, APPLY: resume.apply}
    return list(dict.fromkeys(command for name, command in commands.items() if name in left))


def _told_ways(events: Iterable[Event], resume: Resume) -> list[str]:
    """Those that the line of a detached run has told already."""
    return [resume.wait for one in events if isinstance(one, Detached) and one.training]
