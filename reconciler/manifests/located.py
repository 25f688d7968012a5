"""YAML's mappings and lists, which remember where they and their values stand. `yaml_builder` fills them."""

from __future__ import annotations

from typing import TypeAlias

from reconciler.problems import write_scalar

Mark: TypeAlias = tuple[int, int]
"""Line and column, 1-based: a `Place` without its file, of which there are millions."""


class YamlMap(dict[str, object]):
    """A mapping that knows its place, and the places of its keys and values.

    Attributes:
        texts: the text of numbers and booleans in an unusual spelling (1.10, 1e-3, True).
    """

    __slots__ = ("key_marks", "mark", "texts", "value_marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.texts: dict[str, str] | None = None
        self.key_marks: dict[str, Mark] = {}
        self.value_marks: dict[str, Mark] = {}

    def get_text(self, key: str) -> str:
        """Get the single value of a key as it was written."""
        texts = self.texts or {}
        return texts[key] if key in texts else write_scalar(self[key])


class YamlList(list[object]):
    """A list that knows its place, and the places of its items."""

    __slots__ = ("mark", "marks")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []
