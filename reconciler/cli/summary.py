"""Prints the summary at the end of a run: results, duration, cost and the outputs to call.

Rule: the exit code is decided already; nothing that happens here changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from reconciler.cli import signals
from reconciler.cli.console import Console, print_text, timestamp
from reconciler.errors import Diagnostic, ReconcilerError
from reconciler.events import APPLY, NO_WAIT, WAIT, Detached, Event, Skipped

if TYPE_CHECKING:
    from reconciler.cli.invocation import Invocation, Resume
    from reconciler.model.names import Address
    from reconciler.operation import Operation
    from reconciler.plan.change import Plan

_OUTPUTS_HINT = "The results are recorded. To read the outputs: reconciler output --format json"


def print_summary(
    console: Console, invocation: Invocation, plan: Plan, events: Sequence[Event], elapsed: float
) -> None:
    """Print what an apply, a wait or a destroy has done in `elapsed` seconds. No event is about progress."""
    from reconciler.render.run_summary import render_ending, sum_cost, summarize_run

    command, resume = invocation.command, invocation.spell_resume()
    outcome = summarize_run(events)
    cost = sum_cost(outcome, plan, of_ended=command == "wait")
    ways = _find_next_commands(events, resume)
    if console.as_json:
        from reconciler.render import stream

        # Terraform has no wait, so its readers are events "apply"
        operation = "destroy" if command == "destroy" else "apply"
        record = stream.build_done_record(
            outcome, timestamp(), operation=operation, command=command, elapsed=elapsed, cost=cost, ways=ways
        )
        console.print_records([record])
    elif not events:
        console.print_lines(["Nothing to do."])
    else:
        is_printed = any(isinstance(event, Detached) and event.going_on for event in events)
        resume_to_print = "" if is_printed and ways == [resume.wait] else ", then ".join(ways)
        ending = render_ending(
            command, outcome, elapsed=elapsed, cost=cost, resume=resume_to_print, width=console.width
        )
        console.print_lines(["", *ending])
        print_text(flush=True)


def print_callable_outputs(
    invocation: Invocation, operation: Operation, console: Console, events: Sequence[Event], code: int
) -> None:
    """Print the outputs to call. A failure or a signal only warns, because the run has finished."""
    from reconciler.render.run_summary import summarize_run

    outcome = summarize_run(events)
    called = () if outcome.stopped else outcome.called  # a stopped run may mean that the service hangs
    if not called and not console.as_json:
        return
    hint = invocation.complete(_OUTPUTS_HINT)
    try:
        if not signals.run_interruptibly(lambda: print_outputs(operation, console, called), code):
            operation.stopping.set()
            console.print_warnings([Diagnostic("interrupted before the outputs were read", hint)])
    except ReconcilerError as error:
        console.print_warnings(error.diagnostics)
        console.print_warnings([Diagnostic("the outputs could not be read", hint)])


def print_outputs(operation: Operation, console: Console, called: Sequence[Address] = ()) -> None:
    """Print every output as one record with --json, or else a line for each of these addresses."""
    from reconciler.operation.serving import find_outputs

    records = operation.read_state().resources
    if console.as_json:
        from reconciler.render import stream

        outputs = find_outputs(operation, records.values())
        console.print_records([stream.build_outputs_record(outputs, timestamp())])
        return
    from reconciler.render.run_summary import NAMED, render_names

    serving = [records[address] for address in called if address in records and records[address].serving]
    names = find_outputs(operation, serving[:NAMED])
    console.print_lines(render_names(names, len(serving[NAMED:]), width=console.width))
    print_text(flush=True)


def _find_next_commands(events: Iterable[Event], resume: Resume) -> list[str]:
    """Return the commands that finish what is left, in the order to run them."""
    left = {event.resume for event in events if isinstance(event, Skipped) and event.unfinished}
    detached = [event for event in events if isinstance(event, Detached)]
    if any(event.going_on for event in detached):
        left.add(WAIT)
    if not left and any(event.reason != NO_WAIT for event in detached):
        return [resume.again]
    commands = {WAIT: resume.wait, APPLY: resume.apply}
    return list(dict.fromkeys(command for name, command in commands.items() if name in left))
