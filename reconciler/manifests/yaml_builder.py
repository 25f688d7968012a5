"""Builds plain values with their places from the events of one YAML document.

PyYAML's C parser gives the events. The scalars are those of YAML 1.2, duplicate keys are refused, and aliases
are counted. Rule: anyone may write a manifest, so no manifest may crash the parser or fill the memory.
PyYAML's own composer is recursive, and about 100,000 brackets end the process. A loop over events is not
recursive, and is faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.manifests.located import Mark, YamlList, YamlMap
from reconciler.manifests.scalars import resolve
from reconciler.manifests.substitution import DATA_DEPTH, DATA_KEY
from reconciler.problems import Place, Problems, write_scalar

DEPTH_LIMIT = 64
EXPANSION_LIMIT = 10_000
"""The number of values that the aliases of one document may add to it."""

VALUE_LIMIT = 500_000
"""The number of values that a document may have. No request of 4 MB holds 400,000."""


class LimitError(Exception):
    """A limit was exceeded and noted. The rest of the file is not read."""


def find_mark(event: Any) -> Mark:
    """Find the line and column where an event begins, counted from 1."""
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


_TEXT = "tag:yaml.org,2002:str"
_TAGS: Mapping[type[Event], frozenset[str | None]] = {
    MappingStartEvent: frozenset({None, "!", "tag:yaml.org,2002:map"}),
    SequenceStartEvent: frozenset({None, "!", "tag:yaml.org,2002:seq"}),
}


class _Open(Struct, eq=False):
    """A collection that has begun but not ended.

    Attributes:
        container: the mapping or list that is being built; None for the document itself.
        anchor: its name, if it has one.
        before: how many values had been read when it began.
        expects_key: whether the mapping's next event is a key.
        key: the key of the next value. None discards the value, `<<` merges it.
        as_key: whether it stands in the place of a key.
        literal: whether "${" inside it is plain text.
        merged: the entries that `<<` brought.
    """

    container: YamlMap | YamlList | None
    anchor: str | None
    before: int
    expects_key: bool
    key: str | None = None
    key_mark: Mark = (0, 0)
    as_key: bool = False
    literal: bool = False
    merged: list[tuple[object, Mark]] = field(default_factory=list)


_MERGE = "<<"
_KEY_ADVICE = "Write KEY: VALUE; put a value that begins with a bracket in quotes."
_UNKNOWN = object()
"""Stands for the value of an alias that could not be followed. It is left out."""


def _remember_text(top: _Open, value: object, text: str) -> None:
    """Keep the text of a number or boolean if its spelling is unusual."""
    container = top.container
    if type(container) is YamlMap and top.key is not None and write_scalar(value) != text:
        container.texts = {**(container.texts or {}), top.key: text}


class Builder:
    """The loop over one document's events."""

    def __init__(self, file: str, problems: Problems, parser: Any, start: Mark) -> None:
        self.start = start
        self._file = file
        self._problems = problems
        self._next = parser.get_event
        self._root: object = None
        self._open: list[_Open] = [_Open(None, None, 0, expects_key=False)]
        self._anchors: dict[str, tuple[object, int] | None] = {}
        self._references: dict[tuple[int, str | int], tuple[Any, Any, Mark]] = {}
        self._count = 0
        self._expanded = 0

    def references(self) -> Sequence[tuple[Any, Any, Mark]]:
        """Return the places of texts with "${", each once."""
        return tuple(self._references.values())

    def _note(self, mark: Mark, summary: str, detail: str = "") -> None:
        self._problems.error(Place(self._file, *mark), summary, detail)

    def build(self) -> object:
        """Build the document's value from its events."""
        while True:
            event = self._next()
            kind = type(event)
            if kind is ScalarEvent:
                self._add_scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._begin_collection(event, kind)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._end_collection()
            elif kind is AliasEvent:
                self._follow_alias(event)
            elif kind is DocumentEndEvent:
                return self._root

    def _add_scalar(self, event: Any) -> None:
        top = self._open[-1]
        mark = event.start_mark
        place = (mark.line + 1, mark.column + 1)
        if top.expects_key:
            self._add_key(top, event, place)
            return
        self._count_value(place)
        text: str = event.value
        value: object = text
        if event.tag is None:
            if event.implicit[0]:
                value = resolve(text)
                if type(value) is not str and value is not None:
                    _remember_text(top, value, text)
        elif event.tag not in {_TEXT, "!"}:
            self._refuse_tag(event.tag, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._store(top, value, place)

    def _add_key(self, top: _Open, event: Any, mark: Mark) -> None:
        text: str = event.value
        plain = event.tag is None and event.implicit[0]
        top.expects_key, top.key, top.key_mark = False, None, mark
        if event.anchor is not None:
            self._anchors[event.anchor] = (text, 1)
        if event.tag not in {None, _TEXT, "!"}:
            self._refuse_tag(event.tag, mark)
        elif plain and not isinstance(resolve(text), str):
            self._note(mark, f"the key {text or 'null'} is not text", "Put it in quotes, if it is meant.")
        elif text == _MERGE and plain:
            top.key = _MERGE
        elif text in top.container.key_marks:  # type: ignore[union-attr]  # only a mapping expects keys
            first = Place(self._file, *top.container.key_marks[text])  # type: ignore[union-attr]
            self._note(mark, f"duplicate key {text!r}, first at {first}", "Remove one of them.")
        else:
            # a quoted "<<" is an ordinary key, though an unknown one
            top.key = text if text != _MERGE else '"<<"'

    def _refuse_key(self, top: _Open, mark: Mark, summary: str, detail: str) -> None:
        self._note(mark, summary, detail)
        top.expects_key, top.key, top.key_mark = False, None, mark

    def _count_value(self, mark: Mark) -> None:
        self._count += 1
        if self._count > VALUE_LIMIT:
            summary = f"the document has more than {VALUE_LIMIT:,} values"
            self._note(mark, summary, "Split it, or put the examples into a data file.")
            raise LimitError

    def _begin_collection(self, event: Any, kind: type[Event]) -> None:
        mark = find_mark(event)
        self._count_value(mark)
        top = self._open[-1]
        if event.tag not in _TAGS[kind]:
            self._refuse_tag(event.tag, mark)
        if len(self._open) > DEPTH_LIMIT:
            self._note(mark, f"nested more than {DEPTH_LIMIT} levels deep", "Nothing in a manifest is.")
            raise LimitError
        is_map = kind is MappingStartEvent
        container = YamlMap(mark) if is_map else YamlList(mark)
        begun = _Open(container, event.anchor, self._count, expects_key=is_map)
        if top.expects_key:
            self._refuse_key(top, mark, "a key must be a single text", _KEY_ADVICE)
            begun.as_key = True
        # everything in a data set is data, so "${" there is text to learn
        begun.literal = top.literal or (top.key == DATA_KEY and len(self._open) > DATA_DEPTH)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(begun)

    def _end_collection(self) -> None:
        ended = self._open.pop()
        container = ended.container
        for other, mark in ended.merged:
            self._merge_entries(container, other, mark)
        if ended.anchor is not None:
            self._anchors[ended.anchor] = (container, self._count - ended.before + 1)
        if not ended.as_key and container is not None:
            self._store(self._open[-1], container, container.mark)

    def _follow_alias(self, event: Any) -> None:
        top, mark, name = self._open[-1], find_mark(event), event.anchor
        found = self._anchors.get(name)
        value: object = _UNKNOWN
        if found is not None:
            value, size = found
            self._count += size
            self._expanded += size
        elif name in self._anchors:
            self._note(mark, f"the alias *{name} stands inside its own anchor", "Write the value out.")
        else:
            self._note(mark, f"the alias *{name} has no anchor before it", f"Define it earlier as &{name}.")
        if self._expanded > EXPANSION_LIMIT:
            self._note(
                mark,
                f"the aliases of this document stand for more than {EXPANSION_LIMIT:,} values",
                "Write the values out, or put the examples into a data file.",
            )
            raise LimitError
        if top.expects_key:
            self._refuse_key(top, mark, "an alias cannot be a key", "Write the key out.")
        else:
            self._store(top, value, mark)

    def _store(self, top: _Open, value: object, mark: Mark) -> None:
        """Store a value where it belongs."""
        container, key = top.container, top.key
        at: str | int
        if type(container) is YamlMap:
            top.expects_key = True
            if key is None or value is _UNKNOWN:
                return
            if key == _MERGE:
                top.merged.append((value, mark))
                return
            if value is None:
                self._note(top.key_mark, f"{key} has no value", "Give it one, or remove the key.")
            container[key] = value
            container.key_marks[key] = top.key_mark
            container.value_marks[key] = mark
            at = key
        elif type(container) is YamlList:
            if value is _UNKNOWN:
                return
            if value is None:
                self._note(mark, "an item of the list has no value", "Give it one, or remove it.")
            at = len(container)
            container.append(value)
            container.marks.append(mark)
        else:
            self._root, self.start = (None if value is _UNKNOWN else value), mark
            return
        if type(value) is str and "${" in value and not top.literal:
            self._references[id(container), at] = (container, at, mark)

    def _merge_entries(self, container: Any, other: object, mark: Mark) -> None:
        """Follow `<<`: take entries of other mappings. The mapping's own keys win, then earlier mappings."""
        for merged in other if type(other) is YamlList else (other,):
            if type(merged) is not YamlMap:
                self._note(mark, "'<<' takes a mapping or a list of mappings", "Write <<: *ANCHOR.")
                continue
            for key, value in merged.items():
                if key in container.key_marks:
                    continue
                container[key] = value
                container.key_marks[key] = merged.key_marks[key]
                container.value_marks[key] = merged.value_marks[key]
                if (id(merged), key) in self._references:
                    self._references[id(container), key] = (container, key, merged.value_marks[key])

    def _refuse_tag(self, tag: str, mark: Mark) -> None:
        name = tag.replace("tag:yaml.org,2002:", "!!")
        self._note(mark, f"the tag {name} is not known here", "Remove it: manifests are plain YAML.")
