"""Stable endpoints from the first plan to destroy, with the real provider on the emulator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import ExitCode, PlanError, StalePlanError
from reconciler.events import Failed, Verb
from reconciler.model.checks import Prompt
from reconciler.model.desired import Desired
from reconciler.model.endpoint import Serving
from reconciler.model.stack import Stack
from reconciler.operation.rolling_back import prepare_rollback
from reconciler.operation.serving import ask, find_outputs
from reconciler.plan.change import Action, DriftClass, Reason
from reconciler.render.words import list_consequences
from reconciler.state.values import Record
from tests.lifecycle.apis import VERTEX
from tests.lifecycle.emulated_simulation import HOME, EmulatedSimulation, Emulator
from tests.lifecycle.simulation import address, want

BOT = address("bot", VERTEX.kind)
US = HOME.replace("us-central1", "us")
"""The location of the models of Gemini 3.x jobs."""


def served(data: str = "one", *, endpoint: str = "support", **serving: Any) -> Desired:
    """A tuning job with a stable endpoint."""
    lifecycle = {key: serving.pop(key) for key in ("keep_deposed", "prevent_destroy") if key in serving}
    made = want("bot", data, kind=VERTEX.kind, **lifecycle)
    return replace(made, serving=Serving(endpoint, **serving))


def simulate(
    emulator: Emulator, *manifests: Desired, second_model: str = "allow", deploy_seconds: float = 0.5
) -> EmulatedSimulation:
    """A simulation on an emulator that takes several tuned models on an endpoint, or refuses a second one."""
    return EmulatedSimulation(
        emulator, *manifests, vertex_second_model=second_model, vertex_deploy_seconds=deploy_seconds
    )


def endpoints(sim: EmulatedSimulation) -> dict[str, dict[str, Any]]:
    """Every endpoint that has an id of ours, by that id."""
    sim.emulator.tell(sim.clock())
    answers = [sim.emulator.call("GET", f"{place}/endpoints?pageSize=1000") for place in (HOME, US)]
    found = [one for answer in answers for one in answer.get("endpoints", [])]
    return {id: one for one in found if not (id := one["name"].rpartition("/")[2]).isdigit()}


def split(sim: EmulatedSimulation, id: str = "support") -> dict[str, int]:
    """The share of the requests of each model on an endpoint, by our id."""
    shown = endpoints(sim)[id]
    shares = shown.get("trafficSplit", {})
    return {one["displayName"]: shares.get(one["id"], 0) for one in shown.get("deployedModels", [])}


def record(sim: EmulatedSimulation) -> Record:
    """The record of the only address."""
    return sim.state.resources[BOT]


def serving(sim: EmulatedSimulation) -> str:
    """The id of the model that serves."""
    model = record(sim).serving
    assert model is not None
    return model.id


def test_a_first_apply_creates_the_endpoint_and_deploys_the_model(emulator: Emulator) -> None:
    """Then the model serves: one deployment has all requests, and nothing is left to do."""
    sim = simulate(emulator, served())
    run = sim.apply()
    assert run.told == [
        "bot create Started",
        "bot billed 45",
        "bot create-endpoint Completed",
        "bot deploy Started",
        "bot deploy Completed",
        "bot create Completed",
    ]
    assert split(sim) == {serving(sim): 100}
    endpoint = record(sim).endpoint
    assert endpoint is not None
    assert endpoint.name == endpoints(sim)["support"]["name"]
    assert endpoint.since
    assert sim.settled()


def test_a_replacement_takes_all_requests_before_the_old_model_goes(emulator: Emulator) -> None:
    """The old model is undeployed after the drain, and then deleted. The endpoint keeps its name."""
    sim = simulate(emulator, served(drain=timedelta(seconds=600)))
    sim.apply()
    old, name = serving(sim), endpoints(sim)["support"]["name"]
    sim.manifests = (served("two", drain=timedelta(seconds=600)),)
    began = sim.clock()
    run = sim.apply()
    assert run.told == [
        "bot create Started",
        "bot billed 45",
        "bot deploy Started",
        "bot deploy Completed",
        "bot replace Completed",
        "bot undeploy Completed",
        "bot delete Completed",
    ]
    assert sim.clock() - began > 600
    assert serving(sim) != old
    assert split(sim) == {serving(sim): 100}
    assert endpoints(sim)["support"]["name"] == name
    assert sim.settled()


def test_the_name_of_a_trained_model_is_recorded_once_it_is_there(emulator: Emulator) -> None:
    """The name has the version, so that another stack can copy the model.

    There is none during the training.
    """
    sim = simulate(emulator, served())
    sim.apply(wait=False)
    candidate = record(sim).candidate
    assert candidate is not None
    assert candidate.model == ""
    sim.apply()
    model = record(sim).serving
    assert model is not None
    assert model.model == model_of(sim, model.id)
    assert model.model.endswith("@1")


def test_destroy_deletes_the_endpoint_too(emulator: Emulator) -> None:
    """The model is undeployed first, and the endpoint is deleted last.

    That counts as a deletion of its own.
    """
    sim = simulate(emulator, served())
    sim.apply()
    plan = sim.plan(destroy=True)
    assert plan.deletes == 2
    run = sim.apply(destroy=True)
    assert run.told == [
        "bot undeploy Completed",
        "bot delete Completed",
        "bot delete-endpoint Completed",
    ]
    assert endpoints(sim) == {}
    assert not sim.state.resources
    assert sim.emulator.alive(VERTEX.kind) == set()


def by_hand(sim: EmulatedSimulation, id: str = "support", model: str = "", **body: Any) -> str:
    """Create an endpoint as somebody else would, and deploy a model there. Returns its name."""
    sim.emulator.tell(sim.clock())
    sim.emulator.call("POST", f"{US}/endpoints?endpointId={id}", {"displayName": id, **body})
    sim.clock.sleep(10.0)
    sim.emulator.tell(sim.clock())
    if model:
        deploy_by_hand(sim, id, model)
    return str(endpoints(sim)[id]["name"])


def deploy_by_hand(sim: EmulatedSimulation, id: str, model: str, share: int = 100, **rest: int) -> None:
    """Deploy a model as somebody else would."""
    body = {"deployedModel": {"model": model}, "trafficSplit": {"0": share, **rest}}
    sim.emulator.call("POST", f"{US}/endpoints/{id}:deployModel", body)
    sim.clock.sleep(10.0)
    sim.emulator.tell(sim.clock())


def model_of(sim: EmulatedSimulation, id: str) -> str:
    """The resource name of one of our models, with its version."""
    (found,) = [job for job in sim.emulator.listed("tuningJobs") if job["labels"]["reconciler_id"] == id]
    return str(found["tunedModel"]["model"])


def test_an_endpoint_of_somebody_else_is_a_conflict_before_anything_is_spent(emulator: Emulator) -> None:
    """The error names it and says how to take it over. With `adopt` it is taken over as it is."""
    sim = simulate(emulator, want("other", kind=VERTEX.kind))
    sim.apply()
    name = by_hand(sim, labels={"team": "a"})
    other = model_of(sim, next(iter(sim.state.resources.values())).serving.id)  # type: ignore[union-attr]
    deploy_by_hand(sim, "support", other)
    sent = len(sim.sent)
    sim.manifests = (*sim.manifests, served("two"))
    with pytest.raises(PlanError) as refused:
        sim.plan()
    assert f"{name} is there and not ours" in refused.value.summary
    assert len(sim.sent) == sent
    sim.manifests = (*sim.manifests[:1], served("two", adopt=True))
    sim.apply()
    assert split(sim) == {serving(sim): 100}
    assert endpoints(sim)["support"]["labels"]["team"] == "a"
    assert endpoints(sim)["support"]["name"] == name
    assert sim.settled()


def test_a_lost_state_finds_the_endpoint_by_its_label_in_a_named_stack(emulator: Emulator) -> None:
    """Nothing is created, deployed or trained again. Without a named Stack it is a conflict."""
    sim = simulate(emulator, served())
    sim.stack = Stack(name="numbers-k3f9")
    sim.apply()
    before, sent = split(sim), len(sim.sent)
    sim.store.stored = None
    sim.apply()
    assert (split(sim), sim.sent[sent:]) == (before, [])
    assert record(sim).called_endpoint is not None
    assert sim.settled()


def test_without_a_named_stack_a_label_proves_nothing(emulator: Emulator) -> None:
    """Two folders without a name would take each other's endpoint."""
    sim = simulate(emulator, served())
    sim.apply()
    sim.store.stored = None
    with pytest.raises(PlanError, match="is there and not ours"):
        sim.plan()


def test_an_endpoint_deleted_outside_is_drift_and_is_made_again(emulator: Emulator) -> None:
    """It gets the same id and the same model. Nothing is trained."""
    sim = simulate(emulator, served())
    sim.apply()
    name, id = endpoints(sim)["support"]["name"], serving(sim)
    (deployed,) = endpoints(sim)["support"]["deployedModels"]
    sim.emulator.call("POST", f"v1/{name}:undeployModel", {"deployedModelId": deployed["id"]})
    sim.clock.sleep(10.0)
    sim.emulator.tell(sim.clock())
    sim.emulator.call("DELETE", f"v1/{name}")
    sim.clock.sleep(10.0)
    (drift,) = sim.process().operation.find_drift()
    assert (drift.drift_class, drift.is_endpoint) == (DriftClass.MISSING, True)
    (change,) = sim.plan().changes
    assert (change.action, change.reason) == (Action.UPDATE, Reason.ENDPOINT_MISSING)
    sim.apply()
    assert split(sim) == {id: 100}
    assert sim.emulator.trainings(VERTEX.kind).total() == 1
    assert sim.settled()


def test_a_foreign_deployment_and_split_are_drift_and_lose_their_requests(emulator: Emulator) -> None:
    """What somebody deployed stays without requests, and is named until somebody undeploys it."""
    sim = simulate(emulator, served(), want("other", kind=VERTEX.kind))
    sim.apply()
    other = sim.state.resources[address("other", VERTEX.kind)].serving
    assert other is not None
    (deployed,) = endpoints(sim)["support"]["deployedModels"]
    deploy_by_hand(sim, "support", model_of(sim, other.id), 40, **{deployed["id"]: 60})
    (drift,) = sim.process().operation.find_drift()
    assert (drift.drift_class, drift.is_endpoint) == (DriftClass.CHANGED, True)
    assert "has 60 % of its requests" in drift.detail
    sim.apply()
    shares = endpoints(sim)["support"]["trafficSplit"]
    assert shares == {deployed["id"]: 100}
    assert len(endpoints(sim)["support"]["deployedModels"]) == 2
    (change,) = [one for one in sim.plan().changes if one.address == BOT]
    assert (change.action, len(change.notes)) == (Action.NO_OP, 1)
    assert sim.settled()


def test_another_id_is_set_up_before_the_old_endpoint_goes(emulator: Emulator) -> None:
    """The old endpoint stays for keep_deposed, with the model. Then the next apply deletes it unasked."""
    day = timedelta(hours=24)
    sim = simulate(emulator, served(keep_deposed=day))
    sim.apply()
    id = serving(sim)
    sim.manifests = (served(endpoint="sales", keep_deposed=day),)
    run = sim.apply()
    assert run.told == ["bot create-endpoint Completed", "bot deploy Started", "bot deploy Completed"]
    assert split(sim, "sales") == split(sim, "support") == {id: 100}
    called = record(sim).called_endpoint
    assert called is not None
    assert called.id == "sales"
    assert not sim.plan().has_changes
    sim.clock.sleep(day.total_seconds())
    plan = sim.plan()
    assert (plan.has_changes, plan.due) == (False, 1)
    sim.apply()
    assert set(endpoints(sim)) == {"sales"}
    assert sim.settled()


def test_another_id_without_keep_deposed_deletes_the_old_endpoint_at_once(emulator: Emulator) -> None:
    """It is deleted in the same run, after the new one has the requests. That counts as a deletion."""
    sim = simulate(emulator, served())
    sim.apply()
    sim.manifests = (served(endpoint="sales"),)
    assert sim.plan().deletes == 1
    sim.apply()
    assert set(endpoints(sim)) == {"sales"}
    assert split(sim, "sales") == {serving(sim): 100}
    assert sim.settled()


def test_an_endpoint_that_is_not_declared_any_more_is_deleted(emulator: Emulator) -> None:
    """The model stays. The plan shows and counts the deletion, and prevent_destroy refuses it."""
    sim = simulate(emulator, served(prevent_destroy=True))
    sim.apply()
    sim.manifests = (want("bot", kind=VERTEX.kind, prevent_destroy=True),)
    with pytest.raises(PlanError, match="protected by prevent_destroy"):
        sim.plan()
    sim.manifests = (want("bot", kind=VERTEX.kind),)
    plan = sim.plan()
    assert ([one.action for one in plan.changes], plan.deletes) == ([Action.UPDATE], 1)
    sim.apply()
    assert endpoints(sim) == {}
    assert sim.emulator.is_alive(VERTEX.kind, serving(sim))
    assert sim.settled()


def test_a_refusal_of_two_models_leaves_the_old_one_serving(emulator: Emulator) -> None:
    """The promotion fails with the service's reason, and names the key that allows an interruption."""
    sim = simulate(emulator, served(), second_model="refuse")
    sim.apply()
    old = serving(sim)
    sim.manifests = (served("two"),)
    run = sim.apply()
    failure = run.find_only(Failed)
    assert (failure.operation, run.code) == (Verb.DEPLOY, ExitCode.FAILED)
    assert "a second tuned Gemini model cannot be deployed to it" in failure.error
    assert "serving.allow_interruption" in failure.advice
    assert (serving(sim), split(sim)) == (old, {old: 100})
    sim.manifests = (served("two", allow_interruption=True),)
    plan = sim.plan()
    assert any("answers nothing" in said for said in list_consequences(plan.changes[0]))
    sim.apply()
    assert serving(sim) != old
    assert split(sim) == {serving(sim): 100}
    assert sim.emulator.trainings(VERTEX.kind).total() == 2
    assert sim.settled()


def test_an_interruption_that_fails_deploys_the_old_model_again(emulator: Emulator) -> None:
    """This happens before the run ends, and the next run tries the new model once more."""
    sim = simulate(emulator, served(), second_model="refuse")
    sim.apply()
    old = serving(sim)
    sim.manifests = (served("two", allow_interruption=True),)
    sim.emulator.fault([{"method": "POST", "path": ":deployModel$", "status": 400, "times": 1}])
    run = sim.apply()
    assert run.code is ExitCode.FAILED
    assert (serving(sim), split(sim)) == (old, {old: 100})
    sim.apply()
    assert serving(sim) != old
    assert split(sim) == {serving(sim): 100}
    assert sim.settled()


def test_a_project_without_serving_asks_for_no_endpoint(emulator: Emulator) -> None:
    """It asks only for the list that it always needed, so a plan sends as many requests as ever."""
    sim = simulate(emulator, want("bot", kind=VERTEX.kind))
    sim.apply()
    before = len(sim.emulator.log())
    sim.plan()
    plain = [one["path"] for one in sim.emulator.log()[before:] if "/endpoints/" in one["path"]]
    sim.manifests = (served(),)
    before = len(sim.emulator.log())
    sim.plan()
    asked = [one["path"] for one in sim.emulator.log()[before:] if "/endpoints/" in one["path"]]
    assert plain == []
    assert [path.rpartition("/")[2] for path in asked] == ["support", "support"]


def deployments(sim: EmulatedSimulation) -> int:
    """How many deployments were begun."""
    return sum(path.endswith(":deployModel") for _, path in sim.sent)


def test_a_run_that_ends_while_a_deployment_is_under_way_is_finished_by_wait(emulator: Emulator) -> None:
    """The lock is free meanwhile. `wait` finishes the deployment that runs, and begins no second one."""
    sim = simulate(emulator, served(), deploy_seconds=1000)
    run = sim.apply(timeout=600)
    assert run.told[-2:] == ["bot deploy Started", "Detached timeout bot"]
    assert run.code is ExitCode.UNFINISHED
    assert record(sim).serving is None
    assert run.journal[-4:] == ["write", "Started", "unlock", "Detached"]
    again = sim.wait()
    assert again.told == ["bot deploy Started", "bot deploy Completed", "bot create Completed"]
    assert (split(sim), deployments(sim)) == ({serving(sim): 100}, 1)
    assert sim.settled()


def test_no_wait_leaves_the_deployment_to_wait(emulator: Emulator) -> None:
    """The run exits once the training is accepted. `wait` does all that follows."""
    sim = simulate(emulator, served())
    assert sim.apply(wait=False).code is ExitCode.DONE
    assert endpoints(sim) == {}
    sim.wait()
    assert split(sim) == {serving(sim): 100}
    assert sim.settled()


def test_a_run_that_ends_while_a_model_drains_is_finished_by_wait(emulator: Emulator) -> None:
    """The new model serves by then. The old one is undeployed and deleted without a new approval."""
    hour = timedelta(hours=1)
    sim = simulate(emulator, served(drain=hour))
    sim.apply()
    old = serving(sim)
    sim.manifests = (served("two", drain=hour),)
    run = sim.apply(timeout=1800)
    assert run.told[-2:] == ["bot replace Completed", "Detached timeout bot"]
    assert split(sim) == {old: 0, serving(sim): 100}
    plan = sim.plan()
    assert (plan.has_changes, plan.has_work) == (False, True)
    sim.wait()
    assert split(sim) == {serving(sim): 100}
    assert not sim.emulator.is_alive(VERTEX.kind, old)
    assert sim.settled()


def test_a_rollback_switches_the_endpoint_too(emulator: Emulator) -> None:
    """--undo switches it back. Nothing is trained, and callers change nothing."""
    day = timedelta(hours=24)
    sim = simulate(emulator, served(keep_deposed=day))
    sim.apply()
    old = serving(sim)
    sim.manifests = (served("two", keep_deposed=day),)
    sim.apply()
    new = serving(sim)
    for undo, expected in ((False, old), (True, new)):
        process = sim.process()
        plan, check = prepare_rollback(process.operation, "bot", to="", undo=undo)
        assert any("takes all its requests" in said for said in list_consequences(plan.changes[0]))
        sim.follow(process, check)
        assert (serving(sim), split(sim)) == (expected, {expected: 100})
        assert sim.settled()
    assert sim.emulator.trainings(VERTEX.kind).total() == 2


def test_a_saved_plan_is_refused_where_somebody_changed_the_endpoint(emulator: Emulator) -> None:
    """Its deployments and its split are part of what was approved.

    Our own progress does not count as a change.
    """
    sim = simulate(emulator, served(), want("other", kind=VERTEX.kind))
    sim.apply()
    other = sim.state.resources[address("other", VERTEX.kind)].serving
    assert other is not None
    sim.manifests = (served("two"), *sim.manifests[1:])
    process = sim.process()
    plan, _ = process.operation.make_plan()
    (deployed,) = endpoints(sim)["support"]["deployedModels"]
    deploy_by_hand(sim, "support", model_of(sim, other.id), 40, **{deployed["id"]: 60})
    with pytest.raises(StalePlanError, match="what its stable endpoint serves has changed"):
        sim.follow(process, process.operation.recheck(plan))


def test_output_and_generate_go_to_the_stable_endpoint(emulator: Emulator) -> None:
    """Its name is printed without a call. A prompt is answered by the model that it serves."""
    sim = simulate(emulator, served())
    sim.apply()
    name, before = endpoints(sim)["support"]["name"], len(sim.emulator.log())
    operation = sim.process().operation
    assert find_outputs(operation, [record(sim)]) == {BOT: name}
    assert len(sim.emulator.log()) == before
    assert ask(operation, record(sim), Prompt("one 1"), temperature=0.0)
    assert sim.emulator.log()[-1]["path"] == f"/v1/{name}:generateContent"
