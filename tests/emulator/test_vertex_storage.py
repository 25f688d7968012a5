"""The object store beside Vertex: uploads of all sorts, preconditions, lists, downloads."""

import base64
import hashlib
import json
import pathlib
import warnings
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from reconciler.emulator.storage.checksums import compute_crc32c
from tests.emulator.conftest import Api
from tests.emulator.discovery import document

QUANTUM = 256 * 1024
UPLOAD = "upload/storage/v1/b/training/o"
CONTENT = b"a line\r\nanother\n\x00\xff\r\n"


def fits(schema: str, answer: object) -> bool:
    """Whether an answer is what the storage discovery document says; a failure says what is not."""
    problems = document("storage.v1").problems(schema, answer)
    assert not problems, problems
    return True


def put(api: Api, name: str, content: bytes = CONTENT, **parameters: Any) -> dict[str, Any]:
    """Upload in one request."""
    query = {"uploadType": "media", "name": name, **parameters}
    headers = {"Content-Type": "application/jsonl"}
    made = api.ok("POST", UPLOAD, params=query, data=content, headers=headers)
    assert fits("Object", made)
    return made


def address(name: str) -> str:
    """Return the path of an object."""
    return f"storage/v1/b/training/o/{quote(name, safe='')}"


def refusal(response: requests.Response) -> tuple[int, str]:
    """Return code and reason of an error in the shape of Cloud Storage."""
    error = response.json()["error"]
    assert set(error) == {"code", "message", "errors"}
    assert error["code"] == response.status_code
    assert error["errors"][0]["message"] == error["message"]
    return error["code"], error["errors"][0]["reason"]


def opened(api: Api, name: str, **parameters: Any) -> str:
    """Open a resumable upload, and return its address."""
    query = {"uploadType": "resumable", "name": name, **parameters}
    headers = {"X-Upload-Content-Type": "application/jsonl"}
    response = api.call("POST", UPLOAD, params=query, json={"metadata": {"k": "v"}}, headers=headers)
    assert response.status_code == 200
    assert response.headers["Location"].startswith(api.url)
    return response.headers["Location"].removeprefix(api.url + "/")


def send(api: Api, upload: str, content: bytes, span: str) -> requests.Response:
    """Send a part of a resumable upload."""
    headers = {"Content-Range": f"bytes {span}"}
    return api.call("PUT", upload, data=content, headers=headers, allow_redirects=False)


def test_media_upload(api: Api) -> None:
    """The metadata has size, type, checksums and a generation. The content comes back byte for byte."""
    made = put(api, "sets/a b?#ü.jsonl")
    assert made["name"] == "sets/a b?#ü.jsonl"
    assert made["size"] == str(len(CONTENT))
    assert made["contentType"] == "application/jsonl"
    assert made["md5Hash"] == base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()
    assert base64.b64decode(made["crc32c"]) == compute_crc32c(CONTENT).to_bytes(4)
    assert api.ok("GET", address(made["name"])) == made
    for path in (address(made["name"]), "download/" + address(made["name"])):
        response = api.call("GET", path, params={"alt": "media"})
        assert response.content == CONTENT
        assert response.headers["Content-Type"].startswith("application/jsonl")
        assert response.headers["X-Goog-Generation"] == made["generation"]
    assert requests.get(made["mediaLink"], timeout=5).content == CONTENT


def test_multipart_upload(api: Api) -> None:
    """One body has metadata and content. Line ends and a boundary in the content survive."""
    content = CONTENT + b"--other\r\nx"
    body = (
        b"--cut\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
        + json.dumps({"name": "m", "metadata": {"k": "v"}}).encode()
        + b"\r\n--cut\r\nContent-Type: text/plain\r\n\r\n"
        + content
        + b"\r\n--cut--"
    )
    headers = {"Content-Type": 'multipart/related; boundary="cut"'}
    made = api.ok("POST", UPLOAD, params={"uploadType": "multipart"}, data=body, headers=headers)
    assert fits("Object", made)
    assert (made["name"], made["contentType"], made["metadata"]) == ("m", "text/plain", {"k": "v"})
    assert api.call("GET", address("m"), params={"alt": "media"}).content == content


def test_resumable_upload(api: Api) -> None:
    """A part is answered with 308 and what has arrived.

    The last part is answered with the object, also a second time.
    """
    content = bytes(range(256)) * 1024 * 2 + b"the end"
    upload = opened(api, "big")
    response = send(api, upload, b"", "*/*")
    assert response.status_code == 308
    assert "Range" not in response.headers
    response = send(api, upload, content[:QUANTUM], f"0-{QUANTUM - 1}/*")
    assert (response.status_code, response.headers["Range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert api.call("GET", address("big")).status_code == 404
    assert send(api, upload, b"", f"*/{len(content)}").headers["Range"] == f"bytes=0-{QUANTUM - 1}"
    last = send(api, upload, content[QUANTUM:], f"{QUANTUM}-{len(content) - 1}/{len(content)}")
    assert last.status_code == 200
    assert fits("Object", last.json())
    assert last.json()["contentType"] == "application/jsonl"
    assert last.json()["metadata"] == {"k": "v"}
    assert send(api, upload, b"", f"*/{len(content)}").json() == last.json()
    assert api.call("GET", address("big"), params={"alt": "media"}).content == content


def test_a_part_that_is_sent_twice(api: Api) -> None:
    """Bytes that had arrived are not doubled. A gap is refused."""
    upload = opened(api, "again")
    content = b"x" * QUANTUM + b"y" * QUANTUM
    send(api, upload, content[:QUANTUM], f"0-{QUANTUM - 1}/{len(content)}")
    send(api, upload, content[:QUANTUM], f"0-{QUANTUM - 1}/{len(content)}")
    late = send(api, upload, b"z", f"{len(content)}-{len(content)}/{len(content) + 1}")
    assert late.status_code == 503
    assert send(api, upload, content, f"0-{len(content) - 1}/{len(content)}").status_code == 200
    assert api.call("GET", address("again"), params={"alt": "media"}).content == content


def test_a_part_that_is_cut_off(api: Api) -> None:
    """If the connection breaks in a part, whole quanta have arrived. Another call has no effect."""
    content = b"x" * (3 * QUANTUM)
    upload = opened(api, "cut")
    rule = {"method": "PUT", "path": "/upload/", "cut": QUANTUM + 5}
    api.control("faults", [rule, {"method": "POST", "path": "/upload/", "cut": 3}])
    with pytest.raises(requests.ConnectionError):
        send(api, upload, content, f"0-{len(content) - 1}/{len(content)}")
    assert send(api, upload, b"", f"*/{len(content)}").headers["Range"] == f"bytes=0-{QUANTUM - 1}"
    with pytest.raises(requests.ConnectionError):
        put(api, "never")
    assert api.call("GET", address("never")).status_code == 404
    assert send(api, upload, content[QUANTUM:], f"{QUANTUM}-{len(content) - 1}/{len(content)}").ok


@pytest.mark.parametrize(
    ("content", "span"),
    [(b"abc", "0-1/3"), (b"abc", "0-2/2"), (b"abc", "0-2/*"), (b"abc", "here"), (b"abc", "*/3")],
)
def test_a_part_that_does_not_fit(api: Api, content: bytes, span: str) -> None:
    """A range unlike the body, past the end, of an odd length, or none at all is a 400."""
    upload = opened(api, "odd")
    assert refusal(send(api, upload, content, span)) == (400, "invalid")
    assert send(api, upload, b"abc", "0-2/3").status_code == 200


def test_an_upload_in_one_put_and_one_that_is_abandoned(api: Api) -> None:
    """A PUT without a range is the whole object. A deleted upload is gone."""
    upload = opened(api, "whole")
    assert api.call("PUT", upload, data=CONTENT).json()["size"] == str(len(CONTENT))
    upload = opened(api, "never")
    assert api.call("DELETE", upload).status_code == 499
    assert refusal(api.call("PUT", upload, data=CONTENT)) == (404, "notFound")
    assert api.call("GET", address("never")).status_code == 404
    assert refusal(api.call("PUT", UPLOAD, params={"upload_id": "x"})) == (404, "notFound")


def test_put_if_absent(api: Api) -> None:
    """With ifGenerationMatch=0 the first upload wins. The second is a 412 that changes nothing."""
    first = put(api, "once", ifGenerationMatch="0")
    query = {"uploadType": "media", "name": "once", "ifGenerationMatch": "0"}
    response = api.call("POST", UPLOAD, params=query, data=b"other")
    assert refusal(response) == (412, "conditionNotMet")
    assert response.json()["error"]["errors"][0]["location"] == "If-Match"
    assert api.ok("GET", address("once")) == first
    resumable = {**query, "uploadType": "resumable"}
    assert refusal(api.call("POST", UPLOAD, params=resumable)) == (412, "conditionNotMet")


def test_two_resumable_uploads_of_one_name(api: Api) -> None:
    """Both begin while there is no object. The condition counts at the end too."""
    uploads = [opened(api, "race", ifGenerationMatch="0") for _ in range(2)]
    assert api.call("PUT", uploads[1], data=b"winner").status_code == 200
    assert refusal(api.call("PUT", uploads[0], data=b"loser")) == (412, "conditionNotMet")
    assert api.call("GET", address("race"), params={"alt": "media"}).content == b"winner"


def test_generations(api: Api) -> None:
    """Each new content has a larger generation. Conditions hold only for the live one."""
    api.control("clock", {"frozen": True})
    first = put(api, "g")["generation"]
    second = put(api, "g", b"other", ifGenerationMatch=first)["generation"]
    assert int(second) > int(first)
    query = {"uploadType": "media", "name": "g", "ifGenerationMatch": first}
    assert api.call("POST", UPLOAD, params=query).status_code == 412
    get = address("g")
    for parameters, status in [
        ({"generation": second}, 200),
        ({"generation": first}, 404),
        ({"ifGenerationMatch": second}, 200),
        ({"ifGenerationMatch": first}, 412),
        ({"ifGenerationNotMatch": first}, 200),
        ({"ifGenerationNotMatch": second}, 412),
        ({"ifMetagenerationMatch": "1"}, 200),
        ({"ifMetagenerationMatch": "2"}, 412),
        ({"ifGenerationMatch": "x"}, 400),
        ({"colour": "red"}, 400),
    ]:
        assert api.call("GET", get, params=parameters).status_code == status, parameters
    assert api.call("DELETE", get, params={"ifGenerationMatch": first}).status_code == 412
    assert api.call("DELETE", get, params={"ifGenerationMatch": second}).status_code == 204
    assert refusal(api.call("GET", get)) == (404, "notFound")
    assert refusal(api.call("DELETE", get)) == (404, "notFound")
    third = put(api, "g")["generation"]
    assert int(third) > int(second)


def test_checksums_are_compared(api: Api) -> None:
    """A wrong declared checksum is a 400, and nothing is stored. A right one is accepted."""
    for declared, status in (({"crc32c": "AAAAAA=="}, 400), ({"md5Hash": "AAAA"}, 400), ({}, 200)):
        query = {"uploadType": "resumable", "name": "sum"}
        response = api.call("POST", UPLOAD, params=query, json=declared)
        upload = response.headers["Location"].removeprefix(api.url + "/")
        assert api.call("PUT", upload, data=CONTENT).status_code == status
        assert api.call("GET", address("sum")).status_code == (200 if status == 200 else 404)


@given(st.binary(max_size=300))
def test_crc32c_is_crc32c(content: bytes) -> None:
    """The fast computation gives what the bit-by-bit definition gives."""
    register = 0xFFFFFFFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    assert compute_crc32c(content) == register ^ 0xFFFFFFFF
    assert compute_crc32c(b"123456789") == 0xE3069283


def test_lists(api: Api) -> None:
    """Objects are listed by name, in pages and by prefix. With a delimiter the folders are apart."""
    for name in ("a/1", "a/2", "a/b/3", "c", "d%_"):
        put(api, name)

    def names(**parameters: str) -> tuple[list[str], list[str], str]:
        answer = api.ok("GET", "storage/v1/b/training/o", params=parameters)
        assert fits("Objects", answer)
        items = [item["name"] for item in answer.get("items", [])]
        return items, answer.get("prefixes", []), answer.get("nextPageToken", "")

    assert names() == (["a/1", "a/2", "a/b/3", "c", "d%_"], [], "")
    assert names(prefix="a/") == (["a/1", "a/2", "a/b/3"], [], "")
    assert names(prefix="%") == ([], [], "")
    assert names(delimiter="/") == (["c", "d%_"], ["a/"], "")
    assert names(prefix="a/", delimiter="/") == (["a/1", "a/2"], ["a/b/"], "")
    items, _, token = names(maxResults="3")
    assert items == ["a/1", "a/2", "a/b/3"]
    assert names(maxResults="3", pageToken=token) == (["c", "d%_"], [], "")
    _, prefixes, token = names(delimiter="/", maxResults="1")
    assert prefixes == ["a/"]
    assert names(delimiter="/", pageToken=token) == (["c", "d%_"], [], "")
    assert api.call("GET", "storage/v1/b/other/o").json() == {"kind": "storage#objects"}
    for parameters in ({"pageToken": "?"}, {"maxResults": "0"}, {"maxResults": "x"}):
        refused = api.call("GET", "storage/v1/b/training/o", params=parameters)
        assert refusal(refused) == (400, "invalid")


@pytest.mark.parametrize(
    ("span", "content"),
    [("0-2", CONTENT[:3]), ("5-", CONTENT[5:]), ("-4", CONTENT[-4:]), ("2-999", CONTENT[2:])],
)
def test_ranges(api: Api, span: str, content: bytes) -> None:
    """A part of the content is a 206."""
    put(api, "r")
    headers = {"Range": f"bytes={span}"}
    response = api.call("GET", address("r"), params={"alt": "media"}, headers=headers)
    assert (response.status_code, response.content) == (206, content)
    beyond = {"Range": "bytes=999-"}
    assert api.call("GET", address("r"), params={"alt": "media"}, headers=beyond).status_code == 416


def test_what_an_upload_needs(api: Api) -> None:
    """It needs a name, a known type, and for multipart two parts. Otherwise it is a 400 that says so."""
    for parameters, told in (
        ({"uploadType": "media"}, "Required parameter: name"),
        ({"uploadType": "resumable"}, "Required parameter: name"),
        ({"name": "x"}, "upload type"),
        ({"uploadType": "pigeon", "name": "x"}, "upload type"),
        ({"uploadType": "multipart", "name": "x"}, "multipart"),
        ({"uploadType": "media", "name": "x" * 1025}, "object name"),
        ({"uploadType": "media", "name": "x", "ifGenerationMatch": "now"}, "if_generation_match"),
    ):
        response = api.call("POST", UPLOAD, params=parameters, data=b"")
        assert response.status_code == 400
        assert told in response.json()["error"]["message"]
    assert api.call("GET", "storage/v1/b/training/o").json() == {"kind": "storage#objects"}


def test_buckets(api: Api, start: Callable[..., Api]) -> None:
    """Any bucket exists. With strict settings a bucket exists from its creation to its deletion."""
    assert fits("Bucket", api.ok("GET", "storage/v1/b/anything"))
    strict = start(storage_buckets="strict")
    query = {"uploadType": "media", "name": "x"}
    for method, path in (
        ("GET", "storage/v1/b/training"),
        ("GET", "storage/v1/b/training/o"),
        ("GET", address("x")),
    ):
        assert refusal(strict.call(method, path)) == (404, "notFound")
    assert refusal(strict.call("POST", UPLOAD, params=query)) == (404, "notFound")
    request = {"name": "training", "location": "US-CENTRAL1"}
    made = strict.ok("POST", "storage/v1/b", params={"project": "p"}, json=request)
    assert fits("Bucket", made)
    assert strict.ok("GET", "storage/v1/b/training")["location"] == "US-CENTRAL1"
    assert refusal(strict.call("POST", "storage/v1/b", json=request)) == (409, "conflict")
    assert refusal(strict.call("POST", "storage/v1/b", json={"name": "No"})) == (400, "invalid")
    put(strict, "x")
    assert refusal(strict.call("DELETE", "storage/v1/b/training")) == (409, "conflict")
    assert strict.call("DELETE", address("x")).status_code == 204
    assert strict.call("DELETE", "storage/v1/b/training").status_code == 204
    assert strict.call("GET", "storage/v1/b/training").status_code == 404


def test_faults_meet_the_object_store(api: Api) -> None:
    """A rule for its paths is answered in its shape. An upload whose reply is lost was made."""
    rules = [{"path": "^/upload/", "status": 503}, {"path": "^/upload/", "drop": True, "when": "after"}]
    api.control("faults", rules)
    query = {"uploadType": "media", "name": "x"}
    assert refusal(api.call("POST", UPLOAD, params=query, data=b"1")) == (503, "backendError")
    assert api.call("GET", address("x")).status_code == 404
    with pytest.raises(requests.ConnectionError):
        api.call("POST", UPLOAD, params=query, data=b"1")
    assert api.ok("GET", address("x"))["size"] == "1"


def test_the_log_has_no_upload_ids(api: Api) -> None:
    """An upload id lets anybody write, so the log of requests leaves it out."""
    upload = opened(api, "x")
    secret = upload.rpartition("upload_id=")[2]
    api.call("PUT", upload, data=b"1")
    assert secret
    assert secret not in json.dumps(api.requests_logged())


def test_google_api_client_uploads(api: Api, tmp_path: pathlib.Path) -> None:
    """google-api-python-client with the static storage document uploads in parts, reads and lists."""
    file = tmp_path / "data.jsonl"
    file.write_bytes(b"0123456789abcdef" * 40_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from google.auth.credentials import AnonymousCredentials
        from googleapiclient.discovery import build_from_document  # type: ignore[import-untyped]
        from googleapiclient.http import MediaFileUpload  # type: ignore[import-untyped]
    # Uploads ignore client_options. They use the address in the document.
    text = document("storage.v1").text.replace("https://storage.googleapis.com/", f"{api.url}/")
    with build_from_document(text, credentials=AnonymousCredentials()) as service:
        media = MediaFileUpload(str(file), mimetype="text/plain", chunksize=QUANTUM, resumable=True)
        request = service.objects().insert(
            bucket="training", name="x/y", media_body=media, ifGenerationMatch=0
        )
        parts, made = 0, None
        while made is None:
            _, made = request.next_chunk()
            parts += 1
        assert parts == 3
        assert made["size"] == "640000"
        assert service.objects().get_media(bucket="training", object="x/y").execute() == file.read_bytes()
        assert service.objects().list(bucket="training").execute()["items"] == [made]
        small = MediaFileUpload(str(file), mimetype="text/plain", resumable=False)
        again = service.objects().insert(bucket="training", body={"name": "z"}, media_body=small).execute()
        assert again["md5Hash"] == made["md5Hash"]
