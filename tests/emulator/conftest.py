"""Gives each test an emulator on a port of its own, with a clock that only the test moves."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator

EXAMPLES = [
    ("1", "2"),
    ("3", "4"),
    ("-3", "-2"),
    ("twenty two", "twenty three"),
    ("two hundred", "two hundred one"),
    ("ninety nine", "one hundred"),
    ("8", "9"),
    ("-98", "-97"),
    ("1,000", "1,001"),
    ("10,100,000", "10,100,001"),
    ("thirteen", "fourteen"),
    ("eighty", "eighty one"),
    ("one", "two"),
    ("three", "four"),
    ("seven", "eight"),
]


@dataclasses.dataclass
class Api:
    """An emulator as a caller sees it, and its controls."""

    url: str
    session: requests.Session
    headers: dict[str, str] = dataclasses.field(default_factory=dict)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; *path* begins with the version."""
        options.setdefault("timeout", 10)
        headers = {**self.headers, **options.pop("headers", {})}
        return self.session.request(method, f"{self.url}/{path}", headers=headers, **options)

    def ok(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request that must succeed, and return its answer."""
        response = self.call(method, path, **options)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert isinstance(answer, dict)
        return answer

    def refused(self, method: str, path: str, **options: Any) -> tuple[int, str, str]:
        """Send a request that must fail; return code, canonical status and message."""
        response = self.call(method, path, **options)
        assert response.status_code >= 400, response.text
        error = response.json()["error"]
        assert error["code"] == response.status_code
        return error["code"], error["status"], error["message"]

    def create(self, model_id: str = "", **fields: Any) -> dict[str, Any]:
        """Create a model. *fields* replace those of a usual request."""
        query = {"tunedModelId": model_id} if model_id else {}
        return self.ok("POST", "v1beta/tunedModels", params=query, json=body(**fields))

    def control(self, path: str, change: object) -> dict[str, Any]:
        """Post to the emulator's control plane."""
        return self.ok("POST", f"emulator/{path}", json=change)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.control("clock", {"advance": seconds})

    def requests_logged(self) -> list[dict[str, Any]]:
        """Return the log of requests."""
        return list(self.ok("GET", "emulator/requests")["requests"])

    def as_caller(self, **headers: str) -> "Api":
        """Return the same emulator, seen by somebody with these headers."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return Api(self.url, self.session, named)


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a create request."""
    pairs = fields.pop("pairs", EXAMPLES)
    examples = [{"textInput": given, "output": output} for given, output in pairs]
    return {
        "displayName": "number generator",
        "baseModel": "models/gemini-1.0-pro-001",
        "tuningTask": {
            "hyperparameters": {"batchSize": 4, "learningRate": 0.001, "epochCount": 5},
            "trainingData": {"examples": {"examples": examples}},
        },
        **fields,
    }


@pytest.fixture
def start() -> Iterator[Callable[..., Api]]:
    """Return a starter of emulators with settings; the clocks stand still."""
    with contextlib.ExitStack() as stack:

        def starter(*, frozen: bool = True, **settings: Any) -> Api:
            settings.setdefault("training_seconds", 10.0)
            # Jobs and models share one location here. In test_vertex_places they are where the real service
            # has them.
            settings.setdefault("vertex_gemini_3_place", "job")
            emulator = stack.enter_context(run_emulator(settings=Settings(**settings)))
            session = stack.enter_context(requests.Session())
            session.trust_env = False
            api = Api(emulator.url, session)
            if frozen:
                api.control("clock", {"frozen": True})
            return api

        yield starter


@pytest.fixture
def api(start: Callable[..., Api]) -> Api:
    """Return an emulator with the usual settings; a training takes ten of its seconds."""
    return start()


@pytest.fixture
def vertex(api: Api) -> Any:
    """Return the Vertex side of the emulator, with a data set in its object store."""
    from tests.emulator.vertex_caller import Vertex

    caller = Vertex(api)
    caller.upload_pairs()
    return caller
