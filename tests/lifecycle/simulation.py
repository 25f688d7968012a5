"""Services, a state and a clock in memory. Each run is a new process that finds what the last one left.

A run goes through `Operation`, so tests with it cover all that a command does, except what it prints.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from reconciler.cli.exit_codes import decide_after_events
from reconciler.errors import ExitCode
from reconciler.events import Billed, Detached, Event, Progress, Uploading
from reconciler.kind import Kind, override_kinds
from reconciler.manifests import Loaded
from reconciler.model.checks import Check
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired, Lifecycle, Replacement
from reconciler.model.names import BASE_MODEL, Address, Value
from reconciler.model.permission import Permission
from reconciler.model.stack import Stack
from reconciler.operation import Operation
from reconciler.operation.rolling_back import prepare_rollback
from reconciler.plan.change import Plan
from reconciler.plan.inputs import Context, Inputs
from reconciler.providers import Fence, Provider
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.state.backends import LockInfo, Stored
from reconciler.state.file import loads
from reconciler.state.session import StateManager
from reconciler.state.values import Record, State
from tests.fakes import (
    BASES,
    EPOCH,
    Crash,
    FakeClock,
    FakeProvider,
    FakeService,
    Fuse,
    digest_examples,
    epochs_field,
    parent_field,
    unfenced,
)
from tests.memory_backend import MemoryBackend, MemoryStore

T = TypeVar("T")
KIND = TUNED_MODEL.name
READER = Permission("GROUP", "ml@example.com", "READER")
WRITER = Permission("USER", "ann@example.com", "WRITER")
CHECK = Check("1", "2")


def address(name: str, kind: Kind = TUNED_MODEL) -> Address:
    """An address of the Gemini API, or of another kind if given."""
    return Address(kind.name, name)


def data_set(word: str = "one", count: int = 3, kind: Kind = TUNED_MODEL) -> DataSet:
    """Inline examples, named by a word."""
    examples = tuple(Example(f"{word} {number}", str(number)) for number in range(count))
    characters = sum(len(example.text_input) + len(example.output) for example in examples)
    digest = digest_examples(examples)
    return DataSet(digest, len(examples), characters, inline=examples, field=kind.data_field)


def want(
    name: str = "bot",
    data: str = "one",
    *,
    kind: Kind = TUNED_MODEL,
    parent: str | None = None,
    epochs: int = 5,
    temperature: float | None = None,
    description: str | None = None,
    id: str | None = None,
    permissions: tuple[Permission, ...] | None = None,
    checks: tuple[Check, ...] = (),
    **lifecycle: Any,
) -> Desired:
    """A manifest. It keeps no replaced model unless it says so."""
    lifecycle.setdefault("keep_deposed", timedelta(0))
    attributes: dict[str, Value] = {epochs_field(kind): epochs}
    attributes |= {parent_field(kind): f"{kind.name}/{parent}"} if parent else {BASE_MODEL: BASES[kind.name]}
    if temperature is not None:
        attributes["temperature"] = temperature
    if description is not None:
        attributes["description"] = description
    if "replace" in lifecycle:
        lifecycle["replace"] = Replacement(lifecycle["replace"])
    return Desired(
        address(name, kind),
        attributes,
        (data_set(data, kind=kind),),
        permissions=permissions,
        id=id,
        checks=checks,
        lifecycle=Lifecycle(**lifecycle),
        file=f"{name}.yaml",
        line=1,
    )


def line(event: Event) -> str:
    """An event as a short text."""
    if isinstance(event, Detached):
        return " ".join(["Detached", event.reason, *(address.name for address in event.going_on)])
    if isinstance(event, Billed):
        return f"{event.address.name} billed {event.tokens}"
    if isinstance(event, Uploading):
        return f"upload {event.shown}"
    return f"{event.address.name} {event.operation} {type(event).__name__}"


class Stop(threading.Event):
    """A stop signal. Whoever waits for it lets the simulation's time pass at once."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let made-up time pass, without waiting."""
        if not self.is_set():
            self._clock.sleep(timeout or 0.0)
        return self.is_set()


class FusedBackend(MemoryBackend):
    """A backend that dies before or after a write, where its fuse says so. Afterwards it does nothing more.

    Attributes:
        failures: raised by the next writes: "before" they are done, or "after" (a lost reply).
        unreadable: raised by every read.
        refused: how many reads raised it.
    """

    def __init__(
        self, store: MemoryStore, fuse: Fuse, clock: FakeClock, journal: list[str], lease: float | None
    ) -> None:
        super().__init__(store, lease=lease, clock=clock)
        self.fuse, self.journal = fuse, journal
        self.failures: list[tuple[str, Exception]] = []
        self.unreadable: Exception | None = None
        self.refused = 0

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write."""
        self.fuse.point("before write")
        self._fail("before")
        version = super().write(data, expected=expected)
        self.journal.append("write")
        self._fail("after")
        self.fuse.point("after write")
        return version

    def _fail(self, when: str) -> None:
        if self.failures and self.failures[0][0] == when:
            raise self.failures.pop(0)[1]

    def read(self) -> Stored | None:
        """See Backend.read."""
        if self.fuse.blown:
            raise Crash("dead")
        if self.unreadable is not None:
            self.refused += 1
            raise self.unreadable
        return super().read()

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        super().lock(info)
        self.journal.append("lock")

    def unlock(self, info: LockInfo) -> None:
        """A dead process's lock goes with it, as the kernel's does."""
        if self.store.holder == info:
            self.journal.append("unlock")
        super().unlock(info)


@dataclass
class Process:
    """One run, with a journal of everything that it sent, wrote and reported, in order."""

    operation: Operation
    backend: FusedBackend
    fuse: Fuse
    journal: list[str]
    events: list[Event] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """The reported events without progress, such as "bot create Started" or "Detached timeout kid"."""
        return [line(event) for event in self.events if not isinstance(event, Progress)]

    @property
    def code(self) -> ExitCode:
        """The exit code of the run."""
        return decide_after_events(self.events)

    def find_only(self, kind: type[T]) -> T:
        """The only event of its kind."""
        (found,) = [event for event in self.events if isinstance(event, kind)]
        return found


class Watched(FakeProvider):
    """A provider that notes each important call in its process's journal, and asks before each deletion."""

    def __init__(self, sim: Simulation, service: FakeService, fuse: Fuse, journal: list[str]) -> None:
        super().__init__(service, fuse=fuse)
        self.journal, self.deleting, self.calling = journal, sim.deleting, sim.calling

    def _call(self, method: str, id: str = "", fence: Fence = unfenced) -> Any:
        self.calling(method, id)
        if method in {"create", "update", "delete", "set_permissions", "generate"}:
            self.journal.append(f"{method} {id}")
        if method == "delete" and id in self.service.models and not self.fuse.blown:
            self.deleting(id)
        return super()._call(method, id, fence)


class Simulation:
    """Services, state and time, for any number of processes.

    Args:
        manifests: what is declared at first.
        kinds: a service for each.
        service: how the services behave; see FakeService.

    Attributes:
        manifests: what the next run finds declared.
        deleting: called with the id of each live model before its deletion is sent.
        calling: called with method and id of every call, before it is sent.
    """

    def __init__(self, *manifests: Desired, kinds: tuple[Kind, ...] = (TUNED_MODEL,), **service: Any) -> None:
        self.clock = FakeClock()
        self.kinds = {kind.name: kind for kind in kinds}
        self.services = {kind.name: FakeService(self.clock, kind=kind, **service) for kind in kinds}
        self.store = MemoryStore()
        self.manifests: tuple[Desired, ...] = manifests
        self.stack = Stack()
        self.context = Context(endpoint="http://127.0.0.1", service="emulator")
        self.deleting: Callable[[str], None] = lambda _id: None
        self.calling: Callable[[str, str], None] = lambda _method, _id: None

    @property
    def service(self) -> FakeService:
        """The service of the Gemini API."""
        return self.services[KIND]

    def changes(self) -> list[tuple[str, str]]:
        """The changing calls that were sent to the services."""
        return [call for service in self.services.values() for call in service.changes]

    def providers(self, fuse: Fuse, journal: list[str], stopping: Stop) -> dict[str, Provider]:
        """Make the providers of a new process, by the names of their kinds."""
        del stopping  # a fake waits for nothing
        return {name: Watched(self, service, fuse, journal) for name, service in self.services.items()}

    def now(self) -> datetime:
        """The time of day."""
        return EPOCH + timedelta(seconds=self.clock())

    @property
    def state(self) -> State:
        """The state as written."""
        return State() if self.store.stored is None else loads(self.store.stored.data, place="memory")

    def record(self, name: str = "bot") -> Record:
        """The record of one address."""
        return self.state.resources[address(name)]

    def process(
        self, *, fuse: Fuse | None = None, parallelism: int = 1, lease: float | None = None, **inputs: Any
    ) -> Process:
        """A new process that has not done anything yet."""
        fuse = fuse or Fuse()
        journal: list[str] = []
        backend = FusedBackend(self.store, fuse, self.clock, journal, lease)
        manager = StateManager(
            backend,
            operation="apply",
            who="test",
            clock=self.clock,
            sleep=self.clock.sleep,
            now=self.now,
            new_id=iter(f"id-{number}-{self.store.writes}" for number in range(10**6)).__next__,
        )
        stopping = Stop(self.clock)
        operation = Operation(
            loaded=Loaded(self.manifests, self.stack, whole=True, files=("m.yaml",)),
            inputs=Inputs(**inputs),
            kinds=override_kinds(self.kinds, self.stack),
            providers=self.providers(fuse, journal, stopping),
            manager=manager,
            context=self.context,
            parallelism=parallelism,
            clock=self.clock,
            now=self.now,
            today=self.now().date(),
            stopping=stopping,
        )
        return Process(operation, backend, fuse, journal)

    def plan(self, **inputs: Any) -> Plan:
        """The plan that apply would make now."""
        return self.process(**inputs).operation.make_plan()[0]

    def apply(
        self,
        *,
        process: Process | None = None,
        react: Callable[[Event, Process], None] | None = None,
        wait: bool = True,
        timeout: float | None = None,
        parallelism: int = 1,
        **inputs: Any,
    ) -> Process:
        """Plan and apply as a new process. If the plan has no work, nothing is locked."""
        process = process or self.process(parallelism=parallelism, **inputs)
        plan, _ = process.operation.make_plan()
        if plan.has_work:
            check = process.operation.recheck(plan)
            self.follow(process, check, react, waits=wait, timeout=timeout)
        return process

    def wait(self, *, process: Process | None = None, timeout: float | None = None) -> Process:
        """Run `reconciler wait`."""
        process = process or self.process()
        self.follow(process, process.operation.resume, timeout=timeout)
        return process

    def roll_back(
        self, name: str = "bot", *, to: str = "", undo: bool = False, process: Process | None = None
    ) -> Process:
        """Run `reconciler rollback`. If the plan has no work, nothing is locked."""
        process = process or self.process()
        plan, check = prepare_rollback(process.operation, name, to=to, undo=undo)
        if plan.has_work:
            self.follow(process, check)
        return process

    @staticmethod
    def follow(
        process: Process,
        check: Any,
        react: Callable[[Event, Process], None] | None = None,
        *,
        waits: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Run to the end and add each event to the journal when it is reported."""
        for event in process.operation.apply(check, waits=waits, timeout=timeout):
            process.events.append(event)
            if not isinstance(event, Progress):
                process.journal.append(type(event).__name__)
            if react is not None:
                react(event, process)
        assert process.backend.store.holder is None, "the lock was not given back"

    def ids(self, name: str = "bot") -> list[str]:
        """The live ids of one name."""
        return sorted(id for id in self.service.models if id == name or id.startswith(f"{name}-"))

    def settled(self) -> bool:
        """Return whether the plan is empty, and another apply neither calls nor writes."""
        before = self.store.stored, self.changes()
        plan = self.plan()
        self.apply()
        return not plan.has_work and before == (self.store.stored, self.changes())


def serving(sim: Simulation, name: str = "bot") -> str:
    """The id of the serving model."""
    model = sim.record(name).serving
    assert model is not None
    return model.id


def checked(sim: Simulation, answer: str = CHECK.expect) -> Simulation:
    """A simulation whose models all give this answer."""
    sim.service.answer = lambda _model, _prompt: answer
    return sim
