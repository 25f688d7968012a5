"""Reads the document of a plain Stack without its schema, as `plain_models` reads models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.kind import Field
from reconciler.manifests.content import merge_lifecycle
from reconciler.manifests.documents import Document
from reconciler.manifests.kinds import API_VERSION, STACK
from reconciler.manifests.places import StackPlaces
from reconciler.manifests.plain_table import LIFECYCLE
from reconciler.manifests.plain_values import (
    LeftError,
    place_keys,
    read_choice,
    read_count,
    read_duration,
    read_keys,
    read_labels,
    read_list,
    read_location,
    read_name,
    read_pattern,
    read_price,
    read_project,
    read_text,
    read_vertex_base,
    read_visible,
)
from reconciler.manifests.substitution import NAME
from reconciler.manifests.texts import BUCKET_FOLDER
from reconciler.model.desired import Lifecycle
from reconciler.model.stack import Guards, Prices, Stack
from reconciler.settings import forms
from reconciler.settings.secrecy import has_login

_UNSAID = Stack()
_read_variable_name = read_pattern(NAME)


def _read_state(value: object) -> str:
    address = read_visible(value)
    if has_login(address):
        raise LeftError
    return address


def _read_endpoint(value: object) -> str:
    address = read_text(value)
    if has_login(address):
        raise LeftError
    try:
        return forms.parse_address(address)
    except forms.FormError as error:
        raise LeftError from error


def _read_variables(value: object) -> Mapping[str, str]:
    if type(value) is not dict:
        raise LeftError
    return {_read_variable_name(name): read_text(text) for name, text in value.items()}


def _read_prices(value: object) -> Mapping[str, float]:
    """Read prices by base model. The names have neither publisher nor version."""
    if type(value) is not dict or any("@" in name for name in value):
        raise LeftError
    return {read_vertex_base(name): read_price(price) for name, price in value.items()}


_KEYS = place_keys(
    {
        "apiVersion": read_choice(API_VERSION),
        "kind": read_choice(STACK),
        "metadata": {"name": read_name, "labels": read_labels},
        "spec": {
            "project": read_project,
            "location": read_location,
            "bucket": read_pattern(BUCKET_FOLDER),
            "endpoint": _read_endpoint,
            "state": _read_state,
            "variables": _read_variables,
            "guards": {"max_trainings": read_count, "max_deletes": read_count, "max_cost": read_price},
            "prices": {
                "per_1000_characters": read_price,
                "per_million_tokens": _read_prices,
                "currency": read_pattern("[A-Z]{3}"),
            },
            "drift": {
                "retire_within": read_duration,
                "fail_on": read_list(read_choice("unmanaged", "base_retired", "unpromoted", "held_back")),
            },
            "lifecycle": LIFECYCLE,
        },
    }
)


def _read_lifecycle(document: Document, found: Mapping[str, Any], fields: Sequence[Field]) -> Lifecycle:
    if "spec.lifecycle" not in found:
        return _UNSAID.lifecycle
    from reconciler.manifests.rules import check_lifecycle_fields

    spelled = check_lifecycle_fields(document, "spec.lifecycle", fields)
    return merge_lifecycle(_UNSAID.lifecycle, found["spec.lifecycle"], spelled)


def read_plain_stack(document: Document, fields: Sequence[Field]) -> Stack | None:
    """Read a Stack whose values do not know their places. None if only its schema can read it.

    `fields` are those of all kinds of model, which its lifecycle may name. A wrong name is noted.
    """
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
        endpoint=found.get("spec.endpoint"),
        bucket=found.get("spec.bucket"),
        state=found.get("spec.state"),
        variables=found.get("spec.variables", {}),
        guards=Guards(*(found.get(f"spec.guards.{name}") for name in Guards.__struct_fields__)),
        prices=Prices(
            found.get("spec.prices.per_1000_characters"),
            found.get("spec.prices.currency", _UNSAID.prices.currency),
            found.get("spec.prices.per_million_tokens", {}),
        ),
        fail_on=tuple(found.get("spec.drift.fail_on", ())),
        retire_within=found.get("spec.drift.retire_within", _UNSAID.retire_within),
        lifecycle=_read_lifecycle(document, found, fields),
        file=document.file,
        line=document.mark[0],
        places=StackPlaces(document),
    )
