"""Sends one request: waits for its turn, signs it, and decides after each failure whether to repeat it.

Rule: a request that was not executed (no connection, 401, 429) may always be repeated. A request that may
have been executed is repeated only if executing it twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from reconciler import errors
from reconciler.bounds import ERROR
from reconciler.http.connection import Exchange, LostError, Reply, UnsentError
from reconciler.http.credential import Credential
from reconciler.http.errors import ErrorReader, JsonObject, parse_object, refuse_redirect
from reconciler.http.throttle import Pace, Patience
from reconciler.redaction import hide_echoes, make_printable
from reconciler.strictjson import Decode

_KEPT = "/:-._~@%"
"""In paths: what resource names are made of, and what a caller has quoted itself (an object's name)."""
_UNSAID_DELAY = 5.0
"""Seconds to wait on a 429 that does not say how long."""
_MOST_DELAY = 600.0
"""Seconds: a 429 that asks for a longer pause is not waited for."""
_PASSING = frozenset({500, 502, 503, 504})
"""Statuses that pass by themselves."""


class Request(Struct, frozen=True):
    """A request, as it is sent each time.

    `safe`: executing the request twice is harmless. `fence`: called before each sending.
    """

    method: str
    path: str
    base_url: str
    query: Mapping[str, str]
    content: bytes | None
    timeout: float
    safe: bool
    fence: Callable[[], None] | None
    about: Mapping[str, str] = field(default_factory=dict)
    sent: Callable[[int], None] | None = None
    queues: bool = True
    raw: bool = False
    decode: Decode | None = None

    @property
    def where(self) -> str:
        """The name of the request in messages, without its query."""
        return f"{self.method} {self.path} at {urlsplit(self.base_url).netloc}"


class Answer(Struct, frozen=True):
    """A successful reply, with its JSON object if one was expected."""

    reply: Reply
    document: JsonObject = field(default_factory=dict)


class _Tries(Struct):
    """The progress of one call: its failures, and the seconds that it waited at the gate and after 429s.

    `sent`: at least one try left this machine.
    """

    began: float
    failures: int = 0
    held: float = 0.0
    limited: float = 0.0
    renewed: bool = False
    sent: bool = False


class Sender(Struct, frozen=True):
    """Sends requests to one endpoint. Several threads use it at once."""

    _base_url: str
    _exchange: Exchange
    _pace: Pace
    _patience: Patience
    _errors: ErrorReader
    _unreachable: str = ""

    def send(self, request: Request, credential: Credential) -> Answer:
        """Send a request, and repeat it as long as that is safe. Raises what `Transport.call` raises."""
        tries = _Tries(self._pace.clock())
        while True:
            outcome = self._try_once(request, credential, tries)
            if isinstance(outcome, errors.ServiceError):
                self._back_off(outcome, request, tries)
            elif outcome is not None:
                self._pace.come_closer()
                return outcome

    def _try_once(
        self, request: Request, credential: Credential, tries: _Tries
    ) -> Answer | errors.ServiceError | None:
        """Send the request once. None if it was not executed and must be sent again (401, 429)."""
        before = self._pace.clock()
        entered = self._pace.enter(request.where)
        tries.held += entered - before
        signature = credential.sign()
        if request.fence is not None:
            request.fence()
        try:
            reply = self._exchange.send(
                request.method,
                quote(request.path, safe=_KEPT),
                query=request.query,
                body=request.content,
                headers=signature.headers,
                timeout=request.timeout,
                about=request.about,
                sent=request.sent,
            )
        except UnsentError as error:
            failed: errors.ServiceError = self._explain_unsent(error, request.where, sent=tries.sent)
            failed.__cause__ = error
            if error.final:
                raise failed from error
            return failed
        except LostError as error:
            tries.sent = True
            failed = _explain_lost(str(error), request)
            failed.__cause__ = error
            return failed
        tries.sent = True
        if reply.status >= 400:
            # Cut before the search, which is slow in a long text. No error of an API is that long.
            private = self._errors.find_private_texts(request.content or b"")
            reply = replace(reply, body=hide_echoes(reply.body[:ERROR], (*signature.secrets, *private)))
        if reply.status == 401 and not tries.renewed and credential.renew(signature):
            tries.renewed = True
            return None
        if reply.status == 429 and request.queues:
            tries.limited += self._close_gate(reply, request, tries.limited, entered)
            return None
        return self._read(reply, request)

    def _back_off(self, failed: errors.ServiceError, request: Request, tries: _Tries) -> None:
        """Pause before the next try. Raises the failure if there is no next try."""
        passing = failed.status is None or (request.safe and failed.status in _PASSING)
        if not (isinstance(failed, errors.UnavailableError) and passing):
            raise failed
        tries.failures += 1
        left = self._patience.seconds - (self._pace.clock() - tries.began - tries.held)
        if tries.failures >= self._patience.attempts or left <= 0:
            raise failed
        self._pace.back_off(tries.failures, left, f"repeating {request.where}")

    def _explain_unsent(self, error: UnsentError, where: str, *, sent: bool) -> errors.UnavailableError:
        usual = f"Check that {self._base_url} is the right address and can be reached."
        advice = f"Nothing was sent. {error.advice or usual}"
        if sent:
            advice = f"{self._base_url} was reached before, and is not any more: run the command again later."
        advice = f"{advice} {self._unreachable}".rstrip()
        return errors.UnavailableError(f"{where}: {error}", advice)

    def _close_gate(self, reply: Reply, request: Request, waited: float, entered: float) -> float:
        """Close the gate for as long as a 429 asks. Returns the seconds; raises if that is too long.

        A request that changes something does not wait for long, because the caller may hold a lock meanwhile,
        and can send the request again later.
        """
        error = self._errors.read(reply, request.where, any_form=request.raw)
        if not isinstance(error, errors.RateLimitedError) or error.again is None:
            raise error
        delay = error.again if error.named else _UNSAID_DELAY
        longest, spent = self._patience.seconds, waited + delay > self._patience.limited_seconds
        if request.method == "GET":  # a GET is sent again at least once
            longest, spent = _MOST_DELAY, spent and waited > 0
        if delay > longest or spent:
            raise error
        self._pace.close_gate(delay, entered)
        return max(delay, 0.1)

    def _read(self, reply: Reply, request: Request) -> Answer | errors.ServiceError:
        # a 308 without a Location says how far an upload has come; a 308 with one is a redirect
        if request.raw and (reply.status < 300 or (reply.status == 308 and "location" not in reply.headers)):
            return Answer(reply)
        if 300 <= reply.status < 400:
            return refuse_redirect(reply, request.where)
        if reply.status >= 400:
            error = self._errors.read(reply, request.where, any_form=request.raw)
            if isinstance(error, errors.NotUnderstoodError) and not request.safe:
                return _explain_lost(f"the reply ({reply.status}) is not one of the API's own", request)
            return error
        if reply.status == 204 and request.method != "GET":
            return Answer(reply)
        document = parse_object(reply.body, request.decode)
        if document is not None:
            return Answer(reply, document)
        kind = make_printable(reply.headers.get("content-type", "no content type"), 60)
        size = len(reply.body)
        cause = f"the reply ({reply.status}, {size} bytes, {kind}) is not the JSON object expected"
        return _explain_lost(cause, request, errors.UnreadableError)


def _explain_lost(
    cause: str, request: Request, as_error: type[errors.UnavailableError] = errors.UnavailableError
) -> errors.ServiceError:
    if request.safe:
        return as_error(
            f"{request.where}: {cause}", "It was repeated without success; run the command again in a while."
        )
    return errors.ReplyLostError(
        f"{request.where}: {cause}; whether it was done is not known",
        "Run the command again: it looks first and repeats only what was not done.",
    )
