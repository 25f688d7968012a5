"""As whom requests are made: which credential is found first, what it sends, how it is renewed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reconciler.errors import CredentialError, UnauthenticatedError, UnavailableError
from reconciler.http import Transport
from reconciler.providers.google.connection import connect, sign_without_keys
from reconciler.providers.google.credentials import SCOPES
from tests.http.wire import Wire, answer, listening, refusal

To = Callable[..., Transport]

GEMINI = "https://generativelanguage.googleapis.com"
TOKEN = {"GOOGLE_OAUTH_ACCESS_TOKEN": "token-1"}
GEMINI_KEY = {"GEMINI_API_KEY": "key-1"}
GOOGLE_KEY = {"GOOGLE_API_KEY": "key-2"}


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide any gcloud login and metadata server, which google-auth finds by the environment."""
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)


def sent(wire: Wire, transport: Transport) -> Mapping[str, str]:
    """The headers of one call that count here."""
    transport.call("GET", "v1beta/x")
    names = ("authorization", "x-goog-api-key", "x-goog-user-project")
    return {name: value for name, value in wire.requests[-1].headers.items() if name in names}


@pytest.mark.parametrize(
    ("environ", "headers", "kind"),
    [
        ({}, {}, "none"),
        ({**GOOGLE_KEY, **GEMINI_KEY, **TOKEN}, {"authorization": "Bearer token-1"}, "access token"),
        ({**GOOGLE_KEY, **GEMINI_KEY}, {"x-goog-api-key": "key-1"}, "API key from GEMINI_API_KEY"),
        (GOOGLE_KEY, {"x-goog-api-key": "key-2"}, "API key from GOOGLE_API_KEY"),
        ({"GEMINI_API_KEY": "", **GOOGLE_KEY}, {"x-goog-api-key": "key-2"}, "API key from GOOGLE_API_KEY"),
    ],
)
def test_the_first_found_is_used(
    wire: Wire, to: To, *, environ: dict[str, str], headers: dict[str, str], kind: str
) -> None:
    """The order is the token, Gemini's key, Google's key, and nothing on loopback.

    A key goes only into a header.
    """
    transport = to(environ)
    assert sent(wire, transport) == headers
    assert transport.credential.description == kind
    assert "key" not in wire.requests[-1].target


@pytest.mark.parametrize(
    ("environ", "options", "project"),
    [
        ({}, {}, None),
        ({}, {"project": "b"}, "b"),
        ({"GOOGLE_CLOUD_QUOTA_PROJECT": "c"}, {"project": "b"}, "c"),
    ],
)
def test_a_token_names_the_project_that_pays(
    wire: Wire, to: To, *, environ: dict[str, str], options: dict[str, str], project: str | None
) -> None:
    """x-goog-user-project is the variable, or else the project. A key has none."""
    assert sent(wire, to({**TOKEN, **environ}, **options)).get("x-goog-user-project") == project
    assert "x-goog-user-project" not in sent(wire, to({**GEMINI_KEY, **environ}, **options))


@pytest.mark.parametrize("variable", ["GOOGLE_OAUTH_ACCESS_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"])
@pytest.mark.parametrize(
    "secret",
    ["s3cret\ns3cret", "s3cret s3cret", '"s3cret"', "s3crét", "s3cret\r\nHost: x", '{"key": "s3cret"}'],
)
def test_a_malformed_secret_is_named_and_not_shown(to: To, variable: str, secret: str) -> None:
    """For a line break or a space in a credential, the error names the variable before any request."""
    with pytest.raises(CredentialError, match=variable) as caught:
        to({variable: secret}).call("GET", "v1beta/x")
    assert "s3cr" not in f"{caught.value}{caught.value.detail}"


@pytest.mark.parametrize("variable", ["GOOGLE_OAUTH_ACCESS_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"])
@pytest.mark.parametrize("secret", ["s3cret\n", " s3cret", "s3cret\r\n\n"])
def test_what_stands_around_a_secret_is_taken_away(wire: Wire, to: To, variable: str, secret: str) -> None:
    """A line end that comes from a file does not belong to the credential."""
    assert any(one.rpartition(" ")[2] == "s3cret" for one in sent(wire, to({variable: secret})).values())


def test_where_keys_are_refused_a_login_is_asked_for() -> None:
    """If a call refuses keys and there is only a key, the error says how to log in."""
    elsewhere = connect(base_url="https://example.com", environ=GEMINI_KEY)
    login = sign_without_keys(elsewhere, GEMINI_KEY)
    assert elsewhere.credential.description == "API key from GEMINI_API_KEY"
    with pytest.raises(CredentialError, match="refuses API keys") as caught:
        login.call("GET", "v1beta/x")
    assert "gcloud auth application-default login --scopes=" in caught.value.detail
    assert "GOOGLE_OAUTH_ACCESS_TOKEN" in caught.value.detail
    assert "GEMINI_API_KEY" not in caught.value.detail


def test_on_loopback_too_a_key_is_not_for_every_api(wire: Wire, to: To) -> None:
    """If Google's service needs a login, a key is skipped. Loopback needs none."""
    assert sent(wire, to(GEMINI_KEY, api_keys=False)) == {}


def test_no_credential_elsewhere_is_an_error_that_helps() -> None:
    """Without a credential for Google's address, the error names the variables and the login."""
    with pytest.raises(CredentialError, match="No usable credential") as caught:
        _ = connect(base_url=GEMINI, environ={}).credential.description
    assert "GEMINI_API_KEY" in caught.value.detail
    assert "gcloud auth application-default login" in caught.value.detail


def test_a_password_in_netrc_is_not_sent(
    wire: Wire, to: To, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry for the host in ~/.netrc does not replace our credential, and is not sent beside it."""
    (tmp_path / "netrc").write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert sent(wire, to(TOKEN)) == {"authorization": "Bearer token-1"}
    assert sent(wire, to({})) == {}


def test_a_proxy_of_the_environment_does_not_see_loopback(
    wire: Wire, to: To, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With HTTP_PROXY set, a request to this machine does not use the proxy."""
    with listening(Wire()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        to(TOKEN).call("GET", "v1beta/x")
        assert proxy.requests == []
    assert len(wire.requests) == 1


def test_importing_the_transport_is_cheap() -> None:
    """Neither requests nor google-auth is imported before the first call."""
    code = (
        "import sys, reconciler.providers.gemini.provider, reconciler.providers.google.connection as t;"
        "t.connect(base_url='http://127.0.0.1:9', environ={}).credential.description;"
        "print([m for m in ('requests', 'urllib3', 'google.auth', 'pydantic') if m in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- application default credentials


@pytest.fixture(scope="module")
def key() -> str:
    """A private key, made once."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class TokenServer:
    """A token endpoint, and files that lead to it."""

    def __init__(self, wire: Wire, directory: Path, key: str) -> None:
        self.wire = wire
        self._directory = directory
        self._key = key

    def gives(self, *names: str) -> None:
        """The next answers."""
        self.wire.script = [
            answer({"access_token": name, "expires_in": 3600, "token_type": "Bearer"}) for name in names
        ]

    def file(self, content: Mapping[str, Any] | str) -> dict[str, str]:
        """The environment that points to a file with this content."""
        path = self._directory / "adc.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}

    def service_account(self, **more: str) -> dict[str, str]:
        """The environment of a service account whose tokens come from here."""
        return self.file(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": self._key,
                "client_email": "robot@p.example",
                "client_id": "1",
                "token_uri": f"{self.wire.url}/token",
                **more,
            }
        )

    def workload_identity(self, **more: str) -> dict[str, str]:
        """The environment of an external account whose tokens are exchanged here."""
        subject = self._directory / "subject"
        subject.write_text("subject-token")
        return self.file(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": f"{self.wire.url}/token",
                "credential_source": {"file": str(subject)},
                **more,
            }
        )


@pytest.fixture
def tokens(tmp_path: Path, key: str) -> Any:
    """A token endpoint for this test alone."""
    with listening(Wire()) as wire:
        yield TokenServer(wire, tmp_path, key)


def test_a_service_account_gets_a_token_once(wire: Wire, to: To, tokens: TokenServer) -> None:
    """Eight threads at once and ten later calls use one token. It is fetched once, with the right scopes."""
    tokens.gives("t1")
    transport = to({**tokens.service_account(), "RECONCILER_SCOPES": "scope-a, scope-b"}, project="q")
    threads = [threading.Thread(target=transport.call, args=("GET", "v1beta/x")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    headers = {"authorization": "Bearer t1", "x-goog-user-project": "q"}
    assert [sent(wire, transport) for _ in range(10)] == [headers] * 10
    assert len(tokens.wire.requests) == 1
    assert len(wire.requests) == 18
    assert transport.credential.description == (
        "application default credentials (service account robot@p.example)"
    )


def test_the_scopes_are_the_tutorials_unless_set(wire: Wire, to: To, tokens: TokenServer) -> None:
    """A service account asks for cloud-platform and tuning, or for RECONCILER_SCOPES."""
    import base64
    from urllib.parse import parse_qs

    del wire
    for environ, scopes in (
        ({}, " ".join(SCOPES)),
        ({"RECONCILER_SCOPES": "scope-a, scope-b"}, "scope-a scope-b"),
    ):
        tokens.gives("t")
        to({**tokens.service_account(), **environ}).call("GET", "v1beta/x")
        assertion = parse_qs(tokens.wire.requests[-1].body.decode())["assertion"][0]
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
        assert claims["scope"] == scopes


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_401_is_answered_by_a_new_token_once(wire: Wire, to: To, tokens: TokenServer, method: str) -> None:
    """After a 401 the token is renewed and the request sent once more.

    A POST was not executed, so it is too.
    """
    tokens.gives("old", "new")
    wire.script = [refusal(401, "invalid credentials"), answer({"name": "x"})]
    assert to(tokens.service_account()).call(method, "v1beta/x", body={}) == {"name": "x"}
    assert [one.headers["authorization"] for one in wire.requests] == ["Bearer old", "Bearer new"]


def test_a_401_with_a_new_token_too_is_final(wire: Wire, to: To, tokens: TokenServer) -> None:
    """Two refusals are an error, after two requests and two tokens."""
    tokens.gives("old", "new", "newer")
    wire.always = refusal(401, "invalid credentials", canonical="UNAUTHENTICATED")
    with pytest.raises(UnauthenticatedError):
        to(tokens.service_account()).call("POST", "v1beta/x", body={})
    assert len(wire.requests) == len(tokens.wire.requests) == 2


def test_a_fixed_token_is_not_sent_twice(wire: Wire, to: To) -> None:
    """If the credential cannot be renewed, a 401 is final at once."""
    wire.always = refusal(401, "invalid credentials")
    with pytest.raises(UnauthenticatedError, match="invalid credentials"):
        to(TOKEN).call("GET", "v1beta/x")
    assert len(wire.requests) == 1


def test_threads_that_meet_401_together_renew_once(wire: Wire, to: To, tokens: TokenServer) -> None:
    """Four threads with one stale token fetch one new token together."""
    together = threading.Barrier(4)

    def refused(connection: Any) -> None:
        together.wait(5)
        connection.sendall(refusal(401, "stale"))

    tokens.gives("old", "new", "too many")
    wire.script = [refused] * 4
    transport = to(tokens.service_account())
    threads = [threading.Thread(target=transport.call, args=("GET", "v1beta/x")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.headers["authorization"] for one in wire.requests[4:]] == ["Bearer new"] * 4
    assert len(tokens.wire.requests) == 2


def test_a_login_that_was_revoked_says_log_in_again(wire: Wire, to: To, tokens: TokenServer) -> None:
    """If the token endpoint says invalid_grant, it is a CredentialError, and nothing reaches the API."""
    tokens.wire.always = answer({"error": "invalid_grant", "error_description": "revoked"}, status=400)
    with pytest.raises(CredentialError, match="invalid_grant") as caught:
        to(tokens.service_account()).call("GET", "v1beta/x")
    assert "gcloud auth application-default login" in caught.value.detail
    assert wire.requests == []


def test_a_token_endpoint_that_is_down_is_unavailable(wire: Wire, to: To, tokens: TokenServer) -> None:
    """The login is not to blame, so it is an UnavailableError. Nothing is sent."""
    with pytest.raises(UnavailableError, match="token endpoint"):
        to(tokens.service_account(token_uri="http://127.0.0.1:9/token")).call("GET", "v1beta/x")
    assert wire.requests == []


def test_workload_identity_asks_only_its_token_endpoint(wire: Wire, to: To, tokens: TokenServer) -> None:
    """An external account without a known project exchanges its token. It asks nobody for a project."""
    tokens.gives("federated")
    transport = to(tokens.workload_identity())
    assert sent(wire, transport) == {"authorization": "Bearer federated"}
    assert [one.target for one in tokens.wire.requests] == ["/token"]
    assert b"subject-token" in tokens.wire.requests[0].body
    assert transport.credential.description == "application default credentials (workload identity)"


@pytest.mark.parametrize(
    ("environ", "project"),
    [({}, "from-file"), ({"GOOGLE_CLOUD_QUOTA_PROJECT": "from-variable"}, "from-variable")],
)
def test_the_files_quota_project_is_honoured(
    wire: Wire, to: To, tokens: TokenServer, *, environ: dict[str, str], project: str
) -> None:
    """The login's quota project wins over the project. GOOGLE_CLOUD_QUOTA_PROJECT wins over both."""
    tokens.gives("t")
    account = tokens.workload_identity(quota_project_id="from-file")
    assert sent(wire, to({**account, **environ}, project="p"))["x-goog-user-project"] == project


def described(url: str, environ: Mapping[str, str]) -> str:
    """Describe the credential for that address."""
    return connect(base_url=url, environ=environ).credential.description


def test_a_gcloud_login_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokens: TokenServer
) -> None:
    """If nothing else is set, the file that gcloud wrote is used. On loopback nobody looks for it."""
    del tokens
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    (tmp_path / "application_default_credentials.json").write_text(json.dumps(user))
    monkeypatch.setenv("PATH", "")  # otherwise google-auth would ask gcloud for its project
    assert (
        connect(base_url=GEMINI, environ={}).credential.description
        == "application default credentials (user)"
    )
    assert described("http://127.0.0.1:9", {}) == "none"
    assert described(GEMINI, GEMINI_KEY) == "API key from GEMINI_API_KEY"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"type": "unheard_of"}', '{"type": "service_account"}'])
def test_a_broken_credentials_file_is_named(to: To, tokens: TokenServer, content: str) -> None:
    """A file without a credential is an error that names it, and no traceback."""
    with pytest.raises(CredentialError, match=r"adc\.json"):
        to(tokens.file(content)).call("GET", "v1beta/x")


def test_a_missing_credentials_file_is_named(to: To, tmp_path: Path) -> None:
    """A path to nothing is an error that names it. This also holds on loopback, because somebody set it."""
    with pytest.raises(CredentialError, match=r"nothing\.json"):
        to({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "nothing.json")}).call("GET", "v1beta/x")


def test_while_a_variable_names_a_wrong_file_a_login_alone_is_not_advised(to: To, tmp_path: Path) -> None:
    """While the variable is set, no login counts. The advice is to correct it or to unset it."""
    with pytest.raises(CredentialError, match="does not exist") as caught:
        to({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "nowhere.json")}).call("GET", "v1beta/x")
    assert "Set GOOGLE_APPLICATION_CREDENTIALS to the path" in caught.value.detail
    assert "unset it and log in" in caught.value.detail


def test_a_key_that_does_not_count_is_named() -> None:
    """If an API takes no keys and one is set, the error names its variable."""
    login = connect(base_url="https://example.com", environ=GEMINI_KEY, api_keys=False)
    with pytest.raises(CredentialError, match="GEMINI_API_KEY is set, but this API refuses API keys"):
        login.call("GET", "v1beta/x")
