"""Explains a refused create in terms of the manifest that asked for it.

A service names what it refuses in its own words. The refused value may not be in the manifest, because
the service or we may have chosen it. Rule: this is pure. It returns the same error with better advice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from reconciler.errors import InvalidArgumentError, NotFoundError, ServiceError
from reconciler.kind import Kind
from reconciler.model.names import BASE_MODEL, Attributes

_WORDS = r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])"
_BESIDE = "metadata."


class Asked(Struct, frozen=True):
    """The create that was refused.

    Attributes:
        kind: the kind, with its field table.
        declared: what the manifest sets.
        source: the model to tune.
        made: values that we sent but that are not in the manifest: the service's name of each, with its
            origin.
        place: the place of the model, in words: "project p, location l".
        spec: the prefix of the fields that this create uses, "" for all.
    """

    kind: Kind
    declared: Attributes
    source: str
    made: Mapping[str, str]
    place: str = ""
    spec: str = ""


def explain(error: ServiceError, asked: Asked) -> ServiceError:
    """Return the same error with better advice."""
    if isinstance(error, NotFoundError):
        return _replace_advice(error, _advise_not_found(asked))
    if isinstance(error, InvalidArgumentError):
        return _replace_advice(error, _find_meant(error.said, asked) or error.detail)
    return error


def _replace_advice(error: ServiceError, detail: str) -> ServiceError:
    return type(error)(error.summary, detail, status=error.status, reason=error.reason, said=error.said)


def _advise_not_found(asked: Asked) -> str:
    """Give advice for a create's 404: the model to tune or the location does not exist."""
    key = BASE_MODEL if BASE_MODEL in asked.declared else "the parent"
    place = f", {asked.place}" if asked.place else ""
    instead = f" Or declare kind: {asked.kind.instead}." if asked.kind.instead else ""
    return (
        f"Asking again changes nothing. Check {key} ({asked.source}){place}, and whether the project has "
        f"access to that model: it may have retired, or be offered only elsewhere.{instead}"
    )


def _find_meant(said: str, asked: Asked) -> str:
    """Say which values the service's words name, and where each value comes from. "" if they name none."""
    words = _normalize(said)
    for name, origin in asked.made.items():
        if _normalize(name) in words:
            return f"The service means {name}, which is not in the manifest: {origin}."
    found = [_explain_origin(path, asked) for path in _find_fields(words, asked)]
    if not found:
        return ""
    return (
        f"The service rejected {', and '.join(found)}. Set the right value in the manifest: the same request "
        "will be refused again."
    )


def _find_fields(words: str, asked: Asked) -> list[str]:
    """List the paths of the fields that the words name. If two fields have one name, takes the likelier."""
    likely = sorted(
        asked.kind.fields, key=lambda path: (path not in asked.declared, not path.startswith(asked.spec))
    )
    at: dict[str, tuple[int, str]] = {}
    for path in likely:
        name = _normalize(path.rpartition(".")[2])
        if name in words:
            at.setdefault(name, (words.index(name), path))
    # "learning rate multiplier" does not mean the learning rate, and "location" is an everyday word
    whole = {
        name: where
        for name, where in at.items()
        if not any(name in longer for longer in at if longer != name)
    }
    several = {name: where for name, where in whole.items() if " " in name.strip()}
    return [path for _, path in sorted((several or whole).values())]


def _explain_origin(path: str, asked: Asked) -> str:
    where = path if path.startswith(_BESIDE) else f"spec.{path}"
    if path in asked.declared:
        return f"{where}, which is {asked.declared[path]!r} in the manifest"
    if path.startswith(_BESIDE):
        return f"{where}, which comes from the Stack or the environment ({asked.place})"
    return f"{where}, which this manifest does not set: it is the service's own default"


def _normalize(text: str) -> str:
    """Write words in lower case, whether they were adapterSize, adapter_size or Adapter size."""
    return " " + " ".join(re.findall(_WORDS, text)).lower() + " "
