"""`kind: Stack`: the settings of a set of manifests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from msgspec.structs import replace
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, WithJsonSchema

from reconciler.bases import strip_publisher
from reconciler.datasets.addresses import BUCKET_RULE
from reconciler.kind import Field as FieldRule
from reconciler.manifests import schema_types as schema
from reconciler.manifests.documents import Document
from reconciler.manifests.envelope import DeclaredLifecycle, Envelope
from reconciler.manifests.located import YamlMap
from reconciler.manifests.places import StackPlaces
from reconciler.manifests.rules import check_lifecycle_fields
from reconciler.manifests.texts import BASE_PATTERN, BUCKET_FOLDER, parse_base_name
from reconciler.manifests.validation_messages import explain
from reconciler.model.desired import Lifecycle
from reconciler.model.stack import DeclaredBase, Guards, Prices, Stack
from reconciler.problems import write_scalar
from reconciler.settings import forms
from reconciler.settings.secrecy import has_login


def _check_endpoint(value: str) -> str:
    if has_login(value):
        raise schema.make_refusal(
            schema.HOLDS_A_CREDENTIAL,
            "Take it out: credentials come from the environment, never from a manifest.",
        )
    try:
        return forms.parse_address(value)
    except forms.FormError as error:
        raise schema.make_refusal(
            "is not the base URL of a service", "Write https://HOST, with a port or path if needed."
        ) from error


def _check_state(value: str) -> str:
    if has_login(value):
        raise schema.make_refusal(
            schema.HOLDS_A_CREDENTIAL,
            "Take it out: the login comes from the environment (TF_HTTP_USERNAME, TF_HTTP_PASSWORD).",
        )
    return value


StateUrl = Annotated[schema.Text, AfterValidator(_check_state)]


def _read_variable(value: object) -> object:
    # `epochs: 5` means `epochs: "5"`, because a variable is always text
    return write_scalar(value) if isinstance(value, (bool, int, float)) else value


VariableName = Annotated[
    str,
    schema.validate_pattern(
        r"[A-Za-z_][A-Za-z0-9_-]*",
        "is not a variable's name",
        "Letters, digits, '_' and '-'; a letter first.",
    ),
]
VariableValue = Annotated[
    str,
    BeforeValidator(_read_variable),
    WithJsonSchema({"anyOf": [{"type": kind} for kind in ("string", "number", "boolean")]}),
]


def _refuse_bucket(value: str) -> tuple[str, str] | None:
    """Say why a text is not gs://BUCKET/PREFIX, and what to write. None if it is."""
    if re.fullmatch(BUCKET_FOLDER, value, re.ASCII):
        return None
    scheme, mark, rest = value.partition("://")
    if mark and scheme != "gs" and "storage.googleapis.com/" not in rest:
        return (
            "is not a bucket of Cloud Storage",
            "The service reads training data there only: write gs://BUCKET/PREFIX.",
        )
    bare = re.sub(r"^(gs:/+|https?://storage\.googleapis\.com/)", "", value)
    bucket, _, prefix = bare.partition("/")
    meant = f"gs://{bucket}/{re.sub('/+', '/', prefix)}".rstrip("/")
    if re.fullmatch(BUCKET_FOLDER, meant, re.ASCII):
        return "is not a bucket as it is written here", f"Write {meant}."
    if not re.fullmatch(BUCKET_FOLDER, f"gs://{bucket}", re.ASCII):
        return "is not a bucket", f"Write gs://BUCKET/PREFIX. {BUCKET_RULE}"
    return "is not a bucket with a usable prefix", "A prefix has letters, digits, '.', '_', '-' and '/'."


Bucket = Annotated[str, schema.validate_by(_refuse_bucket), schema.show_pattern(BUCKET_FOLDER)]
Location = Annotated[str, schema.validate_by(forms.find_location_fault), schema.show_pattern(forms.LOCATION)]
Project = Annotated[str, schema.validate_by(forms.find_project_fault)]


class DeclaredGuards(schema.Declared):
    """Limits that no plan may exceed."""

    max_trainings: schema.Count | None = None
    max_deletes: schema.Count | None = None
    max_cost: schema.Price | None = None


def _read_base(value: str) -> str:
    name = parse_base_name(value)
    if name is None:
        raise schema.make_refusal("is not the name of a base model", "Write one like gemini-3.1-flash-lite.")
    return strip_publisher(name)


BaseName = Annotated[
    str,
    AfterValidator(_read_base),
    WithJsonSchema({"type": "string", "pattern": f"^{BASE_PATTERN}$"}),
]


def _check_spellings(prices: object) -> object:
    """Refuse a base model that has two prices, under two spellings of its name."""
    spellings: dict[str, str] = {}
    for key in prices if isinstance(prices, Mapping) else ():
        if not isinstance(key, str):
            continue
        first = spellings.setdefault(strip_publisher(key), key)
        if first != key:
            raise schema.make_refusal(
                f"has two prices of the same base model, as {first} and as {key}", "Keep one of them."
            )
    return prices


TokenPrices = Annotated[dict[BaseName, schema.Price], BeforeValidator(_check_spellings)]


class DeclaredPrices(schema.Declared):
    """The user's prices, for the bill in the plan."""

    per_1000_characters: schema.Price | None = None
    per_million_tokens: TokenPrices = Field(default_factory=dict)
    currency: Annotated[
        str,
        schema.validate_pattern("[A-Z]{3}", "is not a currency", "Write its ISO code: EUR."),
        schema.show_pattern("[A-Z]{3}"),
    ] = "USD"


class StackBaseModel(schema.Declared):
    """The Stack's entry for a base model. It is added to the packaged table, or replaces a row of it."""

    name: BaseName
    tunable: schema.Flag | None = None
    retires: schema.IsoDate | None = None
    or_later: schema.Flag | None = None
    replacement: BaseName | None = None

    def to_model(self) -> DeclaredBase:
        """Convert to the core's type, without its place."""
        return DeclaredBase(
            self.name, self.tunable, self.retires or "", self.or_later, self.replacement or ""
        )


def _check_bases(bases: list[StackBaseModel]) -> list[StackBaseModel]:
    counts = Counter(base.name for base in bases)
    for name in (name for name, count in counts.items() if count > 1):
        raise schema.make_refusal(
            f"names {name} {counts[name]} times", "Put all that is said of it into one entry."
        )
    return bases


class DeclaredDrift(schema.Declared):
    """Sets which notes make `drift` exit with 2, and how early it warns that a base model will retire."""

    retire_within: schema.Duration | None = None
    fail_on: list[Literal["unmanaged", "base_retired", "unpromoted", "held_back"]] = Field(
        default_factory=list
    )


class StackSpec(schema.Declared):
    """The settings. Each has a default."""

    HINTS: ClassVar = {"name": "It belongs in metadata.", "region": "Write location."}

    project: Project | None = None
    location: Location | None = None
    endpoint: Annotated[str, AfterValidator(_check_endpoint)] | None = None
    bucket: Bucket | None = None
    base_models: Annotated[list[StackBaseModel], AfterValidator(_check_bases)] = Field(default_factory=list)
    tunable_base_models: list[schema.Text] | None = None
    state: StateUrl | None = None
    variables: dict[VariableName, VariableValue] = Field(default_factory=dict)
    guards: DeclaredGuards = Field(default_factory=DeclaredGuards)
    prices: DeclaredPrices = Field(default_factory=DeclaredPrices)
    drift: DeclaredDrift = Field(default_factory=DeclaredDrift)
    lifecycle: DeclaredLifecycle | None = None


class StackManifest(Envelope):
    """A whole document of this kind."""

    kind: Literal["Stack"]
    spec: StackSpec = Field(default_factory=StackSpec)

    def to_model(self, file: str, line: int, *, spelled: Mapping[str, str]) -> Stack:
        """Convert to the core's type. `spelled` maps spellings of fields to their paths."""
        spec = self.spec
        within = spec.drift.retire_within
        lifecycle = spec.lifecycle.to_model(Lifecycle(), spelled=spelled) if spec.lifecycle else Lifecycle()
        return Stack(
            name=self.metadata.name,
            project=spec.project,
            location=spec.location,
            endpoint=spec.endpoint,
            bucket=spec.bucket,
            base_models=tuple(base.to_model() for base in spec.base_models),
            tunable_base_models=None if spec.tunable_base_models is None else tuple(spec.tunable_base_models),
            state=spec.state,
            variables=spec.variables,
            guards=Guards(spec.guards.max_trainings, spec.guards.max_deletes, spec.guards.max_cost),
            prices=Prices(
                spec.prices.per_1000_characters, spec.prices.currency, spec.prices.per_million_tokens
            ),
            fail_on=tuple(spec.drift.fail_on),
            retire_within=Stack().retire_within if within is None else within,
            lifecycle=lifecycle,
            file=file,
            line=line,
        )


def read_stack(document: Document, fields: Sequence[FieldRule]) -> Stack | None:
    """Read a Stack. None after noting what is wrong with it.

    Args:
        document: the document.
        fields: of all kinds of model.
    """
    values = document.at("spec.variables").value
    if isinstance(values, YamlMap):  # variables are texts, exactly as written: version 1.10 is not 1.1
        values.update({name: values.get_text(name) for name in values.texts or {}})
    spelled = check_lifecycle_fields(document, "spec.lifecycle", fields)
    try:
        declared = StackManifest.model_validate(document.body)
    except ValidationError as error:
        explain(error, StackManifest, document, address=None)
        return None
    stack = declared.to_model(document.file, document.mark[0], spelled=spelled)
    return _locate_base_models(replace(stack, places=StackPlaces(document)))


def _locate_base_models(stack: Stack) -> Stack:
    """Note where the Stack says something of each base model."""
    located = [
        replace(base, place=stack.place(f"spec.base_models[{index}]"))
        for index, base in enumerate(stack.base_models)
    ]
    return replace(stack, base_models=tuple(located))
