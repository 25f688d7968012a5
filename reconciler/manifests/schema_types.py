"""Provides what all manifest schemas share: strictness, two spellings of each key, and types of values.

Rule: a schema says what may be written. `validation_messages` says what is wrong, unless only the type knows
the reason.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Annotated, ClassVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_snake
from pydantic_core import PydanticCustomError

from reconciler.formats import parse_duration, to_camel_case
from reconciler.identity import to_float32
from reconciler.manifests.substitution import read_number, read_scalar
from reconciler.manifests.texts import DURATION, ID, INT32, ISO_DATE, NAME
from reconciler.model.names import NAME_LIMIT

INT64 = 2**63 - 1


class Declared(BaseModel):
    """A mapping of a manifest. It refuses unknown keys, and accepts keys in snake_case and camelCase.

    Attributes:
        OUTPUT_ONLY: keys of the API that only the service sets. People copy them from its answers.
        HINTS: wrong keys that people write here, with what to write instead.
        MISSING: required keys whose purpose is not plain, with what to add.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        alias_generator=to_camel_case,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    OUTPUT_ONLY: ClassVar[frozenset[str]] = frozenset()
    HINTS: ClassVar[Mapping[str, str]] = {}
    MISSING: ClassVar[Mapping[str, str]] = {}


class Named(Declared):
    """A mapping that is one value of the core: the text that names what it is about."""

    @property
    @abstractmethod
    def text(self) -> str:
        """How the core names it."""


HOLDS_A_CREDENTIAL = "holds a credential"
"""The summary of the only refusal that must not repeat the value."""


def find_model(owner: type[Declared], key: str | int) -> type[Declared] | None:
    """Find the schema of the mapping under a key, in either spelling. None for a plain value or an item."""
    if isinstance(key, int):
        return None  # the items of a list have the schema of the list's key
    for field, info in owner.model_fields.items():
        if key in {field, info.alias}:
            return _find_declared(info.annotation)
    return None


def _find_declared(annotation: object) -> type[Declared] | None:
    if isinstance(annotation, type) and issubclass(annotation, Declared):
        return annotation
    return next((found for part in get_args(annotation) if (found := _find_declared(part)) is not None), None)


def make_refusal(summary: str, advice: str = "") -> PydanticCustomError:
    """Make the error for a validator to raise. Its summary follows the key's name: "is below 1"."""
    return PydanticCustomError("refused", "{summary}", {"summary": summary, "advice": advice})


def to_snake_case(key: str) -> str:
    """Spell a key in snake_case, as our messages do."""
    return to_snake(key) if key.isascii() else key


def read_integer(value: object) -> object:
    """Read an integer. It may be 5.0, because proto3 JSON accepts any number without a fraction."""
    value = read_number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_float32(value: float) -> float:
    try:
        rounded = to_float32(value)
    except OverflowError:
        rounded = math.inf
    if math.isinf(rounded) or (rounded == 0 and value != 0):
        raise make_refusal("is beyond the float32 that the service keeps", "Write a moderate number.")
    return value


READ_SCALAR = BeforeValidator(read_scalar)
READ_NUMBER = BeforeValidator(read_number)
READ_INTEGER = BeforeValidator(read_integer)

# each constraint stands beside its type, so that the JSON Schema gets it too
Whole = Annotated[int, Field(ge=1, le=INT32), READ_INTEGER]
Count = Annotated[int, Field(ge=0, le=INT32), READ_INTEGER]
Integer = Annotated[int, Field(ge=-INT32 - 1, le=INT32), READ_INTEGER]
Fraction = Annotated[
    float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(_check_float32), READ_NUMBER
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_check_float32), READ_NUMBER]
Share = Annotated[float, Field(gt=0, le=1), READ_NUMBER]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False), READ_NUMBER]
Flag = Annotated[bool, READ_SCALAR]


def validate_by(find_fault: Callable[[str], tuple[str, str] | None]) -> AfterValidator:
    """Accept a text unless `find_fault` returns a reason and advice."""

    def check(value: str) -> str:
        fault = find_fault(value)
        if fault:
            raise make_refusal(*fault)
        return value

    return AfterValidator(check)


def validate_pattern(pattern: str, summary: str, advice: str, *, limit: int | None = None) -> AfterValidator:
    """Accept a text of this form. A refusal gives the reason in words, not as a regular expression."""

    def find_fault(value: str) -> tuple[str, str] | None:
        if limit is not None and len(value) > limit:
            return f"has {len(value):,} characters, and at most {limit} are allowed", advice
        return None if re.fullmatch(pattern, value, re.ASCII) else (summary, advice)

    return validate_by(find_fault)


def show_pattern(pattern: str) -> WithJsonSchema:
    """Put the pattern of a text into the JSON Schema, which cannot show a validator's rule."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


def _refuse_name(value: str) -> tuple[str, str] | None:
    """Say why a text is not a model's name, and what to write. None if it is a name."""
    if len(value) > NAME_LIMIT:
        return (
            f"has {len(value):,} characters, and at most {NAME_LIMIT} are allowed",
            "Shorten it: the model's id is NAME-DIGEST8, and the service takes 40 characters.",
        )
    if re.fullmatch(NAME, value, re.ASCII):
        return None
    meant = re.sub("[^a-z0-9]+", "-", value.lower()).strip("-")
    return (
        "must begin with a letter a-z and go on with a-z, 0-9 and '-'",
        f"Write {meant}." if re.fullmatch(NAME, meant, re.ASCII) else "Write one like number-generator.",
    )


Name = Annotated[str, validate_by(_refuse_name), show_pattern(NAME)]
ModelId = Annotated[
    str,
    validate_pattern(
        ID,
        "is not a tunedModelId",
        "1 to 40 of a-z, 0-9 and '-', beginning with a letter and not ending in '-'.",
    ),
    show_pattern(ID),
]


_DURATION = re.compile(DURATION)


def _read_duration(value: object) -> timedelta:
    value = read_scalar(value)
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    seconds = parse_duration(value) if isinstance(value, str) and _DURATION.fullmatch(value) else None
    if seconds is None:
        raise make_refusal("is not a duration", "Write seconds, minutes, hours or days: 90s, 50m, 24h, 7d.")
    return timedelta(seconds=seconds)


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": f"^{DURATION}$"}, {"const": 0}]}),
]


def _check_date(value: str) -> str:
    try:
        if re.fullmatch(ISO_DATE, value, re.ASCII):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise make_refusal("is not a date", "Write YEAR-MONTH-DAY: 2027-01-31.")


IsoDate = Annotated[
    str,
    AfterValidator(_check_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{ISO_DATE}$"}),
]


def _require_text(value: str) -> str:
    if not value.strip():
        raise make_refusal("is empty", "Give it a text, or remove the key.")
    return value


Text = Annotated[str, AfterValidator(_require_text), WithJsonSchema({"type": "string", "minLength": 1})]

OptionalText = Annotated[str, AfterValidator(lambda value: value and _require_text(value))]
"""Text, or "", which to the service is the same as no text."""
