"""A proxy that ends every TLS connection itself, and notes all that is sent. It stands for all other hosts.

It answers for foreign hosts with certificates that its own authority signs. So a test sees what a client
would send to them, without any network. It is written from RFC 9110 and shares no code with the client.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Seen:
    """One request.

    Attributes:
        host: the host that it was for, with the port if that is not the usual one.
        method: "CONNECT" for a tunnel that was asked for.
        target: the path and the query.
        raw: the whole request, head and body.
    """

    host: str
    method: str
    target: str
    raw: bytes

    def holds(self, secret: str) -> bool:
        """Return whether the request contains a secret, in plain text or in base64."""
        coded = base64.b64encode(secret.encode())
        return any(text in self.raw for text in (secret.encode(), coded[4:-4]))


Says = Callable[[Seen], bytes]


def reply(body: bytes = b"{}", status: int = 200, **headers: str) -> bytes:
    """Return the bytes of a whole answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Authority:
    """Signs certificates for any host.

    Attributes:
        file: its certificate.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, self._lock = directory, threading.Lock()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of our own")])
        self._contexts: dict[str, ssl.SSLContext] = {}
        basic = x509.BasicConstraints(ca=True, path_length=None)
        identity = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        built = self._builder(self._name, self._key).add_extension(basic, critical=True)
        made = built.add_extension(identity, critical=False).sign(self._key, hashes.SHA256())
        self.file = directory / "authority.pem"
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def context(self, host: str) -> ssl.SSLContext:
        """Return a TLS context with a certificate for that host."""
        with self._lock:
            if host not in self._contexts:
                self._contexts[host] = self._served(host)
            return self._contexts[host]

    def _served(self, host: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        of_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a host")])
        built = self._builder(subject, key).add_extension(x509.SubjectAlternativeName([name]), critical=False)
        built = built.add_extension(usage, critical=False).add_extension(of_authority, critical=False)
        made = built.sign(self._key, hashes.SHA256())
        file = self._directory / f"{len(self._contexts)}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@dataclass
class Proxy:
    """A proxy that listens.

    Attributes:
        authority: signs certificates for all hosts.
        says: the answer of all hosts.
        login: the one that the proxy asks for, "user:password"; "" for none.
        seen: all requests, tunnels included.
    """

    authority: Authority
    says: Says = field(default=lambda _: reply())
    login: str = ""
    tls: bool = False
    port: int = 0
    seen: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The proxy's address, with the login."""
        login = f"{self.login}@" if self.login else ""
        return f"{'https' if self.tls else 'http'}://{login}127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Seen]:
        """Return the requests that came through tunnels or directly."""
        return [request for request in self.seen if request.method != "CONNECT"]

    def hosts(self) -> set[str]:
        """Return the hosts to which tunnels were asked for."""
        return {request.host for request in self.seen}

    def converse(self, plain: socket.socket) -> None:
        """Serve one connection."""
        connection = plain
        if self.tls:
            connection = self.authority.context("127.0.0.1").wrap_socket(plain, server_side=True)
        with connection:
            while (raw := _read(connection)) is not None:
                method, target, _ = raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
                if method == "CONNECT":
                    self._tunnel(connection, target, raw)
                    return
                _, _, rest = target.partition("://")
                host, slash, path = rest.partition("/")
                self._answer(connection, Seen(host, method, slash + path, raw))

    def _answer(self, connection: socket.socket | _Inner, seen: Seen) -> None:
        self.seen.append(seen)
        connection.sendall(self.says(seen))

    def _tunnel(self, connection: socket.socket, target: str, raw: bytes) -> None:
        name = target.removesuffix(":443")
        self.seen.append(Seen(name, "CONNECT", target, raw))
        if self.login and base64.b64encode(self.login.encode()) not in raw:
            connection.sendall(reply(b"", 407, **{"Proxy-Authenticate": "Basic"}))
            return
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        context = self.authority.context(target.rpartition(":")[0].strip("[]"))
        inner = _wrapped(context, connection)
        with contextlib.ExitStack() as closing:
            if isinstance(inner, ssl.SSLSocket):
                closing.enter_context(inner)
            while (asked := _read(inner)) is not None:
                method, path, _ = asked.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
                self._answer(inner, Seen(name, method, path, asked))


def _wrapped(context: ssl.SSLContext, connection: socket.socket) -> _Inner | ssl.SSLSocket:
    """A TLS connection over a connection that may use TLS itself."""
    if isinstance(connection, ssl.SSLSocket):
        return _Inner(context, connection)
    return context.wrap_socket(connection, server_side=True)


class _Inner:
    """The part of a socket that is needed here, over another TLS connection."""

    def __init__(self, context: ssl.SSLContext, outer: socket.socket) -> None:
        self._outer, self._in, self._out = outer, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._until_done(self._tls.do_handshake)

    def _until_done(self, act: Callable[[], bytes | int | None]) -> bytes | int | None:
        while True:
            try:
                done = act()
            except ssl.SSLWantReadError:
                self._outer.sendall(self._out.read())
                self._in.write(self._outer.recv(65536) or self._hung_up())
            else:
                self._outer.sendall(self._out.read())
                return done

    def _hung_up(self) -> bytes:
        raise OSError("they hung up")

    def recv(self, size: int) -> bytes:
        """Return the next bytes."""
        found = self._until_done(lambda: self._tls.read(size))
        return found if isinstance(found, bytes) else b""

    def sendall(self, data: bytes) -> None:
        """Send these bytes."""
        self._until_done(lambda: self._tls.write(data))


def _read(connection: socket.socket | _Inner) -> bytes | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = {line.partition(b":")[0].lower(): line.partition(b":")[2] for line in head.split(b"\r\n")[1:]}
    left = int(fields.get(b"content-length", b"0")) - len(body)
    while left > 0:
        more = connection.recv(65536)
        data, left = data + more, left - (len(more) or left)
    return data


@contextlib.contextmanager
def listening(proxy: Proxy) -> Iterator[Proxy]:
    """Run the proxy until the block ends."""
    server = socket.create_server(("127.0.0.1", 0))
    proxy.port = server.getsockname()[1]

    def meet(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            proxy.converse(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=meet, args=(server.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
