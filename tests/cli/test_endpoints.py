"""Which API a Stack's endpoint is used for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.cli.apis import list_kinds
from reconciler.cli.endpoints import Services
from reconciler.errors import ManifestError
from reconciler.manifests import Loaded
from reconciler.model.stack import Stack
from reconciler.settings import Settings

GEMINI = "https://generativelanguage.googleapis.com"
VERTEX = "https://us-central1-aiplatform.googleapis.com"
LOADED = Loaded((), Stack(), whole=True, files=())


def make_services(kind: str, endpoint: str, **environ: str) -> Services:
    """The services of a run that uses one kind, if the Stack names an endpoint."""
    services = Services(
        replace(LOADED, stack=Stack(endpoint=endpoint)),
        Settings(environ),
        emulator="",
        parallelism=1,
        stopping=lambda: False,
        tell=lambda _told: None,
    )
    services.use({kind})
    return services


def find_address(kind: str, endpoint: str, **environ: str) -> str:
    """The address that a kind uses if the Stack names an endpoint."""
    return make_services(kind, endpoint, **environ).find_target(contact=False).base_url


@pytest.mark.parametrize("dot", ["", "."])
def test_an_endpoint_of_one_api_is_for_no_other(dot: str) -> None:
    """An API's credential never goes to another API's host, however the host is spelled."""
    assert find_address("TunedModel", VERTEX + dot) == GEMINI
    assert find_address("TuningJob", VERTEX + dot) == VERTEX + dot
    assert find_address("TuningJob", GEMINI + dot) == "https://aiplatform.googleapis.com"
    assert find_address("TunedModel", GEMINI + dot) == GEMINI + dot


def test_any_other_endpoint_is_for_every_api() -> None:
    """A trusted proxy or an emulator serves every API. Any other endpoint serves none."""
    for url, trusted in (("http://127.0.0.1:1", ""), ("https://proxy.example.com", "proxy.example.com")):
        for kind in ("TunedModel", "TuningJob"):
            assert find_address(kind, url, RECONCILER_TRUSTED_HOSTS=trusted) == url
    with pytest.raises(ManifestError):
        find_address("TunedModel", "https://proxy.example.com")


def test_a_provider_is_opened_once() -> None:
    """There is a provider for each kind, and kinds of one API have theirs opened together."""
    providers = make_services("TuningJob", VERTEX).open_providers()
    assert set(providers) == list_kinds().keys()
    assert len(providers) == len(list_kinds())
    jobs = providers["TuningJob"]
    assert (jobs.kind.name, providers["ModelCopy"].kind.name) == ("TuningJob", "ModelCopy")
    assert providers["TuningJob"] is jobs
    assert "Parrot" not in providers
