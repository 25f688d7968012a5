"""Objects: get, list, delete, and what becomes of bytes that were uploaded.

Metadata is that of the storage v1 discovery document, numbers as text. Only the live generation is
kept: there is no versioning.
"""

import base64
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.database import Store
from reconciler.emulator.errors import ApiError
from reconciler.emulator.gemini.progress import six_digits
from reconciler.emulator.storage.checksums import crc32c_text, md5_text
from reconciler.emulator.storage.errors import condition_not_met, no_bucket, no_object
from reconciler.emulator.storage.records import Records, StoredObject

CONDITIONS = (
    "if_generation_match",
    "if_generation_not_match",
    "if_metageneration_match",
    "if_metageneration_not_match",
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
COMMON = ("user_project", "projection", "provider")


def get(call: Call) -> Reply:
    """objects.get: the metadata, or the content for alt=media."""
    parameters = call.parameters(*CONDITIONS, *COMMON, "generation", "soft_deleted")
    records = Records(call.store.connection)
    found = _find(call, records, parameters)
    if call.query.get("alt") != "media":
        return Reply(payload=shown(call, found))
    content, status, ranges = part(call, found)
    headers = {
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Metageneration": "1",
        "X-Goog-Hash": f"crc32c={found.crc32c},md5={found.md5}",
        "X-Goog-Stored-Content-Length": str(found.size),
        "ETag": _etag(found),
        **ranges,
    }
    media_type = found.fields.get("contentType", "application/octet-stream")
    return Reply(content=content, media_type=media_type, status=status, headers=headers)


def part(call: Call, found: StoredObject) -> tuple[bytes, int, dict[str, str]]:
    """Return what the Range header wants of an object's content, the status, and Content-Range."""
    content = b"".join(Records(call.store.connection).chunks(found.content))
    wanted = re.fullmatch(r"bytes=([0-9]{0,19})-([0-9]{0,19})", call.headers.get("range", ""))
    if not wanted or not (wanted[1] or wanted[2]):
        return content, 200, {}
    first = int(wanted[1]) if wanted[1] else max(0, found.size - int(wanted[2]))
    last = min(int(wanted[2]), found.size - 1) if wanted[1] and wanted[2] else found.size - 1
    if first > last:
        raise ApiError(416, "Request range not satisfiable")
    return content[first : last + 1], 206, {"Content-Range": f"bytes {first}-{last}/{found.size}"}


def list_objects(call: Call) -> Reply:
    """objects.list: by name; with a delimiter the folders apart."""
    names = ("prefix", "delimiter", "max_results", "page_token", "start_offset", "end_offset", "versions")
    parameters = call.parameters(*names, *COMMON, "include_trailing_delimiter", "match_glob")
    bucket, records = call.path["bucket"], Records(call.store.connection)
    check_bucket(call, records)
    found, prefixes, token = listed(
        records,
        bucket,
        prefix=parameters.get("prefix", ""),
        delimiter=parameters.get("delimiter", ""),
        token=parameters.get("page_token", ""),
        most=parameters.get("max_results", "1000"),
    )
    answer: dict[str, Any] = {"kind": "storage#objects"}
    answer |= {"items": [shown(call, one) for one in found]} if found else {}
    answer |= {"prefixes": prefixes} if prefixes else {}
    answer |= {"nextPageToken": token} if token else {}
    return Reply(payload=answer)


def listed(
    records: Records,
    bucket: str,
    *,
    prefix: str,
    delimiter: str,
    token: str,
    most: str,
    after: str = "",
) -> tuple[list[StoredObject], list[str], str]:
    """Return one page of a bucket: objects by name, folders where there is a delimiter, the next token.

    Args:
        records: where they are.
        bucket: its name.
        prefix: what the names begin with.
        delimiter: what ends a folder's name; '' for none.
        token: of the page before; '' for the first page.
        most: how many there may be, as the caller wrote it.
        after: the name behind which the first page begins.
    """
    size, last = _most(most), _after(token) or after
    found: list[StoredObject] = []
    prefixes: list[str] = []
    while len(found) + len(prefixes) < size:
        nearest = records.objects(bucket, prefix, last, 1)
        if not nearest:
            return found, prefixes, ""
        last = name = nearest[0].name
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            found.append(nearest[0])
        else:
            prefixes.append(name[: cut + len(delimiter)])
            last = prefixes[-1] + "\U0010ffff"
    more = records.objects(bucket, prefix, last, 1)
    return found, prefixes, base64.urlsafe_b64encode(last.encode()).decode() if more else ""


def delete(call: Call) -> Reply:
    """objects.delete."""
    parameters = call.parameters(*CONDITIONS, *COMMON, "generation")
    records = Records(call.store.connection)
    found = _find(call, records, parameters)
    records.delete_object(found.bucket, found.name)
    call.effect = True
    return Reply(status=204, content=b"")


def make(
    call: Call,
    records: Records,
    name: str,
    content: int,
    *,
    fields: Mapping[str, Any],
    conditions: Mapping[str, str],
) -> dict[str, Any]:
    """Make *content* an object if the conditions hold, and return its metadata."""
    bucket = call.path["bucket"]
    check_conditions(records.object(bucket, name), conditions)
    data = b"".join(records.chunks(content))
    md5, crc32c = md5_text(data), crc32c_text(data)
    for key, computed in (("md5Hash", md5), ("crc32c", crc32c)):
        if fields.get(key, computed) != computed:
            text = f"Provided {key} does not match the one calculated: {computed}."
            raise ApiError(400, text)
    kept = {key: value for key, value in fields.items() if key not in {"md5Hash", "crc32c", "name", "bucket"}}
    made = StoredObject(
        bucket=bucket,
        name=name,
        generation=records.next_generation(call.now),
        size=len(data),
        md5=md5,
        crc32c=crc32c,
        fields={"contentType": "application/octet-stream", **kept},
        created=call.now,
        content=content,
    )
    records.put_object(made)
    call.effect = True
    return shown(call, made)


def check_bucket(call: Call, records: Records) -> None:
    """Raise a 404 when the bucket is not there, a 400 for what is no bucket's name."""
    check_bucket_name(call.path["bucket"])
    if call.settings.storage_buckets == "strict" and records.bucket(call.path["bucket"]) is None:
        raise no_bucket()


def check_bucket_name(name: object) -> None:
    """Raise a 400 for what is no bucket's name."""
    if not isinstance(name, str) or not _BUCKET.fullmatch(name):
        raise ApiError(400, f"Invalid bucket name: '{str(name)[:80]}'")


def check_name(name: str) -> None:
    """Raise a 400 for what is no object's name."""
    if len(name.encode()) > 1024 or name in {".", ".."} or re.search(r"[\r\n]", name):
        raise ApiError(400, f"Invalid object name: {name[:80]!r}.")


def check_conditions(found: StoredObject | None, conditions: Mapping[str, str]) -> None:
    """Raise a 412, or for a wrong number a 400, when a precondition does not hold."""
    seen = {"generation": found.generation if found else 0, "metageneration": 1 if found else 0}
    for name, text in conditions.items():
        if not re.fullmatch(r"[0-9]{1,19}", text):
            raise ApiError(400, f"Invalid value for {name}: {text[:40]}")
        _, what, kind = name.split("_", 2)
        holds = (seen[what] == int(text)) is (kind == "match")
        if not holds or (found is None and kind == "not_match"):
            raise condition_not_met("If-Match" if kind == "match" else "If-None-Match")


def content_of(store: Store, uri: str) -> bytes | None:
    """Return the content of the object at a gs:// address, None when there is none."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    records = Records(store.connection)
    found = records.object(bucket, name)
    return b"".join(records.chunks(found.content)) if found else None


def shown(call: Call, found: StoredObject) -> dict[str, Any]:
    """Return an object's metadata as JSON."""
    path = f"/storage/v1/b/{found.bucket}/o/{urllib.parse.quote(found.name, safe='')}"
    created = six_digits(found.created)[:-4] + "Z"
    return {
        "kind": "storage#object",
        "id": f"{found.bucket}/{found.name}/{found.generation}",
        "selfLink": call.base_url + path,
        "mediaLink": f"{call.base_url}/download{path}?generation={found.generation}&alt=media",
        "name": found.name,
        "bucket": found.bucket,
        "generation": str(found.generation),
        "metageneration": "1",
        "storageClass": "STANDARD",
        **found.fields,
        "size": str(found.size),
        "md5Hash": found.md5,
        "crc32c": found.crc32c,
        "etag": _etag(found),
        "timeCreated": created,
        "updated": created,
        "timeStorageClassUpdated": created,
        "timeFinalized": created,
    }


def _find(call: Call, records: Records, parameters: Mapping[str, str]) -> StoredObject:
    check_bucket(call, records)
    bucket, name = call.path["bucket"], call.path["object"]
    found = records.object(bucket, name)
    wanted = parameters.get("generation", "")
    if found and wanted and wanted != str(found.generation):
        found = None
    check_conditions(found, {key: parameters[key] for key in CONDITIONS if key in parameters})
    if found is None:
        raise no_object(bucket, name)
    return found


def _etag(found: StoredObject) -> str:
    return base64.b64encode(b"\x08" + found.generation.to_bytes(8) + b"\x10\x01").decode()


def _most(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise ApiError(400, f"Invalid value for maxResults: {text[:40]}")
    return min(int(text), 1000)


def _after(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise ApiError(400, "Invalid page token.") from None
