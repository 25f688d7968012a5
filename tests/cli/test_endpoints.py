"""Which API a Stack's endpoint is used for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconciler.cli.endpoints import Services
from reconciler.errors import ManifestError
from reconciler.manifests import Loaded
from reconciler.model import Stack
from reconciler.settings import Settings

GEMINI = "https://generativelanguage.googleapis.com"
VERTEX = "https://us-central1-aiplatform.googleapis.com"
LOADED = Loaded((), Stack(), whole=True, files=())


def find_address(kind: str, endpoint: str, **environ: str) -> str:
    """The address that a kind uses if the Stack names an endpoint."""
    services = Services(
        replace(LOADED, stack=Stack(endpoint=endpoint)),
        Settings(environ),
        used={kind},
        emulator="",
        parallelism=1,
        stopping=lambda: False,
        tell=lambda _told: None,
    )
    return services.find_target(contact=False).base_url


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
