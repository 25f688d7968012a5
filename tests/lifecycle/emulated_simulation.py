"""A simulation with the real providers on an emulator. Its requests are real, and its time is made up.

Before each request the emulator's clock is set to the simulation's. It stands still otherwise. A process can
die before and after each request.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from reconciler.http import Transport
from reconciler.http.connection import Exchange, Reply
from reconciler.http.throttle import Pace, Patience
from reconciler.kind import Kind
from reconciler.model.desired import Desired
from reconciler.plan.inputs import Context
from reconciler.providers import Fence, Handle, Provider
from reconciler.providers.gemini.provider import GeminiProvider
from reconciler.providers.google.credentials import GoogleCredential
from reconciler.providers.google.errors import GoogleErrors
from reconciler.providers.vertex import labels
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.copies import CopyProvider
from reconciler.providers.vertex.fields import LOCATION as PLACE
from reconciler.providers.vertex.fields import MODEL_COPY
from reconciler.providers.vertex.fields import PROJECT as OWNER
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.uploads import QUANTUM
from tests.fakes import Fuse
from tests.lifecycle.apis import GEMINI, LOCATION, PROJECT, VERTEX, method_of
from tests.lifecycle.simulation import Simulation, Stop

LAG = 60.0
"""For so many seconds, providers look for an accepted model that does not show."""
HOME = f"v1/projects/{PROJECT}/locations/{LOCATION}"
RUNNING = frozenset(
    f"JOB_STATE_{state}" for state in ("QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")
)
_BUCKET = "gs://data"
_CHANGING = frozenset({"POST", "PATCH", "DELETE"})


class Emulator:
    """An emulator, with direct access to its clock, its faults and its models."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._told = 0.0

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the service. It must succeed."""
        status, text = self._reply(method, path, body)
        assert status == 200, text
        return json.loads(text)

    def sent(self, method: str, path: str, body: object = None) -> bool:
        """Send a request to the service. Return whether it succeeded."""
        return self._reply(method, path, body)[0] == 200

    def text(self, path: str) -> str:
        """The content of an object."""
        return self._reply("GET", path, None)[1]

    def _reply(self, method: str, path: str, body: object) -> tuple[int, str]:
        sent = None if body is None else json.dumps(body)
        with self._asking:
            try:
                self._connection.request(method, f"/{path}", sent, {"Content-Type": "application/json"})
                answer = self._connection.getresponse()
                return answer.status, answer.read().decode()
            except OSError:
                self._connection.close()  # the next request opens another one
                raise

    def adjust(self, **settings: Any) -> None:
        """Change settings."""
        self.call("POST", "emulator/settings", settings)

    def reset(self, **settings: Any) -> None:
        """Delete everything and stop the clock."""
        self.call("POST", "emulator/reset")
        self.call("POST", "emulator/clock", {"frozen": True})
        self.adjust(**settings)
        self._told = 0.0

    def tell(self, now: float) -> None:
        """Set the emulator's clock to now."""
        with self._lock:
            passed, self._told = now - self._told, max(now, self._told)
            if passed > 0:
                self.call("POST", "emulator/clock", {"advance": passed})

    def fault(self, rules: Iterable[dict[str, Any]]) -> None:
        """Add fault rules."""
        self.call("POST", "emulator/faults", list(rules))

    def faults(self) -> list[dict[str, Any]]:
        """Return the rules that are left, and how often each has applied."""
        found: list[dict[str, Any]] = self.call("GET", "emulator/faults")["faults"]
        return found

    def heal(self) -> None:
        """Drop every fault."""
        self.call("DELETE", "emulator/faults")

    def log(self, after: int = 0) -> list[dict[str, Any]]:
        """Every request after the given number."""
        found: list[dict[str, Any]] = self.call("GET", f"emulator/requests?after={after}")["requests"]
        return found

    def listed(self, collection: str) -> list[dict[str, Any]]:
        """All items of a collection of Vertex AI, in the region of the jobs and in its multi-region."""
        homes = (HOME, HOME.replace(LOCATION, "us"))
        answers = [self.call("GET", f"{home}/{collection}?pageSize=1000") for home in homes]
        return [item for answer in answers for item in answer.get(collection, [])]

    def tuned_models(self) -> list[dict[str, Any]]:
        """All of the Gemini API's models."""
        found: list[dict[str, Any]] = self.call("GET", "v1beta/tunedModels?pageSize=1000").get(
            "tunedModels", []
        )
        return found

    def trainings(self, kind: Kind) -> Counter[str]:
        """How many trainings were started under each id."""
        if kind is VERTEX.kind:  # no job can be deleted, so each start is still listed
            return Counter(job["labels"][labels.ID] for job in self.listed("tuningJobs"))
        creates = (request for request in self.log() if request["method"] == "POST" and request["effect"])
        return Counter(
            request["query"]["tunedModelId"]
            for request in creates
            if request["path"].endswith("/tunedModels")
        )

    def tuned_model(self, id: str) -> dict[str, Any]:
        """Return a model of the Gemini API, even if no list shows it yet. Empty if there is none."""
        status, text = self._reply("GET", f"v1beta/tunedModels/{id}", None)
        found: dict[str, Any] = json.loads(text) if status == 200 else {}
        return found

    def is_alive(self, kind: Kind, id: str) -> bool:
        """Return whether anything of a model is left."""
        return bool(self.tuned_model(id)) if kind is GEMINI.kind else id in self.alive(kind)

    def alive(self, kind: Kind) -> set[str]:
        """Return the ids of which something is left that could cost money, be called or be listed."""
        if kind is GEMINI.kind:
            return {model["name"].removeprefix("tunedModels/") for model in self.tuned_models()}
        found = [job for job in self.listed("tuningJobs") if job["state"] in RUNNING]
        found += self.listed("models") + self.listed("endpoints")
        return {
            labelled["labels"].get(labels.ID) or labelled["name"].rpartition("/")[2] for labelled in found
        }


class Line(Exchange):
    """The connection of one process to the emulator."""

    def __init__(self, sim: EmulatedSimulation, fuse: Fuse) -> None:
        super().__init__(sim.emulator.url, loopback=True, connections=4)
        self._stage, self._fuse = sim, fuse

    def send(self, method: str, path: str, **rest: Any) -> Reply:
        """See Exchange.send."""
        about = f"{method_of(method, path)} {method} {path}"
        self._fuse.point(f"before {about}")
        self._stage.emulator.tell(self._stage.clock())
        if method in _CHANGING and not path.endswith(":generateContent"):
            self._stage.sent.append((method, path))
        if method == "POST" and path.endswith("/tunedModels"):
            self._stage.creates.append(json.loads(rest["body"]))
        reply = super().send(method, path, **rest)
        self._fuse.point(f"after {about}")
        return reply


class EmulatedSimulation(Simulation):
    """See Simulation; it has no `services`.

    Args:
        emulator: shared with other simulations, one after the other.
        timeout: the real seconds after which a request that hangs ends.
        retry: for how many seconds failures are repeated.
        manifests: what is declared at first.
        settings: of the emulator.

    Attributes:
        sent: every request that does more than read.
        creates: the bodies of the requests that create a tuned model, with or without an effect.
    """

    def __init__(
        self,
        emulator: Emulator,
        *manifests: Desired,
        timeout: float = 20.0,
        retry: float = 60.0,
        **settings: Any,
    ) -> None:
        super().__init__(*manifests, kinds=(GEMINI.kind, VERTEX.kind))
        self.kinds[MODEL_COPY.name] = MODEL_COPY
        self.services.clear()
        self.emulator = emulator
        self.context = Context(endpoint=emulator.url, service="emulator")
        self._timeout, self._retry = timeout, retry
        self.sent: list[tuple[str, str]] = []
        self.creates: list[dict[str, Any]] = []
        emulator.reset(**settings)

    def changes(self) -> list[tuple[str, str]]:
        """See Simulation.changes."""
        return list(self.sent)

    def providers(self, fuse: Fuse, journal: list[str], stopping: Stop) -> dict[str, Provider]:
        """See Simulation.providers."""
        del journal

        def transport(_url: str = "") -> Transport:
            url = self.emulator.url
            return Transport(
                base_url=url,
                credential=GoogleCredential({"GOOGLE_OAUTH_ACCESS_TOKEN": "token"}, url, PROJECT),
                errors=GoogleErrors(),
                exchange=Line(self, fuse),
                pace=Pace(self.clock, self.clock.sleep, stopping.is_set),
                patience=Patience(seconds=self._retry, limited_seconds=5 * self._retry),
                timeout=self._timeout,
            )

        sim = self

        class Gemini(GeminiProvider):
            def delete(self, handle: Handle, *, fence: Fence) -> None:
                sim.before_deletion(GEMINI.kind, handle.id, fuse)
                super().delete(handle, fence=fence)

        class Vertex(VertexProvider):
            def delete(self, handle: Handle, *, fence: Fence) -> None:
                sim.before_deletion(VERTEX.kind, handle.id, fuse)
                super().delete(handle, fence=fence)

        regions = Regions(project=PROJECT, location=LOCATION, open=transport, base_url=self.emulator.url)
        bucket = Bucket(regions, _BUCKET, lambda _told: None, part=QUANTUM)
        return {
            GEMINI.kind.name: Gemini(transport(), lag_seconds=LAG),
            VERTEX.kind.name: Vertex(regions, bucket, lag_seconds=LAG),
            MODEL_COPY.name: self._open_copies(regions),
        }

    def _open_copies(self, regions: Regions) -> CopyProvider:
        """Open the provider of copies, which knows what is declared now."""
        declared = [model for model in self.manifests if model.address.kind == MODEL_COPY.name]
        places = {(str(one.attributes[OWNER]), str(one.attributes[PLACE])) for one in declared}
        names = frozenset(one.address.name for one in declared)
        return CopyProvider(regions, places=frozenset(places), declared=names, lag_seconds=LAG)

    def before_deletion(self, kind: Kind, id: str, fuse: Fuse) -> None:
        """Call the simulation before a live model is deleted. Fault rules do not apply to this lookup."""
        if fuse.blown:
            return
        self.emulator.tell(self.clock())
        rules = self.emulator.faults()
        self.emulator.heal()
        try:
            if self.emulator.is_alive(kind, id):
                self.deleting(id)
        finally:
            self.emulator.fault(rules)
