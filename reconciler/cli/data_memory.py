"""Chooses where measured data is remembered, and what a command may do with that.

Rule: a command that sends data measures it itself, and one that only looks writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.cli.invocation import Invocation
from reconciler.cli.state_store import DEFAULT_STATE
from reconciler.datasets.cache_use import Use
from reconciler.datasets.open_cache import OpenCache

_USES: Mapping[str, Use] = {
    "validate": Use.READ | Use.WRITE,
    "plan": Use.READ | Use.WRITE,
    "data": Use.READ | Use.WRITE,
    "apply": Use.WRITE,
    "wait": Use.NOTHING,
    "destroy": Use.NOTHING,
    "import": Use.NOTHING,
    "rollback": Use.NOTHING,
}
"""What the commands may do. All others, such as drift, only read."""


def open_data_cache(invocation: Invocation, paths: Sequence[str]) -> OpenCache:
    """Open what was remembered of the data of these manifests. Nothing is read before it is needed."""
    return OpenCache(_find_folder(Path(paths[0])), _USES.get(invocation.command, Use.READ))


def _find_folder(path: Path) -> Path:
    """Find the folder `state` beside the manifests, or else the nearest one up to the working directory."""
    top = (path if path.is_dir() else path.parent).resolve()
    here = Path.cwd()
    if top == here:
        return Path(DEFAULT_STATE)
    within = [folder for folder in top.parents if folder == here or here in folder.parents]
    for folder in within:
        if (folder / DEFAULT_STATE).is_dir():
            return folder / DEFAULT_STATE
    return top.parent / DEFAULT_STATE
