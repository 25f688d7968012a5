"""An emulator, and every kind of store behind a proxy that can be cut."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import project, service
from tests.cli.harness import Project
from tests.contract.conftest import azure, gcs, s3
from tests.contract.servers import Server, TerraformHandler, running
from tests.limits import repeats
from tests.races.fault_proxy import FaultProxy, fault_proxy_to

__all__ = ["azure", "gcs", "project", "s3", "service"]

LEASE = 4
"""Seconds. It is the shortest lease that is allowed."""


@dataclass(frozen=True)
class Store:
    """Where a state is, and how to get at it.

    Attributes:
        kind: "local", "gs", "s3", "az" or "http".
        url: for --state.
        environ: the variables that lead there, with RECONCILER_STATE.
        proxy: the proxy between the command and the store; None for a folder.
        server: the server behind the proxy, if it was started for this test alone.
    """

    kind: str
    url: str
    environ: dict[str, str]
    proxy: FaultProxy | None = None
    server: Server | None = None

    @property
    def leased(self) -> bool:
        """Whether the lock of a dead holder expires."""
        return self.kind in {"gs", "s3", "az"}


Opener = Callable[[str], Store]


@pytest.fixture
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Make an empty store of the given kind."""
    with ExitStack() as stays:

        def opened(kind: str) -> Store:
            environ = {"RECONCILER_LOCK_LEASE": f"{LEASE}s"}
            proxy = server = None
            prefix = secrets.token_hex(4)
            url = f"{kind}://bucket/team/{prefix}"
            if kind == "local":
                url = str(tmp_path / prefix)
            elif kind == "gs":
                proxy = stays.enter_context(fault_proxy_to(request.getfixturevalue("gcs").url))
                environ["STORAGE_EMULATOR_HOST"] = proxy.url
            elif kind == "s3":
                given = request.getfixturevalue("s3")
                proxy = stays.enter_context(fault_proxy_to(given["AWS_ENDPOINT_URL_S3"]))
                environ |= given | {"AWS_ENDPOINT_URL_S3": proxy.url}
            elif kind == "az":
                text = request.getfixturevalue("azure")["AZURE_STORAGE_CONNECTION_STRING"]
                address = text.partition("BlobEndpoint=")[2].rstrip(";")
                proxy = stays.enter_context(fault_proxy_to(address))
                environ["AZURE_STORAGE_CONNECTION_STRING"] = text.replace(address, proxy.url)
            else:
                server = stays.enter_context(running(TerraformHandler))
                server.login = ("ann", "correct-horse")
                proxy = stays.enter_context(fault_proxy_to(server.url))
                url = f"{proxy.url}/state"
                environ |= {
                    "TF_HTTP_LOCK_ADDRESS": f"{proxy.url}/lock",
                    "TF_HTTP_USERNAME": "ann",
                    "TF_HTTP_PASSWORD": "correct-horse",
                }
            return Store(kind, url, {**environ, "RECONCILER_STATE": url}, proxy, server)

        yield opened


CONFORMANCE = pytest.mark.conformance
"""Azurite needs npm. What only S3 does is tested in tests/contract, so `make test` leaves S3 out here."""


@pytest.fixture(
    params=[
        "local",
        "http",
        *repeats("gs"),
        *(pytest.param(kind, marks=CONFORMANCE) for kind in ("s3", "az")),
    ]
)
def store(request: pytest.FixtureRequest, open_store: Opener) -> Store:
    """Each kind of store, one after the other."""
    return open_store(request.param)


@pytest.fixture
def team(project: Project, store: Store) -> Project:
    """A project whose state is in the store."""
    project.environ |= store.environ
    return project


@pytest.fixture
def gs(open_store: Opener) -> Store:
    """A bucket that works without any installation."""
    return open_store("gs")
