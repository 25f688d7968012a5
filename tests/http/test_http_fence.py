"""What is asked before each sending of a request that changes something."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from reconciler.errors import LockLostError
from reconciler.http import Transport
from reconciler.http.fence import fenced
from tests.http.wire import Action, Wire, answer, hang_up, refusal

To = Callable[..., Transport]

INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "20s"}


class Fence:
    """Lets so many requests pass."""

    def __init__(self, lets: int) -> None:
        self.lets = lets
        self.asked = 0

    def __call__(self) -> None:
        """Count; then refuse."""
        self.asked += 1
        if self.asked > self.lets:
            raise LockLostError("the lock is gone")


FAILURES: dict[str, Action] = {
    "a 429": refusal(429, "slow down", details=[INFO]),
    "a lost reply": hang_up,
    "a 503": refusal(503, "not now"),
}


@pytest.mark.parametrize("first", FAILURES)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_what_is_sent_again_is_asked_for_again(wire: Wire, to: To, method: str, first: str) -> None:
    """The lock went while a 429 or a back-off was waited for: the second sending does not happen."""
    wire.script = [FAILURES[first]]
    fence = Fence(lets=1)
    with fenced(fence), pytest.raises(LockLostError):
        to().call(method, "v1beta/tunedModels/x")
    assert (len(wire.requests), fence.asked) == (1, 2)


def test_a_create_is_asked_for_and_a_look_is_not(wire: Wire, to: To) -> None:
    """Reading harms nobody, so it needs no lock."""
    fence = Fence(lets=0)
    with fenced(fence):
        to().call("GET", "v1beta/tunedModels/x")
        assert fence.asked == 0
        with pytest.raises(LockLostError):
            to().call("POST", "v1beta/tunedModels", body={})
    assert [one.method for one in wire.requests] == ["GET"]


def test_a_fence_ends_with_its_block_and_holds_nobody_else_up(wire: Wire, to: To) -> None:
    """Neither a later call of the thread nor another thread's call meanwhile is refused."""
    wire.always = answer({"name": "x"})
    transport = to()
    with fenced(Fence(lets=0)):
        other = threading.Thread(target=lambda: transport.call("DELETE", "v1beta/tunedModels/other"))
        other.start()
        other.join()
    transport.call("DELETE", "v1beta/tunedModels/x")
    assert [one.target for one in wire.requests] == [
        "/v1beta/tunedModels/other",
        "/v1beta/tunedModels/x",
    ]
