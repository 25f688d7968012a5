"""Renders the results of checks: as text, JSON, and JUnit's XML, which CI systems show.

JUnit's form is that of Jenkins and GitLab: a test case for each check, a suite for each model. A check that
could not be run is an error there, and one that did not pass is a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias
from xml.sax.saxutils import quoteattr

from reconciler.checks import CheckResult
from reconciler.codec import Json
from reconciler.formats import format_share
from reconciler.model.checks import AnyCheck, HeldOut
from reconciler.model.names import Address
from reconciler.render.terminal import UNLIMITED, escape, put_side_by_side
from reconciler.state.values import Verdict

Results: TypeAlias = Sequence[tuple[Address, CheckResult]]


def render_results(results: Results, *, width: int = UNLIMITED) -> Iterator[str]:
    """Render a line for each check, or more if the terminal is too narrow for it."""
    for address, result in results:
        said = result.detail or name_check(result.check)
        if result.verdict is Verdict.UNKNOWN:
            said = f"{name_check(result.check)}: {result.detail}"
        share = ""
        if isinstance(result.check, HeldOut) and result.verdict is Verdict.PASSED:
            share = f": {format_share(result.passed, result.asked)}"
        yield from put_side_by_side(escape(f"{result.verdict}  {address}"), escape(f"{said}{share}"), width)


def build_documents(results: Results) -> list[Json]:
    """Build a JSON object for each check: address, prompt or file, verdict, passed, asked, detail."""
    return [
        {
            "address": str(address),
            **_name_part(result.check),
            "verdict": str(result.verdict),
            "passed": result.passed,
            "asked": result.asked,
            "detail": result.detail,
        }
        for address, result in results
    ]


def render_junit(results: Results) -> Iterator[str]:
    """Render JUnit's XML, line by line."""
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f"<testsuites{_count(result for _, result in results)}>"
    for address, group in groupby(results, key=lambda pair: pair[0]):
        found = [result for _, result in group]
        yield f"  <testsuite name={_quote(str(address))}{_count(found)}>"
        for result in found:
            start = f"    <testcase classname={_quote(str(address))} name={_quote(name_check(result.check))}"
            if result.verdict is Verdict.PASSED:
                yield f"{start}/>"
                continue
            kind = "error" if result.verdict is Verdict.UNKNOWN else "failure"
            yield f"{start}><{kind} message={_quote(result.detail)}/></testcase>"
        yield "  </testsuite>"
    yield "</testsuites>"


def name_check(check: AnyCheck) -> str:
    """Name a check: its prompt in quotes, or its file."""
    return check.shown if isinstance(check, HeldOut) else repr(check.prompt)


def _name_part(check: AnyCheck) -> dict[str, Json]:
    return {"file": check.shown} if isinstance(check, HeldOut) else {"prompt": check.prompt}


def _count(results: Iterable[CheckResult]) -> str:
    verdicts = [result.verdict for result in results]
    failures, errors = verdicts.count(Verdict.FAILED), verdicts.count(Verdict.UNKNOWN)
    return f' tests="{len(verdicts)}" failures="{failures}" errors="{errors}"'


def _quote(text: str) -> str:
    """Quote an attribute. Characters that XML does not allow become what a terminal shows for them."""
    return quoteattr(escape(text))
