"""Kills a run of a simulation at one point after the other, and lets the next run finish.

A point is before or after a request, or a write of the state. Before each, services and state are as first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.fakes import Crash, Fuse
from tests.lifecycle.emulated_simulation import EmulatedSimulation
from tests.lifecycle.simulation import Process
from tests.limits import STRIDE

SHARDS = 4
"""The thorough tests deal the points of a matrix to so many tests, so that they run at once."""


def apply(sim: EmulatedSimulation, process: Process) -> None:
    """Plan and apply."""
    sim.apply(process=process)


@dataclass(frozen=True, kw_only=True)
class KillPoints:
    """A run to kill, and what must be true then.

    Attributes:
        begin: makes the services and the state before the run.
        check: raises AssertionError unless the next run has finished what the killed one began.
        run: the command that is killed. It is given the process.
        finish: the command of the next run.
        look: checks what is there between the two runs.
    """

    begin: Callable[[], EmulatedSimulation]
    check: Callable[[EmulatedSimulation], None]
    run: Callable[[EmulatedSimulation, Process], object] = apply
    finish: Callable[[EmulatedSimulation, Process], object] = apply
    look: Callable[[EmulatedSimulation], None] = lambda _sim: None

    def try_some(self, first: int, stride: int) -> None:
        """Kill at every `stride`-th point, from the one with the index `first`."""
        for at in range(first + 1, self._count() + 1, stride):
            sim, fuse = self.begin(), Fuse(at)
            try:
                with pytest.raises(Crash):
                    self.run(sim, sim.process(fuse=fuse))
                sim.clock.sleep(5.0)
                self.look(sim)
                self.finish(sim, sim.process())
                self.check(sim)
            except AssertionError as error:
                raise AssertionError(f"killed at {at}: {fuse.places[-1]}: {error}") from error

    def try_shard(self, shard: int) -> None:
        """Kill at the points of one of SHARDS shards: of every eighth point, or of all (MATRIX_STRIDE=1)."""
        self.try_some(shard * STRIDE, SHARDS * STRIDE)

    def _count(self) -> int:
        """Count the points of a run that is not killed, and check its end too."""
        sim, fuse = self.begin(), Fuse()
        self.run(sim, sim.process(fuse=fuse))
        self.check(sim)
        assert fuse.count > 10
        return fuse.count
