"""Shows the events of a run: live on a terminal, as JSON lines with --json, or as lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from reconciler.cli import streams
from reconciler.cli.console import Console, describe_defect, print_message, print_text, timestamp
from reconciler.events import Event, Failed, Progress, Skipped, Uploading

_QUIET_INTERVAL = 60.0
"""Seconds between two progress lines about one model if stdout is not a terminal."""

Show = Callable[[Event], None]


class EventPrinter:
    """Shows events. If an event cannot be shown, the run continues, and the defect is reported once.

    Attributes:
        has_failed: whether an event could not be shown because of a defect.
    """

    def __init__(self, show: Show, console: Console) -> None:
        self._show, self._console = show, console
        self.has_failed = False

    def show(self, event: Event) -> None:
        """Show an event. Errors are reported, not raised."""
        try:
            with streams.tolerate_lost_output():
                self._show(event)
        except Exception as error:  # noqa: BLE001 - the run must continue, so that its results are recorded
            if not self.has_failed:
                self._console.print_diagnostics([describe_defect(error)])
            self.has_failed = True


@contextmanager
def open_printer(console: Console) -> Iterator[EventPrinter]:
    """Yield the printer of one run's events for this console."""
    if console.as_json:
        from reconciler.render import stream

        yield EventPrinter(
            lambda event: console.print_records(stream.build_event_records(event, timestamp())), console
        )
    elif console.is_terminal:
        from reconciler.render.live import LiveProgress

        with LiveProgress(
            stream=sys.stdout, width=console.width, clock=time.monotonic, colour=console.has_colour
        ) as live:
            yield EventPrinter(live.handle, console)
    else:
        yield EventPrinter(_build_line_printer(console), console)


def _build_line_printer(console: Console) -> Show:
    from reconciler.render.text.events import render_event

    last: dict[object, float] = {}
    tenths: dict[str, int] = {}

    def show(event: Event) -> None:
        if isinstance(event, Uploading):
            tenth = 10 * event.sent // event.size
            if tenth == tenths.get(event.shown):
                return
            tenths[event.shown] = tenth
        if isinstance(event, Progress):
            now = time.monotonic()
            if now - last.setdefault(event.address, now) < _QUIET_INTERVAL:
                return
            last[event.address] = now
        line = render_event(event, colour=console.has_colour)
        if line is None:
            return
        if isinstance(event, (Failed, Uploading)) or (isinstance(event, Skipped) and event.trouble):
            print_text(flush=True)
            print_message(line)
        else:
            console.print_lines([line])
            print_text(flush=True)

    return show
