"""Says what changed in a data set: +3 -1, 27 the same. The records keep no data, only its digest and counts.

So the former data is looked for where it may still be: in the commits of its file, in the files that the
manifest named before, and in the object that an earlier run uploaded for a live model. Rule: only data with
the recorded digest is compared. If it is not found, or too large, the plan has the counts alone. Nothing is
read for data that did not change.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from reconciler import bounds, files
from reconciler.datasets.data_cache import Compared, DataCache
from reconciler.datasets.examples import read_examples
from reconciler.datasets.formats import read_rows
from reconciler.datasets.measure import FORMS
from reconciler.datasets.text import Stream, open_parts
from reconciler.difference import DataChange, ExampleChange
from reconciler.errors import ManifestError, ReconcilerError
from reconciler.git import Versions
from reconciler.identity import encode_example
from reconciler.model.data import PLAIN, DataSet, Example, Layout
from reconciler.plan.change import Change, Plan
from reconciler.plan.facts import Facts
from reconciler.problems import Problems, Refusal
from reconciler.providers import Providers
from reconciler.textfiles import find_work_tree

MOST_EXAMPLES = 500_000
"""Larger data sets are not compared: their hashes take some 100 MB."""
MOST_BYTES = 256 * 1024 * 1024
"""Bytes of former versions that are read for one data set."""

_MANIFESTS = 5
"""Committed versions of a manifest that are searched for names of data files."""
_NAMES = 20
"""Names of one version that are looked at."""
_DATA_FILE = re.compile(r"[\w./-]{1,200}\.(?:jsonl|json|csv)\b")

_Hashes = Counter[int]


def compare_data(plan: Plan, facts: Facts, providers: Providers, cache: DataCache) -> Plan:
    """Return the plan with what changed in each data set, as far as that can be found out.

    An object that was compared before, and is the same, is not read again.
    """
    changes = tuple(
        replace(change, data=tuple(_compare(change, data, facts, providers, cache) for data in change.data))
        if change.data
        else change
        for change in plan.changes
    )
    cache.close(())
    return replace(plan, changes=changes)


def _compare(
    change: Change, data: DataChange, facts: Facts, providers: Providers, cache: DataCache
) -> DataChange:
    now = next((one for one in change.datasets if one.field == data.field), None)
    sizes = (data.before_examples or 0, data.after_examples)
    if now is None or now.uri or not data.before_digest or max(sizes) > MOST_EXAMPLES:
        return data
    left = MOST_BYTES
    for place in chain(_list_files(change, now, facts), _list_objects(change, data, facts, providers)):
        if place.size > left:
            continue
        left -= place.size
        asked = (place.path, place.version, data.before_digest, now.digest)
        known = cache.find_compared(*asked)
        if known is not None:
            if known.numbers is None:
                continue
            return replace(data, compared=ExampleChange(*known.numbers))
        layout = PLAIN if place.is_object else now.layout
        try:
            with place.open() as stream:
                before = _collect(_read(stream, place.path, now.form, layout), data.before_digest)
        except ManifestError:
            before = None
        except (ReconcilerError, OSError):
            continue  # what cannot be read is not compared
        if before is None:
            cache.remember_compared(Compared(*asked, None))
            continue
        after = _collect_now(now)
        if after is None:
            return data
        same = (before & after).total()
        numbers = (after.total() - same, before.total() - same, same)
        cache.remember_compared(Compared(*asked, numbers))
        return replace(data, compared=ExampleChange(*numbers))
    return data


class _Place(Struct, frozen=True):
    """A place where the former data may be.

    Attributes:
        path: tells the format.
        size: in bytes, 0 for an object, whose size is known when it is read.
        is_object: it was converted by an earlier run.
        version: of an object, see `StoredData`.
    """

    path: str
    size: int
    open: Callable[[], AbstractContextManager[Stream]]
    is_object: bool = False
    version: str = ""


def _list_files(change: Change, now: DataSet, facts: Facts) -> Iterator[_Place]:
    """Yield the versions of the file, then the files that the manifest named before, and their versions."""
    named = _list_named_before(facts.desired[change.address].file)
    for path in dict.fromkeys((*([now.file] if now.file else ()), *named)):
        if path != now.file and Path(path).is_file():
            opened = partial(files.open_regular, path, most=MOST_BYTES)
            yield _Place(path, Path(path).stat().st_size, opened)
        versions = Versions(path)
        for id, size in versions.find():
            yield _Place(path, size, partial(versions.open, id))


def _list_named_before(manifest: str) -> Iterator[str]:
    """Yield the paths of data files in committed versions of the manifest, inside of its work tree."""
    folder = Path(manifest).parent
    tree = find_work_tree(str(folder))
    versions = Versions(manifest, most=_MANIFESTS)
    for id, size in versions.find() if tree else ():
        if size > bounds.MANIFEST:
            continue
        with versions.open(id) as stream:
            text = stream.read(bounds.MANIFEST).decode("utf-8", "replace")
        for name in _DATA_FILE.findall(text)[:_NAMES]:
            path = os.path.normpath(folder / name)
            if tree and os.path.realpath(path).startswith(tree + os.sep):
                yield path


def _list_objects(change: Change, data: DataChange, facts: Facts, providers: Providers) -> Iterator[_Place]:
    """Yield the object that an earlier run uploaded: the live model names it."""
    record = facts.state.resources.get(change.address)
    if record is None:
        return
    for model in record.models:
        live = facts.find_live_of(record, model)
        uri = live.data.get(data.field, "") if live else ""
        if not uri or all(recorded.digest != data.before_digest for recorded in model.data):
            continue
        try:
            stored = providers[change.address.kind].read_data(uri)
        except ReconcilerError:
            continue
        if stored is not None:
            yield _Place(uri, 0, partial(open_parts, stored.parts), is_object=True, version=stored.version)


def _read(stream: Stream, path: str, form: str, layout: Layout) -> Iterator[Example]:
    """Yield the examples. ManifestError at the first thing that is wrong: then it is not the former data."""
    problems = Problems()
    for place, row in read_rows(stream, path, FORMS[form], problems, layout):
        if isinstance(row, Refusal):
            problems.error(place, *row)
            break
        yield row
    problems.raise_if_any()


def _collect(examples: Iterable[Example], digest: str) -> _Hashes | None:
    """Hash the examples. None if they have another digest."""
    found: _Hashes = Counter()
    whole = hashlib.sha256()
    for example in examples:
        line = encode_example(example) + b"\n"
        whole.update(line)
        found[hash(line)] += 1
        if len(found) > MOST_EXAMPLES:
            return None
    return found if whole.hexdigest() == digest else None


def _collect_now(data: DataSet) -> _Hashes | None:
    try:
        return _collect(read_examples(data), data.digest)
    except ReconcilerError:  # it changed again: apply says so
        return None
