"""Creates a job exactly once, at a service that takes no id from us and accepts the same create twice.

Rule: look before every POST; after a POST whose fate is unknown, look until a list cannot lag any more, and
only then send it again. A job is known by the label that carries our id. What remains possible without a
lock on the state is told in docs/manifests.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.errors import (
    AlreadyExistsError,
    CredentialError,
    NoCapacityError,
    RateLimitedError,
    ReplyLostError,
    ServiceError,
    StoppedError,
    UnavailableError,
)
from reconciler.model import Attributes
from reconciler.providers import Accepted, Fence
from reconciler.providers.google.json import JsonObject, read_text
from reconciler.providers.google.lookup import explain_not_understood, explain_unknown, look_until
from reconciler.providers.vertex import codec, labels, names
from reconciler.providers.vertex.jobs import JOBS, Jobs
from reconciler.providers.vertex.regions import Regions

_ATTEMPTS = 4


class Creation:
    """Sends creates; see `VertexProvider.create`."""

    def __init__(self, regions: Regions, jobs: Jobs, lag_seconds: float) -> None:
        self._regions = regions
        self._jobs = jobs
        self._lag_seconds = lag_seconds

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
        """POST once.

        Args:
            id: ours.
            place: (project, location).
            attributes: as declared, to tell whether a job that is found is the one.
            source: as in `codec.create_body`.
            body: the TuningJob.
            attempted: an earlier run may have sent it.
            fence: asked before each sending.

        Raises:
            AlreadyExistsError, NoCapacityError: see `providers.Provider`.
            ReplyLostError: whether it was created could not be found out; the next run looks.
        """
        project, location = place
        transport = self._regions.open_location(location)
        path = f"v1/projects/{project}/locations/{location}/{JOBS}"
        found = self._look_longer(id, place) if attempted else self._look(id, place)
        attempt = 1
        while found is None:
            try:
                reply = transport.call("POST", path, body=body, slow=True, queues=False, fence=fence)
                if _is_ours(reply, id, location):
                    return _read_accepted(reply)
                failed: ServiceError = explain_not_understood(id, "tuning job")
            except ReplyLostError as error:
                failed = error
            except RateLimitedError as error:
                raise _explain_no_room(error) from error
            except UnavailableError as error:
                if error.status is None and (attempt == 1 or isinstance(error, StoppedError)):
                    raise  # no connection: nothing was sent
                failed = error
            found = self._look_after_failure(id, place, failed)
            if found is None and attempt == _ATTEMPTS:
                raise failed
            attempt += 1
        different = codec.find_differences(attributes, source, found)
        if different:
            raise AlreadyExistsError(
                f"{read_text(found, 'name')} carries the label of {id} and is another training: "
                f"{', '.join(different)} differ",
                "Somebody set that label by hand. Give the manifest another metadata.name.",
                visible=True,
            )
        return _read_accepted(found)

    def _look(self, id: str, place: tuple[str, str]) -> JsonObject | None:
        return self._jobs.find_alive(self._jobs.list_labelled(id, place))

    def _look_longer(self, id: str, place: tuple[str, str]) -> JsonObject | None:
        """Look again and again, until it is there or the list can no longer lag behind."""
        transport = self._regions.open_location(place[1])
        return look_until(lambda: self._look(id, place), transport, self._lag_seconds, id)

    def _look_after_failure(self, id: str, place: tuple[str, str], failed: ServiceError) -> JsonObject | None:
        try:
            return self._look_longer(id, place)
        except StoppedError:
            raise
        except (ServiceError, CredentialError) as error:
            raise explain_unknown(id, failed, error) from failed


def _is_ours(reply: JsonObject, id: str, location: str) -> bool:
    """Whether a create was answered with the job that was asked for: by its place and our label."""
    try:
        place = names.parse(read_text(reply, "name"), JOBS)
        return place.location == location and codec.read_labels(reply).get(labels.ID) == id
    except ServiceError:
        return False


def _read_accepted(job: JsonObject) -> Accepted:
    return Accepted(read_text(job, "name"), "", codec.read_steps(job), read_text(job, "createTime"))


def _explain_no_room(error: RateLimitedError) -> RateLimitedError:
    """Turn a 429 into NoCapacityError, which the caller waits out, unless waiting does not help."""
    if error.again is None:
        return error
    return NoCapacityError(
        error.summary,
        error.detail,
        status=error.status,
        reason=error.reason,
        again=error.again,
        named=error.named,
    )
