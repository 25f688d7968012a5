"""The web application: from a request to an answer, and what may go wrong on the way.

Each request is one transaction: what it does, and its line in the log, are committed before the
first byte of the answer. Around that sit the faults, which may keep the request from its effect,
or the caller from the answer. The log has no credential and no text of anybody's.
"""

import asyncio
import dataclasses
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from reconciler.emulator import auth, clock, faults, storage, vertex
from reconciler.emulator.call import Call, Handler, Reply
from reconciler.emulator.control import Control, is_local
from reconciler.emulator.database import Store
from reconciler.emulator.errors import ApiError, invalid
from reconciler.emulator.faults import Fault
from reconciler.emulator.gemini import routes
from reconciler.emulator.gemini.progress import six_digits
from reconciler.emulator.host_guard import Entry
from reconciler.emulator.json_text import write
from reconciler.emulator.protojson import numbered

_SECRET_PARAMETERS = {"key", "access_token", "oauth_token", "upload_id"}
_LOG = logging.getLogger(__name__)
_NO_ROUTE = """<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <title>Error 404 (Not Found)!!1</title>
  <p><b>404.</b> <ins>That's an error.</ins>
  <p>The requested URL was not found on this server. <ins>That's all we know.</ins>
"""


@dataclasses.dataclass(frozen=True)
class _Side:
    """One of the APIs: its name, its calls, and how many bytes a body may have."""

    service: str
    route: Callable[[str, str], tuple[Handler, Mapping[str, str]] | None]
    largest_body: int = 4 * 1024 * 1024


_GEMINI = _Side("generativelanguage.googleapis.com", routes.route)
_VERTEX = _Side("aiplatform.googleapis.com", vertex.route)
_STORAGE = _Side("storage.googleapis.com", storage.route, 256 * 1024 * 1024)
_STORAGE_XML = _Side("storage.googleapis.com", storage.xml_api.route, 256 * 1024 * 1024)


def _side(path: str) -> _Side:
    if re.match(r"/v1(beta1)?/projects/", path):
        return _VERTEX
    if re.match(r"/((resumable/)?upload/|download/)?storage/", path):
        return _STORAGE
    return _STORAGE_XML if storage.xml_api.is_here(path) else _GEMINI


class App:
    """The ASGI application over one store."""

    def __init__(self, store: Store, control: Control, entry: Entry) -> None:
        self._store = store
        self._control = control
        self._entry = entry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            body = await _body(request, _side(request.scope["path"]).largest_body)
        except ClientDisconnect:
            return
        path = request.scope["path"]
        refusal = self._entry.refusal(request.scope.get("server"), request.headers)
        if refusal:
            side = _GEMINI if _side(path) is _STORAGE_XML else _side(path)
            await _failure(refusal, side)(scope, receive, send)
        elif path == "/emulator" or path.startswith("/emulator/"):
            await self._controlled(request, body)(scope, receive, send)
        else:
            await self._served(request, body, send)

    def _controlled(self, request: Request, body: bytes | None) -> Response:
        client = request.client.host if request.client else ""
        if not is_local(client):
            return _failure(ApiError(403, "The emulator is controlled from its own machine only."))
        if body is None:
            return _failure(_too_large(_GEMINI))
        try:
            query = request.query_params
            payload = self._control.answer(request.method, request.scope["path"], query, body)
            return _success(Reply(payload=payload), {})
        except ApiError as error:
            return _failure(error)
        except Exception as error:  # noqa: BLE001
            return _failure(_mistake(request, error))

    async def _served(self, request: Request, body: bytes | None, send: Send) -> None:
        with self._store.transaction():
            fault = faults.pick(self._store, request.method, request.scope["path"]) or Fault()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        refused = fault.action and fault.when == "before" and fault.action != "truncate"
        response: Response | None = None
        with self._store.transaction():
            effect, kind = False, _credentials(request).kind
            if fault.action == "cut":
                came = None if body is None else body[: fault.rule["cut"]]
                response, effect = self._answer(request, came, cut=True)
            elif not refused:
                response, effect = self._answer(request, body)
            if fault.action:
                response = _faulty(fault, response, _side(request.scope["path"]))
            self._store.log(
                {
                    "time": six_digits(clock.now(self._store)),
                    "method": request.method,
                    "path": request.scope["path"],
                    "query": {
                        key: "REDACTED" if key in _SECRET_PARAMETERS else value
                        for key, value in request.query_params.items()
                    },
                    "status": response.status_code if response else None,
                    "effect": effect,
                    "credential": kind,
                    "fault": fault.action or ("delay" if fault.delay else None),
                }
            )
        if fault.action == "hang":
            await _disconnected(request.receive)
        elif response is None:
            _transport(request.scope).abort()
            await _disconnected(request.receive)
        elif fault.action == "truncate":
            await _truncated(request, response, fault.rule["truncate"], send)
        else:
            await response(request.scope, request.receive, send)

    def _answer(
        self, request: Request, body: bytes | None, *, cut: bool = False
    ) -> tuple[Response | None, bool]:
        """Return the answer that an undisturbed call gets, and whether it changed anything."""
        path = request.scope["path"]
        side = _side(path)
        routed = side.route(request.method, path)
        if routed is None:
            return Response(_NO_ROUTE, 404, media_type="text/html; charset=UTF-8"), False
        handler, names = routed
        if cut and handler is not storage.resume:  # no other call does anything with half a body
            return None, False
        if body is None:
            return _failure(_too_large(side), side), False
        try:
            settings = self._control.settings
            call = Call(
                method=request.method,
                version=names.get("version", ""),
                path=names,
                query=request.query_params,
                body=body,
                principal=auth.admit(settings, _credentials(request), request.headers, keys=side is _GEMINI),
                store=self._store,
                settings=settings,
                now=clock.now(self._store),
                headers=request.headers,
                base_url=str(request.base_url).rstrip("/"),
                cut=cut,
            )
            with self._store.attempt():
                return _success(handler(call), request.query_params), call.effect
        except ApiError as error:
            return _failure(error, side), False
        except Exception as error:  # noqa: BLE001
            return _failure(_mistake(request, error), side), False


def _mistake(request: Request, error: Exception) -> ApiError:
    # The message may quote what the caller sent; the place is enough to find a mistake.
    _LOG.error("%s: %s at %s", request.method, type(error).__name__, _place(error))
    return ApiError(500)


def _too_large(side: _Side) -> ApiError:
    return invalid(f"Request payload size exceeds the limit: {side.largest_body} bytes.")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else "?"


def _credentials(request: Request) -> auth.Credentials:
    return auth.credentials(request.headers, request.query_params)


async def _body(request: Request, largest: int) -> bytes | None:
    """Return the body, or None when it is too large; it is read to its end all the same."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= largest:
            chunks.append(chunk)
    return b"".join(chunks) if size <= largest else None


def _success(reply: Reply, query: Mapping[str, str]) -> Response:
    if reply.content is not None or reply.status != 200:
        content = reply.content or b""
        return Response(content, reply.status, dict(reply.headers), reply.media_type)
    if reply.stream:
        return StreamingResponse(_parts(reply.stream), media_type=reply.media_type)
    pretty = query.get("prettyPrint", query.get("$prettyPrint", "")) not in {"false", "0"}
    numbers = "enum-encoding=int" in query.get("$alt", "")
    text = reply.text
    if text is None or numbers or not pretty:
        payload = reply.payload if text is None else json.loads(text)
        text = write(numbered(payload) if numbers else payload, pretty=pretty)
    return Response(text + "\n", media_type=reply.media_type)


async def _parts(texts: tuple[str, ...]) -> AsyncIterator[str]:
    for text in texts:
        yield text


def _failure(error: ApiError, side: _Side = _GEMINI) -> Response:
    headers = dict(error.headers)
    if side is _STORAGE_XML:
        return Response(storage.xml_api.error_text(error), error.code, headers, storage.xml_api.MEDIA_TYPE)
    body = storage.error_body(error) if side is _STORAGE else error.body(side.service)
    content = write(body) + "\n"
    return Response(content, error.code, headers, "application/json; charset=UTF-8")


def _faulty(fault: Fault, response: Response | None, side: _Side) -> Response | None:
    """Return what is sent in place of *response*; None is a connection that breaks."""
    match fault.action:
        case "drop" | "cut" | "hang":
            return None
        case "garbage":
            return Response(fault.rule["garbage"], media_type="application/json; charset=UTF-8")
        case "truncate":
            return response
        case "status" if "body" in fault.rule:
            content, headers = write(fault.rule["body"]), fault.rule.get("headers")
            media_type = "application/json; charset=UTF-8"
            return Response(content, fault.rule["status"], headers, media_type)
        case _:
            return _failure(fault.error(), side)


async def _truncated(request: Request, response: Response, length: int, send: Send) -> None:
    """Send the head, *length* bytes of the body it announces, and close."""
    content = bytes(response.body) if not isinstance(response, StreamingResponse) else b"[{}]\n"
    headers = [(key, value) for key, value in response.raw_headers if key != b"content-length"]
    headers.append((b"content-length", str(len(content)).encode()))
    start: dict[str, Any] = {"type": "http.response.start", "status": response.status_code}
    await send({**start, "headers": headers})
    part = content[: min(length, len(content) - 1)]
    await send({"type": "http.response.body", "body": part, "more_body": True})
    _transport(request.scope).close()
    await _disconnected(request.receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope["extensions"]["reconciler.http"]
    if not isinstance(transport, asyncio.Transport):
        raise TypeError(type(transport))
    return transport


@dataclasses.dataclass(frozen=True)
class WithTransport:
    """The application of one connection: it can break the connection."""

    app: App
    transport: asyncio.Transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the transport on with the request."""
        scope["extensions"] = {"reconciler.http": self.transport}
        await self.app(scope, receive, send)
