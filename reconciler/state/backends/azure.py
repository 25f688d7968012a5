"""State in Azure Blob Storage: az://CONTAINER/PREFIX.

The account comes from AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT; the credential from the
connection string, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN (the names that the az command uses), else
azure-identity's chain (environment, workload and managed identity, az login).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from obstore.store import AzureStore

from reconciler.errors import CredentialError
from reconciler.redaction import hide_secrets
from reconciler.settings import Settings
from reconciler.settings.forms import split_connection
from reconciler.state.backends.network import RETRY, configure_client

if TYPE_CHECKING:
    from obstore.store import AzureConfig


def open_store(container: str, settings: Settings) -> AzureStore:
    """Open the container. Nothing is contacted yet.

    Raises:
        CredentialError: no account is named, or it would go over plain http to another machine.
        ModuleNotFoundError: azure-identity is needed and not installed.
    """
    connection = split_connection(settings.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    account = connection.get("AccountName") or settings.get("AZURE_STORAGE_ACCOUNT")
    if not account:
        raise CredentialError(
            f"az://{container}: no storage account is named",
            "Set AZURE_STORAGE_ACCOUNT, or AZURE_STORAGE_CONNECTION_STRING.",
        )
    config: AzureConfig = {"account_name": account}
    endpoint = connection.get("BlobEndpoint") or settings.get("AZURE_STORAGE_ENDPOINT")
    if endpoint:
        config["endpoint"] = endpoint
    options = configure_client(
        settings, endpoint or f"https://{account}.blob.core.windows.net", setting="AZURE_STORAGE_ENDPOINT"
    )
    key = connection.get("AccountKey") or settings.get("AZURE_STORAGE_KEY")
    sas = connection.get("SharedAccessSignature") or settings.get("AZURE_STORAGE_SAS_TOKEN")
    provider = None
    if key:
        config["account_key"] = key
    elif sas:
        config["sas_key"] = sas
    else:
        from obstore.auth.azure import AzureCredentialProvider

        # Its complaint comes back as the error; without a handler it would also go to stderr.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        try:
            provider = AzureCredentialProvider()
        except ValueError as error:  # an invalid tenant, a missing certificate
            raise CredentialError(
                f"az://{container}: no Azure credential found: " + hide_secrets(str(error), settings.secrets),
                "Check AZURE_TENANT_ID, AZURE_CLIENT_ID and the others, or log in: az login",
            ) from error
    return AzureStore(
        container, config=config, credential_provider=provider, client_options=options, retry_config=RETRY
    )
