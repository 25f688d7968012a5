"""Every provider runs the suite: Gemini and Vertex AI on the emulator, and the fake, which must act alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from reconciler.errors import ForbiddenError, UnauthenticatedError
from reconciler.http import Transport
from reconciler.model.data import Example
from reconciler.providers import Handle, Provider
from reconciler.providers.gemini.provider import GeminiProvider
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import Regions
from tests.contract.copies import GONE, MODEL_COPY, PLACE, PROD, open_copies, tune
from tests.contract.provider import (
    ANNA,
    TUNED_MODEL,
    TUNING_JOB,
    Bench,
    ChosenIdContract,
    ChosenIdFaultContract,
    FaultContract,
    FaultyBench,
    PermissionContract,
    ProgressContract,
    ProviderContract,
    Sample,
    TrainingContract,
    create,
    handle,
)
from tests.emulator_clock import EmulatorClock
from tests.fakes import BASE, FakeClock, FakeProvider, FakeService, unfenced

PATHS = {
    "create": "/(tunedModels|tuningJobs)$",
    "list": "/(tunedModels|tuningJobs)$",
    "model": "/tunedModels/[^/:]+$",
}


@dataclass
class EmulatorBench:
    """The Gemini provider on an emulator. Both clocks move only when somebody sleeps."""

    url: str
    session: requests.Session
    clock: EmulatorClock = field(init=False)
    source: str = "models/gemini-1.5-flash-001-tuning"
    sample: Sample = TUNED_MODEL
    look: str = PATHS["model"]
    paths: Mapping[str, str] = field(default_factory=lambda: PATHS)
    provider: Provider = field(init=False)

    def __post_init__(self) -> None:
        """Stop the emulator's clock."""
        self.clock = EmulatorClock(self.url, self.session)
        self._connect("20")

    def _connect(self, timeout: str) -> None:
        transport = connect(
            base_url=self.url,
            environ={"RECONCILER_HTTP_TIMEOUT": timeout},
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        self.provider = self._provider(self.clock.share(transport))

    def _provider(self, transport: Transport) -> Provider:
        return GeminiProvider(transport, page_size=3)

    def control(self, path: str, change: object) -> Any:
        """Post to the emulator's control plane, at the time of our clock."""
        self.clock.catch_up()
        reply = self.session.post(f"{self.url}/emulator/{path}", json=change, timeout=5)
        assert reply.ok, reply.text
        return reply.json()

    def trainings(self, id: str) -> int:
        """Count the POSTs that had an effect, by the emulator's log."""
        effects = [request for request in self.sent("POST", "create") if request["effect"]]
        return sum(request["query"].get("tunedModelId") == id for request in effects)

    def finish(self) -> None:
        """Let an hour pass, because a training takes an hour here."""
        self.control("clock", {"advance": 3600})

    def fail(self, id: str, message: str) -> None:
        """Let the training fail when it is half done."""
        self.control("faults", [{"train": f"^{id}$", "fail": {"code": 13, "message": message}, "at": 0.5}])

    def lag(self, id: str, what: str, seconds: float) -> None:
        """Hide the model for this time of the emulator's clock."""
        self.control("faults", [{"lag": seconds, "what": what, "path": f"/{id}$"}])

    def fault(self, method: str, call: str, **rule: Any) -> None:
        """Add one rule. If a request hangs, the client does not wait long."""
        if "hang" in rule:
            self._connect("0.25")
        path = self.look if call == "look" else self.paths[call]
        self.control("faults", [{"method": method, "path": path, **rule}])

    def sent(self, method: str, call: str) -> Sequence[Mapping[str, Any]]:
        """Return the calls from the emulator's log."""
        log = self.session.get(f"{self.url}/emulator/requests", timeout=5).json()["requests"]
        return [
            request
            for request in log
            if request["method"] == method and re.search(self.paths[call], request["path"])
        ]


@dataclass
class VertexBench(EmulatorBench):
    """The provider of Vertex AI. Its ids are labels, and its jobs wait in a queue and are not refused."""

    source: str = "gemini-3.1-flash-lite"
    sample: Sample = TUNING_JOB
    look: str = PATHS["list"]

    def _provider(self, transport: Transport) -> Provider:
        regions = Regions(project="p", location="us-central1", open=lambda _url: transport, base_url=self.url)
        return VertexProvider(regions, Bucket(regions, "gs://data", lambda _line: None), page_size=3)

    def trainings(self, id: str) -> int:
        """Count the jobs with our label. Faults end here, because this look would meet them too."""
        self.session.delete(f"{self.url}/emulator/faults", timeout=5)
        path = f"{self.url}/v1/projects/p/locations/us-central1/tuningJobs"
        jobs = self.session.get(path, params={"pageSize": "100"}, timeout=5).json().get("tuningJobs", [])
        return sum(job["labels"].get("reconciler_id") == id for job in jobs)

    def finish(self) -> None:
        """Let enough time pass for all jobs, of which four train at once."""
        for _ in range(3):
            super().finish()

    def fail(self, id: str, message: str) -> None:
        """Let the job with this label fail."""
        rule = {"train": f"reconciler_id={id}", "fail": {"code": 13, "message": message}, "at": 0.5}
        self.control("faults", [rule])

    def lag(self, id: str, what: str, seconds: float) -> None:
        """Hide the job from lists, because a look at an id is a list here."""
        del id, what
        self.control("faults", [{"lag": seconds, "what": "list", "path": "tuningJobs"}])


@dataclass
class CopyBench(EmulatorBench):
    """The provider of copies. A copy takes an hour, and does not show before it has been made."""

    source: str = ""
    sample: Sample = MODEL_COPY
    look: str = "/models/numbers-[a-z]+(/operations)?$"
    paths: Mapping[str, str] = field(
        default_factory=lambda: {"create": "/models:copy$", "list": f"/{PROD}/locations/[^/]+/models$"}
    )

    def _provider(self, transport: Transport) -> Provider:
        if not self.source:
            self.source = tune(transport, self.finish)
        return open_copies(transport, page_size=3)

    def trainings(self, id: str) -> int:
        """Count the operations under the copy's name. Faults end here, because they would meet this look."""
        self.session.delete(f"{self.url}/emulator/faults", timeout=5)
        path = f"{self.url}/v1/projects/{PROD}/locations/{PLACE}/models/{id}/operations"
        return len(self.session.get(path, timeout=5).json().get("operations", []))

    def fail(self, id: str, message: str) -> None:
        """Let the operation end in an error."""
        rule = {"operation": f"^copy models/{id}$", "fail": {"code": 13, "message": message}}
        self.control("faults", [rule])

    def lag(self, id: str, what: str, seconds: float) -> None:
        """Hide the copy from looks. Each look asks twice, and waits longer than the last one."""
        del what
        path = f"/models/{id}(/operations)?$"
        self.control("faults", [{"method": "GET", "path": path, "times": int(seconds), **GONE}])


@dataclass
class EmulatorLogin:
    """A login of the emulator, as far as `create` needs it."""

    provider: Provider
    source: str = "models/gemini-1.5-flash-001-tuning"
    sample: Sample = TUNED_MODEL


@dataclass
class FakeBench:
    """The fake on its service in memory."""

    service: FakeService
    clock: FakeClock
    source: str = BASE
    sample: Sample = TUNED_MODEL

    @property
    def provider(self) -> Provider:
        """A new process, each time that it is asked for."""
        return FakeProvider(self.service)

    def trainings(self, id: str) -> int:
        """Return the count of the service."""
        return self.service.creates[id]

    def finish(self) -> None:
        """Let the clock run to the end of all trainings."""
        self.clock.sleep(self.service.training_seconds)

    def fail(self, id: str, message: str) -> None:
        """Tell the service to let the training fail."""
        self.service.failing[id] = message

    def lag(self, id: str, what: str, seconds: float) -> None:
        """Set the lag of the service, which is for all ids."""
        del id
        setattr(self.service, f"{what}_lag", seconds)


@pytest.fixture
def emulator() -> Iterator[EmulatorBench]:
    """An emulator for this test alone."""
    settings = Settings(training_seconds=3600.0)
    with run_emulator(settings=settings) as served, requests.Session() as session:
        session.trust_env = False
        yield EmulatorBench(served.url, session)


@pytest.fixture
def vertex() -> Iterator[VertexBench]:
    """The same, for Vertex AI."""
    settings = Settings(training_seconds=3600.0)
    with run_emulator(settings=settings) as served, requests.Session() as session:
        session.trust_env = False
        yield VertexBench(served.url, session)


class TestVertex(ProviderContract, TrainingContract, FaultContract):
    """Vertex AI has no chosen ids, no progress and no permissions."""

    @pytest.fixture
    def bench(self, vertex: VertexBench) -> Bench:
        """The provider on an emulator."""
        return vertex

    @pytest.fixture
    def faulty(self, vertex: VertexBench) -> FaultyBench:
        """The same bench, which can also be made to fail."""
        return vertex


@pytest.fixture
def copies() -> Iterator[CopyBench]:
    """The same, for copies."""
    settings = Settings(training_seconds=3600.0, vertex_copy_seconds=3600.0)
    with run_emulator(settings=settings) as served, requests.Session() as session:
        session.trust_env = False
        yield CopyBench(served.url, session)


class TestCopies(ProviderContract, FaultContract):
    """Copies of Vertex AI have chosen ids, and neither data nor updates."""

    @pytest.fixture
    def bench(self, copies: CopyBench) -> Bench:
        """The provider on an emulator."""
        return copies

    @pytest.fixture
    def faulty(self, copies: CopyBench) -> FaultyBench:
        """The same bench, which can also be made to fail."""
        return copies


class TestGemini(
    ProviderContract,
    TrainingContract,
    ProgressContract,
    PermissionContract,
    ChosenIdContract,
    FaultContract,
    ChosenIdFaultContract,
):
    """The Gemini API."""

    @pytest.fixture
    def bench(self, emulator: EmulatorBench) -> Bench:
        """The provider on an emulator."""
        return emulator

    @pytest.fixture
    def faulty(self, emulator: EmulatorBench) -> FaultyBench:
        """The same bench, which can also be made to fail."""
        return emulator


class TestFake(ProviderContract, TrainingContract, ProgressContract, PermissionContract, ChosenIdContract):
    """The fake passes the same suite, so what is tested with it is true of a real provider."""

    @pytest.fixture
    def bench(self) -> Bench:
        """A new service."""
        clock = FakeClock()
        return FakeBench(FakeService(clock), clock)


def test_the_fake_service_outlives_its_provider() -> None:
    """A second provider on the same service finds the first one's models, as a new process would."""
    clock = FakeClock()
    bench = FakeBench(FakeService(clock), clock)
    bench.service.add("x", examples=[Example("1", "2")])
    assert FakeProvider(bench.service).get(Handle("x")) is not None
    assert bench.service.creates["x"] == 0


@pytest.mark.parametrize(
    ("auth", "environ"),
    [
        ("key", {"GEMINI_API_KEY": "k"}),
        ("bearer", {"GOOGLE_OAUTH_ACCESS_TOKEN": "t"}),
        ("any", {"GOOGLE_OAUTH_ACCESS_TOKEN": "t", "GEMINI_API_KEY": "k"}),
    ],
)
def test_a_service_that_wants_a_credential_gets_it(auth: str, environ: dict[str, str]) -> None:
    """A model can be created and read with a key, or with a token and its quota project, and not without."""
    settings = Settings(auth=auth, quota_project_required=True)  # type: ignore[arg-type]  # one of the above
    with run_emulator(settings=settings) as served:
        provider = GeminiProvider(connect(base_url=served.url, environ=environ, project="p"))
        bench = EmulatorLogin(provider)
        made = create(bench)
        assert provider.get(handle(made)) is not None
        if auth != "key":
            provider.set_permissions(handle(made), [ANNA], fence=unfenced)
            assert provider.list_permissions(handle(made)) == (ANNA,)
        stranger = GeminiProvider(connect(base_url=served.url, environ={}))
        with pytest.raises((UnauthenticatedError, ForbiddenError)) as caught:
            stranger.get(handle(made))
        assert caught.value.detail
