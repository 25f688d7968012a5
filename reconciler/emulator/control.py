"""The emulator's own side, under /emulator: clock, faults, settings, and the log of requests.

Only for this machine; whom nothing here answers is said in host_guard.py.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.emulator import clock, faults, settings
from reconciler.emulator.database import Store
from reconciler.emulator.errors import ApiError, invalid
from reconciler.emulator.gemini.progress import SECOND, six_digits
from reconciler.emulator.json_text import read
from reconciler.emulator.settings import Settings

_VERSION = "1"
_LATEST = 221_845_392_000 * SECOND  # the year 9000: what begins then still ends in four digits
_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Control:
    """The control plane over one store; it holds the settings in force."""

    def __init__(self, store: Store, given: Settings | None) -> None:
        self._store = store
        with store.transaction():
            if given is None:
                given = settings.restored(store.fact("settings") or {})
            self.settings = given
            self._keep()

    def _keep(self) -> None:
        self._store.set_fact("settings", self.settings.shown())

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Any:
        """Return the JSON answer, or raise an ApiError."""
        routes: dict[tuple[str, str], Callable[[], object]] = {
            ("GET", ""): self._about,
            ("POST", "/reset"): self._reset,
            ("GET", "/clock"): self._clock,
            ("POST", "/clock"): lambda: self._set_clock(read(body)),
            ("GET", "/faults"): self._faults,
            ("POST", "/faults"): lambda: {"rules": faults.add(self._store, read(body))},
            ("DELETE", "/faults"): lambda: self._clear("rules"),
            ("GET", "/requests"): lambda: self._requests(query.get("after", "0")),
            ("DELETE", "/requests"): lambda: self._clear("requests"),
            ("GET", "/settings"): lambda: self._about()["settings"],
            ("POST", "/settings"): lambda: self._set(read(body)),
        }
        action = routes.get((method, path.removeprefix("/emulator").rstrip("/")))
        if action is None:
            raise ApiError(404, f"The emulator has no {method} {path[:80]}.")
        with self._store.transaction():
            return action()

    def _about(self) -> dict[str, Any]:
        return {
            "emulator": "Gemini API, tuned models; Vertex AI, tuning jobs; Cloud Storage, objects",
            "version": _VERSION,
            "notice": "This emulator trains nothing: models answer from their training examples.",
            "settings": self.settings.shown(),
            "clock": self._clock(),
        }

    def _reset(self) -> dict[str, Any]:
        self._store.forget_all()
        return {}

    def _clear(self, table: str) -> dict[str, Any]:
        self._store.clear(table)
        return {}

    def _clock(self) -> dict[str, Any]:
        return {"now": six_digits(clock.now(self._store)), "frozen": clock.is_frozen(self._store)}

    def _set_clock(self, change: object) -> dict[str, Any]:
        if not isinstance(change, dict) or not change or set(change) - {"advance", "frozen"}:
            raise invalid('The clock takes {"advance": seconds} and {"frozen": true or false}.')
        advance, frozen = change.get("advance", 0), change.get("frozen", clock.is_frozen(self._store))
        if type(advance) not in (int, float) or not 0 <= advance < 1e9:
            raise invalid("advance is a number of seconds, 0 or more.")
        if not isinstance(frozen, bool):
            raise invalid("frozen is true or false.")
        if clock.now(self._store) + advance * SECOND > _LATEST:
            raise invalid(f"The clock does not go beyond {six_digits(_LATEST)[:10]}.")
        clock.move(self._store, round(advance * SECOND), frozen=frozen)
        return self._clock()

    def _faults(self) -> dict[str, Any]:
        return {
            "faults": [{**rule, "skip": skip, "times": times} for _, rule, skip, times in self._store.rules()]
        }

    def _requests(self, after: str) -> dict[str, Any]:
        if not re.fullmatch(r"[0-9]{1,18}", after):  # within SQLite's 64 bits
            raise invalid("after is the sequence number of an entry.")
        return {
            "count": self._store.logged_count(),
            "requests": self._store.logged(int(after)),
        }

    def _set(self, change: object) -> dict[str, Any]:
        self.settings = settings.merge(self.settings, change)
        self._keep()
        return self.settings.shown()


def is_local(client: str) -> bool:
    """Whether a request comes from this machine."""
    return client.startswith(_LOOPBACK)
