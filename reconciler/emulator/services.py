"""The APIs that are served: which paths are whose, and how each writes an error."""

import dataclasses
import re
from collections.abc import Callable

from starlette.responses import Response

from reconciler.emulator import errors
from reconciler.emulator.call import Route
from reconciler.emulator.errors import ApiError
from reconciler.emulator.gemini import routes as gemini
from reconciler.emulator.json_text import format_json
from reconciler.emulator.storage import routes as storage
from reconciler.emulator.storage import xml_api
from reconciler.emulator.storage.errors import write_error_body
from reconciler.emulator.vertex import routes as vertex

JSON = "application/json; charset=UTF-8"
_MEBIBYTE = 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Service:
    """One of the APIs: how it finds the route of a method and a path, and how it writes an error.

    A request has at most *largest_body* bytes. If the API *accepts_keys*, no token is needed.
    """

    find_route: Callable[[str, str], Route | None]
    write_error: Callable[[ApiError], str]
    media_type: str = JSON
    largest_body: int = 4 * _MEBIBYTE
    accepts_keys: bool = False

    def make_error_response(self, error: ApiError) -> Response:
        """Return the response that an error is told by."""
        return Response(self.write_error(error), error.code, dict(error.headers), self.media_type)


def _write_json_error(service: str) -> Callable[[ApiError], str]:
    return lambda error: format_json(error.write_body(service)).replace(errors.GEMINI, service) + "\n"


GEMINI = Service(
    find_route=gemini.ROUTES.find, write_error=_write_json_error(errors.GEMINI), accepts_keys=True
)
_VERTEX = Service(find_route=vertex.ROUTES.find, write_error=_write_json_error("aiplatform.googleapis.com"))
_STORAGE = Service(
    find_route=storage.ROUTES.find,
    write_error=lambda error: format_json(write_error_body(error)) + "\n",
    largest_body=256 * _MEBIBYTE,
)
_STORAGE_XML = Service(
    find_route=xml_api.ROUTES.find,
    write_error=xml_api.write_error,
    media_type=xml_api.MEDIA_TYPE,
    largest_body=256 * _MEBIBYTE,
)


def find_service(path: str) -> Service:
    """Return the API that a path belongs to."""
    if re.match(r"/v1(beta1)?/projects/", path):
        return _VERTEX
    if re.match(r"/((resumable/)?upload/|download/)?storage/", path):
        return _STORAGE
    return _STORAGE_XML if xml_api.PATH.fullmatch(path) else GEMINI


def refuse_with_json(error: ApiError, path: str) -> Response:
    """Return the response to a request that is refused before it is looked at; it is JSON in every API."""
    service = find_service(path)
    return (GEMINI if service is _STORAGE_XML else service).make_error_response(error)
