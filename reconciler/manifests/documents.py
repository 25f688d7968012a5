"""YAML documents, their values and the places of the values.

Rule: everyone asks a document by path, `document.at("spec.base_model")`, and gets a `Node`: a value that
knows its place, and can note what is wrong with it. Only `yaml_builder`, `syntax` and this module know
YAML's syntax.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import yaml
from yaml.events import StreamEndEvent

from reconciler.formats import to_camel_case
from reconciler.manifests.located import Mark, YamlList, YamlMap
from reconciler.manifests.substitution import substitute
from reconciler.manifests.syntax import explain_syntax, refuse_unreadable
from reconciler.manifests.yaml_builder import Builder, LimitError, find_mark
from reconciler.problems import Place, Problems

Path: TypeAlias = str | Sequence[str | int]
"""The path of a value: "spec.base_model", which means both spellings, or the exact keys and indices."""


@dataclass(slots=True)
class Document:
    """One YAML document that is not empty.

    Attributes:
        file: the file that contains it.
        mark: the line and column where it begins.
        body: its value. Variables are put in when `fill` is called.
        references: where text with "${" stands: the container, the key or index, and the text's place.
        problems: where to note what is wrong with it.
    """

    file: str
    mark: Mark
    body: object
    references: Sequence[tuple[Any, Any, Mark]]
    problems: Problems

    @property
    def place(self) -> Place:
        """The place where the document begins."""
        return Place(self.file, *self.mark)

    @property
    def kind(self) -> str:
        """The value of `kind`; "" if that is not text."""
        return self.at("kind").text

    def at(self, path: Path) -> Node:
        """Find the node at a path."""
        return _walk(self, self.body, None, "", path)

    def fill(self, variables: Mapping[str, str]) -> None:
        """Put variables in the place of references. Notes the references that cannot be followed."""
        for container, key, mark in self.references:
            text, refusals = substitute(container[key], variables)
            for refusal in refusals:
                self.problems.error(Place(self.file, *mark), *refusal)
            if not refusals:
                container[key] = text


@dataclass(slots=True, eq=False)
class Node:
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

    def at(self, path: Path) -> Node:
        """Find the node at a path from here."""
        return _walk(self._document, self.value, self._holder, self.key, path)

    @property
    def text(self) -> str:
        """The value if it is text, else ""."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def items(self) -> Iterator[Node]:
        """The items of a list; empty if the value is not a list."""
        value = self.value
        for number in range(len(value)) if type(value) is YamlList else ():
            yield Node(self._document, value, value[number], number, is_there=True)

    @property
    def mark(self) -> Mark:
        """The place of the value, else of its key, else of the mapping or list around it."""
        return self._find_mark(of_key=not self.is_there or self.value is None)

    @property
    def key_mark(self) -> Mark:
        """The place of the key. A mapping's own place is its first key, which is less clear."""
        return self._find_mark(of_key=True)

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
        if type(holder) is YamlMap:
            return (holder.key_marks if of_key else holder.value_marks)[key]
        if type(holder) is YamlList:
            mark: Mark = holder.marks[key]
            return mark
        return self._document.mark

    def error(
        self, summary: str, detail: str = "", *, of_key: bool = False, address: str | None = None
    ) -> None:
        """Note what is wrong with the value here. `of_key`: the key is wrong instead."""
        place = self.key_place if of_key else self.place
        self._document.problems.error(place, summary, detail, address=address)


def _walk(document: Document, value: Any, holder: Any, key: Any, path: Path) -> Node:
    """Go from a value, which stands in its holder under its key."""
    is_there = True
    for step, other in _spell(path) if isinstance(path, str) else [(step, step) for step in path]:
        spelled = step
        if type(value) is YamlMap:
            spelled = other if step not in value and other in value else step
            is_there = spelled in value
        else:
            is_there = type(value) is YamlList and isinstance(step, int) and step < len(value)
        if not is_there:
            value = None
            break
        holder, key, value = value, spelled, value[spelled]
    return Node(document, holder, value, key, is_there)


@cache
def _spell(path: str) -> tuple[tuple[str, str], ...]:
    """Spell each step of a path in snake_case and in camelCase, because Google's API accepts both."""
    return tuple((step, to_camel_case(step)) for step in path.split("."))


def read_documents(file: str, text: str, problems: Problems) -> Iterator[Document]:
    """Yield the documents of a file that are not empty. Stop at broken syntax, after noting it."""
    if refuse_unreadable(file, text, problems):
        return
    parser = yaml.CSafeLoader(text)
    try:
        parser.get_event()  # skip the start of the stream
        while not isinstance(start := parser.get_event(), StreamEndEvent):
            builder = Builder(file, problems, parser, find_mark(start))
            body = builder.build()
            if body is not None:
                mark = body.mark if isinstance(body, (YamlMap, YamlList)) else builder.start
                yield Document(file, mark, body, builder.references(), problems)
    except yaml.YAMLError as error:
        explain_syntax(file, text, error, problems)
    except LimitError:
        return
    finally:
        parser.dispose()
