"""`import`: a live model is recorded under an address once all that is shown of it was compared."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.errors import PlanError
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.plan.rows.adoption import record_import
from reconciler.state.values import Record
from tests import worlds

LIVE = worlds.live("theirs")
URI = "gs://bucket/one.jsonl"
IS_NOT = "tunedModels/theirs is not what TunedModel/bot declares: "
UNDECLARED = "validation_data is 'gs://bucket/two.jsonl', which the manifest does not declare"


def desired(uri: str = "", digest: str = worlds.digest("one"), **others: object) -> Desired:
    """A manifest whose data lies in a bucket, or in a file."""
    one = DataSet(digest, 10, 100, shown=uri or "data/one.jsonl", uri=uri, field="training_data")
    return replace(worlds.want(), data=(one,), **others)


def record(one: Desired, live: Live = LIVE, *recorded: Record, there: dict[str, str] | None = None) -> Record:
    """Return what the command records of a live model."""
    return record_import(worlds.world([one], recorded, [live]), one, live, there or {})


@pytest.mark.parametrize("imports", ["", "theirs", "tunedModels/theirs"])
def test_a_model_that_serves_is_recorded_as_serving(imports: str) -> None:
    """The service does not show the data, so the manifest's is assumed. Nothing is approved to train."""
    found = record(desired(imports=imports))
    assert found.serving is not None
    assert (found.serving.id, found.candidate, found.deposed) == ("theirs", None, ())
    assert [(one.digest, one.assumed) for one in found.serving.data] == [(worlds.digest("one"), True)]


def test_a_model_in_training_is_recorded_as_a_candidate() -> None:
    """Then apply and wait finish it."""
    found = record(desired(), replace(LIVE, status=Status.CREATING))
    assert found.serving is None
    assert found.candidate is not None
    assert found.candidate.id == "theirs"


def test_protection_is_recorded_with_it() -> None:
    """The record has what the manifest says, so that it outlives the manifest."""
    one = desired()
    protected = replace(one, lifecycle=replace(one.lifecycle, prevent_destroy=True))
    assert [record(each).prevent_destroy for each in (one, protected)] == [False, True]


OTHER = Record(worlds.address("other"), worlds.model("theirs"))
SAME = Record(worlds.address(), worlds.model("theirs"))
TAKEN = Record(worlds.address(), worlds.model("ours"))


@pytest.mark.parametrize(
    ("recorded", "summary", "advice"),
    [
        (
            OTHER,
            "tunedModels/theirs is recorded already, as TunedModel/other",
            "To give it another address: reconciler state mv TunedModel/other TunedModel/bot",
        ),
        (
            SAME,
            "tunedModels/theirs is recorded already, as TunedModel/bot",
            "There is nothing left to import",
        ),
        (
            TAKEN,
            "TunedModel/bot is recorded already, as ours",
            "To forget that one, without deleting it: reconciler state rm TunedModel/bot",
        ),
    ],
)
def test_neither_model_nor_address_is_recorded_twice(recorded: Record, summary: str, advice: str) -> None:
    """The error names the other one, and the command that makes room."""
    with pytest.raises(PlanError) as refused:
        record(desired(), LIVE, recorded)
    assert (refused.value.summary, refused.value.detail) == (summary, advice)


@pytest.mark.parametrize(
    ("one", "live", "summary"),
    [
        (
            desired(imports="tunedModels/third"),
            LIVE,
            "tunedModels/theirs is not tunedModels/third, which TunedModel/bot imports",
        ),
        (
            desired(),
            replace(LIVE, status=Status.FAILED),
            "tunedModels/theirs failed to train: there is nothing to adopt",
        ),
        (
            desired(),
            worlds.live("theirs", attributes={**worlds.DECLARED, "base_model": "models/other"}),
            f"{IS_NOT}base_model is 'models/other', declared 'models/flash'",
        ),
        (
            desired(URI, digest=""),
            LIVE,
            f"{URI} does not exist, so nothing can be recorded of the data of tunedModels/theirs",
        ),
        (
            desired(URI),
            replace(LIVE, data={"training_data": "gs://bucket/two.jsonl"}),
            f"{IS_NOT}training_data is 'gs://bucket/two.jsonl', declared '{URI}'",
        ),
        (
            desired(URI),
            replace(LIVE, data={"validation_data": "gs://bucket/two.jsonl"}),
            f"{IS_NOT}training_data is none, declared '{URI}', {UNDECLARED}",
        ),
    ],
)
def test_another_model_is_refused(one: Desired, live: Live, summary: str) -> None:
    """Each difference is named, and nothing is recorded."""
    with pytest.raises(PlanError) as refused:
        record(one, live)
    assert refused.value.summary == summary


@pytest.mark.parametrize(
    ("one", "shown", "there"),
    [
        (desired(URI), URI, {}),
        (desired(URI), "gs://bucket/copy.jsonl", {"training_data": worlds.digest("one")}),
        (desired(), "gs://bucket/upload.jsonl", {}),
    ],
    ids=["the same address", "the same content", "uploaded from a file"],
)
def test_the_same_data_elsewhere_is_the_same(one: Desired, shown: str, there: dict[str, str]) -> None:
    """Equal content at two addresses is one data set. The name of an uploaded file is not compared."""
    found = record(one, replace(LIVE, data={"training_data": shown}), there=there)
    assert found.serving is not None
    assert found.serving.id == "theirs"
