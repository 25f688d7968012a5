"""Makes an `Operation` from a command line and its environment: opens manifests, state and services."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from reconciler.cli.apis import list_kinds, list_variables
from reconciler.cli.console import print_message
from reconciler.cli.invocation import Invocation, Lists, Need
from reconciler.cli.source_states import make_source_reader
from reconciler.cli.state_store import DEFAULT_STATE, open_state
from reconciler.errors import ManifestError, ReconcilerError, Severity, UsageError
from reconciler.kind import override_kinds
from reconciler.manifests import Loaded, parse_variables
from reconciler.model.stack import Stack
from reconciler.plan.inputs import Context, Inputs
from reconciler.settings import Settings, to_settings

if TYPE_CHECKING:
    from reconciler.events import Uploading
    from reconciler.operation import Operation
    from reconciler.state.session import StateManager
    from reconciler.state.values import State

Asks: TypeAlias = "Callable[[Loaded, State], Collection[str]]"
"""Given the manifests and the recorded state: the kinds whose services a command asks."""

DEFAULT_PATH = "manifests"


def read_settings() -> Settings:
    """Read the settings of this process, and set up TLS and proxies in every library that makes connections.

    Raises:
        UsageError, CredentialError: the settings of certificates or proxies are wrong.
    """
    from reconciler.settings import tls

    settings = Settings(os.environ)
    tls.tell_every_library(settings, os.environ)
    return settings


def read_today(environ: Mapping[str, str]) -> date:
    """Return the day that base models are judged by: RECONCILER_TODAY, else today in UTC.

    Raises:
        UsageError: the variable is not a date.
    """
    text = to_settings(environ).get("RECONCILER_TODAY", "")
    return date.fromisoformat(text) if text else datetime.now(UTC).date()


def load_manifests(
    invocation: Invocation, environ: Mapping[str, str], tell: Callable[[Loaded], None] | None = None
) -> tuple[Loaded, Inputs]:
    """Read the manifests that a command needs. Returns them and the inputs that a saved plan records.

    For `tell`, see `manifests.loading.load`.
    """
    from reconciler.manifests.loading import load, load_settings

    paths = tuple(invocation.paths) or (DEFAULT_PATH,)
    values = parse_variables(invocation.variables, invocation.variable_files, environ)
    inputs = replace(invocation.inputs, paths=paths, variables=values)
    needs_models = invocation.need is Need.MODELS
    if not needs_models and not invocation.paths and not Path(DEFAULT_PATH).exists():
        return Loaded((), Stack(), whole=True, files=()), inputs
    if invocation.need is Need.STACK:
        loaded = load_settings(paths, kinds=list_kinds(), variables=values, selecting=invocation.is_selecting)
        return loaded, inputs
    from reconciler.cli.data_memory import open_data_cache

    loaded = load(
        paths,
        kinds=list_kinds(),
        variables=values,
        allow_empty=not needs_models,
        reads_training=invocation.reads_training,
        cache=open_data_cache(invocation, paths),
        tell=tell,
    )
    if inputs.destroy and paths == (DEFAULT_PATH,):
        loaded = replace(loaded, folders=None)  # destroy without paths deletes everything
    return loaded, inputs


def ask_every_kind(loaded: Loaded, state: State) -> set[str]:
    """List the kinds of all declared and recorded models."""
    recorded = {address.kind for address in state.resources} & list_kinds().keys()
    return {desired.address.kind for desired in loaded.desired} | recorded


def open_stack_state(invocation: Invocation) -> tuple[StateManager, str | None]:
    """Open only the state. Returns it and the Stack's name, which is None without manifests."""
    settings = read_settings()
    loaded, _ = load_manifests(invocation, settings)
    manager = open_state(invocation, loaded.stack, settings)
    return manager, loaded.stack.name if loaded.files else None


@contextmanager
def complete_advice(invocation: Invocation) -> Iterator[None]:
    """Let errors of the block advise commands with this run's --emulator and --state."""
    try:
        yield
    except ReconcilerError as error:
        error.detail = invocation.complete(error.detail)
        error.diagnostics = tuple(
            found._replace(detail=invocation.complete(found.detail)) for found in error.diagnostics
        )
        raise


@contextmanager
def open_operation(
    invocation: Invocation, asks: Asks = ask_every_kind, *, lists: Lists = Lists.NONE
) -> Iterator[Operation]:
    """Open everything that a command needs, and close it at the end.

    Args:
        invocation: the command line. One that needs the Stack alone looks for a credential when it calls a
            service, and not before.
        asks: the kinds whose services the command asks. Where there is none, the endpoint is not checked
            against the state, and no credential is looked for.
        lists: what the command asks every kind for in any case. It is asked while manifests are read, except
            with --emulator, which is started after that.
    """
    from reconciler.cli import offline_checks
    from reconciler.cli.ahead import Ahead, Found
    from reconciler.cli.data_memory import open_data_cache
    from reconciler.cli.endpoints import Services

    settings = read_settings()
    stopping = Event()
    uploads: SimpleQueue[Uploading] = SimpleQueue()
    emulator = ""

    def open_services(loaded: Loaded) -> Services:
        return Services(
            loaded,
            settings,
            emulator=emulator,
            parallelism=invocation.parallelism,
            stopping=stopping.is_set,
            tell=uploads.put,
        )

    ahead = Ahead(
        Lists.NONE if invocation.emulator else lists,
        lambda sketch: open_state(invocation, sketch.stack, settings),
        open_services,
    )
    loaded, inputs = load_manifests(invocation, settings, ahead.begin)
    from reconciler.operation import Operation  # while the services are asked

    with complete_advice(invocation), ExitStack() as resources:
        if invocation.emulator:
            from reconciler.cli import start_emulator

            emulator = resources.enter_context(start_emulator.run_inside(Path(DEFAULT_STATE), settings))
            settings = settings.remove(list_variables())
        found = ahead.take()
        if found is None:
            manager = open_state(invocation, loaded.stack, settings)
            found = Found(manager, manager.fetch())
        manager, state = found.manager, found.manager.parse(found.stored)
        services = found.services or open_services(loaded)
        resources.callback(services.close)
        asked = asks(loaded, state)
        services.use(asked)
        try:
            target = services.find_target(contact=invocation.need is not Need.STACK and bool(asked))
        except UsageError as error:
            missing = offline_checks.list_missing_settings(loaded, settings)
            if len(missing) > 1:  # report all of it at once
                raise ManifestError(found._replace(severity=Severity.ERROR) for found in missing) from error
            raise
        yield Operation(
            loaded=loaded,
            inputs=inputs,
            kinds=override_kinds(list_kinds(), loaded.stack),
            providers=services.open_providers() if found.providers is None else found.providers,
            manager=manager,
            asks=lambda recorded: asks(loaded, recorded),
            first_state=state,
            first_lists=found.listed,
            context=Context(
                endpoint=target.base_url,
                project=target.project,
                credential=target.credential,
                service=target.service,
                stack=loaded.stack.name,
                location=services.location,
                state=manager.place,
                embedded=invocation.emulator,
            ),
            parallelism=invocation.parallelism,
            lag=services.lag,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            today=read_today(settings),
            has_manifests=bool(loaded.files),
            stopping=stopping,
            tell=print_message,
            uploads=uploads,
            variables=services.variables,
            data_cache=open_data_cache(invocation, inputs.paths),
            read_sources=make_source_reader(invocation, loaded.stack, loaded.desired, settings),
        )
