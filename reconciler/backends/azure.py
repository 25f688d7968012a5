"""State in Azure Blob Storage: az://CONTAINER/PREFIX.

The account comes from AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT; the credential from the
connection string, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN (the names that the az command uses), else
azure-identity's chain (environment, workload and managed identity, az login).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from obstore.store import AzureStore

from reconciler.backends.network import CLIENT, RETRY, check_address
from reconciler.errors import CredentialError

if TYPE_CHECKING:
    from obstore.store import AzureConfig


def open_store(container: str, environ: Mapping[str, str]) -> AzureStore:
    """The container; nothing is contacted yet.

    Raises:
        CredentialError: no account is named, or it would go over plain http to another machine.
        ModuleNotFoundError: azure-identity is needed and not installed.
    """
    connection = _connection(environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = connection.get("AccountName") or environ.get("AZURE_STORAGE_ACCOUNT")
    if not account:
        raise CredentialError(
            f"az://{container}: no storage account is named",
            "Set AZURE_STORAGE_ACCOUNT, or AZURE_STORAGE_CONNECTION_STRING.",
        )
    config: AzureConfig = {"account_name": account}
    client = CLIENT
    if endpoint := connection.get("BlobEndpoint") or environ.get("AZURE_STORAGE_ENDPOINT"):
        config["endpoint"] = endpoint
        client = {**CLIENT, "allow_http": check_address(endpoint, "the Azure blob endpoint")}
    key = connection.get("AccountKey") or environ.get("AZURE_STORAGE_KEY")
    sas = connection.get("SharedAccessSignature") or environ.get("AZURE_STORAGE_SAS_TOKEN")
    if key:
        config["account_key"] = key
    elif sas:
        config["sas_key"] = sas
    else:
        from obstore.auth.azure import AzureCredentialProvider

        # Its complaint comes back as the error; without a handler it would also go to stderr.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        return AzureStore(
            container,
            config=config,
            credential_provider=AzureCredentialProvider(),
            client_options=client,
            retry_config=RETRY,
        )
    return AzureStore(container, config=config, client_options=client, retry_config=RETRY)


def _connection(text: str) -> dict[str, str]:
    """Of "Key=value;Key=value"; a value may hold further equal signs."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}
