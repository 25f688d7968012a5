"""The store is down when a run that has waited for hours wants to record a result."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.errors import ExitCode, StateStoreError
from reconciler.events import Detached, Event, Progress, Skipped
from reconciler.state.backends import Stored
from reconciler.state.session import StateManager
from tests.lifecycle.simulation import Process, Simulation, serving, want
from tests.memory_backend import MemoryBackend


class Absent(MemoryBackend):
    """Cannot be read while it is away.

    Attributes:
        away: whether it is.
        refused: how often it was asked meanwhile.
        asked: called then.
    """

    away = False
    refused = 0
    asked: Callable[[], None] = staticmethod(lambda: None)

    def read(self) -> Stored | None:
        """See Backend.read."""
        if self.away:
            self.refused += 1
            self.asked()
            raise StateStoreError("memory: the store does not answer", "Check the network.")
        return super().read()


def leaving(sim: Simulation) -> tuple[Process, Absent, Callable[[Event, Process], None]]:
    """A run, its store, and a function that takes the store down once the run only watches."""
    process, backend = sim.process(), Absent(sim.store, clock=sim.clock)
    process.operation.manager = StateManager(
        backend, operation="apply", who="test", clock=sim.clock, sleep=sim.clock.sleep
    )

    def react(event: Event, _process: Process) -> None:
        backend.away = backend.away or (isinstance(event, Progress) and not backend.refused)

    return process, backend, react


def test_a_store_that_comes_back_is_waited_for() -> None:
    """A training that ended during the outage is recorded and promoted some seconds after it."""
    sim = Simulation(want())
    process, backend, react = leaving(sim)

    def come_back() -> None:
        backend.away = backend.refused < 5

    backend.asked = come_back
    sim.apply(process=process, react=react)
    assert backend.refused == 5
    assert process.told == ["bot create Started", "bot create Completed"]
    assert serving(sim) in sim.service.models
    assert sim.settled()


def test_a_stop_while_the_store_is_away_detaches() -> None:
    """A stop during the outage records nothing and loses nothing. The next run finds the result."""
    sim = Simulation(want())
    process, backend, react = leaving(sim)
    backend.asked = process.operation.stopping.set
    sim.apply(process=process, react=react)
    assert isinstance(process.events[-1], Detached)
    assert sim.wait().told == ["bot create Completed"]
    assert sim.settled()


def test_a_state_that_is_deleted_meanwhile_is_not_reported_as_done() -> None:
    """If the state is deleted, the run exits 3 and the next apply adopts the model."""
    sim = Simulation(want())

    def react(event: Event, _process: Process) -> None:
        if isinstance(event, Progress):
            sim.store.stored = None

    process = sim.apply(react=react)
    assert "its record is gone" in process.find_only(Skipped).reason
    assert process.code is ExitCode.UNFINISHED
    assert sim.apply().told == ["bot adopt Completed"]
    assert sim.settled()
    assert list(sim.service.creates.values()) == [1]
