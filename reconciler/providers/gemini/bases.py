"""The base models of the Gemini API's tuning, as Google's documents told of them on the day they were read.

Data only, and light to import. What can be tuned the service itself tells (`models.list`), and that is what a
plan goes by; since May 2025 it is nothing. Dates are the Gemini API's own: Vertex AI has others.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.kind import Base

_READ = "2026-11-28"
_GUIDE = "the Gemini API's guide to fine-tuning: since May 2025 no model can be tuned"

_ROWS = (
    Base("models/gemini-1.5-flash-001-tuning", tunable=False, read=_READ, source=_GUIDE),
    Base("models/gemini-1.0-pro-001", tunable=False, read=_READ, source=_GUIDE),
    Base(
        "models/gemini-3.5-flash",
        tunable=False,
        retires="2026-10-08",
        read=_READ,
        source="the Gemini API's page on deprecations",
    ),
)

BASES: Mapping[str, Base] = MappingProxyType({row.name: row for row in _ROWS})
"""Name to row."""
