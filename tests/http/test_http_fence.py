"""What is asked before each sending of a request that changes something."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.errors import LockLostError
from reconciler.http import Transport
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
    """The lock was lost during the wait after a 429 or a failure, so the second sending does not happen."""
    wire.script = [FAILURES[first]]
    fence = Fence(lets=1)
    with pytest.raises(LockLostError):
        to().call(method, "v1beta/tunedModels/x", fence=fence)
    assert (len(wire.requests), fence.asked) == (1, 2)


def test_a_closed_fence_lets_nothing_out(wire: Wire, to: To) -> None:
    """The fence stops JSON requests and uploads."""
    fence = Fence(lets=0)
    with pytest.raises(LockLostError):
        to().call("POST", "v1beta/tunedModels", body={}, fence=fence)
    with pytest.raises(LockLostError):
        to({"GOOGLE_OAUTH_ACCESS_TOKEN": "t"}).transfer(
            "PUT", "upload", query={}, content=b"x", about={}, repeatable=True, fence=fence
        )
    assert (len(wire.requests), fence.asked) == (0, 2)


def test_a_fence_is_of_its_call_and_holds_no_other_up(wire: Wire, to: To) -> None:
    """If one call may not be sent, the next one on the same thread still may."""
    wire.always = answer({"name": "x"})
    transport = to()
    with pytest.raises(LockLostError):
        transport.call("DELETE", "v1beta/tunedModels/x", fence=Fence(lets=0))
    transport.call("DELETE", "v1beta/tunedModels/other", fence=Fence(lets=1))
    transport.call("GET", "v1beta/tunedModels/x")
    assert [one.target for one in wire.requests] == [
        "/v1beta/tunedModels/other",
        "/v1beta/tunedModels/x",
    ]
