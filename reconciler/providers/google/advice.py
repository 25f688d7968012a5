"""Says what to do about a refusal of Google's services. It is found by the refusal's words and reasons.

Sources: what users of the APIs reported (api.md section 3), and Google's pages on access control. Rule:
advice says what to do now. A service's words are put into a command to copy only if they have the form of a
name.
"""

from __future__ import annotations

import re
import shlex

from reconciler.bounds import EXCERPT
from reconciler.datasets.addresses import BUCKET
from reconciler.providers.google.credentials import SCOPES, spell_login
from reconciler.providers.google.problem import Problem

_NAME = r"[a-z0-9][a-z0-9.-]{0,99}"
_PERMISSION = (
    r"(?<![\w.@/-])((?:aiplatform|storage|iam|cloudkms|serviceusage)\.(?!googleapis)"
    r"[A-Za-z]{1,40}\.[A-Za-z]{1,40})\b"
)
_AGENT = r"\b(service-[0-9]{1,20}@gcp-sa-[a-z-]{1,30}\.iam\.gserviceaccount\.com)\b"
_ACCOUNT = r"^([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,100}) does not have "
_BUCKET = rf"(?:/b/|gs://)({BUCKET})"
_PROJECT = r"\bprojects/([a-z0-9][a-z0-9:.-]{1,62})/"
_MULTI_REGION = r" v1/projects/[^/ ]+/locations/(us|eu)/"

_ROLES = (
    ("storage.objects.get", "roles/storage.objectViewer"),
    ("storage.objects.list", "roles/storage.objectViewer"),
    ("storage.", "roles/storage.objectUser"),
    ("aiplatform.", "roles/aiplatform.user"),
    ("iam.serviceAccounts.", "roles/iam.serviceAccountUser"),
    ("serviceusage.", "roles/serviceusage.serviceUsageConsumer"),
    ("cloudkms.", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
)
"""The beginning of a permission, to the smallest Google role that has it and our other permissions."""
_READ_BY = (
    "Training data is also read by the service itself, as service-PROJECT_NUMBER@gcp-sa-aiplatform.iam."
    "gserviceaccount.com: that account needs roles/storage.objectViewer there."
)


def advise_400(said: str, where: str) -> str:
    """Give advice for a request that cannot succeed unchanged. `said` must be printable."""
    if ":generateContent" in where:
        return "The model does not accept this prompt: change the prompt or the temperature."
    if "invalid argument" not in said.lower():
        return (
            "The same request will be refused again: correct the manifest. A value that it does not set "
            "is a default of the service, or is made from its name and its Stack."
        )
    if _is_vertex(where):
        return (
            "The service does not say which argument. Known causes: a base model that is not tuned in that "
            "location, an adapter size that it does not take, training data in another form."
        )
    return (
        "The service does not say which argument. Known causes: a display_name of more than 40 "
        "characters, a source model that cannot be tuned, a hyperparameter out of range."
    )


def advise_401(found: Problem) -> str:
    """Give advice for a credential that is missing or not accepted."""
    if found.reason == "CREDENTIALS_MISSING" or "api keys are not supported" in found.message.lower():
        return (
            f"This call needs a login, and refuses API keys. Log in: {spell_login()}, or set "
            "GOOGLE_OAUTH_ACCESS_TOKEN."
        )
    return (
        f"The access token has expired or is not valid. Log in again: {spell_login()}, or set a fresh "
        "GOOGLE_OAUTH_ACCESS_TOKEN."
    )


def advise_403(found: Problem, where: str) -> str:
    """Give advice for a credential without permission: the login, the project or a role is wrong."""
    said = found.message[:EXCERPT].lower()
    service = _keep_word(found.metadata.get("service"))
    consumer = _keep_word(str(found.metadata.get("consumer", "")).removeprefix("projects/"))
    if found.reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT" or "insufficient authentication scopes" in said:
        return f"The login lacks a scope. Log in again: {spell_login(SCOPES)}"
    if "quota project" in said:  # checked before SERVICE_DISABLED, because it has the same reason
        return (
            "Set GOOGLE_CLOUD_QUOTA_PROJECT (or the Stack's project) to the project that pays for the calls."
        )
    if found.reason == "SERVICE_DISABLED" or "has not been used in project" in said:
        if not service:
            return (
                "Enable the API in the credential's project, wait a few minutes, and run the command again."
            )
        command = ["gcloud", "services", "enable", service, *(["--project", consumer] if consumer else [])]
        return f"Enable the API, wait a few minutes, and run the command again: {shlex.join(command)}"
    if found.reason == "USER_PROJECT_DENIED" or "serviceusage" in said:
        return (
            "The identity may not use that project for quota: grant it "
            "roles/serviceusage.serviceUsageConsumer there, "
            "or set GOOGLE_CLOUD_QUOTA_PROJECT to another project."
        )
    if "permission to access tuned model" in said:
        return (
            "The model belongs to another project or person: use the API key or login of the project that "
            "owns it, or ask its owner for a permission. Check its id too."
        )
    if "billing" in said:
        return "Enable billing for that project, wait a few minutes, and run the command again."
    advice = advise_denied(found.message, where) or (
        "The credential may not do this: check its project and its role on the model."
    )
    found_in = re.search(_MULTI_REGION, where)
    if found_in is None:
        return advice
    return (
        f"{advice} Models and endpoints of Gemini 3.x jobs are in the multi-region {found_in[1]}, whatever "
        "the job's region: conditions of roles, organization policies and VPC Service Controls must allow it."
    )


def advise_404(where: str) -> str:
    """Give advice for a resource that does not exist, or that this credential cannot see."""
    if _is_storage(where):
        return "Check the names of the bucket and the object."
    if _is_vertex(where) and ":generateContent" in where:
        return "The endpoint may have been deleted, or its base model may have retired: run reconciler drift."
    if _is_vertex(where):
        return "Check the project, location and name. A resource in another project or location is not found."
    return (
        "Check the name, the endpoint, and that the credential belongs to the project that owns the resource."
    )


def advise_denied(said: str, where: str = "") -> str:
    """Say which role is missing, and which account needs it. "" if the words do not say.

    Args:
        said: the service's words: a refusal, or the reason of a failed training.
        where: method and path of the refused call, "" for a failed training.
    """
    said = said[:EXCERPT]
    agent, permission = re.search(_AGENT, said), re.search(_PERMISSION, said)
    account = agent or re.search(_ACCOUNT, said)
    role = _find_role(permission[1] if permission else "", said, where, agent=bool(agent))
    if not role:
        return ""
    whose = account[1] if account else "the account of this credential"
    place, command = _find_place(role, said, where, account[1] if account else "")
    needs = f" ({permission[1]})" if permission else ""
    itself = ", the account with which the service itself reads the data" if agent else ""
    text = f"Grant {role}{needs} {place} to {whose}{itself}"
    text = f"{text}: {command}." if command else f"{text}."
    if not agent and "storage" in role:
        text = f"{text} {_READ_BY}"
    if agent and not where:
        return text
    return f"{text} The service may give the same answer if it does not exist: check the names too."


def _find_role(permission: str, said: str, where: str, *, agent: bool) -> str:
    for start, role in _ROLES:
        if permission.startswith(start):
            return role
    if agent or _is_storage(where):
        return _ROLES[0][1] if agent or where.startswith("GET ") else "roles/storage.objectUser"
    return "roles/aiplatform.user" if _is_vertex(where) and "permission" in said.lower() else ""


def _find_place(role: str, said: str, where: str, account: str) -> tuple[str, str]:
    """Find what the role must be granted on, and the command that grants it if every part is known."""
    bucket = re.search(_BUCKET, where) or re.search(_BUCKET, said)
    if "storage" in role:
        if bucket is None:
            return "on the bucket of the training data", ""
        if not account:
            return f"on the bucket {bucket[1]}", ""
        kind = "serviceAccount" if account.endswith(".gserviceaccount.com") else "user"
        words = ["gcloud", "storage", "buckets", "add-iam-policy-binding", f"gs://{bucket[1]}"]
        command = [*words, f"--member={kind}:{account}", f"--role={role}"]
        return f"on the bucket {bucket[1]}", shlex.join(command)
    project = re.search(_PROJECT, where) or re.search(_PROJECT, said)
    return f"in the project {project[1]}" if project else "in the project", ""


def _is_storage(where: str) -> bool:
    return "storage/v1/b/" in where


def _is_vertex(where: str) -> bool:
    return " v1/projects/" in where


def _keep_word(value: object) -> str:
    """Return a host name or project that is safe in a command to copy. "" for anything else."""
    return value if isinstance(value, str) and re.fullmatch(_NAME, value) else ""
