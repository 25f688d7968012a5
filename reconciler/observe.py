"""Reads the live models that a plan needs.

Rule: it only reads. It asks for one list of each kind, for several kinds at the same time. It asks for a
single model only if the model is recorded or imported and the list does not show it, because a list may lag.
It asks for the permissions of a model only if they are managed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import MappingProxyType
from typing import TypeAlias, TypeVar

from msgspec.structs import replace

from reconciler.errors import ForbiddenError, NotFoundError, NotUnderstoodError, PlanError
from reconciler.model.data import DataSet, Example
from reconciler.model.desired import Desired
from reconciler.model.endpoint import LiveEndpoint
from reconciler.model.live import Live, Odd, Status
from reconciler.model.names import Address
from reconciler.model.permission import Permission
from reconciler.plan.facts import Facts, Observed
from reconciler.plan.inputs import Context
from reconciler.plan.naming import find_named, index_by_name
from reconciler.providers import EndpointHandle, Handle, Provider, Providers
from reconciler.redaction import hide_texts
from reconciler.state.values import Record, RecordedModel, State

T = TypeVar("T")
R = TypeVar("R")

Listed: TypeAlias = "Mapping[str, Future[list[Live | Odd]]]"
"""The lists that services were asked for ahead, by kind. They may not have arrived yet."""


def make_handle(model: RecordedModel) -> Handle:
    """Make the handle by which a provider finds a recorded model."""
    return Handle(model.id, model.name, model.operation)


def observe(
    providers: Providers,
    state: State,
    desired: Iterable[Desired],
    *,
    context: Context,
    parallelism: int,
    tell: Callable[[str], None] = lambda _text: None,
    briefly: bool = False,
    listed: Listed = MappingProxyType({}),
) -> Observed:
    """Ask the services for everything that a plan needs from them, except base models.

    `tell` is called with a line about each model that is left out because the service's answer about it
    cannot be understood. With `briefly`, ask only which models there are, and how far they are: not for
    permissions, data or endpoints, and not why a training failed. A kind in `listed` is not listed again.

    Raises:
        ServiceError, CredentialError: a service could not be read, so nothing can be decided.
    """
    desired = tuple(desired)
    kinds = {model.address.kind for model in desired} | {address.kind for address in state.resources}
    observers = {
        kind: _KindObserver(providers[kind], state, desired, parallelism, listed.get(kind))
        for kind in sorted(kinds & providers.keys())
    }
    lists = run_each(
        lambda observer: observer.list_models(progress=briefly), list(observers.values()), parallelism
    )
    for observer, found in zip(observers.values(), lists, strict=True):
        observer.find_models(found, tell)
        if not briefly:
            observer.add_details()
    seen = observers.items()
    return Observed(
        live={kind: found.shown for kind, found in seen},
        forbidden={(kind, id): why for kind, found in seen for id, why in found.forbidden.items()},
        odd={(kind, id): odd.why for kind, found in seen for id, odd in found.odd.items() if id},
        data={(kind, id): digests for kind, found in seen for id, digests in found.data.items()},
        context=context,
        endpoints={name: live for _, found in seen for name, live in found.endpoints.items()},
        declared_endpoints={
            address: live for _, found in seen for address, live in found.declared_endpoints.items()
        },
        hidden_endpoints={name: why for _, found in seen for name, why in found.hidden_endpoints.items()},
    )


def redact_failure(reason: str, desired: Desired | None, read: Callable[[DataSet], Iterable[Example]]) -> str:
    """Redact training examples from a failure message.

    The examples are read from the data files. If a file has changed or is gone, its examples cannot be
    redacted. The provider has redacted quotations already.
    """

    def read_texts(desired: Desired) -> Iterator[str]:
        for data in desired.data:
            with suppress(PlanError):  # the file has changed or is gone
                for example in read(data):
                    yield from (example.text_input, example.output, example.line)

    return hide_texts(reason, read_texts(desired)) if reason and desired is not None else reason


def redact_failures(
    observed: Observed, state: State, desired: Iterable[Desired], read: Callable[[DataSet], Iterable[Example]]
) -> Observed:
    """Redact training examples from every failure message."""
    failed = {
        (kind, live.id): live
        for kind, shown in observed.live.items()
        for live in shown.values()
        if live.error
    }
    if not failed:
        return observed
    declared = {model.address: model for model in desired}
    owners = {
        (address.kind, model.id): declared.get(address)
        for address, record in state.resources.items()
        for model in record.models
    }
    live = {kind: dict(shown) for kind, shown in observed.live.items()}
    for (kind, id), failure in failed.items():
        owner = owners.get((kind, id)) or declared.get(Address(kind, id.rpartition("-")[0]))
        live[kind][id] = replace(failure, error=redact_failure(failure.error, owner, read))
    return replace(observed, live=live)


def measure_data(providers: Providers, desired: Iterable[Desired]) -> tuple[Desired, ...]:
    """Fill in the digests of data sets that are stored at the service. Keeps the order."""
    desired = tuple(desired)
    measured: dict[Address, Desired] = {}
    for kind in sorted({model.address.kind for model in desired} & providers.keys()):
        of_kind = [model for model in desired if model.address.kind == kind]
        measured |= {model.address: model for model in providers[kind].measure_data(of_kind)}
    return tuple(measured.get(model.address, model) for model in desired)


def assume_recorded_data(desired: Desired, record: Record | None) -> Desired:
    """Give each data set that could not be measured its recorded digest."""
    model = None if record is None else record.candidate or record.declared
    known = {} if model is None else {data.field: data.digest for data in model.data}
    data = tuple(
        replace(item, digest=known.get(item.field, "")) if item.uri and not item.digest else item
        for item in desired.data
    )
    return replace(desired, data=data)


def add_base_models(facts: Facts, providers: Providers, kinds: Iterable[str]) -> Facts:
    """Ask the services which base models can be tuned, and add the answers."""
    asked = {kind: providers[kind].list_base_models() for kind in sorted(set(kinds) & providers.keys())}
    return facts.add_base_models(
        {kind: answer.tunable for kind, answer in asked.items()},
        frozenset(kind for kind, answer in asked.items() if answer.assumed),
    )


def list_own_models(providers: Providers, kinds: Iterable[str]) -> frozenset[tuple[str, str]]:
    """List the (kind, id) of every model that we own. Leaves out models that are only shared with us."""
    return frozenset(
        (kind, live.id)
        for kind in sorted(set(kinds) & providers.keys())
        for live in providers[kind].list(own=True)
        if isinstance(live, Live)
    )


class _KindObserver:
    """Reads the live models of one kind.

    Attributes:
        shown: the models that the service shows, by id.
        odd: the models whose answers cannot be understood, by id and by the name that imports them.
        forbidden: why a model may not be read, by id or by the name that imports it.
        data: the digests of data sets at the service, by the id of the imported model.
        endpoints, declared_endpoints, hidden_endpoints: see `Observed`.
    """

    def __init__(
        self,
        provider: Provider,
        state: State,
        desired: Iterable[Desired],
        parallelism: int,
        listed: Future[list[Live | Odd]] | None,
    ) -> None:
        kind = provider.kind.name
        self._provider, self._parallelism, self._listed = provider, parallelism, listed
        self._desired = [model for model in desired if model.address.kind == kind]
        self._records = {
            address: record for address, record in state.resources.items() if address.kind == kind
        }
        self._recorded = {model.id: model for record in self._records.values() for model in record.models}
        self.shown: dict[str, Live] = {}
        self.odd: dict[str, Odd] = {}
        self.forbidden: dict[str, str] = {}
        self.data: dict[str, dict[str, str]] = {}
        self.endpoints: dict[str, LiveEndpoint] = {}
        self.declared_endpoints: dict[Address, LiveEndpoint] = {}
        self.hidden_endpoints: dict[str, str] = {}
        self._imported: dict[Address, Live] = {}

    def list_models(self, *, progress: bool) -> list[Live | Odd]:
        """Ask the service for all models that it shows."""
        if self._listed is not None:
            return self._listed.result()
        return list(self._provider.list(progress=progress))

    def find_models(self, found: Sequence[Live | Odd], tell: Callable[[str], None]) -> None:
        """Take in the listed models, and ask for those that the list does not show."""
        self.shown = {answer.id: answer for answer in found if isinstance(answer, Live)}
        self.odd = {
            answer.id: answer for answer in found if isinstance(answer, Odd) and answer.id not in self.shown
        }
        for answer in found:
            if isinstance(answer, Odd) and answer.id not in self._recorded:  # a plan reports a recorded model
                taken = ", and its name counts as taken" if answer.id else ""
                tell(f"Warning: {answer.name} is left out{taken}: {answer.why}")
        self._look_up_unlisted()
        self._imported = self._find_imported()

    def add_details(self) -> None:
        """Ask for data of imported models, why trainings failed, managed permissions, and endpoints."""
        imported = self._imported
        pairs = [(model, imported[model.address]) for model in self._desired if model.address in imported]
        pairs = [(model, live) for model, live in pairs if model.data and live.data]
        digests = digest_live_data(self._provider, pairs)
        self.data = {live.id: found for (_, live), found in zip(pairs, digests, strict=True)}
        self._explain_failures()
        self._add_permissions(imported)
        self._look_up_endpoints()

    def _look_up_endpoints(self) -> None:
        """Ask for the endpoints that are recorded, or declared and not recorded yet."""
        recorded = [one for record in self._records.values() for one in record.endpoints if one.name]
        new = [model for model in self._desired if model.serving and not self._has_endpoint(model)]
        provider = self._provider.endpoints if recorded or new else None
        if provider is None:
            return
        known = [EndpointHandle(one.id, one.name, one.location) for one in recorded]
        found = provider.find([*known, *(provider.make_handle(model) for model in new)])
        for name, answer in zip((one.name for one in known), found, strict=False):
            if isinstance(answer, str):
                self.hidden_endpoints[name] = answer
            elif answer is not None:
                self.endpoints[name] = answer
        for model, answer in zip(new, found[len(known) :], strict=True):
            if isinstance(answer, str):
                self.hidden_endpoints[str(model.address)] = answer
            elif answer is not None:
                self.declared_endpoints[model.address] = answer

    def _has_endpoint(self, desired: Desired) -> bool:
        """Return whether the declared endpoint is recorded with its name."""
        record, serving = self._records.get(desired.address), desired.serving
        return serving is not None and any(
            one.name
            and (serving.is_default or one.id == serving.endpoint)
            and serving.location in {"", one.location}
            for one in (record.endpoints if record is not None else ())
        )

    def _look_up_unlisted(self) -> None:
        """Ask for recorded and pinned models that the list does not show."""
        pinned = {model.id for model in self._desired if model.id}
        asked = sorted((self._recorded.keys() | pinned) - self.shown.keys())
        handles = [make_handle(self._recorded[id]) if id in self._recorded else Handle(id) for id in asked]
        for handle, found in zip(handles, self._look_up(handles), strict=True):
            if isinstance(found, Live):
                self.shown[handle.id] = found
            elif isinstance(found, str):
                self.forbidden[handle.id] = found

    def _look_up(self, handles: Sequence[Handle]) -> list[Live | str | None]:
        """Ask for single models. Returns for each the model, why it may not be read, or None."""

        def look(handle: Handle) -> Live | Odd | str | None:
            try:
                return self._provider.get(handle)
            except ForbiddenError as error:
                return error.summary
            except NotUnderstoodError as error:
                return Odd(handle.id, handle.name or handle.id, error.summary)

        answers: list[Live | str | None] = []
        for handle, found in zip(handles, run_each(look, handles, self._parallelism), strict=True):
            if isinstance(found, Odd):
                self.odd[handle.id] = found
            elif isinstance(found, Live):
                self.odd.pop(handle.id, None)  # the single answer is more complete than the list's
            answers.append(None if isinstance(found, Odd) else found)
        return answers

    def _find_imported(self) -> dict[Address, Live]:
        """Find the live model of each `metadata.import` that is not carried out yet."""
        new = [model for model in self._desired if model.imports and not self._is_adopted(model.address)]
        found = self._find_shown(new)
        missing = list(dict.fromkeys(model.imports for model in new if model.address not in found))
        handles = [parse_handle(self._provider, name) for name in missing]
        for name, handle, answer in zip(missing, handles, self._look_up(handles), strict=True):
            if isinstance(answer, Live):
                self.shown[answer.id] = answer
            elif isinstance(answer, str):
                self.forbidden[name] = answer
            if handle.id in self.odd:
                self.odd[name] = self.odd[handle.id]
        return self._find_shown(new)

    def _is_adopted(self, address: Address) -> bool:
        record = self._records.get(address)
        return record is not None and bool(record.serving or record.candidate)

    def _find_shown(self, desired: Sequence[Desired]) -> dict[Address, Live]:
        """Find the shown model that each of these imports."""
        if not desired:  # the common case: no index of many models is needed
            return {}
        index = index_by_name(self.shown.values())
        found = {model.address: find_named(model.imports, index, self.shown) for model in desired}
        return {address: live for address, live in found.items() if live is not None}

    def _explain_failures(self) -> None:
        """Ask the operations why a training failed, unless the reason is recorded already."""
        handles = [
            make_handle(model)
            for record in self._records.values()
            for model in (record.serving, record.candidate)
            if model is not None
            and not model.error
            and model.id in self.shown
            and self.shown[model.id].status is Status.FAILED
            and not self.shown[model.id].error
        ]

        def look(handle: Handle) -> str:
            try:
                return self._provider.poll(handle).error
            except (NotFoundError, ForbiddenError, NotUnderstoodError):
                return ""

        for handle, error in zip(handles, run_each(look, handles, self._parallelism), strict=True):
            self.shown[handle.id] = replace(self.shown[handle.id], error=error)

    def _add_permissions(self, imported: Mapping[Address, Live]) -> None:
        """Ask for the permissions of the models whose permissions are managed."""
        managed: dict[Address, set[str]] = {}
        for model in self._desired:
            if model.permissions is not None:
                live = imported.get(model.address)
                managed[model.address] = {id for id in (model.id, live.id if live else "") if id}
        for address, record in self._records.items():
            if address in managed:
                managed[address] |= {model.id for model in record.models}
            elif record.serving and record.serving.permissions is not None:
                managed[address] = {record.serving.id}
        asked = sorted({id for ids in managed.values() for id in ids if id in self.shown})
        handles = [Handle(id, self.shown[id].name) for id in asked]

        def look(handle: Handle) -> tuple[Permission, ...] | Odd:
            try:
                return self._provider.list_permissions(handle)
            except NotUnderstoodError as error:
                return Odd(handle.id, handle.name, error.summary)

        for handle, found in zip(handles, run_each(look, handles, self._parallelism), strict=True):
            if isinstance(found, Odd):
                self.odd[handle.id] = found
                del self.shown[handle.id]
            else:
                self.shown[handle.id] = replace(self.shown[handle.id], permissions=found)


def parse_handle(provider: Provider, name: str) -> Handle:
    """Make a handle from an id or a resource name that a person gave."""
    return Handle(name.removeprefix(provider.kind.collection), name if "/" in name else "")


def digest_live_data(provider: Provider, pairs: Sequence[tuple[Desired, Live]]) -> list[dict[str, str]]:
    """Compute the digests of each live model's data, at the addresses that the service names."""
    shown = [
        replace(model, data=tuple(DataSet("", 0, 0, field=path, uri=uri) for path, uri in live.data.items()))
        for model, live in pairs
    ]
    measured = provider.measure_data(shown) if shown else ()
    return [{data.field: data.digest for data in model.data} for model in measured]


def run_each(look: Callable[[T], R], items: Sequence[T], parallelism: int) -> list[R]:
    """Call `look` for each item, a few at a time. Keeps the order."""
    if len(items) < 2:
        return [look(item) for item in items]
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(items)))) as pool:
        return list(pool.map(look, items))
