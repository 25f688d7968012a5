"""Errors and warnings in Terraform's form: each in a stream, all of them in what `validate --json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler import __version__
from reconciler.codec import Json
from reconciler.errors import Diagnostic, Severity

VALIDATE_VERSION = "1.0"
"""Of `terraform validate -json`."""


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
        offsets: the place of each in its file, in bytes.
        counts: what was found sound, by name.
    """
    errors = sum(one.severity is Severity.ERROR for one in diagnostics)
    ours: dict[str, Json] = {"reconciler_version": __version__, **counts}
    return {
        "format_version": VALIDATE_VERSION,
        "valid": not errors,
        "error_count": errors,
        "warning_count": len(diagnostics) - errors,
        "diagnostics": [
            build_diagnostic(one, byte=byte) for one, byte in zip(diagnostics, offsets, strict=True)
        ],
        "reconciler": ours,
    }
