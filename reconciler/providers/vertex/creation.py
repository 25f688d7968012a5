"""Creates a job exactly once, at a service that takes no ids from us and accepts the same create twice.

Rule: look before every POST. After a POST with an unknown result, look for as long as lists may lag, and only
then send it again. A job is recognised by the label that holds our id. docs/manifests.md says what can still
go wrong without a lock on the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from msgspec import Struct

from reconciler import errors
from reconciler.model.names import Attributes
from reconciler.providers import Accepted, Fence
from reconciler.providers.google.exactly_once import create_once, explain_failed_look, look_until
from reconciler.providers.google.json import JsonObject, read_text
from reconciler.providers.vertex import codec, labels, names
from reconciler.providers.vertex.jobs import Jobs
from reconciler.providers.vertex.regions import Regions
from reconciler.providers.vertex.resources import JOBS


class Creation(Struct, frozen=True):
    """Sends creates; see `VertexProvider.create`."""

    regions: Regions
    jobs: Jobs
    lag_seconds: float

    def create(
        self,
        id: str,
        place: tuple[str, str],
        attributes: Attributes,
        source: Mapping[str, str],
        body: JsonObject,
        *,
        attempted: bool,
        fence: Fence,
    ) -> Accepted:
        """Create the job with one POST, unless it exists.

        Args:
            id: our id.
            place: (project, location).
            attributes: the declared fields, to compare with a job that is found.
            source: see `codec.create_body`.
            body: the TuningJob.
            attempted: an earlier run may have sent this create.
            fence: called before each sending.

        Raises:
            AlreadyExistsError, NoCapacityError: see `providers.Provider`.
            ReplyLostError: nobody knows whether it was created. The next run looks again.
        """
        project, location = place
        transport = self.regions.open_location(location)
        path = f"v1/projects/{project}/locations/{location}/{JOBS}"

        def look() -> JsonObject | None:
            return self.jobs.find_alive(self.jobs.list_labelled(id, place))

        def look_longer(failed: errors.ServiceError) -> JsonObject | None:
            with explain_failed_look(id, failed):
                return look_until(look, transport, self.lag_seconds, id)

        def send(_attempt: int) -> JsonObject | None:
            beginning = self.regions.open_to_begin(location)
            reply = beginning.call("POST", path, body=body, slow=True, queues=False, fence=fence)
            return reply if _is_ours(reply, id, location) else None

        job = look_until(look, transport, self.lag_seconds if attempted else 0.0, id)
        if job is None:
            job = create_once(send, look_longer, _refuse, id, "a tuning job")
        different = codec.find_differences(attributes, source, job)
        if different:
            raise errors.AlreadyExistsError(
                f"{read_text(job, 'name')} carries the label of {id} and is another training: "
                f"{', '.join(different)} differ",
                "Somebody set that label by hand. Give the manifest another metadata.name.",
                visible=True,
            )
        return Accepted(read_text(job, "name"), "", codec.read_steps(job), read_text(job, "createTime"))


def _is_ours(reply: JsonObject, id: str, location: str) -> bool:
    """Return whether the answer to a create is about our job: it has the right place and our label."""
    try:
        place = names.parse(read_text(reply, "name"), JOBS)
        return place.location == location and codec.read_labels(reply).get(labels.ID) == id
    except errors.ServiceError:
        return False


def _refuse(error: errors.ServiceError, _attempt: int) -> NoReturn:
    """Raise a refusal. A 429 becomes a NoCapacityError if waiting helps, so that the caller waits."""
    if not isinstance(error, errors.RateLimitedError) or error.again is None:
        raise error
    raise errors.NoCapacityError(
        error.summary,
        error.detail,
        status=error.status,
        reason=error.reason,
        again=error.again,
        named=error.named,
    ) from error
