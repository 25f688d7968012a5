"""Each refused call is one failure. Everything else continues, and the next run converges."""

from __future__ import annotations

import pytest
from msgspec.structs import force_setattr

from reconciler.errors import (
    ExitCode,
    ForbiddenError,
    InvalidArgumentError,
    RateLimitedError,
    ReplyLostError,
    ServiceError,
    UnavailableError,
)
from reconciler.events import Failed
from reconciler.identity import GENERATIONS
from reconciler.model.live import Status
from tests.lifecycle.simulation import CHECK, READER, Simulation, address, checked, serving, want

DONE, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.UNFINISHED, ExitCode.FAILED


CORRECT = "Trying again does not help. Correct what the service complains about, then apply again"
REFUSALS: dict[str, tuple[ServiceError, str]] = {
    "400": (InvalidArgumentError("malformed", status=400), CORRECT),
    "403": (ForbiddenError("not allowed", status=403), CORRECT),
    "429": (RateLimitedError("no quota", "Ask for quota", status=429), "Ask for quota"),
    "503": (UnavailableError("busy", status=503), "Apply again: nothing is trained twice"),
    "no reply": (ReplyLostError("no reply", "Run again"), "Run again"),
}


@pytest.mark.parametrize(("error", "advice"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_create_stops_nobody_else(error: ServiceError, advice: str) -> None:
    """The failure has advice, the others are trained, and the next run creates the missing model."""
    sim = Simulation(want("a"), want("b"), want("c"))
    refused = sim.plan().changes[1].id
    sim.service.fail("create", error, id=refused)
    process = sim.apply()
    assert sorted(process.told) == [
        "a create Completed",
        "a create Started",
        "b create Failed",
        "c create Completed",
        "c create Started",
    ]
    assert process.code is FAILED
    assert process.find_only(Failed).advice == advice
    assert sim.apply().told == ["b create Started", "b create Completed"]
    assert set(sim.service.creates.values()) == {1}
    assert sim.settled()


@pytest.mark.parametrize("error", [error for error, _ in REFUSALS.values()], ids=REFUSALS)
@pytest.mark.parametrize("method", ["update", "set_permissions", "delete"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_that_fails_is_made_again_by_the_next_run(method: str, error: ServiceError, when: str) -> None:
    """A failed call, with or without effect, is one failure with exit 4.

    After the next run the plan is empty.
    """
    sim = Simulation(want("a"), want("b"), want("c"))
    sim.apply()
    changed = {
        "update": want("b", temperature=0.5),
        "set_permissions": want("b", permissions=(READER,)),
        "delete": want("b", epochs=6),
    }
    sim.manifests = (want("a", temperature=0.2), changed[method], want("c", temperature=0.2))
    sim.service.fail(method, error, when=when, id=serving(sim, "b"))
    process = sim.apply()
    operation = {"set_permissions": "permissions"}.get(method, method)
    assert f"b {operation} Failed" in process.told
    assert {"a update Completed", "c update Completed"} <= set(process.told)
    assert process.code is FAILED
    sim.apply()
    assert sim.settled()
    assert max(sim.service.creates.values()) == 1


def test_permissions_that_fail_keep_a_candidate_from_serving() -> None:
    """The old model serves. The next run sets the permissions and promotes."""
    sim = Simulation(want())
    sim.apply()
    old = serving(sim)
    sim.manifests = (want(epochs=6, permissions=(READER,)),)
    sim.service.fail("set_permissions", ForbiddenError("needs a login", "Log in", status=403))
    process = sim.apply()
    assert process.told == ["bot create Started", "bot permissions Failed"]
    assert (serving(sim), process.code) == (old, FAILED)
    assert sim.apply().told == ["bot permissions Completed", "bot create Completed", "bot delete Completed"]
    assert sim.settled()


@pytest.mark.parametrize(
    ("answer", "error", "kind", "code"),
    [
        ("wrong", None, "Failed", FAILED),
        (CHECK.expect, UnavailableError("busy", status=503), "Skipped", UNFINISHED),
        (CHECK.expect, RateLimitedError("quota", status=429), "Skipped", UNFINISHED),
        (CHECK.expect, InvalidArgumentError("blocked", status=400), "Failed", FAILED),
    ],
)
def test_a_check_that_is_not_passed_promotes_nothing(
    answer: str, error: ServiceError | None, kind: str, code: ExitCode
) -> None:
    """A failed check exits 4, an unknown one 3. The old model serves, and the next run checks again."""
    sim = checked(Simulation(want()), answer)
    sim.apply()
    old = serving(sim)
    sim.manifests = (want(epochs=6, checks=(CHECK,)),)
    if error is not None:
        sim.service.fail("generate", error)
    process = sim.apply()
    assert (process.told, process.code) == (["bot create Started", f"bot check {kind}"], code)
    assert (serving(sim), len(sim.ids())) == (old, 2)
    checked(sim)
    told = ["bot check Completed", "bot create Completed", "bot delete Completed"]
    assert sim.apply().told == told
    assert sim.settled()


def test_a_failed_check_says_what_serves_now() -> None:
    """The error names the serving model, if any, and gives the reason once."""
    sim = checked(Simulation(want(checks=(CHECK,))), "wrong")
    first = sim.apply().find_only(Failed)
    assert first.error == f"{CHECK.prompt!r} is answered with 'wrong', not {CHECK.expect!r}"
    assert first.advice.startswith("It is not promoted. If the check is wrong")
    checked(sim).apply()
    old = serving(sim)
    sim.manifests = (want(epochs=6, checks=(CHECK,)),)
    second = checked(sim, "wrong").apply().find_only(Failed)
    advice = f"It is not promoted; {old} goes on serving as before. If the check is wrong"
    assert second.advice.startswith(advice)


def test_an_unfinished_candidate_stays_when_its_successor_is_refused() -> None:
    """The candidate stays until a successor is accepted, so going back costs nothing."""
    sim = Simulation(want())
    sim.apply(wait=False)
    unfinished = sim.ids()
    sim.manifests = (want(epochs=6),)
    sim.service.fail("create", InvalidArgumentError("malformed", status=400))
    process = sim.apply()
    assert process.told == ["bot create Failed", "bot delete Skipped"]
    assert (sim.ids(), process.code) == (unfinished, FAILED)
    sim.manifests = (want(),)
    assert sim.apply().told[-1] == "bot restore Completed"
    sim.apply()
    assert sim.settled()
    assert sum(sim.service.creates.values()) == 1


def test_an_id_that_is_taken_by_another_model_is_left_alone() -> None:
    """A 409 with a visible model is reported. That model is not recorded or deleted, and others continue."""
    sim = Simulation(want("a"), want("b"))
    taken = sim.plan().changes[0].id
    sim.service.list_lag = sim.service.get_lag = 10.0
    sim.service.add(taken, {"tuning_task.hyperparameters.epoch_count": 9}, status=Status.CREATING)
    process = sim.apply()
    assert sorted(process.told) == ["a create Failed", "b create Completed", "b create Started"]
    assert address("a") not in sim.state.resources
    assert taken in sim.service.models


def test_every_generation_may_be_taken() -> None:
    """If every generation is taken the change fails and nothing is recorded."""
    sim = Simulation(want())
    world = sim.process().operation.read_facts(sim.state)
    (desired,) = world.desired.values()
    source = str(desired.attributes["base_model"])
    sim.service.hidden |= {generation.id for generation in world.list_generations(desired, source)}
    process = sim.apply()
    assert process.told == ["bot create Failed"]
    assert sum(call[0] == "create" for call in sim.service.changes) == GENERATIONS
    assert sim.state.resources == {}


def test_a_pinned_id_has_no_next_generation() -> None:
    """If an invisible model holds a pinned id, the change fails and names the id."""
    sim = Simulation(want(id="mine"))
    sim.service.hidden.add("mine")
    process = sim.apply()
    assert process.told == ["bot create Failed"]
    assert process.find_only(Failed).error == "mine exists and cannot be seen"


def test_data_that_changes_after_the_approval_is_not_sent() -> None:
    """The digest is checked before data is sent. On a mismatch that model fails and the others continue."""
    sim = Simulation(want("a"), want("b"))
    process = sim.process()
    plan, _ = process.operation.make_plan()
    bad = want("a", "two")
    wrong = bad.data[0]
    real = sim.manifests[0].data[0]
    force_setattr(real, "inline", wrong.inline)
    sim.follow(process, process.operation.recheck(plan))
    assert sorted(process.told) == ["a create Failed", "b create Completed", "b create Started"]
    assert "changed since the plan was made" in process.find_only(Failed).error
    assert "a" not in {id.partition("-")[0] for id in sim.service.creates}
