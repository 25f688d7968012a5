"""Buckets: insert, get, delete. Unless the settings are strict, any bucket is there."""

from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError
from reconciler.emulator.gemini.progress import six_digits
from reconciler.emulator.json_text import read
from reconciler.emulator.storage.errors import no_bucket, required
from reconciler.emulator.storage.objects import COMMON, check_bucket_name
from reconciler.emulator.storage.records import Records


def insert(call: Call) -> Reply:
    """buckets.insert."""
    call.parameters("project", "predefined_acl", "predefined_default_object_acl", *COMMON)
    fields = read(call.body) if call.body.strip() else {}
    name = fields.get("name") if isinstance(fields, dict) else None
    if not name:
        raise required("name")
    check_bucket_name(name)
    records = Records(call.store.connection)
    if records.bucket(name) is not None:
        raise ApiError(
            409, "Your previous request to create the named bucket succeeded and you already own it."
        )
    kept = {key: fields[key] for key in ("location", "storageClass", "labels") if key in fields}
    kept["timeCreated"] = six_digits(call.now)[:-4] + "Z"
    records.add_bucket(name, kept)
    call.effect = True
    return Reply(payload=_shown(call, name, kept))


def get(call: Call) -> Reply:
    """buckets.get."""
    call.parameters(*COMMON, "if_metageneration_match", "if_metageneration_not_match")
    name = call.path["bucket"]
    check_bucket_name(name)
    fields = Records(call.store.connection).bucket(name)
    if fields is None and call.settings.storage_buckets == "strict":
        raise no_bucket()
    return Reply(payload=_shown(call, name, fields or {}))


def delete(call: Call) -> Reply:
    """buckets.delete: an empty one."""
    call.parameters(*COMMON)
    name, records = call.path["bucket"], Records(call.store.connection)
    if records.bucket(name) is None:
        raise no_bucket()
    if records.objects(name, "", "", 1):
        raise ApiError(409, "The bucket you tried to delete is not empty.")
    records.delete_bucket(name)
    call.effect = True
    return Reply(status=204, content=b"")


def _shown(call: Call, name: str, fields: dict[str, Any]) -> dict[str, Any]:
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
