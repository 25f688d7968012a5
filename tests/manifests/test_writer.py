"""Manifests that `import --all` writes are read back as the models that they came from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.identity import to_float32
from reconciler.kind import Kind
from reconciler.manifests.loading import read_manifest
from reconciler.manifests.writer import Data, comment_out, write_manifest
from reconciler.model.live import Live, Status
from reconciler.model.names import Value
from reconciler.model.stack import Stack
from reconciler.providers.gemini.fields import TUNED_MODEL
from reconciler.providers.vertex.fields import MODEL_COPY, TUNING_JOB

BASE: dict[str, Value] = {"base_model": "models/x"}


def show(kind: Kind, attributes: dict[str, Value], *data: Data, **others: object) -> str:
    """The manifest of a live model named handmade."""
    name = "tunedModels/handmade" if kind is TUNED_MODEL else "projects/1/locations/us-central1/tuningJobs/5"
    live = Live("handmade", name, Status.ACTIVE, attributes, **others)  # type: ignore[arg-type]
    return write_manifest(kind, "bot", live, data, places={})


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_every_text_is_read_back_as_it_was(text: str) -> None:
    """Quotes, line breaks, variables, numbers and YAML's words in a description survive."""
    desired, problems = read_manifest(
        show(TUNED_MODEL, {**BASE, "description": text}), TUNED_MODEL, Stack(variables={"x": "y"})
    )
    assert problems == ()
    assert desired is not None
    assert desired.attributes.get("description", "") == text


@pytest.mark.parametrize(
    "text", ["1e-3", "no", "true", "~", "${var.x}", "$${x}", "a: b", "x #y", "on", "0755", "a:"]
)
def test_a_text_that_looks_like_another_value_is_read_back(text: str) -> None:
    """A text that YAML or our reader would take for another value is quoted."""
    desired, _ = read_manifest(show(TUNED_MODEL, {**BASE, "description": text}), TUNED_MODEL, Stack())
    assert desired is not None
    assert desired.attributes["description"] == text


@given(st.floats(0, 1, width=32))
def test_a_number_is_the_same_in_single_precision(number: float) -> None:
    """The shortest spelling gives the same float32."""
    desired, _ = read_manifest(show(TUNED_MODEL, {**BASE, "temperature": number}), TUNED_MODEL, Stack())
    assert desired is not None
    shown = desired.attributes["temperature"]
    assert isinstance(shown, (int, float))
    assert to_float32(shown) == to_float32(number)


def test_a_job_with_all_that_it_may_have() -> None:
    """Labels, evaluation, data and unclear values are written. Empty values and our defaults are left out."""
    spec = "supervised_tuning_spec"
    attributes: dict[str, Value] = {
        "base_model": "gemini-3.1-flash-lite",
        f"{spec}.export_last_checkpoint_only": False,
        f"{spec}.evaluation_config": '{"metrics":[{"bleuSpec":{"useEffectiveOrder":true},"x":null}]}',
        "description": "a on the model, b on its endpoint",
        "labels": ("team=support", "year=2026"),
        "metadata.location": "us-central1",
    }
    data = [
        Data(f"{spec}.training_dataset_uri", "gs://b/train.jsonl"),
        Data(f"{spec}.validation_dataset_uri", "gs://b/v.jsonl", "it is gone"),
    ]
    unclear = {"description": "a on the model, b on its endpoint"}
    assert (
        show(TUNING_JOB, attributes, *data, unclear=unclear)
        == """\
apiVersion: reconciler/v1
kind: TuningJob
metadata:
  name: bot
  import: projects/1/locations/us-central1/tuningJobs/5
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec:
    evaluation_config: {metrics: [{bleuSpec: {useEffectiveOrder: true}, x: null}]}
    training_dataset_uri: gs://b/train.jsonl
    # validation_dataset_uri: gs://b/v.jsonl (it is gone)
  # description: not declared, because it is a on the model, b on its endpoint
  labels: {team: support, year: "2026"}
"""
    )


def test_without_data_a_comment_says_so() -> None:
    """A job keeps the key of its tuning method. A tuned model gets a comment in place of the data."""
    job = show(TUNING_JOB, {"base_model": "gemini-3.1-flash-lite"})
    assert "  supervised_tuning_spec: {}\n  # The service does not show the training data." in job
    assert read_manifest(job, TUNING_JOB, Stack())[1] == ()
    model = show(TUNED_MODEL, {**BASE, "reader_project_numbers": (1, 2)})
    assert model.endswith("may be left out.\n")
    assert "  reader_project_numbers: [1, 2]\n" in model


def test_a_copy_that_is_imported_gets_no_endpoint() -> None:
    """Its source is the model that the service names. There is no word of training data."""
    source = "projects/1/locations/us/models/5@2"
    name = "projects/2/locations/us/models/support-aaaaaaaa"
    live = Live("support-aaaaaaaa", name, Status.ACTIVE, {"source": source, "metadata.location": "us"})
    text = write_manifest(MODEL_COPY, "support", live, (), places={"metadata.location": "us"})
    assert text.partition("metadata:\n")[2] == (
        f"  name: support\n  import: {name}\n  location: us\nspec:\n  source:\n    model: {source}\n"
        "serving: {endpoint: none}\n"
    )
    read, problems = read_manifest(text, MODEL_COPY, Stack())
    assert problems == ()
    assert read is not None
    assert (read.attributes["source"], read.serving) == (source, None)


def test_a_key_becomes_a_comment_with_the_reason() -> None:
    """Only a key with a single value below spec can become a comment."""
    text = "kind: x\nspec:\n  temperature: 7\n  nested:\n    x: 1\n"
    assert comment_out(text, 3, "it is\nabove 1") == text.replace(
        "  temperature: 7", "  # temperature: 7   # not declared: it is above 1"
    )
    assert [comment_out(text, line, "no") for line in (0, 1, 2, 4, 99)] == [None] * 5
