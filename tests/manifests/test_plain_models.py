"""Plain documents are read without their schemas as their schemas read them, or not at all."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from reconciler.datasets.data_sets import DataSets
from reconciler.manifests.close_reader import read_closely
from reconciler.manifests.content import Reading, keep_unpinned
from reconciler.manifests.documents import Document, Text, read_quickly
from reconciler.manifests.kinds import STACK, find_form
from reconciler.manifests.plain_models import PlainModels
from reconciler.manifests.plain_stack import read_plain_stack
from reconciler.manifests.stack import read_stack
from reconciler.manifests.substitution import Substituted
from reconciler.model.desired import Lifecycle, Replacement
from reconciler.model.stack import Stack as Settings
from reconciler.problems import Problems
from tests.limits import examples
from tests.manifests.conftest import KINDS

CASES = Path(__file__).parent.parent / "cases" / "manifests"
SETTINGS = Settings(
    location="us-central1", lifecycle=Lifecycle(prevent_destroy=True, replace=Replacement.DELETE_FIRST)
)
FIELDS = [field for kind in KINDS.values() for field in kind.fields.values()]
ANYTHING = settings(
    max_examples=examples(600), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def _make_document(body: Any, problems: Problems) -> Document:
    text = json.dumps(body, ensure_ascii=False)  # which is YAML, and written quickly
    return Document(Text("manifests/x.yaml", text), 0, (1, 1), body, (), problems, {})


def _show(reading: Reading) -> str:
    """Show a reading with the order of its attributes and the types of their values."""
    known = reading.declaration
    assert known is not None
    found = [getattr(known, field.name) for field in fields(known) if field.name != "document"]
    return repr((found, reading.content, reading.data, reading.checks))


def _read_model(body: Any) -> bool:
    """Read a model plainly and closely. Returns whether it can be read plainly; the results are the same."""
    kind = KINDS[body["kind"]]
    problems, noted = Problems(), Problems()
    lifecycle = keep_unpinned(SETTINGS.lifecycle)
    plain = PlainModels(kind, SETTINGS, lifecycle, DataSets(problems)).read(_make_document(body, problems))
    if plain is None:
        assert not problems
        return False
    closely = read_closely(_make_document(body, noted), kind, find_form(kind.name), SETTINGS, DataSets(noted))
    assert problems._errors == noted._errors
    assert problems.warnings == noted.warnings
    if not problems:
        assert _show(plain) == _show(closely)
    return True


def _read_stack(body: Any) -> bool:
    """Read a Stack plainly and closely. Returns whether it can be read plainly; the results are the same."""
    problems, noted = Problems(), Problems()
    plain = read_plain_stack(_make_document(body, problems), FIELDS)
    if plain is None:
        assert not problems
        return False
    closely = read_stack(_make_document(body, noted), FIELDS)
    assert closely is not None
    assert problems._errors == noted._errors
    assert repr(replace(plain, places={})) == repr(replace(closely, places={}))
    assert dict(plain.places) == dict(closely.places)
    return True


def _read(body: Any) -> bool:
    return _read_stack(body) if body["kind"] == STACK else _read_model(body)


CHECKS = [
    {"prompt": "one", "expect": "two", "system": "count"},
    {"prompt": "one", "contains": "tw"},
    {"prompt": "one", "matches": "^tw."},
    {"prompt": "one", "one_of": ["two", "Two"]},
    {"file": "data/numbers.jsonl", "by": "contains", "at_least": 0.5},
]
LIFECYCLE: dict[str, Any] = {
    "prevent_destroy": True,
    "ignore_changes": ["description"],
    "keep_deposed": "2h",
    "ignore_drift": [{"field": "description", "reason": "said", "until": "2027-01-31"}],
    "replace": "candidate",
}
PERMISSIONS = [
    {"grantee_type": "EVERYONE", "role": "READER"},
    {"grantee_type": "USER", "email_address": "ann@example.com", "role": "WRITER"},
]
PAIRS = [{"text_input": "one", "output": "two"}, {"text_input": "", "output": "ü"}]
WHOLE: dict[str, Any] = {
    "TunedModel": {
        "apiVersion": "reconciler/v1",
        "kind": "TunedModel",
        "metadata": {
            "name": "bot",
            "id": "bot-1",
            "import": "tunedModels/bot-1",
            "moved_from": "old-bot",
            "labels": {"team": "a", "example.com/b": ""},
        },
        "lifecycle": LIFECYCLE,
        "permissions": PERMISSIONS,
        "checks": CHECKS,
        "spec": {
            "display_name": "Bot",
            "description": "",
            "base_model": "models/gemini-1.5-flash-001-tuning",
            "temperature": 1,
            "top_p": 0.95,
            "top_k": 40,
            "tuning_task": {
                "hyperparameters": {"batch_size": 2, "epoch_count": 5, "learning_rate": 0.001},
                "training_data": {"examples": {"examples": PAIRS}},
            },
        },
    },
    "TuningJob": {
        "apiVersion": "reconciler/v1",
        "kind": "TuningJob",
        "metadata": {
            "name": "job",
            "import": "projects/acme/locations/us-central1/tuningJobs/1",
            "moved_from": "TuningJob/old-job",
            "labels": {"team": "a"},
            "location": "us-central1",
            "project": "acme",
        },
        "lifecycle": {"prevent_destroy": False},
        "checks": CHECKS[-1:],
        "spec": {
            "tuned_model_display_name": "Job",
            "description": "a job",
            "base_model": "gemini-2.5-flash",
            "supervised_tuning_spec": {
                "training_dataset_uri": "gs://data/train.jsonl",
                "validation_dataset_uri": "data/numbers.jsonl",
                "hyper_parameters": {
                    "epoch_count": 3,
                    "learning_rate_multiplier": 1.5,
                    "adapter_size": "ADAPTER_SIZE_FOUR",
                },
            },
        },
        "serving": {"endpoint": "support"},
    },
    "ModelCopy": {
        "apiVersion": "reconciler/v1",
        "kind": "ModelCopy",
        "metadata": {
            "name": "copy",
            "import": "copy-1",
            "moved_from": "old-copy",
            "labels": {"team": "a"},
            "location": "us-central1",
            "project": "acme",
        },
        "lifecycle": {"prevent_destroy": True},
        "checks": CHECKS[:1],
        "spec": {"source": {"address": "TuningJob/job"}},
        "serving": {"endpoint": "support"},
    },
    "Stack": {
        "apiVersion": "reconciler/v1",
        "kind": "Stack",
        "metadata": {"name": "shop", "labels": {"team": "a"}},
        "spec": {
            "project": "acme",
            "location": "us",
            "bucket": "gs://data/tuning",
            "endpoint": "http://localhost:8080/",
            "state": "gs://data/state",
            "variables": {"region": "us", "a-b": ""},
            "guards": {"max_trainings": 5, "max_deletes": 0, "max_cost": 10},
            "prices": {
                "per_1000_characters": 0.5,
                "per_million_tokens": {"default": 3, "gemini-2.5-flash": 1.5},
                "currency": "EUR",
            },
            "drift": {"retire_within": "30d", "fail_on": ["unmanaged", "unpromoted"]},
            "lifecycle": {**LIFECYCLE, "replace": "delete_first"},
        },
    },
}


@pytest.mark.parametrize("kind", WHOLE)
def test_all_that_it_knows(kind: str, workspace: Path) -> None:
    """A document with every key of the tables is read plainly."""
    assert workspace.exists()
    assert _read(WHOLE[kind])
    assert {STACK, *KINDS} == WHOLE.keys()


def test_a_file_of_pairs(workspace: Path) -> None:
    """The file of a TunedModel is measured, and one that is not there is refused at the same place."""
    assert workspace.exists()
    for file in ("data/numbers.jsonl", "data/missing.jsonl"):
        body = copy.deepcopy(WHOLE["TunedModel"])
        body["spec"]["tuning_task"]["training_data"] = {"file": file}
        assert _read(body)


@pytest.mark.parametrize("kind", ["TunedModel", "TuningJob"])
def test_a_live_model_without_data(kind: str, workspace: Path) -> None:
    """A model that is taken over, or whose id is pinned, needs no training data. Others do."""
    assert workspace.exists()
    body = copy.deepcopy(WHOLE[kind])
    body["spec"].pop("tuning_task", None)
    for key in ("training_dataset_uri", "validation_dataset_uri"):
        body["spec"].get("supervised_tuning_spec", {}).pop(key, None)
    assert _read(body)
    del body["metadata"]["import"]
    assert _read(body) == ("id" in body["metadata"])
    body["metadata"].pop("id", None)
    assert not _read(body)


def test_the_endpoint_of_a_copy() -> None:
    """A copy that names no endpoint has one of its own name; its source may be a resource name."""
    body = copy.deepcopy(WHOLE["ModelCopy"])
    del body["serving"]
    for source in ({"address": "ModelCopy/a"}, {"model": "projects/p/locations/us/models/1@2"}):
        body["spec"]["source"] = source
        assert _read(body)


def test_every_case(workspace: Path) -> None:
    """Each case that is plain YAML is read alike, and most good ones without their schemas."""
    assert workspace.exists()
    plain = 0
    for path in sorted(CASES.glob("*/*.yaml")):
        for document in read_quickly(str(path), path.read_text(errors="replace"), Problems()):
            if document.kind in WHOLE and document.is_plain:
                plain += _read(document.body)
    assert plain > 30


SUBSTITUTED = (
    "",
    " ",
    "a",
    "A b",
    "1",
    "0",
    "1.0",
    "0.5",
    "5.0",
    "-1",
    "true",
    "24h",
    "us-central1",
    "TunedModel",
)
"""Texts that came from variables."""
ODD: list[Any] = [
    "", " ", "a", "A", "é", "1", "1.0", "true", "a/b", "x" * 41, "y" * 64, "z" * 129, "models/x",
    "models/x@1", "models/", "gemini-2.5-pro", "publishers/google/models/x", "tunedModels/a", "TuningJob/a",
    "gs://data/x.jsonl", "gs://", "data/numbers.jsonl", "data/missing.jsonl", "../x.jsonl", "a.txt",
    "projects/p/locations/us-central1/datasets/1", "https://ann:secret@example.com/state", "us-central1-a",
    "ADAPTER_SIZE_SIXTEEN", "ADAPTER_SIZE_TEN", "none",
    "projects/p/locations/us-central1/models/1@2", "ModelCopy/a", {"address": "ModelCopy/a"}, {"model": "a"},
    {"model": "projects/p/locations/us-central1/models/1@2"}, {"address": "TuningJob/a", "model": "a"},
    0, 1, -1, 2, 10, 2**31 - 1, 2**31, 10**400, 0.0, -0.0, 0.5,
    1.0, 1.5, 5.0, 1e-50, 1e-30, 3e38, 4e38, float("inf"), float("nan"), True, False, [], {}, [1], {"a": "b"},
    {"a": 1}, {"": ""}, {"x" * 64: "a"}, {"a": "y" * 64}, {"a b": "c"}, PAIRS, PAIRS[:1], [{"output": "a"}],
    [{"text_input": "a", "output": ""}], [{"text_input": "a", "output": "b", "more": "c"}],
    [{"textInput": "a", "output": "b"}], [{"text_input": 1, "output": "b"}],
    {"examples": PAIRS}, {"file": "data/numbers.jsonl"}, {"file": "data/numbers.jsonl", "delimiter": ";"},
    "tunedModels/bot-1", "tunedModels/x", "bot-1", "TuningJob/x", "https://a:b@example.com", "http://x/",
    "https://example.com/?a", "24h", "0s", "5", "2027-01-31", "2027-02-30", "delete_first", "USER",
    "EVERYONE", "OWNER", "a@example.com", "ann@", "temperature", "displayName", "[", LIFECYCLE, PERMISSIONS,
    PERMISSIONS[:1], {"default": 0}, {"models/x": 1}, {"x@1": 1}, {"x y": 1}, ["held_back"], "usd", "USD",
    CHECKS, CHECKS[:1], ["a", "a"], [["a"]], [{}], {"prevent_destroy": "yes"}, {"replace": "delete_first"},
    *map(Substituted, SUBSTITUTED),
]  # fmt: skip
"""Values that some key accepts, and some key refuses."""
MORE = [
    "prompt", "expect", "contains", "at_least", "by", "until", "email_address", "prevent_destroy",
    "apiVersion", "endpoint", "id", "import", "moved_from", "displayName", "topP", "temperature",
    "learning_rate", "learning_rate_multiplier", "file", "lifecycle", "permissions", "checks", "serving",
    "location", "project", "labels", "tuned_model_source", "pre_tuned_model", "preference_optimization_spec",
    "variables", "guards", "drain", "x",
]  # fmt: skip


def _list_paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the paths of all values, except of the kind, which says how to read the others."""
    found = []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        if key != "kind":
            found += [(*above, key), *_list_paths(inner, (*above, key))]
    return found


@st.composite
def _changed(draw: st.DrawFn) -> Any:
    """Draw a document in which a few keys have another value, are gone or have come."""
    body = copy.deepcopy(WHOLE[draw(st.sampled_from(sorted(WHOLE)))])
    for _ in range(draw(st.integers(0, 3))):
        *above, key = draw(st.sampled_from(_list_paths(body)))
        within = body
        for step in above:
            within = within[step]
        change = draw(st.sampled_from(["value", "value", "gone", "more"]))
        if change == "value":
            within[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif change == "gone":
            del within[key]
        else:
            more = 0 if isinstance(within, list) else draw(st.sampled_from(MORE))
            within[more] = copy.deepcopy(draw(st.sampled_from(ODD)))
    return body


@ANYTHING
@given(_changed())
def test_any_change(workspace: Path, body: Any) -> None:
    """Whatever stands in a document, both ways of reading it agree."""
    assert workspace.exists()
    _read(body)


@pytest.mark.parametrize("kind", WHOLE)
def test_each_value_at_each_key(kind: str, workspace: Path) -> None:
    """Each odd value at each key of a document is read alike, or left to the schema."""
    assert workspace.exists()
    alike = {tuple(step for step in path if isinstance(step, str)): path for path in _list_paths(WHOLE[kind])}
    body = copy.deepcopy(WHOLE[kind])
    for *above, key in alike.values():
        within = body
        for step in above:
            within = within[step]
        usual = within[key]
        for value in ODD:
            within[key] = value
            _read(body)
        within[key] = usual
    assert body == WHOLE[kind]
