"""Copies of models on the emulator: what is asked, what is found, and what goes when a copy goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from msgspec.structs import asdict, replace

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from reconciler.errors import (
    AlreadyExistsError,
    InUseError,
    LockLostError,
    NotFoundError,
    NotUnderstoodError,
    ServiceError,
    StillTrainingError,
    UsageError,
)
from reconciler.model.checks import Prompt
from reconciler.model.endpoint import Serving
from reconciler.model.live import Live, Odd, Status
from reconciler.model.permission import Permission
from reconciler.providers import Accepted, EndpointHandle, Handle, Provider
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.copies import CopyProvider
from reconciler.providers.vertex.fields import KEY, LOCATION, MODEL_COPY, PROJECT, SERVICE_ACCOUNT
from reconciler.providers.vertex.regions import Regions
from tests.contract.copies import DEV, GONE, PLACE, PROD, open_copies, tune
from tests.contract.copies import MODEL_COPY as SAMPLE
from tests.contract.provider import closed, handle
from tests.emulator_clock import EmulatorClock
from tests.fakes import unfenced
from tests.google_hosts import GONE as NOWHERE
from tests.google_hosts import Google, Host
from tests.http.wire import answer, listening
from tests.limits import repeats
from tests.providers.test_vertex_requests import Recording, discovery, fits, methods

__all__ = ["discovery"]  # the fixture comes from that module
ID, OTHER = "numbers-aaaaaaaa", "numbers-bbbbbbbb"
OWNER = "a" * 40
HOME = f"projects/{PROD}/locations/{PLACE}"


class Stand:
    """An emulator with a tuned model in DEV; each provider is a new process.

    Attributes:
        source: the tuned model, with its version.
        sent: every request of the last provider: method, path, query, body.
    """

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url, self.session, self.clock = url, session, EmulatorClock(url, session)
        self.source = tune(self._connect(), self.finish)

    def _connect(self) -> Any:
        opened = connect(base_url=self.url, environ={}, clock=self.clock, sleep=self.clock.sleep)
        recording = Recording(**asdict(self.clock.share(opened)), seen=[], dies=None)
        self.sent = recording.seen
        return recording

    def control(self, path: str, change: object) -> None:
        """Post to the emulator's control plane, at the time of our clock."""
        self.clock.catch_up()
        assert self.session.post(f"{self.url}/emulator/{path}", json=change, timeout=5).ok

    def finish(self) -> None:
        """Let everything end that is under way."""
        self.control("clock", {"advance": 1000})

    def call(self, method: str, path: str, body: object = None, **query: str) -> dict[str, Any]:
        """Do something as somebody else."""
        self.clock.catch_up()
        reply = self.session.request(method, f"{self.url}/v1/{path}", json=body, params=query, timeout=5)
        assert reply.ok, reply.text
        answer: dict[str, Any] = reply.json()
        return answer

    def open(self, **settings: Any) -> Provider:
        """A new process."""
        return open_copies(self._connect(), **settings)

    def tune(self, id: str, **fields: Any) -> str:
        """Tune another model in DEV."""
        return tune(self._connect(), self.finish, id, **fields)

    def copy(self, provider: Provider, id: str = ID, source: str = "", **attributes: Any) -> Accepted:
        """Begin to copy the tuned model to PROD."""
        want = SAMPLE.want({**SAMPLE.attributes, **attributes})
        return provider.create(want, id, source or self.source, {}, fence=unfenced)

    def copied(self, provider: Provider, id: str = ID, source: str = "", **attributes: Any) -> Handle:
        """Copy it, and wait."""
        made = handle(self.copy(provider, id, source, **attributes), id)
        self.finish()
        return made

    def serve(self, provider: Provider, model: Handle, id: str = "support") -> EndpointHandle:
        """Deploy a copy to an endpoint of ours."""
        endpoints = provider.endpoints
        assert endpoints is not None
        live = endpoints.create(
            EndpointHandle(id, location=PLACE, project=PROD), model, OWNER, is_ours=False, fence=unfenced
        )
        made = EndpointHandle(live.id, live.name, live.location)
        endpoints.deploy(made, model, fence=unfenced)
        self.finish()
        return made

    @property
    def changes(self) -> list[str]:
        """The requests so far that change something."""
        return [f"{method} {path.rpartition('/')[2]}" for method, path, *_ in self.sent if method != "GET"]


@pytest.fixture
def stand() -> Iterator[Stand]:
    """An emulator for this test alone."""
    settings = Settings(training_seconds=100, vertex_copy_seconds=100)
    with run_emulator(settings=settings) as served, requests.Session() as session:
        session.trust_env = False
        yield Stand(served.url, session)


def only(provider: Provider) -> Live:
    """The one copy that is listed."""
    (found,) = provider.list()
    assert isinstance(found, Live)
    return found


def test_every_request_of_a_copy_is_one_of_the_api(stand: Stand, discovery: Any) -> None:
    """Paths, query parameters and bodies of its life are those of the discovery document."""
    provider = stand.open()
    made = stand.copy(provider, **{SERVICE_ACCOUNT: "copier@acme.example"})
    assert provider.poll(handle(made)).status is Status.CREATING
    stand.finish()
    served = stand.serve(provider, handle(made), ID)
    assert provider.generate(handle(made), Prompt("1"), temperature=0.0)
    assert only(provider).id == provider.get(Handle(ID)).id == ID  # type: ignore[union-attr]  # it is there
    provider.delete(handle(made), fence=unfenced)
    assert provider.endpoints.find([served]) == [None]  # type: ignore[union-attr]  # this kind has them
    known = [(one, re.compile(re.sub(r"\{[^}]*\}", "[^/:]+", one["flatPath"]))) for one in methods(discovery)]
    for method, path, query, body in stand.sent:
        one = next((one for one, form in known if one["httpMethod"] == method and form.fullmatch(path)), None)
        assert one is not None, f"{method} {path}"
        assert set(query) <= set(one["parameters"]) | set(discovery["parameters"]), f"{method} {path} {query}"
        if "request" in one and body is not None:
            fits(body, one["request"], discovery["schemas"], path)


def test_a_copy_is_one_request_that_names_the_version(stand: Stand) -> None:
    """The request has our id. It has no field for a checkpoint, so that of the source is not sent."""
    provider = stand.open()
    made = stand.copy(provider, source=f"{stand.source}#2")
    (sent,) = stand.sent
    assert sent[:2] == ("POST", f"v1/{HOME}/models:copy")
    assert sent[3] == {"sourceModel": stand.source, "modelId": ID}
    assert made.name.endswith(f"/locations/{PLACE}/models/{ID}")
    assert made.operation.startswith(f"{made.name}/operations/")
    assert made.create_time


def test_what_a_copy_shows(stand: Stand) -> None:
    """It shows its origin, its place under every name of the project, and the name to deploy and copy."""
    provider = stand.open()
    made = stand.copied(provider)
    found = only(provider)
    number = found.name.split("/")[1]
    assert number.isdigit()
    assert found.name == f"projects/{number}/locations/{PLACE}/models/{ID}"
    assert found.deployable == f"{found.name}@1"
    assert found.attributes == {"source": stand.source, LOCATION: PLACE, PROJECT: PROD}
    assert found.aliases == {PROJECT: (number, PROD)}
    assert (found.traffic, found.label, found.error) == ((), "", "")
    assert found.outputs["copied from"] == stand.source
    assert found.base == "gemini-3.1-flash-lite"
    assert provider.get(made) == provider.get(Handle(ID)) == found


def test_the_key_of_a_copy_is_sent_and_shown(stand: Stand) -> None:
    """Encryption is not copied, so the key is the copy's own. With another key it is another model."""
    key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    stand.control("settings", {"vertex_gemini_3_place": "job"})
    source = stand.tune("regional-aaaaaaaa")
    provider = stand.open(places=frozenset({(PROD, "us-central1")}))
    stand.copied(provider, ID, source, **{LOCATION: "us-central1", KEY: key})
    assert only(provider).attributes[KEY] == key
    with pytest.raises(AlreadyExistsError, match=re.escape(KEY)):
        stand.copy(provider, ID, source, **{LOCATION: "us-central1", KEY: f"{key}2"})


def test_another_origin_is_another_model(stand: Stand) -> None:
    """A taken id is a success only if the copy has the same origin, in the same version."""
    provider = stand.open()
    stand.copied(provider)
    assert stand.copy(provider).name == only(provider).name
    assert stand.copy(stand.open(), source=f"{stand.source}#1").name
    other = stand.tune("other-aaaaaaaa")
    with pytest.raises(AlreadyExistsError) as caught:
        stand.copy(provider, source=other)
    assert caught.value.visible
    assert caught.value.summary.endswith(
        f"exists already and is another model: source differ. It was copied from {stand.source}"
    )
    assert only(provider).attributes["source"] == stand.source


def test_a_source_is_the_same_by_the_id_and_the_number_of_its_project(stand: Stand) -> None:
    """The service answers with the number of the project, though we sent its id."""
    provider = stand.open()
    stand.copied(provider)
    by_id = f"projects/{DEV}/{stand.source.partition('/')[2].partition('/')[2]}"
    assert stand.copy(provider, source=by_id).name == only(provider).name


def test_a_copy_that_an_earlier_run_began_is_found_and_not_sent_again(stand: Stand) -> None:
    """Its operation is found first, and later its name. A copy that failed is made again."""
    stand.control("faults", [{"operation": f"^copy models/{ID}$", "fail": {"code": 13, "message": "no"}}])
    want, source = SAMPLE.want(), stand.source
    first = stand.copy(stand.open())
    stand.finish()
    stand.session.delete(f"{stand.url}/emulator/faults", timeout=5)
    again = stand.open()
    second = again.create(want, ID, source, {}, fence=unfenced, attempted=True)
    assert second.operation != first.operation
    assert stand.changes == ["POST models:copy"]
    for _ in range(2):
        provider = stand.open()
        assert provider.create(want, ID, source, {}, fence=unfenced, attempted=True) == second
        assert stand.changes == []
        stand.finish()


def test_a_poll_says_why_a_copy_failed_even_when_a_later_run_asks(stand: Stand) -> None:
    """The operation is found under the copy's name. A failed copy leaves nothing to delete."""
    stand.control(
        "faults", [{"operation": f"^copy models/{ID}$", "fail": {"code": 13, "message": "no disk"}}]
    )
    made = stand.copied(stand.open())
    for asked in (made, Handle(ID, made.name), Handle(ID)):
        provider = stand.open()
        found = provider.get(asked)
        assert found is not None
        assert (found.id, found.status, found.error) == (ID, Status.FAILED, "no disk")
        assert provider.poll(asked).error == "no disk"
        provider.delete(asked, fence=unfenced)
        assert (stand.changes, list(provider.list())) == ([], [])


def test_a_copy_that_was_made_a_moment_ago_may_not_show_yet(stand: Stand) -> None:
    """Its operation has ended well. Poll raises NotFound, so the caller goes on asking."""
    provider = stand.open()
    made = stand.copied(provider)
    stand.control("faults", [{"method": "GET", "path": f"/models/{ID}$", "times": 1, **GONE}])
    with pytest.raises(NotFoundError, match="does not exist"):
        provider.poll(made)
    assert provider.poll(made).status is Status.ACTIVE


def test_a_forgotten_operation_is_no_failure(stand: Stand) -> None:
    """The service may forget operations. The copy itself says that it was made."""
    provider = stand.open()
    made = stand.copied(provider)
    stand.call("DELETE", made.operation)
    assert provider.poll(made).status is Status.ACTIVE
    stand.call("DELETE", f"{HOME}/models/{ID}")
    stand.finish()
    with pytest.raises(NotFoundError):
        provider.poll(made)
    assert provider.get(made) is None


def test_models_that_are_no_copies_are_left_out(stand: Stand) -> None:
    """A job's models belong to its TuningJob.

    One with the id of a declared copy is odd, and never deleted.
    """
    stand.tune("mine-aaaaaaaa")
    job_model = stand.source.partition("@")[0]
    provider = stand.open(places=frozenset({(PROD, PLACE), (DEV, PLACE)}))
    copied = stand.copied(provider)
    assert [live.name for live in provider.list()] == [copied.name]
    with pytest.raises(NotUnderstoodError, match="is not a copy"):
        provider.get(Handle(job_model.rpartition("/")[2], job_model))
    with pytest.raises(NotUnderstoodError, match="is not a copy"):
        provider.delete(Handle("x", job_model), fence=unfenced)
    assert stand.call("GET", job_model)


def test_a_taken_id_that_is_no_copy_is_odd() -> None:
    """A model without an origin blocks the id of a declared copy."""
    # The emulator makes no such model, so these entries are written by hand.
    name = f"projects/123/locations/us/models/{ID}"
    uploaded = "projects/123/locations/us/models/numbers-of-others"
    sorts = {"CUSTOM": "numbers-cccccccc", "GENIE": "numbers-dddddddd"}
    entries = {name: {"name": name, "versionId": "1"}, uploaded: {"name": uploaded, "versionId": "1"}}
    for sort, id in sorts.items():
        at = f"projects/123/locations/us/models/{id}"
        info = {"sourceType": sort, "copy": True}
        entries[at] = {"name": at, "versionId": "1", "modelSourceInfo": info}  # type: ignore[dict-item]  # JSON
    with listening(Host(location="us", resources=entries)) as served:
        google = Google({"us": served})
        provider = google.open_copies()
        found = {live.id: type(live) for live in provider.list()}
        assert found == {ID: Odd, "numbers-dddddddd": Live}
        assert google.opened == ["https://aiplatform.us.rep.googleapis.com"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("originalModelInfo", 7),
        ("originalModelInfo", ["x"]),
        ("deployedModels", "x"),
        ("deployedModels", [{"endpoint": "endpoints/5"}]),
        ("encryptionSpec", "x"),
        ("checkpoints", {"1": {}}),
    ],
    ids=str,
)
def test_a_copy_that_is_not_understood_hides_no_other(key: str, value: object) -> None:
    """It is listed as an Odd with its id, so the id counts as taken."""
    home, info = "projects/123/locations/us/models", {"modelSourceInfo": {"copy": True}}
    good = {"name": f"{home}/{OTHER}", "versionId": "1", **info}
    bad = {"name": f"{home}/{ID}", "versionId": "1", **info, key: value}
    with listening(Host(location="us", resources={one["name"]: one for one in (good, bad)})) as served:  # type: ignore[misc]  # JSON
        found = list(Google({"us": served}).open_copies().list())
    assert [type(one) for one in found] == [Live, Odd]
    assert [one.id for one in found] == [OTHER, ID]


def test_an_endpoint_that_is_not_understood_counts_as_one_with_requests() -> None:
    """A wrong deletion cannot be undone. The other endpoints are read as they are."""
    home, info = "projects/123/locations/us", {"modelSourceInfo": {"copy": True}}
    odd, quiet = f"{home}/endpoints/odd", f"{home}/endpoints/quiet"
    deployed = [{"endpoint": odd}, {"endpoint": quiet}]
    model = {"name": f"{home}/models/{ID}", "versionId": "1", **info, "deployedModels": deployed}
    resources = {
        model["name"]: model,
        odd: {"name": odd, "deployedModels": "x"},
        quiet: {"name": quiet, "deployedModels": [{"id": "1", "model": f"{home}/models/{ID}@1"}]},
    }
    with listening(Host(location="us", resources=resources)) as served:  # type: ignore[arg-type]  # JSON
        assert only(Google({"us": served}).open_copies()).traffic == (odd,)


def test_each_resource_is_asked_for_on_the_host_of_its_location() -> None:
    """A copy is made at its destination, and its operation is polled there, wherever the source is."""
    home = "projects/123/locations/eu"
    name, operation = f"{home}/models/{ID}", f"{home}/models/{ID}/operations/9"
    with listening(Host(location="eu")) as served, listening(Host(location="us")) as other:
        google = Google({"eu": served, "us": other})
        provider = google.open_copies(("p", "eu"))
        served.replies = {
            ("POST", f"{home}/models:copy"): answer({"name": operation}),
            ("GET", operation): answer({"name": operation}),
            ("GET", name): NOWHERE,
        }
        want = SAMPLE.want({LOCATION: "eu"})
        made = provider.create(want, ID, "projects/7/locations/us/models/1@1", {}, fence=unfenced)
        assert made == Accepted(name, operation)
        assert provider.poll(handle(made)).status is Status.CREATING
        assert google.asked() == {"eu": [f"GET eu/models/{ID}/operations/9", "POST eu/models:copy"]}


def test_the_first_version_is_the_copy(stand: Stand) -> None:
    """Somebody copied another model into ours as its second version. Only ours is deleted."""
    provider = stand.open()
    made = stand.copied(provider)
    other = stand.tune("other-aaaaaaaa")
    stand.call("POST", f"{HOME}/models:copy", {"sourceModel": other, "parentModel": f"{HOME}/models/{ID}"})
    stand.finish()
    assert stand.call("GET", f"{HOME}/models/{ID}")["versionId"] == "2"
    provider = stand.open()
    found = only(provider)
    assert (found.deployable, found.attributes["source"]) == (f"{found.name}@1", stand.source)
    assert provider.get(made) == found
    assert stand.copy(provider).name == found.name
    provider.delete(made, fence=unfenced)
    assert stand.call("GET", f"{HOME}/models/{ID}")["originalModelInfo"] == {"model": other}


def test_endpoints_that_send_a_copy_requests_are_shown(stand: Stand) -> None:
    """So are stable ones, because the plan knows its own. The one for the copy's checks is left out."""
    provider = stand.open()
    made = stand.copied(provider)
    stand.serve(provider, made, ID)
    assert only(provider).traffic == ()
    stable = stand.serve(provider, made)
    found = only(provider)
    assert found.traffic == (stable.name,)
    assert provider.get(made) == found


def test_a_copy_answers_on_the_endpoint_for_its_checks_before_any_other(stand: Stand) -> None:
    """A stable endpoint may send requests to other models. Without any endpoint the error says what to do."""
    provider = stand.open()
    made = stand.copied(provider)
    with pytest.raises(NotFoundError, match="deployed to no endpoint") as caught:
        provider.generate(made, Prompt("1"))
    assert caught.value.detail == "Declare serving.endpoint, and apply: that deploys it."
    assert provider.find_endpoint(made) == ""
    stable = stand.serve(provider, made)
    assert provider.find_endpoint(made) == stable.name
    own = stand.serve(stand.open(), made, ID)
    provider = stand.open()
    assert provider.find_endpoint(made) == own.name
    assert provider.generate(made, Prompt("1"), temperature=0.0)
    stand.call("POST", f"{own.name}:undeployModel", {"deployedModelId": deployed(stand, own)})
    stand.finish()
    stand.call("DELETE", own.name)
    with pytest.raises(NotFoundError):
        provider.generate(made, Prompt("1"))
    assert provider.generate(made, Prompt("1"))
    with pytest.raises(NotFoundError, match="does not exist"):
        provider.find_endpoint(Handle(OTHER))


def deployed(stand: Stand, endpoint: EndpointHandle) -> str:
    """The id of the only deployment on an endpoint."""
    (only_one,) = stand.call("GET", endpoint.name)["deployedModels"]
    return str(only_one["id"])


def test_a_copy_on_somebody_elses_endpoint_is_kept(stand: Stand) -> None:
    """Its own endpoint is kept too. Nothing is deleted, and the error names the other endpoint."""
    provider = stand.open()
    made = stand.copied(provider)
    stand.serve(provider, made, ID)
    stable = stand.serve(provider, made)
    provider = stand.open()
    with pytest.raises(InUseError, match=re.escape(f"it stands on {stable.name}")):
        provider.delete(made, fence=unfenced)
    assert stand.changes == []


def test_the_endpoint_for_its_checks_goes_with_a_copy(stand: Stand) -> None:
    """The copy is undeployed, then its endpoint is deleted, then the copy. One without our label stays."""
    provider = stand.open()
    made, other = stand.copied(provider), stand.copied(provider, OTHER)
    stand.serve(provider, made, ID)
    stand.call("POST", f"{HOME}/endpoints", {"displayName": "by hand"}, endpointId=OTHER)
    stand.finish()
    for deleted in (made, other):
        stand.open().delete(deleted, fence=unfenced)
    assert list(stand.open().list()) == []
    listed = stand.call("GET", f"{HOME}/endpoints")["endpoints"]
    assert [one["displayName"] for one in listed] == ["by hand"]


def test_deleting_a_copy_that_is_being_made_cancels_it(stand: Stand) -> None:
    """If it is made all the same, a later run deletes it."""
    provider = stand.open()
    made = handle(stand.copy(provider))
    stand.control("faults", [{"method": "POST", "path": ":cancel$", "status": 200, "body": {}, "times": 1}])
    with pytest.raises(StillTrainingError):
        provider.delete(made, fence=unfenced)
    provider.delete(made, fence=unfenced)
    assert stand.changes == ["POST models:copy", f"POST {op(made)}:cancel", f"POST {op(made)}:cancel"]
    assert list(provider.list()) == []


def op(made: Handle) -> str:
    """The number of its operation."""
    return made.operation.rpartition("/")[2]


@pytest.mark.parametrize("when", ["after", *repeats("before")])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/models/{ID}/operations/[0-9]+$"),
        ("GET", f"/models/{ID}$"),
        ("POST", "/endpoints/[^/]+:undeployModel$"),
        ("DELETE", f"/endpoints/{ID}$"),
        ("DELETE", f"/models/{ID}$"),
    ],
)
def test_lost_replies_end_in_the_same(stand: Stand, method: str, path: str, when: str) -> None:
    """A poll, a look or a call of a deletion loses its reply.

    The copy is made once, and is deleted in the end.
    """
    provider = stand.open()
    made = stand.copied(provider)
    stand.serve(provider, made, ID)
    stand.control("faults", [{"method": method, "path": path, "drop": True, "when": when}])
    provider = stand.open()
    assert provider.poll(made).status is Status.ACTIVE
    provider.delete(made, fence=unfenced)
    assert list(provider.list()) == []
    assert "endpoints" not in stand.call("GET", f"{HOME}/endpoints")


def test_deleting_the_source_does_not_touch_the_copy(stand: Stand) -> None:
    """The copy answers as before."""
    source = stand.source
    provider = stand.open()
    made = stand.copied(provider)
    endpoints = {key: value for key, value in stand.call("GET", source).items() if key == "deployedModels"}
    for item in endpoints["deployedModels"]:
        name = item["endpoint"]
        stand.call("POST", f"{name}:undeployModel", {"deployedModelId": item["deployedModelId"]})
    stand.finish()
    stand.call("DELETE", source)
    stand.finish()
    found = provider.get(made)
    assert found is not None
    assert (found.status, found.attributes["source"]) == (Status.ACTIVE, source)


@pytest.mark.parametrize("copies", [3, 30])
def test_a_list_costs_a_request_for_each_page(stand: Stand, copies: int) -> None:
    """A single copy costs none. Where many copies are deployed, endpoints are listed in pages too."""
    provider = stand.open(page_size=10)
    made = [stand.copied(provider, f"numbers-{number:08}") for number in range(copies)]
    pages = 1 + -(-copies // 10)  # the first page is that of the default place
    stand.sent.clear()
    assert len(list(provider.list())) == copies
    assert [(method, path.rpartition("/")[2]) for method, path, *_ in stand.sent] == [
        ("GET", "models")
    ] * pages
    for one in made:
        stand.serve(provider, one, f"e{one.id[8:]}")
    stand.sent.clear()
    assert all(len(one.traffic) == 1 for one in provider.list() if isinstance(one, Live))
    asked = [path.rpartition("/")[2] for _, path, *_ in stand.sent]
    assert asked.count("models") == pages
    assert len(asked) - pages == 3  # it asked for three endpoints, or for three pages of endpoints


def test_a_stable_endpoint_is_searched_for_where_the_copy_is(stand: Stand) -> None:
    """One request asks its own location. The multi-region around it belongs to jobs."""
    provider = stand.open()
    endpoints = provider.endpoints
    assert endpoints is not None
    (want,) = provider.measure_data(
        [replace(SAMPLE.want({LOCATION: "us-central1", PROJECT: PROD}), serving=Serving("support"))]
    )
    assert endpoints.find([endpoints.make_handle(want)]) == [None]
    assert [path for _, path, *_ in stand.sent] == [
        f"v1/projects/{PROD}/locations/us-central1/endpoints/support"
    ]


def test_a_copy_is_found_in_each_place_by_its_last_operation(stand: Stand) -> None:
    """If a record has no name, the copy may be deleted in one place and be under way in another."""
    stand.control("settings", {"vertex_gemini_3_place": "job"})
    places = frozenset({(PROD, PLACE), (PROD, "europe-west4")})
    first = stand.open(places=places)
    first.delete(stand.copied(first, **{LOCATION: "europe-west4"}), fence=unfenced)
    provider = stand.open(places=places)
    assert provider.get(Handle(ID)) is None
    made = stand.copy(provider)
    found = provider.get(Handle(ID))
    assert found is not None
    assert (found.name, found.status) == (made.name, Status.CREATING)
    assert provider.poll(Handle(ID)).status is Status.CREATING


def test_what_a_copy_has_not(stand: Stand) -> None:
    """It has no data, permissions, base model or updates, and a failure leaves nothing."""
    provider = stand.open()
    assert provider.kind is MODEL_COPY
    assert provider.list_permissions(Handle(ID)) == ()
    provider.set_permissions(Handle(ID), [], fence=unfenced)
    with pytest.raises(UsageError, match="no permissions of its own"):
        provider.set_permissions(Handle(ID), [Permission("EVERYONE", "", "READER")], fence=unfenced)
    assert provider.list_base_models().tunable == frozenset()
    assert list(provider.list_ended()) == []
    assert list(provider.list_states()) == []
    assert provider.read_data("gs://x/y") is None
    (placed,) = provider.measure_data([SAMPLE.want({PROJECT: PROD})])
    assert placed.effective == {LOCATION: "us-central1", PROJECT: PROD}
    with pytest.raises(ValueError, match="immutable"):
        provider.update(Handle(ID), {KEY: "x"}, fence=unfenced)
    assert stand.sent == []


def test_a_closed_fence_stops_a_cancellation(stand: Stand) -> None:
    """Each request that changes something asks the fence."""
    provider = stand.open()
    made = handle(stand.copy(provider))
    with pytest.raises(LockLostError):
        provider.delete(made, fence=closed)
    assert provider.poll(made).status is Status.CREATING


def test_a_run_without_a_place_says_what_to_set() -> None:
    """The error names the settings."""
    regions = Regions(project="", location="", open=lambda _: pytest.fail("nothing is opened"))
    provider = CopyProvider(regions)
    with pytest.raises(UsageError, match="no project is set for models of Vertex AI"):
        list(provider.list())
    assert provider.measure_data([SAMPLE.want({})])[0].effective == {}
    with pytest.raises(ServiceError, match="is not the name of a resource"):
        provider.get(Handle("x", "models/x"))
