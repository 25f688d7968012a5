"""Explains why a copy was refused: at the call, or in its operation.

Google's pages contradict each other on copies to another project and region at once, and the discovery
document still says that the source must be in the same project. So each refusal names every reason that the
documents give (https://cloud.google.com/vertex-ai/docs/model-registry/copy-model). Rule: this is pure. It
returns the same error with better advice.
"""

from __future__ import annotations

import re
import shlex

from msgspec import Struct

from reconciler.errors import ForbiddenError, InvalidArgumentError, NotFoundError, ServiceError
from reconciler.providers.vertex import names
from reconciler.providers.vertex.regions import is_multi_region

SERVICE_AGENT_ROLE = "roles/aiplatform.serviceAgent"
EXPORT = "aiplatform.models.export"

_PERMISSION_DENIED, _NOT_FOUND = 7, 5
_INVALID = frozenset({3, 9})
"""INVALID_ARGUMENT and FAILED_PRECONDITION of google.rpc.Code."""
_SAID_MODEL = re.compile(r"projects/[A-Za-z0-9:._-]+/locations/[a-z0-9-]+/models/[A-Za-z0-9_-]+(?:@[0-9]+)?")


class Asked(Struct, frozen=True):
    """The copy that was refused.

    Attributes:
        source: resource name of the model to copy. "" if it is not known.
        project, location: of the copy.
        account: the declared custom_service_account, "" for none.
    """

    source: str
    project: str
    location: str
    account: str = ""


def explain(error: ServiceError, asked: Asked) -> ServiceError:
    """Return the same error with advice on copies."""
    kind = type(error)
    if kind not in {ForbiddenError, InvalidArgumentError, NotFoundError}:
        return error
    detail = _advise(kind, error.summary, asked) or error.detail
    return kind(error.summary, detail, status=error.status, reason=error.reason, said=error.said)


def explain_operation(code: object, said: str, asked: Asked) -> str:
    """Return the words of an operation that failed, with advice."""
    kind: type[ServiceError] | None = None
    if code == _PERMISSION_DENIED:
        kind = ForbiddenError
    elif code == _NOT_FOUND:
        kind = NotFoundError
    elif code in _INVALID:
        kind = InvalidArgumentError
    if kind is None:
        return said
    if not asked.source and (named := _SAID_MODEL.search(said)):
        asked = Asked(named[0], asked.project, asked.location, asked.account)
    advice = _advise(kind, said, asked)
    return f"{said} ({advice.rstrip('.')})" if advice else said


def _advise(kind: type[ServiceError], said: str, asked: Asked) -> str:
    source = names.parse(asked.source, "models") if asked.source else None
    is_elsewhere = source is None or _may_differ(source.project, asked.project)
    is_far = source is not None and source.location != asked.location
    if kind is ForbiddenError:
        return _advise_role(said, source, asked) if is_elsewhere else ""
    if kind is NotFoundError:
        return (
            f"Check that {asked.source or 'the source'} exists in that version, and that {asked.location} is "
            "a location of the Model Registry. The service may answer the same where a role is missing: "
            f"{_advise_role(said, source, asked)}"
            if is_elsewhere
            else f"Check that {asked.source} exists in that version."
        )
    if is_elsewhere and is_far and source is not None:
        return (
            "The service may not copy to another project and another location at once. Write two copies: "
            f"first one to {asked.location} in the project {source.project}, with "
            "serving: {endpoint: none}, and then one from that copy to the project "
            f"{asked.project}. If it refuses the second too, it copies inside one project only."
        )
    if is_elsewhere:
        return (
            "The service may copy inside one project only, as its discovery document says; then no role "
            f"helps. If it means a missing role: {_advise_role(said, source, asked)}"
        )
    if is_multi_region(asked.location):
        return (
            f"No page of Google's says that models can be copied to {asked.location}. A tuned Gemini 3 model "
            "serves in us and eu only; other models can be copied to a region."
        )
    return ""


def _may_differ(project: str, other: str) -> bool:
    """Return whether two names may mean two projects. An id and a number may mean one project."""
    return project != other


def _advise_role(said: str, source: names.Name | None, asked: Asked) -> str:
    """Say which role lets the service read the source, with the command that grants it."""
    place = source.project if source is not None else "SOURCE_PROJECT"
    if asked.account:
        return (
            f"{asked.account} needs {EXPORT} in the project {place}; the service agent of {asked.project} "
            f"needs roles/iam.serviceAccountTokenCreator on it ({_name_agent(asked.project)}); and you need "
            "iam.serviceAccounts.actAs on it. Wait two minutes after a grant."
        )
    if "aiplatform.models.upload" in said:
        return (
            f"You need aiplatform.models.upload (roles/aiplatform.user) in the project {asked.project}. The "
            "service may answer the same if the project or the location does not exist."
        )
    command = (
        f"gcloud projects add-iam-policy-binding {shlex.quote(place)} "
        f'--member="serviceAccount:{_name_agent(asked.project)}" --role={SERVICE_AGENT_ROLE}'
    )
    return (
        f"The service agent of the project {asked.project} needs {SERVICE_AGENT_ROLE} in the project "
        f"{place}: {command}. Wait two minutes after that. Google warns: whoever may upload models in "
        f"{asked.project} can then export models from {place}. Narrower: declare "
        f"spec.custom_service_account, an account with {EXPORT} in {place}, on which that service agent has "
        "roles/iam.serviceAccountTokenCreator and you have iam.serviceAccounts.actAs. If neither helps, the "
        "service copies inside one project only."
    )


def _name_agent(project: str) -> str:
    """Name the service agent of a project. Its name has the project's number, which gcloud can tell."""
    number = project
    if not project.isdigit():
        number = f"$(gcloud projects describe {shlex.quote(project)} --format='value(projectNumber)')"
    return f"service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
