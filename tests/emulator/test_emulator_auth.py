"""Who may call, and whose a model is."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.emulator.conftest import Api, body

LIST = ("GET", "v1beta/tunedModels")
MODEL = "v1beta/tunedModels/m"
ANN = {"Authorization": "Bearer ann"}
BOB = {"Authorization": "Bearer bob"}


def seen_by(api: Api, headers: dict[str, str]) -> Api:
    """Return the emulator as the sender of *headers* sees it."""
    return Api(api.url, api.session, headers)


@pytest.fixture
def bearer(start: Callable[..., Api]) -> Api:
    """Return an emulator that wants OAuth, seen by Ann."""
    return seen_by(start(auth="bearer"), ANN)


def email(api: Api, headers: dict[str, str]) -> str:
    """Return the address that the emulator makes of a caller, by way of a model's owner."""
    other = seen_by(api, headers)
    other.create("whoami")
    permission = other.ok("GET", "v1beta/tunedModels/whoami/permissions")["permissions"][0]
    other.ok("DELETE", "v1beta/tunedModels/whoami")
    return str(permission["emailAddress"])


@pytest.mark.parametrize(
    ("auth", "headers", "query", "code"),
    [
        ("none", {}, {}, 200),
        ("none", {"Authorization": "Basic x"}, {}, 200),
        ("bearer", ANN, {}, 200),
        ("bearer", {"authorization": "bearer ann"}, {}, 200),
        ("bearer", {}, {}, 401),
        ("bearer", {"Authorization": "Basic x"}, {}, 401),
        ("bearer", {"Authorization": "Bearer "}, {}, 401),
        ("bearer", {"x-goog-api-key": "k"}, {}, 401),
        ("key", {"x-goog-api-key": "k"}, {}, 200),
        ("key", {}, {"key": "k"}, 200),
        ("key", {"x-goog-api-key": ""}, {}, 400),
        ("key", {}, {}, 403),
        ("key", ANN, {}, 401),
        ("any", ANN, {}, 200),
        ("any", {"x-goog-api-key": "k"}, {}, 200),
        ("any", {}, {}, 401),
    ],
)
def test_each_mode_admits_its_own(
    start: Callable[..., Api], auth: str, headers: dict[str, str], query: dict[str, str], code: int
) -> None:
    """A mode takes the credentials it names and refuses the others with the documented code."""
    api = start(auth=auth)
    assert api.call(*LIST, headers=headers, params=query).status_code == code


def test_a_refusal_has_a_challenge(start: Callable[..., Api]) -> None:
    """A 401 carries WWW-Authenticate. It says so if it was a key and OAuth is wanted."""
    api = start(auth="bearer")
    assert api.call(*LIST).headers["www-authenticate"].startswith("Bearer realm=")
    code, status, message = api.refused(*LIST, headers={"x-goog-api-key": "k"})
    assert (code, status) == (401, "UNAUTHENTICATED")
    assert message.startswith("API keys are not supported by this API.")


def test_quota_project(start: Callable[..., Api]) -> None:
    """If it is required, a bearer call without x-goog-user-project is the documented 403."""
    api = seen_by(start(auth="bearer", quota_project_required=True), ANN)
    assert "requires a quota project, which is not set by default" in api.refused(*LIST)[2]
    assert api.ok(*LIST, headers={"x-goog-user-project": "p"}) == {}


def test_another_token_is_another_owner(bearer: Api) -> None:
    """Ann's model is a 403 to Bob in Google's words. His list does not have it, and its id is taken."""
    name = bearer.create("m")["name"]
    bob = seen_by(bearer, BOB)
    refusal = (
        403,
        "PERMISSION_DENIED",
        "You do not have permission to access tuned model tunedModels/m",
    )
    assert bob.refused("GET", MODEL) == refusal
    assert bob.refused("PATCH", MODEL, json={}) == refusal
    assert bob.refused("DELETE", MODEL) == refusal
    assert bob.refused("GET", f"v1/{name}") == refusal
    assert bob.refused("POST", f"{MODEL}:generateContent", json=prompt("1")) == refusal
    assert bob.ok(*LIST) == {}
    query = {"tunedModelId": "m"}
    assert bob.refused("POST", LIST[1], params=query, json=body())[0] == 409
    assert bearer.ok("GET", MODEL)["name"] == "tunedModels/m"


def test_without_authentication_all_are_one(api: Api) -> None:
    """In the mode "none" any credential sees all models, and nobody is their owner."""
    seen_by(api, ANN).create("m")
    assert seen_by(api, BOB).ok("GET", MODEL)
    assert api.ok("GET", f"{MODEL}/permissions") == {}


def prompt(text: str) -> dict[str, Any]:
    """Return the body of a generateContent request."""
    return {"contents": [{"parts": [{"text": text}]}]}


def test_readers_infer_writers_edit_owners_delete(bearer: Api) -> None:
    """Each role does what it may and no more, and loses it with its permission."""
    address = email(bearer, BOB)
    bearer.create("m")
    bearer.advance(11)
    bob = seen_by(bearer, BOB)
    granted = bearer.ok(
        "POST", f"{MODEL}/permissions", json={"granteeType": 1, "emailAddress": address, "role": 3}
    )
    assert granted["role"] == "READER"
    assert bob.ok("POST", f"{MODEL}:generateContent", json=prompt("1"))
    assert bob.refused("PATCH", MODEL, json={})[0] == 403
    assert [model["name"] for model in bob.ok(*LIST)["tunedModels"]] == ["tunedModels/m"]
    path = f"v1beta/{granted['name']}"
    bearer.ok("PATCH", path, params={"updateMask": "role"}, json={"role": "WRITER"})
    assert bob.ok("PATCH", MODEL, json={"description": "bob's"})["description"] == "bob's"
    assert bob.refused("DELETE", MODEL)[0] == 403
    for term, found in (("owner:me", 0), ("writers:me", 1), ("readers:me", 1)):
        listed = bob.ok(*LIST, params={"filter": term})
        assert len(listed.get("tunedModels", [])) == found
    bearer.ok("DELETE", path)
    assert bob.refused("GET", MODEL)[0] == 403


def test_everyone_reads_but_does_not_list(bearer: Api) -> None:
    """A model shared with everyone answers anybody. A list has it only on demand."""
    bearer.create("m")
    shared = bearer.ok("POST", f"{MODEL}/permissions", json={"granteeType": "EVERYONE", "role": "READER"})
    assert "emailAddress" not in shared
    bob = seen_by(bearer, BOB)
    assert bob.ok("GET", MODEL)
    assert bob.ok(*LIST) == {}
    assert len(bob.ok(*LIST, params={"filter": "readers:everyone"})["tunedModels"]) == 1
    assert bob.refused("DELETE", MODEL)[0] == 403


def test_the_creator_has_the_only_owner_permission(bearer: Api) -> None:
    """A model begins with its creator as OWNER, which nobody can give, change or take."""
    bearer.create("m")
    owner = bearer.ok("GET", f"{MODEL}/permissions")["permissions"][0]
    assert (owner["granteeType"], owner["role"]) == ("USER", "OWNER")
    path = f"v1beta/{owner['name']}"
    assert bearer.ok("GET", path) == owner
    mask = {"updateMask": "role"}
    assert bearer.refused("PATCH", path, params=mask, json={"role": "READER"})[0] == 400
    assert bearer.refused("DELETE", path)[0] == 400
    more = {"granteeType": "USER", "emailAddress": "x@example.com", "role": "OWNER"}
    assert bearer.refused("POST", f"{MODEL}/permissions", json=more)[0] == 400


@pytest.mark.parametrize(
    "permission",
    [
        {},
        {"granteeType": "USER", "role": "READER"},
        {"granteeType": "EVERYONE", "emailAddress": "x@example.com", "role": "READER"},
        {"granteeType": "USER", "emailAddress": "x@example.com"},
        {"granteeType": "ALL", "role": "READER"},
        {"emailAddress": "x@example.com", "role": "READER"},
        {"granteeType": "EVERYONE", "role": "READER", "extra": 1},
    ],
)
def test_bad_permissions_are_refused(api: Api, permission: dict[str, str]) -> None:
    """A permission needs a grantee that fits its type, and a role."""
    api.create("m")
    assert api.refused("POST", f"{MODEL}/permissions", json=permission)[0] == 400


def test_one_permission_a_grantee(api: Api) -> None:
    """A second permission for the same grantee is a 409. A user and a group are two grantees."""
    api.create("m")
    everyone = {"granteeType": "EVERYONE", "role": "READER"}
    user = {"granteeType": "USER", "emailAddress": "x@example.com", "role": "READER"}
    group = {**user, "grantee_type": "GROUP"}
    del group["granteeType"]
    for permission in (everyone, user, group):
        api.ok("POST", f"{MODEL}/permissions", json=permission)
        again = {**permission, "role": "WRITER"}
        assert api.refused("POST", f"{MODEL}/permissions", json=again)[1] == "ALREADY_EXISTS"
    page = api.ok("GET", f"{MODEL}/permissions", params={"pageSize": 2})
    assert len(page["permissions"]) == 2
    rest = {"pageSize": 2, "pageToken": page["nextPageToken"]}
    assert len(api.ok("GET", f"{MODEL}/permissions", params=rest)["permissions"]) == 1


def test_only_the_role_can_be_patched(api: Api) -> None:
    """A patch of a permission needs a mask, and the mask may only be the role."""
    api.create("m")
    everyone = {"granteeType": "EVERYONE", "role": "READER"}
    path = f"v1beta/{api.ok('POST', f'{MODEL}/permissions', json=everyone)['name']}"
    for query in ({}, {"updateMask": "grantee_type"}, {"updateMask": "role,email_address"}):
        assert api.refused("PATCH", path, params=query, json={"role": "WRITER"})[0] == 400
    done = api.ok("PATCH", path, params={"update_mask": "role"}, json={"role": 2})
    assert done["role"] == "WRITER"
    assert api.refused("GET", f"{MODEL}/permissions/none")[0] == 404


def test_ownership_moves(bearer: Api) -> None:
    """After a transfer the new owner may delete, and the old one is a writer."""
    address = email(bearer, BOB)
    bearer.create("m")
    assert bearer.refused("POST", f"{MODEL}:transferOwnership", json={})[0] == 400
    moved = {"emailAddress": address}
    assert bearer.ok("POST", f"{MODEL}:transferOwnership", json=moved) == {}
    assert bearer.refused("DELETE", MODEL)[0] == 403
    assert bearer.ok("PATCH", MODEL, json={"description": "still mine a little"})
    assert seen_by(bearer, BOB).ok("DELETE", MODEL) == {}


def test_permissions_need_oauth(start: Callable[..., Api]) -> None:
    """An API key can create a model, but not look at its permissions."""
    api = seen_by(start(auth="any"), {"x-goog-api-key": "k"})
    api.create("m")
    assert api.refused("GET", f"{MODEL}/permissions")[0] == 401
