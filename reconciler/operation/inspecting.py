"""The command `data`: reads the data of a model or a file, wherever it lies, and says what is in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from msgspec.structs import replace

from reconciler import files
from reconciler.datasets.chat import SUPERVISED
from reconciler.datasets.data_cache import DataCache, Source, name_file_version, name_source
from reconciler.datasets.formats import FORMATS, find_extension, find_limit
from reconciler.datasets.inspection import Inspected, Inspection, Use
from reconciler.datasets.lookalikes import advise_extension
from reconciler.datasets.measure import FORMS, survey
from reconciler.datasets.measured_rows import measure_rows
from reconciler.datasets.pairs import PAIRS
from reconciler.datasets.rows import Form
from reconciler.datasets.survey import Lines, find_shared
from reconciler.datasets.text import Stream, open_parts
from reconciler.errors import Diagnostic, ManifestError, NotFoundError
from reconciler.model.checks import HeldOut
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.problems import Place, Problems, Refusal
from reconciler.providers import StoredData
from reconciler.textfiles import explain_unreadable

Read = Callable[[str], StoredData | None]
"""Reads data that lies at a service, see `Provider.read_data`."""


def inspect_file(path: str) -> Inspection:
    """Inspect a file as the data of a tuning job.

    Raises:
        ManifestError: it cannot be read.
    """
    if find_extension(path) not in FORMATS:
        advice = advise_extension(find_extension(path))
        raise ManifestError([Diagnostic(f"{path}: not a data file", advice)])
    data = DataSet("", 0, 0, file=path, shown=path, form=SUPERVISED)
    return Inspection("", (_Inspector(lambda _: None, DataCache(), path).inspect(data, Use.FILE),))


def inspect_model(desired: Desired, read_data: Read, cache: DataCache) -> Inspection:
    """Inspect all data of a model: for training, for validation, and for its checks.

    Args:
        desired: the model.
        read_data: finds data at the service.
        cache: what is remembered. It is used only if some of the data is at the service.
    """
    is_remote = any(data.uri for data in desired.data)
    inspector = _Inspector(read_data, cache if is_remote else DataCache(), desired.file)
    uses = [Use.TRAINING, *[Use.VALIDATION] * len(desired.data)]
    checks = [check.to_data() for check in desired.checks if isinstance(check, HeldOut)]
    sets = [*zip(desired.data, uses, strict=False), *((check, Use.CHECK) for check in checks)]
    found = [(data, inspector.inspect(data, use)) for data, use in sets]
    first = [inspected for _, inspected in found[:1]]
    held = [inspector.compare(found[0], other) for other in found[1:]]
    return Inspection(str(desired.address), (*first, *held))


class _Inspector:
    """Inspects data sets. Reads an object only if it is not remembered.

    Args:
        read_data: reads objects.
        cache: what is remembered.
        manifest: the one that names the data.
    """

    def __init__(self, read_data: Read, cache: DataCache, manifest: str) -> None:
        self._read_data, self._cache, self._manifest = read_data, cache, manifest

    def inspect(self, data: DataSet, use: Use) -> Inspected:
        """Inspect a data set."""
        if data.file is not None:
            return self._inspect_file(data, use)
        if not data.uri:
            rows = ((Place("inline", number), example) for number, example in enumerate(data.inline, 1))
            return Inspected(use, data.shown, measure_rows(rows, PAIRS, Problems(), "example"))
        try:
            stored = self._read_data(data.uri)
        except NotFoundError as error:
            return Inspected(use, data.shown, None, error.summary)
        if stored is None:
            return Inspected(use, data.shown, None, "no call of the service returns its examples")
        form = _read_as_it_is(FORMS[data.field.partition(".")[0]])
        return self._survey(open_parts(stored.parts), stored.version, data, use, form)

    def _inspect_file(self, data: DataSet, use: Use) -> Inspected:
        path, form = str(data.file), FORMS[data.form]
        try:
            with files.open_regular(path, most=find_limit(path, form)) as stream:
                version = name_file_version(os.fstat(stream.fileno()), time.time_ns(), least=0)
                return self._survey(stream, version, data, use, form)
        except (OSError, ValueError) as error:
            problems = Problems()
            problems.error(Place(path), *explain_unreadable(error, relative_to="the working directory"))
            problems.raise_if_any()
            raise

    def _survey(self, stream: Stream, version: str, data: DataSet, use: Use, form: Form) -> Inspected:
        source = _name_source(data)
        entry = self._cache.find(source, version, self._manifest)
        if entry is not None:
            return Inspected(use, data.shown, entry.to_measured())
        problems = Problems()
        found = survey(stream, data.file or data.uri, form, problems, layout=data.layout)
        try:
            problems.raise_if_any()
        except ManifestError as error:
            return Inspected(use, data.shown, found, errors=error.diagnostics)
        self._cache.remember(source, version, self._manifest, found, has_labels=True)
        return Inspected(use, data.shown, found)

    def compare(self, training: tuple[DataSet, Inspected], held: tuple[DataSet, Inspected]) -> Inspected:
        """Add which examples are in the training data too. Reads remembered data again if it must."""
        ours, theirs = training[1].measured, held[1].measured
        if ours is None or theirs is None:
            return held[1]
        sources = (_name_source(training[0]), _name_source(held[0]))
        shared = self._cache.find_shared(*sources)
        if shared is None:
            for (data, inspected), found in ((training, ours), (held, theirs)):
                if found.survey.lines.unread:
                    again = _Inspector(self._read_data, DataCache(), "").inspect(data, inspected.use).measured
                    found.survey.lines.fill(again.survey.lines if again else Lines())
            shared = find_shared(ours.survey.lines, theirs.survey.lines)
            self._cache.remember_shared(*sources, shared)
        return replace(held[1], shared=shared)


def _name_source(data: DataSet) -> Source:
    form = data.form or data.field.partition(".")[0]
    place = data.uri if data.file is None else os.path.realpath(data.file)
    return name_source(place, form, data.layout, command="data")


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
