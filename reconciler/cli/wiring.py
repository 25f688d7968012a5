"""From options and environment to an Operation: which manifests, which service, which state."""

from __future__ import annotations

import getpass
import os
import shlex
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeAlias

from reconciler.kind import Kind
from reconciler.manifests import Loaded, load, load_settings, parse_variables
from reconciler.model import Guards, Stack
from reconciler.plan.change import Context, Inputs, Plan
from reconciler.settings import Settings, of, printable_address
from reconciler.settings.secrecy import LEFT_OUT

if TYPE_CHECKING:
    from reconciler.operation import Operation
    from reconciler.state.session import StateManager
    from reconciler.state.values import State

Asks: TypeAlias = "Callable[[Loaded, State], Collection[str]]"
"""Given what is declared and what is recorded: the kinds whose services a command asks."""

DEFAULT_PATH = "manifests"
DEFAULT_STATE = "state"

_OF_A_SERVICE = frozenset(
    {
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_VERTEX_BASE_URL",
        "STORAGE_EMULATOR_HOST",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
    }
)
"""What --emulator does without."""
_RUNS = (
    "CI_JOB_URL",
    "BUILD_URL",
    "CIRCLE_BUILD_URL",
    "BUILDKITE_BUILD_URL",
    "SYSTEM_TEAMFOUNDATIONSERVERURI",
)
"""Where CI systems say which run this is: GitLab, Jenkins, CircleCI, Buildkite, Azure."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Command lines that go on, by what is left: what began, what did not, and all of it once more."""

    wait: str
    apply: str
    again: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the shared options said.

    Attributes:
        paths: () for the default.
        need: False when the command can do without manifests.
        selecting: paths only select, folders too: the Stack may stand above them.
    """

    paths: Sequence[str] = ()
    state_url: str | None = None
    emulator: bool = False
    parallelism: int = 10
    lock_timeout: timedelta = timedelta(seconds=120)
    variables: Sequence[str] = ()
    variable_files: Sequence[str] = ()
    inputs: Inputs = field(default_factory=Inputs)
    need: bool = True
    selecting: bool = False


def kinds() -> dict[str, Kind]:
    """Every kind of model that this version knows."""
    from reconciler.providers.gemini.fields import TUNED_MODEL
    from reconciler.providers.vertex.fields import TUNING_JOB

    return {kind.name: kind for kind in (TUNED_MODEL, TUNING_JOB)}


def variables(options: Options, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command line and its environment."""
    return parse_variables(options.variables, options.variable_files, environ)


def environment() -> Settings:
    """The settings of this process, said to every library that looks for them itself.

    Raises:
        UsageError, CredentialError: certificates or proxies, which hold for all connections, are wrong.
    """
    from reconciler.settings import tls

    settings = Settings(os.environ)
    tls.tell_every_library(settings, os.environ)
    return settings


def manifests(options: Options, environ: Mapping[str, str], *, models: bool = True) -> tuple[Loaded, Inputs]:
    """The manifests, and the inputs that a saved plan would need to read them again.

    Args:
        options: of the command line.
        environ: the environment variables.
        models: False for a command that works on what is recorded: it needs the Stack only, and what is wrong
            in other manifests does not stop it.
    """
    paths = tuple(options.paths) or (DEFAULT_PATH,)
    values = variables(options, environ)
    inputs = replace(options.inputs, paths=paths, variables=values)
    if not options.need and not options.paths and not Path(DEFAULT_PATH).exists():
        return Loaded((), Stack(), whole=True, files=()), inputs
    if not models:
        loaded = load_settings(paths, kinds=kinds(), variables=values, selecting=options.selecting)
        return loaded, inputs
    loaded = load(paths, kinds=kinds(), variables=values, allow_empty=not options.need)
    if inputs.destroy and paths == (DEFAULT_PATH,):
        loaded = replace(loaded, folders=None)  # all that is recorded was asked for
    return loaded, inputs


def every_kind(loaded: Loaded, state: State) -> set[str]:
    """The kinds of all that is declared or recorded."""
    recorded = {one.kind for one in state.resources} & kinds().keys()
    return {want.address.kind for want in loaded.desired} | recorded


def no_kind(_loaded: Loaded, _state: State) -> frozenset[str]:
    """For a command that asks nobody."""
    return frozenset()


@contextmanager
def operation(
    name: str, options: Options, *, models: bool = True, asks: Asks = every_kind
) -> Iterator[Operation]:
    """Everything a command needs, for as long as it runs.

    Args:
        name: of the command, for whoever meets our lock.
        options: of the command line.
        models: False for a command that works on what is recorded, see `manifests`; it looks for a credential
            when it calls a service, and not before.
        asks: the kinds whose services the command asks. Where there is none, no endpoint is held against the
            state, and no credential is looked for.
    """
    from reconciler.cli import embedded_emulator
    from reconciler.cli.endpoints import Services
    from reconciler.cli.uploads import UPLOADS
    from reconciler.operation import Operation

    environ = environment()
    loaded, inputs = manifests(options, environ, models=models)
    stack = loaded.stack
    stopping = Event()
    with ExitStack() as stays:
        emulator = ""
        if options.emulator:
            emulator = stays.enter_context(embedded_emulator.inside(Path(DEFAULT_STATE), environ))
            environ = environ.without(_OF_A_SERVICE)
        manager = state_manager(name, options, stack, environ)
        state = manager.read()
        asked = asks(loaded, state)
        services = Services(
            loaded,
            environ,
            used=asked,
            emulator=emulator,
            parallelism=options.parallelism,
            stopping=stopping.is_set,
            tell=UPLOADS,
        )
        stays.callback(services.close)
        target = services.target(contact=models and bool(asked))
        yield Operation(
            loaded=loaded,
            inputs=inputs,
            kinds=kinds(),
            providers=services.providers(),
            manager=manager,
            asks=lambda recorded: asks(loaded, recorded),
            read=state,
            context=Context(
                endpoint=target.base_url,
                project=target.project,
                credential=target.credential,
                service=target.service,
                stack=stack.name,
                location=services.location,
                state=manager.place,
                embedded=options.emulator,
            ),
            parallelism=options.parallelism,
            lag=services.lag,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            named=bool(loaded.files),
            stopping=stopping,
            tell=_notify,
        )


def state_manager(name: str, options: Options, stack: Stack, environ: Mapping[str, str]) -> StateManager:
    """The state that --state, RECONCILER_STATE, the Stack or the default name, in this order."""
    from reconciler.cli import stack_addresses
    from reconciler.state.backends import open_backend
    from reconciler.state.session import StateManager

    document, settings = "default", of(environ)
    if options.emulator:
        url, named = options.state_url or DEFAULT_STATE, "--state"
        document = "default" if options.state_url else "emulator"
    elif options.state_url:
        url, named = options.state_url, "--state"
    elif in_environment := settings.get("RECONCILER_STATE"):
        url, named = in_environment, "RECONCILER_STATE"
    elif stack.state:
        url, named = stack.state, f"{stack.place('spec.state')}: state"
        stack_addresses.must_be(stack, "spec.state", settings)
    else:
        url, named = DEFAULT_STATE, "State"
    return StateManager(
        open_backend(url, environ=settings, document=document, named=named),
        operation=name,
        who=f"{_user()}@{socket.gethostname()}",
        run=printable_address(_run(environ)),
        lock_timeout=options.lock_timeout.total_seconds(),
        notify=_notify,
        seen=_Once(),
    )


class _Once:
    """Tells once a run what a newer version recorded, when it is first read."""

    def __init__(self) -> None:
        self._looked = False

    def __call__(self, state: State) -> None:
        if self._looked:
            return
        self._looked = True
        from reconciler.records import unknown_to

        if told := unknown_to(state, kinds()):
            from reconciler.render.terminal import escape

            _notify(escape(told))


def _notify(text: str) -> None:
    from reconciler.cli.console import emit_error

    emit_error(text + "\n")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return str(os.getuid())


def _run(environ: Mapping[str, str]) -> str:
    if "GITHUB_RUN_ID" in environ:
        server, repository = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
    return next((environ[name] for name in _RUNS if environ.get(name)), "")


def resume_command(options: Options, name: str = "wait", *, selected: bool = False) -> str:
    """The command line that goes on with what these options began, on the same manifests.

    Args:
        options: of the command line that began it.
        name: of the command that goes on.
        selected: it is to be about no more than `options`; what apply was told to leave out, wait may finish.
    """
    words = _on_the_same_state(options, name)
    words += [word for one in options.variables for word in ("--var", f"{one.partition('=')[0]}={LEFT_OUT}")]
    words += [word for one in options.variable_files for word in ("--var-file", one)]
    if selected:
        words += [word for one in options.inputs.targets for word in ("--target", one)]
        words += [word for one in options.inputs.excludes for word in ("--exclude", one)]
    return shlex.join([*words, *options.paths])


def resume_commands(options: Options, again: str, *, selected: bool) -> Resume:
    """The commands that go on with what these options began.

    Args:
        options: of the command line that began it.
        again: name of the command that began it.
        selected: as `resume_command`.
    """
    same = resume_command(options, again, selected=True)
    if again == "destroy":
        return Resume(wait=same, apply=same, again=same)
    wait = same if again == "wait" else resume_command(options, selected=selected)
    return Resume(wait=wait, apply=resume_command(options, "apply", selected=True), again=same)


def apply_command(options: Options, file: str) -> str:
    """The command line that carries out the plan that these options saved, where it was made."""
    return shlex.join([*_on_the_same_state(options, "apply"), file])


def _on_the_same_state(options: Options, name: str) -> list[str]:
    words = ["reconciler", name]
    words += ["--emulator"] if options.emulator else []
    if options.state_url:  # without its login, which stands in TF_HTTP_USERNAME or is typed again
        words += ["--state", printable_address(options.state_url).replace("…@", "", 1)]
    return words


_SELECTION = ("targets", "excludes", "replace", "retry_failed", "destroy", "refresh_only")
_GUARDS = ("max_trainings", "max_deletes")


def split(given: Mapping[str, Any]) -> tuple[dict[str, Any], Inputs]:
    """A command's options: those of Options, and the selection and guards as Inputs."""
    guards = Guards(*(given.get(name) for name in _GUARDS))
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, (list, tuple)) else value
        for name in _SELECTION
        if (value := given.get(name)) is not None
    }
    rest = {name: value for name, value in given.items() if name not in {*_SELECTION, *_GUARDS}}
    return rest, Inputs(**chosen, guards=guards)


def of_plan(given: Mapping[str, Any], plan: Plan) -> tuple[dict[str, Any], Inputs]:
    """The same for a saved plan, which holds its paths, variables, selection and guards."""
    rest, _ = split(given)
    flags = [f"{name}={value}" for name, value in plan.inputs.variables.items()]
    return {**rest, "paths": plan.inputs.paths, "variables": flags}, plan.inputs
