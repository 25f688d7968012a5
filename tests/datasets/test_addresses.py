"""Where a TuningJob's data set may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets.conftest import (
    Load,
    Refused,
    declare,
)


def test_preferences_are_no_csv(workspace: Path, refused: Refused) -> None:
    """A pair of columns has no room for two answers, so the error is at the name of the file."""
    declare(workspace, "text_input,output\n1,2\n", name="d.csv", spec="preference_optimization_spec")
    (problem,) = refused()
    assert problem.file == "manifests/job.yaml"
    assert "preference tuning takes no CSV" in problem.summary


def test_an_address_for_browsers_is_told_as_gs(workspace: Path, refused: Refused) -> None:
    """The error about a bucket's https address has the gs:// address of the same object."""
    declare(workspace, "{}")
    manifest = workspace / "manifests" / "job.yaml"
    url = "https://storage.cloud.google.com/data-1/train.jsonl"
    manifest.write_text(manifest.read_text().replace("d.jsonl", url))
    (problem,) = refused()
    assert problem.detail == "Write gs://data-1/train.jsonl."


@pytest.mark.parametrize(
    ("name", "warned"), [("train.csv", True), ("train.JSON", True), ("train.jsonl", False)]
)
def test_an_object_that_is_no_jsonl_by_its_name_is_a_warning(
    workspace: Path, load_manifests: Load, name: str, *, warned: bool
) -> None:
    """The service reads JSONL from a bucket. The warning about another name comes before anybody pays."""
    declare(workspace, "{}")
    manifest = workspace / "manifests" / "job.yaml"
    manifest.write_text(manifest.read_text().replace("d.jsonl", f"gs://data-1/{name}"))
    assert any("JSONL only" in one.summary for one in load_manifests().warnings) == warned
