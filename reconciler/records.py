"""Finds, selects and moves records by the names that users give. Rule: it does not ask a service."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from reconciler.errors import StateError, UsageError
from reconciler.kind import Kind
from reconciler.model.names import NAME_LIMIT, Address
from reconciler.plan.selection import Known, choose, list_unknown
from reconciler.state.values import Record, State


def resolve(
    name: str, known: Iterable[Address], advice: str = "reconciler state list shows what there is"
) -> Address:
    """Find the address that KIND/NAME means, or NAME if it is unique. UsageError if there is none."""
    addresses = sorted(known)
    hits = find_named(name, addresses)
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise UsageError(f"{name} is ambiguous: {', '.join(map(str, hits))}", "Give KIND/NAME")
    from difflib import get_close_matches

    # compare names alone: with the same kind before them, all of them would be similar
    kind, _, short = name.rpartition("/")
    near = get_close_matches(short, [one.name for one in addresses], n=1)
    meant = [str(one) if kind else one.name for one in addresses if one.name in near]
    if not addresses:
        advice = (
            "This state records no model: apply first, or check --state (--emulator has a state of its own)"
        )
    raise UsageError(f"nothing is called {name}", f"Did you mean {' or '.join(meant)}?" if near else advice)


def find_named(name: str, known: Iterable[Address]) -> list[Address]:
    """Find the addresses with this KIND/NAME or NAME, sorted."""
    return sorted(one for one in known if name in {str(one), one.name})


def select(
    known: Known, targets: Sequence[str], excludes: Sequence[str] = (), *, advice: str = ""
) -> list[Address]:
    """Select what any target matches and no exclude does, sorted. Without targets, all is selected first.

    Args:
        known: what can be selected.
        targets: patterns.
        excludes: patterns.
        advice: what to do about a pattern that matches nothing. "" for what manifests and records suggest.

    Raises:
        UsageError: a pattern matches nothing.
    """
    for error in list_unknown(known, (*targets, *excludes), advice=advice):
        raise UsageError(error.summary, error.detail)
    return sorted(choose(known, targets, excludes))


_SHOWN = 5
"""The number of things that one line names."""


def describe_unknown(state: State, kinds: Mapping[str, Kind]) -> str:
    """Name in one line what a newer version recorded, and this one keeps unchanged. "" for nothing."""
    records = (state.resources[address] for address in sorted(state.resources))
    found = [name for record in records for name in _list_unknown(record, kinds)]
    if not found:
        return ""
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return (
        f"Kept as recorded, and not known to this version: {', '.join(found[:_SHOWN])}{more}. A newer "
        "Reconciler wrote it: upgrade to use it."
    )


def _list_unknown(record: Record, kinds: Mapping[str, Kind]) -> list[str]:
    kind = kinds.get(record.address.kind)
    if kind is None:
        return [f"{record.address} (kind {record.address.kind})"]
    found = sorted(record.unknown)
    for model in record.models:
        keys = {*model.unknown, *[key for data in model.data for key in data.unknown]}
        keys.update(key for grant in model.permissions or () for key in grant.unknown)
        found += [f"{model.id}: {key}" for key in sorted(keys)]
        new = [path for path in model.sent if path not in kind.fields]
        found += [f"{model.id}: sent: {path}" for path in sorted(new)]
    return [f"{record.address}: {what}" for what in found]


def require_known_kinds(addresses: Iterable[Address], kinds: Mapping[str, Kind]) -> None:
    """Raise UsageError for a record of a kind that only a newer version knows: it stays unchanged."""
    for address in addresses:
        if address.kind not in kinds:
            raise UsageError(
                f"{address}: this version knows no kind {address.kind}, so its record stays as it is",
                "A newer Reconciler wrote it. Upgrade, in its source's folder: git pull && pip install .",
            )


def move(state: State, source: Address, target: Address) -> State:
    """Move a record to another address. Its ids stay."""
    if target in state.resources:
        raise StateError(
            f"{target} is recorded already", f"Move it first: reconciler state mv {target.word} NEW_ADDR"
        )
    if source.kind != target.kind:
        raise UsageError(
            f"{source} cannot become {target}: the kind says which service it lives in",
            f"Give {source.kind}/NAME",
        )
    if not re.fullmatch(rf"[a-z0-9-]{{1,{NAME_LIMIT}}}", target.name):
        raise UsageError(
            f"{target.name!r} cannot be a metadata.name", f"At most {NAME_LIMIT} of a-z, 0-9 and -"
        )
    record = replace(state.resources[source], address=target)
    return state.put(Record(source), record)
