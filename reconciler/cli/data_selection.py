"""Finds the data that the command `data` inspects: a file, or the data of a declared model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from reconciler.cli import wiring
from reconciler.cli.invocation import Invocation
from reconciler.cli.record_selection import may_be_address
from reconciler.datasets.data_cache import DataCache
from reconciler.datasets.inspection import Inspection
from reconciler.manifests import Loaded
from reconciler.model.desired import Desired


def inspect(word: str, given: Mapping[str, Any]) -> Inspection:
    """Inspect a file, or the data of the model with this address. Asks a service only for data there.

    Raises:
        UsageError: no declared model has this address.
        ManifestError: a manifest is wrong, or a file cannot be read.
        ServiceError, CredentialError: data that lies at a service cannot be read.
    """
    from reconciler.operation.inspecting import inspect_file, inspect_model

    if not may_be_address(word):
        return inspect_file(word)
    invocation = replace(Invocation.read("data", given), reads_training=False)
    loaded, _ = wiring.load_manifests(invocation, wiring.read_settings())
    desired = _find_desired(word, loaded)
    if not any(data.uri for data in desired.data):
        return inspect_model(desired, lambda _uri: None, DataCache())
    kind = desired.address.kind
    with wiring.open_operation(invocation, lambda _loaded, _state: {kind}) as operation:
        cache = operation.data_cache.get()
        found = inspect_model(desired, operation.providers[kind].read_data, cache)
        cache.close(())
    return found


def _find_desired(word: str, loaded: Loaded) -> Desired:
    from reconciler.records import resolve

    declared = {desired.address: desired for desired in loaded.desired}
    names = ", ".join(str(address) for address in sorted(declared)[:5])
    return declared[resolve(word, declared, f"The manifests declare {names}")]
