"""What spans documents: addresses and ids that are there once, sources that exist, and no circles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.model import Address
from reconciler.problems import Place, Problems, find_nearest


@dataclass(frozen=True, slots=True)
class Seen:
    """What other documents must know of one, sound or not.

    Attributes:
        address: of the model.
        place: where its name stands.
        id: the pinned id, "" if none, and where it stands.
        imports: the id or resource name of the live model that it imports, "" if none, and where it stands.
        parent: the manifest that it is tuned from, None if none, and where that stands.
        moved_from: the address that it had before, None if none, and where that stands.
    """

    address: Address
    place: Place
    id: str
    id_place: Place
    imports: str
    import_place: Place
    parent: Address | None
    parent_place: Place
    moved_from: Address | None
    moved_from_place: Place


def check_references(seen: Sequence[Seen], problems: Problems, *, whole: bool) -> None:
    """Note duplicates, sources that nobody declares (only when everything is loaded), and circles."""
    first: dict[Address, Seen] = {}
    ids: dict[tuple[str, str], Seen] = {}
    for one in seen:
        before = first.setdefault(one.address, one)
        if before is not one:
            problems.error(
                one.place,
                f"{one.address} is declared twice, first at {before.place}",
                "Rename one of them, or remove it.",
                address=str(one.address),
            )
        if one.id:
            owner = ids.setdefault((one.address.kind, one.id), one)
            if owner is not one:
                problems.error(
                    one.id_place,
                    f"the id {one.id!r} is pinned twice, first at {owner.id_place}",
                    "An id belongs to one model: change one of them.",
                    address=str(one.address),
                )
    _check_imports(first, problems)
    names = sorted({address.name for address in first})
    for one in first.values():
        if whole and one.parent is not None and one.parent not in first:
            near = find_nearest(one.parent.name, [name for name in names if name != one.address.name])
            problems.error(
                one.parent_place,
                f"{one.parent} is declared nowhere",
                f"Did you mean {one.parent.kind}/{near}?"
                if near
                else "Declare it, or name a live model by its resource name.",
                address=str(one.address),
            )
    _check_moves(first, problems)
    _check_circles(first, problems)


def _check_imports(first: dict[Address, Seen], problems: Problems) -> None:
    """Note a live model that is imported twice, or imported by one and pinned by another."""
    owners = {(one.address.kind, one.id): (one, one.id_place) for one in first.values() if one.id}
    for one in first.values():
        if not one.imports:
            continue
        owner, place = owners.setdefault((one.address.kind, one.imports), (one, one.import_place))
        if owner is not one:
            problems.error(
                one.import_place,
                f"{one.address} and {owner.address} name one live model, {one.imports!r}, first at {place}",
                "A model belongs to one address: change one of them.",
                address=str(one.address),
            )


def _check_moves(first: dict[Address, Seen], problems: Problems) -> None:
    """Note a former address that cannot be one: of another kind, declared still, or taken twice."""
    takers: dict[Address, Seen] = {}
    for one in first.values():
        former = one.moved_from
        if former is None:
            continue
        taker = takers.setdefault(former, one)
        if former == one.address:
            problem, advice = f"{former} is its own name", "Remove the line."
        elif former.kind != one.address.kind:
            problem = f"{former} is of another kind, and cannot become {one.address}"
            advice = "The kind says which service a model lives in: remove the line."
        elif former in first:
            problem = f"{former} is declared still, at {first[former].place}"
            advice = f"Remove that manifest, or this line: one record cannot be {former} and {one.address}."
        elif taker is not one:
            problem = f"{former} became {taker.address} already, at {taker.moved_from_place}"
            advice = f"One record cannot be {taker.address} and {one.address}: remove one of the two lines."
        else:
            continue
        summary = f"metadata.moved_from: {problem}"
        problems.error(one.moved_from_place, summary, advice, address=str(one.address))


def _check_circles(first: dict[Address, Seen], problems: Problems) -> None:
    done: set[Address] = set()
    for start in sorted(first):
        trail: dict[Address, None] = {}
        at: Address | None = start
        while at is not None and at in first and at not in done and at not in trail:
            trail[at] = None
            at = first[at].parent
        if at is not None and at in trail:
            circle = list(trail)[list(trail).index(at) :]
            problems.error(
                first[circle[0]].parent_place,
                f"tuned from itself: {' from '.join(str(one) for one in (*circle, circle[0]))}",
                "Give one of them a base_model.",
                address=str(circle[0]),
            )
        done.update(trail)
