"""429s, which hold back every thread, and waits that end when the run is stopped."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from reconciler.errors import (
    ForbiddenError,
    NotReadyError,
    RateLimitedError,
    StoppedError,
)
from reconciler.http import Transport
from reconciler.providers.google.connection import connect
from tests.fakes import FakeClock
from tests.http.wire import Action, Wire, answer, hang_up, refusal

To = Callable[..., Transport]

RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "8s"}


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (refusal(429, "slow", details=[RETRY_INFO]), 8.0),
        (refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "0.5s"}]), 0.5),
        (refusal(429, "You exceeded your current quota.\nPlease retry in 8.94s."), 8.94),
        (refusal(429, "Please retry in 250ms."), 0.25),
        (refusal(429, "Please retry in 1m3s."), 63.0),
        (answer({"error": {"message": "x"}}, status=429, Retry_After="7"), 7.0),
        (refusal(429, "Resource has been exhausted (e.g. check quota)."), 5.0),
        (refusal(429, "slow, retry in 3s", details=[RETRY_INFO]), 8.0),
        (answer(status=429, body=b"<html>too many"), 5.0),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_429_waits_as_long_as_it_says(
    wire: Wire, to: To, clock: FakeClock, *, method: str, reply: bytes, seconds: float
) -> None:
    """The order is RetryInfo, the text, Retry-After, and then 5 s. Any method is sent once more."""
    wire.script = [reply]
    to({"RECONCILER_RETRY_SECONDS": "100"}).call(method, "v1beta/x", body={})
    assert len(wire.requests) == 2
    assert seconds <= clock.now <= seconds + 0.2


def test_many_429s_are_endured(wire: Wire, to: To, clock: FakeClock) -> None:
    """The client waits for more 429s than it repeats failures."""
    wire.script = [refusal(429, "slow", details=[RETRY_INFO])] * 10
    to().call("POST", "v1beta/x", body={})
    assert len(wire.requests) == 11
    assert clock.now >= 80


@pytest.mark.parametrize(
    "reply",
    [
        refusal(429, "Quota exceeded for metric: x, limit: 0\nPlease retry in 2s.", details=[RETRY_INFO]),
        refusal(429, "Please retry in 10h0m3s."),
        refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "36000s"}]),
        refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "9" * 400 + "s"}]),
        refusal(429, f"retry in {'9' * 400}h1s"),
        refusal(429, f"retry in {'9' * 5000}h1s"),
        refusal(429, f"retry in 1h{'9' * 5000}m1s"),
        answer({"error": {"message": "x"}}, status=429, Retry_After="9" * 400),
    ],
)
def test_a_429_that_is_not_worth_it_fails_at_once(wire: Wire, to: To, clock: FakeClock, reply: bytes) -> None:
    """A zero quota or a very long delay raises RateLimited, without a second request or a wait."""
    wire.always = reply
    with pytest.raises(RateLimitedError):
        to().call("GET", "v1beta/x")
    assert len(wire.requests) == 1
    assert clock.now == 0


def test_a_limit_that_only_begins_with_zero_is_waited_for(wire: Wire, to: To) -> None:
    """`limit: 0.5` is not a zero quota."""
    wire.script = [refusal(429, "limit: 0.5. Please retry in 1s.")]
    to().call("GET", "v1beta/x")
    assert len(wire.requests) == 2


def test_what_a_429_held_back_is_no_failure(wire: Wire, to: To) -> None:
    """Time spent at the gate does not count as time spent on failures."""
    limited = refusal(429, "retry in 9s")
    wire.script = [limited, limited, refusal(503, "later")]
    assert to({"RECONCILER_RETRY_SECONDS": "10"}).call("GET", "v1beta/x") == {}


def test_429s_without_end_have_an_end(wire: Wire, to: To, clock: FakeClock) -> None:
    """A service that always says 429 is given up after five times the patience."""
    wire.always = refusal(429, "slow", details=[RETRY_INFO])
    with pytest.raises(RateLimitedError):
        to().call("GET", "v1beta/x")
    assert 280 <= clock.now <= 300


def test_a_429_slows_every_thread(wire: Wire) -> None:
    """While one thread waits for its 429, no other thread sends anything. Then all are served."""
    gate = threading.Event()
    arrived: list[float] = []

    def limited(connection: socket.socket) -> None:
        connection.sendall(refusal(429, "Please retry in 1500ms."))
        gate.set()

    wire.script = [limited]
    transport = connect(base_url=wire.url, environ={})

    def call(path: str) -> None:
        transport.call("GET", path)
        arrived.append(time.monotonic())

    first = threading.Thread(target=call, args=("v1beta/first",))
    first.start()
    assert gate.wait(5)
    while not transport.pace._opens > 0:  # wait until the client has read the 429 that the server has sent
        time.sleep(0.001)
    others = [threading.Thread(target=call, args=(f"v1beta/{number}",)) for number in range(5)]
    for thread in others:
        thread.start()
    time.sleep(0.2)
    assert len(wire.requests) == 1
    for thread in (first, *others):
        thread.join(10)
    assert len(wire.requests) == 7
    assert len(arrived) == 6
    transport.close()


@pytest.mark.parametrize("reply", [refusal(429, "retry in 30s"), refusal(503, "later"), hang_up])
def test_stopping_ends_a_wait(wire: Wire, to: To, clock: FakeClock, reply: Action) -> None:
    """A pause ends within 0.1 s of the run being stopped, and nothing more is sent."""
    wire.always = reply
    with pytest.raises(StoppedError):
        to(stopping=lambda: clock.now > 0.15).call("GET", "v1beta/x")
    assert clock.now <= 0.31
    assert len(wire.requests) == 1


def test_what_needs_no_wait_is_done_while_stopping(wire: Wire, to: To) -> None:
    """A run that is being stopped may still look something up."""
    wire.always = answer({"name": "x"})
    assert to(stopping=lambda: True).call("GET", "v1beta/x") == {"name": "x"}


@pytest.mark.parametrize("seconds", [90, 400, 600])
def test_a_read_waits_as_long_as_ten_minutes(wire: Wire, to: To, clock: FakeClock, seconds: int) -> None:
    """A read waits for the delay that a 429 names, even if it is longer than the patience with failures."""
    wire.script = [refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": f"{seconds}s"}])]
    to().call("GET", "v1beta/x")
    assert seconds <= clock.now <= seconds + 0.2


@pytest.mark.parametrize(
    ("reply", "again", "named"),
    [
        (refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "90s"}]), 90.0, True),
        (refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "600s"}]), 600.0, True),
        (refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "601s"}]), None, True),
        (refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "9" * 400 + "s"}]), None, True),
        (refusal(429, "limit: 0", details=[{**RETRY_INFO, "retryDelay": "90s"}]), None, False),
        (refusal(429, "slow"), 30.0, False),
    ],
)
@pytest.mark.parametrize("queues", [True, False])
def test_what_changes_something_is_told_when_to_ask_again(
    wire: Wire, to: To, *, reply: bytes, again: float | None, named: bool, queues: bool
) -> None:
    """The call may hold a lock, so it does not wait for a long delay. It says when to ask again."""
    wire.always = reply
    with pytest.raises(RateLimitedError) as caught:
        to().call("POST", "v1beta/x", body={}, queues=queues)
    assert (caught.value.again, caught.value.named) == (again, named)


PROVISIONED = (
    "Service agents are being provisioned (https://cloud.google.com/x#service-agents). Service agents are "
    "needed to read the Cloud Storage file provided. So please try again in a few minutes."
)


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, PROVISIONED), (403, "The service account is not yet created. Try again in some moments.")],
)
def test_a_condition_that_passes_is_said_to_be_one(wire: Wire, to: To, status: int, message: str) -> None:
    """Nobody has to correct anything, in the manifest or elsewhere."""
    wire.always = refusal(status, message, canonical="FAILED_PRECONDITION")
    with pytest.raises(NotReadyError, match=r"provisioned|created") as caught:
        to().call("POST", "v1/x", body={})
    assert "passes by itself" in caught.value.detail


def test_an_api_that_is_switched_off_does_not_pass_by_itself(wire: Wire, to: To) -> None:
    """Google's words for it speak of some minutes too, but somebody has to enable it."""
    message = (
        "Vertex AI API has not been used in project 1 before or it is disabled. Enable it by visiting x then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate and retry."
    )
    wire.always = refusal(403, message, canonical="PERMISSION_DENIED")
    with pytest.raises(ForbiddenError, match="disabled"):
        to().call("POST", "v1/x", body={})
