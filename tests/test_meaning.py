"""Equal spellings mean one model: one id, an empty plan and no drift. An upgrade trains nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reconciler.cli.apis import list_kinds
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.model.names import Address, Attributes, Value
from reconciler.model.stack import Stack
from reconciler.plan.change import Action
from reconciler.plan.drift import find_drift
from reconciler.plan.facts import Facts, Observed, digest_approval, is_approved
from reconciler.plan.inputs import Inputs
from reconciler.state.values import Record, RecordedData, RecordedModel, State
from tests import formula, worlds
from tests.limits import examples
from tests.worlds import make_plan

KINDS = list_kinds()
SPEC = "supervised_tuning_spec"
RATE = f"{SPEC}.hyper_parameters.learning_rate_multiplier"
LAST_ONLY = f"{SPEC}.export_last_checkpoint_only"
EVALUATION = f"{SPEC}.evaluation_config"
DIGEST = worlds.digest("one")

Ways = Mapping[str, st.SearchStrategy[Value | None]]
JOB: Ways = {
    "base_model": st.sampled_from(
        [
            "gemini-x",
            "models/gemini-x",
            "publishers/google/models/gemini-x",
            "projects/p/locations/us-central1/publishers/google/models/gemini-x",
        ]
    ),
    f"{SPEC}.hyper_parameters.epoch_count": st.just(3),
    RATE: st.sampled_from([0.1, 0.10000000149011612]),
    LAST_ONLY: st.sampled_from([None, False]),
    EVALUATION: st.sampled_from(
        [
            '{"metrics":[{"exactMatchSpec":{}}]}',
            '{"autoraterConfig":{},"metrics":[{"exactMatchSpec":{}}]}',
            '{"autoraterConfig":{"autoraterModel":""},"metrics":[{"exactMatchSpec":{}}]}',
        ]
    ),
    "description": st.sampled_from([None, ""]),
    "labels": st.sampled_from([None, ()]),
    "service_account": st.sampled_from([None, ""]),
    "encryption_spec.kms_key_name": st.sampled_from([None, ""]),
}
TUNED: Ways = {
    "base_model": st.sampled_from(["models/gemini-x", "publishers/google/models/gemini-x"]),
    "tuning_task.hyperparameters.epoch_count": st.just(5),
    "tuning_task.hyperparameters.learning_rate": st.sampled_from([0.001, 0.0010000000474974513]),
    "temperature": st.sampled_from([0.7, worlds.TEMPERATURE]),
    "description": st.sampled_from([None, ""]),
    "reader_project_numbers": st.sampled_from([(1, 2), (2, 1, 1)]),
}
PLACES: list[Attributes] = [
    {},
    {"metadata.project": "acme"},
    {"metadata.project": "42"},
    {"metadata.project": "acme", "metadata.location": "us-central1"},
]


@st.composite
def wants(draw: st.DrawFn) -> tuple[Desired, Desired]:
    """Two manifests with one meaning."""
    kind, ways = draw(st.sampled_from([("TuningJob", JOB), ("TunedModel", TUNED)]))

    def want() -> Desired:
        drawn = ((path, draw(values)) for path, values in ways.items())
        found = {path: value for path, value in drawn if value is not None}
        place: Attributes = draw(st.sampled_from(PLACES)) if kind == "TuningJob" else {}
        effective: Attributes = (
            {"metadata.project": "acme", "metadata.location": "us-central1"} if ways is JOB else {}
        )
        data = (DataSet(DIGEST, 10, 100, field=KINDS[kind].data_field),)
        return Desired(Address(kind, "bot"), {**found, **place}, data, file="a.yaml", effective=effective)

    return want(), want()


def world(want: Desired, record: Record | None, live: Live | None) -> Facts:
    """One address, in a named Stack."""
    kind = want.address.kind
    return Facts(
        desired={want.address: want},
        observed=Observed(live={kind: {} if live is None else {live.id: live}}),
        state=State(
            lineage="l", serial=1, stack="s", resources={} if record is None else {record.address: record}
        ),
        kinds=KINDS,
        stack=Stack(name="s"),
        inputs=Inputs(),
        now=worlds.NOW,
        today=worlds.NOW.date(),
        whole=True,
    )


def alive(want: Desired, id: str) -> Live:
    """The model as the service shows it: without what is empty, in the service's own spelling."""
    job = want.address.kind == "TuningJob"
    shown = {path: value for path, value in want.attributes.items() if value not in ("", (), False)}
    shown["base_model"] = "gemini-x" if job else "models/gemini-x"
    if not job:
        return Live(id, f"tunedModels/{id}", Status.ACTIVE, shown, create_time=worlds.CREATED)
    shown |= {"metadata.location": "us-central1", "metadata.project": "acme"}
    name = "projects/42/locations/us-central1/tuningJobs/1"
    aliases = {"metadata.project": ("42", "acme")}
    return Live(id, name, Status.ACTIVE, shown, create_time=worlds.CREATED, aliases=aliases)


def created(want: Desired) -> RecordedModel:
    """The record of the training that the plan starts for it."""
    (change,) = make_plan(world(want, None, None)).changes
    assert change.action is Action.CREATE
    assert change.intent is not None
    assert change.intent.candidate is not None
    return change.intent.candidate


@settings(max_examples=examples(60), deadline=None)
@given(wants())
def test_equal_spellings_are_one_model(pair: tuple[Desired, Desired]) -> None:
    """After one spelling is applied, the other has the same id, an empty plan and no drift.

    Without state it is adopted.
    """
    first, second = pair
    model = created(first)
    assert model.id == created(second).id
    live = alive(first, model.id)
    serving = replace(
        model, status=Status.ACTIVE, name=live.name, create_time=live.create_time, promoted=worlds.CREATED
    )
    now = world(second, Record(first.address, serving=serving), live)
    plan = make_plan(now)
    assert not plan.has_changes
    assert not plan.trainings
    assert find_drift(now) == ()
    (adopted,) = make_plan(world(second, None, live)).changes
    assert (adopted.action, adopted.id) == (Action.ADOPT, model.id)
    kind = KINDS[first.address.kind]
    assert digest_approval(first, first.attributes, kind) == digest_approval(second, second.attributes, kind)
    assert is_approved(model.approved, second, second.attributes, kind)


def former(source: str, numbers: Mapping[str, int | float]) -> str:
    """The id that formula 1 gave."""
    digest = formula.identity_digest_1(
        source=source,
        data=DIGEST,
        hyperparameters=numbers,
        stack="s",
    )
    return formula.identity("bot", digest)


@pytest.mark.parametrize("recorded", [True, False], ids=["with its state", "its state lost"])
@pytest.mark.parametrize("today", ["gemini-x", "models/gemini-x", "publishers/google/models/gemini-x"])
@pytest.mark.parametrize("source", ["gemini-x", "publishers/google/models/gemini-x"])
@pytest.mark.parametrize("exported", [None, False])
def test_an_upgrade_retrains_no_job(
    *, source: str, today: str, exported: bool | None, recorded: bool
) -> None:
    """A job of formula 1 in any spelling keeps its id after the upgrade."""
    written = {} if exported is None else {"exportLastCheckpointOnly": exported}
    id = former(source, {"epochCount": 3, **written})
    epochs = f"{SPEC}.hyper_parameters.epoch_count"
    want = Desired(
        Address("TuningJob", "bot"),
        {"base_model": today, epochs: 3},
        (DataSet(DIGEST, 10, 100, field=f"{SPEC}.training_dataset_uri"),),
        effective={"metadata.project": "acme", "metadata.location": "us-central1"},
    )
    live = alive(want, id)
    declared: Attributes = {} if exported is None else {LAST_ONLY: exported}
    sent: Attributes = {"base_model": source, epochs: 3, **declared}
    data = (RecordedData(f"{SPEC}.training_dataset_uri", DIGEST, 10, 100),)
    model = RecordedModel(
        id, live.name, "ab", 1, sent=sent, data=data, status=Status.ACTIVE, promoted=worlds.CREATED
    )
    record = Record(want.address, serving=replace(model, create_time=worlds.CREATED)) if recorded else None
    plan = make_plan(world(want, record, live))
    assert not plan.trainings
    assert plan.deletes == 0
    (change,) = plan.changes
    assert (change.action, change.id) == (Action.RECORD if recorded else Action.ADOPT, id)
    assert change.intent is not None
    kept = change.intent.serving or change.intent.candidate
    assert kept is not None
    assert kept.formula == 1


@pytest.mark.parametrize("status", [None, Status.CREATING])
def test_an_upgrade_in_the_middle_of_a_training_goes_on_with_it(status: Status | None) -> None:
    """A candidate of formula 1 without a recorded place keeps its id, whether its create arrived or not."""
    id = former("gemini-x", {"epochCount": 3})
    epochs = f"{SPEC}.hyper_parameters.epoch_count"
    field = f"{SPEC}.training_dataset_uri"
    want = Desired(
        Address("TuningJob", "bot"),
        {"base_model": "gemini-x", epochs: 3},
        (DataSet(DIGEST, 10, 100, field=field),),
        effective={"metadata.project": "acme", "metadata.location": "us-central1"},
    )
    candidate = RecordedModel(
        id, digest="ab", formula=1, sent=dict(want.attributes), data=(RecordedData(field, DIGEST, 10, 100),),
        status=status, started=worlds.CREATED,
    )  # fmt: skip
    live = None if status is None else replace(alive(want, id), status=Status.CREATING)
    (change,) = make_plan(world(want, Record(want.address, candidate=candidate), live)).changes
    assert (change.action, change.id) == (Action.CREATE if status is None else Action.WAIT, id)
