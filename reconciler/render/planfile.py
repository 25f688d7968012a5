"""Writes a plan to the bytes of a file, and reads the same plan back.

Rule: the plan that is read is the plan that was shown. A checksum refuses a file that was cut, edited
or merged. The file has no training data. Inline data is read again from the manifests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from reconciler import bounds, strictjson
from reconciler.codec import Json, decode
from reconciler.codec.readers import WrongValueError
from reconciler.errors import NotJSONError, PlanError
from reconciler.kind import Kind
from reconciler.plan.change import Plan
from reconciler.render.plan_json import FORMAT_VERSION, PLAN_VERSION, build_plan_document, compute_checksum

_DERIVED = frozenset({"plan_version", "reconciler_version", "summary", "bill", "checksum"})
"""Our keys that are derived from the plan, and so are not read."""

_AGAIN = "Make it again: reconciler plan --out FILE"


def dumps(plan: Plan, kinds: Mapping[str, Kind]) -> bytes:
    """Write the plan JSON in ASCII, with a line for each change. Equal plans give equal bytes.

    Raises PlanError if `loads` would refuse the bytes, so that every saved plan can be read.
    """
    document = build_plan_document(plan, kinds)
    lines = [f"{_write_compact(key)}: {_write_value(value)}" for key, value in document.items()]
    data = ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")
    try:
        loads(data, place="the plan")
    except PlanError as error:
        raise PlanError(
            f"this plan could not be read again, so it is not saved: {error.summary}",
            "A value of the service, of a manifest or of a path makes no sense.",
        ) from error
    return data


def _write_value(value: Json) -> str:
    """Write each element of a list on its own line, so that a diff of two plans is easy to read."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join("  " + _write_compact(element) for element in value) + "\n]"
    if isinstance(value, dict) and any(isinstance(member, list) and member for member in value.values()):
        lines = [f"  {_write_compact(key)}: {_write_value(member)}" for key, member in value.items()]
        return "{\n" + ",\n".join(lines) + "\n}"
    return _write_compact(value)


def _write_compact(value: Json) -> str:
    return json.dumps(value, allow_nan=False)


def loads(data: bytes, *, place: str) -> Plan:
    """Read the plan that `dumps` wrote.

    Args:
        data: the whole file.
        place: its path, for messages.

    Raises:
        PlanError: the file is empty, cut, edited, of another version, or not a saved plan. It says which.
    """
    document = _parse(data, place)
    ours = document.get("reconciler")
    if not isinstance(ours, dict) or "plan_version" not in ours:
        raise PlanError(f"{place}: this is a plan JSON, but not one that reconciler saved", _AGAIN)
    _refuse_other_versions(document, ours, place)
    if ours.get("checksum") != compute_checksum(document):
        raise PlanError(
            f"{place}: the saved plan was changed after it was written: its checksum does not match",
            f"A plan runs exactly as it was approved. {_AGAIN}",
        )
    try:
        return decode(Plan, {key: value for key, value in ours.items() if key not in _DERIVED})
    except WrongValueError as error:
        raise PlanError(f"{place}: the saved plan cannot be read: {error}", _AGAIN) from error


def _parse(data: bytes, place: str) -> dict[str, Json]:
    if not data.strip():
        raise PlanError(f"{place}: the saved plan is empty", _AGAIN)
    try:
        document = strictjson.loads(data, most=bounds.PLAN)
    except NotJSONError as error:
        problem = f"the saved plan is cut off or is no JSON: {error.summary}"
        raise PlanError(f"{place}: {problem}", _AGAIN) from error
    if not isinstance(document, dict) or "format_version" not in document:
        raise PlanError(
            f"{place}: this is not a saved plan: a JSON object with format_version is one", _AGAIN
        )
    return document


def _refuse_other_versions(document: dict[str, Json], ours: dict[str, Json], place: str) -> None:
    version, format_version = ours["plan_version"], document["format_version"]
    numbers = _split_version(format_version)
    if type(version) is not int or not numbers:
        raise PlanError(f"{place}: the saved plan's version is no version: {version!r:.40}", _AGAIN)
    writer = ours.get("reconciler_version")
    by = f", written by reconciler {writer}" if isinstance(writer, str) else ""
    if version < PLAN_VERSION:
        raise PlanError(
            f"{place}: the saved plan has version {version}{by}, which did not say each step that it takes; "
            f"this program reads version {PLAN_VERSION}",
            f"Nothing was changed. {_AGAIN}",
        )
    if version > PLAN_VERSION or numbers > _split_version(FORMAT_VERSION):
        raise PlanError(
            f"{place}: the saved plan has version {version}{by}; this program reads up to {PLAN_VERSION}",
            "Run it with the version that wrote it, or make it again with this one.",
        )


def _split_version(version: Json) -> tuple[int, ...]:
    """Split a version into its numbers. () if the text is not a version."""
    if not isinstance(version, str) or not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}", version):
        return ()
    return tuple(int(part) for part in version.split("."))
