"""Check that a saved plan is executed where it was made (design 2.2).

Rule: a plan was approved for one place. Nobody has seen what it would do elsewhere.
"""

from __future__ import annotations

from reconciler.errors import StalePlanError
from reconciler.plan.inputs import Context

_CHECKED = ("endpoint", "project", "location", "service", "stack", "state")
"""The parts of a place that must be the same."""


def check_place(planned: Context, here: Context) -> None:
    """Check that a saved plan was made here. To be called before any call.

    Raises:
        StalePlanError: names every part of the place that differs, as it was then and as it is here.
    """
    different = [
        f"the {part} {getattr(planned, part) or 'none'} (here: {getattr(here, part) or 'none'})"
        for part in _CHECKED
        if not _is_same(planned, here, part)
    ]
    if different:
        raise StalePlanError(
            f"the plan was made for {', '.join(different)}",
            "A saved plan runs only where it was made. Set endpoint, project, location and --state as they "
            "were then, or make a new plan here",
        )


def _is_same(planned: Context, here: Context, part: str) -> bool:
    before, now = getattr(planned, part), getattr(here, part)
    if before == now:
        return True
    if part == "endpoint":  # the emulator inside the command listens on another port each time
        return planned.embedded and here.embedded
    return part == "state" and not before  # made by a version that kept none
