"""Reads the state, and asks the services for their lists, while models are built and their data is measured.

Rule: what is asked ahead is what would be asked afterwards, and it is checked the same before it is sent. If
anything is wrong by then, nothing is sent, and whoever asks afterwards says what. A run whose manifests turn
out to be faulty neither shows nor waits for what was asked ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from reconciler.cli.invocation import Lists
from reconciler.errors import ReconcilerError
from reconciler.manifests import Loaded
from reconciler.model.live import Live, Odd
from reconciler.observe import Listed
from reconciler.providers import Provider, Providers
from reconciler.state.outline import read_outline
from reconciler.state.values import check_foreign

if TYPE_CHECKING:
    from reconciler.cli.endpoints import Services
    from reconciler.state.backends import Stored
    from reconciler.state.session import StateManager

Answer = TypeVar("Answer")


class Found(Struct):
    """What was asked ahead. Without `services`, only the document of the state was.

    Attributes:
        stored: the state's document. Nobody has checked its records.
    """

    manager: StateManager
    stored: Stored | None
    services: Services | None = None
    providers: Providers | None = None
    listed: Listed = field(default_factory=dict)


class Ahead:
    """Asks ahead, on threads that nobody has to wait for.

    Args:
        lists: what the command asks for.
        open_state: opens the state of a Stack.
        open_services: opens the services of manifests.
    """

    def __init__(
        self,
        lists: Lists,
        open_state: Callable[[Loaded], StateManager],
        open_services: Callable[[Loaded], Services],
    ) -> None:
        self._lists, self._open_state, self._open_services = lists, open_state, open_services
        self._found: Future[Found] | None = None

    def begin(self, sketch: Loaded) -> None:
        """Begin to ask, when no more than this is known of the manifests."""
        if self._lists is Lists.NONE:
            return
        try:
            manager, services = self._open_state(sketch), self._open_services(sketch)
            providers = services.open_providers()
            # What a thread imports takes long, because it waits for the other thread at every file.
            import_module("reconciler.http.pools")
            for model in sketch.desired:
                providers[model.address.kind]  # imports it
        except ReconcilerError:
            return
        self._found = _start(lambda: self._ask(sketch, manager, services, providers))

    def take(self) -> Found | None:
        """Return what was found as soon as the lists are on their way. None if nothing was asked.

        Raises:
            StateError: the state cannot be read.
        """
        return None if self._found is None else self._found.result()

    def _ask(self, sketch: Loaded, manager: StateManager, services: Services, providers: Providers) -> Found:
        stored = manager.fetch()
        recorded = None if stored is None else read_outline(stored.data)
        if recorded is None or not recorded.kinds:  # `drift` asks nobody if nothing is recorded
            return Found(manager, stored)
        asked = {model.address.kind for model in sketch.desired} | recorded.kinds & providers.keys()
        stack = sketch.stack.name if sketch.files else None
        try:
            services.use(asked)
            target = services.find_target(contact=bool(asked))
            check_foreign(recorded.head, stack=stack, service=target.service, project=target.project)
        except ReconcilerError:
            return Found(manager, stored)
        listed = {kind: self._list(providers[kind]) for kind in sorted(asked)}
        return Found(manager, stored, services, providers, listed)

    def _list(self, provider: Provider) -> Future[list[Live | Odd]]:
        return _start(lambda: list(provider.list(progress=self._lists is Lists.PROGRESS)))


def _start(work: Callable[[], Answer]) -> Future[Answer]:
    """Run something on a thread of its own."""
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever takes the answer
            future.set_exception(error)

    # Not a daemon, for the reason in `state.backends.interruptible`. `cli.app` ends the process at once.
    Thread(target=run, name="ahead").start()
    return future
