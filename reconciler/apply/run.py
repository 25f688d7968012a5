"""The loop: intents, calls, commits, events; then watch, lock again, and record what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.apply import watch
from reconciler.apply.calls import Examples, call, training_of
from reconciler.apply.outcomes import RETRY_ADVICE, Settled, begin, fail, settle
from reconciler.apply.steps import CHANGING, WATCHING, Step, Task, find, steps_of
from reconciler.errors import (
    AlreadyExistsError,
    CredentialError,
    NotFoundError,
    ReconcilerError,
    ServiceError,
    StateError,
    StoppedError,
)
from reconciler.events import INTERRUPT, NO_WAIT, TIMEOUT, Completed, Detached, Event, Failed, Skipped
from reconciler.identity import GENERATIONS
from reconciler.model import Address, Status
from reconciler.plan.values import Action, Plan
from reconciler.plan.world import World, new_model, timestamp
from reconciler.providers import Providers, Training
from reconciler.state import Record, State
from reconciler.statemgr import Session, StateManager

_GRACE = 3.0
"""Seconds that calls under way get after an interrupt, so that commit and unlock are done within 5."""

_TICK = 0.2
"""Seconds between two looks at whether we shall stop."""

_MISSES = 5
"""Polls in a row that may fail for other reasons than a busy service."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an apply runs.

    Attributes:
        parallelism: calls at once.
        wait: False stops once everything is accepted.
        timeout: seconds after which waiting ends, None for never.
        lag: seconds for which a model that was just accepted may be invisible.
    """

    parallelism: int = 10
    wait: bool = True
    timeout: float | None = None
    lag: float = 60.0


def apply(
    recheck: Callable[[State], tuple[Plan, World]],
    providers: Providers,
    locks: StateManager,
    *,
    examples: Examples,
    clock: Callable[[], float],
    now: Callable[[], datetime],
    stopping: threading.Event,
    settings: Settings,
) -> Iterator[Event]:
    """Make a plan true; yields what happened, each thing after it is recorded.

    Args:
        recheck: given the state as read under the lock, answers the approved plan as it is now, or
            raises StalePlanError; called once, before anything is written.
        providers: kind name to provider.
        locks: where the state is.
        examples: reads a data set again, verified.
        clock: monotonic seconds.
        now: the time of day, aware.
        stopping: set when we shall detach.
        settings: see Settings.

    Raises:
        StalePlanError: nothing was changed.
        StateError: the state could not be locked, read or written; what was begun is in it or is found
            again by its id.
    """
    run = _Run(providers, locks, examples, clock, now, stopping, settings)
    try:
        yield from run.events(recheck)
    finally:
        run.pool.shutdown(wait=False, cancel_futures=True)


class _Run:
    """The state of one apply."""

    def __init__(  # noqa: PLR0917 - one caller, a few lines up
        self,
        providers: Providers,
        locks: StateManager,
        examples: Examples,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        stopping: threading.Event,
        settings: Settings,
    ) -> None:
        self.providers, self.locks, self.examples = providers, locks, examples
        self.clock, self.now, self.stopping, self.settings = clock, now, stopping, settings
        self.pool = ThreadPoolExecutor(max_workers=settings.parallelism, thread_name_prefix="call")
        self.tasks: dict[tuple[Address, str], Task] = {}
        self.deadline = None if settings.timeout is None else clock() + settings.timeout
        self.due: dict[tuple[Address, str], float] = {}
        self.trained: dict[tuple[Address, str], Training] = {}
        self.last_commit = float("-inf")
        self.state = State()
        self.world: World

    def events(self, recheck: Callable[[State], tuple[Plan, World]]) -> Iterator[Event]:
        """Everything, from the intents to the last promotion."""
        with self.locks.locked() as session:
            plan, self.world = recheck(session.state)
            self._commit(session, session.state.put(*_intents(plan, session.state)))
            yield from self._begin(plan, session)
            yield from self._work(session)
        while not self.stopping.is_set() and self.settings.wait and self._watched():
            if self.deadline is not None and self.clock() >= self.deadline:
                break
            yield from self._watch()
            if self.trained or any(task.next not in WATCHING for task in self._open()):
                with self.locks.locked() as session:
                    self.state = session.state
                    yield from self._settle_trained(session)
                    yield from self._work(session)
        yield from self._end()

    # -- beginning ---------------------------------------------------------------------------------

    def _begin(self, plan: Plan, session: Session) -> Iterator[Event]:
        """Make the tasks; what needs no call at all is done at once."""
        records: list[Record] = []
        events: list[Event] = []
        for change in plan.changes:
            if change.action is Action.FAILED:
                advice = f"To train it again: reconciler apply --retry-failed --target {change.address}"
                events.append(
                    Failed(change.address, "create", f"{change.reason}: {change.error}", advice, change.id)
                )
                continue
            steps = steps_of(change)
            if not steps:
                continue
            task = Task(change, self.providers[change.address.kind], steps, change.id, change.generation)
            self.tasks[change.key] = task
            if task.next in {Step.PROMOTE, Step.FORGET}:
                current = {record.address: record for record in records}
                record = current.get(change.address) or self._record(session.state, change.address)
                settled = begin(task, record, self._moment())
                records = [one for one in records if one.address != change.address] + [settled.record]
                events += settled.events
        self._commit(session, session.state.put(*records))
        yield from events

    def _moment(self) -> str:
        return timestamp(self.now())

    @staticmethod
    def _record(state: State, address: Address) -> Record:
        return state.resources.get(address, Record(address))

    def _commit(self, session: Session, state: State) -> None:
        """Write what changed, stamped with whose it is."""
        if state is not session.state:
            context = self.world.observed.context
            state = replace(
                state,
                stack=state.stack or self.world.stack.name,
                service=state.service or context.service,
                project=state.project or context.project,
            )
            session.commit(state)
            self.last_commit = self.clock()
        self.state = session.state

    # -- calls -------------------------------------------------------------------------------------

    def _open(self) -> list[Task]:
        return [task for task in self.tasks.values() if task.next is not None]

    def _watched(self) -> list[Task]:
        return [task for task in self._open() if task.next in WATCHING]

    def _work(self, session: Session) -> Iterator[Event]:
        """Run every step that is a call, until only watching (or nothing) is left."""
        running: dict[Future[object], Task] = {}
        cost: StateError | None = None
        while True:
            if not self.stopping.is_set() and cost is None:
                busy = {id(task) for task in running.values()}
                for task in self._open():
                    if len(running) >= self.settings.parallelism:
                        break  # none waits in the pool, where an interrupt could not stop it
                    if task.next not in WATCHING and id(task) not in busy and self._ready(task):
                        running[self._submit(task, session)] = task
            if not running:
                break
            done = self._gather(running, session.commit_interval)
            if not done:
                break  # the grace after an interrupt has passed
            try:
                yield from self._settle(session, [(running.pop(future), future) for future in done])
            except StateError as error:
                cost = cost or error  # calls under way end first: their outcome may still be recorded
        if cost is not None:
            raise cost

    def _ready(self, task: Task) -> bool:
        """Whether nothing has to come first: a parent that serves, a successor that is accepted."""
        change = task.change
        if change.after_accepted:
            main = self.tasks.get((change.address, ""))
            return main is None or main.accepted
        if task.next is Step.CREATE and change.parent is not None:
            return self._source(task) is not None
        return True

    def _source(self, task: Task) -> str | None:
        """The resource name to tune from; None while its parent does not serve."""
        if task.change.parent is None:
            return task.change.source
        parent = self._record(self.state, task.change.parent).serving
        if parent is None or task.change.source not in {parent.name, parent.id}:
            return None
        return parent.name

    def _submit(self, task: Task, session: Session) -> Future[object]:
        record = self._record(self.state, task.change.address)
        want = self.world.desired.get(task.change.address)
        source = self._source(task) or ""
        changing = task.next in CHANGING

        def work() -> object:
            if changing:
                session.ensure_held()
            return call(task, record, want, source, self.examples)

        return self.pool.submit(work)

    def _gather(self, running: Mapping[Future[object], Task], commit_interval: float) -> set[Future[object]]:
        """Calls that have ended, several together where the store wants few commits."""
        grace = None
        while True:
            done, left = wait(running, timeout=_TICK, return_when=FIRST_COMPLETED)
            pause = self.last_commit + commit_interval - self.clock()
            if done and left and pause > 0 and not self.stopping.is_set():
                done |= wait(left, timeout=pause).done
            if done:
                return done
            if self.stopping.is_set():
                grace = grace or self.clock() + _GRACE
                if self.clock() >= grace:
                    return set()

    def _settle(self, session: Session, ended: list[tuple[Task, Future[object]]]) -> Iterator[Event]:
        """Record outcomes in one commit, then tell."""
        records: dict[Address, Record] = {}
        events: list[Event] = []
        for task, future in ended:
            address = task.change.address
            record = records.get(address) or self._record(self.state, address)
            settled = self._outcome(task, record, future)
            records[address] = settled.record
            events += settled.events
        self._commit(session, self.state.put(*records.values()))
        yield from events

    def _outcome(self, task: Task, record: Record, future: Future[object]) -> Settled:
        try:
            result = future.result()
        except StoppedError:
            step = str(task.next)
            task.ended = True
            skipped = Skipped(
                task.change.address, step, "stopped before it was done", task.id, unfinished=True
            )
            return Settled(record, (skipped,))
        except AlreadyExistsError as error:
            if task.next is Step.CREATE and not error.visible and not self._pinned(task):
                return self._next_generation(task, record, error)
            return fail(task, record, error)
        except ServiceError as error:
            return fail(task, record, error)
        except StateError:
            raise
        except ReconcilerError as error:
            step = str(task.next)
            task.ended = True
            failed = Failed(task.change.address, step, error.summary, error.detail, task.id)
            return Settled(record, (failed,))
        return settle(task, record, result, self._moment())

    def _pinned(self, task: Task) -> bool:
        want = self.world.desired.get(task.change.address)
        return want is not None and want.id is not None

    def _next_generation(self, task: Task, record: Record, error: AlreadyExistsError) -> Settled:
        """Something that nobody can see holds our id: the next generation of it, recorded first."""
        want = self.world.desired[task.change.address]
        task.generation += 1
        if task.generation >= GENERATIONS:
            return fail(task, replace(record, candidate=None), error)
        task.id, digest = self.world.identity(want, task.change.source, task.generation)
        model = new_model(
            self.world,
            want,
            task.change.after or {},
            id=task.id,
            digest=digest,
            generation=task.generation,
            source=task.change.source,
        )
        return Settled(replace(record, candidate=model))

    # -- watching ----------------------------------------------------------------------------------

    def _watch(self) -> Iterator[Event]:
        """Look at the trainings that are due, until one has ended or we shall stop."""
        while not self.stopping.is_set() and not self.trained and self._watched():
            now = self.clock()
            if self.deadline is not None and now >= self.deadline:
                return
            due = [task for task in self._watched() if self.due.get(task.change.key, 0.0) <= now]
            if due:
                yield from self._look(due)
                continue
            earliest = min(self.due.get(task.change.key, 0.0) for task in self._watched())
            pause = earliest - now if self.deadline is None else min(earliest, self.deadline) - now
            self.stopping.wait(max(0.0, pause))

    def _look(self, due: list[Task]) -> Iterator[Event]:
        """Poll these; a list instead of single looks where there are many."""
        for task, training in self._polled(due):
            key, address = task.change.key, task.change.address
            record = self._record(self.state, address)
            model = find(record, task.id)
            if model is None or training is None:
                continue
            if training.status is not Status.CREATING:
                self.trained[key] = training
                continue
            seen = watch.progress(address, model, training, self.now())
            self.due[key] = self.clock() + watch.interval(seen.elapsed, seen.remaining)
            if task.next is Step.TRAIN:
                yield seen
        yield from self._lost()

    def _polled(self, due: list[Task]) -> list[tuple[Task, Training | None]]:
        by_kind: dict[str, list[Task]] = {}
        for task in due:
            by_kind.setdefault(task.change.address.kind, []).append(task)
        answers: list[tuple[Task, Training | None]] = []
        for kind, tasks in by_kind.items():
            listed = self._listed(kind) if len(tasks) > watch.MANY else {}
            single = [task for task in tasks if task.id not in listed]
            for task in tasks:
                if task.id in listed:
                    task.misses = 0
                    answers.append((task, listed[task.id]))
            futures = [(task, self.pool.submit(self._poll, task)) for task in single]
            for task, future in futures:
                answers.append((task, self._poll_answer(task, future)))
        return answers

    def _poll(self, task: Task) -> object:
        record = self._record(self.state, task.change.address)
        return call(task, record, None, "", self.examples)

    def _poll_answer(self, task: Task, future: Future[object]) -> Training | None:
        """The answer, None for none: then it is asked again a little later."""
        while not self.stopping.is_set():
            wait([future], timeout=_TICK)
            if future.done():
                break
        else:
            return None
        try:
            answer = future.result()
        except (ServiceError, CredentialError) as error:
            busy = isinstance(error, ServiceError) and (error.status is None or error.status >= 429)
            if isinstance(error, NotFoundError) and task.next is Step.OUTLAST:
                return Training(Status.FAILED)
            task.misses += 0 if busy else 1
            self.due[task.change.key] = self.clock() + min(2.0**task.misses, watch.LONGEST)
            task.error = error
            return None
        task.misses = 0
        return answer if isinstance(answer, Training) else None

    def _listed(self, kind: str) -> dict[str, Training]:
        """Every training of a kind from one list; failed ones are looked at singly for their reason."""
        try:
            live = {one.id: one for one in self.providers[kind].list()}
        except (ServiceError, CredentialError):
            return {}
        shown: dict[str, Training] = {}
        for task in self._watched():
            one = live.get(task.id)
            model = find(self._record(self.state, task.change.address), task.id)
            if one is not None and model is not None and one.status is not Status.FAILED:
                shown[task.id] = training_of(one, model.total_steps)
        return shown

    def _lost(self) -> Iterator[Event]:
        """Give up watching what cannot be seen for long; nothing is lost, the id is recorded."""
        for task in self._watched():
            error = task.error
            if task.misses < _MISSES or error is None:
                continue
            task.ended = True
            address = task.change.address
            if isinstance(error, NotFoundError):
                yield Failed(address, "create", f"{task.id} is gone: {error.summary}", RETRY_ADVICE, task.id)
            else:
                reason = f"it cannot be watched any more: {error.summary}"
                yield Skipped(address, "create", reason, task.id, unfinished=True)

    def _settle_trained(self, session: Session) -> Iterator[Event]:
        """Under the lock again: record what has ended, unless another run has done so."""
        records: list[Record] = []
        events: list[Event] = []
        for key, training in self.trained.items():
            task = self.tasks[key]
            record = self._record(self.state, task.change.address)
            if task.next is Step.TRAIN and (record.candidate is None or record.candidate.id != task.id):
                task.ended = True
                events.append(self._overtaken(task, record))
                continue
            settled = settle(task, record, training, self._moment())
            records.append(settled.record)
            events += settled.events
        self.trained.clear()
        self._commit(session, session.state.put(*records))
        yield from events

    @staticmethod
    def _overtaken(task: Task, record: Record) -> Event:
        address = task.change.address
        if record.serving is not None and record.serving.id == task.id:
            return Completed(address, "create", task.id, detail="recorded by another run")
        return Skipped(address, "create", "another run has replaced it meanwhile", task.id)

    # -- ending ------------------------------------------------------------------------------------

    def _end(self) -> Iterator[Event]:
        """Say what is left, and why."""
        left = self._open()
        training = tuple(task.change.address for task in left if task.next is Step.TRAIN)
        stopped = self.stopping.is_set()
        for task in left:
            if task.next is not Step.TRAIN:
                yield self._left(task, stopped=stopped)
        if left or stopped:
            reason = INTERRUPT if stopped else TIMEOUT if self.settings.wait else NO_WAIT
            if training or stopped:
                yield Detached(reason, training)

    def _left(self, task: Task, *, stopped: bool) -> Event:
        address, step = task.change.address, task.next
        if step is Step.CREATE and task.change.parent is not None and not stopped:
            parent = self.tasks.get((task.change.parent, ""))
            failed = parent is not None and parent.ended and self._source(task) is None
            reason = (
                f"it is tuned from {task.change.parent}, which {'failed' if failed else 'does not serve yet'}"
            )
            return Skipped(address, "create", reason, task.id, unfinished=not failed)
        if task.change.after_accepted and not stopped:
            return Skipped(address, "delete", "its successor was not accepted", task.id)
        if step is Step.OUTLAST:
            reason = "the service does not delete it while it trains; wait deletes it later"
            return Skipped(address, "delete", reason, task.id, unfinished=True)
        return Skipped(address, str(step), "stopped before it was done", task.id, unfinished=True)


def _intents(plan: Plan, state: State) -> Iterable[Record]:
    """The records to commit before any call. A record that is already so is no write."""
    for change in plan.changes:
        if change.intent is not None and state.resources.get(change.address) != change.intent:
            yield change.intent
