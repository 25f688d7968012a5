"""Asks services about recorded models: what to call, what they answer, how their training went.

Rules: it only reads. Models that are not recorded are not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from reconciler import observe
from reconciler.checks import CheckResult, run_check
from reconciler.errors import ServiceError, UsageError
from reconciler.model.checks import Prompt
from reconciler.model.desired import Desired
from reconciler.model.live import Live, Status
from reconciler.model.names import Address
from reconciler.operation import Operation, read_examples
from reconciler.providers import Handle, Provider
from reconciler.state.values import Record, RecordedModel, State, Verdict

_HIDDEN_REASON = "not recorded yet, and it may repeat training data: run reconciler plan"
"""Shown instead of a reason that is not recorded, if the data to redact is not at hand."""


def find_handle(operation: Operation, record: Record) -> tuple[Provider, Handle]:
    """Find the provider and the handle of the serving model. UsageError if no model serves yet."""
    if record.serving is None:
        why, advice = _explain_not_serving(record.candidate)
        raise UsageError(f"{record.address} does not serve yet: {why}", advice)
    return operation.find_provider(record.address), observe.make_handle(record.serving)


def ask(operation: Operation, record: Record, prompt: Prompt, *, temperature: float | None) -> str:
    """Return an answer to a prompt: of the stable endpoint if there is one, else of the serving model."""
    provider, handle = find_handle(operation, record)
    endpoint, endpoints = record.called_endpoint, provider.endpoints
    if endpoint is not None and endpoints is not None:
        return endpoints.generate(endpoint.name, prompt, temperature=temperature)
    return provider.generate(handle, prompt, temperature=temperature)


def find_outputs(operation: Operation, records: Iterable[Record]) -> dict[Address, str]:
    """Find the resource names that programs call, for the records with a serving model that has one."""
    records = sorted(records, key=lambda record: record.address)
    stable = {
        record.address: endpoint.name
        for record in records
        if (endpoint := record.called_endpoint) is not None
    }
    serving = {
        record.address: observe.make_handle(record.serving)
        for record in records
        if record.serving is not None and record.address.kind in operation.providers
    }

    def find(address: Address) -> str:
        return stable.get(address) or operation.find_provider(address).find_endpoint(serving[address])

    found = zip(serving, observe.run_each(find, list(serving), operation.parallelism), strict=True)
    return {address: name for address, name in found if name}


def find_curves(operation: Operation, state: State) -> dict[Address, Live]:
    """Find each serving model, or else its candidate, with the whole loss curve."""
    models = [
        (address, model)
        for address, record in sorted(state.resources.items())
        if (model := record.serving or record.candidate) is not None and address.kind in operation.providers
    ]
    found = observe.run_each(lambda pair: find_live(operation, *pair), models, operation.parallelism)
    return {address: live for (address, _), live in zip(models, found, strict=True) if live is not None}


def find_live(operation: Operation, address: Address, model: RecordedModel) -> Live | None:
    """Find a live model, with its loss curve and the reason of its failure."""
    provider = operation.find_provider(address)
    live = provider.get(observe.make_handle(model))
    if live is None or live.status is not Status.FAILED:
        return live
    desired = next((model for model in operation.loaded.desired if model.address == address), None)
    reason = model.error
    if not reason and desired is not None:
        reason = live.error or provider.poll(observe.make_handle(model)).error
    return replace(live, error=observe.redact_failure(reason, desired, read_examples) or _HIDDEN_REASON)


def run_declared_checks(operation: Operation) -> list[tuple[Address, CheckResult]]:
    """Run the declared checks of the selected models that serve, where programs call them."""
    state = operation.read_state()
    selected = set(operation.select(state))
    return [
        (desired.address, result)
        for desired in operation.loaded.desired
        if desired.address in selected
        and (record := state.resources.get(desired.address)) is not None
        and record.serving is not None
        for result in _run_checks(operation, record, desired)
    ]


def _run_checks(operation: Operation, record: Record, desired: Desired) -> Iterator[CheckResult]:
    def ask_record(prompt: Prompt) -> str:
        return ask(operation, record, prompt, temperature=0.0)

    for check in desired.checks:
        try:
            yield run_check(ask_record, check, read_examples)
        except ServiceError as error:  # it concerns this model alone
            yield CheckResult(check, Verdict.UNKNOWN, detail=error.summary)


def _explain_not_serving(candidate: RecordedModel | None) -> tuple[str, str]:
    """Explain why no model serves, and what to do."""
    if candidate is None:
        return "it has no model", "Run: reconciler apply"
    if candidate.status is Status.FAILED:
        advice = "Correct its data or its manifest, then: reconciler apply"
        advice += ". To train the same again: reconciler apply --retry-failed"
        return f"the training of {candidate.id} has failed", advice
    if candidate.verdict is Verdict.FAILED:
        advice = "Correct the checks or the data, then: reconciler apply"
        return f"the checks of {candidate.id} have failed", advice
    return f"{candidate.id} is not promoted yet", "Run reconciler wait, then try again"
