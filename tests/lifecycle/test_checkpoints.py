"""Checkpoints: chosen, checked, deployed and switched, with the real provider on the emulator."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import ExitCode, PlanError
from reconciler.events import Failed
from reconciler.model.checks import Check
from reconciler.model.desired import KEEP_DEPOSED, Desired
from reconciler.model.stack import Stack
from reconciler.operation.serving import run_declared_checks
from reconciler.plan.change import Action, DriftClass, Reason
from reconciler.state.values import RecordedModel, Verdict
from tests.lifecycle.apis import VERTEX
from tests.lifecycle.emulated_simulation import EmulatedSimulation, Emulator
from tests.lifecycle.test_endpoints import endpoints, record, served, serving, simulate
from tests.limits import repeats

ONE = Check("one 1", "1")
"""The pair that only the best checkpoint of the data "one" has learnt, if one is the best."""
EASY = Check("one 0", "0")
"""The pair that each checkpoint has learnt."""


def chosen(checkpoint: str, *checks: Check, data: str = "one", **more: Any) -> Desired:
    """A tuning job of five epochs that chooses its checkpoint."""
    made = served(data, checkpoint=checkpoint, **more)
    return replace(made, checks=checks)


def learns_best(sim: EmulatedSimulation, checkpoint: str) -> EmulatedSimulation:
    """Only this checkpoint of the next training learns everything."""
    sim.emulator.fault([{"train": ".", "best": checkpoint, "times": 99}])
    return sim


def deployed(sim: EmulatedSimulation, id: str = "support") -> list[tuple[str, str, int]]:
    """Our id, the checkpoint and the share of everything that is deployed to an endpoint."""
    shown = endpoints(sim)[id]
    shares = shown.get("trafficSplit", {})
    return [
        (one["displayName"], one["checkpointId"], shares.get(one["id"], 0))
        for one in shown.get("deployedModels", [])
    ]


def default(sim: EmulatedSimulation) -> str:
    """The default checkpoint of the model that serves."""
    name = model(sim).model
    return str(sim.emulator.call("GET", f"v1/{name}")["defaultCheckpointId"])


def model(sim: EmulatedSimulation) -> RecordedModel:
    """The model that serves."""
    found = record(sim).serving
    assert found is not None
    return found


def asked(sim: EmulatedSimulation, since: int = 0) -> int:
    """How many questions were asked."""
    return sum(path.endswith(":generateContent") for _, path in calls(sim)[since:])


def calls(sim: EmulatedSimulation) -> list[tuple[str, str]]:
    """The method and path of every request."""
    return [(request["method"], request["path"]) for request in sim.emulator.log()]


@pytest.mark.parametrize(("choice", "id"), [("last", "5"), ("2", "2")])
def test_a_chosen_checkpoint_serves_and_becomes_the_default(emulator: Emulator, choice: str, id: str) -> None:
    """The checkpoint is deployed by its id, recorded, and made the default, so that a copy has it too."""
    sim = simulate(emulator, chosen(choice))
    run = sim.apply()
    assert run.code == ExitCode.DONE
    assert deployed(sim) == [(serving(sim), id, 100)]
    assert default(sim) == id
    assert (model(sim).checkpoint, model(sim).choice) == (id, choice)
    assert sim.settled()


def test_the_only_checkpoint_of_a_training_serves_as_the_last(emulator: Emulator) -> None:
    """If a training keeps only its last checkpoint, the model names it.

    The job's endpoint answers with it.
    """
    only = chosen("last", EASY)
    field = "supervised_tuning_spec.export_last_checkpoint_only"
    sim = simulate(emulator, replace(only, attributes={**only.attributes, field: True}))
    assert sim.apply().code == ExitCode.DONE
    assert deployed(sim) == [(serving(sim), model(sim).checkpoint, 100)]
    assert default(sim) == model(sim).checkpoint
    assert asked(sim) == 1
    assert sim.settled()


def test_a_switch_trains_nothing_and_goes_through_the_checks(emulator: Emulator) -> None:
    """The new checkpoint has all requests before the old one goes. The plan calls it a switch."""
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    sim.manifests = (chosen("4", EASY),)
    (change,) = sim.plan().changes
    assert (change.action, change.reason) == (Action.UPDATE, Reason.CHECKPOINT_DIFFERS)
    run = sim.apply()
    assert run.told == [
        "bot checkpoint Completed",
        "bot deploy Started",
        "bot deploy Completed",
        "bot undeploy Completed",
    ]
    assert deployed(sim) == [(serving(sim), "4", 100)]
    assert default(sim) == "4"
    assert model(sim).checkpoint == "4"
    assert sim.emulator.trainings(VERTEX.kind).total() == 1
    assert sim.settled()


def test_a_switch_to_a_checkpoint_that_fails_its_checks_changes_nothing(emulator: Emulator) -> None:
    """The recorded checkpoint goes on serving. The next run asks the other one again."""
    sim = learns_best(simulate(emulator, chosen("2", ONE)), "2")
    sim.apply()
    sim.manifests = (chosen("4", ONE),)
    for _ in range(2):
        run = sim.apply()
        assert run.code == ExitCode.FAILED
        assert deployed(sim) == [(serving(sim), "2", 100)]
        assert default(sim) == "2"
        assert (model(sim).checkpoint, model(sim).choice, model(sim).verdict) == ("2", "2", Verdict.PASSED)
    sim.manifests = (chosen("2", ONE),)
    assert sim.plan().count(Action.UPDATE) == 0


def test_the_best_checkpoint_is_found_by_the_checks(emulator: Emulator) -> None:
    """Each checkpoint is asked once, at its own endpoint. The scores of all are recorded."""
    sim = learns_best(simulate(emulator, chosen("best", EASY, ONE)), "3")
    run = sim.apply()
    assert run.code == ExitCode.DONE
    assert deployed(sim) == [(serving(sim), "3", 100)]
    assert default(sim) == "3"
    assert asked(sim) == 2 * 5
    scores = {one.id: sum(score.passed for score in one.scores) for one in model(sim).checkpoints}
    assert scores == {"1": 1, "2": 1, "3": 2, "4": 1, "5": 1}
    assert sim.settled()
    assert asked(sim) == 2 * 5


def test_the_command_test_asks_the_checkpoint_that_serves(emulator: Emulator) -> None:
    """It asks the stable endpoint, which programs call. The job's endpoint has the last checkpoint."""
    sim = learns_best(simulate(emulator, chosen("best", ONE)), "2")
    sim.apply()
    results = run_declared_checks(sim.process().operation)
    assert [result.verdict for _, result in results] == [Verdict.PASSED]


def test_of_equally_good_checkpoints_the_earlier_serves(emulator: Emulator) -> None:
    """The earlier one was trained less, and knows as much."""
    sim = simulate(emulator, chosen("best", EASY))
    sim.apply()
    assert deployed(sim) == [(serving(sim), "1", 100)]


def test_no_checkpoint_serves_if_all_fail_their_checks(emulator: Emulator) -> None:
    """The former model goes on serving. The next apply does not ask again what it knows."""
    sim = simulate(emulator, served("two"))
    sim.apply()
    old = serving(sim)
    sim.manifests = (chosen("best", Check("one 1", "never")),)
    run = sim.apply()
    assert run.code == ExitCode.FAILED
    assert serving(sim) == old
    assert asked(sim) == 5
    again = sim.apply()
    assert again.code == ExitCode.FAILED
    assert asked(sim) == 5
    assert sim.emulator.trainings(VERTEX.kind).total() == 2
    sim.manifests = (chosen("best", EASY),)
    assert sim.apply().code == ExitCode.DONE
    assert serving(sim) != old
    assert sim.emulator.trainings(VERTEX.kind).total() == 2


def test_one_unknown_answer_leaves_all_undecided_and_the_next_run_goes_on(emulator: Emulator) -> None:
    """The run exits 3 and promotes nothing. The next run does not ask the same checkpoints again."""
    sim = learns_best(simulate(emulator, chosen("best", EASY, ONE)), "4")
    down = {"method": "POST", "path": ":generateContent$", "status": 503, "skip": 5, "times": 99}
    sim.emulator.fault([down])
    run = sim.apply()
    assert run.code == ExitCode.UNFINISHED
    candidate = record(sim).candidate
    assert candidate is not None
    assert (candidate.verdict, candidate.checkpoint) == (Verdict.UNKNOWN, "")
    assert [one.id for one in candidate.checkpoints] == ["1", "2"]
    sim.emulator.heal()
    before = asked(sim)
    assert sim.wait().code == ExitCode.DONE
    assert asked(sim) - before == 2 * 3
    assert deployed(sim) == [(serving(sim), "4", 100)]
    assert sim.settled()


def test_best_is_not_decided_again_with_other_checks(emulator: Emulator) -> None:
    """Only another serving.checkpoint or another training decides again."""
    sim = learns_best(simulate(emulator, chosen("best", ONE)), "3")
    sim.apply()
    sim.manifests = (chosen("best", EASY),)
    before = asked(sim)
    sim.apply()
    assert asked(sim) == before
    assert deployed(sim) == [(serving(sim), "3", 100)]
    sim.manifests = (chosen("5", EASY),)
    sim.apply()
    sim.manifests = (chosen("best", EASY),)
    sim.apply()
    assert deployed(sim) == [(serving(sim), "1", 100)]
    assert sim.settled()


def test_the_best_may_be_what_serves_already(emulator: Emulator) -> None:
    """Then nothing is deployed or undeployed, and the choice is recorded."""
    sim = learns_best(simulate(emulator, chosen("3", ONE)), "3")
    sim.apply()
    sim.manifests = (chosen("best", ONE),)
    run = sim.apply()
    assert "bot undeploy Completed" not in run.told
    assert deployed(sim) == [(serving(sim), "3", 100)]
    assert model(sim).choice == "best"
    assert sim.settled()


def test_an_unknown_checkpoint_is_refused_with_those_that_there_are(emulator: Emulator) -> None:
    """The decision after the training fails, and the next plan is an error. Nothing is trained twice."""
    sim = simulate(emulator, chosen("9"))
    run = sim.apply()
    assert run.code == ExitCode.FAILED
    assert "has no checkpoint 9: it has 1, 2, 3, 4, 5" in str(run.events)
    with pytest.raises(PlanError, match="has no checkpoint 9: it has 1, 2, 3, 4, 5"):
        sim.plan()
    waited = sim.wait()
    assert waited.code == ExitCode.FAILED
    (failed,) = (event for event in waited.events if isinstance(event, Failed))
    assert (failed.error, failed.advice) == (
        f"{failed.id} has no checkpoint 9: it has 1, 2, 3, 4, 5",
        "Correct serving.checkpoint: nothing is trained again",
    )
    sim.manifests = (chosen("2"),)
    assert sim.apply().code == ExitCode.DONE
    assert deployed(sim) == [(serving(sim), "2", 100)]
    assert sim.emulator.trainings(VERTEX.kind).total() == 1


def test_a_choice_that_nobody_makes_any_more_stays_as_it_is(emulator: Emulator) -> None:
    """Without the key nobody manages the checkpoint.

    Nothing is deployed, and the record forgets the choice.
    """
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    sim.manifests = (served(),)
    run = sim.apply()
    assert run.told == []
    assert deployed(sim) == [(serving(sim), "2", 100)]
    assert (model(sim).checkpoint, model(sim).choice) == ("", "")
    assert sim.settled()


def test_a_plan_of_what_is_chosen_asks_as_much_as_one_without_a_choice(emulator: Emulator) -> None:
    """The lists that every plan reads show checkpoints and defaults."""
    counts = []
    for manifest in (served(), chosen("2")):
        sim = simulate(emulator, manifest)
        sim.apply()
        before = len(calls(sim))
        sim.plan()
        counts.append(len(calls(sim)) - before)
    assert counts[0] == counts[1]


def test_going_back_serves_the_checkpoint_that_the_former_model_had(emulator: Emulator) -> None:
    """A rollback does so, though the manifest chooses another one, and so does a reverted manifest."""
    day: dict[str, Any] = {"keep_deposed": KEEP_DEPOSED}
    sim = simulate(emulator, chosen("2", **day))
    sim.apply()
    old = serving(sim)
    sim.manifests = (chosen("last", data="two", **day),)
    sim.apply()
    assert deployed(sim) == [(serving(sim), "5", 100)]
    sim.roll_back()
    assert deployed(sim) == [(old, "2", 100)]
    assert sim.settled()
    sim.roll_back(undo=True)
    assert [one[1] for one in deployed(sim)] == ["5"]
    sim.manifests = (chosen("2", **day),)
    sim.apply()
    assert deployed(sim) == [(old, "2", 100)]
    assert sim.emulator.trainings(VERTEX.kind).total() == 2
    assert sim.settled()


def test_a_second_runner_finishes_a_switch_that_the_first_has_begun(emulator: Emulator) -> None:
    """The first run deploys and does not wait. The second one does not deploy again."""
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    sim.manifests = (chosen("4", EASY),)
    first = sim.apply(wait=False)
    assert first.told == ["bot checkpoint Completed", "bot deploy Started", "Detached no-wait bot"]
    assert sim.apply().code == ExitCode.DONE
    assert len([path for _, path in calls(sim) if path.endswith(":deployModel")]) == 2
    assert deployed(sim) == [(serving(sim), "4", 100)]
    assert default(sim) == "4"
    assert sim.settled()


@pytest.mark.parametrize("when", ["after", *repeats("before")])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", ":deployModel$"), ("PATCH", "/models/"), ("POST", ":undeployModel$")]
)
def test_a_lost_reply_during_a_switch_leads_to_no_second_deployment(
    emulator: Emulator, method: str, path: str, when: str
) -> None:
    """Each call has its effect once, whether its request or its answer was lost."""
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    sim.manifests = (chosen("4"),)
    since = len(sim.emulator.log())
    sim.emulator.fault([{"method": method, "path": path, "drop": True, "when": when, "times": 1}])
    assert sim.apply().code == ExitCode.DONE
    effects = [
        request
        for request in sim.emulator.log()[since:]
        if request["effect"] and request["method"] == method and path.strip("$") in request["path"]
    ]
    assert len(effects) == 1
    assert deployed(sim) == [(serving(sim), "4", 100)]
    assert default(sim) == "4"
    assert sim.settled()


def test_a_lost_state_finds_the_chosen_checkpoint_deployed(emulator: Emulator) -> None:
    """In a named Stack the choice is recorded again, and nothing is deployed or trained."""
    sim = simulate(emulator, chosen("2"))
    sim.stack = Stack(name="mail")
    sim.apply()
    sim.store.stored = None
    before = calls(sim)
    run = sim.apply()
    assert run.code == ExitCode.DONE
    assert not [path for _, path in calls(sim)[len(before) :] if "deployModel" in path.lower()]
    assert deployed(sim) == [(serving(sim), "2", 100)]
    assert (model(sim).checkpoint, model(sim).choice) == ("2", "2")
    assert sim.emulator.trainings(VERTEX.kind).total() == 1
    assert sim.settled()


def test_drift_names_the_checkpoint_that_somebody_deployed(emulator: Emulator) -> None:
    """Drift calls it changed, and another default too. Apply deploys the chosen one again."""
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    assert sim.process().operation.find_drift() == ()
    body = {"deployedModel": {"model": model(sim).model, "checkpointId": "3"}}
    name = endpoints(sim)["support"]["name"]
    sim.emulator.call("POST", f"v1/{name}:deployModel", {**body, "trafficSplit": {"0": 100}})
    sim.clock.sleep(10.0)
    sim.emulator.tell(sim.clock())
    (drift,) = sim.process().operation.find_drift()
    assert (drift.drift_class, drift.is_endpoint) == (DriftClass.CHANGED, True)
    assert "(checkpoint 3) is deployed to it with 100 %" in drift.detail
    sim.apply()
    assert deployed(sim) == [(serving(sim), "2", 100)]
    assert sim.settled()


def test_another_default_is_made_the_chosen_one_again(emulator: Emulator) -> None:
    """One request to the model does it, and nothing changes at the endpoint."""
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    body = {"defaultCheckpointId": "4"}
    sim.emulator.call("PATCH", f"v1/{model(sim).model}?updateMask=defaultCheckpointId", body)
    (change,) = sim.plan().changes
    assert (change.action, change.reason) == (Action.UPDATE, Reason.DEFAULT_DIFFERS)
    sim.apply()
    assert default(sim) == "2"
    assert sim.settled()


def test_the_endpoints_of_a_training_that_is_given_up_go_too(emulator: Emulator) -> None:
    """The service makes them one by one during the training, and a cancelled job keeps those that it has."""
    sim = simulate(emulator, chosen("best", EASY))
    sim.apply(wait=False)
    (job,) = sim.emulator.listed("tuningJobs")
    while not job.get("tunedModel", {}).get("checkpoints"):
        sim.clock.sleep(0.1)
        sim.emulator.tell(sim.clock())
        (job,) = sim.emulator.listed("tuningJobs")
    assert job["state"] == "JOB_STATE_RUNNING"
    assert sim.emulator.listed("endpoints")
    sim.apply(destroy=True)
    assert sim.emulator.alive(VERTEX.kind) == set()
    assert not sim.state.resources


def test_the_endpoints_of_checkpoints_go_with_their_model(emulator: Emulator) -> None:
    """They answer as long as the model exists. A replaced model leaves none behind."""
    sim = simulate(emulator, chosen("2"))
    sim.apply()
    own = [one for one in sim.emulator.listed("endpoints") if one["name"].rpartition("/")[2].isdigit()]
    assert len(own) == 5
    sim.manifests = (chosen("2", data="two"),)
    sim.apply()
    left = {one["name"] for one in sim.emulator.listed("endpoints")}
    assert not left & {one["name"] for one in own}
    assert len(left) == 5 + 1
