"""The schema around every spec: the Kubernetes envelope, and what every kind of model has beside its spec.

`permissions`, `lifecycle` and `checks` are outside `spec`, because the API's TunedModel does not have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from reconciler.manifests import schema_types as schema
from reconciler.manifests.content import merge_lifecycle
from reconciler.manifests.texts import (
    ENDPOINT,
    FORMER_NAME,
    LABEL,
    LABEL_KEY,
    LABEL_LIMIT,
    LIVE_TUNED_MODEL,
    PROMPT_LIMIT,
)
from reconciler.model.desired import Lifecycle, StateSource
from reconciler.model.endpoint import BEST, LAST, Serving
from reconciler.settings import forms

LabelKey = Annotated[
    str,
    schema.validate_pattern(
        LABEL_KEY,
        "is not a label's name",
        "Letters and digits, with '-', '_', '.' and one '/' between them.",
        limit=LABEL_LIMIT,
    ),
]
LabelValue = Annotated[
    str,
    schema.validate_pattern(
        f"{LABEL}?",
        "is not a label's value",
        "Letters and digits, with '-', '_' and '.' between.",
        limit=LABEL_LIMIT,
    ),
]


FormerName = Annotated[
    str,
    schema.validate_pattern(
        FORMER_NAME,
        "is not an address",
        "Write NAME or KIND/NAME, as it was before.",
    ),
]


class Metadata(schema.Declared):
    """Identifies a model. `name` is half of its address; `id` pins the tunedModelId; only we see `labels`.

    `moved_from` is the address that the model had before it was renamed. Its record is kept.
    """

    HINTS: ClassVar = {"annotations": "Use labels.", "namespace": "There are no namespaces: use labels."}

    name: schema.Name
    id: schema.ModelId | None = None
    moved_from: FormerName | None = None
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)


ImportName = Annotated[
    str,
    schema.validate_pattern(
        LIVE_TUNED_MODEL,
        "is not the name of a tuned model",
        "Write its id, or tunedModels/ID.",
    ),
    schema.show_pattern(LIVE_TUNED_MODEL),
]


class ModelMetadata(Metadata):
    """The metadata of a model. `import` names the live model to take over."""

    import_: ImportName | None = Field(default=None, alias="import")


def _check_role(role: object) -> object:
    if role == "OWNER":
        raise schema.make_refusal(
            "cannot be OWNER: ownership is not granted, it is transferred",
            "Grant WRITER or READER; the service's tunedModels.transferOwnership makes an owner.",
        )
    return role


def _check_email(value: str) -> str:
    local, at, domain = value.partition("@")
    if not (at and local and domain) or "@" in domain or any(letter.isspace() for letter in value):
        raise schema.make_refusal("is not an e-mail address", "Write name@example.com.")
    return value


class DeclaredPermission(schema.Declared):
    """One grantee with its role."""

    OUTPUT_ONLY: ClassVar = frozenset({"name"})
    HINTS: ClassVar = {"email": "Write email_address.", "type": "Write grantee_type."}

    grantee_type: Literal["USER", "GROUP", "EVERYONE"]
    email_address: Annotated[str, AfterValidator(_check_email)] | None = None
    role: Annotated[Literal["READER", "WRITER"], BeforeValidator(_check_role)]


class DeclaredIgnoredDrift(schema.Declared):
    """A difference that is tolerated until a date, with the reason."""

    field: schema.Text
    reason: str = ""
    until: schema.IsoDate | None = None


class DeclaredLifecycle(schema.Declared):
    """The rules for changes of the model. Absent keys come from the Stack, or else have defaults."""

    prevent_destroy: schema.Flag | None = None
    ignore_changes: list[schema.Text] | None = None
    keep_deposed: schema.Duration | None = None
    ignore_drift: list[DeclaredIgnoredDrift] | None = None
    replace: Literal["candidate", "delete_first"] | None = None

    def to_model(self, defaults: Lifecycle, *, spelled: Mapping[str, str]) -> Lifecycle:
        """Convert to the core's type. Absent keys come from `defaults`. `spelled` maps spellings to paths."""
        declared: dict[str, Any] = {name: value for name, value in self if value is not None}
        if self.ignore_drift is not None:
            declared["ignore_drift"] = [drift.model_dump() for drift in self.ignore_drift]
        return merge_lifecycle(defaults, declared, spelled)


def _require_choices(choices: list[str]) -> list[str]:
    if not choices:
        raise schema.make_refusal("is empty", "Write the answers that are allowed.")
    return choices


Choices = Annotated[
    list[schema.Text], AfterValidator(_require_choices), Field(json_schema_extra={"minItems": 1})
]


class DeclaredCheck(schema.Declared):
    """A test that a candidate must pass before it is promoted: one prompt, or a file of held-out examples.

    `checks.read_checks` checks which keys go together.
    """

    HINTS: ClassVar = {"expected": "Write expect.", "min": "Write at_least.", "regex": "Write matches."}

    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_LIMIT)] | None = None
    system: schema.Text | None = None
    expect: schema.Text | None = None
    contains: schema.Text | None = None
    matches: schema.Text | None = None
    one_of: Choices | None = None
    file: schema.Text | None = None
    by: Literal["exact", "contains"] | None = None
    at_least: schema.Share | None = None


EndpointId = Annotated[
    str,
    schema.validate_pattern(
        ENDPOINT,
        "is not the id of an endpoint",
        "1 to 63 of a-z, 0-9 and '-', beginning with a letter and not ending in '-'.",
    ),
    schema.show_pattern(ENDPOINT),
]
Location = Annotated[str, schema.validate_by(forms.find_location_fault), schema.show_pattern(forms.LOCATION)]


CHECKPOINT = r"[A-Za-z0-9_-]{1,63}"


def _read_checkpoint(value: object) -> object:
    """Read the id of a checkpoint, which mostly is a number."""
    value = schema.read_integer(value)
    return str(value) if type(value) is int else value


CheckpointId = Annotated[
    str,
    schema.validate_pattern(
        CHECKPOINT, "is not a checkpoint", "Write last, best or the id of a checkpoint, for example 3."
    ),
    BeforeValidator(_read_checkpoint),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [LAST, BEST]},
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": f"^{CHECKPOINT}$"},
            ]
        }
    ),
]


class DeclaredServing(schema.Declared):
    """The stable endpoint: programs call it, whichever model serves."""

    HINTS: ClassVar = {
        "checkpoint_id": "Write checkpoint.",
        "default_checkpoint_id": "Write checkpoint.",
        "name": "Write endpoint.",
        "id": "Write endpoint.",
        "traffic_split": "The serving model has all the traffic.",
    }
    MISSING: ClassVar = {
        "endpoint": "Add endpoint: ID. The other keys say what is deployed to that endpoint, and how."
    }

    endpoint: EndpointId
    location: Location | None = None
    drain: schema.Duration | None = None
    adopt: schema.Flag | None = None
    allow_interruption: schema.Flag | None = None
    checkpoint: CheckpointId | None = None

    def to_model(self, *, is_default: bool = False) -> Serving:
        """Convert to the core's type. `is_default`: the manifest does not name the endpoint."""
        declared = {name: value for name, value in self if value is not None}
        return Serving(**declared, is_default=is_default)


class Envelope(schema.Declared):
    """A document of any kind."""

    HINTS: ClassVar = {"status": "The service's answers do not belong in a manifest."}

    apiVersion: Literal["reconciler/v1"]  # noqa: N815 -- Kubernetes has only this spelling
    kind: str
    metadata: Metadata


class ModelEnvelope(Envelope):
    """A document of a kind that is trained."""

    HINTS: ClassVar = {**Envelope.HINTS, "serving": "Only a TuningJob or a ModelCopy has a stable endpoint."}

    metadata: ModelMetadata
    permissions: list[DeclaredPermission] | None = None
    lifecycle: DeclaredLifecycle | None = None
    checks: list[DeclaredCheck] = Field(default_factory=list)

    def build_serving(self) -> Serving | None:
        """Build the stable endpoint that the manifest asks for. None for none."""
        return None

    def build_elsewhere(self) -> StateSource | None:
        """Build the source model, if another state records it."""
        return None


class ServedEnvelope(ModelEnvelope):
    """A document of a kind whose models can be deployed to a stable endpoint."""

    HINTS: ClassVar = Envelope.HINTS

    serving: DeclaredServing | None = None

    def build_serving(self) -> Serving | None:
        """See `ModelEnvelope`."""
        return None if self.serving is None else self.serving.to_model()
