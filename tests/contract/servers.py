"""Small strict servers that speak the protocols of stores, with the faults that real ones have.

They are written from the documents of the protocols, and share no code with the clients under test.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Faults:
    """The faults of the next requests."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.refuse: list[int] = []
        """Statuses to answer before anything is done. Each request takes one."""
        self.words = b'{"error": {"message": "injected"}}'
        """The text of those answers."""
        self.lose_replies_of: list[str] = []
        """Methods. The next request of each is carried out, and its answer is never sent."""
        self.lies: list[tuple[str, int, bytes]] = []
        """Method, status and body. The next request of that method is carried out, and gets this answer."""
        self.requests: list[str] = []


class Server(ThreadingHTTPServer):
    """A server on a free port of this machine."""

    daemon_threads = True

    def __init__(self, handler: type[Handler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.faults = Faults()
        self.login: tuple[str, str] | None = None
        self.mutex = threading.Lock()
        self.objects: dict[str, tuple[bytes, int]] = {}
        self.generation = 1_700_000_000_000_000
        self.holder: dict[str, str] | None = None
        self.buckets = {"bucket"}
        self.reformat = False
        self.moved = ""

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that breaks off, for example because of a certificate."""

    @property
    def url(self) -> str:
        """The server's address."""
        scheme = "https" if isinstance(self.socket, ssl.SSLSocket) else "http"
        return f"{scheme}://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """What both protocols share."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def body(self) -> bytes:
        """The whole request body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer, unless the reply must get lost."""
        faults = self.server.faults
        with faults.lock:
            lost = self.command in faults.lose_replies_of
            if lost:
                faults.lose_replies_of.remove(self.command)
            lie = next((planned for planned in faults.lies if planned[0] == self.command), None)
            if lie and not lost:
                faults.lies.remove(lie)
                _, status, body = lie
        if lost:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(body)
        self.wfile.flush()

    def refused(self) -> bool:
        """Whether a fault has answered already."""
        faults = self.server.faults
        with faults.lock:
            faults.requests.append(self.command)
            status = faults.refuse.pop(0) if faults.refuse else 0
        if status:
            self.reply(status, faults.words, {"Retry-After": "0"})
        return bool(status)


class GCSHandler(Handler):
    """The XML API of Google Cloud Storage: objects, generations, preconditions.

    https://cloud.google.com/storage/docs/xml-api/reference-headers
    """

    def do_GET(self) -> None:
        """Answer with one object and its generation."""
        if self.refused():
            return
        bucket, _, key = unquote(urlsplit(self.path).path).strip("/").partition("/")
        with self.server.mutex:
            found = self.server.objects.get(key)
        if bucket not in self.server.buckets:
            self.missing("NoSuchBucket", "The specified bucket does not exist.")
        elif found is None:
            self.missing("NoSuchKey", "The specified key does not exist.")
        else:
            self.reply(200, found[0], self.described(*found))

    def do_PUT(self) -> None:
        """Write if the generation is the expected one. 0 means that there must be no object."""
        data = self.body()
        if self.refused():
            return
        bucket, _, key = unquote(urlsplit(self.path).path).strip("/").partition("/")
        if bucket not in self.server.buckets:
            self.missing("NoSuchBucket", "The specified bucket does not exist.")
            return
        expected = self.headers.get("x-goog-if-generation-match")
        with self.server.mutex:
            current = self.server.objects.get(key)
            met = expected is None or int(expected) == (current[1] if current else 0)
            if met:
                self.server.generation += 1
                self.server.objects[key] = (data, self.server.generation)
                current = self.server.objects[key]
        if met and current:
            self.reply(200, b"", self.described(*current))
        else:
            text = b"<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you "
            self.reply(412, b"<?xml version='1.0'?>" + text + b"specified did not hold.</Message></Error>")

    def missing(self, code: str, message: str) -> None:
        """Answer 404 as the XML API words it."""
        self.reply(404, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())

    def described(self, data: bytes, generation: int) -> dict[str, str]:
        """The headers with the generation and the etag, which is a hash of the content as on GCS."""
        return {
            "ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"',
            "x-goog-generation": str(generation),
            "Last-Modified": "Sun, 22 Nov 2026 18:00:00 GMT",
        }


class TerraformHandler(Handler):
    """Terraform's HTTP state protocol. It compares ids, checks digests, and refuses other logins.

    https://developer.hashicorp.com/terraform/language/backend/http
    """

    def allowed(self) -> bool:
        """Return whether the login is right. Answer 401 if it is not."""
        if self.server.login is None:
            if self.headers.get("Authorization"):
                self.reply(400, b"nobody asked for a login")
                return False
            return True
        wanted = base64.b64encode(":".join(self.server.login).encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            return True
        self.reply(401, b"who are you?")
        return False

    def do_GET(self) -> None:
        """Answer with the state, or with 204."""
        if self.refused() or not self.allowed():
            return
        if self.server.moved:
            self.reply(302, b"", {"Location": self.server.moved})
            return
        with self.server.mutex:
            found = self.server.objects.get("state")
        if found is None:
            self.reply(204)
        else:
            self.reply(200, found[0])

    def do_POST(self) -> None:
        """Write under the lock that ?ID names. At the address for locks: lock."""
        if urlsplit(self.path).path == "/lock":
            self.do_LOCK()
            return
        data = self.body()
        if self.refused() or not self.allowed():
            return
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        if self.headers.get("Content-MD5") != digest:
            self.reply(400, b"Content-MD5 is not that of the body")
            return
        if self.headers.get("Content-Type") != "application/json":
            self.reply(415)
            return
        ids = parse_qs(urlsplit(self.path).query).get("ID", [])
        with self.server.mutex:
            holder = self.server.holder
            if holder is not None and ids == [holder["ID"]]:
                if self.server.reformat:
                    data = json.dumps(json.loads(data), indent=1).encode()
                self.server.objects["state"] = (data, 0)
                holder = None
            else:
                holder = holder or {"ID": ""}
        if holder is None:
            self.reply(200)
        else:
            self.reply(423, json.dumps(holder).encode())

    def do_PUT(self) -> None:
        """Do the same as POST."""
        self.do_POST()

    def do_DELETE(self) -> None:
        """Unlock: this is GitLab's name for it."""
        self.do_UNLOCK()

    def do_LOCK(self) -> None:
        """Take the lock, or answer whose it is."""
        wanted = json.loads(self.body())
        if self.refused() or not self.allowed():
            return
        missing = {"ID", "Operation", "Info", "Who", "Version", "Created", "Path"} - set(wanted)
        if missing:
            self.reply(400, f"missing: {sorted(missing)}".encode())
            return
        with self.server.mutex:
            holder = self.server.holder
            if holder is None:
                self.server.holder = wanted
        if holder is None:
            self.reply(200)
        else:
            self.reply(423, json.dumps(holder).encode())

    def do_UNLOCK(self) -> None:
        """Release the lock if its id is given."""
        data = self.body()
        if self.refused() or not self.allowed():
            return
        asked = json.loads(data or b"{}").get("ID")
        with self.server.mutex:
            holder = self.server.holder
            if holder is not None and holder["ID"] == asked:
                self.server.holder, status = None, 200
            else:
                status = 409
        self.reply(status, b"" if status == 200 else json.dumps(holder or {}).encode())


class UnconditionalHandler(GCSHandler):
    """A store that ignores preconditions, as old S3 clones do."""

    def do_PUT(self) -> None:
        """Write in any case."""
        del self.headers["x-goog-if-generation-match"]
        super().do_PUT()


class CreateOnlyHandler(GCSHandler):
    """A store that refuses a second create, and ignores the version that a write replaces."""

    def do_PUT(self) -> None:
        """Write, unless the request wants to create a state and there is one."""
        if self.headers.get("x-goog-if-generation-match") != "0":
            del self.headers["x-goog-if-generation-match"]
        super().do_PUT()


class TokenHandler(Handler):
    """Google's security token service, as far as a federated credential uses it."""

    def do_POST(self) -> None:
        """Answer with a token for the scope that was asked for."""
        asked = parse_qs(self.body().decode())
        self.server.faults.requests.append(asked["scope"][0])
        answer = {
            "access_token": "federated-token",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        self.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


class ForbiddingHandler(Handler):
    """A store that forbids every request."""

    def do_GET(self) -> None:
        """Answer 403, as a store does that does not tell whether the bucket exists."""
        words = {"error": {"code": 403, "message": "no storage.objects.get access (or it may not exist)"}}
        self.reply(403, json.dumps(words).encode())


@contextmanager
def running(handler: type[Handler]) -> Iterator[Server]:
    """Run the server in its own thread until the end of the block."""
    server = Server(handler)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def self_signed(file: Path) -> tuple[str, str]:
    """Write a certificate for 127.0.0.1 and its key, as PEM, to the file, and return both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "state")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(public + private)
    return public.decode(), private.decode()
