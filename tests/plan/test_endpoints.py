"""Stable endpoints in plans: what steps leave recorded, drift, saved plans, what wait finishes."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.errors import StalePlanError
from reconciler.model.endpoint import Deployment, LiveEndpoint, Serving
from reconciler.model.live import Status
from reconciler.plan import steps
from reconciler.plan.binding import verify
from reconciler.plan.change import Action, Drift, DriftClass
from reconciler.plan.drift import find_drift
from reconciler.plan.facts import Facts, digest_approval
from reconciler.plan.recording import Deploying, Done, EndpointReady, Outcome, recorded_after
from reconciler.plan.resume import plan_resumption
from reconciler.plan.rollback import Request, plan_rollback
from reconciler.providers import Training
from reconciler.state.values import Record, RecordedEndpoint
from tests import worlds

BOT = worlds.address()
ID = worlds.id_of()
NAME = "projects/1/locations/us/endpoints/support"
SUPPORT = RecordedEndpoint("support", "us", NAME, deployed="7", since=worlds.CREATED)
NOW = "2026-11-22T12:00:00Z"


def endpoint(*deployments: Deployment, name: str = NAME) -> LiveEndpoint:
    """An endpoint that is there."""
    return LiveEndpoint(name, name.rpartition("/")[2], "us", deployments=deployments)


def deployed(model: str = ID, traffic: int = 100, id: str = "7") -> Deployment:
    """A deployment of one of our models."""
    return Deployment(id, worlds.deployable(model), traffic=traffic)


def world(*shown: LiveEndpoint, recorded: Record | None = None, **changes: Any) -> Facts:
    """A model that serves on its endpoint, with these endpoints there."""
    recorded = recorded or Record(BOT, worlds.model(ID), endpoint=SUPPORT)
    desired = worlds.want(serving=Serving("support"), **changes)
    alive = [worlds.live(model.id, deployable=worlds.deployable(model.id)) for model in recorded.models]
    return worlds.world([desired], [recorded], alive, endpoints={one.name: one for one in shown})


# -- what is recorded --------------------------------------------------------------------------------


def record(step: steps.Step, outcome: Outcome, **changes: Any) -> RecordedEndpoint | None:
    """The endpoint that a step leaves recorded."""
    before = Record(BOT, worlds.model(ID), endpoint=replace(SUPPORT, **changes))
    return recorded_after(step, before, outcome, NOW).endpoint


def test_a_created_endpoint_is_recorded_with_its_name_and_place() -> None:
    """The service tells both. A plan that only folds its steps keeps what is known."""
    made = record(steps.CreateEndpoint("support"), EndpointReady("there", "eu"), name="", location="")
    assert made == replace(SUPPORT, name="there", location="eu")
    assert record(steps.CreateEndpoint("support"), EndpointReady("", "")) == SUPPORT


def test_a_deployment_is_recorded_when_it_begins_and_when_it_has_the_requests() -> None:
    """The operation tells why it failed, so it is kept until the end."""
    begun = record(steps.Deploy(steps.Role.SERVING, "support"), Deploying("op"))
    assert begun == replace(SUPPORT, operation="op")
    wait = steps.AwaitDeployment(steps.Role.SERVING, "support")
    done = Training(Status.ACTIVE, deployment="8")
    switched = replace(SUPPORT, deployed="8", since=NOW)
    assert record(wait, done, operation="op", interrupted=True) == switched
    assert record(wait, Training(Status.ACTIVE, deployment="7"), operation="op") == SUPPORT
    assert record(wait, Training(Status.FAILED, error="no"), operation="op") == SUPPORT


def test_an_endpoint_that_was_replaced_is_kept_from_the_switch_on() -> None:
    """The time does not count from the moment at which the other endpoint was declared."""
    old = RecordedEndpoint("old", since=worlds.CREATED)
    older = RecordedEndpoint("older", retired=worlds.CREATED, kept_until=worlds.CREATED)
    before = Record(BOT, worlds.model(ID), endpoint=SUPPORT, former_endpoints=(older, old))
    wait = steps.AwaitDeployment(steps.Role.SERVING, "support", keep_seconds=3600.0)
    after = recorded_after(wait, before, Training(Status.ACTIVE, deployment="8"), NOW)
    retired = replace(old, retired=NOW, kept_until="2026-11-22T13:00:00Z")
    assert after.former_endpoints == (older, retired)
    assert recorded_after(steps.DeleteEndpoint("old"), after, Done(), NOW).former_endpoints == (older,)
    assert recorded_after(steps.DeleteEndpoint("support"), after, Done(), NOW).endpoint is None


def test_an_interruption_is_recorded_before_another_model_is_deployed() -> None:
    """So the next run knows that nothing answers."""
    undeploy = steps.Undeploy("support", ("7",), interrupts=True)
    assert record(undeploy, Done()) == replace(SUPPORT, deployed="", interrupted=True)
    assert record(steps.Undeploy("support", ("6",)), Done()) == SUPPORT
    assert record(steps.AwaitDrain(60), Training(Status.ACTIVE)) == SUPPORT


def test_a_step_about_an_endpoint_that_is_not_recorded_changes_nothing() -> None:
    """Another run may have forgotten it. An outcome of another step is a defect."""
    without = Record(BOT, worlds.model(ID))
    deploy = steps.Deploy(steps.Role.SERVING, "support")
    assert recorded_after(deploy, without, Deploying("op"), NOW) == without
    with pytest.raises(TypeError, match="cannot come to"):
        record(deploy, Done())


# -- drift -------------------------------------------------------------------------------------------


def drift(*shown: LiveEndpoint, **changes: Any) -> list[Drift]:
    """The findings of drift."""
    return list(find_drift(world(*shown, **changes)))


def test_what_was_deployed_and_has_all_requests_is_no_drift() -> None:
    """A model of ours that still drains there is no drift either."""
    assert drift(endpoint(deployed())) == []
    held = Record(BOT, worlds.model(ID), deposed=(worlds.model("bot-old", promoted=""),), endpoint=SUPPORT)
    assert drift(endpoint(deployed(), deployed("bot-old", 0, "6")), recorded=held) == []


def test_a_missing_endpoint_is_drift_missing() -> None:
    """Drift names what programs call. An endpoint that the service hides is not called missing."""
    (found,) = drift()
    assert (found.drift_class, found.id, found.is_endpoint) == (DriftClass.MISSING, "support", True)
    hidden = world()
    hidden = replace(hidden, observed=replace(hidden.observed, hidden_endpoints={NAME: "403"}))
    assert list(find_drift(hidden)) == []


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (
            [deployed(traffic=60), deployed("x", 40, "8")],
            "60 % of its requests; {x} is deployed to it with 40 %",
        ),
        ([deployed(), deployed("x", 0, "8")], "{x} is deployed to it without requests, and is not ours"),
        ([], "what was deployed to it has 0 % of its requests"),
    ],
)
def test_a_foreign_deployment_or_split_is_drift_changed(shown: list[Deployment], said: str) -> None:
    """The detail says which share each deployment has."""
    (found,) = drift(endpoint(*shown))
    assert found.drift_class is DriftClass.CHANGED
    assert said.format(x=worlds.deployable("x")) in found.detail


# -- saved plans, wait and rollback ------------------------------------------------------------------


def plan_and_verify(before: Facts, after: Facts) -> None:
    """Apply a plan of one world to another."""
    verify(worlds.make_plan(before), worlds.make_plan(after), after)


def test_a_plan_is_bound_to_what_its_endpoint_serves() -> None:
    """Our own progress does not break the plan.

    It is a new model with all requests, or an old one that is drained or gone.
    """
    recorded = Record(BOT, worlds.model("bot-old"), endpoint=SUPPORT)
    before = world(endpoint(deployed("bot-old")), recorded=recorded, data="two")
    new = worlds.id_of(data="two")
    intent = worlds.make_plan(before).changes[0].intent
    assert intent is not None
    assert intent.candidate is not None
    trained = replace(
        intent, candidate=replace(intent.candidate, status=Status.ACTIVE, create_time=worlds.CREATED)
    )
    for progress in (
        [deployed("bot-old")],
        [deployed("bot-old", 0), deployed(new, 100, "8")],
        [deployed(new, 100, "8")],
    ):
        plan_and_verify(before, world(endpoint(*progress), recorded=trained, data="two"))
    with pytest.raises(StalePlanError, match="what its stable endpoint serves has changed"):
        plan_and_verify(
            before,
            world(endpoint(deployed("bot-old", 60), deployed("x", 40, "9")), recorded=recorded, data="two"),
        )


def test_wait_undeploys_what_a_switch_left() -> None:
    """The switch approved it. A deployment that nobody approved is left to apply."""
    recorded = Record(BOT, worlds.model(ID), deposed=(worlds.model("bot-old"),), endpoint=SUPPORT)
    left = world(endpoint(deployed(), deployed("bot-old", 0, "6")), recorded=recorded)
    (change, *_) = plan_resumption(left).changes
    assert (change.action, steps.find_step(change.steps, steps.Undeploy)) == (
        Action.RECORD,
        steps.Undeploy("support", ("6",), is_due=True),
    )
    assert plan_resumption(world(endpoint())).changes == ()
    renewed = Record(BOT, worlds.model(ID), endpoint=replace(SUPPORT, since=""))
    assert plan_resumption(world(endpoint(deployed()), recorded=renewed)).changes == ()


def test_wait_deletes_an_endpoint_whose_time_has_come() -> None:
    """It also deletes a replaced model then."""
    old = RecordedEndpoint("old", "us", "projects/1/locations/us/endpoints/old", retired=worlds.CREATED)
    recorded = Record(BOT, worlds.model(ID), endpoint=SUPPORT, former_endpoints=(old,))
    (change,) = plan_resumption(
        world(endpoint(deployed()), endpoint(name=old.name), recorded=recorded)
    ).changes
    assert (change.id, change.is_due) == ("old", True)


def test_another_endpoint_needs_another_approval() -> None:
    """`wait` does not deploy to an endpoint that nobody approved.

    Without an endpoint the digest is as ever.
    """
    kind = world().get_kind(BOT)
    digests = {
        digest_approval(replace(worlds.want(), serving=serving), worlds.DECLARED, kind)
        for serving in (None, Serving("support"), Serving("sales"))
    }
    assert len(digests) == 3


def test_a_rollback_is_refused_where_its_endpoint_may_not_be_seen() -> None:
    """Nothing is recorded or switched then."""
    recorded = Record(BOT, worlds.model(ID), deposed=(worlds.model("bot-old"),), endpoint=SUPPORT)
    facts = world(recorded=recorded)
    facts = replace(facts, observed=replace(facts.observed, hidden_endpoints={NAME: "403"}))
    with pytest.raises(Exception, match="refuses to show the endpoint"):
        plan_rollback(facts, Request(BOT))


def test_a_moved_record_keeps_its_endpoint() -> None:
    """Its label has the former address. If the state is lost, that proves that the endpoint is ours."""
    old = worlds.address("old")
    recorded = Record(old, worlds.model("old-aaaaaaaa"), endpoint=SUPPORT)
    desired = worlds.want(serving=Serving("support"), moved_from=old)
    facts = worlds.world(
        [desired],
        [recorded],
        [worlds.live("old-aaaaaaaa", deployable=worlds.deployable("old-aaaaaaaa"))],
        endpoints={NAME: endpoint(deployed("old-aaaaaaaa"))},
    )
    (change,) = worlds.make_plan(facts).changes
    assert (change.action, change.deletes) == (Action.MOVE, 0)
