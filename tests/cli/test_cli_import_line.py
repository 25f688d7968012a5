"""`metadata.import`: a line of the manifest takes over a live model and never trains it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.harness import PAIRS, Project, Service, model, stack
from tests.cli.test_cli_meaning import by_hand, upload
from tests.cli.test_tuning_job import HOME, SPEC, job, posted


def tuned(name: str = "one", **changes: Any) -> dict[str, Any]:
    """A manifest without data that imports the model made by hand."""
    manifest = model(name, metadata={"import": "handmade"}, spec={"display_name": "handmade"}, **changes)
    del manifest["spec"]["tuning_task"]["training_data"]
    return manifest


def made_by_hand(project: Project) -> Service:
    """Return the service with one unrecorded model and an empty log."""
    service = project.service
    service.create("handmade")
    service.advance()
    service.forget_log()
    return service


@pytest.fixture
def jobs(project: Project) -> Project:
    """A project with the second API on the same emulator, and data in a bucket."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    for name, pairs in (("train", PAIRS), ("copy", PAIRS), ("other", PAIRS[:1])):
        upload(project.service, name, pairs)
    return project


def declare_job(project: Project, manifest: dict[str, Any]) -> None:
    """Declare a job in a stack of the project acme."""
    project.declare(stack("numbers", project="acme", location="us-central1"), manifest)


def test_a_tuned_model_is_taken_over_for_life(project: Project) -> None:
    """The line adopts the model, the next apply changes nothing, and a lost state finds it again.

    Nothing trains.
    """
    service = made_by_hand(project)
    project.declare(tuned())
    (change,) = project.plan_json()["resource_changes"]
    assert change["change"]["actions"] == ["no-op"]
    assert change["change"]["importing"] == {"id": "handmade"}
    project.apply()
    assert project.record("one")["id"] == "handmade"
    project.settled()
    before = project.state_file.read_bytes()
    project.apply()
    assert project.state_file.read_bytes() == before
    project.state_file.unlink()
    project.apply()
    project.settled()
    assert service.sent("POST", "PATCH", "DELETE") == []


def test_a_model_without_data_is_managed_and_deleted(project: Project) -> None:
    """A model without data is updated and checked for drift, never replaced, and deleted when undeclared."""
    service = made_by_hand(project)
    project.declare(tuned())
    project.apply()
    manifest = tuned()
    manifest["spec"]["temperature"] = 0.5
    project.declare(manifest)
    project.apply()
    assert service.models()["handmade"]["temperature"] == 0.5
    service.patch("handmade", "temperature", temperature=0.9)
    project.run("drift", expect=2)
    project.apply()
    refused = project.plan("--replace", "one", expect=1)
    assert "its manifest has no data" in refused.err
    assert "manifests/models.yaml" in refused.err
    project.declare(model("two", metadata={"id": "handmade-2"}, hyperparameters={"epoch_count": 2}))
    project.apply()
    assert set(service.models()) == {"handmade-2"}
    assert service.creates() == 1


def test_a_model_in_training_is_waited_for(project: Project) -> None:
    """A model in training is recorded as the candidate and serves when the training ends."""
    service = project.service
    service.freeze()
    service.create("handmade")
    service.forget_log()
    project.declare(tuned())
    project.apply("--no-wait")
    assert "TunedModel/one  handmade" in project.plan().out
    service.advance()
    project.run("wait", expect=0)
    project.settled()
    assert service.sent("POST", "PATCH", "DELETE") == []


def test_a_model_that_is_not_there_is_an_error_at_the_line(project: Project) -> None:
    """A missing model is an error at the line, with or without data.

    So is one that somebody deleted later.
    """
    service = project.service
    project.declare(model("one", metadata={"import": "handmade"}, spec={"display_name": "handmade"}))
    refused = project.apply(expect=1)
    assert "metadata.import names handmade, which does not exist" in refused.err
    assert "manifests/models.yaml:" in refused.err
    service.create("handmade")
    service.advance()
    project.apply()
    service.delete("handmade")
    service.forget_log()
    project.environ["RECONCILER_LAG_SECONDS"] = "0"
    refused = project.plan(expect=1)
    assert "and metadata.import never trains" in refused.err
    assert service.sent("POST", "PATCH", "DELETE") == []


def test_the_list_shows_what_is_imported(project: Project) -> None:
    """Models that the list shows need no request each."""
    service = made_by_hand(project)
    project.declare(tuned())
    project.plan()
    assert [path for _, path in service.sent("GET") if path.endswith("/handmade")] == []


@pytest.mark.parametrize("how", ["number", "name", "id"])
def test_a_job_is_taken_over_for_life(jobs: Project, service: Service, how: str) -> None:
    """A job can be named by its number, or by its name with the project's id or number."""
    name = by_hand(service)
    number = name.rpartition("/")[2]
    said = {"number": number, "name": name, "id": f"{HOME.removeprefix('v1/')}/tuningJobs/{number}"}[how]
    said = said.replace("projects/local/", "projects/acme/")
    service.forget_log()
    manifest = job(metadata={"import": said})
    del manifest["spec"][SPEC]["training_dataset_uri"]
    declare_job(jobs, manifest)
    jobs.apply()
    jobs.settled()
    before = jobs.state_file.read_bytes()
    jobs.apply()
    assert jobs.state_file.read_bytes() == before
    jobs.state_file.unlink()
    jobs.apply()
    jobs.settled()
    assert service.sent("POST", "PATCH", "DELETE") == []


def test_a_job_is_compared_with_its_data_as_import_does(jobs: Project, service: Service) -> None:
    """Data with other content is refused.

    The same content in another place is accepted, and nothing trains.
    """
    name = by_hand(service)
    for data in ("other", "never-used"):
        declare_job(jobs, job(data=f"gs://bucket/{data}.jsonl", metadata={"import": name}))
        jobs.apply(expect=1)
    declare_job(jobs, job(data="gs://bucket/copy.jsonl", metadata={"import": name}))
    jobs.apply()
    jobs.settled()
    assert posted(service) == 1


def test_the_command_prints_the_line_for_a_job(jobs: Project, service: Service) -> None:
    """With the line that `import` prints, a job is found again when the state is lost."""
    name = by_hand(service)
    manifest = job(data="gs://bucket/train.jsonl")
    declare_job(jobs, manifest)
    line = jobs.run("import", "bot", name, expect=0).out.strip()
    assert line == f"import: {name}"
    manifest["metadata"]["import"] = name
    declare_job(jobs, manifest)
    jobs.settled()
    jobs.run("import", "bot", name, expect=1)
    jobs.state_file.unlink()
    jobs.apply()
    jobs.settled()
    assert posted(service) == 1
