"""A call to a state server whose answer never ends still ends in time."""

from __future__ import annotations

import time

import pytest

from reconciler.errors import StateStoreError
from reconciler.state.backends import open_backend
from tests.http.test_http_deadline import DRIPS
from tests.http.wire import Wire, answer, listening
from tests.limits import NET, repeats

SECONDS = {"RECONCILER_HTTP_TIMEOUT": "0.8", "TF_HTTP_RETRY_MAX": "0"}


@pytest.mark.parametrize("drip", [*list(DRIPS)[:2], *repeats(*list(DRIPS)[2:])])
def test_an_http_state_that_never_ends_ends_in_time(drip: str) -> None:
    """Trickling bytes and endless chunks or headers are reported as a server that does not answer."""
    with listening(Wire(always=DRIPS[drip])) as wire:
        backend = open_backend(f"{wire.url}/state", environ=SECONDS)
        began = time.monotonic()
        with pytest.raises(StateStoreError, match="does not answer"):
            backend.read()
        assert time.monotonic() - began < NET


def test_repetitions_count_in_the_time_of_a_call() -> None:
    """All retries of a hanging server together end in time."""
    with listening(Wire(always=DRIPS["a header a byte at a time"])) as wire:
        environ = {**SECONDS, "TF_HTTP_RETRY_MAX": "3", "TF_HTTP_RETRY_WAIT_MIN": "0"}
        began = time.monotonic()
        with pytest.raises(StateStoreError, match=r"not within 0\.8 s"):
            open_backend(f"{wire.url}/state", environ=environ).read()
        assert time.monotonic() - began < NET


def test_a_server_that_asks_for_a_long_pause_gets_a_short_one() -> None:
    """A Retry-After of a day is cut to TF_HTTP_RETRY_WAIT_MAX."""
    with listening(Wire(always=answer(status=503, Retry_After="86400"))) as wire:
        environ = {"TF_HTTP_RETRY_MAX": "1", "TF_HTTP_RETRY_WAIT_MIN": "0", "TF_HTTP_RETRY_WAIT_MAX": "1"}
        began = time.monotonic()
        with pytest.raises(StateStoreError, match="503"):
            open_backend(f"{wire.url}/state", environ=environ).read()
        assert time.monotonic() - began < NET
        assert len(wire.requests) == 2
