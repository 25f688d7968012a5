"""Google's hosts of Vertex AI, one for each location, with answers made by hand.

A host knows its own location and answers 404 about every other, as the service does. A Gemini 3.x job of
us-central1 has its model and its endpoints in the multi-region us.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from reconciler.http import Transport
from reconciler.providers import Handle
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.copies import CopyProvider
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions, explain_host, find_served
from tests.fakes import FakeClock
from tests.http.wire import Action, Request, Wire, answer, refusal

ID = "numbers-aaaaaaaa"
HOSTS = {
    "us-central1": "https://us-central1-aiplatform.googleapis.com",
    "europe-west4": "https://europe-west4-aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
    "global": "https://aiplatform.googleapis.com",
}
GONE = refusal(404, "Endpoint is not found.", canonical="NOT_FOUND")
DENIED = refusal(403, "Permission denied on resource.", canonical="PERMISSION_DENIED")


@dataclass
class Host(Wire):
    """One of Google's hosts.

    Attributes:
        location: the one that it serves.
        resources: the resources by their paths, with the project's number, and lists by the path of the list.
        replies: whole replies by method and path. They replace what the resources say.
    """

    location: str = ""
    resources: dict[str, Any] = field(default_factory=dict)
    replies: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def meet(self, request: Request) -> Action:
        """Note a request, and answer it."""
        with self.lock:
            self.requests.append(request)
        return self.say(request)

    def say(self, request: Request) -> bytes:
        """Answer as the service does: with the project's number, and only about its own location."""
        path = request.target.partition("?")[0].removeprefix("/v1/").replace("projects/p/", "projects/123/")
        if not path.startswith(f"projects/123/locations/{self.location}/"):
            return GONE
        if (request.method, path) in self.replies:
            return self.replies[request.method, path]
        if path.endswith(("/tuningJobs", "/models", "/endpoints")):
            found = [entry for name, entry in self.resources.items() if name.rpartition("/")[0] == path]
            return answer({path.rpartition("/")[2]: found})
        resource = self.resources.get(path.partition("@")[0])
        return GONE if resource is None else answer({**resource, **json.loads(request.body or b"{}")})

    @property
    def asked(self) -> list[str]:
        """The requests so far, without the project's own name."""
        return [
            f"{request.method} {request.target.partition('?')[0].split('/locations/')[1]}"
            for request in self.requests
        ]


class Google:
    """Holds all hosts, and opens transports to them.

    Attributes:
        hosts: the hosts by their locations.
        opened: the addresses that transports were opened to.
    """

    def __init__(self, hosts: dict[str, Host]) -> None:
        self.hosts = hosts
        self.clock = FakeClock()
        self.opened: list[str] = []

    def open(self, url: str) -> Transport:
        """Open a transport to one of Google's hosts, and note which."""
        self.opened.append(url)
        host = self.hosts[find_served(url)]
        return connect(
            base_url=host.url,
            environ={"RECONCILER_RETRY_SECONDS": "1"},
            clock=self.clock,
            sleep=self.clock.sleep,
            unreachable=explain_host(url),
        )

    def connect(self, *places: tuple[str, str], location: str = "us-central1") -> VertexProvider:
        """Open a provider, as a new process does."""
        regions = Regions(project="p", location=location, open=self.open)
        return VertexProvider(regions, Bucket(regions, "gs://b", lambda _: None), places=frozenset(places))

    def open_copies(self, *places: tuple[str, str], declared: str = "numbers") -> CopyProvider:
        """Open a provider of copies, as a new process does."""
        regions = Regions(project="p", location="", open=self.open)
        named = frozenset(places or [("p", "us")])
        return CopyProvider(regions, places=named, declared=frozenset({declared}))

    def train(self, region: str, serves: str, number: str = "7", id: str = ID) -> Handle:
        """Add a job that has ended, with its model and its endpoint."""
        home, there = f"projects/123/locations/{region}", f"projects/123/locations/{serves}"
        model, endpoint = f"{there}/models/{number}1", f"{there}/endpoints/{number}2"
        job = f"{home}/tuningJobs/{number}"
        deployed = {"id": "1", "model": f"{model}@1"}
        self.hosts[region].resources[job] = {
            "name": job,
            "state": "JOB_STATE_SUCCEEDED",
            "labels": {"reconciler_id": id},
            "tunedModel": {"model": f"{model}@1", "endpoint": endpoint},
        }
        self.hosts[serves].resources |= {
            model: {
                "name": model,
                "versionId": "1",
                "deployedModels": [{"endpoint": endpoint, "deployedModelId": "1"}],
            },
            endpoint: {"name": endpoint, "deployedModels": [deployed], "trafficSplit": {"1": 100}},
        }
        return Handle(id, job.replace("projects/123", "projects/p"))

    def asked(self) -> dict[str, list[str]]:
        """The requests to each host, sorted. A host that nobody asked is left out."""
        return {location: sorted(host.asked) for location, host in self.hosts.items() if host.requests}

    def forget(self) -> None:
        """Forget the requests so far."""
        for host in self.hosts.values():
            host.requests.clear()
