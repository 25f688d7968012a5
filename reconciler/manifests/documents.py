"""YAML text to plain values that remember where they stand; the one door to yaml.

PyYAML's C parser composes the nodes, a walk of our own builds the values: by YAML 1.2's scalars, with
duplicate keys refused and aliases counted. Rule: a manifest is read by everyone, so it can neither
crash the parser (depth) nor fill the memory (aliases).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconciler.manifests.problems import Place, Problems
from reconciler.manifests.scalars import resolve
from reconciler.manifests.variables import substitute

DEPTH_LIMIT = 64
_DATA_DEPTH = 4
"""Of the mapping spec.tuning_task.training_data, whose `examples` are data."""

EXPANSION_LIMIT = 10_000
"""Values that the aliases of one document may add to it: anchors are a convenience, not a compressor."""

Mark: TypeAlias = tuple[int, int]
"""Line and column, 1-based."""

Path: TypeAlias = Sequence[str | int]


class YamlMap(dict[str, object]):
    """A mapping that knows its place and the nodes of its entries."""

    __slots__ = ("mark", "nodes")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.nodes: dict[str, tuple[Node, Node]] = {}


class YamlList(list[object]):
    """A list that knows its place and the nodes of its items."""

    __slots__ = ("mark", "nodes")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.nodes: list[Node] = []

    def marks(self) -> list[Mark]:
        """Where each item begins."""
        return [_mark(node) for node in self.nodes]


def key_mark(within: YamlMap, key: str) -> Mark:
    """Where a key stands; where the mapping stands if it has no such key."""
    nodes = within.nodes.get(key)
    return _mark(nodes[0]) if nodes else within.mark


def locate(body: object, path: Path, *, of_key: bool = False) -> Mark | None:
    """Where the value under a path stands, or its key; what contains it where there is no such value."""
    mark: Mark | None = None
    for index, step in enumerate(path):
        last = index == len(path) - 1
        if isinstance(body, YamlMap) and isinstance(step, str) and step in body:
            key, value = body.nodes[step]
            # a block mapping's own mark is its first key: its parent's key is plainer for what is missing
            mark = _mark(key) if of_key or not last or body[step] is None else _mark(value)
            body = body[step]
        elif isinstance(body, YamlList) and isinstance(step, int) and 0 <= step < len(body):
            mark = _mark(body.nodes[step])
            body = body[step]
        else:
            break
    return mark


def value_at(body: object, path: Path) -> object:
    """The value under a path; None where there is none."""
    for step in path:
        if isinstance(body, YamlMap) and isinstance(step, str):
            body = body.get(step)
        elif isinstance(body, YamlList) and isinstance(step, int) and step < len(body):
            body = body[step]
        else:
            return None
    return body


def spelled_path(body: object, path: str) -> list[str]:
    """A dotted snake_case path as the document spells it, snake_case or camelCase."""
    spelled: list[str] = []
    for step in path.split("."):
        if isinstance(body, YamlMap) and step not in body:
            head, *tail = step.split("_")
            camel = head + "".join(part.title() for part in tail)
            step = camel if camel in body else step  # noqa: PLW2901 -- the same step, as it is written
        spelled.append(step)
        body = body.get(step) if isinstance(body, YamlMap) else None
    return spelled


def _mark(node: Node) -> Mark:
    mark = node.start_mark
    return mark.line + 1, mark.column + 1


class _Parser(yaml.CSafeLoader):
    """The C parser and composer only; values are resolved by `build`."""

    def resolve(self, kind: object, value: object, implicit: object) -> str:
        """Leave every untagged node untagged."""
        del self, kind, value, implicit
        return _UNTAGGED


_UNTAGGED = "?"
_TEXT = "tag:yaml.org,2002:str"
_TAGS = {
    MappingNode: {_UNTAGGED, "tag:yaml.org,2002:map"},
    SequenceNode: {_UNTAGGED, "tag:yaml.org,2002:seq"},
    ScalarNode: {_UNTAGGED, _TEXT},
}


@dataclass(frozen=True, slots=True)
class Composed:
    """One document as nodes, before variables.

    Attributes:
        kind: its `kind`, when that can be told without building it.
    """

    file: str
    root: Node
    kind: str | None

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.file, *_mark(self.root))


def compose(file: str, text: str, problems: Problems) -> Iterator[Composed]:
    """The documents of a file that say anything; ends with a noted problem where the syntax is broken."""
    from reconciler.manifests.syntax import explain_syntax, refuse_unreadable

    if refuse_unreadable(file, text, problems):
        return
    parser = _Parser(text)
    try:
        while parser.check_node():
            root = parser.get_node()
            if root is None:
                break
            if isinstance(root, ScalarNode) and not root.style and resolve(root.value) is None:
                continue
            yield Composed(file, root, _kind(root))
    except yaml.YAMLError as error:
        explain_syntax(file, text, error, problems)
    finally:
        parser.dispose()


def _kind(root: Node) -> str | None:
    if isinstance(root, MappingNode):
        for key, value in root.value:
            if isinstance(value, ScalarNode) and key.value == "kind":
                return str(value.value)
    return None


def build(
    document: Composed, problems: Problems, variables: Mapping[str, str], *, literal: bool = False
) -> object:
    """A document's value, with variables put in; problems are noted, and what is sound is still built.

    Args:
        document: from `compose`.
        problems: where to note what is wrong.
        variables: name to value.
        literal: leave `${…}` alone.
    """
    builder = _Builder(document.file, problems, variables)
    return builder.value(document.root, 1, literal=literal)


class _Builder:
    """The walk over one document's nodes."""

    def __init__(self, file: str, problems: Problems, variables: Mapping[str, str]) -> None:
        self._file = file
        self._problems = problems
        self._variables = variables
        self._count = 0
        self._expanded = 0
        self._built: dict[tuple[int, bool], tuple[object, int]] = {}
        self._open: set[int] = set()

    def _error(self, node: Node, summary: str, detail: str = "") -> None:
        self._problems.error(Place(self._file, *_mark(node)), summary, detail)

    def value(self, node: Node, depth: int, *, literal: bool) -> object:
        self._count += 1
        if type(node) is ScalarNode:
            return self._scalar(node, literal=literal)
        if node.tag not in _TAGS[type(node)]:
            self._unknown_tag(node)
        if depth > DEPTH_LIMIT:
            self._error(node, f"nested more than {DEPTH_LIMIT} levels deep", "Nothing in a manifest is.")
            return None
        identity = id(node)
        if identity in self._open:
            self._error(node, "an alias stands inside its own anchor", "Write the value out.")
            return None
        key = (identity, literal)
        if key in self._built:
            return self._aliased(node, *self._built[key])
        self._open.add(identity)
        before = self._count
        built = (
            self._mapping(node, depth, literal=literal)
            if type(node) is MappingNode
            else self._sequence(cast("SequenceNode", node), depth, literal=literal)
        )
        self._open.remove(identity)
        self._built[key] = (built, self._count - before)
        return built

    def _aliased(self, node: Node, built: object, size: int) -> object:
        self._count += size
        self._expanded += size
        if self._expanded <= EXPANSION_LIMIT:
            return built
        self._error(
            node,
            f"the aliases of this document stand for more than {EXPANSION_LIMIT:,} values",
            "Write the values out, or put the examples into a data file.",
        )
        return None

    def _unknown_tag(self, node: Node) -> None:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        self._error(node, f"the tag {tag} is not known here", "Remove it: manifests are plain YAML.")

    def _scalar(self, node: ScalarNode, *, literal: bool) -> object:
        text: str = node.value
        if "${" in text and not literal:
            text, unresolved = substitute(text, self._variables)
            for summary, detail in unresolved:
                self._error(node, summary, detail)
            return text
        if node.tag != _UNTAGGED:
            if node.tag != _TEXT:
                self._unknown_tag(node)
            return text
        return text if node.style else resolve(text)

    def _sequence(self, node: SequenceNode, depth: int, *, literal: bool) -> YamlList:
        built = YamlList(_mark(node))
        for item in node.value:
            value = self.value(item, depth + 1, literal=literal)
            if value is None and type(item) is ScalarNode:
                self._error(item, "an item of the list has no value", "Give it one, or remove it.")
            built.append(value)
            built.nodes.append(item)
        return built

    def _mapping(self, node: MappingNode, depth: int, *, literal: bool) -> YamlMap:
        built = YamlMap(_mark(node))
        merged: list[tuple[Node, Node]] = []
        for key, value in node.value:
            name = self._key(key)
            if name is None:
                continue
            if name == "<<" and not key.style:
                merged.append((key, value))
                continue
            if name in built:
                first = Place(self._file, *key_mark(built, name))
                self._error(key, f"the key {name!r} is there twice, first at {first}", "Remove one of them.")
                continue
            # what is inside a data set is data: "${" there is text to learn
            inner = self.value(
                value, depth + 1, literal=literal or (name == "examples" and depth >= _DATA_DEPTH)
            )
            if inner is None and type(value) is ScalarNode:
                self._error(key, f"{name} has no value", "Give it one, or remove the key.")
            built[name] = inner
            built.nodes[name] = (key, value)
        for key, value in merged:
            self._merge(built, key, value, depth, literal=literal)
        return built

    def _key(self, key: Node) -> str | None:
        if isinstance(key, ScalarNode) and key.tag in {_UNTAGGED, _TEXT}:
            name: str = key.value
            if key.style or isinstance(resolve(name), str):
                return name
            self._error(key, f"the key {name or 'null'} is not text", "Put it in quotes, if it is meant.")
        elif isinstance(key, ScalarNode):
            self._unknown_tag(key)
        else:
            self._error(key, "a key must be a single text", "Write KEY: VALUE.")
        return None

    def _merge(self, built: YamlMap, key: Node, value: Node, depth: int, *, literal: bool) -> None:
        """`<<`: entries of other mappings; the mapping's own keys win, then the earlier ones."""
        sources = value.value if isinstance(value, SequenceNode) else [value]
        for source in sources:
            other = self.value(source, depth + 1, literal=literal)
            if not isinstance(other, YamlMap):
                self._error(key, "'<<' takes a mapping or a list of mappings", "Write <<: *ANCHOR.")
                continue
            for name, inner in other.items():
                if name not in built:
                    built[name] = inner
                    built.nodes[name] = other.nodes[name]


def opens_deeply(text: str) -> bool:
    """Whether a document might nest so deeply that composing it would exhaust the C stack.

    libyaml has no limit and PyYAML composes recursively: 100,000 brackets end the process. A cheap bound
    decides whether the exact, slower look at the events is needed.
    """
    if _INDENTED.search(text):
        return True
    if text.count("[") + text.count("{") <= _SAFE_DEPTH:
        return False
    # no collection goes on across a document marker
    return any(part.count("[") + part.count("{") > _SAFE_DEPTH for part in text.split("\n---"))


_SAFE_DEPTH = 1000
_INDENTED = re.compile(r"^[ \t?:-]{500}", re.MULTILINE)


def too_deep(text: str) -> Mark | None:
    """Where a text nests beyond the limit, by its events, which need no recursion."""
    parser = _Parser(text)
    depth = 0
    try:
        while parser.check_event():
            event = parser.get_event()
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_LIMIT and event.start_mark is not None:
                    return event.start_mark.line + 1, event.start_mark.column + 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        # told by composing it, which stops at the same character
        return None
    finally:
        parser.dispose()
    return None
