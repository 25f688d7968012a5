"""Carries out an apply, a wait or a destroy: shows the plan, the progress and the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from reconciler.cli import deadline, exit_codes, progress, signals, streams
from reconciler.cli.console import Console, print_text
from reconciler.cli.invocation import Invocation
from reconciler.cli.summary import print_callable_outputs, print_outputs, print_summary
from reconciler.errors import Diagnostic, ExitCode, GuardError, ReconcilerError
from reconciler.events import WAIT, Detached, Event, Failed, Progress, Skipped, Uploading
from reconciler.problems import fold

if TYPE_CHECKING:
    from reconciler.operation import Check, Operation
    from reconciler.plan.change import Plan


class Run(Struct, frozen=True):
    """One run of a command that plans or carries out a plan."""

    invocation: Invocation
    operation: Operation
    console: Console

    def make_plan(self) -> Plan:
        """Make the plan and print the warnings that concern it.

        A plan that a guard or prevent_destroy refuses is shown with its warnings before the refusal is.
        """
        from reconciler.plan.change import Plan
        from reconciler.plan.facts import Facts

        try:
            if self.invocation.inputs.refresh_only:
                plan = self.operation.plan_refresh()
            else:
                plan, facts = self.operation.make_plan()
                plan = self.operation.compare_data(plan, facts)
        except GuardError as error:
            if isinstance(error.plan, Plan) and isinstance(error.facts, Facts):
                self._print_warnings(error.plan)
                refused = self.operation.compare_data(error.plan, error.facts)
                self.console.print_plan(self.invocation.complete_plan(refused))
                print_text(flush=True)
            raise
        self._print_warnings(plan)
        return self.invocation.complete_plan(plan)

    def _print_warnings(self, plan: Plan) -> None:
        """Print the warnings about models that the plan trains, and about their data."""
        loaded, trained = self.operation.loaded, {str(change.address) for change in plan.trainings}
        found = [one for one in loaded.warnings if one.address is None or one.address in trained]
        if not found or self.invocation.command == "destroy":
            return
        spared = [model for model in loaded.desired if str(model.address) not in trained]
        silent = {data.file for model in spared for data in model.data if data.file}
        silent -= {data.file for change in plan.trainings for data in change.datasets}
        warnings = fold(one for one in found if one.address is not None or one.file not in silent)
        if warnings:
            self.console.print_diagnostics(warnings)

    def show_plan(self) -> Plan:
        """Make the plan and show it, for approval."""
        plan = self.make_plan()
        self.console.print_plan(plan)
        return plan

    def take_plan(self, plan: Plan) -> Plan:
        """Check a saved plan. With --json, print it. StalePlanError if it was made in another place."""
        from reconciler.cli.plan_files import ensure_same_place

        ensure_same_place(plan, self.operation.context)
        self.operation.ensure_same_lineage(plan)
        if self.console.as_json:
            self.console.print_plan(plan)
        return plan

    def end_without_work(self, plan: Plan) -> ExitCode:
        """End a run that has nothing to do. With --json, print the summary and the outputs."""
        if self.console.as_json:
            print_summary(self.console, self.invocation, plan, (), 0)
            if self.invocation.command != "destroy":
                print_outputs(self.operation, self.console)
        return exit_codes.decide_after_events(())

    def carry_out(self, plan: Plan, check: Check, *, waits: bool = True) -> ExitCode:
        """Carry out an approved or unfinished plan, and show the progress and the summary.

        `check` and `waits` are those of `Operation.apply`.

        Raises:
            StoppedError: the time was up before anything was begun.
        """
        operation = self.operation
        history: list[Event] = []
        began = operation.clock()
        exit_codes.watch(operation.begun.is_set)
        code = self._follow(check, history, waits=waits)
        with streams.tolerate_lost_output():
            print_summary(self.console, self.invocation, plan, history, operation.clock() - began)
        if self.invocation.command != "destroy":
            with deadline.get_current().interrupting():
                print_callable_outputs(self.invocation, operation, self.console, history, code)
        return code

    def _follow(self, check: Check, history: list[Event], *, waits: bool) -> ExitCode:
        """Show the events as they come, and add those that the summary needs to `history`."""
        operation, resume = self.operation, self.invocation.spell_resume()
        events = operation.apply(check, waits=waits, timeout=deadline.get_current().measure_rest())
        with (
            signals.detaching(operation.stopping),
            deadline.get_current().stopping(operation.stopping.set),
            progress.open_printer(self.console) as printer,
        ):
            try:
                for event in events:
                    if isinstance(event, Detached):
                        event = replace(event, resume=resume.wait)  # noqa: PLW2901 - completed
                    if isinstance(event, Failed):
                        event = replace(event, advice=self.invocation.complete(event.advice))  # noqa: PLW2901
                    if not isinstance(event, (Progress, Uploading)):
                        history.append(event)
                    printer.show(event)
            except ReconcilerError as error:
                if not history and not operation.begun.is_set():
                    raise
                self.console.print_diagnostics(error.diagnostics)
                return exit_codes.decide_after_events(history, has_failed=True)
            except KeyboardInterrupt:
                self._ensure_begun()
                self.console.print_note(
                    f"Interrupted twice: stopped at once. What was begun is recorded; run: {resume.again}"
                )
                return exit_codes.decide_after_events(history, was_interrupted=True)
        if not any(map(_is_ongoing, history)):
            self._ensure_begun()
        return exit_codes.decide_after_events(history, has_failed=printer.has_failed)

    def _ensure_begun(self) -> None:
        """Raise StoppedError if the time was up before anything was begun."""
        if deadline.get_current().has_passed() and not self.operation.begun.is_set():
            raise deadline.build_error() from None

    def end_wait(self, pending: Plan, code: ExitCode) -> ExitCode:
        """Print what `wait` cannot finish, and the command that can."""
        notes = [self.invocation.complete(note) for note in pending.notes]
        for note in notes:
            self.console.print_note(note)
        if self.console.as_json:
            self.console.print_warnings(Diagnostic(note) for note in notes)
        decided = exit_codes.decide_after_wait(code, pending)
        if decided is not code:
            self.console.print_note(f"Not finished yet. To go on: {self.invocation.spell_resume().apply}")
        return decided


def _is_ongoing(event: Event) -> bool:
    """Return whether something is under way at the service, or was done or refused there."""
    if isinstance(event, Skipped):
        return event.unfinished and event.resume == WAIT
    return not isinstance(event, Detached) or bool(event.going_on)
