"""The transport that providers call: one endpoint and its credential."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from reconciler import settings
from reconciler.errors import UsageError
from reconciler.http.connection import Exchange, Reply, encode_json
from reconciler.http.credential import Credential
from reconciler.http.errors import ErrorReader, JsonObject
from reconciler.http.retry import Answer, Request, Sender
from reconciler.http.throttle import Pace, Patience
from reconciler.settings import forms, hide_login, read_seconds, tls
from reconciler.settings.hosts import is_loopback
from reconciler.strictjson import Decode

TIMEOUT = 60.0
_SLOWEST = 64 * 1024
"""Bytes a second of the slowest upload that its time-out allows."""
_SAFE_TWICE = frozenset({"GET", "PATCH", "DELETE"})


def check_address(base_url: str) -> str:
    """Return the address of a service without a final slash. UsageError unless it is plain http(s)."""
    try:
        return forms.parse_address(base_url)
    except forms.FormError as error:
        raise UsageError(
            f"{hide_login(base_url)!r} {error.what}", f"{error.advice} It is a service's endpoint."
        ) from None


def connect(
    *,
    base_url: str,
    credential: Credential,
    errors: ErrorReader,
    environ: Mapping[str, str],
    parallelism: int = 8,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
    unreachable: str = "",
) -> Transport:
    """Open a transport to one API. Sends nothing and looks for no credential yet.

    Args:
        base_url: the endpoint.
        credential: signs the requests.
        errors: turns the API's error replies into our errors.
        environ: the environment variables: RECONCILER_HTTP_TIMEOUT (seconds a call may take, default 60),
            RECONCILER_RETRY_SECONDS (how long a failed call is repeated, default 60), certificates, proxies.
        parallelism: how many threads will call at once.
        clock: monotonic seconds.
        sleep: waits that many seconds.
        stopping: whether the run is being stopped (an Event's is_set): every wait then ends within 0.1 s
            with StoppedError. A request that is under way is not aborted.
        unreachable: what else to say if there is no connection, "" for nothing.

    Raises:
        UsageError: the address, or a setting of the environment, is malformed.
    """
    environ = settings.to_settings(environ)
    url = check_address(base_url)
    seconds = read_seconds(environ, "RECONCILER_RETRY_SECONDS", 60.0)
    return Transport(
        base_url=url,
        credential=credential,
        errors=errors,
        exchange=Exchange(
            url, loopback=is_loopback(url), connections=parallelism, trust=tls.Trust.find(environ)
        ),
        pace=Pace(clock, sleep, stopping),
        patience=Patience(seconds=seconds, limited_seconds=5 * seconds),
        timeout=read_seconds(environ, "RECONCILER_HTTP_TIMEOUT", TIMEOUT),
        unreachable=unreachable,
    )


class Transport(Struct, eq=False, kw_only=True):
    """One API endpoint with its credential; made by `connect`, used by several threads at once.

    Attributes:
        base_url: the endpoint, without a final slash.
        credential: signs the requests.
        unreachable: see `connect`.
    """

    base_url: str
    credential: Credential
    errors: ErrorReader
    exchange: Exchange
    pace: Pace
    patience: Patience
    timeout: float
    unreachable: str = ""

    def sign_with(self, credential: Credential) -> Transport:
        """Return a transport with the same connections and pace, and another credential."""
        return replace(self, credential=credential)

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds, for callers that poll."""
        return self.pace.clock

    def wait(self, seconds: float, what: str) -> None:
        """Sleep, for callers that poll. StoppedError, naming `what`, if the run is being stopped."""
        self.pace.wait(seconds, what)

    def close(self) -> None:
        """Close idle connections."""
        self.exchange.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        slow: bool = False,
        repeatable: bool | None = None,
        queues: bool = True,
        fence: Callable[[], None] | None = None,
        decode: Decode | None = None,
    ) -> JsonObject:
        """Send a request, and repeat it as long as that is safe. Returns the reply's JSON object.

        A request that was answered 429 was not executed, so it is sent again after a wait, whatever its
        method. A request that was answered 401 is sent once more if the credential can be renewed. A request
        that found no connection is sent again too. After any other failure (5xx, a lost reply, a reply that
        is not JSON) the request is sent again only if it is `repeatable`.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: below the base URL, with the API version ("v1beta/tunedModels"). It is quoted here.
            query: query parameters.
            body: JSON object to send.
            slow: twice the usual time-out (a create, an inference).
            repeatable: whether executing the request twice is harmless. None: it is, unless the method is
                POST.
            queues: whether to wait after a 429. False raises RateLimitedError on the first one.
            fence: called right before each sending, on this thread, if the request changes something.
            decode: decodes the parts of a long reply that the caller reads. None for the whole reply.

        Raises:
            ReplyLostError: the request was sent, no whole reply came, and it is not repeatable.
            UnavailableError: 5xx (`status` is set) or no connection (`status` is None).
            StoppedError: the run was stopped while this call waited to be sent or repeated.
            ServiceError: the service refused the request; `errors` chose the type.
            CredentialError: there is no credential, or it must not be sent there.
            whatever `fence` raises. Nothing is sent then.
        """
        content = None if body is None else _encode_body(body, method, path)
        timeout = self.timeout * 2 if slow else self.timeout
        is_safe = method in _SAFE_TWICE if repeatable is None else repeatable
        request = Request(
            method,
            path,
            self.base_url,
            query or {},
            content,
            timeout,
            is_safe,
            fence,
            {} if content is None else {"content-type": "application/json"},
            queues=queues,
            decode=decode,
        )
        return self._send(request).document

    def transfer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        content: bytes,
        about: Mapping[str, str],
        repeatable: bool,
        fence: Callable[[], None],
        sent: Callable[[int], None] | None = None,
    ) -> Reply:
        """Send raw content. Returns the reply unread: a success, or the 308 that continues an upload.

        Args:
            method: POST or PUT.
            path: see `call`.
            query: query parameters. No message shows them, because an upload's id works like a credential.
            content: the whole body. A large body gets a longer time-out.
            about: headers that describe the content.
            repeatable: see `call`.
            fence: see `call`.
            sent: called with the number of bytes sent so far. Starts again from 0 with each try.

        Raises:
            ServiceError, CredentialError: see `call`.
        """
        timeout = self.timeout * 2 + len(content) / _SLOWEST
        request = Request(
            method, path, self.base_url, query, content, timeout, repeatable, fence, about, sent, raw=True
        )
        return self._send(request).reply

    def download(self, path: str, *, query: Mapping[str, str], first: int, last: int) -> Reply:
        """Get a part of raw content: the bytes `first` to `last`. Is repeated like every GET.

        Returns the reply as it is: 206, or 200 from a server that sends the whole content.

        Raises:
            ServiceError, CredentialError: as `call`.
        """
        timeout = self.timeout * 2 + (last - first) / _SLOWEST
        wanted = {"range": f"bytes={first}-{last}"}
        return self._send(
            Request("GET", path, self.base_url, query, None, timeout, True, None, wanted, raw=True)
        ).reply

    def _send(self, request: Request) -> Answer:
        sender = Sender(self.base_url, self.exchange, self.pace, self.patience, self.errors, self.unreachable)
        return sender.send(request, self.credential)


def _encode_body(body: Mapping[str, Any], method: str, path: str) -> bytes:
    try:
        return encode_json(body)
    except ValueError as error:
        raise UsageError(f"{method} {path}: a number that JSON cannot carry (NaN or infinity)") from error
