"""The exit code of an apply that has ended stands (design 2.2).

Later signals and failures do not change it, and nothing hangs.
"""

from __future__ import annotations

import json
import signal
import threading

import pytest

from tests.cli.harness import Answer, Project, finish, model, recording


def _store(reading: threading.Event, released: threading.Event, status: int) -> Answer:
    """An HTTP state that returns `status` once a model serves, or hangs until released."""
    documents: list[bytes] = []

    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/lock"):
            return 200, {}, b""
        if method == "POST":
            documents.append(body)
            return 200, {}, b""
        if documents and _serves(documents[-1]):
            reading.set()
            released.wait(60)
            return status, {}, b""
        return (200, {}, documents[-1]) if documents else (404, {}, b"")

    return answer


def _locks(url: str) -> dict[str, str]:
    return {
        "TF_HTTP_LOCK_ADDRESS": f"{url}/lock",
        "TF_HTTP_UNLOCK_ADDRESS": f"{url}/lock",
        "TF_HTTP_LOCK_METHOD": "POST",
        "TF_HTTP_UNLOCK_METHOD": "DELETE",
    }


def _serves(document: bytes) -> bool:
    return all(resource["id"] and not resource["candidate"] for resource in json.loads(document)["resources"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_hangs_after_the_end(project: Project, number: int) -> None:
    """If the store hangs while outputs are read, one signal ends the run with the exit code of success."""
    project.declare(model("one"))
    reading, released = threading.Event(), threading.Event()
    with recording(_store(reading, released, 200)) as (url, _):
        process = project.start("apply", "--auto-approve", "--json", "--state", url, environ=_locks(url))
        with process:
            assert reading.wait(60)
            result = finish(process, number)
        released.set()
    assert result.code == 0, result.all
    *_, last = result.records()
    assert last["diagnostic"]["severity"] == "warning"
    assert "interrupted before the outputs were read" in last["@message"]
    assert "reconciler output" in last["diagnostic"]["detail"]


def test_outputs_that_cannot_be_read_change_no_code(project: Project) -> None:
    """A refused last read does not cause exit 1, which would mean that nothing was begun."""
    project.declare(model("one"))
    reading, released = threading.Event(), threading.Event()
    released.set()
    with recording(_store(reading, released, 403)) as (url, _):
        result = project.apply("--json", "--state", url, expect=0, environ=_locks(url))
    assert reading.is_set()
    told = [record["diagnostic"] for record in result.records() if record["type"] == "diagnostic"]
    assert {diagnostic["severity"] for diagnostic in told} == {"warning"}
    assert told[0]["summary"].endswith(": cannot read the state: 403 Forbidden")
    assert result.records()[-1]["type"] == "diagnostic"
