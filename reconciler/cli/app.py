"""The command group and `main`: runs one command and exits with its code.

Rule: a command's module is imported when the command is called, so that `--help` is fast.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from typing import NoReturn

import click

from reconciler import __version__
from reconciler.cli import deadline, exit_codes, signals, streams, usage
from reconciler.cli.console import Console, describe_defect
from reconciler.errors import Diagnostic, ReconcilerError

COMMANDS = {
    "init": ("init", "Write first manifests, and check credentials, endpoint and state store."),
    "validate": ("validate", "Check manifests and data sets without asking a service."),
    "data": ("data", "Show what is in a model's data: lengths, repetitions, contradictions, labels."),
    "plan": ("plan", "Show what apply would do, and change nothing."),
    "apply": ("apply", "Make the service match the manifests, and wait until each model serves."),
    "destroy": ("destroy", "Delete every model that is recorded."),
    "rollback": ("rollback", "Let a former model serve again at once; --undo takes it back."),
    "drift": ("drift", "Show how live models differ from their records."),
    "wait": ("wait", "Finish what an earlier apply has begun."),
    "status": ("status", "Show what every model does: serve, train, wait, or why it has failed."),
    "show": ("show", "Show one model with its loss curve, the recorded state, or a saved plan."),
    "output": ("output", "Print the resource names that a program calls."),
    "bases": ("bases", "Show base models, when they retire, and which models are tuned from them."),
    "cost": ("cost", "Show what trainings have cost, by month and model."),
    "generate": ("generate", "Send a prompt to a managed model."),
    "test": ("test", "Run the checks of the models that serve."),
    "import": ("import_", "Manage a model that exists already."),
    "state": ("state", "Show and edit what is recorded."),
    "force-unlock": ("force_unlock", "Break the lock of a run that has ended."),
    "report": ("report", "Write an HTML page with every model, its loss curve and its drift."),
    "schema": ("schema", "Print the JSON Schema of the manifests, for editors."),
    "emulator": ("emulator", "Serve both APIs on this machine, to try things without an account."),
}
"""Name to module and one line of help, so that the list of commands imports none of them."""


class Commands(usage.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """List the names in the order in which people need the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command. None if there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"reconciler.cli.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands with their lines of help, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="PATH is a folder or a file of manifests (default: manifests). ADDR is a model's KIND/NAME, or "
    "NAME where only one kind has it. D is a duration: 90s, 50m, 2h, 5d.",
)
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    """Fine-tuned Gemini models as code.

    Manifests in YAML declare the models. plan shows the changes, apply makes them, and nothing is trained
    twice by accident. Begin with: reconciler init
    """


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
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    if any(not thread.daemon for thread in others):
        os._exit(code)  # an abandoned call must not keep the process alive
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
    """Describe an error that ended a command."""
    match error:
        case ReconcilerError():
            return error.diagnostics
        case click.ClickException():
            return (usage.describe(error),)
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
    Console.open(as_json=as_json).print_diagnostics(diagnostics)
