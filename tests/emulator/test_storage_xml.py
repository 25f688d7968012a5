"""Cloud Storage's XML API: what obstore, which keeps the state, can do with the emulator."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import GCSStore

from tests.emulator.conftest import Api

if TYPE_CHECKING:
    from obstore import PutResult, UpdateVersion
    from obstore.store import GCSCredential


def credential() -> "GCSCredential":
    """Return what the emulator takes for one."""
    return {"token": "emulator", "expires_at": None}


def over(made: "PutResult") -> "UpdateVersion":
    """Return the condition that the object is still what was made then."""
    return {"e_tag": made["e_tag"], "version": made["version"]}


@pytest.fixture
def store(api: Api) -> GCSStore:
    """Return the real client of a bucket, which does not try again."""
    return GCSStore(
        "bucket",
        config={"base_url": api.url},
        credential_provider=credential,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
    )


def error_code(text: str) -> str:
    """Return the code of an XML error."""
    return ET.fromstring(text).findtext("Code") or ""  # noqa: S314


def test_an_object_lives_and_dies(store: GCSStore) -> None:
    """The real client puts, heads, gets, reads a range and deletes."""
    made = obstore.put(store, "a/b c.json", b"content", mode="create", use_multipart=False)
    meta = obstore.head(store, "a/b c.json")
    assert (meta["path"], meta["size"]) == ("a/b c.json", 7)
    assert (meta["e_tag"], meta["version"]) == (made["e_tag"], made["version"])
    assert bytes(obstore.get(store, "a/b c.json").bytes()) == b"content"
    assert bytes(obstore.get_range(store, "a/b c.json", start=3, end=5)) == b"te"
    obstore.delete(store, "a/b c.json")
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "a/b c.json")


def test_writes_are_conditional(store: GCSStore) -> None:
    """A create of an existing object and a write over another generation are refused."""
    first = obstore.put(store, "x", b"1", mode="create", use_multipart=False)
    with pytest.raises((AlreadyExistsError, PreconditionError)):
        obstore.put(store, "x", b"2", mode="create", use_multipart=False)
    second = obstore.put(store, "x", b"1", mode=over(first), use_multipart=False)
    assert second["version"] != first["version"]
    assert second["e_tag"] == first["e_tag"]
    with pytest.raises(PreconditionError):
        obstore.put(store, "x", b"3", mode=over(first), use_multipart=False)
    assert bytes(obstore.get(store, "x").bytes()) == b"1"


def test_a_bucket_is_listed(store: GCSStore) -> None:
    """All names under a prefix come in order, over many pages. With a delimiter the folders come too."""
    names = [f"team/{number:04}&<é>.json" for number in range(1_050)] + ["team/deep/x"]
    for name in names:
        obstore.put(store, name, b"", use_multipart=False)
    found = [one["path"] for part in obstore.list(store, "team") for one in part]
    assert found == sorted(names)
    shown = obstore.list_with_delimiter(store, "team")
    assert [str(name) for name in shown["common_prefixes"]] == ["team/deep"]
    assert len(shown["objects"]) == 1_050


def test_both_apis_have_the_same_objects(api: Api, store: GCSStore) -> None:
    """What one API stored, the other reads and deletes, under the same generation."""
    obstore.put(store, "train.jsonl", b"{}", use_multipart=False)
    metadata = api.ok("GET", "storage/v1/b/bucket/o/train.jsonl")
    assert metadata["generation"] == obstore.head(store, "train.jsonl")["version"]
    assert api.call("DELETE", "storage/v1/b/bucket/o/train.jsonl").status_code == 204
    assert api.call("GET", "bucket/train.jsonl").status_code == 404
    api.ok("POST", "upload/storage/v1/b/bucket/o?uploadType=media&name=y", data=b"yes")
    assert bytes(obstore.get(store, "y").bytes()) == b"yes"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "bucket/none", {}, 404, "NoSuchKey"),
        ("GET", "bucket/none", {"x-goog-if-generation-match": "7"}, 412, "PreconditionFailed"),
        ("PUT", "bucket/x", {"x-goog-if-generation-match": "7"}, 412, "PreconditionFailed"),
        ("PUT", "bucket/x", {"x-goog-if-generation-match": "seven"}, 400, "InvalidArgument"),
        ("PUT", "bucket/x", {"Content-MD5": "AAAA"}, 400, "InvalidArgument"),
        ("PUT", "bucket/x", {"x-goog-copy-source": "bucket/y"}, 501, "NotImplemented"),
        ("PUT", "bucket/x?partNumber=1&uploadId=2", {}, 501, "NotImplemented"),
        ("POST", "bucket/x?uploads", {}, 501, "NotImplemented"),
        ("DELETE", "bucket/none", {}, 404, "NoSuchKey"),
        ("GET", "bucket?max-keys=none", {}, 400, "InvalidArgument"),
        ("GET", "bucket?continuation-token=%FF", {}, 400, "InvalidArgument"),
    ],
)
def test_refusals_are_xml(
    api: Api, method: str, path: str, headers: dict[str, str], *, status: int, code: str
) -> None:
    """What cannot be done is refused as the XML API does, and nothing is stored."""
    response = api.call(method, path, headers=headers, data=b"" if method == "PUT" else None)
    assert response.status_code == status
    assert response.headers["content-type"].startswith("application/xml")
    assert error_code(response.text) == code
    assert api.ok("GET", "storage/v1/b/bucket/o") == {"kind": "storage#objects"}


def test_a_missing_bucket_is_no_missing_object(start: Callable[..., Api]) -> None:
    """If buckets must be created, the code says whether the bucket or the object is missing."""
    api = start(storage_buckets="strict")
    for path in ("bucket/x", "bucket"):
        response = api.call("GET", path)
        assert (response.status_code, error_code(response.text)) == (404, "NoSuchBucket")


@pytest.mark.parametrize("name", ["emulator", "storage", "upload", "v1beta", "v1alpha", "v1beta1"])
def test_the_apis_own_words_are_no_buckets(api: Api, name: str) -> None:
    """A path that begins like another API's path belongs to that API, and stores nothing."""
    response: Any = api.call("PUT", f"{name}/x", data=b"x")
    assert response.status_code == 404
    assert "xml" not in response.headers["content-type"]
