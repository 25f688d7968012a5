"""Errors and warnings in Terraform's JSON, for the event stream and for `validate --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler import __version__
from reconciler.codec import Json
from reconciler.errors import Diagnostic, Severity

VALIDATE_VERSION = "1.0"
"""The version of `terraform validate -json`."""


def build_diagnostic(diagnostic: Diagnostic, *, byte: int = 0) -> dict[str, Json]:
    """Build one element of Terraform's `diagnostics`."""
    body: dict[str, Json] = {
        "severity": diagnostic.severity,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
    }
    if diagnostic.address:
        body["address"] = diagnostic.address
    if diagnostic.file:
        start: Json = {"line": diagnostic.line or 1, "column": diagnostic.column or 1, "byte": byte}
        body["range"] = {"filename": diagnostic.file, "start": start, "end": start}
    return body


def build_validation_document(
    diagnostics: Sequence[Diagnostic], offsets: Sequence[int], counts: Mapping[str, int]
) -> dict[str, Json]:
    """Build what `validate --json` prints: Terraform's object, with our counts under `reconciler`.

    Args:
        diagnostics: errors and warnings.
        offsets: for each diagnostic, its place in the file in bytes.
        counts: how many models, data sets and so on are valid, by name.
    """
    pairs = zip(diagnostics, offsets, strict=True)
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    ours: dict[str, Json] = {"reconciler_version": __version__, **counts}
    return {
        "format_version": VALIDATE_VERSION,
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(diagnostics) - errors,
        "diagnostics": [build_diagnostic(what, byte=at) for what, at in pairs],
        "reconciler": ours,
    }
