"""The crash matrix of copies: a run dies before and after every request and write, and the next finishes.

A process of the simulation dies; the providers, the emulator and the state are real. `make test-all` tries
every eighth point (MATRIX_STRIDE), `make test` a sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from msgspec import structs

from reconciler.errors import ExitCode
from reconciler.events import Failed
from reconciler.model.desired import Desired
from reconciler.model.endpoint import Serving
from reconciler.model.names import SOURCE, Address
from reconciler.model.stack import Stack
from reconciler.operation.serving import find_outputs
from reconciler.plan.change import Plan
from reconciler.providers.vertex.fields import LOCATION, MODEL_COPY, PROJECT
from tests.lifecycle.apis import PROJECT as DEV
from tests.lifecycle.apis import VERTEX
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.kill_points import SHARDS, KillPoints
from tests.lifecycle.simulation import Process, address, want
from tests.limits import repeats

SAMPLE = 101
PROD = "prod"
BOT, COPY = address("bot", VERTEX.kind), Address(MODEL_COPY.name, "bot")


def tuned(data: str = "one", **lifecycle: Any) -> Desired:
    """The tuning job that is copied."""
    return want("bot", data, kind=VERTEX.kind, **lifecycle)


def copied(*, endpoint: str = "support", location: str = "us", **lifecycle: Any) -> Desired:
    """A copy of it in the project PROD, with a stable endpoint unless that is ""."""
    return Desired(
        COPY,
        {SOURCE: str(BOT), LOCATION: location, PROJECT: PROD},
        (),
        lifecycle=structs.replace(tuned().lifecycle, **lifecycle),
        serving=Serving(endpoint) if endpoint else None,
        file="copy.yaml",
        line=1,
    )


@dataclass(frozen=True)
class Scene:
    """What was applied, and what the run that dies applies.

    Attributes:
        forgets: the state is lost in between.
        trainings, copies: of both runs together.
        endpoints: the ids in the end.
    """

    before: tuple[Desired, ...]
    after: tuple[Desired, ...]
    trainings: int = 1
    copies: int = 1
    endpoints: tuple[str, ...] = ("support",)
    forgets: bool = False


SCENES = {
    "first": Scene((tuned(),), (tuned(), copied())),
    "between": Scene((tuned(),), (tuned(), copied(endpoint="")), endpoints=()),
    "with its source": Scene((), (tuned(), copied())),
    "replace": Scene((tuned(), copied()), (tuned("two"), copied()), trainings=2, copies=2),
    "lost state": Scene((tuned(), copied()), (tuned(), copied()), forgets=True),
    "destroy": Scene((tuned(), copied()), (tuned(),), endpoints=()),
}


def models(sim: EmulatedSimulation) -> list[dict[str, Any]]:
    """The copies in PROD."""
    sim.emulator.tell(sim.clock())
    found: list[dict[str, Any]] = sim.emulator.call("GET", f"v1/projects/{PROD}/locations/us/models").get(
        "models", []
    )
    return found


def copies(sim: EmulatedSimulation) -> int:
    """How many copies were begun and not refused: the emulator's log has every request."""
    return sum(entry["effect"] for entry in sim.emulator.log() if entry["path"].endswith("/models:copy"))


def endpoints(sim: EmulatedSimulation) -> dict[str, dict[str, Any]]:
    """The endpoints in PROD, by id."""
    path = f"v1/projects/{PROD}/locations/us/endpoints"
    return {
        one["name"].rpartition("/")[2]: one for one in sim.emulator.call("GET", path).get("endpoints", [])
    }


def check_end(sim: EmulatedSimulation, scene: Scene) -> None:
    """The next run has finished: nothing was done twice, nothing is left over, nothing is left to do."""
    assert sim.emulator.trainings(VERTEX.kind).total() == scene.trainings
    assert copies(sim) == scene.copies
    record = sim.state.resources.get(COPY)
    expected = [] if record is None or record.serving is None else [record.serving.id]
    assert [one["name"].rpartition("/")[2] for one in models(sim)] == expected
    assert bool(expected) == (COPY in {desired.address for desired in scene.after})
    assert tuple(endpoints(sim)) == scene.endpoints
    for shown in endpoints(sim).values():
        (deployed,) = shown["deployedModels"]
        assert (deployed["displayName"], shown["trafficSplit"]) == (expected[0], {deployed["id"]: 100})
    assert sim.settled()


def begin(emulator: Emulator, scene: Scene) -> EmulatedSimulation:
    """The services and the state before the run that dies."""
    sim = EmulatedSimulation(emulator, *scene.before, vertex_copy_seconds=2, vertex_deploy_seconds=0.5)
    sim.stack = Stack(name="team")  # in a stack without a name, the label of an endpoint proves nothing
    if scene.before:
        sim.apply()
    if scene.forgets:
        sim.store.stored = None
    sim.manifests = scene.after
    return sim


def kill_points(emulator: Emulator, scene: Scene) -> KillPoints:
    """A run of a scene that is killed."""
    return KillPoints(begin=lambda: begin(emulator, scene), check=lambda sim: check_end(sim, scene))


@pytest.mark.parametrize("name", [*list(SCENES)[:3], *repeats(*list(SCENES)[3:])])
def test_a_copy_killed_at_some_points_is_finished_by_the_next_run(emulator: Emulator, name: str) -> None:
    """Nothing is trained or copied twice, and no endpoint is left over. The points are a sample."""
    kill_points(emulator, SCENES[name]).try_some(list(SCENES).index(name), SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SCENES)
def test_a_copy_killed_at_any_point_is_finished_by_the_next_run(
    emulator: Emulator, name: str, shard: int
) -> None:
    """Nothing is trained or copied twice, and no endpoint is left over.

    It tries every eighth point, or all.
    """
    kill_points(emulator, SCENES[name]).try_shard(shard)


def apply_again(emulator: Emulator, scene: Scene) -> KillPoints:
    """A saved plan of a scene. Its run is killed, and the same plan is applied again."""
    approved: list[Plan] = []

    def prepare() -> EmulatedSimulation:
        sim = begin(emulator, scene)
        approved[:] = [sim.plan()]
        return sim

    def run(sim: EmulatedSimulation, process: Process) -> None:
        sim.follow(process, process.operation.recheck(approved[0]))

    return KillPoints(begin=prepare, check=lambda sim: check_end(sim, scene), run=run, finish=run)


SAVED = ("with its source", "replace")
"""Scenes in which the copy has no id of its own yet when the plan is saved."""


def test_a_saved_plan_killed_at_some_points_goes_on(emulator: Emulator) -> None:
    """The plan stays true: what it approved is done once. The points are a sample."""
    apply_again(emulator, SCENES["with its source"]).try_some(7, SAMPLE)


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", SAVED)
def test_a_saved_plan_killed_at_any_point_goes_on(emulator: Emulator, name: str, shard: int) -> None:
    """The plan stays true: what it approved is done once. It tries every eighth point, or all."""
    apply_again(emulator, SCENES[name]).try_shard(shard)


FAULTS = {
    "copy": {"method": "POST", "path": "/models:copy$"},
    "poll": {"method": "GET", "path": "/models/bot-[a-z2-7]+/operations/[0-9]+$"},
    "look": {"method": "GET", "path": "/models/bot-[a-z2-7]+$"},
    "list": {"method": "GET", "path": f"/{PROD}/locations/us/models$"},
    "deploy": {"method": "POST", "path": "/endpoints/support:deployModel$"},
    "delete": {"method": "DELETE", "path": "/models/bot-[a-z2-7]+$"},
}
LOSSES: dict[str, dict[str, Any]] = {
    "dropped before": {"drop": True},
    "dropped after": {"drop": True, "when": "after"},
    "cut": {"truncate": 20, "when": "after"},
    "unavailable": {"error": "unavailable"},
    "limited": {"error": "rate_limited"},
}


EACH = [(call, loss) for call in FAULTS for loss in LOSSES]
NOW = [(call, loss) for call, loss in EACH if call == "copy" or loss == "dropped after"]
"""One call with every loss, and every call with the worst loss."""


@pytest.mark.parametrize(("call", "loss"), [*NOW, *repeats(*(one for one in EACH if one not in NOW))])
def test_a_lost_reply_copies_once(emulator: Emulator, call: str, loss: str) -> None:
    """Whichever call of a copy loses its reply, this run succeeds or the next one does."""
    scene = SCENES["destroy" if call == "delete" else "first"]
    sim = begin(emulator, scene)
    emulator.fault([{**FAULTS[call], **LOSSES[loss]}])
    sim.apply()
    emulator.heal()
    sim.apply()
    check_end(sim, scene)


def test_a_copy_that_only_stands_between_is_no_output(emulator: Emulator) -> None:
    """Nobody calls such a copy. The names of the others are found all the same."""
    sim = begin(emulator, SCENES["between"])
    sim.apply()
    found = find_outputs(sim.process().operation, sim.state.resources.values())
    assert list(found) == [BOT]


@pytest.mark.parametrize("refusal", ["call", "operation"])
def test_a_copy_that_is_refused_says_why_and_is_made_when_it_may_be(emulator: Emulator, refusal: str) -> None:
    """The training is kept, and nothing is deployed. With the role, the next run makes the copy."""
    sim = begin(emulator, SCENES["with its source"])
    emulator.adjust(vertex_copy_grants=[], vertex_copy_refusal=refusal)
    run = sim.apply()
    failed = run.find_only(Failed)
    assert failed.address == COPY
    assert "roles/aiplatform.serviceAgent" in f"{failed.error} {failed.advice}"
    assert run.code is ExitCode.FAILED
    assert (models(sim), endpoints(sim)) == ([], {})
    emulator.adjust(vertex_copy_grants=[f"{DEV}>{PROD}"])
    sim.apply(retry_failed=True)
    check_end(sim, replace(SCENES["with its source"], copies=1 if refusal == "call" else 2))


@pytest.mark.parametrize("carries", [["labels", "checkpoints"], ["labels"], []], ids=str)
def test_what_a_copy_carries_makes_no_difference(emulator: Emulator, carries: list[str]) -> None:
    """A copy without labels and checkpoints is found, deployed and adopted just the same."""
    sim = begin(emulator, SCENES["first"])
    emulator.adjust(vertex_copy_carries=carries)
    sim.apply()
    sim.store.stored = None
    sim.apply()
    check_end(sim, SCENES["first"])
