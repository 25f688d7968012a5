"""Training data: found, measured against the service's limits, and read again for sending.

Rule: a manifest may come from a pull request, so a data file stays inside the git work tree, whatever
links lead to it; and what is sent is what was measured, or nothing is sent.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from reconciler import textfiles
from reconciler.datasets import chat, formats, lookalikes
from reconciler.datasets import text as texts
from reconciler.datasets.chat import Measured
from reconciler.errors import ManifestError, StalePlanError
from reconciler.formats import count_noun
from reconciler.identity import canonical, canonical_example, examples_digest
from reconciler.model import DataSet, Example
from reconciler.problems import Place, Problems

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes of a data file; far above what one request takes, so that the message can say more."""

INPUT_LIMIT = 40_000
OUTPUT_LIMIT = 5_000
"""Characters of one example (Google's fine-tuning guide, datasets for Gemini 1.5 Flash)."""

REQUEST_LIMIT = 4 * 1024 * 1024
"""Bytes of a create's JSON body (the guide: at most 4 MB)."""

ADVISED = 20
"""Examples; Google's guide advises 20 or more, its own tutorial trains on 15."""


class DataSets:
    """Reads each data file once, however many manifests name it."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._files: dict[tuple[str, str], Measured | None] = {}
        self._trees: dict[str, str | None] = {}
        self._paths: dict[tuple[str, str], tuple[str, str]] = {}

    def from_file(
        self, written: str, place: Place, *, rest: int = 0, form: str = "", validation: bool = False
    ) -> DataSet | None:
        """The data set in a file.

        Args:
            written: the path in the manifest, relative to it.
            place: where it is written.
            rest: bytes of the request beside the data.
            form: what the file may be written in besides pairs (chat_data.READERS); such data is uploaded
                by itself. "" for pairs only, sent with the request.
            validation: it is not for training.

        Returns:
            The data set without its examples, or None after noting what is wrong.
        """
        key = (str(Path(place.file).parent), written)
        where = self._paths.get(key) or self._resolve(key[0], written, place)
        if where is None:
            return None
        self._paths[key] = path, real = where
        known = (real, f"{form} {validation}")
        if known not in self._files:
            self._files[known] = self._read(path, place, written, form, validation=validation)
        found = self._files[known]
        if found is None or not (form or _fits(found, rest, place, self._problems)):
            return None
        return DataSet(
            digest=found.digest,
            examples=found.examples,
            characters=found.characters,
            file=path,
            shown=written,
            form=form,
        )

    def _read(self, path: str, place: Place, written: str, form: str, *, validation: bool) -> Measured | None:
        before = len(self._problems)
        try:
            if form:
                return chat.measure(path, self._problems, form=form, validation=validation)
            complaints = formats.Complaints(path, self._problems)
            text = texts.read_data(path, self._problems, limit=FILE_LIMIT)
        except (OSError, ValueError) as error:
            summary, advice = textfiles.cannot_be_read(error)
            self._problems.error(place, f"{written}: {summary}", advice)
            return None
        rows = [] if text is None else formats.parse(path, text, complaints)
        hold([one for _, one in rows], [where for where, _ in rows], complaints)
        complaints.close()
        if len(self._problems) > before:
            return None
        if not rows:
            self._problems.error(Place(path), *chat.EMPTY)
            return None
        return measured([one for _, one in rows])

    def _resolve(self, folder: str, written: str, place: Place) -> tuple[str, str] | None:
        """The path as it can be opened from the working directory, if it may be, and the file's own."""
        refused = _unusable(folder, written)
        if refused is not None:
            self._problems.error(place, *refused)
            return None
        path = str(Path(folder, written))
        if folder not in self._trees:
            self._trees[folder] = textfiles.work_tree(folder)
        tree = self._trees[folder]
        root, what = (tree, "git work tree") if tree else (os.path.realpath("."), "working directory")
        real = os.path.realpath(path)
        if os.path.commonpath([root, real]) != root or ".git" in Path(real[len(root) :]).parts:
            self._problems.error(
                place,
                f"{written}: the path leads out of the {what} {root}",
                "Move the file into it: no manifest may send other files of this machine."
                if tree
                else "Run this from a folder that holds both, or make it a git repository.",
            )
            return None
        tidy = os.path.normpath(path)
        # "a/../b" is another file than "b" where a is a link
        return (tidy if os.path.realpath(tidy) == real else path), real


def _unusable(folder: str, written: str) -> tuple[str, str] | None:
    """Why a path can be no data file, whatever it leads to."""
    if "\0" in written:
        return "the path has a NUL character", "Remove it."
    if "://" in written:
        return f"{written}: an address, not a path", "Copy the data beside the manifest, and name the copy."
    slashed = written.replace("\\", "/")
    if slashed != written and not Path(folder, written).exists() and Path(folder, slashed).exists():
        return f"{written}: there is no such file", f"Write the path with '/': {slashed}."
    if formats.extension(written) not in formats.FORMATS:
        if (
            ".." not in Path(written).parts
            and not Path(written).is_absolute()
            and Path(folder, written).is_dir()
        ):
            return f"{written}: it is a folder", "Name one file in it: data/FILE.jsonl, .json or .csv."
        advice = lookalikes.advise_extension(formats.extension(written))
        return f"{written}: not a data file by its name", advice
    if Path(written).is_absolute():
        return f"{written}: the path is absolute", "Write it relative to the manifest, for other machines."
    return None


class Noting(Protocol):
    """Where problems are noted: `Problems`, or `data_formats.Complaints`."""

    def error(self, place: Place, summary: str, detail: str, /) -> None:
        """Note an error."""


def hold(examples: Sequence[Example], places: Sequence[Place], problems: Noting) -> None:
    """Hold examples against the limits."""
    for place, one in zip(places, examples, strict=True):
        inputs, outputs = len(one.text_input), len(one.output)
        if not outputs:
            problems.error(place, "output is empty", "Write the answer to learn, or remove the example.")
        elif inputs > INPUT_LIMIT:
            problems.error(place, *_too_long("text_input", inputs, INPUT_LIMIT))
        elif outputs > OUTPUT_LIMIT:
            problems.error(place, *_too_long("output", outputs, OUTPUT_LIMIT))
        elif not _is_text(one.text_input + one.output):
            problems.error(
                place, "half of a surrogate pair is no character", "Write both halves, or neither."
            )


def measured(examples: Sequence[Example]) -> Measured:
    """What sound examples amount to."""
    characters = sum(len(one.text_input) + len(one.output) for one in examples)
    return Measured(len(examples), examples_digest(examples), characters, _size(examples, characters))


def _is_text(text: str) -> bool:
    r"""Whether every character is one: JSON's \ud800 alone is none, and no service could be sent it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _too_long(name: str, length: int, limit: int) -> tuple[str, str]:
    return (
        f"{name} has {length:,} characters, and the service takes {limit:,}",
        "Shorten it, or split the example.",
    )


def _size(examples: Sequence[Example], characters: int) -> int:
    # a character takes at most 6 bytes in JSON: far from the limit an upper bound will do
    bound = 6 * characters + 32 * len(examples)
    if bound < REQUEST_LIMIT:
        return bound
    return sum(len(canonical({"output": one.output, "textInput": one.text_input})) + 1 for one in examples)


def from_manifest(
    examples: Sequence[Example], places: Sequence[Place], place: Place, problems: Problems, *, rest: int = 0
) -> DataSet | None:
    """The data set that stands in a manifest; None after noting what is wrong."""
    if not examples:
        problems.error(place, *chat.EMPTY)
        return None
    before = len(problems)
    hold(examples, places, problems)
    if len(problems) > before:
        return None
    found = measured(examples)
    if not _fits(found, rest, place, problems):
        return None
    return DataSet(found.digest, found.examples, found.characters, inline=tuple(examples))


def _fits(measured: Measured, rest: int, place: Place, problems: Problems) -> bool:
    total = measured.size + rest
    if total <= REQUEST_LIMIT:
        return True
    problems.error(
        place,
        f"the request would have {total:,} bytes, and the service takes {REQUEST_LIMIT:,} (4 MB)",
        "Train on fewer or shorter examples.",
    )
    return False


def advise(data: DataSet, place: Place, problems: Problems, *, address: str) -> None:
    """Note what the service takes, but learns little from."""
    if data.examples < ADVISED:
        problems.warning(
            place,
            f"{count_noun(data.examples, 'example')} of training data",
            f"Google advises {ADVISED} or more (target 100-500).",
            address=address,
        )


def read_examples(data: DataSet) -> Iterable[Example]:
    """The examples of a data set, read again; none at a `uri`.

    Each iteration reads them anew, and raises StalePlanError, before its end, when they are not those that
    were measured or cannot be read any more. What is sent with the request is read here and now.
    """
    if data.uri:
        return ()
    if data.file is None:
        return tuple(_proved(data, data.inline))
    if data.form:
        return _Again(data)
    return tuple(_proved(data, _small(data.file)))


class _Again:
    """The examples of a file that may be large, read once for every iteration."""

    def __init__(self, data: DataSet) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Example]:
        problems = Problems()
        rows = chat.rows(self._data.file or "", problems, self._data.form)
        return _proved(self._data, _unspoilt(self._data.file or "", (one for _, one in rows), problems))


def _small(file: str) -> Iterator[Example]:
    problems = Problems()

    def examples() -> Iterator[Example]:
        text = texts.read_data(file, problems, limit=FILE_LIMIT)
        complaints = formats.Complaints(file, problems)
        yield from (one for _, one in formats.parse(file, text or "", complaints))
        complaints.close()

    return _unspoilt(file, examples(), problems)


def _unspoilt(file: str, examples: Iterator[Example], problems: Problems) -> Iterator[Example]:
    """Stop at the first problem: they were sound when they were measured."""
    try:
        for one in examples:
            problems.raise_if_any()
            yield one
        problems.raise_if_any()
    except (OSError, ValueError, ManifestError) as error:
        first = (
            str(error.diagnostics[0])
            if isinstance(error, ManifestError)
            else f"{file}: {textfiles.cannot_be_read(error)[0]}"
        )
        raise StalePlanError(
            f"{file} changed since the plan was made: {first}".partition("\n")[0], "Make a new plan."
        ) from error


def _proved(data: DataSet, examples: Iterable[Example]) -> Iterator[Example]:
    """The same; the last one only after the digest of all is what was measured."""
    digest = hashlib.sha256()
    held: Example | None = None
    for one in examples:
        digest.update(canonical_example(one) + b"\n")
        if held is not None:
            yield held
        held = one
    if digest.hexdigest() != data.digest:
        raise StalePlanError(
            f"{data.file or 'the inline training data'} changed since the plan was made", "Make a new plan."
        )
    if held is not None:
        yield held
