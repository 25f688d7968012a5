"""A raw server and transports to it, with a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.http import Transport
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
def to(wire: Wire, clock: FakeClock) -> Iterator[Callable[..., Transport]]:
    """A maker of transports to the server."""
    with connecting(wire, clock) as maker:
        yield maker
