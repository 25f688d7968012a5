"""The condition of every model: what `status` says of it, as case files; and the figures beside it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconciler.events import Progress
from reconciler.model.checks import Score
from reconciler.model.live import Snapshot, Status
from reconciler.model.names import Address
from reconciler.plan.facts import Facts
from reconciler.plan.status import (
    Condition,
    Deposed,
    ModelStatus,
    find_status,
    is_training,
    leave_out_times,
    list_in_training,
)
from reconciler.providers.vertex.fields import TUNING_JOB
from reconciler.state.values import Record, RecordedEndpoint, Verdict
from tests import worlds
from tests.casefiles import Case, cases

CASES = cases("status")
TRAINING = Progress(worlds.address(), "bot-1", 40.4, 4, 10, 2, 1.5, 80.0, 120.0)


def status(facts: Facts, *progress: Progress) -> tuple[ModelStatus, ...]:
    """The status of every address."""
    addresses = facts.desired.keys() | facts.state.resources.keys()
    return find_status(facts, addresses, {found.id: found for found in progress})


def only(facts: Facts, *progress: Progress) -> ModelStatus:
    """The status of the only model."""
    (found,) = status(facts, *progress)
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    """The file's name is the claim."""
    found = [
        (model.address.name, str(model.condition), model.id, model.reason, model.endpoint, model.deposed)
        for model in status(case.world())
    ]
    assert found == [expected(case, body) for body in case.expected["status"]]


def expected(case: Case, body: dict[str, Any]) -> tuple[object, ...]:
    """What a case expects of one model. What it does not mention is empty."""
    collection, _, id = body.get("endpoint", "").rpartition("/")
    return (
        body.get("address", "bot"),
        body["condition"],
        case.id(body["id"]) if "id" in body else "",
        body.get("reason", ""),
        f"{collection}/{case.id(id)}" if id else "",
        tuple(Deposed(**deposed) for deposed in body.get("deposed", ())),
    )


def test_every_condition_is_shown_by_a_case() -> None:
    """Nobody has tested a condition that no case shows."""
    shown = {body["condition"] for case in CASES for body in case.expected["status"]}
    assert shown == {str(condition) for condition in Condition}


def test_the_figures_of_a_model_that_serves() -> None:
    """Examples, loss, verdict, age and base model come from its record and from the service's list."""
    serving = worlds.model("bot-1", verdict=Verdict.PASSED)
    shown = worlds.live("bot-1", create_time="2026-11-20T12:00:00Z", snapshots=(Snapshot(10, 5, 0.25),))
    found = only(worlds.world([], [Record(worlds.address(), serving)], [shown]))
    assert (found.examples, found.mean_loss, found.verdict) == (10, 0.25, Verdict.PASSED)
    assert (found.created, found.age) == ("2026-11-20T12:00:00Z", 2 * 86_400)
    assert found.base is not None
    assert found.base.name == worlds.BASE
    assert found.progress is None


def test_the_progress_of_a_training_is_that_of_its_poll() -> None:
    """A poll knows the loss better than the list does."""
    candidate = worlds.candidate("bot-1", started="2026-11-22T11:59:00Z", create_time="")
    record = Record(worlds.address(), None, candidate)
    shown = worlds.live("bot-1", Status.CREATING, create_time="", snapshots=(Snapshot(1, 1, 9.0),))
    facts = worlds.world([], [record], [shown])
    found = only(facts, TRAINING)
    assert (found.progress, found.mean_loss, found.age) == (TRAINING, 1.5, 60.0)
    assert only(facts).mean_loss == 9.0
    assert only(facts, replace(TRAINING, mean_loss=None)).mean_loss == 9.0
    assert list_in_training(facts, [worlds.address(), worlds.address("none")]) == [
        (worlds.address(), candidate, shown)
    ]


def test_only_what_the_service_shows_in_training_is_polled() -> None:
    """A poll of a model that no list shows, or that is trained, would tell nothing more."""
    records = [
        Record(worlds.address("hidden"), None, worlds.candidate("hidden-1", started="2026-11-22T11:59:50Z")),
        Record(worlds.address("ready"), None, worlds.candidate("ready-1")),
    ]
    facts = worlds.world([], records, [worlds.live("ready-1")])
    assert [str(found.condition) for found in status(facts)] == ["training", "trained, not promoted"]
    assert list_in_training(facts, facts.state.resources) == []


def test_an_unknown_time_gives_no_age() -> None:
    """A record may have no time that can be read."""
    serving = worlds.model("bot-1", create_time="", started="")
    found = only(
        worlds.world([], [Record(worlds.address(), serving)], [worlds.live("bot-1", create_time="")])
    )
    assert (found.created, found.age) == ("", None)


def test_a_tuning_job_is_called_at_the_endpoint_that_the_list_shows() -> None:
    """Nobody need be asked for it, as `output` does. An endpoint that no list shows is left out."""
    address, endpoint = Address(TUNING_JOB.name, "bot"), "projects/p/locations/l/endpoints/1"
    record = Record(address, worlds.model("bot-1"))
    for outputs, found in (({"endpoint": endpoint}, endpoint), ({}, "")):
        facts = worlds.world([], [record], [])
        shown = {address.kind: {"bot-1": worlds.live("bot-1", outputs=outputs)}}
        facts = replace(facts, kinds={address.kind: TUNING_JOB}, observed=replace(facts.observed, live=shown))
        assert only(facts).endpoint == found


def test_the_stable_endpoint_is_the_one_to_call() -> None:
    """It stays when the model behind it changes, so it is shown instead of the model's own name."""
    name = "projects/p/locations/l/endpoints/bot"
    stable = RecordedEndpoint("bot", "l", name, "1", since="2026-11-20T12:00:00Z")
    record = Record(worlds.address(), worlds.model("bot-1"), endpoint=stable)
    assert only(worlds.world([], [record], [worlds.live("bot-1")])).endpoint == name


def test_an_endpoint_without_a_model_is_not_a_trained_model() -> None:
    """Its address is to be trained if a manifest declares it. Else nothing of it is left but the endpoint."""
    record = Record(worlds.address(), endpoint=RecordedEndpoint("bot"))
    assert only(worlds.world([worlds.want()], [record])).condition is Condition.NOT_TRAINED
    assert only(worlds.world([], [record])).condition is Condition.DEPOSED


def test_what_the_service_said_and_the_scores_are_reasons() -> None:
    """People see why a model waits for quota, and which checks hold it."""
    waiting = worlds.candidate("a-1", status=None, waiting="quota", waiting_said="limit: 2")
    failed = worlds.candidate("b-1", verdict=Verdict.FAILED, scores=(Score("prompts", "d", 1, 2),))
    records = [Record(worlds.address("a"), None, waiting), Record(worlds.address("b"), None, failed)]
    found = status(worlds.world([], records, [worlds.live("b-1")]))
    assert [model.reason for model in found] == ["limit: 2", "prompts 1 of 2 (0.50)"]


def test_a_kind_of_a_newer_version_is_left_out() -> None:
    """This version cannot tell its condition."""
    record = Record(Address("Unheard", "bot"), worlds.model("bot-1"))
    assert status(worlds.world([], [record], [])) == ()


def test_a_record_that_another_run_has_just_removed_is_left_out() -> None:
    """The selection was made from the state before."""
    assert find_status(worlds.world(), [worlds.address()], {}) == ()


def test_seconds_pass() -> None:
    """Between two looks the age grows and the time left shrinks, but not below zero."""
    model = ModelStatus(worlds.address(), Condition.TRAINING, "bot-1", TRAINING, age=80.0)
    later = model.add_seconds(200)
    assert later.progress is not None
    assert (later.age, later.progress.elapsed, later.progress.remaining) == (280.0, 280.0, 0.0)
    unknown = replace(model, age=None, progress=replace(TRAINING, remaining=None)).add_seconds(5)
    assert unknown.progress is not None
    assert (unknown.age, unknown.progress.remaining) == (None, None)
    still = replace(model, progress=None).add_seconds(5)
    assert (still.age, still.progress) == (85.0, None)


def test_the_passing_of_time_is_no_change() -> None:
    """A look that differs only by seconds, or by less than a percent, is not printed again."""
    model = ModelStatus(worlds.address(), Condition.TRAINING, "bot-1", TRAINING, age=80.0)
    later = replace(model.add_seconds(1), progress=replace(TRAINING, percent=40.1, elapsed=81.0))
    assert leave_out_times([later]) == leave_out_times([model])
    further = replace(model, progress=replace(TRAINING, percent=41.0))
    assert leave_out_times([further]) != leave_out_times([model])
    unknown = replace(model, progress=replace(TRAINING, percent=None))
    assert leave_out_times([unknown]) != leave_out_times([model])
    assert leave_out_times([replace(model, progress=None)]) == [replace(model, age=None, progress=None)]


def test_a_watch_goes_on_while_anything_trains() -> None:
    """A model that waits for a person or for quota does not keep a watch open."""
    address = worlds.address()
    assert is_training([ModelStatus(address, Condition.SERVING), ModelStatus(address, Condition.TRAINING)])
    assert is_training([ModelStatus(address, Condition.COPYING)])
    going_on = {Condition.TRAINING, Condition.COPYING}
    rest = [ModelStatus(address, condition) for condition in Condition if condition not in going_on]
    assert not is_training(rest)
