"""Runs the command as its users do: a process, a folder, an environment, and a service on loopback.

Rule: nothing of the client is imported here. Tests see only what the contract promises.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import signal
import struct
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import requests

from tests import fork_server

BASE = "models/gemini-1.0-pro-001"
OTHER_BASE = "models/gemini-1.5-flash-001-tuning"
PAIRS = [(str(n), str(n + 1)) for n in range(20)]
ROOT = pathlib.Path(__file__).parents[2]
Answer = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]
"""A function that answers for a recording server.

It takes the method, the path and the body. It returns the status, the headers and the body.
"""
TODAY = "2026-11-29"
"""The day that base models are judged by, unless a test says otherwise."""
SECONDS = 60
"""How long a command may take before the test fails."""
STOPPING_SECONDS = 30
"""How long a command may take to stop after a signal. The design says 5 s, and slow machines get more here.

This is only a timeout. What a command must not wait for has to last longer: let it hang, or freeze the
clock."""


@dataclasses.dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both streams, standard output first."""
        return self.out + self.err

    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines; every line must be an object."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(request, dict) for request in found)
        return found


@dataclasses.dataclass(frozen=True)
class Service:
    """An emulator and its controls."""

    url: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to the service. It must succeed."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=10)
        with contextlib.closing(connection):
            sent = None if body is None else json.dumps(body)
            connection.request(method, f"/{path}", sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status == 200, text
        return json.loads(text)

    def control(self, path: str, body: object) -> Any:
        """Post to the control plane."""
        return self.call("POST", f"emulator/{path}", body)

    def settings(self, **values: Any) -> None:
        """Change settings."""
        self.control("settings", values)

    def freeze(self) -> None:
        """Stop the clock: trainings stand still."""
        self.control("clock", {"frozen": True})

    def advance(self, seconds: float = 1000) -> None:
        """Let time pass at once."""
        self.control("clock", {"advance": seconds})

    def fault(self, *rules: Mapping[str, Any]) -> None:
        """Add fault rules."""
        self.control("faults", list(rules))

    def heal(self) -> None:
        """Drop every fault."""
        self.call("DELETE", "emulator/faults")

    def log(self) -> list[dict[str, Any]]:
        """Every request so far, oldest first."""
        return list(self.call("GET", "emulator/requests")["requests"])

    def forget_log(self) -> None:
        """Empty the log."""
        self.call("DELETE", "emulator/requests")

    def sent(self, *methods: str) -> list[tuple[str, str]]:
        """The method and path of each logged request that has one of these methods."""
        return [
            (request["method"], request["path"])
            for request in self.log()
            if not methods or request["method"] in methods
        ]

    def creates(self) -> int:
        """How many requests to create a tuned model took effect."""
        return sum(
            1
            for request in self.log()
            if request["method"] == "POST" and request["path"].endswith("/tunedModels") and request["effect"]
        )

    def models(self) -> dict[str, dict[str, Any]]:
        """Live models by id."""
        found = self.call("GET", "v1beta/tunedModels?pageSize=1000").get("tunedModels", [])
        return {model["name"].removeprefix("tunedModels/"): model for model in found}

    def create(self, id: str, pairs: Sequence[tuple[str, str]] = PAIRS, **fields: Any) -> None:
        """Create a model without the client."""
        body = {
            "displayName": id,
            "baseModel": BASE,
            "tuningTask": {
                "hyperparameters": {"batchSize": 4, "learningRate": 0.001, "epochCount": 5},
                "trainingData": {
                    "examples": {
                        "examples": [{"textInput": text, "output": output} for text, output in pairs]
                    }
                },
            },
            **fields,
        }
        self.call("POST", f"v1beta/tunedModels?tunedModelId={id}", body)

    def delete(self, id: str) -> None:
        """Delete a model without the client."""
        self.call("DELETE", f"v1beta/tunedModels/{id}")

    def patch(self, id: str, mask: str, **fields: Any) -> None:
        """Change a model without the client."""
        self.call("PATCH", f"v1beta/tunedModels/{id}?updateMask={mask}", fields)

    def permissions(self, id: str) -> set[tuple[str, str, str]]:
        """The type, address and role of each permission of a model, except the owner's."""
        found = self.call("GET", f"v1beta/tunedModels/{id}/permissions?pageSize=100").get("permissions", [])
        return {
            (request["granteeType"], request.get("emailAddress", ""), request["role"])
            for request in found
            if request["role"] != "OWNER"
        }


@dataclasses.dataclass
class Project:
    """A folder with manifests, and the command in it.

    Attributes:
        environ: variables that every command sees besides PATH and its own home folder.
        fresh: every command gets a new interpreter; otherwise a fork of one, see tests/fork_server.py.
    """

    root: pathlib.Path
    service: Service
    environ: dict[str, str] = dataclasses.field(default_factory=dict)
    fresh: bool = False

    def env(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """The whole environment of a command. None removes a variable."""
        home = self.root.parent / f"{self.root.name}-home"
        home.mkdir(exist_ok=True)
        merged: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "RECONCILER_TODAY": TODAY,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "GOOGLE_GEMINI_BASE_URL": self.service.url,
            **self.environ,
            **(extra or {}),
        }
        return {key: value for key, value in merged.items() if value is not None}

    def start(
        self, *arguments: str, environ: Mapping[str, str | None] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return fork_server.start(arguments, fresh=self.fresh, cwd=self.root, env=self.env(environ), **options)

    def run(
        self,
        *arguments: str,
        environ: Mapping[str, str | None] | None = None,
        stdin: str | None = None,
        expect: int | None = None,
    ) -> Result:
        """Run a command to its end.

        Args:
            arguments: those of the command line.
            environ: variables that are added to the project's. None removes one.
            stdin: the text that it can read there.
            expect: the exit code that it must have.
        """
        options: dict[str, Any] = {} if stdin is None else {"stdin": subprocess.PIPE}
        with self.start(*arguments, environ=environ, **options) as process:
            try:
                out, err = process.communicate(stdin, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(f"{arguments} did not end:\n{out}\n{err}") from None
        result = Result(process.returncode, out, err)
        assert "Traceback (most recent call last)" not in result.all, result.all
        assert "internal error" not in result.all, result.all
        if expect is not None:
            assert result.code == expect, f"{arguments} left {result.code}:\n{result.out}\n{result.err}"
        return result

    def apply(self, *arguments: str, expect: int | None = 0, **options: Any) -> Result:
        """Run apply --auto-approve."""
        return self.run("apply", "--auto-approve", *arguments, expect=expect, **options)

    def plan(self, *arguments: str, expect: int | None = 0, **options: Any) -> Result:
        """Run plan."""
        return self.run("plan", *arguments, expect=expect, **options)

    def settled(self) -> None:
        """Assert that a plan has nothing to do."""
        result = self.plan("--detailed-exitcode", expect=None)
        assert result.code == 0, result.all

    def plan_json(self, *arguments: str) -> dict[str, Any]:
        """The plan document."""
        self.plan("--out", "judged.plan", *arguments)
        document = json.loads((self.root / "judged.plan").read_text())
        assert isinstance(document, dict)
        return document

    def actions(self, *arguments: str) -> dict[str, list[list[str]]]:
        """The actions of each change, by address. A no-op is left out unless it imports."""
        found: dict[str, list[list[str]]] = {}
        for change in self.plan_json(*arguments)["resource_changes"]:
            if change["change"]["actions"] != ["no-op"]:
                found.setdefault(change["address"], []).append(change["change"]["actions"])
        return found

    def write(self, name: str, text: str) -> pathlib.Path:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def declare(self, *documents: Mapping[str, Any], file: str = "manifests/models.yaml") -> None:
        """Write manifests into a file, instead of those that it had. JSON is YAML."""
        self.write(
            file,
            "---\n".join(
                json.dumps(document, indent=1, ensure_ascii=False).replace("\u2028", r"\u2028") + "\n"
                for document in documents
            ),
        )

    @property
    def state_file(self) -> pathlib.Path:
        """The default state's file."""
        return self.root / "state" / "default.json"

    def state(self) -> dict[str, Any]:
        """The state document."""
        document = json.loads(self.state_file.read_text())
        assert isinstance(document, dict)
        return document

    def record(self, name: str) -> dict[str, Any]:
        """What is recorded of TunedModel/NAME."""
        found = [
            resource for resource in self.state()["resources"] if resource["address"] == f"TunedModel/{name}"
        ]
        assert len(found) == 1, self.state()
        record = found[0]
        assert isinstance(record, dict)
        return record

    def recorded(self) -> list[str]:
        """Every recorded address, in the state's order."""
        return [resource["address"] for resource in self.state()["resources"]]


def model(
    name: str, *, pairs: Sequence[tuple[str, str]] = PAIRS, file: str | None = None, **changes: Any
) -> dict[str, Any]:
    """A manifest. It keeps no replaced model (keep_deposed: 0s) unless `changes` says so.

    Args:
        name: metadata.name.
        pairs: the inline examples.
        file: the data file, instead of inline examples.
        changes: metadata, spec and hyperparameters are merged into the usual ones. Other keys are added.
    """
    data = (
        {"file": file}
        if file
        else {"examples": {"examples": [{"text_input": text, "output": output} for text, output in pairs]}}
    )
    hyperparameters = changes.pop(
        "hyperparameters", {"batch_size": 4, "learning_rate": 0.001, "epoch_count": 5}
    )
    metadata = {"name": name, **changes.pop("metadata", {})}
    spec = {
        "display_name": name,
        "base_model": BASE,
        "tuning_task": {"hyperparameters": hyperparameters, "training_data": data},
        **changes.pop("spec", {}),
    }
    spec = {key: value for key, value in spec.items() if value is not None}
    return {
        "apiVersion": "reconciler/v1",
        "kind": "TunedModel",
        "metadata": metadata,
        "spec": spec,
        **changes,
        "lifecycle": {"keep_deposed": "0s", **changes.get("lifecycle", {})},
    }


def stack(name: str = "", **spec: Any) -> dict[str, Any]:
    """A Stack manifest."""
    return {"apiVersion": "reconciler/v1", "kind": "Stack", "metadata": {"name": name}, "spec": spec}


def data_digest(pairs: Sequence[tuple[str, str]]) -> str:
    """The `data` of design 2.4: SHA-256 of the examples in order, with a canonical object on each line."""
    digest = hashlib.sha256()
    for text, output in pairs:
        line = json.dumps({"output": output, "textInput": text}, ensure_ascii=False, separators=(",", ":"))
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def float_bits(value: float) -> str:
    """The hex of a float's float32 bits."""
    return struct.pack(">f", value).hex()


def identity(
    name: str,
    pairs: Sequence[tuple[str, str]] = PAIRS,
    *,
    generation: int = 0,
    stack: str = "",
    source: str = BASE,
    hyperparameters: Mapping[str, Any] | None = None,
) -> str:
    """The id of design 2.5, written from the design alone."""
    if hyperparameters is None:
        hyperparameters = {"batchSize": 4, "learningRate": float_bits(0.001), "epochCount": 5}
    whole = {
        "version": 2,
        "stack": stack,
        "workspace": "default",
        "generation": generation,
        "source": source,
        "hyperparameters": hyperparameters,
        "data": data_digest(pairs),
    }
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()
    return f"{name}-{digest[:8]}"


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def finish(process: subprocess.Popen[str], number: int | None = None) -> Result:
    """Send a signal if one is given, wait for the process to end, and return its result."""
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS if number is None else STOPPING_SECONDS)
    result = Result(process.returncode, out, err)
    assert "Traceback (most recent call last)" not in result.all, result.all
    return result


def kill(process: subprocess.Popen[str]) -> None:
    """Send SIGKILL, as an out-of-memory killer does."""
    process.send_signal(signal.SIGKILL)
    process.communicate()


@contextlib.contextmanager
def recording(
    answer: Answer,
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve HTTP and record each request's method, path and headers. Yields the address and the records."""
    seen: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {key.lower(): value for key, value in self.headers.items()}
            seen.append({"method": self.command, "path": self.path, "headers": headers, "body": body})
            status, extra, content = answer(self.command, self.path, body)
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", **extra}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = do_CONNECT = _any  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def forward(service: Service) -> Answer:
    """Return a function that passes every request on to the emulator."""

    def answer(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with requests.Session() as session:
            session.trust_env = False
            got = session.request(method, service.url + path, data=body, timeout=10)
        return got.status_code, {"Content-Type": got.headers["Content-Type"]}, got.content

    return answer
