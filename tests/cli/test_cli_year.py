"""A year of one model, from its first training to its end: development, production, and all that happens.

Two Stacks share a service. Development tunes a model; production copies what development serves. Programs
call two endpoints all the time.
"""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from tests.cli.harness import PAIRS, Project, Service, stack
from tests.cli.test_tuning_job import job, write_data

WORSE = [(text, "many") for text, _ in PAIRS]
OLD_BASE, NEW_BASE = "gemini-3.1-flash-lite", "gemini-3.5-flash"
CHECKS = {"checks": [{"prompt": "1", "expect": "2"}]}
QUESTION = {"contents": [{"role": "user", "parts": [{"text": "1"}]}]}


class Caller:
    """A program that asks an endpoint every 50 ms, and keeps every answer that is not the right one."""

    def __init__(self, service: Service, endpoint: str) -> None:
        self._url = f"{service.url}/v1/{endpoint}:generateContent"
        self._is_over = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not self._is_over.wait(0.05):
                answer = session.post(self._url, json=QUESTION, timeout=10)
                self.answers += 1
                if answer.status_code != 200 or '"2"' not in answer.text:
                    self.failures.append(answer.text)

    def end(self) -> list[str]:
        """Stop asking. Returns the wrong answers."""
        self._is_over.set()
        self._thread.join()
        return self.failures


@pytest.fixture
def service() -> Iterator[Service]:
    """An emulator on which a training takes a third of a second, and a deployment less."""
    settings = Settings(
        training_seconds=0.3,
        vertex_operation_seconds=0.05,
        vertex_create_endpoint_seconds=0.05,
        vertex_deploy_seconds=0.2,
        vertex_copy_seconds=0.2,
    )
    with run_emulator(settings=settings) as emulator:
        yield Service(emulator.url)


def open_project(folder: pathlib.Path, service: Service) -> Project:
    """A project whose models are on the emulator, and which does not wait for lists that lag."""
    (folder / "manifests").mkdir(parents=True)
    return Project(folder, service, {"GOOGLE_VERTEX_BASE_URL": service.url, "RECONCILER_LAG_SECONDS": "0.1"})


@pytest.fixture
def dev(tmp_path: pathlib.Path, service: Service) -> Project:
    """Development, whose project is `dev`."""
    return open_project(tmp_path / "dev", service)


@pytest.fixture
def prod(tmp_path: pathlib.Path, service: Service) -> Project:
    """Production, whose project is `prod`. It reads the state of development and no more."""
    return open_project(tmp_path / "prod", service)


def declare_dev(dev: Project, *, base: str = OLD_BASE, epochs: int = 3, **serving: Any) -> None:
    """Declare the model of development. Its first base model retires in 30 days."""
    settings = stack("mail-dev", project="dev", location="us-central1")
    settings["spec"]["base_models"] = [{"name": OLD_BASE, "retires": "2026-12-20", "replacement": NEW_BASE}]
    serves = {"serving": {"endpoint": "sorter", "drain": "0s", **serving}}
    beside = {**CHECKS, **serves, "lifecycle": {"keep_deposed": "24h"}}
    hyper = {"hyper_parameters": {"epoch_count": epochs}}
    dev.declare(settings, job("sorter", base_model=base, spec=hyper, beside=beside))


def declare_prod(prod: Project) -> None:
    """Declare that production copies what development serves, through checks of its own."""
    copy = {
        "apiVersion": "reconciler/v1",
        "kind": "ModelCopy",
        "metadata": {"name": "sorter", "location": "us"},
        "spec": {"source": {"state": "../dev/state", "address": "TuningJob/sorter"}},
        "serving": {"drain": "0s"},
        "lifecycle": {"keep_deposed": "24h"},
        **CHECKS,
    }
    prod.declare(stack("mail-prod", project="prod"), copy)


def count_effects(service: Service, suffix: str) -> int:
    """Count the POST requests to a method or a collection that took effect."""
    return sum(
        request["method"] == "POST" and request["path"].endswith(suffix) and request["effect"]
        for request in service.log()
    )


def list_all(service: Service, collection: str) -> set[str]:
    """The resource names in every place that the two projects use."""
    places = [(project, place) for project in ("dev", "prod") for place in ("us-central1", "us")]
    answers = [
        service.call("GET", f"v1/projects/{project}/locations/{place}/{collection}?pageSize=1000")
        for project, place in places
    ]
    return {item["name"] for answer in answers for item in answer.get(collection, [])}


def find_endpoint(project: Project) -> str:
    """The name that programs call."""
    return project.run("output", "sorter", expect=0).out.strip()


def find_checkpoint(service: Service, endpoint: str) -> str:
    """The checkpoint that has all requests of an endpoint. "" for the model's default."""
    shown = service.call("GET", f"v1/{endpoint}")
    (called,) = [one for one in shown["deployedModels"] if shown["trafficSplit"].get(one["id"]) == 100]
    return str(called.get("checkpointId", ""))


def find_serving(project: Project) -> str:
    """The id of the model that serves."""
    (resource,) = project.state()["resources"]
    return str(resource["id"])


@pytest.mark.thorough
def test_a_year(dev: Project, prod: Project, service: Service) -> None:
    """Nothing is trained twice, no endpoint is left over, and no caller waits for an answer in vain."""
    write_data(dev)
    declare_dev(dev)
    declare_prod(prod)

    # A first model is trained and checked. It gets an endpoint, which stays.
    assert "there is no state at ../dev/state/default.json" in prod.plan(expect=1).all
    dev.apply()
    first, called = find_serving(dev), find_endpoint(dev)
    callers = [Caller(service, called)]

    # Another checkpoint of it proves better. It is deployed instead, and nothing is trained.
    declare_dev(dev, checkpoint="2")
    dev.apply()
    assert find_checkpoint(service, called) == "2"
    dev.settled()

    # Production takes a copy, which trains nothing and has the same checkpoint.
    prod.apply()
    first_copy, called_in_production = find_serving(prod), find_endpoint(prod)
    callers.append(Caller(service, called_in_production))
    assert (count_effects(service, "/tuningJobs"), count_effects(service, "/models:copy")) == (1, 1)
    assert find_checkpoint(service, called_in_production) == "2"
    prod.settled()

    # A new data set makes it worse. The check refuses, and nothing changes for the callers.
    write_data(dev, WORSE)
    assert "check" in dev.apply(expect=4).all
    assert find_serving(dev) == first
    prod.settled()

    # The manifest goes back to the former data. Nothing is trained.
    write_data(dev)
    dev.apply()
    dev.settled()
    assert count_effects(service, "/tuningJobs") == 2

    # The base model is about to retire. Its successor is trained, and production follows.
    assert "is tuned from a base model that retires in 21 days (note)" in dev.run("drift", expect=0).out
    declare_dev(dev, base=NEW_BASE, checkpoint="2")
    dev.apply()
    second = find_serving(dev)
    assert second != first
    assert prod.actions() == {
        "ModelCopy/sorter": [["create", "delete"]],
        "ModelCopy/sorter/endpoint": [["update"]],
    }
    prod.apply()
    second_copy = find_serving(prod)
    assert second_copy != first_copy
    assert (count_effects(service, "/tuningJobs"), count_effects(service, "/models:copy")) == (3, 2)

    # The new model answers badly. Both addresses are rolled back at once, and then forward again.
    for words, model, copy in (((), first, first_copy), (("--undo",), second, second_copy)):
        dev.run("rollback", "sorter", *words, "--auto-approve", expect=0)
        assert find_serving(dev) == model
        prod.apply()
        assert find_serving(prod) == copy
    assert (count_effects(service, "/tuningJobs"), count_effects(service, "/models:copy")) == (3, 2)
    assert (find_endpoint(dev), find_endpoint(prod)) == (called, called_in_production)
    dev.settled()
    prod.settled()

    # Nobody calls any more, and everything is destroyed.
    assert [caller.end() for caller in callers] == [[], []]
    assert all(caller.answers > 10 for caller in callers)
    for project in (prod, dev):
        project.run("destroy", "--auto-approve", expect=0)
    assert list_all(service, "endpoints") == set()
    assert list_all(service, "models") == set()
