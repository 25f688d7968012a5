"""The transport that providers call: signs, sends, waits, repeats what is safe twice, raises `errors`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from reconciler.errors import RateLimitedError, ReplyLostError, ServiceError, UnavailableError, UsageError
from reconciler.transport import addresses, answers, fence
from reconciler.transport.answers import JsonObject
from reconciler.transport.credentials import Credential, Credentials
from reconciler.transport.echoes import unechoed
from reconciler.transport.exchange import Exchange, LostError, Reply, UnsentError, encoded
from reconciler.transport.pace import Pace, Patience

__all__ = ["JsonObject", "Reply", "Transport", "connect", "seconds_of"]

TIMEOUT = 60.0
_SAFE_TWICE = frozenset({"GET", "PATCH", "DELETE"})
_KEPT = "/:-._~@%"
"""In paths: what resource names are made of, and what a caller has quoted itself (an object's name)."""
_UNSAID_DELAY = 5.0
"""Seconds to wait on a 429 that does not say how long."""


def connect(
    *,
    base_url: str | None = None,
    environ: Mapping[str, str],
    project: str = "",
    quota_project: str = "",
    parallelism: int = 8,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    stopping: Callable[[], bool] = lambda: False,
) -> Transport:
    """A transport to one API; nothing is sent and no credential is looked for yet.

    Args:
        base_url: the endpoint; None: GOOGLE_GEMINI_BASE_URL, else Google's own.
        environ: the environment variables: credentials, RECONCILER_HTTP_TIMEOUT (seconds a call may take,
            default 60), RECONCILER_RETRY_SECONDS (how long failures are repeated, default 60),
            RECONCILER_SCOPES.
        project: the Google Cloud project, "" for GOOGLE_CLOUD_PROJECT.
        quota_project: "" for GOOGLE_CLOUD_QUOTA_PROJECT, then what the credential says, then the project.
        parallelism: how many threads will call at once.
        clock: monotonic seconds.
        sleep: waits that many seconds.
        stopping: whether the run is being stopped (an Event's is_set): every wait then ends within 0.1 s
            with StoppedError; a request that is under way is not aborted.

    Raises:
        UsageError: the address, or a number in the environment, is malformed.
    """
    url = addresses.checked(base_url or environ.get("GOOGLE_GEMINI_BASE_URL") or addresses.DEFAULT_GEMINI)
    project = project or environ.get("GOOGLE_CLOUD_PROJECT", "")
    seconds = seconds_of(environ, "RECONCILER_RETRY_SECONDS", 60.0)
    return Transport(
        base_url=url,
        project=project,
        credentials=Credentials(environ, url, project, quota_project),
        exchange=Exchange(url, loopback=addresses.is_loopback(url), connections=parallelism),
        pace=Pace(clock, sleep, stopping),
        patience=Patience(seconds=seconds, limited_seconds=5 * seconds),
        timeout=seconds_of(environ, "RECONCILER_HTTP_TIMEOUT", TIMEOUT),
    )


def seconds_of(environ: Mapping[str, str], variable: str, default: float) -> float:
    """A setting in seconds from the environment; UsageError when it is no number in (0, 86400]."""
    text = environ.get(variable, "")
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise UsageError(f"{variable}={text!r} is not a number of seconds between 0 and 86400")
    return seconds


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent, however often. `safe`: being executed twice does no harm."""

    method: str
    path: str
    where: str
    query: Mapping[str, str]
    content: bytes | None
    timeout: float
    safe: bool
    about: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    sent: Callable[[int], None] | None = None
    queues: bool = True
    raw: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """A reply that is no failure, and its JSON object where one was expected."""

    reply: Reply
    document: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class _Tries:
    """What became of one call so far: failures, seconds held at the gate, seconds asked by 429s."""

    began: float
    failures: int = 0
    held: float = 0.0
    limited: float = 0.0
    renewed: bool = False


class Transport:
    """One API endpoint with its credential; made by `connect`, used by several threads at once."""

    def __init__(
        self,
        *,
        base_url: str,
        project: str,
        credentials: Credentials,
        exchange: Exchange,
        pace: Pace,
        patience: Patience,
        timeout: float,
    ) -> None:
        self._base_url = base_url
        self._project = project
        self._credentials = credentials
        self._exchange = exchange
        self._pace = pace
        self._patience = patience
        self._timeout = timeout
        self._host = urlsplit(base_url).netloc

    @property
    def target(self) -> addresses.Target:
        """Whom we talk to and as whom. Looks for the credential: CredentialError when there is none."""
        return self.described()

    def described(self, *, api_key: bool = True) -> addresses.Target:
        """`target`, as whom we ask where `api_key` is False: calls that refuse API keys."""
        return replace(self.destination, credential=self._credentials.choose(api_key=api_key).description)

    @property
    def destination(self) -> addresses.Target:
        """Whom we would talk to; no credential is looked for, so its kind is ""."""
        return addresses.Target(
            self._base_url, addresses.service_of(self._base_url), self._project, credential=""
        )

    @property
    def clock(self) -> Callable[[], float]:
        """Monotonic seconds, for callers that poll."""
        return self._pace.clock

    def wait(self, seconds: float, what: str) -> None:
        """Sleep, for callers that poll; StoppedError when the run is being stopped before `what`."""
        self._pace.wait(seconds, what)

    def close(self) -> None:
        """Close idle connections."""
        self._exchange.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        slow: bool = False,
        api_key: bool = True,
        repeatable: bool | None = None,
        queues: bool = True,
    ) -> JsonObject:
        """Send a request until it is answered, as far as that is safe; the reply's JSON object.

        A 429 is never executed, so it is waited for whatever the method. So is a 401: it is sent once more
        with a new token where the credential can be renewed. No connection at all: repeated as well. Other
        failures (5xx, a lost reply, a reply that is no JSON) are repeated only if `repeatable`.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: below the base URL, with the API version: "v1beta/tunedModels". Is quoted.
            query: query parameters.
            body: JSON object to send.
            slow: twice the usual time-out (a create, an inference).
            api_key: False for calls that refuse API keys.
            repeatable: whether being executed twice does no harm; None: all but POST.
            queues: False raises RateLimitedError on the first 429, for callers that wait elsewhere.

        Raises:
            ReplyLostError: sent, and no whole reply: only when not repeatable.
            UnavailableError: 5xx (`status` is set) or no connection (`status` is None).
            StoppedError: the run was stopped while this call waited for its turn or its repetition.
            ServiceError, CredentialError: as `errors` and `answers` say.
            what the fence raises: see `fence`.
        """
        request = _Request(
            method=method,
            path=quote(path, safe=_KEPT),
            where=f"{method} {path} at {self._host}",
            query=query or {},
            content=None if body is None else _content(body, method, path),
            timeout=self._timeout * 2 if slow else self._timeout,
            safe=method in _SAFE_TWICE if repeatable is None else repeatable,
            queues=queues,
        )
        return self._called(request, self._credentials.choose(api_key=api_key)).document

    def transfer(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str],
        content: bytes,
        about: Mapping[str, str],
        repeatable: bool,
        sent: Callable[[int], None] | None = None,
    ) -> Reply:
        """Send raw content; the reply as it is: a success, or the 308 by which an upload goes on.

        Args:
            method: POST or PUT.
            path: as `call`.
            query: query parameters; part of no message, because an upload's id is as good as a credential.
            content: the whole body.
            about: headers that describe it.
            repeatable: as `call`.
            sent: is told how many bytes have gone out so far; anew with each try.

        Raises:
            ServiceError, CredentialError: as `call`.
        """
        request = _Request(
            method=method,
            path=quote(path, safe=_KEPT),
            where=f"{method} {path} at {self._host}",
            query=query,
            content=content,
            timeout=self._timeout * 2,
            safe=repeatable,
            about=about,
            sent=sent,
            raw=True,
        )
        return self._called(request, self._credentials.choose(api_key=False)).reply

    def _called(self, request: _Request, credential: Credential) -> _Answer:
        tries = _Tries(self._pace.clock())
        while True:
            outcome = self._once(request, credential, tries)
            if isinstance(outcome, ServiceError):
                self._back_off(outcome, request, tries)
            elif outcome is not None:
                self._pace.answered()
                return outcome

    def _once(
        self, request: _Request, credential: Credential, tries: _Tries
    ) -> _Answer | ServiceError | None:
        """Send it; None when it was not executed and is to be sent again (401, 429)."""
        before = self._pace.clock()
        entered = self._pace.enter(request.where)
        tries.held += entered - before
        headers = credential.headers()
        if request.method != "GET":
            fence.ask()
        try:
            reply = self._exchange.send(
                request.method,
                request.path,
                query=request.query,
                body=request.content,
                headers=headers,
                timeout=request.timeout,
                about=request.about,
                sent=request.sent,
            )
        except UnsentError as error:
            failed: ServiceError = self._unsent(error, request.where)
            failed.__cause__ = error
            if error.final:
                raise failed from error
            return failed
        except LostError as error:
            failed = _lost(str(error), request)
            failed.__cause__ = error
            return failed
        if reply.status >= 400:
            reply = unechoed(reply, headers, request.content)
        if reply.status == 401 and not tries.renewed and credential.renew(headers):
            tries.renewed = True
            return None
        if reply.status == 429 and request.queues:
            tries.limited += self._limited(reply, request.where, tries.limited, entered)
            return None
        return _outcome(reply, request)

    def _back_off(self, failed: ServiceError, request: _Request, tries: _Tries) -> None:
        """Pause before the next try, or raise the failure when there is to be none."""
        passing = failed.status is None or (request.safe and failed.status in answers.REPEATABLE)
        if not (isinstance(failed, UnavailableError) and passing):
            raise failed
        tries.failures += 1
        left = self._patience.seconds - (self._pace.clock() - tries.began - tries.held)
        if tries.failures >= self._patience.attempts or left <= 0:
            raise failed
        self._pace.back_off(tries.failures, left, f"repeating {request.where}")

    def _unsent(self, error: UnsentError, where: str) -> UnavailableError:
        return UnavailableError(
            f"{where}: {error}",
            f"Nothing was sent. Check that {self._base_url} is the right address and can be reached.",
        )

    def _limited(self, reply: Reply, where: str, waited: float, entered: float) -> float:
        """Close the gate as long as a 429 asks; answers how long that is, or raises when it is too long."""
        found = answers.problem(reply)
        delay = answers.retry_delay(found, reply.headers)
        delay = _UNSAID_DELAY if delay is None else delay
        spent = waited + delay > self._patience.limited_seconds
        if answers.hopeless(found) or delay > self._patience.seconds or spent:
            failed = answers.failure(found, where)
            if delay > self._patience.seconds and not answers.hopeless(found):
                failed = RateLimitedError(
                    f"{failed.summary} (it asks to wait {delay:.0f} s)",
                    failed.detail,
                    status=429,
                    reason=failed.reason,
                )
            raise failed
        self._pace.limited(delay, entered)
        return max(delay, 0.1)


def _content(body: Mapping[str, Any], method: str, path: str) -> bytes:
    try:
        return encoded(body)
    except ValueError as error:
        raise UsageError(f"{method} {path}: a number that JSON cannot carry (NaN or infinity)") from error


def _lost(cause: str, request: _Request) -> ServiceError:
    if request.safe:
        return UnavailableError(
            f"{request.where}: {cause}",
            "It was repeated without success; run the command again in a while.",
        )
    return ReplyLostError(
        f"{request.where}: {cause}; whether it was done is not known",
        "Run the command again: it looks first and repeats only what was not done.",
    )


def _outcome(reply: Reply, request: _Request) -> _Answer | ServiceError:
    # Cloud Storage's "resume incomplete"; as a redirect a 308 says where to
    if request.raw and (reply.status < 300 or (reply.status == 308 and "location" not in reply.headers)):
        return _Answer(reply)
    if 300 <= reply.status < 400:
        return answers.redirect(reply, request.where)
    if reply.status >= 400:
        return answers.failure(answers.problem(reply), request.where)
    if reply.status == 204:
        return _Answer(reply)
    document = answers.parsed(reply.body)
    if document is not None:
        return _Answer(reply, document)
    kind = answers.printable(reply.headers.get("content-type", "no content type"), 60)
    size = len(reply.body)
    return _lost(f"the reply ({reply.status}, {size} bytes, {kind}) is not the JSON object expected", request)
