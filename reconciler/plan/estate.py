"""Decides which live models `import --all` takes over, and under which names.

Rule: a model that somebody else may manage is left alone unless the user asks for it. Values only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from enum import StrEnum
from fnmatch import fnmatchcase

from msgspec import Struct

from reconciler.identity import is_generation_of
from reconciler.kind import Kind
from reconciler.model.live import Live, Status
from reconciler.model.names import NAME_LIMIT, Address
from reconciler.plan.facts import SUFFIX, Facts
from reconciler.plan.rows.generations import list_ids


class Left(StrEnum):
    """The reasons why a live model gets no manifest, as clauses."""

    MANAGED = "recorded or declared already"
    FILTERED = "not what --filter names"
    FOREIGN = "labelled or named by Reconciler, and no manifest here explains it"
    FAILED = "failed to train"
    GONE = "a job whose model was deleted"
    ODD = "not understood by this version"
    INVALID = "cannot be declared"


class Wish(Struct, frozen=True):
    """The user's selection of the models to take over.

    Attributes:
        pattern: a glob over ids and display names; "" for all.
        include_foreign: take what another Stack of Reconciler may manage too.
    """

    pattern: str = ""
    include_foreign: bool = False


class Written(Struct, frozen=True):
    """A manifest.

    Attributes:
        name: resource name of the live model that it imports.
        file: where it stands; "" until it is written.
    """

    address: Address
    name: str
    text: str
    file: str = ""


class Omitted(Struct, frozen=True):
    """A live model that gets no manifest. `why` is the detail, "" if the reason says all."""

    name: str
    reason: Left
    why: str = ""


class Estate(Struct, frozen=True):
    """The live models of some kinds. `unasked`: why the service of a kind could not be asked, by kind."""

    written: tuple[Written, ...] = ()
    omitted: tuple[Omitted, ...] = ()
    unasked: tuple[tuple[str, str], ...] = ()


class Claims:
    """Tells which live models of a kind nobody manages.

    Args:
        facts: the desired, recorded and live models.
        kind: the name of the kind.
    """

    def __init__(self, facts: Facts, kind: str) -> None:
        self._facts, self._kind = facts, kind
        self._declared = [desired for desired in facts.desired.values() if desired.address.kind == kind]
        self._managed = {desired.id for desired in self._declared if desired.id}
        self._managed.update(id for address, id in facts.imports.items() if address.kind == kind)
        for record in facts.state.resources.values():
            if record.address.kind == kind:
                self._managed.update(model.id for model in record.models)
        self._suffixes: frozenset[str] | None = None

    def explain(self, live: Live, wish: Wish) -> Left | None:
        """Explain why a model gets no manifest; None if it gets one."""
        if live.id in self._managed or self._is_explained(live):
            return Left.MANAGED
        if live.status is Status.FAILED:
            return Left.FAILED
        number = live.name.rpartition("/")[2]
        shown = (live.id, number, find_display_name(self._facts.kinds[self._kind], live))
        if wish.pattern and not any(fnmatchcase(text, wish.pattern) for text in shown):
            return Left.FILTERED
        return Left.FOREIGN if _is_of_reconciler(live) and not wish.include_foreign else None

    def _is_explained(self, live: Live) -> bool:
        """Return whether the next apply adopts it for an address that is declared here."""
        if not _looks_generated(live.id):
            return False
        desired = self._facts.desired.get(Address(self._kind, live.id[:-SUFFIX]))
        if desired is not None and live.id in list_ids(self._facts, desired):
            return True
        return bool(self._facts.stack.name) and live.id[-SUFFIX:] in self._list_suffixes()

    def _list_suffixes(self) -> frozenset[str]:
        """List the ends of the ids of all unrecorded addresses. In a named Stack they prove a model ours."""
        if self._suffixes is None:
            recorded = self._facts.state.resources
            new = [desired for desired in self._declared if desired.address not in recorded and desired.data]
            ids = (id for desired in new for id in list_ids(self._facts, desired))
            self._suffixes = frozenset(id[-SUFFIX:] for id in ids)
        return self._suffixes


def _is_of_reconciler(live: Live) -> bool:
    return bool(live.label) or _looks_generated(live.id)


def _looks_generated(id: str) -> bool:
    return is_generation_of(id[:-SUFFIX], id)


def find_display_name(kind: Kind, live: Live) -> str:
    """Find the name that people gave a model; "" if there is none, or if it is not clear."""
    paths = (path for path in kind.fields if path.endswith("display_name") and path not in live.unclear)
    return next((str(live.attributes[path]) for path in paths if live.attributes.get(path)), "")


def choose_name(kind: Kind, live: Live, taken: Container[str], numbers: dict[str, int]) -> str:
    """Choose metadata.name for a live model: from its display name, or else from its id, and not taken.

    `numbers` has the last number that was tried for each name; it is kept from one call to the next.
    """
    slug = _slug(find_display_name(kind, live)) or _slug(live.id)
    if not slug[:1].isalpha():
        slug = f"{_slug(kind.name)}-{slug}".rstrip("-")
    slug = slug[:NAME_LIMIT].rstrip("-")
    name = slug
    while name in taken:
        numbers[slug] = numbers.get(slug, 1) + 1
        ending = f"-{numbers[slug]}"
        name = slug[: NAME_LIMIT - len(ending)].rstrip("-") + ending
    return name


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
