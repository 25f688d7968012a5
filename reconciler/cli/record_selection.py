"""What a command line means of what is recorded: an ADDR, wildcards, labels, or paths of manifests.

For commands that work on records and read of the manifests the Stack only. An address wins over a path of the
same name. Other manifests are looked at for names and labels alone, and only where those are asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.cli import wiring
from reconciler.errors import ReconcilerError, UsageError
from reconciler.manifests import Loaded, Names, load_names
from reconciler.model import Address
from reconciler.plan.selection import Labels, without_labels

if TYPE_CHECKING:
    from reconciler.state.values import Record, State

_NAMED = 5
_ADDRESS = re.compile(r"(?:[A-Z][A-Za-z]*/)?[a-z0-9-]+")


def may_be_address(word: str) -> bool:
    """Whether it has the form of KIND/NAME or NAME, so that only a state can tell."""
    return _ADDRESS.fullmatch(word) is not None


class Chosen:
    """The selection of one command line.

    Args:
        word: the first argument, None where there is none.
        given: the other options of the command.
        of_paths: the word may be a path; else it is an address or a pattern.

    Attributes:
        options: for `connect.operation`.
        note: what is worth saying of a selection by label, once it was made.
    """

    def __init__(self, word: str | None, given: Mapping[str, Any], *, of_paths: bool = True) -> None:
        settings, inputs = wiring.split(given)
        self._word, self._of_paths = word, of_paths
        self._paths = tuple(settings.pop("paths", ()))
        self._inputs = inputs
        is_path = word is not None and not may_be_address(word) and self._exists(word)
        places = (word, *self._paths) if word is not None and is_path else self._paths
        self.note = ""
        self._declared: Names | None = None
        self.options = wiring.Options(**settings, inputs=inputs, need=False)
        if not _within_default(places):
            self.options = replace(self.options, paths=places, selecting=is_path)

    def exact(self, state: State) -> Record | None:
        """The one record that the word names as it is; None where words and options select."""
        from reconciler.records import named

        hits = named(self._word, state.resources) if self._word is not None else []
        return state.resources[hits[0]] if len(hits) == 1 and not self._inputs.targets else None

    def records(self, loaded: Loaded, state: State) -> tuple[Record, ...]:
        """The records that are meant, sorted.

        Raises:
            UsageError: a word or an option means nothing, or NAME is of two kinds.
            ManifestError: labels or paths are asked for, and the manifests that hold them cannot be read.
        """
        from reconciler.records import NO_RECORD, named, resolve, selected

        targets, excludes = list(self._inputs.targets), self._inputs.excludes
        paths: tuple[str, ...] = ()
        if self._word is not None:
            if not named(self._word, state.resources) and self._exists(self._word):
                paths = (self._word, *self._paths)
            elif may_be_address(self._word):
                targets.append(str(resolve(self._word, state.resources, NO_RECORD)))
            else:
                targets.append(self._word)
        asks_labels = any("=" in pattern for pattern in (*targets, *excludes))
        names = self._names(loaded, paths) if paths or asks_labels else {}
        known: dict[Address, Labels | None] = {**dict.fromkeys(state.resources), **names}
        if paths:
            known = {one: known[one] for one in names}
        self.note = without_labels(known, (*targets, *excludes))
        found = selected(known, targets, excludes, advice="reconciler state list shows what is recorded")
        return tuple(state.resources[one] for one in found if one in state.resources)

    def one(self, loaded: Loaded, state: State) -> Record:
        """The single record that is meant. UsageError for several."""
        found = self.records(loaded, state)
        if len(found) != 1:
            names = ", ".join(str(one.address) for one in found[:_NAMED])
            names += " …" if len(found) > _NAMED else ""
            raise UsageError(
                f"{self._word} means {len(found)} models: {names}" if found else f"no record of {self._word}",
                "Give the KIND/NAME of one; reconciler state list shows what is recorded",
            )
        return found[0]

    def _exists(self, word: str) -> bool:
        return self._of_paths and os.path.lexists(word)

    def tried(self, loaded: Loaded, state: State) -> tuple[Record, ...]:
        """The same; none where they cannot be told, which is an error once the state is known to be ours."""
        try:
            return self.records(loaded, state)
        except ReconcilerError:
            return ()

    def _names(self, loaded: Loaded, paths: Sequence[str]) -> Names:
        """What the manifests declare, those of the default folder where no path is given."""
        given = paths or self._paths or (wiring.DEFAULT_PATH,)
        if not paths and not os.path.lexists(given[0]):
            return {}
        if self._declared is None:
            values = {**loaded.stack.variables, **wiring.variables(self.options, os.environ)}
            self._declared = load_names(given, kinds=wiring.kinds(), variables=values)
        return self._declared


def _within_default(paths: Collection[str]) -> bool:
    """Whether the manifests that a command reads by default hold all of these."""
    top = os.path.realpath(wiring.DEFAULT_PATH)
    return Path(top).is_dir() and all(
        os.path.commonpath([top, os.path.realpath(path)]) == top for path in paths
    )
