"""Finds the records that a command line selects, by address, wildcard, label or path of manifests.

For commands that work on records, and need only the Stack of the manifests. If a word is both an address and
a path, it is the address. Other manifests are read only for names and labels, if the selection needs them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconciler.cli import wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.invocation import Invocation, Need
from reconciler.errors import ReconcilerError, UsageError
from reconciler.manifests import Loaded, Names, parse_variables
from reconciler.model.names import Address
from reconciler.plan.selection import Labels, warn_of_unlabelled

if TYPE_CHECKING:
    from reconciler.state.values import Record, State

_NAMED = 5
"""Records that a message names."""
_ADDRESS = re.compile(r"(?:[A-Z][A-Za-z]*/)?[a-z0-9-]+")


def may_be_address(word: str) -> bool:
    """Return whether a word has the form of KIND/NAME or NAME."""
    return _ADDRESS.fullmatch(word) is not None


class RecordSelection:
    """The records that one command line selects.

    The word is the first argument, and may be a path of manifests if `takes_paths`.

    Attributes:
        invocation: for `wiring.open_operation`.
        remark: a warning about a selection by label, once it was made. "" for none.
    """

    def __init__(
        self, command: str, word: str | None, given: Mapping[str, Any], *, takes_paths: bool = True
    ) -> None:
        self._word, self._takes_paths = word, takes_paths
        self._paths = tuple(given["paths"])
        is_path = word is not None and not may_be_address(word) and self._is_path(word)
        places = (word, *self._paths) if word is not None and is_path else self._paths
        self.invocation = Invocation.read(command, {**given, "paths": ()}, Need.STACK)
        if not _are_in_default_folder(places):
            self.invocation = replace(self.invocation, paths=places, is_selecting=is_path)
        self.remark = ""
        self._declared: Names | None = None

    def find_exact(self, state: State) -> Record | None:
        """Find the record that the word names exactly. None if patterns, paths or options select instead."""
        from reconciler.records import find_named

        hits = find_named(self._word, state.resources) if self._word is not None else []
        return state.resources[hits[0]] if len(hits) == 1 and not self.invocation.inputs.targets else None

    def find_records(self, loaded: Loaded, state: State) -> tuple[Record, ...]:
        """Find the selected records, sorted.

        Raises:
            UsageError: a word or an option matches nothing, or NAME is of two kinds.
            ManifestError: the selection needs labels or paths, and their manifests cannot be read.
        """
        from reconciler.records import find_named, resolve, select

        inputs = self.invocation.inputs
        targets, excludes = list(inputs.targets), inputs.excludes
        paths: tuple[str, ...] = ()
        if self._word is not None:
            if not find_named(self._word, state.resources) and self._is_path(self._word):
                paths = (self._word, *self._paths)
            elif may_be_address(self._word):
                targets.append(str(resolve(self._word, state.resources)))
            else:
                targets.append(self._word)
        needs_labels = any("=" in pattern for pattern in (*targets, *excludes))
        names = self._load_names(loaded, paths) if paths or needs_labels else {}
        known: dict[Address, Labels | None] = {**dict.fromkeys(state.resources), **names}
        if paths:
            known = {address: known[address] for address in names}
        self.remark = warn_of_unlabelled(known, (*targets, *excludes))
        found = select(known, targets, excludes, advice="reconciler state list shows what is recorded")
        return tuple(state.resources[address] for address in found if address in state.resources)

    def find_record(self, loaded: Loaded, state: State) -> Record:
        """Find the only selected record. UsageError for none and for several."""
        found = self.find_records(loaded, state)
        if len(found) != 1:
            names = ", ".join(str(record.address) for record in found[:_NAMED])
            names += " …" if len(found) > _NAMED else ""
            raise UsageError(
                f"{self._word} means {len(found)} models: {names}"
                if found
                else f"{self._word} has no record yet",
                "Give the KIND/NAME of one; reconciler state list shows what is recorded",
            )
        return found[0]

    def try_records(self, loaded: Loaded, state: State) -> tuple[Record, ...]:
        """Find the records as `find_records` does. Returns () on an error, which a later call reports."""
        try:
            return self.find_records(loaded, state)
        except ReconcilerError:
            return ()

    def ask_exact(self, _loaded: Loaded, state: State) -> set[str]:
        """Return the kind of the record that the word names exactly. Only its service is asked."""
        exact = self.find_exact(state)
        return set() if exact is None else {exact.address.kind}

    def is_recorded(self) -> bool:
        """Return whether the word is a recorded address. False if the state cannot be read."""
        return self._is_named(lambda _loaded, state: state.resources)

    def is_declared(self) -> bool:
        """Return whether the default folder declares the word. False if it cannot be read."""
        return self._is_named(lambda loaded, _state: self._load_names(loaded, ()))

    def _is_named(self, find: Callable[[Loaded, State], Collection[Address]]) -> bool:
        """Return whether the word is one of these addresses. False if they cannot be read."""
        from reconciler.records import find_named

        try:
            with wiring.open_operation(self.invocation, lambda _loaded, _state: ()) as operation:
                known = find(operation.loaded, operation.read_state())
        except ReconcilerError:
            return False
        return self._word is not None and len(find_named(self._word, known)) == 1

    def _is_path(self, word: str) -> bool:
        return self._takes_paths and os.path.lexists(word)

    def _load_names(self, loaded: Loaded, paths: Sequence[str]) -> Names:
        """Read the names that the manifests declare, by default those of the default folder."""
        from reconciler.manifests.loading import load_names

        given = paths or self._paths or (wiring.DEFAULT_PATH,)
        if not paths and not os.path.lexists(given[0]):
            return {}
        if self._declared is None:
            values = parse_variables(self.invocation.variables, self.invocation.variable_files, os.environ)
            values = {**loaded.stack.variables, **values}
            self._declared = load_names(given, kinds=list_kinds(), variables=values)
        return self._declared


def _are_in_default_folder(paths: Collection[str]) -> bool:
    """Return whether all of these lie in the folder that a command reads by default."""
    top = os.path.realpath(wiring.DEFAULT_PATH)
    return Path(top).is_dir() and all(
        os.path.commonpath([top, os.path.realpath(path)]) == top for path in paths
    )
