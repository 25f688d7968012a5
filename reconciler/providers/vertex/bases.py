"""The base models of Vertex AI's tuning, as Google's documents told of them on the day they were read.

Data only, and light to import. A date of Vertex AI is none of the Gemini API, which has its own. The Stack's
`tunable_base_models` says otherwise where this is old.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.kind import Base

_READ = "2026-11-28"
_VERSIONS = "Model versions and lifecycle (copies of September and October 2026)"
_TUNING = "About supervised fine-tuning (updated 2026-09-25)"
_REFERENCE = "Tuning API reference (newer, undated)"

_TO_8, _TO_16 = (1, 2, 4, 8), (1, 2, 4, 8, 16)
_LITE = "gemini-3.1-flash-lite"


def _tunable(name: str, released: str, retires: str, source: str) -> Base:
    """Gemini 3.x: tuned in two regions, served from multi-regions only, without a customer's own key."""
    return Base(
        name,
        tunable=True,
        released=released,
        retires=retires,
        or_later=True,
        adapters=_TO_16,
        locations=("us-central1", "europe-west4"),
        serves=("us", "eu"),
        own_keys=False,
        read=_READ,
        source=f"{source}; {_VERSIONS}",
    )


def _untunable(
    name: str,
    released: str = "",
    retires: str = "",
    replacements: tuple[str, ...] = (),
    adapters: tuple[int, ...] = (),
) -> Base:
    """Return a base model that is retired: on a date, or else at 45 days' notice."""
    return Base(
        name,
        tunable=False,
        released=released,
        retires=retires,
        replacements=replacements,
        adapters=adapters,
        read=_READ,
        source=_VERSIONS,
    )


_ROWS = (
    _tunable("gemini-3.5-flash-lite", "2026-07-21", "2027-07-21", _REFERENCE),
    _tunable("gemini-3.5-flash", "2026-05-19", "2027-05-19", _TUNING),
    _tunable(_LITE, "2026-05-07", "2027-05-07", _TUNING),
    Base("translation-llm-002", tunable=True, adapters=(4,), read=_READ, source=f"{_REFERENCE}: preview"),
    _untunable("gemini-3.8-flash"),
    _untunable("gemini-3.7-flash"),
    _untunable("gemini-3.6-flash"),
    _untunable("gemini-2.5-pro", "2025-06-17", "2026-10-20", ("gemini-3.5-flash",), _TO_8),
    _untunable("gemini-2.5-flash", "2025-06-17", "2026-10-20", ("gemini-3.5-flash-lite", _LITE), _TO_16),
    _untunable("gemini-2.5-flash-lite", "2025-07-22", "2026-10-20", (_LITE,), _TO_16),
    _untunable("gemini-2.0-flash", "2025-02-05", "2026-06-01", (_LITE,)),
    _untunable("gemini-2.0-flash-001", "2025-02-05", "2026-06-01", (_LITE,)),
    _untunable("gemini-2.0-flash-lite", "2025-02-25", "2026-06-01", (_LITE,)),
    _untunable("gemini-2.0-flash-lite-001", "2025-02-25", "2026-06-01", (_LITE,)),
    _untunable("gemini-1.5-pro-002", "", "2025-09-24"),
    _untunable("gemini-1.5-flash-002", "", "2025-09-24"),
    _untunable("gemini-1.5-pro-001", "", "2025-05-24"),
    _untunable("gemini-1.5-flash-001", "", "2025-05-24"),
    _untunable("gemini-1.0-pro", "", "2025-04-21"),
)

BASES: Mapping[str, Base] = MappingProxyType({row.name: row for row in _ROWS})
"""Name to row. Which base models can be tuned no call tells, so these rows are an assumption."""
