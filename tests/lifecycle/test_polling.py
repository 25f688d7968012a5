"""Many trainings are watched with few requests, and the end of each is noticed within seconds."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import pytest

from reconciler.errors import NotUnderstoodError, ServiceError, UnavailableError
from reconciler.events import Completed, Event, Failed, Progress
from reconciler.kind import Kind
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import TUNING_JOB
from tests.fakes import FakeService
from tests.lifecycle.simulation import Process, Simulation, want
from tests.limits import repeats

READS = frozenset({"list", "states", "poll", "get"})


@dataclass
class Watching:
    """Lets some of many trainings end, and measures how late each end is noticed.

    Attributes:
        sim: their service.
        left: when each training ends that has not ended, by the name in its manifest.
        late: the longest time between the end of a training and its event, in seconds.
    """

    sim: Simulation
    left: dict[str, float] = field(default_factory=dict)
    late: float = 0.0

    @classmethod
    def run(cls, kind: Kind, count: int, ending: int, seconds: float, page: int) -> Watching:
        """Begin as many trainings, of which some end at different times, and watch them for so long.

        A request shows the states of a page of them.
        """
        names = [f"bot{number:04}" for number in range(count)]
        watching = cls(Simulation(*(want(name, kind=kind) for name in names), kinds=(kind,)))
        watching.service.training_seconds = 10 * seconds
        watching.service.page = page
        watching.service.failing["bot0007"] = "out of luck"

        def react(event: Event, _process: Process) -> None:
            if isinstance(event, (Completed, Failed)):
                ended = watching.left.pop(event.address.name)
                watching.late = max(watching.late, watching.sim.clock() - ended)
            elif len(watching.service.history) == count and not watching.left:
                watching.end_some(ending, seconds)

        watching.sim.apply(react=react, timeout=seconds)
        assert watching.left == {"": math.inf}
        return watching

    def end_some(self, ending: int, seconds: float) -> None:
        """Choose which trainings end, and when: now and then several at once."""
        self.left[""] = math.inf
        for number, model in enumerate(self.service.history[:ending]):
            model.seconds = 30.0 + (seconds - 60.0) * (number - number % 3) / ending
            self.left[model.id.rpartition("-")[0]] = model.started + model.seconds

    @property
    def service(self) -> FakeService:
        """The only service."""
        (service,) = self.sim.services.values()
        return service

    @property
    def reads(self) -> Counter[str]:
        """How often each call that only reads was sent."""
        return Counter(method for method, _ in self.service.calls if method in READS)


@pytest.mark.parametrize(
    ("kind", "count", "ending", "seconds", "page"),
    [
        (TUNED_MODEL, 40, 36, 600.0, 1000),
        (TUNING_JOB, 40, 36, 600.0, 5),
        *repeats((TUNED_MODEL, 1000, 30, 3600.0, 1000), (TUNING_JOB, 1000, 30, 3600.0, 1000)),
    ],
)
def test_each_end_is_noticed_soon_and_cheaply(
    kind: Kind, count: int, ending: int, seconds: float, page: int
) -> None:
    """An hour of a thousand trainings takes at most two requests a second, and each end shows within 5 s.

    That holds too if the service shows the states in short pages.
    """
    watching = Watching.run(kind, count, ending, seconds, page)
    assert watching.late <= 5.0
    assert watching.reads.total() <= 2 * seconds


def test_many_ends_at_once_are_read_from_one_list() -> None:
    """When all trainings end, one list tells what became of them, and only a failure is asked for singly."""
    sim = Simulation(*(want(f"bot{number}", kind=TUNING_JOB) for number in range(20)), kinds=(TUNING_JOB,))
    sim.services[TUNING_JOB.name].failing["bot7"] = "out of luck"
    process = sim.apply()
    assert sum(event.endswith("Completed") for event in process.told) == 19
    calls = [method for method, _ in sim.services[TUNING_JOB.name].calls]
    watched = calls[calls.index("states") :]
    assert (watched.count("list"), watched.count("poll")) == (1, 1)


@pytest.mark.parametrize("kind", [TUNED_MODEL, TUNING_JOB])
@pytest.mark.parametrize("error", [UnavailableError("busy", status=503), NotUnderstoodError("a riddle")])
def test_a_list_of_states_that_fails_loses_nothing(kind: Kind, error: ServiceError) -> None:
    """While the list cannot be had or understood, trainings are watched in another way or a little later."""
    sim = Simulation(*(want(f"bot{number}", kind=kind) for number in range(12)), kinds=(kind,))
    sim.services[kind.name].fail("states", error, times=5)
    process = sim.apply()
    assert sum(event.endswith("Completed") for event in process.told) == 12


@pytest.mark.parametrize("kind", [TUNED_MODEL, TUNING_JOB])
def test_short_trainings_whose_states_are_not_understood_are_looked_at_cheaply(kind: Kind) -> None:
    """The list of states and the one after it count, so both keep to two requests a second on average."""
    sim = Simulation(*(want(f"bot{number:03}", kind=kind) for number in range(100)), kinds=(kind,))
    service = sim.services[kind.name]
    service.room, service.training_seconds = 10, 6.0
    service.fail("states", NotUnderstoodError("a riddle"), times=10_000)
    began = sim.clock()
    process = sim.apply()
    assert sum(event.endswith("Completed") for event in process.told) == 100
    reads = [method for method, _ in service.calls if method in {"list", "states"}]
    assert len(reads) <= 60 + 2 * (sim.clock() - began)


def test_progress_of_jobs_is_told_without_a_list() -> None:
    """A list of jobs shows no progress, so the list of states is enough to tell how long they train."""
    sim = Simulation(*(want(f"bot{number}", kind=TUNING_JOB) for number in range(12)), kinds=(TUNING_JOB,))
    process = sim.apply(timeout=90.0)
    assert len([event for event in process.events if isinstance(event, Progress)]) > 5 * 12
    assert "list" not in [method for method, _ in sim.services[TUNING_JOB.name].calls][-50:]


def test_short_trainings_are_noticed_soon() -> None:
    """When many trainings take seconds, their end is noticed within about a twentieth of that time."""
    sim = Simulation(*(want(f"bot{number}") for number in range(20)))
    service = sim.services[TUNED_MODEL.name]
    service.training_seconds = 3.0
    began = sim.clock()
    process = sim.apply()
    assert sum(event.endswith("Completed") for event in process.told) == 20
    assert 3.0 <= sim.clock() - began <= 3.25
    calls = [method for method, _ in service.calls]
    assert calls.count("list") <= 10  # for their progress
    assert calls.count("states") <= 30


def test_others_are_looked_at_soon_after_many_have_ended() -> None:
    """When half of the trainings have ended, those that end just after them are noticed at once."""
    sim = Simulation(*(want(f"bot{number}") for number in range(20)))
    service = sim.services[TUNED_MODEL.name]
    ended: list[float] = []

    def react(event: Event, _process: Process) -> None:
        if isinstance(event, Completed):
            ended.append(sim.clock())
        for number, model in enumerate(service.history):
            if number % 2 == 0:
                model.seconds = 60.0
            elif len(ended) == 1:
                model.seconds = sim.clock() + 0.1 - model.started

    service.training_seconds = 600.0
    sim.apply(react=react)
    assert len(ended) == 20
    assert ended[-1] - ended[0] < 0.3
