"""What an apply works with: its settings, threads, clocks and the wish to stop. Rule: decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from queue import SimpleQueue

from reconciler.apply.execute import Examples
from reconciler.events import Uploading
from reconciler.formats import format_time
from reconciler.model import LAG_SECONDS
from reconciler.providers import Providers

ROOM = 30.0
"""Seconds after which a service that had no room for a training, and named no time, is asked again."""

TICK = 0.2
"""Seconds between two looks at whether we shall stop."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an apply runs.

    Attributes:
        parallelism: calls at once.
        wait: False stops once everything is accepted.
        timeout: seconds after which the run ends, None for never.
        lag: seconds for which a model that was just accepted may be invisible.
    """

    parallelism: int = 10
    wait: bool = True
    timeout: float | None = None
    lag: float = LAG_SECONDS


@dataclass(frozen=True, slots=True)
class Context:
    """What one apply has at hand.

    Attributes:
        examples: reads a data set again, verified.
        clock: monotonic seconds.
        now: the time of day, aware.
        stopping: set when we shall detach.
        begun: set before the first call that may begin or change something at a service.
        deadline: by `clock`, when the run ends; None for never.
        uploads: how far uploads are, told by the calls from their threads.
    """

    providers: Providers
    examples: Examples
    clock: Callable[[], float]
    now: Callable[[], datetime]
    stopping: threading.Event
    begun: threading.Event
    settings: Settings
    pool: ThreadPoolExecutor
    deadline: float | None
    uploads: SimpleQueue[Uploading]

    @property
    def moment(self) -> str:
        """Now, as records keep it."""
        return format_time(self.now())

    @property
    def is_ending(self) -> bool:
        """Whether no further call may start: we shall detach, or the time is up."""
        return self.stopping.is_set() or self.expired

    @property
    def expired(self) -> bool:
        """Whether the time of the run is up."""
        return self.deadline is not None and self.clock() >= self.deadline
