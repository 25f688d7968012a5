"""The Gemini provider on a raw server that sends what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.http import Transport
from reconciler.providers.gemini.provider import GeminiProvider
from reconciler.providers.google.connection import connect
from tests.fakes import FakeClock
from tests.http.wire import Wire, connecting, listening


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server for this test alone."""
    with listening(Wire()) as served:
        yield served


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves only when somebody sleeps."""
    return FakeClock()


@pytest.fixture
def stopping() -> list[bool]:
    """A list that is not empty if the run is being stopped."""
    return []


@pytest.fixture
def provider(wire: Wire, clock: FakeClock, stopping: list[bool]) -> GeminiProvider:
    """A provider on the raw server. Its waits take no time."""
    stop: Callable[[], bool] = lambda: bool(stopping)  # noqa: E731 (a type for the lambda)
    environ = {"RECONCILER_HTTP_TIMEOUT": "2"}
    transport = connect(base_url=wire.url, environ=environ, clock=clock, sleep=clock.sleep, stopping=stop)
    return GeminiProvider(transport)


@pytest.fixture
def to(wire: Wire, clock: FakeClock) -> Iterator[Callable[..., Transport]]:
    """A maker of transports to the server."""
    with connecting(wire, clock) as maker:
        yield maker
