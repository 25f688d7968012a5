"""Which requests the Gemini provider makes, and what it makes of odd answers; see tests/contract too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.errors import (
    AlreadyExistsError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    ReplyLostError,
    ServiceError,
    StoppedError,
    UnavailableError,
)
from reconciler.model.checks import Prompt
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.model.live import LAG_SECONDS, Live, Odd, Status
from reconciler.model.names import Address
from reconciler.model.permission import Permission
from reconciler.providers import Accepted, Handle, Provider
from reconciler.providers.gemini.provider import GeminiProvider
from reconciler.providers.google.connection import connect
from tests.fakes import FakeClock, unfenced
from tests.http.wire import Wire, answer, hang_up, refusal

NAME = "tunedModels/x-abcdefgh"
HANDLE = Handle("x-abcdefgh")
BASE = "models/base"
OPERATION = {"name": f"{NAME}/operations/one", "metadata": {"tunedModel": NAME, "totalSteps": 3}}
MODEL = {"name": NAME, "baseModel": BASE, "state": "CREATING", "createTime": "2026-01-01T00:00:00Z"}
MISSING = refusal(404, "does not exist", canonical="NOT_FOUND")
TAKEN = refusal(409, "exists", canonical="ALREADY_EXISTS")
NOT_OURS = refusal(403, "You do not have permission to access tuned model", canonical="PERMISSION_DENIED")
WANT = Desired(Address("TunedModel", "x"), {"display_name": "x"}, (DataSet("0" * 64, 1, 2),))
EXAMPLES = {"training_data": (Example("1", "2"),)}


def create(provider: Provider) -> Accepted:
    """Create the model of these tests."""
    return provider.create(WANT, "x-abcdefgh", BASE, EXAMPLES, fence=unfenced)


def calls(wire: Wire) -> list[str]:
    """The method and path of each request that arrived."""
    return [f"{one.method} {urlsplit(one.target).path.removeprefix('/')}" for one in wire.requests]


def query(wire: Wire, number: int) -> dict[str, list[str]]:
    """The query of a request, without its mask: see test_partial."""
    found = parse_qs(urlsplit(wire.requests[number].target).query)
    return {key: values for key, values in found.items() if key != "fields"}


def test_it_is_a_provider(provider: GeminiProvider) -> None:
    """It satisfies the protocol, and serves TunedModel."""
    checked: Provider = provider
    assert checked.kind.name == "TunedModel"


# ---------------------------------------------------------------- listing


def test_a_list_follows_its_pages(wire: Wire, provider: GeminiProvider) -> None:
    """A page has 1,000 models.

    Tokens come with the filter, an empty page is no end, and doubles are dropped.
    """
    wire.script = [
        answer({"tunedModels": [MODEL], "nextPageToken": "a/b="}),
        answer({"nextPageToken": "second"}),
        answer({"tunedModels": [MODEL, {**MODEL, "name": "tunedModels/y"}]}),
    ]
    assert [one.id for one in provider.list(own=True)] == ["x-abcdefgh", "y"]
    assert [query(wire, number) for number in range(3)] == [
        {"pageSize": ["1000"], "filter": ["owner:me"], **token}
        for token in ({}, {"pageToken": ["a/b="]}, {"pageToken": ["second"]})
    ]


def test_a_model_listed_in_two_conditions_is_asked_for(wire: Wire, provider: GeminiProvider) -> None:
    """Pages that changed meanwhile show it twice. Neither is believed, whichever comes first."""
    active = {**MODEL, "state": "ACTIVE"}
    for first, second in ((active, {**MODEL, "state": "FAILED"}), ({**MODEL, "state": "FAILED"}, active)):
        wire.requests.clear()
        wire.script = [answer({"tunedModels": [first, second]}), answer(active)]
        assert [one.status for one in provider.list() if isinstance(one, Live)] == [Status.ACTIVE]
        assert calls(wire) == ["GET v1beta/tunedModels", f"GET v1beta/{NAME}"]
    wire.script = [answer({"tunedModels": [MODEL, active]}), MISSING]
    assert list(provider.list()) == []


def test_an_answer_about_another_model_is_no_answer(wire: Wire, provider: GeminiProvider) -> None:
    """A get, an operation and a delete that looks first do not believe it."""
    other = "tunedModels/the-good-model"
    good = {**MODEL, "name": other, "state": "ACTIVE"}
    wire.always = answer(good)
    acts: tuple[Callable[[Handle], object], ...] = (provider.get, partial(provider.delete, fence=unfenced))
    for act in acts:
        with pytest.raises(ServiceError, match=f"asked about {NAME}"):
            act(HANDLE)
    wire.always = answer({**OPERATION, "name": f"{other}/operations/one", "done": True, "response": good})
    with pytest.raises(ServiceError, match="asked about"):
        provider.poll(POLLED)
    assert not [one for one in calls(wire) if not one.startswith("GET")]


def test_a_response_about_another_model_promotes_nothing(wire: Wire, provider: GeminiProvider) -> None:
    """The model itself is asked, and it is still in training."""
    good = {**MODEL, "name": "tunedModels/the-good-model", "state": "ACTIVE"}
    wire.script = [answer({**OPERATION, "done": True, "response": good}), answer(MODEL)]
    assert provider.poll(POLLED).status is Status.CREATING


def test_a_create_answered_with_an_operation_of_nothing_is_looked_for(
    wire: Wire, provider: GeminiProvider
) -> None:
    """The operation must name its model. Otherwise nobody knows whether the create was accepted."""
    wire.script = [answer({"name": "operations/one"}), answer(MODEL), answer({"operations": [OPERATION]})]
    assert create(provider) == Accepted(NAME, OPERATION["name"], 3, MODEL["createTime"])  # type: ignore[arg-type]


def test_an_empty_list_is_empty(wire: Wire, provider: GeminiProvider) -> None:
    """The service answers `{}` if there are no models."""
    wire.always = answer({})
    assert list(provider.list()) == []
    assert "filter" not in query(wire, 0)


@pytest.mark.parametrize("tokens", ["aa", "aba", "abcb"])
def test_pages_that_go_round_are_an_error(wire: Wire, provider: GeminiProvider, tokens: str) -> None:
    """If a page token comes twice, the list ends with an error and not with half a list."""
    wire.script = [answer({"tunedModels": [MODEL], "nextPageToken": token}) for token in tokens]
    with pytest.raises(ServiceError, match="circle"):
        list(provider.list())
    assert len(wire.requests) == len(tokens)


@pytest.mark.parametrize(
    "page",
    [{"tunedModels": {}}, {"tunedModels": 7}, {"nextPageToken": 7}, {"error": {}, "tunedModels": [{}]}],
)
def test_a_list_of_something_else_is_an_error(
    wire: Wire, provider: GeminiProvider, page: dict[str, Any]
) -> None:
    """A page of another shape is a ServiceError."""
    wire.always = answer(page)
    with pytest.raises(ServiceError, match="tunedModels"):
        list(provider.list())


def test_tunable_models_are_those_that_say_so(wire: Wire, provider: GeminiProvider) -> None:
    """Base models are paged through, and only createTunedModel counts."""
    able = {"name": BASE, "supportedGenerationMethods": ["generateContent", "createTunedModel"]}
    unable = {"name": "models/other", "supportedGenerationMethods": ["generateContent"]}
    odd = {"name": 7, "supportedGenerationMethods": "createTunedModel"}
    wire.script = [answer({"models": [able, unable, odd], "nextPageToken": "n"}), answer({"models": [{}]})]
    assert provider.list_base_models().tunable == {BASE}


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("id", ["", "..", ".", "a/b", "a?b", "a#b", "a b", "a%2e", "x:cancel", "ä", "a\n"])
@pytest.mark.parametrize(
    "call",
    [
        lambda provider, handle: provider.get(handle),
        lambda provider, handle: provider.delete(handle, fence=unfenced),
        lambda provider, handle: provider.find_endpoint(handle),
        lambda provider, handle: provider.generate(handle, Prompt("x")),
        lambda provider, handle: provider.create(WANT, handle.id, BASE, EXAMPLES, fence=unfenced),
    ],
)
def test_an_id_that_is_no_id_is_not_sent(
    wire: Wire, provider: GeminiProvider, call: Callable[[Provider, Handle], object], id: str
) -> None:
    """An id that would change the meaning of a URL is refused before any request."""
    with pytest.raises(ServiceError, match="not the name"):
        call(provider, Handle(id))
    assert wire.requests == []


@pytest.mark.parametrize("operation", ["../../x", "a/../b", "a?b", "/a", "a//b"])
def test_an_operation_that_is_no_name_is_not_sent(
    wire: Wire, provider: GeminiProvider, operation: str
) -> None:
    """A record that somebody changed does not choose the URL."""
    with pytest.raises(ServiceError, match="not the name of an operation"):
        provider.poll(Handle("x", "", operation))
    assert wire.requests == []


# ---------------------------------------------------------------- creating


def test_a_create_is_one_post(wire: Wire, provider: GeminiProvider) -> None:
    """The id is in the query and the model is in the body. Nothing else is asked."""
    wire.always = answer(OPERATION)
    assert create(provider) == Accepted(NAME, f"{NAME}/operations/one", 3, "")
    assert calls(wire) == ["POST v1beta/tunedModels"]
    assert query(wire, 0) == {"tunedModelId": ["x-abcdefgh"]}
    assert json.loads(wire.requests[0].body) == {
        "displayName": "x",
        "baseModel": BASE,
        "tuningTask": {"trainingData": {"examples": {"examples": [{"textInput": "1", "output": "2"}]}}},
    }


def test_an_operation_that_has_failed_already_is_accepted(wire: Wire, provider: GeminiProvider) -> None:
    """A create may be answered by a finished operation. Poll tells how it ended."""
    wire.always = answer({**OPERATION, "done": True, "error": {"code": 3, "message": "bad data"}})
    assert create(provider).operation == f"{NAME}/operations/one"
    assert provider.poll(Handle("x-abcdefgh", NAME, f"{NAME}/operations/one")).status is Status.FAILED


def test_what_arrived_after_all_is_ours(wire: Wire, provider: GeminiProvider) -> None:
    """After a lost reply the client looks, finds the model and then its operation. It sends one POST."""
    wire.script = [hang_up, answer(MODEL), answer({"operations": [OPERATION]})]
    assert create(provider) == Accepted(NAME, f"{NAME}/operations/one", 3, "2026-01-01T00:00:00Z")
    assert calls(wire) == ["POST v1beta/tunedModels", f"GET v1beta/{NAME}", f"GET v1/{NAME}/operations"]


@pytest.mark.parametrize("operations", [MISSING, answer({}), refusal(403, "no"), answer({"operations": 7})])
def test_ours_without_an_operation_is_ours(wire: Wire, provider: GeminiProvider, operations: bytes) -> None:
    """A model that is found counts as accepted, even if nobody knows its operation."""
    wire.script = [hang_up, answer(MODEL)]
    wire.always = operations
    assert create(provider) == Accepted(NAME, "", None, "2026-01-01T00:00:00Z")


def test_what_did_not_arrive_is_sent_again(wire: Wire, provider: GeminiProvider) -> None:
    """After a lost reply the client looks, finds nothing, and sends the POST again."""
    wire.script = [hang_up, MISSING, answer(OPERATION)]
    assert create(provider).name == NAME
    assert calls(wire) == ["POST v1beta/tunedModels", f"GET v1beta/{NAME}", "POST v1beta/tunedModels"]


def test_losing_for_ever_ends(wire: Wire, provider: GeminiProvider) -> None:
    """Four lost replies without a visible model end in ReplyLost. The next run looks again."""
    wire.script = [hang_up, MISSING] * 4
    with pytest.raises(ReplyLostError):
        create(provider)
    assert calls(wire) == ["POST v1beta/tunedModels", f"GET v1beta/{NAME}"] * 4


def test_nothing_is_looked_for_when_nothing_was_sent(clock: FakeClock) -> None:
    """A create without any connection is unavailable, at once after the transport's own patience."""
    transport = connect(base_url="http://127.0.0.1:9", environ={}, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match="refused") as caught:
        create(GeminiProvider(transport))
    assert not isinstance(caught.value, ReplyLostError)


@pytest.mark.parametrize("first", [hang_up, refusal(503, "x"), TAKEN])
@pytest.mark.parametrize("look", [refusal(429, "limit: 0"), refusal(401, "x"), answer({"name": 7})])
def test_when_looking_is_refused_the_effect_is_unknown(
    wire: Wire, provider: GeminiProvider, first: Any, look: bytes
) -> None:
    """If the look fails, the error says that the create's effect is unknown. It names both causes."""
    wire.script = [first, look]
    with pytest.raises(ReplyLostError, match="could not find out"):
        create(provider)


def test_a_look_refused_for_our_login_is_not_somebody_elses(wire: Wire, provider: GeminiProvider) -> None:
    """A 403 about scopes does not say whose model it is."""
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
    wire.script = [hang_up, refusal(403, "scopes", details=[info])]
    with pytest.raises(ReplyLostError):
        create(provider)


def test_a_taken_id_waits_for_the_lag_and_no_longer(
    wire: Wire, provider: GeminiProvider, clock: FakeClock
) -> None:
    """After a 409, a model that is not found is asked for again, for LAG_SECONDS. Nothing is posted twice."""
    wire.script = [TAKEN]
    wire.always = MISSING
    with pytest.raises(AlreadyExistsError) as caught:
        create(provider)
    assert not caught.value.visible
    assert LAG_SECONDS <= clock.now <= LAG_SECONDS + 1
    assert 8 <= len(wire.requests) <= 20
    assert calls(wire).count("POST v1beta/tunedModels") == 1


def test_our_own_invisible_model_is_not_given_up(wire: Wire, provider: GeminiProvider) -> None:
    """A 409 on the second POST may be about our own invisible model, so the effect is unknown."""
    wire.script = [hang_up, MISSING, TAKEN]
    wire.always = MISSING
    with pytest.raises(ReplyLostError, match="probably created"):
        create(provider)


@pytest.mark.parametrize("found", [NOT_OURS, answer({**MODEL, "baseModel": "models/other"})])
def test_a_taken_id_that_is_not_ours_is_visible(wire: Wire, provider: GeminiProvider, found: bytes) -> None:
    """If somebody else's model or another model has the id, that is told at once."""
    wire.script = [TAKEN, found]
    with pytest.raises(AlreadyExistsError) as caught:
        create(provider)
    assert caught.value.visible
    assert len(wire.requests) == 2


@pytest.mark.parametrize("script", [[hang_up, MISSING], [TAKEN, MISSING]])
def test_stopping_ends_a_create_between_looks(
    wire: Wire, provider: GeminiProvider, stopping: list[bool], script: list[Any]
) -> None:
    """If the run is stopped, the look is still made. Then nothing more is sent."""
    stopping.append(True)
    wire.script = script
    with pytest.raises(StoppedError):
        create(provider)
    assert len(wire.requests) == 2


def test_a_create_under_another_name_is_told(wire: Wire, provider: GeminiProvider) -> None:
    """A service that ignores our id has started something. The error names it, and nothing is repeated."""
    wire.always = answer({"name": "tunedModels/z/operations/1", "metadata": {"tunedModel": "tunedModels/z"}})
    with pytest.raises(ServiceError, match="tunedModels/z"):
        create(provider)
    assert len(wire.requests) == 1


# ---------------------------------------------------------------- polling

POLLED = Handle("x-abcdefgh", NAME, f"{NAME}/operations/one")


def test_a_poll_is_one_get(wire: Wire, provider: GeminiProvider) -> None:
    """If the operation is known, only it is asked, on v1."""
    wire.always = answer(OPERATION)
    assert provider.poll(POLLED).total_steps == 3
    assert calls(wire) == [f"GET v1/{NAME}/operations/one"]


def test_a_poll_knows_both_versions(wire: Wire, provider: GeminiProvider) -> None:
    """If v1 does not know the operation, v1beta is asked."""
    wire.script = [MISSING, answer(OPERATION)]
    assert provider.poll(POLLED).status is Status.CREATING
    assert calls(wire) == [f"GET v1/{NAME}/operations/one", f"GET v1beta/{NAME}/operations/one"]


@pytest.mark.parametrize(("state", "status"), [("ACTIVE", Status.ACTIVE), ("FAILED", Status.FAILED)])
def test_a_gone_operation_leaves_the_model(
    wire: Wire, provider: GeminiProvider, state: str, status: Status
) -> None:
    """If the operation is gone, the model's state decides. Then a failure has no reason."""
    wire.script = [MISSING, MISSING, answer({**MODEL, "state": state})]
    told = provider.poll(POLLED)
    assert told.status is status
    assert ("no reason" in told.error) == (status is Status.FAILED)
    assert told.live is not None


def test_a_finished_operation_without_result_asks_the_model(wire: Wire, provider: GeminiProvider) -> None:
    """The model itself decides after `done` alone, or after a result that is still CREATING."""
    wire.script = [answer({**OPERATION, "done": True}), answer({**MODEL, "state": "ACTIVE"})]
    assert provider.poll(POLLED).status is Status.ACTIVE


def test_nothing_left_is_not_found(wire: Wire, provider: GeminiProvider) -> None:
    """If there is neither an operation nor a model, poll raises NotFound."""
    wire.always = MISSING
    with pytest.raises(NotFoundError, match=NAME):
        provider.poll(POLLED)


def test_a_refused_poll_is_refused(wire: Wire, provider: GeminiProvider) -> None:
    """A 403 does not count as a 404. It is an error."""
    wire.always = NOT_OURS
    with pytest.raises(ForbiddenError):
        provider.poll(POLLED)
    with pytest.raises(ForbiddenError):
        provider.get(POLLED)


# ---------------------------------------------------------------- deleting


def test_deleting_a_training_cancels_it_first(wire: Wire, provider: GeminiProvider) -> None:
    """The operation is cancelled on v1, then the model deleted."""
    wire.script = [answer(MODEL)]
    provider.delete(POLLED, fence=unfenced)
    assert calls(wire) == [
        f"GET v1beta/{NAME}",
        f"POST v1/{NAME}/operations/one:cancel",
        f"DELETE v1beta/{NAME}",
    ]


def test_deleting_a_training_finds_its_operation(wire: Wire, provider: GeminiProvider) -> None:
    """An operation that was never recorded is looked up before it is cancelled."""
    wire.script = [answer(MODEL), answer({"operations": [OPERATION]})]
    provider.delete(HANDLE, fence=unfenced)
    assert f"POST v1/{NAME}/operations/one:cancel" in calls(wire)


def test_deleting_a_finished_model_cancels_nothing(wire: Wire, provider: GeminiProvider) -> None:
    """An ACTIVE model is just deleted."""
    wire.script = [answer({**MODEL, "state": "ACTIVE"})]
    provider.delete(POLLED, fence=unfenced)
    assert calls(wire) == [f"GET v1beta/{NAME}", f"DELETE v1beta/{NAME}"]


@pytest.mark.parametrize("refused", [MISSING, refusal(400, "finished"), refusal(403, "no"), TAKEN])
def test_a_refused_cancel_does_not_stop_the_delete(
    wire: Wire, provider: GeminiProvider, refused: bytes
) -> None:
    """If a cancel comes too late or is not allowed, the model is deleted all the same."""
    wire.script = [answer(MODEL), refused]
    provider.delete(POLLED, fence=unfenced)
    assert calls(wire)[-1] == f"DELETE v1beta/{NAME}"


@pytest.mark.parametrize(
    "refused",
    [
        refusal(400, "still creating", canonical="FAILED_PRECONDITION"),
        refusal(409, "still creating", canonical="ABORTED"),
        TAKEN,
    ],
)
def test_a_training_that_is_not_deleted_is_told(wire: Wire, provider: GeminiProvider, refused: bytes) -> None:
    """If a service does not delete models in training, the error says what happens next."""
    wire.script = [answer(MODEL), answer({}), refused]
    with pytest.raises(ServiceError, match="training") as caught:
        provider.delete(POLLED, fence=unfenced)
    assert "reconciler wait" in caught.value.detail
    assert not isinstance(caught.value, AlreadyExistsError)


def test_a_cancel_that_cannot_be_sent_deletes_nothing(wire: Wire, provider: GeminiProvider) -> None:
    """While the service is down, no model in training is half deleted. A later run tries again."""
    wire.script = [answer(MODEL)]
    wire.always = refusal(503, "down")
    with pytest.raises(UnavailableError):
        provider.delete(POLLED, fence=unfenced)
    assert not any(call.startswith("DELETE") for call in calls(wire))


def test_a_refused_delete_is_told(wire: Wire, provider: GeminiProvider) -> None:
    """A finished model that we may not delete is Forbidden, not gone."""
    wire.script = [answer({**MODEL, "state": "ACTIVE"}), NOT_OURS]
    with pytest.raises(ForbiddenError):
        provider.delete(POLLED, fence=unfenced)


def test_a_delete_is_sent_even_when_a_get_sees_nothing(wire: Wire, provider: GeminiProvider) -> None:
    """A 404 shortly after a create may be lag. The DELETE is sent all the same, and its 404 is success."""
    wire.always = MISSING
    provider.delete(HANDLE, fence=unfenced)
    assert calls(wire) == [f"GET v1beta/{NAME}", f"DELETE v1beta/{NAME}"]


# ---------------------------------------------------------------- permissions

OWNER = {"name": f"{NAME}/permissions/o", "granteeType": "USER", "emailAddress": "me@a.b", "role": "OWNER"}
ANN = {"name": f"{NAME}/permissions/a", "granteeType": "USER", "emailAddress": "ann@a.b", "role": "READER"}
EVERYONE = {"name": f"{NAME}/permissions/e", "granteeType": "EVERYONE", "role": "READER"}
WRITER = Permission("USER", "Ann@A.b", "WRITER")


def listed(*permissions: Mapping[str, Any]) -> bytes:
    """A list of permissions."""
    return answer({"permissions": list(permissions)})


def test_permissions_change_by_the_least(wire: Wire, provider: GeminiProvider) -> None:
    """Roles are patched, missing grants created and others deleted. The owner is left alone."""
    wire.script = [listed(OWNER, ANN, EVERYONE)]
    asked: list[int] = []
    wish = [WRITER, Permission("GROUP", "g@a.b", "READER")]
    provider.set_permissions(HANDLE, wish, fence=lambda: asked.append(len(wire.requests)))
    assert calls(wire) == [
        f"GET v1beta/{NAME}/permissions",
        f"PATCH v1beta/{NAME}/permissions/a",
        f"POST v1beta/{NAME}/permissions",
        f"DELETE v1beta/{NAME}/permissions/e",
    ]
    # The fence was asked before each change. So many requests had arrived by then.
    assert asked == [1, 2, 3]
    assert query(wire, 1) == {"updateMask": ["role"]}
    assert json.loads(wire.requests[1].body) == {"role": "WRITER"}
    group = {"granteeType": "GROUP", "emailAddress": "g@a.b", "role": "READER"}
    assert json.loads(wire.requests[2].body) == group


def test_permissions_that_are_right_are_left(wire: Wire, provider: GeminiProvider) -> None:
    """Only the list is asked for. The owner counts as having every role."""
    wire.script = [listed(OWNER, ANN)]
    provider.set_permissions(
        HANDLE,
        [Permission("USER", "ANN@a.b", "READER"), Permission("USER", "me@a.b", "WRITER")],
        fence=unfenced,
    )
    assert len(wire.requests) == 1


def test_everyone_has_no_address(wire: Wire, provider: GeminiProvider) -> None:
    """EVERYONE is granted without an e-mail address."""
    provider.set_permissions(HANDLE, [Permission("EVERYONE", "", "READER")], fence=unfenced)
    assert json.loads(wire.requests[1].body) == {"granteeType": "EVERYONE", "role": "READER"}


@pytest.mark.parametrize("surprise", [TAKEN, hang_up, refusal(503, "later")])
def test_a_grant_that_was_there_after_all_is_patched(
    wire: Wire, provider: GeminiProvider, surprise: Any
) -> None:
    """After a 409, a lost reply or a 5xx the grants are read again. Only the role is left to patch."""
    wire.script = [listed(OWNER), surprise, listed(OWNER, ANN)]
    provider.set_permissions(HANDLE, [WRITER], fence=unfenced)
    assert [call.split()[0] for call in calls(wire)] == ["GET", "POST", "GET", "PATCH"]


def test_permissions_of_a_service_that_is_not_there_are_unavailable(clock: FakeClock) -> None:
    """The error is about the connection, and not about permissions."""
    transport = connect(base_url="http://127.0.0.1:9", environ={}, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match="refused"):
        GeminiProvider(transport).set_permissions(HANDLE, [WRITER], fence=unfenced)


def test_a_grant_that_is_gone_already_is_fine(wire: Wire, provider: GeminiProvider) -> None:
    """If somebody else deleted a permission first, it counts as deleted."""
    wire.script = [listed(OWNER, ANN), MISSING]
    provider.set_permissions(HANDLE, [], fence=unfenced)
    assert len(wire.requests) == 2


def test_grants_that_never_come_true_are_an_error(wire: Wire, provider: GeminiProvider) -> None:
    """Three passes that all meet a 409 for an unlisted grant end in an error."""
    wire.script = [listed(OWNER), TAKEN] * 3
    with pytest.raises(ServiceError, match="could not be set as declared"):
        provider.set_permissions(HANDLE, [WRITER], fence=unfenced)


def test_a_permission_of_another_model_is_not_deleted(wire: Wire, provider: GeminiProvider) -> None:
    """If a listed name is not below the model, that is an error, and no DELETE is sent."""
    wire.script = [listed({**ANN, "name": "tunedModels/other/permissions/a"})]
    with pytest.raises(ServiceError, match="permission"):
        provider.set_permissions(HANDLE, [], fence=unfenced)
    assert len(wire.requests) == 1


def test_permissions_need_a_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """With only an API key at Google's address, the error says how to log in, before any request."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    provider = GeminiProvider(
        connect(base_url="https://example.com", environ={"GEMINI_API_KEY": "k"}, api_keys=False)
    )
    for call in (
        lambda: provider.list_permissions(HANDLE),
        lambda: provider.set_permissions(HANDLE, [WRITER], fence=unfenced),
    ):
        with pytest.raises(CredentialError, match="refuses API keys"):
            call()


# ---------------------------------------------------------------- inference


@pytest.mark.parametrize("temperature", [None, 0.0, 0.5])
def test_an_inference_says_prompt_and_temperature(
    wire: Wire, provider: GeminiProvider, temperature: float | None
) -> None:
    """The prompt is a user's turn. A temperature is sent only if one is given, also zero."""
    wire.always = answer({"candidates": [{"content": {"parts": [{"text": "LXIV"}]}}]})
    assert provider.generate(HANDLE, Prompt("LXIII"), temperature=temperature) == "LXIV"
    assert calls(wire) == [f"POST v1beta/{NAME}:generateContent"]
    body = json.loads(wire.requests[0].body)
    assert body.pop("contents") == [{"role": "user", "parts": [{"text": "LXIII"}]}]
    assert body == ({} if temperature is None else {"generationConfig": {"temperature": temperature}})


@pytest.mark.parametrize("failure", [hang_up, refusal(500, "internal"), refusal(429, "retry in 2s")])
def test_an_inference_is_repeated(wire: Wire, provider: GeminiProvider, failure: Any) -> None:
    """An inference changes nothing, so a lost one is sent again."""
    wire.script = [failure, answer({"candidates": [{"content": {"parts": [{"text": "a"}]}}]})]
    assert provider.generate(HANDLE, Prompt("x")) == "a"
    assert len(wire.requests) == 2


ODD = {**MODEL, "name": "tunedModels/odd"}
NO_NAME = "which is not a name like tunedModels/x"
ODD_ENTRIES: list[tuple[object, str, str]] = [
    ({**ODD, "temperature": "warm"}, "odd", "temperature = 'warm', which is not a number"),
    ({**ODD, "topK": {}}, "odd", "top_k = {}, which is not an integer"),
    (
        {**ODD, "tuningTask": 7},
        "odd",
        "tuning_task.hyperparameters.batch_size = 7, which is not an object",
    ),
    ({**ODD, "state": []}, "odd", "state = [], which is not a state"),
    ({**MODEL, "name": "else/odd"}, "", f"name = 'else/odd', {NO_NAME}"),
    ({**MODEL, "name": 7}, "", f"name = 7, {NO_NAME}"),
    ({}, "", f"name = None, {NO_NAME}"),
    (None, "", f"name = None, {NO_NAME}"),
    ("tunedModels/odd", "odd", "a model = 'tunedModels/odd', which is not an object"),
    ([], "", "a model = [], which is not an object"),
]


@pytest.mark.parametrize(("entry", "id", "why"), ODD_ENTRIES)
def test_an_odd_entry_of_a_list_stops_no_other(
    wire: Wire, provider: GeminiProvider, entry: object, id: str, why: str
) -> None:
    """It is listed as an Odd, with its id if that is known. The models beside it are whole."""
    wire.always = answer({"tunedModels": [entry, MODEL]})
    odd, live = sorted(provider.list(), key=lambda one: isinstance(one, Live))
    assert isinstance(live, Live)
    assert isinstance(odd, Odd)
    assert live.name == NAME
    assert odd.id == id
    place, _, said = odd.why.partition(": the service answered ")
    assert (place, said) == ("tunedModels/odd" if isinstance(entry, dict) and id else "tunedModels", why)
