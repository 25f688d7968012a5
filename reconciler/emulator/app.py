"""The web application: from a request to a response, and what may go wrong in between.

A request is one transaction: what it does, and its line in the log, are committed before the first byte of
the response. Faults act around that: they may keep the request from its effect, or the caller from the
response. The log has no credential and nothing that was written in a body.
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from reconciler.emulator import clock, faults
from reconciler.emulator.auth import authenticate, read_credentials
from reconciler.emulator.call import Call, Reply, Route, read_query
from reconciler.emulator.control import Control, LogEntry
from reconciler.emulator.database import Database
from reconciler.emulator.errors import NAMED, ApiError, ArgumentError
from reconciler.emulator.faults import Fault, FaultRule
from reconciler.emulator.gemini import messages
from reconciler.emulator.gemini import records as gemini
from reconciler.emulator.host_guard import HostGuard, is_local
from reconciler.emulator.json_text import format_json
from reconciler.emulator.partial import Selection, parse_fields, select
from reconciler.emulator.services import GEMINI, JSON, Service, find_service, refuse_with_json
from reconciler.emulator.settings import Settings
from reconciler.emulator.storage import records as storage
from reconciler.emulator.storage.uploads import resume
from reconciler.emulator.vertex import records as vertex

RECORDS = (FaultRule, LogEntry, *gemini.RECORDS, *vertex.RECORDS, *storage.RECORDS)
_SECRET_PARAMETERS = {"key", "access_token", "oauth_token", "upload_id"}
_LOG = logging.getLogger(__name__)
_NO_ROUTE = """<!DOCTYPE html>
<html lang=en>
  <meta charset=utf-8>
  <title>Error 404 (Not Found)!!1</title>
  <p><b>404.</b> <ins>That's an error.</ins>
  <p>The requested URL was not found on this server. <ins>That's all we know.</ins>
"""


class App:
    """The ASGI application over one database, which must have been opened with RECORDS."""

    def __init__(self, database: Database, control: Control, guard: HostGuard) -> None:
        self._database = database
        self._control = control
        self._guard = guard

    async def __call__(
        self, transport: asyncio.Transport, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer one request. *transport* is its connection, which a fault may break."""
        request = Request(scope, receive)
        path: str = scope["path"]
        service = find_service(path)
        try:
            body = await _read_body(request, service.largest_body)
        except ClientDisconnect:
            return
        if refusal := self._guard.refuse(scope.get("server"), request.headers):
            await refuse_with_json(refusal, path)(scope, receive, send)
        elif path == "/emulator" or path.startswith("/emulator/"):
            await self._answer_control(request, body)(scope, receive, send)
        else:
            await self._serve(request, body, service, transport, send)

    def _answer_control(self, request: Request, body: bytes | None) -> Response:
        client = request.client.host if request.client else ""
        if not is_local(client):
            error = ApiError(403, "The emulator is controlled from its own machine only.")
            return GEMINI.make_error_response(error)
        path, query = request.scope["path"], request.query_params
        try:
            with _report_mistakes(request), self._database.begin_transaction():
                payload = self._control.answer(request.method, path, query, _check_size(body, GEMINI))
                return _make_response(Reply(payload=payload), {})
        except ApiError as error:
            return GEMINI.make_error_response(error)

    async def _serve(
        self,
        request: Request,
        body: bytes | None,
        service: Service,
        transport: asyncio.Transport,
        send: Send,
    ) -> None:
        """Handle one request: its fault, its effect, its line in the log, its response."""
        fault = Fault()
        if faults.find_rules(self._database):
            with self._database.begin_transaction():
                fault = faults.take_fault(self._database, request.method, request.scope["path"])
        if fault.delay:
            await asyncio.sleep(fault.delay)
        is_refused = fault.action and fault.when == "before" and fault.action != "truncate"
        response: Response | None = None
        effect = False
        with self._database.begin_transaction():
            now = clock.read_time(self._database)
            if fault.action == "cut":
                part = None if body is None else body[: fault.rule["cut"]]
                response, effect = self._answer(request, part, service, now, cut=True)
            elif not is_refused:
                response, effect = self._answer(request, body, service, now)
            if fault.action:
                response = _replace_response(fault, response, service)
            self._log(request, response, fault, now, effect=effect)
        if response is not None and fault.action != "truncate":
            await response(request.scope, request.receive, send)
            return
        if response is not None:
            await _send_truncated(response, fault.rule["truncate"], send)
            transport.close()
        elif fault.action != "hang":
            transport.abort()
        while (await request.receive())["type"] != "http.disconnect":
            pass

    def _answer(
        self, request: Request, body: bytes | None, service: Service, now: int, *, cut: bool = False
    ) -> tuple[Response | None, bool]:
        """Return the response to a call without a fault, and whether it changed anything."""
        route = service.find_route(request.method, request.scope["path"])
        if route is None:
            return Response(_NO_ROUTE, 404, media_type="text/html; charset=UTF-8"), False
        if cut and route.handler is not resume:  # No other call does anything with half a body.
            return None, False
        changes = self._database.changes
        try:
            with _report_mistakes(request), self._database.begin_savepoint():
                call = self._make_call(request, route, _check_size(body, service), service, now, cut=cut)
                selection = _read_selection(request, self._control.settings)
                reply = _select_parts(route.handler(call), selection)
                response = _make_response(reply, request.query_params)
        except ApiError as error:
            return service.make_error_response(error), False
        # A GET writes too: what it computed, for the next one.
        is_read = request.method in {"GET", "HEAD"}
        return response, not is_read and self._database.changes > changes

    def _make_call(
        self, request: Request, route: Route, body: bytes, service: Service, now: int, *, cut: bool
    ) -> Call:
        settings, query = self._control.settings, request.query_params
        credentials = read_credentials(request.headers, query)
        return Call(
            method=request.method,
            path=route.names,
            parameters={} if route.parameters is None else read_query(query, route.parameters),
            query=query,
            body=body,
            principal=authenticate(settings, credentials, request.headers, accepts_keys=service.accepts_keys),
            database=self._database,
            settings=settings,
            now=now,
            headers=request.headers,
            base_url=str(request.base_url).rstrip("/"),
            cut=cut,
        )

    def _log(
        self, request: Request, response: Response | None, fault: Fault, now: int, *, effect: bool
    ) -> None:
        query = {
            key: "REDACTED" if key in _SECRET_PARAMETERS else value
            for key, value in request.query_params.items()
        }
        entry = {
            "time": clock.format_time(now),
            "method": request.method,
            "path": request.scope["path"],
            "query": query,
            "status": response.status_code if response else None,
            "effect": effect,
            "credential": read_credentials(request.headers, request.query_params).kind,
            "fault": fault.action or ("delay" if fault.delay else None),
        }
        self._database.add(LogEntry(entry=entry))


@contextlib.contextmanager
def _report_mistakes(request: Request) -> Iterator[None]:
    """Log an exception other than an ApiError, and raise the service's 500 instead."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:  # noqa: BLE001
        # The message may quote what the caller sent. The place is enough to find the mistake.
        place = traceback.extract_tb(error.__traceback__)[-1]
        _LOG.error("%s: %s at %s:%s", request.method, type(error).__name__, place.name, place.lineno)
        raise ApiError(500) from None


async def _read_body(request: Request, largest: int) -> bytes | None:
    """Return the body, or None when it is too large. It is read to its end all the same."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= largest:
            chunks.append(chunk)
    return b"".join(chunks) if size <= largest else None


def _check_size(body: bytes | None, service: Service) -> bytes:
    if body is None:
        raise ArgumentError(f"Request payload size exceeds the limit: {service.largest_body} bytes.")
    return body


def _read_selection(request: Request, settings: Settings) -> Selection:
    """Return the part of the answer that a request selects by parameter or header; {} for all of it."""
    query = request.query_params
    fields = query.get("fields") or query.get("$fields") or request.headers.get("x-goog-fieldmask", "")
    if not fields or settings.partial_responses == "ignore":
        return {}
    if settings.partial_responses == "refuse":
        raise ArgumentError("Partial responses are not supported.", field="fields")
    return parse_fields(fields)


def _select_parts(reply: Reply, selection: Selection) -> Reply:
    """Return the selected part of an answer in JSON."""
    if not selection or reply.content is not None or reply.stream or reply.status != 200:
        return reply
    payload = reply.payload if reply.text is None else json.loads(reply.text)
    return dataclasses.replace(reply, payload=select(payload, selection), text=None)


def _make_response(reply: Reply, query: Mapping[str, str]) -> Response:
    if reply.content is not None or reply.status != 200:
        content = reply.content or b""
        return Response(content, reply.status, dict(reply.headers), reply.media_type)
    if reply.stream:
        return StreamingResponse(_iterate(reply.stream), media_type=reply.media_type)
    pretty = query.get("prettyPrint", query.get("$prettyPrint", "")) not in {"false", "0"}
    wants_numbers = "enum-encoding=int" in query.get("$alt", "")
    text = reply.text
    if text is None or wants_numbers or not pretty:
        payload = reply.payload if text is None else json.loads(text)
        text = format_json(messages.number_enums(payload) if wants_numbers else payload, pretty=pretty)
    return Response(text + "\n", media_type=reply.media_type)


async def _iterate(texts: tuple[str, ...]) -> AsyncIterator[str]:
    for text in texts:
        yield text


def _replace_response(fault: Fault, response: Response | None, service: Service) -> Response | None:
    """Return what a fault sends in place of *response*; None breaks the connection."""
    rule, headers = fault.rule, fault.rule.get("headers", {})
    match fault.action:
        case "truncate":
            return response
        case "garbage":
            return Response(rule["garbage"], media_type=JSON)
        case "error":
            return service.make_error_response(NAMED[rule["error"]])
        case "redirect":
            error = ApiError(rule.get("status", 302), "Moved.", headers={"Location": rule["redirect"]})
            return service.make_error_response(error)
        case "status" if "body" in rule:
            return Response(format_json(rule["body"]), rule["status"], headers, JSON)
        case "status":
            return service.make_error_response(ApiError(rule["status"], headers=headers))
        case _:
            return None


async def _send_truncated(response: Response, length: int, send: Send) -> None:
    """Announce the whole body, and send *length* bytes of it."""
    content = bytes(response.body) if not isinstance(response, StreamingResponse) else b"[{}]\n"
    headers = [(key, value) for key, value in response.raw_headers if key != b"content-length"]
    headers.append((b"content-length", str(len(content)).encode()))
    start: dict[str, Any] = {"type": "http.response.start", "status": response.status_code}
    await send({**start, "headers": headers})
    part = content[: min(length, len(content) - 1)]
    await send({"type": "http.response.body", "body": part, "more_body": True})
