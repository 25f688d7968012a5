"""The results of checks as text, JSON and JUnit's XML."""

from __future__ import annotations

from xml.dom import minidom

from reconciler.checks import CheckResult
from reconciler.model.checks import Check, HeldOut
from reconciler.model.names import Address
from reconciler.render.checks import build_documents, render_junit, render_results
from reconciler.state.values import Verdict

BOT, FAQ = Address("TunedModel", "bot"), Address("TuningJob", "faq")
FILE = HeldOut("data/x.jsonl", "x.jsonl", "", "0" * 64, 50)
WHY = "'a' is answered with '<3>', not '2'"
RESULTS = (
    (BOT, CheckResult(Check("1", "2"), Verdict.PASSED, 1, 1)),
    (
        BOT,
        CheckResult(Check('a <"b">\x1b', "2"), Verdict.FAILED, 0, 1, "'a' is answered with '<3>', not '2'"),
    ),
    (FAQ, CheckResult(FILE, Verdict.PASSED, 46, 50)),
    (FAQ, CheckResult(FILE, Verdict.UNKNOWN, detail="503")),
)


def test_text_is_a_line_for_each_check() -> None:
    """A file tells its score, a failure its reason."""
    assert list(render_results(RESULTS)) == [
        "passed  TunedModel/bot  '1'",
        "failed  TunedModel/bot  'a' is answered with '<3>', not '2'",
        "passed  TuningJob/faq  x.jsonl: 46 of 50 (0.92)",
        "unknown  TuningJob/faq  x.jsonl: 503",
    ]


def test_a_check_that_is_too_long_for_the_terminal_takes_two_lines() -> None:
    """The address stays whole, and what was found is broken at spaces below it."""
    assert list(render_results(RESULTS, width=40))[:4] == [
        "passed  TunedModel/bot  '1'",
        "failed  TunedModel/bot",
        "    'a' is answered with '<3>', not '2'",
        "passed  TuningJob/faq",
    ]


def test_json_is_an_object_for_each_check() -> None:
    """With a prompt or a file, never both."""
    first, *_, last = build_documents(RESULTS)
    assert first == {
        "address": "TunedModel/bot",
        "prompt": "1",
        "verdict": "passed",
        "passed": 1,
        "asked": 1,
        "detail": "",
    }
    assert last == {
        "address": "TuningJob/faq",
        "file": "x.jsonl",
        "verdict": "unknown",
        "passed": 0,
        "asked": 0,
        "detail": "503",
    }


def test_junit_has_a_suite_for_each_model() -> None:
    """A wrong answer is a failure, a call that failed an error; any text is quoted."""
    document = minidom.parseString("\n".join(render_junit(RESULTS)))  # noqa: S318 -- it is our own
    root = document.documentElement
    assert root is not None
    counts = [
        {name: suite.getAttribute(name) for name in ("tests", "failures", "errors")}
        for suite in (root, *document.getElementsByTagName("testsuite"))
    ]
    assert counts == [
        {"tests": "4", "failures": "1", "errors": "1"},
        {"tests": "2", "failures": "1", "errors": "0"},
        {"tests": "2", "failures": "0", "errors": "1"},
    ]
    (failure,) = document.getElementsByTagName("failure")
    assert failure.getAttribute("message") == "'a' is answered with '<3>', not '2'"
    names = [case.getAttribute("name") for case in document.getElementsByTagName("testcase")]
    assert names == ["'1'", repr('a <"b">\x1b'), "x.jsonl", "x.jsonl"]


def test_junit_of_nothing_is_a_document_too() -> None:
    """A CI system reads it without an error."""
    assert list(render_junit(()))[1:] == ['<testsuites tests="0" failures="0" errors="0">', "</testsuites>"]
