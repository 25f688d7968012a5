"""Uploads in parts against the emulator's object store: whatever breaks, the object is the whole."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from reconciler.emulator.server import run_emulator
from reconciler.errors import (
    ForbiddenError,
    NotUnderstoodError,
    ServiceError,
    StalePlanError,
    UnavailableError,
)
from reconciler.events import Uploading
from reconciler.model.data import DataSet, Example
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.bucket import Bucket
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.uploads import QUANTUM, measure_content
from tests.fakes import FakeClock, unfenced
from tests.http.wire import Wire, answer, listening, refusal

EXAMPLES = [Example(str(number), "x" * 4000) for number in range(400)]
"""Examples of about 1.6 MB. They are seven parts of one quantum, of which the last is short."""
DATA = DataSet("d", len(EXAMPLES), 0, shown="big.jsonl")
PUTS = {"method": "PUT", "path": "/upload/"}


class Stand:
    """A bucket on an emulator of its own, with parts of one quantum."""

    def __init__(self, url: str) -> None:
        self.url, self.clock = url, FakeClock()
        self.told: list[Uploading] = []
        transport = connect(base_url=url, environ={}, clock=self.clock, sleep=self.clock.sleep)
        regions = Regions(project="p", location="us-central1", open=lambda _: transport, base_url=url)
        self.bucket = Bucket(regions, "gs://data/sets", self.told.append, part=QUANTUM)

    def meets(self, *rules: dict[str, Any]) -> None:
        """Faults that the next requests meet."""
        assert requests.post(f"{self.url}/emulator/faults", json=list(rules), timeout=5).ok

    def put(self) -> str:
        """Upload the examples."""
        return self.bucket.put(DATA, EXAMPLES, fence=unfenced)

    def content(self, uri: str) -> bytes:
        """The content of the object."""
        name = uri.removeprefix("gs://data/").replace("/", "%2F")
        reply = requests.get(f"{self.url}/storage/v1/b/data/o/{name}?alt=media", timeout=5)
        assert reply.ok, reply.text
        return reply.content

    def log(self, method: str) -> list[dict[str, Any]]:
        """The uploads' requests, as the emulator noted them."""
        found = requests.get(f"{self.url}/emulator/requests", timeout=5).json()["requests"]
        return [one for one in found if one["method"] == method and "/upload/" in one["path"]]


@pytest.fixture
def stand() -> Iterator[Stand]:
    """An emulator for this test alone."""
    with run_emulator() as served:
        yield Stand(served.url)


def whole(stand: Stand, uri: str) -> bool:
    """Whether the object is every example in order, under its digest."""
    content = stand.content(uri)
    texts = [json.loads(line)["contents"][0]["parts"][0]["text"] for line in content.splitlines()]
    digest = hashlib.sha256(content).hexdigest()
    return texts == [one.text_input for one in EXAMPLES] and uri == f"gs://data/sets/{digest}.jsonl"


def test_a_large_set_goes_in_parts(stand: Stand) -> None:
    """Every part is one PUT, progress only grows, and a second put sends nothing."""
    uri = stand.put()
    assert whole(stand, uri)
    size = len(stand.content(uri))
    assert len(stand.log("PUT")) == -(-size // QUANTUM) == 7
    assert [one["query"]["ifGenerationMatch"] for one in stand.log("POST")] == ["0"]
    assert stand.told == sorted(stand.told, key=lambda one: one.sent)
    assert stand.told[-1] == Uploading("big.jsonl", size, size)
    assert stand.put() == uri
    assert len(stand.log("POST")) == 1


def test_a_small_set_is_one_request(stand: Stand) -> None:
    """A data set that is not larger than a part is one POST, and no progress is told."""
    stand.bucket.put(DATA, EXAMPLES[:60], fence=unfenced)
    assert [one["query"]["uploadType"] for one in stand.log("POST")] == ["media"]
    assert stand.log("PUT") == []
    assert stand.told == []


LAST = {**PUTS, "skip": 6}


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([{**PUTS, "drop": True}], id="the first part never arrived"),
        pytest.param(
            [{**PUTS, "drop": True, "when": "after", "skip": 2}], id="the answer to a part was lost"
        ),
        pytest.param([{**PUTS, "status": 503, "skip": 3, "times": 2}], id="503, and 503 when asked"),
        pytest.param([{**PUTS, "cut": QUANTUM, "skip": 1}], id="cut off at the end of a part"),
        pytest.param([{**PUTS, "cut": QUANTUM - 1, "skip": 1}], id="cut off within a part"),
        pytest.param([{**LAST, "drop": True, "when": "after"}], id="the object was made, the answer lost"),
        pytest.param([{**LAST, "status": 500}], id="500 at the last part"),
        pytest.param([{**LAST, "truncate": 10}], id="half an answer to the last part"),
        pytest.param([{**PUTS, "status": 410, "skip": 4}], id="the service forgot the upload"),
        pytest.param([{**PUTS, "status": 404, "skip": 4}], id="the upload has expired"),
        pytest.param(
            [{"method": "POST", "path": "/upload/", "drop": True, "when": "after"}], id="begun, lost"
        ),
        pytest.param([{"method": "POST", "path": "/upload/", "status": 503}], id="503 at the beginning"),
        pytest.param(
            [
                {**PUTS, "drop": True, "when": when, "skip": 2 * n}
                for n, when in enumerate(["before", "after"] * 3)
            ],
            id="every other request is lost",
        ),
    ],
)
def test_a_broken_upload_goes_on(stand: Stand, rules: list[dict[str, Any]]) -> None:
    """Whatever is lost on the way, the object has every byte once."""
    stand.meets(*rules)
    assert whole(stand, stand.put())


def test_what_arrived_is_not_sent_again(stand: Stand) -> None:
    """After a lost answer the next part begins where the service says that it is."""
    stand.meets({**PUTS, "drop": True, "when": "after", "skip": 2})
    stand.put()
    assert len(stand.log("PUT")) == 7 + 1  # the additional one asks how much has arrived


def test_one_that_is_there_in_the_end_is_success(stand: Stand) -> None:
    """If another run finishes the same object first, the refusal of the last part (412) is success."""
    other = Stand(stand.url)

    def examples() -> Iterator[Example]:
        yield from EXAMPLES[:-1]
        other.put()
        yield EXAMPLES[-1]

    assert whole(stand, stand.bucket.put(DATA, Again(lambda: iter(EXAMPLES), examples), fence=unfenced))
    assert [one["status"] for one in stand.log("PUT")].count(412) == 1


class Again:
    """Examples that are made anew for each reading: the first one, and all later ones."""

    def __init__(
        self, first: Callable[[], Iterator[Example]], second: Callable[[], Iterator[Example]]
    ) -> None:
        self._readings = [first, second]

    def __iter__(self) -> Iterator[Example]:
        return (self._readings.pop(0) if len(self._readings) > 1 else self._readings[0])()


@pytest.mark.parametrize(
    "second",
    [
        pytest.param([*EXAMPLES[:-1], Example("other", "x" * 4000)], id="another end"),
        pytest.param(EXAMPLES[:-1], id="shorter"),
        pytest.param([*EXAMPLES, *EXAMPLES], id="longer"),
    ],
)
def test_what_changed_on_the_way_becomes_no_object(stand: Stand, second: list[Example]) -> None:
    """If the data differs at the second reading, the last part is not sent, and there is no object."""
    with pytest.raises(StalePlanError, match="changed while it was uploaded"):
        stand.bucket.put(DATA, Again(lambda: iter(EXAMPLES), lambda: iter(second)), fence=unfenced)
    listed = requests.get(f"{stand.url}/storage/v1/b/data/o", timeout=5).json()
    assert "items" not in listed


def test_an_upload_that_does_not_get_on_ends(stand: Stand) -> None:
    """If a service never takes a part, the upload ends with an error that says how far it came."""
    stand.meets({**PUTS, "cut": 0, "skip": 2, "times": None})
    with pytest.raises(UnavailableError):
        stand.put()


def test_a_refusal_is_told_at_once(stand: Stand) -> None:
    """A 403 in the middle is not repeated."""
    stand.meets({**PUTS, "status": 403, "skip": 2, "times": None})
    with pytest.raises(ForbiddenError):
        stand.put()
    assert len(stand.log("PUT")) == 3


def test_a_service_that_forgets_each_upload_is_an_error(stand: Stand) -> None:
    """After three uploads that vanished the error says so."""
    stand.meets({**PUTS, "status": 410, "skip": 0, "times": None})
    with pytest.raises(ServiceError, match="forgot the upload 3 times"):
        stand.put()


def test_parts_go_where_we_asked_and_not_where_a_reply_says() -> None:
    """Only the query of the upload's address is used, so a reply cannot send our login to another host."""
    with listening(Wire()) as wire:
        clock = FakeClock()
        environ = {"GOOGLE_OAUTH_ACCESS_TOKEN": "secret"}
        transport = connect(base_url=wire.url, environ=environ, clock=clock, sleep=clock.sleep)
        regions = Regions(project="p", location="l", open=lambda _: transport, base_url=wire.url)
        begun = answer({}, Location="https://elsewhere.example/upload?upload_id=u1&name=n")
        wire.script = [MISSING, begun, answer({})]
        Bucket(regions, "gs://data", lambda _: None, part=QUANTUM).put(DATA, EXAMPLES[:70], fence=unfenced)
    assert [one.method for one in wire.requests] == ["GET", "POST", "PUT"]
    assert wire.requests[2].target.startswith("/upload/storage/v1/b/data/o?upload_id=u1")
    assert json.loads(wire.requests[1].body).keys() == {"md5Hash"}


def scripted(wire: Wire, clock: FakeClock) -> Bucket:
    """A bucket at a server that says what it is told."""
    transport = connect(base_url=wire.url, environ={}, clock=clock, sleep=clock.sleep)
    regions = Regions(project="p", location="l", open=lambda _: transport, base_url=wire.url)
    return Bucket(regions, "gs://data", lambda _: None, part=QUANTUM)


MISSING = refusal(404, "No such object", canonical="NOT_FOUND")
BEGUN = answer({}, Location="/upload?upload_id=u1")


def has(size: int) -> bytes:
    """The answer to a part: so many bytes have arrived."""
    return answer(body=b"", status=308, Range=f"bytes=0-{size - 1}") if size else answer(body=b"", status=308)


def test_a_service_that_keeps_nothing_is_given_up() -> None:
    """If parts are answered and nothing advances, the upload ends in an error after some waiting."""
    clock = FakeClock()
    with listening(Wire()) as wire:
        wire.script = [MISSING, BEGUN]
        wire.always = has(0)
        with pytest.raises(UnavailableError, match=r"makes no progress at 0 of [0-9,]+ bytes"):
            scripted(wire, clock).put(DATA, EXAMPLES, fence=unfenced)
    assert 5 < len(wire.requests) < 20
    assert clock.now > 30


def test_a_service_that_loses_what_it_had_is_sent_all_again() -> None:
    """If acknowledged bytes are gone, a new upload begins with the first byte."""
    with listening(Wire()) as wire:
        wire.script = [MISSING, BEGUN, has(QUANTUM), has(0), BEGUN, has(QUANTUM), answer({})]
        scripted(wire, FakeClock()).put(DATA, EXAMPLES[:100], fence=unfenced)
    spans = [one.headers["content-range"].split("-")[0] for one in wire.requests if one.method == "PUT"]
    assert spans == ["bytes 0", f"bytes {QUANTUM}", "bytes 0", f"bytes {QUANTUM}"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"name": "another"}'])
def test_an_upload_that_somebody_else_answers_is_looked_for(body: bytes) -> None:
    """A 200 that is not the store's answer proves nothing. Nothing is trained on a missing object."""
    with listening(Wire()) as wire:
        wire.script = [MISSING, answer(body=body), MISSING]
        with pytest.raises(ServiceError, match="is not there"):
            scripted(wire, FakeClock()).put(DATA, EXAMPLES[:5], fence=unfenced)
    assert [one.method for one in wire.requests] == ["GET", "POST", "GET"]


@pytest.mark.parametrize("shown", [{}, {"md5Hash": "AAAA"}, {"name": "another"}, {"name": 5}])
def test_an_object_without_its_name_is_none(shown: dict[str, Any]) -> None:
    """An answer without the object's name does not prove that the object exists."""
    with listening(Wire()) as wire:
        wire.script = [answer(shown)]
        with pytest.raises(NotUnderstoodError, match="was asked about gs://data/"):
            scripted(wire, FakeClock()).put(DATA, EXAMPLES[:5], fence=unfenced)


def test_an_object_of_other_content_is_not_trained_on(stand: Stand) -> None:
    """Its name is a digest. If its checksum differs, somebody else has put it there."""
    uri = stand.put()
    name = uri.removeprefix("gs://data/")
    query = {"uploadType": "media", "name": name}
    assert requests.post(f"{stand.url}/upload/storage/v1/b/data/o", params=query, data=b"{}", timeout=5).ok
    with pytest.raises(ServiceError, match=r"does not hold big\.jsonl"):
        stand.put()


@pytest.mark.parametrize("span", ["bytes=0-99999999", "bytes=all", f"bytes=0-{'9' * 5000}", "bytes=5"])
def test_a_range_that_cannot_be_is_an_error(span: str) -> None:
    """A range beyond what was sent, or without a number, is reported and not believed."""
    with listening(Wire()) as wire:
        wire.script = [MISSING, BEGUN, answer(body=b"", status=308, Range=span)]
        with pytest.raises(ServiceError, match="Range"):
            scripted(wire, FakeClock()).put(DATA, EXAMPLES, fence=unfenced)


class ManyLines:
    """Lines that are made as they are read."""

    def __iter__(self) -> Iterator[bytes]:
        return (b"%d" % number * 5000 for number in range(1000, 3000))


def test_the_memory_that_an_upload_takes_does_not_grow_with_it() -> None:
    """40 MB of lines are read twice, and only some of them are in memory at a time."""
    tracemalloc.start()
    try:
        content = measure_content(ManyLines(), "big", small=QUANTUM)
        assert sum(map(len, content.check_lines())) == content.size > 40_000_000
        assert tracemalloc.get_traced_memory()[1] < 4 * QUANTUM
    finally:
        tracemalloc.stop()
