"""Reads and writes labels. We find a job by ours, never compare the service's, and leave the user's alone.

A label's value may have 63 characters of [a-z0-9_-], so NAME-DIGEST8 fits unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ID = "reconciler_id"
"""Our id of a training, on the job and on its outputs."""
PARENT = "reconciler_parent"
"""Our id of the model that it was tuned from, if that model is ours."""
ENDPOINT = "reconciler_endpoint"
"""The digest of the address that a stable endpoint is for."""

_NOT_THE_USERS = ("reconciler_", "google-", "goog-", "tune-type", "vertex-ai-")
"""Prefixes of labels that are ours, or that the service sets by itself."""


def is_users(key: str) -> bool:
    """Return whether a manifest may set a label."""
    return not key.startswith(_NOT_THE_USERS)


def hide_own(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the user's labels as the field's value: sorted KEY=VALUE."""
    return tuple(sorted(f"{key}={value}" for key, value in labels.items() if is_users(key)))


def parse(value: Iterable[object]) -> dict[str, str]:
    """Parse the field's value: the inverse of `hide_own`."""
    pairs = (str(pair).partition("=") for pair in value)
    return {key: text for key, _, text in pairs}


def replace_shown(before: Mapping[str, str], value: Iterable[object]) -> dict[str, str]:
    """Replace the user's labels, and keep the others."""
    return {key: text for key, text in before.items() if not is_users(key)} | parse(value)
