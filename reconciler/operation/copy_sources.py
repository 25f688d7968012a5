"""Reads the other states that copies come from.

Rule: a state is read once, however many copies name it. It is read without a lock and never written. A state
that cannot be read does not end the run, because it concerns only the copies that come from it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError
from reconciler.model.desired import StateSource
from reconciler.plan.copies import CopySource, SourceFault, read_source
from reconciler.state.values import State

if TYPE_CHECKING:
    from reconciler.state.session import StateManager


def read_sources(
    sources: Iterable[StateSource], open_state: Callable[[StateSource], StateManager], service: str
) -> Mapping[StateSource, CopySource | SourceFault]:
    """Find what each of these addresses serves, as its state records it.

    Args:
        sources: addresses of other states.
        open_state: opens the state of a source. May raise ReconcilerError.
        service: the service of this run.
    """
    states: dict[tuple[str, str], State | SourceFault] = {}
    found: dict[StateSource, CopySource | SourceFault] = {}
    for source in sources:
        key = (source.state, source.workspace)
        if key not in states:
            states[key] = _read_state(source, open_state)
        state = states[key]
        if isinstance(state, State):
            word = shlex.quote(source.state)
            found[source] = read_source(state, source.address, service=service, word=word)
        else:
            found[source] = state
    return found


def _read_state(
    source: StateSource, open_state: Callable[[StateSource], StateManager]
) -> State | SourceFault:
    try:
        manager = open_state(source)
        state = manager.read()
    except ReconcilerError as error:
        return SourceFault(f"{source.state} cannot be read: {error.summary}", error.detail)
    if not state.lineage:
        return SourceFault(f"there is no state at {manager.place}", "Correct spec.source.state")
    if state.workspace != source.workspace:
        return SourceFault(
            f"{manager.place} is the state of workspace {state.workspace}, not {source.workspace}",
            "Correct spec.source.workspace",
        )
    return state
