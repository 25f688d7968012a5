"""Faults of a service as table rows: the fault, and how the run that meets it ends.

A row runs against both APIs, or gives the reason why only one has the fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.errors import ExitCode
from reconciler.model.checks import Check
from tests.lifecycle.apis import GEMINI, VERTEX, Api
from tests.lifecycle.simulation import READER

Rule: TypeAlias = tuple[str, Mapping[str, Any]]
Wants: TypeAlias = tuple[Mapping[str, Any], ...]
Only: TypeAlias = tuple[Api, str]


def at(call: str, **fault: Any) -> Rule:
    """Make a fault of a call. It happens once by default."""
    return call, fault


AFTER = {"when": "after"}


def refusal(code: int, status: str, message: str, **more: Any) -> dict[str, Any]:
    """An answer of the service."""
    return {"status": code, "body": {"error": {"code": code, "status": status, "message": message, **more}}}


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.2s"}
RETRY_SOON = refusal(429, "RESOURCE_EXHAUSTED", "Please retry in 0.2s.", details=[RETRY_INFO])
DENIED = refusal(403, "PERMISSION_DENIED", "Permission 'tune' denied on resource 'x' (or it may not exist).")
BUSY = refusal(400, "FAILED_PRECONDITION", "There are other operations running on it.")
OK, ERROR, UNFINISHED, FAILED = ExitCode.DONE, ExitCode.ERROR, ExitCode.UNFINISHED, ExitCode.FAILED

CREATING: Wants = ({"name": "a"}, {"name": "b"})
LARGE: Wants = tuple({"name": name, "data": "x" * 250_000} for name in ("a", "b"))
"""Models whose data sets are uploaded in three parts."""
NEW = (CREATING, LARGE)
REPLACING: Wants = ({"name": "a", "epochs": 6}, {"name": "b", "epochs": 6})
UPDATING: Wants = ({"name": "a", "description": "up"}, {"name": "b", "description": "up"})
GRANTING: Wants = tuple({"name": name, "permissions": (READER,)} for name in ("a", "b"))
CHECKING: Wants = (
    {"name": "a", "epochs": 6, "checks": (Check("one 1", "1"),)},
    {"name": "b", "epochs": 6},
)

CHOSEN_IDS: Only = (GEMINI, "only there an id of ours is refused to a second model")
PERMISSIONS: Only = (GEMINI, "a TuningJob has no permissions of its own")
KEYS: Only = (GEMINI, "Vertex AI takes no API keys")
BASE_MODELS: Only = (GEMINI, "no call of Vertex AI tells which base models can be tuned")
OPERATIONS: Only = (GEMINI, "a training is an operation there; a TuningJob is polled itself")
LIST_SHOWS: Only = (
    GEMINI,
    "without a state a job is found by its label alone, so not before a list shows it",
)
SECOND_LISTS: Only = (VERTEX, "the Gemini API has one list: models are their trainings")
ROOM: Only = (VERTEX, "only there trainings at once are counted")
UPLOADS: Only = (VERTEX, "the Gemini API takes the data with the create")
STEPS: Only = (VERTEX, "a tuned model of the Gemini API is deleted in one step")
CANCELS: Only = (VERTEX, "the Gemini API deletes what trains")
STATES: Only = (VERTEX, "a training of the Gemini API ends well or fails")
PARTED: Mapping[str, Any] = {"wants": LARGE, "only": UPLOADS}
STEPPED: Mapping[str, Any] = {"wants": REPLACING, "only": STEPS}


@dataclass(frozen=True)
class Row:
    """A fault.

    Attributes:
        rules: those of the emulator. Each begins with a call's name in `apis`.
        code: the exit code of the run.
        says: words of its error; "" if there is no error.
        wants: the manifests of the run. Unless they are NEW, models serve already when they are applied.
        settings: those of the emulator.
        forgets: whether the state is deleted before the run.
        begun: whether the models that exist are still in training.
        only: the one API that has this fault, and why. None if both have it.
    """

    rules: tuple[Rule, ...] = ()
    code: ExitCode = OK
    says: str = ""
    wants: Wants = CREATING
    settings: Mapping[str, Any] | None = None
    forgets: bool = False
    begun: bool = False
    only: Only | None = None


ROWS = {
    "create: connection reset before the effect": Row((at("create", drop=True),)),
    "create: reply lost after the effect": Row((at("create", drop=True, **AFTER),)),
    "create: every reply lost after the effect": Row((at("create", drop=True, **AFTER, times=9),)),
    "create: reply lost, and the list lags": Row(
        (at("create", drop=True, **AFTER),), settings={"list_lag_seconds": 20}
    ),
    "create: never arrives": Row(
        (at("create", drop=True, times=4),), FAILED, "whether it was done is not known"
    ),
    "create: lost, and looking is impossible": Row(
        (at("create", drop=True, **AFTER), at("look", status=503, times=6)), FAILED, "could not find out"
    ),
    "create: 500 once": Row((at("create", error="internal"),)),
    "create: 503 once": Row((at("create", error="unavailable"),)),
    "create: 503 although it was done": Row((at("create", error="unavailable", **AFTER),)),
    "create: 504 although it was done": Row((at("create", error="deadline", **AFTER),)),
    "create: 503 for ever": Row((at("create", error="unavailable", times=4),), FAILED, "unavailable"),
    "create: 429 with RetryInfo": Row((at("create", **RETRY_SOON, times=2),)),
    "create: 429 with limit 0": Row((at("create", error="limit_zero"),), FAILED, "quota"),
    "create: 403 for scopes": Row((at("create", error="scopes"),), FAILED, "scopes"),
    "create: 403 for the quota project": Row((at("create", error="quota_project"),), FAILED, "quota project"),
    "create: 403 because the service is disabled": Row(
        (at("create", error="service_disabled"),), FAILED, "disabled"
    ),
    "create: 403 for a missing permission": Row((at("create", **DENIED),), FAILED, "permission"),
    "create: 403 for somebody else's model": Row(
        (at("create", error="not_yours"),), FAILED, "permission", only=CHOSEN_IDS
    ),
    "create: 401 once": Row((at("create", error="unauthenticated"),), FAILED, "credential"),
    "create: 400": Row((at("create", status=400),), FAILED, "invalid argument"),
    "create: a key that is none": Row((at("create", error="bad_key"),), FAILED, "not valid", only=KEYS),
    "create: 409 for an id that nobody can see": Row((at("create", status=409),), only=CHOSEN_IDS),
    "create: reply cut": Row((at("create", truncate=20, **AFTER),)),
    "create: garbage in place of a reply": Row((at("create", garbage="<html>busy", **AFTER),)),
    "create: garbage and no effect": Row((at("create", garbage="{]"),)),
    "create: an empty object in place of an answer": Row((at("create", garbage="{}", **AFTER),)),
    "create: sent elsewhere": Row((at("create", redirect="http://127.0.0.1:9/"),), FAILED, "redirect"),
    "create: hangs before the effect": Row((at("create", hang=True),)),
    "create: hangs after the effect": Row((at("create", hang=True, **AFTER),)),
    "create: slow": Row((at("create", delay=0.3),)),
    "create: the model is not to be seen for a while": Row((at("lag", lag=20, what="get"),)),
    "create: the list lags, and the state is gone": Row(
        wants=CREATING, settings={"list_lag_seconds": 60}, forgets=True, only=LIST_SHOWS
    ),
    "create: no room for another, refused": Row(
        settings={"vertex_concurrent_jobs": 1, "vertex_over_quota": "refuse"}, only=ROOM
    ),
    "create: no room for another, queued": Row(settings={"vertex_concurrent_jobs": 1}, only=ROOM),
    "create: 429 for concurrent trainings, reply lost before": Row(
        (at("create", drop=True), at("create", **refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded."))),
        only=ROOM,
    ),
    "upload: connection reset": Row((at("upload", drop=True),), only=UPLOADS),
    "upload: reply lost": Row((at("upload", drop=True, **AFTER),), only=UPLOADS),
    "upload: reply cut": Row((at("upload", truncate=9, **AFTER),), only=UPLOADS),
    "upload: 503 once": Row((at("upload", error="unavailable"),), only=UPLOADS),
    "upload: 503 for ever": Row(
        (at("upload", error="unavailable", times=5),), FAILED, "unavailable", only=UPLOADS
    ),
    "upload: 403": Row((at("upload", **DENIED),), FAILED, "permission", only=UPLOADS),
    "upload: no such bucket": Row((at("upload", status=404),), FAILED, "cannot be uploaded", only=UPLOADS),
    "upload: hangs": Row((at("upload", hang=True),), only=UPLOADS),
    "upload: looking for the object: 503 once": Row((at("object", error="unavailable"),), only=UPLOADS),
    "upload: looking for the object: garbage": Row((at("object", garbage="<html>"),), only=UPLOADS),
    "parts: the beginning's reply is lost": Row((at("upload", drop=True, **AFTER),), **PARTED),
    "parts: one is cut off": Row((at("part", cut=1000, skip=1),), **PARTED),
    "parts: a reply is lost": Row((at("part", drop=True, **AFTER, skip=1),), **PARTED),
    "parts: the last reply is lost": Row((at("part", drop=True, **AFTER, skip=2),), **PARTED),
    "parts: 503 twice": Row((at("part", error="unavailable", times=2),), **PARTED),
    "parts: one hangs": Row((at("part", hang=True),), **PARTED),
    "parts: the service forgets the upload": Row((at("part", status=410, skip=1),), **PARTED),
    "parts: 403": Row((at("part", **DENIED, skip=1),), FAILED, "permission", **PARTED),
    "list: 503 once": Row((at("list", error="unavailable"),)),
    "list: 503 for ever": Row((at("list", error="unavailable", times=99),), ERROR, "unavailable"),
    "list: 429 with RetryInfo": Row((at("list", **RETRY_SOON),)),
    "list: cut": Row((at("list", truncate=1),)),
    "list: garbage for ever": Row((at("list", garbage="no JSON", times=99),), ERROR, "JSON"),
    "list: hangs once": Row((at("list", hang=True),)),
    "list: reset once": Row((at("list", drop=True),)),
    "list: 403 for scopes": Row((at("list", error="scopes", times=99),), ERROR, "scopes"),
    "list: 403 for a missing permission": Row((at("list", **DENIED, times=99),), ERROR, "permission"),
    "list: 403 because the service is disabled": Row(
        (at("list", error="service_disabled", times=99),), ERROR, "disabled"
    ),
    "list: 401": Row((at("list", error="unauthenticated", times=99),), ERROR, "credential"),
    "list: entries that are none": Row((at("list", garbage='{"tunedModels": [7], "tuningJobs": [7]}'),)),
    "list: another shape": Row(
        (at("list", garbage='{"tunedModels": 7, "tuningJobs": 7}', times=99),), ERROR, "7"
    ),
    "list: of models: reset once": Row((at("list models", drop=True),), wants=UPDATING, only=SECOND_LISTS),
    "list: of models: 503 for ever": Row(
        (at("list models", error="unavailable", times=99),),
        ERROR,
        "unavailable",
        wants=UPDATING,
        only=SECOND_LISTS,
    ),
    "list: of endpoints: cut": Row((at("list endpoints", truncate=1),), wants=UPDATING, only=SECOND_LISTS),
    "list: of endpoints: 403": Row(
        (at("list endpoints", **DENIED, times=99),), ERROR, "permission", wants=UPDATING, only=SECOND_LISTS
    ),
    "base models: 503 once": Row((at("bases", error="unavailable"),), only=BASE_MODELS),
    "poll: 500 thrice": Row((at("poll", error="internal", times=3),)),
    "poll: 503 for longer than a call is repeated": Row((at("poll", error="unavailable", times=12),)),
    "poll: the operation is lost": Row((at("poll", status=404, times=99),), only=OPERATIONS),
    "poll: 404 for a while": Row((at("poll", status=404, times=3),)),
    "poll: garbage once": Row((at("poll", garbage="[1"),)),
    "poll: cut": Row((at("poll", truncate=1),)),
    "poll: hangs once": Row((at("poll", hang=True),)),
    "poll: the model is not to be looked at": Row(
        (at("model", error="unavailable", times=7),), only=SECOND_LISTS
    ),
    "training: fails": Row((at("training", fail={"message": "exploded"}),), FAILED, "exploded"),
    "training: fails without a reason": Row((at("training", fail={"message": ""}),), FAILED, "no reason"),
    "training: expires": Row((at("training", end="JOB_STATE_EXPIRED"),), FAILED, "expired", only=STATES),
    "training: is cancelled by somebody": Row(
        (at("training", end="JOB_STATE_CANCELLED"),), FAILED, "cancelled", only=STATES
    ),
    "training: succeeds in part": Row((at("training", end="JOB_STATE_PARTIALLY_SUCCEEDED"),), only=STATES),
    "update: reply lost": Row((at("update", drop=True, **AFTER),), wants=UPDATING),
    "update: 503 once": Row((at("update", error="unavailable"),), wants=UPDATING),
    "update: hangs": Row((at("update", hang=True),), wants=UPDATING),
    "update: 400": Row((at("update", status=400),), FAILED, "invalid argument", wants=UPDATING),
    "update: 403": Row((at("update", **DENIED),), FAILED, "permission", wants=UPDATING),
    "update: of the model, and not of its endpoint": Row(
        (at("update endpoint", **DENIED),), FAILED, "permission", wants=UPDATING, only=STEPS
    ),
    "permissions: reply lost": Row((at("grant", drop=True, **AFTER),), wants=GRANTING, only=PERMISSIONS),
    "permissions: 403": Row((at("grant", **DENIED),), FAILED, "permission", GRANTING, only=PERMISSIONS),
    "permissions: 500 once": Row((at("grants", error="internal"),), wants=GRANTING, only=PERMISSIONS),
    "replace: the create is refused": Row((at("create", status=400),), FAILED, "invalid", wants=REPLACING),
    "replace: the delete's reply is lost": Row((at("delete", drop=True, **AFTER),), wants=REPLACING),
    "replace: the delete is refused": Row((at("delete", **DENIED),), FAILED, "permission", wants=REPLACING),
    "replace: the delete answers 503 once": Row((at("delete", error="unavailable"),), wants=REPLACING),
    "replace: the delete hangs": Row((at("delete", hang=True, **AFTER),), wants=REPLACING),
    "replace: the delete's operation fails": Row(
        (("", {"operation": "^delete models/", "fail": {"message": "stuck"}, "times": 1}),),
        FAILED,
        "stuck",
        **STEPPED,
    ),
    "replace: undeploying: reply lost": Row((at("undeploy", drop=True, **AFTER),), **STEPPED),
    "replace: undeploying: 503 once": Row((at("undeploy", error="unavailable"),), **STEPPED),
    "replace: undeploying: another operation runs": Row((at("undeploy", **BUSY, times=3),), **STEPPED),
    "replace: undeploying: another operation runs for ever": Row(
        (at("undeploy", **BUSY, times=13),), FAILED, "other operations", **STEPPED
    ),
    "replace: undeploying: 403": Row((at("undeploy", **DENIED),), FAILED, "permission", **STEPPED),
    "replace: undeploying: its operation fails": Row(
        (("", {"operation": "^undeploy ", "fail": {"message": "stuck"}, "times": 1}),),
        FAILED,
        "stuck",
        **STEPPED,
    ),
    "replace: the endpoint's deletion: reply lost": Row(
        (at("delete endpoint", drop=True, **AFTER),), **STEPPED
    ),
    "replace: the endpoint's deletion: its operation fails": Row(
        (("", {"operation": "^delete endpoints/", "fail": {"message": "stuck"}, "times": 1}),),
        FAILED,
        "stuck",
        **STEPPED,
    ),
    "replace: an operation is lost": Row((at("operation", status=404),), **STEPPED),
    "replace: every operation is lost": Row((at("operation", status=404, times=99),), **STEPPED),
    "replace: an operation cannot be asked": Row(
        (at("operation", error="unavailable", times=5),), FAILED, "unavailable", **STEPPED
    ),
    "replace: an operation answers garbage": Row((at("operation", garbage="<html>"),), **STEPPED),
    "replace: an operation hangs": Row((at("operation", hang=True),), **STEPPED),
    "supersede: the service does not let go": Row(
        (at("training", uncancellable=True),),
        wants=REPLACING,
        begun=True,
        settings={"delete_creating": "refuse"},
    ),
    "supersede: the cancel's reply is lost": Row(
        (at("cancel", drop=True, **AFTER),), wants=REPLACING, begun=True, only=CANCELS
    ),
    "supersede: the cancel comes too late": Row(
        (at("cancel", **BUSY),), wants=REPLACING, begun=True, only=CANCELS
    ),
    "supersede: the cancel is refused": Row(
        (at("cancel", **DENIED),), FAILED, "permission", wants=REPLACING, begun=True, only=CANCELS
    ),
    "supersede: the cancel takes long": Row(
        wants=REPLACING, begun=True, settings={"vertex_cancel_seconds": 300}, only=CANCELS
    ),
    "check: 500 once": Row((at("ask", error="internal"),), wants=CHECKING),
    "check: 503 for ever": Row(
        (at("ask", error="unavailable", times=99),), UNFINISHED, "run its checks again", wants=CHECKING
    ),
    "check: 400": Row((at("ask", status=400),), FAILED, "invalid argument", wants=CHECKING),
    "check: hangs once": Row((at("ask", hang=True),), wants=CHECKING),
    "check: a wrong answer": Row(
        (at("ask", garbage='{"candidates": [{"content": {"parts": [{"text": "wrong"}]}}]}'),),
        FAILED,
        "is answered with",
        wants=CHECKING,
    ),
}  # fmt: skip
