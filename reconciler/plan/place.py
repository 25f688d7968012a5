"""Where a saved plan was made, held against where it is about to be carried out (design 2.2).

Rule: a plan was approved for one place. What it would do elsewhere nobody has seen.
"""

from __future__ import annotations

from reconciler.errors import StalePlanError
from reconciler.plan.change import Context

_HELD = (
    ("endpoint", "the endpoint"),
    ("project", "the project"),
    ("location", "the location"),
    ("service", "the service"),
    ("stack", "the stack"),
    ("state", "the state"),
)
"""Each part of a place that a plan is held to, and what to call it."""


def check_place(planned: Context, here: Context) -> None:
    """Refuse a saved plan anywhere but where it was made; to be called before any call.

    Args:
        planned: the context that the plan was shown with.
        here: the context that it would be carried out in.

    Raises:
        StalePlanError: names both places, wherever they differ.
    """
    different = [
        f"{words} {_named(planned, key)} (here: {_named(here, key)})"
        for key, words in _HELD
        if not _is_same(planned, here, key)
    ]
    if different:
        raise StalePlanError(
            f"the plan was made for {', '.join(different)}",
            "A saved plan runs only where it was made. Set endpoint, project, location and --state as they "
            "were then, or make a new plan here",
        )


def _is_same(planned: Context, here: Context, key: str) -> bool:
    before, now = getattr(planned, key), getattr(here, key)
    if before == now:
        return True
    if key == "endpoint":  # inside the command, an emulator listens on another port each time
        return planned.embedded and here.embedded
    return key == "state" and not before  # made by a version that kept none


def _named(context: Context, key: str) -> str:
    return getattr(context, key) or "none"
