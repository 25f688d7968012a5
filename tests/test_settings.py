"""Settings are trimmed, checked and refused by name, and decide where a credential may go."""

from __future__ import annotations

import pytest

from reconciler.errors import CredentialError, ReconcilerError, UsageError
from reconciler.settings import Settings, hide_login, read_seconds
from reconciler.settings.table import SETTINGS
from reconciler.settings.tls import tell_every_library
from reconciler.settings.trust import explain_distrust

TRUSTED = {"RECONCILER_TRUSTED_HOSTS": "proxy.example.com, *.corp.example, 192.0.2.7"}
ALLOWED = [
    "https://generativelanguage.googleapis.com",
    "https://US-CENTRAL1-aiplatform.GOOGLEAPIS.com/v1",
    "https://aiplatform.us.rep.googleapis.com:443",
    "https://aiplatform.eu.rep.googleapis.com",
    "https://europe-west4-aiplatform.googleapis.com",
    "https://storage.googleapis.com.",
    "http://127.0.0.1:8085",
    "http://localhost",
    "http://[::1]:80",
    "https://proxy.example.com/models",
    "https://PROXY.example.com:8443",
    "https://a.b.corp.example",
    "https://192.0.2.7",
    "s3://bucket/prefix",
    "az://container",
    "gs://bucket",
    "state",
]
REFUSED = [
    "https://evil.example",
    "https://evil.googleapis.com.attacker.tld",
    "https://googleapis.com.evil",
    "https://evilgoogleapis.com",
    "https://evil.example/.googleapis.com",
    "https://evil.example#.googleapis.com",
    "https://evil.example?.googleapis.com",
    "https://evil.example\\.googleapis.com",
    "https://x.googleapis.com@evil.example",
    "https://x.googleapis.com:443@evil.example",
    "https://evil.example\u3002googleapis.com",
    "https://evil.example\uff0f.googleapis.com",
    "https://x.g\u043e\u043egleapis.com",
    "http://generativelanguage.googleapis.com",
    "http://127.0.0.1.evil.example",
    "http://x.localhost",
    "http://localhost.evil.example",
    "http://127.1",
    "http://2130706433",
    "http://0.0.0.0",
    "http://[::ffff:127.0.0.1]",
    "http://localhost.",
    "https://corp.example",
    "https://evilcorp.example",
    "https://proxy.example.com.evil.example",
    "https://a.proxy.example.com",
    "HTTPS://evil.example",
    "https:////evil.example",
    "ftp://evil.example",
]


OWN = ("*.googleapis.com",)
"""The services' own hosts."""


def refuse(url: str, environ: dict[str, str]) -> tuple[str, str] | None:
    """Say why nothing is sent to what a Stack names, and what to do."""
    instead = "set GOOGLE_GEMINI_BASE_URL instead"
    return explain_distrust(url, "the Stack's endpoint", instead, settings=Settings(environ), own_hosts=OWN)


@pytest.mark.parametrize("url", ALLOWED)
def test_a_stack_may_name_google_this_machine_and_who_is_trusted(url: str) -> None:
    """A Stack may name Google's hosts, loopback, a bucket, and hosts that the environment trusts."""
    assert refuse(url, TRUSTED) is None


@pytest.mark.parametrize("url", REFUSED)
def test_a_stack_may_name_nobody_else(url: str) -> None:
    """A host that only looks like an allowed one is refused, and the advice names the variable."""
    found = refuse(url, TRUSTED)
    assert found is not None
    assert "RECONCILER_TRUSTED_HOSTS" in found[1] or "https://" in found[1]


def test_without_the_variable_nobody_else_is_trusted() -> None:
    """An empty list trusts nobody, and an invalid list is refused by name."""
    assert refuse("https://proxy.example.com", {}) is not None
    for text in ("https://proxy.example.com", "*", "*.com", "a b", "proxy.example.com:8443", "a,/"):
        with pytest.raises(UsageError, match="RECONCILER_TRUSTED_HOSTS"):
            refuse("https://x.example", {"RECONCILER_TRUSTED_HOSTS": text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GOOGLE_CLOUD_PROJECT", "My Project"),
        ("GOOGLE_CLOUD_LOCATION", "us-central1-a"),
        ("GOOGLE_CLOUD_LOCATION", "evil.example/"),
        ("GOOGLE_GEMINI_BASE_URL", "https://user:pw@host"),
        ("GOOGLE_VERTEX_BASE_URL", "aiplatform.googleapis.com"),
        ("STORAGE_EMULATOR_HOST", "http://[::1"),
        ("GOOGLE_APPLICATION_CREDENTIALS", '{"type": "service_account"}'),
        ("GOOGLE_APPLICATION_CREDENTIALS", "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCJ9"),
        ("GEMINI_API_KEY", "two words"),
        ("AWS_REGION", "us east"),
        ("AWS_ACCESS_KEY_ID", "AK\nIA"),
        ("AWS_ENDPOINT_URL", "minio:9000"),
        ("AZURE_STORAGE_KEY", "no base64!"),
        ("AZURE_STORAGE_SAS_TOKEN", "Zq8noQuery"),
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountName=acc;AccountKey=cutoff"),
        ("RECONCILER_LOCK_LEASE", "3s"),
        ("RECONCILER_EMULATOR_RETIRES", "gemini-3.5-flash"),
        ("RECONCILER_EMULATOR_SETTINGS", "[]"),
        ("RECONCILER_TODAY", "2027-02-30"),
        ("RECONCILER_TODAY", "tomorrow"),
        ("RECONCILER_HTTP_TIMEOUT", "inf"),
        ("RECONCILER_LAG_SECONDS", "-1"),
        ("RECONCILER_STATE", "a\nb"),
        ("TF_HTTP_RETRY_MAX", "1" * 40),
        ("TF_HTTP_SKIP_CERT_VERIFICATION", "perhaps"),
        ("HTTPS_PROXY", "http://user:pa/ss@proxy:3128"),
        ("https_proxy", "socks5://proxy"),
        ("REQUESTS_CA_BUNDLE", "-----BEGIN CERTIFICATE-----"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(name: str, text: str) -> None:
    """The error names the variable, and omits its value if it may hold a secret."""
    with pytest.raises(ReconcilerError, match=name) as caught:
        Settings({name: text})[name]
    if SETTINGS[name].secret:
        assert isinstance(caught.value, CredentialError)
        assert text not in f"{caught.value.summary}{caught.value.detail}"


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_line_ends_are_no_part_of_a_setting(name: str) -> None:
    """A line end after a value is ignored, and a blank value counts as unset."""
    texts = ("7", "https://host", "a=b", "AccountName=a", "YWJj", "true", "m=2027-05-19", "2027-01-31", "{}")
    good = next(text for text in texts if _fits(name, text))
    assert Settings({name: f"{good}\r\n"})[name] == Settings({name: good})[name]
    assert Settings({name: "\r\n"}).get(name) is None
    assert name not in Settings({name: ""})


def _fits(name: str, text: str) -> bool:
    try:
        return bool(Settings({name: text})[name])
    except ReconcilerError:
        return False


def test_what_a_message_says_of_seconds_is_true() -> None:
    """A lag of 0 seconds is accepted, and a time-out of 0 is refused with the allowed range."""
    assert read_seconds({"RECONCILER_LAG_SECONDS": "0"}, "RECONCILER_LAG_SECONDS", 60) == 0
    assert read_seconds({"RECONCILER_LAG_SECONDS": "2m"}, "RECONCILER_LAG_SECONDS", 60) == 120
    with pytest.raises(UsageError, match="above 0 and up to 86400"):
        read_seconds({"RECONCILER_HTTP_TIMEOUT": "0"}, "RECONCILER_HTTP_TIMEOUT", 60)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/path", "https://host/path"),
        ("http://user:pa/Zq8@127.0.0.1:9/x", "http://…@127.0.0.1:9/x"),
        ("http://user:Zq8#y@127.0.0.1:9/x", "http://…@127.0.0.1:9/x"),
        ("htps://user:Zq8@h/x", "htps://…@h/x"),
        ("user:Zq8@127.0.0.1/x.json", "…@127.0.0.1/x.json"),
        ("https:/user:Zq8@h/x", "https:/…@h/x"),
        ("https://host/path?token=Zq8", "https://host/path"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ('{"password": "Zq8"}', "…"),
    ],
)
def test_an_address_is_shown_without_its_login(address: str, shown: str) -> None:
    """An address is shown without its login, even if it is mistyped or invalid."""
    assert hide_login(address) == shown


def test_a_proxy_is_not_asked_for_this_machine() -> None:
    """Every library gets the same proxies and is told to skip loopback."""
    environ = {"HTTPS_PROXY": "http://proxy:3128\n", "NO_PROXY": "corp.example"}
    tell_every_library(Settings(environ), environ)
    assert environ["HTTPS_PROXY"] == "http://proxy:3128"
    assert environ["no_proxy"].split(",")[:3] == ["corp.example", "localhost", "127.0.0.0/8"]


@pytest.mark.parametrize(
    ("name", "text", "said", "advised"),
    [
        ("GOOGLE_CLOUD_LOCATION", "us-central1-a", "is a zone", "us-central1."),
        ("GOOGLE_CLOUD_LOCATION", "US-Central1", "is not a location", "lower case: us-central1"),
        ("GOOGLE_CLOUD_PROJECT", "projects/demo", "is not a project", "write demo."),
        ("GOOGLE_VERTEX_BASE_URL", "https://a.example/p/v1", "version, v1", "Write https://a.example/p,"),
        (
            "GOOGLE_GEMINI_BASE_URL",
            "https://a.example/v1beta/",
            "version, v1beta",
            "Write https://a.example,",
        ),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "Bearer ya29.x", "begins with 'Bearer'", "Leave that word out"),
        ("GEMINI_API_KEY", '"AIza"', "stands in quotation marks", "Remove them"),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            '{"type": "x"}',
            "holds a JSON text itself",
            "the path of that file.",
        ),
    ],
)
def test_a_common_mistake_is_answered_with_what_to_write(
    name: str, text: str, said: str, advised: str
) -> None:
    """The advice has the right value for a zone, a resource name, a version and quotation marks."""
    with pytest.raises(ReconcilerError, match=name) as caught:
        Settings({name: text})[name]
    assert said in caught.value.summary
    assert advised in caught.value.detail
    assert "It is a path" not in caught.value.detail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("1e3", 1000), ("1E3", 1000), ("5e-1", 0.5), ("5.", 5), (".5", 0.5), ("+5", 5), ("1_000", 1000)),
        *(("1.5m", 90), ("2H", 7200), ("1e1m", 600), ("007", 7)),
    ],
)
def test_every_way_to_write_a_number_of_seconds_is_taken(text: str, seconds: float) -> None:
    """Forms from older versions are still accepted."""
    assert read_seconds({"RECONCILER_HTTP_TIMEOUT": text}, "RECONCILER_HTTP_TIMEOUT", 60) == seconds


NO_SECONDS = (
    *("inf", "-inf", "nan", "-0", "-1", "1e400", "1e999", "1e-400", "0x10", "1__0", "1,5", "5ms", "1m30s"),
    *("\u0663", "\uff15", "5\u200b", "e3", ".", "+", "1e", "1.2.3", "86401", "25h", "true", "0s"),
)


@pytest.mark.parametrize("text", [*NO_SECONDS, "5 s", "1" + "0" * 400])
def test_what_is_no_number_of_seconds_is_refused_by_its_name(text: str) -> None:
    """The error is one line with the accepted forms."""
    with pytest.raises(UsageError, match="RECONCILER_HTTP_TIMEOUT") as caught:
        read_seconds({"RECONCILER_HTTP_TIMEOUT": text}, "RECONCILER_HTTP_TIMEOUT", 60)
    assert caught.value.detail == "Write it like 90, 90s or 2m. It says how long a whole call may take."
    assert len(caught.value.summary) < 200


HOSTS_THAT_ARE_NONE = ("h..com", ".h", "-h", "h-", "a" * 64, "a." * 127 + "a", "h_.-x", "*.h", "h%00", "h..")


@pytest.mark.parametrize("host", HOSTS_THAT_ARE_NONE)
@pytest.mark.parametrize("name", ["GOOGLE_GEMINI_BASE_URL", "AWS_ENDPOINT_URL", "HTTPS_PROXY"])
def test_what_is_no_host_is_no_address(name: str, host: str) -> None:
    """No library has to make sense of an empty label, one of 64 characters, or a hyphen at an end."""
    with pytest.raises(ReconcilerError, match=name):
        Settings({name: f"https://{host}"})[name]


@pytest.mark.parametrize(
    "host", ["h", "h.", "a" * 63, "a-b.c_d.e", "xn--bcher-kva.example", "[::1]", "1.2.3.4:9"]
)
def test_what_is_a_host_is_an_address(host: str) -> None:
    """Valid names and numbers are accepted as hosts."""
    assert Settings({"GOOGLE_GEMINI_BASE_URL": f"https://{host}"})["GOOGLE_GEMINI_BASE_URL"]


def test_an_empty_setting_is_told_no_library() -> None:
    """Empty settings are hidden from the stores' clients, which would take one for an address."""
    environ = {"AZURE_STORAGE_ENDPOINT": "", "AWS_ENDPOINT_URL": "\r\n", "AWS_REGION": "eu-west-1"}
    tell_every_library(Settings(environ), environ)
    assert environ == {"AWS_REGION": "eu-west-1"}
