"""The methods of Cloud Storage's JSON API."""

from reconciler.emulator.call import Router
from reconciler.emulator.storage import buckets, objects, uploads

_BUCKET = "storage/v1/b/(?P<bucket>[^/]+)"
_UPLOAD = f"(?:resumable/)?upload/{_BUCKET}/o"
_OBJECT = f"{_BUCKET}/o/(?P<object>.+)"
_COMMON = "user_project projection provider"
_METAGENERATION = "if_metageneration_match if_metageneration_not_match"
_CONDITIONS = f"if_generation_match if_generation_not_match {_METAGENERATION}"
_INSERT_BUCKET = "project predefined_acl predefined_default_object_acl"
_LIST_OBJECTS = (
    "prefix delimiter max_results page_token start_offset end_offset versions include_trailing_delimiter"
    " match_glob"
)
_INSERT_OBJECT = "name content_encoding kms_key_name predefined_acl upload_id"

ROUTES = Router(
    "/",
    (
        ("POST", "storage/v1/b", buckets.insert, f"{_COMMON} {_INSERT_BUCKET}"),
        ("GET", _BUCKET, buckets.get, f"{_COMMON} {_METAGENERATION}"),
        ("DELETE", _BUCKET, buckets.delete, _COMMON),
        ("GET", f"{_BUCKET}/o", objects.list_objects, f"{_COMMON} {_LIST_OBJECTS}"),
        ("GET", f"(?:download/)?{_OBJECT}", objects.get, f"{_COMMON} {_CONDITIONS} generation soft_deleted"),
        ("DELETE", _OBJECT, objects.delete, f"{_COMMON} {_CONDITIONS} generation"),
        ("POST", _UPLOAD, uploads.insert, f"{_COMMON} {_CONDITIONS} {_INSERT_OBJECT}"),
        ("PUT", _UPLOAD, uploads.resume, None),
        ("DELETE", _UPLOAD, uploads.abandon, None),
    ),
)
