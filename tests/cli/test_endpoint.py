"""Stable endpoints as users meet them: the command, its output, and callers who ask all the time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.cli.harness import Project
from tests.cli.test_tuning_job import job, write_data

HOME = "v1/projects/local/locations/us-central1"
SERVING = {"serving": {"endpoint": "support", "drain": "1s"}}
OTHER = {"training_dataset_uri": "n.jsonl", "hyper_parameters": {"epoch_count": 4}}
EVERY = 0.05
"""Seconds between two questions of a caller."""


@pytest.fixture
def project(project: Project) -> Project:
    """A project with the second API on the same emulator, with quick operations."""
    project.environ["GOOGLE_VERTEX_BASE_URL"] = project.service.url
    project.environ["RECONCILER_LAG_SECONDS"] = "1"
    project.service.control(
        "settings", {"vertex_operation_seconds": 0.1, "vertex_deploy_seconds": 0.5, "training_seconds": 0}
    )
    write_data(project)
    return project


@contextmanager
def caller(url: str) -> Iterator[list[tuple[int, str]]]:
    """Ask an endpoint again and again. Yields the status and the beginning of each answer."""
    answers: list[tuple[int, str]] = []
    stop = threading.Event()
    body = {"contents": [{"role": "user", "parts": [{"text": "1"}]}]}

    def ask() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not stop.is_set():
                reply = session.post(f"{url}:generateContent", json=body, timeout=10)
                answers.append((reply.status_code, reply.text[:200]))
                stop.wait(EVERY)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def entries(project: Project) -> list[dict[str, Any]]:
    """The resource changes of a plan, as policies read them."""
    project.run("plan", "--out", "p.json", expect=0)
    found: list[dict[str, Any]] = json.loads(project.run("show", "--json", "p.json", expect=0).out)[
        "resource_changes"
    ]
    (project.root / "p.json").unlink()
    return found


def test_a_caller_sees_no_failed_answer_through_a_whole_replacement(project: Project) -> None:
    """The endpoint always answers 200, though a caller asks it every 50 ms during a replacement."""
    project.declare(job(beside=SERVING))
    project.apply()
    name = project.run("output", "bot", expect=0).out.strip()
    assert name.endswith("/endpoints/support")
    project.declare(job(beside=SERVING, supervised_tuning_spec=OTHER))
    with caller(f"{project.service.url}/v1/{name}") as answers:
        result = project.run("apply", "--auto-approve", expect=0)
    assert "deployed" in result.out
    assert len(answers) > 10
    assert [answer for answer in answers if answer[0] != 200] == []
    assert project.run("output", "bot", expect=0).out.strip() == name
    project.settled()


def test_a_plan_names_the_endpoint_as_a_resource_of_its_own(project: Project) -> None:
    """Its entry has the type Endpoint: create, then update and delete. The model's entry stays as it is."""

    def told() -> list[tuple[str, str, list[str]]]:
        return [(one["address"], one["type"], one["change"]["actions"]) for one in entries(project)]

    project.declare(job(beside=SERVING))
    endpoint = ("TuningJob/bot/endpoint", "Endpoint")
    assert told() == [("TuningJob/bot", "TuningJob", ["create"]), (*endpoint, ["create"])]
    project.apply()
    assert told() == [("TuningJob/bot", "TuningJob", ["no-op"])]
    project.declare(job(beside=SERVING, supervised_tuning_spec=OTHER))
    assert told() == [("TuningJob/bot", "TuningJob", ["create", "delete"]), (*endpoint, ["update"])]
    project.declare(job())
    assert told() == [("TuningJob/bot", "TuningJob", ["no-op"]), (*endpoint, ["delete"])]


def test_a_plan_says_what_happens_to_the_endpoint(project: Project) -> None:
    """The plan says it in sentences below the change, before anybody approves."""
    project.declare(job(beside={"serving": {"endpoint": "support", "allow_interruption": True}}))
    out = project.run("plan", expect=0).out
    assert "its stable endpoint support is created" in out
    project.apply()
    project.declare(
        job(
            beside={"serving": {"endpoint": "support", "allow_interruption": True}},
            supervised_tuning_spec=OTHER,
        )
    )
    out = " ".join(project.run("plan", expect=0).out.split())
    assert "support answers nothing from then until the new model is deployed" in out


def test_drift_and_show_tell_of_the_endpoint(project: Project) -> None:
    """An endpoint that somebody deleted is missing, under an address of its own.

    `show` has it with its model.
    """
    project.declare(job(beside=SERVING))
    project.apply()
    shown = project.run("show", "bot", expect=0).out
    assert "endpoint support" in shown
    assert "(endpoint support)" in project.run("show", expect=0).out
    (recorded,) = json.loads(project.run("show", "--json", expect=0).out)["resources"]
    name = recorded["endpoint"]["name"]
    service = project.service
    (deployed,) = service.call("GET", f"v1/{name}")["deployedModels"]
    service.control("settings", {"vertex_operation_seconds": 0})
    service.call("POST", f"v1/{name}:undeployModel", {"deployedModelId": deployed["id"]})
    service.call("DELETE", f"v1/{name}")
    result = project.run("drift", expect=2)
    assert "has no endpoint any more: support" in result.out
    (entry,) = json.loads(project.run("drift", "--json", expect=2).out)["resource_drift"]
    assert (entry["address"], entry["type"]) == ("TuningJob/bot/endpoint", "Endpoint")
    assert project.run("generate", "bot", "1").code != 0
    project.apply()
    project.run("drift", expect=0)
    project.run("generate", "bot", "1", expect=0)
