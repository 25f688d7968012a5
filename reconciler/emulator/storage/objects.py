"""Objects: get, list, delete, and how uploaded bytes become one.

The metadata is that of the storage v1 discovery document, with numbers as text. Only the live generation is
kept: there is no versioning. A generation is the time in microseconds, and always greater than the last one.
"""

import base64
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.clock import format_milliseconds
from reconciler.emulator.errors import ApiError
from reconciler.emulator.storage import buckets, checksums, contents
from reconciler.emulator.storage.errors import ConditionError
from reconciler.emulator.storage.records import StoredObject

_MOST = 1000


def get(call: Call) -> Reply:
    """Answer objects.get: the metadata, or the content for alt=media."""
    found = find_checked(call, read_conditions(call), call.parameters.get("generation", ""))
    if call.query.get("alt") != "media":
        return Reply(payload=show_object(call, found))
    return answer_content(call, found, {"ETag": _make_etag(found)})


def answer_content(call: Call, found: StoredObject, headers: Mapping[str, str]) -> Reply:
    """Answer with the content of an object, or with the requested range of it."""
    content = contents.read(call.database, found.content)
    status, headers = 200, {**describe_in_headers(found), **headers}
    match = re.fullmatch(r"bytes=([0-9]{0,19})-([0-9]{0,19})", call.headers.get("range", ""))
    if match and (match[1] or match[2]):
        first = int(match[1]) if match[1] else max(0, found.size - int(match[2]))
        last = min(int(match[2]), found.size - 1) if match[1] and match[2] else found.size - 1
        if first > last:
            raise ApiError(416, "Request range not satisfiable")
        headers["Content-Range"] = f"bytes {first}-{last}/{found.size}"
        status, content = 206, content[first : last + 1]
    media_type = found.fields.get("contentType", "application/octet-stream")
    return Reply(content=content, status=status, media_type=media_type, headers=headers)


def describe_in_headers(found: StoredObject) -> dict[str, str]:
    """Return the headers that describe an object in both APIs."""
    return {
        "X-Goog-Generation": str(found.generation),
        "X-Goog-Metageneration": "1",
        "X-Goog-Hash": f"crc32c={found.crc32c},md5={found.md5}",
        "X-Goog-Stored-Content-Length": str(found.size),
    }


def list_objects(call: Call) -> Reply:
    """Answer objects.list."""
    parameters = call.parameters
    found, prefixes, token = find_page(
        call,
        prefix=parameters.get("prefix", ""),
        delimiter=parameters.get("delimiter", ""),
        token=parameters.get("page_token", ""),
        most=parameters.get("max_results", "1000"),
    )
    answer: dict[str, Any] = {"kind": "storage#objects"}
    answer |= {"items": [show_object(call, entry) for entry in found]} if found else {}
    answer |= {"prefixes": prefixes} if prefixes else {}
    answer |= {"nextPageToken": token} if token else {}
    return Reply(payload=answer)


def find_page(
    call: Call, *, prefix: str, delimiter: str, token: str, most: str, after: str = ""
) -> tuple[list[StoredObject], list[str], str]:
    """Return one page of the bucket in the path: objects in the order of names, folders, the next token.

    *delimiter* ends the name of a folder, and *token* is '' for the first page, which begins *after* a name.
    """
    buckets.check_bucket(call)
    size, last = _read_size(most), _decode_token(token) or after
    found: list[StoredObject] = []
    prefixes: list[str] = []
    where = "bucket = :bucket AND name > :after AND substr(name, 1, :length) = :prefix"
    values: dict[str, Any] = {"bucket": call.path["bucket"], "prefix": prefix, "length": len(prefix)}
    while rest := call.database.find(StoredObject, where, order="name", limit=1, after=last, **values):
        if len(found) + len(prefixes) == size:
            return found, prefixes, base64.urlsafe_b64encode(last.encode()).decode()
        last = name = rest[0].name
        end = name.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            found.append(rest[0])
        else:
            prefixes.append(name[: end + len(delimiter)])
            last = prefixes[-1] + "\U0010ffff"
    return found, prefixes, ""


def delete(call: Call) -> Reply:
    """Answer objects.delete."""
    found = find_checked(call, read_conditions(call), call.parameters.get("generation", ""))
    delete_object(call, found)
    return Reply(status=204, content=b"")


def delete_object(call: Call, found: StoredObject) -> None:
    """Delete an object and its bytes."""
    call.database.delete(found)
    contents.delete(call.database, found.content)


def make_object(
    call: Call, name: str, content: int, *, fields: Mapping[str, Any], conditions: Mapping[str, str]
) -> StoredObject:
    """Make a content an object, in place of the one with its name.

    Raises:
        ApiError: 412, if a condition does not hold; 400, for a wrong checksum.
    """
    old = find_object(call, name)
    check_conditions(old, conditions)
    data = contents.read(call.database, content)
    md5, crc32c = checksums.write_md5(data), checksums.write_crc32c(data)
    for key, computed in (("md5Hash", md5), ("crc32c", crc32c)):
        if fields.get(key, computed) != computed:
            raise ApiError(400, f"Provided {key} does not match the one calculated: {computed}.")
    kept = {key: value for key, value in fields.items() if key not in {"md5Hash", "crc32c", "name", "bucket"}}
    if old:
        delete_object(call, old)
    generation = max(call.now, (call.database.read_fact("generation") or -1) + 1)
    call.database.write_fact("generation", generation)
    made = StoredObject(
        bucket=call.path["bucket"],
        name=name,
        generation=generation,
        size=len(data),
        md5=md5,
        crc32c=crc32c,
        fields={"contentType": "application/octet-stream", **kept},
        created=call.now,
        content=content,
    )
    return call.database.add(made)


def check_name(name: str) -> None:
    """Raise a 400 for a name that no object can have."""
    if len(name.encode()) > 1024 or name in {".", ".."} or re.search(r"[\r\n]", name):
        raise ApiError(400, f"Invalid object name: {name[:80]!r}.")


def check_conditions(found: StoredObject | None, conditions: Mapping[str, str]) -> None:
    """Raise a 412 if a precondition does not hold, or a 400 if it is not a number."""
    seen = {"generation": found.generation if found else 0, "metageneration": 1 if found else 0}
    for name, text in conditions.items():
        if not re.fullmatch(r"[0-9]{1,19}", text):
            raise ApiError(400, f"Invalid value for {name}: {text[:40]}")
        _, what, kind = name.split("_", 2)
        holds = (seen[what] == int(text)) is (kind == "match")
        if not holds or (found is None and kind == "not_match"):
            raise ConditionError("If-Match" if kind == "match" else "If-None-Match")


def read_conditions(call: Call) -> dict[str, str]:
    """Return the preconditions in the query."""
    return {name: text for name, text in call.parameters.items() if name.startswith("if_")}


def find_object(call: Call, name: str) -> StoredObject | None:
    """Return the object of the bucket in the path with this name."""
    where = "bucket = :bucket AND name = :name"
    return call.database.find_one(StoredObject, where, bucket=call.path["bucket"], name=name)


def find_checked(call: Call, conditions: Mapping[str, str], generation: str) -> StoredObject:
    """Return the object in the path, of this generation if one is given, if the preconditions hold."""
    buckets.check_bucket(call)
    found = find_object(call, call.path["object"])
    if found and generation and generation != str(found.generation):
        found = None
    check_conditions(found, conditions)
    if found is None:
        raise ApiError(404, f"No such object: {call.path['bucket']}/{call.path['object']}")
    return found


def show_object(call: Call, found: StoredObject) -> dict[str, Any]:
    """Return the metadata of an object as JSON."""
    path = f"/storage/v1/b/{found.bucket}/o/{urllib.parse.quote(found.name, safe='')}"
    created = format_milliseconds(found.created)
    times = ("timeCreated", "updated", "timeStorageClassUpdated", "timeFinalized")
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
        "etag": _make_etag(found),
        **dict.fromkeys(times, created),
    }


def _make_etag(found: StoredObject) -> str:
    return base64.b64encode(b"\x08" + found.generation.to_bytes(8) + b"\x10\x01").decode()


def _read_size(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}", text):
        raise ApiError(400, f"Invalid value for maxResults: {text[:40]}")
    return min(int(text), _MOST)


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise ApiError(400, "Invalid page token.") from None
