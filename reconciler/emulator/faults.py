"""Faults on request: rules in the store, and which of them a request or a new model meets.

Four kinds. A rule with `train` decides how the training of a matching new model or tuning job ends;
one with `lag` hides a new one for a while from `list` or `get`; one with `operation` lets a matching
long-running operation of Vertex fail; any other rule meets requests, does one thing to them, and is
used up after `times`. The wire work is the app's; see `Fault`.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from reconciler.emulator.database import Store
from reconciler.emulator.errors import NAMED, ApiError, invalid
from reconciler.emulator.gemini.progress import SECOND, Failure, Training

_KEYS = {
    "request": {
        "method",
        "path",
        "times",
        "skip",
        "when",
        "status",
        "body",
        "headers",
        "error",
        "drop",
        "cut",
        "truncate",
        "garbage",
        "delay",
        "hang",
        "redirect",
    },
    "train": {"train", "fail", "end", "uncancellable", "at", "times", "skip"},
    "operation": {"operation", "fail", "times", "skip"},
    "lag": {"lag", "what", "path", "times", "skip"},
}
_PATTERNS = ("path", "train", "operation")
_ENDS = ("SUCCEEDED", "FAILED", "CANCELLED", "PAUSED", "EXPIRED", "PARTIALLY_SUCCEEDED")
_BODILESS = (204, 304)
_MOST = 2**31
_ACTIONS = ("error", "redirect", "drop", "cut", "truncate", "garbage", "hang", "status")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """What is done to one request: wait, then at most one action, before or after the effect."""

    delay: float = 0
    action: str = ""
    when: Literal["before", "after"] = "before"
    rule: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def error(self) -> ApiError:
        """Return the answer of a `status`, `error` or `redirect` rule."""
        if self.action == "error":
            return NAMED[self.rule["error"]]
        if self.action == "redirect":
            headers = {"Location": self.rule["redirect"]}
            return ApiError(self.rule.get("status", 302), "Moved.", headers=headers)
        return ApiError(self.rule["status"], headers=self.rule.get("headers", {}))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fate:
    """What the rules hold for a new model or job.

    Attributes:
        fail: the error it ends with.
        end: the state a job ends in.
        uncancellable: a job goes on although it is cancelled, as the documents allow.
    """

    fail: Mapping[str, Any] | None = None
    end: str = ""
    uncancellable: bool = False
    at: float = 1
    hidden_from_list: int = 0
    hidden_from_get: int = 0

    def applied_to(self, training: Training) -> Training:
        """Return *training* as it will go."""
        if self.fail is None:
            return training
        time = training.created + round(training.duration * self.at)
        code, message = self.fail.get("code", 13), self.fail.get("message", "Internal error.")
        return dataclasses.replace(training, failure=Failure(code=code, message=message, time=time))


def pick(store: Store, method: str, path: str) -> Fault | None:
    """Return what a request meets, and count it against the rules."""
    delay, met = 0.0, False
    for rule in _matching(store, "request", method=method, path=path):
        delay, met = delay + rule.get("delay", 0), True
        for action in _ACTIONS:
            if action in rule:
                when = rule.get("when", "before")
                return Fault(delay=delay, action=action, when=when, rule=rule)
    return Fault(delay=delay) if met else None


def fate(store: Store, path: str, subject: str, list_lag: float) -> Fate:
    """Return what a model or job that is created now has before it.

    Args:
        store: where the rules are.
        path: where it will be found, for `lag`.
        subject: what `train` is looked for in, a line each.
        list_lag: for how many seconds everything is missing from lists.
    """
    fail: Mapping[str, Any] | None = None
    end, at, hidden, uncancellable = "", 1.0, {"list": list_lag, "get": 0.0}, False
    for rule in _matching(store, "train", train=subject):
        end, at = rule.get("end", ""), rule.get("at", 1)
        uncancellable = "uncancellable" in rule
        fail = rule.get("fail", None if end or uncancellable else {})
        break
    for rule in _matching(store, "lag", path=path):
        what = rule.get("what", "list")
        hidden[what] = max(hidden[what], rule["lag"])
    return Fate(
        fail=fail,
        end=end,
        uncancellable=uncancellable,
        at=at,
        hidden_from_list=round(hidden["list"] * SECOND),
        hidden_from_get=round(hidden["get"] * SECOND),
    )


def operation_failure(store: Store, subject: str) -> Mapping[str, Any] | None:
    """Return how an operation that begins now fails, if it does; *subject* is verb and resource."""
    for rule in _matching(store, "operation", operation=subject):
        return {"code": 13, "message": "Internal error.", **rule.get("fail", {})}
    return None


def _matching(store: Store, kind: str, **subject: str) -> Iterable[dict[str, Any]]:
    for seq, rule, skip, times in store.rules():
        if _kind(rule) != kind or not _matches(rule, subject):
            continue
        if skip > 0:
            store.count_rule(seq, skipped=True)
            continue
        if times is not None:
            store.count_rule(seq, skipped=False)
        yield rule


def _kind(rule: Mapping[str, Any]) -> str:
    return next((kind for kind in ("train", "lag", "operation") if kind in rule), "request")


def _matches(rule: Mapping[str, Any], subject: Mapping[str, str]) -> bool:
    if rule.get("method", "").upper() not in {"", subject.get("method", "")}:
        return False
    return all(re.search(rule[key], subject[key], re.MULTILINE) for key in _PATTERNS if rule.get(key))


def add(store: Store, rules: object) -> int:
    """Append rules, one or a list, all or none; return how many rules there are now."""
    for rule in [_checked(rule) for rule in (rules if isinstance(rules, list) else [rules])]:
        default = 1 if _kind(rule) == "request" else None
        store.add_rule(rule, rule.get("skip", 0), rule.get("times", default))
    return len(store.rules())


def _checked(rule: object) -> dict[str, Any]:
    if not isinstance(rule, dict):
        raise invalid("A fault rule is a JSON object.")
    kind = _kind(rule)
    if unknown := sorted(set(rule) - _KEYS[kind]):
        raise invalid(f"A {kind} rule has no {', '.join(unknown)}.")
    if kind == "request":
        actions = [name for name in _ACTIONS if name in rule]
        if len(actions) > 1 and set(actions) != {"redirect", "status"}:
            raise invalid(f"A rule does one thing, not {', '.join(actions)}.")
        if not actions and "delay" not in rule:
            raise invalid(f"A rule does one of {', '.join(_ACTIONS)}, delay.")
    for key, value in rule.items():
        if not _FITS[key](value):
            raise invalid(f"Fault rule: {key} cannot be {str(value)[:80]}.")
    return rule


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_header_line(item: tuple[str, object]) -> bool:
    return re.fullmatch(r"[A-Za-z0-9-]+", item[0]) is not None and _is_header(item[1])


def _is_pattern(value: object) -> bool:
    return isinstance(value, str) and _compiles(value)


def _is_true(value: object) -> bool:
    return value is True


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_failure(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    code, message = value.get("code", 13), value.get("message", "")
    return type(code) is int and 0 < code < _MOST and isinstance(message, str)


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


# What each key of a rule may be.
_FITS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_PATTERNS, _is_pattern),
    **dict.fromkeys(("method", "garbage"), _is_text),
    **dict.fromkeys(("drop", "hang", "uncancellable"), _is_true),
    "body": _is_object,
    "fail": _is_failure,
    **dict.fromkeys(("skip", "cut", "truncate"), _is_count),
    **dict.fromkeys(("delay", "lag"), _is_seconds),
    "at": lambda value: isinstance(value, int | float) and 0 <= value <= 1,
    "end": lambda value: value in {f"JOB_STATE_{name}" for name in _ENDS},
    "error": lambda value: value in NAMED,
    "headers": lambda value: isinstance(value, dict) and all(map(_is_header_line, value.items())),
    "redirect": _is_header,
    "status": lambda value: type(value) is int and 200 <= value <= 599 and value not in _BODILESS,
    "times": lambda value: value is None or _is_count(value),
    "what": lambda value: value in ("list", "get"),
    "when": lambda value: value in ("before", "after"),
}
