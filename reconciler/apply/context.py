"""The settings, threads and clocks that one apply works with. Rule: this decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue

from msgspec import Struct

from reconciler.checks import Examples
from reconciler.events import Uploading
from reconciler.formats import format_time
from reconciler.providers import Providers

ROOM = 30.0
"""Seconds until a training is sent again, if the service had no room for it and named no time."""

TICK = 0.2
"""Seconds between two checks whether the run is to stop."""


class Context(Struct, frozen=True):
    """The means and the settings of one apply.

    Attributes:
        examples: reads a data set again and verifies its digest.
        clock: returns monotonic seconds.
        now: returns the time of day, with its zone.
        stopping: set by others when the run is to detach.
        begun: set here before the first call that may begin or change something at a service.
        uploads: filled by the calls, from their threads, with the progress of uploads.
        parallelism: how many calls run at once.
        lag: seconds for which a model that was just accepted may be invisible.
        waits: if False, the run ends once the service has accepted everything.
        deadline: the clock time at which the run ends; None for never.
        pool: makes the calls; it has as many threads.
    """

    providers: Providers
    examples: Examples
    clock: Callable[[], float]
    now: Callable[[], datetime]
    stopping: threading.Event
    begun: threading.Event
    uploads: SimpleQueue[Uploading]
    parallelism: int
    lag: float
    waits: bool
    deadline: float | None
    pool: ThreadPoolExecutor

    @property
    def moment(self) -> str:
        """The current time, in the form that records keep."""
        return format_time(self.now())

    @property
    def is_ending(self) -> bool:
        """Whether no further call may start, because the run is to detach or its time is up."""
        return self.stopping.is_set() or self.is_expired

    @property
    def is_expired(self) -> bool:
        """Whether the time of the run is up."""
        return self.deadline is not None and self.clock() >= self.deadline
