"""Builds what `import --all --json` prints."""

from __future__ import annotations

from reconciler.codec import Json
from reconciler.plan.estate import Estate, Left


def build_estate_document(estate: Estate) -> dict[str, Json]:
    """Build one document: `written`, `left_out` by model, `counts` by reason, and the kinds not asked."""
    reasons = [left.reason for left in estate.omitted]
    return {
        "written": [
            {"address": str(written.address), "import": written.name, "file": written.file}
            for written in estate.written
        ],
        "left_out": [
            {"name": left.name, "reason": left.reason.name.lower(), "detail": left.why}
            for left in estate.omitted
        ],
        "counts": {
            "written": len(estate.written),
            **{reason.name.lower(): reasons.count(reason) for reason in Left},
        },
        "unasked": [{"kind": kind, "detail": why} for kind, why in estate.unasked],
    }
