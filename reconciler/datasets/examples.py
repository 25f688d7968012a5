"""The examples of a measured data set, read again to be sent.

Rule: what is sent is what was measured, or nothing is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from reconciler import files
from reconciler.datasets.formats import find_limit, read_rows
from reconciler.datasets.measure import FORMS
from reconciler.errors import ManifestError, StalePlanError
from reconciler.identity import encode_example
from reconciler.model import DataSet, Example
from reconciler.problems import Problems, Refusal
from reconciler.textfiles import explain_unreadable


def read_examples(data: DataSet) -> Iterable[Example]:
    """The examples of a data set; none of one at a `uri`.

    A large file is read anew by each iteration; what is sent with the request is read here and now.

    Raises:
        StalePlanError: before the last example, when they cannot be read or are not those that were measured.
    """
    if data.uri:
        return ()
    proved = _Proved(data)
    return proved if data.form else tuple(proved)


class _Proved:
    """Examples whose last one comes only after the digest of all has proved to be what was measured."""

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Example]:
        data = self._data
        digest = hashlib.sha256()
        held: Example | None = None
        for one in data.inline if data.file is None else _read_file(data.file, data.form):
            digest.update(encode_example(one) + b"\n")
            if held is not None:
                yield held
            held = one
        if digest.hexdigest() != data.digest:
            raise StalePlanError(
                f"{data.file or 'the inline training data'} changed since the plan was made",
                "Make a new plan.",
            )
        if held is not None:
            yield held


def _read_file(path: str, name: str) -> Iterator[Example]:
    """Read until the first problem: there was none when they were measured."""
    problems, form = Problems(), FORMS[name]
    try:
        with files.open_regular(path, most=find_limit(path, form)) as stream:
            for place, row in read_rows(stream, path, form, problems):
                if isinstance(row, Refusal):
                    problems.error(place, *row)
                    break
                yield row
        problems.raise_if_any()
    except ManifestError as error:
        raise _refuse_changed(path, str(error.diagnostics[0]).partition("\n")[0]) from error
    except (OSError, ValueError) as error:
        raise _refuse_changed(path, f"{path}: {explain_unreadable(error).summary}") from error


def _refuse_changed(path: str, what: str) -> StalePlanError:
    return StalePlanError(f"{path} changed since the plan was made: {what}", "Make a new plan.")
