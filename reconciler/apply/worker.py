"""One stretch of work under the lock: calls on threads, outcomes in grouped commits, then events.

Rules: one loop alone commits and yields; a task goes on only after its last outcome is committed; once
the state cannot be written or the lock is doubtful, no further call starts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace

from reconciler.apply.context import ROOM, TICK, Means
from reconciler.apply.execute import call
from reconciler.apply.ledger import Ledger
from reconciler.apply.outcomes import Settled, begin, fail, overtaken, postpone, postponed, settle
from reconciler.apply.tasks import CHANGING, WATCHING, Step, Task, concerns, resume_of
from reconciler.errors import (
    AlreadyExistsError,
    NoCapacityError,
    NotReadyError,
    RateLimitedError,
    ReconcilerError,
    ServiceError,
    StateError,
    StateStoreError,
    StoppedError,
)
from reconciler.events import Event, Failed, Skipped
from reconciler.model import Address
from reconciler.providers import Training
from reconciler.state.session import Session
from reconciler.state.values import Record

_GRACE = 2.5
"""Seconds that calls under way get after an interrupt, so that commit and unlock are done within 5."""

_SHORTEST_PAUSE = 0.5
"""Seconds between two tries of what was refused for now."""

_PASSING = 600.0
"""Seconds after which what should pass by itself is told as a failure, with what to do then."""

_COMMIT_TRIES = 4
"""How often a commit is tried while the store fails, 1, 2, 4 … seconds apart."""

_COMMIT_PATIENCE = 40.0
"""Seconds after which a failing store is not tried again; one that hangs takes long to fail."""

_COMMIT_SHARE = 4.0
"""A commit of many records takes long: the pause after it is so many times as long."""


class Work:
    """What is done while the lock is held once.

    Args:
        ledger: the tasks; those that are not ours to finish any more are dropped at once.
        session: holds the lock.
        means: what we work with.
    """

    def __init__(self, ledger: Ledger, session: Session, means: Means) -> None:
        self._ledger, self._session, self._means = ledger, session, means
        self._queue: deque[Task] = deque()
        self._blocked: dict[Address, list[Task]] = {}
        self._running: dict[Future[object], Task] = {}
        self._settled: list[tuple[Task, tuple[Event, ...]]] = []
        self._last_commit = means.clock()
        self._pause = session.commit_interval
        self._tries = 0
        self._failing = 0.0
        self._halt: Exception | None = None
        self._sealed = False
        self._grace = _GRACE

    def intend(self) -> None:
        """Before the first call: commit what is noted, with what needs no call at all, in one write.

        Raises:
            StateError: nothing was begun.
        """
        self._take_up({})
        self._ledger.commit(self._session)
        self._last_commit = self._means.clock()

    def run(self, trained: Mapping[Task, Training] | None = None) -> Iterator[Event]:
        """Every step that is a call, until only watching (or nothing) is left.

        Args:
            trained: what polling saw end since the lock was held last; None after `intend`.

        Raises:
            StateError: the state could not be written or the lock was lost; what was begun is recorded, or
                found again by its id.
        """
        if trained is not None:
            self._take_up(trained)
        while True:
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
        """Sort the open tasks: to be called, done without a call, or not ours any more."""
        moment = self._means.moment
        for task in self._ledger.open():
            record = self._ledger.record(task.change.address)
            if not concerns(task, record):
                self._note(task, overtaken(task, record))
            elif task in trained:
                self._note(task, settle(task, record, trained[task], moment))
            elif task.next in {Step.PROMOTE, Step.FORGET}:
                self._note(task, begin(task, record, moment))
            elif task.next not in WATCHING and not task.not_before:
                self._queue.append(task)

    def _note(self, task: Task, settled: Settled) -> None:
        self._ledger.note([settled.record])
        self._settled.append((task, settled.events))

    def _start(self) -> None:
        """Fill the threads; none waits in the pool, where an interrupt could not stop it."""
        if self._means.is_ending or self._halt is not None or self._tries:
            return
        while self._queue and len(self._running) < self._means.settings.parallelism:
            task = self._queue.popleft()
            awaited = self._ledger.awaited(task) or self._unrecorded(task)
            if awaited is not None:
                self._blocked.setdefault(awaited, []).append(task)
            elif task.held is not None:
                self._note(task, Settled(task.held[1]))  # its turn has come: recorded first, then called
                task.held = None
            else:
                self._running[self._submit(task)] = task

    def _unrecorded(self, task: Task) -> Address | None:
        """The address whose create was accepted, which is not committed yet."""
        change = task.change
        if not change.after_accepted:
            return None
        accepted = any(one.change.address == change.address for one, _ in self._settled)
        return change.address if accepted else None

    def _submit(self, task: Task) -> Future[object]:
        ledger, session, means = self._ledger, self._session, self._means
        record = ledger.record(task.change.address)
        want = ledger.world.desired.get(task.change.address)
        source = ledger.source(task) or ""
        changing = task.next in CHANGING

        def work() -> object:
            if changing:
                session.ensure_held()
                means.begun.set()
            return call(task, record, want, source, means.examples, fence=session.ensure_held)

        return self._means.pool.submit(work)

    def _gather(self) -> bool:
        """Take in calls that have ended; False when the grace after an interrupt has passed."""
        until_commit = max(0.0, self._due() - self._means.clock()) if self._settled else TICK
        timeout = min(TICK, until_commit)
        if not self._running:
            self._means.stopping.wait(timeout)
            return True
        done = wait(self._running, timeout=timeout, return_when=FIRST_COMPLETED).done
        for future in done:
            self._take_in(self._running.pop(future), future)
        if not done and self._session.stopped:
            self._grace -= timeout
        return self._grace > 0

    def _take_in(self, task: Task, future: Future[object]) -> None:
        record = self._ledger.record(task.change.address)
        try:
            result = future.result()
        except StoppedError:
            self._note(task, _skipped(task, Settled(record), "stopped before it was done"))
        except (RateLimitedError, NotReadyError) as error:
            self._note(task, self._refused(task, record, error))
        except AlreadyExistsError as error:
            self._note(task, self._occupied(task, Settled(record), error))
        except ServiceError as error:
            self._note(task, fail(task, record, error))
        except StateError as error:
            self._halt = self._halt or error
        except ReconcilerError as error:
            operation = task.operation
            task.ended = True
            failed = Failed(task.change.address, operation, error.summary, error.detail, task.id)
            self._note(task, Settled(record, (failed,)))
        except Exception as error:  # noqa: BLE001 - a defect: what the others did is recorded first
            self._halt = error
        else:
            self._note(task, settle(task, record, result, self._means.moment))

    def _refused(self, task: Task, record: Record, error: ServiceError) -> Settled:
        """Refused for now: asked again later, without the lock meanwhile, and told once. Else a failure."""
        now, waits = self._means.clock(), self._means.settings.wait
        told, task.error = task.error is not None, error
        task.refused = now if task.refused is None else task.refused
        pause = _pause(task, error, now - task.refused)
        if pause is None or not (waits or task.next is Step.CREATE):
            return fail(task, record, error)
        task.not_before = now + max(pause, _SHORTEST_PAUSE)
        task.exact = isinstance(error, RateLimitedError) and error.named
        settled = postpone(task, record, error, self._means.moment)
        return settled if told or not waits else replace(settled, events=(postponed(task, error),))

    def _occupied(self, task: Task, settled: Settled, error: AlreadyExistsError) -> Settled:
        """Where nobody can see what holds our id: the next generation of it, recorded before it is tried."""
        if task.next is Step.CREATE and not error.visible:
            model = self._ledger.next_generation(task)
            if model is not None:
                return Settled(replace(settled.record, candidate=model))
        return fail(task, settled.record, error)

    # -- commits -----------------------------------------------------------------------------------

    def _due(self) -> float:
        """When the next commit may be made, by our clock."""
        if self._tries:
            return self._last_commit + 2.0 ** (self._tries - 1)
        return self._last_commit + self._pause

    def _is_commit_due(self) -> bool:
        """Outcomes are grouped while others are under way, as the store and the size of the state want."""
        if not self._settled:
            return False
        nothing_comes = not (self._running or self._tries) and (not self._queue or self._halt is not None)
        return nothing_comes or self._means.is_ending or self._means.clock() >= self._due()

    def _commit(self) -> Iterator[Event]:
        """Record, then tell; tasks go on from there."""
        began = self._means.clock()
        try:
            if not self._sealed:
                self._ledger.commit(self._session)
        except StateStoreError as error:
            self._tries += 1
            self._failing += self._means.clock() - began
            patient = self._tries < _COMMIT_TRIES and self._failing < _COMMIT_PATIENCE
            if not patient or self._means.is_ending:
                self._seal(error)
        except StateError as error:
            self._seal(error)
        self._last_commit = self._means.clock()
        if self._sealed:
            self._settled.clear()  # what is not recorded is not told; it is found again by its id
            return
        if self._ledger.unwritten:
            return
        self._tries, self._failing = 0, 0.0
        self._pause = max(self._session.commit_interval, _COMMIT_SHARE * (self._last_commit - began))
        settled, self._settled = self._settled, []
        for task, _ in settled:
            if task.next is not None and task.next not in WATCHING and not task.not_before:
                self._queue.append(task)
            self._queue.extend(self._blocked.pop(task.change.address, ()))
        for _, events in settled:
            yield from events

    def _seal(self, error: StateError) -> None:
        """Write no more and start no more."""
        self._halt = self._halt or error
        self._sealed = True


def _pause(task: Task, error: ServiceError, waited: float) -> float | None:
    """Seconds after which what was refused is worth asking again; None when it is not."""
    if isinstance(error, RateLimitedError):
        room = ROOM if isinstance(error, NoCapacityError) else None
        return room if error.again is None else error.again
    return ROOM if task.next is Step.CREATE and waited < _PASSING else None


def _skipped(task: Task, settled: Settled, reason: str) -> Settled:
    operation, resume = task.operation, resume_of(task)
    task.ended = True
    event = Skipped(task.change.address, operation, reason, task.id, unfinished=True, resume=resume)
    return replace(settled, events=(event,))
