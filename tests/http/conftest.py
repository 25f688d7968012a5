"""A raw server and transports to it, on a clock that waits for nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from reconciler.http import Transport, connect
from tests.fakes import FakeClock
from tests.http.wire import Wire, listening


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server of this test's own."""
    with listening(Wire()) as served:
        yield served


@pytest.fixture
def clock() -> FakeClock:
    """Moves only when somebody sleeps."""
    return FakeClock()


@pytest.fixture
def to(wire: Wire, clock: FakeClock) -> Iterator[Callable[..., Transport]]:
    """A maker of transports to the server."""
    made: list[Transport] = []

    def maker(environ: Mapping[str, str] | None = None, **options: object) -> Transport:
        given = {"base_url": wire.url, "clock": clock, "sleep": clock.sleep, **options}
        made.append(connect(environ={"RECONCILER_HTTP_TIMEOUT": "2", **(environ or {})}, **given))  # type: ignore[arg-type]
        return made[-1]

    yield maker
    for one in made:
        one.close()
