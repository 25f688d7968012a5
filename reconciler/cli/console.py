"""Prints results, errors and progress to the right stream in the right form.

Results go to stdout, errors to stderr; with --json all goes to stdout as JSON. Colour is used only on a
terminal: NO_COLOR, CLICOLOR, TERM=dumb, --no-color and pipes are honoured.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from reconciler.cli import streams
from reconciler.errors import Diagnostic, Severity, UsageError
from reconciler.formats import format_time

if TYPE_CHECKING:
    from reconciler.model.live import Live
    from reconciler.plan.base_models import BaseEnd
    from reconciler.plan.change import Plan
    from reconciler.state.values import Record


def can_use_colour(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Return whether to use colour, by the conventions of no-color.org and bixense.com/clicolors."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in {"", "0"}:
        return True
    return is_terminal and environ.get("CLICOLOR", "1") != "0"


def print_text(text: str = "", *, flush: bool = False) -> None:
    """Write to stdout, see `streams.write`."""
    streams.write(sys.stdout, text, flush=flush)


def print_message(line: str) -> None:
    """Write a line to stderr at once. A closed stderr does not stop the run."""
    streams.write(sys.stderr, line + "\n", flush=True)


def describe_defect(error: BaseException) -> Diagnostic:
    """Describe a defect of this program. With RECONCILER_DEBUG, print its traceback to stderr first."""
    if os.environ.get("RECONCILER_DEBUG"):
        from traceback import print_exception

        print_exception(error)
    return Diagnostic(
        f"internal error: {type(error).__name__}: {str(error)[:200]}",
        "This is a defect of reconciler: please report it. RECONCILER_DEBUG=1 shows where it is. "
        "What was begun is recorded: run the command again to go on",
    )


def timestamp() -> str:
    """Return the current time in RFC 3339, with microseconds, in UTC."""
    return format_time(datetime.now(UTC), timespec="microseconds")


def _measure_width(stream: TextIO) -> int:
    """Return the cells in a line of a stream. 0 if it is not a terminal."""
    if not stream.isatty():
        return 0
    from shutil import get_terminal_size

    return get_terminal_size().columns


class Console(NamedTuple):
    """Prints for the person or program that started us.

    Attributes:
        as_json: stdout holds JSON only, errors too.
        has_colour: stdout shows escape sequences as colours.
        is_terminal: stdout is one, and can move its cursor.
        width: cells in a line. 0 in a pipe, where nothing is cut or wrapped.
    """

    as_json: bool = False
    has_colour: bool = False
    is_terminal: bool = False
    width: int = 0

    @classmethod
    def open(cls, *, as_json: bool = False, no_color: bool = False, form: str = "text") -> Console:
        """Make a console from stdout and the environment variables. UsageError for two forms at once."""
        if as_json and form != "text":
            raise UsageError(f"--json and --format {form} are two forms of one output", "Give one of them")
        is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        has_colour = not (no_color or "--no-color" in sys.argv or as_json) and can_use_colour(
            os.environ, is_terminal=is_terminal
        )
        width = _measure_width(sys.stdout)
        return cls(as_json, has_colour, is_terminal, width)

    # -- results -----------------------------------------------------------------------------------

    def print_lines(self, lines: Iterable[str]) -> None:
        """Print lines of text."""
        for line in lines:
            print_text(line + "\n")

    def print_document(self, document: object) -> None:
        """Print one JSON document, indented."""
        from reconciler.strictjson import dumps

        print_text(dumps(document, indent=2) + "\n")

    def begin_stream(self) -> None:
        """Print the first record of an event stream, with --json."""
        if self.as_json:
            from reconciler.render import stream

            self.print_records([stream.build_version_record(timestamp())])

    def print_records(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Print JSON lines at once, because a program may follow them."""
        from reconciler.render.stream import encode_line

        for record in records:
            print_text(encode_line(record) + "\n")
        print_text(flush=True)

    def print_plan(self, plan: Plan) -> None:
        """Print a plan, as text or as records of the event stream."""
        if self.as_json:
            from reconciler.render import stream

            self.print_records(stream.build_plan_records(plan, timestamp()))
            return
        from reconciler.render.text.plan import render_plan

        self.print_lines(render_plan(plan, colour=self.has_colour, width=self.width))
        print_text(flush=True)

    def print_record(
        self, record: Record, live: Live | None, bases: Mapping[str, BaseEnd] | None = None
    ) -> None:
        """Print what is recorded of one address, its model as the service shows it, and its base models."""
        known = bases or {}
        if self.as_json:
            from reconciler.render.records import build_record_document

            main = record.serving or record.candidate
            base = known.get(main.id) if main else None
            self.print_document(build_record_document(record, live, base))
            return
        from reconciler.render.text.records import render_record

        self.print_lines(render_record(record, live, known, colour=self.has_colour, width=self.width))

    # -- messages ----------------------------------------------------------------------------------

    def print_diagnostics(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Print errors and warnings to stderr, or to stdout with --json."""
        if self.as_json:
            from reconciler.cli.byte_offsets import find_byte_offset
            from reconciler.render import stream

            self.print_records(
                stream.build_diagnostic_record(diagnostic, timestamp(), byte=find_byte_offset(diagnostic))
                for diagnostic in diagnostics
            )
            return
        from reconciler.render.text.errors import render_errors

        is_terminal = sys.stderr.isatty()
        has_colour = can_use_colour(os.environ, is_terminal=is_terminal) and "--no-color" not in sys.argv
        for line in render_errors(diagnostics, colour=has_colour, width=_measure_width(sys.stderr)):
            print_message(line)

    def print_warnings(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Print problems that stop nothing as warnings."""
        self.print_diagnostics([diagnostic._replace(severity=Severity.WARNING) for diagnostic in diagnostics])

    def print_note(self, text: str) -> None:
        """Print a note for people to stderr. Prints nothing for "" or with --json."""
        if text and not self.as_json:
            from reconciler.render.terminal import escape_lines

            print_message(escape_lines(text))
