"""Watching trainings while nobody is locked out: whom to look at, when, and what an answer means.

Rule: reads only, records nothing. Many trainings are seen with one list, few with a look at each; an
error never means that a training ended. A model that cannot be seen may have been accepted just now, or
be gone because another run replaced or deleted it: its record tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import TypeVar, assert_never

from reconciler.apply import schedule
from reconciler.apply.context import TICK, Context
from reconciler.apply.execute import look, read_training
from reconciler.apply.ledger import Ledger
from reconciler.apply.outcomes import let_go
from reconciler.apply.tasks import Task, is_still_ours
from reconciler.errors import (
    CredentialError,
    NotFoundError,
    NotUnderstoodError,
    RateLimitedError,
    ReconcilerError,
    ReplyLostError,
    ServiceError,
    StateError,
    StoppedError,
    UnavailableError,
    UnreadableError,
)
from reconciler.events import Event, Failed, Verb
from reconciler.model import Live, Status
from reconciler.observe import make_handle, redact_failure
from reconciler.plan.recording import find_model
from reconciler.plan.steps import AwaitEnd, AwaitTraining
from reconciler.providers import Handle, Provider, Training
from reconciler.state.values import State

_Answer = TypeVar("_Answer")

_MISSES = 5
"""Polls in a row that may fail for other reasons than a busy service."""

_NOT_UNDERSTOOD = 3
"""Polls in a row whose answer may not be understood."""

_GONE_ADVICE = "Apply again: if it was really deleted, it is trained anew"

_COST = 4.0
"""A long list is repeated after so many times as long as it took."""


class Polling:
    """What is seen of the trainings that an apply waits for.

    Args:
        read: the state as it is now, without the lock.

    Attributes:
        ended: what has been seen to end; the caller records and clears it.
    """

    def __init__(self, ledger: Ledger, context: Context, read: Callable[[], State]) -> None:
        self._ledger, self._context, self._read = ledger, context, read
        self._due: dict[Task, float] = {}
        self._missing: dict[Task, float] = {}
        self._unseen: list[Task] = []
        self.ended: dict[Task, Training] = {}

    def watch(self, again: float | None = None) -> Iterator[Event]:
        """Look at the trainings that are due, until one has ended, none is left, or we shall stop.

        Args:
            again: by the clock, when to return in any case; None for never.
        """
        context = self._context
        while not self.ended and not context.is_ending:
            watched = self._ledger.list_watched()
            now = context.clock()
            if (not watched and again is None) or (again is not None and now >= again):
                return
            looks = [self._due.get(task, 0.0) for task in watched]
            earliest = min(looks if again is None else [*looks, again])
            if earliest > now:
                until = earliest if context.deadline is None else min(earliest, context.deadline)
                context.stopping.wait(max(0.0, until - now))
            else:
                yield from self._look(watched, now)
                yield from self._let_go_of_unseen()

    def _look(self, watched: list[Task], now: float) -> Iterator[Event]:
        """One round: every kind by a list or by single looks, whatever is cheaper."""
        by_kind: dict[str, list[Task]] = {}
        for task in watched:
            by_kind.setdefault(task.change.address.kind, []).append(task)
        singles: list[Task] = []
        for kind, tasks in by_kind.items():
            due = [task for task in tasks if self._due.get(task, 0.0) <= now]
            if due and len(tasks) > schedule.MANY:
                seen, rest = self._look_at_list(kind, tasks)
                yield from seen
                due = [task for task in rest if self._due.get(task, 0.0) <= now]
            singles += due
        futures = [(task, self._context.pool.submit(self._poll, task)) for task in singles]
        for task, future in futures:
            answer = self._wait_for(future)
            if answer is None:
                return  # we shall stop
            yield from self._take_in(task, answer)

    def _let_go_of_unseen(self) -> Iterator[Event]:
        """Let go of what cannot be seen because another run made something else of it."""
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

    def _look_at_list(self, kind: str, tasks: list[Task]) -> tuple[list[Event], list[Task]]:
        """What one list tells, and the tasks that it tells nothing of.

        A failure's reason is not in a list, and a list may lag: those are looked at singly.
        """
        began = self._context.clock()
        provider = self._context.providers[kind]
        answer = self._wait_for(self._context.pool.submit(_list_live, provider))
        if answer is None:
            return [], []  # we shall stop
        if isinstance(answer, ReconcilerError):
            if _is_odd(answer):
                return [], tasks  # each is asked for by itself: one odd answer blocks no other
            return [event for task in tasks for event in self._take_in(task, answer)], []
        pause = _COST * (self._context.clock() - began)
        events: list[Event] = []
        rest: list[Task] = []
        for task in tasks:
            one = answer.get(task.id)
            if one is None or one.status is Status.FAILED:
                rest.append(task)
                continue
            model = find_model(self._ledger.find_record(task.change.address), task.id)
            steps = model.total_steps if model is not None else None
            events += self._take_in(task, read_training(one, steps), pause)
        return events, rest

    def _poll(self, task: Task) -> Training:
        record = self._ledger.find_record(task.change.address)
        model = find_model(record, task.id)
        return look(task.provider, make_handle(model) if model else Handle(task.id, task.change.name))

    def _wait_for(self, future: Future[_Answer]) -> _Answer | ReconcilerError | None:
        """The answer, or the error of the service; None when we shall stop before it comes."""
        while not wait([future], timeout=TICK).done:
            if self._context.is_ending:
                return None
        try:
            return future.result()
        except StoppedError:
            return None
        except (ServiceError, CredentialError, StateError) as error:
            return error
        except Exception as error:  # noqa: BLE001 - a defect in reading one answer stops no other's wait
            return NotUnderstoodError(
                f"internal error: {type(error).__name__}: {str(error)[:200]}", "Please report it"
            )

    def _take_in(self, task: Task, answer: Training | ReconcilerError, pause: float = 0.0) -> Iterable[Event]:
        """Take in one answer; at most one event."""
        match answer:
            case NotFoundError() if isinstance(task.next, AwaitEnd):
                return self._see(task, Training(Status.FAILED), pause)  # gone, which is what we wait for
            case ReconcilerError():
                self._miss(task, answer)
                return self._give_up(task)
            case Training():
                return self._see(task, answer, pause)
            case _:
                assert_never(answer)

    def _see(self, task: Task, answer: Training, pause: float) -> Iterable[Event]:
        """Take in how a training goes, and choose when to look again; `pause` is the least that may pass."""
        task.misses, task.odd, task.error = 0, 0, None
        self._missing.pop(task, None)
        if answer.status is not Status.CREATING:
            desired = self._ledger.facts.desired.get(task.change.address)
            reason = redact_failure(answer.error, desired, self._context.examples)
            self.ended[task] = replace(answer, error=reason)
            return ()
        model = find_model(self._ledger.find_record(task.change.address), task.id)
        if model is None:
            return ()
        seen = schedule.measure_progress(task.change.address, model, answer, self._context.now())
        interval = schedule.choose_interval(seen.elapsed, seen.remaining)
        self._due[task] = self._context.clock() + max(interval, pause)
        return (seen,) if isinstance(task.next, AwaitTraining) else ()

    def _miss(self, task: Task, error: ReconcilerError) -> None:
        """Ask again a little later; a busy service may be busy for as long as it likes."""
        busy = isinstance(error, (RateLimitedError, UnavailableError, ReplyLostError))
        task.odd = task.odd + 1 if _is_odd(error) else 0
        task.misses += 0 if busy and not task.odd else 1
        task.error = error
        self._due[task] = self._context.clock() + min(2.0**task.misses, schedule.LONGEST)

    def _give_up(self, task: Task) -> Iterable[Event]:
        """Give up watching what cannot be seen for long; nothing is lost, the id is recorded."""
        error, address = task.error, task.change.address
        if isinstance(error, NotFoundError):
            self._unseen.append(task)
            since = self._missing.setdefault(task, self._context.clock())
            if task.misses < _MISSES or self._context.clock() - since < self._context.settings.lag:
                return ()
            task.ended = True
            gone = f"it is gone: {error.summary}"
            return (Failed(address, Verb.CREATE, gone, _GONE_ADVICE, task.id, training=True),)
        if task.odd >= _NOT_UNDERSTOOD and error is not None:
            skipped = (
                f"its answers cannot be understood, {task.odd} in a row: {error.summary}. {error.detail}"
            )
            event = task.skip(skipped, trouble=True)
            task.ended = True
            return (event,)
        if error is None or task.misses < _MISSES:
            return ()
        task.ended = True
        return (task.skip(f"it cannot be watched any more: {error.summary}"),)


def _list_live(provider: Provider) -> dict[str, Live]:
    """Id to model; what is not understood is asked for by itself."""
    return {one.id: one for one in provider.list() if isinstance(one, Live)}


def _is_odd(answer: ReconcilerError) -> bool:
    """Whether it is an answer that makes no sense, and not a service that is busy or away."""
    return isinstance(answer, (NotUnderstoodError, UnreadableError))
