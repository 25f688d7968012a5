"""The state as JSON: one resource a line, sorted, so that a diff of two states reads well.

Rule: what is read is checked key by key before anything believes it, and nothing is ignored. A state
that is not understood is refused and left untouched, because acting on half of it would train or
delete the other half again. A key of a record that only a newer program knows is kept as it is, and
written back. The format is versioned, and the oldest version that can hold a state is written;
tests/golden/state keeps one of each for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NoReturn

from reconciler import bounds
from reconciler.checkedjson import (
    Table,
    WrongValueError,
    count,
    each,
    flag,
    known,
    mapping,
    moment,
    name,
    optional,
    parse,
    scalar,
    text,
)
from reconciler.errors import StateCorruptError, StateError, StateTooNewError
from reconciler.model import Address, Permission, Status
from reconciler.state.values import VERSION, Record, RecordedData, RecordedModel, State, Verdict
from reconciler.strictjson import shown

_HEADER = ("lineage", "serial", "stack", "workspace", "service", "project")
_MARKER = re.compile(rb"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)

REBUILD = (
    "It is left as it is. Check that --state names the right place. If it does, restore an older copy (from "
    "git, or the bucket's versions), or delete it: the next plan finds every model whose id we chose again "
    "and trains nothing. Models under a pinned metadata.id are adopted too, with the manifest's word for "
    "their data; imported ones without such a line need `reconciler import` again."
)
"""What to do about a state that cannot be read."""


def dumps(
    state: State,
    lines: dict[Address, tuple[Record, str]] | None = None,
    read: Mapping[Address, Record] = MappingProxyType({}),
) -> bytes:
    """The document's bytes: deterministic, UTF-8, a newline at the end.

    Args:
        state: what to write.
        lines: kept by the caller from one call to the next: a record that is the same object as last
            time is not encoded again (of 10,000, usually a few have changed).
        read: records that `loads` made, which are known to be readable.

    Raises:
        ValueError: two slots hold the same model; a defect of the caller.
        StateError: the next run could not read it: a record with a value that makes no sense.
    """
    twice = _recorded_twice(state.resources.values())
    if twice:
        raise ValueError(twice)
    header = {key: getattr(state, key) for key in _HEADER}
    _refuse_unreadable("the state", lambda: known({**header, "resources": []}, _STATE, _STATE))
    head = [f'"version": {state.version}', *(f'"{key}": {_json(value)}' for key, value in header.items())]
    kept = {} if lines is None else lines
    found = []
    for address in sorted(state.resources, key=attrgetter("kind", "name")):
        record = state.resources[address]
        known_record, line = kept.get(address, (None, ""))
        if known_record is not record:
            line = _line(record, known=read.get(address) is record)
            kept[address] = (record, line)
        found.append(line)
    resources = "[\n    " + ",\n    ".join(found) + "\n  ]" if found else "[]"
    document = _whole("{\n  " + ",\n  ".join(head) + f',\n  "resources": {resources}\n}}\n')
    if len(document) > bounds.STATE:
        raise StateError(
            f"the state would be larger than {bounds.STATE // bounds.MB} MB, and nobody reads one that large",
            "Keep the models in several folders with a state each.",
        )
    return document


def _line(record: Record, *, known: bool) -> str:
    """A record as its line, which the reader accepts: a state that is written can be read."""
    try:
        line = _json(_record_document(record))
    except ValueError as error:  # NaN, infinity
        raise StateError(*_unreadable(str(record.address), str(error))) from error
    if not known:
        _refuse_unreadable(str(record.address), lambda: _record(parse(_whole(line), most=bounds.STATE)))
    return line


def _refuse_unreadable(what: str, read: Callable[[], object]) -> None:
    try:
        read()
    except WrongValueError as wrong:
        raise StateError(*_unreadable(what, str(wrong))) from wrong


def _unreadable(what: str, problem: str) -> tuple[str, str]:
    advice = "What was recorded before is unchanged, and what was begun is found again by its id."
    return f"{what}: this record could not be read again, so it is not written: {problem}", advice


def _whole(text: str) -> bytes:
    """In UTF-8. A service's error text may hold half a character; not recording a paid training is worse."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def loads(data: bytes, *, place: str) -> State:
    """Read a document of this or an older version.

    Args:
        data: the bytes as stored.
        place: how to name them to a person.

    Raises:
        StateCorruptError: they are no state document.
        StateTooNewError: a newer version of the program wrote them.
    """
    marker = _MARKER.search(data) if b"<<<<<<<" in data or b">>>>>>>" in data else None
    if marker:
        line = data.count(b"\n", 0, marker.start()) + 1
        raise StateCorruptError(
            f"{place}:{line}: the state holds a merge conflict marker",
            "Two branches recorded different things. Take one side whole (git checkout --ours or --theirs, "
            "then git add) and plan: models that only the other side recorded are found again by their ids.",
        )
    try:
        document = parse(data, most=bounds.STATE)
        if "terraform_version" in document:
            raise StateCorruptError(
                f"{place}: the state cannot be read: it is Terraform's state, not Reconciler's",
                "Leave it to Terraform, and give another place with --state.",
            )
        version = _version(document.pop("version", None))
        if version > VERSION:
            raise StateTooNewError(
                f"{place}: this state is of version {version}; this program knows versions up to {VERSION}",
                "A newer Reconciler wrote it. Upgrade, in its source's folder: git pull && pip install .",
            )
        return _state(document)
    except WrongValueError as wrong:
        _refuse(place, str(wrong))


def _refuse(place: str, problem: str) -> NoReturn:
    raise StateCorruptError(f"{place}: the state cannot be read: {problem}", REBUILD)


def _recorded_twice(records: Iterable[Record]) -> str:
    """A model in two slots would be deleted in one while it serves in the other.

    A candidate may share its id with a deposed model of the same record: under delete_first the old model
    goes before the new one is created under the same pinned id.
    """
    owners: dict[tuple[str, str], Address] = {}
    for record in records:
        candidate = record.candidate
        for model in record.models:
            key = (record.address.kind, model.id)
            if key not in owners:
                owners[key] = record.address
            elif candidate is None or candidate.id != model.id or model not in record.deposed:
                return f"the model {model.id} is recorded twice, for {owners[key]} and for {record.address}"
    return ""


# ------------------------------------------------------------------------------------------ writing

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_MODEL_KEYS = tuple(field.name for field in fields(RecordedModel) if field.name != "unknown")
_ALWAYS = frozenset({"formula", "generation"})


def _record_document(record: Record) -> dict[str, object]:
    serving, candidate = record.serving, record.candidate
    return {
        "address": str(record.address),
        "id": serving.id if serving else None,
        "serving": _model_document(serving, with_id=False) if serving else None,
        "candidate": _model_document(candidate) if candidate else None,
        "deposed": [_model_document(model) for model in record.deposed],
        "prevent_destroy": record.prevent_destroy,
        **({"manifest": record.manifest} if record.manifest else {}),
        **_kept(record.unknown),
    }


def _kept(unknown: Mapping[str, str]) -> dict[str, object]:
    """What a newer program wrote, as it was."""
    return {key: json.loads(value) for key, value in sorted(unknown.items())}


def _model_document(model: RecordedModel, *, with_id: bool = True) -> dict[str, object]:
    document: dict[str, object] = {}
    for key in _MODEL_KEYS:
        value = getattr(model, key)
        if key == "permissions":  # None is "not managed", () is "none at all"
            if value is not None:
                document[key] = [_slots(one) for one in value]
        elif key == "data":
            if value:
                document[key] = [_slots(one, omit="assumed") for one in value]
        elif key == "sent":
            if value:
                document[key] = dict(sorted(value.items()))
        elif key in _ALWAYS or (value is not None and value != ""):
            document[key] = value
    if not with_id:
        del document["id"]
    return {**document, **_kept(model.unknown)}


def _slots(value: Permission | RecordedData, omit: str = "") -> dict[str, object]:
    pairs = ((key, getattr(value, key)) for key in value.__slots__ if key != "unknown")
    return {key: found for key, found in pairs if found or key != omit} | _kept(value.unknown)


# ------------------------------------------------------------------------------------------ reading


def _version(value: object) -> int:
    if type(value) is not int or value < 1:
        raise WrongValueError(f"should be a whole number from 1, not {shown(value)}", "version")
    return value


def _sent_value(value: object) -> object:
    return tuple(map(scalar, value)) if isinstance(value, list) else scalar(value)


def _status(value: object) -> Status:
    if text(value) not in _STATUSES:
        raise WrongValueError(f"should be null or one of {', '.join(Status)}, not {shown(value)}")
    return _STATUSES[str(value)]


def _verdict(value: object) -> Verdict:
    if text(value) not in _VERDICTS:
        raise WrongValueError(f"should be one of {', '.join(filter(None, _VERDICTS))}, not {shown(value)}")
    return _VERDICTS[str(value)]


_STATUSES = {str(one): one for one in Status}
_VERDICTS = {str(one): one for one in Verdict}
_PERMISSION: Table = {"grantee_type": name, "email_address": text, "role": name}
_DATA: Table = {"field": name, "digest": text, "examples": count, "characters": count, "assumed": flag}
_DATA_REQUIRED = ("field", "digest", "examples", "characters")
_MODEL: Table = {
    **dict.fromkeys(_MODEL_KEYS, text),
    "id": name,
    "formula": count,
    "generation": count,
    "sent": lambda value: mapping(value, _sent_value),
    "data": each(lambda value: RecordedData(**_tolerant(value, _DATA, _DATA_REQUIRED))),
    "status": optional(_status),
    "permissions": each(lambda value: Permission(**_tolerant(value, _PERMISSION, _PERMISSION))),
    "total_steps": count,
    "started": moment,
    "deposed": moment,
    "verdict": _verdict,
}


def _no_id(_value: object) -> NoReturn:
    raise WrongValueError("is not a key that this version knows")


_SERVING: Table = {**_MODEL, "id": _no_id}


def _tolerant(value: object, table: Table, required: Iterable[str]) -> dict[str, Any]:
    """As `known`, with the keys that only a newer program knows under "unknown"."""
    if not isinstance(value, dict):
        return known(value, table, required)
    unknown = {key: _json(one) for key, one in value.items() if key not in table}
    found = known({key: one for key, one in value.items() if key in table}, table, required)
    return {**found, "unknown": unknown} if unknown else found


def _model(value: object) -> RecordedModel:
    return RecordedModel(**_tolerant(value, _MODEL, ("id", "formula")))


_RECORD: Table = {
    "address": name,
    "id": optional(name),
    "serving": optional(lambda value: _tolerant(value, _SERVING, ("formula",))),
    "candidate": optional(_model),
    "deposed": each(_model),
    "prevent_destroy": flag,
    "manifest": text,
}
_STATE: Table = {
    "lineage": text,
    "serial": count,
    "stack": text,
    "workspace": name,
    "service": text,
    "project": text,
    "resources": each(lambda value: value),
}


def _record(value: object) -> Record:
    found = _tolerant(value, _RECORD, ("address", "id", "serving"))
    try:
        address = Address.parse(found["address"])
    except ValueError:
        raise WrongValueError(f"should be KIND/NAME, not {shown(found['address'])}", "address") from None
    serving_id, serving = found.pop("id"), found.pop("serving")
    if (serving_id is None) != (serving is None):
        raise WrongValueError("is set only together with serving", "id")
    found.update(address=address, serving=RecordedModel(id=serving_id, **serving) if serving_id else None)
    record = Record(**found)
    if record.empty:
        raise WrongValueError("records no model at all")
    return record


def _state(document: object) -> State:
    found: dict[str, Any] = known(document, _STATE, _STATE)
    resources: dict[Address, Record] = {}
    for number, value in enumerate(found["resources"], start=1):
        try:
            record = _record(value)
        except WrongValueError as wrong:
            address = value.get("address") if isinstance(value, dict) else None
            raise wrong.under(address if isinstance(address, str) else f"resource {number}") from None
        if record.address in resources:
            raise WrongValueError("is recorded twice", str(record.address))
        resources[record.address] = record
    twice = _recorded_twice(resources.values())
    if twice:
        raise WrongValueError(twice)
    found["resources"] = resources
    return State(**found)
