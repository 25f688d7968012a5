"""Where each API is asked and as whom, by Stack and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from reconciler.cli.apis import APIS, list_kinds
from reconciler.errors import Severity, UsageError
from reconciler.manifests.kinds import KINDS, find_form
from reconciler.model.data import DataSet
from reconciler.model.desired import Desired
from reconciler.model.names import Address
from reconciler.model.stack import Stack
from reconciler.providers import Handle
from reconciler.providers.api import Api, Connection, Setup, Target
from reconciler.providers.gemini.api import GEMINI
from reconciler.providers.vertex.api import VERTEX
from reconciler.settings import Settings
from reconciler.settings.table import SETTINGS
from tests.http.wire import Wire

GEMINI_URL = "https://generativelanguage.googleapis.com"
HERE = "http://127.0.0.1:2"
COPY = Desired(Address("ModelCopy", "a"), {"source": "projects/1/locations/us/models/m@1"}, ())
JOB = Desired(Address("TuningJob", "a"), {}, (DataSet("", 0, 0, uri="gs://data/one.jsonl"),))


def opened(
    api: Api,
    environ: Mapping[str, str],
    *,
    endpoint: str = "",
    stack: Stack | None = None,
    desired: Sequence[Desired] = (),
) -> Connection:
    """The API with this environment."""
    return api.connect(
        Setup(
            stack=stack or Stack(),
            endpoint=endpoint,
            emulator="",
            environ=Settings(environ),
            desired=desired,
            parallelism=1,
            lag=0,
            stopping=lambda: False,
            tell=lambda _told: None,
        )
    )


def test_the_address_comes_from_the_stack_then_the_environment() -> None:
    """The Stack's endpoint wins over GOOGLE_GEMINI_BASE_URL, which wins over Google's."""
    environ = {"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1", "GEMINI_API_KEY": "k"}
    named = opened(GEMINI, environ, endpoint=f"{HERE}/").find_target(contact=True)
    assert (named.base_url, named.service) == (HERE, "emulator")
    assert opened(GEMINI, environ).find_target(contact=False).base_url == "http://127.0.0.1:1"
    assert opened(GEMINI, {}).find_target(contact=False) == Target(GEMINI_URL, "google")


def test_a_plan_can_name_whom_it_talks_to() -> None:
    """The target holds address, project and kind of credential, and no secret."""
    environ = {"GEMINI_API_KEY": "s3cret", "GOOGLE_CLOUD_PROJECT": "q"}
    shown = opened(GEMINI, environ, stack=Stack(project="p")).find_target(contact=True)
    assert shown == Target(GEMINI_URL, "google", "p", "API key from GEMINI_API_KEY")
    assert opened(GEMINI, environ).find_target(contact=True).project == "q"
    assert "s3cret" not in repr(opened(GEMINI, environ))


@pytest.mark.parametrize(("stack", "project"), [(Stack(), "a"), (Stack(project="b"), "b")])
def test_the_stacks_project_pays_then_the_environments(wire: Wire, stack: Stack, project: str) -> None:
    """A token names the Stack's project for quota, else GOOGLE_CLOUD_PROJECT."""
    environ = {"GOOGLE_OAUTH_ACCESS_TOKEN": "token-1", "GOOGLE_CLOUD_PROJECT": "a"}
    (provider,) = opened(GEMINI, environ, endpoint=wire.url, stack=stack).open_providers()
    provider.list_permissions(Handle("x"))
    assert wire.requests[0].headers["x-goog-user-project"] == project


def test_on_this_machine_tuning_jobs_need_no_place() -> None:
    """An emulator has its own project and location. Google's service needs those of the user."""
    local = opened(VERTEX, {}, endpoint=HERE)
    assert (local.location, local.find_target(contact=False).project) == ("us-central1", "local")
    assert local.find_target(contact=True).project == ""
    real = opened(VERTEX, {"GOOGLE_CLOUD_LOCATION": "europe-west4"})
    assert (real.location, real.find_target(contact=False).project) == ("europe-west4", "")


def test_each_api_has_a_form_of_manifest() -> None:
    """A kind that an API serves can be declared, and a kind that can be declared is served."""
    assert KINDS.keys() == list_kinds().keys()
    assert all(find_form(kind).manifest for kind in KINDS)
    assert len(list_kinds()) == sum(len(api.kinds) for api in APIS)


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.kinds[0].name)
def test_a_variable_of_an_api_is_a_setting(api: Api) -> None:
    """Every variable that an API reads is in the table of settings, so it is checked by name."""
    assert {api.endpoint_variable} <= api.variables <= SETTINGS.keys()
    assert not api.project_variable or api.project_variable in SETTINGS


def test_a_copy_needs_no_bucket() -> None:
    """Its places are asked without storage, even if that is at another service. A tuning job is refused."""
    environ = {"STORAGE_EMULATOR_HOST": HERE, "GOOGLE_OAUTH_ACCESS_TOKEN": "t", "GOOGLE_CLOUD_PROJECT": "p"}
    here = {**environ, "GOOGLE_CLOUD_LOCATION": "us"}
    copies = opened(VERTEX, here, desired=[COPY])
    assert (copies.location, copies.find_target(contact=False).project) == ("us", "p")
    assert copies.find_target(contact=True).base_url == "https://aiplatform.us.rep.googleapis.com"
    with pytest.raises(UsageError, match="jobs would not find their data"):
        opened(VERTEX, here, desired=[COPY, JOB]).find_target(contact=True)
    jobs, _ = opened(VERTEX, here, stack=Stack(bucket="gs://b")).open_providers()
    with pytest.raises(UsageError, match="jobs would not find their data"):
        jobs.read_data("gs://data/one.jsonl")


def test_jobs_and_copies_share_their_connections(wire: Wire) -> None:
    """They share one quota, so what slows one of them down slows both."""
    environ = {"GOOGLE_OAUTH_ACCESS_TOKEN": "t"}
    jobs, copies = opened(VERTEX, environ, endpoint=wire.url, desired=[JOB, COPY]).open_providers()
    assert (jobs.kind.name, copies.kind.name) == (JOB.address.kind, COPY.address.kind)
    assert (list(jobs.list()), list(copies.list())) == ([], [])
    assert len(wire.requests) > 1
    assert wire.connections == 1


def test_a_copy_without_a_place_is_warned_about() -> None:
    """It needs no bucket, because a copy has no data. An emulator has a place of its own."""
    warned = VERTEX.check(Stack(), Settings({}), [COPY])
    assert [(found.severity, found.summary) for found in warned] == [
        (Severity.WARNING, "no project is set for ModelCopy/a, but plan needs one"),
        (Severity.WARNING, "no location is set for ModelCopy/a, but plan needs one"),
    ]
    assert list(VERTEX.check(Stack(endpoint=HERE), Settings({}), [COPY])) == []
