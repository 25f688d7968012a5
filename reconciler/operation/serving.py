"""Recorded models, asked at their services: what to call, what they answer, how their training went.

Rule: reads only, the service and the record; what nobody has recorded is not looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from reconciler import observe
from reconciler.checks import run_check
from reconciler.datasets.examples import read_examples
from reconciler.errors import NoTextError, ServiceError, UsageError
from reconciler.model import Address, Desired, Live, Status
from reconciler.operation import Operation
from reconciler.providers import Handle, Provider
from reconciler.state.values import Record, RecordedModel, State, Verdict

_UNTOLD = "not recorded yet, and it may repeat training data: run reconciler plan"
"""Why a training failed, where nobody has recorded it and the data is not at hand to be taken out."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check of one model."""

    address: Address
    prompt: str
    verdict: Verdict
    detail: str = ""


def handle(operation: Operation, record: Record) -> tuple[Provider, Handle]:
    """How to call the model that serves. UsageError when none does yet."""
    if record.serving is None:
        why, advice = _not_serving(record.candidate)
        raise UsageError(f"{record.address} does not serve yet: {why}", advice)
    return operation.provider(record.address), observe.make_handle(record.serving)


def outputs(operation: Operation, records: Iterable[Record]) -> dict[Address, str]:
    """Address to the resource name that a program calls, for each of these that serves."""
    serving = [
        (record.address, record.serving)
        for record in sorted(records, key=lambda one: one.address)
        if record.serving is not None and record.address.kind in operation.providers
    ]

    def name(one: tuple[Address, RecordedModel]) -> str:
        return operation.provider(one[0]).endpoint(observe.make_handle(one[1]))

    names = observe.run_each(name, serving, operation.parallelism)
    return {address: found for (address, _), found in zip(serving, names, strict=True)}


def curves(operation: Operation, state: State) -> dict[Address, Live]:
    """Each recorded model that serves (else its candidate), with its whole loss curve."""
    wanted = [
        (address, model)
        for address, record in sorted(state.resources.items())
        if (model := record.serving or record.candidate) is not None and address.kind in operation.providers
    ]
    found = observe.run_each(lambda one: seen(operation, *one), wanted, operation.parallelism)
    return {address: live for (address, _), live in zip(wanted, found, strict=True) if live is not None}


def seen(operation: Operation, address: Address, model: RecordedModel) -> Live | None:
    """A recorded model as the service shows it, with its loss curve and its failure's reason."""
    provider = operation.provider(address)
    live = provider.get(observe.make_handle(model))
    if live is None or live.status is not Status.FAILED:
        return live
    want = next((one for one in operation.loaded.desired if one.address == address), None)
    reason = model.error
    if not reason and want is not None:
        reason = live.error or provider.poll(observe.make_handle(model)).error
    return replace(live, error=observe.redact_failure(reason, want, read_examples) or _UNTOLD)


def check(operation: Operation) -> list[CheckResult]:
    """Run the declared checks of the selected models that serve."""
    state = operation.state()
    chosen = set(operation.selected(state))
    return [
        result
        for want in operation.loaded.desired
        if want.address in chosen
        and (record := state.resources.get(want.address)) is not None
        and record.serving is not None
        for result in _checked(*handle(operation, record), want)
    ]


def _checked(provider: Provider, model: Handle, want: Desired) -> Iterator[CheckResult]:
    for one in want.checks:
        try:
            verdict, said = run_check(provider, model, one)
        except NoTextError as error:
            verdict, said = Verdict.FAILED, f"{one.prompt!r}: {error.summary}"
        except ServiceError as error:  # it concerns this model alone
            verdict, said = Verdict.UNKNOWN, error.summary
        yield CheckResult(want.address, one.prompt, verdict, said)


def _not_serving(candidate: RecordedModel | None) -> tuple[str, str]:
    """Why nothing serves, as far as it is recorded, and what to do."""
    if candidate is None:
        return "it has no model", "Run: reconciler apply"
    if candidate.status is Status.FAILED:
        advice = "Correct its data or its manifest, then: reconciler apply"
        advice += ". To train the same again: reconciler apply --retry-failed"
        return f"the training of {candidate.id} has failed", advice
    if candidate.verdict is Verdict.FAILED:
        return (
            f"the checks of {candidate.id} have failed",
            "Correct the checks or the data, then: reconciler apply",
        )
    return f"{candidate.id} is not promoted yet", "Run reconciler wait, then try again"
