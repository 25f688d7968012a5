"""Describes training data for people, as `data` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.datasets.chat import MOST_TOKENS
from reconciler.datasets.inspection import Inspected, Inspection
from reconciler.datasets.rows import Measured
from reconciler.datasets.survey import (
    CHARACTERS_PER_TOKEN,
    DUPLICATE_PERCENT,
    VALIDATION_BYTES,
    Found,
    Lengths,
    Survey,
)
from reconciler.formats import count_noun
from reconciler.render.terminal import Paint, escape, pad, wrap

_LISTED = 3
"""Pairs of lines that are named. `--json` has more."""
_COLUMN = 16


def render_inspection(inspection: Inspection, *, colour: bool, width: int = 80) -> Iterator[str]:
    """Render each data set with what was found in it, the serious things in yellow.

    Args:
        inspection: of a model or a file.
        colour: whether escape sequences may be used.
        width: cells a line, 0 for no limit.
    """
    paint = Paint(colour)
    if inspection.address:
        yield paint(escape(inspection.address), "bold")
    for number, inspected in enumerate(inspection.sets):
        if number or inspection.address:
            yield ""
        yield from wrap(f"{inspected.use}: {escape(inspected.name)}", width)
        for label, text, is_serious in _list_facts(inspection, inspected):
            lines = wrap(text, width and width - _COLUMN - 2)
            for index, line in enumerate(lines):
                head = pad("" if index else label, _COLUMN)
                yield f"  {paint(head, 'dim')}{paint(line, *(['yellow'] if is_serious else []))}"


def _list_facts(inspection: Inspection, inspected: Inspected) -> Iterator[tuple[str, str, bool]]:
    """List label, text, and whether it is serious."""
    measured = inspected.measured
    if measured is None:
        yield "not read", escape(inspected.why), True
        return
    survey = measured.survey
    yield "examples", f"{survey.examples:,}", not survey.examples
    if inspected.errors:
        yield "wrong", f"{count_noun(len(inspected.errors), 'message')} below; these are left out here", True
    if survey.examples:
        yield from _list_findings(survey, measured.multimodal)
    yield from _list_comparisons(inspection, inspected, measured)


def _list_findings(survey: Survey, multimodal: int) -> Iterator[tuple[str, str, bool]]:
    bound = "at least" if multimodal else "about"
    tokens = f"{bound} {survey.tokens:,}, estimated as {CHARACTERS_PER_TOKEN} characters each"
    if multimodal:
        have = count_noun(multimodal, "example has", "examples have")
        tokens += f", of texts only: {have} images, audio or video"
    yield "tokens", tokens, False
    yield "inputs", _describe_lengths(survey.inputs), False
    yield "outputs", _describe_lengths(survey.outputs), False
    found = survey.duplicates
    repeated = f"{found.count:,} of them{_list_pairs(found, survey.unit)}" if found.count else "none"
    yield "repeated", repeated, found.count * 100 > DUPLICATE_PERCENT * survey.examples
    found = survey.contradictions
    many = count_noun(found.count, "input has", "inputs have")
    text = f"{many} several outputs{_list_pairs(found, survey.unit)}" if found.count else "none"
    yield "contradictions", text, bool(found.count)
    if survey.labels:
        shares = [
            f"{escape(label) or '(empty)'} {100 * count / survey.examples:.0f} % ({count:,})"
            for label, count in survey.labels
        ]
        yield "labels", ", ".join(shares), False
    if survey.long:
        where = ", ".join(f"{line:,}" for line in survey.long_lines[:_LISTED])
        more = ", …" if survey.long > _LISTED else ""
        text = f"{survey.long:,} probably over {MOST_TOKENS:,} tokens: {survey.unit} {where}{more}"
        yield "too long", text, True
    if survey.compared < survey.examples:
        text = f"only the first {survey.compared:,}: repetitions and contradictions beyond are not found"
        yield "compared", text, True


def _list_comparisons(
    inspection: Inspection, inspected: Inspected, measured: Measured
) -> Iterator[tuple[str, str, bool]]:
    percent, shared = inspection.find_percent(inspected), inspected.shared
    if percent is not None:
        yield "size", f"{percent} % of the bytes of the training data", percent > VALIDATION_BYTES
    training = inspection.find_training(inspected)
    if shared is not None and training is not None:
        pairs = "; ".join(
            f"{measured.survey.unit} {pair.second:,} is {training.survey.unit} {pair.first:,} there"
            for pair in shared.pairs[:_LISTED]
        )
        more = "; …" if shared.count > _LISTED else ""
        text = f"{shared.count:,} of them: {pairs}{more}" if shared.count else "none"
        yield "also trained", text, bool(shared.count)


def _describe_lengths(lengths: Lengths) -> str:
    if lengths.least == lengths.most:
        return f"{count_noun(lengths.most, 'character')} each"
    return (
        f"{lengths.least:,} to {count_noun(lengths.most, 'character')}, median {lengths.median:,}, "
        f"95 % up to {lengths.p95:,}"
    )


def _list_pairs(found: Found, unit: str) -> str:
    pairs = "; ".join(f"{unit}s {pair.first:,} and {pair.second:,}" for pair in found.pairs[:_LISTED])
    return f": {pairs}{'; …' if found.count > _LISTED else ''}"
