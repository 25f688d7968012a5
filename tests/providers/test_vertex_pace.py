"""Tuning jobs and copies of one run share one pace, because the service counts their requests together."""

from __future__ import annotations

import requests

from reconciler.emulator.server import run_emulator
from reconciler.emulator.settings import Settings
from reconciler.http import Transport
from reconciler.providers import Handle
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.copies import CopyProvider
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import BEGUN, WINDOW_SECONDS, Regions
from tests.contract.copies import MODEL_COPY, PLACE
from tests.contract.provider import EXAMPLES, TUNING_JOB
from tests.emulator_clock import EmulatorClock
from tests.fakes import FakeClock, unfenced
from tests.http.wire import Wire, answer, refusal

JOBS, COPIES = 2, 50
LIMITED = refusal(429, "Quota exceeded.", canonical="RESOURCE_EXHAUSTED")


def open_both(transport: Transport) -> tuple[VertexProvider, CopyProvider]:
    """The providers of one run."""
    url = transport.base_url
    regions = Regions(project="prod", location="us-central1", open=lambda _url: transport, base_url=url)
    return VertexProvider(regions, Bucket(regions, "gs://data", lambda _told: None)), CopyProvider(regions)


def test_copies_and_deletions_together_stay_below_the_services_limit() -> None:
    """A region begins 60 operations a minute: more of them wait, and none is refused."""
    settings = Settings(training_seconds=0, vertex_submissions_per_minute=BEGUN)
    with run_emulator(settings=settings) as served, requests.Session() as session:
        session.trust_env = False
        clock = EmulatorClock(served.url, session)
        opened = connect(base_url=served.url, environ={}, clock=clock, sleep=clock.sleep)
        jobs, copies = open_both(clock.share(opened))
        made = [
            jobs.create(
                TUNING_JOB.want(),
                f"numbers-{number}",
                "gemini-3.1-flash-lite",
                {TUNING_JOB.data: EXAMPLES},
                fence=unfenced,
            )
            for number in range(JOBS)
        ]
        clock.sleep(1000)
        live = jobs.get(Handle("numbers-0", made[0].name))
        assert live is not None
        began = clock.now
        for number in range(COPIES):
            copies.create(MODEL_COPY.want(), f"copy-{number}", live.deployable, {}, fence=unfenced)
        assert clock.now == began
        for one in made:  # undeploys it, deletes its endpoint, deletes it
            jobs.delete(Handle("", one.name), fence=unfenced)
        log = session.get(f"{served.url}/emulator/requests", timeout=5).json()["requests"]
    begun = [entry for entry in log if f"/locations/{PLACE}/" in entry["path"] and entry["method"] != "GET"]
    assert len(begun) > BEGUN
    assert 429 not in {entry["status"] for entry in log}
    assert clock.now - began >= WINDOW_SECONDS


def test_jobs_and_operations_begin_below_the_services_limit() -> None:
    """The sixty-first in a location waits until the first is a minute old; other locations do not."""
    clock = FakeClock()
    transport = connect(base_url="http://127.0.0.1:1", environ={}, clock=clock, sleep=clock.sleep)
    regions = Regions(project="p", location="", open=lambda _url: transport, base_url=transport.base_url)
    for _ in range(BEGUN):
        assert regions.open_to_begin("us-central1") is transport
    began = clock()
    regions.open_to_begin("us")
    assert clock() == began
    regions.open_to_begin("us-central1")
    assert clock() - began == WINDOW_SECONDS


def test_what_the_service_refuses_to_one_kind_slows_the_other(wire: Wire, clock: FakeClock) -> None:
    """After some 429s about tuning jobs, the requests about copies are sent one by one too."""
    jobs, copies = open_both(connect(base_url=wire.url, environ={}, clock=clock, sleep=clock.sleep))
    wire.always = answer({})
    assert list(copies.list()) == []
    assert clock.slept == []
    wire.script = [LIMITED] * 5
    assert list(jobs.list()) == []
    wire.requests.clear()
    clock.slept.clear()
    assert list(copies.list()) == []
    assert len(clock.slept) >= len(wire.requests) == 1
