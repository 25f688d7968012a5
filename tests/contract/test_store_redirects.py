"""A store's answer cannot send a credential elsewhere: the gate of the stores' clients prevents it."""

from __future__ import annotations

import contextlib

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from reconciler.errors import StateStoreError
from reconciler.state.backends import open_backend
from tests.limits import repeats
from tests.proxying import Authority, Proxy, listening, reply

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKMarkerOfAKey",
    "AWS_SECRET_ACCESS_KEY": "SKMarkerOfASecret",
    "AWS_SESSION_TOKEN": "STMarkerOfASession",
    "AWS_REGION": "us-east-1",
}
AZURE = {"AZURE_STORAGE_ACCOUNT": "acc", "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=SASMarker"}
GOOGLE = {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.GTMarkerOfAToken"}
HOSTS = {
    "s3://bucket/p": (KEYS, "s3.us-east-1.amazonaws.com"),
    "az://bucket/p": (AZURE, "acc.blob.core.windows.net"),
    "gs://bucket/p": (GOOGLE, "storage.googleapis.com"),
}
SECRETS = ("AKMarkerOfAKey", "SKMarkerOfASecret", "STMarkerOfASession", "SASMarker", "GTMarkerOfAToken")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority for all hosts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_store_on_another_port_of_this_machine_gets_nothing(authority: Authority, status: int) -> None:
    """Another port is another origin, so the session token does not go there."""
    with listening(Proxy(authority)) as other, listening(Proxy(authority)) as store:
        store.says = lambda _: reply(b"", status, Location=f"http://127.0.0.1:{other.port}/x")
        environ = {**KEYS, "AWS_ENDPOINT_URL": store.url}
        with pytest.raises(StateStoreError, match=f"redirects to {other.url}"):
            open_backend("s3://bucket/p", environ=environ).read()
        assert store.requests
        assert other.seen == []
        unguarded = S3Store(
            "bucket",
            config={
                "endpoint": store.url,
                "region": "us-east-1",
                "access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
                "secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
                "session_token": KEYS["AWS_SESSION_TOKEN"],
            },
            client_options={"allow_http": True},
        )
        with contextlib.suppress(BaseError, FileNotFoundError):
            obstore.get(unguarded, "k")
        assert any(request.holds(KEYS["AWS_SESSION_TOKEN"]) for request in other.seen)


@pytest.mark.parametrize("place", HOSTS)
@pytest.mark.parametrize("target", ["https://evil.example/x", *repeats("https://{}:8443/x", "http://{}/x")])
def test_a_proxy_does_not_open_the_gate(authority: Authority, place: str, target: str) -> None:
    """Behind a real proxy too, only the store's own scheme, host and port get requests."""
    keys, host = HOSTS[place]
    location = target.format(host)

    with listening(
        Proxy(authority, lambda _: reply(b"", 307, Location=location), login="walter:pass")
    ) as proxy:
        environ = {**keys, "HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.file)}
        with pytest.raises(StateStoreError, match=r"redirects to http|error following redirect") as caught:
            open_backend(place, environ=environ).read()
        assert proxy.hosts() == {host}
        assert any(request.holds(secret) for request in proxy.requests for secret in SECRETS)
    assert "walter" not in f"{caught.value.summary}{caught.value.detail}"


@pytest.mark.parametrize("place", HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_store_is_reached_through_the_proxy_that_is_set(
    authority: Authority, place: str, scheme: str
) -> None:
    """Each proxy variable works in both spellings, over http and TLS, with the proxy's login."""
    keys, host = HOSTS[place]
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        with listening(
            Proxy(authority, lambda _: reply(b"", 404), "walter:pass", scheme == "https")
        ) as proxy:
            environ = {**keys, name: f"{proxy.url}\n", "SSL_CERT_FILE": str(authority.file)}
            assert open_backend(place, environ=environ).read() is None
            assert proxy.hosts() == {host}
            assert len(proxy.requests) > 0


def test_a_proxy_that_refuses_is_told(authority: Authority) -> None:
    """The error repeats a proxy's answer, or says that there is no proxy."""
    environ = {**KEYS, "SSL_CERT_FILE": str(authority.file)}
    with listening(Proxy(authority, login="walter:pass")) as proxy:
        without = proxy.url.replace("walter:pass@", "bob:PwMarker@")
        with pytest.raises(StateStoreError, match="answers 407") as caught:
            open_backend("s3://bucket/p", environ={**environ, "HTTPS_PROXY": without}).read()
        assert "PwMarker" not in f"{caught.value.summary}{caught.value.detail}"
    with pytest.raises(StateStoreError, match=r"proxy 127\.0\.0\.1:9 is not reached"):
        open_backend("s3://bucket/p", environ={**environ, "HTTPS_PROXY": "http://127.0.0.1:9"}).read()


@pytest.mark.parametrize(
    "bypass", ["*", "127.0.0.0/8", "localhost,.amazonaws.com", "s3.us-east-1.amazonaws.com"]
)
def test_no_proxy_is_honoured(authority: Authority, bypass: str) -> None:
    """A host in NO_PROXY is reached directly, and the proxy sees nothing of it."""
    with listening(Proxy(authority)) as proxy, listening(Proxy(authority)) as store:
        store.says = lambda _: reply(b"", 404)
        near = bypass in ("*", "127.0.0.0/8")
        environ = {**KEYS, "HTTP_PROXY": proxy.url, "HTTPS_PROXY": proxy.url, "NO_PROXY": bypass}
        if near:
            assert open_backend("s3://b/p", environ={**environ, "AWS_ENDPOINT_URL": store.url}).read() is None
            assert store.requests
        else:
            with pytest.raises(StateStoreError):
                open_backend("s3://b/p", environ=environ).read()
        assert proxy.seen == []


def test_nobody_else_uses_the_gate(authority: Authority) -> None:
    """Another program on this machine cannot use the gate, because it has no login for it."""
    import urllib.request

    from reconciler.settings import Settings
    from reconciler.state.backends.gate import open_way_out

    with listening(Proxy(authority)) as store:
        way = open_way_out(store.url, Settings({}))
        assert way == open_way_out(f"{store.url}/path", Settings({}))
        for login, status in (("", 403), ("reconciler:x@", 403)):
            address = f"http://{login}{way.rpartition('@')[2]}"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": address}))
            with pytest.raises(urllib.request.HTTPError) as refused:
                opener.open(f"{store.url}/x")
            with refused.value:
                assert refused.value.code == status
        assert store.seen == []
