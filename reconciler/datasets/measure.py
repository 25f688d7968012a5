"""Measures training data in one pass: checked against the service's limits, counted, digested."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.datasets.chat import CHATS
from reconciler.datasets.complaints import Complaints
from reconciler.datasets.formats import find_extension, read_batches
from reconciler.datasets.measured_rows import EMPTY, measure_rows
from reconciler.datasets.pairs import PAIRS
from reconciler.datasets.rows import Form, Measured
from reconciler.datasets.survey import warn_of
from reconciler.datasets.text import Stream
from reconciler.model.data import PLAIN, Layout
from reconciler.problems import Place, Problems

FORMS: Mapping[str, Form] = {"": PAIRS, **CHATS}
"""The forms of data sets under the names that `DataSet.form` has."""


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
