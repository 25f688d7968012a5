"""Errors as Cloud Storage words them: the older shape, with `errors` and reasons, without status."""

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


def error_body(error: ApiError) -> dict[str, Any]:
    """Return the JSON that Cloud Storage sends for *error*; `extra` goes into its first entry."""
    usual = CANONICAL.get(error.code, ("", "Unknown Error."))[1]
    if error.code == 500:
        usual = "We encountered an internal error. Please try again."
    message = error.message or usual
    reason = _REASONS.get(error.code, "backendError" if error.code >= 500 else "invalid")
    entry = {"message": message, "domain": "global", "reason": reason, **error.extra}
    return {"error": {"code": error.code, "message": message, "errors": [entry]}}


def required(parameter: str) -> ApiError:
    """Return the 400 of a call without *parameter*."""
    where = {"reason": "required", "locationType": "parameter", "location": parameter}
    return ApiError(400, f"Required parameter: {parameter}", extra=where)


def no_bucket() -> ApiError:
    """Return the 404 of a bucket."""
    return ApiError(404, "The specified bucket does not exist.")


def no_object(bucket: str, name: str) -> ApiError:
    """Return the 404 of an object."""
    return ApiError(404, f"No such object: {bucket}/{name}")


def condition_not_met(header: str) -> ApiError:
    """Return the 412 of a precondition."""
    where = {"locationType": "header", "location": header}
    text = "At least one of the pre-conditions you specified did not hold."
    return ApiError(412, text, extra=where)
