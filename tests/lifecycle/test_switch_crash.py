"""The crash matrix of a switch: a run dies before and after every request and write, and the next finishes.

A process of the simulation dies; the provider, the emulator and the state are real. `make test-all` tries
every eighth point (MATRIX_STRIDE), `make test` a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reconciler.model.desired import Desired
from tests.lifecycle.apis import VERTEX
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.kill_points import SHARDS, KillPoints
from tests.lifecycle.test_checkpoints import EASY, ONE, chosen, default, deployed, learns_best, model
from tests.lifecycle.test_endpoints import endpoints, served, serving, simulate, split
from tests.limits import repeats

SAMPLE = 151


@dataclass(frozen=True)
class Switch:
    """What was applied, and what the run that dies applies.

    Attributes:
        second_model: whether the service takes two tuned models on an endpoint.
        interrupts: the endpoint may have no model for a while.
        best: the checkpoint that learns most in each training. "" for all alike.
        checkpoint: the one that serves in the end. "" if none is chosen.
        trainings: of both runs together.
        ids: of the endpoints in the end.
    """

    before: tuple[Desired, ...]
    after: tuple[Desired, ...]
    trainings: int
    ids: tuple[str, ...] = ("support",)
    second_model: str = "allow"
    interrupts: bool = False
    best: str = ""
    checkpoint: str = ""


SWITCHES = {
    "first": Switch((), (served(),), 1),
    "replace": Switch((served(),), (served("two"),), 2),
    "interrupt": Switch(
        (served(),), (served("two", allow_interruption=True),), 2, second_model="refuse", interrupts=True
    ),
    "another id": Switch((served(),), (served(endpoint="sales"),), 1, ids=("sales",)),
    "destroy": Switch((served(),), (), 1, ids=()),
    "checkpoint": Switch((chosen("2"),), (chosen("4", EASY),), 1, checkpoint="4"),
    "first best": Switch((), (chosen("best", EASY, ONE),), 1, best="3", checkpoint="3"),
    "another best": Switch((chosen("2"),), (chosen("best", ONE),), 1, best="3", checkpoint="3"),
    "replace by a checkpoint": Switch((chosen("2"),), (chosen("last", data="two"),), 2, checkpoint="5"),
    "interrupt for a checkpoint": Switch(
        (chosen("2"),),
        (chosen("4", allow_interruption=True),),
        1,
        second_model="refuse",
        interrupts=True,
        checkpoint="4",
    ),
}

MIXED = {"interrupt", "replace by a checkpoint"}
"""A scene that mixes two of the others, and takes as long as four."""


def check_answers(sim: EmulatedSimulation, switch: Switch) -> None:
    """Check that one of our endpoints has a model with all requests, if one had before."""
    if switch.before and switch.ids and not switch.interrupts:
        assert any(100 in split(sim, id).values() for id in endpoints(sim))


def check_end(sim: EmulatedSimulation, switch: Switch) -> None:
    """The next run has finished: nothing was done twice, nothing is left over, nothing is left to do."""
    assert tuple(endpoints(sim)) == switch.ids
    for id in switch.ids:
        assert split(sim, id) == {serving(sim): 100}
    assert sim.emulator.trainings(VERTEX.kind).total() == switch.trainings
    if switch.checkpoint:
        assert deployed(sim) == [(serving(sim), switch.checkpoint, 100)]
        assert default(sim) == model(sim).checkpoint == switch.checkpoint
    expected = {serving(sim), *switch.ids} if switch.ids else set()
    assert sim.emulator.alive(VERTEX.kind) == expected
    assert sim.settled()


def begin(emulator: Emulator, switch: Switch) -> EmulatedSimulation:
    """The service and the state before the run that dies."""
    sim = simulate(emulator, *switch.before, second_model=switch.second_model)
    if switch.best:
        learns_best(sim, switch.best)
    if switch.before:
        sim.apply()
    sim.manifests = switch.after
    return sim


def kill_points(emulator: Emulator, switch: Switch) -> KillPoints:
    """A run of a switch that is killed."""
    return KillPoints(
        begin=lambda: begin(emulator, switch),
        check=lambda sim: check_end(sim, switch),
        look=lambda sim: check_answers(sim, switch),
    )


@pytest.mark.early
@pytest.mark.parametrize(
    "name", [*(name for name in SWITCHES if name not in MIXED), *repeats(*sorted(MIXED))]
)
def test_a_switch_killed_at_some_points_is_finished_by_the_next_run(emulator: Emulator, name: str) -> None:
    """At a sample of points: no second deployment, and what served goes on answering."""
    kill_points(emulator, SWITCHES[name]).try_some(list(SWITCHES).index(name), SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_killed_at_any_point_is_finished_by_the_next_run(
    emulator: Emulator, name: str, shard: int
) -> None:
    """At every eighth point, or at all of them: no second deployment, and what served goes on answering."""
    kill_points(emulator, SWITCHES[name]).try_shard(shard)
