"""A job's place and training data are compared by meaning, through the emulator's answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import requests

from tests.cli.harness import PAIRS, Project, Service, stack, until
from tests.cli.test_tuning_job import SPEC, job, posted
from tests.limits import repeats

HOME = "v1/projects/acme/locations/us-central1"


@pytest.fixture
def project(project: Project) -> Project:
    """A project with the second API on the same emulator, and data in a bucket."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    for name in ("train", "copy"):
        upload(project.service, name, PAIRS)
    upload(project.service, "other", PAIRS[:1])
    return project


def upload(service: Service, name: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Upload an object of chat lines to the bucket "bucket"."""
    lines = "".join(
        json.dumps(
            {
                "contents": [
                    {"role": "user", "parts": [{"text": text}]},
                    {"role": "model", "parts": [{"text": output}]},
                ]
            }
        )
        + "\n"
        for text, output in pairs
    )
    path = f"{service.url}/upload/storage/v1/b/bucket/o?uploadType=media&name={name}.jsonl"
    assert requests.post(path, data=lines, timeout=5).ok


def declared(data: str = "train", **metadata: str) -> dict[str, Any]:
    """A manifest that names its data in the bucket."""
    return job(data=f"gs://bucket/{data}.jsonl", metadata=metadata)


def by_hand(service: Service, **spec: str) -> str:
    """Start a job without the client. Returns its full name with the project's number."""
    body = {
        "baseModel": "gemini-3.1-flash-lite",
        "supervisedTuningSpec": {
            "trainingDatasetUri": "gs://bucket/train.jsonl",
            "hyperParameters": {"epochCount": "3"},
            **spec,
        },
    }
    made: str = service.call("POST", f"{HOME}/tuningJobs", body)["name"]
    until(lambda: service.call("GET", f"v1/{made}").get("state") == "JOB_STATE_SUCCEEDED")
    return made


def in_project(project: Project, *manifests: dict[str, Any]) -> None:
    """Declare the manifests in a stack of the project acme."""
    project.declare(stack("numbers", project="acme", location="us-central1"), *manifests)


@pytest.mark.parametrize("how", ["id", *repeats("number", "inherited", "location")])
def test_naming_the_place_that_is_in_effect_changes_nothing(
    project: Project, service: Service, how: str
) -> None:
    """Adding the current project and location to a manifest replaces nothing, with or without state."""
    in_project(project, declared())
    project.apply()
    number = service.call("GET", f"{HOME}/tuningJobs")["tuningJobs"][0]["name"].split("/")[1]
    named = {
        "id": {"project": "acme"},
        "number": {"project": number},
        "inherited": {},
        "location": {"location": "us-central1", "project": "acme"},
    }[how]
    in_project(project, declared(**named))
    assert project.run("plan", "--detailed-exitcode").code == 0
    assert project.run("drift").code == 0
    project.apply()
    project.state_file.unlink()
    project.apply()
    assert posted(service) == 1


def test_a_real_move_replaces(project: Project, service: Service) -> None:
    """Another location means a replacement, and the plan names both locations."""
    in_project(project, declared())
    project.apply()
    in_project(project, declared(location="europe-west4"))
    plan = project.run("plan", "--detailed-exitcode", expect=2)
    assert 'location = "us-central1" -> "europe-west4"' in plan.out
    assert posted(service) == 1


@pytest.mark.parametrize("how", ["id", "number", "inherited"])
def test_import_takes_a_job_of_the_named_project(project: Project, service: Service, how: str) -> None:
    """Import accepts a job whose name has the project's number where the manifest has its id."""
    name = by_hand(service)
    number = name.split("/")[1]
    in_project(project, declared(**{"id": {"project": "acme"}, "number": {"project": number}}.get(how, {})))
    project.run("import", "bot", name, expect=0)
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_import_refuses_another_data_address(project: Project, service: Service) -> None:
    """Import refuses data that is mistyped, missing or different. It accepts the same content elsewhere."""
    name = by_hand(service)
    for data in ("never-used", "other"):
        in_project(project, declared(data))
        refused = project.run("import", "bot", name, expect=1)
        assert (
            f"training_dataset_uri is 'gs://bucket/train.jsonl', declared 'gs://bucket/{data}" in refused.err
        )
    in_project(project, declared("copy"))
    project.run("import", "bot", name, expect=0)
    assert '"digest": ""' not in (project.root / "state" / "default.json").read_text()
    in_project(project, declared())
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_import_refuses_a_validation_set_that_the_job_never_had(project: Project, service: Service) -> None:
    """Import refuses a manifest with a validation set that the job lacks, and the reverse."""
    plain = by_hand(service)
    validated = by_hand(service, validationDatasetUri="gs://bucket/other.jsonl")
    both = job(data="gs://bucket/train.jsonl", spec={"validation_dataset_uri": "gs://bucket/other.jsonl"})
    in_project(project, both)
    assert f"{SPEC}.validation_dataset_uri is none" in project.run("import", "bot", plain, expect=1).err
    in_project(project, declared())
    assert "does not declare" in project.run("import", "bot", validated, expect=1).err
    in_project(project, both)
    project.run("import", "bot", validated, expect=0)
    assert project.run("plan", "--detailed-exitcode").code == 0


def test_import_refuses_data_that_is_gone(project: Project, service: Service) -> None:
    """Import never records a model with an empty data digest."""
    name = by_hand(service)
    in_project(project, declared())
    gone = f"{service.url}/storage/v1/b/bucket/o/train.jsonl"
    assert requests.delete(gone, timeout=5).ok
    assert "gs://bucket/train.jsonl does not exist" in project.run("import", "bot", name, expect=1).err
