"""The tasks of one apply, and the state in which their outcomes are recorded.

Rule: an outcome is in `unwritten` until a commit has written it to `state`. Code that needs proof (such as
that a parent serves, before its child is tuned) reads the committed records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from reconciler.apply.tasks import Task
from reconciler.identity import GENERATIONS
from reconciler.model.names import Address
from reconciler.plan.base_models import find_source
from reconciler.plan.change import Change, Plan
from reconciler.plan.copies import write_source
from reconciler.plan.costs import list_new_costs
from reconciler.plan.facts import Facts, build_model
from reconciler.plan.steps import Create, IsAccepted, Move, Serves
from reconciler.providers import Providers
from reconciler.state.session import Session
from reconciler.state.values import Cost, Record, RecordedModel, State


class Ledger:
    """The tasks of an apply, their outcomes, and the recorded state.

    `plan` is what was approved. It was made again under the lock, from `facts` and `state`.

    Attributes:
        billed: costs that are committed and not reported yet, as the service counted them.
    """

    def __init__(self, plan: Plan, facts: Facts, providers: Providers, state: State) -> None:
        self.facts = facts
        self.state = state
        self.unwritten: dict[Address, Record] = {}
        self.billed: list[Cost] = []
        self.tasks = {
            change.key: self._make_task(change, providers) for change in plan.changes if change.steps
        }
        self._open = list(self.tasks.values())

    def _make_task(self, change: Change, providers: Providers) -> Task:
        task = Task(change, providers[change.address.kind], change.id, self._find_starting_record(change))
        for step in change.steps:
            if isinstance(step, Create):
                task.generation, task.attempted = step.generation, step.attempted
        return task

    def list_open(self) -> list[Task]:
        """List the tasks that have steps left."""
        self._open = [task for task in self._open if task.next is not None]
        return list(self._open)

    def list_watched(self) -> list[Task]:
        """List the tasks that only wait for the service."""
        return [task for task in self.list_open() if task.is_watching]

    def find_next_try(self) -> float | None:
        """Find the clock time of the next retry of a refused call; None if there is none."""
        return min((task.not_before for task in self.list_open() if task.not_before), default=None)

    def allow_retries(self, now: float) -> None:
        """Allow refused calls to be tried again, because a training has ended or enough time has passed.

        A call whose time the service itself named is not tried before.
        """
        for task in self.list_open():
            if not task.has_named_time or task.not_before <= now:
                task.not_before = 0.0

    def find_record(self, address: Address) -> Record:
        """Find a record, including outcomes that are not yet written."""
        return self.unwritten.get(address) or self.find_committed(address)

    def find_committed(self, address: Address) -> Record:
        """Find a record as it was last committed."""
        return self.state.resources.get(address) or Record(address)

    def _find_starting_record(self, change: Change) -> Record:
        """Find the record that a change starts from, under its new address."""
        match change.steps:
            case (Move(previous=previous), *_) if previous in self.state.resources:
                return replace(self.find_committed(previous), address=change.address)
            case _:
                return self.find_committed(change.address)

    def note(self, records: Iterable[Record]) -> None:
        """Keep records for the next commit."""
        for record in records:
            self.unwritten[record.address] = record

    def commit(self, session: Session) -> None:
        """Commit the pending records under this stack's name. Does nothing if the state would not change.

        Raises:
            StateError: the records stay pending.
        """
        state = session.state.put(*self.unwritten.values())
        costs: list[Cost] = []
        if state is not session.state:
            costs = list_new_costs(session.state, self.unwritten.values(), self.facts.timestamp)
            state = state.add_costs(costs)
            context = self.facts.observed.context
            session.commit(
                state.with_names(
                    stack=self.facts.stack.name, service=context.service, project=context.project
                )
            )
        self.state = session.state
        self.unwritten.clear()
        self.billed += [cost for cost in costs if not cost.is_estimate]

    def find_source_name(self, task: Task) -> str:
        """Find the resource name to tune or copy from; "" if the next step creates nothing.

        For a parent, that is the name of its serving model.
        """
        match task.next:
            case Create(copies=True):
                model = self.find_committed(task.change.address).candidate
                return model.source if model is not None else ""
            case Create(after=Serves() as wait):
                parent = self.find_committed(wait.address).serving
                return parent.name if parent is not None else ""
            case Create(source=source):
                return source
            case _:
                return ""

    def find_awaited(self, task: Task) -> Address | None:
        """Find the address that the next step waits for: a parent or a successor."""
        wait = task.wait
        match wait:
            case None:
                return None
            case Serves():
                parent = self.find_committed(wait.address).serving
                maker = self.tasks.get((wait.address, ""))
                awaited = {wait.model}
                if maker is not None and not task.provider.kind.trains:
                    awaited.add(maker.id)  # what serves is copied, even if its id is not the planned one
                    if maker.changes_what_serves:
                        return wait.address
                serves = parent is not None and not awaited.isdisjoint({parent.name, parent.id})
                return None if serves else wait.address
            case IsAccepted():
                main = self.tasks.get((wait.address, ""))
                return None if main is None or main.is_accepted else wait.address
            case _:
                assert_never(wait)

    def name_copy(self, task: Task) -> RecordedModel | None:
        """Give a copy its id, once its source serves and so has a name. None if it has its id already.

        The id is recorded before the request is sent, so a later run finds the copy by it.
        """
        change, step = task.change, task.next
        desired = self.facts.desired.get(change.address)
        if not isinstance(step, Create) or not step.copies or step.after is None or desired is None:
            return None
        candidate = self.find_committed(change.address).candidate
        serving = self.find_committed(step.after.address).serving
        if candidate is None or serving is None:
            return None
        source = write_source(serving, self.facts.find_live(step.after.address, serving.id))
        if not source or candidate.source == source:
            return None
        path, _ = find_source(desired, self.facts.get_kind(change.address))
        generation = self.facts.compute_generation(desired, source, task.generation)
        task.id, task.attempted = generation.id, False
        return build_model(self.facts, desired, {**(change.after or {}), path: source}, generation, source)

    def take_next_generation(self, task: Task) -> RecordedModel | None:
        """Move a task to the next generation. Returns its model; None after the last generation.

        A pinned id has only one generation.
        """
        change, step = task.change, task.next
        desired = self.facts.desired.get(change.address)
        if not isinstance(step, Create) or desired is None or desired.id is not None:
            return None
        if task.generation + 1 >= GENERATIONS:
            return None
        task.generation += 1
        task.attempted = False
        source, attributes = step.source, change.after or {}
        candidate = self.find_record(change.address).candidate
        if step.copies and candidate is not None:
            source, attributes = candidate.source, candidate.sent
        generation = self.facts.compute_generation(desired, source, task.generation)
        task.id = generation.id
        return build_model(self.facts, desired, attributes, generation, source)
