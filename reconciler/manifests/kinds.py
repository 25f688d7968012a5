"""The kinds of document, and the module of each kind of model.

Rule: this module imports no schema. A kind's module is imported when a document of it is read closely.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.manifests.form import Form

API_VERSION = "reconciler/v1"

KINDS: Mapping[str, str] = {
    "TunedModel": "tuned_model",
    "TuningJob": "tuning_job",
    "ModelCopy": "model_copy",
}
"""Kinds of model, and the module in which each has its `FORM`."""
PLAIN: Mapping[str, str] = {
    "TunedModel": "plain_tuned_model",
    "TuningJob": "plain_tuning_job",
    "ModelCopy": "plain_model_copy",
}
"""Kinds that can be read without their schema, and the module in which each has its `TABLE`."""

STACK = "Stack"
REMOVED = "Removed"


@cache
def find_form(kind: str) -> Form:
    """Import a kind's module, and return its form."""
    form: Form = import_module(f"reconciler.manifests.{KINDS[kind]}").FORM
    return form
