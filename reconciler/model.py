"""The values that describe desired and live models.

They are frozen and use no I/O, clock or foreign library. Everything else imports from here.
*Recorded* values live in `state`, beside their format.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from reconciler.formats import format_share

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | tuple[Scalar, ...]
Attributes: TypeAlias = Mapping[str, Value]
"""Flat: snake_case path ("tuning_task.hyperparameters.epoch_count") to value. No training data."""

Name: TypeAlias = Annotated[str, Meta(min_length=1)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Unknown: TypeAlias = Annotated[Mapping[str, str], Meta(min_length=2**31)]
"""Keys that only a newer version knows, with their values as JSON. They are written back unchanged.

It is no key itself: msgspec would take it only from a document with 2,147,483,648 such keys."""

BASE_MODEL = "base_model"
"""The path, in every kind, of the field that names a base model."""

SOURCE = "source"
"""The path, in every kind of copies, of the field that names the model to copy."""

LAG_SECONDS = 60.0
"""The time for which a service may not show an accepted change. No document says, so the user can set it."""

NAME_LIMIT = 31
"""Characters of metadata.name, so that NAME-DIGEST8 has no more than 40."""


class Address(Struct, frozen=True, order=True, cache_hash=True):
    """The name that a manifest gives to its model: "TunedModel/support-bot"."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def word(self) -> str:
        """Quoted for a command to copy, because a name in a state may hold any text."""
        return shlex.quote(str(self))

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the inverse of str(); raises ValueError for anything else."""
        kind, slash, name = text.partition("/")
        if not (kind and slash and name) or "/" in name:
            raise ValueError(f"not an address: {text!r}")
        return cls(kind, name)

    @property
    def variable(self) -> str:
        """Its name as an environment variable: TUNEDMODEL_SUPPORT_BOT."""
        return re.sub(r"[^A-Za-z0-9]", "_", f"{self.kind}_{self.name}").upper()


class Status(StrEnum):
    """A live model's condition, whatever the service calls it."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"


class Example(Struct, frozen=True):
    """One training pair, never trimmed nor normalised.

    Attributes:
        line: what a pair cannot say (turns, an instruction), as one canonical JSON object in the service's
            own form; then the pair is empty. "" for a pair.
    """

    text_input: str
    output: str
    line: str = ""


class Layout(Struct, frozen=True):
    """The columns of a data file, as a manifest declares them.

    Attributes:
        text_input, output, system_instruction: the file's names of these columns. All are "" for a file that
            has our names and nothing else.
        delimiter: the character between the cells of a .csv file.
    """

    text_input: str = ""
    output: str = ""
    system_instruction: str = ""
    delimiter: str = ","

    @property
    def columns(self) -> dict[str, str]:
        """Our name of each column to read and the file's, which may have others then; {} for no names."""
        names = ("text_input", "output", "system_instruction")
        return {ours: name for ours in names if (name := getattr(self, ours))}


PLAIN = Layout()
"""The layout of a file that has only our names, with commas if it is CSV."""


class DataSet(Struct, frozen=True):
    """Training data as a plan knows it: its address and size, not its content.

    Attributes:
        digest: SHA-256 in hex over the canonical examples (design 2.4); of data at a `uri` "" until the
            provider has measured it.
        examples: how many.
        characters: of all inputs and outputs together.
        file: path to read it from again, as loaded; None when inline.
        inline: the examples themselves when they stand in the manifest.
        shown: how the manifest names it ("data/numbers.jsonl" or "inline").
        field: which data set of the model this is, for kinds that have several.
        uri: where else it lies, or its name at the service; then nothing is read or sent, and `examples` and
            `characters` are 0.
        form: what the file is written in, "" for pairs.
        layout: which of the file's columns are read.
        size: bytes of the object at `uri`, once the provider has measured it; else 0.
        multimodal: how many examples have more than texts: images, audio or video.
    """

    digest: str
    examples: int
    characters: int
    file: str | None = None
    inline: tuple[Example, ...] = ()
    shown: str = "inline"
    field: str = "training_data"
    uri: str = ""
    form: str = ""
    layout: Layout = PLAIN
    size: int = 0
    multimodal: int = 0

    def __repr__(self) -> str:
        return Struct.__repr__(replace(self, inline=()))  # training data must not stand in a traceback


class Permission(Struct, frozen=True, forbid_unknown_fields=True):
    """One grantee's role on a model. It is an API resource of its own.

    Attributes:
        grantee_type: USER, GROUP or EVERYONE.
        email_address: "" for EVERYONE.
        role: READER, WRITER or OWNER.
        unknown: of a recorded one, keys that this version does not know, with their values as JSON.
    """

    grantee_type: Name
    email_address: str
    role: Name
    unknown: Unknown = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return type(other) is Permission and self._known == other._known

    def __lt__(self, other: Permission) -> bool:
        return self._known < other._known

    def __hash__(self) -> int:
        return hash(self._known)

    @property
    def _known(self) -> tuple[str, str, str]:
        return self.grantee_type, self.email_address, self.role

    @property
    def grantee(self) -> tuple[str, str]:
        """The parts that identify it at the service. The role is not one of them, so it can be patched."""
        return (self.grantee_type, self.email_address.lower())

    def __str__(self) -> str:
        who = f"{self.grantee_type.lower()}:{self.email_address}" if self.email_address else "everyone"
        return f"{who} {self.role}"


class Prompt(Struct, frozen=True):
    """A question to a model.

    Attributes:
        text: one turn of the user.
        system: the system instruction, "" for none.
        line: a whole chat as one canonical JSON object in the service's own form, as in `Example`; then
            `text` and `system` are empty.
    """

    text: str
    system: str = ""
    line: str = ""


class Comparison(StrEnum):
    """The ways to compare an answer. White space around it never counts."""

    EXACT = "exact"
    CONTAINS = "contains"
    MATCHES = "matches"
    """A regular expression is found somewhere in the answer (`re.search`)."""
    ONE_OF = "one_of"


class Check(Struct, frozen=True):
    """A prompt that a candidate must answer well, at temperature 0, before its promotion.

    Attributes:
        expect: the text that the answer is compared with; "" for `ONE_OF`.
        one_of: the allowed answers, for `ONE_OF` only.
        system: the system instruction, "" for none.
    """

    prompt: str
    expect: str = ""
    by: Comparison = Comparison.EXACT
    one_of: tuple[str, ...] = ()
    system: str = ""


class HeldOut(Struct, frozen=True):
    """A file of examples that were kept out of the training: a share of them must be answered well.

    Attributes:
        file: path to read it from, as loaded.
        shown: how the manifest names it.
        form: as `DataSet.form`.
        digest: SHA-256 in hex over the canonical examples.
        examples: how many there are. Each is one call.
        by: EXACT or CONTAINS.
        at_least: the share of right answers that is asked for, from 0 to 1.
    """

    file: str
    shown: str
    form: str
    digest: str
    examples: int
    by: Comparison = Comparison.EXACT
    at_least: float = 1.0

    def to_data(self) -> DataSet:
        """Return the file as a data set."""
        return DataSet(
            self.digest, self.examples, 0, file=self.file, shown=self.shown, form=self.form, field="checks"
        )


class Score(Struct, frozen=True, forbid_unknown_fields=True):
    """A model's score in one part of its checks.

    Attributes:
        check: "prompts" for all checks with a prompt, else the held-out file as the manifest names it.
        digest: SHA-256 in hex over what was asked and expected. Only scores with equal digests compare.
        passed: how many answers were right.
        asked: of how many.
        unknown: of a recorded one, keys that this version does not know, with their values as JSON.
    """

    check: Name
    digest: str
    passed: Count
    asked: Count
    unknown: Unknown = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        return type(other) is Score and self._known == other._known

    def __hash__(self) -> int:
        return hash(self._known)

    @property
    def _known(self) -> tuple[str, str, int, int]:
        return self.check, self.digest, self.passed, self.asked


PROMPTS = "prompts"
"""The name of the score of all checks with a prompt."""


def describe_scores(scores: Iterable[Score]) -> str:
    """Say how many answers were right: prompts 2 of 2 (1.00), data/held-out.jsonl 46 of 50 (0.92)."""
    return ", ".join(f"{score.check} {format_share(score.passed, score.asked)}" for score in scores)


def describe_rivals(scores: Iterable[Score], rivals: Iterable[Score]) -> str:
    """Say how the model that serves did when it was promoted; "" if it has no scores.

    Where other questions were asked then, the two cannot be compared, and this says so.
    """
    asked = {score.check: score.digest for score in scores}
    said = [
        describe_scores([rival])
        + (" for other questions" if asked.get(rival.check, rival.digest) != rival.digest else "")
        for rival in rivals
    ]
    return f"the model that serves: {', '.join(said)}" if said else ""


AnyCheck: TypeAlias = Check | HeldOut
Checks: TypeAlias = tuple[Annotated[AnyCheck, "check"], ...]
"""In JSON, the key `check` holds the name of the class."""


def count_calls(checks: Iterable[AnyCheck]) -> int:
    """Count the calls that the checks of one model make. The service bills each."""
    return sum(check.examples if isinstance(check, HeldOut) else 1 for check in checks)


class IgnoredDrift(Struct, frozen=True):
    """A known difference: not reported until the date has passed. `until` is an ISO date or ""."""

    field: str
    reason: str = ""
    until: str = ""


class Replacement(StrEnum):
    """The ways to replace a model."""

    CANDIDATE = "candidate"
    """The new model is trained beside the old one, and the old one goes after the promotion."""
    DELETE_FIRST = "delete_first"
    """The old model is deleted before the new one is created: only under a pinned id."""


KEEP_DEPOSED = timedelta(hours=24)
"""By default a replaced model stays for this time, so that a reverted commit needs no training."""


class Lifecycle(Struct, frozen=True):
    """The rules for changes of a model.

    Attributes:
        keep_deposed: how long the replaced model stays after promotion. None where it is not declared: see
            `keeps_for`.
    """

    prevent_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    keep_deposed: timedelta | None = None
    ignore_drift: tuple[IgnoredDrift, ...] = ()
    replace: Replacement = Replacement.CANDIDATE

    @property
    def keeps_for(self) -> timedelta:
        """The time for which a replaced model stays: as declared, else the default."""
        return KEEP_DEPOSED if self.keep_deposed is None else self.keep_deposed


DRAIN = timedelta(seconds=60)
"""By default a replaced model stays deployed for this time, for the requests that it is answering."""


class StateSource(Struct, frozen=True, order=True):
    """A model that another state records.

    Attributes:
        state: the address of the store, as for --state.
        workspace: of the state.
        address: of the model there.
    """

    state: str
    workspace: str
    address: Address

    def __str__(self) -> str:
        return f"state {self.state}, workspace {self.workspace}: {self.address}"


class Serving(Struct, frozen=True):
    """The stable endpoint that a manifest declares: the one name that programs call for ever.

    Attributes:
        endpoint: its id, which is ours.
        location: where it is. "" for the location of the endpoint that the service makes for the model.
        drain: how long the replaced model stays deployed after the new one has taken its traffic.
        adopt: take over an endpoint of this id that is not ours, with what is deployed to it.
        allow_interruption: undeploy the old model before the new one is deployed.
        is_default: the manifest names no endpoint. If one is recorded, it is kept.
        checkpoint: the checkpoint of the model to deploy: LAST, BEST or an id. "" leaves that to the service.
    """

    endpoint: str
    location: str = ""
    drain: timedelta = DRAIN
    adopt: bool = False
    allow_interruption: bool = False
    is_default: bool = False
    checkpoint: str = ""


LAST = "last"
"""The checkpoint at the end of the training."""
BEST = "best"
"""The checkpoint that answers most of the checks right; if several answer as many, the earliest."""


class Checkpoint(Struct, frozen=True):
    """A state of a model during its training, which the service has kept.

    Attributes:
        id: only this model knows it.
        epoch, step: when it was taken; 0 if the service does not say.
        endpoint: resource name of the endpoint that the tuning service made for it. "" if there is none.
    """

    id: str
    epoch: int = 0
    step: int = 0
    endpoint: str = ""


class Deployment(Struct, frozen=True):
    """A model that is deployed to an endpoint.

    Attributes:
        id: of the deployment. Only this endpoint knows it.
        model: resource name of the model, with its version.
        checkpoint: id of the deployed checkpoint, "" for the model's default.
        traffic: percent of the endpoint's requests that it answers.
    """

    id: str
    model: str
    checkpoint: str = ""
    traffic: int = 0

    def is_of(self, model: str) -> bool:
        """Return whether it is of a model, whose project may be named by its id or by its number."""
        return bool(model) and self.model.partition("/locations/")[2] == model.partition("/locations/")[2]


class LiveEndpoint(Struct, frozen=True):
    """An endpoint as the service shows it.

    Attributes:
        name: its resource name.
        id, location: parts of the name.
        owner: the digest of the address that it is labelled with. "" if it has no label of ours.
        deployments: what is deployed to it, sorted by id.
    """

    name: str
    id: str
    location: str
    owner: str = ""
    deployments: tuple[Deployment, ...] = ()


class Desired(Struct, frozen=True):
    """One model that a manifest declares.

    Attributes:
        attributes: declared fields only, in the kind's paths. A source model that is another
            manifest is "TunedModel/other" here until the plan resolves it.
        data: its data sets; the first is the training data. Of a model that is there already it may be left
            out: then there is none, and nothing can be trained.
        permissions: None when not managed, () for none at all.
        id: the pinned id, or None.
        imports: id or resource name of the live model that it takes over, "" for none.
        file, line: where the document begins.
        moved_from: the address that it had before, None for none.
        manifest: path of its file relative to the git root (else to the working directory), as records
            keep it; "" where nobody asked.
        places: path to (line, column), to point errors that only the service can find.
        effective: where it lives as far as the manifest leaves that to Stack and environment, in the kind's
            paths; {} until its service was asked.
        serving: the stable endpoint, None for none.
        elsewhere: the source model, if another state records it; then the attribute of the source only names
            it in words.
    """

    address: Address
    attributes: Attributes
    data: tuple[DataSet, ...]
    permissions: tuple[Permission, ...] | None = None
    id: str | None = None
    imports: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    lifecycle: Lifecycle = Lifecycle()
    checks: Checks = ()
    moved_from: Address | None = None
    manifest: str = ""
    file: str = ""
    line: int = 0
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    effective: Attributes = field(default_factory=dict)
    serving: Serving | None = None
    elsewhere: StateSource | None = None

    def __eq__(self, other: object) -> bool:
        """Compare what is wanted. Where keys stand is no part of it."""
        return type(other) is Desired and Struct.__eq__(replace(self, places={}), replace(other, places={}))

    __hash__ = None  # type: ignore[assignment]  # it has mappings

    def __repr__(self) -> str:
        return Struct.__repr__(replace(self, places={}))

    @property
    def place(self) -> str:
        """file:line, for messages."""
        return f"{self.file}:{self.line}" if self.file else str(self.address)


class Snapshot(Struct, frozen=True):
    """One point of the loss curve."""

    step: int
    epoch: int
    mean_loss: float


class Odd(Struct, frozen=True):
    """A model that the service lists in a form that cannot be read. Only its existence is known.

    Attributes:
        id: as `Live.id`; "" if it cannot be read either.
        name: its name in messages.
        why: the part that cannot be read.
    """

    id: str
    name: str
    why: str


class Live(Struct, frozen=True):
    """A model as the service shows it.

    Attributes:
        id: the identity we compare by: the chosen tunedModelId, or what stands for it.
        name: the API's resource name ("tunedModels/x").
        attributes: every field of the kind's table that the service returned, defaults included.
        permissions: None when they were not asked for.
        error: the operation's error where it was looked up, else "".
        times: RFC 3339 as received.
        base: the base model that a copy stands on, if the service tells it. "" for other models.
        outputs: its other results to show, name to resource name or number.
        aliases: path to all names of a value that has several; `attributes` has one of them.
        data: path of each data set of which the service shows where it lies, to that address or name.
        label: the id of ours that the service keeps as a label of it, "" for none.
        unclear: path of a field that the service shows in two ways, to both of them in words.
        traffic: endpoints that send it requests, except those that the service made for it and its
            checkpoints. Empty if the service has no endpoints.
        billed_tokens: what its training is billed for, 0 until the service tells.
        deployable: the resource name, with its version, under which endpoints have it. "" if there is none.
        checkpoints: in the order of the training. Empty if the service shows none.
        default_checkpoint: id of the one that is deployed where none is asked for. "" if it is not shown.
    """

    id: str
    name: str
    status: Status
    attributes: Attributes
    create_time: str = ""
    complete_time: str = ""
    snapshots: tuple[Snapshot, ...] = ()
    permissions: tuple[Permission, ...] | None = None
    error: str = ""
    base: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    unclear: Mapping[str, str] = field(default_factory=dict)
    traffic: tuple[str, ...] = ()
    billed_tokens: int = 0
    deployable: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    default_checkpoint: str = ""

    @property
    def shown(self) -> Attributes:
        """Every attribute, under all its names: what is compared with a declaration."""
        return {**self.attributes, **self.aliases} if self.aliases else self.attributes


class Removal(Struct, frozen=True):
    """An address that a manifest of `kind: Removed` takes out of the state.

    Attributes:
        destroy: delete its models at the service too.
        file, line: where the document begins.
    """

    address: Address
    destroy: bool
    file: str = ""
    line: int = 0


class Guards(Struct, frozen=True):
    """Bounds that a plan must not exceed; None is no bound. `max_cost` is in the Stack's currency."""

    max_trainings: int | None = None
    max_deletes: int | None = None
    max_cost: float | None = None


ANY_BASE = "default"
"""The key of a price for every base model that has no price of its own."""


class Prices(Struct, frozen=True):
    """The prices of trainings, as the user states them.

    Attributes:
        per_1000_characters: currency units per 1,000 characters, where there is no price by token.
        per_million_tokens: base model, or ANY_BASE, to currency units per million tokens trained.
    """

    per_1000_characters: float | None = None
    currency: str = "USD"
    per_million_tokens: Mapping[str, float] = field(default_factory=dict)

    def find_token_price(self, base: str) -> float | None:
        """Return the price of a million tokens on this base model. None if none is declared."""
        return self.per_million_tokens.get(base, self.per_million_tokens.get(ANY_BASE))


class DeclaredBase(Struct, frozen=True):
    """A Stack's entry for a base model. It adds a row to the packaged table, or changes one.

    Attributes:
        name: without a publisher.
        tunable: False refuses to train on it. None leaves it to the table.
        retires: ISO date, "" leaves it to the table.
        or_later: `retires` is a floor. None leaves it to the table; with a date, it is none.
        replacement: the base model to offer instead, "" leaves it to the table.
        place: FILE:LINE:COLUMN.
    """

    name: str
    tunable: bool | None = None
    retires: str = ""
    or_later: bool | None = None
    replacement: str = ""
    place: str = ""


class Stack(Struct, frozen=True):
    """The settings document (`kind: Stack`); everything has a default.

    Attributes:
        name: "" when there is no Stack.
        bucket: the address of the folder that data sets are uploaded to, for services that read them there.
        base_models: what it says of single base models.
        tunable_base_models: what can be tuned, for services that do not tell; None for what is documented.
        retire_within: from how long before its base model retires a model has drifted.
        fail_on: drift classes that exit 2 besides changed, missing and failed.
        lifecycle: defaults for models that say nothing themselves.
        places: path of a field ("spec.endpoint") to the line and column where its value stands.
    """

    name: str = ""
    project: str | None = None
    location: str | None = None
    endpoint: str | None = None
    bucket: str | None = None
    base_models: tuple[DeclaredBase, ...] = ()
    tunable_base_models: tuple[str, ...] | None = None
    state: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    guards: Guards = Guards()
    prices: Prices = Prices()
    fail_on: tuple[str, ...] = ()
    retire_within: timedelta = timedelta(days=60)
    lifecycle: Lifecycle = Lifecycle()
    file: str = ""
    line: int = 0
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: str) -> str:
        """Return FILE:LINE:COLUMN of a field, as far as it is known."""
        numbers = self.places.get(path, (self.line,) if self.line else ())
        return ":".join(str(part) for part in (self.file, *numbers) if part)
