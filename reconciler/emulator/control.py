"""The control plane, under /emulator: clock, faults, settings, and the log of requests.

It answers callers on this machine only (see host_guard.py).
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from reconciler.emulator import clock, faults, settings
from reconciler.emulator.clock import SECOND, format_time
from reconciler.emulator.database import Database, Record
from reconciler.emulator.errors import ApiError, ArgumentError
from reconciler.emulator.json_text import parse_json
from reconciler.emulator.settings import Settings

_VERSION = "1"
# The year 9000: a training that begins then ends in a year of four digits.
_LATEST = 221_845_392_000 * SECOND


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogEntry(Record):
    """The log's entry for a request. It repeats the path and the query, but no header and no body."""

    TABLE = "requests"
    entry: dict[str, Any]


class Control:
    """The control plane over one database; it holds the settings in force."""

    def __init__(self, database: Database, given: Settings | None, changes: Mapping[str, Any]) -> None:
        """Begin with the settings that are *given*, or else with those in the database, and change them."""
        self._database = database
        kept = settings.restore_settings(database.read_fact("settings") or {}) if given is None else given
        self.settings = settings.merge_settings(kept, changes)
        with database.begin_transaction():
            self._keep_settings()

    def _keep_settings(self) -> None:
        self._database.write_fact("settings", vars(self.settings))

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> object:
        """Return the JSON answer to a request, or raise the ApiError that refuses it."""
        match method, path.removeprefix("/emulator").rstrip("/"):
            case "GET", "":
                return self._describe()
            case "POST", "/reset":
                self._database.reset()
            case "GET", "/clock":
                return self._describe_clock()
            case "POST", "/clock":
                return self._set_clock(parse_json(body))
            case "GET", "/faults":
                rules = faults.find_rules(self._database)
                return {"faults": [{**kept.rule, "skip": kept.skip, "times": kept.times} for kept in rules]}
            case "POST", "/faults":
                return {"rules": faults.add_rules(self._database, parse_json(body))}
            case "DELETE", "/faults":
                self._database.delete_where(faults.FaultRule)
            case "GET", "/requests":
                return self._list_requests(query.get("after", "0"))
            case "DELETE", "/requests":
                self._database.delete_where(LogEntry)
            case "GET", "/settings":
                return vars(self.settings)
            case "POST", "/settings":
                self.settings = settings.merge_settings(self.settings, parse_json(body))
                self._keep_settings()
                return vars(self.settings)
            case _:
                raise ApiError(404, f"The emulator has no {method} {path[:80]}.")
        return {}

    def _describe(self) -> dict[str, Any]:
        return {
            "emulator": "Gemini API, tuned models; Vertex AI, tuning jobs; Cloud Storage, objects",
            "version": _VERSION,
            "notice": "This emulator trains nothing: models answer from their training examples.",
            "settings": vars(self.settings),
            "clock": self._describe_clock(),
        }

    def _describe_clock(self) -> dict[str, Any]:
        return {
            "now": format_time(clock.read_time(self._database)),
            "frozen": clock.is_frozen(self._database),
        }

    def _set_clock(self, change: object) -> dict[str, Any]:
        if not isinstance(change, dict) or not change or set(change) - {"advance", "frozen"}:
            raise ArgumentError('The clock takes {"advance": seconds} and {"frozen": true or false}.')
        advance, frozen = change.get("advance", 0), change.get("frozen", clock.is_frozen(self._database))
        if type(advance) not in (int, float) or not 0 <= advance < 1e9:
            raise ArgumentError("advance must be a number of seconds, 0 or more.")
        if not isinstance(frozen, bool):
            raise ArgumentError("frozen must be true or false.")
        if clock.read_time(self._database) + advance * SECOND > _LATEST:
            raise ArgumentError(f"The clock does not go beyond {format_time(_LATEST)[:10]}.")
        clock.advance(self._database, round(advance * SECOND), frozen=frozen)
        return self._describe_clock()

    def _list_requests(self, after: str) -> dict[str, Any]:
        if not re.fullmatch(r"[0-9]{1,18}", after):  # within SQLite's 64 bits
            raise ArgumentError("after must be the sequence number of an entry.")
        found = self._database.find(LogEntry, "rowid > :after", after=int(after))
        entries = [{"sequence": logged.seq, **logged.entry} for logged in found]
        return {"count": self._database.count(LogEntry), "requests": entries}
