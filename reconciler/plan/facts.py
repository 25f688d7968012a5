"""What a decision is made from, and the questions that the table asks of it.

Rule: facts are values; nothing in it is fetched when asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from reconciler import diff
from reconciler.difference import DataChange, FieldChange
from reconciler.formats import format_time, parse_time
from reconciler.identity import (
    FORMULA,
    GENERATIONS,
    digest_former_generations,
    digest_generations,
    encode_canonical,
    find_meaning,
    make_id,
)
from reconciler.kind import FieldRole, Kind
from reconciler.model import (
    LAG_SECONDS,
    Address,
    Attributes,
    DataSet,
    Desired,
    Live,
    Stack,
    Value,
)
from reconciler.plan.change import Bill, Context, Inputs
from reconciler.plan.selection import Known, choose
from reconciler.state.values import Record, RecordedData, RecordedModel, State


@dataclass(frozen=True, slots=True)
class Observed:
    """What the services showed, gathered before deciding.

    Attributes:
        live: kind name to id to model.
        forbidden: (kind, id) of recorded or pinned models that the service refuses to show, and why.
        odd: (kind, id) of models that are there, of which nothing else is understood, and why.
        tunable: kind name to the base models that can be tuned; a kind is absent when nobody asked.
        assumed: the kinds for which that is only documented.
        data: (kind, id) of models that a manifest imports: path of each data set that the service shows, to
            the digest of what lies there now.
        context: where all this was seen.
    """

    live: Mapping[str, Mapping[str, Live]] = field(default_factory=dict)
    forbidden: Mapping[tuple[str, str], str] = field(default_factory=dict)
    odd: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tunable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    assumed: frozenset[str] = frozenset()
    data: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    context: Context = field(default_factory=Context)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a plan depends on.

    Attributes:
        whole: the manifests are the whole desired set; else they only select.
        now: aware; only compared with recorded times.
        lag: seconds for which a model that was accepted may be invisible.
        folders: those of this run, as `Record.manifest` is written; None where what was declared elsewhere
            may go as well.
        named_elsewhere: recorded addresses that a manifest outside of this run still names; known where the
            run is about a part of the manifests.
        moved: address to the one whose record it has taken over; `state` has it there already.
        suffixes: kind name to DIGEST8 to the live ids that end in it and are neither recorded nor imported.
        imports: address to the id of the live model that its manifest imports, where that is there;
            `make_facts` looks for it.
        stems: kind name to NAME to the live ids that look like NAME-xxxxxxxx, so that generations are
            looked for only where there can be one; a kind that is absent was not indexed. `make_facts`
            indexes: other live models need another World from it.
    """

    desired: Mapping[Address, Desired]
    observed: Observed
    state: State
    kinds: Mapping[str, Kind]
    stack: Stack
    inputs: Inputs
    now: datetime
    whole: bool = True
    stems: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    suffixes: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    lag: float = LAG_SECONDS
    folders: tuple[str, ...] | None = None
    imports: Mapping[Address, str] = field(default_factory=dict)
    named_elsewhere: frozenset[Address] = frozenset()
    moved: Mapping[Address, Address] = field(default_factory=dict)

    @property
    def known(self) -> Known:
        """Every address with its labels, None where it is only recorded."""
        return {
            **dict.fromkeys(self.state.resources),
            **{one: desired.labels for one, desired in self.desired.items()},
        }

    def choose_addresses(self) -> frozenset[Address]:
        """What --target and --exclude leave; of what the manifests declare, where they only select."""
        known = self.known
        if not self.whole:
            known = {one: labels for one, labels in known.items() if one in self.desired}
        return choose(known, self.inputs.targets, self.inputs.excludes)

    @property
    def timestamp(self) -> str:
        """Now, as records keep it."""
        return format_time(self.now)

    def kind(self, address: Address) -> Kind:
        """The kind of an address."""
        return self.kinds[address.kind]

    def live(self, address: Address, id: str) -> Live | None:
        """The live model with this id."""
        return self.observed.live.get(address.kind, {}).get(id)

    def live_of(self, record: Record, model: RecordedModel) -> Live | None:
        """The live model that this recorded one is.

        Under delete_first an old and a new model share their id; the service's create time tells them
        apart.
        """
        live = self.live(record.address, model.id)
        if not record.deposed and (record.serving is None or record.candidate is None):
            return live
        namesakes = [m for m in record.models if m.id == model.id and m is not model]
        if live is None or not namesakes:
            return live
        if model.create_time:
            return live if live.create_time == model.create_time else None
        return None if any(m.create_time == live.create_time for m in namesakes) else live

    def is_elsewhere(self, record: Record) -> bool:
        """Whether a record that no manifest of this run declares was declared outside of its folders.

        Under a named Stack nothing is: who shares it shares what it declares.
        """
        if self.stack.name or self.folders is None or not record.manifest:
            return False
        parts = record.manifest.split("/")
        return not any(one == "." or parts[: len(one.split("/"))] == one.split("/") for one in self.folders)

    def may_delete(self, record: Record) -> bool:
        """Whether an undeclared record is ours to delete: who declared it is known, and it was us."""
        known = bool(self.stack.name or self.folders is None or record.manifest)
        return known and not self.is_elsewhere(record)

    def is_unseen_yet(self, model: RecordedModel) -> bool:
        """Whether a recorded model that nobody shows was accepted, trained or promoted within the lag.

        That is lag and no loss: neither is it trained again, nor is it forgotten.
        """
        if model.is_pending:
            return False
        lag = timedelta(seconds=self.lag)
        times = map(parse_time, (model.started, model.completed, model.promoted))
        return any(one is not None and abs(self.now - one) < lag for one in times)

    def is_hidden(self, address: Address, id: str) -> bool:
        """Whether it is there as far as anybody knows: refused to us, or not understood."""
        key = (address.kind, id)
        return key in self.observed.forbidden or key in self.observed.odd

    def is_there(self, record: Record, model: RecordedModel) -> bool:
        """Whether it is live, or may be: only nobody shows it yet."""
        return self.live_of(record, model) is not None or self.is_unseen_yet(model)

    def identity(self, desired: Desired, source: str, generation: int) -> tuple[str, str]:
        """(id, digest) of one generation of what is wanted."""
        return next(self._identities(desired, source, [generation]))[1:]

    def generations(self, desired: Desired, source: str) -> Iterator[tuple[int, str, str]]:
        """(generation, id, digest) of all generations that are looked for; one under a pinned id."""
        return self._identities(desired, source, range(1 if desired.id else GENERATIONS))

    def _identities(
        self, desired: Desired, source: str, numbers: Sequence[int]
    ) -> Iterator[tuple[int, str, str]]:
        digests = digest_generations(
            desired,
            stack=self.stack.name,
            workspace=self.state.workspace,
            generations=numbers,
            source=source,
            fields=self.kind(desired.address).fields,
        )
        for number, digest in zip(numbers, digests, strict=True):
            yield number, desired.id or make_id(desired.address.name, digest), digest

    def former(self, desired: Desired, source: str) -> Iterator[tuple[int, str, str]]:
        """The same of formula 1, in every spelling that means what is wanted."""
        digests = digest_former_generations(
            desired,
            stack=self.stack.name,
            workspace=self.state.workspace,
            generations=range(GENERATIONS),
            source=source,
            fields=self.kind(desired.address).fields,
        )
        for number, digest in digests:
            yield number, make_id(desired.address.name, digest), digest


def build_model(
    facts: Facts,
    desired: Desired,
    attributes: Attributes,
    *,
    id: str,
    digest: str,
    generation: int,
    source: str,
    formula: int = FORMULA,
) -> RecordedModel:
    """The record of a training that is about to be asked for."""
    collection = facts.kind(desired.address).collection
    return RecordedModel(
        id=id,
        name=collection + id if collection else "",
        digest=digest,
        formula=formula,
        generation=generation,
        source=source,
        sent=dict(attributes),
        data=record_data(desired, assumed=False),
        approved=digest_approval(desired, attributes, facts.kind(desired.address)),
        started=facts.timestamp,
    )


def merge_sent(kind: Kind, declared: Attributes, model: RecordedModel) -> dict[str, Value]:
    """What counts as sent of a recorded model from now on: what is declared.

    What a newer version sent, under paths that are not known here, is still as it was.
    """
    unknown = {path: value for path, value in model.sent.items() if path not in kind.fields}
    return {**declared, **unknown}


def digest_approval(desired: Desired, attributes: Attributes, kind: Kind) -> str:
    """SHA-256 in hex of all that a manifest asks of its model, however it is written: what was approved."""
    fields = kind.fields
    meant = {
        path: one
        for path, value in attributes.items()
        if fields[path].role is not FieldRole.PLACE and (one := find_meaning(fields[path], value)) is not None
    }
    return _approval(desired, meant)


def is_approved(approved: str, desired: Desired, attributes: Attributes, kind: Kind) -> bool:
    """Whether an approval was given for this, by this version or by one that took it as it was written."""
    fields = kind.fields
    written = {
        path: value
        for path, value in attributes.items()
        if fields[path].role is not FieldRole.PLACE or path in desired.attributes
    }
    return approved in {digest_approval(desired, attributes, kind), _approval(desired, written)}


def _approval(desired: Desired, attributes: Attributes) -> str:
    asked = {
        "attributes": attributes,
        "data": [one.digest for one in desired.data],
        "permissions": desired.permissions and [str(one) for one in desired.permissions],
        "checks": [[check.prompt, check.expect] for check in desired.checks],
        "keep_deposed": desired.lifecycle.keep_deposed.total_seconds(),
    }
    return hashlib.sha256(encode_canonical(asked)).hexdigest()


def record_data(desired: Desired, *, assumed: bool) -> tuple[RecordedData, ...]:
    """What the record keeps of the data sets."""
    return tuple(
        RecordedData(one.field, one.digest, one.examples, one.characters, assumed) for one in desired.data
    )


def find_replacement_reasons(
    desired: Desired, attributes: Attributes, model: RecordedModel, live: Live | None, kind: Kind
) -> tuple[tuple[FieldChange, ...], tuple[DataChange, ...]]:
    """What makes a recorded model another than the wanted one; two empty tuples when it is the one."""
    fields = diff.compare_immutable(model.sent, live.shown if live else None, attributes, kind.fields)
    if desired.id and desired.id != model.id:
        fields = (FieldChange("metadata.id", model.id, desired.id, forces_replacement=True), *fields)
    return fields, _data_changes(model.data, desired.data) if model.data and desired.data else ()


def _data_changes(before: Iterable[RecordedData], after: Iterable[DataSet]) -> tuple[DataChange, ...]:
    """Data sets that came, went or are other ones."""
    old, new = {one.field: one for one in before}, {one.field: one for one in after}
    found = [(field, old.get(field), new.get(field)) for field in {**new, **old}]
    return tuple(
        DataChange(
            field,
            was.digest if was else "",
            now.digest if now else "",
            was.examples if was else 0,
            now.examples if now else 0,
        )
        for field, was, now in found
        if was is None or now is None or was.digest != now.digest
    )


def compute_bill(desired: Desired, kind: Kind, stack: Stack) -> Bill:
    """What training this once amounts to: ceil(examples * epochs / batch) steps (api.md section 1)."""
    epochs, epochs_assumed = _number(desired, kind.epochs, kind.default_epochs)
    batch, batch_assumed = _number(desired, kind.batch, kind.default_batch)
    training = desired.data[0]
    prices = stack.prices
    price = None
    if prices.per_1000_characters is not None and epochs:
        price = training.characters * epochs / 1000 * prices.per_1000_characters
    return Bill(
        examples=training.examples,
        characters=training.characters,
        epochs=epochs,
        batch=batch,
        steps=ceil(training.examples * epochs / batch) if batch else 0,
        estimated=epochs_assumed or batch_assumed,
        price=price,
        currency=prices.currency if price is not None else "",
    )


def _number(desired: Desired, ending: str, default: int) -> tuple[int, bool]:
    """What is declared at a path with this end, else the default; and whether that was assumed."""
    declared = [
        value
        for path, value in desired.attributes.items()
        if ending and f".{path}".endswith(f".{ending}") and isinstance(value, int)
    ]
    return (declared[0], False) if declared else (default, default > 0)
