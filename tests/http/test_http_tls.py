"""Servers that cannot be trusted, or do not speak TLS: told apart from a lost reply."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.errors import UnavailableError, UsageError
from reconciler.http.connection import Exchange, UnsentError
from reconciler.providers.google.connection import connect
from reconciler.settings import to_settings
from reconciler.settings.tls import Trust
from tests.fakes import FakeClock
from tests.proxying import Authority, Proxy, listening


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
    """https:// to a port of plain http is an error at once. Only the handshake was sent."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with one_connection(refuse) as host:
        transport = connect(base_url=f"https://{host}", environ={}, clock=clock, sleep=clock.sleep)
        with pytest.raises(UnavailableError, match="http:// instead of https://"):
            transport.call("POST", "v1beta/tunedModels", body={})
    assert clock.now == 0


def test_an_untrusted_certificate_is_unavailable(clock: FakeClock, tmp_path: Path) -> None:
    """A certificate that nobody signed ends the call before the request. A POST is not tried again either."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(self_signed(tmp_path))
    with one_connection(lambda plain: served.wrap_socket(plain, server_side=True)) as host:
        transport = connect(base_url=f"https://{host}", environ={}, clock=clock, sleep=clock.sleep)
        with pytest.raises(UnavailableError, match="certificate is not trusted"):
            transport.call("POST", "v1beta/tunedModels", body={})
    assert clock.now == 0


def test_certificates_are_read_by_who_connects_with_tls(clock: FakeClock, tmp_path: Path) -> None:
    """A file without a certificate is an error that names its variable, but only where TLS needs the file."""
    file = tmp_path / "none.pem"
    file.write_text("no certificate", encoding="utf-8")
    environ = {"SSL_CERT_FILE": str(file)}

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with one_connection(answer) as host:
        transport = connect(base_url=f"http://{host}", environ=environ, clock=clock, sleep=clock.sleep)
        assert transport.call("GET", "v1beta/tunedModels") == {}
    transport = connect(base_url=f"https://{host}", environ=environ, clock=clock, sleep=clock.sleep)
    with pytest.raises(UsageError, match=f"SSL_CERT_FILE={file}: the file holds no certificate"):
        transport.call("GET", "v1beta/tunedModels")
    assert clock.now == 0


@pytest.mark.parametrize("more", [{}, {"AWS_CA_BUNDLE": "other.pem"}])
def test_certificates_of_stores_are_checked_before(tmp_path: Path, more: dict[str, str]) -> None:
    """A store's client reads the files itself. Of several files, nobody could tell later which is wrong."""
    file = tmp_path / "none.pem"
    file.write_text("no certificate", encoding="utf-8")
    others = {name: str(self_signed(tmp_path)) for name in more}
    find = Trust.find if more else Trust.read
    with pytest.raises(UsageError, match=r"SSL_CERT_FILE=.*: the file holds no certificate"):
        find(to_settings({"SSL_CERT_FILE": str(file), **others}))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no file that even root cannot read")
@pytest.mark.parametrize("more", [{}, {"AWS_CA_BUNDLE": "other.pem"}])
def test_a_file_of_certificates_that_cannot_be_read_is_a_usage_error(
    tmp_path: Path, more: dict[str, str]
) -> None:
    """It is named by its variable, alone and beside another one."""
    others = {name: str(self_signed(tmp_path)) for name in more}
    with pytest.raises(UsageError, match=r"SSL_CERT_FILE=/proc/self/mem: Input/output error"):
        Trust.read(to_settings({"SSL_CERT_FILE": "/proc/self/mem", **others}))


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "not trusted"])
def test_a_proxy_of_https_needs_a_trusted_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, *, is_trusted: bool
) -> None:
    """The certificates that are trusted hold for a proxy too. Nothing is sent to one that is not trusted."""
    authority = Authority(tmp_path)
    trust = Trust((("SSL_CERT_FILE", str(authority.file)),), str(authority.file)) if is_trusted else Trust()
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with listening(Proxy(authority, tls=True, login="user:a-long-password")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("https", scheme))
        exchange = Exchange("https://service.example", loopback=False, connections=1, trust=trust)
        if is_trusted:
            assert exchange.send("GET", "x", query={}, body=None, headers={}, timeout=9).body == b"{}"
        else:
            with pytest.raises(UnsentError, match="proxy of the environment"):
                exchange.send("GET", "x", query={}, body=None, headers={}, timeout=9)
        exchange.close()
    assert [seen.method for seen in proxy.seen] == ["CONNECT", "GET"] * is_trusted
    assert not any(seen.holds("user:a-long-password") for seen in proxy.requests)


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
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "server.pem"
    path.write_bytes(private + certificate.public_bytes(encoding))
    return path
