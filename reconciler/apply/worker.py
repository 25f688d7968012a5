"""Work while the lock is held: calls run on threads, and events follow the commits of their outcomes.

Rules: only one loop commits and yields. A task continues only after its last outcome is committed. No call
starts any more once the state cannot be written or the lock may be lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from msgspec.structs import replace

from reconciler import errors
from reconciler.apply.context import ROOM, TICK, Context
from reconciler.apply.execute import execute
from reconciler.apply.ledger import Ledger
from reconciler.apply.outcomes import (
    begin,
    let_go,
    postpone,
    report_cost,
    report_postponed,
    settle,
    settle_failure,
)
from reconciler.apply.subject import Subject
from reconciler.apply.tasks import Settled, Task, choose_command, is_still_ours
from reconciler.events import Event, Failed
from reconciler.model.names import Address
from reconciler.plan.recording import Outcome, Renumbered, recorded_after
from reconciler.plan.steps import Create, IsAccepted, Nature, RecordStep
from reconciler.providers import Training
from reconciler.state.session import Session
from reconciler.state.values import Record, RecordedModel

_GRACE = 2.5
"""Seconds that running calls get after an interrupt, so that commit and unlock are done within 5."""

_SHORTEST_PAUSE = 0.5
"""Least seconds between two tries of a call that was refused for now."""

_PASSING = 600.0
"""Seconds after which a refusal that should pass by itself is reported as a failure."""

_COMMIT_TRIES = 4
"""Number of times a commit is tried while the store fails, 1, 2, 4 … seconds apart."""

_COMMIT_PATIENCE = 40.0
"""Seconds after which a failing store is not tried again. A store that hangs takes long to fail."""

_COMMIT_SHARE = 4.0
"""The pause after a commit, as a multiple of its duration. A commit of many records takes long."""


class Worker:
    """Does the work of one stretch in which the session holds the lock.

    Tasks that another run has taken over are dropped at once.
    """

    def __init__(self, ledger: Ledger, session: Session, context: Context) -> None:
        self._ledger, self._session, self._context = ledger, session, context
        self._queue: deque[Task] = deque()
        self._blocked: dict[Address, list[Task]] = {}
        self._running: dict[Future[Outcome], Task] = {}
        self._done: SimpleQueue[Future[Outcome]] = SimpleQueue()
        self._settled: list[tuple[Task, tuple[Event, ...]]] = []
        self._last_commit = context.clock()
        self._pause = session.commit_interval
        self._tries = 0
        self._failing = 0.0
        self._halt: Exception | None = None
        self._sealed = False
        self._grace = _GRACE

    def intend(self) -> Iterator[Event]:
        """Commit every intent, and all steps that need no call, in one write before the first call.

        Raises:
            StateError: nothing was started.
        """
        self._take_up({})
        self._ledger.commit(self._session)
        self._last_commit = self._context.clock()
        yield from self._yield_events()
        order = {task: number for number, task in enumerate(self._ledger.list_open())}
        self._queue = deque(sorted(self._queue, key=order.__getitem__))  # as planned

    def run(self, trained: Mapping[Task, Training] | None = None) -> Iterator[Event]:
        """Execute the steps that are calls, until only watching (or nothing) is left.

        Args:
            trained: trainings that ended since the lock was last held; None after `intend`.

        Raises:
            StateError: the state could not be written, or the lock was lost. What was started is recorded, or
                the next run finds it by its id.
        """
        if trained is not None:
            self._take_up(trained)
        while True:
            while not self._context.uploads.empty():
                yield self._context.uploads.get()
            if self._is_commit_due():
                yield from self._commit()
            self._start()
            if not self._running and not self._settled:
                break
            if not self._is_commit_due() and not self._gather():
                break
        if self._halt is not None:
            raise self._halt

    # -- tasks -------------------------------------------------------------------------------------

    def _take_up(self, trained: Mapping[Task, Training]) -> None:
        """Sort the open tasks: call, do without a call, or end because another run has taken over."""
        moment = self._context.moment
        for task in self._ledger.list_open():
            record = self._ledger.find_record(task.change.address)
            if not is_still_ours(task, record):
                self._note(task, let_go(task, record))
            elif task in trained:
                self._note(task, settle(task, record, trained[task], moment))
            elif isinstance(task.next, RecordStep) and task.wait is None:
                self._note(task, begin(task, record, moment))
            elif not task.is_watching and not task.not_before:
                self._queue.append(task)

    def _note(self, task: Task, settled: Settled) -> None:
        self._ledger.note([*map(Record, settled.vacated), settled.record])
        task.advance(settled)
        self._settled.append((task, settled.events))

    def _start(self) -> None:
        """Start calls while threads are free. None waits in the pool, where it could not be stopped."""
        if self._context.is_ending or self._halt is not None or self._tries:
            return
        while self._queue and len(self._running) < self._context.parallelism:
            task = self._queue.popleft()
            awaited = self._ledger.find_awaited(task) or self._find_unrecorded(task)
            if awaited is not None:
                self._blocked.setdefault(awaited, []).append(task)
            elif isinstance(task.next, RecordStep):
                record = self._ledger.find_record(task.change.address)
                self._note(task, begin(task, record, self._context.moment))  # recorded first, then called
            elif (model := self._ledger.name_copy(task)) is not None:
                self._note(task, self._renumber(task, model))
            else:
                future = self._submit(task)
                self._running[future] = task
                future.add_done_callback(self._done.put)

    def _find_unrecorded(self, task: Task) -> Address | None:
        """Find the awaited address if its create was accepted but is not committed yet."""
        if not isinstance(task.wait, IsAccepted):
            return None
        address = task.wait.address
        return address if any(other.change.address == address for other, _ in self._settled) else None

    def _submit(self, task: Task) -> Future[Outcome]:
        ledger, session, context, step = self._ledger, self._session, self._context, task.next
        if step is None:
            raise AssertionError(f"{task.change.address}: nothing is left to be done")
        address = task.change.address
        record, desired = ledger.find_record(address), ledger.facts.desired.get(address)
        subject = Subject(task, record, desired, ledger.find_source_name(task), context.examples)
        is_changing = step.nature is Nature.CHANGE

        def work() -> Outcome:
            if is_changing:
                session.ensure_held()
                context.begun.set()
            return execute(step, task.provider, subject, fence=session.ensure_held)

        return context.pool.submit(work)

    def _gather(self) -> bool:
        """Process calls that have ended. Returns False once the grace after an interrupt has passed."""
        until_commit = max(0.0, self._due() - self._context.clock()) if self._settled else TICK
        timeout = min(TICK, until_commit)
        if not self._running:
            self._context.stopping.wait(timeout)
            return True
        try:
            future = self._done.get(timeout=timeout)
        except Empty:
            self._grace -= timeout if self._session.check_stop() else 0.0
            return self._grace > 0
        self._take_in(self._running.pop(future), future)
        return True

    def _take_in(self, task: Task, future: Future[Outcome]) -> None:
        record = self._ledger.find_record(task.change.address)
        try:
            result = future.result()
        except errors.StoppedError:
            skipped = task.skip("stopped before it was done", resume=choose_command(task.next))
            self._note(task, Settled(record, (skipped,), ended=True))
        except (errors.RateLimitedError, errors.NotReadyError) as error:
            self._note(task, self._refuse_for_now(task, record, error))
        except errors.AlreadyExistsError as error:
            self._note(task, self._take_next_id(task, record, error))
        except errors.ServiceError as error:
            self._note(task, settle_failure(task, record, error, self._context.moment))
        except errors.StateError as error:
            self._halt = self._halt or error
        except errors.ReconcilerError as error:
            failed = Failed(task.change.address, task.operation, error.summary, error.detail, task.id)
            self._note(task, Settled(record, (failed,), ended=True))
        except Exception as error:  # noqa: BLE001 - a defect: what the others did is recorded first
            self._halt = error
        else:
            self._note(task, settle(task, record, result, self._context.moment))

    def _refuse_for_now(self, task: Task, record: Record, error: errors.ServiceError) -> Settled:
        """Schedule a retry of a call that was refused for now, and report it once. Else let it fail."""
        now, waits = self._context.clock(), self._context.waits
        told, task.error = task.error is not None, error
        task.refused = now if task.refused is None else task.refused
        pause = _choose_pause(task, error, now - task.refused)
        if pause is None or not (waits or isinstance(task.next, Create)):
            return settle_failure(task, record, error, self._context.moment)
        task.not_before = now + max(pause, _SHORTEST_PAUSE)
        task.has_named_time = isinstance(error, errors.RateLimitedError) and error.named
        settled = postpone(task, record, error, self._context.moment)
        return settled if told or not waits else replace(settled, events=(report_postponed(task, error),))

    def _take_next_id(self, task: Task, record: Record, error: errors.AlreadyExistsError) -> Settled:
        """Take the next generation if an invisible model holds our id. It is recorded before it is tried."""
        step, now = task.next, self._context.moment
        model = None if error.visible else self._ledger.take_next_generation(task)
        if step is None or model is None:
            return settle_failure(task, record, error, now)
        return Settled(recorded_after(step, record, Renumbered(model), now))

    def _renumber(self, task: Task, model: RecordedModel) -> Settled:
        """Record the id of a copy that is known only now."""
        record = self._ledger.find_record(task.change.address)
        if task.next is None:
            raise AssertionError(f"{task.change.address}: nothing is left to be done")
        return Settled(recorded_after(task.next, record, Renumbered(model), self._context.moment))

    # -- commits -----------------------------------------------------------------------------------

    def _due(self) -> float:
        """Compute the clock time of the next commit."""
        if self._tries:
            return self._last_commit + 2.0 ** (self._tries - 1)
        return self._last_commit + self._pause

    def _is_commit_due(self) -> bool:
        """Return whether to commit now. Outcomes are grouped while other calls are running."""
        if not self._settled:
            return False
        nothing_comes = not (self._running or self._tries) and (not self._queue or self._halt is not None)
        return nothing_comes or self._context.is_ending or self._context.clock() >= self._due()

    def _commit(self) -> Iterator[Event]:
        """Commit the outcomes, then yield their events."""
        began = self._context.clock()
        try:
            if not self._sealed:
                self._ledger.commit(self._session)
        except errors.StateStoreError as error:
            self._tries += 1
            self._failing += self._context.clock() - began
            patient = self._tries < _COMMIT_TRIES and self._failing < _COMMIT_PATIENCE
            if not patient or self._context.is_ending:
                self._seal(error)
        except errors.StateError as error:
            self._seal(error)
        self._last_commit = self._context.clock()
        if self._sealed:
            self._settled.clear()  # only recorded outcomes are reported; the next run finds the others by id
            return
        if self._ledger.unwritten:
            return
        self._tries, self._failing = 0, 0.0
        self._pause = max(self._session.commit_interval, _COMMIT_SHARE * (self._last_commit - began))
        yield from self._yield_events()

    def _yield_events(self) -> Iterator[Event]:
        """Yield the events of recorded outcomes, and queue the next steps of their tasks."""
        settled, self._settled = self._settled, []
        for task, _ in settled:
            if task.next is not None and not task.is_watching and not task.not_before:
                self._queue.append(task)
            self._queue.extend(self._blocked.pop(task.change.address, ()))
        billed, self._ledger.billed = self._ledger.billed, []
        yield from map(report_cost, billed)
        for _, events in settled:
            yield from events

    def _seal(self, error: errors.StateError) -> None:
        """Stop writing, and start no further call."""
        self._halt = self._halt or error
        self._sealed = True


def _choose_pause(task: Task, error: errors.ServiceError, waited: float) -> float | None:
    """Choose the seconds until a refused call is tried again; None if it is not."""
    if isinstance(error, errors.RateLimitedError):
        room = ROOM if isinstance(error, errors.NoCapacityError) else None
        return room if error.again is None else error.again
    return ROOM if isinstance(task.next, Create) and waited < _PASSING else None
