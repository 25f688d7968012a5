"""Which call goes where. What is not in the table is a 404."""

import re
from collections.abc import Mapping

from reconciler.emulator.call import Handler
from reconciler.emulator.storage import buckets, objects, uploads

_BUCKET = r"/storage/v1/b/(?P<bucket>[^/]+)"
_UPLOAD = r"/(?:resumable/)?upload" + _BUCKET + "/o"
_OBJECT = _BUCKET + r"/o/(?P<object>.+)"

_TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/storage/v1/b", buckets.insert),
    ("GET", _BUCKET, buckets.get),
    ("DELETE", _BUCKET, buckets.delete),
    ("GET", _BUCKET + "/o", objects.list_objects),
    ("GET", "(?:/download)?" + _OBJECT, objects.get),
    ("DELETE", _OBJECT, objects.delete),
    ("POST", _UPLOAD, uploads.insert),
    ("PUT", _UPLOAD, uploads.resume),
    ("DELETE", _UPLOAD, uploads.abandon),
)
_ROUTES = [(method, re.compile(path, re.DOTALL), handler) for method, path, handler in _TABLE]


def route(method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
    """Return who answers a call, and the names in its path."""
    for wanted, pattern, handler in _ROUTES:
        if wanted == method and (match := pattern.fullmatch(path)):
            return handler, match.groupdict()
    return None
