"""Which job trains when: a project trains so many at once, and the others wait in order.

Nothing runs. It is known when jobs end, so it is known when each waiting job begins. That is worked out again
whenever a job comes or is cancelled.
"""

import heapq

from reconciler.emulator.call import Call
from reconciler.emulator.vertex.records import Endpoint, Job, ModelVersion

_IS_UNFINISHED = "project = :project AND ended > :now"


def is_full(call: Call, project: str) -> bool:
    """Whether a job that is created now would have to wait."""
    jobs = call.database.count(Job, _IS_UNFINISHED, project=project, now=call.now)
    return jobs >= call.settings.vertex_concurrent_jobs


def reschedule(call: Call, project: str) -> None:
    """Let the waiting jobs of a project begin as soon as there is room for them."""
    jobs = call.database.execute(
        "SELECT seq, begun, lasting, ended, cancelled FROM vertex_jobs"  # noqa: S608
        f" WHERE {_IS_UNFINISHED} ORDER BY seq",
        project=project,
        now=call.now,
    )
    waiting = [job for job in jobs if job[1] >= call.now and job[4] is None]
    ends = [ended for _, begun, _, ended, cancelled in jobs if begun < call.now or cancelled is not None]
    heapq.heapify(ends)
    for seq, planned, lasting, _, _ in waiting:
        begun = call.now
        while len(ends) >= call.settings.vertex_concurrent_jobs:
            begun = heapq.heappop(ends)
        heapq.heappush(ends, begun + lasting)
        if begun != planned:
            query = "UPDATE vertex_jobs SET begun = :begun, ended = :ended WHERE seq = :job"
            call.database.execute(query, begun=begun, ended=begun + lasting, job=seq)
            set_birth(call, seq, begun + lasting)


def set_birth(call: Call, job: int, time: int | None) -> None:
    """Write when what a job makes begins to exist: None for never, which stays so."""
    for kind in (ModelVersion, Endpoint):
        query = f"UPDATE {kind.TABLE} SET born = :time WHERE job = :job AND born IS NOT NULL"  # noqa: S608
        call.database.execute(query, time=time, job=job)
