"""A caller of the emulator's Vertex side, who checks every answer against the discovery documents."""

import dataclasses
import json
from typing import Any

import requests

from tests.emulator.conftest import Api
from tests.emulator.discovery import document

PLACE = "projects/my-project/locations/us-central1"
PAIRS = [("one", "two"), ("three", "four"), ("ninety nine", "one hundred"), ("seven", "eight")]
DATA = "gs://training/sets/numbers.jsonl"


def line(given: str, output: str) -> dict[str, Any]:
    """Return one line of a data set."""
    return {
        "systemInstruction": {"role": "system", "parts": [{"text": "Count on."}]},
        "contents": [
            {"role": "user", "parts": [{"text": given}]},
            {"role": "model", "parts": [{"text": output}]},
        ],
    }


def jsonl(lines: list[dict[str, Any]]) -> str:
    """Return a data set."""
    return "".join(json.dumps(item) + "\n" for item in lines)


@dataclasses.dataclass
class Vertex:
    """The Vertex side and the object store, in one project and location."""

    api: Api
    version: str = "v1"

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; *path* is a full resource name, or begins within the location."""
        if not path.startswith("projects/"):
            path = f"{PLACE}/{path}"
        response = self.api.call(method, f"{self.version}/{path}", **options)
        if response.status_code == 200 and "stream" not in path and path.partition("?")[0]:
            document_name = f"aiplatform.{self.version}"
            bare = f"/{self.version}/{path.partition('?')[0]}"
            problems = document(document_name).answer_problems(method, bare, response.json())
            assert not problems, problems
        return response

    def ok(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request that must succeed, and return its answer, which fits its schema."""
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

    def upload(self, content: str | bytes, uri: str = DATA) -> None:
        """Put an object."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        data = content.encode() if isinstance(content, str) else content
        path = f"upload/storage/v1/b/{bucket}/o"
        self.api.ok("POST", path, params={"uploadType": "media", "name": name}, data=data)

    def upload_pairs(self, pairs: list[tuple[str, str]] | None = None, uri: str = DATA) -> None:
        """Put a data set."""
        self.upload(jsonl([line(given, output) for given, output in pairs or PAIRS]), uri)

    def create(self, **fields: Any) -> dict[str, Any]:
        """Create a job. *fields* replace those of a usual request, and None removes one."""
        return self.ok("POST", "tuningJobs", json=body(**fields))

    def job(self, name: str) -> dict[str, Any]:
        """Return a job as it is."""
        return self.ok("GET", name)

    def state(self, job: dict[str, Any]) -> str:
        """Return a job's state as it is, without the prefix."""
        return str(self.job(job["name"])["state"]).removeprefix("JOB_STATE_")

    def finished(self, **fields: Any) -> dict[str, Any]:
        """Create a job and let it end."""
        job = self.create(**fields)
        self.api.advance(10)
        return self.job(job["name"])

    def settle(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Let an operation end, if it has not ended with its first answer, and return it."""
        if "done" not in operation:
            self.api.advance(1)
        operation = self.ok("GET", operation["name"])
        assert operation["done"] is True
        return operation

    def undeploy(self, endpoint: str) -> dict[str, Any]:
        """Undeploy everything from an endpoint, and wait."""
        deployed = self.ok("GET", endpoint)["deployedModels"][0]["id"]
        request = {"deployedModelId": deployed}
        return self.settle(self.ok("POST", f"{endpoint}:undeployModel", json=request))

    def make_endpoint(self, endpoint_id: str = "", *, place: str = PLACE, **fields: Any) -> str:
        """Create an endpoint, wait, and return its name."""
        query = {"endpointId": endpoint_id} if endpoint_id else {}
        request = {"displayName": "by hand", **fields}
        operation = self.settle(self.ok("POST", f"{place}/endpoints", params=query, json=request))
        return str(operation["response"]["name"])

    def deploy(self, endpoint: str, split: dict[str, int] | None = None, **deployed: Any) -> str:
        """Deploy a model, wait, and return the id of the deployed model."""
        request = {"deployedModel": deployed, "trafficSplit": {"0": 100} if split is None else split}
        operation = self.settle(self.ok("POST", f"{endpoint}:deployModel", json=request))
        return str(operation["response"]["deployedModel"]["id"])

    def remove(self, job: dict[str, Any]) -> None:
        """Undeploy and delete all that a job made."""
        for checkpoint in job["tunedModel"]["checkpoints"]:
            self.undeploy(checkpoint["endpoint"])
            self.settle(self.ok("DELETE", checkpoint["endpoint"]))
        self.settle(self.ok("DELETE", job["tunedModel"]["model"].partition("@")[0]))


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a create request."""
    usual: dict[str, Any] = {
        "baseModel": "gemini-3.1-flash-lite",
        "supervisedTuningSpec": {"trainingDatasetUri": DATA, "hyperParameters": {"epochCount": "2"}},
        "tunedModelDisplayName": "number generator",
    }
    return {key: value for key, value in {**usual, **fields}.items() if value is not None}


def spec(uri: str = DATA, **hyperparameters: Any) -> dict[str, Any]:
    """Return a supervisedTuningSpec."""
    return {"trainingDatasetUri": uri, "hyperParameters": hyperparameters}
