"""Which requests are sent again, how often, and what is raised when that is over."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.errors import (
    InvalidArgumentError,
    NotFoundError,
    RateLimitedError,
    ReplyLostError,
    ServiceError,
    StoppedError,
    UnavailableError,
)
from reconciler.transport import Transport, connect
from tests.fakes import FakeClock
from tests.transport.wire import Action, Keeping, Wire, answer, cut, hang_up, refusal, silence

To = Callable[..., Transport]

WHOLE = answer({"name": "tunedModels/x", "description": "a description that is long enough to be cut"})
LOSSES: dict[str, Action] = {
    "no word": hang_up,
    "half a header": cut(WHOLE, 20),
    "half a body": cut(WHOLE, len(WHOLE) - 9),
    "no body": cut(WHOLE, WHOLE.index(b"\r\n\r\n") + 4),
    "HTML": answer(body=b"<html><title>Sign in</title></html>", Content_Type="text/html"),
    "nothing": answer(body=b""),
    "half JSON": answer(body=b'{"name": "tuned'),
    "a list": answer([]),
    "not UTF-8": answer(body=b'{"name": "\xff"}'),
    "bad gzip": answer(body=b"not gzip", Content_Encoding="gzip"),
    "too deep": answer(body=b'{"a":' * 100_000),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_safe_twice_is_sent_again(wire: Wire, to: To, method: str, loss: str) -> None:
    """A read, a patch and a delete survive a lost reply: the second one counts."""
    wire.script = [LOSSES[loss]]
    wire.always = answer({"name": "x"})
    assert to().call(method, "v1beta/x") == {"name": "x"}
    assert [one.method for one in wire.requests] == [method] * 2


@pytest.mark.parametrize("loss", LOSSES)
def test_a_post_is_never_sent_again_by_itself(wire: Wire, to: To, loss: str) -> None:
    """A POST whose reply is lost is sent once, and its effect is said to be unknown."""
    wire.always = LOSSES[loss]
    with pytest.raises(ReplyLostError, match="whether it was done is not known"):
        to().call("POST", "v1beta/tunedModels", body={})
    assert len(wire.requests) == 1


@pytest.mark.parametrize("loss", LOSSES)
def test_a_post_without_effect_may_be_sent_again(wire: Wire, to: To, loss: str) -> None:
    """A POST that the caller calls repeatable is treated like a GET."""
    wire.script = [LOSSES[loss]]
    assert to().call("POST", "v1beta/x:generateContent", body={}, repeatable=True) == {}
    assert len(wire.requests) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_passing_statuses_are_repeated_five_times(wire: Wire, to: To, clock: FakeClock, status: int) -> None:
    """A GET meets a 5xx five times at most, with growing pauses, and then is unavailable."""
    wire.always = refusal(status, "try later")
    with pytest.raises(UnavailableError, match="try later") as caught:
        to().call("GET", "v1beta/x")
    assert caught.value.status == status
    assert len(wire.requests) == 5
    assert 3 < clock.now < 20


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_answered_failure_of_a_post_is_told_at_once(wire: Wire, to: To, status: int) -> None:
    """A POST that is answered 5xx may have had its effect: it is told with its status, not repeated."""
    wire.always = refusal(status, "try later")
    with pytest.raises(UnavailableError) as caught:
        to().call("POST", "v1beta/tunedModels", body={})
    assert caught.value.status == status
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 412, 418, 501, 505])
def test_other_refusals_are_final(wire: Wire, to: To, status: int) -> None:
    """A refusal that would be the same again is met once."""
    wire.always = refusal(status, "no")
    with pytest.raises(ServiceError) as caught:
        to().call("GET", "v1beta/x")
    assert caught.value.status == status
    assert len(wire.requests) == 1


def test_nobody_listening_is_unavailable_for_a_post_too(clock: FakeClock) -> None:
    """A refused connection is tried five times, POST or not, and says that nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    transport = connect(base_url=url, environ={}, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match="refused") as caught:
        transport.call("POST", "v1beta/tunedModels", body={})
    assert caught.value.status is None
    assert not isinstance(caught.value, ReplyLostError)
    assert "Nothing was sent" in caught.value.detail
    assert clock.now > 3


def test_a_name_that_does_not_resolve_is_unavailable(clock: FakeClock) -> None:
    """An unknown host is an error of the address, not a traceback."""
    environ = {"GEMINI_API_KEY": "k", "RECONCILER_RETRY_SECONDS": "1"}
    transport = connect(base_url="https://nowhere.invalid", environ=environ, clock=clock, sleep=clock.sleep)
    with pytest.raises(UnavailableError, match=r"nowhere\.invalid"):
        transport.call("GET", "v1beta/x")


@contextlib.contextmanager
def one_connection(meet: Callable[[socket.socket], object]) -> Iterator[str]:
    """The port of a server that meets one connection, as host:port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                meet(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def test_a_server_without_tls_is_unavailable(clock: FakeClock) -> None:
    """https:// to a port that speaks plain http: told at once, with nothing sent but the handshake."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with one_connection(refuse) as host:
        transport = connect(base_url=f"https://{host}", environ={}, clock=clock, sleep=clock.sleep)
        with pytest.raises(UnavailableError, match="http:// instead of https://"):
            transport.call("POST", "v1beta/tunedModels", body={})
    assert clock.now == 0


def test_an_untrusted_certificate_is_unavailable(clock: FakeClock, tmp_path: Path) -> None:
    """A certificate that nobody signed ends the call before a request, a POST too, and is not tried again."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(self_signed(tmp_path))
    with one_connection(lambda plain: served.wrap_socket(plain, server_side=True)) as host:
        transport = connect(base_url=f"https://{host}", environ={}, clock=clock, sleep=clock.sleep)
        with pytest.raises(UnavailableError, match="certificate is not trusted"):
            transport.call("POST", "v1beta/tunedModels", body={})
    assert clock.now == 0


def self_signed(directory: Path) -> Path:
    """A key and a certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "server.pem"
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path


def test_silence_ends_in_a_time_out(wire: Wire, to: To) -> None:
    """A server that accepts and never answers costs a POST its time-out, and its effect is unknown."""
    wire.always = silence
    with pytest.raises(ReplyLostError, match="in time"):
        to({"RECONCILER_HTTP_TIMEOUT": "0.2"}).call("POST", "v1beta/tunedModels", body={})


def test_slow_calls_have_twice_the_time(wire: Wire, to: To) -> None:
    """A reply that takes longer than the time-out, but not twice as long, is in time for a slow call only."""

    def late(connection: socket.socket) -> None:
        time.sleep(0.6)
        connection.sendall(answer({"late": True}))

    transport = to({"RECONCILER_HTTP_TIMEOUT": "0.4"})
    wire.always = late
    assert transport.call("POST", "v1beta/x", body={}, slow=True) == {"late": True}
    with pytest.raises(ReplyLostError):
        transport.call("POST", "v1beta/x", body={})


def test_patience_has_an_end(wire: Wire, to: To, clock: FakeClock) -> None:
    """Failures are not repeated longer than RECONCILER_RETRY_SECONDS."""
    wire.always = refusal(503, "later")
    with pytest.raises(UnavailableError):
        to({"RECONCILER_RETRY_SECONDS": "1"}).call("GET", "v1beta/x")
    assert clock.now <= 1.2
    assert 2 <= len(wire.requests) <= 4


# ---------------------------------------------------------------- 429

RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "8s"}


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (refusal(429, "slow", details=[RETRY_INFO]), 8.0),
        (refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "0.5s"}]), 0.5),
        (refusal(429, "You exceeded your current quota.\nPlease retry in 8.94s."), 8.94),
        (refusal(429, "Please retry in 250ms."), 0.25),
        (refusal(429, "Please retry in 1m3s."), 63.0),
        (answer({"error": {"message": "x"}}, status=429, Retry_After="7"), 7.0),
        (refusal(429, "Resource has been exhausted (e.g. check quota)."), 5.0),
        (refusal(429, "slow, retry in 3s", details=[RETRY_INFO]), 8.0),
        (answer(status=429, body=b"<html>too many"), 5.0),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_429_waits_as_long_as_it_says(
    wire: Wire, to: To, clock: FakeClock, *, method: str, reply: bytes, seconds: float
) -> None:
    """RetryInfo, then the text, then Retry-After, then 5 s: whatever the method, it is sent once more."""
    wire.script = [reply]
    to({"RECONCILER_RETRY_SECONDS": "100"}).call(method, "v1beta/x", body={})
    assert len(wire.requests) == 2
    assert seconds <= clock.now <= seconds + 0.2


def test_many_429s_are_endured(wire: Wire, to: To, clock: FakeClock) -> None:
    """More 429s than the attempts that failures have are waited for."""
    wire.script = [refusal(429, "slow", details=[RETRY_INFO])] * 10
    to().call("POST", "v1beta/x", body={})
    assert len(wire.requests) == 11
    assert clock.now >= 80


@pytest.mark.parametrize(
    "reply",
    [
        refusal(429, "Quota exceeded for metric: x, limit: 0\nPlease retry in 2s.", details=[RETRY_INFO]),
        refusal(429, "Please retry in 10h0m3s."),
        refusal(429, "slow", details=[{**RETRY_INFO, "retryDelay": "36000s"}]),
    ],
)
def test_a_429_that_is_not_worth_it_fails_at_once(wire: Wire, to: To, clock: FakeClock, reply: bytes) -> None:
    """A zero quota or a delay beyond the patience is RateLimited, without a second request or a wait."""
    wire.always = reply
    with pytest.raises(RateLimitedError):
        to().call("GET", "v1beta/x")
    assert len(wire.requests) == 1
    assert clock.now == 0


def test_a_limit_that_only_begins_with_zero_is_waited_for(wire: Wire, to: To) -> None:
    """`limit: 0.5` is no zero quota."""
    wire.script = [refusal(429, "limit: 0.5. Please retry in 1s.")]
    to().call("GET", "v1beta/x")
    assert len(wire.requests) == 2


def test_429s_without_end_have_an_end(wire: Wire, to: To, clock: FakeClock) -> None:
    """A service that says 429 for ever is given up after five times the patience."""
    wire.always = refusal(429, "slow", details=[RETRY_INFO])
    with pytest.raises(RateLimitedError):
        to().call("GET", "v1beta/x")
    assert 280 <= clock.now <= 300


def test_a_429_slows_every_thread(wire: Wire) -> None:
    """While one thread's 429 is waited for, no other thread sends anything; then all are served."""
    gate = threading.Event()
    arrived: list[float] = []

    def limited(connection: socket.socket) -> None:
        connection.sendall(refusal(429, "Please retry in 600ms."))
        gate.set()

    wire.script = [limited]
    transport = connect(base_url=wire.url, environ={})

    def call(path: str) -> None:
        transport.call("GET", path)
        arrived.append(time.monotonic())

    first = threading.Thread(target=call, args=("v1beta/first",))
    first.start()
    assert gate.wait(5)
    while not transport._pace._opens > 0:  # the reply has left the server, and is being read
        time.sleep(0.001)
    others = [threading.Thread(target=call, args=(f"v1beta/{number}",)) for number in range(5)]
    for thread in others:
        thread.start()
    time.sleep(0.2)
    assert len(wire.requests) == 1
    for thread in (first, *others):
        thread.join(10)
    assert len(wire.requests) == 7
    assert len(arrived) == 6
    transport.close()


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("reply", [refusal(429, "retry in 30s"), refusal(503, "later"), hang_up])
def test_stopping_ends_a_wait(wire: Wire, to: To, clock: FakeClock, reply: Action) -> None:
    """A pause ends within 0.1 s of the run being stopped, and nothing more is sent."""
    wire.always = reply
    with pytest.raises(StoppedError):
        to(stopping=lambda: clock.now > 0.15).call("GET", "v1beta/x")
    assert clock.now <= 0.31
    assert len(wire.requests) == 1


def test_what_needs_no_wait_is_done_while_stopping(wire: Wire, to: To) -> None:
    """A run that is being stopped may still look something up."""
    wire.always = answer({"name": "x"})
    assert to(stopping=lambda: True).call("GET", "v1beta/x") == {"name": "x"}


# ---------------------------------------------------------------- requests and replies


def test_a_request_says_who_and_what(wire: Wire, to: To) -> None:
    """Method, quoted path, query, JSON body, content type and a User-Agent with the version."""
    to().call("POST", "v1beta/tuned Models/ä?x#y", query={"tunedModelId": "a b&c"}, body={"ü": "\u2028😀"})
    request = wire.requests[0]
    assert request.method == "POST"
    assert request.target == "/v1beta/tuned%20Models/%C3%A4%3Fx%23y?tunedModelId=a+b%26c"
    assert request.body == '{"ü": "\u2028😀"}'.encode()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("reconciler/")
    assert "gzip" in request.headers["accept-encoding"]


def test_a_lone_surrogate_is_sent_escaped(wire: Wire, to: To) -> None:
    """A text that has no UTF-8 still travels, as the escape that it came from."""
    to().call("POST", "v1beta/x", body={"a": "\ud800ü"})
    assert wire.requests[0].body == b'{"a": "\\ud800\\u00fc"}'


def test_connections_are_used_again_and_without_cookies(wire: Wire, to: To) -> None:
    """Ten calls in a row use one connection, and what one reply sets is not sent back."""
    wire.always = answer({}, Set_Cookie="a=b")
    transport = to()
    for _ in range(10):
        transport.call("GET", "v1beta/x")
    assert wire.connections == 1
    assert not any("cookie" in one.headers for one in wire.requests)


def test_every_thread_keeps_its_connection(wire: Wire, to: To) -> None:
    """As many connections as threads, however often they all call at once."""
    together = threading.Barrier(6)

    def meet(connection: socket.socket) -> None:
        together.wait(5)
        connection.sendall(answer({}))

    transport = to(parallelism=6)
    for _ in range(3):
        wire.script = [Keeping(meet)] * 6
        threads = [threading.Thread(target=transport.call, args=("GET", "v1beta/x")) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(wire.requests) == 18
    assert wire.connections == 6


def test_a_path_in_the_base_url_is_kept(wire: Wire, to: To) -> None:
    """An endpoint behind a prefix is called there, with or without a final slash."""
    for base in (f"{wire.url}/prefix", f"{wire.url}/prefix/"):
        to(base_url=base).call("GET", "v1beta/x")
    assert [one.target for one in wire.requests] == ["/prefix/v1beta/x"] * 2


def test_a_failure_says_where(wire: Wire, to: To) -> None:
    """An error names method, path and host."""
    wire.always = refusal(404, "Tuned model tunedModels/x does not exist.", canonical="NOT_FOUND")
    with pytest.raises(NotFoundError) as caught:
        to().call("GET", "v1beta/tunedModels/x")
    host = wire.url.removeprefix("http://")
    assert str(caught.value) == (
        f"GET v1beta/tunedModels/x at {host} was refused (404 NOT_FOUND): "
        "Tuned model tunedModels/x does not exist."
    )


def test_a_foreign_message_cannot_drive_a_terminal(wire: Wire, to: To) -> None:
    """Control and direction characters of a reply do not reach the message, nor more than 256 characters."""
    wire.always = refusal(400, "\x1b[31mred\x07\r\n\u202edne\x9b2J\u2066" + "y" * 5000)
    with pytest.raises(InvalidArgumentError) as caught:
        to().call("GET", "v1beta/x")
    assert caught.value.summary.isprintable()
    assert "[31mred dne" in caught.value.summary
    assert len(caught.value.summary) < 400


def test_a_204_is_an_empty_answer(wire: Wire, to: To) -> None:
    """No content is no loss when the status says so."""
    wire.always = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert to().call("DELETE", "v1beta/x") == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_not_sent(wire: Wire, to: To, number: float) -> None:
    """NaN and infinity are refused before anything is sent."""
    with pytest.raises(Exception, match="NaN or infinity"):
        to().call("POST", "v1beta/x", body={"a": number})
    assert wire.requests == []
