"""The stand-in: a service in a process of its own that answers so quickly that only the client is measured.

    python -m tests.bench.service SECONDS

It prints its port, and serves both of Google's APIs as far as the benchmarks use them: creates, single
models, operations, and lists in pages of the services' sizes. A training takes SECONDS. A resource that has
settled is kept as bytes, and so is each page. So a list of ten thousand models costs no more than sending it.
It shares no code with the client. It is no emulator: it checks nothing and refuses nothing.

`GET /bench/counts` returns the requests and the bytes sent since the last such call. `POST /bench/models`
creates many tuned models: a list of `{"id": …, "body": …}`. `POST /bench/nothing` forgets everything.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

SNAPSHOTS = 12
"""Points of each loss curve, which makes a model 2.5 kB. Real trainings have up to some hundred."""
PAGE = {"tunedModels": 1000, "tuningJobs": 100, "models": 100, "endpoints": 100}
_NUMBER = "705902047143"
_PLACE = re.compile(r"/v1/projects/[^/]+/locations/([^/]+)/(tuningJobs|models|endpoints)(?:/([^/]+))?")
_TUNED = re.compile(r"/v1(?:beta)?/(tunedModels)(?:/([^/]+))?(/operations.*)?")


def indent(document: Mapping[str, Any]) -> bytes:
    """Write an entry of a list as Google does: pretty, and indented by its place in the list."""
    return json.dumps(document, indent=2).replace("\n", "\n    ").encode()


def show_time(seconds: float) -> str:
    """Write a time as Google does."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06}Z"


@dataclass(slots=True)
class Resource:
    """A model, job or endpoint: what it says when it has settled, and when that is."""

    document: dict[str, Any]
    ready: float
    text: bytes = b""

    def write(self, training: Mapping[str, Any], now: float) -> bytes:
        """Return it as an entry of a list; `training` is what it says instead of its results until then."""
        if now < self.ready:
            return indent({**self.document, **training})
        if not self.text:
            self.text = indent(self.document)
        return self.text


@dataclass
class Service:
    """Everything that was created, by list and name, and the pages that do not change any more."""

    seconds: float
    lists: dict[tuple[str, str], dict[str, Resource]] = field(default_factory=dict)
    pages: dict[tuple[str, str, str, str], bytes] = field(default_factory=dict)
    settled: float = 0.0
    requests: int = 0
    sent: int = 0

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of one answer."""
        path, _, text = target.partition("?")
        path = unquote(path)
        if path == "/bench/counts":
            counts = {"requests": self.requests, "bytes": self.sent}
            self.requests = self.sent = 0
            return 200, json.dumps(counts).encode()
        query = dict(parse_qsl(text))
        if path == "/bench/nothing":
            self.lists.clear()
            self.pages.clear()
            return 200, b"{}"
        if path == "/bench/models":
            for entry in json.loads(body):
                self._create("tunedModels", "", {"tunedModelId": entry["id"]}, entry["body"])
            return 200, b"{}"
        status, reply = self._answer(method, path, query, json.loads(body) if body else {})
        self.requests += 1
        self.sent += len(reply)
        return status, reply

    def _answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, bytes]:
        if found := _TUNED.fullmatch(path):
            collection, id, operation = found.groups()
            location = ""
        elif found := _PLACE.fullmatch(path):
            location, collection, id = found.groups()
            operation = None
        elif path == "/v1beta/models":
            base = {"name": "models/gemini-1.5-flash-001-tuning"}
            return 200, json.dumps(
                {"models": [{**base, "supportedGenerationMethods": ["createTunedModel"]}]}
            ).encode()
        else:
            return 404, b'{"error": {"code": 404, "message": "no such path", "status": "NOT_FOUND"}}'
        if method == "POST":
            return 200, self._create(collection, location, query, body)
        if id is None:
            return 200, self._list(collection, location, query)
        resource = self.lists.get((collection, location), {}).get(id)
        if resource is None:
            return 404, b'{"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}'
        if operation:
            return 200, json.dumps(self._show_operation(resource)).encode()
        return 200, resource.write(TRAINING[collection], time.time())

    def _create(self, collection: str, location: str, query: dict[str, str], body: Any) -> bytes:
        self.pages.clear()
        now = time.time()
        self.settled = now + self.seconds
        if collection == "tunedModels":
            id = query["tunedModelId"]
            resource = Resource(make_tuned_model(id, body, now, self.settled), self.settled)
            self.lists.setdefault((collection, ""), {})[id] = resource
            return json.dumps(self._show_operation(resource)).encode()
        job, model, endpoint = make_tuning_job(location, body, now, self.settled)
        for document in (job, model, endpoint):
            _, _, _, place, kind, name = document["name"].split("/")
            self.lists.setdefault((kind, place), {})[name] = Resource(document, self.settled)
        return indent({**job, **TRAINING["tuningJobs"]})

    def _show_operation(self, resource: Resource) -> dict[str, Any]:
        name = resource.document["name"]
        metadata: dict[str, Any] = {"totalSteps": SNAPSHOTS, "tunedModel": name}
        operation = {"name": f"{name}/operations/1", "metadata": metadata}
        if time.time() < resource.ready:
            return operation
        ended = {**metadata, "completedSteps": SNAPSHOTS, "completedPercent": 100}
        return {**operation, "metadata": ended, "done": True, "response": resource.document}

    def _list(self, collection: str, location: str, query: dict[str, str]) -> bytes:
        token, wanted = query.get("pageToken", ""), query.get("filter", "")
        known = self.pages.get((collection, location, token, wanted))
        if known is not None:
            return known
        now = time.time()
        resources = list(self.lists.get((collection, location), {}).values())
        if label := re.search(r'labels\.(\w+)="([^"]*)"', wanted):
            resources = [one for one in resources if one.document.get("labels", {}).get(label[1]) == label[2]]
        if collection in {"models", "endpoints"}:  # they do not exist before the training has ended
            resources = [one for one in resources if one.ready <= now]
        size = min(int(query.get("pageSize", "10")), PAGE[collection])
        first = int(token or 0)
        entries = [one.write(TRAINING[collection], now) for one in resources[first : first + size]]
        if not entries:
            return b"{}"
        page = b'{\n  "' + collection.encode() + b'": [\n    ' + b",\n    ".join(entries) + b"\n  ]"
        if first + size < len(resources):
            page += f',\n  "nextPageToken": "{first + size}"'.encode()
        page += b"\n}\n"
        if now > self.settled:
            self.pages[collection, location, token, wanted] = page
        return page


TRAINING: dict[str, dict[str, Any]] = {
    "tunedModels": {"state": "CREATING"},
    "tuningJobs": {"state": "JOB_STATE_RUNNING", "tunedModel": None, "endTime": None},
    "models": {},
    "endpoints": {},
}


def make_tuned_model(id: str, body: Any, now: float, ready: float) -> dict[str, Any]:
    """Return the TunedModel that a create makes, as it is when it has settled, with its loss curve."""
    snapshots = [
        {
            "step": step,
            "epoch": (step * 5 + SNAPSHOTS - 1) // SNAPSHOTS,
            "meanLoss": round(7.5 / step + zlib.crc32(f"{id}{step}".encode()) / 2**34, 7),
            "computeTime": show_time(now + (ready - now) * step / SNAPSHOTS),
        }
        for step in range(1, SNAPSHOTS + 1)
    ]
    task = {key: value for key, value in body["tuningTask"].items() if key != "trainingData"}
    return {
        "name": f"tunedModels/{id}",
        "baseModel": body["baseModel"],
        **{key: value for key, value in body.items() if key not in {"baseModel", "tuningTask"}},
        "topP": 0.95,
        "topK": 64,
        "state": "ACTIVE",
        "createTime": show_time(now),
        "updateTime": show_time(ready),
        "tuningTask": {
            "startTime": show_time(now),
            "completeTime": show_time(ready),
            "snapshots": snapshots,
            **task,
        },
    }


def make_tuning_job(
    location: str, body: Any, now: float, ready: float
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the job that a create makes, its model and its endpoint, as they are when they have settled."""
    label = body["labels"]["reconciler_id"]
    number = 10**18 + zlib.crc32(label.encode())
    project = f"projects/{_NUMBER}/locations"
    model, endpoint = f"{project}/us/models/{number}", f"{project}/us/endpoints/{number}"
    times = {"createTime": show_time(now), "updateTime": show_time(ready)}
    shown = {"displayName": body.get("tunedModelDisplayName", label), "labels": body["labels"]}
    job = {
        "name": f"{project}/{location}/tuningJobs/{number}",
        **body,
        "state": "JOB_STATE_SUCCEEDED",
        **times,
        "endTime": show_time(ready),
        "tunedModel": {
            "model": f"{model}@1",
            "endpoint": endpoint,
            "checkpoints": [
                {
                    "checkpointId": str(epoch),
                    "epoch": str(epoch),
                    "step": str(20 * epoch),
                    "endpoint": endpoint,
                }
                for epoch in range(1, 4)
            ],
        },
        "tuningDataStats": {
            "supervisedTuningDataStats": {
                "tuningDatasetExampleCount": "500",
                "totalBillableTokenCount": "31415",
                "tuningStepCount": "60",
                "userInputTokenDistribution": {
                    "sum": "12345",
                    "min": 3,
                    "max": 97,
                    "mean": 24.7,
                    "p5": 4,
                    "p95": 80,
                },
            }
        },
    }
    registered = {
        "name": model,
        **shown,
        "versionId": "1",
        "versionAliases": ["default"],
        **times,
        "deployedModels": [{"endpoint": endpoint, "deployedModelId": str(number)}],
        "modelSourceInfo": {"sourceType": "GENIE"},
    }
    deployed = {"id": str(number), "model": model, "modelVersionId": "1", **times}
    serving = {
        "name": endpoint,
        **shown,
        **times,
        "deployedModels": [deployed],
        "trafficSplit": {str(number): 100},
    }
    return job, registered, serving


class Connection(asyncio.Protocol):
    """One connection that stays open: requests with a content-length or none, one after the other."""

    def __init__(self, service: Service) -> None:
        self._service, self._buffer = service, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that has arrived whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].decode("latin-1")
            length = re.search(r"(?i)^content-length: *(\d+)", head, re.MULTILINE)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < size:
                return
            body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
            method, target, _ = head.split(" ", 2)
            status, reply = self._service.answer(method, target, body)
            self._transport.write(
                f"HTTP/1.1 {status} OK\r\ncontent-type: application/json; charset=UTF-8\r\n"
                f"content-length: {len(reply)}\r\n\r\n".encode()
                + reply
            )


async def serve(seconds: float) -> None:
    """Serve until the process is ended."""
    service = Service(seconds)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(service), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
