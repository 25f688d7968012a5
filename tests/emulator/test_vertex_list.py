"""Vertex: lists have filters and pages."""

import pytest

from tests.emulator.vertex_caller import Vertex

FILTERS = [
    ("", "dcba"),
    ('labels.team="blue"', "ca"),
    ("labels.team=blue", "ca"),
    ("labels.team:blue", "ca"),
    ('labels."team":"blue"', "ca"),
    ('labels.team!="blue"', "db"),
    ("labels.team:*", "cba"),
    ("labels:team", "cba"),
    ('labels:"key-2"', "b"),
    ("NOT labels:team", "d"),
    ("-labels:team", "d"),
    ('labels.team="blue" AND labels.size="s"', "a"),
    ('labels.team="blue" labels.size="s"', "a"),
    ('labels.team="red" OR labels.size="m"', "cb"),
    ('(labels.team="red" OR labels.team="blue") AND NOT labels.size="m"', "ba"),
    ('state="JOB_STATE_SUCCEEDED"', "cba"),
    ("state=JOB_STATE_PENDING", "d"),
    ('state!="JOB_STATE_PENDING" AND labels.size="m"', "c"),
    ('tuned_model_display_name="a"', "a"),
    ('tunedModelDisplayName="d"', "d"),
    ('labels.team="green"', ""),
    ('labels.team="bl"', ""),
]


@pytest.fixture
def four(vertex: Vertex) -> Vertex:
    """Return a Vertex with jobs a to d, of which d is the last and still pending."""
    vertex.create(tunedModelDisplayName="a", labels={"team": "blue", "size": "s"})
    vertex.create(tunedModelDisplayName="b", labels={"team": "red", "key-2": ""})
    vertex.create(tunedModelDisplayName="c", labels={"team": "blue", "size": "m"})
    vertex.api.advance(100)
    vertex.create(tunedModelDisplayName="d")
    return vertex


@pytest.mark.parametrize(("wanted", "names"), FILTERS)
def test_filters(four: Vertex, wanted: str, names: str) -> None:
    """A filter finds these jobs, the newest first."""
    jobs = four.ok("GET", "tuningJobs", params={"filter": wanted}).get("tuningJobs", [])
    assert "".join(job["tunedModelDisplayName"] for job in jobs) == names


@pytest.mark.parametrize(
    "wanted",
    [
        "labels",
        "labels=x",
        "colour=red",
        'state="',
        "state>x",
        "state.x=y",
        "(state=x",
        "state=x)",
        "AND state=x",
        "state=x AND",
        "state=x OR OR state=y",
        'labels."a"b"=c',
        'labels."a\\"b":c',
        "NOT",
    ],
)
def test_a_filter_that_is_none(four: Vertex, wanted: str) -> None:
    """A filter that cannot be understood is a 400, and never a list of everything."""
    code, _, message = four.refused("GET", "tuningJobs", params={"filter": wanted})
    assert code == 400
    assert message.startswith("Invalid filter")


def test_pages(four: Vertex) -> None:
    """Pages show every job once, and do not shift when a newer job comes between."""
    names, token = "", ""
    for _ in range(4):
        page = four.ok("GET", "tuningJobs", params={"pageSize": 1, "pageToken": token})
        names += page["tuningJobs"][0]["tunedModelDisplayName"]
        token = page.get("nextPageToken", "")
        four.create(tunedModelDisplayName="e")
    assert names == "dcba"
    assert token == ""


def test_a_page_token_belongs_to_its_question(four: Vertex) -> None:
    """A token is valid only for its filter and place. A made-up token is refused."""
    filters = {"filter": "labels.team:blue"}
    token = four.ok("GET", "tuningJobs", params={**filters, "page_size": 1})["nextPageToken"]
    for other in ({"filter": "labels.team:red"}, {}):
        assert four.refused("GET", "tuningJobs", params={**other, "pageToken": token})[0] == 400
    elsewhere = "projects/my-project/locations/europe-west4/tuningJobs"
    assert four.refused("GET", elsewhere, params={**filters, "pageToken": token})[0] == 400
    assert four.refused("GET", "tuningJobs", params={"pageToken": "AAAA"})[0] == 400
    assert len(four.ok("GET", "tuningJobs", params={**filters, "pageToken": token})["tuningJobs"]) == 1


def test_page_sizes(four: Vertex) -> None:
    """A size that is too large is cut. A negative one, a text and unknown parameters are refused."""
    assert len(four.ok("GET", "tuningJobs", params={"pageSize": 5000})["tuningJobs"]) == 4
    for parameters in ({"pageSize": "-1"}, {"pageSize": "x"}, {"size": "1"}, {"orderBy": "name"}):
        assert four.refused("GET", "tuningJobs", params=parameters)[0] == 400


def test_models_and_endpoints_have_filters_and_pages(four: Vertex) -> None:
    """Models and endpoints are found by label, name and base model, page by page."""
    names = ""
    token = ""
    while not names or token:
        page = four.ok("GET", "models", params={"pageSize": 2, "pageToken": token})
        names += "".join(model["displayName"] for model in page["models"])
        token = page.get("nextPageToken", "")
    assert names == "cba"
    for wanted, found in [
        ('labels.team="blue"', "ca"),
        ('displayName="b"', "b"),
        ("labels.tune-type:*", "cba"),
        ("labels.tune-type=sft AND labels:size", "ca"),
        ('baseModelName="gemini-3.1-flash-lite"', "cba"),
        ('baseModelName="text-bison"', ""),
    ]:
        models = four.ok("GET", "models", params={"filter": wanted}).get("models", [])
        assert "".join(model["displayName"] for model in models) == found
        endpoints = four.ok("GET", "endpoints", params={"filter": wanted}).get("endpoints", [])
        # Each model has two checkpoints, and so two endpoints.
        assert "".join(endpoint["displayName"] for endpoint in endpoints[::2]) == found
    model = four.ok("GET", "models")["models"][0]["name"].rpartition("/")[2]
    assert len(four.ok("GET", "models", params={"filter": f"model={model}"})["models"]) == 1
    assert four.refused("GET", "models", params={"filter": "state=x"})[0] == 400
