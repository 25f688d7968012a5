"""The table of base models as JSON: what `bases --json` prints.

    {"today", "base_models": [{"kind", "name", "tunable", "retires", "or_later", "days_left", "replacement",
     "replacements", "released", "adapters", "locations", "serves", "own_keys", "characters_per_token",
     "doubt", "read", "source", "place", "refused", "addresses"}]}

What is not known is null. `tunable` is null for a base model that no table has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from msgspec.structs import fields

from reconciler.codec import Json, encode
from reconciler.plan.base_models import BaseUse


def build_bases_document(uses: Iterable[BaseUse], today: date) -> dict[str, Json]:
    """Build the document. Every row has every key."""
    return {"today": today.isoformat(), "base_models": [_build_row(use) for use in uses]}


def _build_row(use: BaseUse) -> Json:
    base: dict[str, Json] = {one.name: encode(getattr(use.base, one.name)) for one in fields(use.base)}
    for name in ("released", "retires", "doubt", "read", "source", "place"):
        base[name] = base[name] or None
    return {
        "kind": use.kind,
        **base,
        "tunable": use.base.tunable if use.is_known else None,
        "days_left": use.days_left,
        "replacement": use.replacement or None,
        "addresses": encode(use.addresses),
    }
