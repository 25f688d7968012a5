"""Remembers what was measured in large files and objects, so that what did not change is not read again.

A file is known by its path, device, inode, size and both times. An object is known by its generation and
checksum. Rules: what is remembered never decides what is sent, so a command that sends does not read it. It
may be lost, broken or somebody else's at any time. Then the data is measured without any message, as if
nothing had been remembered.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from reconciler import __version__, bounds, files
from reconciler.datasets.cache_use import NAME, Use
from reconciler.datasets.rows import Measured
from reconciler.datasets.survey import Found, Lengths, Lines, Survey
from reconciler.model.data import Layout
from reconciler.textfiles import find_work_tree

LEAST = 64 * bounds.MB // 1024
"""The least bytes of a file that is remembered. A smaller one is measured in a millisecond."""
FORMULA = 1
"""Raise it with each change of what is measured in data, or of a message about data."""

_WRITTEN_BY = f"reconciler {__version__}, formula {FORMULA}"
_MOST = 5_000
"""The most entries. The ones that were named last are kept."""
_MOST_COMPARED = 200
"""The most comparisons of objects. The last ones are kept."""
_MOST_SHARED = 100
"""The most data sets that one entry is compared with."""
_SETTLED = 2_000_000_000
"""Nanoseconds. A file that changed so recently may change again without another time."""
_IGNORED = f"/{NAME}\n/.gitignore\n"


_Count = Annotated[int, msgspec.Meta(ge=0)]
_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Source(msgspec.Struct, frozen=True):
    """What is measured, and how.

    Attributes:
        place: the real path of a file, or the address of an object.
        form: see `measure.FORMS`.
        command: "data" if that command measured it, which gives no warnings, and shows labels.
        columns: of the layout, and its delimiter.
        is_validation: whether it is for validation, and not for training.
    """

    place: str
    form: str
    columns: tuple[str, str, str, str] = ("", "", "", ",")
    is_validation: bool = False
    command: str = ""


def name_source(
    place: str, form: str, layout: Layout, *, is_validation: bool = False, command: str = ""
) -> Source:
    """Make the name under which a measured file or object is remembered. See `Source`."""
    columns = (layout.text_input, layout.output, layout.system_instruction, layout.delimiter)
    return Source(place, form, columns, is_validation, command)


class Warned(msgspec.Struct, frozen=True):
    """A warning about the data, without the file's name."""

    line: int | None
    column: int | None
    summary: str
    detail: str


class Entry(msgspec.Struct):
    """What one measuring found.

    Attributes:
        version: tells whether the file or the object is still the same.
        manifest: the manifest that named it.
        labels: kept only for objects, because their texts cannot be read without a download.
        shared: the examples that are also in training data, by the source and version of that data.
    """

    source: Source
    version: str
    manifest: str
    examples: _Count
    digest: _Digest
    characters: _Count
    size: _Count
    multimodal: _Count
    unit: str
    inputs: Lengths
    outputs: Lengths
    duplicates: Found
    contradictions: Found
    labels: tuple[tuple[str, int], ...]
    long: _Count
    long_lines: tuple[int, ...]
    compared: _Count
    warnings: tuple[Warned, ...] = ()
    shared: list[tuple[Source, str, Found]] = []

    def to_measured(self) -> Measured:
        """Return what was measured. The hashes of its examples are not there, see `Lines.unread`."""
        survey = Survey(
            self.unit,
            self.examples,
            self.inputs,
            self.outputs,
            self.duplicates,
            self.contradictions,
            self.labels,
            self.long,
            self.long_lines,
            Lines(unread=self.compared),
        )
        return Measured(self.examples, self.digest, self.characters, self.size, self.multimodal, survey)

    def is_sound(self) -> bool:
        """Return whether the findings can be told: whatever was found has a line."""
        told = [self.duplicates, self.contradictions, *(found for _, _, found in self.shared)]
        return all(bool(found.count) == bool(found.pairs) for found in told)


class Compared(msgspec.Struct):
    """How an object differs from other data.

    Attributes:
        place, version: those of the object.
        before, after: the digest of the data that was searched for in it, and that of the data beside it.
        numbers: how many examples were added, were removed and are the same. None if the object has another
            digest.
    """

    place: str
    version: str
    before: str
    after: str
    numbers: tuple[_Count, _Count, _Count] | None


class _Document(msgspec.Struct):
    written_by: str
    entries: list[Entry]
    compared: list[Compared]


class _Heading(msgspec.Struct):
    """The part that is read first, because another version's document may have anything else."""

    written_by: str


class _Memory(NamedTuple):
    """The document of what earlier runs have remembered."""

    entries: Mapping[Source, Entry] = {}
    compared: Sequence[Compared] = ()


class DataCache:
    """Holds what earlier runs remembered, and what this one adds.

    Args:
        folder: where it is kept; None for nowhere.
        use: what the command may do with it.
    """

    def __init__(self, folder: Path | None = None, use: Use = Use.NOTHING) -> None:
        self.folder = folder
        self._use = Use.NOTHING if folder is None else use
        self._before: _Memory | None = None
        self._compared: list[Compared] = []
        self._now: dict[Source, Entry] = {}
        self._is_changed = False

    def find(self, source: Source, version: str, manifest: str) -> Entry | None:
        """Find what was measured in exactly this version. None if that is not known."""
        entry = self._now.get(source)
        if entry is None and Use.READ in self._use and version:
            entry = self._read().entries.get(source)
        if entry is None or not version or entry.version != version:
            return None
        named = os.path.realpath(manifest)
        self._is_changed |= entry.manifest != named
        entry.manifest = named
        self._now[source] = entry
        return entry

    def remember(
        self,
        source: Source,
        version: str,
        manifest: str,
        found: Measured,
        warnings: Iterable[Warned] = (),
        *,
        has_labels: bool = False,
    ) -> None:
        """Remember what was measured without a fault. Does nothing for version ""."""
        if not version or not self._use:
            return
        survey = found.survey
        self._is_changed = True
        self._now[source] = Entry(
            source=source,
            version=version,
            manifest=os.path.realpath(manifest),
            examples=found.examples,
            digest=found.digest,
            characters=found.characters,
            size=found.size,
            multimodal=found.multimodal,
            unit=survey.unit,
            inputs=survey.inputs,
            outputs=survey.outputs,
            duplicates=survey.duplicates,
            contradictions=survey.contradictions,
            labels=survey.labels if has_labels else (),
            long=survey.long,
            long_lines=survey.long_lines,
            compared=survey.compared,
            warnings=tuple(warnings),
        )

    def find_shared(self, training: Source, held: Source) -> Found | None:
        """Find which examples two data sets share, if that is known of both as they are now."""
        ours, theirs = self._now.get(training), self._now.get(held)
        if ours is None or theirs is None:
            return None
        return next(
            (found for at, version, found in theirs.shared if (at, version) == (training, ours.version)), None
        )

    def remember_shared(self, training: Source, held: Source, found: Found) -> None:
        """Remember which examples two data sets share, if both are remembered."""
        ours, theirs = self._now.get(training), self._now.get(held)
        if ours is None or theirs is None:
            return
        kept = [known for known in theirs.shared if known[0] != training]
        theirs.shared = [*kept[-_MOST_SHARED:], (training, ours.version, found)]
        self._is_changed = True

    def find_compared(self, place: str, version: str, before: str, after: str) -> Compared | None:
        """Find how an object differs from other data, if that is known of this version."""
        asked = (place, version, before, after)
        known = self._read().compared if Use.READ in self._use and version else ()
        return next((one for one in known if (one.place, one.version, one.before, one.after) == asked), None)

    def remember_compared(self, compared: Compared) -> None:
        """Remember how an object differs from other data. Does nothing for version ""."""
        if compared.version and self._use:
            self._compared.append(compared)
            self._is_changed = True

    def close(self, manifests: Collection[str], named: Collection[str] = ()) -> None:
        """Write what is new, if there is anything. What cannot be written is not remembered.

        Args:
            manifests: the manifests that were read. What they no longer name is forgotten.
            named: the files and objects that they name.
        """
        if Use.WRITE not in self._use or self.folder is None:
            return
        read = {os.path.realpath(path) for path in manifests}
        before = self._read()
        kept = [
            entry
            for source, entry in before.entries.items()
            if source not in self._now
            and (source.place in named or entry.manifest not in read)
            and Path(entry.manifest).exists()
            and _is_current(entry)
        ]
        if not self._is_changed and len(kept) + len(self._now) == len(before.entries):
            return
        entries = [*kept, *self._now.values()][-_MOST:]
        last = {(one.place, one.before, one.after): one for one in (*before.compared, *self._compared)}
        compared = [*last.values()][-_MOST_COMPARED:]
        content = _encode(entries, compared)
        while len(content) > bounds.DATA_CACHE:
            entries, compared = entries[len(entries) // 2 + 1 :], compared[len(compared) // 2 + 1 :]
            content = _encode(entries, compared)
        with suppress(OSError):
            _write(self.folder, content)

    def _read(self) -> _Memory:
        if self._before is None:
            self._before = _Memory() if self.folder is None else _read_memory(self.folder / NAME)
        return self._before


def name_file_version(found: os.stat_result, now: int, *, least: int | None = None) -> str:
    """Write the version of a file. "" for a file that is small, or that changed just now.

    Args:
        found: the result of stat for the open file, before it is read.
        now: nanoseconds since 1970, when that was found.
        least: bytes that it must have, by default LEAST.
    """
    least = LEAST if least is None else least
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    if found.st_size < least or now - changed < _SETTLED:
        return ""
    parts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
    return "-".join(map(str, parts))


def _is_current(entry: Entry) -> bool:
    """Return whether a file is still the one that was measured. Only the service knows that of an object."""
    if entry.source.place.startswith("gs://"):
        return True
    try:
        found = Path(entry.source.place).stat()
    except (OSError, ValueError):
        return False
    return name_file_version(found, time.time_ns(), least=0) == entry.version


_HEADING, _DOCUMENT = msgspec.json.Decoder(_Heading), msgspec.json.Decoder(_Document)


def _encode(entries: list[Entry], compared: list[Compared]) -> bytes:
    return msgspec.json.encode(_Document(_WRITTEN_BY, entries, compared)) + b"\n"


def _read_memory(path: Path) -> _Memory:
    """Read what is remembered. Nothing if it is not ours, or is not as we write it."""
    try:
        with files.open_regular(path, most=bounds.DATA_CACHE) as opened:
            found = os.fstat(opened.fileno())
            content = opened.read(bounds.DATA_CACHE)
        if _is_writable_by_others(found):
            return _Memory()
        if _HEADING.decode(content).written_by != _WRITTEN_BY:
            return _Memory()
        document = _DOCUMENT.decode(content)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return _Memory()
    sound = {entry.source: entry for entry in document.entries if entry.is_sound()}
    return _Memory(sound, document.compared)


def _is_writable_by_others(found: os.stat_result) -> bool:
    own = os.geteuid() if hasattr(os, "geteuid") else found.st_uid
    return found.st_uid != own or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _write(folder: Path, content: bytes) -> None:
    """Write the file whole or not at all, for this user alone. Git is told to ignore it."""
    folder.mkdir(exist_ok=True)
    path = folder / NAME
    if not path.exists() and find_work_tree(str(folder)):
        with suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as file:
            file.write(_IGNORED)
    files.remove_abandoned_drafts(folder, NAME)
    draft = folder / f".{NAME}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as opened:  # noqa: PTH123 -- a descriptor has no Path
            opened.write(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
