"""Cloud Storage's XML API, as far as a program keeps objects by it: put, get, head, delete, list.

An object is `/BUCKET/NAME`; what the JSON API stores is here too, and the other way round. Generations come
and go in headers; `x-goog-if-generation-match` makes a write conditional, 0 meaning that nothing is there.
Copies and uploads in parts are not served.
"""

import base64
import datetime as dt
import email.utils
import re
import xml.sax.saxutils
from collections.abc import Mapping
from typing import Any

from reconciler.emulator.call import Call, Handler, Reply
from reconciler.emulator.errors import CANONICAL, ApiError
from reconciler.emulator.gemini.progress import SECOND, six_digits
from reconciler.emulator.storage.errors import no_bucket
from reconciler.emulator.storage.objects import (
    check_bucket,
    check_conditions,
    check_name,
    listed,
    make,
    part,
)
from reconciler.emulator.storage.records import Records, StoredObject

MEDIA_TYPE = "application/xml; charset=UTF-8"
_DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>"
_CONDITIONS = ("generation-match", "metageneration-match")
_OURS = r"emulator|storage|upload|download|resumable|v[0-9]+(alpha|beta)?[0-9]*"
_PATH = re.compile(
    rf"/(?!(?:{_OURS})(?:/|\Z))(?P<bucket>[a-z0-9][a-z0-9._-]+[a-z0-9])(?:/(?P<object>.*))?", re.DOTALL
)
_CODES = {
    400: "InvalidArgument",
    401: "AuthenticationRequired",
    403: "AccessDenied",
    404: "NoSuchKey",
    412: "PreconditionFailed",
    413: "EntityTooLarge",
    416: "InvalidRange",
    429: "SlowDown",
    500: "InternalError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


def is_here(path: str) -> bool:
    """Whether a path begins with a bucket's name, and with none of the other APIs' words."""
    return _PATH.fullmatch(path) is not None


def route(method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
    """Return who answers a call, and the names in its path."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    names = {key: value for key, value in match.groupdict().items() if value}
    handlers = _OBJECT if "object" in names else _BUCKET
    return (handlers[method], names) if method in handlers else None


def put(call: Call) -> Reply:
    """PUT Object."""
    if call.query or "x-goog-copy-source" in call.headers:
        raise _not_served(call)
    records, name = Records(call.store.connection), call.path["object"]
    check_bucket(call, records)
    check_name(name)
    fields: dict[str, Any] = {}
    if "content-type" in call.headers:
        fields["contentType"] = call.headers["content-type"]
    if "content-md5" in call.headers:
        fields["md5Hash"] = call.headers["content-md5"]
    conditions = _conditions(call)
    check_conditions(records.object(call.path["bucket"], name), conditions)
    content = records.new_content()
    records.append(content, call.body)
    make(call, records, name, content, fields=fields, conditions=conditions)
    made = _find(call, records)
    return Reply(content=b"", media_type="text/html; charset=UTF-8", headers=_headers(made))


def get(call: Call) -> Reply:
    """GET and HEAD Object, whole or a range of it."""
    found = _find(call, Records(call.store.connection))
    wanted = call.query.get("generation", str(found.generation))
    if wanted != str(found.generation):
        raise _no_object(call)
    check_conditions(found, _conditions(call))
    etag = _etag(found)
    if call.headers.get("if-match", etag) not in (etag, "*"):
        raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
    if call.headers.get("if-none-match") in (etag, "*"):
        return Reply(status=304, content=b"", headers=_headers(found))
    content, status, headers = part(call, found)
    media_type = found.fields.get("contentType", "application/octet-stream")
    return Reply(
        content=content, status=status, media_type=media_type, headers={**_headers(found), **headers}
    )


def delete(call: Call) -> Reply:
    """DELETE Object."""
    records = Records(call.store.connection)
    found = _find(call, records)
    check_conditions(found, _conditions(call))
    records.delete_object(found.bucket, found.name)
    call.effect = True
    return Reply(status=204, content=b"")


def list_objects(call: Call) -> Reply:
    """GET Bucket: names in order, folders apart with a delimiter, pages by a token."""
    bucket, records, query = call.path["bucket"], Records(call.store.connection), call.query
    check_bucket(call, records)
    prefix = query.get("prefix", "")
    found, prefixes, token = listed(
        records,
        bucket,
        prefix=prefix,
        delimiter=query.get("delimiter", ""),
        after=query.get("start-after", query.get("marker", "")),
        token=query.get("continuation-token", ""),
        most=query.get("max-keys", "1000"),
    )
    entries = "".join(_entry(one) for one in found)
    entries += "".join(f"<CommonPrefixes>{_element('Prefix', name)}</CommonPrefixes>" for name in prefixes)
    text = (
        f"{_DECLARATION}<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>"
        f"{_element('Name', bucket)}{_element('Prefix', prefix)}"
        f"{_element('KeyCount', str(len(found) + len(prefixes)))}"
        f"{_element('IsTruncated', 'true' if token else 'false')}"
        f"{_element('NextContinuationToken', token) if token else ''}{entries}</ListBucketResult>"
    )
    return Reply(content=text.encode(), media_type=MEDIA_TYPE)


def error_text(error: ApiError) -> str:
    """Return the XML that Cloud Storage sends for *error*."""
    message = error.message or CANONICAL.get(error.code, ("", "Unknown Error."))[1]
    code = _CODES.get(error.code, "InvalidArgument")
    if error == no_bucket():
        code = "NoSuchBucket"
    return f"{_DECLARATION}<Error>{_element('Code', code)}{_element('Message', message)}</Error>"


def _not_served(call: Call) -> ApiError:
    return ApiError(501, f"The emulator does not serve this {call.method} of the XML API.")


def _refuse(call: Call) -> Reply:
    raise _not_served(call)


def _find(call: Call, records: Records) -> StoredObject:
    check_bucket(call, records)
    found = records.object(call.path["bucket"], call.path["object"])
    if found is None:
        check_conditions(None, _conditions(call))
        raise _no_object(call)
    return found


def _no_object(call: Call) -> ApiError:
    name = f"{call.path['bucket']}/{call.path['object']}"
    return ApiError(404, f"The specified key does not exist. No such object: {name}")


def _conditions(call: Call) -> dict[str, str]:
    """Return the preconditions in the headers, under the JSON API's names."""
    given = {name: call.headers.get(f"x-goog-if-{name}") for name in _CONDITIONS}
    return {f"if_{name.replace('-', '_')}": text for name, text in given.items() if text is not None}


def _headers(found: StoredObject) -> dict[str, str]:
    born = dt.datetime.fromtimestamp(found.created // SECOND, dt.UTC)
    return {
        "ETag": _etag(found),
        "Last-Modified": email.utils.format_datetime(born, usegmt=True),
        "x-goog-generation": str(found.generation),
        "x-goog-metageneration": "1",
        "x-goog-hash": f"crc32c={found.crc32c},md5={found.md5}",
        "x-goog-stored-content-length": str(found.size),
    }


def _etag(found: StoredObject) -> str:
    # As there: of the content alone, so that only the generation tells two writes of the same apart.
    return f'"{base64.b64decode(found.md5).hex()}"'


def _entry(found: StoredObject) -> str:
    values = {
        "Key": found.name,
        "Generation": str(found.generation),
        "MetaGeneration": "1",
        "LastModified": six_digits(found.created)[:-4] + "Z",
        "ETag": _etag(found),
        "Size": str(found.size),
    }
    return f"<Contents>{''.join(_element(name, value) for name, value in values.items())}</Contents>"


def _element(name: str, text: str) -> str:
    # XML has no way to say a control character, so none is said.
    shown = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text)
    return f"<{name}>{xml.sax.saxutils.escape(shown)}</{name}>"


_OBJECT: Mapping[str, Handler] = {"PUT": put, "GET": get, "HEAD": get, "DELETE": delete, "POST": _refuse}
_BUCKET: Mapping[str, Handler] = {"GET": list_objects}
