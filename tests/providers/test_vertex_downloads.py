"""Data in Cloud Storage is read part by part, as one version."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest

from reconciler.errors import NotFoundError, ServiceError
from reconciler.providers.vertex import downloads
from tests.providers.test_vertex_requests import Stand, stand

__all__ = ["stand"]

CONTENT = b"".join(b"%d\n" % number for number in range(1000))


def upload(stand: Stand, content: bytes) -> None:
    """Write gs://bucket/d.jsonl, over what is there."""
    url = f"{stand.url}/upload/storage/v1/b/bucket/o?uploadType=media&name=d.jsonl"
    urllib.request.urlopen(urllib.request.Request(url, content, method="POST")).close()


def read(stand: Stand) -> Iterator[bytes]:
    """Read gs://bucket/d.jsonl."""
    provider, _ = stand.provider()
    stored = provider.read_data("gs://bucket/d.jsonl")
    assert stored is not None
    return stored.parts


def test_parts_make_the_whole(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part is a request of its own, and the last one may be shorter."""
    monkeypatch.setattr(downloads, "PART", 1000)
    upload(stand, CONTENT)
    parts = list(read(stand))
    assert [len(part) for part in parts] == [1000, 1000, 1000, 890]
    assert b"".join(parts) == CONTENT


def test_the_version_tells_whether_the_content_is_the_same(stand: Stand) -> None:
    """It is the generation and the checksum, so an object that was written again is another one."""
    versions = []
    for content in (b"a", None, b"b", b"a"):
        if content is not None:
            upload(stand, content)
        stored = stand.provider()[0].read_data("gs://bucket/d.jsonl")
        assert stored is not None
        generation, _, checksum = stored.version.partition("/")
        assert generation.isdecimal()
        versions.append((generation, checksum))
    assert versions[0] == versions[1]
    assert len({generation for generation, _ in versions}) == 3
    assert versions[0][1] == versions[3][1] != versions[2][1]


def test_an_empty_object_has_no_part(stand: Stand) -> None:
    """No request asks for a range that is not there."""
    upload(stand, b"")
    assert list(read(stand)) == []


def test_two_versions_are_never_mixed(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """If somebody writes the object meanwhile, reading ends with an error."""
    monkeypatch.setattr(downloads, "PART", 1000)
    upload(stand, CONTENT)
    parts = read(stand)
    next(parts)
    upload(stand, CONTENT.swapcase())
    with pytest.raises(ServiceError, match="changed while it was read"):
        next(parts)


def test_what_is_not_there_is_not_found(stand: Stand) -> None:
    """A missing object is an error before the first part. A data set of Vertex AI cannot be read at all."""
    with pytest.raises(NotFoundError, match=r"gs://bucket/d\.jsonl does not exist"):
        read(stand)
    provider, _ = stand.provider()
    assert provider.read_data("projects/p/locations/l/datasets/7") is None
