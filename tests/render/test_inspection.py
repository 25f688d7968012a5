"""What `data` shows of training data."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from reconciler.datasets.inspection import Inspected, Inspection, Use
from reconciler.datasets.measured_rows import measure_rows
from reconciler.datasets.pairs import PAIRS
from reconciler.datasets.rows import Measured
from reconciler.datasets.survey import Found, find_shared
from reconciler.errors import Diagnostic
from reconciler.model.data import Example
from reconciler.problems import Place, Problems
from reconciler.render.inspection import build_inspection_document
from reconciler.render.text.inspection import render_inspection


def measure(*pairs: tuple[str, str]) -> Measured:
    """Measure pairs that stand on the lines from 1 on."""
    rows = [(Place("d.jsonl", line), Example(*pair)) for line, pair in enumerate(pairs, 1)]
    return measure_rows(rows, PAIRS, Problems())


def show(inspection: Inspection, width: int = 0) -> list[str]:
    """The lines without colour."""
    return list(render_inspection(inspection, colour=False, width=width))


TRAINING = measure(*[(f"q{n}", "yes" if n % 3 else "no") for n in range(12)], ("q1", "no"), ("q2", "yes"))
HELD = measure(("q1", "yes"), ("q2", "yes"), ("q3", "no"), ("q4", "yes"), ("new", "\x1b"))
MODEL = Inspection(
    "TuningJob/faq",
    (
        Inspected(Use.TRAINING, "data/t.jsonl", TRAINING),
        Inspected(
            Use.VALIDATION,
            "data/v.jsonl",
            HELD,
            shared=find_shared(TRAINING.survey.lines, HELD.survey.lines),
        ),
        Inspected(Use.CHECK, "data/h.jsonl", measure(("x", "y")), shared=Found()),
    ),
)


def test_a_model_shows_each_of_its_data_sets() -> None:
    """Each has counts, lengths and labels, and the serious findings with their lines."""
    assert show(MODEL) == [
        "TuningJob/faq",
        "",
        "training data: data/t.jsonl",
        "  examples        14",
        "  tokens          about 17, estimated as 4 characters each",
        "  inputs          2 to 3 characters, median 2, 95 % up to 3",
        "  outputs         2 to 3 characters, median 3, 95 % up to 3",
        "  repeated        1 of them: lines 3 and 14",
        "  contradictions  1 input has several outputs: lines 2 and 13",
        "  labels          yes 64 % (9), no 36 % (5)",
        "",
        "validation data: data/v.jsonl",
        "  examples        5",
        "  tokens          about 6, estimated as 4 characters each",
        "  inputs          2 to 3 characters, median 2, 95 % up to 3",
        "  outputs         1 to 3 characters, median 3, 95 % up to 3",
        "  repeated        none",
        "  contradictions  none",
        "  size            36 % of the bytes of the training data",
        f"  also trained    4 of them: {'; '.join(f'line {n} is line {n + 1} there' for n in (1, 2, 3))}; …",
        "",
        "held-out examples of a check: data/h.jsonl",
        "  examples        1",
        "  tokens          about 1, estimated as 4 characters each",
        "  inputs          1 character each",
        "  outputs         1 character each",
        "  repeated        none",
        "  contradictions  none",
        "  also trained    none",
    ]


def test_tokens_of_texts_are_a_lower_bound_beside_images() -> None:
    """What an image costs in tokens is not estimated, so the count says that it is of texts only."""
    several = Inspection("", (Inspected(Use.FILE, "d.jsonl", replace(TRAINING, multimodal=2)),))
    said = (
        "at least 17, estimated as 4 characters each, of texts only: 2 examples have images, audio or video"
    )
    assert show(several)[2] == f"  tokens          {said}"
    one = Inspection("", (Inspected(Use.FILE, "d.jsonl", replace(TRAINING, multimodal=1)),))
    assert show(one)[2].endswith("of texts only: 1 example has images, audio or video")
    document: Any = build_inspection_document(several)
    assert (document["data"][0]["estimated_tokens"], document["data"][0]["multimodal"]) == (17, 2)


def test_no_line_is_wider_than_the_terminal() -> None:
    """In 60 columns long values are wrapped under themselves."""
    assert max(map(len, show(MODEL, 60))) <= 60
    assert "  also trained    4 of them: line 1 is line 2 there; line 2" in show(MODEL, 60)


def test_what_is_serious_is_coloured() -> None:
    """Repetitions and contradictions are yellow, sound facts are not."""
    lines = list(render_inspection(MODEL, colour=True, width=0))
    assert "\x1b[33m1 input has several outputs: lines 2 and 13\x1b[0m" in lines[8]
    assert "\x1b[33m" not in lines[3]


def test_a_file_has_no_heading() -> None:
    """Errors and an empty file are reported. A control character of a label is not printed."""
    error = Diagnostic("not JSON", "Write JSON.", "d.jsonl", 3)
    found = Inspection("", (Inspected(Use.FILE, "d.jsonl", measure(), errors=(error,)),))
    assert show(found) == [
        "data: d.jsonl",
        "  examples        0",
        "  wrong           1 message below; these are left out here",
    ]
    labels = measure(*[("a", "\x1b")] * 3, ("b", "x"), ("c", "x"))
    (said,) = [line for line in show(Inspection("", (Inspected(Use.FILE, "d", labels),))) if "labels" in line]
    assert "\x1b" not in said


def test_what_cannot_be_read_says_why() -> None:
    """Data that no call returns is not an empty data set. Nothing is compared with it."""
    unread = Inspected(Use.TRAINING, "projects/p/locations/l/datasets/7", None, "no call returns it")
    found = Inspection("TuningJob/a", (unread, Inspected(Use.VALIDATION, "v.jsonl", HELD)))
    assert show(found)[3] == "  not read        no call returns it"
    assert not any("also trained" in line for line in show(found))
    document: Any = build_inspection_document(found)
    first, second = document["data"]
    assert (first["examples"], first["why"]) == (None, "no call returns it")
    assert second["also_trained"] is None


def test_limits_are_told() -> None:
    """Examples that are too long are named, and so is what was not compared."""
    survey = replace(TRAINING.survey, examples=10_000_014, long=4, long_lines=(1, 2, 3, 4))
    found = Inspection("", (Inspected(Use.FILE, "d.jsonl", replace(TRAINING, survey=survey)),))
    assert show(found)[-2:] == [
        "  too long        4 probably over 131,072 tokens: line 1, 2, 3, …",
        "  compared        only the first 10,000,000: repetitions and contradictions beyond are not found",
    ]
    survey = replace(survey, examples=14, long=1, long_lines=(5,))
    found = Inspection("", (Inspected(Use.FILE, "d.jsonl", replace(TRAINING, survey=survey)),))
    assert show(found)[-1] == "  too long        1 probably over 131,072 tokens: line 5"


def test_many_pairs_are_cut_in_text_and_kept_in_json() -> None:
    """The text names three pairs, the document a hundred."""
    measured = measure(*[("a", "1")] * 200)
    found = Inspection("", (Inspected(Use.FILE, "d.jsonl", measured),))
    assert "  repeated        199 of them: lines 1 and 2; lines 1 and 3; lines 1 and 4; …" in show(found)
    document: Any = build_inspection_document(found)
    (data,) = document["data"]
    assert len(data["repeated"]["pairs"]) == 100


def test_the_document_has_every_key() -> None:
    """An unknown value is null. Estimates are called estimates."""
    document: Any = build_inspection_document(MODEL)
    assert document["address"] == "TuningJob/faq"
    data = document["data"][1]
    assert data == {
        "name": "data/v.jsonl",
        "use": "validation",
        "examples": 5,
        "bytes": HELD.size,
        "characters": 23,
        "estimated_tokens": 6,
        "multimodal": 0,
        "numbered_by": "line",
        "compared": 5,
        "inputs": {"min": 2, "median": 2, "p95": 3, "max": 3},
        "outputs": {"min": 1, "median": 3, "p95": 3, "max": 3},
        "repeated": {"count": 0, "pairs": []},
        "contradictions": {"count": 0, "pairs": []},
        "labels": None,
        "long": {"count": 0, "numbers": []},
        "also_trained": {"count": 4, "pairs": [[2, 1], [3, 2], [4, 3], [5, 4]]},
        "percent_of_training": 36,
        "why": None,
        "errors": [],
    }
    labels = document["data"][0]["labels"]
    assert labels == [
        {"label": "yes", "examples": 9, "share": 0.6429},
        {"label": "no", "examples": 5, "share": 0.3571},
    ]
