"""Uploads: in one request (media, multipart), or resumable in many.

A resumable upload is opened by a POST, which answers with its address in Location. PUTs with Content-Range
follow, each answered by 308 and the Range that has arrived, until the last byte is there. A PUT with
`bytes */N` asks how far the upload is. Opening an upload again is harmless, and so is repeating its last PUT.
"""

import dataclasses
import re
import secrets
import urllib.parse
from typing import Any

from reconciler.emulator.call import Call, Reply
from reconciler.emulator.errors import ApiError
from reconciler.emulator.json_text import parse_json
from reconciler.emulator.storage import buckets, contents, objects
from reconciler.emulator.storage.errors import ParameterMissingError
from reconciler.emulator.storage.records import Upload

# The metadata that a caller may set.
_KEPT = """
    bucket cacheControl contentDisposition contentEncoding contentLanguage contentType crc32c customTime
    md5Hash metadata name storageClass
"""
_QUANTUM = 256 * 1024
_LARGEST = 2 * 2**30
_LARGEST_METADATA = 2**20


def insert(call: Call) -> Reply:
    """Answer objects.insert."""
    buckets.check_bucket(call)
    conditions = objects.read_conditions(call)
    kind, data = call.query.get("uploadType", ""), call.body
    match kind:
        case "resumable":
            fields = _read_metadata(call.body)
            if "x-upload-content-type" in call.headers:
                fields.setdefault("contentType", call.headers["x-upload-content-type"])
        case "multipart":
            fields, data = _split_multipart(call)
        case "media":
            given = call.headers.get("content-type")
            fields = {} if given is None else {"contentType": given}
        case _:
            raise ApiError(400, f"Invalid upload type: {kind[:40]!r}.")
    name = call.parameters.get("name") or fields.get("name")
    if not name:
        raise ParameterMissingError("name")
    objects.check_name(name)
    if kind == "resumable":
        return _open(call, name, fields, conditions)
    content = contents.add_content(call.database, data)
    made = objects.make_object(call, name, content, fields=fields, conditions=conditions)
    return Reply(payload=objects.show_object(call, made))


def _open(call: Call, name: str, fields: dict[str, Any], conditions: dict[str, str]) -> Reply:
    """Open a resumable upload, and answer with its address."""
    objects.check_conditions(objects.find_object(call, name), conditions)
    upload = Upload(
        id="AE" + secrets.token_urlsafe(48),
        bucket=call.path["bucket"],
        name=name,
        fields=fields,
        conditions=conditions,
        content=contents.add_content(call.database),
    )
    call.database.add(upload)
    query = urllib.parse.urlencode({"uploadType": "resumable", "name": name, "upload_id": upload.id})
    address = f"{call.base_url}/upload/storage/v1/b/{upload.bucket}/o?{query}"
    return Reply(content=b"", headers={"Location": address, "X-GUploader-UploadID": upload.id})


def resume(call: Call) -> Reply:
    """Answer one PUT of a resumable upload."""
    upload = _find_upload(call)
    if upload.finished is not None:
        return Reply(payload=upload.finished)
    size, length = contents.measure(call.database, upload.content), len(call.body)
    header = call.headers.get("content-range", f"bytes 0-{length - 1}/{length}" if length else "bytes */0")
    match = re.fullmatch(r"bytes (?:\*|([0-9]{1,19})-([0-9]{1,19}))/([0-9]{1,19}|\*)", header)
    if match is None:
        raise ApiError(400, f"Failed to parse Content-Range header: {header[:80]}")
    first, last = int(match[1] or 0), int(match[2] or 0)
    total = None if match[3] == "*" else int(match[3])
    if call.cut:
        return _keep_cut_part(call, upload, first)
    if match[1] is None:
        if length:
            raise ApiError(400, "A query of the state has no body.")
        return _finish(call, upload) if total == size else _answer_incomplete(size)
    if last - first + 1 != length or (total is not None and last >= total):
        raise ApiError(400, "Content-Range does not fit the length of the body.")
    if first > size:
        raise ApiError(503, f"Bytes {size}-{first - 1} are missing.")
    is_last = last + 1 == total
    if length % _QUANTUM and not is_last:
        raise ApiError(400, f"A chunk that is not the last must be a multiple of {_QUANTUM} bytes.")
    if last >= _LARGEST:
        raise ApiError(413, "The emulator takes 2 GiB.")
    contents.append(call.database, upload.content, call.body[size - first :])
    if is_last:
        return _finish(call, upload)
    return _answer_incomplete(contents.measure(call.database, upload.content))


def _keep_cut_part(call: Call, upload: Upload, first: int) -> Reply:
    """Keep what arrived before the connection broke, in whole quanta."""
    size = contents.measure(call.database, upload.content)
    if first <= size:
        arrived = len(call.body) // _QUANTUM * _QUANTUM
        contents.append(call.database, upload.content, call.body[size - first : arrived])
    return _answer_incomplete(contents.measure(call.database, upload.content))


def abandon(call: Call) -> Reply:
    """Answer DELETE of a resumable upload. Its bytes go too, unless they have become an object's."""
    upload = _find_upload(call)
    call.database.delete(upload)
    if upload.finished is None:
        contents.delete(call.database, upload.content)
    return Reply(status=499, content=b"")


def _find_upload(call: Call) -> Upload:
    upload = call.database.find_one(Upload, "id = :id", id=call.query.get("upload_id", ""))
    if upload is None or upload.bucket != call.path["bucket"]:
        raise ApiError(404, "The upload does not exist, or has expired.")
    return upload


def _finish(call: Call, upload: Upload) -> Reply:
    """Make the upload an object, and remember the answer for a PUT that is repeated."""
    made = objects.make_object(
        call, upload.name, upload.content, fields=upload.fields, conditions=upload.conditions
    )
    answer = objects.show_object(call, made)
    call.database.update(dataclasses.replace(upload, finished=answer))
    return Reply(payload=answer)


def _answer_incomplete(size: int) -> Reply:
    headers = {"Range": f"bytes=0-{size - 1}"} if size else {}
    return Reply(status=308, content=b"", headers=headers)


def _split_multipart(call: Call) -> tuple[dict[str, Any], bytes]:
    """Return the metadata and the content in a multipart/related body."""
    kind = call.headers.get("content-type", "")
    match = re.search(r'boundary="?([^";]+)"?', kind)
    if not kind.startswith("multipart/") or match is None:
        raise ApiError(400, "Malformed multipart body: no boundary.")
    # The content is bytes, and a parser of mail would change its line ends; so it is split by hand.
    boundary = b"--" + match[1].encode()
    pieces = re.split(rb"(?:\A|\r?\n)" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r?\n|\Z)", call.body)
    parts = [re.split(rb"\r?\n\r?\n|\A\r?\n", piece, maxsplit=1) for piece in pieces[1:3]]
    if len(parts) != 2 or any(len(part) != 2 for part in parts):
        raise ApiError(400, "Malformed multipart body: two parts are required.")
    fields = _read_metadata(parts[0][1])
    given = re.search(rb"(?im)^content-type:[ \t]*([\x20-\x7e]*)", parts[1][0])
    if given:
        fields.setdefault("contentType", given[1].decode().strip())
    return fields, parts[1][1]


def _read_metadata(body: bytes) -> dict[str, Any]:
    """Return what is kept of the metadata in a request; other fields are the service's."""
    if len(body) > _LARGEST_METADATA:
        raise ApiError(400, f"The metadata is larger than {_LARGEST_METADATA} bytes.")
    fields = parse_json(body) if body.strip() else {}
    if not isinstance(fields, dict):
        raise ApiError(400, "The metadata is not a JSON object.")
    kept: dict[str, Any] = {key: value for key, value in fields.items() if key in _KEPT.split()}
    for key, value in kept.items():
        # `metadata` may be a map of strings; all others are strings.
        texts = value.values() if key == "metadata" and isinstance(value, dict) else (value,)
        if not all(isinstance(text, str) for text in texts):
            raise ApiError(400, f"Invalid value for: {key}")
    if not kept.get("contentType", "").isprintable() or not kept.get("contentType", "").isascii():
        raise ApiError(400, "Invalid value for: contentType")
    return kept
