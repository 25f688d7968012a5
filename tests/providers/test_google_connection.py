"""Which addresses are usable, which are this machine, and where a credential may go."""

from __future__ import annotations

import pytest

from reconciler.errors import CredentialError, UsageError
from reconciler.providers.api import find_service
from reconciler.providers.google.connection import connect
from reconciler.settings.hosts import is_loopback

LOOPBACK = [
    "http://127.0.0.1",
    "http://127.0.0.1:8080/prefix",
    "http://127.255.255.254:1",
    "http://localhost:8080",
    "http://LOCALHOST",
    "https://localhost",
    "http://[::1]:8080",
]
ELSEWHERE = [
    "http://example.com",
    "https://generativelanguage.googleapis.com",
    "http://127.0.0.1.example.com",
    "http://localhost.example.com",
    "http://128.0.0.1",
    "http://0.0.0.0",
    "http://127.1",
    "http://2130706433",
    "http://[::ffff:127.0.0.1]",
    "http://[::2]",
    "http://10.0.0.1",
    "http://x.localhost",
]


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_is_the_emulator(url: str) -> None:
    """Every address of this machine, whatever its port, is service "emulator", and needs no credential."""
    assert is_loopback(url)
    assert find_service(url, "google") == "emulator"
    assert connect(base_url=url, environ={}).credential.description == "none"


@pytest.mark.parametrize("url", ELSEWHERE)
def test_everything_else_is_google(url: str) -> None:
    """An address that only looks like this machine is not this machine."""
    assert not is_loopback(url)
    assert find_service(url, "google") == "google"


@pytest.mark.parametrize("url", [one for one in ELSEWHERE if one.startswith("http:")])
@pytest.mark.parametrize("variable", ["GOOGLE_OAUTH_ACCESS_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_no_credential_goes_over_plain_http(url: str, variable: str) -> None:
    """A credential for a plain-http address elsewhere is refused before the request, and not shown."""
    transport = connect(base_url=url, environ={variable: "s3cret"})
    with pytest.raises(CredentialError, match="plain http") as caught:
        transport.call("GET", "v1beta/tunedModels")
    assert "s3cret" not in f"{caught.value}{caught.value.detail}"
    with pytest.raises(CredentialError):
        _ = transport.credential.description


@pytest.mark.parametrize(
    "url",
    [
        "generativelanguage.googleapis.com",
        "ftp://example.com",
        "https://",
        "https://user:password@example.com",
        "http://127.0.0.1\\@example.com",
        "https://example.com:port",
        "https://example.com:99999",
        "https://[::1",
        "https://exa mple.com",
        "https://example.com\n",
        "https://example.com?key=s3cret",
        "https://example.com/#x",
    ],
)
def test_a_malformed_address_is_a_usage_error(url: str) -> None:
    """An address that two parsers could read differently, or with a secret, is refused and not repeated."""
    with pytest.raises(UsageError) as caught:
        connect(base_url=url, environ={})
    assert "password" not in caught.value.summary
    assert "s3cret" not in caught.value.summary
    assert caught.value.detail


@pytest.mark.parametrize("variable", ["RECONCILER_HTTP_TIMEOUT", "RECONCILER_RETRY_SECONDS"])
@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", "1e9"])
def test_a_number_of_seconds_is_one(variable: str, text: str) -> None:
    """A time-out that is no positive number of seconds is a usage error that names the variable."""
    with pytest.raises(UsageError, match=variable):
        connect(base_url="http://127.0.0.1", environ={variable: text})
