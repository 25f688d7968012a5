"""Select the addresses that a command line means: --target, --exclude, and the ADDR that commands take.

Rule: a pattern means the same in every command. A pattern that matches nothing is an error, because it may be
a typing error. An address that no manifest declares has no labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from reconciler.errors import Diagnostic
from reconciler.model.names import Address

Labels: TypeAlias = Mapping[str, str]
Known: TypeAlias = Mapping[Address, Labels | None]
"""Every declared or recorded address, with its labels; None if no manifest declares it."""

_LISTED = 5
"""The largest number of labels or addresses that a message names."""


def matches(address: Address, labels: Labels | None, pattern: str) -> bool:
    """Return whether a pattern matches this address.

    A pattern is KIND/NAME or NAME, with shell wildcards, or KEY=VALUE for a label.
    """
    key, equals, value = pattern.partition("=")
    if equals:
        return labels is not None and key in labels and fnmatchcase(labels[key], value)
    return fnmatchcase(str(address), pattern) or fnmatchcase(address.name, pattern)


def choose(known: Known, targets: Collection[str], excludes: Collection[str]) -> frozenset[Address]:
    """Choose the addresses that any target matches (all if there are no targets) and no exclude matches."""
    if not targets and not excludes:
        return frozenset(known)
    return frozenset(
        address
        for address, labels in known.items()
        if (not targets or any(matches(address, labels, pattern) for pattern in targets))
        and not any(matches(address, labels, pattern) for pattern in excludes)
    )


def list_unknown(known: Known, patterns: Iterable[str], *, advice: str = "") -> list[Diagnostic]:
    """List an error for each pattern that matches nothing. It gives `advice` if no similar name is known."""
    return [
        Diagnostic(f"nothing is called {pattern or repr(pattern)}", _choose_advice(known, pattern, advice))
        for pattern in sorted(set(patterns))
        if not any(matches(address, labels, pattern) for address, labels in known.items())
    ]


def warn_of_unlabelled(known: Known, patterns: Iterable[str]) -> str:
    """Say that a selection by label leaves out the models that are only recorded; "" if there are none."""
    if not any("=" in pattern for pattern in patterns):
        return ""
    bare = sorted(str(address) for address, labels in known.items() if labels is None)
    if not bare:
        return ""
    named = ", ".join(bare[:_LISTED]) + (f" and {len(bare) - _LISTED:,} more" if len(bare) > _LISTED else "")
    return f"Only manifests have labels: a label never selects a model that is only recorded ({named})."


def _choose_advice(known: Known, pattern: str, otherwise: str) -> str:
    if "=" in pattern:
        labels = sorted(
            {f"{key}={value}" for labels in known.values() for key, value in (labels or {}).items()}
        )
        if close := _find_close(pattern, labels):
            return f"Did you mean {close[0]}?"
        if labels:
            return f"Labels here: {', '.join(labels[:_LISTED])}{' …' if len(labels) > _LISTED else ''}"
        return "No manifest has labels"
    names = [name for address in known for name in (str(address), address.name)]
    if close := _find_close(pattern, names):
        return f"Did you mean {close[0]}?"
    return otherwise or "No manifest declares it, and no record has it"


def _find_close(pattern: str, known: Sequence[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(pattern, known, n=1)
