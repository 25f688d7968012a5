"""Commands on a model of Gemini 3.x, whose job is in a region and whose model is in its multi-region.

A proxy that opens every TLS stands for all of Google's hosts, so these are the hosts' real names.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.cli.harness import Project, stack
from tests.google_hosts import DENIED, HOSTS, Google, Host
from tests.http.wire import Request, answer
from tests.proxying import Authority, Proxy, Seen, listening, reply

TOKEN = "ya29.MarkerOfAToken"
NAME = "projects/p/locations/us-central1/tuningJobs/7"
MODEL, ENDPOINT = "projects/123/locations/us/models/71", "projects/123/locations/us/endpoints/72"
REGION, MULTI_REGION = (HOSTS[location].removeprefix("https://") for location in ("us-central1", "us"))
JOB = {
    "apiVersion": "reconciler/v1",
    "kind": "TuningJob",
    "metadata": {"name": "bot", "import": NAME},
    "spec": {
        "base_model": "gemini-3.5-flash",
        "supervised_tuning_spec": {"hyper_parameters": {"epoch_count": 3}},
    },
}


@dataclass
class Firewall(Proxy):
    """Lets nobody through to the hosts in `closed`."""

    closed: set[str] = field(default_factory=set)

    def _tunnel(self, connection: socket.socket, target: str, raw: bytes) -> None:
        if target.removesuffix(":443") in self.closed:
            connection.sendall(reply(b"", 403))
            return
        super()._tunnel(connection, target, raw)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority of the certificates of all hosts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def google() -> Google:
    """Google's hosts, with a job in us-central1 whose model is in us."""
    made = Google({location: Host(location=location) for location in HOSTS})
    made.train("us-central1", "us", id="")
    job = made.hosts["us-central1"].resources[NAME.replace("projects/p", "projects/123")]
    job |= {"labels": {}, "baseModel": "gemini-3.5-flash", "createTime": "2026-11-01T00:00:00Z"}
    job["supervisedTuningSpec"] = {"hyperParameters": {"epochCount": "3"}}
    said = {"candidates": [{"content": {"parts": [{"text": "8"}]}}]}
    made.hosts["us"].replies["POST", f"{ENDPOINT}:generateContent"] = answer(said)
    return made


@pytest.fixture
def proxy(google: Google, authority: Authority, project: Project) -> Iterator[Firewall]:
    """The way to all hosts; the project's commands take it, with a token and no endpoint."""

    def say(seen: Seen) -> bytes:
        location = next(name for name, url in HOSTS.items() if url == f"https://{seen.host}")
        body = seen.raw.partition(b"\r\n\r\n")[2]
        return google.hosts[location].say(Request(seen.method, seen.target, {}, body))

    found = Firewall(authority, say)
    with listening(found):
        project.declare(stack("s", project="p", location="us-central1"), JOB)
        project.environ = {
            "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN,
            "HTTPS_PROXY": found.url,
            "REQUESTS_CA_BUNDLE": str(authority.file),
            "RECONCILER_RETRY_SECONDS": "0.1",
            "RECONCILER_LAG_SECONDS": "0.001",
        }
        yield found


def test_commands_find_a_model_in_the_multi_region(project: Project, proxy: Proxy) -> None:
    """Adopted by its job's name, it is planned, printed and called; the token goes to both hosts."""
    project.apply()
    assert "No changes" in project.plan().out
    project.run("drift", expect=0)
    assert project.run("output", "bot", expect=0).out == f"{ENDPOINT}\n"
    assert project.run("generate", "bot", "7", expect=0).out == "8\n"
    written = project.run("import", "--all", "--kind", "TuningJob", "--json", expect=0).json()
    assert written["written"] == []
    shown = project.run("show", "bot", "--json", expect=0).out
    assert ENDPOINT in shown
    assert proxy.hosts() == {REGION, MULTI_REGION}
    assert all(request.holds(TOKEN) for request in proxy.requests)
    paths = {
        (request.host, request.target.split("/locations/")[1].split("/")[0]) for request in proxy.requests
    }
    assert paths == {(REGION, "us-central1"), (MULTI_REGION, "us")}


def test_a_plan_asks_both_hosts_as_little_as_it_can(project: Project, proxy: Proxy) -> None:
    """An adopted model costs a plan the list of jobs, and one list each of models and endpoints."""
    project.apply()
    proxy.seen.clear()
    project.plan()
    asked = sorted((request.host, request.target.partition("?")[0]) for request in proxy.requests)
    assert asked == [
        (MULTI_REGION, "/v1/projects/p/locations/us/endpoints"),
        (MULTI_REGION, "/v1/projects/p/locations/us/models"),
        (REGION, "/v1/projects/p/locations/us-central1/tuningJobs"),
    ]


def test_the_address_of_one_host_does_not_hide_a_model_elsewhere(project: Project, proxy: Proxy) -> None:
    """If GOOGLE_VERTEX_BASE_URL is the region's own host, a model in us is neither gone nor trained again."""
    project.apply()
    proxy.seen.clear()
    project.environ["GOOGLE_VERTEX_BASE_URL"] = HOSTS["us-central1"]
    assert "No changes" in project.plan().out
    assert proxy.hosts() == {REGION, MULTI_REGION}


@pytest.mark.usefixtures("proxy")
def test_a_refusal_in_the_multi_region_is_explained(project: Project, google: Google) -> None:
    """Nobody wrote us into a manifest, so the message says why it was asked and who must allow it."""
    project.apply()
    google.hosts["us"].replies["GET", "projects/123/locations/us/models"] = DENIED
    err = " ".join(project.plan(expect=1).err.split())
    assert (
        f"GET v1/projects/p/locations/us/models at {MULTI_REGION} was refused (403 PERMISSION_DENIED)" in err
    )
    assert "are in the multi-region us, whatever the job's region" in err
    assert json.loads(project.state_file.read_text())["resources"]


def test_a_host_that_cannot_be_reached_is_explained(project: Project, proxy: Firewall) -> None:
    """A model whose host is behind a firewall is not gone, and the message says what to open and why."""
    project.apply()
    proxy.closed.add(MULTI_REGION)
    err = " ".join(project.plan(expect=1).err.split())
    assert f"at {MULTI_REGION}: the proxy of the environment (HTTPS_PROXY) does not let us through" in err
    assert "a firewall, proxy or private DNS must let this host through too." in err
    assert "are in the multi-region us, whatever the job's region" in err


@pytest.mark.usefixtures("proxy")
def test_a_model_that_was_deleted_in_the_multi_region_is_missing(project: Project, google: Google) -> None:
    """Drift says that it is missing, and a call says that it was deleted, and not that it was never there."""
    project.apply()
    google.hosts["us"].resources.clear()
    assert "missing" in project.run("drift", expect=2).out
    err = project.run("generate", "bot", "7", expect=1).err
    assert f"{MODEL}@1 was deleted, and so was its endpoint {ENDPOINT}" in " ".join(err.split())
