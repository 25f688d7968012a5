"""Which requests are sent again, how often, and what is raised when that is over."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from reconciler.errors import (
    ReplyLostError,
    ServiceError,
    UnavailableError,
)
from reconciler.http import Transport
from reconciler.providers.google.connection import connect
from tests.fakes import FakeClock
from tests.http.wire import Action, Wire, answer, cut, hang_up, refusal, silence

To = Callable[..., Transport]

WHOLE = answer({"name": "tunedModels/x", "description": "a description that is long enough to be cut"})
LOSSES: dict[str, Action] = {
    "no word": hang_up,
    "half a header": cut(WHOLE, 20),
    "half a body": cut(WHOLE, len(WHOLE) - 9),
    "no body": cut(WHOLE, WHOLE.index(b"\r\n\r\n") + 4),
    "HTML": answer(body=b"<html><title>Sign in</title></html>", Content_Type="text/html"),
    "nothing": answer(body=b""),
    "half JSON": answer(body=b'{"name": "tuned'),
    "a list": answer([]),
    "not UTF-8": answer(body=b'{"name": "\xff"}'),
    "bad gzip": answer(body=b"not gzip", Content_Encoding="gzip"),
    "too deep": answer(body=b'{"a":' * 100_000),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_safe_twice_is_sent_again(wire: Wire, to: To, method: str, loss: str) -> None:
    """A read, a patch and a delete survive a lost reply, because they are sent a second time."""
    wire.script = [LOSSES[loss]]
    wire.always = answer({"name": "x"})
    assert to().call(method, "v1beta/x") == {"name": "x"}
    assert [one.method for one in wire.requests] == [method] * 2


@pytest.mark.parametrize("loss", LOSSES)
def test_a_post_is_never_sent_again_by_itself(wire: Wire, to: To, loss: str) -> None:
    """A POST whose reply is lost is sent once. The error says that its effect is unknown."""
    wire.always = LOSSES[loss]
    with pytest.raises(ReplyLostError, match="whether it was done is not known"):
        to().call("POST", "v1beta/tunedModels", body={})
    assert len(wire.requests) == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_a_post_without_effect_may_be_sent_again(wire: Wire, to: To, loss: str) -> None:
    """A POST that the caller calls repeatable is treated like a GET."""
    wire.script = [LOSSES[loss]]
    assert to().call("POST", "v1beta/x:generateContent", body={}, repeatable=True) == {}
    assert len(wire.requests) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_passing_statuses_are_repeated_five_times(wire: Wire, to: To, clock: FakeClock, status: int) -> None:
    """A GET is sent at most five times after a 5xx, with growing pauses. Then it is unavailable."""
    wire.always = refusal(status, "try later")
    with pytest.raises(UnavailableError, match="try later") as caught:
        to().call("GET", "v1beta/x")
    assert caught.value.status == status
    assert len(wire.requests) == 5
    assert 3 < clock.now < 20


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_answered_failure_of_a_post_is_told_at_once(wire: Wire, to: To, status: int) -> None:
    """A POST that got a 5xx may have had its effect. It is not repeated, and the error has the status."""
    wire.always = refusal(status, "try later")
    with pytest.raises(UnavailableError) as caught:
        to().call("POST", "v1beta/tunedModels", body={})
    assert caught.value.status == status
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 412, 418, 501, 505])
def test_other_refusals_are_final(wire: Wire, to: To, status: int) -> None:
    """A refusal that would come again is not repeated."""
    wire.always = refusal(status, "no")
    with pytest.raises(ServiceError) as caught:
        to().call("GET", "v1beta/x")
    assert caught.value.status == status
    assert len(wire.requests) == 1


def test_nobody_listening_is_unavailable_for_a_post_too(clock: FakeClock) -> None:
    """A refused connection is tried five times, also for a POST. The error says that nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    transport = connect(base_url=url, environ={}, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match="refused") as caught:
        transport.call("POST", "v1beta/tunedModels", body={})
    assert caught.value.status is None
    assert not isinstance(caught.value, ReplyLostError)
    assert "Nothing was sent" in caught.value.detail
    assert clock.now > 3


def test_a_name_that_does_not_resolve_is_unavailable(clock: FakeClock) -> None:
    """An unknown host is an error of the address, not a traceback."""
    environ = {"GEMINI_API_KEY": "k", "RECONCILER_RETRY_SECONDS": "1"}
    transport = connect(base_url="https://nowhere.invalid", environ=environ, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match=r"nowhere\.invalid"):
        transport.call("GET", "v1beta/x")


def test_silence_ends_in_a_time_out(wire: Wire, to: To) -> None:
    """If a server accepts a POST and never answers, the POST times out, and its effect is unknown."""
    wire.always = silence
    with pytest.raises(ReplyLostError, match="in time"):
        to({"RECONCILER_HTTP_TIMEOUT": "0.2"}).call("POST", "v1beta/tunedModels", body={})


def test_slow_calls_have_twice_the_time(wire: Wire, to: To) -> None:
    """Only a slow call accepts a reply that takes longer than the time-out, up to twice as long."""

    def late(connection: socket.socket) -> None:
        time.sleep(1.2)
        connection.sendall(answer({"late": True}))

    transport = to({"RECONCILER_HTTP_TIMEOUT": "0.8"})
    wire.always = late
    assert transport.call("POST", "v1beta/x", body={}, slow=True) == {"late": True}
    with pytest.raises(ReplyLostError):
        transport.call("POST", "v1beta/x", body={})


def test_patience_has_an_end(wire: Wire, to: To, clock: FakeClock) -> None:
    """Failures are not repeated longer than RECONCILER_RETRY_SECONDS."""
    wire.always = refusal(503, "later")
    with pytest.raises(UnavailableError):
        to({"RECONCILER_RETRY_SECONDS": "1"}).call("GET", "v1beta/x")
    assert clock.now <= 1.2
    assert 2 <= len(wire.requests) <= 4
