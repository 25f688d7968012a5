"""The identity of a model: canonical form, digests, ids and generations (design 2.4).

We choose an id before the first call, from what is trained and from nothing else, so that a model is found
again when its record is lost. Rule: a formula has a version and never changes. Recorded models keep theirs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from json.encoder import encode_basestring

from msgspec.structs import asdict

from reconciler.bounds import STATE
from reconciler.errors import NotJSONError
from reconciler.formats import to_camel_case
from reconciler.kind import Field, FieldRole, FieldType, Kind
from reconciler.model.checks import AnyCheck, Comparison, HeldOut
from reconciler.model.data import Example
from reconciler.model.desired import Desired
from reconciler.model.endpoint import Serving
from reconciler.model.names import BASE_MODEL, Address, Attributes, Value
from reconciler.strictjson import loads

FORMULA = 2
"""The version of the formula that makes new ids. Models with an id of formula 1 are found too."""
GENERATIONS = 16
"""The number of generations of an id that we look for when there is no record."""

_MODELS = "models/"
_SUFFIX = 8
_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz234567")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def encode_canonical(value: object) -> bytes:
    """Write JSON with sorted keys and no spaces, in UTF-8. ValueError for NaN and infinity."""
    return _ENCODER.encode(value).encode(errors="surrogatepass")


def to_float32(number: float) -> float:
    """Round a number as the service does, to single precision.

    Raises:
        OverflowError: it is beyond the range of single precision.
    """
    number = float(number)  # for a huge integer, struct would raise another error
    rounded: float = struct.unpack(">f", struct.pack(">f", number))[0]
    return rounded


def to_float32_hex(number: float) -> str:
    """Write the bits of a number in single precision as 8 hexadecimal digits."""
    return struct.pack(">f", number).hex()


@cache
def _compile_prefixes(prefixes: tuple[str, ...]) -> re.Pattern[str]:
    steps = "|".join(re.escape(prefix).replace(r"\*", "[^/]+") for prefix in prefixes if prefix)
    return re.compile(f"(?:{steps})")


def to_comparable(field: Field, value: Value) -> Value:
    """Convert a value so that two values are equal if they mean the same to the service."""
    match field.type:
        case FieldType.FLOAT32 if isinstance(value, (int, float)):
            # a larger number comes from a state: nobody can send it
            return to_float32(value) if abs(value) < _FLOAT32_LIMIT else value
        case FieldType.INTEGERS | FieldType.STRINGS if isinstance(value, tuple):
            return tuple(sorted(set(value), key=str))
        case FieldType.NAMES if isinstance(value, tuple):
            return value[0]
        case FieldType.STRING if isinstance(value, str) and field.prefixes:
            found = _compile_prefixes(field.prefixes).match(value)
            return value[found.end() :] if found else value
        case FieldType.JSON if isinstance(value, str):
            return _to_comparable_json(field, value)
        case _:
            return value


def find_meaning(field: Field, value: Value | None) -> Value | None:
    """Convert a value as `to_comparable` does, and to None if it counts as absent."""
    found = None if value is None else to_comparable(field, value)
    return None if found == field.absent and type(found) is type(field.absent) else found


def _to_comparable_json(field: Field, text: str) -> str:
    try:
        found = loads(text.encode(errors="replace"), most=STATE)
    except NotJSONError:  # from a state that a user edited
        return text
    return encode_canonical(_prune(field, found)).decode(errors="surrogatepass")


def _prune(field: Field, value: object) -> object:
    """Leave out what proto3 leaves out: false, zero and empty."""
    if isinstance(value, dict):
        pruned = {key: item if key in field.verbatim else _prune(field, item) for key, item in value.items()}
        kept = field.counted | field.verbatim
        return {key: item for key, item in pruned.items() if key in kept or item not in _EMPTY}
    if isinstance(value, list):
        return [_prune(field, item) for item in value]
    if isinstance(value, float):
        rounded = to_float32(value) if abs(value) < _FLOAT32_LIMIT else value
        return int(rounded) if rounded.is_integer() else rounded
    return value


_EMPTY: tuple[object, ...] = (None, False, "", [], {})  # 0 == False
_FLOAT32_LIMIT = 3e38


def encode_example(example: Example) -> bytes:
    """Write an example as a canonical `{"output":…,"textInput":…}`. What is not a pair is its own line."""
    if example.line:
        return example.line.encode(errors="surrogatepass")
    output, text_input = encode_basestring(example.output), encode_basestring(example.text_input)
    return f'{{"output":{output},"textInput":{text_input}}}'.encode(errors="surrogatepass")


def _to_identity_value(field: Field, value: Value) -> object:
    if field.type is FieldType.FLOAT32 and isinstance(value, (int, float)):
        return to_float32_hex(value)
    return list(value) if isinstance(value, tuple) else value


def list_hyperparameters(attributes: Attributes, fields: Mapping[str, Field]) -> dict[str, object]:
    """List the declared hyperparameters under their camelCase names. Floats are float32 bits.

    What counts as absent is left out.
    """
    return {
        to_camel_case(path.rpartition(".")[2]): _to_identity_value(fields[path], meant)
        for path, value in attributes.items()
        if fields[path].role is FieldRole.HYPERPARAMETER
        and (meant := find_meaning(fields[path], value)) is not None
    }


def _list_former_hyperparameters(
    attributes: Attributes, fields: Mapping[str, Field]
) -> list[dict[str, object]]:
    """List them as formula 1 did, once for each way to write the same: it kept them as written."""
    found: list[dict[str, object]] = [{}]
    for path, field in fields.items():
        if field.role not in {FieldRole.HYPERPARAMETER, FieldRole.CHECKPOINT}:
            continue
        value = attributes.get(path)
        written = [] if value is None else [value, to_comparable(field, value)]
        seen = {encode_canonical(form): _to_identity_value(field, form) for form in written if form != ""}
        if field.absent is False and not value:
            ways: list[dict[str, object]] = [{}, {to_camel_case(path.rpartition(".")[2]): False}]
        else:
            ways = [{to_camel_case(path.rpartition(".")[2]): form} for form in seen.values()] or [{}]
        found = [{**former, **way} for former in found for way in ways]
    return list({encode_canonical(former): former for former in found}.values())


def _list_sources(desired: Desired, source: str, fields: Mapping[str, Field]) -> tuple[str, tuple[str, ...]]:
    """List the names of the source model: as formula 2 writes it, and as formula 1 may have."""
    if BASE_MODEL not in desired.attributes:
        return source, (source,)
    field = fields[BASE_MODEL]
    name = str(to_comparable(field, source))
    former = (prefix + name for prefix in ("", *field.prefixes) if "*" not in prefix)
    return _MODELS + name, tuple(dict.fromkeys((source, *former)))


def _describe_data(desired: Desired) -> object:
    if len(desired.data) == 1:
        return desired.data[0].digest
    return {data.field: data.digest for data in desired.data}


def digest_generations(
    desired: Desired,
    *,
    stack: str,
    workspace: str,
    generations: Iterable[int],
    source: str,
    fields: Mapping[str, Field],
    formula: int = FORMULA,
) -> Iterator[tuple[int, str]]:
    """Compute the SHA-256 in hex of a model's identity, for each generation: (generation, digest).

    By formula 1, one model has several identities: one for each way to write the same.

    Args:
        desired: the declared model.
        stack: the Stack's name, or "".
        workspace: of the state.
        generations: 0 is its first training.
        source: the base model, in any spelling, or what names the live parent (`Kind.reference`).
        fields: the kind's field table.
        formula: 1 or 2.
    """
    name, former_names = _list_sources(desired, source, fields)
    identity = {"version": formula, "stack": stack, "workspace": workspace, "data": _describe_data(desired)}
    if formula == 1:
        ways = list(product(former_names, _list_former_hyperparameters(desired.attributes, fields)))
    else:
        ways = [(name, list_hyperparameters(desired.attributes, fields))]
        checkpoint = next((path for path, field in fields.items() if field.role is FieldRole.CHECKPOINT), "")
        if chosen := desired.attributes.get(checkpoint):
            identity["checkpoint"] = chosen
    for named, numbers in ways:
        whole = {**identity, "source": named, "hyperparameters": numbers, "generation": 0}
        # generations differ in one number, so the rest is written once
        head, number, tail = encode_canonical(whole).partition(b',"generation":0,')
        begun = head + number[:-2]
        for generation in generations:
            yield generation, hashlib.sha256(b"%b%d,%b" % (begun, generation, tail)).hexdigest()


def make_id(name: str, digest: str) -> str:
    """Make NAME-DIGEST8, of at most 40 characters."""
    suffix = base64.b32encode(bytes.fromhex(digest[:10])).decode().lower()  # 5 bytes are 8 characters
    return f"{name}-{suffix}"


def is_generation_of(name: str, id: str) -> bool:
    """Return whether an id looks like NAME-DIGEST8, so that it may be an earlier training under that name."""
    head, dash, suffix = id.rpartition("-")
    return bool(dash) and head == name and len(suffix) == _SUFFIX and set(suffix) <= _ALPHABET


def list_check_meanings(checks: Iterable[AnyCheck]) -> list[object]:
    """List what each check asks for, as JSON, for a digest. The first form of a check keeps its digest."""
    return [
        {"held_out": check.digest, "by": check.by, "at_least": check.at_least}
        if isinstance(check, HeldOut)
        else [check.prompt, check.expect]
        if check.by is Comparison.EXACT and not check.system
        else {**asdict(check), "one_of": list(check.one_of)}
        for check in checks
    ]


def digest_questions(checks: Iterable[AnyCheck]) -> str:
    """Digest what checks ask and expect. The share that must be right does not count."""
    asked = [
        [check.digest, check.by]
        if isinstance(check, HeldOut)
        else [check.prompt, check.system, check.by, check.expect, check.one_of]
        for check in checks
    ]
    return hashlib.sha256(encode_canonical(asked)).hexdigest()


def list_serving_meanings(serving: Serving) -> list[object]:
    """List what a stable endpoint is asked for, as JSON, for a digest."""
    return [
        serving.endpoint,
        serving.location,
        serving.drain.total_seconds(),
        serving.adopt,
        serving.allow_interruption,
        *([serving.checkpoint] if serving.checkpoint else []),  # digests without one stay as they were
    ]


def digest_owner(stack: str, workspace: str, address: Address) -> str:
    """Compute the digest that a stable endpoint is labelled with: 40 hex digits, as labels take 63."""
    owner = {"stack": stack, "workspace": workspace, "address": str(address)}
    return hashlib.sha256(encode_canonical(owner)).hexdigest()[:40]


def digest_manifest(desired: Desired, kind: Kind) -> str:
    """Compute the SHA-256 in hex of what a manifest means beside its data, however it is spelled."""
    lifecycle, permissions = desired.lifecycle, desired.permissions
    said = {
        "address": str(desired.address),
        "attributes": {
            path: meant
            for path, value in desired.attributes.items()
            # project and location are left out, because only the service knows whether two names mean one
            # place
            if kind.fields[path].role is not FieldRole.PLACE
            and (meant := find_meaning(kind.fields[path], value)) is not None
        },
        "permissions": None if permissions is None else sorted(map(str, permissions)),
        "id": desired.id,
        **({"import": desired.imports} if desired.imports else {}),
        **({"moved_from": str(desired.moved_from)} if desired.moved_from else {}),
        "labels": desired.labels,
        "lifecycle": {
            "prevent_destroy": lifecycle.prevent_destroy,
            "ignore_changes": lifecycle.ignore_changes,
            "keep_deposed": lifecycle.keeps_for.total_seconds(),
            "ignore_drift": [[drift.field, drift.reason, drift.until] for drift in lifecycle.ignore_drift],
            "replace": lifecycle.replace,
        },
        "checks": list_check_meanings(desired.checks),
        **({"serving": list_serving_meanings(desired.serving)} if desired.serving else {}),
    }
    return hashlib.sha256(encode_canonical(said)).hexdigest()
