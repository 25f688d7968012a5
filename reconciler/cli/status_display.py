"""Shows the condition of the models: once, or again and again while something is in training.

A terminal gets one table that is redrawn in place. A pipe gets a new table when something has changed, and
with --json a new document on a line of its own.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.cli import deadline, signals
from reconciler.cli.console import Console, print_text, timestamp
from reconciler.cli.invocation import Invocation
from reconciler.errors import Diagnostic
from reconciler.plan.status import ModelStatus, is_training, leave_out_times
from reconciler.render.status import build_status_document
from reconciler.render.text.status import fit_status, list_next_steps, render_status

if TYPE_CHECKING:
    from reconciler.operation import Operation

Found = tuple[ModelStatus, ...]


def read_words(words: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the words of a command line: addresses, wildcards and labels are targets, others are paths.

    A word that is both an address and a path is the address, if it is recorded or declared.
    """
    targets = [word for word in words if _is_target(word, given)]
    paths = tuple(word for word in words if word not in targets)
    return {**given, "paths": paths, "targets": (*given["targets"], *targets)}


def _is_target(word: str, given: Mapping[str, Any]) -> bool:
    from reconciler.cli.record_selection import RecordSelection, may_be_address

    if not os.path.lexists(word):
        return may_be_address(word) or bool(set(word) & set("*?[="))
    if not may_be_address(word):
        return False
    selection = RecordSelection("status", word, {**given, "paths": ()})
    return selection.is_recorded() or selection.is_declared()


def show_once(operation: Operation, invocation: Invocation, console: Console) -> Found:
    """Show the condition of the models now."""
    from reconciler.operation.status import look

    found = _complete(look(operation), invocation)
    if console.as_json:
        console.print_document(build_status_document(found, timestamp()))
    else:
        _print_table(console, found)
    return found


def show_again(operation: Operation, invocation: Invocation, console: Console) -> Found:
    """Show it again and again, until nothing is in training or the run is stopped. Returns the last look."""
    from reconciler.operation.status import watch

    with signals.detaching(operation.stopping), deadline.get_current().stopping(operation.stopping.set):
        looks = (_complete(found, invocation) for found in watch(operation))
        if console.is_terminal and not console.as_json:
            return _redraw(looks, console)
        return _print_changes(looks, console)


def _complete(found: Found, invocation: Invocation) -> Found:
    return tuple(replace(one, reason=invocation.complete(one.reason)) for one in found)


def advise(found: Sequence[ModelStatus], invocation: Invocation, console: Console, *, is_watch: bool) -> None:
    """Say what people can do about the conditions that were found, and what continues a watch that ended."""
    for step in list_next_steps(found):
        console.print_note(invocation.complete(step))
    if is_watch and is_training(found):
        said = f"Still in training. To wait for the end: {invocation.spell('wait')}"
        console.print_note(said)
        if console.as_json:
            console.print_warnings([Diagnostic(said)])


def _redraw(looks: Iterable[Found], console: Console) -> Found:
    """Redraw the table in place. The last one stays."""
    from reconciler.render.live import LiveLines

    last: Found = ()
    seen = time.monotonic()

    def draw(room: int) -> list[str]:
        later = time.monotonic() - seen
        return fit_status(last, room, seconds=later, colour=console.has_colour, width=console.width)

    with LiveLines(stream=sys.stdout, width=console.width, colour=console.has_colour, draw=draw) as live:
        for found in looks:
            last, seen = found, time.monotonic()
            live.refresh()
    _print_table(console, last)
    return last


def _print_changes(looks: Iterable[Found], console: Console) -> Found:
    """Print what was found whenever it differs from what was printed before."""
    found: Found = ()
    before: list[ModelStatus] | None = None
    for found in looks:
        now = leave_out_times(found)
        if now == before:
            continue
        if console.as_json:
            console.print_records([build_status_document(found, timestamp())])
        else:
            print_text("" if before is None else "\n")
            _print_table(console, found)
        before = now
    return found


def _print_table(console: Console, found: Found) -> None:
    console.print_lines(render_status(found, colour=console.has_colour, width=console.width))
    print_text(flush=True)
