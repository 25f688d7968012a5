"""What `validate` finds out about a Stack and the environment without contacting a service."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.cli.harness import Project, model

LINE = {"contents": [{"role": role, "parts": [{"text": "a"}]} for role in ("user", "model")]}
LOCAL = {"supervised_tuning_spec": {"training_dataset_uri": "t.jsonl"}}
STORED = {"supervised_tuning_spec": {"training_dataset_uri": "gs://bucket/t.jsonl"}}


def declare(folder: Project, spec: Mapping[str, object], **stack: str) -> None:
    """Declare a tuning job with its data, and a Stack."""
    folder.write("manifests/t.jsonl", "".join(json.dumps(LINE) + "\n" for _ in range(20)))
    envelope = {"apiVersion": "reconciler/v1"}
    job = {"base_model": "gemini-3.1-flash-lite", **spec}
    folder.declare(
        {**envelope, "kind": "Stack", "metadata": {"name": "s"}, "spec": stack},
        {**envelope, "kind": "TuningJob", "metadata": {"name": "v"}, "spec": job},
    )


def test_a_file_to_upload_needs_a_bucket(project: Project) -> None:
    """Without a bucket the error has file and line. With a bucket, or on an emulator, there is no error."""
    place = {"project": "demo-project", "location": "us-central1"}
    declare(project, LOCAL, **place)
    err = project.run("validate", expect=1).err
    assert "manifests/models.yaml:" in err
    assert "Set the Stack's spec.bucket: gs://BUCKET/PREFIX" in err
    project.run("validate", expect=0, environ={"GOOGLE_VERTEX_BASE_URL": project.service.url})
    declare(project, LOCAL, **place, bucket="gs://bucket")
    project.run("validate", expect=0)


def test_a_project_that_nobody_names_is_a_warning_and_no_plan(project: Project) -> None:
    """`validate` warns about a missing project and `plan` fails.

    Manifest, Stack or environment may name it.
    """
    declare(project, STORED)
    said = project.run("validate", expect=0).err
    assert "no project is set" in said
    assert "no location is set" in said
    elsewhere = {"GOOGLE_GEMINI_BASE_URL": None, "GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.x"}
    assert (
        "no project is set for TuningJob/v, but plan needs one\n"
        in project.plan(expect=1, environ=elsewhere).err
    )
    named = {"GOOGLE_CLOUD_PROJECT": "demo-project", "GOOGLE_CLOUD_LOCATION": "us-central1"}
    assert "is set" not in project.run("validate", expect=0, environ=named).err


def test_all_that_nobody_names_is_told_at_once(project: Project) -> None:
    """Both commands report a missing bucket, project and location together, each with file and line."""
    declare(project, LOCAL)
    elsewhere = {"GOOGLE_GEMINI_BASE_URL": None, "GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.x"}
    refused = project.plan(expect=1, environ=elsewhere).err
    for missing in ("no bucket is set", "no project is set for", "no location is set for"):
        assert missing in refused
    assert refused.count("manifests/models.yaml:") == 3
    assert refused.splitlines()[-1] == "3 errors."
    assert project.run("validate", expect=1).err.count("manifests/models.yaml:") == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("location", "evil.example/"),
        ("location", "us-central1-a"),
        ("project", "My Project"),
        ("bucket", "evil"),
        ("endpoint", "https://evil.example"),
        ("state", "https://evil.example/s"),
        ("state", "https://user:pw@127.0.0.1/s"),
    ],
)
def test_the_stacks_values_are_checked_offline(project: Project, field: str, value: str) -> None:
    """Values of the Stack are checked like a manifest's, with file and line.

    They never redirect a credential.
    """
    stack = {
        "apiVersion": "reconciler/v1",
        "kind": "Stack",
        "metadata": {"name": "s"},
        "spec": {field: value},
    }
    project.declare(stack, model("one"))
    err = project.run("validate", expect=1).err
    assert "manifests/models.yaml:" in err
    assert "pw" not in err
