"""The methods of Cloud Storage's JSON API."""

from reconciler.emulator.routing import Router
from reconciler.emulator.storage import buckets, objects, uploads

_BUCKET = "storage/v1/b/(?P<bucket>[^/]+)"
_UPLOAD = f"(?:resumable/)?upload/{_BUCKET}/o"
_OBJECT = f"{_BUCKET}/o/(?P<object>.+)"

ROUTES = Router(
    "/",
    (
        ("POST", "storage/v1/b", buckets.insert),
        ("GET", _BUCKET, buckets.get),
        ("DELETE", _BUCKET, buckets.delete),
        ("GET", f"{_BUCKET}/o", objects.list_objects),
        ("GET", f"(?:download/)?{_OBJECT}", objects.get),
        ("DELETE", _OBJECT, objects.delete),
        ("POST", _UPLOAD, uploads.insert),
        ("PUT", _UPLOAD, uploads.resume),
        ("DELETE", _UPLOAD, uploads.abandon),
    ),
)
