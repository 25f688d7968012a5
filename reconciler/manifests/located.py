"""Values that remember where they stand: plain dicts and lists, with the places of what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from reconciler.problems import write_scalar

Mark: TypeAlias = tuple[int, int]
"""Line and column, 1-based."""

Path: TypeAlias = Sequence[str | int]


class YamlMap(dict[str, object]):
    """A mapping that knows its place, and those of its keys and values.

    Attributes:
        texts: how numbers and booleans were written that are usually written otherwise (1.10, 1e-3, True).
    """

    __slots__ = ("key_marks", "mark", "texts", "value_marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.texts: dict[str, str] | None = None
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}

    def text_of(self, key: str) -> str:
        """The value of a key as it was written, where it is a single one."""
        texts = self.texts or {}
        return texts[key] if key in texts else write_scalar(self[key])


class YamlList(list[object]):
    """A list that knows its place, and those of its items."""

    __slots__ = ("mark", "marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []


def locate(body: object, path: Path, *, of_key: bool = False) -> Mark | None:
    """Where the value under a path stands, or its key; what contains it where there is no such value."""
    mark: Mark | None = None
    last = len(path) - 1
    for index, step in enumerate(path):
        if type(body) is YamlMap and step in body:
            # a block mapping's own mark is its first key: its parent's key is plainer for what is missing
            at_key = of_key or index < last or body[step] is None  # type: ignore[index]
            mark = (body.key_marks if at_key else body.value_marks)[step]  # type: ignore[index]
            body = body[step]  # type: ignore[index]
        elif type(body) is YamlList and isinstance(step, int) and 0 <= step < len(body):
            mark = body.marks[step]
            body = body[step]
        else:
            break
    return mark


def value_at(body: object, path: Path) -> object:
    """The value under a path; None where there is none."""
    for step in path:
        if type(body) is YamlMap and isinstance(step, str):
            body = body.get(step)
        elif type(body) is YamlList and isinstance(step, int) and step < len(body):
            body = body[step]
        else:
            return None
    return body
