"""Errors and warnings as Terraform prints them."""

from __future__ import annotations

from reconciler import __version__
from reconciler.errors import Diagnostic, Severity
from reconciler.render.diagnostics import build_validation_document


def test_a_validation_counts_errors_and_warnings() -> None:
    """Each diagnostic has its place, also in bytes. Valid items are counted under `reconciler`."""
    wrong = Diagnostic("wrong", "mend it", file="a.yaml", line=3, column=5)
    odd = Diagnostic("odd", severity=Severity.WARNING, address="TunedModel/a")
    document = build_validation_document([wrong, odd], [17, 0], {"models": 2})
    start = {"line": 3, "column": 5, "byte": 17}
    assert document == {
        "format_version": "1.0",
        "valid": False,
        "error_count": 1,
        "warning_count": 1,
        "diagnostics": [
            {
                "severity": "error",
                "summary": "wrong",
                "detail": "mend it",
                "range": {"filename": "a.yaml", "start": start, "end": start},
            },
            {"severity": "warning", "summary": "odd", "detail": "", "address": "TunedModel/a"},
        ],
        "reconciler": {"reconciler_version": __version__, "models": 2},
    }
    assert build_validation_document([odd], [0], {})["valid"] is True
