"""State in Amazon S3 and stores that speak its API.

Credentials and endpoint come from where every AWS tool looks: AWS_ACCESS_KEY_ID and the rest, then
boto3's chain (profiles, SSO, roles, web identity, instance metadata); AWS_ENDPOINT_URL_S3 or
AWS_ENDPOINT_URL for other stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from obstore.store import S3Store

from reconciler.backends.network import CLIENT, RETRY, check_address
from reconciler.errors import CredentialError

if TYPE_CHECKING:
    from obstore.store import S3Config

_REGION = "us-east-1"


def open_store(bucket: str, environ: Mapping[str, str]) -> S3Store:
    """The bucket; nothing is contacted but, where needed, the source of credentials.

    Raises:
        CredentialError: none is found, or it would go over plain http to another machine.
        ModuleNotFoundError: boto3 is needed and not installed.
    """
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    config: S3Config = {"conditional_put": "etag"}
    client = CLIENT
    if endpoint:
        config["endpoint"] = endpoint
        client = {**CLIENT, "allow_http": check_address(endpoint, "AWS_ENDPOINT_URL_S3")}
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        config |= {"access_key_id": key, "secret_access_key": secret, "region": region or _REGION}
        if token := environ.get("AWS_SESSION_TOKEN"):
            config["session_token"] = token
        return S3Store(bucket, config=config, client_options=client, retry_config=RETRY)

    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session(profile_name=environ.get("AWS_PROFILE") or None)
        provider = Boto3CredentialProvider(session)
    except (BotoCoreError, ValueError) as error:
        raise CredentialError(
            f"s3://{bucket}: no AWS credential is found: {error}",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or log in: aws sso login",
        ) from error
    config["region"] = region or session.region_name or _REGION
    return S3Store(
        bucket, config=config, credential_provider=provider, client_options=client, retry_config=RETRY
    )
