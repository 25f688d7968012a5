"""YAML documents, their values and the places of the values.

There are two readers. `yaml_builder` reads all of YAML, notes what is wrong, and keeps the place of every
value. `plain_reader` is quick and reads what nearly every manifest has, without places. If somebody asks for
a place, `yaml_builder` reads the text again.

Rule: everyone asks a document by path, `document.at("spec.base_model")`, and gets a `Node`: a value that
knows its place, and can note what is wrong with it. Only the two readers, `syntax` and this module know
YAML's syntax.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from typing import Any, TypeAlias

from msgspec import Struct

from reconciler.formats import to_camel_case
from reconciler.manifests.located import Mark, YamlList, YamlMap
from reconciler.manifests.plain_reader import read_plainly
from reconciler.manifests.substitution import substitute
from reconciler.manifests.syntax import refuse_unreadable
from reconciler.problems import Place, Problems

Path: TypeAlias = str | Sequence[str | int]
"""The path of a value: "spec.base_model", which means both spellings, or the exact keys and indices."""


class Text(Struct, eq=False):
    """The text of a file, to find the places of its values when somebody asks for them."""

    file: str
    content: str
    _documents: list[Document] | None = None

    def read_with_places(self, number: int) -> Document:
        """Read the document of this number again, with the places of its values."""
        if self._documents is None:
            self._documents = list(_build_documents(self, Problems()))
        return self._documents[number]


class Document(Struct):
    """One YAML document that is not empty.

    Attributes:
        text: the text of the file that contains it.
        number: which of the file's documents that are not empty it is, from 0.
        mark: the line and column where it begins.
        body: its value. Variables are put in when `fill` is called.
        references: where text with "${" stands: the container, the key or index, and the text's place. None
            for a place that is not known yet.
        problems: where to note what is wrong with it.
        lines: see `PlainDocument.lines`. None if the values of the document know their places.
    """

    text: Text
    number: int
    mark: Mark
    body: object
    references: Sequence[tuple[Any, Any, Mark | None]]
    problems: Problems
    lines: Mapping[int, tuple[int, Sequence[int]]] | None = None

    @property
    def file(self) -> str:
        """The file that contains it."""
        return self.text.file

    @property
    def place(self) -> Place:
        """The place where the document begins."""
        return Place(self.file, *self.mark)

    @property
    def is_plain(self) -> bool:
        """Whether `plain_reader` has read it: it has no fault and no null."""
        return self.lines is not None

    @property
    def kind(self) -> str:
        """The value of `kind`; "" if that is not text."""
        kind = self.body.get("kind") if isinstance(self.body, dict) else None
        return kind if isinstance(kind, str) else ""

    def at(self, path: Path) -> Node:
        """Find the node at a path."""
        return _walk(self, (None, "", self.body), path, None)

    def fill(self, variables: Mapping[str, str]) -> None:
        """Put variables in the place of references. Notes the references that cannot be followed."""
        for number, (container, key, mark) in enumerate(self.references):
            text, refusals = substitute(container[key], variables)
            for refusal in refusals:
                at = mark or self.text.read_with_places(self.number).references[number][2] or self.mark
                self.problems.error(Place(self.file, *at), *refusal)
            if not refusals:
                container[key] = text


class Node(Struct, eq=False):
    """The node at a path of a document.

    Attributes:
        value: None if nothing stands at the path.
        key: the key as the document spells it, or the index. If nothing stands at the path, the key of the
            mapping or list around it.
        is_there: whether the key exists, even without a value.
    """

    _document: Document
    _holder: Any
    value: Any
    key: Any
    is_there: bool
    _path: Path
    _above: Node | None

    def at(self, path: Path) -> Node:
        """Find the node at a path from here."""
        return _walk(self._document, (self._holder, self.key, self.value), path, self)

    @property
    def text(self) -> str:
        """The value if it is text, else ""."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def items(self) -> Iterator[Node]:
        """The items of a list; empty if the value is not a list."""
        value = self.value
        for number in range(len(value)) if isinstance(value, list) else ():
            yield Node(self._document, value, value[number], number, True, (number,), self)

    @property
    def mark(self) -> Mark:
        """The place of the value, else of its key, else of the mapping or list around it."""
        return self._find_mark(of_key=not self.is_there or self.value is None)

    @property
    def key_mark(self) -> Mark:
        """The place of the key. A mapping's own place is its first key, which is less clear."""
        return self._find_mark(of_key=True)

    @property
    def file(self) -> str:
        """The file that contains it."""
        return self._document.text.file

    @property
    def place(self) -> Place:
        """`mark`, with the file."""
        return Place(self._document.file, *self.mark)

    @property
    def key_place(self) -> Place:
        """`key_mark`, with the file."""
        return Place(self._document.file, *self.key_mark)

    def _find_mark(self, *, of_key: bool) -> Mark:
        holder, key = self._holder, self.key
        if holder is None:
            return self._document.mark
        if type(holder) is YamlMap:
            return (holder.key_marks if of_key else holder.value_marks)[key]
        if type(holder) is YamlList:
            mark: Mark = holder.marks[key]
            return mark
        known = (self._document.lines or {}).get(id(holder))
        if of_key and known is not None:
            column, lines = known
            return lines[list(holder).index(key)], column
        located = self._document.text.read_with_places(self._document.number).at(())
        for path in self._list_paths():
            located = located.at(path)
        return located.key_mark if of_key else located.mark

    def _list_paths(self) -> list[Path]:
        """List the paths that were walked from the document to here."""
        node, found = self, [self._path]
        while node._above is not None:
            node = node._above
            found.append(node._path)  # noqa: SLF001
        return found[::-1]

    def error(
        self, summary: str, detail: str = "", *, of_key: bool = False, address: str | None = None
    ) -> None:
        """Note what is wrong with the value here. `of_key`: the key is wrong instead."""
        place = self.key_place if of_key else self.place
        self._document.problems.error(place, summary, detail, address=address)


def _walk(document: Document, start: tuple[Any, Any, Any], path: Path, above: Node | None) -> Node:
    """Go from a value to another. `start`: what holds the value, its key there, and itself."""
    holder, key, value = start
    for step, other in _spell(path) if isinstance(path, str) else [(step, step) for step in path]:
        if isinstance(value, dict):
            spelled = other if step not in value and other in value else step
            is_there = spelled in value
        else:
            spelled = step
            is_there = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not is_there:
            return Node(document, holder, None, key, False, path, above)
        holder, key, value = value, spelled, value[spelled]
    return Node(document, holder, value, key, True, path, above)


@cache
def _spell(path: str) -> tuple[tuple[str, str], ...]:
    """Spell each step of a path in snake_case and in camelCase, because Google's API accepts both."""
    return tuple((step, to_camel_case(step)) for step in path.split("."))


def read_documents(file: str, text: str, problems: Problems) -> Iterator[Document]:
    """Yield the documents of a file that are not empty. Stop at broken syntax, after noting it.

    The values of each document know their places.
    """
    yield from _build_documents(Text(file, text), problems)


def read_quickly(file: str, text: str, problems: Problems) -> Iterable[Document]:
    """Read the documents of a file as `read_documents` does, without places where nobody asks for them.

    Mappings and lists are plain dicts and lists, so nobody can ask for the spelling of a number.
    """
    whole = Text(file, text)
    if refuse_unreadable(file, text, problems):
        return ()
    found = read_plainly(text)
    if found is None:
        return _build_documents(whole, problems)
    return [
        Document(whole, number, (plain.line, 1), plain.body, plain.references, problems, plain.lines)
        for number, plain in enumerate(found)
    ]


def read_manifests(file: str, text: str, problems: Problems) -> Iterable[Document]:
    """Read the documents of a file of manifests as quickly as its text allows.

    The variables of a Stack are texts, so the spelling of numbers counts there.
    """
    found = read_quickly(file, text, problems)
    if "variables" in text and isinstance(found, list) and any(map(_has_numbers, found)):
        return read_documents(file, text, problems)
    return found


def _has_numbers(document: Document) -> bool:
    """Return whether a document is a Stack with a variable that is not written as a text."""
    values = document.at("spec.variables").value if document.kind == "Stack" else None
    return isinstance(values, dict) and not all(isinstance(value, str) for value in values.values())


def _build_documents(text: Text, problems: Problems) -> Iterator[Document]:
    import yaml
    from yaml.events import StreamEndEvent

    from reconciler.manifests.syntax import explain_syntax
    from reconciler.manifests.yaml_builder import Builder, LimitError, find_mark

    file = text.file
    if refuse_unreadable(file, text.content, problems):
        return
    parser = yaml.CSafeLoader(text.content)
    numbers = count()
    try:
        parser.get_event()  # skip the start of the stream
        while not isinstance(start := parser.get_event(), StreamEndEvent):
            builder = Builder(file, problems, parser, find_mark(start))
            body = builder.build()
            if body is not None:
                mark = body.mark if isinstance(body, (YamlMap, YamlList)) else builder.start
                yield Document(text, next(numbers), mark, body, builder.references(), problems)
    except yaml.YAMLError as error:
        explain_syntax(file, text.content, error, problems)
    except LimitError:
        return
    finally:
        parser.dispose()
