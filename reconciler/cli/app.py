"""The command group and `main`: runs one command and leaves with its exit code.

A command is a module of its own, imported when it is called: `--help` is started by people.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import Any, NoReturn

import click

from reconciler import __version__
from reconciler.cli import deadline, late_signals, signals, streams
from reconciler.cli.defects import defect
from reconciler.errors import Diagnostic, ExitCode, ReconcilerError

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
    """Run a command and leave with its exit code; never a traceback for a user's or service's fault."""
    given = sys.argv[1:] if arguments is None else arguments
    signals.interrupt()
    streams.prepare()
    code = late_signals.of_error(_run(given))
    deadline.current().disarm()
    late_signals.keep(code)  # all is said and done
    for stream in (sys.stdout, sys.stderr):
        try:
            streams.write(stream, flush=True)
        except streams.OutputLostError as error:
            said = late_signals.of_error(_say(error.diagnostics, ExitCode.ERROR, as_json=False))
            code = said if code in {ExitCode.DONE, ExitCode.CHANGES} else code
    if any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
        os._exit(code)  # a call that nobody waits for any more must not hold the process
    late_signals.seal()
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    as_json = "--json" in arguments
    try:
        result: Any = cli.main(arguments, prog_name="reconciler", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return ExitCode.ERROR
    except click.ClickException as error:
        return _say(_of_click(error), ExitCode.ERROR, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        if deadline.current().is_up:
            return _say(deadline.nothing_begun().diagnostics, ExitCode.ERROR, as_json=as_json)
        interrupted = Diagnostic("interrupted", "Nothing is left half done; run the command again")
        return _say((interrupted,), ExitCode.ERROR, as_json=as_json)
    except BrokenPipeError:
        streams.silence(sys.stdout)
        return ExitCode.DONE
    except streams.OutputLostError as error:
        return _say(error.diagnostics, error.exit_code, as_json=False)
    except ReconcilerError as error:
        return _say(error.diagnostics, error.exit_code, as_json=as_json)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of a library in another language is one too
        return _say(_of_defect(error), ExitCode.ERROR, as_json=as_json)
    return result if isinstance(result, int) else ExitCode.DONE


def _of_defect(error: BaseException) -> tuple[Diagnostic, ...]:
    """A defect, unless it is what the parser printed by itself (a help text) that nothing takes any more."""
    if isinstance(error, OSError) and error.errno in streams.NO_ROOM and error.filename is None:
        streams.silence(sys.stdout)
        return streams.lost(error).diagnostics
    return (defect(error),)


def _of_click(error: click.ClickException) -> tuple[Diagnostic, ...]:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    where = f"Try: {context.command_path} --help" if context is not None else ""
    return (Diagnostic(message, where),)


def _say(diagnostics: tuple[Diagnostic, ...], code: int, *, as_json: bool) -> int:
    from reconciler.cli.console import Console

    Console.of_environment(as_json=as_json).errors(diagnostics)
    return code
