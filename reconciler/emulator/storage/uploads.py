"""Uploads: in one request (media, multipart), or resumable in many.

A resumable upload is opened by POST, answered with its address in Location; PUTs with Content-Range
follow, answered 308 with the Range that has arrived, until the last byte is there. A PUT of
`bytes */N` asks how far it is. Opened again, or put again when it is finished, it does no harm.
"""

import re
import secrets
import urllib.parse
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError
from reconciler.emulator.json_text import read
from reconciler.emulator.storage.errors import required
from reconciler.emulator.storage.objects import (
    COMMON,
    CONDITIONS,
    check_bucket,
    check_conditions,
    check_name,
    make,
)
from reconciler.emulator.storage.records import Records, Upload

_PARAMETERS = (
    *CONDITIONS,
    *COMMON,
    "name",
    "content_encoding",
    "kms_key_name",
    "predefined_acl",
    "upload_id",
)
_TEXTS = {
    "bucket",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "crc32c",
    "customTime",
    "md5Hash",
    "name",
    "storageClass",
}
_QUANTUM = 256 * 1024
_LARGEST = 2 * 2**30
_LARGEST_METADATA = 2**20


def insert(call: Call) -> Reply:
    """objects.insert."""
    records = Records(call.store.connection)
    check_bucket(call, records)
    parameters = call.parameters(*_PARAMETERS)
    conditions = {key: parameters[key] for key in CONDITIONS if key in parameters}
    kind = call.query.get("uploadType", "")
    if kind == "resumable":
        return _open(call, records, parameters, conditions)
    fields: dict[str, Any] = {}
    data = call.body
    if kind == "multipart":
        fields, data = _multipart(call)
    elif kind == "media":
        if "content-type" in call.headers:
            fields["contentType"] = call.headers["content-type"]
    else:
        raise ApiError(400, f"Invalid upload type: {kind[:40]!r}.")
    name = parameters.get("name") or fields.get("name")
    if not name:
        raise required("name")
    check_name(name)
    content = records.new_content()
    records.append(content, data)
    return Reply(payload=make(call, records, name, content, fields=fields, conditions=conditions))


def resume(call: Call) -> Reply:
    """One PUT of a resumable upload."""
    records = Records(call.store.connection)
    upload = _find(call, records)
    if upload.finished is not None:
        return Reply(payload=upload.finished)
    size = records.size(upload.content)
    header = call.headers.get("content-range", "")
    if not header:
        first, last, total = 0, len(call.body) - 1, len(call.body)
    elif match := re.fullmatch(r"bytes \*/([0-9]{1,19}|\*)", header):
        total = -1 if match[1] == "*" else int(match[1])
        if call.body:
            raise ApiError(400, "A query of the state has no body.")
        return _done(call, records, upload) if total == size else _incomplete(size)
    elif match := re.fullmatch(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", header):
        first, last = int(match[1]), int(match[2])
        total = -1 if match[3] == "*" else int(match[3])
    else:
        raise ApiError(400, f"Failed to parse Content-Range header: {header[:80]}")
    if call.cut:
        return _cut_off(call, records, upload, first)
    if last - first + 1 != len(call.body) or (total >= 0 and last >= total):
        raise ApiError(400, "Content-Range does not fit the length of the body.")
    if first > size:
        raise ApiError(503, f"Bytes {size}-{first - 1} are missing.")
    is_last = total >= 0 and last + 1 == total
    if len(call.body) % _QUANTUM and not is_last:
        raise ApiError(400, f"A chunk that is not the last must be a multiple of {_QUANTUM} bytes.")
    if last >= _LARGEST:
        raise ApiError(413, "The emulator takes 2 GiB.")
    records.append(upload.content, call.body[size - first :])
    call.effect = True
    return _done(call, records, upload) if is_last else _incomplete(records.size(upload.content))


def _cut_off(call: Call, records: Records, upload: Upload, first: int) -> Reply:
    """Keep what came before the connection broke, in whole quanta."""
    size = records.size(upload.content)
    if first <= size:
        came = len(call.body) // _QUANTUM * _QUANTUM
        records.append(upload.content, call.body[size - first : came])
        call.effect = True
    return _incomplete(records.size(upload.content))


def abandon(call: Call) -> Reply:
    """DELETE of a resumable upload."""
    records = Records(call.store.connection)
    records.delete_upload(_find(call, records))
    call.effect = True
    return Reply(status=499, content=b"")


def _open(call: Call, records: Records, parameters: dict[str, str], conditions: dict[str, str]) -> Reply:
    fields = _metadata(call.body)
    if "x-upload-content-type" in call.headers:
        fields.setdefault("contentType", call.headers["x-upload-content-type"])
    name = parameters.get("name") or fields.get("name")
    if not name:
        raise required("name")
    check_name(name)
    bucket = call.path["bucket"]
    check_conditions(records.object(bucket, name), conditions)
    upload = Upload(
        id="AE" + secrets.token_urlsafe(48),
        bucket=bucket,
        name=name,
        fields=fields,
        conditions=conditions,
        content=records.new_content(),
    )
    records.add_upload(upload)
    call.effect = True
    query = urllib.parse.urlencode({"uploadType": "resumable", "name": name, "upload_id": upload.id})
    address = f"{call.base_url}/upload/storage/v1/b/{bucket}/o?{query}"
    headers = {"Location": address, "X-GUploader-UploadID": upload.id}
    return Reply(content=b"", headers=headers)


def _find(call: Call, records: Records) -> Upload:
    upload = records.upload(call.query.get("upload_id", ""))
    if upload is None or upload.bucket != call.path["bucket"]:
        raise ApiError(404, "The upload does not exist, or has expired.")
    return upload


def _done(call: Call, records: Records, upload: Upload) -> Reply:
    fields, conditions = upload.fields, upload.conditions
    answer = make(call, records, upload.name, upload.content, fields=fields, conditions=conditions)
    records.finish_upload(upload, answer)
    return Reply(payload=answer)


def _incomplete(size: int) -> Reply:
    headers = {"Range": f"bytes=0-{size - 1}"} if size else {}
    return Reply(status=308, content=b"", headers=headers)


def _multipart(call: Call) -> tuple[dict[str, Any], bytes]:
    """Return the metadata and the content of a multipart/related body."""
    kind = call.headers.get("content-type", "")
    match = re.search(r'boundary="?([^";]+)"?', kind)
    if not kind.startswith("multipart/") or match is None:
        raise ApiError(400, "Malformed multipart body: no boundary.")
    # Cut by hand: the content is bytes, and a mail parser would mend its line ends.
    boundary = b"--" + match[1].encode()
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r?\n|\Z)", call.body)
    parts = [re.split(rb"\r?\n\r?\n|\A\r?\n", piece, maxsplit=1) for piece in pieces[1:3]]
    if len(parts) != 2 or any(len(part) != 2 for part in parts):
        raise ApiError(400, "Malformed multipart body: two parts are required.")
    fields = _metadata(parts[0][1])
    given = re.search(rb"(?im)^content-type:[ \t]*([\x20-\x7e]*)", parts[1][0])
    if given:
        fields.setdefault("contentType", given[1].decode().strip())
    return fields, parts[1][1]


def _metadata(body: bytes) -> dict[str, Any]:
    """Return what may be said of an object; other fields are the service's, or not kept here."""
    if len(body) > _LARGEST_METADATA:
        raise ApiError(400, f"The metadata is larger than {_LARGEST_METADATA} bytes.")
    fields = read(body) if body.strip() else {}
    if not isinstance(fields, dict):
        raise ApiError(400, "The metadata is not a JSON object.")
    kept: dict[str, Any] = {}
    for key, value in fields.items():
        is_map = key == "metadata" and isinstance(value, dict)
        if key in _TEXTS or key == "metadata":
            if not isinstance(value, str) and not (is_map and all(map(_is_text, value.values()))):
                raise ApiError(400, f"Invalid value for: {key}")
            kept[key] = value
    if not kept.get("contentType", "").isprintable() or not kept.get("contentType", "").isascii():
        raise ApiError(400, "Invalid value for: contentType")
    return kept


def _is_text(value: object) -> bool:
    return isinstance(value, str)
