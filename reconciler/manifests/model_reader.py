"""Reads the documents of models as Desired, plain ones without the schema of their kind."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.datasets.data_sets import ADVISED, DataSets, warn_of_few
from reconciler.datasets.open_cache import OpenCache
from reconciler.kind import Kind
from reconciler.manifests.content import Reading, keep_unpinned
from reconciler.manifests.documents import Document
from reconciler.manifests.places import Places
from reconciler.manifests.plain_models import PlainModels
from reconciler.manifests.references import Declaration
from reconciler.manifests.trees import Trees
from reconciler.model.checks import HeldOut
from reconciler.model.desired import Desired
from reconciler.model.stack import Stack
from reconciler.problems import Problems


class ModelReader:
    """Reads documents one by one, and remembers what later documents must know.

    Attributes:
        declarations: one for every model with a name, even if it has problems.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        stack: Stack,
        problems: Problems,
        trees: Trees,
        *,
        reads_training: bool = True,
        cache: OpenCache | None = None,
    ) -> None:
        self.declarations: list[Declaration] = []
        self._kinds = kinds
        self._stack = stack
        self._trees = trees
        self._problems = problems
        self._data_sets = DataSets(problems, reads_training=reads_training, cache=cache)
        lifecycle = keep_unpinned(stack.lifecycle)
        self._plain = {
            name: PlainModels(kind, stack, lifecycle, self._data_sets) for name, kind in kinds.items()
        }

    def read(self, document: Document) -> Desired | None:
        """Read the model that a document declares. None after noting what is wrong with it."""
        kind = self._kinds[document.kind]
        before = len(self._problems)
        reading = self._read_content(document, kind)
        known, content, data = reading.declaration, reading.content, reading.data
        if known is not None:
            self.declarations.append(known)
        if content is None or known is None or len(self._problems) > before:
            return None
        self._warn(document, reading, known, kind)
        return Desired(
            address=known.address,
            attributes=content.attributes,
            data=data,
            permissions=content.permissions,
            id=content.id,
            imports=content.imports,
            labels=content.labels,
            lifecycle=content.lifecycle,
            checks=reading.checks,
            moved_from=known.moved_from,
            manifest=self._trees.find_path(document.file),
            file=document.file,
            line=document.mark[0],
            places=Places(document, content.attributes, kind),
            serving=content.serving,
            elsewhere=content.elsewhere,
        )

    def _read_content(self, document: Document, kind: Kind) -> Reading:
        if document.is_plain and (found := self._plain[kind.name].read(document)) is not None:
            return found
        from reconciler.manifests.close_reader import read_closely
        from reconciler.manifests.kinds import find_form

        return read_closely(document, kind, find_form(kind.name), self._stack, self._data_sets)

    def _warn(self, document: Document, reading: Reading, known: Declaration, kind: Kind) -> None:
        """Warn of too few examples, and of held-out examples that the training data makes worthless."""
        if not reading.data:
            return
        (training, *others), address = reading.data, str(known.address)
        if not training.uri and training.examples < ADVISED:
            place = document.at(f"spec.{kind.data_field}").key_place
            warn_of_few(training, place, self._problems, address=address)
        for held in others:
            place = document.at(f"spec.{held.field}").key_place
            self._data_sets.warn_of_share(training, held, place, address=address)
        files = [check.to_data() for check in reading.checks if isinstance(check, HeldOut)]
        for held in (*others, *files):
            self._data_sets.warn_of_held_back(training, held, address=address)
