"""`reconciler state` and its parts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from reconciler import bounds, files
from reconciler.cli import options, wiring
from reconciler.cli.console import Console, emit
from reconciler.errors import StateCorruptError, StateForeignError, StateMovedError, UsageError
from reconciler.model import Address
from reconciler.records import NO_RECORD, move, must_be_known, resolve, selected
from reconciler.render.terminal import escape
from reconciler.state.session import StateManager
from reconciler.state.values import Record, State, check_foreign


@click.group("state")
def command() -> None:
    """List, show, move, remove, pull and push what is recorded. Nothing at the service is touched."""


def _with_manager(function: Callable[..., Any]) -> Callable[..., Any]:
    """Open the state that options, environment and Stack name; no service is contacted."""

    @options.place
    @options.locking
    @options.variables
    @wraps(function)
    def wrapped(**given: Any) -> Any:
        names = ("state_url", "emulator", "lock_timeout", "variables", "variable_files")
        shared = wiring.Options(**{name: given.pop(name) for name in names}, need=False)
        environ = wiring.environment()
        loaded, _ = wiring.manifests(shared, environ, models=False)
        manager = wiring.state_manager("state", shared, loaded.stack, environ)
        click.get_current_context().obj = loaded.stack.name if loaded.files else None
        return function(manager, **given)

    return wrapped


def _edit(manager: StateManager, change: Callable[[State], State]) -> None:
    """Change what is recorded, under the lock; another stack's state is refused."""
    with manager.locked() as session:
        check_foreign(session.state, stack=click.get_current_context().obj)
        session.commit(change(session.state))


def _selected(state: State, patterns: tuple[str, ...]) -> list[Address]:
    """By address; the labels stand in manifests, which these commands do not read."""
    advice = "reconciler state list shows what there is"
    if any("=" in pattern for pattern in patterns):
        advice = "Give KIND/NAME, with wildcards: a state knows no labels"
    return selected(dict.fromkeys(state.resources), patterns, advice=advice)


@command.command("list")
@click.argument("patterns", nargs=-1, metavar="[ADDR]...")
@_with_manager
def list_command(manager: StateManager, *, patterns: tuple[str, ...]) -> None:
    """The recorded addresses; wildcards select."""
    state = manager.read()
    Console().lines(escape(str(address)) for address in _selected(state, patterns))
    if not state.resources:
        Console().note(f"{manager.place} records nothing.")


@command.command("show")
@click.argument("address", metavar="ADDR")
@options.json_output
@options.no_color
@_with_manager
def show_command(manager: StateManager, *, address: str, as_json: bool, no_color: bool) -> None:
    """What is recorded of one address, without asking the service."""
    state = manager.read()
    record = state.resources[resolve(address, state.resources, NO_RECORD)]
    console = Console.of_environment(as_json=as_json, no_color=no_color)
    if as_json:
        from reconciler.render.records import record_document

        console.document(record_document(record, None))
        return
    from reconciler.render.text import render_record

    console.lines(render_record(record, None, colour=console.colour, width=console.width))


@command.command("mv")
@click.argument("source", metavar="ADDR")
@click.argument("target", metavar="ADDR")
@_with_manager
def mv_command(manager: StateManager, *, source: str, target: str) -> None:
    """Give a record another address: its manifest was renamed. Ids stay; nothing is trained."""
    moved: list[Address] = []

    def change(state: State) -> State:
        found = resolve(source, state.resources, NO_RECORD)
        try:
            address = Address.parse(target if "/" in target else f"{found.kind}/{target}")
        except ValueError as error:
            raise UsageError(f"{target} is not KIND/NAME") from error
        moved[:] = found, address
        must_be_known(moved, wiring.kinds())
        return move(state, found, address)

    _edit(manager, change)
    Console().lines([escape(f"{moved[0]} is recorded as {moved[1]}.")])


@command.command("rm")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDR...")
@_with_manager
def rm_command(manager: StateManager, *, addresses: tuple[str, ...]) -> None:
    """Forget records; the models stay live."""
    forgotten: list[Address] = []

    def change(state: State) -> State:
        forgotten.extend(_selected(state, addresses))
        must_be_known(forgotten, wiring.kinds())
        return state.put(*(Record(address) for address in forgotten))

    _edit(manager, change)
    Console().lines(escape(f"{address} is forgotten; its models stay live.") for address in forgotten)


@command.command("pull")
@_with_manager
def pull_command(manager: StateManager) -> None:
    """Print the state document."""
    from reconciler.state import file as state_file

    state = manager.read()
    if state.lineage:
        emit(state_file.dumps(state).decode())


@command.command("push")
@click.argument("file", metavar="FILE")
@click.option("--force", is_flag=True, help="Even over another lineage or a later serial.")
@_with_manager
def push_command(manager: StateManager, *, file: str, force: bool) -> None:
    """Write a state document; - reads standard input. Another lineage or an older serial is refused."""
    from reconciler.state import file as state_file

    try:
        most = bounds.STATE
        data = sys.stdin.buffer.read(most + 1) if file == "-" else files.read(file, most=most)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", "Give a file made by: reconciler state pull") from error
    try:
        pushed = state_file.loads(data, place=file)
    except StateCorruptError as error:
        raise StateCorruptError(
            error.summary, "The state is left as it is. Give a file made by: reconciler state pull"
        ) from error

    def change(state: State) -> State:
        if state.lineage and pushed.lineage != state.lineage and not force:
            raise StateForeignError(
                f"{file} has lineage {pushed.lineage}, the state here has {state.lineage}: they are not "
                "versions of one state",
                "If you mean to overwrite it: --force",
            )
        if pushed.serial < state.serial and not force:
            raise StateMovedError(
                f"{file} has serial {pushed.serial}, the state here has {state.serial}: it is older",
                "Pull again and redo your change, or overwrite it: --force",
            )
        return pushed

    _edit(manager, change)
    Console().lines([f"Pushed; recorded now: {len(pushed.resources)}."])
