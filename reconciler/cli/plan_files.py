"""Which file is what: a saved plan, manifests, or neither (design 2.2)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reconciler import bounds, files, strictjson
from reconciler.errors import NotJSONError, UsageError
from reconciler.plan.change import Context, Plan


def saved_plan(path: Path) -> Plan | None:
    """The plan that a file holds; None when it holds manifests (or is a folder, or is not there).

    Raises:
        PlanError: it was a saved plan, and is cut, edited or of a newer version.
        UsageError: it is neither; an empty file is neither.
    """
    if not is_plan(path):
        return None
    from reconciler.render import planfile

    return planfile.loads(content(path), place=str(path))


def is_plan(path: Path) -> bool:
    """Whether a file was saved by plan --out; False for manifests, folders and what is not there.

    Raises:
        UsageError: it is neither plan nor manifest; an empty file is neither.
    """
    if not path.is_file():
        return False
    data = content(path)
    if looks_like_plan(data):
        return True
    if b"apiVersion" in data:
        return False
    raise UsageError(
        f"{path} is neither a saved plan nor a manifest" + (": it is empty" if not data.strip() else ""),
        "plan --out FILE makes a saved plan; a manifest begins with apiVersion: reconciler/v1",
    )


def check_place(plan: Plan, here: Context) -> None:
    """Refuse the plan anywhere but where it was made. StalePlanError, before any call."""
    from reconciler.plan import place

    there = plan.context
    if _is_same_file(there.state, here.state):
        there = replace(there, state=here.state)
    place.check_place(there, here)


def _is_same_file(one: str, other: str) -> bool:
    """Two ways to write the path of one local state."""
    local = bool(one) and "://" not in one + other
    return local and os.path.realpath(one) == os.path.realpath(other)


def content(path: Path) -> bytes:
    """What a file holds that may be a plan; UsageError where it cannot be read, or is larger than any."""
    try:
        return files.read(path, most=bounds.PLAN)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Give a file that can be read") from error


def looks_like_plan(data: bytes) -> bool:
    """A JSON object with format_version, or what is left of one."""
    if not data.lstrip().startswith(b"{"):
        return False
    try:
        document = strictjson.loads(data, most=bounds.PLAN)
    except NotJSONError:
        return b'"format_version"' in data
    return isinstance(document, dict) and "format_version" in document
