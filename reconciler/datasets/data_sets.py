"""Finds the files of the data sets that manifests name, and measures each file once.

Rule: a manifest may come from a pull request, so a data file stays inside the git work tree, whatever
links lead to it. What reads files is imported for the first file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler import files, textfiles
from reconciler.datasets.open_cache import OpenCache
from reconciler.datasets.plain_pairs import measure_plain_pairs
from reconciler.formats import count_noun
from reconciler.model.data import PLAIN, DataSet, Example, Layout
from reconciler.problems import HasPlace, Place, Problems, Refusal

if TYPE_CHECKING:
    from reconciler.datasets.data_cache import Source, Warned
    from reconciler.datasets.rows import Measured
    from reconciler.datasets.survey import Found

REQUEST_LIMIT = 4 * 1024 * 1024
"""Bytes of a create's JSON body (the guide: at most 4 MB)."""

ADVISED = 20
"""Examples; Google's guide advises 20 or more, its own tutorial trains on 15."""


_INSIDE = Place("")
"""Stands for the place of an example in a manifest."""


class DataSets:
    """Measures each data file once, however many manifests name it.

    Args:
        problems: notes what is wrong with a file.
        reads_training: False finds the files of training data, and does not read them.
        cache: what earlier runs have measured.

    Attributes:
        cache: the same.
    """

    def __init__(
        self, problems: Problems, *, reads_training: bool = True, cache: OpenCache | None = None
    ) -> None:
        self._problems = problems
        self._reads_training = reads_training
        self.cache = cache or OpenCache()
        self._measured: dict[tuple[str, str, Layout, bool], Measured | None] = {}
        self._trees: dict[str, str | None] = {}
        self._paths: dict[tuple[str, str], tuple[str, str]] = {}
        self._surveyed: dict[tuple[str | None, str, Layout], Measured] = {}
        self._sources: dict[tuple[str | None, str, Layout], Source] = {}
        self._kept = 0

    def read_file(
        self,
        written: str,
        node: HasPlace,
        *,
        rest: int = 0,
        form: str = "",
        layout: Layout = PLAIN,
        is_validation: bool = False,
    ) -> DataSet | None:
        """Measure the data set in a file; None after noting what is wrong.

        Args:
            written: the path in the manifest, relative to it.
            node: the value in the manifest.
            rest: bytes of the request beside the data.
            form: how the file is written (`measure.FORMS`). Pairs are sent with the request, every other
                form is uploaded by itself.
            layout: which columns of the file are read.
            is_validation: it is not for training.
        """
        key = (str(Path(node.file).parent), written)
        where = self._paths.get(key) or self._find(key[0], written)
        if isinstance(where, Refusal):
            self._problems.error(node.place, *where)
            return None
        self._paths[key] = path, real = where
        self.cache.name(real)
        if not (self._reads_training or is_validation):
            return DataSet("", 0, 0, file=path, shown=written, form=form, layout=layout)
        known = (real, form, layout, is_validation)
        if known not in self._measured:
            self._measured[known] = self._measure(path, node, written, known)
        found = self._measured[known]
        if found is None or not (
            form or is_validation or self._check_request(found, rest, lambda: node.place)
        ):
            return None
        data = DataSet(
            digest=found.digest,
            examples=found.examples,
            characters=found.characters,
            file=path,
            shown=written,
            form=form,
            layout=layout,
            multimodal=found.multimodal,
        )
        self._keep(data, found)
        from reconciler.datasets.data_cache import name_source

        self._sources[_identify(data)] = name_source(real, form, layout, is_validation=is_validation)
        return data

    def _keep(self, data: DataSet, found: Measured) -> None:
        """Keep a survey for comparisons. Drop the lines of the surveys that were unused the longest."""
        from reconciler.datasets.survey import MOST_COMPARED

        known = self._surveyed.pop(_identify(data), None)
        self._surveyed[_identify(data)] = found
        self._kept += len(found.survey.lines) if known is None else 0
        while self._kept > MOST_COMPARED and len(self._surveyed) > 1:
            lines = self._surveyed.pop(next(iter(self._surveyed))).survey.lines
            self._kept -= len(lines)
            lines.clear()

    def warn_of_held_back(self, training: DataSet, held: DataSet, *, address: str) -> None:
        """Warn of examples that are in the training data although their file is held back from the training.

        Does not warn of data that is elsewhere, or whose survey was dropped.
        """
        ours, theirs = self._surveyed.get(_identify(training)), self._surveyed.get(_identify(held))
        if ours is None or theirs is None or held.file is None or ours is theirs:
            return
        from reconciler.datasets.survey import warn_of_shared

        shared = self._find_shared(training, held, ours, theirs)
        refusal = warn_of_shared(shared, theirs.survey, ours.survey, training.shown)
        if refusal is not None:
            line = shared.pairs[0].second if theirs.survey.unit == "line" else None
            self._problems.warning(Place(held.file, line), *refusal, address=address)

    def _find_shared(self, training: DataSet, held: DataSet, ours: Measured, theirs: Measured) -> Found:
        from reconciler.datasets.survey import Found, Lines, find_shared

        pair = (ours.survey.lines, theirs.survey.lines)
        if not all(pair):  # one of them was dropped
            return Found()
        sources = (self._sources[_identify(training)], self._sources[_identify(held)])
        known = self.cache.get().find_shared(*sources)
        if known is not None:
            return known
        for data, source, lines in zip((training, held), sources, pair, strict=True):
            if lines.unread:
                again = self._read_again(str(data.file), data.layout, source)
                lines.fill(again.survey.lines if again else Lines())
        found = find_shared(*pair)
        self.cache.get().remember_shared(*sources, found)
        return found

    def _read_again(self, path: str, layout: Layout, source: Source) -> Measured | None:
        """Measure a remembered file, whose examples are to be compared; None if it is no longer good."""
        from reconciler.datasets.formats import find_limit
        from reconciler.datasets.measure import FORMS, measure

        form = FORMS[source.form]
        try:
            with files.open_regular(path, most=find_limit(path, form)) as stream:
                return measure(
                    stream, path, form, Problems(), layout=layout, is_validation=source.is_validation
                )
        except (OSError, ValueError):
            return None

    def warn_of_share(self, training: DataSet, validation: DataSet, place: Place, *, address: str) -> None:
        """Warn of validation data that has too many bytes for the training data, if both were measured."""
        from reconciler.datasets.survey import VALIDATION_BYTES

        ours, theirs = self._surveyed.get(_identify(training)), self._surveyed.get(_identify(validation))
        if ours is None or theirs is None or theirs.size * 100 <= VALIDATION_BYTES * ours.size:
            return
        self._problems.warning(
            place,
            f"the validation data has {100 * theirs.size // ours.size} % of the bytes of the training data",
            f"Google advises at most {VALIDATION_BYTES} %. Leave some of it out.",
            address=address,
        )

    def _measure(
        self, path: str, node: HasPlace, written: str, known: tuple[str, str, Layout, bool]
    ) -> Measured | None:
        from reconciler.datasets.data_cache import Warned, name_file_version, name_source
        from reconciler.datasets.formats import find_limit
        from reconciler.datasets.measure import FORMS, measure

        real, name, layout, is_validation = known
        form = FORMS[name]
        source = name_source(real, name, layout, is_validation=is_validation)
        try:
            with files.open_regular(path, most=find_limit(path, form)) as stream:
                now = time.time_ns()
                version = name_file_version(os.fstat(stream.fileno()), now)
                entry = self.cache.get().find(source, version, node.file)
                if entry is not None:
                    self._warn(path, entry.warnings)
                    return entry.to_measured()
                noted = Problems()
                found = measure(stream, path, form, noted, layout=layout, is_validation=is_validation)
                is_same = name_file_version(os.fstat(stream.fileno()), now) == version
        except (OSError, ValueError) as error:
            summary, advice = textfiles.explain_unreadable(error)
            self._problems.error(node.place, f"{written}: {summary}", advice)
            return None
        self._problems.take(noted)
        warnings = [Warned(one.line, one.column, one.summary, one.detail) for one in noted.list_warnings()]
        self._warn(path, warnings)
        if found is not None and is_same:
            self.cache.get().remember(source, version, node.file, found, warnings)
        return found

    def _warn(self, path: str, warnings: Collection[Warned]) -> None:
        for warned in warnings:
            place = Place(path, warned.line, warned.column)
            self._problems.warning(place, warned.summary, warned.detail)

    def read_inline(
        self, examples: Sequence[Example], find_place: Callable[[int | None], Place], *, rest: int = 0
    ) -> DataSet | None:
        """Measure the data set inside a manifest; None after noting what is wrong.

        Args:
            examples: all of them.
            find_place: finds the place of the example of a number, from 0; of all of them for None. It is
                called only for what is wrong with them, because finding a place takes long.
            rest: bytes of the request beside the data.
        """
        if examples and (plain := measure_plain_pairs(examples, REQUEST_LIMIT - rest)) is not None:
            return plain
        from reconciler.datasets.measured_rows import EMPTY, measure_rows
        from reconciler.datasets.pairs import PAIRS
        from reconciler.datasets.survey import warn_of

        if not examples:
            self._problems.error(find_place(None), *EMPTY)
            return None
        noted = Problems()
        found = measure_rows(((_INSIDE, example) for example in examples), PAIRS, noted, "example")
        if noted:
            rows = ((find_place(number), example) for number, example in enumerate(examples))
            measure_rows(rows, PAIRS, self._problems, "example")
            return None
        if not self._check_request(found, rest, lambda: find_place(None)):
            return None
        for number, refusal in warn_of(found.survey):
            self._problems.warning(find_place(number - 1), *refusal)
        return DataSet(found.digest, found.examples, found.characters, inline=tuple(examples))

    def _check_request(self, found: Measured, rest: int, find_place: Callable[[], Place]) -> bool:
        total = found.size + rest
        if total > REQUEST_LIMIT:
            self._problems.error(
                find_place(),
                f"the request would have {total:,} bytes, and the service takes {REQUEST_LIMIT:,} (4 MB)",
                "Train on fewer or shorter examples.",
            )
        return total <= REQUEST_LIMIT

    def _find(self, folder: str, written: str) -> tuple[str, str] | Refusal:
        """Find a file: its path from the working directory and its real path, or why it is refused."""
        refusal = _refuse_path(folder, written)
        if refusal is not None:
            return refusal
        path = str(Path(folder, written))
        if folder not in self._trees:
            self._trees[folder] = textfiles.find_work_tree(folder)
        tree = self._trees[folder]
        root, what = (tree, "git work tree") if tree else (os.path.realpath("."), "working directory")
        real = os.path.realpath(path)
        if os.path.commonpath([root, real]) != root or ".git" in Path(real[len(root) :]).parts:
            return Refusal(
                f"{written}: the path leads out of the {what} {root}",
                "Move the file into it: no manifest may send other files of this machine."
                if tree
                else "Run this from a folder that holds both, or make it a git repository.",
            )
        tidy = os.path.normpath(path)
        # "a/../b" is another file than "b" where a is a link
        return (tidy if os.path.realpath(tidy) == real else path), real


def _identify(data: DataSet) -> tuple[str | None, str, Layout]:
    return data.file, data.form, data.layout


def _refuse_path(folder: str, written: str) -> Refusal | None:
    """Refuse a path that cannot be a data file, whatever is there; None if it can."""
    if "\0" in written:
        return Refusal("the path has a NUL character", "Remove it.")
    if "://" in written:
        return Refusal(
            f"{written}: an address, not a path", "Copy the data beside the manifest, and name the copy."
        )
    path, slashed = os.path.join(folder, written), written.replace("\\", "/")  # noqa: PTH118
    # os.path, because Path raises for a name that is too long
    if slashed != written and not os.path.exists(path) and os.path.exists(f"{folder}/{slashed}"):  # noqa: PTH110
        return Refusal(f"{written}: there is no such file", f"Write the path with '/': {slashed}.")
    from reconciler.datasets.formats import FORMATS, find_extension
    from reconciler.datasets.lookalikes import advise_extension

    if find_extension(written) not in FORMATS:
        is_below = ".." not in Path(written).parts and not Path(written).is_absolute()
        if is_below and os.path.isdir(path):  # noqa: PTH112
            return Refusal(
                f"{written} is a folder, not a file", "Name one file in it: data/FILE.jsonl, .json or .csv."
            )
        return Refusal(f"{written}: unsupported file type", advise_extension(find_extension(written)))
    if Path(written).is_absolute():
        return Refusal(
            f"{written}: the path is absolute",
            "Write it relative to the manifest, so that it works on every machine.",
        )
    return None


def warn_of_few(data: DataSet, place: Place, problems: Problems, *, address: str) -> None:
    """Warn of data that the service accepts, but that has too few examples to learn from."""
    if data.examples < ADVISED:
        problems.warning(
            place,
            f"{count_noun(data.examples, 'example')} of training data",
            f"Google advises {ADVISED} or more (target 100-500).",
            address=address,
        )
