"""Reads the document of a plain Stack without its schema, as `plain_models` reads models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.manifests.documents import Document
from reconciler.manifests.kinds import API_VERSION, STACK
from reconciler.manifests.places import StackPlaces
from reconciler.manifests.plain_values import (
    LeftError,
    place_keys,
    read_choice,
    read_keys,
    read_labels,
    read_location,
    read_name,
    read_pattern,
    read_project,
    read_text,
    read_visible,
)
from reconciler.manifests.substitution import NAME
from reconciler.manifests.texts import BUCKET_FOLDER
from reconciler.model import Stack
from reconciler.settings.secrecy import has_login

_read_variable_name = read_pattern(NAME)


def _read_state(value: object) -> str:
    address = read_visible(value)
    if has_login(address):
        raise LeftError
    return address


def _read_variables(value: object) -> Mapping[str, str]:
    if type(value) is not dict:
        raise LeftError
    return {_read_variable_name(name): read_text(text) for name, text in value.items()}


_KEYS = place_keys(
    {
        "apiVersion": read_choice(API_VERSION),
        "kind": read_choice(STACK),
        "metadata": {"name": read_name, "labels": read_labels},
        "spec": {
            "project": read_project,
            "location": read_location,
            "bucket": read_pattern(BUCKET_FOLDER),
            "state": _read_state,
            "variables": _read_variables,
        },
    }
)


def read_plain_stack(document: Document) -> Stack | None:
    """Read a Stack whose values do not know their places. None if only its schema can read it."""
    found: dict[str, Any] = {}
    try:
        read_keys(_KEYS, document.body, found)
    except LeftError:
        return None
    if "apiVersion" not in found or "metadata.name" not in found:
        return None
    return Stack(
        name=found["metadata.name"],
        project=found.get("spec.project"),
        location=found.get("spec.location"),
        bucket=found.get("spec.bucket"),
        state=found.get("spec.state"),
        variables=found.get("spec.variables", {}),
        file=document.file,
        line=document.mark[0],
        places=StackPlaces(document),
    )
