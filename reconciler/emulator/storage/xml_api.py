"""Cloud Storage's XML API, as far as a program keeps objects with it: put, get, head, delete, list.

An object is `/BUCKET/NAME`. Both APIs have the same objects. Generations are in headers; with
`x-goog-if-generation-match` a write is conditional, and 0 means that there is no object yet. Copies, and
uploads in parts, are not served.
"""

import base64
import datetime as dt
import email.utils
import re
import xml.sax.saxutils

from reconciler.emulator.call import Call, Reply, Router
from reconciler.emulator.clock import SECOND, format_milliseconds
from reconciler.emulator.errors import CANONICAL, ApiError
from reconciler.emulator.storage import buckets, contents, objects
from reconciler.emulator.storage.errors import BucketNotFoundError, ConditionError
from reconciler.emulator.storage.records import StoredObject

MEDIA_TYPE = "application/xml; charset=UTF-8"
_DECLARATION = "<?xml version='1.0' encoding='UTF-8'?>"
_CONDITIONS = ("generation-match", "metageneration-match")
_OURS = r"emulator|storage|upload|download|resumable|v[0-9]+(alpha|beta)?[0-9]*"
# The start of a path that begins with a bucket's name, and not with a word of another API.
_BUCKET = rf"/(?!(?:{_OURS})(?:/|\Z))(?P<bucket>[a-z0-9][a-z0-9._-]+[a-z0-9])"
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


def put(call: Call) -> Reply:
    """Answer PUT Object."""
    if call.query or "x-goog-copy-source" in call.headers:
        return _refuse(call)
    name = call.path["object"]
    buckets.check_bucket(call)
    objects.check_name(name)
    known = {"content-type": "contentType", "content-md5": "md5Hash"}
    fields = {key: call.headers[header] for header, key in known.items() if header in call.headers}
    content = contents.add_content(call.database, call.body)
    made = objects.make_object(call, name, content, fields=fields, conditions=_read_conditions(call))
    return Reply(content=b"", media_type="text/html; charset=UTF-8", headers=_write_headers(made))


def get(call: Call) -> Reply:
    """Answer GET and HEAD Object, whole or a range of it."""
    found = objects.find_checked(call, _read_conditions(call), call.query.get("generation", ""))
    etag = _make_etag(found)
    if call.headers.get("if-match", etag) not in (etag, "*"):
        raise ConditionError("If-Match")
    if call.headers.get("if-none-match") in (etag, "*"):
        return Reply(status=304, content=b"", headers=_write_headers(found))
    return objects.answer_content(call, found, _write_headers(found))


def delete(call: Call) -> Reply:
    """Answer DELETE Object."""
    found = objects.find_checked(call, _read_conditions(call), call.query.get("generation", ""))
    objects.delete_object(call, found)
    return Reply(status=204, content=b"")


def list_objects(call: Call) -> Reply:
    """Answer GET Bucket: names in order, folders apart if there is a delimiter, pages by a token."""
    query = call.query
    prefix = query.get("prefix", "")
    found, prefixes, token = objects.find_page(
        call,
        prefix=prefix,
        delimiter=query.get("delimiter", ""),
        after=query.get("start-after", query.get("marker", "")),
        token=query.get("continuation-token", ""),
        most=query.get("max-keys", "1000"),
    )
    entries = "".join(_write_entry(entry) for entry in found)
    entries += "".join(
        f"<CommonPrefixes>{_write_element('Prefix', name)}</CommonPrefixes>" for name in prefixes
    )
    text = (
        f"{_DECLARATION}<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'>"
        f"{_write_element('Name', call.path['bucket'])}{_write_element('Prefix', prefix)}"
        f"{_write_element('KeyCount', str(len(found) + len(prefixes)))}"
        f"{_write_element('IsTruncated', 'true' if token else 'false')}"
        f"{_write_element('NextContinuationToken', token) if token else ''}{entries}</ListBucketResult>"
    )
    return Reply(content=text.encode(), media_type=MEDIA_TYPE)


def write_error(error: ApiError) -> str:
    """Return the XML that Cloud Storage sends for *error*."""
    message = error.message or CANONICAL.get(error.code, ("", "Unknown Error."))[1]
    code = _CODES.get(error.code, "InvalidArgument")
    if isinstance(error, BucketNotFoundError):
        code = "NoSuchBucket"
    return f"{_DECLARATION}<Error>{_write_element('Code', code)}{_write_element('Message', message)}</Error>"


def _refuse(call: Call) -> Reply:
    raise ApiError(501, f"The emulator does not serve this {call.method} of the XML API.")


def _read_conditions(call: Call) -> dict[str, str]:
    """Return the preconditions in the headers, under the names of the JSON API."""
    given = {name: call.headers.get(f"x-goog-if-{name}") for name in _CONDITIONS}
    return {f"if_{name.replace('-', '_')}": text for name, text in given.items() if text is not None}


def _write_headers(found: StoredObject) -> dict[str, str]:
    born = dt.datetime.fromtimestamp(found.created // SECOND, dt.UTC)
    changed = email.utils.format_datetime(born, usegmt=True)
    return {"ETag": _make_etag(found), "Last-Modified": changed, **objects.describe_in_headers(found)}


def _make_etag(found: StoredObject) -> str:
    # As in the service, it follows from the content alone. Two writes of equal bytes differ by generation.
    return f'"{base64.b64decode(found.md5).hex()}"'


def _write_entry(found: StoredObject) -> str:
    values = {
        "Key": found.name,
        "Generation": str(found.generation),
        "MetaGeneration": "1",
        "LastModified": format_milliseconds(found.created),
        "ETag": _make_etag(found),
        "Size": str(found.size),
    }
    return f"<Contents>{''.join(_write_element(name, value) for name, value in values.items())}</Contents>"


def _write_element(name: str, text: str) -> str:
    # XML cannot write control characters, so they are replaced.
    shown = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text)
    return f"<{name}>{xml.sax.saxutils.escape(shown)}</{name}>"


PATH = re.compile(rf"{_BUCKET}(?:/.*)?", re.DOTALL)
ROUTES = Router(
    _BUCKET,
    (
        ("GET", "/?", list_objects, None),
        ("PUT", "/(?P<object>.+)", put, None),
        ("GET", "/(?P<object>.+)", get, None),
        ("HEAD", "/(?P<object>.+)", get, None),
        ("DELETE", "/(?P<object>.+)", delete, None),
        ("POST", "/(?P<object>.+)", _refuse, None),
    ),
)
