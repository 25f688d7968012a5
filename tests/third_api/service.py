"""The service of the made-up API: a real server on loopback that keeps parrots and a log."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "key-of-the-parrots"


@dataclass
class Aviary:
    """The parrots of the service. Each is trained once somebody has looked at it twice.

    Attributes:
        sent: method and path of every request that changes something.
        trained: ids of all trainings that were ever begun.
    """

    url: str = ""
    parrots: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of the reply."""
        id, _, verb = path.removeprefix("/parrots").removeprefix("/").partition(":")
        if key != KEY:
            return 403, {"squawk": f"the key {key} is not ours"}
        if method != "GET" and not verb:
            self.sent.append(f"{method} {path}")
        if method == "GET" and not id:
            return 200, {"parrots": [self.show(one) for one in self.parrots]}
        if method == "POST" and not id:
            id = body["id"]
            if id in self.parrots:
                return 409, {"squawk": f"{id} is taken"}
            self.parrots[id] = {**body, "state": "CREATING"}
            self.trained.append(id)
            return 200, self.show(id)
        if id not in self.parrots:
            return 404, {"squawk": f"there is no {id}"}
        if verb == "ask":
            return 200, {"answer": dict(self.parrots[id]["words"]).get(body["prompt"], "?")}
        if method == "DELETE":
            del self.parrots[id]
            return 200, {}
        if method == "PATCH":
            self.parrots[id].update(body)
        return 200, self.show(id)

    def show(self, id: str) -> dict[str, Any]:
        """One parrot as the API shows it."""
        parrot = self.parrots[id]
        self.looks[id] = self.looks.get(id, 0) + 1
        if self.looks[id] > 2:
            parrot["state"] = "ACTIVE"
        return {key: value for key, value in parrot.items() if key != "words"}


@contextmanager
def serving() -> Iterator[Aviary]:
    """The service, on a free port."""
    aviary, lock = Aviary(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            key, path = self.headers.get("x-parrot-key", ""), re.sub(r"\?.*", "", self.path)
            with lock:
                status, document = aviary.answer(self.command, path, key, json.loads(content or b"{}"))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 (what http.server looks for)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    aviary.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield aviary
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
