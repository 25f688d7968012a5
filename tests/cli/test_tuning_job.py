"""Vertex AI's tuning jobs as users meet them: a folder, the command, an emulator."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from collections.abc import Sequence
from typing import Any

import pytest
import requests

from tests.cli.harness import PAIRS, Project, Service, finish, kill, model, stack, until

HOME = "v1/projects/local/locations/us-central1"
MODELS_HOME = "v1/projects/local/locations/us"
SPEC = "supervised_tuning_spec"
ANSWER = {"role": "model", "parts": [{"text": "2"}]}


@pytest.fixture
def project(project: Project) -> Project:
    """A project with the second API on the same emulator, with quick deletions."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    project.service.control("settings", {"vertex_operation_seconds": 0.05, "vertex_cancel_seconds": 0.05})
    write_data(project)
    return project


def write_data(project: Project, pairs: Sequence[tuple[str, str]] = PAIRS, name: str = "n.jsonl") -> None:
    """Write a data file beside the manifests."""
    lines = [json.dumps({"text_input": text, "output": output}) for text, output in pairs]
    project.write(f"manifests/{name}", "\n".join(lines) + "\n")


def job(
    name: str = "bot", *, data: str = "n.jsonl", spec: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """A manifest; changes are merged into its spec, other keys of the envelope stand in `beside`.

    It keeps no replaced model unless it says so.
    """
    beside = changes.pop("beside", {})
    metadata = {"name": name, **changes.pop("metadata", {})}
    body = {
        "base_model": "gemini-3.1-flash-lite",
        SPEC: {"training_dataset_uri": data, "hyper_parameters": {"epoch_count": 3}, **(spec or {})},
        **changes,
    }
    return {
        "apiVersion": "reconciler/v1",
        "kind": "TuningJob",
        "metadata": metadata,
        "spec": body,
        "lifecycle": {"keep_deposed": "0s"},
        **beside,
    }


def listed(service: Service, collection: str) -> list[dict[str, Any]]:
    """All items of a collection, in the region of the jobs and in its multi-region."""
    answers = [service.call("GET", f"{home}/{collection}") for home in (HOME, MODELS_HOME)]
    return [item for answer in answers for item in answer.get(collection, [])]


def posted(service: Service) -> int:
    """How many jobs were created."""
    return sum(
        request["method"] == "POST" and request["path"].endswith("/tuningJobs") and request["effect"]
        for request in service.log()
    )


def uploads(service: Service) -> int:
    """How many objects were uploaded."""
    return sum(
        request["method"] == "POST" and "/upload/storage/" in request["path"] for request in service.log()
    )


def only(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The only item, which must exist."""
    assert len(found) == 1, found
    return found[0]


def test_a_life(project: Project, service: Service) -> None:
    """A job is trained once and then left alone.

    Changed fields are patched, and destroy deletes everything.
    """
    check = {"checks": [{"prompt": "1", "expect": "2"}]}
    project.declare(job(tuned_model_display_name="Bot", labels={"team": "a"}, beside=check))
    project.apply()
    project.settled()
    assert (posted(service), uploads(service)) == (1, 1)
    before = project.state_file.read_bytes()
    project.apply()
    assert (posted(service), uploads(service)) == (1, 1)
    assert project.state_file.read_bytes() == before
    endpoint = project.run("output", "TuningJob/bot", expect=0).out.strip()
    assert endpoint in {endpoint["name"] for endpoint in listed(service, "endpoints")}
    assert project.run("output", "--format", "env", expect=0).out.strip() == f"TUNINGJOB_BOT={endpoint}"
    assert only(project.run("status", "--json", expect=0).json()["models"])["endpoint"] == endpoint
    assert project.run("generate", "bot", "7", expect=0).out == "8\n"
    assert project.run("test", expect=0).out.startswith("passed  TuningJob/bot  ")
    shown = project.run("show", "bot", expect=0).out
    assert endpoint in shown
    assert re.search(r"^ +training_dataset_uri +20 examples, ", shown, re.MULTILINE), shown

    project.declare(
        job(tuned_model_display_name="Bot 2", description="up", labels={"team": "b", "x": ""}, beside=check)
    )
    assert project.actions() == {"TuningJob/bot": [["update"]]}
    project.apply()
    project.settled()
    tuned = only(listed(service, "models"))
    assert (tuned["displayName"], tuned["description"], tuned["labels"]["team"]) == ("Bot 2", "up", "b")
    assert "reconciler_id" in tuned["labels"]
    assert posted(service) == 1

    project.run("destroy", "--auto-approve", expect=0)
    assert (listed(service, "models"), listed(service, "endpoints")) == ([], [])
    assert project.recorded() == []


def test_changed_data_is_trained_beside_what_serves(project: Project, service: Service) -> None:
    """With changed data a new job trains and serves. Then the old endpoints and model are deleted."""
    project.declare(job())
    project.apply()
    old = project.run("output", "bot", expect=0).out.strip()
    write_data(project, PAIRS[1:])
    assert project.actions() == {"TuningJob/bot": [["create", "delete"]]}
    project.apply()
    new = project.run("output", "bot", expect=0).out.strip()
    assert new != old
    assert old not in {endpoint["name"] for endpoint in listed(service, "endpoints")}
    assert len(listed(service, "models")) == 1
    project.settled()
    assert (posted(service), uploads(service)) == (2, 2)


def deploy_elsewhere(service: Service, name: str, *, traffic: int = 100) -> tuple[str, str]:
    """Deploy a model to a new endpoint without the client, with so many percent of its traffic.

    Returns the endpoint and the deployed model's id.
    """
    at_once = {"vertex_create_endpoint_seconds": 0, "vertex_deploy_seconds": 0}
    service.call("POST", "emulator/settings", at_once)
    theirs = service.call("POST", f"{MODELS_HOME}/endpoints", {"displayName": "theirs"})["response"]["name"]
    split = {"trafficSplit": {"0": traffic}} if traffic else {}
    body = {"deployedModel": {"model": name, "displayName": "theirs"}, **split}
    made = service.call("POST", f"v1/{theirs}:deployModel", body)["response"]["deployedModel"]
    return theirs, made["id"]


def test_a_replaced_model_with_traffic_elsewhere_is_kept(project: Project, service: Service) -> None:
    """A replaced model on another endpoint with traffic is kept, and the endpoint is named.

    Once undeployed there, the model is deleted.
    """
    project.declare(job())
    project.apply()
    old = only(listed(service, "models"))["name"]
    theirs, deployed = deploy_elsewhere(service, old)
    write_data(project, PAIRS[1:])
    project.apply()
    for command in (["plan", "--detailed-exitcode"], ["apply", "--auto-approve"], ["wait"]):
        result = project.run(*command, expect=0)
        if command != ["wait"]:
            assert f"it has traffic on {theirs}" in result.all
        assert len(listed(service, "models")) == 2
    assert service.call("GET", f"v1/{theirs}")["deployedModels"][0]["model"].startswith(old)
    service.call("POST", f"v1/{theirs}:undeployModel", {"deployedModelId": deployed})
    until(lambda: not service.call("GET", f"v1/{theirs}").get("deployedModels"))
    project.run("wait", expect=0)
    assert old not in {found["name"] for found in listed(service, "models")}
    assert [found["name"] for found in listed(service, "endpoints")].count(theirs) == 1
    project.settled()


def test_traffic_that_came_after_the_plan_holds_the_deletion(project: Project, service: Service) -> None:
    """A check right before the deletion finds new traffic.

    Then neither the model nor its endpoints are deleted.
    """
    project.declare(job())
    project.apply()
    serving = project.run("output", "bot", expect=0).out.strip()
    write_data(project, PAIRS[1:])
    project.plan("--out", "new.plan")
    theirs, _ = deploy_elsewhere(service, only(listed(service, "models"))["name"])
    result = project.run("apply", "new.plan", expect=0)
    assert f"it has traffic on {theirs}" in result.all
    assert len(listed(service, "models")) == 2
    assert serving in {found["name"] for found in listed(service, "endpoints")}
    methods = {note["method"] for note in service.log() if note["path"].endswith(serving)}
    assert "DELETE" not in methods


def test_a_model_on_somebody_elses_endpoint_is_kept_with_its_own(project: Project, service: Service) -> None:
    """Without traffic there too: nothing of it is deleted, the endpoint is named, and it is no failure.

    The service refuses to delete such a model, so its own endpoint must not be deleted before it. `destroy`
    keeps it too, and deletes it once it is undeployed.
    """
    project.declare(job())
    project.apply()
    serving = project.run("output", "bot", expect=0).out.strip()
    old = only(listed(service, "models"))["name"]
    theirs, deployed = deploy_elsewhere(service, old, traffic=0)
    write_data(project, PAIRS[1:])
    said = f"it stands on {theirs}, which the tuning service did not make for it; it is kept until then"
    assert said in project.apply().all
    assert serving in {found["name"] for found in listed(service, "endpoints")}
    assert old in {found["name"] for found in listed(service, "models")}
    assert said in project.run("destroy", "--auto-approve", expect=0).all
    assert [found["name"] for found in listed(service, "models")] == [old]
    assert serving in {found["name"] for found in listed(service, "endpoints")}
    service.call("POST", f"v1/{theirs}:undeployModel", {"deployedModelId": deployed})
    until(lambda: not service.call("GET", f"v1/{theirs}").get("deployedModels"))
    project.run("destroy", "--auto-approve", expect=0)
    assert listed(service, "models") == []
    assert [found["name"] for found in listed(service, "endpoints")] == [theirs]


def test_a_reverted_manifest_restores_the_former_job(project: Project, service: Service) -> None:
    """Reverting the manifest in time makes the replaced job serve again without training."""
    default: dict[str, Any] = {"lifecycle": {}}
    project.declare(job(beside=default))
    project.apply()
    old = project.run("output", "bot", expect=0).out.strip()
    write_data(project, PAIRS[1:])
    project.apply()
    new = project.run("output", "bot", expect=0).out.strip()
    assert (new != old, len(listed(service, "models")), posted(service)) == (True, 2, 2)
    write_data(project)
    project.apply()
    assert project.run("output", "bot", expect=0).out.strip() == old
    assert project.run("generate", "bot", "7", expect=0).out == "8\n"
    assert (len(listed(service, "models")), posted(service)) == (2, 2)
    project.settled()


def test_a_kill_between_post_and_record_trains_once(project: Project, service: Service) -> None:
    """After SIGKILL during the create's reply, the next run finds the job by its label."""
    project.declare(job())
    service.fault({"method": "POST", "path": "/tuningJobs$", "hang": True, "when": "after"})
    process = project.start("apply", "--auto-approve")
    until(lambda: listed(service, "tuningJobs"))
    kill(process)
    project.apply()
    project.settled()
    assert posted(service) == 1
    assert len(listed(service, "tuningJobs")) == 1


def test_a_kill_before_the_list_shows_it_trains_once(project: Project, service: Service) -> None:
    """After a kill, a job that the list does not show yet is looked for until the lag is over.

    No other POST is sent.
    """
    project.environ["RECONCILER_LAG_SECONDS"] = "6"
    project.declare(job())
    service.control("faults", [{"lag": 3, "what": "list", "path": "tuningJobs"}])
    service.fault({"method": "POST", "path": "/tuningJobs$", "hang": True, "when": "after"})
    process = project.start("apply", "--auto-approve")
    until(lambda: posted(service))
    kill(process)
    project.apply()
    project.settled()
    assert posted(service) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_reply_trains_once(project: Project, service: Service, when: str) -> None:
    """A connection lost before or after the effect leaves one job and one model."""
    project.declare(job())
    service.fault({"method": "POST", "path": "/tuningJobs$", "drop": True, "when": when})
    project.apply()
    project.settled()
    assert len(listed(service, "tuningJobs")) == 1


def test_state_can_be_thrown_away(project: Project, service: Service) -> None:
    """Without a state, a model is found by its label and nothing trains."""
    project.declare(job(), job("kid", base_model=None, pre_tuned_model={"tuned_model_name": "TuningJob/bot"}))
    declared = project.root / "manifests/models.yaml"
    declared.write_text(declared.read_text().replace('"base_model": null,', ""))
    project.apply()
    project.settled()
    assert posted(service) == 2
    project.state_file.unlink()
    project.apply()
    project.settled()
    assert posted(service) == 2


def test_data_in_a_bucket_is_known_by_its_content(project: Project, service: Service) -> None:
    """gs:// data is not downloaded.

    New content means a replacement, and a missing object is an error with a place.
    """
    project.declare(job(data="gs://data/train.jsonl"))
    result = project.plan(expect=1)
    assert "gs://data/train.jsonl does not exist" in result.err
    assert result.err.startswith("manifests/models.yaml:10:4: error: TuningJob/bot: ")
    put(service, "train.jsonl", PAIRS)
    project.apply()
    project.settled()
    put(service, "train.jsonl", PAIRS[1:])
    assert project.actions() == {"TuningJob/bot": [["create", "delete"]]}


def put(service: Service, name: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Put a chat JSONL object into the bucket."""
    import requests

    lines = [
        {
            "contents": [
                {"role": role, "parts": [{"text": text}]}
                for role, text in zip(("user", "model"), pair, strict=True)
            ]
        }
        for pair in pairs
    ]
    reply = requests.post(
        f"{service.url}/upload/storage/v1/b/data/o",
        params={"uploadType": "media", "name": name},
        data="\n".join(map(json.dumps, lines)).encode(),
        timeout=10,
    )
    assert reply.ok, reply.text


def test_a_lost_model_is_missing_and_a_lost_endpoint_is_a_failure(project: Project, service: Service) -> None:
    """Drift reports both. A finished job without its model is trained again, not adopted."""
    project.declare(job())
    project.apply()
    serving = project.run("output", "bot", expect=0).out.strip()
    tuned = only(listed(service, "models"))
    for endpoint in listed(service, "endpoints"):
        for deployed in endpoint["deployedModels"]:
            service.call("POST", f"v1/{endpoint['name']}:undeployModel", {"deployedModelId": deployed["id"]})
    until(lambda: not any(endpoint.get("deployedModels") for endpoint in listed(service, "endpoints")))
    service.call("DELETE", f"v1/{serving}")
    until(lambda: serving not in {endpoint["name"] for endpoint in listed(service, "endpoints")})
    failed = project.run("drift", expect=2)
    assert f"its endpoint {serving} does not exist" in failed.out
    assert f"deploy {tuned['name']}" in failed.out
    assert "is deployed to no other endpoint" in project.run("generate", "bot", "7", expect=1).err
    assert "TuningJob/bot has failed: " in project.plan("--detailed-exitcode", expect=2).out
    service.call("DELETE", f"v1/{tuned['name']}")
    until(lambda: not listed(service, "models"))
    project.environ["RECONCILER_LAG_SECONDS"] = "0.001"  # a model that is not shown counts as deleted
    assert "  - TuningJob/bot is missing: " in project.run("drift", expect=2).out
    assert project.actions() == {"TuningJob/bot": [["create"]]}
    project.apply()
    project.settled()
    assert posted(service) == 2


def test_a_model_that_was_deployed_elsewhere_serves_from_there(project: Project, service: Service) -> None:
    """If somebody deploys a model to another endpoint after its own was lost, nothing is trained again."""
    project.declare(job(labels={"team": "a"}))
    project.apply()
    serving = project.run("output", "bot", expect=0).out.strip()
    tuned = only(listed(service, "models"))
    (own,) = [endpoint for endpoint in listed(service, "endpoints") if endpoint["name"] == serving]
    undeploy = {"deployedModelId": own["deployedModels"][0]["id"]}
    service.call("POST", f"v1/{serving}:undeployModel", undeploy)
    until(lambda: not service.call("GET", f"v1/{serving}").get("deployedModels"))
    service.call("DELETE", f"v1/{serving}")
    until(lambda: serving not in {endpoint["name"] for endpoint in listed(service, "endpoints")})
    project.run("drift", expect=2)  # the endpoints of its other checkpoints do not serve it
    asked = {"displayName": tuned["displayName"], "labels": tuned["labels"]}
    service.call(
        "POST", "emulator/settings", {"vertex_create_endpoint_seconds": 0, "vertex_deploy_seconds": 0}
    )
    theirs = service.call("POST", f"{MODELS_HOME}/endpoints", asked)["response"]["name"]
    deploy = {"deployedModel": {"model": tuned["name"]}, "trafficSplit": {"0": 100}}
    service.call("POST", f"v1/{theirs}:deployModel", deploy)
    project.run("drift", expect=0)
    project.settled()
    assert project.run("output", "bot", expect=0).out.strip() == theirs
    assert project.run("generate", "bot", "7", expect=0).out == "8\n"
    project.declare(job(labels={"team": "b"}))
    project.apply()
    assert service.call("GET", f"v1/{theirs}")["labels"]["team"] == "b"
    project.run("destroy", "--auto-approve", expect=0)
    assert listed(service, "models") == []
    assert [endpoint["name"] for endpoint in listed(service, "endpoints")] == [theirs]
    assert posted(service) == 1


def test_a_failure_is_shown_and_not_repeated(project: Project, service: Service) -> None:
    """A FAILED job exits 4 with its error, and trains again only with --retry-failed."""
    project.declare(job(labels={"team": "red"}))
    service.control("faults", [{"train": "team=red", "fail": {"code": 8, "message": "out of tomatoes"}}])
    result = project.apply(expect=4)
    assert "out of tomatoes" in result.all
    assert "out of tomatoes" in project.apply(expect=4).all
    assert posted(service) == 1
    service.heal()
    project.apply("--retry-failed")
    project.settled()
    assert posted(service) == 2


def test_a_running_job_is_cancelled(project: Project, service: Service) -> None:
    """Destroying a job in training cancels it and leaves nothing. It can be trained again."""
    service.control("settings", {"training_seconds": 600})
    project.declare(job())
    project.apply("--no-wait")
    project.run("destroy", "--auto-approve", expect=0)
    assert only(listed(service, "tuningJobs"))["state"] == "JOB_STATE_CANCELLED"
    assert project.recorded() == []
    service.control("settings", {"training_seconds": 0.3})
    project.apply()
    project.settled()
    assert len(listed(service, "models")) == 1


def test_an_interrupt_detaches_and_wait_finishes(project: Project, service: Service) -> None:
    """SIGINT during a training exits 3. Then `wait` records and promotes, and nothing trains twice."""
    service.control("settings", {"training_seconds": 3})
    project.declare(job())
    process = project.start("apply", "--auto-approve")
    until(lambda: listed(service, "tuningJobs"))
    until(lambda: "tuningJobs/" in project.state_file.read_text())
    result = finish(process, signal.SIGINT)
    assert result.code == 3, result.all
    project.run("wait", expect=0)
    project.settled()
    assert posted(service) == 1


@pytest.mark.parametrize("over_quota", ["queue", "refuse"])
def test_a_quota_of_jobs_is_waited_out(project: Project, service: Service, over_quota: str) -> None:
    """With room for one job at a time, two jobs train one after the other and nothing fails."""
    service.control("settings", {"vertex_concurrent_jobs": 1, "vertex_over_quota": over_quota})
    project.declare(job("a"), job("b"))
    project.apply()
    project.settled()
    assert posted(service) == 2


def test_without_room_no_wait_is_unfinished(project: Project, service: Service) -> None:
    """With --no-wait, a job without room is reported as unfinished with exit 3. `wait` starts it later."""
    service.control("settings", {"vertex_concurrent_jobs": 1, "vertex_over_quota": "refuse"})
    project.declare(job("a"), job("b"))
    result = project.apply("--no-wait", expect=3)
    assert "no room" in result.all
    project.run("wait", expect=0)
    project.settled()
    assert posted(service) == 2


def said(status: int, canonical: str, message: str) -> dict[str, Any]:
    """An error in the API's own format."""
    return {"status": status, "body": {"error": {"code": status, "status": canonical, "message": message}}}


def test_a_create_that_is_not_found_is_not_asked_again(project: Project, service: Service) -> None:
    """After a create's 404 the advice is to check base model, place and access, not to apply again."""
    lost = said(404, "NOT_FOUND", "Publisher Model publishers/google/models/x was not found.")
    service.fault({"method": "POST", "path": "tuningJobs$", "times": 9, **lost})
    project.declare(job())
    result = project.apply(expect=None)
    assert result.code in {1, 4}
    assert "Check base_model (gemini-3.1-flash-lite), project " in result.all
    assert "nothing is trained twice" not in result.all


def test_a_base_model_that_has_retired_is_noted_in_the_plan(project: Project) -> None:
    """The plan succeeds and says when the base model retired and what can be tuned instead."""
    project.declare(job(base_model="gemini-2.5-flash"))
    shown = " ".join(project.plan(expect=0).out.split())
    assert (
        "Note: TuningJob/bot stands on gemini-2.5-flash, which retired on 20 October 2026, 40 days ago"
        in shown
    )
    assert "gemini-3.1-flash-lite can be tuned instead; it retires not before 7 May 2027." in shown
    assert "gemini-2.5-flash is not among the base models that are documented as tunable" in shown


def test_a_default_that_is_refused_is_called_one(project: Project, service: Service) -> None:
    """The error names a refused field that the manifest does not set."""
    refused = said(400, "INVALID_ARGUMENT", "The adapter size is not supported for this base model.")
    service.fault({"method": "POST", "path": "tuningJobs$", "times": 9, **refused})
    project.declare(job())
    shown = project.apply(expect=None).all
    assert f"spec.{SPEC}.hyper_parameters.adapter_size, which this manifest does not set" in shown


def test_a_bucket_that_may_not_be_read_names_the_role(project: Project, service: Service) -> None:
    """After a 403 of a bucket, the error names the missing role and the account that needs it."""
    service.fault({"method": "GET", "path": "/storage/v1/b/", "times": 9, **said(403, "", "Forbidden")})
    project.declare(job(data="gs://data/train.jsonl"))
    shown = project.plan(expect=1).err
    assert "Grant roles/storage.objectViewer on the bucket data to the account of this credential" in shown
    assert "service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com" in shown


def test_a_service_that_may_not_read_the_data_names_its_account(project: Project, service: Service) -> None:
    """If the service cannot read the data, the error names the role to grant and the service's account."""
    agent = "service-7@gcp-sa-aiplatform.iam.gserviceaccount.com"
    message = f"{agent} does not have storage.objects.get access to gs://data-1/train.jsonl."
    service.fault({"train": ".*", "fail": {"code": 7, "message": message}})
    project.declare(job())
    shown = project.apply(expect=4).all
    assert f"on the bucket data-1 to {agent}" in shown
    assert f"--member=serviceAccount:{agent} --role=roles/storage.objectViewer" in shown


def test_import_adopts_a_job(project: Project, service: Service) -> None:
    """Import adopts another person's finished job by its number or its name."""
    put(service, "train.jsonl", PAIRS)
    body = {
        "baseModel": "gemini-3.1-flash-lite",
        "supervisedTuningSpec": {"trainingDatasetUri": "gs://data/train.jsonl"},
    }
    made = service.call("POST", f"{HOME}/tuningJobs", body)
    until(lambda: listed(service, "models"))
    manifest = job()
    manifest["spec"][SPEC] = {"training_dataset_uri": "gs://data/train.jsonl"}
    project.declare(manifest)
    project.run("import", "TuningJob/bot", made["name"].rpartition("/")[2], expect=0)
    project.settled()
    assert posted(service) == 1


def test_one_stack_holds_both_kinds(project: Project, service: Service) -> None:
    """One stack plans, applies, calls and destroys both kinds together."""
    project.declare(stack("both-1a2b3c"), model("numbers"), job())
    project.apply()
    project.settled()
    names = project.run("output", "--format", "json", expect=0).json()
    assert names["TunedModel/numbers"].startswith("tunedModels/")
    assert "/endpoints/" in names["TuningJob/bot"]
    project.run("drift", expect=0)
    project.run("destroy", "--auto-approve", expect=0)
    assert service.models() == {}
    assert listed(service, "models") == []


def test_two_sorts_of_services_are_refused(project: Project) -> None:
    """An emulator for one kind and Google for the other is refused before any call."""
    project.declare(model("numbers"), job(metadata={"location": "us-central1", "project": "p-1"}))
    result = project.plan(
        expect=1, environ={"GOOGLE_VERTEX_BASE_URL": None, "GOOGLE_OAUTH_ACCESS_TOKEN": "t"}
    )
    assert "one is an emulator" in result.err


def test_an_api_key_is_no_credential_for_it(project: Project) -> None:
    """An API key is skipped at Google's own address, and the error says which credential is needed."""
    project.declare(job(metadata={"location": "us-central1", "project": "p-1"}))
    result = project.plan(
        expect=1,
        environ={
            "GOOGLE_VERTEX_BASE_URL": None,
            "GOOGLE_GEMINI_BASE_URL": None,
            "GEMINI_API_KEY": "k",
            "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json",
        },
    )
    assert "refuses API keys" in result.err


def test_offline_commands_need_no_project(project: Project) -> None:
    """Offline commands work without project and location. A plan says which setting is missing."""
    project.declare(stack("s", bucket="gs://bucket/data"), job())
    elsewhere = {"GOOGLE_VERTEX_BASE_URL": None, "GOOGLE_GEMINI_BASE_URL": None}
    project.run("validate", expect=0, environ=elsewhere)
    project.run("state", "list", expect=0, environ=elsewhere)
    result = project.plan(expect=1, environ={**elsewhere, "GOOGLE_OAUTH_ACCESS_TOKEN": "t"})
    assert "GOOGLE_CLOUD_PROJECT" in result.err


@pytest.mark.early
def test_validation_and_evaluation_are_part_of_a_training(project: Project, service: Service) -> None:
    """Validation and evaluation run only with a training, so changing them replaces the job."""
    project.declare(job())
    project.apply()
    output = {"gcs_destination": {"output_uri_prefix": "gs://bucket/out"}}
    evaluation = {"metrics": [{"exact_match_spec": {}}], "output_config": output}
    write_data(project, PAIRS[:3], name="v.jsonl")
    stages: list[tuple[str, dict[str, Any]]] = [
        ("+ validation_dataset_uri", {"validation_dataset_uri": "v.jsonl"}),
        ("~ validation_dataset_uri", {"validation_dataset_uri": "n.jsonl"}),
        ("evaluation_config", {"validation_dataset_uri": "n.jsonl", "evaluation_config": evaluation}),
        ("- validation_dataset_uri", {"evaluation_config": evaluation}),
    ]
    for number, (said, changed) in enumerate(stages, start=2):
        project.declare(job(spec=changed))
        plan = project.run("plan", expect=0).out
        assert said in plan
        assert "forces replacement" in plan
        project.apply()
        project.settled()
        assert posted(service) == number
    newest = listed(service, "tuningJobs")[0]["supervisedTuningSpec"]
    assert newest["evaluationConfig"]["metrics"] == [{"exactMatchSpec": {}}]
    assert "evaluation" in project.run("show", "bot", expect=0).out
    project.state_file.unlink()
    project.apply()
    project.settled()
    assert posted(service) == number


def test_data_goes_where_googles_libraries_are_told(project: Project, service: Service) -> None:
    """Data is uploaded to STORAGE_EMULATOR_HOST, with or without a scheme."""
    host = service.url.removeprefix("http://")
    nobody = {"STORAGE_EMULATOR_HOST": "127.0.0.1:9", "RECONCILER_RETRY_SECONDS": "0.1"}
    project.declare(job())
    assert "127.0.0.1:9" in project.apply(environ=nobody, expect=4).all
    project.apply(environ={"STORAGE_EMULATOR_HOST": host})
    assert uploads(service) == posted(service) == 1


def test_jobs_and_their_data_are_of_one_sort(project: Project, service: Service) -> None:
    """An emulator of Cloud Storage with Google's own Vertex AI is refused before any call."""
    project.declare(job())
    google = {
        "GOOGLE_VERTEX_BASE_URL": None,
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_CLOUD_LOCATION": "us-central1",
        "GOOGLE_OAUTH_ACCESS_TOKEN": "x",
        "STORAGE_EMULATOR_HOST": service.url,
    }
    refused = project.run("plan", environ=google, expect=1)
    assert "STORAGE_EMULATOR_HOST" in refused.err
    assert "do not belong together: one is an emulator" in refused.err
    assert posted(service) == uploads(service) == 0


def test_data_in_a_bucket_of_the_emulator_inside(project: Project) -> None:
    """--emulator reads data that was uploaded to a server on the same file, as docs/emulator.md says."""
    project.declare(job(data="gs://bucket/n.jsonl"))
    missing = project.run("plan", "--emulator", expect=1)
    assert "gs://bucket/n.jsonl does not exist" in missing.err
    with project.start("emulator", "--port", "0", "--data", "state/emulator.sqlite3") as server:
        assert server.stdout is not None
        url = next(word for word in server.stdout.readline().split() if word.startswith("http://"))
        line = json.dumps({"contents": [{"role": "user", "parts": [{"text": "1"}]}, ANSWER]})
        path = f"{url}/upload/storage/v1/b/bucket/o?uploadType=media&name=n.jsonl"
        assert requests.post(path, data=line, timeout=5).ok
        server.terminate()
        server.communicate()
    project.apply("--emulator", environ={"RECONCILER_EMULATOR_SECONDS": "0.2"})
    assert project.run("generate", "--emulator", "bot", "1", expect=0).out == "2\n"


def test_another_form_of_the_same_examples_trains_nothing(project: Project, service: Service) -> None:
    """A saved plan converts OpenAI messages to Gemini's form. The same examples as a table are no change."""
    rows = [("Be brief.", "Où?", "In «Orders»."), ("", "Back?", "Yes; 30 days.")]
    messages, sent = [], []
    for rules, asked, answer in rows:
        system = [{"role": "system", "content": rules}] if rules else []
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        messages.append(json.dumps({"messages": [*system, *turns]}))
        contents = [
            {"parts": [{"text": text}], "role": role} for role, text in (("user", asked), ("model", answer))
        ]
        line = {"contents": contents} | ({"systemInstruction": {"parts": [{"text": rules}]}} if rules else {})
        sent.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    project.write("manifests/n.jsonl", "\n".join(messages))
    bucket = stack("s", bucket="gs://bucket/data")
    project.declare(bucket, job())
    project.run("plan", "--out", "p.json", expect=0)
    project.run("apply", "p.json", expect=0)
    name = hashlib.sha256("".join(sent).encode()).hexdigest()
    stored = requests.get(f"{service.url}/bucket/data/{name}.jsonl", timeout=10)
    assert stored.content.decode() == "".join(sent)

    project.write("manifests/t.csv", 'n;a;q;r\n0;In «Orders».;Où?;Be brief.\n1;"Yes; 30 days.";Back?;\n')
    columns = {"text_input": "q", "output": "a", "system_instruction": "r"}
    table = {"file": "t.csv", "columns": columns, "delimiter": ";"}
    project.declare(bucket, job(spec={"training_dataset_uri": table}))
    project.settled()
    table["columns"] = {**columns, "output": "n"}
    project.declare(bucket, job(spec={"training_dataset_uri": table}))
    project.run("plan", "--out", "columns.json", expect=0)
    project.run("apply", "columns.json", expect=0)
    project.settled()
    assert (posted(service), uploads(service)) == (2, 2)


def test_a_held_out_file_may_have_the_forms_of_training_data(project: Project) -> None:
    """A held-out chat sends all turns but the last, and the score is recorded."""
    chats = [
        {
            "contents": [
                {"role": "user", "parts": [{"text": text}]},
                {"role": "model", "parts": [{"text": output}]},
            ]
        }
        for text, output in PAIRS
    ]
    project.write("manifests/held-out.jsonl", "\n".join(map(json.dumps, chats)))
    project.declare(
        stack("s", bucket="gs://bucket/data"), job(beside={"checks": [{"file": "held-out.jsonl"}]})
    )
    project.apply()
    (score,) = project.state()["resources"][0]["serving"]["scores"]
    assert (score["check"], score["passed"], score["asked"]) == ("held-out.jsonl", len(PAIRS), len(PAIRS))
