"""The command `data`: reads the data of a model or a file, wherever it lies, and says what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from reconciler import files
from reconciler.datasets.chat import SUPERVISED
from reconciler.datasets.formats import FORMATS, find_extension, find_limit
from reconciler.datasets.inspection import Inspected, Inspection, Use
from reconciler.datasets.lookalikes import advise_extension
from reconciler.datasets.measure import FORMS, survey
from reconciler.datasets.measured_rows import measure_rows
from reconciler.datasets.pairs import PAIRS
from reconciler.datasets.rows import Form
from reconciler.datasets.text import Stream, open_parts
from reconciler.errors import Diagnostic, ManifestError, NotFoundError
from reconciler.model import DataSet, Desired, Example, HeldOut
from reconciler.problems import Place, Problems, Refusal
from reconciler.textfiles import explain_unreadable

Read = Callable[[str], "Iterator[bytes] | None"]
"""Reads data that lies at a service, see `Provider.read_data`."""


def inspect_file(path: str) -> Inspection:
    """Inspect a file as the data of a tuning job.

    Raises:
        ManifestError: it cannot be read.
    """
    if find_extension(path) not in FORMATS:
        advice = advise_extension(find_extension(path))
        raise ManifestError([Diagnostic(f"{path}: not a data file", advice)])
    inspected = _inspect_file(DataSet("", 0, 0, file=path, shown=path, form=SUPERVISED), Use.FILE)
    return Inspection("", (inspected,))


def inspect_model(desired: Desired, read_data: Read) -> Inspection:
    """Inspect all data of a model: for training, for validation, and for its checks."""
    found = [
        _inspect(data, Use.VALIDATION if number else Use.TRAINING, read_data)
        for number, data in enumerate(desired.data)
    ]
    checks = [check.to_data() for check in desired.checks if isinstance(check, HeldOut)]
    found += [_inspect(data, Use.CHECK, read_data) for data in checks]
    return Inspection(str(desired.address), tuple(found))


def _inspect(data: DataSet, use: Use, read_data: Read) -> Inspected:
    if data.file is not None:
        return _inspect_file(data, use)
    if not data.uri:
        rows = ((Place("inline", number), example) for number, example in enumerate(data.inline, 1))
        return Inspected(use, data.shown, measure_rows(rows, PAIRS, Problems(), "example"))
    try:
        parts = read_data(data.uri)
    except NotFoundError as error:
        return Inspected(use, data.shown, None, error.summary)
    if parts is None:
        return Inspected(use, data.shown, None, "no call of the service returns its examples")
    form = FORMS[data.field.partition(".")[0]]
    return _survey(open_parts(parts), data, use, _read_as_it_is(form))


def _inspect_file(data: DataSet, use: Use) -> Inspected:
    path, form = str(data.file), FORMS[data.form]
    try:
        return _survey(files.open_regular(path, most=find_limit(path, form)), data, use, form)
    except (OSError, ValueError) as error:
        problems = Problems()
        problems.error(Place(path), *explain_unreadable(error, relative_to="the working directory"))
        problems.raise_if_any()
        raise


def _survey(opened: AbstractContextManager[Stream], data: DataSet, use: Use, form: Form) -> Inspected:
    problems = Problems()
    with opened as stream:
        found = survey(stream, data.file or data.uri, form, problems, layout=data.layout)
    try:
        problems.raise_if_any()
    except ManifestError as error:
        return Inspected(use, data.shown, found, errors=error.diagnostics)
    return Inspected(use, data.shown, found)


def _read_as_it_is(form: Form) -> Form:
    """Read only what the service itself reads: an object in a bucket is not converted."""

    def read(row: object) -> Example | Refusal:
        if isinstance(row, dict) and "contents" not in row:
            return Refusal(
                "the line has no contents, and an object in Cloud Storage is not converted",
                "Write Gemini's form, or name a file beside the manifest in place of the address.",
            )
        return form.read(row)

    typed = form.typed and replace(form.typed, takes_pairs=False)
    return replace(form, read=read, typed=typed)
