"""The options that commands share, and what they make of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import click

from reconciler.formats import UNITS, parse_duration

Command = TypeVar("Command", bound=Callable[..., Any])


_LONGEST = timedelta(days=365)
"""The longest time that an option takes; far longer ones would overflow a timer."""


class DurationType(click.ParamType[timedelta]):
    """90s, 50m, 2h or 5d; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it. Anything else, and more than a year, is a usage error."""
        if isinstance(value, timedelta):
            return value
        text = str(value)
        seconds = parse_duration(text if text[-1:] in UNITS else f"{text}s")
        if seconds is None:
            self.fail(f"{value!r} is not a duration; write 90s, 50m, 2h or 5d", param, ctx)
        if seconds > _LONGEST.total_seconds():
            self.fail(f"{value!r} is longer than {_LONGEST.days} days", param, ctx)
        return timedelta(seconds=seconds)


DURATION = DurationType()


def _chain(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


paths = click.argument("paths", nargs=-1, metavar="[PATH]...")
"""Folders and files with manifests."""

no_color = click.option("--no-color", is_flag=True, help="No colours, whatever the terminal.")

json_output = click.option("--json", "as_json", is_flag=True, help="JSON only on stdout, errors too.")

variables = _chain(
    click.option("--var", "variables", multiple=True, metavar="K=V", help="Set a variable of the manifests."),
    click.option(
        "--var-file", "variable_files", multiple=True, metavar="FILE", help="Variables, as YAML or K=V lines."
    ),
)

place = _chain(
    click.option("--state", "state_url", metavar="URL", help="Where the state is kept.  [default: state]"),
    click.option("--emulator", is_flag=True, help="Run against an emulator inside this process."),
)

service = _chain(
    place,
    click.option(
        "--parallelism",
        type=click.IntRange(1, 256),
        default=10,
        show_default=True,
        help="Calls at the service at once.",
    ),
    variables,
    no_color,
)

locking = click.option(
    "--lock-timeout",
    type=DURATION,
    default="120s",
    show_default=True,
    metavar="D",
    help="How long to wait for somebody else's lock.",
)

selection = _chain(
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="ADDR",
        help="Only this; wildcards and LABEL=VALUE work too.",
    ),
    click.option("--exclude", "excludes", multiple=True, metavar="ADDR", help="All but this."),
)

decisions = _chain(
    selection,
    click.option("--replace", "replace", multiple=True, metavar="ADDR", help="Train this one anew."),
    click.option("--retry-failed", is_flag=True, help="Train anew what failed."),
)

guards = _chain(
    click.option(
        "--max-trainings",
        type=click.IntRange(0),
        metavar="N",
        help="Refuse a plan that starts more trainings.",
    ),
    click.option(
        "--max-deletes", type=click.IntRange(0), metavar="N", help="Refuse a plan that deletes more."
    ),
)

timeout = click.option(
    "--timeout", type=DURATION, metavar="D", help="End after this time at the latest; trainings go on."
)

waiting = _chain(
    click.option("--no-wait", is_flag=True, help="Return once the service has accepted everything."), timeout
)

auto_approve = click.option("--auto-approve", is_flag=True, help="Do not ask.")

report_format = _chain(
    click.option(
        "--format", "form", type=click.Choice(["text", "markdown"]), default="text", show_default=True
    ),
    click.option(
        "--max-chars",
        type=click.IntRange(500),
        default=60_000,
        show_default=True,
        help="The longest Markdown that fits the comment.",
    ),
)
