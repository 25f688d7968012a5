"""The stable endpoint stands in where somebody deleted the endpoint that the tuning service had made."""

from __future__ import annotations

from msgspec.structs import replace

from reconciler.errors import ExitCode
from reconciler.model.desired import Desired
from reconciler.model.endpoint import Serving
from reconciler.model.names import Attributes
from reconciler.model.stack import Stack
from reconciler.operation.serving import find_outputs
from reconciler.providers.vertex.fields import DESCRIPTION, DISPLAY_NAME, LABELS
from tests.lifecycle.apis import VERTEX
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.test_copy_crash import copied
from tests.lifecycle.test_copy_crash import endpoints as copied_endpoints
from tests.lifecycle.test_endpoints import BOT, endpoints, served, serving, split

DESCRIBED: Attributes = {DISPLAY_NAME: "sorts mails", DESCRIPTION: "of one word", LABELS: ("team=search",)}


def described(data: str = "one", fields: Attributes = DESCRIBED) -> Desired:
    """A tuning job with a stable endpoint, which declares every field that can be updated."""
    made = served(data)
    return replace(made, attributes={**made.attributes, **fields})


def delete_own(sim: EmulatedSimulation) -> None:
    """Somebody undeploys the model from the endpoint that the tuning service made, and deletes that."""
    sim.emulator.tell(sim.clock())
    (job,) = sim.emulator.listed("tuningJobs")
    own = job["tunedModel"]["endpoint"]
    for deployed in sim.emulator.call("GET", f"v1/{own}")["deployedModels"]:
        sim.emulator.call("POST", f"v1/{own}:undeployModel", {"deployedModelId": deployed["id"]})
    sim.clock.sleep(60)
    sim.emulator.tell(sim.clock())
    sim.emulator.call("DELETE", f"v1/{own}")
    sim.clock.sleep(60)
    sim.emulator.tell(sim.clock())


def simulate(emulator: Emulator, *manifests: Desired) -> EmulatedSimulation:
    """A simulation in which everything was applied, and somebody deleted the job's own endpoint then."""
    sim = EmulatedSimulation(emulator, *manifests, vertex_deploy_seconds=0.5)
    sim.stack = Stack(name="team")
    sim.apply()
    delete_own(sim)
    return sim


def test_nothing_is_wrong_with_what_the_stable_endpoint_serves(emulator: Emulator) -> None:
    """Plan and drift are empty, the name to call stays, and the model answers there."""
    sim = simulate(emulator, described())
    operation = sim.process().operation
    assert operation.find_drift() == ()
    called = find_outputs(operation, sim.state.resources.values())
    assert called[BOT] == endpoints(sim)["support"]["name"]
    assert sim.settled()
    assert split(sim) == {serving(sim): 100}


def test_a_field_is_updated_on_the_model_alone(emulator: Emulator) -> None:
    """The stable endpoint keeps its own name and labels."""
    sim = simulate(emulator, described())
    before = endpoints(sim)["support"]
    sim.manifests = (described(fields={**DESCRIBED, DESCRIPTION: "of two words", LABELS: ()}),)
    assert sim.apply().code is ExitCode.DONE
    after = endpoints(sim)["support"]
    assert {**after, "etag": "", "updateTime": ""} == {**before, "etag": "", "updateTime": ""}
    assert sim.settled()


def test_it_is_replaced_and_deleted_as_ever(emulator: Emulator) -> None:
    """Nothing of it is left, and the endpoint serves the next model."""
    sim = simulate(emulator, described())
    sim.manifests = (described("two"),)
    sim.apply()
    assert split(sim) == {serving(sim): 100}
    assert emulator.alive(VERTEX.kind) == {serving(sim), "support"}
    assert sim.settled()
    sim.manifests = ()
    sim.apply()
    assert emulator.alive(VERTEX.kind) == set()


def test_nothing_is_wrong_with_a_copy_either(emulator: Emulator) -> None:
    """Its source lost its own endpoint. The copy never had one."""
    sim = simulate(emulator, replace(described(), serving=Serving("source")), copied())
    assert sim.process().operation.find_drift() == ()
    assert sim.settled()
    assert list(copied_endpoints(sim)) == ["support"]


def test_a_lost_state_adopts_what_the_stable_endpoint_serves(emulator: Emulator) -> None:
    """Nothing is trained or deployed again."""
    sim = simulate(emulator, described())
    sim.store.stored = None
    before = sum(entry["path"].endswith(":deployModel") for entry in emulator.log())
    sim.apply()
    assert sum(entry["path"].endswith(":deployModel") for entry in emulator.log()) == before
    assert emulator.trainings(VERTEX.kind).total() == 1
    assert split(sim) == {serving(sim): 100}
    assert sim.settled()
