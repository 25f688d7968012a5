"""The base models of each API, and the days on which they retire there.

Vertex AI: Google's pages "Model versions and lifecycle" and "About supervised fine-tuning", as of October
2026. A day "or later" is a lower bound and not a retirement.

Gemini API: its days are others, and few are known. The two base models that it could tune, by its fine-tuning
guide of 2024 to 2025, retired long ago; they have no day here, so that Google's tutorial still runs.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """The day (YYYY-MM-DD) on which a base model retires, if one is set, and its adapter sizes."""

    retires: str = ""
    adapter_sizes: tuple[int, ...] = (1, 2, 4, 8, 16)


VERTEX: Mapping[str, Base] = {
    "gemini-3.1-flash-lite": Base(),
    "gemini-3.5-flash": Base(),
    "gemini-3.5-flash-lite": Base(),
    "translation-llm-002": Base(adapter_sizes=(4,)),
    "gemini-2.5-flash": Base(retires="2026-10-20"),
    "gemini-2.5-flash-lite": Base(retires="2026-10-20"),
    "gemini-2.5-pro": Base(retires="2026-10-20", adapter_sizes=(1, 2, 4, 8)),
    "gemini-2.0-flash": Base(retires="2026-06-01"),
    "gemini-2.0-flash-001": Base(retires="2026-06-01"),
    "gemini-2.0-flash-lite": Base(retires="2026-06-01"),
    "gemini-2.0-flash-lite-001": Base(retires="2026-06-01"),
    "gemini-1.5-flash-002": Base(retires="2025-09-24"),
    "gemini-1.5-pro-002": Base(retires="2025-09-24"),
    "gemini-1.5-flash-001": Base(retires="2025-05-24"),
    "gemini-1.5-pro-001": Base(retires="2025-05-24"),
    "gemini-1.0-pro-001": Base(retires="2025-04-21"),
    "gemini-1.0-pro-002": Base(retires="2025-04-21"),
}
GEMINI: Mapping[str, Base] = {
    "models/gemini-1.0-pro-001": Base(),
    "models/gemini-1.5-flash-001-tuning": Base(),
    "models/gemini-2.0-flash": Base(),
    "models/gemini-2.0-flash-lite": Base(),
    "models/gemini-2.5-flash": Base(),
    "models/gemini-2.5-flash-lite": Base(),
    "models/gemini-2.5-pro": Base(),
    "models/gemini-3.5-flash": Base(retires="2026-10-08"),
    "models/text-embedding-004": Base(),
}
# The defaults of the settings.
TUNABLE = tuple(GEMINI)[:2]
RETIRES = {name: base.retires for name, base in GEMINI.items() if base.retires}
VERTEX_TUNABLE = tuple(VERTEX)
VERTEX_RETIRES = {name: base.retires for name, base in VERTEX.items() if base.retires}


def is_retired(name: str, retires: Mapping[str, str], now: int, *, days_before: int = 0) -> bool:
    """Return whether a base model has retired, or will have within *days_before* days.

    *retires* has the days by name. A model that is not there does not retire.
    """
    if name not in retires:
        return False
    today = dt.datetime.fromtimestamp(now // 1_000_000, dt.UTC).date()
    return today >= dt.date.fromisoformat(retires[name]) - dt.timedelta(days=days_before)
