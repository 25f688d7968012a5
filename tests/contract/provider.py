"""What every provider must do, whatever its API: a suite that each of them inherits.

A subclass gives a `bench`: the provider on a service that trains only when told to, and a `Sample` of its
kind. `ProviderContract` needs nothing else. `FaultContract` also lets replies get lost. Only some services
have ids that we choose (`ChosenIdContract`, `ChosenIdFaultContract`), progress (`ProgressContract`) and
permissions (`PermissionContract`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from reconciler.errors import (
    AlreadyExistsError,
    ForbiddenError,
    LockLostError,
    NoCapacityError,
    NotFoundError,
    RateLimitedError,
    ReplyLostError,
    ServiceError,
    UnauthenticatedError,
    UnavailableError,
)
from reconciler.kind import FieldType
from reconciler.model.checks import Prompt
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes
from reconciler.model.permission import Permission
from reconciler.providers import Accepted, Fence, Handle, Provider
from tests.fakes import unfenced
from tests.limits import repeats

EXAMPLES = tuple(Example(str(number), str(number + 1)) for number in range(15))
ATTRIBUTES: Attributes = {
    "display_name": "number generator",
    "tuning_task.hyperparameters.batch_size": 2,
    "tuning_task.hyperparameters.epoch_count": 5,
    "tuning_task.hyperparameters.learning_rate": 0.001,
}
ANNA = Permission("USER", "anna@example.com", "READER")
TEAM = Permission("GROUP", "ml@example.com", "WRITER")
ALL = Permission("EVERYONE", "", "READER")


@dataclass(frozen=True)
class Sample:
    """The fields and habits of a kind, for the suite.

    Attributes:
        attributes: declared fields, all of which the service shows again.
        data: the field of its data set, "" if it has none.
        epochs: a field that cannot be changed.
        parent: the field that names a tuned model.
        change: an update in which one value is empty.
        looks: how often a create looks before it is sent.
        history: whether a cancelled training stays as a failed one.
        source: the field that shows what the model was made from.
        early: whether a list shows a model before it has been made.
    """

    kind: str
    attributes: Attributes
    data: str
    epochs: str
    parent: str
    change: Attributes
    looks: int = 0
    history: bool = False
    source: str = "base_model"
    early: bool = True

    def want(self, attributes: Attributes | None = None) -> Desired:
        """The desired model of a manifest."""
        data = (DataSet("0" * 64, len(EXAMPLES), 60, field=self.data),) if self.data else ()
        declared = self.attributes if attributes is None else attributes
        return Desired(Address(self.kind, "numbers"), declared, data)


TUNED_MODEL = Sample(
    kind="TunedModel",
    attributes=ATTRIBUTES,
    data="training_data",
    epochs="tuning_task.hyperparameters.epoch_count",
    parent="tuned_model_source.tuned_model",
    change={
        "description": "counts up",
        "display_name": "",
        "temperature": 0.0,
        "reader_project_numbers": (123, 9223372036854775807),
    },
)
TUNING_JOB = Sample(
    kind="TuningJob",
    attributes={
        "base_model": "gemini-3.1-flash-lite",
        "tuned_model_display_name": "number generator",
        "supervised_tuning_spec.hyper_parameters.epoch_count": 5,
        "supervised_tuning_spec.hyper_parameters.learning_rate_multiplier": 0.1,
        "supervised_tuning_spec.hyper_parameters.adapter_size": "ADAPTER_SIZE_FOUR",
        "labels": ("team=search",),
    },
    data="supervised_tuning_spec.training_dataset_uri",
    epochs="supervised_tuning_spec.hyper_parameters.epoch_count",
    parent="pre_tuned_model.tuned_model_name",
    change={"description": "counts up", "tuned_model_display_name": "x", "labels": ()},
    looks=1,
    history=True,
)


class Tuner(Protocol):
    """A provider, and a model that it can tune."""

    @property
    def provider(self) -> Provider:
        """What is tested."""

    @property
    def source(self) -> str:
        """The base model to tune, or the model to copy."""

    @property
    def sample(self) -> Sample:
        """What its models are made of."""


class Bench(Tuner, Protocol):
    """A provider, and control over its service."""

    def trainings(self, id: str) -> int:
        """How many trainings were ever started under this id."""

    def finish(self) -> None:
        """Let every training end."""

    def fail(self, id: str, message: str) -> None:
        """Let the training that will be started under this id end in an error."""

    def lag(self, id: str, what: str, seconds: float) -> None:
        """Hide the model from "list" or "get" for this time after its create."""


class FaultyBench(Bench, Protocol):
    """A service whose replies get lost."""

    def fault(self, method: str, call: str, **rule: Any) -> None:
        """Apply this fault to the next such call ("create", "list", "model")."""

    def sent(self, method: str, call: str) -> Sequence[Mapping[str, Any]]:
        """The calls that arrived."""


def closed() -> None:
    """A fence that lets nothing pass."""
    raise LockLostError("the lock is gone")


def create(
    bench: Tuner,
    id: str = "numbers-aaaaaaaa",
    attributes: Attributes | None = None,
    *,
    fence: Fence = unfenced,
    source: str = "",
    attempted: bool = False,
) -> Accepted:
    """Start a training, or a copy."""
    sample = bench.sample
    data = {sample.data: EXAMPLES} if sample.data else {}
    return bench.provider.create(
        sample.want(attributes), id, source or bench.source, data, fence=fence, attempted=attempted
    )


def listed(bench: Bench, *, own: bool = False) -> list[str]:
    """The ids of all models, once the service lists them."""
    if not bench.sample.early:
        bench.finish()
    return [live.id for live in bench.provider.list(own=own)]


def handle(accepted: Accepted, id: str = "numbers-aaaaaaaa") -> Handle:
    """The handle of an accepted model, as its record would have it."""
    return Handle(id, accepted.name, accepted.operation)


class ProviderContract:
    """What every provider promises while the network works."""

    def test_a_created_model_is_there_at_once_and_in_training(self, bench: Bench) -> None:
        """An accepted create can be read, is listed, and polls as CREATING under our id."""
        made = handle(create(bench))
        found = bench.provider.get(made)
        assert found is not None
        assert (found.id, found.status) == (made.id, Status.CREATING)
        assert bench.provider.poll(made).status is Status.CREATING
        assert bench.trainings(made.id) == 1
        assert listed(bench) == [made.id]

    def test_what_was_declared_is_what_is_live(self, bench: Bench) -> None:
        """Every declared field is live, apart from float32 rounding, and has the type that its kind says."""
        made = handle(create(bench))
        assert listed(bench) == [made.id]
        found = bench.provider.get(made)
        assert found is not None
        for path, value in bench.sample.attributes.items():
            assert found.attributes[path] == (pytest.approx(value) if isinstance(value, float) else value)
        assert found.attributes[bench.sample.source] == bench.source
        types = {
            FieldType.STRING: str,
            FieldType.INTEGER: int,
            FieldType.FLOAT32: float,
            FieldType.INTEGERS: tuple,
            FieldType.STRINGS: tuple,
            FieldType.BOOLEAN: bool,
            FieldType.NAMES: str,
        }
        for path, value in found.attributes.items():
            assert isinstance(value, types[bench.provider.kind.fields[path].type]), path

    def test_a_training_that_ends_is_active(self, bench: Bench) -> None:
        """After the training a model is ACTIVE in poll, get and list."""
        made = handle(create(bench))
        bench.finish()
        training = bench.provider.poll(made)
        assert (training.status, training.error) == (Status.ACTIVE, "")
        found = bench.provider.get(made)
        assert found is not None
        assert found.status is Status.ACTIVE
        assert found.complete_time
        assert [live.status for live in bench.provider.list() if isinstance(live, Live)] == [Status.ACTIVE]

    def test_polling_needs_no_operation_name(self, bench: Bench) -> None:
        """Polling a record without the operation's name gives the same result."""
        made = create(bench)
        assert bench.provider.poll(Handle("numbers-aaaaaaaa")).status is Status.CREATING
        bench.finish()
        forgotten = bench.provider.poll(Handle("numbers-aaaaaaaa", made.name))
        assert forgotten.status is bench.provider.poll(handle(made)).status is Status.ACTIVE

    @pytest.mark.parametrize("known", [True, False])
    def test_a_failure_says_why(self, bench: Bench, *, known: bool) -> None:
        """A FAILED training has the service's words, even if the operation's name was lost."""
        bench.fail("numbers-aaaaaaaa", "out of chips")
        made = handle(create(bench))
        bench.finish()
        training = bench.provider.poll(made if known else Handle(made.id))
        assert training.status is Status.FAILED
        assert "out of chips" in training.error
        found = bench.provider.get(made)
        assert found is not None
        assert found.status is Status.FAILED

    def test_creating_twice_trains_once(self, bench: Bench) -> None:
        """Repeating a create under its id succeeds with the same operation and no second training."""
        first, second = create(bench), create(bench)
        assert (first.name, first.operation) == (second.name, second.operation)
        assert bench.trainings("numbers-aaaaaaaa") == 1

    def test_what_does_not_exist_is_none(self, bench: Bench) -> None:
        """For an unknown id get returns None, and poll raises NotFound."""
        nobody = Handle("nobody-aaaaaaaa")
        assert bench.provider.get(nobody) is None
        with pytest.raises(NotFoundError):
            bench.provider.poll(nobody)

    def test_a_closed_fence_lets_nothing_change(self, bench: Bench) -> None:
        """A fence that raises stops create and delete, and the service does not change."""
        with pytest.raises(LockLostError):
            create(bench, "nothing-aaaaaaaa", fence=closed)
        assert bench.trainings("nothing-aaaaaaaa") == 0
        made = handle(create(bench))
        bench.finish()
        before = bench.provider.get(made)
        assert before is not None
        with pytest.raises(LockLostError):
            bench.provider.delete(made, fence=closed)
        assert bench.provider.get(made) == before

    @pytest.mark.parametrize("finished", [True, False])
    def test_deleting_is_final_and_repeatable(self, bench: Bench, *, finished: bool) -> None:
        """A deleted model is gone, in training or not. Deleting it again succeeds."""
        made = handle(create(bench))
        if finished:
            bench.finish()
        bench.provider.delete(made, fence=unfenced)
        bench.provider.delete(made, fence=unfenced)
        found = bench.provider.get(made)
        assert found is None or (bench.sample.history and not finished and found.status is Status.FAILED)
        assert list(bench.provider.list()) == []

    def test_the_list_is_whole_and_without_doubles(self, bench: Bench) -> None:
        """Every model is listed exactly once, and `own` lists ours."""
        ids = {f"numbers-aaaaaaa{letter}" for letter in "abcdefg"}
        for id in ids:
            create(bench, id)
        for own in (False, True):
            assert sorted(listed(bench, own=own)) == sorted(ids)

    def test_threads_do_not_disturb_each_other(self, bench: Bench) -> None:
        """Creates from several threads at once are each accepted once under their own ids."""
        ids = [f"numbers-aaaaaaa{letter}" for letter in "abcdefgh"]
        threads = [threading.Thread(target=create, args=(bench, id)) for id in ids]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [bench.trainings(id) for id in ids] == [1] * len(ids)
        assert sorted(listed(bench)) == ids


class TrainingContract:
    """What a provider promises if a create is a training and the model can be changed afterwards."""

    def test_one_request_shows_how_far_trainings_are(self, bench: Bench) -> None:
        """The states are those of `poll`, by the names that creates return."""
        first, second = create(bench), create(bench, "numbers-bbbbbbbb")
        (states,) = bench.provider.list_states()
        assert states == {first.name: Status.CREATING, second.name: Status.CREATING}
        bench.finish()
        (states,) = bench.provider.list_states()
        assert states == {first.name: Status.ACTIVE, second.name: Status.ACTIVE}

    def test_another_model_under_the_same_id_is_refused(self, bench: Bench) -> None:
        """A create with other hyperparameters under a taken id is AlreadyExists, visible."""
        create(bench)
        other = {**bench.sample.attributes, bench.sample.epochs: 6}
        with pytest.raises(AlreadyExistsError) as caught:
            create(bench, attributes=other)
        assert caught.value.visible
        assert "epoch_count" in caught.value.summary
        assert bench.trainings("numbers-aaaaaaaa") == 1

    def test_a_tuned_model_can_be_tuned_again(self, bench: Bench) -> None:
        """A source that is a tuned model is live under its name in identities, without base_model."""
        sample, kind = bench.sample, bench.provider.kind
        parent = create(bench)
        bench.finish()
        declared = {path: value for path, value in sample.attributes.items() if path != "base_model"}
        want = sample.want({**declared, sample.parent: kind.build_reference("numbers-aaaaaaaa")})
        child = bench.provider.create(
            want, "child-aaaaaaaa", parent.name, {sample.data: EXAMPLES}, fence=unfenced
        )
        found = bench.provider.get(Handle("child-aaaaaaaa", child.name))
        assert found is not None
        assert found.attributes[sample.parent] == kind.build_reference("numbers-aaaaaaaa")
        assert "base_model" not in found.attributes

    def test_an_update_sets_just_its_fields(self, bench: Bench) -> None:
        """The given fields change, to zero and empty values too, and all others stay."""
        made = handle(create(bench))
        bench.finish()
        before = bench.provider.get(made)
        change = bench.sample.change
        bench.provider.update(made, change, fence=unfenced)
        after = bench.provider.get(made)
        assert before is not None
        assert after is not None
        shown = {path: after.attributes.get(path, "") for path in change}
        assert shown == change
        kept = before.attributes.keys() - change.keys()
        assert {path: after.attributes[path] for path in kept} == {
            path: before.attributes[path] for path in kept
        }

    def test_the_source_is_on_offer(self, bench: Bench) -> None:
        """The base model that creates are accepted for is among the tunable ones."""
        assert bench.source in bench.provider.list_base_models().tunable

    def test_an_update_needs_a_model_and_a_fence(self, bench: Bench) -> None:
        """An update of an unknown id raises NotFound. A fence that raises stops it, and nothing changes."""
        with pytest.raises(NotFoundError):
            bench.provider.update(Handle("nobody-aaaaaaaa"), {"description": "x"}, fence=unfenced)
        made = handle(create(bench))
        bench.finish()
        before = bench.provider.get(made)
        with pytest.raises(LockLostError):
            bench.provider.update(made, bench.sample.change, fence=closed)
        assert bench.provider.get(made) == before

    def test_an_active_model_answers(self, bench: Bench) -> None:
        """Generate returns text from an ACTIVE model and raises ServiceError for one in training."""
        made = handle(create(bench))
        with pytest.raises(ServiceError):
            bench.provider.generate(made, Prompt("1"))
        bench.finish()
        assert bench.provider.generate(made, Prompt("1"), temperature=0.0)


LOSSES: list[dict[str, Any]] = [
    {"drop": True},
    {"truncate": 0},
    {"truncate": 20},
    {"garbage": "<html>"},
    {"garbage": "{}"},
    {"garbage": "[]"},
    {"garbage": ""},
    {"hang": True},
    {"status": 500},
    {"error": "internal"},
    {"error": "unavailable"},
    {"error": "deadline"},
    {"error": "rate_limited"},
    {"error": "rate_limited_retry_info"},
]
"""The faults that a create or its reply may meet."""
LOST = [(fault, when) for fault in LOSSES for when in ("before", "after")]
LOST_NOW = [
    (fault, when)
    for fault, when in LOST
    if when == "after" or fault.items() & {"drop": True, "status": 500, "error": "rate_limited"}.items()
]
"""Every fault that comes after the effect, and one of each sort that comes before it."""


class FaultContract:
    """What a provider promises when replies get lost: never two trainings, and no training lost silently."""

    @pytest.mark.parametrize(
        ("fault", "when"), [*LOST_NOW, *repeats(*(one for one in LOST if one not in LOST_NOW))], ids=str
    )
    def test_a_lost_reply_trains_exactly_once(
        self, faulty: FaultyBench, fault: Mapping[str, Any], when: str
    ) -> None:
        """A create whose reply is lost ends accepted, with one model and one training, effect or not."""
        if when == "after" and "truncate" not in fault:
            fault = {**fault, "when": "after"}
        faulty.fault("POST", "create", **fault)
        try:
            accepted = create(faulty)
        except NoCapacityError:
            # The service answered 429, and its quota counts trainings. Apply asks again later.
            accepted = create(faulty)
        assert accepted.name
        assert faulty.trainings("numbers-aaaaaaaa") == 1
        assert len(listed(faulty)) == 1

    @pytest.mark.parametrize("seconds", [3.0, 20.0])
    def test_a_lost_reply_and_a_lagging_get_train_once(self, faulty: FaultyBench, seconds: float) -> None:
        """After a lost reply, a create waits for the model while get answers 404."""
        faulty.lag("numbers-aaaaaaaa", "get", seconds)
        faulty.fault("POST", "create", drop=True, when="after")
        assert create(faulty).name
        assert faulty.trainings("numbers-aaaaaaaa") == 1

    def test_a_service_that_never_answers_creates_is_unavailable(self, faulty: FaultyBench) -> None:
        """Four 503s without effect raise UnavailableError, and nothing trains."""
        faulty.fault("POST", "create", error="unavailable", times=None)
        with pytest.raises(UnavailableError):
            create(faulty)
        assert len(faulty.sent("POST", "create")) == 4
        assert faulty.trainings("numbers-aaaaaaaa") == 0

    def test_when_looking_fails_too_the_effect_is_unknown(self, faulty: FaultyBench) -> None:
        """A lost create whose lookup keeps meeting 503 raises ReplyLost and is not sent again."""
        faulty.fault("POST", "create", drop=True, when="after")
        faulty.fault("GET", "look", error="unavailable", times=None, skip=faulty.sample.looks)
        with pytest.raises(ReplyLostError):
            create(faulty)
        assert len(faulty.sent("POST", "create")) == 1
        assert faulty.trainings("numbers-aaaaaaaa") == 1

    @pytest.mark.parametrize("call", ["create", "list"])
    def test_a_redirect_is_not_followed(self, faulty: FaultyBench, call: str) -> None:
        """A redirect raises an error that names its host, and nothing is sent twice."""
        method = "POST" if call == "create" else "GET"
        faulty.fault(method, call, redirect="https://elsewhere.example/v1beta/tunedModels")
        with pytest.raises(ServiceError, match=r"elsewhere\.example"):
            create(faulty) if call == "create" else list(faulty.provider.list())
        assert len(faulty.sent(method, call)) == 1


class ProgressContract:
    """What a provider promises if its service tells how far a training is."""

    def test_a_training_has_a_curve(self, bench: Bench) -> None:
        """A finished training is at 100 percent, and the model shows the whole loss curve."""
        accepted = create(bench)
        assert accepted.operation
        assert accepted.total_steps == 38
        made = handle(accepted)
        bench.finish()
        training = bench.provider.poll(made)
        assert training.percent == 100.0
        assert len(training.snapshots) > 1
        found = bench.provider.get(made)
        assert found is not None
        assert found.snapshots == training.snapshots


class PermissionContract:
    """What a provider promises if models have permissions of their own."""

    def test_permissions_become_what_is_wanted(self, bench: Bench) -> None:
        """Setting permissions changes roles and adds and removes grantees.

        Case does not matter, and [] removes all.
        """
        made = handle(create(bench))
        assert bench.provider.list_permissions(made) == ()
        upper = Permission("USER", "Anna@Example.com", "WRITER")
        for want in ([ANNA, TEAM], [ALL, ANNA], [upper], [upper], [], [TEAM, ALL]):
            bench.provider.set_permissions(made, want, fence=unfenced)
            shown = {
                (permission.grantee, permission.role) for permission in bench.provider.list_permissions(made)
            }
            assert shown == {(grant.grantee, grant.role) for grant in want}


class ChosenIdContract:
    """What a provider promises if its service takes our ids."""

    def test_a_program_can_call_the_endpoint(self, bench: Bench) -> None:
        """The endpoint is a resource name with our id, and is known without a model."""
        assert "numbers-aaaaaaaa" in bench.provider.find_endpoint(Handle("numbers-aaaaaaaa"))


class ChosenIdFaultContract:
    """What such a provider promises when replies get lost, and about calls that are one request each."""

    def test_an_id_that_stays_invisible_is_given_up(self, faulty: FaultyBench) -> None:
        """A 409 whose get stays 404 beyond the lag is AlreadyExists, invisible."""
        faulty.lag("numbers-aaaaaaaa", "get", 3000.0)
        create(faulty)
        with pytest.raises(AlreadyExistsError) as caught:
            create(faulty)
        assert not caught.value.visible
        assert faulty.trainings("numbers-aaaaaaaa") == 1

    def test_somebody_elses_id_is_refused_visibly(self, faulty: FaultyBench) -> None:
        """A 409 whose get answers 403 is AlreadyExists, visible, and says that the model is not ours."""
        create(faulty)
        faulty.fault("GET", "model", error="not_yours")
        with pytest.raises(AlreadyExistsError, match="somebody else") as caught:
            create(faulty)
        assert caught.value.visible

    @pytest.mark.parametrize(
        ("error", "kind", "advice"),
        [
            ("scopes", ForbiddenError, "--scopes="),
            ("quota_project", ForbiddenError, "GOOGLE_CLOUD_QUOTA_PROJECT"),
            ("service_disabled", ForbiddenError, "gcloud services enable"),
            ("not_yours", ForbiddenError, "another project"),
            ("unauthenticated", UnauthenticatedError, "Log in again"),
            ("bad_key", UnauthenticatedError, "GEMINI_API_KEY"),
            ("limit_zero", RateLimitedError, "quota is zero"),
        ],
    )
    def test_each_refusal_says_what_to_do(
        self, faulty: FaultyBench, error: str, kind: type[ServiceError], advice: str
    ) -> None:
        """A refused get or create raises the right error with advice, and is sent once."""
        faulty.fault("GET", "model", error=error, times=None)
        faulty.fault("POST", "create", error=error, times=None)
        with pytest.raises(kind) as caught:
            faulty.provider.get(Handle("numbers-aaaaaaaa"))
        assert advice in caught.value.detail
        with pytest.raises(kind) as caught:
            create(faulty)
        assert advice in caught.value.detail
        assert len(faulty.sent("GET", "model")) == len(faulty.sent("POST", "create")) == 1
        assert faulty.trainings("numbers-aaaaaaaa") == 0

    @pytest.mark.parametrize(
        "fault",
        [{"drop": True}, {"truncate": 9}, {"garbage": "<html>"}, {"garbage": ""}, {"error": "internal"}],
        ids=str,
    )
    def test_reading_and_setting_is_repeated(self, faulty: FaultyBench, fault: Mapping[str, Any]) -> None:
        """List, get, patch and delete survive two failures in a row."""
        made = handle(create(faulty))
        for method, call in (("GET", "list"), ("GET", "model"), ("PATCH", "model"), ("DELETE", "model")):
            faulty.fault(method, call, **fault, times=2)
        assert len(list(faulty.provider.list())) == 1
        assert faulty.provider.get(made) is not None
        faulty.provider.update(made, {"description": "x"}, fence=unfenced)
        faulty.provider.delete(made, fence=unfenced)
        assert len(faulty.sent("PATCH", "model")) == len(faulty.sent("DELETE", "model")) == 3
        assert list(faulty.provider.list()) == []

    def test_a_delete_whose_reply_was_lost_is_done(self, faulty: FaultyBench) -> None:
        """A repeated DELETE meets 404 after its effect, and that is success."""
        made = handle(create(faulty))
        faulty.fault("DELETE", "model", drop=True, when="after")
        faulty.provider.delete(made, fence=unfenced)
        assert len(faulty.sent("DELETE", "model")) == 2
        assert faulty.provider.get(made) is None
