"""State in Amazon S3 and stores that speak its API.

Credentials and endpoint come from where every AWS tool looks: AWS_ACCESS_KEY_ID and the rest, then
boto3's chain (profiles, SSO, roles, web identity, instance metadata); AWS_ENDPOINT_URL_S3 or
AWS_ENDPOINT_URL for other stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from obstore.store import S3Store

from reconciler.errors import CredentialError
from reconciler.redaction import hide_secrets
from reconciler.settings import Settings
from reconciler.settings.trust import must_be_private
from reconciler.state.backends.network import RETRY, configure_client

if TYPE_CHECKING:
    from obstore.store import S3Config

_REGION = "us-east-1"


def open_store(bucket: str, settings: Settings) -> S3Store:
    """Open the bucket. Nothing is contacted yet, except for a source of credentials if there is one.

    Raises:
        CredentialError: no credential is found, or it would go over plain http to another machine.
        ModuleNotFoundError: boto3 is needed and not installed.
    """
    endpoint = settings.get("AWS_ENDPOINT_URL_S3") or settings.get("AWS_ENDPOINT_URL")
    region = settings.get("AWS_REGION") or settings.get("AWS_DEFAULT_REGION")
    config: S3Config = {"conditional_put": "etag"}
    if endpoint:
        must_be_private(endpoint, "credential for AWS_ENDPOINT_URL")  # before any is looked for
        config["endpoint"] = endpoint

    provider = None
    key, secret = settings.get("AWS_ACCESS_KEY_ID"), settings.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        config |= {"access_key_id": key, "secret_access_key": secret}
        if token := settings.get("AWS_SESSION_TOKEN"):
            config["session_token"] = token
    else:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider

        try:
            session = boto3.Session(profile_name=settings.get("AWS_PROFILE") or None)
            provider = Boto3CredentialProvider(session)
        except (BotoCoreError, ValueError) as error:
            raise CredentialError(
                f"s3://{bucket}: no AWS credential found: {hide_secrets(str(error), settings.secrets)}",
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or log in: aws sso login",
            ) from error
        region = region or session.region_name
    config["region"] = region = region or _REGION
    # as obstore addresses Amazon's buckets of a region
    options = configure_client(
        settings, endpoint or f"https://s3.{region}.amazonaws.com", setting="AWS_ENDPOINT_URL_S3"
    )
    return S3Store(
        bucket, config=config, credential_provider=provider, client_options=options, retry_config=RETRY
    )
