"""Facts: everything that a decision is made from, and the questions that the table asks about it.

Rule: facts are values. No question fetches anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cached_property

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler import diff, identity
from reconciler.difference import DataChange, FieldChange
from reconciler.formats import format_time, parse_time
from reconciler.kind import FieldRole, Kind, narrow_kinds
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired, Removal, StateSource
from reconciler.model.endpoint import LiveEndpoint
from reconciler.model.live import LAG_SECONDS, Live, Status
from reconciler.model.names import Address, Attributes, Value
from reconciler.model.stack import Stack
from reconciler.plan.base_models import BaseFinder
from reconciler.plan.bill import TokenRates, compute_bill, record_estimate
from reconciler.plan.change import Bill
from reconciler.plan.copies import CopySource, SourceFault, read_checkpoint, write_source
from reconciler.plan.inputs import Context, Inputs
from reconciler.plan.naming import find_named, index_by_name
from reconciler.plan.selection import Known, choose
from reconciler.state.values import Record, RecordedData, RecordedModel, State

SUFFIX = 9
"""The length of the end of an id: a dash and eight characters."""


class Generation(Struct, frozen=True):
    """One of the ids under which a desired model may be live.

    Attributes:
        formula: the version of the id formula that gives this id.
    """

    id: str
    digest: str
    number: int = 0
    formula: int = identity.FORMULA


class Observed(Struct, frozen=True):
    """The services' answers before the decision.

    Attributes:
        live: kind name to id to model.
        forbidden: (kind, id) of models that the service refuses to show, to the reason.
        odd: (kind, id) of existing models that this version does not understand, to the reason.
        tunable: kind name to the base models that can be tuned. A kind is absent if it was not looked up.
        assumed: the kinds whose tunable base models are known from documents only.
        data: (kind, id) of imported models, to the data sets that the service shows: each one's path, to the
            digest of its present content.
        context: where this was observed.
        endpoints: the recorded stable endpoints that are there, by resource name.
        declared_endpoints: address to the endpoint of its declared id, where none is recorded for it.
        hidden_endpoints: resource names, or addresses as text, of endpoints that the service refuses to show,
            to the reason.
        sources: what other states record of the models that copies come from, or why that is not known.
    """

    live: Mapping[str, Mapping[str, Live]] = field(default_factory=dict)
    forbidden: Mapping[tuple[str, str], str] = field(default_factory=dict)
    odd: Mapping[tuple[str, str], str] = field(default_factory=dict)
    tunable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    assumed: frozenset[str] = frozenset()
    data: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    context: Context = field(default_factory=Context)
    endpoints: Mapping[str, LiveEndpoint] = field(default_factory=dict)
    declared_endpoints: Mapping[Address, LiveEndpoint] = field(default_factory=dict)
    hidden_endpoints: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[StateSource, CopySource | SourceFault] = field(default_factory=dict)


class Facts(Struct, frozen=True, dict=True):
    """Everything that a plan depends on.

    Attributes:
        desired: the declared models, sorted by address.
        whole: the manifests declare everything that is desired. Otherwise they only select.
        now: an aware time, only compared with recorded times.
        today: the day that base models are judged by.
        lag: seconds for which an accepted model may be invisible.
        folders: the folders of this run, written as in `Record.manifest`; None if records of other folders
            may be deleted too.
        named_elsewhere: recorded addresses that a manifest outside of this run names. Known only if the run
            covers a part of the manifests.
        moved: new address to the old one, for moved records. `state` has them under the new address.
        removals: the addresses that a manifest of kind Removed takes out of the state. None is desired.
        commit: the git commit of the manifests, for the records of new models. "" if nobody asked.
    """

    desired: Mapping[Address, Desired]
    observed: Observed
    state: State
    kinds: Mapping[str, Kind]
    stack: Stack
    inputs: Inputs
    now: datetime
    today: date
    whole: bool = True
    lag: float = LAG_SECONDS
    folders: tuple[str, ...] | None = None
    named_elsewhere: frozenset[Address] = frozenset()
    moved: Mapping[Address, Address] = field(default_factory=dict)
    removals: Mapping[Address, Removal] = field(default_factory=dict)
    commit: str = ""

    def add_base_models(self, tunable: Mapping[str, frozenset[str]], assumed: frozenset[str]) -> Facts:
        """Add what was asked about base models: see `Observed.tunable` and `Observed.assumed`."""
        observed = replace(
            self.observed,
            tunable={**self.observed.tunable, **tunable},
            assumed=self.observed.assumed | assumed,
        )
        told = {kind: names for kind, names in tunable.items() if kind not in assumed}
        return replace(self, observed=observed, kinds=narrow_kinds(self.kinds, told))

    @cached_property
    def token_rates(self) -> TokenRates:
        """The number of characters in a token, for each base model."""
        return TokenRates(BaseFinder(self.desired, self.state.resources, self.kinds))

    def compute_bill(self, desired: Desired) -> Bill:
        """Compute the size and the price of one training."""
        return compute_bill(desired, self.get_kind(desired.address), self.stack.prices, self.token_rates)

    @cached_property
    def imports(self) -> Mapping[Address, str]:
        """Address to the id of the live model that its manifest imports, if that model exists."""
        importing = [desired for desired in self.desired.values() if desired.imports]
        live = {
            kind: self.observed.live.get(kind, {}) for kind in {desired.address.kind for desired in importing}
        }
        indexes = {kind: index_by_name(models.values()) for kind, models in live.items()}
        found = {}
        for desired in importing:
            kind = desired.address.kind
            if model := find_named(desired.imports, indexes[kind], live[kind]):
                found[desired.address] = model.id
        return found

    @cached_property
    def stems(self) -> Mapping[str, Mapping[str, list[str]]]:
        """Kind name to NAME to the live ids that look like NAME-xxxxxxxx, sorted."""
        found: dict[str, dict[str, list[str]]] = {}
        for kind, models in self.observed.live.items():
            stems = found.setdefault(kind, {})
            for id in sorted(models):
                if id[-SUFFIX : 1 - SUFFIX] == "-":
                    stems.setdefault(id[:-SUFFIX], []).append(id)
        return found

    @cached_property
    def suffixes(self) -> Mapping[str, Mapping[str, list[str]]]:
        """Kind name to DIGEST8 to the live ids that end in it and are neither recorded nor imported."""
        taken = {model.id for record in self.state.resources.values() for model in record.models}
        taken.update(self.imports.values())
        found: dict[str, dict[str, list[str]]] = {}
        for kind, stems in self.stems.items():
            for id in (id for ids in stems.values() for id in ids if id not in taken):
                found.setdefault(kind, {}).setdefault(id[1 - SUFFIX :], []).append(id)
        return found

    @cached_property
    def known(self) -> Known:
        """Every address with its labels; None for an address that is only recorded."""
        return {
            **dict.fromkeys(self.state.resources),
            **{address: {} for address in self.removals},
            **{address: desired.labels for address, desired in self.desired.items()},
        }

    def choose_addresses(self) -> frozenset[Address]:
        """Choose the addresses that --target and --exclude select."""
        known = self.known
        if not self.whole:
            named = self.desired.keys() | self.removals.keys()
            known = {address: labels for address, labels in known.items() if address in named}
        return choose(known, self.inputs.targets, self.inputs.excludes)

    @property
    def timestamp(self) -> str:
        """Now, as text in records."""
        return format_time(self.now)

    def get_kind(self, address: Address) -> Kind:
        """Return the kind of an address."""
        return self.kinds[address.kind]

    def find_live(self, address: Address, id: str) -> Live | None:
        """Find the live model with this id."""
        return self.observed.live.get(address.kind, {}).get(id)

    def find_live_of(self, record: Record, model: RecordedModel) -> Live | None:
        """Find the live model of a recorded one.

        Under delete_first an old and a new model share one id. The service's create time distinguishes them.
        If the service does not tell it, the new model is not live as long as it is pending.
        """
        live = self.find_live(record.address, model.id)
        if not record.deposed and (record.serving is None or record.candidate is None):
            return live
        namesakes = [m for m in record.models if m.id == model.id and m is not model]
        if live is None or not namesakes:
            return live
        if not live.create_time:
            return None if model is record.candidate and model.is_pending else live
        if model.create_time:
            return live if live.create_time == model.create_time else None
        return None if any(m.create_time == live.create_time for m in namesakes) else live

    def is_elsewhere(self, record: Record) -> bool:
        """Return whether an undeclared record was declared outside the folders of this run.

        Under a named Stack no record is: everybody who uses the Stack shares its manifests.
        """
        if self.stack.name or self.folders is None or not record.manifest:
            return False
        parts = record.manifest.split("/")
        return not any(
            folder == "." or parts[: len(folder.split("/"))] == folder.split("/") for folder in self.folders
        )

    def may_delete(self, record: Record) -> bool:
        """Return whether we may delete an undeclared record: this run's manifests must have declared it."""
        known = bool(self.stack.name or self.folders is None or record.manifest)
        return known and not self.is_elsewhere(record)

    def is_unseen_yet(self, model: RecordedModel) -> bool:
        """Return whether a model may be missing only because the service's lists lag.

        It was accepted, trained or promoted within the lag, so it is neither trained again nor forgotten.
        """
        if model.is_pending:
            return False
        lag = timedelta(seconds=self.lag)
        times = map(parse_time, (model.started, model.completed, model.promoted))
        return any(time is not None and abs(self.now - time) < lag for time in times)

    @cached_property
    def _trained_from(self) -> Mapping[tuple[str, str], Address]:
        """(kind, name of the model that it comes from) to the address whose candidate is being made.

        Of a copy the kind is "", because it may be copied from another kind.
        """
        return {
            (address.kind if self._trains(address) else "", record.candidate.source): address
            for address, record in self.state.resources.items()
            if record.candidate is not None and record.candidate.status in {None, Status.CREATING}
        }

    def _trains(self, address: Address) -> bool:
        return address.kind not in self.kinds or self.kinds[address.kind].trains

    def find_child_in_training(self, address: Address, model: RecordedModel) -> Address | None:
        """Find an address whose candidate is being trained or copied from this model."""
        names = (model.name, self.get_kind(address).build_reference(model.id))
        keys = [(address.kind, name) for name in names]
        keys.append(("", write_source(model, self.find_live(address, model.id))))
        found = (self._trained_from.get(key) for key in keys if key[1])
        return next((child for child in found if child is not None), None)

    def is_hidden(self, address: Address, id: str) -> bool:
        """Return whether a model exists but cannot be read: access is refused, or it is not understood."""
        key = (address.kind, id)
        return key in self.observed.forbidden or key in self.observed.odd

    def is_there(self, record: Record, model: RecordedModel) -> bool:
        """Return whether a model is live, or may only not be shown yet."""
        return self.find_live_of(record, model) is not None or self.is_unseen_yet(model)

    def parse_source(self, value: object) -> Address | None:
        """Parse a source that is an address. Returns None for a resource name or another value."""
        if isinstance(value, str) and value.partition("/")[0] in self.kinds:
            return Address.parse(value)
        return None

    def list_generations(
        self,
        desired: Desired,
        source: str,
        numbers: Iterable[int] = range(identity.GENERATIONS),
        formula: int = identity.FORMULA,
    ) -> Iterator[Generation]:
        """Compute each generation, one after the other. A pinned id has only one, which is of formula 2."""
        pinned = desired.id if formula == identity.FORMULA else None
        digests = identity.digest_generations(
            desired,
            stack=self.stack.name,
            workspace=self.state.workspace,
            generations=(0,) if pinned else tuple(numbers),
            source=source,
            fields=self.get_kind(desired.address).fields,
            formula=formula,
        )
        for number, digest in digests:
            id = pinned or identity.make_id(desired.address.name, digest)
            yield Generation(id, digest, number, formula)

    def compute_generation(self, desired: Desired, source: str, number: int = 0) -> Generation:
        """Compute one generation, or the only one of a pinned id."""
        return next(self.list_generations(desired, source, [number]))

    def list_former_generations(self, desired: Desired, source: str) -> Iterator[Generation]:
        """Compute each generation by formula 1, in every spelling with the same meaning."""
        return self.list_generations(desired, source, formula=1)


def index_desired(desired: Iterable[Desired]) -> dict[Address, Desired]:
    """Index desired models by their address, in its order."""
    return {model.address: model for model in sorted(desired, key=lambda model: model.address)}


def build_model(
    facts: Facts, desired: Desired, attributes: Attributes, generation: Generation, source: str
) -> RecordedModel:
    """Build the record of a training that is about to be requested."""
    kind = facts.get_kind(desired.address)
    return RecordedModel(
        id=generation.id,
        name=kind.collection + generation.id if kind.collection else "",
        digest=generation.digest,
        formula=generation.formula,
        generation=generation.number,
        source=source,
        sent=dict(attributes),
        data=record_data(desired, assumed=False),
        approved=digest_approval(desired, attributes, kind),
        started=facts.timestamp,
        commit=facts.commit,
        estimate=record_estimate(facts.compute_bill(desired)) if desired.data else None,
        checkpoint="" if kind.trains else read_checkpoint(source),
    )


def merge_sent(kind: Kind, declared: Attributes, model: RecordedModel) -> dict[str, Value]:
    """Merge the declared attributes with those that only a newer version knows.

    The result is recorded as sent.
    """
    unknown = {path: value for path, value in model.sent.items() if path not in kind.fields}
    return {**declared, **unknown}


def digest_approval(
    desired: Desired, attributes: Attributes, kind: Kind, *, keeps: float | None = None
) -> str:
    """Digest what a manifest declares, as SHA-256 in hex. Spellings with the same meaning have one digest.

    `keeps` are the seconds of keep_deposed, by default those of the manifest.
    """
    fields = kind.fields
    meant = {
        path: meaning
        for path, value in attributes.items()
        if fields[path].role is not FieldRole.PLACE
        and (meaning := identity.find_meaning(fields[path], value)) is not None
    }
    return _digest_asked(desired, meant, keeps=keeps)


def is_approved(approved: str, desired: Desired, attributes: Attributes, kind: Kind) -> bool:
    """Return whether an approval was for this manifest.

    Older versions approved the spelling, not the meaning, and kept no replaced model unless told to.
    """
    fields = kind.fields
    written = {
        path: value
        for path, value in attributes.items()
        if fields[path].role is not FieldRole.PLACE or path in desired.attributes
    }
    older = 0.0 if desired.lifecycle.keep_deposed is None else None  # their default of keep_deposed
    return approved in {
        digest_approval(desired, attributes, kind),
        digest_approval(desired, attributes, kind, keeps=older),
        _digest_asked(desired, written, keeps=older),
    }


def _digest_asked(desired: Desired, attributes: Attributes, *, keeps: float | None = None) -> str:
    asked = {
        "attributes": attributes,
        "data": [data.digest for data in desired.data],
        "permissions": desired.permissions and [str(permission) for permission in desired.permissions],
        "checks": identity.list_check_meanings(desired.checks),
        "keep_deposed": desired.lifecycle.keeps_for.total_seconds() if keeps is None else keeps,
        **({"serving": identity.list_serving_meanings(desired.serving)} if desired.serving else {}),
    }
    return hashlib.sha256(identity.encode_canonical(asked)).hexdigest()


def record_data(desired: Desired, *, assumed: bool) -> tuple[RecordedData, ...]:
    """Build the record of the data sets."""
    return tuple(
        RecordedData(data.field, data.digest, data.examples, data.characters, assumed)
        for data in desired.data
    )


def find_replacement_reasons(
    desired: Desired, attributes: Attributes, model: RecordedModel, live: Live | None, kind: Kind
) -> tuple[tuple[FieldChange, ...], tuple[DataChange, ...]]:
    """Find immutable fields and data sets that differ between the recorded and the desired model."""
    fields = diff.compare_immutable(model.sent, live.shown if live else None, attributes, kind.fields)
    if desired.id and desired.id != model.id:
        fields = (FieldChange("metadata.id", model.id, desired.id, forces_replacement=True), *fields)
    return fields, _find_data_changes(model.data, desired.data) if model.data and desired.data else ()


def _find_data_changes(before: Iterable[RecordedData], after: Iterable[DataSet]) -> tuple[DataChange, ...]:
    """Find data sets that were added, removed or changed."""
    old, new = {data.field: data for data in before}, {data.field: data for data in after}
    found = []
    for path in {**new, **old}:
        was, now = old.get(path), new.get(path)
        if was is None or now is None or was.digest != now.digest:
            change = DataChange(
                path,
                was.digest if was else "",
                now.digest if now else "",
                was.examples if was else 0,
                now.examples if now else 0,
            )
            found.append(change)
    return tuple(found)
