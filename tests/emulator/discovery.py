"""Checks JSON values against Google's discovery documents, which say what the API answers.

The documents are those in google-api-python-client. Each unknown field, wrong type, unknown enum value, and
badly written number or time is reported with its place.
"""

import contextlib
import datetime as dt
import functools
import importlib.util
import json
import pathlib
import re
import warnings
from collections.abc import Iterator
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?Z")
_PATH_PARAMETER = re.compile(r"\{\+?([A-Za-z]+)\}")


class Document:
    """One API in one version."""

    def __init__(self, name: str) -> None:
        found = importlib.util.find_spec("googleapiclient")
        assert found
        assert found.origin
        folder = pathlib.Path(found.origin).parent / "discovery_cache" / "documents"
        self.text = (folder / f"{name}.json").read_text(encoding="utf-8")
        self._document: dict[str, Any] = json.loads(self.text)
        self.schemas: dict[str, Any] = self._document["schemas"]
        base = "/" + self._document["servicePath"]
        self._methods = [
            (method["httpMethod"], _pattern(base + path), method)
            for method in _methods(self._document["resources"])
            for path in [method.get("flatPath", method["path"])]
        ]

    def method(self, verb: str, path: str) -> dict[str, Any]:
        """Return the method that a request calls, or fail."""
        for known, pattern, method in self._methods:
            if known == verb and pattern.fullmatch(path):
                return method
        raise AssertionError(f"no method for {verb} {path}")

    def problems(self, schema: str, value: object) -> list[str]:
        """Return what does not fit in *value*, or nothing if all fits."""
        return self._message(self.schemas[schema], value, schema.rpartition("V1")[2])

    def answer_problems(self, verb: str, path: str, value: object) -> list[str]:
        """Return what does not fit in the answer to a request."""
        response = self.method(verb, path).get("response", {})
        return self.problems(response["$ref"], value) if "$ref" in response else []

    def _message(self, schema: dict[str, Any], value: object, at: str) -> list[str]:
        if not isinstance(value, dict):
            return [f"{at}: not an object"]
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties")
        problems: list[str] = []
        for key, item in value.items():
            if key in properties:
                problems += self._value(properties[key], item, f"{at}.{key}")
            elif extra is not None:
                problems += self._value(extra, item, f"{at}.{key}")
            else:
                problems.append(f"{at}.{key}: no such field")
        return problems

    def _value(self, schema: dict[str, Any], value: object, at: str) -> list[str]:
        if "$ref" in schema:
            return self._message(self.schemas[schema["$ref"]], value, at)
        match schema["type"]:
            case "object":
                return self._message(schema, value, at)
            case "array" if isinstance(value, list):
                items = enumerate(value)
                return [
                    problem
                    for number, item in items
                    for problem in self._value(schema["items"], item, f"{at}[{number}]")
                ]
            case "any":
                return []
            case "string" if isinstance(value, str):
                return (
                    [] if _fits(schema, value) else [f"{at}: {value!r} is no {schema.get('format', 'enum')}"]
                )
            case "boolean" if isinstance(value, bool):
                return []
            case "integer" if type(value) is int and -(2**31) <= value < 2**31:
                return []
            case "number" if type(value) in (int, float):
                return []
            case kind:
                return [f"{at}: {value!r} is no {kind}"]


@contextlib.contextmanager
def google_service(name: str, url: str) -> Iterator[Any]:
    """Return google-api-python-client's v1 of a service, made from its own document, at *url*."""
    with warnings.catch_warnings():
        # The import warns that support for this version of Python will end.
        warnings.simplefilter("ignore")
        from google.auth.credentials import AnonymousCredentials
        from googleapiclient.discovery import build  # type: ignore[import-untyped]

        with build(
            name,
            "v1",
            client_options={"api_endpoint": url},
            credentials=AnonymousCredentials(),
            static_discovery=True,
        ) as service:
            yield service


@functools.cache
def document(name: str) -> Document:
    """Return the document called *name*, such as aiplatform.v1."""
    return Document(name)


def _fits(schema: dict[str, Any], text: str) -> bool:
    match schema.get("format"):
        case "int64":
            return re.fullmatch(r"-?(0|[1-9]\d{0,18})", text) is not None
        case "uint64":
            return re.fullmatch(r"0|[1-9]\d{0,19}", text) is not None
        case "google-datetime" | "date-time":
            return bool(_TIME.fullmatch(text)) and bool(dt.datetime.fromisoformat(text[:19]))
        case _:
            return "enum" not in schema or text in schema["enum"]


def _methods(resources: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for resource in resources.values():
        found += resource.get("methods", {}).values()
        found += _methods(resource.get("resources", {}))
    return found


def _pattern(path: str) -> re.Pattern[str]:
    pieces = _PATH_PARAMETER.split(path)
    names = [
        re.escape(piece) if number % 2 == 0 else (".+" if piece == "object" else "[^/:]+")
        for number, piece in enumerate(pieces)
    ]
    return re.compile("".join(names))
