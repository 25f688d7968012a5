"""Uploads an object to Cloud Storage: a small one in one request, a large one in parts that can be resumed.

https://cloud.google.com/storage/docs/performing-resumable-uploads. Rules: large content is
read again from its source each time and never held whole. An object is made only if it does not
exist (ifGenerationMatch=0). The last part is sent only after the digest of the whole content is checked.
"""

# Not google-resumable-media: its session signs requests and repeats them by itself, even a POST. It sleeps
# through Ctrl-C, does not pause all threads after a 429, and would send a credential over plain http.

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from reconciler import errors
from reconciler.http import Reply, Transport
from reconciler.providers import Fence
from reconciler.providers.google.json import explain_wrong_type
from reconciler.strictjson import loads_answer

QUANTUM = 256 * 1024
"""Bytes: each part but the last is a multiple of it, as documented."""
PART = 8 * 1024 * 1024
"""Bytes of a part, as Google advises. An object of at most this size is sent in one request."""
CONTENT_TYPE = "application/jsonl"

_SESSIONS = 3
"""The number of times that an upload is started if the service forgets it (it keeps uploads for a week)."""
_FAILURES = 8
"""Parts in a row that make no progress."""

Sent = Callable[[int], None]
"""Is called with the number of bytes sent so far."""


class _GoneError(Exception):
    """The service does not know this upload, or has forgotten it."""


class Content(Struct, frozen=True):
    """The content of an object: its size, digests and lines.

    Attributes:
        lines: the lines without their line breaks. They are iterated once for each reading.
        shown: the content's name in messages.
        whole: the whole content if it is small, else None.
    """

    lines: Iterable[bytes]
    shown: str
    size: int
    sha256: str
    md5: str
    whole: bytes | None

    def check_lines(self) -> Iterator[bytes]:
        """Yield the lines with their line breaks. StalePlanError before the last one if they have changed."""
        digest, size = hashlib.sha256(), 0
        held = b""
        for line in self.lines:
            if held:
                yield held
            held = line + b"\n"
            digest.update(held)
            size += len(held)
            if size > self.size:
                break
        if digest.hexdigest() != self.sha256:
            raise errors.StalePlanError(
                f"{self.shown} changed while it was uploaded", "Nothing was created. Make a new plan."
            )
        yield held


def measure_content(lines: Iterable[bytes], shown: str, *, small: int) -> Content:
    """Read content once, and measure it. Keeps the content if it has at most `small` bytes."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    kept: list[bytes] = []
    for line in lines:
        ended = line + b"\n"
        sha256.update(ended)
        md5.update(ended)
        size += len(ended)
        if size <= small:
            kept.append(ended)
        else:
            kept.clear()
    return Content(
        lines=lines,
        shown=shown,
        size=size,
        sha256=sha256.hexdigest(),
        md5=b64encode(md5.digest()).decode(),
        whole=b"".join(kept) if size <= small else None,
    )


class Upload:
    """The upload of one object.

    Args:
        transport: the transport to Cloud Storage.
        bucket: the bucket's name.
        name: the object's name.
        content: the object's content.
        sent: called with the number of bytes sent so far.
        fence: called before each request.
        part: how many bytes a part has, a multiple of QUANTUM.
    """

    def __init__(
        self,
        transport: Transport,
        bucket: str,
        name: str,
        content: Content,
        *,
        sent: Sent,
        fence: Fence,
        part: int = PART,
    ) -> None:
        self._transport = transport
        self._path = f"upload/storage/v1/b/{bucket}/o"
        self._query = {"name": name, "ifGenerationMatch": "0"}
        self._content = content
        self._sent = sent
        self._fence = fence
        self._part = part

    def put(self) -> bool:
        """Upload the object. If it exists already, that is success.

        Returns:
            Whether Cloud Storage confirmed it. If not, the caller must look for the object.

        Raises:
            StalePlanError: the content has changed; no object was made.
            NotFoundError: there is no such bucket.
            ServiceError, CredentialError: see `Transport.call`.
        """
        try:
            if self._content.whole is None:
                return self._is_about_it(self._send_in_parts())
            query = {**self._query, "uploadType": "media"}
            about = {"content-type": CONTENT_TYPE}
            return self._is_about_it(self._transfer("POST", query, self._content.whole, about))
        except errors.ServiceError as error:
            if error.status != 412:  # the object exists, from another run or from a try whose reply was lost
                raise
            return False

    def _transfer(self, method: str, query: dict[str, str], content: bytes, about: dict[str, str]) -> Reply:
        """Send a request that is harmless to send twice."""
        return self._transport.transfer(
            method, self._path, query=query, content=content, about=about, repeatable=True, fence=self._fence
        )

    def _is_about_it(self, reply: Reply) -> bool:
        """Return whether the reply is a JSON object about this upload."""
        try:
            document = loads_answer(reply.body)
        except errors.NotJSONError:
            return False
        name = self._query["name"]
        return isinstance(document, dict) and document.get("name", name) == name

    def _send_in_parts(self) -> Reply:
        for left in reversed(range(_SESSIONS)):
            try:
                return self._send(self._begin())
            except _GoneError as gone:
                if not left:
                    raise errors.ServiceError(
                        f"{self._content.shown} cannot be uploaded: Cloud Storage forgot the upload "
                        f"{_SESSIONS} times",
                        "Run the command again in a while.",
                    ) from gone
        raise AssertionError("unreachable")

    def _begin(self) -> dict[str, str]:
        """Begin an upload. Returns the query that its parts are sent with.

        Uses only the query of the returned address, because a reply must not decide where requests go.
        It is harmless to begin twice, because an unfinished upload makes no object.
        """
        about = {
            "content-type": "application/json",
            "x-upload-content-type": CONTENT_TYPE,
            "x-upload-content-length": str(self._content.size),
        }
        content = b'{"md5Hash":"%b"}' % self._content.md5.encode()
        reply = self._transfer("POST", {**self._query, "uploadType": "resumable"}, content, about)
        query = dict(parse_qsl(urlsplit(reply.headers.get("location", "")).query))
        if not query.get("upload_id"):
            raise explain_wrong_type(self._path, "an upload", "", "one with an address")
        return query

    def _send(self, query: dict[str, str]) -> Reply:
        """Send part after part, each from the offset that the service reports. Keeps no sent part."""
        at, held, lines, size = 0, bytearray(), self._content.check_lines(), self._content.size
        failures = 0
        while True:
            while len(held) < self._part and (line := next(lines, None)) is not None:
                held += line
            part = bytes(held[: self._part])
            # everything was sent, but the object is not confirmed yet, so ask
            reply = self._put(query, at, part) if part else self._ask(query)
            has = self._has(reply, at + len(part))
            if has is None:
                self._sent(size)
                return reply
            if has < at:
                raise _GoneError
            failures = failures + 1 if has == at else 0
            if failures == _FAILURES:
                raise errors.UnavailableError(
                    f"{self._content.shown}: the upload makes no progress at {at:,} of {size:,} bytes",
                    "Run the command again in a while.",
                )
            if failures:
                self._transport.wait(min(2.0**failures, 30.0), f"uploading {self._content.shown}")
            del held[: has - at]
            at = has

    def _put(self, query: dict[str, str], at: int, part: bytes) -> Reply:
        """Send a part. After a lost reply or a 5xx, ask how much of it has arrived."""
        size = self._content.size
        try:
            return self._transport.transfer(
                "PUT",
                self._path,
                query=query,
                content=part,
                about={"content-range": f"bytes {at}-{at + len(part) - 1}/{size}"},
                repeatable=False,
                fence=self._fence,
                sent=lambda gone: self._sent(at + gone),
            )
        except errors.NotFoundError as error:
            raise _GoneError from error
        except errors.ReplyLostError:
            return self._ask(query)
        except errors.ServiceError as error:
            if error.status == 410:
                raise _GoneError from error
            if error.status is None or error.status < 500:
                raise
            return self._ask(query)

    def _ask(self, query: dict[str, str]) -> Reply:
        try:
            return self._transfer("PUT", query, b"", {"content-range": f"bytes */{self._content.size}"})
        except errors.ServiceError as error:
            if error.status in {404, 410}:
                raise _GoneError from error
            raise

    def _has(self, reply: Reply, most: int) -> int | None:
        """Return how many bytes the service has. None if the object is complete."""
        if reply.status != 308:
            return None
        span = reply.headers.get("range", "")
        _, dash, last = span.partition("-")
        has = int(last) + 1 if dash and re.fullmatch(r"[0-9]{1,18}", last) else 0
        if has > most or (span and not has):
            raise explain_wrong_type(self._path, "Range", span, "one within what was sent")
        return has
