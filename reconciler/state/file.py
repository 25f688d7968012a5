"""The state as JSON: one line for each resource, sorted, so that a diff of two states reads well.

Rule: every key is checked before anything believes it, and nothing is ignored. A state that we do not
understand is refused and left untouched, because acting on half of it would train or delete the other half
again. A key of a record that only a newer program knows is kept, and written back. The format has versions;
we write the oldest one that can hold the state. tests/golden/state keeps one of each for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import msgspec

from reconciler import bounds
from reconciler.codec import Codec, Rules
from reconciler.codec.readers import (
    WrongValueError,
    read_each,
    read_mapping,
    read_member,
    read_moment,
    read_name,
    read_object,
    read_optional,
    read_scalars,
    read_text,
    read_under,
)
from reconciler.errors import NotJSONError, StateCorruptError, StateError, StateTooNewError
from reconciler.model.live import Status
from reconciler.model.names import Address
from reconciler.state.values import (
    VERSION,
    Cost,
    Record,
    RecordedEndpoint,
    RecordedModel,
    State,
)
from reconciler.strictjson import loads as loads_json
from reconciler.strictjson import show_value

_HEADER = ("lineage", "serial", "stack", "workspace", "service", "project")
_LISTS = ("costs", "older_costs")
"""Lists that are written only if they are not empty, one entry a line."""
_MARKER = rb"(?m)^(?:<{7}|>{7})(?: |\r?$)"

REBUILD = (
    "The state was not changed. Check that --state names the right place. If it does, restore an older copy "
    "(from git, or the bucket's versions), or delete it: the next plan finds the models by their ids and "
    "trains nothing. Models with a pinned metadata.id are found too, and their data is recorded as assumed. "
    "Imported models with neither metadata.id nor metadata.import need `reconciler import` again."
)
"""Advice for a state that cannot be read."""


def dumps(
    state: State,
    lines: dict[Address, tuple[Record, str]] | None = None,
    read: Mapping[Address, Record] = MappingProxyType({}),
) -> bytes:
    """Write the document: the same bytes for the same state, in UTF-8, with a newline at the end.

    Args:
        state: what to write.
        lines: a cache that the caller keeps between calls. A record that is the same object as at the last
            call is not encoded again: of 10,000, usually a few have changed.
        read: records that `loads` returned. They need no check that they can be read.

    Raises:
        ValueError: two slots hold the same model, which is a defect of the caller.
        StateError: a record holds a value that the next run could not read.
    """
    twice = _find_double(state.resources.values())
    if twice:
        raise ValueError(twice)
    header = {key: getattr(state, key) for key in _HEADER}
    lists = {key: [_CODEC.encode(entry) for entry in getattr(state, key)] for key in _LISTS}
    with _require_readable("the state"):
        _CODEC.read_fields(State, {**header, **lists, "resources": []})
        head = [
            f'"version": {state.version}',
            *(f'"{key}": {_to_json(value)}' for key, value in header.items()),
            *(f'"{key}": {_join_lines(map(_to_json, entries))}' for key, entries in lists.items() if entries),
        ]
    kept = {} if lines is None else lines
    written = {
        address: (record, _write_line(record))
        for address, record in state.resources.items()
        if kept.get(address, (None, ""))[0] is not record
    }
    _ensure_readable([one for address, one in written.items() if read.get(address) is not one[0]])
    kept.update(written)
    found = [kept[address][1] for address in sorted(state.resources, key=attrgetter("kind", "name"))]
    document = _encode("{\n  " + ",\n  ".join(head) + f',\n  "resources": {_join_lines(found)}\n}}\n')
    if len(document) > bounds.STATE:
        raise StateError(
            f"the state would be larger than {bounds.STATE // bounds.MB} MB, the most that is read",
            "Keep the models in several folders with a state each.",
        )
    return document


def _join_lines(entries: Iterable[str]) -> str:
    """Write a list, an entry a line."""
    lines = ",\n    ".join(entries)
    return f"[\n    {lines}\n  ]" if lines else "[]"


def _write_line(record: Record) -> str:
    with _require_readable(str(record.address)):
        return _to_json(_write_record(record))


_AT_ONCE = 100
"""The number of lines that are read again together, which takes less time. More would take more memory."""


def _ensure_readable(written: Sequence[tuple[Record, str]]) -> None:
    """Check that lines can be read again. Raises StateError, which names the record that cannot."""
    for first in range(0, len(written), _AT_ONCE):
        some = written[first : first + _AT_ONCE]
        document = _encode(f'{{"resources": [{",".join(line for _, line in some)}]}}')
        with suppress(WrongValueError):
            if convert_records(_parse(document)["resources"]) is not None:
                continue
        for record, line in some:
            with _require_readable(str(record.address)):
                _read_record(_parse(_encode(line)))


@contextmanager
def _require_readable(what: str) -> Iterator[None]:
    """Refuse to write a value that the next run could not read."""
    try:
        yield
    except (ValueError, WrongValueError) as error:  # ValueError: NaN, infinity
        raise StateError(
            f"{what}: this record could not be read again, so it is not written: {error}",
            "What was recorded before is unchanged, and what was begun is found again by its id.",
        ) from error


def _encode(text: str) -> bytes:
    """Encode a text in UTF-8. Half a character of a service's error text must not lose a paid training."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def loads(data: bytes, *, place: str) -> State:
    """Read a document of this version or an older one.

    Args:
        data: the stored bytes.
        place: the name of the state in messages.

    Raises:
        StateCorruptError: it is not a state document.
        StateTooNewError: a newer version of the program wrote it.
    """
    marker = re.search(_MARKER, data) if b"<<<<<<<" in data or b">>>>>>>" in data else None
    if marker:
        line = data.count(b"\n", 0, marker.start()) + 1
        raise StateCorruptError(
            f"{place}:{line}: the state holds a merge conflict marker",
            "Two branches recorded different things. Take one side whole (git checkout --ours or --theirs, "
            "then git add) and plan: models that only the other side recorded are found again by their ids.",
        )
    try:
        document = _parse(data)
        if "terraform_version" in document:
            raise StateCorruptError(
                f"{place}: the state cannot be read: it is Terraform's state, not Reconciler's",
                "Leave it to Terraform, and give another place with --state.",
            )
        version = _read_version(document.pop("version", None))
        if version > VERSION:
            raise StateTooNewError(
                f"{place}: this state is of version {version}; this program knows versions up to {VERSION}",
                "A newer Reconciler wrote it. Upgrade, in its source's folder: git pull && pip install .",
            )
        return _read_state(document)
    except WrongValueError as wrong:
        raise StateCorruptError(f"{place}: the state cannot be read: {wrong}", REBUILD) from None


def _find_double(records: Iterable[Record]) -> str:
    """Find a model that two slots hold: deleted in one, it would still be said to serve in the other.

    A candidate may share its id with a deposed model of its record: under delete_first, the old model goes
    before the new one is created under the same pinned id.
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


# --------------------------------------------------------------------------------------- the format


_ANY_VALUE = frozenset({str, int, bool})


def _read_sent_value(value: object) -> object:
    """Read a model's field: text, a flag, a number of single precision, or a list of them."""
    if type(value) in _ANY_VALUE:
        return value
    found = read_scalars(value)
    for scalar in found if isinstance(found, tuple) else (found,):
        if isinstance(scalar, float) and abs(scalar) > bounds.FLOAT32:
            raise WrongValueError("is too large for a number")
    return found


def _read_day(value: object) -> str:
    text = str(read_text(value))
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise WrongValueError(f"should be a date, not {show_value(value)}")
    return text


_RULES: dict[type, Rules] = {
    Cost: Rules({"date": _read_day}),
    RecordedEndpoint: Rules({"retired": read_moment, "kept_until": read_moment}),
    RecordedModel: Rules(
        {
            "sent": read_mapping(read_text, _read_sent_value),
            "status": read_member(Status, or_null=True),
            **dict.fromkeys(("started", "deposed", "kept_until", "held"), read_moment),
        },
        required=("formula",),
        always=frozenset({"formula", "generation"}),
    ),
    Record: Rules(
        {"id": read_optional(read_name), "serving": read_optional(read_object)},
        required=("id", "serving"),
        always=frozenset({"serving", "candidate", "deposed", "prevent_destroy"}),
    ),
    State: Rules({"resources": read_each(lambda value: value)}, required=(*_HEADER, "resources")),
}
_CODEC = Codec(_RULES, sort_keys=True)
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _write_record(record: Record) -> dict[str, Any]:
    document: dict[str, Any] = _CODEC.encode_fields(record)
    serving = document["serving"]
    return {"address": document.pop("address"), "id": serving.pop("id") if serving else None, **document}


def _parse(data: bytes) -> dict[str, Any]:
    try:
        document = loads_json(data, most=bounds.STATE)
    except NotJSONError as error:
        raise WrongValueError(error.summary) from error
    if not isinstance(document, dict):
        raise WrongValueError(f"it is {show_value(document)}, not an object")
    return document


def _read_version(value: object) -> int:
    if type(value) is not int or value < 1:
        raise WrongValueError(f"should be a whole number from 1, not {show_value(value)}", "version")
    return value


def _read_serving(document: object) -> RecordedModel:
    return _CODEC.decode(RecordedModel, document)


def _read_record(value: object) -> Record:
    found = _CODEC.read_fields(Record, value)
    id, serving = found.pop("id"), found.pop("serving")
    if (id is None) != (serving is None):
        raise WrongValueError("is set only together with serving", "id")
    if serving and "id" in serving:  # it stands beside it
        raise WrongValueError("is not a key that this version knows", "serving", "id")
    model = None if serving is None else read_under("serving", _read_serving, {"id": id, **serving})
    record = Record(**found, serving=model)
    if record.is_empty:
        raise WrongValueError("records no model at all, and no endpoint")
    return record


def _read_state(document: object) -> State:
    found = _CODEC.read_fields(State, document)
    records = convert_records(found["resources"])
    if records is None:
        records = read_records(found["resources"])
    twice = _find_double(records)
    if twice:
        raise WrongValueError(twice)
    return State(**{**found, "resources": {record.address: record for record in records}})


def read_records(documents: Iterable[object]) -> list[Record]:
    """Read every record. Raises WrongValueError, which says what is wrong and where."""
    found: dict[Address, Record] = {}
    for number, document in enumerate(documents, start=1):
        try:
            record = _read_record(document)
        except WrongValueError as wrong:
            address = document.get("address") if isinstance(document, dict) else None
            raise wrong.under(address if isinstance(address, str) else f"resource {number}") from None
        if record.address in found:
            raise WrongValueError("is recorded twice", str(record.address))
        found[record.address] = record
    return list(found.values())


def convert_records(documents: Iterable[Any]) -> list[Record] | None:
    """Read every record as `read_records` does, with msgspec, in a third of the time.

    None if a record is wrong, or has a key that only a newer program knows.
    """
    try:
        records = msgspec.convert([_lay_out(document) for document in documents], list[Record])
        for record in records:
            for model in record.models:
                for moment in (model.started, model.deposed, model.kept_until, model.held):
                    if moment:
                        read_moment(moment)
            for endpoint in (record.trial, *record.endpoints):
                if endpoint is not None:
                    read_moment(endpoint.retired)
                    read_moment(endpoint.kept_until)
    except (msgspec.ValidationError, WrongValueError, AttributeError, LookupError, TypeError, ValueError):
        return None
    is_wrong = any(record.is_empty for record in records)
    return None if is_wrong or len({record.address for record in records}) < len(records) else records


def _lay_out(document: dict[str, Any]) -> dict[str, Any]:
    """Lay the document of a record out as msgspec takes a Record. Raises something if that cannot be."""
    laid_out = dict(document)
    id, serving = laid_out.pop("id"), laid_out["serving"]
    if id is not None or serving is not None:  # neither may be there alone
        if "id" in serving:
            raise WrongValueError("is not a key that this version knows")
        laid_out["serving"] = {**serving, "id": id}
    laid_out["address"] = Address.parse(laid_out["address"])
    others = (*laid_out.get("deposed", ()), *laid_out.get("held", ()))
    for model in (serving, laid_out.get("candidate"), *others):
        if model is not None:
            model["formula"]  # it must be there
    return laid_out
