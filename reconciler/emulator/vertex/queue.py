"""Who trains when: a project trains so many jobs at once, the others wait in order.

Nothing runs. When jobs end is known, so the moment at which each waiting job begins is known too: it
is worked out anew whenever a job comes or is cancelled.
"""

import heapq

from reconciler.emulator.vertex.records import Job, Records

# In these a job has made its model.
WITH_MODEL = ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED")


def is_full(records: Records, project: str, now: int, most: int) -> bool:
    """Whether a job that comes now would have to wait."""
    where = "project = :project AND ended > :now"
    return records.count(Job, where, project=project, now=now) >= most


def reschedule(records: Records, project: str, now: int, most: int) -> None:
    """Let the project's waiting jobs begin as soon as there is room."""
    jobs = records.unfinished(project, now)
    waiting = [job for job in jobs if job[1] >= now and job[4] is None]
    ends = [ended for _, begun, _, ended, cancelled in jobs if begun < now or cancelled is not None]
    heapq.heapify(ends)
    for seq, planned, lasting, _, _ in waiting:
        begun = now
        while len(ends) >= most:
            begun = heapq.heappop(ends)
        heapq.heappush(ends, begun + lasting)
        if begun != planned:
            records.begin(seq, begun)
