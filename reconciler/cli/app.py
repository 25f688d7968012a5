"""The command group and `main`: runs one command and leaves with its exit code.

A command is a module of its own, imported when it is called: `--help` is started by people.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import NoReturn

import click

from reconciler import __version__
from reconciler.cli import deadline, exit_codes, signals, streams
from reconciler.cli.defects import describe_defect
from reconciler.errors import Diagnostic, ReconcilerError

COMMANDS = {
    "init": ("init", "Write a first manifest and a Stack; check credentials, endpoint and state store."),
    "validate": ("validate", "Check everything that can be known offline: manifests, data sets, limits."),
    "plan": ("plan", "Show what apply would do."),
    "apply": ("apply", "Do it, wait until each model serves, and record it."),
    "destroy": ("destroy", "Delete all that is recorded."),
    "drift": ("drift", "Compare live with recorded; reads only, writes nothing."),
    "wait": ("wait", "Finish what an apply approved; starts no other training."),
    "show": ("show", "Show one model with its loss curve, the whole state, or a saved plan."),
    "output": ("output", "Print the resource name to call, for the program that serves it."),
    "generate": ("generate", "Ask a managed model."),
    "test": ("test", "Run the checks of every managed model."),
    "import": ("import_", "Adopt a live model under a declared address."),
    "state": ("state", "List, show, move, remove, pull and push what is recorded."),
    "force-unlock": ("force_unlock", "Break somebody's lock, given its id."),
    "report": ("report", "Write one self-contained HTML page: models, states, loss curves, drift."),
    "schema": ("schema", "Print the JSON Schema of the manifests, for editors."),
    "emulator": ("emulator", "Serve the APIs locally until stopped."),
}
"""Name to module and one line of help, so that listing them imports none."""


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import it."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"reconciler.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """With the nearest known name for a typo."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """From the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    """Fine-tuned Gemini models as code: plan, apply, wait; never train twice by accident."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code. No traceback for what a user or a service did wrong."""
    signals.raise_interrupts()
    streams.prepare()
    code = _run(sys.argv[1:] if arguments is None else arguments)
    deadline.get_current().disarm()
    signals.fix_exit_code(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            streams.write(stream, flush=True)
        except streams.OutputLostError as error:
            _print(error.diagnostics, as_json=False)
            code = exit_codes.decide_after_lost_output(code)
    if any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
        os._exit(code)  # a call that nobody waits for any more must not keep the process alive
    signals.ignore()
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        return cli.main(arguments, prog_name="reconciler", standalone_mode=False) or 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except BrokenPipeError:
        streams.silence(sys.stdout)
        return 0
    except SystemExit:
        raise
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
    except streams.OutputLostError as error:
        _print(error.diagnostics, as_json=False)
    except BaseException as error:  # noqa: BLE001 - a panic of a library in another language is one too
        _print(_describe(error), as_json=as_json)
    return exit_codes.decide_after_error()


def _describe(error: BaseException) -> tuple[Diagnostic, ...]:
    """What to say of an error that ended a command."""
    match error:
        case ReconcilerError():
            return error.diagnostics
        case click.ClickException():
            context = getattr(error, "ctx", None)
            advice = f"Try: {context.command_path} --help" if context is not None else ""
            return (Diagnostic(error.format_message(), advice),)
        case click.Abort() | KeyboardInterrupt() if deadline.get_current().has_passed():
            return deadline.build_error().diagnostics
        case click.Abort() | KeyboardInterrupt():
            return (Diagnostic("interrupted", "Nothing is left half done; run the command again"),)
        case OSError(errno=number, filename=None) if number in streams.NO_ROOM:
            streams.silence(sys.stdout)  # what click printed by itself (a help text) cannot be written
            return streams.build_error(error).diagnostics
        case _:
            return (describe_defect(error),)


def _print(diagnostics: tuple[Diagnostic, ...], *, as_json: bool) -> None:
    from reconciler.cli.console import Console

    Console.open(as_json=as_json).print_diagnostics(diagnostics)
