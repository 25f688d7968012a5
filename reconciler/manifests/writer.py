"""Writes the manifest of a live model, as a person would write it.

Rule: text only. What the service does not show is left out, and a comment says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import yaml
from msgspec import Struct

from reconciler import bounds
from reconciler.identity import to_float32
from reconciler.kind import Field, FieldRole, FieldType, Kind
from reconciler.manifests.kinds import API_VERSION
from reconciler.manifests.scalars import resolve
from reconciler.model.live import Live
from reconciler.model.names import Value
from reconciler.strictjson import loads

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@:-]*(?: [A-Za-z0-9_./@:-]+)*", re.ASCII)
_RESERVED = frozenset({"yes", "no", "on", "off", "y", "n"})
"""Words that other readers of YAML take for a boolean."""
_WIDTH = 10**9


class Data(Struct, frozen=True):
    """A data set of a live model.

    Attributes:
        path: its path in the manifest, under spec.
        uri: where the service says that it lies.
        problem: why it cannot be declared; "" if it can.
    """

    path: str
    uri: str
    problem: str = ""


def write_manifest(
    kind: Kind, name: str, live: Live, data: Iterable[Data], *, places: Mapping[str, Value]
) -> str:
    """Write the manifest that imports a live model. Its training data is declared if its place is known.

    Args:
        kind: the kind of the model.
        name: metadata.name.
        live: the model.
        data: its data sets.
        places: the fields under metadata that say where it lives, if the manifest must say so.
    """
    metadata = {
        "name": name,
        "import": live.name,
        **{path.partition(".")[2]: place for path, place in places.items()},
    }
    lines = [f"apiVersion: {API_VERSION}", f"kind: {kind.name}", "metadata:"]
    lines += [f"  {key}: {_write_scalar(value)}" for key, value in metadata.items()]
    lines += ["spec:", *_write_mapping(_build_spec(kind, live, tuple(data)), "  ")]
    if not kind.trains:
        lines.append("serving: {endpoint: none}")  # by default it would get one
    return "\n".join(lines) + "\n"


def comment_out(text: str, line: int, why: str) -> str | None:
    """Turn a key with a single value into a comment that says why. None if this line has no such key.

    Args:
        text: the manifest.
        line: from 1.
        why: one sentence.
    """
    lines = text.split("\n")
    found = re.fullmatch(r"( +)([A-Za-z_]+: [^\n]+)", lines[line - 1]) if 0 < line <= len(lines) else None
    if found is None or not found[1].startswith("  "):
        return None
    note = " ".join(why.split())
    lines[line - 1] = f"{found[1]}# {found[2]}   # not declared: {note}"
    return "\n".join(lines)


class _Node(dict[str, "_Node | str | None"]):
    """A mapping to write: a key to a mapping, to the text of a value, or (the key is a comment) to None."""


def _build_spec(kind: Kind, live: Live, data: Sequence[Data]) -> _Node:
    spec = _Node()
    for path, field in kind.fields.items():
        value = live.attributes.get(path)
        if path in live.unclear:
            _put(spec, f"{path}#", None, f"{_last(path)}: not declared, because it is {live.unclear[path]}")
            continue
        if value is None or field.role is FieldRole.PLACE:
            continue
        if value in (field.absent, ()):
            continue
        is_copied = field.role is FieldRole.SOURCE and not kind.trains
        _put(spec, f"{path}.model" if is_copied else path, _write_value(field, value))
    for found in data:
        if found.problem:
            _put(spec, f"{found.path}#", None, f"{_last(found.path)}: {found.uri} ({found.problem})")
        else:
            _put(spec, found.path, _write_scalar(found.uri))
    if not data and kind.data_field:
        parent = kind.data_field.rpartition(".")[0]
        note = "The service does not show the training data. Under metadata.import it may be left out."
        if parent in spec or not kind.pinned_ids:
            _put(spec, f"{parent}.#", None, note)
        else:
            spec[f"# {note}"] = None
    return spec


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _put(spec: _Node, path: str, value: str | None, note: str = "") -> None:
    *parents, key = path.split(".")
    for parent in parents:
        child = spec.get(parent)
        if not isinstance(child, _Node):
            child = spec[parent] = _Node()
        spec = child
    spec[f"# {note}" if note else key] = value


def _write_mapping(node: _Node, indent: str) -> Iterator[str]:
    for key, value in node.items():
        if value is None:
            yield f"{indent}{key}"
        elif isinstance(value, str):
            yield f"{indent}{key}: {value}"
        elif all(child is None for child in value.values()):
            yield f"{indent}{key}: {{}}"
            yield from _write_mapping(value, indent)
        else:
            yield f"{indent}{key}:"
            yield from _write_mapping(value, f"{indent}  ")


def _write_value(field: Field, value: Value) -> str:
    if field.type is FieldType.STRINGS and isinstance(value, tuple):
        pairs = (str(item).partition("=") for item in value)
        return "{" + ", ".join(f"{_write_scalar(key)}: {_write_scalar(text)}" for key, _, text in pairs) + "}"
    if field.type is FieldType.JSON:
        return _write_json(loads(str(value).encode(), most=bounds.REPLY))
    if isinstance(value, tuple):
        return f"[{', '.join(map(_write_scalar, value))}]"
    return _write_scalar(value)


def _write_json(value: object) -> str:
    if isinstance(value, dict):
        items = (f"{_write_scalar(key)}: {_write_json(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_write_json, value))}]"
    return "null" if value is None else _write_scalar(value)


def _write_scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _write_float(value)
    if not isinstance(value, str):
        return str(value)
    is_plain = _PLAIN.fullmatch(value) and ": " not in value and not value.endswith(":")
    if is_plain and resolve(value) == value and value.lower() not in _RESERVED:
        return value
    text = value.replace("${", "$${")
    written = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=_WIDTH)
    return str(written).strip()


def _write_float(value: float) -> str:
    """Write the shortest number that is the same in single precision."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if to_float32(float(text)) == to_float32(value):
            break
    else:
        text = repr(value)
    plain = f"{Decimal(text):f}"
    return plain if len(plain) <= 12 else text
