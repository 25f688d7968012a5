"""One setting of certificates and proxies works for every client, and certificate errors name it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.harness import Project, Result, model, stack
from tests.cli.test_cli_foreign_hosts import MARKS, declare, environment, has_secret, world
from tests.cli.test_tuning_job import job
from tests.limits import repeats
from tests.proxying import Authority, Proxy, listening, reply

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")
HOST = "nobody.invalid"
LIST = ("state", "list", "--state")
DOORS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "Gemini": (("plan",), {"GOOGLE_GEMINI_BASE_URL": f"https://{HOST}"}),
    "Vertex AI": (("plan", "--target", "bot"), {"GOOGLE_VERTEX_BASE_URL": f"https://{HOST}"}),
    "token": (("plan", "--target", "one"), {"GOOGLE_GEMINI_BASE_URL": "https://x.googleapis.com"}),
    "HTTP state": ((*LIST, f"https://{HOST}/s"), {}),
    "s3 state": ((*LIST, "s3://b/p"), {"AWS_ENDPOINT_URL": f"https://{HOST}"}),
    "az state": ((*LIST, "az://b/p"), {"AZURE_STORAGE_ENDPOINT": f"https://{HOST}/acc"}),
    "gs state": ((*LIST, "gs://bucket/p"), {}),
}


PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY")


def every(variables: tuple[str, ...], *whole: str) -> list[Any]:
    """Each variable with each client. `make test` tries all for `whole`, and one for each other client."""
    return [
        pytest.param(door, name, marks=[] if door in whole or first else [pytest.mark.thorough])
        for number, door in enumerate(DOORS)
        for name in variables
        for first in [name == variables[number % len(variables)]]
    ]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority for all hosts."""
    return Authority(tmp_path_factory.mktemp("authority"))


def go(project: Project, door: str, proxy: Proxy, **more: str) -> Result:
    """Make a client connect, without certificates unless `more` sets them."""
    command, environ = DOORS[door]
    jobs = [stack("s", project="p", location="us-central1", bucket="gs://bucket"), job()]
    declare(project, jobs if door == "Vertex AI" else [model("one")])
    held = {"GOOGLE_OAUTH_ACCESS_TOKEN": MARKS["token"]}
    if door == "token":
        user = {"client_id": "1", "client_secret": MARKS["secret"], "refresh_token": MARKS["refresh"]}
        file = project.root.parent / "adc.json"
        file.write_text(json.dumps({"type": "authorized_user", **user}))
        held = {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}
    base = {key: value for key, value in environment(proxy).items() if key not in BUNDLES}
    return project.run(*command, environ={**base, **environ, **held, **more})


@pytest.mark.parametrize(("door", "variable"), every(BUNDLES, "s3 state", "HTTP state"))
def test_each_variable_opens_every_door(
    project: Project, authority: Authority, door: str, variable: str
) -> None:
    """Each of the four variables makes every client accept the proxy's certificate."""
    with listening(Proxy(authority, world)) as proxy:
        result = go(project, door, proxy, **{variable: f"{authority.file}\n"})
        assert any(has_secret(request) for request in proxy.requests), result.all
        assert "certificate" not in result.err


@pytest.mark.parametrize("door", [*tuple(DOORS)[:1], *repeats(*tuple(DOORS)[1:])])
def test_what_is_not_trusted_is_called_that(
    project: Project, authority: Authority, door: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without the right certificate, the error says "certificate" and names the variables.

    No request is sent.
    """
    other = Authority(tmp_path_factory.mktemp("other"))
    for named in ({}, {"CURL_CA_BUNDLE": str(other.file)}):
        with listening(Proxy(authority, world)) as proxy:
            result = go(project, door, proxy, **named)
            assert result.code == 1, result.all
            assert "certificate" in result.err
            assert "is not trusted" in result.err
            assert (f"CURL_CA_BUNDLE={other.file}" if named else "REQUESTS_CA_BUNDLE") in result.err
            assert proxy.requests == []
            assert "Traceback" not in result.all


@pytest.mark.parametrize(("door", "variable"), every(("NO_PROXY", "no_proxy")))
def test_no_proxy_keeps_every_door_from_the_proxy(
    project: Project, authority: Authority, door: str, variable: str
) -> None:
    """A host in NO_PROXY, in upper or lower case, is reached directly. Other hosts use the proxy."""
    with listening(Proxy(authority, world)) as proxy:
        more = {"SSL_CERT_FILE": str(authority.file)}
        go(project, door, proxy, **more, **{variable: "localhost,.example.com"})
        assert proxy.seen
        proxy.seen.clear()
        # The doors "gs state" and "token" lead to hosts of Google, which no test may reach without the
        # proxy.
        if door not in {"gs state", "token"}:
            result = go(project, door, proxy, **more, **{variable: f"a.example, .{HOST[7:]}"})
            assert result.code == 1
            assert proxy.seen == []


@pytest.mark.parametrize(("door", "variable"), every(PROXIES))
def test_each_proxy_variable_holds_at_every_door(
    project: Project, authority: Authority, door: str, variable: str
) -> None:
    """The login in HTTPS_PROXY, https_proxy or ALL_PROXY goes only to the proxy and is never printed."""
    with listening(Proxy(authority, world, login="walter:PwOfTheProxy")) as proxy:
        none = {"HTTPS_PROXY": "", "HTTP_PROXY": "", "SSL_CERT_FILE": str(authority.file)}
        result = go(project, door, proxy, **{**none, variable: proxy.url})
        assert len(proxy.requests) > 0, result.all
        assert not any(request.holds("walter:PwOfTheProxy") for request in proxy.requests)
        assert "PwOfTheProxy" not in result.all


@pytest.mark.parametrize("door", [*tuple(DOORS)[:2], *repeats(*tuple(DOORS)[2:])])
def test_a_proxy_that_refuses_is_told_at_every_door(
    project: Project, authority: Authority, door: str
) -> None:
    """A proxy's refusal is a one-line error with exit 1, without the refused login."""
    with listening(Proxy(authority, lambda _: reply(), login="walter:PwOfTheProxy")) as proxy:
        wrong = proxy.url.replace("PwOfTheProxy", "PwThatIsWrong")
        result = go(project, door, proxy, HTTPS_PROXY=wrong, SSL_CERT_FILE=str(authority.file))
        assert result.code == 1, result.all
        assert "407" in result.err
        assert proxy.requests == []
        assert "PwThatIsWrong" not in result.all
        assert "Traceback" not in result.all
