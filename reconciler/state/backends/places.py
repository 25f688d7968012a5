"""Takes the value of --state apart, and refuses a mistyped one without showing its login.

Rule: a typing error must not turn a secret into the name of a folder, a bucket or a host. Such errors are a
password with "/", "#", "?" or "@" in it, a missing slash, or a missing letter in the scheme.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from msgspec import Struct

from reconciler.errors import UsageError
from reconciler.settings import hide_login
from reconciler.settings.hosts import parse_url
from reconciler.settings.secrecy import CONTROLS

KINDS = ("http", "https", "gs", "s3", "az")
_BUCKET = r"[A-Za-z0-9$][A-Za-z0-9._-]{0,221}"
_ALMOST = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|[^/\s]*:[^/]*@|[^/\s]*://|.*//[^/]*:.*@")
"""Texts that look like an address but are invalid."""
_WRITE = "Give a folder, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or https://HOST/PATH."


class Place(Struct, frozen=True):
    """The place where a state is kept.

    Attributes:
        url: the whole value, with its login.
        scheme: "" for a folder.
        rest: what follows the scheme.
    """

    url: str
    scheme: str
    rest: str


def parse_place(url: str, where: str) -> Place:
    """Take the value of --state, RECONCILER_STATE or spec.state apart. `where` says which of them it is.

    Raises:
        UsageError: a state cannot be kept there. The message leaves the login out.
    """
    url = url.strip()
    shown = f"{where} {hide_login(url)}"
    if CONTROLS.search(url):
        raise UsageError(f"{where}: it holds a line break or another control character", _WRITE)
    if url[:1] in {"{", "["}:
        raise UsageError(f"{where}: it holds a JSON text, and must be a folder or an address", _WRITE)
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        if _ALMOST.match(url):
            raise UsageError(f"{shown}: it looks like an address, but it is not valid", _WRITE)
        return Place(url, "", url)
    if scheme not in KINDS:
        raise UsageError(f"{shown}: {scheme}:// is not a supported kind of state", _WRITE)
    if scheme in ("http", "https"):
        return Place(check_http_address(url, where), scheme, rest)
    bucket = rest.partition("/")[0]
    if not bucket:
        raise UsageError(f"{shown}: no bucket is named", f"Write {scheme}://BUCKET/PREFIX.")
    if not re.fullmatch(_BUCKET, bucket, re.ASCII):
        login = " (credentials do not belong into it)" if "@" in rest else ""
        raise UsageError(
            f"{shown}: that is not the name of a bucket{login}",
            f"Write {scheme}://BUCKET/PREFIX; credentials come from the environment.",
        )
    return Place(url, scheme, rest)


def check_http_address(url: str, where: str) -> str:
    """Check an http(s) address, which may hold a login. Returns it unchanged.

    Raises:
        UsageError: its login has characters that end a login, or the rest is not an address.
    """
    scheme, separator, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, at, host = authority.rpartition("@")
    shown = f"{where} {hide_login(url)}"
    if not at and "@" in rest and ":" in authority:
        raise UsageError(
            f"{shown}: the password in it has a character that ends it there: '/', '#' or '?'",
            "Write it as %2F, %23 or %3F, or set TF_HTTP_USERNAME and TF_HTTP_PASSWORD instead.",
        )
    tail = rest[len(authority) :]
    try:
        urlsplit(url)
        sound = separator and parse_url(f"{scheme}://{host}") and not re.search(r"[\x00-\x20\\]", tail)
    except ValueError:
        sound = False
    if not sound or re.search(r"[\s\\]", login):
        raise UsageError(
            f"{where}: this is not a valid address: check its host and its port",
            "Write https://HOST/PATH; put an IPv6 address in brackets, and percent-encode a password.",
        )
    return url
