"""Measures training data in one pass: checked against the service's limits, counted, digested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from reconciler.datasets.chat import CHATS, is_multimodal
from reconciler.datasets.complaints import Complaints
from reconciler.datasets.formats import find_extension, read_batches
from reconciler.datasets.pairs import PAIRS
from reconciler.datasets.rows import Batch, Form, Measured, Row
from reconciler.datasets.survey import Surveyor, warn_of
from reconciler.datasets.text import Stream
from reconciler.identity import encode_example
from reconciler.model import PLAIN, Layout
from reconciler.problems import Place, Problems, Refusal

FORMS: Mapping[str, Form] = {"": PAIRS, **CHATS}
"""The forms of data sets under the names that `DataSet.form` has."""

EMPTY = Refusal("the data set is empty", "Write at least one example.")


def measure(
    stream: Stream,
    path: str,
    form: Form,
    problems: Problems,
    *,
    layout: Layout = PLAIN,
    is_validation: bool = False,
) -> Measured | None:
    """Measure the data in a stream of bytes, wherever it lies; None after noting what is wrong.

    Args:
        stream: at the beginning of the data.
        path: its name: tells the format, and stands in places.
        form: how its rows are written.
        problems: notes what is wrong.
        layout: which columns of the file are read.
        is_validation: the data is not for training.
    """
    before = len(problems)
    found = survey(stream, path, form, problems, layout=layout)
    for number, refusal in warn_of(found.survey):
        problems.warning(Place(path, number if found.survey.unit == "line" else None), *refusal)
    for refusal in form.check_all(found, is_validation):
        problems.error(Place(path), *refusal)
    if not found.examples and len(problems) == before:
        problems.error(Place(path), *EMPTY)
    return found if len(problems) == before else None


def survey(stream: Stream, path: str, form: Form, problems: Problems, *, layout: Layout = PLAIN) -> Measured:
    """Measure the sound examples in a stream of bytes, and note what is wrong. See `measure`."""
    complaints = Complaints(path, problems)
    unit = "example" if find_extension(path) == ".json" else "line"
    found = measure_rows(read_batches(stream, path, form, problems, layout), form, complaints, unit)
    complaints.close()
    return found


def measure_rows(
    rows: Iterable[Row | Batch], form: Form, noting: Problems | Complaints, unit: str = "line"
) -> Measured:
    """Measure rows, leaving out those that are refused after noting why. `unit`: see `Surveyor`."""
    digest, surveyor = hashlib.sha256(), Surveyor(unit)
    examples = size = multimodal = 0
    for found in rows:
        if isinstance(found, Batch):
            digest.update(found.lines)
            examples += len(found.numbers)
            size += len(found.lines) + found.pairs * form.frame
            surveyor.add_all(found.numbers, found.asked, found.lengths, found.outputs, found.output_lengths)
            continue
        place, row = found
        if isinstance(row, Refusal):
            noting.error(place, *row)
            continue
        refusal = form.check(row)
        if refusal is not None:
            noting.error(place, *refusal)
            continue
        advice = form.advise(row)
        if advice is not None:
            noting.warning(place, *advice)
        line = encode_example(row) + b"\n"
        digest.update(line)
        examples += 1
        size += len(line) + (0 if row.line else form.frame)
        multimodal += is_multimodal(row)
        surveyor.add(place.line, row, is_long=advice is not None)
    surveyed = surveyor.close()
    return Measured(examples, digest.hexdigest(), surveyed.characters, size, multimodal, surveyed)
