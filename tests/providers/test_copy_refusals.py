"""What a refused copy says: every reason that the documents give, and what to do about each."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests

from reconciler.emulator import Settings
from reconciler.emulator.server import run_emulator
from reconciler.errors import ForbiddenError, InvalidArgumentError, NotFoundError, ServiceError
from reconciler.model.live import Status
from reconciler.providers.vertex.copy_refusals import Asked, explain_operation
from reconciler.providers.vertex.fields import LOCATION, PROJECT, SERVICE_ACCOUNT
from tests.contract.copies import DEV, PLACE, PROD
from tests.contract.provider import handle
from tests.providers.test_vertex_copies import Stand

ACCOUNT = "copier@acme.iam.gserviceaccount.com"
WARNING = "Google warns: whoever may upload models in {0} can then export models from {1}."
AGENT = (
    "service-$(gcloud projects describe prod --format='value(projectNumber)')"
    "@gcp-sa-aiplatform.iam.gserviceaccount.com"
)


@pytest.fixture
def stand() -> Iterator[Stand]:
    """An emulator of this test's own; models are in the region of their job."""
    settings = Settings(training_seconds=100, vertex_copy_seconds=100, vertex_gemini_3_place="job")
    with run_emulator(settings=settings) as served, requests.Session() as session:
        session.trust_env = False
        yield Stand(served.url, session)


def refuse(stand: Stand, project: str, location: str, **attributes: str) -> ServiceError:
    """Try to copy, and return the error."""
    provider = stand.open(places=frozenset({(project, location)}))
    with pytest.raises(ServiceError) as caught:
        stand.copy(provider, **{LOCATION: location, PROJECT: project, **attributes})
    assert list(provider.list()) == []
    return caught.value


def test_a_missing_role_is_named_with_the_command_that_grants_it(stand: Stand) -> None:
    """The advice has Google's warning and the narrower account, and says that no role may help at all."""
    stand.control("settings", {"vertex_copy_grants": []})
    error = refuse(stand, PROD, "us-central1")
    assert isinstance(error, ForbiddenError)
    number = stand.source.split("/")[1]
    assert error.detail == (
        f"The service agent of the project prod needs roles/aiplatform.serviceAgent in the project {number}: "
        f"gcloud projects add-iam-policy-binding {number} "
        f'--member="serviceAccount:{AGENT}" --role=roles/aiplatform.serviceAgent. Wait two minutes after '
        f"that. {WARNING.format('prod', number)} Narrower: declare spec.custom_service_account, an account "
        f"with aiplatform.models.export in {number}, on which that service agent has "
        "roles/iam.serviceAccountTokenCreator and you have iam.serviceAccounts.actAs. If neither helps, the "
        "service copies inside one project only."
    )


def test_the_role_that_was_missing_lets_the_copy_pass(stand: Stand) -> None:
    """The role goes to the service agent of the destination, or to an account that is declared."""
    stand.control("settings", {"vertex_copy_grants": [f"{DEV}>{PROD}"]})
    made = stand.copied(stand.open(places=frozenset({(PROD, "us-central1")})), **{LOCATION: "us-central1"})
    assert stand.open().poll(made).status is Status.ACTIVE
    stand.control("settings", {"vertex_copy_grants": [f"{DEV}>{ACCOUNT}"]})
    provider = stand.open()
    account = {LOCATION: "us-central1", SERVICE_ACCOUNT: ACCOUNT}
    assert stand.copy(provider, "numbers-bbbbbbbb", **account).operation


def test_a_declared_account_is_told_its_own_permissions(stand: Stand) -> None:
    """The account needs three other permissions. The service agent needs no role in the source project."""
    stand.control("settings", {"vertex_copy_grants": []})
    detail = refuse(stand, PROD, "us-central1", **{SERVICE_ACCOUNT: ACCOUNT}).detail
    number = stand.source.split("/")[1]
    assert detail == (
        f"{ACCOUNT} needs aiplatform.models.export in the project {number}; the service agent of prod needs "
        f"roles/iam.serviceAccountTokenCreator on it ({AGENT}); and you need iam.serviceAccounts.actAs on "
        "it. Wait two minutes after a grant."
    )


def test_an_operation_that_is_refused_says_the_same(stand: Stand) -> None:
    """It knows the number of the destination, and the service names the source."""
    stand.control("settings", {"vertex_copy_grants": [], "vertex_copy_refusal": "operation"})
    provider = stand.open()
    made = handle(stand.copy(provider, **{LOCATION: "us-central1"}))
    source, destination = stand.source.split("/")[1], made.name.split("/")[1]
    stand.finish()
    training, found = provider.poll(made), provider.get(made)
    assert training.status is Status.FAILED
    assert found is not None
    assert found.error == training.error
    assert training.error.startswith("Permission 'aiplatform.models.export' denied on resource ")
    assert (
        f"gcloud projects add-iam-policy-binding {source} "
        f'--member="serviceAccount:service-{destination}@gcp-sa-aiplatform.iam.gserviceaccount.com"'
    ) in training.error
    assert WARNING.format(destination, source) in training.error


def test_a_copy_to_another_project_and_region_is_told_to_be_two(stand: Stand) -> None:
    """The advice is to copy to the other region first, in the source's project and without an endpoint."""
    stand.control("settings", {"vertex_copy_scope": "one_at_a_time"})
    error = refuse(stand, PROD, "europe-west4")
    assert isinstance(error, InvalidArgumentError)
    number = stand.source.split("/")[1]
    assert error.detail == (
        "The service may not copy to another project and another location at once. Write two copies: first "
        f"one to europe-west4 in the project {number}, with serving: {{endpoint: none}}, and then one from "
        "that copy to the project prod. If it refuses the second too, it copies inside one project only."
    )
    between = stand.open(places=frozenset({(DEV, "europe-west4")}))
    first = stand.copied(between, **{LOCATION: "europe-west4", PROJECT: DEV})
    live = between.get(first)
    assert live is not None
    last = stand.open(places=frozenset({(PROD, "europe-west4")}))
    made = stand.copied(last, "numbers-bbbbbbbb", live.deployable, **{LOCATION: "europe-west4"})
    assert last.poll(made).status is Status.ACTIVE


def test_a_service_that_copies_inside_one_project_is_said_to_be_one(stand: Stand) -> None:
    """Its words may also mean a missing role, so the advice names both reasons."""
    stand.control("settings", {"vertex_copy_scope": "one_project"})
    detail = refuse(stand, PROD, "us-central1").detail
    assert detail.startswith(
        "The service may copy inside one project only, as its discovery document says; then no role helps. "
        "If it means a missing role: The service agent of the project prod needs "
    )


def test_a_multi_region_that_takes_no_copies_is_explained(stand: Stand) -> None:
    """No document says whether a multi-region takes copies."""
    stand.control("settings", {"vertex_copy_to_multi_regions": False})
    error = refuse(stand, stand.source.split("/")[1], PLACE)
    assert error.detail == (
        "No page of Google's says that models can be copied to us. A tuned Gemini 3 model serves in us and "
        "eu only; other models can be copied to a region."
    )


def test_a_source_that_does_not_exist_is_named(stand: Stand) -> None:
    """The error has its version. In the same project it does not blame a role."""
    provider = stand.open(places=frozenset({(DEV, "us-central1")}))
    missing = stand.source.replace("@1", "@7")
    number = stand.source.split("/")[1]
    with pytest.raises(NotFoundError) as caught:
        stand.copy(provider, source=missing, **{LOCATION: "us-central1", PROJECT: number})
    assert caught.value.detail == f"Check that {missing} exists in that version."
    with pytest.raises(NotFoundError, match=re.escape(missing)) as caught:
        stand.copy(provider, source=missing, **{LOCATION: "us-central1"})
    assert caught.value.detail.startswith(
        f"Check that {missing} exists in that version, and that us-central1 "
    )
    assert "roles/aiplatform.serviceAgent" in caught.value.detail


def test_a_missing_permission_of_the_caller_is_the_callers() -> None:
    """The caller needs the permission to upload in the destination. The service agent does not."""
    said = "Permission 'aiplatform.models.upload' denied on resource '//x/projects/7/locations/us'"
    assert explain_operation(7, said, Asked("", "prod", "us")) == (
        f"{said} (You need aiplatform.models.upload (roles/aiplatform.user) in the project prod. The service "
        "may answer the same if the project or the location does not exist)"
    )


@pytest.mark.parametrize("code", [13, 14, None, "7"])
def test_other_failures_keep_their_own_words(code: object) -> None:
    """Nothing more is known about them."""
    assert explain_operation(code, "no disk", Asked("", "prod", "us")) == "no disk"


def test_a_source_that_an_operation_does_not_name_has_a_placeholder() -> None:
    """The advice says that the command is not complete."""
    said = explain_operation(7, "no", Asked("", "123", "us"))
    assert "gcloud projects add-iam-policy-binding SOURCE_PROJECT " in said
    assert explain_operation(9, "no", Asked("projects/123/locations/us/models/1", "123", "us")).startswith(
        "no (No page of Google's says"
    )
    assert explain_operation(9, "no", Asked("projects/123/locations/x/models/1", "123", "x")) == "no"
    assert explain_operation(5, "gone", Asked("projects/123/locations/x/models/1", "123", "x")) == (
        "gone (Check that projects/123/locations/x/models/1 exists in that version)"
    )
