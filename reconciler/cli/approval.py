"""Asks a person to approve a plan.

Rules: only "yes" is yes. Without a terminal to ask on, nothing is begun.
"""

from __future__ import annotations

import sys

from reconciler.cli.console import Console
from reconciler.errors import UsageError
from reconciler.plan.change import Plan


def ensure_possible(console: Console, *, is_approved: bool, takes_plan: bool = True) -> None:
    """Refuse to run without a terminal and without --auto-approve, before anything is read or locked.

    `takes_plan`: a saved plan can do the same.
    """
    if is_approved or (sys.stdin.isatty() and not console.as_json):
        return
    raise UsageError(
        "there is no terminal to ask for approval",
        "Give --auto-approve, or apply a plan saved with: reconciler plan --out FILE"
        if takes_plan
        else "Give --auto-approve",
    )


def ask(plan: Plan, question: str) -> None:
    """Ask, unless the plan changes nothing. UsageError for any answer but "yes"."""
    if not plan.has_changes:
        return
    sys.stdout.write(f"\n{question}\n  Only 'yes' will be accepted: ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    sys.stdout.write("\n" if not answer else "")
    if answer.strip() != "yes":
        raise UsageError("not approved; nothing was changed")
