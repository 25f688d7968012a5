"""Partial responses: the parameter `fields`, as Google's documents describe it."""

from __future__ import annotations

import pytest

from reconciler.emulator.errors import ApiError
from reconciler.emulator.partial import parse_fields, select
from tests.emulator.conftest import Api, body

# This is the example of Google's page "Working with partial responses".
FIRST = {"title": "First", "characteristics": {"length": "short", "followers": ["Jo", "Will"]}}
SECOND = {"title": "Second", "comment": "!", "characteristics": {"length": "long", "followers": []}}
ANSWER = {
    "kind": "demo",
    "etag": "x",
    "items": [FIRST, SECOND],
    "pagemap": {"a": {"title": 1, "more": 2}, "b": {"title": 3}, "c": 4},
}


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ("*", ANSWER),
        ("kind", {"kind": "demo"}),
        (" etag , kind ", {"kind": "demo", "etag": "x"}),
        ("items", {"items": [FIRST, SECOND]}),
        ("items/title", {"items": [{"title": "First"}, {"title": "Second"}]}),
        ("items.title", {"items": [{"title": "First"}, {"title": "Second"}]}),
        ("items/comment", {"items": [{}, {"comment": "!"}]}),
        (
            "kind,items(title,characteristics/length)",
            {
                "kind": "demo",
                "items": [
                    {"title": "First", "characteristics": {"length": "short"}},
                    {"title": "Second", "characteristics": {"length": "long"}},
                ],
            },
        ),
        ("pagemap/*/title", {"pagemap": {"a": {"title": 1}, "b": {"title": 3}, "c": 4}}),
        ("pagemap(a(title),a/more)", {"pagemap": {"a": {"title": 1, "more": 2}}}),
        ("items/title,items", {"items": [FIRST, SECOND]}),
        ("items,items/title", {"items": [FIRST, SECOND]}),
        ("nothing", {}),
    ],
)
def test_a_selection_keeps_what_it_names(fields: str, part: object) -> None:
    """It understands the operators `,`, `/`, `.`, `()` and `*`.

    A field that is selected whole stays whole.
    """
    assert select(ANSWER, parse_fields(fields)) == part


@pytest.mark.parametrize(
    "fields", [",", "a,", "a(", "a(b", "a)", "a()", "/a", "a/", "a b", "a(b)c", "a{b}", "!"]
)
def test_what_is_no_selection_is_refused(fields: str) -> None:
    """The refusal has the words of Google's page."""
    with pytest.raises(ApiError, match="Invalid field selection"):
        parse_fields(fields)


def test_lists_gets_and_creates_answer_in_part(api: Api) -> None:
    """The parameter, its other spelling and the header select, for every call and beside pages."""
    for number in range(3):
        api.create(f"m{number}")
    page = api.ok("GET", "v1beta/tunedModels?pageSize=2&fields=tunedModels(name),nextPageToken")
    assert page["tunedModels"] == [{"name": "tunedModels/m0"}, {"name": "tunedModels/m1"}]
    assert set(page) == {"tunedModels", "nextPageToken"}
    rest = api.ok("GET", f"v1beta/tunedModels?$fields=tunedModels/name&pageToken={page['nextPageToken']}")
    assert rest == {"tunedModels": [{"name": "tunedModels/m2"}]}
    headers = {"x-goog-fieldmask": "displayName,state"}
    assert set(api.ok("GET", "v1beta/tunedModels/m0", headers=headers)) <= {"displayName", "state"}


def test_a_bad_selection_is_a_400(api: Api) -> None:
    """Nothing changes then."""
    refused = (400, "INVALID_ARGUMENT", "Invalid field selection a(")
    assert api.refused("GET", "v1beta/tunedModels?fields=a(") == refused
    assert api.refused("POST", "v1beta/tunedModels?fields=a(", json=body()) == refused
    assert api.ok("GET", "v1beta/tunedModels") == {}


@pytest.mark.parametrize(("how", "status"), [("ignore", 200), ("refuse", 400)])
def test_a_server_may_ignore_or_refuse_it(api: Api, how: str, status: int) -> None:
    """A setting does so, for tests of clients of such servers."""
    api.create("m0")
    api.control("settings", {"partial_responses": how})
    reply = api.call("GET", "v1beta/tunedModels?fields=nextPageToken")
    assert reply.status_code == status
    assert ("tunedModels" in reply.json()) is (how == "ignore")
