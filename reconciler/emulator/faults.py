"""Faults on request: the rules, and which of them a request, a new training or an operation meets.

There are four kinds of rules. A rule with `train` decides how the training of a matching new model or tuning
job ends. One with `lag` hides a new model or job from `list` or `get` for a while. One with `operation` makes
a matching long-running operation of Vertex AI fail. Every other rule meets requests and does one thing to
them. A rule is used up after `times` matches. What a rule does to the connection is in app.py.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from reconciler.emulator.clock import SECOND
from reconciler.emulator.database import Database, Record
from reconciler.emulator.errors import NAMED, ArgumentError
from reconciler.emulator.settings import is_seconds, make_choice_check, make_count_check

_ACTIONS = ("error", "redirect", "drop", "cut", "truncate", "garbage", "hang", "status")
_KEYS: Mapping[str, set[str]] = {
    "request": {"method", "path", "times", "skip", "when", "body", "headers", "delay", *_ACTIONS},
    "train": {"train", "fail", "end", "uncancellable", "at", "best", "times", "skip"},
    "operation": {"operation", "fail", "times", "skip"},
    "lag": {"lag", "what", "path", "times", "skip"},
}
_PATTERNS = ("path", "train", "operation")
_ENDS = ("SUCCEEDED", "FAILED", "CANCELLED", "PAUSED", "EXPIRED", "PARTIALLY_SUCCEEDED")
_BODILESS = (204, 304)
_MOST = 2**31 - 1
DEFAULT_FAILURE = {"code": 13, "message": "Internal error."}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaultRule(Record):
    """A rule, how many matches it still skips, and how many it still meets; None is all of them."""

    TABLE = "rules"
    rule: dict[str, Any]
    skip: int
    times: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """The fault of one request: a delay, then at most one action, before or after the effect."""

    delay: float = 0
    action: str = ""
    when: Literal["before", "after"] = "before"
    rule: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fate:
    """The fate of a new model or job, as the rules have decided it.

    Attributes:
        failure: what a rule says of the google.rpc.Status it ends with, None when it does not fail.
        end: the state that a job ends in, '' when the rules do not say.
        uncancellable: whether a job goes on although it is cancelled, as the documents allow.
        best: the id of the only checkpoint that learns all examples; '' if all do.
        at: the part of the training after which it ends, 0 to 1.
        hidden_from_list: for how many microseconds it is missing from lists; hidden_from_get likewise.
    """

    failure: Mapping[str, Any] | None
    end: str
    uncancellable: bool
    at: float
    best: str
    hidden_from_list: int
    hidden_from_get: int


def take_fault(database: Database, method: str, path: str) -> Fault:
    """Return what a request meets, and count it against the rules."""
    delay = 0.0
    for rule in _take_matching(database, "request", method=method, path=path):
        delay += rule.get("delay", 0)
        for action in _ACTIONS:
            if action in rule:
                return Fault(delay=delay, action=action, when=rule.get("when", "before"), rule=rule)
    return Fault(delay=delay)


def decide_fate(database: Database, path: str, subject: str, list_lag: float) -> Fate:
    """Return what will become of a model or job that is created now.

    `lag` rules are matched with its *path*, `train` rules with the lines of *subject*. Everything new is
    missing from lists for *list_lag* seconds.
    """
    train = next(_take_matching(database, "train", train=subject), {})
    hidden = {"list": list_lag, "get": 0.0}
    for rule in _take_matching(database, "lag", path=path):
        what = rule.get("what", "list")
        hidden[what] = max(hidden[what], rule["lag"])
    fails_unless_told = bool(train) and not {"end", "uncancellable", "best"} & set(train)
    return Fate(
        failure=train.get("fail", {} if fails_unless_told else None),
        end=train.get("end", ""),
        uncancellable="uncancellable" in train,
        at=train.get("at", 1),
        best=train.get("best", ""),
        hidden_from_list=round(hidden["list"] * SECOND),
        hidden_from_get=round(hidden["get"] * SECOND),
    )


def take_operation_failure(database: Database, subject: str) -> dict[str, Any] | None:
    """Return how an operation that begins now fails, or None; *subject* is its verb and its resource."""
    rule = next(_take_matching(database, "operation", operation=subject), None)
    return None if rule is None else {**DEFAULT_FAILURE, **rule.get("fail", {})}


def add_rules(database: Database, rules: object) -> int:
    """Append one rule or a list of them, and return how many there are now. A 400 for what is not a rule."""
    for rule in [_check_rule(rule) for rule in (rules if isinstance(rules, list) else [rules])]:
        times = rule.get("times", 1 if _find_kind(rule) == "request" else None)
        database.add(FaultRule(rule=rule, skip=rule.get("skip", 0), times=times))
    return len(find_rules(database))


def find_rules(database: Database) -> list[FaultRule]:
    """Return the rules that are not used up."""
    return database.find(FaultRule, "times IS NULL OR times > 0")


def _take_matching(database: Database, kind: str, **subject: str) -> Iterator[dict[str, Any]]:
    """Yield the rules that match, and count each that is met or skipped."""
    for kept in find_rules(database):
        rule = kept.rule
        if _find_kind(rule) != kind or rule.get("method", "").upper() not in {"", subject.get("method", "")}:
            continue
        if not all(re.search(rule[key], subject[key], re.MULTILINE) for key in _PATTERNS if rule.get(key)):
            continue
        if kept.skip > 0:
            database.update(dataclasses.replace(kept, skip=kept.skip - 1))
            continue
        if kept.times is not None:
            database.update(dataclasses.replace(kept, times=kept.times - 1))
        yield rule


def _find_kind(rule: Mapping[str, Any]) -> str:
    return next((kind for kind in ("train", "lag", "operation") if kind in rule), "request")


def _check_rule(rule: object) -> dict[str, Any]:
    if not isinstance(rule, dict):
        raise ArgumentError("A fault rule is a JSON object.")
    kind = _find_kind(rule)
    if unknown := sorted(set(rule) - _KEYS[kind]):
        raise ArgumentError(f"A {kind} rule has no {', '.join(unknown)}.")
    if kind == "request":
        actions = [name for name in _ACTIONS if name in rule]
        if len(actions) > 1 and set(actions) != {"redirect", "status"}:
            raise ArgumentError(f"A rule does one thing, not {', '.join(actions)}.")
        if not actions and "delay" not in rule:
            raise ArgumentError(f"A rule does one of {', '.join(_ACTIONS)}, delay.")
    for key, value in rule.items():
        if not _CHECKS[key](value):
            raise ArgumentError(f"Fault rule: {key} cannot be {str(value)[:80]}.")
    return rule


def _is_pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except (re.error, OverflowError, RecursionError):
        return False


def _is_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_header_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        re.fullmatch(r"[A-Za-z0-9-]+", name) and _is_header(text) for name, text in value.items()
    )


def _is_failure(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    code, message = value.get("code", 13), value.get("message", "")
    return type(code) is int and 0 < code <= _MOST and isinstance(message, str)


# The check of each key of a rule.
_CHECKS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_PATTERNS, _is_pattern),
    **dict.fromkeys(("method", "garbage", "best"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("drop", "hang", "uncancellable"), make_choice_check(True)),
    "body": lambda value: isinstance(value, dict),
    "fail": _is_failure,
    **dict.fromkeys(("skip", "cut", "truncate"), make_count_check(0, _MOST)),
    **dict.fromkeys(("delay", "lag"), is_seconds),
    "at": lambda value: isinstance(value, int | float) and 0 <= value <= 1,
    "end": make_choice_check(*(f"JOB_STATE_{name}" for name in _ENDS)),
    "error": make_choice_check(*NAMED),
    "headers": _is_header_map,
    "redirect": _is_header,
    "status": lambda value: make_count_check(200, 599)(value) and value not in _BODILESS,
    "times": lambda value: value is None or make_count_check(0, _MOST)(value),
    "what": make_choice_check("list", "get"),
    "when": make_choice_check("before", "after"),
}
