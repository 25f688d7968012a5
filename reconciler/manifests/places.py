"""Finds the places of a model's fields when a message needs one, because hardly any message does.

Rule: keep only the text of the file, not its parsed documents. There may be thousands of them in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.kind import Kind
from reconciler.manifests.documents import Document
from reconciler.manifests.located import Mark
from reconciler.model import Attributes

BESIDE = "metadata."
"""The beginning of a field's path if the field is not under spec."""

_OTHERS = (
    "metadata.id",
    "metadata.import",
    "metadata.moved_from",
    "permissions",
    "serving.endpoint",
    "serving.checkpoint",
)
"""Other paths that messages point at."""


class Places(Mapping[str, Mark]):
    """Maps the paths of a model's attributes, of its data and of what is beside spec to line and column."""

    __slots__ = ("_attributes", "_found", "_kind", "_number", "_text")

    def __init__(self, document: Document, attributes: Attributes, kind: Kind) -> None:
        self._text, self._number = document.text, document.number
        self._attributes, self._kind = attributes, kind
        self._found: dict[str, Mark] | None = None

    def __getitem__(self, path: str) -> Mark:
        """Find the place of a field. KeyError if it is not declared."""
        return self._find()[path]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the paths."""
        return iter(self._find())

    def __len__(self) -> int:
        """Count the paths."""
        return len(self._find())

    def _find(self) -> dict[str, Mark]:
        if self._found is None:
            document = self._text.read_with_places(self._number)
            ways = {path: path if path.startswith(BESIDE) else f"spec.{path}" for path in self._attributes}
            found = {path: document.at(way).mark for path, way in ways.items()}
            if self._kind.data_field:
                found[self._kind.data_field] = document.at(f"spec.{self._kind.data_field}").key_mark
            others = ((path, document.at(path)) for path in _OTHERS)
            self._found = found | {path: node.mark for path, node in others if node.value is not None}
        return self._found
