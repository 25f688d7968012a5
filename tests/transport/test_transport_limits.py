"""429s, which hold back every thread, and waits that end when the run is stopped."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from reconciler.errors import (
    RateLimitedError,
    StoppedError,
)
from reconciler.transport import Transport, connect
from tests.fakes import FakeClock
from tests.transport.wire import Action, Wire, answer, hang_up, refusal

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
    """RetryInfo, then the text, then Retry-After, then 5 s: whatever the method, it is sent once more."""
    wire.script = [reply]
    to({"RECONCILER_RETRY_SECONDS": "100"}).call(method, "v1beta/x", body={})
    assert len(wire.requests) == 2
    assert seconds <= clock.now <= seconds + 0.2


def test_many_429s_are_endured(wire: Wire, to: To, clock: FakeClock) -> None:
    """More 429s than the attempts that failures have are waited for."""
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
    """A zero quota or a delay beyond the patience is RateLimited, without a second request or a wait."""
    wire.always = reply
    with pytest.raises(RateLimitedError):
        to().call("GET", "v1beta/x")
    assert len(wire.requests) == 1
    assert clock.now == 0


def test_a_limit_that_only_begins_with_zero_is_waited_for(wire: Wire, to: To) -> None:
    """`limit: 0.5` is no zero quota."""
    wire.script = [refusal(429, "limit: 0.5. Please retry in 1s.")]
    to().call("GET", "v1beta/x")
    assert len(wire.requests) == 2


def test_what_a_429_held_back_is_no_failure(wire: Wire, to: To) -> None:
    """Time spent at the gate does not count against the patience with failures."""
    limited = refusal(429, "retry in 9s")
    wire.script = [limited, limited, refusal(503, "later")]
    assert to({"RECONCILER_RETRY_SECONDS": "10"}).call("GET", "v1beta/x") == {}


def test_429s_without_end_have_an_end(wire: Wire, to: To, clock: FakeClock) -> None:
    """A service that says 429 for ever is given up after five times the patience."""
    wire.always = refusal(429, "slow", details=[RETRY_INFO])
    with pytest.raises(RateLimitedError):
        to().call("GET", "v1beta/x")
    assert 280 <= clock.now <= 300


def test_a_429_slows_every_thread(wire: Wire) -> None:
    """While one thread's 429 is waited for, no other thread sends anything; then all are served."""
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
    while not transport._pace._opens > 0:  # the reply has left the server, and is being read
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
