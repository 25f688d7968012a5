"""The tasks of one apply, and the state in which their outcomes are recorded.

Rule: an outcome stands in `unwritten` until a commit has put it into `state`; whoever needs proof (a
child its parent, an event its record) asks for what is recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from reconciler.apply.tasks import WATCHING, Step, Task, steps_of
from reconciler.identity import GENERATIONS
from reconciler.model import Address
from reconciler.plan.change import Change, Plan
from reconciler.plan.facts import World, new_model
from reconciler.providers import Providers
from reconciler.state.session import Session
from reconciler.state.values import Record, RecordedModel, State


class Ledger:
    """What is to be done, what was done, and what of it is recorded.

    Args:
        plan: approved, as it is now.
        world: what it was made from.
        providers: kind name to provider.
        state: as read under the lock.
    """

    def __init__(self, plan: Plan, world: World, providers: Providers, state: State) -> None:
        self._plan = plan
        self.world = world
        self.state = state
        self.unwritten: dict[Address, Record] = {}
        self.tasks = {
            change.key: Task(change, providers[change.address.kind], steps, change.id, change.generation)
            for change in plan.changes
            if (steps := steps_of(change))
        }
        for task in self.tasks.values():
            known = self._before(task.change).models
            task.attempted = any(model.id == task.id and model.pending for model in known)
        self._open = list(self.tasks.values())

    def open(self) -> list[Task]:
        """The tasks with something left to do."""
        self._open = [task for task in self._open if task.next is not None]
        return list(self._open)

    def watched(self) -> list[Task]:
        """Those that only wait for the service."""
        return [task for task in self.open() if task.next in WATCHING]

    def next_try(self) -> float | None:
        """When a service is asked again that refused something for now; None when nothing waits for that."""
        return min((task.not_before for task in self.open() if task.not_before), default=None)

    def recall(self, now: float) -> None:
        """A training has ended, or enough time has passed: there may be room now.

        Where the service itself named the time, it is not asked before.
        """
        for task in self.open():
            if not task.exact or task.not_before <= now:
                task.not_before = 0.0

    def record(self, address: Address) -> Record:
        """As it is, outcomes that are not yet written included."""
        return self.unwritten.get(address) or self.recorded(address)

    def recorded(self, address: Address) -> Record:
        """As it was last committed."""
        return self.state.resources.get(address) or Record(address)

    def _before(self, change: Change) -> Record:
        """The record that a change starts from, under the address that it has from now on."""
        if change.previous is None or change.previous not in self.state.resources:
            return self.recorded(change.address)
        return replace(self.recorded(change.previous), address=change.address)

    def intend(self) -> None:
        """Note what is to be begun, before any call.

        What has to wait for its parent, and would delete what serves, is noted when its turn comes: until
        then the old model is there, and its record says that it serves.
        """
        addresses = Counter(task.change.address for task in self.tasks.values())
        for change in self._plan.changes:
            if change.intent is None:
                continue
            if change.previous is not None:  # one write: it has an address at any time
                self.note([Record(change.previous), self._before(change)])
            task = self.tasks.get(change.key)
            waits = task is not None and task.next is Step.DELETE_FIRST and self.source(task) is None
            if task is not None and waits and addresses[change.address] == 1:
                task.held = self._before(change), change.intent
            else:
                self.note([change.intent])

    def note(self, records: Iterable[Record]) -> None:
        """Outcomes, to be written with the next commit."""
        for record in records:
            self.unwritten[record.address] = record

    def commit(self, session: Session) -> None:
        """Write what is noted, stamped with whose it is; what is so already is no write.

        Raises:
            StateError: it stays noted.
        """
        state = session.state.put(*self.unwritten.values())
        if state is not session.state:
            context = self.world.observed.context
            session.commit(
                state.named(stack=self.world.stack.name, service=context.service, project=context.project)
            )
        self.state = session.state
        self.unwritten.clear()

    def source(self, task: Task) -> str | None:
        """The resource name to tune from; None while its parent is not recorded as serving."""
        if task.change.parent is None:
            return task.change.source
        parent = self.recorded(task.change.parent).serving
        if parent is None or task.change.source not in {parent.name, parent.id}:
            return None
        return parent.name

    def awaited(self, task: Task) -> Address | None:
        """The address that has to come first: a parent that serves, a successor that is accepted."""
        change = task.change
        if change.after_accepted:
            main = self.tasks.get((change.address, ""))
            return None if main is None or main.accepted else change.address
        if task.next in {Step.DELETE_FIRST, Step.CREATE} and self.source(task) is None:
            return change.parent
        return None

    def next_generation(self, task: Task) -> RecordedModel | None:
        """The model of the generation after the task's, which takes its number; None after the last.

        A pinned id has no other generation.
        """
        change = task.change
        want = self.world.desired.get(change.address)
        if want is None or want.id is not None or task.generation + 1 >= GENERATIONS:
            return None
        task.generation += 1
        task.attempted = False
        task.id, digest = self.world.identity(want, change.source, task.generation)
        return new_model(
            self.world,
            want,
            change.after or {},
            id=task.id,
            digest=digest,
            generation=task.generation,
            source=change.source,
        )
