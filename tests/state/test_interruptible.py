"""Calls of a store that can be left behind: stopping never waits for a store that does not answer."""

from __future__ import annotations

import _thread
import itertools
import threading
from collections.abc import Iterator

import pytest

from reconciler.errors import StateLockedError, StateStoreError
from reconciler.state.backends import LockInfo, Stored
from reconciler.state.backends.interruptible import PATIENCE, Interruptible
from tests.memory_backend import MemoryBackend, MemoryStore

ANN, BOB = LockInfo("ann-id", "apply", "ann@laptop"), LockInfo("bob-id", "apply", "bob@desk")


class Hanging(MemoryBackend):
    """Reads wait until they are let go."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.released, self.reached = threading.Event(), threading.Event()

    def read(self) -> Stored | None:
        """See Backend.read."""
        self.reached.set()
        self.released.wait(60)
        return super().read()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Let go at the end, so that no thread is left."""
    backend = Hanging()
    yield backend
    backend.released.set()


def test_answers_and_errors_come_through() -> None:
    """The caller gets what the store says, and errors with their types."""
    backend = Interruptible(MemoryBackend(MemoryStore(), lease=8.0))
    assert backend.read() is None
    version = backend.write(b"{}", expected=None)
    assert backend.read() == Stored(b"{}", version)
    backend.lock(ANN)
    with pytest.raises(StateLockedError, match="ann@laptop"):
        backend.lock(BOB)
    backend.unlock(ANN)
    backend.lock(BOB)
    assert backend.force_unlock(BOB.id) == BOB
    assert (backend.place, backend.lease) == ("memory", 8.0)
    assert backend.commit_interval == MemoryBackend(MemoryStore()).commit_interval


def test_a_stop_ends_a_call_that_hangs(hanging: Hanging) -> None:
    """After the stop the store has a few seconds more. Then the call fails like any other."""
    seconds = itertools.count(0.0, 0.5)
    backend = Interruptible(hanging, lambda: True, clock=lambda: next(seconds))
    with pytest.raises(StateStoreError, match="does not answer, and this run is being stopped"):
        backend.read()
    assert next(seconds) >= PATIENCE


def test_every_call_is_sent_however_late_it_is(hanging: Hanging) -> None:
    """Even when the time is over, a store that answers still gets its lock back."""
    seconds = itertools.count(0.0, 0.5)
    backend = Interruptible(hanging, lambda: True, clock=lambda: next(seconds))
    hanging.lock(ANN)
    with pytest.raises(StateStoreError):
        backend.read()
    backend.unlock(ANN)
    hanging.lock(BOB)


def test_an_interrupt_does_not_wait(hanging: Hanging) -> None:
    """Ctrl-C during a call is raised at once. Later calls have only a short time."""
    backend = Interruptible(hanging)

    def press() -> None:
        hanging.reached.wait(10)
        _thread.interrupt_main()

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        backend.read()
    presser.join()
    assert not hanging.released.is_set()
    assert backend.check_stop()
