"""Declares the records of Vertex AI: jobs, their examples and outputs, and long-running operations.

The state of a job is computed in one place, the SQL below, for answers and filters alike. A record has the
times of future events too, and a query passes the present time as `:now`.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from reconciler.emulator.database import Record

_STATE = """CASE
    WHEN ended <= :now THEN outcome
    WHEN cancelled <= :now THEN 'JOB_STATE_CANCELLING'
    WHEN begun > :now THEN 'JOB_STATE_QUEUED'
    WHEN begun + pending > :now THEN 'JOB_STATE_PENDING'
    ELSE 'JOB_STATE_RUNNING' END"""


class Location(NamedTuple):
    """A location of a project, which is given by its number."""

    project: str
    location: str

    def write_name(self, rest: str) -> str:
        """Return the full name of a resource in it, of which *rest* is the last part."""
        return f"projects/{self.project}/locations/{self.location}/{rest}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource(Record):
    """A resource of a location: an id, the number of its project, and the location.

    EXISTS is the SQL condition under which it exists at the time `:now`.
    """

    EXISTS: ClassVar[str] = "1"
    id: str
    project: str
    location: str

    def write_name(self, rest: str) -> str:
        """Return the full name of *rest*, which is in the same location."""
        return Location(self.project, self.location).write_name(rest)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job(Resource):
    """A tuning job.

    Attributes:
        fields: what its creator set, under JSON names, with defaults for what was left out.
        begun: when it leaves the queue; it is PENDING from then on.
        pending: for how many microseconds it is PENDING; after that it is RUNNING.
        lasting: how many microseconds there are from `begun` to `ended`.
        outcome: the state in which it ends.
        cancelled: when it was asked to be cancelled, None for never.
        uncancellable: whether it goes on although it is cancelled.
        listed: when it appears in lists.
        readable: when it can be read.
        best: the id of the checkpoint that has learnt most; '' if all have learnt the same.
        stats: its TuningDataStats.
        tuned: its TunedModel, shown once it has one.
        state: its state when it was read.
    """

    TABLE = "vertex_jobs"
    UNIQUE = ("id",)
    INDEXES = ("project, ended",)
    COMPUTED: ClassVar[Mapping[str, str]] = {"state": _STATE}
    fields: dict[str, Any]
    created: int
    begun: int
    pending: int
    lasting: int
    ended: int
    outcome: str
    error: dict[str, Any] | None = None
    cancelled: int | None = None
    uncancellable: bool = False
    best: str = ""
    listed: int
    readable: int
    stats: dict[str, Any] | None = None
    tuned: dict[str, Any] | None = None
    state: str = ""

    @property
    def name(self) -> str:
        """The resource name."""
        return self.write_name(f"tuningJobs/{self.id}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples(Record):
    """The examples that a job learnt from: the prompt and the answer of each."""

    TABLE = "vertex_examples"
    INDEXES = ("job",)
    job: int
    pairs: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product(Resource):
    """Something that a job makes.

    Attributes:
        job: the number of the job, 0 for none.
        fields: what can be changed, under JSON names.
        system: what the service says of it, and its own labels.
        born: when it begins to exist, None for never.
        updated: when it was last changed.
        died: when it ceases to exist.
    """

    EXISTS = "born <= :now AND (died IS NULL OR died > :now)"
    job: int = 0
    fields: dict[str, Any]
    system: dict[str, Any]
    born: int | None
    updated: int | None = None
    died: int | None = None

    @property
    def last_changed(self) -> int:
        """The time at which it was made or last changed."""
        return max(self.updated or 0, self.born or 0)

    def make_etag(self, *more: object) -> str:
        """Return its etag; *more* is what else changes it."""
        seen = "/".join(map(str, (self.seq, self.last_changed, *more)))
        return "AMEw9y" + hashlib.blake2b(seen.encode(), digest_size=12).hexdigest()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelVersion(Product):
    """A version of a tuned model."""

    TABLE = "vertex_models"
    INDEXES = ("id, version", "job")
    version: int

    @property
    def name(self) -> str:
        """The resource name, with the version."""
        return self.write_name(f"models/{self.id}@{self.version}")

    @property
    def aliases(self) -> list[str]:
        """The other names that this version was given."""
        return list(self.fields.get("versionAliases", []))

    @property
    def checkpoint_ids(self) -> list[str]:
        """The ids of its checkpoints, the last one being the default."""
        return [checkpoint["checkpointId"] for checkpoint in self.system["checkpoints"]]

    @property
    def knowledge(self) -> dict[str, Any]:
        """What a deployment needs to answer: the base model, the number of the job, the best checkpoint."""
        best = self.system.get("best", "")
        return {"base": self.system["base"], "job": self.system.get("job", self.job), "best": best}

    @property
    def default_checkpoint(self) -> str:
        """The id of the checkpoint that is deployed if no other is asked for; '' without checkpoints."""
        return str(self.fields.get("defaultCheckpointId", ["", *self.checkpoint_ids][-1]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Endpoint(Product):
    """An endpoint. What is deployed to it, and the split of its traffic, are records of their own."""

    TABLE = "vertex_endpoints"
    INDEXES = ("id", "job")
    UPGRADE = """
        INSERT INTO vertex_deployments
            (seq, id, project, location, job, fields, system, born, died, endpoint, model, checkpoint)
            SELECT seq, deployed, project, location, job,
                json_object('displayName', json_extract(fields, '$.displayName')), system, born, undeployed,
                seq, 'projects/' || project || '/locations/' || location || '/models/' || model || '@' ||
                version, checkpoint
            FROM former_vertex_endpoints WHERE deployed != '';
        INSERT INTO vertex_splits (endpoint, job, shares, born)
            SELECT seq, job, json_object(deployed, 100), born
            FROM former_vertex_endpoints WHERE deployed != '';
        INSERT INTO vertex_splits (endpoint, job, shares, born)
            SELECT seq, job, '{}', undeployed
            FROM former_vertex_endpoints WHERE deployed != '' AND undeployed IS NOT NULL;
        UPDATE vertex_operations SET effect = json_object('died', json_object(
            'vertex_deployments', json_extract(effect, '$.undeployed.vertex_endpoints')))
            WHERE verb = 'undeploy'
    """

    @property
    def name(self) -> str:
        """The resource name."""
        return self.write_name(f"endpoints/{self.id}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deployment(Product):
    """A model that is deployed to an endpoint, which is in the same location. Its id is the DeployedModel's.

    Attributes:
        endpoint: the number of the endpoint.
        model: the resource name of the model, with the version.
        checkpoint: the id of its checkpoint.
    """

    TABLE = "vertex_deployments"
    INDEXES = ("endpoint", "model", "job")
    endpoint: int
    model: str
    checkpoint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split(Record):
    """How the traffic of an endpoint is split from a time on, until a later split.

    Attributes:
        endpoint: the number of the endpoint.
        job: the number of the job that makes the endpoint, 0 for none.
        shares: the percentage of each deployed model, by its id.
        born: from when on, None for never.
    """

    TABLE = "vertex_splits"
    INDEXES = ("endpoint, born", "job")
    endpoint: int
    job: int = 0
    shares: dict[str, int]
    born: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation(Resource):
    """A long-running operation.

    Attributes:
        parent: what its name begins with, such as "models/1", or nothing.
        target: what it works on, such as "endpoints/2".
        verb: "create", "delete", "deploy", "undeploy", "mutate" or "copy".
        effect: by column, the rows of each table where its end is written; taken back when it is cancelled.
        response: what it answers at its end, None for an empty message.
    """

    TABLE = "vertex_operations"
    UNIQUE = ("id",)
    parent: str
    target: str
    verb: str
    effect: dict[str, Any]
    created: int
    ended: int
    error: dict[str, Any] | None = None
    response: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return self.write_name(f"{f'{self.parent}/' if self.parent else ''}operations/{self.id}")


RECORDS = (Job, Examples, ModelVersion, Endpoint, Deployment, Split, Operation)
