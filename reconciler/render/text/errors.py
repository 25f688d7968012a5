"""Errors and warnings for people: file:line:column first, so that an editor can jump there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.errors import Diagnostic, Severity
from reconciler.formats import count_noun
from reconciler.render.terminal import Paint, escape, wrap

_COLOURS = {"error": "red", "warning": "yellow"}


def render_errors(diagnostics: Sequence[Diagnostic], *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render each with its place, what is wrong, and what to do now. Then render their count.

    A line break in a message stays a line break.
    """
    paint = Paint(colour)
    for diagnostic in diagnostics:
        yield from _render_diagnostic(diagnostic, width, paint)
    errors = sum(1 for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR)
    if len(diagnostics) > 1:
        warnings = len(diagnostics) - errors
        counts = {"error": errors, "warning": warnings}
        yield ""
        yield " and ".join(count_noun(count, noun) for noun, count in counts.items() if count) + "."


def _render_diagnostic(diagnostic: Diagnostic, width: int, paint: Paint) -> Iterator[str]:
    place = ":".join(
        str(part) for part in (diagnostic.file, diagnostic.line, diagnostic.column) if part is not None
    )
    style = _COLOURS.get(diagnostic.severity, "red")
    word = escape(diagnostic.severity)
    # "file:1:2: error: …" as compilers write it; "Error: …" where there is no place
    lead, head = (f"{escape(place)}: ", f"{word}:") if place else ("", f"{word.capitalize()}:")
    unnamed = diagnostic.address and not place and diagnostic.address not in diagnostic.summary
    subject = f"{escape(diagnostic.address)}: " if diagnostic.address and unnamed else ""
    first, *rest = diagnostic.summary.splitlines() or [""]
    lines = list(wrap(f"{lead}{head} {subject}{escape(first)}", width, hanging="    "))
    yield from (
        line.replace(head, paint(head, style, "bold"), 1) if not i else line for i, line in enumerate(lines)
    )
    for line in rest:
        yield from wrap(escape(line), width, indent="    ")
    for line in diagnostic.detail.splitlines():
        yield from wrap(escape(line), width, indent="    ")
