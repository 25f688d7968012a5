"""What is known of manifests before their models are built."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.datasets.open_cache import OpenCache
from reconciler.errors import ManifestError
from reconciler.manifests import Loaded
from reconciler.manifests.documents import read_documents
from reconciler.manifests.loading import load
from reconciler.manifests.sketch import sketch_models
from reconciler.model.names import Address
from reconciler.problems import Problems
from tests.manifests.conftest import KINDS

STACK = "apiVersion: reconciler/v1\nkind: Stack\nmetadata: {name: search}\nspec: {location: us-central1}\n"
TUNED = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {name: bot}
spec:
  base_model: models/gemini-1.5-flash-001-tuning
  tuning_task: {training_data: {file: data/numbers.jsonl}}
"""
JOB = """\
apiVersion: reconciler/v1
kind: TuningJob
metadata: {name: job}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec: {training_dataset_uri: "gs://bucket/data.jsonl"}
"""


class Noting(OpenCache):
    """Notes when the first data set is looked at."""

    def __init__(self, said: list[object]) -> None:
        super().__init__()
        self._said = said

    def name(self, place: str) -> None:
        """See OpenCache.name."""
        self._said.append("data")
        super().name(place)


def follow(workspace: Path, *texts: str) -> list[object]:
    """Load manifests. Returns the sketch that was told, and "data" where a data set was looked at."""
    said: list[object] = []
    (workspace / "manifests" / "all.yaml").write_text("---\n".join(texts))
    load(["manifests"], kinds=KINDS, variables={}, cache=Noting(said), tell=said.append)
    return said


def test_it_is_told_before_any_data_is_read(workspace: Path) -> None:
    """Whoever asks services knows the Stack and the models when the first data set is looked at."""
    sketch, *rest = follow(workspace, TUNED, STACK, JOB)
    assert set(rest) == {"data"}
    assert isinstance(sketch, Loaded)
    assert sketch.stack.name == "search"
    assert [model.address for model in sketch.desired] == [
        Address("TunedModel", "bot"),
        Address("TuningJob", "job"),
    ]


def test_one_model_stands_for_all_in_one_place(workspace: Path) -> None:
    """Thousands of models of a kind that has no places are not told one by one. Jobs are."""
    texts = [text.replace("name: ", f"name: {letter}") for letter in "ab" for text in (TUNED, JOB)]
    told = follow(workspace, *texts)[0]
    assert isinstance(told, Loaded)
    assert [str(model.address) for model in told.desired] == [
        "TunedModel/abot",
        "TuningJob/ajob",
        "TuningJob/bjob",
    ]


@pytest.mark.parametrize("place", ["location: europe-west4", "project: other", "location: null"])
def test_a_place_of_its_own_is_told_to_nobody(workspace: Path, place: str) -> None:
    """No service is asked ahead if a manifest says where, because nobody has checked it yet."""
    text = JOB.replace("{name: job}", f"{{name: job, {place}}}")
    if "null" not in place:
        assert set(follow(workspace, TUNED, text)) == {"data"}
    assert sketch_models(list(read_documents("all.yaml", text, Problems())), KINDS) is None


@pytest.mark.parametrize("fault", ["spec: [", "kind: Strange\nspec: ${var.absent}\n", STACK])
def test_a_known_fault_is_told_to_nobody(workspace: Path, fault: str) -> None:
    """Broken YAML, a variable that is not set or a second Stack: services are not asked at all."""
    said: list[object] = []
    (workspace / "manifests" / "all.yaml").write_text(f"{STACK}---\n{TUNED}---\n{fault}")
    with pytest.raises(ManifestError):
        load(["manifests"], kinds=KINDS, variables={}, tell=said.append)
    assert said == []


def test_other_processes_come_first(workspace: Path) -> None:
    """If processes help with a data file, nobody is asked ahead: a fork and a thread do not go together."""
    (workspace / "manifests" / "data" / "large.jsonl").write_text("x" * 1000)
    for text, is_told in ((TUNED, True), (TUNED.replace("numbers", "large"), False), (JOB, True)):
        documents = list(read_documents("manifests/all.yaml", text, Problems()))
        told = sketch_models(documents, KINDS, lambda size: int(size >= 1000))
        assert (told is not None) is is_told
