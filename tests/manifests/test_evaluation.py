"""The keys of evaluation_config, compared with the API's discovery document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import pytest

from reconciler.errors import Diagnostic
from reconciler.identity import encode_canonical
from reconciler.manifests import Loaded
from reconciler.manifests.evaluation import AGGREGATIONS, EvaluationConfig
from reconciler.manifests.schema_types import Declared, find_model
from reconciler.providers.vertex.fields import EVALUATION

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]


@pytest.fixture(scope="module")
def schemas() -> Any:
    """Google's schemas."""
    folder = resources.files("googleapiclient.discovery_cache.documents")
    return json.loads(folder.joinpath("aiplatform.v1.json").read_text())["schemas"]


def pairs(model: type[Declared], name: str, schemas: Any) -> Iterator[tuple[type[Declared], str]]:
    """Every mapping of ours with Google's schema for it, from this one down."""
    yield model, name
    for field in model.model_fields.values():
        below = find_model(model, field.alias or "")
        if below is not None:
            schema = schemas[name]["properties"][field.alias]
            yield from pairs(below, schema.get("$ref") or schema["items"]["$ref"], schemas)


def test_the_keys_are_googles(schemas: Any) -> None:
    """Every mapping has exactly the keys of its schema, and the same ones are required."""
    found = dict(pairs(EvaluationConfig, "GoogleCloudAiplatformV1EvaluationConfig", schemas))
    assert len(found) > 15
    for model, name in found.items():
        properties = schemas[name].get("properties", {})
        assert {field.alias for field in model.model_fields.values()} == set(properties), name
        required = {
            key for key, value in properties.items() if value.get("description", "").startswith("Required")
        }
        assert {field.alias for field in model.model_fields.values() if field.is_required()} >= required, name


def test_the_aggregations_are_googles(schemas: Any) -> None:
    """All of Google's aggregations are accepted except the unspecified one."""
    known = schemas["GoogleCloudAiplatformV1Metric"]["properties"]["aggregationMetrics"]["items"]["enum"]
    assert list(get_args(AGGREGATIONS)) == known[1:]


def test_its_value_is_the_apis_json(workspace: Path, load_manifests: Load) -> None:
    """Both spellings give the API's canonical JSON without empty values. Free maps stay as written."""
    good = Path(__file__).parent.parent / "cases/manifests/good/tuning-job-evaluated.yaml"
    (workspace / "manifests/case.yaml").write_bytes(good.read_bytes())
    (manifest,) = load_manifests().desired
    value = manifest.attributes[EVALUATION]
    assert isinstance(value, str)
    assert encode_canonical(json.loads(value)).decode() == value
    assert json.loads(value) == {
        "metrics": [
            {"exactMatchSpec": {}, "aggregationMetrics": ["AVERAGE", "PERCENTILE_P90"]},
            {"pointwiseMetricSpec": {"metricPromptTemplate": "Is {response} right?"}},
            {
                "predefinedMetricSpec": {
                    "metricSpecName": "text_quality_v1",
                    "metricSpecParameters": {"a_b": [1]},
                }
            },
        ],
        "autoraterConfig": {
            "samplingCount": 4,
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 100},
        },
        "outputConfig": {"gcsDestination": {"outputUriPrefix": "gs://bucket/out"}},
    }
    assert [(data.uri, data.examples, len(data.digest)) for data in manifest.data] == [
        ("projects/p/locations/us-central1/datasets/123", 0, 64),
        ("projects/p/locations/us-central1/datasets/456", 0, 64),
    ]


@pytest.mark.parametrize(
    ("training", "validation", "fits"),
    [(10, 1000, True), (10, 1001, False), (3400, 1020, True), (3400, 1021, False)],
)
def test_the_share_of_validation_data(
    workspace: Path, load_manifests: Load, refused: Refused, training: int, validation: int, *, fits: bool
) -> None:
    """1,000 validation examples are always allowed, more only up to 30 % of the training examples."""
    for name, count in (("t", training), ("v", validation)):
        lines = "".join(json.dumps({"text_input": str(n), "output": "x"}) + "\n" for n in range(count))
        (workspace / f"manifests/{name}.jsonl").write_text(lines)
    (workspace / "manifests/job.yaml").write_text(
        """apiVersion: reconciler/v1
kind: TuningJob
metadata: {name: bot}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec: {training_dataset_uri: t.jsonl, validation_dataset_uri: v.jsonl}
"""
    )
    if fits:
        assert len(load_manifests().desired) == 1
        return
    (problem,) = refused()
    assert "of training" in problem.summary
    assert (problem.line, problem.column) == (6, 83)
