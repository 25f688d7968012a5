"""The quota of jobs and long-running operations that a project may begin within a minute."""

from reconciler.emulator.call import Call
from reconciler.emulator.clock import SECOND
from reconciler.emulator.errors import ApiError
from reconciler.emulator.vertex import lookup
from reconciler.emulator.vertex.records import Job, Operation

_WINDOW = 60 * SECOND


def check_submission(call: Call) -> None:
    """Raise a 429 if a job or an operation that begins now is one too many in its project and location.

    The documents name the limit, but neither the metric nor the text; both are assumptions.
    """
    most = call.settings.vertex_submissions_per_minute
    if not most:
        return
    here = lookup.read_location(call)._asdict()
    where = "project = :project AND location = :location AND created > :since"
    since = call.now - _WINDOW
    begun = sum(call.database.count(kind, where, since=since, **here) for kind in (Job, Operation))
    if begun >= most:
        raise ApiError(
            429,
            "Quota exceeded for aiplatform.googleapis.com/job_lro_submission_requests. Please submit a quota "
            "increase request. https://cloud.google.com/vertex-ai/docs/quotas",
        )
