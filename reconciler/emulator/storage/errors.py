"""Errors as Cloud Storage words them: an older shape, with `errors` and reasons, and without a status."""

from typing import Any

from reconciler.emulator.errors import CANONICAL, ApiError

_REASONS = {
    308: "resumeIncomplete",
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    410: "gone",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    503: "backendError",
}


def write_error_body(error: ApiError) -> dict[str, Any]:
    """Return the JSON that Cloud Storage sends for *error*; `extra` goes into its first entry."""
    usual = CANONICAL.get(error.code, ("", "Unknown Error."))[1]
    if error.code == 500:
        usual = "We encountered an internal error. Please try again."
    message = error.message or usual
    reason = _REASONS.get(error.code, "backendError" if error.code >= 500 else "invalid")
    entry = {"message": message, "domain": "global", "reason": reason, **error.extra}
    return {"error": {"code": error.code, "message": message, "errors": [entry]}}


class ParameterMissingError(ApiError):
    """The 400 of a call without *parameter*."""

    def __init__(self, parameter: str) -> None:
        where = {"reason": "required", "locationType": "parameter", "location": parameter}
        super().__init__(400, f"Required parameter: {parameter}", extra=where)


class BucketNotFoundError(ApiError):
    """The 404 of a bucket."""

    def __init__(self) -> None:
        super().__init__(404, "The specified bucket does not exist.")


class ConditionError(ApiError):
    """The 412 of a precondition; the answer names the *header* that it stands for."""

    def __init__(self, header: str) -> None:
        where = {"locationType": "header", "location": header}
        text = "At least one of the pre-conditions you specified did not hold."
        super().__init__(412, text, extra=where)
