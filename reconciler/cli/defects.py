"""Describes errors that are defects of this program."""

from __future__ import annotations

import os
import traceback

from reconciler.errors import Diagnostic


def describe_defect(error: BaseException) -> Diagnostic:
    """Describe a defect of this program. With RECONCILER_DEBUG, print its traceback to stderr first."""
    if os.environ.get("RECONCILER_DEBUG"):
        traceback.print_exception(error)
    return Diagnostic(
        f"internal error: {type(error).__name__}: {str(error)[:200]}",
        "This is a defect of reconciler: please report it. RECONCILER_DEBUG=1 shows where it is. "
        "What was begun is recorded: run the command again to go on",
    )
