"""Reads, writes and recognises saved plans, and checks that they are applied where they were made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from reconciler import bounds, files, strictjson
from reconciler.errors import NotJSONError, UsageError
from reconciler.kind import Kind
from reconciler.plan.change import Plan
from reconciler.plan.inputs import Context


def find_saved_plan(paths: Sequence[str]) -> Plan | None:
    """Load the saved plan at the first path. None if the paths are those of manifests.

    Raises:
        PlanError: the saved plan is truncated, edited or of a newer version.
        UsageError: it is neither, or a path does not exist.
    """
    if paths and is_plan(Path(paths[0])):
        return load_plan(Path(paths[0]))
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(
                f"{path}: there is no such file or folder",
                "Give a folder of manifests, or a plan saved with: reconciler plan --out FILE",
            )
    return None


def is_plan(path: Path) -> bool:
    """Return whether a file was saved by plan --out; False for manifests, folders and what is not there.

    Raises:
        UsageError: it is neither plan nor manifest; an empty file is neither.
    """
    if not path.is_file():
        return False
    data = read_bytes(path)
    if _looks_like_plan(data):
        return True
    if b"apiVersion" in data:
        return False
    raise UsageError(
        f"{path} is neither a saved plan nor a manifest" + (": it is empty" if not data.strip() else ""),
        "plan --out FILE makes a saved plan; a manifest begins with apiVersion: reconciler/v1",
    )


def _looks_like_plan(data: bytes) -> bool:
    """Return whether it is a JSON object with format_version, even if it was damaged."""
    if not data.lstrip().startswith(b"{"):
        return False
    try:
        document = strictjson.loads(data, most=bounds.PLAN)
    except NotJSONError:
        return b'"format_version"' in data
    return isinstance(document, dict) and "format_version" in document


def load_plan(path: Path) -> Plan:
    """Read a saved plan. PlanError if it is truncated, edited or of a newer version."""
    from reconciler.render import planfile

    return planfile.loads(read_bytes(path), place=str(path))


def read_bytes(path: Path) -> bytes:
    """Read a file that may be a plan. UsageError if it cannot be read or is too large."""
    try:
        return files.read(path, most=bounds.PLAN)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Give a file that can be read") from error


def ensure_same_place(plan: Plan, here: Context) -> None:
    """Raise StalePlanError, before any call, if a plan is applied in another place than it was made in."""
    from reconciler.plan import place

    there = plan.context
    is_local = there.state and "://" not in there.state + here.state
    if is_local and os.path.realpath(there.state) == os.path.realpath(here.state):
        there = replace(there, state=here.state)  # two paths to one file
    place.check_place(there, here)


def save_plan(plan: Plan, out: str, kinds: Mapping[str, Kind]) -> None:
    """Write a plan file atomically, readable by its owner only. A pipe or a device is written directly.

    Raises:
        UsageError: it cannot be written there.
    """
    from reconciler.render import planfile

    content = planfile.dumps(plan, kinds)
    path = Path(os.path.realpath(out))  # a link's target is written; the link is not replaced
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_symlink():  # it leads in a circle, and this says so
            path.stat()
        if Path(out).exists() and not Path(out).is_file():
            files.write_in_place(out, content)
            return
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise UsageError(f"--out {out}: {error.strerror}", "Give a file that can be written") from error
