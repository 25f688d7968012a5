"""Every store through the suite, and what each promises beyond it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests

from reconciler.backends import Backend, open_backend
from reconciler.backends.memory import MemoryBackend, MemoryStore
from reconciler.errors import (
    CredentialError,
    LockLostError,
    StateError,
    StateLockedError,
    StateStoreError,
    UsageError,
)
from tests.contract.backend import (
    ANN,
    BOB,
    BackendContract,
    BreakableContract,
    Clock,
    LeaseContract,
    Site,
    UnreachableContract,
    put,
)
from tests.contract.servers import GCSHandler, Server, TerraformHandler, running

ROOT = Path(__file__).parents[2]
DEAD = "http://127.0.0.1:1"


class TestMemory(BackendContract, BreakableContract, LeaseContract):
    """The reference."""

    @pytest.fixture
    def site(self) -> Site:
        """One store, many clients."""
        store, clock = MemoryStore(), Clock()
        return Site(
            open=lambda: MemoryBackend(store, clock=clock),
            clock=clock,
            open_with_lease=lambda lease: MemoryBackend(store, clock=clock, lease=lease),
        )


# --------------------------------------------------------------------------------------------- local


class TestLocal(BackendContract):
    """A folder of this machine."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        """Each client opens the folder anew."""
        return Site(open=lambda: open_backend(str(tmp_path / "deep" / "state"), environ={}))


def local(folder: Path) -> Backend:
    """The backend of a folder."""
    return open_backend(str(folder), environ={})


def python(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Another process that has the program at hand."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A plan in a fresh checkout leaves no folder and no lock file behind."""
    assert local(tmp_path / "state").read() is None
    with pytest.raises(StateError, match="not locked"):
        local(tmp_path / "state").force_unlock("x")
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_private_and_alone(tmp_path: Path) -> None:
    """Mode 0600, named after the document; only the lock file stands beside it."""
    put(open_backend(str(tmp_path), environ={}, document="emulator"), b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emulator.json", "emulator.lock"]
    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o600", "0o600"]
    assert (tmp_path / "emulator.lock").read_bytes() == b""


def test_a_write_without_the_lock_is_refused(tmp_path: Path) -> None:
    """Neither before it was taken nor after it was given back."""
    backend = local(tmp_path)
    with pytest.raises(LockLostError):
        backend.write(b"{}", expected=None)
    put(backend, b"{}")
    with pytest.raises(LockLostError):
        backend.write(b"{}", expected=None)


def test_a_linked_state_is_written_where_it_lives(tmp_path: Path) -> None:
    """The link stays a link, and both ways to the file share one lock."""
    put(local(tmp_path / "real"), b'{"serial": 1}')
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / "default.json"
    link.symlink_to(Path("..") / "real" / "default.json")
    put(local(tmp_path / "linked"), b'{"serial": 2}')
    assert link.is_symlink()
    assert (tmp_path / "real" / "default.json").read_bytes() == b'{"serial": 2}'
    one, other = local(tmp_path / "real"), local(tmp_path / "linked")
    one.lock(ANN)
    with pytest.raises(StateLockedError, match="ann@laptop"):
        other.lock(BOB)
    one.unlock(ANN)


def test_leftovers_of_a_dead_writer_are_swept_by_the_next(tmp_path: Path) -> None:
    """Its temporary file goes; files of other documents and of people stay."""
    put(local(tmp_path), b"{}")
    for name in (".default.json.abc123.tmp", ".other.json.abc123.tmp", "default.json.backup"):
        (tmp_path / name).write_text("torn")
    put(local(tmp_path), b'{"serial": 2}')
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"default.json", "default.lock", ".other.json.abc123.tmp", "default.json.backup"}


def test_a_removed_lock_file_is_noticed_before_the_write(tmp_path: Path) -> None:
    """Whoever deletes the lock file of a living run makes that run stop, not overwrite."""
    holder, other = local(tmp_path), local(tmp_path)
    holder.lock(ANN)
    (tmp_path / "default.lock").unlink()
    other.lock(BOB)
    for attempt in (lambda: holder.write(b"{}", expected=None), lambda: holder.renew(ANN)):
        with pytest.raises(LockLostError, match="was removed"):
            attempt()
    other.unlock(BOB)


def test_a_living_process_keeps_its_lock_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    """The refusal names its pid; it cannot be broken; after kill -9 the next writer goes on at once."""
    code = (
        "import sys, time\n"
        "from reconciler.backends import LockInfo, open_backend\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "backend.lock(LockInfo(sys.argv[2], 'apply', 'ann@laptop'))\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = python(code, str(tmp_path), ANN.id)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateLockedError, match="ann@laptop") as caught:
            local(tmp_path).lock(BOB)
        assert f"pid {holder.pid}" in caught.value.detail
        with pytest.raises(StateError, match="cannot be broken"):
            local(tmp_path).force_unlock(ANN.id)
    finally:
        holder.kill()
        holder.communicate()
    assert json.loads((tmp_path / "default.lock").read_bytes())["Who"] == "ann@laptop"
    put(local(tmp_path), b"{}", BOB)


def test_eight_processes_count_without_losing_one(tmp_path: Path) -> None:
    """Each adds five models of its own under the lock; forty are recorded, in forty writes."""
    code = (
        "import sys\n"
        "from reconciler.backends import open_backend\n"
        "from reconciler.model import Address\n"
        "from reconciler.state import Model, Record\n"
        "from reconciler.statemgr import StateManager\n"
        "manager = StateManager(open_backend(sys.argv[1], environ={}), operation='apply', who=sys.argv[2])\n"
        "for number in range(5):\n"
        "    address = Address('TunedModel', f'm-{sys.argv[2]}-{number}')\n"
        "    with manager.locked() as session:\n"
        "        session.commit(session.state.put(Record(address, Model(address.name))))\n"
    )
    workers = [python(code, str(tmp_path), str(number)) for number in range(8)]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [("", 0)] * 8
    document = json.loads((tmp_path / "default.json").read_bytes())
    assert (document["serial"], len(document["resources"])) == (40, 40)


def test_kill_9_at_any_moment_leaves_a_whole_state(tmp_path: Path) -> None:
    """A writer of large states is killed twenty times; each time one whole version is there."""
    code = (
        "import sys\n"
        "from reconciler.backends import LockInfo, open_backend\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "info = LockInfo('x', 'apply', 'me')\n"
        "backend.lock(info)\n"
        "stored = backend.read()\n"
        "version, number = stored.version if stored else None, 0\n"
        "print('writing', flush=True)\n"
        "while True:\n"
        "    number += 1\n"
        "    version = backend.write((b'%07d' % number) * 300_000, expected=version)\n"
    )
    for attempt in range(20):
        writer = python(code, str(tmp_path))
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        stored = local(tmp_path).read()
        if stored is not None:
            assert stored.data == stored.data[:7] * 300_000
    put(local(tmp_path), b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default.json", "default.lock"]


def test_a_full_disk_leaves_the_old_state(tmp_path: Path) -> None:
    """The write fails by its size limit; the error says so, the old file and nothing else remains."""
    put(local(tmp_path), b'{"serial": 1}')
    code = (
        "import resource, sys\n"
        "from reconciler.backends import LockInfo, open_backend\n"
        "from reconciler.errors import StateStoreError\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "backend.lock(LockInfo('x', 'apply', 'me'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    backend.write(b'x' * 100_000, expected=backend.read().version)\n"
        "except StateStoreError as error:\n"
        "    print(error.summary, error.detail)\n"
    )
    out, errors = python(code, str(tmp_path)).communicate()
    assert "cannot write the state: File too large" in out, errors
    assert "free space" in out
    assert (tmp_path / "default.json").read_bytes() == b'{"serial": 1}'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default.json", "default.lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be, and a path that is too long, end in our error."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "state", tmp_path / ("x" * 300)):
        with pytest.raises(StateStoreError, match="cannot lock") as caught:
            local(folder).lock(ANN)
        assert str(folder) in caught.value.summary
        assert "--state" in caught.value.detail


def test_a_read_only_folder_is_named() -> None:
    """Reading still works there; the refusal to lock says that it is a matter of permissions."""
    code = (
        "import os, sys\n"
        "from reconciler.backends import LockInfo, open_backend\n"
        "from reconciler.errors import StateStoreError\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(65534)\n"  # root ignores permissions
        "try:\n"
        "    print(backend.read().data)\n"
        "    backend.lock(LockInfo('x', 'apply', 'me'))\n"
        "except StateStoreError as error:\n"
        "    print(error.summary)\n"
    )
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        (folder / "default.json").write_text("{}")
        (folder / "default.json").chmod(0o644)
        folder.chmod(0o555)
        out, errors = python(code, name).communicate()
        folder.chmod(0o755)
    assert out.splitlines()[:1] == ["b'{}'"], errors
    assert f"{name}/default.json: cannot lock the state: Permission denied" in out


# --------------------------------------------------------------------------------------------- remote


def remote(url: str, environ: dict[str, str]) -> Site:
    """A bucket's state under a fresh prefix."""
    clock, prefix = Clock(), secrets.token_hex(4)

    def opened(lease: float) -> Backend:
        return open_backend(
            f"{url}/team/{prefix}", environ={**environ, "RECONCILER_LOCK_LEASE": f"{lease:g}s"}, clock=clock
        )

    return Site(open=lambda: opened(60.0), clock=clock, open_with_lease=opened)


@pytest.fixture(scope="module")
def gcs() -> Iterator[Server]:
    """A bucket of our own making."""
    with running(GCSHandler) as server:
        yield server


class TestGCS(BackendContract, BreakableContract, LeaseContract, UnreachableContract):
    """Google Cloud Storage."""

    @pytest.fixture
    def site(self, gcs: Server) -> Site:
        """A fresh prefix."""
        return remote("gs://bucket", {"STORAGE_EMULATOR_HOST": gcs.url})

    @pytest.fixture
    def unreachable(self) -> Backend:
        """Nobody listens there."""
        return open_backend("gs://bucket/p", environ={"STORAGE_EMULATOR_HOST": DEAD})

    def test_a_reply_lost_after_the_effect_is_no_defeat(self, site: Site, gcs: Server) -> None:
        """The client repeats the write and is told that it lost; it reads back and knows better."""
        backend = site.open()
        gcs.faults.lose_replies_of.append("PUT")
        backend.lock(ANN)
        gcs.faults.lose_replies_of.append("PUT")
        backend.renew(ANN)
        gcs.faults.lose_replies_of.append("PUT")
        backend.unlock(ANN)
        site.open().lock(BOB)
        assert gcs.faults.lose_replies_of == []

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_store_that_is_busy_is_asked_again(self, site: Site, gcs: Server, status: int) -> None:
        """GCS answers 429 above one write a second for an object; nobody sees it."""
        backend = site.open()
        backend.lock(ANN)
        gcs.faults.refuse[:] = [status, status]
        version = backend.write(b"{}", expected=None)
        assert gcs.faults.refuse == []
        gcs.faults.refuse[:] = [status]
        stored = backend.read()
        assert stored is not None
        assert stored.version == version
        backend.unlock(ANN)

    def test_forbidden_is_said_in_the_servers_words(self, site: Site, gcs: Server) -> None:
        """A 403 is not repeated, and not taken for an empty state."""
        gcs.faults.refuse[:] = [403]
        with pytest.raises(StateStoreError, match="403 Forbidden: injected") as caught:
            site.open().read()
        assert "credential" in caught.value.detail
        assert gcs.faults.refuse == []

    def test_a_bucket_that_does_not_exist_is_no_empty_state(self, gcs: Server) -> None:
        """A typing mistake in the bucket's name must not make a plan that creates everything."""
        backend = open_backend("gs://bukket/p", environ={"STORAGE_EMULATOR_HOST": gcs.url})
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            backend.read()
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            backend.lock(ANN)

    def test_a_foreign_object_in_the_locks_place_is_left_alone(self, site: Site, gcs: Server) -> None:
        """It is named, and the way out is said."""
        backend = site.open()
        backend.lock(ANN)
        backend.unlock(ANN)
        key = next(key for key in gcs.objects if backend.place.endswith(key.replace(".lock", ".json")))
        gcs.objects[key] = (b"hello", 7)
        with pytest.raises(StateStoreError, match="not a lock of ours") as caught:
            site.open().lock(BOB)
        assert "delete that object" in caught.value.detail
        assert gcs.objects[key] == (b"hello", 7)


class UnconditionalHandler(GCSHandler):
    """A store that ignores preconditions, as old S3 clones do."""

    def do_PUT(self) -> None:  # noqa: N802 (http.server's name)
        """Always."""
        del self.headers["x-goog-if-generation-match"]
        super().do_PUT()


def test_a_store_without_conditions_is_refused_at_the_first_lock() -> None:
    """Two runs could overwrite each other there; nobody may believe otherwise."""
    with running(UnconditionalHandler) as server:
        backend = open_backend("gs://bucket/p", environ={"STORAGE_EMULATOR_HOST": server.url})
        with pytest.raises(StateStoreError, match="ignores conditions"):
            backend.lock(ANN)


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """A server of moto's with a bucket; the environment that leads there."""
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


class TestS3(BackendContract, BreakableContract, LeaseContract, UnreachableContract):
    """Amazon S3."""

    @pytest.fixture
    def site(self, s3: dict[str, str]) -> Site:
        """A fresh prefix."""
        return remote("s3://bucket", s3)

    @pytest.fixture
    def unreachable(self, s3: dict[str, str]) -> Backend:
        """Nobody listens there."""
        return open_backend("s3://bucket/p", environ={**s3, "AWS_ENDPOINT_URL_S3": DEAD})

    def test_a_bucket_that_does_not_exist_is_no_empty_state(self, s3: dict[str, str]) -> None:
        """A typing mistake in the bucket's name must not make a plan that creates everything."""
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            open_backend("s3://bukket/p", environ=s3).read()


AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Published by Microsoft for its emulator; opens nothing else."""


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """azurite, installed by .ci/azurite; the environment that leads to a container in it."""
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
    """Where it listens, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"successfully listens on (http://[0-9.:]+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    pytest.fail(f"azurite did not start: {log.read_text()}")


def _create_container(address: str, name: str) -> None:
    """One signed request; the clients under test cannot create containers, on purpose.

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


class TestAzure(BackendContract, BreakableContract, LeaseContract, UnreachableContract):
    """Azure Blob Storage."""

    @pytest.fixture
    def site(self, azure: dict[str, str]) -> Site:
        """A fresh prefix."""
        return remote("az://bucket", azure)

    @pytest.fixture
    def unreachable(self) -> Backend:
        """Nobody listens there."""
        environ = {
            "AZURE_STORAGE_ACCOUNT": "devstoreaccount1",
            "AZURE_STORAGE_KEY": AZURITE_KEY,
            "AZURE_STORAGE_ENDPOINT": f"{DEAD}/devstoreaccount1",
        }
        return open_backend("az://bucket/p", environ=environ)

    def test_a_container_that_does_not_exist_is_no_empty_state(self, azure: dict[str, str]) -> None:
        """A typing mistake in the container's name must not make a plan that creates everything."""
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            open_backend("az://bukket/p", environ=azure).read()

    def test_a_wrong_key_is_said_and_not_shown(self, azure: dict[str, str]) -> None:
        """A refused credential is named as such, without its value."""
        wrong = base64.b64encode(b"wrong key").decode()
        text = azure["AZURE_STORAGE_CONNECTION_STRING"].replace(AZURITE_KEY, wrong)
        with pytest.raises(StateStoreError, match="403") as caught:
            open_backend("az://bucket/p", environ={"AZURE_STORAGE_CONNECTION_STRING": text}).read()
        assert wrong not in str(caught.value)


# ---------------------------------------------------------------------------------------------- http


@pytest.fixture
def terraform() -> Iterator[Server]:
    """A server of Terraform's protocol with one state."""
    with running(TerraformHandler) as server:
        yield server


def http(server: Server, address: str = "/state?team=a", **more: str) -> Backend:
    """A client of it; retries do not wait."""
    environ = {
        "TF_HTTP_LOCK_ADDRESS": f"{server.url}/lock",
        "TF_HTTP_RETRY_WAIT_MIN": "0",
        **{f"TF_HTTP_{name}": value for name, value in more.items()},
    }
    return open_backend(server.url + address, environ=environ)


class TestHTTP(BackendContract, BreakableContract, UnreachableContract):
    """Terraform's HTTP state protocol."""

    @pytest.fixture
    def site(self, terraform: Server) -> Site:
        """Each client is a session of its own."""
        return Site(open=lambda: http(terraform))

    @pytest.fixture
    def unreachable(self) -> Backend:
        """Nobody listens there."""
        environ = {"TF_HTTP_LOCK_ADDRESS": f"{DEAD}/lock", "TF_HTTP_RETRY_WAIT_MIN": "0"}
        return open_backend(f"{DEAD}/state", environ=environ)

    def test_requests_whose_answer_was_lost_are_repeated_in_peace(self, terraform: Server) -> None:
        """LOCK, POST and UNLOCK arrive twice; the second answer is understood."""
        backend = http(terraform)
        terraform.faults.lose_replies_of[:] = ["LOCK", "POST", "UNLOCK", "GET"]
        backend.lock(ANN)
        backend.write(b'{"serial": 1}', expected=None)
        backend.unlock(ANN)
        assert terraform.faults.lose_replies_of == []
        assert terraform.holder is None
        put(http(terraform), b'{"serial": 2}', BOB)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_server_that_is_busy_is_asked_again(self, terraform: Server, status: int) -> None:
        """Up to TF_HTTP_RETRY_MAX times, 2 unless it is set."""
        terraform.faults.refuse[:] = [status, status]
        assert http(terraform).read() is None
        terraform.faults.refuse[:] = [status, status]
        with pytest.raises(StateStoreError, match=str(status)):
            http(terraform, RETRY_MAX="1").read()

    def test_a_server_with_its_own_layout_of_json_loses_no_write(self, terraform: Server) -> None:
        """The version is of the meaning: what a server indents is still what we wrote."""
        terraform.reformat = True
        backend = http(terraform)
        backend.lock(ANN)
        version = backend.write(b'{"serial":1,"x":0.1}', expected=None)
        backend.write(b'{"serial":2,"x":0.1}', expected=version)
        backend.unlock(ANN)

    def test_a_lock_that_the_server_gave_to_somebody_else_stops_the_write(self, terraform: Server) -> None:
        """The server compares ?ID with its lock; the refusal names the new holder."""
        backend = http(terraform)
        backend.lock(ANN)
        terraform.holder = BOB.to_json()
        with pytest.raises(LockLostError, match="bob@desk"):
            backend.write(b"{}", expected=None)
        backend.unlock(ANN)
        assert terraform.holder == BOB.to_json()

    def test_the_login_is_sent_and_a_wrong_one_explained(self, terraform: Server) -> None:
        """From TF_HTTP_USERNAME and _PASSWORD, or from the address, where it is never shown."""
        terraform.login = ("ann", "s3cret/@")
        put(http(terraform, USERNAME="ann", PASSWORD="s3cret/@"), b"{}")
        inside = terraform.url.replace("//", "//ann:s3cret%2F%40@") + "/state"
        backend = open_backend(inside, environ={"TF_HTTP_LOCK_ADDRESS": f"{terraform.url}/lock"})
        put(backend, b'{"serial": 2}')
        assert backend.place == f"{terraform.url}/state"
        with pytest.raises(StateStoreError, match="401") as caught:
            http(terraform, USERNAME="ann", PASSWORD="wrong").read()
        assert "TF_HTTP_PASSWORD" in caught.value.detail
        assert "wrong" not in str(caught.value)

    def test_a_token_in_the_query_is_sent_and_never_shown(self, terraform: Server) -> None:
        """Neither in the place's name nor in the error of a server that is gone."""
        assert "hush" not in http(terraform, "/state?token=hush").place
        gone = open_backend(f"{DEAD}/state?token=hush", environ={"TF_HTTP_RETRY_MAX": "0"})
        with pytest.raises(StateStoreError) as caught:
            gone.read()
        assert "hush" not in str(caught.value)

    def test_a_redirect_is_not_followed(self, terraform: Server) -> None:
        """Where it leads is said; no credential travels there."""
        with pytest.raises(StateStoreError, match="302") as caught:
            http(terraform, "/moved").read()
        assert "http://example.com" in caught.value.detail

    def test_without_an_address_for_locks_nothing_is_written(self, terraform: Server) -> None:
        """Reading works; the refusal names the variables."""
        backend = open_backend(f"{terraform.url}/state", environ={})
        assert backend.read() is None
        with pytest.raises(StateStoreError, match="no address for locks") as caught:
            backend.lock(ANN)
        assert "TF_HTTP_LOCK_ADDRESS" in caught.value.detail

    def test_the_methods_are_the_servers_choice(self, terraform: Server) -> None:
        """GitLab wants POST and DELETE where Terraform says LOCK and UNLOCK."""
        methods = {"LOCK_METHOD": "POST", "UNLOCK_METHOD": "DELETE", "UPDATE_METHOD": "PUT"}
        put(http(terraform, UNLOCK_ADDRESS=f"{terraform.url}/lock", **methods), b"{}")
        assert terraform.faults.requests == ["POST", "GET", "GET", "PUT", "DELETE"]

    def test_the_network_file_of_passwords_is_not_asked(
        self, terraform: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A login in ~/.netrc for that machine is for other programs; this server would refuse it."""
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password x\n")
        (tmp_path / "netrc").chmod(0o600)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert http(terraform).read() is None


# ------------------------------------------------------------------------------------------ addresses


def test_a_folder_needs_no_extra_library() -> None:
    """Local state imports neither obstore nor requests."""
    code = (
        "import sys; from reconciler.backends import open_backend; open_backend('state', environ={});"
        "print(sorted({'obstore', 'requests', 'boto3', 'google.auth'} & set(sys.modules)))"
    )
    assert python(code).communicate()[0].strip() == "[]"


def test_a_missing_extra_is_named_with_the_command_that_installs_it() -> None:
    """Without obstore a bucket is a usage error, not a traceback."""
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from reconciler.backends import open_backend\n"
        "from reconciler.errors import UsageError\n"
        "for url in ('gs://b/p', 's3://b/p', 'az://b/p'):\n"
        "    try:\n"
        "        open_backend(url, environ={})\n"
        "    except UsageError as error:\n"
        "        print(error.summary, error.detail)\n"
    )
    out, errors = python(code).communicate()
    for extra in ("gcs", "s3", "azure"):
        assert f"Run: pip install 'reconciler[{extra}]'" in out, errors
    assert out.count("the Python package obstore is not installed") == 3


@pytest.mark.parametrize(
    ("url", "environ", "error", "says"),
    [
        ("ftp://host/x", {}, UsageError, "ftp://"),
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
    url: str, environ: dict[str, str], error: type[Exception], says: str
) -> None:
    """The message names what was written; a password in the address is not repeated."""
    with pytest.raises(error, match=says) as caught:
        open_backend(url, environ=environ)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 60.0), ("60s", 60.0), ("2m", 120.0), ("90", 90.0), ("4.5s", 4.5)]
)
def test_the_lease_is_written_as_a_duration(text: str, seconds: float) -> None:
    """RECONCILER_LOCK_LEASE takes 60s, 2m, or plain seconds."""
    environ = {"STORAGE_EMULATOR_HOST": DEAD, "RECONCILER_LOCK_LEASE": text}
    assert open_backend("gs://b/p", environ=environ).lease == seconds
