"""Fixtures for training data as users have it: a manifest names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import Diagnostic
from reconciler.manifests import Loaded
from reconciler.model.data import DataSet, Example
from tests.manifests.conftest import cases, load_manifests, refused, workspace

__all__ = ["cases", "load_manifests", "refused", "workspace"]

Load = Callable[..., Loaded]
Refused = Callable[..., list[Diagnostic]]

EXAMPLES = (Example("1", "2"), Example(' 3,"x" ', "4\nfive\t"), Example("六", "七😀"), Example("", " "))
CHARACTERS = sum(len(one.text_input) + len(one.output) for one in EXAMPLES)


def write_objects(examples: tuple[Example, ...], key: str = "text_input") -> list[dict[str, str]]:
    """Examples as JSON has them."""
    return [{key: one.text_input, "output": one.output} for one in examples]


def write_jsonl(examples: tuple[Example, ...], *, ascii_only: bool = False) -> str:
    """Examples as JSONL."""
    return "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in write_objects(examples))


def declare(
    workspace: Path, content: str, *, name: str = "d.jsonl", spec: str = "supervised_tuning_spec"
) -> None:
    """A manifest with this data."""
    (workspace / "manifests" / name).write_text(content, encoding="utf-8")
    (workspace / "manifests" / "job.yaml").write_text(
        f"""apiVersion: reconciler/v1
kind: TuningJob
metadata: {{name: bot}}
spec:
  base_model: gemini-3.1-flash-lite
  {spec}: {{training_dataset_uri: {name}}}
"""
    )


def data(load: Load) -> DataSet:
    """The one data set."""
    (desired,) = load().desired
    return desired.data[0]
