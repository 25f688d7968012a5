"""Errors as Google's front end words them.

One exception carries an answer: HTTP status, canonical status, message, details and headers. The
texts are those that users of the real service reported; NAMED holds the ones a fault can ask for.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

_SERVICE = "generativelanguage.googleapis.com"
_AUTH = "https://www.googleapis.com/auth/generative-language"
_REALM = 'Bearer realm="https://accounts.google.com/"'

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
    """An answer other than success."""

    code: int
    message: str = ""
    status: str = ""
    details: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def body(self, service: str = _SERVICE) -> dict[str, Any]:
        """Return the JSON that Google sends for this error, in the name of *service*."""
        status, message = CANONICAL.get(self.code, ("UNKNOWN", "Unknown Error."))
        if self.code == 500 and service != _SERVICE:
            message = "Internal error encountered."
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message or message,
            **self.extra,
            "status": self.status or status,
        }
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error if service == _SERVICE else _renamed(error, service)}


def _renamed(value: Any, service: str) -> Any:
    if isinstance(value, str):
        return value.replace(_SERVICE, service)
    if isinstance(value, dict):
        return {key: _renamed(item, service) for key, item in value.items()}
    return [_renamed(item, service) for item in value] if isinstance(value, list) else value


def invalid(message: str = "", *, field: str = "") -> ApiError:
    """Return a 400 INVALID_ARGUMENT; *field* adds the BadRequest detail that names it."""
    if not field:
        return ApiError(400, message)
    violation = {"field": field, "description": message}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return ApiError(400, message, details=(detail,))


def failed_precondition(message: str) -> ApiError:
    """Return a 400 FAILED_PRECONDITION."""
    return ApiError(400, message, "FAILED_PRECONDITION")


def no_model(name: str) -> ApiError:
    """Return the 404 of a tuned model."""
    return ApiError(404, f"Tuned model {name} does not exist.")


def not_yours(name: str) -> ApiError:
    """Return the 403 of another owner's tuned model."""
    return ApiError(403, f"You do not have permission to access tuned model {name}")


def _info(reason: str, **metadata: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": _SERVICE, **metadata},
    }


def missing_credential() -> ApiError:
    """Return the 401 of a call without any credential."""
    message = (
        CANONICAL[401][1]
        .replace("had invalid", "is missing required")
        .replace("credentials. E", "credential. E", 1)
    )
    detail = _info("CREDENTIALS_MISSING")
    return ApiError(401, message, details=(detail,), headers={"WWW-Authenticate": _REALM})


def unregistered() -> ApiError:
    """Return the 403 of a call without a key where a key is what is wanted."""
    return ApiError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    )


def keys_not_supported() -> ApiError:
    """Return the 401 of an API key where OAuth is needed."""
    return ApiError(
        401,
        "API keys are not supported by this API. Expected OAuth2 access token or other "
        "authentication credentials that assert a principal. See "
        "https://cloud.google.com/docs/authentication",
        details=(_info("CREDENTIALS_MISSING"),),
        headers={"WWW-Authenticate": _REALM},
    )


def unauthenticated() -> ApiError:
    """Return the 401 of a credential that is not valid."""
    headers = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
    return ApiError(401, details=(_info("ACCESS_TOKEN_TYPE_UNSUPPORTED"),), headers=headers)


def quota_project() -> ApiError:
    """Return the 403 of user credentials without a quota project."""
    return ApiError(
        403,
        "Your application is authenticating by using local Application Default Credentials. The "
        f"{_SERVICE} API requires a quota project, which is not set by default. To learn how to "
        "set your quota project, see "
        "https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds .",
        details=(_info("SERVICE_DISABLED", consumer="projects/764086051850"),),
    )


def _scopes() -> ApiError:
    scopes = " ".join(f"{_AUTH}{part}" for part in ("", ".tuning", ".tuning.readonly", ".retriever"))
    reason = {
        "message": "Insufficient Permission",
        "domain": "global",
        "reason": "insufficientPermissions",
    }
    method = "google.ai.generativelanguage.v1beta.ModelService.CreateTunedModel"
    return ApiError(
        403,
        "Request had insufficient authentication scopes.",
        details=(_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", method=method),),
        extra={"errors": [reason]},
        headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scopes}"'},
    )


def _service_disabled() -> ApiError:
    return ApiError(
        403,
        "Generative Language API has not been used in project 123456789012 before or it is "
        "disabled. Enable it by visiting https://console.developers.google.com/apis/api/"
        f"{_SERVICE}/overview?project=123456789012 then retry.",
        details=(_info("SERVICE_DISABLED", consumer="projects/123456789012"),),
    )


def bad_key() -> ApiError:
    """Return the 400 of a key that is not one."""
    detail = _info("API_KEY_INVALID")
    return ApiError(400, "API key not valid. Please pass a valid API key.", details=(detail,))


def _rate_limited_retry_info(seconds: str = "8", limit: str = "15") -> ApiError:
    violation = {
        "quotaMetric": f"{_SERVICE}/generate_content_requests",
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
            {"@type": "type.googleapis.com/google.rpc.Help", "links": [plans]},
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"},
        ),
    )


NAMED: Mapping[str, ApiError] = {
    "scopes": _scopes(),
    "quota_project": quota_project(),
    "service_disabled": _service_disabled(),
    "not_yours": not_yours("tunedModels/mymodel"),
    "bad_key": bad_key(),
    "rate_limited": ApiError(429),
    "rate_limited_retry_info": _rate_limited_retry_info(),
    "limit_zero": _rate_limited_retry_info("36000", "0"),
    "unauthenticated": unauthenticated(),
    "internal": ApiError(500),
    "unavailable": ApiError(503),
    "deadline": ApiError(504),
}
