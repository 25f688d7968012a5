"""Renders what `import --all` wrote and left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.formats import count_noun
from reconciler.plan.estate import Estate, Left, Omitted
from reconciler.render.terminal import escape, wrap

_NAMED = 5
"""The number of models that are named for one reason."""
_ADVICE = {Left.FOREIGN: "--include-foreign takes them"}


def render_estate(estate: Estate, *, next_command: str, width: int = 0) -> Iterator[str]:
    """Render one line for each manifest, then what was left out and why, then what to do next.

    Args:
        estate: what was found, with the files that were written.
        next_command: the command line that shows what an apply would record.
        width: of the terminal; 0 for no limit.
    """
    for written in estate.written:
        text = f"Wrote {escape(written.file)}: {written.address} imports {escape(written.name)}"
        yield from wrap(text, width, hanging="    ")
    if estate.written:
        yield ""
    yield f"{count_noun(len(estate.written), 'manifest')} written."
    for reason in Left:
        if omitted := [left for left in estate.omitted if left.reason is reason]:
            yield from wrap(_describe(reason, omitted), width, hanging="    ")
    for kind, why in estate.unasked:
        yield from wrap(
            f"Left out: every {kind}, because its service could not be asked: {escape(why)}", width
        )
    if estate.written:
        yield ""
        yield from wrap(f"Next: {next_command}. Then apply records these models, and trains nothing.", width)


def _describe(reason: Left, omitted: Sequence[Omitted]) -> str:
    """Describe what was left out for one reason."""
    advice = f" ({_ADVICE[reason]})" if reason in _ADVICE else ""
    text = f"Left out: {len(omitted):,} {reason}{advice}"
    if reason in {Left.MANAGED, Left.FILTERED}:
        return text
    names = [f"{left.name} ({left.why})" if left.why else left.name for left in omitted[:_NAMED]]
    more = f" and {len(omitted) - _NAMED:,} more" if len(omitted) > _NAMED else ""
    return f"{text}: {escape(', '.join(names))}{more}"
