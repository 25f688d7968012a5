"""No credential of any kind goes to a host that only a file names, whatever the request.

A proxy that opens every TLS connection stands for the whole internet (`tests.proxying`). The environment
never names evil.example, so any credential that reaches it is a bug.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cli.harness import PAIRS, Project, model, stack
from tests.cli.test_tuning_job import job
from tests.limits import repeats
from tests.proxying import Authority, Proxy, Seen, listening, reply

EVIL = "evil.example"
MARKS = {
    "token": "ya29.MarkerOfAToken",
    "key": "AIzaMarkerOfAKey",
    "fetched": "ya29.MarkerOfAFetchedToken",
    "refresh": "1//MarkerOfARefreshToken",
    "secret": "MarkerOfAClientSecret",
    "subject": "MarkerOfASubjectToken",
    "password": "MarkerOfAPassword",
    "aws": "AKMarkerOfAnAccessKey",
    "session": "MarkerOfASession",
    "sas": "MarkerOfASignature",
}
LOGIN = base64.b64encode(f"ann:{MARKS['password']}".encode()).decode()
OTHERS = {
    "TF_HTTP_USERNAME": "ann",
    "TF_HTTP_PASSWORD": MARKS["password"],
    "TF_HTTP_RETRY_MAX": "0",
    "AWS_ACCESS_KEY_ID": MARKS["aws"],
    "AWS_SECRET_ACCESS_KEY": "MarkerOfASecretKey",
    "AWS_SESSION_TOKEN": MARKS["session"],
    "AWS_REGION": "us-east-1",
    "AZURE_STORAGE_ACCOUNT": "acc",
    "AZURE_STORAGE_SAS_TOKEN": f"sv=1&sig={MARKS['sas']}",
}
CREDENTIALS = ("token", "key", "service_account", "authorized_user", "external_account")
SENT = {"token": MARKS["token"], "key": MARKS["key"]}
"""The secret in a request, by credential. The other credentials send the token that was fetched for them."""
COMMANDS = (
    ("plan",),
    ("apply", "--auto-approve"),
    ("init",),
    ("drift",),
    ("wait",),
    ("show", "--json"),
    ("state", "list"),
    ("output",),
    ("import", "one", "some-id"),
    ("destroy", "--auto-approve"),
    ("test",),
    ("generate", "one", "hello"),
    ("force-unlock", "x"),
    ("report",),
    ("state", "pull"),
)
FILES = {
    "endpoint": [stack("s", endpoint=f"https://{EVIL}"), model("one")],
    "endpoint with a path": [stack("s", endpoint=f"https://{EVIL}:8443/generativelanguage.googleapis.com")],
    "plain endpoint": [stack("s", endpoint=f"http://{EVIL}"), model("one")],
    "endpoint with Google's name as login": [stack("s", endpoint=f"https://x.googleapis.com@{EVIL}")],
    "endpoint that ends like Google's": [stack("s", endpoint=f"https://googleapis.com.{EVIL}")],
    "endpoint of jobs": [stack("s", endpoint=f"https://{EVIL}", project="p", location="us-central1"), job()],
    "state": [stack("s", state=f"https://{EVIL}/state"), model("one")],
    "state in upper case": [stack("s", state=f"HTTPS://{EVIL}/state"), model("one")],
    "state with a login": [stack("s", state=f"https://bob:pw@{EVIL}/state"), model("one")],
    "location": [stack("s", project="p", location=f"{EVIL}/"), job()],
    "location of a job": [
        stack("s", project="p", bucket="gs://bucket"),
        job(metadata={"location": f"{EVIL}#"}),
    ],
    "project": [stack("s", project=f"@{EVIL}/", location="us-central1", bucket="gs://bucket"), job()],
    "bucket": [stack("s", project="p", location="us-central1", bucket=f"https://{EVIL}/b"), job()],
    "bucket's path": [stack("s", project="p", location="us-central1", bucket=f"gs://bucket@{EVIL}/b"), job()],
    "data": [
        stack("s", project="p", location="us-central1", bucket="gs://bucket"),
        job(data=f"https://{EVIL}/data.jsonl"),
    ],
    "data's bucket": [
        stack("s", project="p", location="us-central1", bucket="gs://bucket"),
        job(data=f"gs://{EVIL}:443@{EVIL}/x.jsonl"),
    ],
}
"""Files that somebody's pull request may contain."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority for all hosts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pem() -> str:
    """A private key in PEM."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return made.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def world(seen: Seen) -> bytes:
    """Answer as a Google that issues tokens and has nothing else."""
    if "token" in seen.target:
        kind = "urn:ietf:params:oauth:token-type:access_token"
        token = {"access_token": MARKS["fetched"], "expires_in": 3600, "token_type": "Bearer"}
        return reply(json.dumps({**token, "issued_token_type": kind}).encode())
    gone = {"error": {"code": 404, "status": "NOT_FOUND", "message": "there is nothing"}}
    return reply(json.dumps(gone).encode(), 404)


def empty(seen: Seen) -> bytes:
    """Answer as a Google that issues tokens, lists nothing and refuses every write."""
    if "token" in seen.target:
        return world(seen)
    no = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "you may not"}}
    return reply() if seen.method == "GET" else reply(json.dumps(no).encode(), 403)


def credential(kind: str, project: Project, pem: str) -> dict[str, str]:
    """The environment that holds one."""
    if kind == "token":
        return {"GOOGLE_OAUTH_ACCESS_TOKEN": MARKS["token"]}
    if kind == "key":
        return {"GEMINI_API_KEY": MARKS["key"]}
    secrets = project.root.parent
    (secrets / "subject").write_text(MARKS["subject"])
    documents: dict[str, dict[str, Any]] = {
        "service_account": {
            "private_key": pem,
            "private_key_id": "1",
            "client_email": "robot@p.example",
            "client_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        },
        "authorized_user": {
            "client_id": "1",
            "client_secret": MARKS["secret"],
            "refresh_token": MARKS["refresh"],
        },
        "external_account": {
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": str(secrets / "subject")},
        },
    }
    (secrets / "adc.json").write_text(json.dumps({"type": kind, **documents[kind]}))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(secrets / "adc.json")}


def environment(proxy: Proxy, **more: str) -> dict[str, str | None]:
    """The environment of a user behind a proxy that opens every TLS connection."""
    return {
        "GOOGLE_GEMINI_BASE_URL": None,
        "HTTPS_PROXY": proxy.url,
        "HTTP_PROXY": proxy.url,
        "REQUESTS_CA_BUNDLE": str(proxy.authority.file),
        "RECONCILER_RETRY_SECONDS": "0.1",
        "RECONCILER_VAR_secret": "MarkerOfAVariable",
        "NO_GCE_CHECK": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
        **OTHERS,
        **more,
    }


def declare(project: Project, documents: list[dict[str, Any]]) -> None:
    """Write the manifests, and the data of a job."""
    rows = (json.dumps({"text_input": text, "output": output}) + "\n" for text, output in PAIRS)
    project.write("manifests/n.jsonl", "".join(rows))
    project.declare(*documents)


def has_secret(seen: Seen) -> bool:
    """Whether a request contains any of the credentials."""
    return any(seen.holds(mark) for mark in (*MARKS.values(), "MarkerOfAVariable")) or seen.holds(LOGIN)


def outside(proxy: Proxy) -> list[Seen]:
    """The requests to hosts that are not Google's."""
    return [
        request for request in proxy.seen if not request.host.partition(":")[0].endswith(".googleapis.com")
    ]


def attack(
    project: Project, authority: Authority, what: str, environ: dict[str, str], command: tuple[str, ...]
) -> None:
    """Run a command on hostile files. No request may reach a foreign host."""
    declare(project, FILES[what])
    with listening(Proxy(authority, world)) as proxy:
        result = project.run(*command, environ=environment(proxy, **environ))
        assert outside(proxy) == [], (what, command, result.all)
    assert "Traceback" not in result.all
    assert not any(mark in result.all for mark in MARKS.values()), result.all


@pytest.mark.parametrize("what", FILES)
def test_what_only_a_file_names_is_sent_nothing(
    project: Project, authority: Authority, pem: str, what: str
) -> None:
    """A plan and one more command send one kind of credential nowhere. `make test-all` tries all kinds."""
    number = list(FILES).index(what)
    kinds = CREDENTIALS[number % 5], CREDENTIALS[(number + 2) % 5]
    for kind, command in zip(kinds, (COMMANDS[0], COMMANDS[1 + number % 14]), strict=True):
        attack(project, authority, what, credential(kind, project, pem), command)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("what", FILES)
def test_no_credential_and_no_command_sends_it_elsewhere(
    project: Project, authority: Authority, pem: str, what: str, kind: str
) -> None:
    """Commands rotate over the pairs, so that each command meets every form and every credential."""
    turn = list(FILES).index(what) + list(CREDENTIALS).index(kind)
    for command in COMMANDS[turn % 5 :: 5]:
        attack(project, authority, what, credential(kind, project, pem), command)


@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("way", ["RECONCILER_TRUSTED_HOSTS", "GOOGLE_GEMINI_BASE_URL"])
def test_the_environment_sends_it_where_it_wants(
    project: Project, authority: Authority, pem: str, kind: str, way: str
) -> None:
    """The credential is sent if the environment trusts the Stack's host or names the same host."""
    by_stack = way == "RECONCILER_TRUSTED_HOSTS"
    declare(project, FILES["endpoint"] if by_stack else [model("one")])
    environ = {**credential(kind, project, pem), way: EVIL if by_stack else f"https://{EVIL}"}
    with listening(Proxy(authority, world)) as proxy:
        project.run("plan", environ=environment(proxy, **environ))
        assert any(
            request.host == EVIL and request.holds(SENT.get(kind, MARKS["fetched"]))
            for request in proxy.requests
        )


@pytest.mark.parametrize("kind", [kind for kind in CREDENTIALS if kind != "key"])
def test_jobs_and_their_data_go_where_the_environment_wants(
    project: Project, authority: Authority, pem: str, kind: str
) -> None:
    """Vertex AI and the bucket get the credential if the environment names or trusts their hosts."""
    documents = [stack("s", project="p", location="us-central1", bucket="gs://bucket"), job()]
    trusted = [
        stack("s", project="p", location="us-central1", bucket="gs://bucket", endpoint=f"https://{EVIL}"),
        job(),
    ]
    sent = SENT.get(kind, MARKS["fetched"])
    for files, environ in (
        (documents, {"GOOGLE_VERTEX_BASE_URL": f"https://{EVIL}"}),
        (trusted, {"RECONCILER_TRUSTED_HOSTS": f"*.corp.example, {EVIL}"}),
    ):
        declare(project, files)
        with listening(Proxy(authority, empty)) as proxy:
            more = {**credential(kind, project, pem), **environ}
            state = "--state", f"state-{next(iter(environ))}"
            project.run("apply", "--auto-approve", *state, environ=environment(proxy, **more))
            theirs = [request for request in proxy.requests if request.host == EVIL]
            assert all(request.holds(sent) for request in theirs)
            assert any("/locations/us-central1/" in request.target for request in theirs)
            assert any("/b/bucket/o" in request.target for request in theirs), [
                request.target for request in theirs
            ]


DOORS: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "HTTP state by the command line": (("--state", f"https://{EVIL}/s"), {}, LOGIN),
    "HTTP state by the environment": ((), {"RECONCILER_STATE": f"https://{EVIL}/s"}, LOGIN),
    "s3": (("--state", "s3://b/p"), {"AWS_ENDPOINT_URL_S3": f"https://{EVIL}"}, MARKS["session"]),
    "az": (("--state", "az://b/p"), {"AZURE_STORAGE_ENDPOINT": f"https://{EVIL}/acc"}, MARKS["sas"]),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_state_is_where_the_environment_or_the_command_line_says(
    project: Project, authority: Authority, door: str
) -> None:
    """HTTP logins, S3 session tokens and Azure signatures arrive at the store that the user named."""
    arguments, environ, secret = DOORS[door]
    with listening(Proxy(authority, world)) as proxy:
        project.run("state", "list", *arguments, environ=environment(proxy, **environ))
        assert any(request.host == EVIL and request.holds(secret) for request in proxy.requests)


def test_a_trusted_state_of_the_stack_gets_its_login(project: Project, authority: Authority) -> None:
    """RECONCILER_TRUSTED_HOSTS allows the login for exactly that host, not for its subdomains."""
    declare(project, FILES["state"])
    with listening(Proxy(authority, world)) as proxy:
        project.run("state", "list", environ=environment(proxy, RECONCILER_TRUSTED_HOSTS=f"*.{EVIL}"))
        assert outside(proxy) == []
        project.run("state", "list", environ=environment(proxy, RECONCILER_TRUSTED_HOSTS=EVIL))
        assert any(request.host == EVIL and request.holds(LOGIN) for request in proxy.requests)


STANDING: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]] = {
    "Gemini": (("plan",), [model("one")]),
    "Vertex AI": (
        ("plan",),
        [
            stack("s", project="p", location="us-central1", bucket="gs://bucket"),
            job(data="gs://bucket/x.jsonl"),
        ],
    ),
    "gs state": (("state", "list", "--state", "gs://b/p"), [model("one")]),
    "s3 state": (("state", "list", "--state", "s3://b/p"), [model("one")]),
    "az state": (("state", "list", "--state", "az://b/p"), [model("one")]),
    "HTTP state": (("state", "list", "--state", "https://state.example/s"), [model("one")]),
}


ELSEWHERE = [f"https://{EVIL}/x", "https://{}:8443/x", "http://{}/x", f"//{EVIL}/x"]
EACH = [(door, location) for door in STANDING for location in ELSEWHERE]
NOW = [(door, location) for door, location in EACH if door == "Gemini" or location == ELSEWHERE[0]]
"""Every place with one door, and every door with another host."""


@pytest.mark.parametrize(("door", "location"), [*NOW, *repeats(*(one for one in EACH if one not in NOW))])
def test_a_redirect_takes_no_credential_along(
    project: Project, authority: Authority, pem: str, door: str, location: str
) -> None:
    """A redirect to another host, port or scheme is reported and not followed."""
    command, documents = STANDING[door]
    declare(project, documents)
    number = len(location) + len(door)

    def says(seen: Seen) -> bytes:
        if "token" in seen.target:
            return world(seen)
        target = location.format(seen.host)
        return reply(b"", (301, 302, 303, 307, 308)[number % 5], Location=target)

    with listening(Proxy(authority, says)) as proxy:
        kind = "token" if number % 2 else "authorized_user"
        held = credential(kind, project, pem)
        result = project.run(*command, environ=environment(proxy, **held))
        assert result.code == 1, result.all
        assert "redirect" in result.err
        assert any(has_secret(request) for request in proxy.requests)
        others = {request.host for request in proxy.seen if request.host != "oauth2.googleapis.com"}
        assert len(others) == 1, others


FETCHES = [
    *((kind, status, "Gemini") for kind, status in zip(CREDENTIALS[2:], (301, 302, 303), strict=True)),
    *((kind, status, "gs state") for kind, status in zip(CREDENTIALS[2:], (307, 308, 302), strict=True)),
]


@pytest.mark.parametrize("fetch", FETCHES, ids=str)
def test_a_token_fetch_follows_no_redirect(
    project: Project, authority: Authority, pem: str, fetch: tuple[str, int, str]
) -> None:
    """Keys, refresh tokens and assertions go only to the token endpoint that the credentials file names."""
    kind, status, door = fetch
    command, documents = STANDING[door]
    declare(project, documents)
    with listening(Proxy(authority)) as proxy:
        proxy.says = lambda _: reply(b"", status, Location=f"https://{EVIL}/token")
        result = project.run(*command, environ=environment(proxy, **credential(kind, project, pem)))
        assert result.code == 1
        assert len(proxy.hosts()) == 1
        assert outside(proxy) == []
        assert proxy.requests
    assert "Traceback" not in result.all


def _changed(plan: Any, old: str, new: str) -> Any:
    """A copy of a document with every occurrence of a text replaced."""
    if isinstance(plan, dict):
        return {key: _changed(value, old, new) for key, value in plan.items()}
    if isinstance(plan, list):
        return [_changed(value, old, new) for value in plan]
    return plan.replace(old, new) if isinstance(plan, str) else plan


@pytest.mark.parametrize("kind", CREDENTIALS[:2])
def test_a_saved_plan_sends_nothing_elsewhere(
    project: Project, authority: Authority, pem: str, kind: str
) -> None:
    """A plan edited to name another endpoint, path or state sends nothing there."""
    declare(project, [model("one")])
    project.plan("--out", "p")
    plan = json.loads((project.root / "p").read_text())
    theirs = project.root / "theirs"
    theirs.mkdir()
    (theirs / "stack.yaml").write_text(json.dumps(FILES["endpoint"][0]))
    (theirs / "model.yaml").write_text(json.dumps(model("one")))
    changes = ((project.service.url, f"https://{EVIL}"), ("manifests", "theirs"))
    for old, new in (*changes, ("state/default.json", f"https://{EVIL}/state")):
        changed = _changed(plan, old, new)
        assert changed != plan
        (project.root / "p").write_text(json.dumps(changed))
        with listening(Proxy(authority, world)) as proxy:
            environ = environment(proxy, **credential(kind, project, pem))
            result = project.run("apply", "p", environ=environ)
            assert result.code == 1, result.all
            assert outside(proxy) == [], result.all
