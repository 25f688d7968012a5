"""Every store runs the suite, and then the tests of its own promises."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest

from reconciler.errors import (
    LockLostError,
    StateLockedError,
    StateStoreError,
)
from reconciler.model.names import Address
from reconciler.state.backends import Backend, open_backend
from reconciler.state.session import StateManager
from reconciler.state.values import Record, RecordedModel
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
from tests.contract.servers import (
    CreateOnlyHandler,
    GCSHandler,
    Server,
    TerraformHandler,
    UnconditionalHandler,
    running,
    self_signed,
)
from tests.contract.sites import AZURITE_KEY, DEAD, http, remote
from tests.memory_backend import MemoryBackend, MemoryStore


class TestMemory(BackendContract, BreakableContract, LeaseContract):
    """The store in memory, which is the reference."""

    @pytest.fixture
    def site(self) -> Site:
        """One store, many clients."""
        store, clock = MemoryStore(), Clock()
        return Site(
            open=lambda: MemoryBackend(store, clock=clock),
            clock=clock,
            open_with_lease=lambda lease: MemoryBackend(store, clock=clock, lease=lease),
        )


class TestLocal(BackendContract):
    """A folder of this machine."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        """Each client opens the folder anew."""
        return Site(open=lambda: open_backend(str(tmp_path / "deep" / "state"), environ={}))


class TestGCS(BackendContract, BreakableContract, LeaseContract, UnreachableContract):
    """Google Cloud Storage."""

    @pytest.fixture
    def site(self, gcs: Server) -> Site:
        """A fresh prefix."""
        return remote("gs://bucket", {"STORAGE_EMULATOR_HOST": gcs.url})

    @pytest.fixture
    def unreachable(self) -> Backend:
        """A store at an address at which nobody listens."""
        return open_backend("gs://bucket/p", environ={"STORAGE_EMULATOR_HOST": DEAD})

    def test_a_reply_lost_after_the_effect_is_no_defeat(self, site: Site, gcs: Server) -> None:
        """The client repeats the write, is refused, reads back its own write, and succeeds."""
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
        """GCS answers 429 above one write a second for an object. The client retries without an error."""
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
        """A 403 is not repeated, and is not taken for an empty state."""
        gcs.faults.refuse[:] = [403]
        with pytest.raises(StateStoreError, match="403 Forbidden: injected") as caught:
            site.open().read()
        assert "credential" in caught.value.detail
        assert gcs.faults.refuse == []

    def test_a_bucket_that_does_not_exist_is_no_empty_state(self, gcs: Server) -> None:
        """A mistyped bucket is an error, because a plan would otherwise create everything."""
        backend = open_backend("gs://bukket/p", environ={"STORAGE_EMULATOR_HOST": gcs.url})
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            backend.read()
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            backend.lock(ANN)

    @pytest.mark.parametrize("data", [b"hello", b"[]", b'{"ID": "x", "Nonce": "1", "Lease": "soon"}'])
    def test_a_foreign_object_in_the_locks_place_is_left_alone(
        self, site: Site, gcs: Server, data: bytes
    ) -> None:
        """The error names a foreign object in the lock's place and gives a way out."""
        backend = site.open()
        backend.lock(ANN)
        backend.unlock(ANN)
        key = next(key for key in gcs.objects if backend.place.endswith(key.replace(".lock", ".json")))
        gcs.objects[key] = (data, 7)
        with pytest.raises(StateStoreError, match="not a lock of ours") as caught:
            site.open().lock(BOB)
        assert "delete that object" in caught.value.detail
        assert gcs.objects[key] == (data, 7)


@pytest.mark.parametrize("handler", [UnconditionalHandler, CreateOnlyHandler])
def test_a_store_without_conditions_is_refused_at_the_first_lock(handler: type[GCSHandler]) -> None:
    """A store that ignores conditions is refused, because two runs could overwrite each other."""
    with running(handler) as server:
        backend = open_backend("gs://bucket/p", environ={"STORAGE_EMULATOR_HOST": server.url})
        with pytest.raises(StateStoreError, match="ignores conditions"):
            backend.lock(ANN)


class TestS3(BackendContract, BreakableContract, LeaseContract, UnreachableContract):
    """Amazon S3."""

    @pytest.fixture
    def site(self, s3: dict[str, str]) -> Site:
        """A fresh prefix."""
        return remote("s3://bucket", s3)

    @pytest.fixture
    def unreachable(self, s3: dict[str, str]) -> Backend:
        """A store at an address at which nobody listens."""
        return open_backend("s3://bucket/p", environ={**s3, "AWS_ENDPOINT_URL_S3": DEAD})

    def test_a_bucket_that_does_not_exist_is_no_empty_state(self, s3: dict[str, str]) -> None:
        """A mistyped bucket is an error, because a plan would otherwise create everything."""
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            open_backend("s3://bukket/p", environ=s3).read()


class TestAzure(BackendContract, BreakableContract, LeaseContract, UnreachableContract):
    """Azure Blob Storage."""

    @pytest.fixture
    def site(self, azure: dict[str, str]) -> Site:
        """A fresh prefix."""
        return remote("az://bucket", azure)

    @pytest.fixture
    def unreachable(self) -> Backend:
        """A store at an address at which nobody listens."""
        environ = {
            "AZURE_STORAGE_ACCOUNT": "devstoreaccount1",
            "AZURE_STORAGE_KEY": AZURITE_KEY,
            "AZURE_STORAGE_ENDPOINT": f"{DEAD}/devstoreaccount1",
        }
        return open_backend("az://bucket/p", environ=environ)

    def test_a_container_that_does_not_exist_is_no_empty_state(self, azure: dict[str, str]) -> None:
        """A mistyped container is an error, because a plan would otherwise create everything."""
        with pytest.raises(StateStoreError, match="bucket does not exist"):
            open_backend("az://bukket/p", environ=azure).read()

    def test_a_wrong_key_is_said_and_not_shown(self, azure: dict[str, str]) -> None:
        """The error about a refused credential does not show its value."""
        wrong = base64.b64encode(b"wrong key").decode()
        text = azure["AZURE_STORAGE_CONNECTION_STRING"].replace(AZURITE_KEY, wrong)
        with pytest.raises(StateStoreError, match="403") as caught:
            open_backend("az://bucket/p", environ={"AZURE_STORAGE_CONNECTION_STRING": text}).read()
        assert wrong not in str(caught.value)


class TestHTTP(BackendContract, BreakableContract, UnreachableContract):
    """Terraform's HTTP state protocol."""

    @pytest.fixture
    def site(self, terraform: Server) -> Site:
        """Each client is a session of its own."""
        return Site(open=lambda: http(terraform))

    @pytest.fixture
    def unreachable(self) -> Backend:
        """A store at an address at which nobody listens."""
        environ = {"TF_HTTP_LOCK_ADDRESS": f"{DEAD}/lock", "TF_HTTP_RETRY_WAIT_MIN": "0"}
        return open_backend(f"{DEAD}/state", environ=environ)

    def test_requests_whose_answer_was_lost_are_repeated_in_peace(self, terraform: Server) -> None:
        """LOCK, POST and UNLOCK arrive twice, and the client understands the second answer."""
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
        """A busy server gets up to TF_HTTP_RETRY_MAX retries, 2 by default."""
        terraform.faults.refuse[:] = [status, status]
        assert http(terraform).read() is None
        terraform.faults.refuse[:] = [status, status]
        with pytest.raises(StateStoreError, match=str(status)):
            http(terraform, RETRY_MAX="1").read()

    def test_a_server_with_its_own_layout_of_json_loses_no_write(self, terraform: Server) -> None:
        """The version depends on the JSON's meaning, so a server may indent the document."""
        terraform.reformat = True
        backend = http(terraform)
        backend.lock(ANN)
        version = backend.write(b'{"serial":1,"x":0.1}', expected=None)
        backend.write(b'{"serial":2,"x":0.1}', expected=version)
        backend.unlock(ANN)

    def test_a_write_whose_answer_was_lost_is_known_again_in_another_layout(self, terraform: Server) -> None:
        """A repeated commit finds its own first write in another layout and continues from there."""
        terraform.reformat = True
        manager = StateManager(http(terraform, RETRY_MAX="0"), operation="apply", who="ann")
        with manager.locked() as session:
            state = session.state.put(
                Record(Address("TunedModel", "a"), RecordedModel("a-id", sent={"x": (1, 0.5)}))
            )
            terraform.faults.lose_replies_of[:] = ["POST"]
            with pytest.raises(StateStoreError):
                session.commit(state)
            session.commit(state)
            session.commit(state.put(Record(Address("TunedModel", "b"), RecordedModel("b-id"))))
            assert session.state.serial == 2

    @pytest.mark.parametrize("status", [400, 401, 403, 500])
    def test_a_server_that_repeats_the_request_gives_no_secret_away(
        self, terraform: Server, status: int
    ) -> None:
        """The error removes password, login and query token from the server's words and keeps the rest."""
        terraform.login = ("ann", "s3cret/@")
        login = base64.b64encode(b"ann:s3cret/@").decode()
        said = f"refused: Basic {login} (s3cret/@, s3cret%2F%40) at /state?token=hush"
        backend = http(terraform, "/state?token=hush", USERNAME="ann", PASSWORD="s3cret/@", RETRY_MAX="0")
        terraform.faults.refuse[:] = [status]
        terraform.faults.words = said.encode()
        with pytest.raises(StateStoreError, match=f"{status} .*refused: Basic") as caught:
            backend.read()
        shown = f"{caught.value.summary} {caught.value.detail}"
        assert not [secret for secret in (login, "s3cret", "hush") if secret in shown]

    def test_a_lock_that_the_server_gave_to_somebody_else_stops_the_write(self, terraform: Server) -> None:
        """The server compares ?ID with its lock, and the refusal names the new holder."""
        backend = http(terraform)
        backend.lock(ANN)
        terraform.holder = BOB.to_json()
        with pytest.raises(LockLostError, match="bob@desk"):
            backend.write(b"{}", expected=None)
        backend.unlock(ANN)
        assert terraform.holder == BOB.to_json()

    def test_a_lock_that_was_refused_is_not_given_back(self, terraform: Server) -> None:
        """A client never unlocks a lock that it did not get, because some servers would allow that."""
        terraform.holder = BOB.to_json()
        backend = http(terraform)
        with pytest.raises(StateLockedError, match="bob@desk"):
            backend.lock(ANN)
        backend.unlock(ANN)
        assert terraform.faults.requests == ["LOCK"]

    def test_the_login_is_sent_and_a_wrong_one_explained(self, terraform: Server) -> None:
        """The login comes from TF_HTTP_USERNAME and _PASSWORD or from the address, and is never shown."""
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
        """Neither the place's name nor the error of a dead server has the token."""
        assert "hush" not in http(terraform, "/state?token=hush").place
        gone = open_backend(f"{DEAD}/state?token=hush", environ={"TF_HTTP_RETRY_MAX": "0"})
        with pytest.raises(StateStoreError) as caught:
            gone.read()
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize(
        ("location", "says"),
        [
            ("http://example.com/state?token=x", "to http://example.com:"),
            ("//ann:pw@example.com/state", "to ://example.com:"),
            ("/elsewhere", "to another path:"),
            ("http://[bad", "to another path:"),
        ],
    )
    def test_a_redirect_is_not_followed(self, terraform: Server, location: str, says: str) -> None:
        """The error shows the redirect's target without secrets, and no credential goes there."""
        terraform.moved = location
        with pytest.raises(StateStoreError, match="302") as caught:
            http(terraform).read()
        assert says in caught.value.detail
        assert terraform.faults.requests == ["GET"]

    def test_a_hostile_holder_can_neither_drive_a_terminal_nor_fill_it(self, terraform: Server) -> None:
        """Who, operation and other texts of a lock are escaped and cut. Anybody may have written them."""
        terraform.holder = {**BOB.to_json(), "Who": "\x1b[2Jbob", "Operation": "x" * 10_000}
        with pytest.raises(StateLockedError, match="bob") as caught:
            http(terraform).lock(ANN)
        assert caught.value.summary.isprintable()
        assert len(caught.value.summary) < 600

    def test_without_an_address_for_locks_nothing_is_written(self, terraform: Server) -> None:
        """Reading works, and the refusal to lock names the variables to set."""
        backend = open_backend(f"{terraform.url}/state", environ={})
        assert backend.read() is None
        with pytest.raises(StateStoreError, match="no address for locks") as caught:
            backend.lock(ANN)
        assert "TF_HTTP_LOCK_ADDRESS" in caught.value.detail

    def test_the_methods_are_the_servers_choice(self, terraform: Server) -> None:
        """GitLab's POST and DELETE work in place of Terraform's LOCK and UNLOCK."""
        methods = {"LOCK_METHOD": "POST", "UNLOCK_METHOD": "DELETE", "UPDATE_METHOD": "PUT"}
        put(http(terraform, UNLOCK_ADDRESS=f"{terraform.url}/lock", **methods), b"{}")
        assert terraform.faults.requests == ["POST", "GET", "GET", "PUT", "DELETE"]

    def test_a_private_authority_and_no_verification_are_ones_own_choice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An unknown certificate is refused, unless a TF_HTTP_* variable names it or skips the check."""
        certificate, key = self_signed(tmp_path / "server.pem")
        with running(TerraformHandler) as server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tmp_path / "server.pem")
            context.load_verify_locations(cadata=certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            with pytest.raises(StateStoreError, match="certificate"):
                http(server, RETRY_MAX="0").read()
            login = {"USERNAME": "ann", "PASSWORD": "pw"}
            server.login = ("ann", "pw")
            put(http(server, CLIENT_CA_CERTIFICATE_PEM=certificate, **login), b"{}")
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "server.pem"))
            (tmp_path / "server.pem").write_text("")
            put(http(server, SKIP_CERT_VERIFICATION="true", **login), b'{"serial": 2}')
            monkeypatch.delenv("REQUESTS_CA_BUNDLE")
            context.verify_mode = ssl.CERT_REQUIRED
            with pytest.raises(StateStoreError):
                http(server, RETRY_MAX="0", CLIENT_CA_CERTIFICATE_PEM=certificate, **login).read()
            mutual = {"CLIENT_CERTIFICATE_PEM": certificate, "CLIENT_PRIVATE_KEY_PEM": key}
            put(http(server, CLIENT_CA_CERTIFICATE_PEM=certificate, **mutual, **login), b'{"serial": 3}')

    def test_the_network_file_of_passwords_is_not_asked(
        self, terraform: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The login in ~/.netrc is not used, because it is for other programs."""
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password x\n")
        (tmp_path / "netrc").chmod(0o600)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        assert http(terraform).read() is None
