"""Gathers what is live, before a decision.

Rule: it only reads. It asks for one list of each kind. It asks for a single model only if the model is
recorded or imported and the list does not show it, because a list may lag. It asks for the permissions of a
model only if they are managed.
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
    """Make what a provider finds a recorded model by."""
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
    """Ask the services for all that a plan needs to know of them, except for base models.

    `tell` gets a line about each model that is left out because its answer cannot be understood.

    Raises:
        ServiceError, CredentialError: a service could not be read, so nothing can be decided.
    """
    desired = tuple(desired)
    kinds = {one.address.kind for one in desired} | {address.kind for address in state.resources}
    live: dict[str, dict[str, Live]] = {}
    forbidden: dict[tuple[str, str], str] = {}
    odd: dict[tuple[str, str], str] = {}
    data: dict[tuple[str, str], Mapping[str, str]] = {}
    for kind in sorted(kinds & providers.keys()):
        found = list(providers[kind].list())
        shown = {one.id: one for one in found if isinstance(one, Live)}
        strange = {one.id: one for one in found if isinstance(one, Odd) and one.id not in shown}
        _report_odd(found, state, kind, tell)
        asked = _find_unlisted(kind, state, desired, shown)
        _look_up(providers[kind], asked, shown, forbidden, strange, parallelism=parallelism)
        new = [one for one in desired if one.address.kind == kind and _is_to_import(one, state)]
        found_by_name = _find_imported(
            providers[kind], new, shown, forbidden, strange, parallelism=parallelism
        )
        data |= {
            (kind, id): there
            for id, there in _digest_imported_data(providers[kind], new, found_by_name).items()
        }
        _explain_failures(providers[kind], state, shown, parallelism)
        ids = {address: live.id for address, live in found_by_name.items()}
        _add_permissions(
            providers[kind], state, desired, shown, strange, imports=ids, parallelism=parallelism
        )
        live[kind] = shown
        odd |= {(kind, id): one.why for id, one in strange.items() if id}
    return Observed(live=live, forbidden=forbidden, odd=odd, data=data, context=context)


def _report_odd(found: Iterable[Live | Odd], state: State, kind: str, tell: Callable[[str], None]) -> None:
    """Report what is left out of a list. What is recorded is reported with the decision on it."""
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


def redact_failure(reason: str, desired: Desired | None, read: Callable[[DataSet], Iterable[Example]]) -> str:
    """Redact training examples from a failure message.

    That needs the data, which may have changed or be gone. The provider has redacted quotations already.
    """

    def read_texts(desired: Desired) -> Iterator[str]:
        for data in desired.data:
            with suppress(PlanError):  # the data has changed, or is gone
                for one in read(data):
                    yield from (one.text_input, one.output, one.line)

    return hide_texts(reason, read_texts(desired)) if reason and desired is not None else reason


def redact_failures(
    observed: Observed,
    state: State,
    desired: Iterable[Desired],
    read: Callable[[DataSet], Iterable[Example]],
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
    declared = {one.address: one for one in desired}
    owners = {
        (address.kind, model.id): declared.get(address)
        for address, record in state.resources.items()
        for model in record.models
    }
    live = {kind: dict(shown) for kind, shown in observed.live.items()}
    for (kind, id), one in failed.items():
        owner = owners.get((kind, id)) or declared.get(Address(kind, id.rpartition("-")[0]))
        live[kind][id] = replace(one, error=redact_failure(one.error, owner, read))
    return replace(observed, live=live)


def measure_data(providers: Providers, desired: Iterable[Desired]) -> tuple[Desired, ...]:
    """Fill in the digests of data that lies at the service, and keep the order."""
    desired = tuple(desired)
    measured: dict[Address, Desired] = {}
    for kind in sorted({one.address.kind for one in desired} & providers.keys()):
        of_kind = [one for one in desired if one.address.kind == kind]
        measured |= {one.address: one for one in providers[kind].measure_data(of_kind)}
    return tuple(measured.get(one.address, one) for one in desired)


def assume_recorded_data(desired: Desired, record: Record | None) -> Desired:
    """Give each data set that could not be measured the digest that is recorded of it."""
    model = None if record is None else record.candidate or record.serving
    known = {} if model is None else {one.field: one.digest for one in model.data}
    data = tuple(
        replace(one, digest=known.get(one.field, "")) if one.uri and not one.digest else one
        for one in desired.data
    )
    return replace(desired, data=data)


def add_base_models(observed: Observed, providers: Providers, kinds: Iterable[str]) -> Observed:
    """Ask the services which base models can be tuned, and add the answers."""
    asked = {kind: providers[kind].list_base_models() for kind in sorted(set(kinds) & providers.keys())}
    return replace(
        observed,
        tunable={**observed.tunable, **{kind: one.tunable for kind, one in asked.items()}},
        assumed=observed.assumed | {kind for kind, one in asked.items() if one.assumed},
    )


def list_own_models(providers: Providers, kinds: Iterable[str]) -> frozenset[tuple[str, str]]:
    """List the (kind, id) of every model that belongs to us, and is not only shared with us."""
    return frozenset(
        (kind, live.id)
        for kind in sorted(set(kinds) & providers.keys())
        for live in providers[kind].list(own=True)
        if isinstance(live, Live)
    )


def _find_unlisted(
    kind: str, state: State, desired: Sequence[Desired], shown: dict[str, Live]
) -> list[Handle]:
    """Find recorded and pinned models that the list does not show."""
    asked = {
        model.id: make_handle(model)
        for address, record in state.resources.items()
        if address.kind == kind
        for model in record.models
    }
    for one in desired:
        if one.address.kind == kind and one.id:
            asked.setdefault(one.id, Handle(one.id))
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
            strange.pop(handle.id, None)  # a list shows less of a model
        elif isinstance(found, Odd):
            strange[handle.id] = found
        elif isinstance(found, str):
            forbidden[provider.kind.name, handle.id] = found


def _is_to_import(desired: Desired, state: State) -> bool:
    """Whether its `metadata.import` is still to be done."""
    record = state.resources.get(desired.address)
    return bool(desired.imports) and (record is None or not (record.serving or record.candidate))


def parse_handle(provider: Provider, said: str) -> Handle:
    """Make what a provider finds a model by from what a person calls it: an id or a resource name."""
    return Handle(said.removeprefix(provider.kind.collection), said if "/" in said else "")


def _find_imported(
    provider: Provider,
    desired: Sequence[Desired],
    shown: dict[str, Live],
    forbidden: dict[tuple[str, str], str],
    strange: dict[str, Odd],
    *,
    parallelism: int,
) -> dict[Address, Live]:
    """Find the live model that each of these imports. Asks for each one that the list does not show."""
    if not desired:
        return {}
    index = index_by_name(shown.values())
    found = {one.address: find_named(one.imports, index, shown) for one in desired}
    missing = list(dict.fromkeys(one.imports for one in desired if found[one.address] is None))
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
    found = {one.address: find_named(one.imports, index, shown) for one in desired}
    return {address: one for address, one in found.items() if one is not None}


def digest_live_data(provider: Provider, pairs: Sequence[tuple[Desired, Live]]) -> list[dict[str, str]]:
    """Measure the data of each live model where the service says that it lies."""
    shown = [
        replace(one, data=tuple(DataSet("", 0, 0, field=path, uri=uri) for path, uri in live.data.items()))
        for one, live in pairs
    ]
    measured = provider.measure_data(shown) if shown else ()
    return [{data.field: data.digest for data in one.data} for one in measured]


def _digest_imported_data(
    provider: Provider, desired: Iterable[Desired], found: Mapping[Address, Live]
) -> dict[str, dict[str, str]]:
    """Model id to `digest_live_data`, of the models whose data is compared."""
    pairs = [(one, found[one.address]) for one in desired if one.data and one.address in found]
    pairs = [(one, live) for one, live in pairs if live.data]
    return {live.id: there for (_, live), there in zip(pairs, digest_live_data(provider, pairs), strict=True)}


def _explain_failures(provider: Provider, state: State, shown: dict[str, Live], parallelism: int) -> None:
    """Ask why trainings failed, until it is recorded. Only their operations tell."""
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
    desired: Sequence[Desired],
    shown: dict[str, Live],
    strange: dict[str, Odd],
    *,
    imports: Mapping[Address, str],
    parallelism: int,
) -> None:
    kind = provider.kind.name
    managed: dict[Address, set[str]] = {}
    for one in desired:
        if one.address.kind == kind and one.permissions is not None:
            managed[one.address] = {id for id in (one.id, imports.get(one.address)) if id}
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
            return provider.list_permissions(handle)
        except NotUnderstoodError as error:
            return Odd(handle.id, handle.name, error.summary)

    for handle, found in zip(handles, run_each(look, handles, parallelism), strict=True):
        if isinstance(found, Odd):
            strange[handle.id] = found
            del shown[handle.id]
        else:
            shown[handle.id] = replace(shown[handle.id], permissions=found)


def run_each(look: Callable[[T], R], items: Sequence[T], parallelism: int) -> list[R]:
    """Call `look` for each item, a few at a time. Keeps the order."""
    if len(items) < 2:
        return [look(item) for item in items]
    with ThreadPoolExecutor(max_workers=max(1, min(parallelism, len(items)))) as pool:
        return list(pool.map(look, items))
