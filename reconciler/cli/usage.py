"""Words the mistakes in a command line as errors of our own: which word is wrong, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from reconciler.errors import Diagnostic

_SURPLUS = r"Got unexpected extra arguments? \((.*)\)"
"""Click's message about arguments that a command does not take. Click keeps them nowhere else."""

_UNFIT = " is not | does not match "
"""What follows the value in click's message about a value that does not fit its type."""


class Group(click.Group):
    """A group that suggests a command for a name that it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. UsageError with the nearest name for a typo."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {args[0]!r}{_suggest(args[0], names) or '.'}", ctx)
        return super().resolve_command(ctx, args)


def describe(error: click.ClickException) -> Diagnostic:
    """Describe a mistake in a command line. The advice names the help of the command."""
    context = getattr(error, "ctx", None)
    return Diagnostic(_summarize(error), f"Try: {context.command_path} --help" if context is not None else "")


def _summarize(error: click.ClickException) -> str:
    match error:
        case click.NoSuchOption():
            # click's list also holds options that only have the dashes and a few letters in common
            near = _suggest(error.option_name, error.possibilities or [])
            return f"there is no option {error.option_name}{near}"
        case click.BadOptionUsage():
            return (
                f"{error.option_name} {'takes no' if 'does not take' in error.message else 'needs a'} value"
            )
        case click.MissingParameter(param=click.Parameter() as parameter):
            return f"{_find_name(parameter)} is missing"
        case click.BadParameter(param=click.Parameter() as parameter):
            value = re.split(_UNFIT, error.message, maxsplit=1)[0]
            wanted = _describe_type(parameter.type)
            return f"{_find_name(parameter)}: {f'{value} is not {wanted}' if wanted else error.message}"
        case _:
            surplus = re.match(_SURPLUS, error.format_message())
            return f"too many arguments: {surplus[1]}" if surplus else error.format_message()


def _suggest(word: str, known: Sequence[str]) -> str:
    """Ask after the known word that was probably meant. "" if none is near."""
    from reconciler.problems import find_nearest

    near = find_nearest(word, known)
    return f". Did you mean {near}?" if near else ""


def _find_name(parameter: click.Parameter) -> str:
    """Return the name that the help shows: "--state", "ADDR" or "PROMPT"."""
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return (parameter.metavar or (parameter.name or "").upper()).strip("[].")


def _describe_type(type: click.ParamType[Any]) -> str:
    """Describe the values of an option. "" for a type whose message is ours already."""
    match type:
        case click.Choice():
            return " or ".join(map(str, type.choices))
        case click.DateTime():
            return "a day; write YEAR-MONTH-DAY, for example 2026-11-01"
        case click.IntRange() | click.FloatRange():
            noun = "a whole number" if isinstance(type, click.IntRange) else "a number"
            return f"{noun} of at least {type.min:g}" + (f" and at most {type.max:g}" if type.max else "")
        case _:
            return ""
