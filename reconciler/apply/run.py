"""The course of an apply: work under the lock, watch without it, lock again to record the results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait

from reconciler.apply.context import TICK, Context
from reconciler.apply.ledger import Ledger
from reconciler.apply.outcomes import report_refused
from reconciler.apply.polling import Polling
from reconciler.apply.tasks import Task, choose_command
from reconciler.apply.worker import Worker
from reconciler.errors import StoppedError
from reconciler.events import INTERRUPT, NO_WAIT, TIMEOUT, Detached, Event, Skipped, Verb
from reconciler.model.names import Address
from reconciler.plan.change import Plan
from reconciler.plan.facts import Facts
from reconciler.plan.steps import AwaitDeployment, AwaitDrain, AwaitEnd, AwaitTraining, IsAccepted, Serves
from reconciler.state.session import StateManager
from reconciler.state.values import State

Check = Callable[[State], tuple[Plan, Facts]]
"""Decides again from the state that was read under the lock. Raises StalePlanError for an outdated plan."""


def apply(recheck: Check, locks: StateManager, context: Context) -> Iterator[Event]:
    """Execute a plan. Yields each event after its result is recorded, and meanwhile those of uploads.

    Args:
        recheck: called once, before anything is written.
        locks: locks, reads and writes the state.
        context: of this run alone.

    Raises:
        StalePlanError: nothing was changed.
        StateError: the state could not be locked, read or written. What was started is recorded, or the next
            run finds it by its id.
    """
    try:
        yield from _Run(locks, context).yield_events(recheck)
    finally:
        context.pool.shutdown(wait=False, cancel_futures=True)


class _Run:
    """One apply."""

    def __init__(self, locks: StateManager, context: Context) -> None:
        self._locks, self._context = locks, context
        self._ledger: Ledger | None = None

    def yield_events(self, recheck: Check) -> Iterator[Event]:
        """Run the whole apply, then report what is left."""
        try:
            yield from self._run_course(recheck)
        except StoppedError:
            if not self._context.is_ending:
                raise
        yield from self._end()

    def _run_course(self, recheck: Check) -> Iterator[Event]:
        context = self._context
        with self._locks.locked(stopping=lambda: context.is_ending) as session:
            plan, facts = self._recheck(recheck, session.state)
            ledger = self._ledger = Ledger(plan, facts, context.providers, session.state)
            work = Worker(ledger, session, context)
            yield from work.intend()
            yield from work.run()
        polling = Polling(ledger, context, self._locks.read)
        while context.waits and not context.is_ending:
            again = ledger.find_next_try()
            if again is None and not ledger.list_watched():
                break
            yield from polling.watch(again)
            if polling.ended or (again is not None and context.clock() >= again):
                trained, polling.ended = polling.ended, {}
                ledger.allow_retries(context.clock())
                with self._locks.locked(stopping=lambda: context.is_ending, patient=True) as session:
                    ledger.state = session.state
                    yield from Worker(ledger, session, context).run(trained)

    def _recheck(self, recheck: Check, state: State) -> tuple[Plan, Facts]:
        """Read and decide again, on a thread, so that an interrupt does not wait for a slow service."""
        future: Future[tuple[Plan, Facts]] = self._context.pool.submit(recheck, state)
        while not wait([future], timeout=TICK).done:
            if self._context.is_ending:
                raise StoppedError("Stopped before anything was changed", "Run the command again")
        return future.result()

    # -- ending ------------------------------------------------------------------------------------

    def _end(self) -> Iterator[Event]:
        """Report the tasks that are left, and why."""
        up = self._context.is_expired
        stopped = self._context.stopping.is_set() and not up
        left = self._ledger.list_open() if self._ledger is not None else []
        training: list[Address] = []
        copying: list[Address] = []
        deploying: list[Address] = []
        for task in left:
            match task.next:
                case AwaitTraining():
                    sort = training if task.provider.kind.trains else copying
                    sort.append(task.change.address)
                case AwaitDeployment() | AwaitDrain():
                    deploying.append(task.change.address)
                case _:
                    yield self._tell_left(task, stopped=stopped)
        reason = INTERRUPT if stopped else TIMEOUT if self._context.waits else NO_WAIT
        detached = Detached(reason, tuple(training), tuple(copying), tuple(deploying))
        if detached.going_on or stopped or (up and self._ledger is None):
            yield detached

    def _tell_left(self, task: Task, *, stopped: bool) -> Event:
        address, resume = task.change.address, choose_command(task.next)
        if stopped or self._ledger is None:
            return task.skip("stopped before it was done", resume=resume)
        wait = task.wait
        if isinstance(wait, IsAccepted):
            return task.skip("its successor was not accepted", unfinished=False)
        if isinstance(task.next, AwaitEnd):
            return task.skip("the service does not delete it while it trains; wait deletes it later")
        if task.not_before and task.error is not None:
            return report_refused(task, self._ledger.find_committed(address), task.error)
        if not isinstance(wait, Serves):
            return task.skip("the time was up before it was done", resume=resume)
        parent = wait.address
        main = self._ledger.tasks.get((parent, ""))
        serving = self._ledger.find_committed(parent).serving
        trains = task.provider.kind.trains
        verb, made, make = (Verb.CREATE, "tuned", "tune") if trains else (Verb.COPY, "copied", "copy")
        goes_on = main is not None and not main.ended
        if not goes_on and serving is not None and wait.model not in {serving.name, serving.id}:
            reason = f"{parent} is {serving.id} by now: apply again to {make} from that one"
        elif main is not None and main.ended:
            return Skipped(address, verb, f"it is {made} from {parent}, which failed", task.id)
        else:
            what = "which" if serving is None else "whose new model"
            reason = f"it is {made} from {parent}, {what} does not serve yet: apply again when it does"
        return Skipped(address, verb, reason, task.id, unfinished=True, resume=resume)
