"""Buckets: insert, get, delete. Unless the settings are strict, every bucket exists."""

import re
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_milliseconds
from reconciler.emulator.errors import ApiError
from reconciler.emulator.json_text import parse_json
from reconciler.emulator.storage.errors import BucketNotFoundError, ParameterMissingError
from reconciler.emulator.storage.records import Bucket, StoredObject

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def insert(call: Call) -> Reply:
    """Answer buckets.insert."""
    fields = parse_json(call.body) if call.body.strip() else {}
    name = fields.get("name") if isinstance(fields, dict) else None
    if not name:
        raise ParameterMissingError("name")
    _check_name(name)
    if _find_bucket(call, name) is not None:
        raise ApiError(
            409, "Your previous request to create the named bucket succeeded and you already own it."
        )
    kept = {key: fields[key] for key in ("location", "storageClass", "labels") if key in fields}
    kept["timeCreated"] = format_milliseconds(call.now)
    call.database.add(Bucket(name=name, fields=kept))
    return Reply(payload=_show(call, name, kept))


def get(call: Call) -> Reply:
    """Answer buckets.get."""
    check_bucket(call)
    bucket = _find_bucket(call, call.path["bucket"])
    return Reply(payload=_show(call, call.path["bucket"], bucket.fields if bucket else {}))


def delete(call: Call) -> Reply:
    """Answer buckets.delete, of an empty bucket."""
    bucket = _find_bucket(call, call.path["bucket"])
    if bucket is None:
        raise BucketNotFoundError
    if call.database.count(StoredObject, "bucket = :bucket", bucket=bucket.name):
        raise ApiError(409, "The bucket you tried to delete is not empty.")
    call.database.delete(bucket)
    return Reply(status=204, content=b"")


def check_bucket(call: Call) -> None:
    """Raise a 400 for a name that no bucket can have, and a 404 if the bucket in the path does not exist."""
    name = call.path["bucket"]
    _check_name(name)
    if call.settings.storage_buckets == "strict" and _find_bucket(call, name) is None:
        raise BucketNotFoundError


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ApiError(400, f"Invalid bucket name: '{str(name)[:80]}'")


def _find_bucket(call: Call, name: str) -> Bucket | None:
    return call.database.find_one(Bucket, "name = :name", name=name)


def _show(call: Call, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "storage#bucket",
        "id": name,
        "selfLink": f"{call.base_url}/storage/v1/b/{name}",
        "name": name,
        "location": "US",
        "locationType": "multi-region",
        "storageClass": "STANDARD",
        "metageneration": "1",
        "etag": "CAE=",
        **fields,
    }
