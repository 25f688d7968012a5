"""`reconciler state` and its parts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from reconciler import bounds, files
from reconciler.cli import options, usage, wiring
from reconciler.cli.apis import list_kinds
from reconciler.cli.console import Console, print_text
from reconciler.cli.invocation import Invocation, Need
from reconciler.errors import StateCorruptError, StateForeignError, StateMovedError, UsageError
from reconciler.formats import count_noun
from reconciler.model.names import Address
from reconciler.records import move, require_known_kinds, resolve, select
from reconciler.render.terminal import escape
from reconciler.state.session import StateManager
from reconciler.state.values import Record, State, check_foreign


@click.group("state", cls=usage.Group)
def command() -> None:
    """Show and edit what is recorded. Touches nothing at the service."""


def _with_state(function: Callable[..., Any]) -> Callable[..., Any]:
    """Open the state that the options, the environment and the Stack name, and give it to the command."""

    @options.place
    @options.locking
    @options.variables
    @wraps(function)
    def wrapped(**given: Any) -> Any:
        names = ("state_url", "emulator", "lock_timeout", "variables", "variable_files")
        shared = {name: given.pop(name) for name in names}
        invocation = Invocation.read("state", shared, Need.STACK)
        with wiring.complete_advice(invocation):
            manager, stack = wiring.open_stack_state(invocation)
            click.get_current_context().obj = stack
            return function(manager, **given)

    return wrapped


def _edit(manager: StateManager, change: Callable[[State], State]) -> None:
    """Change what is recorded, under the lock. Another stack's state is refused."""
    with manager.locked() as session:
        check_foreign(session.state, stack=click.get_current_context().obj)
        session.commit(change(session.state))


def _select(state: State, patterns: tuple[str, ...]) -> list[Address]:
    """Find the recorded addresses that match the patterns. Labels are not recorded, so none can match."""
    advice = "reconciler state list shows what there is"
    if any("=" in pattern for pattern in patterns):
        advice = "Give KIND/NAME, with wildcards: a state has no labels"
    return select(dict.fromkeys(state.resources), patterns, advice=advice)


@command.command("list")
@click.argument("patterns", nargs=-1, metavar="[ADDR]...")
@_with_state
def list_command(manager: StateManager, *, patterns: tuple[str, ...]) -> None:
    """List the recorded addresses; wildcards select."""
    state = manager.read()
    Console().print_lines(escape(str(address)) for address in _select(state, patterns))
    if not state.resources:
        Console().print_note(f"{manager.place} has no records.")


@command.command("show")
@click.argument("address", metavar="ADDR")
@options.json_output
@options.no_color
@_with_state
def show_command(manager: StateManager, *, address: str, as_json: bool, no_color: bool) -> None:
    """Show what is recorded of one address, without asking the service."""
    state = manager.read()
    record = state.resources[resolve(address, state.resources)]
    Console.open(as_json=as_json, no_color=no_color).print_record(record, None)


@command.command("mv")
@click.argument("source", metavar="ADDR")
@click.argument("target", metavar="NEW_ADDR")
@_with_state
def mv_command(manager: StateManager, *, source: str, target: str) -> None:
    """Move a record to another address, when its manifest was renamed. The model stays as it is."""
    moved: list[Address] = []

    def change(state: State) -> State:
        found = resolve(source, state.resources)
        try:
            address = Address.parse(target if "/" in target else f"{found.kind}/{target}")
        except ValueError as error:
            raise UsageError(
                f"{target} is not KIND/NAME", f"Give {found.kind}/NAME, or NAME alone"
            ) from error
        moved[:] = found, address
        require_known_kinds([found], list_kinds())
        return move(state, found, address)

    _edit(manager, change)
    Console().print_lines([escape(f"{moved[0]} is recorded as {moved[1]}.")])


@command.command("rm")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDR...")
@_with_state
def rm_command(manager: StateManager, *, addresses: tuple[str, ...]) -> None:
    """Remove records from the state. Their models still exist, and are no longer managed."""
    forgotten: list[Address] = []
    held: list[str] = []

    def change(state: State) -> State:
        forgotten.extend(_select(state, addresses))
        held.extend(model.id for address in forgotten for model in state.resources[address].held)
        require_known_kinds(forgotten, list_kinds())
        return state.put(*(Record(address) for address in forgotten))

    _edit(manager, change)
    Console().print_lines(
        escape(f"Removed {address} from the state. Its models still exist.") for address in forgotten
    )
    Console().print_lines(escape(f"{id} was held back by a rollback. It still exists.") for id in held)


@command.command("pull")
@_with_state
def pull_command(manager: StateManager) -> None:
    """Print the whole state as JSON."""
    from reconciler.state import file as state_file

    state = manager.read()
    if state.lineage:
        print_text(state_file.dumps(state).decode())


@command.command("push")
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Push FILE even if its lineage differs or its serial is older.")
@_with_state
def push_command(manager: StateManager, *, file: str, force: bool) -> None:
    """Replace the state with a FILE that `state pull` printed. Use - for standard input.

    A file of another lineage or with an older serial is refused.
    """
    pushed = _read_state(file)

    def change(state: State) -> State:
        if not force:
            _ensure_newer(file, pushed, state)
        return pushed

    _edit(manager, change)
    Console().print_lines([f"Pushed. The state has {count_noun(len(pushed.resources), 'record')} now."])


def _read_state(file: str) -> State:
    from reconciler.state import file as state_file

    advice = "Give a file made by: reconciler state pull"
    try:
        most = bounds.STATE
        data = sys.stdin.buffer.read(most + 1) if file == "-" else files.read(file, most=most)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", advice) from error
    try:
        return state_file.loads(data, place=file)
    except StateCorruptError as error:
        raise StateCorruptError(error.summary, f"The state was not changed. {advice}") from error


def _ensure_newer(file: str, pushed: State, state: State) -> None:
    """Refuse to replace a state by another one, or by an older version of it."""
    if state.lineage and pushed.lineage != state.lineage:
        raise StateForeignError(
            f"{file} has lineage {pushed.lineage}, the state here has {state.lineage}: they are not "
            "versions of one state",
            "If you mean to overwrite it: --force",
        )
    if pushed.serial < state.serial:
        raise StateMovedError(
            f"{file} has serial {pushed.serial}, the state here has {state.serial}: it is older",
            "Pull again and redo your change, or overwrite it: --force",
        )
