"""Carry out an apply in front of somebody: approval, signals, progress, exit code."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING

from reconciler.cli import deadline, late_signals, signals, streams
from reconciler.cli.console import Console, emit, emit_error, timestamp
from reconciler.cli.defects import defect
from reconciler.cli.summary import Course, conclude, name_outputs
from reconciler.errors import Diagnostic, ExitCode, GuardError, ReconcilerError, UsageError
from reconciler.events import WAIT, Detached, Event, Failed, Progress, Skipped, exit_code

if TYPE_CHECKING:
    from reconciler.cli.wiring import Resume
    from reconciler.operation import Operation
    from reconciler.plan.change import Plan
    from reconciler.plan.facts import World
    from reconciler.state.values import State

_QUIET_INTERVAL = 60.0
"""Seconds between two progress lines of a model in a pipe."""


def must_be_approvable(console: Console, *, approved: bool) -> None:
    """Without a terminal nobody can be asked: refuse before anything is read or locked."""
    if approved or (sys.stdin.isatty() and not console.as_json):
        return
    raise UsageError(
        "there is no terminal to ask for approval",
        "Give --auto-approve, or apply a plan saved with: reconciler plan --out FILE",
    )


def warn(console: Console, warnings: Iterable[Diagnostic], plan: Plan) -> None:
    """What may not be meant, of the models that the plan trains: for the others it is too late."""
    trained = {str(change.address) for change in plan.trainings}
    shown = [one for one in warnings if one.address is None or one.address in trained]
    if shown:
        console.errors(shown)


@contextmanager
def shown_if_refused(console: Console) -> Iterator[None]:
    """A plan that a guard or prevent_destroy refuses is shown before the refusal is."""
    from reconciler.plan.change import Plan

    try:
        yield
    except GuardError as error:
        if isinstance(error.plan, Plan):
            console.plan(error.plan)
            emit(flush=True)
        raise


def approved(plan: Plan, question: str) -> bool:
    """Ask; only "yes" is yes. A plan with nothing to approve is not asked for."""
    if not plan.has_changes:
        return True
    sys.stdout.write(f"\n{question}\n  Only 'yes' will be accepted: ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    sys.stdout.write("\n" if not answer else "")
    return answer.strip() == "yes"


def carry_out(
    operation: Operation,
    check: Callable[[State], tuple[Plan, World]],
    console: Console,
    course: Course,
    *,
    wait: bool,
) -> ExitCode:
    """Apply, show what happens and what it came to, and answer the exit code.

    Raises:
        StoppedError: the time was up before anything was begun.
    """
    from reconciler.apply import Settings

    settings = Settings(
        parallelism=operation.parallelism,
        wait=wait,
        timeout=deadline.current().left,
        lag=operation.lag,
    )
    told: list[Event] = []
    began = operation.clock()
    late_signals.watch(operation.begun.is_set)
    code = _carried_out(operation, operation.apply(check, settings), console, told, course.resume)
    with streams.at_best():
        conclude(console, course, told, operation.clock() - began)
    if course.command != "destroy":
        with deadline.current().ending():
            name_outputs(operation, console, told, code)
    return code


def _carried_out(
    operation: Operation, events: Iterable[Event], console: Console, told: list[Event], resume: Resume
) -> ExitCode:
    """Show the events as they come, and gather in `told` what counts at the end."""
    with _detaching(operation), _shown(console) as show:
        printer = _Printer(show, console)
        try:
            for event in events:
                if isinstance(event, Detached):
                    event = replace(event, resume=resume.wait)  # noqa: PLW2901 - the same event, completed
                if not isinstance(event, Progress):
                    told.append(event)
                printer.show(event)
        except ReconcilerError as error:
            if not told and not operation.begun.is_set():
                raise
            console.errors(error.diagnostics)
            return ExitCode.FAILED
        except KeyboardInterrupt:
            if deadline.current().is_up and not operation.begun.is_set():
                raise deadline.nothing_begun() from None
            console.note(
                f"Interrupted twice: stopped at once. What was begun is recorded; run: {resume.again}"
            )
            return max(exit_code(told), ExitCode.UNFINISHED)
    if deadline.current().is_up and not operation.begun.is_set() and not any(map(_goes_on, told)):
        raise deadline.nothing_begun()
    return ExitCode.FAILED if printer.is_broken else exit_code(told)


def _goes_on(event: Event) -> bool:
    """Whether something is under way at the service, or was done or refused there."""
    if isinstance(event, Skipped):
        return event.unfinished and event.resume == WAIT
    return not isinstance(event, Detached) or bool(event.training)


class _Printer:
    """Shows events; that one cannot be shown stops no work, and a defect in showing it is told once."""

    def __init__(self, show: Callable[[Event], None], console: Console) -> None:
        self._show, self._console = show, console
        self.is_broken = False

    def show(self, event: Event) -> None:
        try:
            with streams.at_best():
                self._show(event)
        except Exception as error:  # noqa: BLE001 - what was begun has to be recorded all the same
            if not self.is_broken:
                self._console.errors([defect(error)])
            self.is_broken = True


@contextmanager
def _detaching(operation: Operation) -> Iterator[None]:
    """The first signal detaches, the second one stops at once; after the end none changes what was done."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        if operation.stopping.is_set():
            raise KeyboardInterrupt
        operation.stopping.set()

    for number in signals.stopping():
        signal.signal(number, handle)
    try:
        with deadline.current().stopping(operation.stopping.set):
            yield
    finally:
        for number in signals.stopping():
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def _shown(console: Console) -> Iterator[Callable[[Event], None]]:
    """How to show an event here: live lines, JSON, or a line now and then."""
    if console.as_json:
        from reconciler.render import stream

        yield lambda event: console.records(stream.build_event_records(event, timestamp()))
        return
    if console.terminal:
        from reconciler.cli.uploads import UPLOADS
        from reconciler.render.live import LiveProgress

        with (
            LiveProgress(
                sys.stdout, width=console.width, clock=time.monotonic, colour=console.colour
            ) as live,
            UPLOADS.shown_by(live.uploading),
        ):
            yield live.handle
        return
    yield _quiet(console)


def _quiet(console: Console) -> Callable[[Event], None]:
    from reconciler.render.text import render_event

    last: dict[object, float] = {}

    def show(event: Event) -> None:
        if isinstance(event, Progress):
            now = time.monotonic()
            if now - last.setdefault(event.address, now) < _QUIET_INTERVAL:
                return
            last[event.address] = now
        line = render_event(event, colour=console.colour)
        if line is not None:
            if isinstance(event, Failed) or (isinstance(event, Skipped) and event.trouble):
                emit(flush=True)
                emit_error(line + "\n")
                return
            console.lines([line])
            emit(flush=True)

    return show
