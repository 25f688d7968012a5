"""The addresses that --state accepts, the credentials that are used, and a really frozen process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import (
    CredentialError,
    ReconcilerError,
    StateStoreError,
    UsageError,
)
from reconciler.settings import Settings
from reconciler.state.backends import open_backend
from reconciler.state.session import StateManager
from tests.contract.backend import (
    put,
)
from tests.contract.servers import (
    ForbiddingHandler,
    Server,
    TokenHandler,
    running,
)
from tests.contract.sites import DEAD, python


def test_google_default_credentials_give_a_token_for_buckets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A federated credential, as in CI, needs one request for one token with the storage scope."""
    from reconciler.state.backends.gcs import find_credentials

    (tmp_path / "subject").write_text("oidc")
    with running(TokenHandler) as server:
        federated = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": server.url + "/token",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
        (tmp_path / "adc.json").write_text(json.dumps(federated))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
        provider = find_credentials("bucket", Settings({}))
        answers = [provider(), provider()]
        assert server.faults.requests == ["https://www.googleapis.com/auth/devstorage.read_write"]
    for answer in answers:
        assert answer["token"] == "federated-token"
        assert answer["expires_at"] is not None
        assert answer["expires_at"].tzinfo is not None


@pytest.mark.parametrize(
    "source",
    [
        {"file": "/nowhere/subject"},
        {"executable": {"command": "true"}},
        {"url": "http://127.0.0.1:9/subject"},
        {"environment_id": "aws1", "regional_cred_verification_url": "https://x.example/{region}"},
    ],
)
def test_a_credentials_file_that_gives_no_token_is_named_by_a_bucket(
    tmp_path: Path, source: dict[str, Any]
) -> None:
    """The error has the library's words and the variable that names the file."""
    federated = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    }
    (tmp_path / "adc.json").write_text(json.dumps(federated))
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "adc.json")}
    with pytest.raises((StateStoreError, CredentialError), match="GOOGLE_APPLICATION_CREDENTIALS"):
        open_backend("gs://bucket/p", environ=environ).read()


def test_google_without_any_credential_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names a wrong path. An access token takes precedence and needs nothing else."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    with pytest.raises(CredentialError, match=r"nowhere\.json") as caught:
        open_backend("gs://bucket/p", environ={})
    assert "gcloud auth application-default login" in caught.value.detail
    open_backend("gs://bucket/p", environ={"GOOGLE_OAUTH_ACCESS_TOKEN": "token"})


def test_an_aws_profile_opens_a_bucket(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without keys in the environment, the AWS files and the profile are used."""
    (tmp_path / "credentials").write_text("[team]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    (tmp_path / "config").write_text("[profile team]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    endpoint = s3["AWS_ENDPOINT_URL_S3"]
    environ = {"AWS_PROFILE": "team", "AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1"}
    put(open_backend("s3://bucket/profile", environ=environ), b"{}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for nobody in ({"AWS_PROFILE": "other"}, {}):
        with pytest.raises(CredentialError, match="no AWS credential") as caught:
            open_backend("s3://bucket/profile", environ=nobody)
        assert "AWS_PROFILE" in caught.value.detail


def test_azure_without_any_credential_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    """The identity library's report becomes a one-line error, and stderr gets nothing else."""
    environ = {"AZURE_STORAGE_ACCOUNT": "account", "AZURE_STORAGE_ENDPOINT": f"{DEAD}/account"}
    with pytest.raises(StateStoreError, match="no valid credential") as caught:
        open_backend("az://bucket/p", environ=environ).read()
    assert "\n" not in caught.value.summary
    assert len(caught.value.summary) < 400
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("url", "setting", "needs"),
    [
        ("gs://bucket/p", "STORAGE_EMULATOR_HOST", "roles/storage.objectUser on the bucket"),
        ("s3://bucket/p", "AWS_ENDPOINT_URL_S3", "s3:ListBucket on the bucket"),
    ],
)
def test_a_bucket_that_lets_nobody_in_says_what_to_grant(url: str, setting: str, needs: str) -> None:
    """After a 403 the error names the role and the account, and says that the bucket may not exist."""
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    with running(ForbiddingHandler) as server, pytest.raises(StateStoreError) as caught:
        open_backend(url, environ={setting: server.url, **keys}).read()
    assert "may not exist" in caught.value.summary
    assert f"Grant the account of this credential {needs}" in caught.value.detail
    assert "check its name too" in caught.value.detail


def test_a_frozen_process_is_taken_over_and_cannot_do_harm_when_it_wakes(gcs: Server, tmp_path: Path) -> None:
    """After the lease another process takes over, and the frozen one writes nothing when it wakes."""
    code = (
        "import os, sys\n"
        "from reconciler.state.backends import open_backend\n"
        "from reconciler.errors import LockLostError\n"
        "from reconciler.state.session import StateManager\n"
        "backend = open_backend(sys.argv[1], environ=os.environ)\n"
        "manager = StateManager(backend, operation='apply', who='ann')\n"
        "with manager.locked() as session:\n"
        "    session.commit(session.state.with_names(stack='first'))\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    later = session.state.with_names(project='p')\n"
        "    for attempt in (session.ensure_held, lambda: session.commit(later)):\n"
        "        try:\n"
        "            attempt()\n"
        "        except LockLostError as error:\n"
        "            print(error.summary)\n"
    )
    environ = {"STORAGE_EMULATOR_HOST": gcs.url, "RECONCILER_LOCK_LEASE": "4s"}
    url = f"gs://bucket/{tmp_path.name}"
    sleeper = python(code, url, env={**os.environ, **environ}, stdin=subprocess.PIPE)
    try:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "held\n"
        sleeper.send_signal(signal.SIGSTOP)
        ours = StateManager(open_backend(url, environ=environ), operation="apply", who="bob")
        with ours.locked() as session:
            assert session.state.stack == "first"
            session.commit(session.state.with_names(service="google"))
            sleeper.send_signal(signal.SIGCONT)
            out, errors = sleeper.communicate("wake up\n")
    finally:
        sleeper.kill()
        sleeper.communicate()
    assert out.count("not ours any more: bob for apply") == 2, errors
    assert sleeper.returncode == 0
    assert ours.read() == session.state


def test_a_folder_needs_no_extra_library() -> None:
    """Local state imports neither obstore nor requests."""
    code = (
        "import sys; from reconciler.state.backends import open_backend; open_backend('state', environ={});"
        "print(sorted({'obstore', 'requests', 'boto3', 'google.auth'} & set(sys.modules)))"
    )
    assert python(code).communicate()[0].strip() == "[]"


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    """Without obstore a bucket is a usage error, not a traceback."""
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from reconciler.state.backends import open_backend\n"
        "from reconciler.errors import UsageError\n"
        "for url in ('gs://b/p', 's3://b/p', 'az://b/p'):\n"
        "    try:\n"
        "        open_backend(url, environ={})\n"
        "    except UsageError as error:\n"
        "        print(error.summary, error.detail)\n"
    )
    out, errors = python(code).communicate()
    for extra in ("gcs", "s3", "azure"):
        assert f"run: pip install '.[{extra}]'" in out, errors
    assert out.count("the Python package obstore is not installed") == 3


@pytest.mark.parametrize(
    ("url", "environ", "error", "says"),
    [
        ("ftp://host/x", {}, UsageError, "ftp://"),
        ("state/default.json", {}, UsageError, "Give its folder, state;"),
        ("s3:///x", {}, UsageError, "no bucket"),
        ("gs://b", {"RECONCILER_LOCK_LEASE": "soon"}, UsageError, "RECONCILER_LOCK_LEASE"),
        ("gs://b", {"RECONCILER_LOCK_LEASE": "1s"}, UsageError, "at least 4s"),
        ("gs://b", {"STORAGE_EMULATOR_HOST": "http://10.0.0.1:1"}, CredentialError, "not encrypted"),
        ("s3://b", {"AWS_ENDPOINT_URL": "http://minio.example:9000"}, CredentialError, "minio.example"),
        ("az://b", {}, CredentialError, "no storage account"),
        ("http://ann:pw@host/state", {}, CredentialError, "not encrypted"),
        (
            "https://h/s",
            {"TF_HTTP_USERNAME": "a", "TF_HTTP_LOCK_ADDRESS": "http://h/l"},
            CredentialError,
            "LOCK",
        ),
        ("https://h/s", {"TF_HTTP_RETRY_MAX": "two"}, UsageError, "TF_HTTP_RETRY_MAX"),
        ("https://h/s", {"TF_HTTP_CLIENT_CA_CERTIFICATE_PEM": "no pem"}, UsageError, "certificates"),
    ],
)
def test_an_address_that_cannot_work_is_refused_before_any_request(
    url: str, environ: dict[str, str], error: type[ReconcilerError], says: str
) -> None:
    """The error repeats the address without its password."""
    with pytest.raises(error) as caught:
        open_backend(url, environ=environ)
    assert says in f"{caught.value.summary}\n{caught.value.detail}"
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 60.0), ("60s", 60.0), ("2m", 120.0), ("90", 90.0), ("4.5s", 4.5)]
)
def test_the_lease_is_written_as_a_duration(text: str, seconds: float) -> None:
    """RECONCILER_LOCK_LEASE takes 60s, 2m, or plain seconds."""
    environ = {"STORAGE_EMULATOR_HOST": DEAD, "RECONCILER_LOCK_LEASE": text}
    assert open_backend("gs://b/p", environ=environ).lease == seconds
