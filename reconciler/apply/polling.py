"""Watch trainings without the lock: which ones to look at, when, and what the answers mean.

Rule: this only reads, and records nothing. Few trainings are looked at singly. Of many, a short list of
their states says which have ended, and a long list or a single look says what became of them. An error never
means that a training has ended. A missing model may have been accepted a moment ago, or another run may have
replaced or deleted it. Its record tells which.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, wait
from typing import TypeVar, assert_never

from msgspec.structs import replace

from reconciler import errors
from reconciler.apply import schedule
from reconciler.apply.context import TICK, Context
from reconciler.apply.endpoints import look_at_deployment
from reconciler.apply.execute import look, read_training
from reconciler.apply.ledger import Ledger
from reconciler.apply.outcomes import let_go
from reconciler.apply.schedule import Budget, Rhythm
from reconciler.apply.tasks import Task, is_still_ours
from reconciler.events import Event, Failed, Verb
from reconciler.model.live import Live, Status
from reconciler.observe import redact_failure
from reconciler.plan.recording import find_model
from reconciler.plan.steps import AwaitDeployment, AwaitDrain, AwaitEnd, AwaitTraining
from reconciler.providers import Provider, Training
from reconciler.state.values import State

_Answer = TypeVar("_Answer")

_MISSES = 5
"""After this many failed polls in a row, a model is given up, unless the service is only busy."""

_NOT_UNDERSTOOD = 3
"""After this many answers in a row that are not understood, a model is given up."""

_GONE_ADVICE = "Apply again: if it was really deleted, it is trained again"

_COPY_ADVICE = "Apply again: if it was really deleted, it is copied again"

_OF_ONE = Rhythm(longest=schedule.NOTICED)
"""How often a training is looked at that is not one of many."""

_OFTEN = 2.0
"""For so many pauses after many trainings have ended, the others are looked at twice as often."""

_COST = 4.0
"""The pause after a list call, as a multiple of its duration."""

_LONG, _SINGLE = 3, 4
"""About how many requests it takes to learn what became of trainings: by a long list, as a multiple of those
for the list of states, or by a single look."""


class Polling:
    """Polls the trainings that an apply waits for.

    Args:
        read: reads the state without the lock.

    Attributes:
        ended: trainings that have ended. The caller records them and clears this.
    """

    def __init__(self, ledger: Ledger, context: Context, read: Callable[[], State]) -> None:
        self._ledger, self._context, self._read = ledger, context, read
        self._due: dict[Task, float] = {}
        self._missing: dict[Task, float] = {}
        self._began: dict[tuple[Task, int], float] = {}
        self._unseen: list[Task] = []
        self._told: dict[str, float] = {}
        self._requests: dict[str, int] = {}
        self._budget: Budget | None = None
        self._often_until = -math.inf
        self.ended: dict[Task, Training] = {}

    def watch(self, again: float | None = None) -> Iterator[Event]:
        """Look at the trainings that are due, until one has ended, none is left, or this run stops.

        At the clock time `again`, return in any case.
        """
        context = self._context
        while not self.ended and not context.is_ending:
            watched = self._ledger.list_watched()
            now = context.clock()
            if (not watched and again is None) or (again is not None and now >= again):
                return
            looks = self._list_looks(watched)
            earliest = min(looks if again is None else [*looks, again])
            if earliest > now:
                until = earliest if context.deadline is None else min(earliest, context.deadline)
                context.stopping.wait(max(0.0, until - now))
            else:
                yield from self._look(watched, now)
                yield from self._let_go_of_unseen()

    def _list_looks(self, watched: list[Task]) -> list[float]:
        """List the clock times of the next looks. Those at many trainings keep to their budget."""
        budget = -math.inf if self._budget is None else self._budget.next_look
        many = {task for tasks in _group_many(watched).values() for task in tasks}
        return [max(self._due.get(task, 0.0), budget if task in many else -math.inf) for task in watched]

    def _look(self, watched: list[Task], now: float) -> Iterator[Event]:
        """Look at every training that is due once: by lists for many of a kind, or singly."""
        due = [task for task, at in zip(watched, self._list_looks(watched), strict=True) if at <= now]
        many: set[Task] = set()
        for kind, tasks in _group_many(watched).items():
            many |= set(tasks)
            if many.isdisjoint(due):
                continue
            seen, rest = self._look_at_many(kind, tasks, now)
            yield from seen
            due = [*(task for task in due if task not in many), *rest]
        singles = [task for task in due if task not in self.ended and not task.ended]
        futures = [(task, self._context.pool.submit(self._poll, task)) for task in singles]
        for task, future in futures:
            answer = self._wait_for(future)
            if answer is None:
                return  # this run stops
            yield from self._take_in(task, answer, Rhythm() if task in many else _OF_ONE)

    def _let_go_of_unseen(self) -> Iterator[Event]:
        """End the tasks whose models are missing because another run has taken them over."""
        unseen = [task for task in self._unseen if task.next is not None]
        self._unseen.clear()
        if not unseen:
            return
        state = self._wait_for(self._context.pool.submit(self._read))
        if not isinstance(state, State):
            return  # the store does not answer: it is asked again after the next look
        self._ledger.state = state
        for task in unseen:
            record = self._ledger.find_record(task.change.address)
            if not is_still_ours(task, record):
                settled = let_go(task, record)
                task.advance(settled)
                yield from settled.events

    def _look_at_many(self, kind: str, tasks: list[Task], now: float) -> tuple[list[Event], list[Task]]:
        """Look at many trainings of a kind. Returns the events, and the tasks that need a single look.

        First comes the list of states, unless progress is to be told and the long list tells it.
        """
        if self._budget is None:
            self._budget = Budget(now)
        provider = self._context.providers[kind]
        tells = now >= self._told.get(kind, -math.inf)
        if tells and provider.kind.lists_progress:
            self._budget.spent += self._requests.get(kind, 1)
            return self._look_at_list(kind, tasks)
        names = [task.find_handle(self._ledger.find_record(task.change.address)).name for task in tasks]
        answer = self._wait_for(self._context.pool.submit(_list_states, provider, {*names} - {""}))
        if answer is None:
            return [], []  # this run stops
        if isinstance(answer, errors.ReconcilerError):
            if not _is_odd(answer):
                return self._miss_all(tasks, answer), []
            self._budget.spent += 1 + _LONG * self._requests.get(kind, 1)
            return self._look_at_list(kind, tasks)
        states, self._requests[kind] = answer
        self._budget.spent += self._requests[kind]
        pause = min(self._choose_pause(now), schedule.NOTICED)
        rhythm = Rhythm.of_many(pause)
        events: list[Event] = []
        rest: list[Task] = []
        for name, task in zip(names, tasks, strict=True):
            status = states.get(name)
            if status is Status.CREATING:
                seen = self._take_in(task, Training(status, total_steps=self._find_steps(task)), rhythm)
                events += seen if tells else ()
            elif self._needs_look(task, now, has_ended=status is not None):
                rest.append(task)
        if now < self._often_until:
            self._look_again_soon(tasks, pause)
        if tells:
            self._plan_progress(kind, tasks, pause)
        if len(rest) > schedule.MANY:
            self._budget.spent += _LONG * self._requests[kind]
            told, rest = self._look_at_list(kind, tasks)
            return [*events, *told], rest
        self._budget.spent += _SINGLE * len(rest)
        return events, rest

    def _look_at_list(self, kind: str, tasks: list[Task]) -> tuple[list[Event], list[Task]]:
        """Look at the long list. Returns its events, and the tasks that need a single look.

        A list does not show why a training failed, and it may lag.
        """
        began = self._context.clock()
        provider = self._context.providers[kind]
        answer = self._wait_for(self._context.pool.submit(_list_live, provider))
        if answer is None:
            return [], []  # this run stops
        if isinstance(answer, errors.ReconcilerError):
            # One odd answer blocks no other: each is asked for by itself.
            return ([], tasks) if _is_odd(answer) else (self._miss_all(tasks, answer), [])
        pause = self._choose_pause(began)
        rhythm = Rhythm.of_many(pause)
        events: list[Event] = []
        rest: list[Task] = []
        for task in tasks:
            live = answer.get(task.id)
            if live is None or live.status is Status.FAILED:
                rest += [task] if self._needs_look(task, began, has_ended=live is not None) else []
            else:
                events += self._take_in(task, read_training(live, self._find_steps(task)), rhythm)
        if self.ended:  # what began together may end together
            self._often_until = self._context.clock() + _OFTEN * pause
            self._look_again_soon(tasks, pause)
        if provider.kind.lists_progress:
            self._plan_progress(kind, tasks, pause)
        return events, rest

    def _look_again_soon(self, tasks: list[Task], pause: float) -> None:
        """Look at those still in training again after half of a pause."""
        soon = self._context.clock() + pause / 2
        self._due |= {task: min(self._due.get(task, soon), soon) for task in tasks}

    def _choose_pause(self, began: float) -> float:
        """Choose the fewest seconds until the next list. One that takes long is asked for less often."""
        return max(_COST * (self._context.clock() - began), schedule.SOONEST)

    def _plan_progress(self, kind: str, tasks: list[Task], pause: float) -> None:
        """Choose when many trainings are asked for their progress again: after `pause` seconds at least."""
        now = self._context.clock()
        watched = now - (self._budget.began if self._budget is not None else now)
        intervals = (self._due[task] - now for task in tasks if task in self._due)
        self._told[kind] = now + schedule.choose_progress_pause(watched, intervals, pause)

    def _needs_look(self, task: Task, now: float, *, has_ended: bool) -> bool:
        """Return whether to ask for a training by itself: it has ended just now, or its next look is due."""
        return (has_ended and task.error is None) or self._due.get(task, 0.0) <= now

    def _find_steps(self, task: Task) -> int | None:
        model = find_model(self._ledger.find_record(task.change.address), task.id)
        return model.total_steps if model is not None else None

    def _poll(self, task: Task) -> Training:
        record = self._ledger.find_record(task.change.address)
        match task.next:
            case AwaitDeployment() as step:
                return look_at_deployment(step, task.provider, record)
            case AwaitDrain() as step:
                left = schedule.measure_drain(record, step.seconds, self._context.now())
                return Training(Status.CREATING if left > 0 else Status.ACTIVE)
            case _:
                return look(task.provider, task.find_handle(record))

    def _wait_for(self, future: Future[_Answer]) -> _Answer | errors.ReconcilerError | None:
        """Wait for an answer or an error of the service. Returns None if this run stops first."""
        while not wait([future], timeout=TICK).done:
            if self._context.is_ending:
                return None
        try:
            return future.result()
        except errors.StoppedError:
            return None
        except (errors.ServiceError, errors.CredentialError, errors.StateError) as error:
            return error
        except Exception as error:  # noqa: BLE001 - a defect in reading one answer stops no other's wait
            return errors.NotUnderstoodError(
                f"internal error: {type(error).__name__}: {str(error)[:200]}", "Please report it"
            )

    def _take_in(
        self, task: Task, answer: Training | errors.ReconcilerError, rhythm: Rhythm = _OF_ONE
    ) -> Iterable[Event]:
        """Process one answer. Yields at most one event. See `_see`."""
        match answer:
            case errors.NotFoundError() if isinstance(task.next, AwaitEnd):
                return self._see(task, Training(Status.FAILED), rhythm)  # gone: we wait for that
            case errors.ReconcilerError():
                self._miss(task, answer)
                return self._give_up(task)
            case Training():
                return self._see(task, answer, rhythm)
            case _:
                assert_never(answer)

    def _see(self, task: Task, answer: Training, rhythm: Rhythm) -> Iterable[Event]:
        """Process a training's progress, and choose when to look again."""
        task.misses, task.odd, task.error = 0, 0, None
        self._missing.pop(task, None)
        if answer.status is not Status.CREATING:
            desired = self._ledger.facts.desired.get(task.change.address)
            reason = redact_failure(answer.error, desired, self._context.examples)
            self.ended[task] = replace(answer, error=reason)
            return ()
        record = self._ledger.find_record(task.change.address)
        if isinstance(task.next, (AwaitDeployment, AwaitDrain)):
            left, clock = None, self._context.clock()
            if isinstance(task.next, AwaitDrain):
                left = schedule.measure_drain(record, task.next.seconds, self._context.now())
            elapsed = clock - self._began.setdefault((task, task.position), clock)
            self._due[task] = clock + min(schedule.choose_interval(elapsed, None), left or schedule.LONGEST)
            return ()
        model = find_model(record, task.id)
        if model is None:
            return ()
        seen = schedule.measure_progress(task.change.address, model, answer, self._context.now())
        interval = schedule.choose_interval(seen.elapsed, seen.remaining, rhythm)
        self._due[task] = self._context.clock() + interval
        match task.next:
            case AwaitTraining(copies=True):
                return (replace(seen, operation=Verb.COPY),)
            case AwaitTraining():
                return (seen,)
            case _:
                return ()

    def _miss_all(self, tasks: list[Task], error: errors.ReconcilerError) -> list[Event]:
        return [event for task in tasks for event in self._take_in(task, error)]

    def _miss(self, task: Task, error: errors.ReconcilerError) -> None:
        """Schedule another look after an error. A busy service does not count as a failed poll."""
        busy = isinstance(error, (errors.RateLimitedError, errors.UnavailableError, errors.ReplyLostError))
        task.odd = task.odd + 1 if _is_odd(error) else 0
        task.misses += 0 if busy and not task.odd else 1
        task.error = error
        self._due[task] = self._context.clock() + min(2.0**task.misses, schedule.LONGEST)

    def _give_up(self, task: Task) -> Iterable[Event]:
        """Stop watching a model that has not been seen for long. Its id is recorded, so nothing is lost."""
        error, address = task.error, task.change.address
        if isinstance(error, errors.NotFoundError):
            self._unseen.append(task)
            since = self._missing.setdefault(task, self._context.clock())
            if task.misses < _MISSES or self._context.clock() - since < self._context.lag:
                return ()
            task.ended = True
            if isinstance(task.next, AwaitDeployment):
                return (Failed(address, Verb.DEPLOY, error.summary, error.detail, task.id),)
            gone = f"it is gone: {error.summary}"
            if not task.provider.kind.trains:
                return (Failed(address, Verb.COPY, gone, _COPY_ADVICE, task.id, training=True),)
            return (Failed(address, Verb.CREATE, gone, _GONE_ADVICE, task.id, training=True),)
        if task.odd >= _NOT_UNDERSTOOD and error is not None:
            task.ended = True
            reason = f"its answers cannot be understood, {task.odd} in a row"
            return (task.skip(f"{reason}: {error.summary}. {error.detail}", trouble=True),)
        if error is None or task.misses < _MISSES:
            return ()
        task.ended = True
        return (task.skip(f"it cannot be watched any more: {error.summary}"),)


def _group_many(watched: Iterable[Task]) -> dict[str, list[Task]]:
    """Group the trainings by kind, and leave out kinds with so few that each is looked at by itself."""
    by_kind: dict[str, list[Task]] = {}
    for task in watched:
        if isinstance(task.next, (AwaitTraining, AwaitEnd)):
            by_kind.setdefault(task.change.address.kind, []).append(task)
    return {kind: tasks for kind, tasks in by_kind.items() if len(tasks) > schedule.MANY}


def _list_states(provider: Provider, wanted: AbstractSet[str]) -> tuple[Mapping[str, Status], int]:
    """List the states of trainings until all that are wanted were seen. Returns them, and the requests."""
    found: dict[str, Status] = {}
    requests = 0
    for page in provider.list_states():
        requests += 1
        found.update(page)
        if found.keys() >= wanted:
            break
    return found, requests


def _list_live(provider: Provider) -> dict[str, Live]:
    """List the live models by id. Those that are not understood are left out and looked at singly."""
    return {live.id: live for live in provider.list(progress=True) if isinstance(live, Live)}


def _is_odd(answer: errors.ReconcilerError) -> bool:
    """Return whether the answer could not be understood, unlike a service that is busy or down."""
    return isinstance(answer, (errors.NotUnderstoodError, errors.UnreadableError))
