"""Pages, tokens and filters of tunedModels.list."""

import time

import pytest

from tests.emulator.conftest import Api, body
from tests.limits import NET

LIST = ("GET", "v1beta/tunedModels")


def names(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    """Return the ids on a page."""
    return [model["name"].removeprefix("tunedModels/") for model in answer.get("tunedModels", [])]


def test_nothing_is_an_empty_object(api: Api) -> None:
    """An empty list has no keys."""
    assert api.ok(*LIST) == {}


def test_ten_by_default_and_the_rest_by_token(api: Api) -> None:
    """Pages follow creation, ten at a time, and the last one has no token."""
    for number in range(23):
        api.create(f"m{number}")
    found, token, pages = [], "", 0
    while pages == 0 or token:
        page = api.ok(*LIST, params={"pageToken": token} if token else {})
        token, pages = page.get("nextPageToken", ""), pages + 1
        found += names(page)
        assert len(names(page)) <= 10
    assert pages == 3
    assert found == [f"m{number}" for number in range(23)]
    assert len(names(api.ok(*LIST, params={"page_size": 50}))) == 23


def test_pages_do_not_shift(api: Api) -> None:
    """If a model is deleted between two pages, no other one is missed."""
    for number in range(4):
        api.create(f"m{number}")
    page = api.ok(*LIST, params={"pageSize": 2})
    api.ok("DELETE", "v1beta/tunedModels/m0")
    rest = api.ok(*LIST, params={"pageSize": 2, "pageToken": page["nextPageToken"]})
    assert names(rest) == ["m2", "m3"]


def test_tokens_are_bound_to_their_question(api: Api) -> None:
    """A made-up page token gets a 400, and so does one of another filter. Another page size is accepted."""
    for number in range(3):
        api.create(f"m{number}")
    token = api.ok(*LIST, params={"pageSize": 1})["nextPageToken"]
    for query in ({"pageToken": token, "filter": "x"}, {"pageToken": "AAAA"}, {"pageToken": "é"}):
        assert api.refused(*LIST, params=query)[1] == "INVALID_ARGUMENT"
    assert names(api.ok(*LIST, params={"pageSize": 5, "pageToken": token})) == ["m1", "m2"]


@pytest.mark.parametrize("size", ["-1", "x"])
def test_bad_page_sizes_are_refused(api: Api, size: str) -> None:
    """A negative size, or none at all, is a 400."""
    assert api.refused(*LIST, params={"pageSize": size})[0] == 400


def test_filter_finds_words(api: Api) -> None:
    """A filter looks for all its words in display name and description, in upper or lower case."""
    api.create("one", displayName="Red Apple", description="round")
    api.create("two", displayName="Green Apple")
    assert names(api.ok(*LIST, params={"filter": "apple"})) == ["one", "two"]
    assert names(api.ok(*LIST, params={"filter": "apple ROUND"})) == ["one"]
    assert names(api.ok(*LIST, params={"filter": '"red apple"'})) == ["one"]
    assert api.ok(*LIST, params={"filter": "pear"}) == {}
    assert names(api.ok(*LIST, params={"filter": "owner:me"})) == ["one", "two"]
    assert api.refused(*LIST, params={"filter": "owner:you"})[0] == 400


def test_the_list_says_what_get_says(api: Api) -> None:
    """An entry of the list is what get returns, in training, after it, and after an update."""
    api.create("m")
    for seconds in (0, 5, 5, 5):
        api.advance(seconds)
        assert api.ok(*LIST)["tunedModels"] == [api.ok("GET", "v1beta/tunedModels/m")]
    api.ok("PATCH", "v1beta/tunedModels/m", json={"description": "new"})
    assert api.ok(*LIST)["tunedModels"] == [api.ok("GET", "v1beta/tunedModels/m")]


def test_enums_are_numbers_on_demand(api: Api) -> None:
    """With $alt=json;enum-encoding=int a state is a number, and otherwise a name."""
    api.create("m")
    query = {"$alt": "json;enum-encoding=int"}
    assert api.ok(*LIST, params=query)["tunedModels"][0]["state"] == 1
    api.advance(11)
    assert api.ok("GET", "v1beta/tunedModels/m", params=query)["state"] == 2
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "ACTIVE"


def test_a_new_model_may_be_missing_for_a_while(api: Api) -> None:
    """With a lag set, get finds a new model that the list does not have yet."""
    api.control("settings", {"list_lag_seconds": 3})
    api.create("m")
    assert api.ok("GET", "v1beta/tunedModels/m")["state"] == "CREATING"
    assert api.ok(*LIST) == {}
    api.advance(3)
    assert names(api.ok(*LIST)) == ["m"]


@pytest.mark.thorough
def test_a_thousand_is_the_most(api: Api) -> None:
    """A page of more than a thousand gets a thousand, and soon."""
    asked = body(pairs=[("1", "2")])
    for _ in range(1001):
        api.ok("POST", "v1beta/tunedModels", json=asked)
    api.advance(11)
    assert len(names(api.ok(*LIST, params={"pageSize": 5000}))) == 1000
    begun = time.perf_counter()
    assert api.call(*LIST, params={"pageSize": 1000}).status_code == 200
    assert time.perf_counter() - begun < NET
