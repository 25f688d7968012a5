"""A meaning that can be written in several ways is read as one value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import Diagnostic
from reconciler.manifests import Loaded
from reconciler.model.names import Attributes

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]

TUNED_MODEL = """\
apiVersion: reconciler/v1
kind: TunedModel
metadata: {{name: bot}}
spec:
  {spec}
  tuning_task:
    hyperparameters: {{{hyperparameters}}}
    training_data: {{file: data/numbers.jsonl}}
"""
TUNING_JOB = """\
apiVersion: reconciler/v1
kind: TuningJob
metadata: {{name: bot}}
spec:
  {spec}
  supervised_tuning_spec: {{training_dataset_uri: gs://bucket/train.jsonl, {hyperparameters}}}
"""
PUBLISHER = "publishers/google/models/"
PREFIXES = ("", "models/", PUBLISHER, f"projects/p-1/locations/us-central1/{PUBLISHER}")


@pytest.fixture
def attributes(workspace: Path, load_manifests: Load) -> Callable[..., Attributes]:
    """The attributes that a manifest declares."""

    def read(manifest: str, spec: str, hyperparameters: str = "") -> Attributes:
        text = manifest.format(spec=spec, hyperparameters=hyperparameters)
        (workspace / "manifests" / "bot.yaml").write_text(text)
        return load_manifests().desired[0].attributes

    return read


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_base_model_has_one_name_in_each_api(prefix: str, attributes: Callable[..., Attributes]) -> None:
    """Short name, resource name, publisher's name and console's name are read as one value."""
    spec = f"base_model: {prefix}gemini-1.5-flash-001-tuning"
    assert attributes(TUNED_MODEL, spec)["base_model"] == "models/gemini-1.5-flash-001-tuning"
    spec = f"base_model: {prefix}gemini-2.5-flash"
    assert attributes(TUNING_JOB, spec)["base_model"] == "gemini-2.5-flash"


@pytest.mark.parametrize(
    ("manifest", "written", "advice"),
    [
        (TUNED_MODEL, "tunedModels/bot-v1", "tuned_model_source: {tuned_model: tunedModels/bot-v1}"),
        (TUNED_MODEL, "TunedModel/other", "tuned_model_source: {tuned_model: TunedModel/other}"),
        (
            TUNING_JOB,
            "projects/p/locations/l/models/7@1",
            "pre_tuned_model: {tuned_model_name: projects/p/locations/l/models/7@1}",
        ),
        (
            TUNING_JOB,
            "projects/p/locations/l/endpoints/4",
            "tuned_model_name: projects/p/locations/l/models/",
        ),
        (
            TUNING_JOB,
            "projects/p/locations/l/tuningJobs/4",
            "tuned_model_name: projects/p/locations/l/models/",
        ),
        (TUNING_JOB, "TuningJob/other", "pre_tuned_model: {tuned_model_name: TuningJob/other}"),
    ],
)
def test_a_tuned_model_under_base_model_is_refused_with_the_right_key(
    manifest: str, written: str, advice: str, workspace: Path, refused: Refused
) -> None:
    """The error advises the right key and a value that this key accepts."""
    text = manifest.format(spec=f"base_model: {written}", hyperparameters="")
    (workspace / "manifests" / "bot.yaml").write_text(text)
    (found,) = refused()
    assert (found.line, found.column) == (5, 15)
    assert advice in found.detail


@pytest.mark.parametrize(
    ("written", "value"),
    [("3", 3), ('"3"', 3), ("3.0", 3), ('"3.0"', 3), ('"3e0"', 3), ("0.3e1", 3)],
)
def test_a_whole_number_is_read_as_proto3_json_takes_it(
    written: str, value: int, attributes: Callable[..., Attributes]
) -> None:
    """A whole number may be quoted and may end in .0."""
    declared = attributes(TUNED_MODEL, f"base_model: models/a\n  top_k: {written}", f"epoch_count: {written}")
    assert (declared["top_k"], declared["tuning_task.hyperparameters.epoch_count"]) == (value, value)
    assert type(declared["top_k"]) is int
    job = attributes(TUNING_JOB, "base_model: a", f"hyper_parameters: {{epoch_count: {written}}}")
    assert job["supervised_tuning_spec.hyper_parameters.epoch_count"] == value


@pytest.mark.parametrize("written", ["0.1", '"0.1"', '"1e-1"', "1e-1"])
def test_a_number_is_read_as_proto3_json_takes_it(
    written: str, attributes: Callable[..., Attributes]
) -> None:
    """A number may be quoted, as in Google's REST templates."""
    declared = attributes(
        TUNED_MODEL,
        f"base_model: models/a\n  temperature: {written}\n  top_p: {written}",
        f"learning_rate: {written}",
    )
    rate = declared["tuning_task.hyperparameters.learning_rate"]
    assert (declared["temperature"], declared["top_p"], rate) == (0.1, 0.1, 0.1)
    multiplier = f"hyper_parameters: {{learning_rate_multiplier: {written}}}"
    job = attributes(TUNING_JOB, "base_model: a", multiplier)
    assert job["supervised_tuning_spec.hyper_parameters.learning_rate_multiplier"] == 0.1


@pytest.mark.parametrize("written", ['"0x10"', '"1_000"', '" 3"', '"3.5"', '"+3"', '"03"', '"NaN"', '""'])
def test_a_text_that_is_no_whole_number_stays_one(written: str, workspace: Path, refused: Refused) -> None:
    """A text that is no JSON number is not read as a number."""
    text = TUNED_MODEL.format(spec=f"base_model: models/a\n  top_k: {written}", hyperparameters="")
    (workspace / "manifests" / "bot.yaml").write_text(text)
    (found,) = refused()
    assert "spec.top_k must be a whole number" in found.summary


def test_what_is_empty_is_read_where_the_service_takes_it_for_absent(
    attributes: Callable[..., Attributes],
) -> None:
    """Empty "" and {} from templates are read as absent where the service does the same."""
    declared = attributes(
        TUNING_JOB,
        'base_model: a\n  description: ""\n  labels: {}\n  service_account: ""\n  encryption_spec: {}',
        'validation_dataset_uri: "", evaluation_config: {}, hyper_parameters: {}',
    )
    assert declared == {"base_model": "a", "description": "", "labels": (), "service_account": ""}


def test_a_variable_keeps_its_text(workspace: Path, load_manifests: Load, tmp_path: Path) -> None:
    """The variable 1.10 stays 1.10 and does not become 1.1, in the Stack and in a variables file."""
    from reconciler.manifests import parse_variables

    text = TUNED_MODEL.format(spec="base_model: models/a\n  description: ${var.v}", hyperparameters="")
    stack = "---\napiVersion: reconciler/v1\nkind: Stack\nmetadata: {name: s}\nspec: {variables: {v: 1.10}}\n"
    (workspace / "manifests" / "bot.yaml").write_text(text + stack)
    assert load_manifests().desired[0].attributes["description"] == "1.10"
    values = tmp_path / "values.yaml"
    values.write_text("v: 1.10\nw: 1e3\nyes: True\n")
    assert parse_variables([], [str(values)], {}) == {"v": "1.10", "w": "1e3", "yes": "True"}
