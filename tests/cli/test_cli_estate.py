"""`import --all`: one command and one apply take over other people's models without training."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
from typing import Any

import pytest
import requests

from tests.cli.harness import PAIRS, Project, Service, model, stack
from tests.cli.test_cli_meaning import upload
from tests.cli.test_tuning_job import HOME

EACH = 20
CRASH_POINT = str(pathlib.Path(__file__).parents[1] / "lifecycle" / "crash_point.py")


@pytest.fixture
def project(project: Project) -> Project:
    """A Stack with the emulator's project, both APIs on one emulator, and data in a bucket."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    upload(project.service, "train", PAIRS)
    upload(project.service, "valid", PAIRS[:5])
    project.declare(stack("numbers", project="local", location="us-central1"))
    return project


def post_job(service: Service, number: int = 0, **fields: Any) -> str:
    """Start a job by plain REST, without the client. Returns the job's name."""
    body = {
        **({} if "preTunedModel" in fields else {"baseModel": "gemini-3.1-flash-lite"}),
        "tunedModelDisplayName": f"Support {number}",
        "description": f'answers, {number}: "fast"',
        "labels": {"team": "support"},
        "supervisedTuningSpec": {
            "trainingDatasetUri": "gs://bucket/train.jsonl",
            "validationDatasetUri": "gs://bucket/valid.jsonl",
            "hyperParameters": {"epochCount": "3", "adapterSize": "ADAPTER_SIZE_FOUR"},
        },
        **fields,
    }
    return str(service.call("POST", f"{HOME}/tuningJobs", body)["name"])


def build_estate(service: Service) -> None:
    """Create models of other people and let every training end. The last job is tuned from the one before."""
    made = ""
    for number in range(EACH):
        service.create(f"handmade-{number}", displayName=f"Numbers no. {number}", temperature=0.3)
        parent = {}
        if number == EACH - 1:
            service.advance(100_000)
            model_name = service.call("GET", f"v1/{made}")["tunedModel"]["model"]
            parent = {"preTunedModel": {"tunedModelName": model_name}}
        made = post_job(service, number, **parent) if number else post_job(service)
        service.advance()
    service.advance(100_000)
    service.forget_log()


def test_an_estate_is_taken_over(project: Project) -> None:
    """One command and one apply take over 20 jobs and 20 tuned models.

    Nothing trains, and the next plan is empty.
    """
    service = project.service
    build_estate(service)
    taken = project.run("import", "--all")
    assert f"{2 * EACH} manifests written." in taken.out
    assert not project.state_file.exists()
    assert service.sent("POST", "PATCH", "DELETE") == []
    planned = project.plan_json()
    assert [entry["change"]["actions"] for entry in planned["resource_changes"]] == [["no-op"]] * 2 * EACH
    assert all("importing" in entry["change"] for entry in planned["resource_changes"])
    project.apply()
    assert service.sent("POST", "PATCH", "DELETE") == []
    assert len(project.recorded()) == 2 * EACH
    project.settled()
    again = project.run("import", "--all")
    assert again.out == f"0 manifests written.\nLeft out: {2 * EACH} recorded or declared already\n"


def test_a_manifest_is_pleasant_to_read(project: Project) -> None:
    """A manifest has what the service shows, and the data's place or a note that it is unknown."""
    service = project.service
    service.create("handmade", displayName="Zahlen: größer", temperature=0.3)
    name = post_job(service)
    service.advance(100_000)
    project.run("import", "--all")
    folder = project.root / "manifests"
    assert (
        (folder / "support-0.yaml").read_text(encoding="utf-8")
        == f"""\
apiVersion: reconciler/v1
kind: TuningJob
metadata:
  name: support-0
  import: {name}
spec:
  base_model: gemini-3.1-flash-lite
  supervised_tuning_spec:
    hyper_parameters:
      epoch_count: 3
      learning_rate_multiplier: 1
      adapter_size: ADAPTER_SIZE_FOUR
    training_dataset_uri: gs://bucket/train.jsonl
    validation_dataset_uri: gs://bucket/valid.jsonl
  tuned_model_display_name: Support 0
  description: "answers, 0: \\"fast\\""
  labels: {{team: support}}
"""
    )
    assert (
        (folder / "zahlen-grosser.yaml").read_text(encoding="utf-8")
        == """\
apiVersion: reconciler/v1
kind: TunedModel
metadata:
  name: zahlen-grosser
  import: tunedModels/handmade
spec:
  base_model: models/gemini-1.0-pro-001
  display_name: "Zahlen: größer"
  temperature: 0.3
  top_p: 1
  top_k: 1
  tuning_task:
    hyperparameters:
      batch_size: 4
      epoch_count: 5
      learning_rate: 0.001
    # The service does not show the training data. Under metadata.import it may be left out.
"""
    )


def crash(project: Project, number: int, when: str, *command: str) -> None:
    """Run a command that kills itself; see tests/lifecycle/crash_point.py."""
    line = [sys.executable, CRASH_POINT, str(number), when, *command]
    died = subprocess.run(line, cwd=project.root, env=project.env(), capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died


@pytest.mark.thorough
def test_the_next_run_finishes_after_a_crash(project: Project) -> None:
    """A run that was killed while it wrote manifests or records is finished by the next. Nothing trains."""
    service = project.service
    build_estate(service)
    crash(project, 8, "link", "import", "--all")
    written = sorted(file.name for file in (project.root / "manifests").glob("*.yaml"))
    # The run wrote the Stack and seven manifests before the crash.
    assert len(written) == 1 + 7
    (left,) = (project.root / "manifests").glob(".*.tmp")
    project.run("validate")
    project.run("import", "--all")
    assert not left.exists()
    crash(project, 1, "after", "apply", "--auto-approve")
    project.apply()
    assert service.sent("POST", "PATCH", "DELETE") == []
    assert len(project.recorded()) == 2 * EACH
    project.settled()


def test_what_others_manage_is_left_out(project: Project) -> None:
    """Models with our label or a name like ours are left out, unless the user asks for them."""
    service = project.service
    service.create("bot-abcdefgh", displayName="bot")
    service.create("mine", displayName="mine")
    labelled = post_job(service, 1, labels={"reconciler_id": "support-abcdefgh"})
    service.advance(100_000)
    document = project.run("import", "--all", "--json").json()
    assert [entry["address"] for entry in document["written"]] == ["TunedModel/mine"]
    foreign = [entry["name"] for entry in document["left_out"] if entry["reason"] == "foreign"]
    assert foreign == ["tunedModels/bot-abcdefgh", labelled]
    shown = project.run("import", "--all").out
    assert "Left out: 2 labelled or named by Reconciler, and no manifest here explains it" in shown
    taken = project.run("import", "--all", "--include-foreign", "--json").json()
    assert [entry["address"] for entry in taken["written"]] == ["TunedModel/bot", "TuningJob/support-1"]
    project.apply()
    assert service.sent("PATCH", "DELETE") == []
    project.settled()


def test_what_a_manifest_explains_is_not_foreign(project: Project) -> None:
    """A declared model gets no second manifest after its state was lost. The next apply adopts it."""
    project.declare(model("bot"), stack("numbers", project="local", location="us-central1"))
    project.apply()
    project.state_file.unlink()
    document = project.run("import", "--all", "--json").json()
    assert document["counts"] == {
        "written": 0, "managed": 1, "filtered": 0, "foreign": 0,
        "failed": 0, "gone": 0, "odd": 0, "invalid": 0,
    }  # fmt: skip


def test_jobs_without_a_model_are_counted(project: Project) -> None:
    """Failed jobs and jobs with a deleted model are left out, and counted separately."""
    service = project.service
    gone = post_job(service, 1)
    service.advance(100_000)
    project.run("import", "--all")
    project.apply()
    project.run("destroy", "--auto-approve")
    (project.root / "manifests" / "support-1.yaml").unlink()
    failed = post_job(service, 2)
    service.call("POST", f"v1/{failed}:cancel", {})
    service.advance(100_000)
    shown = project.run("import", "--all").out
    assert f"Left out: 1 failed to train: {failed}\n" in shown
    assert f"Left out: 1 a job whose model was deleted: {gone}\n" in shown


def test_a_selection_goes_into_a_folder_of_its_own(project: Project) -> None:
    """--kind and --filter select models, --out must be inside PATH, and existing files stay unchanged."""
    service = project.service
    for id in ("one", "two", "three"):
        service.create(id, displayName="Same name")
    service.advance(100_000)
    post_job(service)
    mine = project.write("manifests/taken/same-name.yaml", "# mine\n")
    line = ("import", "--all", "--kind", "TunedModel", "--filter", "t*", "--out", "manifests/taken")
    document = project.run(*line, "--json").json()
    assert [(entry["address"], entry["import"], entry["file"]) for entry in document["written"]] == [
        ("TunedModel/same-name", "tunedModels/two", "manifests/taken/same-name-tunedmodel.yaml"),
        ("TunedModel/same-name-2", "tunedModels/three", "manifests/taken/same-name-2.yaml"),
    ]
    assert document["counts"]["filtered"] == 1
    assert mine.read_text(encoding="utf-8") == "# mine\n"
    for folder, words in (("elsewhere", "is not inside"), ("manifests/.hidden", "is hidden"),
                          ("manifests/taken/same-name.yaml", "is a file")):  # fmt: skip
        assert words in project.run(*line[:-1], folder, expect=1).err
    assert "belong to --all" in project.run("import", "--filter", "x", expect=1).err
    assert "Error: ADDR is missing\n" in project.run("import", expect=1).err


def test_data_that_cannot_be_read_is_a_comment(project: Project) -> None:
    """The manifest keeps the unreadable address as a comment with the reason. The model is managed anyway."""
    service = project.service
    post_job(service)
    service.advance(100_000)
    assert requests.delete(f"{service.url}/storage/v1/b/bucket/o/train.jsonl", timeout=5).ok
    project.run("import", "--all")
    text = (project.root / "manifests" / "support-0.yaml").read_text(encoding="utf-8")
    assert "    # training_dataset_uri: gs://bucket/train.jsonl (it does not exist any more)\n" in text
    assert "    # validation_dataset_uri: gs://bucket/valid.jsonl (left out like the other)\n" in text
    project.apply()
    project.settled()


def test_a_service_that_is_not_set_up_is_left_out_with_the_reason(project: Project) -> None:
    """If one API refuses, the models of the other API are still taken over."""
    project.service.create("mine", displayName="mine")
    project.service.advance()
    refusal = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not for you"}}
    project.service.fault(
        {"method": "GET", "path": "tuningJobs$", "times": 9, "status": 403, "body": refusal}
    )
    shown = project.run("import", "--all").out
    assert "1 manifest written." in shown
    assert "Left out: every TuningJob, because its service could not be asked: " in shown
    refused = project.run("import", "--all", "--kind", "TuningJob", expect=1)
    assert "not for you" in refused.err


SDK = """
import sys
import time
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import types

url, data = sys.argv[1:]

def finish(client, job):
    until = time.monotonic() + 30
    while not job.has_ended and time.monotonic() < until:
        time.sleep(0.05)
        job = client.tunings.get(name=job.name)
    assert job.has_succeeded, job
    return job

options = types.HttpOptions(base_url=url, api_version="v1beta")
client = genai.Client(api_key="k", vertexai=False, http_options=options)
examples = [types.TuningExample(text_input=str(n), output=str(n + 1)) for n in range(20)]
config = types.CreateTuningJobConfig(
    epoch_count=5, batch_size=4, learning_rate=0.001, tuned_model_display_name="by an SDK")
finish(client, client.tunings.tune(
    base_model="models/gemini-1.0-pro-001",
    training_dataset=types.TuningDataset(examples=examples), config=config))

credentials = AnonymousCredentials()
credentials.token = "t"
client = genai.Client(
    vertexai=True, project="local", location="us-central1", credentials=credentials,
    http_options=types.HttpOptions(base_url=url))
config = types.CreateTuningJobConfig(
    tuned_model_display_name="by an SDK", description="counts", epoch_count=2, learning_rate_multiplier=1.5,
    adapter_size=types.AdapterSize.ADAPTER_SIZE_FOUR, labels={"team": "red"},
    validation_dataset=types.TuningValidationDataset(gcs_uri=data))
job = finish(client, client.tunings.tune(
    base_model="gemini-3.1-flash-lite", training_dataset=types.TuningDataset(gcs_uri=data), config=config))
finish(client, client.tunings.tune(
    base_model="gemini-3.1-flash-lite", training_dataset=types.TuningDataset(gcs_uri=data)))
print(job.name)
"""


def test_what_googles_own_client_made_is_taken_over(project: Project) -> None:
    """google-genai tunes for both APIs, with and without settings. The plan after one apply is empty."""
    service = project.service
    service.settings(training_seconds=0.2)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SDK, service.url, "gs://bucket/train.jsonl"],
        env=project.env({"PYTHONPATH": None, "no_proxy": "*"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    service.forget_log()
    assert "3 manifests written." in project.run("import", "--all", expect=0).out
    project.apply()
    assert service.sent("POST", "PATCH", "DELETE") == []
    assert sorted(address.partition("/")[0] for address in project.recorded()) == [
        "TunedModel",
        "TuningJob",
        "TuningJob",
    ]
    project.settled()
    assert project.run("drift", expect=0).code == 0
