"""Where requests go: to the host of the location in the name of the resource that they are about."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from reconciler.errors import ForbiddenError, NotFoundError, ServiceError, UnavailableError
from reconciler.http import Transport
from reconciler.model.checks import Prompt
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Odd, Status
from reconciler.providers import Ended, Handle
from reconciler.providers.google.connection import connect
from reconciler.providers.vertex.deletion import Deletion
from reconciler.providers.vertex.provider import VertexProvider
from reconciler.providers.vertex.regions import STORAGE, Regions, explain_host, find_served
from tests.contract.provider import TUNING_JOB
from tests.fakes import unfenced
from tests.google_hosts import DENIED, HOSTS, ID, Google, Host
from tests.http.wire import answer, listening

TRAINED = ("us-central1", "europe-west4")


@pytest.fixture
def google() -> Iterator[Google]:
    """Google's hosts, for this test alone."""
    with ExitStack() as closing:
        yield Google(
            {location: closing.enter_context(listening(Host(location=location))) for location in HOSTS}
        )


def list_live(provider: VertexProvider) -> list[tuple[str, Status, str, str]]:
    """Return id, status, endpoint and declared location of each listed model."""
    found = list(provider.list())
    assert not any(isinstance(model, Odd) for model in found)
    return [
        (model.id, model.status, model.outputs["endpoint"], str(model.attributes["metadata.location"]))
        for model in found
        if isinstance(model, Live)
    ]


@pytest.mark.parametrize("project", ["p", "123"])
@pytest.mark.parametrize(
    ("region", "serves"), [("us-central1", "us"), ("europe-west4", "eu"), ("us-central1", "us-central1")]
)
def test_every_call_goes_to_the_host_of_the_name(
    google: Google, region: str, serves: str, project: str
) -> None:
    """List, get, poll, output, generate, update and delete find a model wherever its job says it is.

    The record has the project's id or its number.
    """
    handle = Handle(ID, google.train(region, serves).name.replace("projects/p", f"projects/{project}"))
    endpoint = f"projects/123/locations/{serves}/endpoints/72"
    provider = google.connect(location=region)
    assert list_live(provider) == [(ID, Status.ACTIVE, endpoint, region)]
    found = provider.get(handle)
    assert found is not None
    assert (found.status, found.attributes["metadata.location"]) == (Status.ACTIVE, region)
    assert provider.poll(handle).status is Status.ACTIVE
    assert provider.find_endpoint(handle) == endpoint

    there, model = google.hosts[serves], f"projects/123/locations/{serves}/models/71"
    said = {"candidates": [{"content": {"parts": [{"text": "8"}]}}]}
    there.replies["POST", f"{endpoint}:generateContent"] = answer(said)
    assert provider.generate(handle, Prompt("7")) == "8"

    google.forget()
    provider.update(handle, {"description": "counts"}, fence=unfenced)
    assert [request for request in there.asked if request.startswith("PATCH")] == [
        f"PATCH {serves}/models/71",
        f"PATCH {serves}/endpoints/72",
    ]

    google.forget()
    operation = f"projects/123/locations/{serves}/operations/5"
    done = answer({"name": operation, "done": True})
    there.replies["POST", f"{endpoint}:undeployModel"] = answer({"name": f"{endpoint}/operations/4"})
    there.replies["GET", f"{endpoint}/operations/4"] = answer(
        {"name": f"{endpoint}/operations/4", "done": True}
    )
    there.replies["DELETE", endpoint] = there.replies["DELETE", model] = done
    there.replies["GET", f"{model}:listVersions"] = answer({"models": [there.resources[model]]})
    provider.delete(handle, fence=unfenced)
    assert [request for request in there.asked if not request.startswith("GET")] == [
        f"POST {serves}/endpoints/72:undeployModel",
        f"DELETE {serves}/endpoints/72",
        f"DELETE {serves}/models/71",
    ]
    assert f"GET {serves}/endpoints/72/operations/4" in there.asked
    assert set(google.opened) == {HOSTS[region], HOSTS[serves]}
    assert google.asked().keys() == {region, serves}


def test_a_model_in_us_is_tuned_further_by_a_job_in_its_region(google: Google) -> None:
    """The job goes to the region of the manifest, and names the model in its own place."""
    parent = google.train("us-central1", "us")
    jobs = "projects/123/locations/us-central1/tuningJobs"
    begun = {"name": f"{jobs}/9", "labels": {"reconciler_id": "child-aaaaaaaa"}, "state": "JOB_STATE_PENDING"}
    there = google.hosts["us-central1"]
    there.replies["POST", jobs] = answer(begun)
    data = DataSet("0" * 64, 0, 0, field=TUNING_JOB.data, uri=f"{jobs.rpartition('/')[0]}/datasets/7")
    want = TUNING_JOB.want({TUNING_JOB.parent: ID})
    child = Desired(want.address, want.attributes, (data,))
    made = google.connect().create(child, "child-aaaaaaaa", parent.name, {}, fence=unfenced)
    assert made.name == f"{jobs}/9"
    (sent,) = [json.loads(request.body) for request in there.requests if request.method == "POST"]
    assert sent["preTunedModel"] == {"tunedModelName": "projects/123/locations/us/models/71@1"}
    assert google.asked().keys() == {"us-central1"}


def test_a_list_asks_where_the_jobs_say_and_nowhere_else(google: Google) -> None:
    """Jobs of 2.x ask nothing of us.

    With a job of 3.x, us is asked once. Without a model, only jobs are listed.
    """
    jobs = ["GET us-central1/tuningJobs"]
    assert list_live(google.connect()) == []
    assert google.asked() == {"us-central1": jobs}

    google.train("us-central1", "us-central1", "7")
    google.train("us-central1", "us-central1", "8", "others-bbbbbbbb")
    google.forget()
    assert len(list_live(google.connect())) == 2
    own = ["GET us-central1/endpoints", "GET us-central1/models", *jobs]
    assert google.asked() == {"us-central1": own}
    assert google.opened.count(HOSTS["us"]) == 0

    google.train("us-central1", "us", "5", "newer-aaaaaaaa")
    google.train("us-central1", "us", "6", "newer-bbbbbbbb")
    google.forget()
    assert len(list_live(google.connect())) == 4
    both = {"us-central1": own, "us": ["GET us/endpoints", "GET us/models"]}
    assert google.asked() == both

    del google.hosts["us-central1"].resources["projects/123/locations/us-central1/tuningJobs/7"]
    del google.hosts["us-central1"].resources["projects/123/locations/us-central1/tuningJobs/8"]
    google.forget()
    assert len(list_live(google.connect())) == 2
    assert google.asked() == {**both, "us-central1": jobs}


def test_each_region_of_the_manifests_has_its_own_multi_region(google: Google) -> None:
    """With jobs in both regions, each multi-region is asked about the models of its own jobs."""
    google.train("us-central1", "us", "7")
    google.train("europe-west4", "eu", "7", "numbers-bbbbbbbb")
    provider = google.connect(*(("", region) for region in TRAINED))
    assert sorted(list_live(provider)) == [
        (ID, Status.ACTIVE, "projects/123/locations/us/endpoints/72", "us-central1"),
        ("numbers-bbbbbbbb", Status.ACTIVE, "projects/123/locations/eu/endpoints/72", "europe-west4"),
    ]
    assert google.asked()["eu"] == ["GET eu/endpoints", "GET eu/models"]


def test_a_training_under_way_asks_nothing_of_a_multi_region(google: Google) -> None:
    """A job names no model before it has ended, or a model that nobody need look for yet."""
    handle = google.train("us-central1", "us")
    (job,) = google.hosts["us-central1"].resources.values()
    job["state"] = "JOB_STATE_RUNNING"
    provider = google.connect()
    (live,) = provider.list()
    assert isinstance(live, Live)
    assert live.status is Status.CREATING
    assert provider.poll(handle).status is Status.CREATING
    assert google.asked().keys() == {"us-central1"}


def test_a_job_with_a_model_in_us_has_not_lost_it(google: Google) -> None:
    """`import --all` counts a job as without its model only if the model's own location does not list it."""
    google.train("us-central1", "us", "7")
    lost = google.train("us-central1", "us", "8", "others-bbbbbbbb")
    del google.hosts["us"].resources["projects/123/locations/us/models/81"]
    (ended,) = google.connect().list_ended()
    assert ended == Ended(lost.name.replace("projects/p", "projects/123"), has_failed=False)
    assert google.asked() == {"us-central1": ["GET us-central1/tuningJobs"], "us": ["GET us/models"]}


def test_traffic_from_an_endpoint_in_the_multi_region_is_listed(google: Google) -> None:
    """A model in us is in use if another endpoint there sends it requests."""
    google.train("us-central1", "us")
    other = "projects/123/locations/us/endpoints/support"
    deployed = {"id": "4", "model": "projects/p/locations/us/models/71@1"}
    google.hosts["us"].resources[other] = {
        "name": other,
        "deployedModels": [deployed],
        "trafficSplit": {"4": 100},
    }
    (live,) = google.connect().list()
    assert isinstance(live, Live)
    assert live.traffic == (other,)


def test_a_model_without_an_endpoint_of_its_own_is_found_on_another(google: Google) -> None:
    """Endpoints are listed where the model is, though the job names none.

    No request asks for a single one.
    """
    google.train("us-central1", "us")
    (job,) = google.hosts["us-central1"].resources.values()
    del job["tunedModel"]["endpoint"]
    assert list_live(google.connect()) == [
        (ID, Status.ACTIVE, "projects/123/locations/us/endpoints/72", "us-central1")
    ]
    assert google.asked()["us"] == ["GET us/endpoints", "GET us/models"]


def test_a_model_that_is_gone_from_us_is_gone(google: Google) -> None:
    """Neither list nor get shows it. A call says that it was deleted, and which command shows the others."""
    handle = google.train("us-central1", "us")
    there = google.hosts["us"].resources
    endpoint = there.pop("projects/123/locations/us/endpoints/72")
    with pytest.raises(NotFoundError, match="is deployed to no other"):
        google.connect().find_endpoint(handle)
    there.clear()
    provider = google.connect()
    assert list_live(provider) == []
    assert provider.get(handle) is None
    with pytest.raises(NotFoundError) as caught:
        provider.generate(handle, Prompt("7"))
    assert caught.value.summary == (
        f"projects/123/locations/us/models/71@1 was deleted, and so was its endpoint {endpoint['name']}"
    )
    assert caught.value.detail == "reconciler plan shows what an apply would do about it."


@pytest.mark.parametrize("look", [lambda provider, _: list(provider.list()), VertexProvider.get])
def test_a_model_that_may_not_be_read_in_us_is_not_gone(
    google: Google, look: Callable[[VertexProvider, Handle], object]
) -> None:
    """A refusal of us says why us was asked, and who has to allow it."""
    handle = google.train("us-central1", "us")
    models = "projects/123/locations/us/models"
    google.hosts["us"].replies = {("GET", models): DENIED, ("GET", f"{models}/71@1"): DENIED}
    with pytest.raises(ForbiddenError) as caught:
        look(google.connect(), handle)
    assert "locations/us/models" in caught.value.summary
    assert caught.value.detail.endswith(
        "Models and endpoints of Gemini 3.x jobs are in the multi-region us, whatever the job's region: "
        "conditions of roles, organization policies and VPC Service Controls must allow it."
    )
    regional = "projects/123/locations/us-central1/tuningJobs"
    google.hosts["us-central1"].replies["GET", regional] = DENIED
    with pytest.raises(ForbiddenError) as caught:
        list(google.connect().list())
    assert "multi-region" not in caught.value.detail


def test_a_host_that_is_down_is_not_a_model_that_is_gone(google: Google) -> None:
    """The message names the host. It says why it was asked, because no manifest names it."""
    handle = google.train("us-central1", "us")
    with socket.create_server(("127.0.0.1", 0)) as server:
        google.hosts["us"].url = f"http://127.0.0.1:{server.getsockname()[1]}"
    for look in (lambda: list(google.connect().list()), lambda: google.connect().get(handle)):
        with pytest.raises(UnavailableError) as caught:
            look()
        assert google.hosts["us"].url.removeprefix("http://") in caught.value.summary
        assert caught.value.detail == (
            f"Nothing was sent. Check that {google.hosts['us'].url} is the right address and can be reached. "
            "Models and endpoints of Gemini 3.x jobs are in the multi-region us, whatever the job's region: "
            "a firewall, proxy or private DNS must let this host through too."
        )


@pytest.mark.parametrize("url", [HOSTS["us-central1"], "https://example.com", "http://127.0.0.1:8085"])
def test_only_a_multi_regions_host_is_explained(url: str) -> None:
    """The host of a region is that of the manifest's location, and needs no explanation."""
    assert explain_host(url) == ""


@pytest.mark.parametrize(
    ("name", "is_ours"),
    [
        ("projects/123/locations/us/operations/1", True),
        ("projects/p/locations/us/endpoints/8/operations/1", True),
        ("projects/123/locations/us-central1/operations/1", True),
        ("projects/123/locations/eu/operations/1", False),
        ("projects/123/locations/europe-west4/operations/1", False),
    ],
)
def test_an_operation_is_polled_on_the_host_of_its_own_name(
    google: Google, name: str, *, is_ours: bool
) -> None:
    """The operation of a resource in us may be in us or in one of its regions, and nowhere else."""
    endpoint = "projects/123/locations/us/endpoints/8"
    google.hosts["us"].replies["DELETE", endpoint] = answer({"name": name})
    location = name.split("/")[3]
    numbered = name.replace("projects/p/", "projects/123/")
    google.hosts[location].replies["GET", numbered] = answer({"name": numbered, "done": True})
    provider = google.connect()
    step = Deletion(provider._regions, provider._jobs, unfenced)._step
    if is_ours:
        step("DELETE", endpoint)
        assert google.asked()[location][-1].startswith(f"GET {location}/")
        return
    with pytest.raises(ServiceError, match="asked about"):
        step("DELETE", endpoint)
    assert google.asked() == {"us": ["DELETE us/endpoints/8"]}


@pytest.mark.parametrize("location", ["-us", "us-", "x" * 43, "us.evil", "US"])
def test_a_name_whose_location_is_no_host_stops_no_list(google: Google, location: str) -> None:
    """A name from a service decides where a credential goes. So a wrong location is not asked."""
    google.train("us-central1", "us", "7")
    google.train("us-central1", "us", "8", "others-bbbbbbbb")
    job = google.hosts["us-central1"].resources["projects/123/locations/us-central1/tuningJobs/8"]
    job["tunedModel"] = {"model": f"projects/123/locations/{location}/models/81@1"}
    live, odd = sorted(google.connect().list(), key=lambda model: isinstance(model, Odd))
    assert isinstance(live, Live)
    assert isinstance(odd, Odd)
    assert (live.id, odd.id) == (ID, "others-bbbbbbbb")


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        ("http://127.0.0.1:8085", "us", "http://127.0.0.1:8085"),
        ("https://vertex.example.com/p", "us", "https://vertex.example.com/p"),
        (
            "https://us-central1-aiplatform.p.googleapis.com",
            "us",
            "https://us-central1-aiplatform.p.googleapis.com",
        ),
        (HOSTS["us-central1"], "us-central1", HOSTS["us-central1"]),
        (HOSTS["us-central1"], "us", HOSTS["us"]),
        (HOSTS["us"], "us-central1", HOSTS["us-central1"]),
        (HOSTS["global"], "eu", HOSTS["eu"]),
        (
            "https://aiplatform.europe-west4.rep.googleapis.com",
            "europe-west4",
            "https://aiplatform.europe-west4.rep.googleapis.com",
        ),
        ("https://aiplatform.europe-west4.rep.googleapis.com", "eu", HOSTS["eu"]),
    ],
)
def test_a_base_url_stands_for_all_hosts_unless_it_is_googles_own(base: str, location: str, url: str) -> None:
    """Google's host of one location answers 404 about the others, so a model would count as deleted."""
    opened: list[str] = []
    transport = connect(base_url="http://127.0.0.1:9", environ={})

    def note(url: str) -> Transport:
        opened.append(url)
        return transport

    regions = Regions(project="p", location="us-central1", open=note, base_url=base)
    regions.open_location(location)
    assert opened == [url]
    regions.open_storage()
    assert opened[-1] == (base if find_served(base) == "" else STORAGE)
