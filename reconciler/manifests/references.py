"""Checks documents against each other: unique addresses and ids, sources that exist, and no circles."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from reconciler.manifests.documents import Document
from reconciler.model.names import Address
from reconciler.problems import find_nearest


class Declaration(Struct, frozen=True):
    """A document with a name, as other documents must know it, even if it has problems.

    Attributes:
        address: the model's address.
        document: the document that declares it.
        id: the pinned id, "" if none.
        imports: the id or resource name of the live model that it imports, "" if none.
        parent: the address of the model that it is tuned or copied from, None if none.
        parent_path: the path of the key that names the parent.
        moved_from: the address that it had before, None if none.
        endpoint: the id of its stable endpoint, and where it is; ("", "") if none.
        trains: whether its create is a training, and no copy.
    """

    address: Address
    document: Document
    id: str
    imports: str
    parent: Address | None
    parent_path: str
    moved_from: Address | None
    endpoint: tuple[str, str] = ("", "")
    trains: bool = True

    def error(self, path: str, summary: str, detail: str) -> None:
        """Note an error at a path."""
        self.document.at(path).error(summary, detail, address=str(self.address))


def parse_former(text: str, kind: str) -> Address | None:
    """Parse `metadata.moved_from`, of a model of this kind. None if the text is no address."""
    try:
        return Address.parse(text if "/" in text else f"{kind}/{text}")
    except ValueError:
        return None


_NAME, _ID, _IMPORT, _MOVED = "metadata.name", "metadata.id", "metadata.import", "metadata.moved_from"
_ENDPOINT = "serving.endpoint"


def check_references(declarations: Sequence[Declaration], *, whole: bool) -> None:
    """Note duplicates, circles, and (only if everything is loaded) sources that nobody declares."""
    first: dict[Address, Declaration] = {}
    for model in declarations:
        before = first.setdefault(model.address, model)
        if before is not model:
            summary = f"{model.address} is declared twice, first at {before.document.at(_NAME).place}"
            model.error(_NAME, summary, "Rename one of them, or remove it.")
    _check_ids(declarations)
    _check_imports(first)
    _check_endpoints(declarations)
    if whole:
        _check_parents(first)
    _check_moves(first)
    _check_circles(first)


def _check_ids(declarations: Sequence[Declaration]) -> None:
    owners: dict[tuple[str, str], Declaration] = {}
    for model in declarations:
        owner = owners.setdefault((model.address.kind, model.id), model) if model.id else model
        if owner is not model:
            summary = f"the id {model.id!r} is pinned twice, first at {owner.document.at(_ID).place}"
            model.error(_ID, summary, "An id belongs to one model: change one of them.")


def _check_endpoints(declarations: Sequence[Declaration]) -> None:
    """Note an endpoint that two addresses declare: each would send all its traffic to its own model."""
    owners: dict[tuple[str, ...], Declaration] = {}
    for model in declarations:
        id = model.endpoint[0]
        if not id:
            continue
        owner = owners.setdefault((*model.endpoint, model.document.at("metadata.project").text), model)
        if owner is not model and owner.address != model.address:
            first = owner.document.at(_find_endpoint_path(owner)).place
            model.error(
                _find_endpoint_path(model),
                f"{model.address} and {owner.address} have one endpoint, {id!r}, first at {first}",
                "An endpoint serves one address: give one of them another serving.endpoint.",
            )


def _find_endpoint_path(model: Declaration) -> str:
    """Return the path of the key that names the endpoint: the model's own name, if nothing else does."""
    return _ENDPOINT if model.document.at(_ENDPOINT).is_there else _NAME


def _check_imports(first: dict[Address, Declaration]) -> None:
    """Note a live model that is imported twice, or imported by one and pinned by another."""
    owners = {(model.address.kind, model.id): (model, _ID) for model in first.values() if model.id}
    for model in first.values():
        if not model.imports:
            continue
        owner, path = owners.setdefault((model.address.kind, model.imports), (model, _IMPORT))
        if owner is not model:
            model.error(
                _IMPORT,
                f"{model.address} and {owner.address} name one live model, {model.imports!r}, "
                f"first at {owner.document.at(path).place}",
                "A model belongs to one address: change one of them.",
            )


def _check_parents(first: dict[Address, Declaration]) -> None:
    for model in first.values():
        if model.parent is None or model.parent in first:
            continue
        kind = model.parent.kind
        names = sorted(other.name for other in first if other.kind == kind and other != model.address)
        near = find_nearest(model.parent.name, names)
        meant = f"Did you mean {model.parent.kind}/{near}?" if near else ""
        model.error(
            model.parent_path,
            f"{model.parent} is declared nowhere",
            meant or "Declare it, or name a live model by its resource name.",
        )


def _check_moves(first: dict[Address, Declaration]) -> None:
    """Note each former address that has another kind, is still declared, or is used twice."""
    takers: dict[Address, Declaration] = {}
    for model in first.values():
        former = model.moved_from
        if former is None:
            continue
        taker = takers.setdefault(former, model)
        if former == model.address:
            problem, advice = f"{former} is already its name", "Remove the line."
        elif former.kind != model.address.kind:
            problem = f"{former} is of another kind, and cannot become {model.address}"
            advice = "The kind says which service a model lives in: remove the line."
        elif former in first:
            problem = f"{former} is still declared, at {first[former].document.at(_NAME).place}"
            advice = f"Remove that manifest, or this line: one record cannot be {former} and {model.address}."
        elif taker is not model:
            problem = f"{former} became {taker.address} already, at {taker.document.at(_MOVED).place}"
            advice = f"One record cannot be {taker.address} and {model.address}: remove one of the two lines."
        else:
            continue
        model.error(_MOVED, f"metadata.moved_from: {problem}", advice)


def _check_circles(first: dict[Address, Declaration]) -> None:
    done: set[Address] = set()
    for start in sorted(first):
        trail: dict[Address, None] = {}
        at: Address | None = start
        while at is not None and at in first and at not in done and at not in trail:
            trail[at] = None
            at = first[at].parent
        if at is not None and at in trail:
            circle = list(trail)[list(trail).index(at) :]
            owner = first[circle[0]]
            way = " from ".join(map(str, (*circle, circle[0])))
            how, advice = (
                ("tuned", "Give one of them a base_model.")
                if owner.trains
                else ("copied", "Name a model as the source of one of them that is trained.")
            )
            owner.error(owner.parent_path, f"{circle[0]} is {how} from itself: {way}", advice)
        done.update(trail)
