"""Stores that run on this machine for the tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import subprocess
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import requests

from tests.contract.servers import GCSHandler, Server, TerraformHandler, running
from tests.contract.sites import AZURITE_KEY, ROOT


@pytest.fixture(scope="module")
def gcs() -> Iterator[Server]:
    """A server of our own that speaks the protocol of Google Cloud Storage."""
    with running(GCSHandler) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """The environment that leads to a bucket on a server of moto's."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environ = {
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    client = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="bucket")
    client.close()
    yield environ
    server.stop()


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment that leads to a container in azurite, which .ci/azurite installs."""
    command = ROOT / ".venv" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
    assert command.exists(), "azurite is not installed: run .ci/azurite"
    folder = tmp_path_factory.mktemp("azurite")
    log = (folder / "log").open("w+")
    server = subprocess.Popen(
        [command, "--blobPort", "0", "--location", folder, "--skipApiVersionCheck", "--disableTelemetry"],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        address = _azurite_address(folder / "log", server)
        environ = {
            "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
            f"AccountKey={AZURITE_KEY};BlobEndpoint={address}/devstoreaccount1;"
        }
        _create_container(address, "bucket")
        yield environ
    finally:
        server.terminate()
        server.wait()
        log.close()


def _azurite_address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """The address at which azurite listens, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"successfully listens on (http://[0-9.:]+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"azurite did not start: {log.read_text()}")


def _create_container(address: str, name: str) -> None:
    """Create a container with one signed request. The clients under test cannot do this, on purpose.

    https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    """
    date = formatdate(usegmt=True)
    resource = f"/devstoreaccount1/devstoreaccount1/{name}\nrestype:container"
    text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:2021-12-02\n{resource}"
    digest = hmac.new(base64.b64decode(AZURITE_KEY), text.encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    reply = requests.put(
        f"{address}/devstoreaccount1/{name}?restype=container",
        headers={
            "x-ms-date": date,
            "x-ms-version": "2021-12-02",
            "Authorization": f"SharedKey devstoreaccount1:{signature}",
        },
        timeout=10,
    )
    assert reply.status_code == 201, reply.text


@pytest.fixture
def terraform() -> Iterator[Server]:
    """A server of Terraform's protocol with one state."""
    with running(TerraformHandler) as server:
        yield server
