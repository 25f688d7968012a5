"""Describes training data as JSON, for `data --json`.

    {"address", "data": [{"name", "use", "examples", "bytes", "characters", "estimated_tokens", "multimodal",
     "numbered_by", "compared", "inputs", "outputs", "repeated", "contradictions", "labels", "long",
     "also_trained", "percent_of_training", "why", "errors"}]}

`inputs` and `outputs` are {"min", "median", "p95", "max"} in characters. `repeated`, `contradictions` and
`also_trained` are {"count", "pairs"}: at most 100 pairs of numbers. A number is a line, or the place in a
list (`numbered_by`). In a pair of `also_trained`, the first number is of the training data. `multimodal`
examples have more than texts, and `estimated_tokens` are those of the texts. What is not known is null.
"""

from __future__ import annotations

from reconciler.codec import Json, encode
from reconciler.datasets.inspection import Inspected, Inspection
from reconciler.datasets.survey import Found, Lengths


def build_inspection_document(inspection: Inspection) -> dict[str, Json]:
    """Build the document. Every data set has every key."""
    return {
        "address": inspection.address or None,
        "data": [_build_data(inspection, inspected) for inspected in inspection.sets],
    }


def _build_data(inspection: Inspection, inspected: Inspected) -> Json:
    measured = inspected.measured
    survey = measured.survey if measured else None
    return {
        "name": inspected.name,
        "use": inspected.use.name.lower(),
        "examples": survey.examples if survey else None,
        "bytes": measured.size if measured else None,
        "characters": survey.characters if survey else None,
        "estimated_tokens": survey.tokens if survey else None,
        "multimodal": measured.multimodal if measured else None,
        "numbered_by": survey.unit if survey else None,
        "compared": survey.compared if survey else None,
        "inputs": _build_lengths(survey.inputs) if survey else None,
        "outputs": _build_lengths(survey.outputs) if survey else None,
        "repeated": _build_found(survey.duplicates) if survey else None,
        "contradictions": _build_found(survey.contradictions) if survey else None,
        "labels": [
            {"label": label, "examples": count, "share": round(count / survey.examples, 4)}
            for label, count in survey.labels
        ]
        if survey and survey.labels
        else None,
        "long": {"count": survey.long, "numbers": list[Json](survey.long_lines)} if survey else None,
        "also_trained": _build_found(inspected.shared),
        "percent_of_training": inspection.find_percent(inspected),
        "why": inspected.why or None,
        "errors": [encode(error) for error in inspected.errors],
    }


def _build_lengths(lengths: Lengths) -> Json:
    return {"min": lengths.least, "median": lengths.median, "p95": lengths.p95, "max": lengths.most}


def _build_found(found: Found | None) -> Json:
    if found is None:
        return None
    return {"count": found.count, "pairs": [[pair.first, pair.second] for pair in found.pairs]}
