"""What is live, gathered before a decision: lists, and single looks only where a list cannot tell.

Rule: reads only. One list a kind, one get for each recorded or imported model that the list does not show (a
list may lag), one look at the permissions of each model whose permissions are managed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from reconciler.errors import ForbiddenError, NotFoundError, NotUnderstoodError, PlanError
from reconciler.model import Address, DataSet, Desired, Example, Live, Odd, Permission, Status
from reconciler.plan.change import Context
from reconciler.plan.facts import Observed
from reconciler.plan.naming import find_named, index_by_name
from reconciler.providers import Handle, Provider, Providers
from reconciler.redaction import hide_texts
from reconciler.state.values import Record, RecordedModel, State

T = TypeVar("T")
R = TypeVar("R")


def make_handle(model: RecordedModel) -> Handle:
    """How a provider finds a recorded model."""
    return Handle(model.id, model.name, model.operation)


def observe(
    providers: Providers,
    state: State,
    desired: Iterable[Desired],
    *,
    context: Context,
    parallelism: int,
    tell: Callable[[str], None] = lambda _text: None,
) -> Observed:
    """Everything that a plan needs to know of the services, base models excepted.

    `tell` is told in one line of each model that is left out because it cannot be understood.

    Raises:
        ServiceError, CredentialError: a service could not be read; nothing can be decided then.
    """
    wants = tuple(desired)
    kinds = {want.address.kind for want in wants} | {address.kind for address in state.resources}
    live: dict[str, dict[str, Live]] = {}
    forbidden: dict[tuple[str, str], str] = {}
    odd: dict[tuple[str, str], str] = {}
    data: dict[tuple[str, str], Mapping[str, str]] = {}
    for kind in sorted(kinds & providers.keys()):
        found = list(providers[kind].list())
        shown = {one.id: one for one in found if isinstance(one, Live)}
        strange = {one.id: one for one in found if isinstance(one, Odd) and one.id not in shown}
        _report_odd(found, state, kind, tell)
        asked = _find_unlisted(kind, state, wants, shown)
        _look_up(providers[kind], asked, shown, forbidden, strange, parallelism=parallelism)
        new = [want for want in wants if want.address.kind == kind and _is_to_import(want, state)]
        found_by_name = _find_imported(
            providers[kind], new, shown, forbidden, strange, parallelism=parallelism
        )
        data |= {
            (kind, id): there
            for id, there in _digest_imported_data(providers[kind], new, found_by_name).items()
        }
        _explain_failures(providers[kind], state, shown, parallelism)
        ids = {address: live.id for address, live in found_by_name.items()}
        _add_permissions(providers[kind], state, wants, shown, strange, imports=ids, parallelism=parallelism)
        live[kind] = shown
        odd |= {(kind, id): one.why for id, one in strange.items() if id}
    return Observed(live=live, forbidden=forbidden, odd=odd, data=data, context=context)


def _report_odd(found: Iterable[Live | Odd], state: State, kind: str, tell: Callable[[str], None]) -> None:
    """Name what is left out of a list; what is recorded is told where it is decided on."""
    ours = {
        model.id
        for address, record in state.resources.items()
        if address.kind == kind
        for model in record.models
    }
    for one in found:
        if isinstance(one, Odd) and one.id not in ours:
            taken = ", and its name counts as taken" if one.id else ""
            tell(f"Warning: {one.name} is left out{taken}: {one.why}")


def redact_failure(reason: str, want: Desired | None, read: Callable[[DataSet], Iterable[Example]]) -> str:
    """Why a training failed, without what it repeats of the data, as far as the data is still at hand.

    What it quotes was taken out by its provider in any case.
    """

    def texts(want: Desired) -> Iterator[str]:
        for data in want.data:
            with suppress(PlanError):  # it is not what it was, or not there any more
                for one in read(data):
                    yield from (one.text_input, one.output, one.line)

    return hide_texts(reason, texts(want)) if reason and want is not None else reason


def redact_failures(
    observed: Observed,
    state: State,
    desired: Iterable[Desired],
    read: Callable[[DataSet], Iterable[Example]],
) -> Observed:
    """The same, with every reason for a failure made `discreet`."""
    failed = {
        (kind, live.id): live
        for kind, shown in observed.live.items()
        for live in shown.values()
        if live.error
    }
    if not failed:
        return observed
    wants = {want.address: want for want in desired}
    owners = {
        (address.kind, model.id): wants.get(address)
        for address, record in state.resources.items()
        for model in record.models
    }
    live = {kind: dict(shown) for kind, shown in observed.live.items()}
    for (kind, id), one in failed.items():
        want = owners.get((kind, id)) or wants.get(Address(kind, id.rpartition("-")[0]))
        live[kind][id] = replace(one, error=redact_failure(one.error, want, read))
    return replace(observed, live=live)


def measure_data(providers: Providers, desired: Iterable[Desired]) -> tuple[Desired, ...]:
    """The same in the same order, with the digests of data that lies elsewhere."""
    wants = tuple(desired)
    known: dict[Address, Desired] = {}
    for kind in sorted({want.address.kind for want in wants} & providers.keys()):
        of_kind = [want for want in wants if want.address.kind == kind]
        known |= {want.address: want for want in providers[kind].measured(of_kind)}
    return tuple(known.get(want.address, want) for want in wants)


def assume_recorded_data(want: Desired, record: Record | None) -> Desired:
    """With the recorded digest of each data set that could not be measured."""
    model = None if record is None else record.candidate or record.serving
    known = {} if model is None else {one.field: one.digest for one in model.data}
    data = tuple(
        replace(one, digest=known.get(one.field, "")) if one.uri and not one.digest else one
        for one in want.data
    )
    return replace(want, data=data)


def add_base_models(observed: Observed, providers: Providers, kinds: Iterable[str]) -> Observed:
    """The same, knowing also which base models can be tuned."""
    asked = {kind: providers[kind].base_models() for kind in sorted(set(kinds) & providers.keys())}
    return replace(
        observed,
        tunable={**observed.tunable, **{kind: one.tunable for kind, one in asked.items()}},
        assumed=observed.assumed | {kind for kind, one in asked.items() if one.assumed},
    )


def list_own_models(providers: Providers, kinds: Iterable[str]) -> frozenset[tuple[str, str]]:
    """(kind, id) of every model that belongs to us rather than being shared with us."""
    return frozenset(
        (kind, live.id)
        for kind in sorted(set(kinds) & providers.keys())
        for live in providers[kind].list(own=True)
        if isinstance(live, Live)
    )


def _find_unlisted(kind: str, state: State, wants: Sequence[Desired], shown: dict[str, Live]) -> list[Handle]:
    """Recorded or pinned models that the list does not show."""
    asked = {
        model.id: make_handle(model)
        for address, record in state.resources.items()
        if address.kind == kind
        for model in record.models
    }
    for want in wants:
        if want.address.kind == kind and want.id:
            asked.setdefault(want.id, Handle(want.id))
    return [handle for id, handle in sorted(asked.items()) if id not in shown]


def _look_up(
    provider: Provider,
    handles: Sequence[Handle],
    shown: dict[str, Live],
    forbidden: dict[tuple[str, str], str],
    strange: dict[str, Odd],
    *,
    parallelism: int,
) -> None:
    def look(handle: Handle) -> Live | Odd | str | None:
        try:
            return provider.get(handle)
        except ForbiddenError as error:
            return error.summary
        except NotUnderstoodError as error:
            return Odd(handle.id, handle.name or handle.id, error.summary)

    for handle, found in zip(handles, run_each(look, handles, parallelism), strict=True):
        if isinstance(found, Live):
            shown[handle.id] = found
            strange.pop(handle.id, None)  # a list shows less of it
        elif isinstance(found, Odd):
            strange[handle.id] = found
        elif isinstance(found, str):
            forbidden[provider.kind.name, handle.id] = found


def _is_to_import(want: Desired, state: State) -> bool:
    """Whether its `metadata.import` has not been done yet."""
    record = state.resources.get(want.address)
    return bool(want.imports) and (record is None or not (record.serving or record.candidate))


def parse_handle(provider: Provider, said: str) -> Handle:
    """How a provider finds the model that a person names, by id or by resource name."""
    return Handle(said.removeprefix(provider.kind.collection), said if "/" in said else "")


def _find_imported(
    provider: Provider,
    wants: Sequence[Desired],
    shown: dict[str, Live],
    forbidden: dict[tuple[str, str], str],
    strange: dict[str, Odd],
    *,
    parallelism: int,
) -> dict[Address, Live]:
    """The live model that each of these imports; one look for each that the list does not show."""
    if not wants:
        return {}
    index = index_by_name(shown.values())
    found = {want.address: find_named(want.imports, index, shown) for want in wants}
    missing = list(dict.fromkeys(want.imports for want in wants if found[want.address] is None))
    seen: dict[str, Live] = {}
    handles = [parse_handle(provider, said) for said in missing]
    refused: dict[tuple[str, str], str] = {}
    _look_up(provider, handles, seen, refused, strange, parallelism=parallelism)
    for said, handle in zip(missing, handles, strict=True):
        if one := seen.get(handle.id):
            shown[one.id] = one
        if why := refused.get((provider.kind.name, handle.id)):
            forbidden[provider.kind.name, said] = why
        if odd := strange.get(handle.id):
            strange[said] = odd
    index = index_by_name(shown.values())
    found = {want.address: find_named(want.imports, index, shown) for want in wants}
    return {address: one for address, one in found.items() if one is not None}


def digest_live_data(provider: Provider, pairs: Sequence[tuple[Desired, Live]]) -> list[dict[str, str]]:
    """For each model, the digest of what lies now where the service says that its data is."""
    shown = [
        replace(want, data=tuple(DataSet("", 0, 0, field=path, uri=uri) for path, uri in live.data.items()))
        for want, live in pairs
    ]
    measure_data = provider.measured(shown) if shown else ()
    return [{one.field: one.digest for one in want.data} for want in measure_data]


def _digest_imported_data(
    provider: Provider, wants: Iterable[Desired], found: Mapping[Address, Live]
) -> dict[str, dict[str, str]]:
    """Model id to `data_there`, of those whose data is compared."""
    pairs = [(want, found[want.address]) for want in wants if want.data and want.address in found]
    pairs = [(want, live) for want, live in pairs if live.data]
    return {live.id: there for (_, live), there in zip(pairs, digest_live_data(provider, pairs), strict=True)}


def _explain_failures(provider: Provider, state: State, shown: dict[str, Live], parallelism: int) -> None:
    """A failure's reason is only on its operation: look it up once, until it is recorded."""
    kind = provider.kind.name
    handles = [
        make_handle(model)
        for address, record in state.resources.items()
        if address.kind == kind
        for model in (record.serving, record.candidate)
        if model is not None
        and not model.error
        and model.id in shown
        and shown[model.id].status is Status.FAILED
        and not shown[model.id].error
    ]

    def look(handle: Handle) -> str:
        try:
            return provider.poll(handle).error
        except (NotFoundError, ForbiddenError, NotUnderstoodError):
            return ""

    for handle, error in zip(handles, run_each(look, handles, parallelism), strict=True):
        shown[handle.id] = replace(shown[handle.id], error=error)


def _add_permissions(
    provider: Provider,
    state: State,
    wants: Sequence[Desired],
    shown: dict[str, Live],
    strange: dict[str, Odd],
    *,
    imports: Mapping[Address, str],
    parallelism: int,
) -> None:
    kind = provider.kind.name
    managed: dict[Address, set[str]] = {}
    for want in wants:
        if want.address.kind == kind and want.permissions is not None:
            managed[want.address] = {one for one in (want.id, imports.get(want.address)) if one}
    for address, record in state.resources.items():
        ids = {model.id for model in record.models}
        if address in managed:
            managed[address] |= ids
        elif address.kind == kind and record.serving and record.serving.permissions is not None:
            managed[address] = {record.serving.id}
    asked = sorted({id for ids in managed.values() for id in ids if id in shown})
    handles = [Handle(id, shown[id].name) for id in asked]

    def look(handle: Handle) -> tuple[Permission, ...] | Odd:
        try:
            return provider.permissions(handle)
        except NotUnderstoodError as error:
            return Odd(handle.id, handle.name, error.summary)

    for handle, found in zip(handles, run_each(look, handles, parallelism), strict=True):
        if isinstance(found, Odd):
            strange[handle.id] = found
            del shown[handle.id]
        else:
            shown[handle.id] = replace(shown[handle.id], permissions=found)


def run_each(look: Callable[[T], R], items: Sequence[T], parallelism: int) -> list[R]:
    """look(item) for each, a few at a time, in order."""
    if len(items) < 2:
        return [look(item) for item in items]
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(items)))) as pool:
        return list(pool.map(look, items))
