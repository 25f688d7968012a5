"""Raw content: parts of an upload, answered without JSON, at an address that is as good as a credential."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.errors import ReplyLostError, ServiceError, UnavailableError
from reconciler.http import Reply, Transport
from tests.fakes import unfenced
from tests.http.wire import Wire, answer, hang_up, refusal

To = Callable[..., Transport]
SPAN = {"content-range": "bytes 0-2/6"}


def send(transport: Transport, *, repeatable: bool = False) -> Reply:
    """A part."""
    query = {"upload_id": "secret-id"}
    return transport.transfer(
        "PUT",
        "upload/x",
        query=query,
        content=b"abc",
        about=SPAN,
        repeatable=repeatable,
        fence=unfenced,
    )


def test_a_part_goes_as_it_is(wire: Wire, to: To) -> None:
    """Method, headers, bytes and query are sent unchanged. Any success is an answer, JSON or not."""
    wire.script = [answer(body=b"no JSON", status=201)]
    assert send(to()).status == 201
    (request,) = wire.requests
    assert (request.method, request.target) == ("PUT", "/upload/x?upload_id=secret-id")
    assert (request.body, request.headers["content-range"]) == (b"abc", "bytes 0-2/6")


def test_what_has_arrived_is_an_answer(wire: Wire, to: To) -> None:
    """A 308 without another address says how far an upload is. A 308 with one is a redirect."""
    wire.script = [answer(body=b"", status=308, Range="bytes=0-2")]
    reply = send(to())
    assert (reply.status, reply.headers["range"]) == (308, "bytes=0-2")
    wire.script = [answer(body=b"", status=308, Location="https://elsewhere.example/")]
    with pytest.raises(ServiceError, match=r"redirect \(308\)"):
        send(to())
    assert len(wire.requests) == 2


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_lost_part_is_repeated_only_where_that_is_safe(wire: Wire, to: To, *, repeatable: bool) -> None:
    """The caller asks how far the upload is before it sends a part again. The question itself is repeated."""
    wire.script = [hang_up, answer(body=b"", status=200)]
    if repeatable:
        assert send(to(), repeatable=True).status == 200
    else:
        with pytest.raises(ReplyLostError):
            send(to())
    assert len(wire.requests) == 1 + repeatable


@pytest.mark.parametrize("status", [403, 410, 503])
def test_the_id_of_an_upload_is_in_no_message(wire: Wire, to: To, status: int) -> None:
    """A refusal has its status and names the path, without the query."""
    wire.script = [refusal(status, "secret-id is refused")] * 9
    with pytest.raises(ServiceError) as caught:
        send(to())
    assert caught.value.status == status
    assert "upload/x" in caught.value.summary
    assert "upload_id" not in caught.value.summary
    assert isinstance(caught.value, UnavailableError) == (status == 503)
