"""Which addresses a command line means: --target, --exclude, and the ADDR that commands take.

Rule: one meaning in every command. What nothing is called is an error, since a slip would do the wrong thing;
what no manifest declares has no labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeAlias

from reconciler.errors import Diagnostic
from reconciler.model import Address

Labels: TypeAlias = Mapping[str, str]
Known: TypeAlias = Mapping[Address, Labels | None]
"""Every address that is declared or recorded, with its labels; None where no manifest declares it."""

_LISTED = 5
"""Labels named where one is mistyped."""


def matches(address: Address, labels: Labels | None, pattern: str) -> bool:
    """Whether a pattern means this address.

    KIND/NAME or NAME, with shell wildcards, or KEY=VALUE for a label.
    """
    key, equals, value = pattern.partition("=")
    if equals:
        return labels is not None and key in labels and fnmatchcase(labels[key], value)
    return fnmatchcase(str(address), pattern) or fnmatchcase(address.name, pattern)


def choose(known: Known, targets: Collection[str], excludes: Collection[str]) -> frozenset[Address]:
    """Those that any target means (all, where there is none) and no exclude does."""
    return frozenset(
        address
        for address, labels in known.items()
        if (not targets or any(matches(address, labels, one) for one in targets))
        and not any(matches(address, labels, one) for one in excludes)
    )


def list_unknown(known: Known, patterns: Iterable[str], *, advice: str = "") -> list[Diagnostic]:
    """An error for each pattern that means nothing; `advice` for where nothing like it is known."""
    return [
        Diagnostic(f"nothing is called {pattern or repr(pattern)}", _choose_advice(known, pattern, advice))
        for pattern in sorted(set(patterns))
        if not any(matches(address, labels, pattern) for address, labels in known.items())
    ]


def warn_of_unlabelled(known: Known, patterns: Iterable[str]) -> str:
    """What a selection by label leaves unsaid: that what is only recorded has none; "" where it says all."""
    if not any("=" in pattern for pattern in patterns):
        return ""
    bare = sorted(str(address) for address, labels in known.items() if labels is None)
    if not bare:
        return ""
    named = ", ".join(bare[:_LISTED]) + (f" and {len(bare) - _LISTED:,} more" if len(bare) > _LISTED else "")
    return f"Labels stand in manifests: no label means what is only recorded ({named})."


def _choose_advice(known: Known, pattern: str, otherwise: str) -> str:
    if "=" in pattern:
        labels = sorted({f"{key}={value}" for one in known.values() for key, value in (one or {}).items()})
        if close := get_close_matches(pattern, labels, n=1):
            return f"Did you mean {close[0]}?"
        if labels:
            return f"Labels here: {', '.join(labels[:_LISTED])}{' …' if len(labels) > _LISTED else ''}"
        return "No manifest has labels"
    names = [name for one in known for name in (str(one), one.name)]
    if close := get_close_matches(pattern, names, n=1):
        return f"Did you mean {close[0]}?"
    return otherwise or "No manifest declares it, and no record has it"
