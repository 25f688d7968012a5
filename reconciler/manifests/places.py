"""Finds the places of fields when a message needs one, because hardly any message does.

Rule: keep only the text of the file, not its parsed documents. There may be thousands of them in memory.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping

from reconciler.kind import Kind
from reconciler.manifests.documents import Document
from reconciler.manifests.located import Mark
from reconciler.model.names import Attributes

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


class _LazyPlaces(Mapping[str, Mark]):
    """Maps paths to line and column. They are found when the first one is asked for."""

    __slots__ = ("_found", "_number", "_text")

    def __init__(self, document: Document) -> None:
        self._text, self._number = document.text, document.number
        self._found: dict[str, Mark] | None = None

    def __getitem__(self, path: str) -> Mark:
        """Find the place of a path. KeyError if it is not declared."""
        return self._get()[path]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the paths."""
        return iter(self._get())

    def __len__(self) -> int:
        """Count the paths."""
        return len(self._get())

    def _get(self) -> dict[str, Mark]:
        if self._found is None:
            self._found = self._find(self._text.read_with_places(self._number))
        return self._found

    @abstractmethod
    def _find(self, document: Document) -> dict[str, Mark]:
        """Find all places in a document whose values know them."""


class Places(_LazyPlaces):
    """The paths of a model's attributes, of its data and of what is beside spec."""

    __slots__ = ("_attributes", "_kind")

    def __init__(self, document: Document, attributes: Attributes, kind: Kind) -> None:
        super().__init__(document)
        self._attributes, self._kind = attributes, kind

    def _find(self, document: Document) -> dict[str, Mark]:
        ways = {path: path if path.startswith(BESIDE) else f"spec.{path}" for path in self._attributes}
        found = {path: document.at(way).mark for path, way in ways.items()}
        if self._kind.data_field:
            found[self._kind.data_field] = document.at(f"spec.{self._kind.data_field}").key_mark
        others = ((path, document.at(path)) for path in _OTHERS)
        return found | {path: node.mark for path, node in others if node.value is not None}


class StackPlaces(_LazyPlaces):
    """The paths of what a Stack sets."""

    __slots__ = ()

    def _find(self, document: Document) -> dict[str, Mark]:
        spec = document.at("spec")
        keys = spec.value if isinstance(spec.value, dict) else ()
        found = {f"spec.{key}": spec.at([key]).mark for key in keys}
        entries = enumerate(document.at("spec.base_models").items)
        return found | {f"spec.base_models[{index}]": entry.mark for index, entry in entries}
