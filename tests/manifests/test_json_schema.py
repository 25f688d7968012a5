"""The JSON Schema for editors is valid, accepts the good cases, and refuses the bad ones."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.manifests.documents import read_documents
from reconciler.manifests.editor_schema import make_json_schema
from reconciler.problems import Problems

CASES = Path(__file__).parent.parent / "cases" / "manifests"
GOOD = sorted((CASES / "good").glob("*.yaml"))

BEYOND_A_SCHEMA = (
    "syntax-", "alias-", "merge-", "tag-", "key-", "document-", "variable-", "data-file-", "address-twice",
    "removed-twice", "removed-and-", "removed-of-", "serving-twice",
    "serving-checkpoint-best-", "serving-checkpoint-of-", "serving-checkpoint-beyond-",
    "import-twice", "import-beside-another-id", "import-of-a-pinned-model", "id-twice", "stack-twice",
    "stack-base-twice", "stack-price-twice",
    "spec-source-nowhere", "spec-source-near", "spec-source-self",
    "spec-source-circle", "lifecycle-ignore-unknown", "lifecycle-ignore-immutable", "stack-lifecycle-field",
    "lifecycle-ignore-hyperparameter", "lifecycle-drift-field-unknown", "lifecycle-drift-field-immutable",
    "lifecycle-delete-first-unpinned", "lifecycle-drift-until-no-day", "permissions-twice",
    "permissions-email", "labels-", "hyper-rate-beyond-float32", "hyper-rate-below-float32",
    "hyper-rate-infinite", "spec-temperature-tiny", "spec-temperature-nan", "spec-temperature-infinite",
    "stack-price-infinite", "stack-endpoint", "spec-readers-null", "several-",
    "job-permissions", "job-label-", "job-adapter-of-pro", "job-adapter-too-large", "job-pinned-id",
    "data-columns-twice", "data-columns-of-", "data-delimiter-of-", "job-data-file-of-store",
    "job-uri-", "job-import-with-validation-data-only", "job-parent-undeclared",
    "job-evaluation-output-elsewhere", "job-evaluation-two-specs",
    "job-data-set-of-preference", "job-newest-", "job-key-elsewhere",
    "job-adapter-of-translation", "job-stack-location",
    "checks-pattern", "checks-no-such-file",
    "copy-endpoint-twice", "copy-ignored-field", "copy-permissions", "copy-pinned-id", "copy-source-circle",
    "copy-source-login", "copy-source-nowhere", "copy-source-self", "copy-source-workspace-alone",
    "spec-top-k-float", "name-newline", "spec-readers-huge",
)  # fmt: skip
"""Cases whose fault only `validate` can see: other documents, files, syntax, what YAML itself refuses; and
two that JSON Schema sees otherwise: 40.0 is an integer there, and Python's "$" matches before a line end."""


def _bodies(path: Path) -> Iterator[Any]:
    text = path.read_bytes().decode("utf-8-sig")
    for document in read_documents(path.name, text, Problems()):
        yield json.loads(json.dumps(document.body))


def import_validator() -> Any:
    """The class of validators. Only a worker that uses it spends the time to import it."""
    import jsonschema  # type: ignore[import-untyped]

    return jsonschema.Draft202012Validator


@pytest.fixture(scope="module")
def validator() -> Any:
    """A validator of our schema."""
    return import_validator()(make_json_schema())


def test_it_is_a_schema() -> None:
    """It is a valid schema of draft 2020-12 and plain JSON."""
    schema = make_json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    import_validator().check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_manifests_are_valid(path: Path, validator: Any) -> None:
    """The schema accepts whatever `validate` accepts."""
    for body in _bodies(path):
        assert [error.message for error in validator.iter_errors(body)] == []


@pytest.mark.parametrize(
    "path",
    [path for path in sorted((CASES / "bad").glob("*.yaml")) if not path.stem.startswith(BEYOND_A_SCHEMA)],
    ids=lambda path: path.stem,
)
def test_bad_manifests_are_not(path: Path, validator: Any) -> None:
    """The schema refuses keys that are unknown, missing or exclude each other, and wrong types and ranges."""
    assert not all(validator.is_valid(body) for body in _bodies(path))


def test_bounds_have_the_names_of_json_schema() -> None:
    """Every bound of a number is a keyword of JSON Schema, so that editors know it."""
    found = re.findall(r'"(?:ge|gt|le|lt|multiple_of)":', json.dumps(make_json_schema()))
    assert found == []


def test_both_spellings_of_every_key() -> None:
    """Each key of the spec is allowed in both spellings, and unknown keys are refused everywhere."""
    definitions: Any = make_json_schema()["$defs"]
    assert {"display_name", "displayName", "tuning_task", "tuningTask"} <= set(
        definitions["TunedModelSpec"]["properties"]
    )
    assert all(definition["additionalProperties"] is False for definition in definitions.values())
    assert all("description" in definition for definition in definitions.values())
