"""No command ever prints the value of a variable that may hold a secret, whatever its form (design 2.2)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.cli.harness import Project, model

MARKER = "Zq8MarkerOfASecret7x"
DEAD = "http://127.0.0.1:9"
KEY = f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----\n"
SHAPES = {
    "raw": MARKER,
    "line end": f"{MARKER}\r\n",
    "quoted": f'"{MARKER}"',
    "base64": base64.b64encode(json.dumps({"private_key": KEY}).encode()).decode(),
    "JSON": json.dumps({"type": "service_account", "private_key": KEY}),
    "path": f"/run/secrets/{MARKER}/key.json",
}
VARIABLES = (
    *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("TF_HTTP_USERNAME", "TF_HTTP_PASSWORD", "TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS"),
    *(
        "TF_HTTP_CLIENT_CERTIFICATE_PEM",
        "TF_HTTP_CLIENT_PRIVATE_KEY_PEM",
        "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM",
    ),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY"),
    *("GOOGLE_SERVICE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET"),
    *("AZURE_STORAGE_CONNECTION_STRING", "RECONCILER_VAR_password", "RECONCILER_STATE"),
    *("HTTPS_PROXY", "http_proxy", "ALL_PROXY"),
)
LOGINS = ("RECONCILER_STATE", "HTTPS_PROXY", "http_proxy", "ALL_PROXY", "TF_HTTP_LOCK_ADDRESS")
"""Variables whose values have a secret as the password of an address."""
COMMANDS = (
    ("validate",),
    ("plan",),
    ("apply", "--auto-approve", "--json"),
    ("init",),
    ("drift",),
    ("wait",),
    ("status",),
    ("show",),
    ("state", "list"),
    ("import", "one", "some-id"),
)
STORES = {
    "gs://bucket/p": {},
    "s3://bucket/p": {
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": DEAD,
        "AWS_EC2_METADATA_DISABLED": "true",
    },
    "az://bucket/p": {"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_ENDPOINT": f"{DEAD}/acc"},
    f"{DEAD}/state": {"TF_HTTP_USERNAME": "ann"},
}


def found(text: str) -> bool:
    """Whether a text contains the marker, plain or in base64."""
    coded = SHAPES["base64"]
    return MARKER in text or any(coded[at : at + 24] in text for at in range(0, len(coded) - 24, 8))


def settings(variable: str, shape: str) -> Iterator[dict[str, str]]:
    """The environments that have a marker in that variable."""
    value = SHAPES[shape]
    if variable not in LOGINS:
        yield {variable: value}
        return
    for address in ("https://ann:{}@127.0.0.1:9/x", "htps://ann:{}@h/x", "ann:{}@h/x", "https:/ann:{}@h/x"):
        yield {variable: address.format(MARKER) + {"line end": "\n", "quoted": '"'}.get(shape, "")}
    yield {variable: f"https://ann:a/b#c?{MARKER}@127.0.0.1:9/x?{MARKER}"}


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param(variable, marks=pytest.mark.thorough if number % 12 else ())
        for number, variable in enumerate(VARIABLES)
    ],
)
def test_a_secret_is_printed_by_no_command(project: Project, variable: str) -> None:
    """No output has the secret, even when the API, a state's store or `init` refuses the run."""
    project.declare(model("one"))
    quick = {"RECONCILER_RETRY_SECONDS": "0.1", "TF_HTTP_RETRY_MAX": "0", "NO_GCE_CHECK": "true"}
    quick |= {"GOOGLE_GEMINI_BASE_URL": "https://127.0.0.1:9", "RECONCILER_DEBUG": ""}
    for number, shape in enumerate(SHAPES):
        for environ in settings(variable, shape):
            command = COMMANDS[(number + len(variable)) % len(COMMANDS)]
            result = project.run(*command, environ={**quick, **environ})
            assert not found(result.all), (command, shape, result.all)
        if variable in LOGINS or shape not in {"raw", "JSON"}:
            continue
        for place, needed in STORES.items():
            if not place.startswith(_prefix(variable)):
                continue
            result = project.run("state", "list", "--state", place, environ={**quick, **needed, **environ})
            assert not found(result.all), (place, shape, result.all)


WHOLE = (
    *COMMANDS,
    ("validate", "--json"),
    ("plan", "--json"),
    ("plan", "--detailed-exitcode"),
    ("drift", "--json"),
    ("status", "--watch", "--json"),
    ("show", "--json"),
    ("output",),
    ("output", "--format", "env"),
    ("generate", "one", "hello"),
    ("test",),
    ("destroy", "--auto-approve"),
    ("state", "show", "one"),
    ("state", "mv", "one", "two"),
    ("state", "rm", "one"),
    ("state", "pull"),
    ("force-unlock", "x"),
    ("report",),
    ("schema",),
)
"""Every command, with every form of its output."""


@pytest.mark.thorough
@pytest.mark.parametrize("command", WHOLE, ids=" ".join)
@pytest.mark.parametrize("variable", VARIABLES)
def test_every_command_meets_every_variable(
    project: Project, variable: str, command: tuple[str, ...]
) -> None:
    """No command prints a marker or a traceback.

    The state is in a folder or in the store that reads the variable. The forms rotate over the pairs, so that
    every command and every variable meets each of them.
    """
    project.declare(model("one"))
    quick = {"RECONCILER_RETRY_SECONDS": "0.1", "TF_HTTP_RETRY_MAX": "0", "NO_GCE_CHECK": "true"}
    quick |= {"GOOGLE_GEMINI_BASE_URL": "https://127.0.0.1:9"}
    theirs = {place: needed for place, needed in STORES.items() if place.startswith(_prefix(variable))}
    places: dict[str, dict[str, str]] = {"state": {}} if variable in LOGINS else {"state": {}, **theirs}
    turn = list(VARIABLES).index(variable) + WHOLE.index(command)
    shape = list(SHAPES)[turn % len(SHAPES)]
    place, needed = list(places.items())[turn // len(SHAPES) % len(places)]
    for environ in settings(variable, shape):
        held = {**quick, **needed, "RECONCILER_STATE": place, **environ}
        result = project.run(*command, environ=held)
        assert not found(result.all), (shape, place, result.all)
        assert "Traceback" not in result.all, (shape, place)
        assert "internal error" not in result.all, (shape, place, result.all)
        assert result.code in {0, 1}, (shape, place, result.all)


def _prefix(variable: str) -> str:
    """The first part of the state address whose store reads that variable."""
    kinds = {"AWS": "s3", "AZURE": "az", "TF": "http", "GOOGLE": "gs", "GEMINI": "gs"}
    return kinds.get(variable.partition("_")[0], "http")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_pasted_key_is_named_by_every_command(project: Project, command: tuple[str, ...]) -> None:
    """Every command that looks for a credential names the variable, and never prints its value."""
    project.declare(model("one"))
    for shape in ("JSON", "base64"):
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": SHAPES[shape], "GOOGLE_GEMINI_BASE_URL": None}
        result = project.run(*command, environ=environ)
        assert not found(result.all), result.all
        if command[0] in {"plan", "apply", "init"}:
            assert "GOOGLE_APPLICATION_CREDENTIALS" in result.all
