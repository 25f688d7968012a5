"""The options that commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import click

from reconciler.formats import UNITS, parse_duration

Command = TypeVar("Command", bound=Callable[..., Any])


PARALLELISM = 10
LOCK_TIMEOUT = timedelta(seconds=120)

_LONGEST = timedelta(days=365)
"""The longest duration that an option takes. Much longer ones would overflow a timer."""


class DurationType(click.ParamType[timedelta]):
    """90s, 50m, 2h or 5d; a bare number is seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse a duration of at most a year. Anything else is a usage error."""
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


class AmountType(click.ParamType[float]):
    """An amount of money, without a currency."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse an amount from 0. Anything else is a usage error."""
        try:
            amount = float(value)
        except ValueError:
            amount = -1.0
        if not (math.isfinite(amount) and amount >= 0):
            self.fail(
                f"{value!r} is not an amount; write a number, in the currency of spec.prices", param, ctx
            )
        return amount


def _chain(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def apply(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


paths = click.argument("paths", nargs=-1, metavar="[PATH]...")
"""Folders and files with manifests."""

no_color = click.option("--no-color", is_flag=True, help="Print without colours.")

json_output = click.option(
    "--json", "as_json", is_flag=True, help="Print everything as JSON, errors included."
)


def _repeatable(option: str, name: str, metavar: str, help: str) -> Callable[[Any], Any]:
    return click.option(option, name, multiple=True, metavar=metavar, help=help)


def _limit(option: str, help: str) -> Callable[[Any], Any]:
    return click.option(option, type=click.IntRange(0), metavar="N", help=help)


def add_setting(
    option: str, type: click.ParamType[Any], metavar: str, default: object, help: str
) -> Callable[[Command], Command]:
    """Make an option with a default that its help shows."""
    return click.option(option, type=type, metavar=metavar, default=default, show_default=True, help=help)


def add_format(*formats: str, help: str = "Output format.") -> Callable[[Command], Command]:
    """Make the option --format. The first format is the default."""
    choice = click.Choice(formats)
    return click.option("--format", "form", type=choice, default=formats[0], show_default=True, help=help)


variables = _chain(
    _repeatable("--var", "variables", "K=V", "Set a variable of the manifests."),
    _repeatable("--var-file", "variable_files", "FILE", "Read variables from YAML or lines of K=V."),
)

place = _chain(
    click.option("--state", "state_url", metavar="URL", help="Where the state is kept.  [default: state]"),
    click.option("--emulator", is_flag=True, help="Use an emulator instead of the services."),
)

service = _chain(
    place,
    add_setting(
        "--parallelism", click.IntRange(1, 256), "N", PARALLELISM, "How many calls to make at the same time."
    ),
    variables,
    no_color,
)

locking = add_setting(
    "--lock-timeout",
    DURATION,
    "D",
    f"{LOCK_TIMEOUT.total_seconds():g}s",
    "How long to wait for the lock of another run.",
)

selection = _chain(
    _repeatable("--target", "targets", "ADDR", "Select this model only; wildcards and LABEL=VALUE work too."),
    _repeatable("--exclude", "excludes", "ADDR", "Leave this model out."),
)

decisions = _chain(
    selection,
    _repeatable("--replace", "replace", "ADDR", "Train this model again."),
    click.option("--retry-failed", is_flag=True, help="Train failed models again."),
)

guards = _chain(
    _limit("--max-trainings", "Refuse a plan with more than N trainings."),
    _limit("--max-deletes", "Refuse a plan with more than N deletes."),
    click.option(
        "--max-cost",
        type=AmountType(),
        metavar="X",
        help="Refuse a plan whose trainings cost more, or cost nobody knows what.",
    ),
)

timeout = click.option(
    "--timeout", type=DURATION, metavar="D", help="End after this time at the latest; trainings go on."
)

waiting = _chain(
    click.option("--no-wait", is_flag=True, help="Return once the service has accepted everything."), timeout
)

auto_approve = click.option("--auto-approve", is_flag=True, help="Do not ask for approval.")

report_format = _chain(
    add_format("text", "markdown"),
    add_setting(
        "--max-chars",
        click.IntRange(500),
        "N",
        60_000,
        "Cut Markdown to N characters, so that it fits in a comment.",
    ),
)
