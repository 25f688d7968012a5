"""Reads the examples of a measured data set again, to send them.

Rule: send exactly the data that was measured, or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from reconciler import files
from reconciler.errors import ManifestError, StalePlanError
from reconciler.identity import encode_example
from reconciler.model.data import DataSet, Example
from reconciler.problems import Problems, Refusal
from reconciler.textfiles import explain_unreadable


def read_examples(data: DataSet) -> Iterable[Example]:
    """Read the examples of a data set. There are none if the data is at a `uri`.

    A file that is uploaded is read again by each iteration. Examples in the request are read at once.

    Raises:
        StalePlanError: before the last example is yielded, if the data changed or cannot be read.
    """
    if data.uri:
        return ()
    examples = _VerifiedExamples(data)
    return examples if data.form else tuple(examples)


class _VerifiedExamples:
    """Yields examples, but holds back the last one until the digest of all of them matches."""

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Example]:
        data = self._data
        digest = hashlib.sha256()
        held: Example | None = None
        for example in data.inline if data.file is None else _read_file(data.file, data):
            digest.update(encode_example(example) + b"\n")
            if held is not None:
                yield held
            held = example
        if digest.hexdigest() != data.digest:
            raise StalePlanError(
                f"{data.file or 'the inline training data'} changed since the plan was made",
                "Make a new plan.",
            )
        if held is not None:
            yield held


def _read_file(path: str, data: DataSet) -> Iterator[Example]:
    """Read until the first problem. The plan found no problem, so the file has changed since."""
    # examples in a manifest need none of this
    from reconciler.datasets.formats import find_limit, read_rows
    from reconciler.datasets.measure import FORMS

    problems, form = Problems(), FORMS[data.form]
    try:
        with files.open_regular(path, most=find_limit(path, form)) as stream:
            for place, row in read_rows(stream, path, form, problems, data.layout):
                if isinstance(row, Refusal):
                    problems.error(place, *row)
                    break
                yield row
        problems.raise_if_any()
    except ManifestError as error:
        what = str(error.diagnostics[0]).partition("\n")[0]
        raise StalePlanError(f"{path} changed since the plan was made: {what}", "Make a new plan.") from error
    except (OSError, ValueError) as error:
        summary = f"{path} could be read for the plan, but not now: {explain_unreadable(error).summary}"
        raise StalePlanError(summary, "Make the file readable, or make a new plan.") from error
