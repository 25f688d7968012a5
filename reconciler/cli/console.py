"""Where results, errors and progress go, and in what form.

Results to stdout, errors to stderr; with --json everything to stdout as JSON. Colour only where
somebody can see it: NO_COLOR, CLICOLOR, TERM=dumb, --no-color and pipes are honoured.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.cli import streams
from reconciler.cli.byte_offsets import byte_of
from reconciler.errors import Diagnostic
from reconciler.formats import format_time
from reconciler.plan.change import Plan


def wants_colour(environ: Mapping[str, str], *, terminal: bool) -> bool:
    """By the conventions of no-color.org and bixense.com/clicolors."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return terminal and environ.get("CLICOLOR", "1") != "0"


def emit(text: str = "", *, flush: bool = False) -> None:
    """Write to stdout, see `streams.write`."""
    streams.write(sys.stdout, text, flush=flush)


def emit_error(text: str) -> None:
    """Write to stderr, at once; `2>&1 | head` is no reason to stop either."""
    streams.write(sys.stderr, text, flush=True)


def timestamp() -> str:
    """Now, RFC 3339 with microseconds in UTC."""
    return format_time(datetime.now(UTC), timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Console:
    """How to speak to whoever started us.

    Attributes:
        as_json: stdout holds JSON only, errors too.
        colour: escape sequences may be used on stdout.
        terminal: stdout is one, and can move its cursor.
        width: cells a line; 0 in a pipe: nothing is cut nor wrapped there.
    """

    as_json: bool = False
    colour: bool = False
    terminal: bool = False
    width: int = 0

    @classmethod
    def of_environment(cls, *, as_json: bool = False, no_color: bool = False) -> Console:
        """As stdout and the environment variables say."""
        terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        colour = not (no_color or "--no-color" in sys.argv or as_json)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        return cls(as_json, colour and wants_colour(os.environ, terminal=terminal), terminal, width)

    def lines(self, lines: Iterable[str]) -> None:
        """Results."""
        for line in lines:
            emit(line + "\n")

    def document(self, document: object) -> None:
        """One JSON document, indented."""
        from reconciler.strictjson import dumps

        emit(dumps(document, indent=2) + "\n")

    def records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """JSON lines, each at once: somebody follows them."""
        from reconciler.render.stream import encode_line

        for record in records:
            emit(encode_line(record) + "\n")
        emit(flush=True)

    def plan(self, plan: Plan) -> None:
        """A plan, as text or as the event stream."""
        if self.as_json:
            from reconciler.render import stream

            self.records(stream.build_plan_records(plan, timestamp()))
            return
        from reconciler.render.text import render_plan

        self.lines(render_plan(plan, colour=self.colour, width=self.width))
        emit(flush=True)

    def errors(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Errors and warnings; on stderr unless stdout is to hold JSON."""
        if self.as_json:
            from reconciler.render import stream

            self.records(
                stream.build_diagnostic_record(one, timestamp(), byte=byte_of(one)) for one in diagnostics
            )
            return
        from reconciler.render.text import render_errors

        terminal = sys.stderr.isatty()
        colour = wants_colour(os.environ, terminal=terminal) and "--no-color" not in sys.argv
        width = shutil.get_terminal_size().columns if terminal else 0
        for line in render_errors(diagnostics, colour=colour, width=width):
            emit_error(line + "\n")

    def note(self, text: str) -> None:
        """Something for people that is neither result nor error; "" is nothing."""
        if text and not self.as_json:
            from reconciler.render.terminal import escape_lines

            emit_error(escape_lines(text) + "\n")
