"""Errors as Google's front end words them.

An ApiError is an answer: HTTP status, canonical status, message, details and headers. The texts are those
that users of the real service reported. NAMED has the errors that are always the same; a fault rule asks for
them by name.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

GEMINI = "generativelanguage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/generative-language"
_REALM = 'Bearer realm="https://accounts.google.com/"'
_TYPES = "type.googleapis.com/google.rpc."

# HTTP status -> canonical status, and the usual text.
CANONICAL: Mapping[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: (
        "UNAUTHENTICATED",
        (
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
            "cookie or other valid authentication credential. See "
            "https://developers.google.com/identity/sign-in/web/devconsole-project."
        ),
    ),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    409: ("ALREADY_EXISTS", "Requested entity already exists"),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: (
        "INTERNAL",
        (
            "An internal error has occurred. Please retry or report in "
            "https://developers.generativeai.google/guide/troubleshooting"
        ),
    ),
    501: ("UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}


@dataclasses.dataclass
class ApiError(Exception):
    """An answer other than success.

    Attributes:
        code: the HTTP status.
        message: the text; '' for the usual one of the code.
        status: the canonical status; '' for the usual one of the code.
        extra: more fields of the error.
    """

    code: int
    message: str = ""
    status: str = ""
    details: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def write_body(self, service: str = GEMINI) -> dict[str, Any]:
        """Return the JSON that *service* sends for this error; details may still name the Gemini API."""
        status, message = CANONICAL.get(self.code, ("UNKNOWN", "Unknown Error."))
        if self.code == 500 and service != GEMINI:
            message = "Internal error encountered."
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message or message,
            **self.extra,
            "status": self.status or status,
        }
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


class ArgumentError(ApiError):
    """A 400 INVALID_ARGUMENT; *field* adds the BadRequest detail that names it."""

    def __init__(self, message: str = "", *, field: str = "") -> None:
        violation = {"field": field, "description": message}
        detail = {"@type": f"{_TYPES}BadRequest", "fieldViolations": [violation]}
        super().__init__(400, message, details=(detail,) if field else ())


class PreconditionError(ApiError):
    """A 400 FAILED_PRECONDITION."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message, "FAILED_PRECONDITION")


class ModelNotFoundError(ApiError):
    """The 404 of a tuned model of the Gemini API."""

    def __init__(self, name: str) -> None:
        super().__init__(404, f"Tuned model {name} does not exist.")


class ModelForbiddenError(ApiError):
    """The 403 of a tuned model that belongs to somebody else."""

    def __init__(self, name: str) -> None:
        super().__init__(403, f"You do not have permission to access tuned model {name}")


def make_error(name: str) -> ApiError:
    """Return the error that is called *name* in NAMED."""
    return dataclasses.replace(NAMED[name])


def _make_auth_error(
    code: int, message: str, reason: str, *, challenge: str = "", **metadata: str
) -> ApiError:
    """Return an error with an ErrorInfo detail, and with WWW-Authenticate if there is a challenge."""
    info = {"reason": reason, "domain": "googleapis.com", "metadata": {"service": GEMINI, **metadata}}
    headers = {"WWW-Authenticate": challenge} if challenge else {}
    return ApiError(code, message, details=({"@type": f"{_TYPES}ErrorInfo", **info},), headers=headers)


def _make_quota_error(seconds: str, limit: str) -> ApiError:
    """Return the long form of a 429, with the delay after which to try again."""
    violation = {
        "quotaMetric": f"{GEMINI}/generate_content_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": "gemini-1.5-flash"},
        "quotaValue": limit,
    }
    plans = {"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/"}
    return ApiError(
        429,
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {violation['quotaMetric']}, limit: {limit}\n"
        f"Please retry in {seconds}.94s.",
        details=(
            {"@type": f"{_TYPES}Help", "links": [plans]},
            {"@type": f"{_TYPES}QuotaFailure", "violations": [violation]},
            {"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{seconds}s"},
        ),
    )


_SCOPES = " ".join(f"{_SCOPE}{part}" for part in ("", ".tuning", ".tuning.readonly", ".retriever"))
_NO_PERMISSION = {
    "message": "Insufficient Permission",
    "domain": "global",
    "reason": "insufficientPermissions",
}
NAMED: Mapping[str, ApiError] = {
    "missing_credential": _make_auth_error(
        401,
        CANONICAL[401][1]
        .replace("had invalid", "is missing required")
        .replace("credentials. E", "credential. E", 1),
        "CREDENTIALS_MISSING",
        challenge=_REALM,
    ),
    "unauthenticated": _make_auth_error(
        401, "", "ACCESS_TOKEN_TYPE_UNSUPPORTED", challenge=f'{_REALM}, error="invalid_token"'
    ),
    "keys_not_supported": _make_auth_error(
        401,
        "API keys are not supported by this API. Expected OAuth2 access token or other "
        "authentication credentials that assert a principal. See "
        "https://cloud.google.com/docs/authentication",
        "CREDENTIALS_MISSING",
        challenge=_REALM,
    ),
    "bad_key": _make_auth_error(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"),
    "missing_key": ApiError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    ),
    "scopes": dataclasses.replace(
        _make_auth_error(
            403,
            "Request had insufficient authentication scopes.",
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            challenge=f'{_REALM}, error="insufficient_scope", scope="{_SCOPES}"',
            method="google.ai.generativelanguage.v1beta.ModelService.CreateTunedModel",
        ),
        extra={"errors": [_NO_PERMISSION]},
    ),
    "quota_project": _make_auth_error(
        403,
        "Your application is authenticating by using local Application Default Credentials. The "
        f"{GEMINI} API requires a quota project, which is not set by default. To learn how to "
        "set your quota project, see "
        "https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds .",
        "SERVICE_DISABLED",
        consumer="projects/764086051850",
    ),
    "service_disabled": _make_auth_error(
        403,
        "Generative Language API has not been used in project 123456789012 before or it is "
        "disabled. Enable it by visiting https://console.developers.google.com/apis/api/"
        f"{GEMINI}/overview?project=123456789012 then retry.",
        "SERVICE_DISABLED",
        consumer="projects/123456789012",
    ),
    "not_yours": ModelForbiddenError("tunedModels/mymodel"),
    "rate_limited": ApiError(429),
    "rate_limited_retry_info": _make_quota_error("8", "15"),
    "limit_zero": _make_quota_error("36000", "0"),
    "internal": ApiError(500),
    "unavailable": ApiError(503),
    "deadline": ApiError(504),
}
