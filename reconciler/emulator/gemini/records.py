"""Declares the records of the Gemini API: tuned models, their training examples and their permissions."""

import dataclasses
import secrets
from typing import Any

from reconciler.emulator.database import Record
from reconciler.emulator.gemini.progress import Training


@dataclasses.dataclass(frozen=True, kw_only=True)
class TunedModel(Record):
    """A tuned model.

    Attributes:
        owner: the email of the caller who created it, '' if everybody is the owner.
        operation: the id of the operation that creates it.
        fields: what its creator set, under JSON names, with defaults for what was left out.
        search: the text that a filter of the list looks in.
        listed: when it appears in lists.
        readable: when it can be read.
        settled: the whole answer as text, once only an update can change it.
    """

    TABLE = "models"
    UNIQUE = ("id",)
    INDEXES = ("owner, seq",)
    id: str
    owner: str
    operation: str
    fields: dict[str, Any]
    search: str
    updated: int
    training: Training
    listed: int
    readable: int
    settled: str | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return f"tunedModels/{self.id}"

    @property
    def base(self) -> str:
        """The base model behind it, models/*."""
        return str(self.fields.get("baseModel") or self.fields["tunedModelSource"]["baseModel"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Examples(Record):
    """The training examples of a model, input and output each."""

    TABLE = "examples"
    INDEXES = ("model",)
    model: int
    pairs: list[list[str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Permission(Record):
    """A permission: one grantee's role on a model."""

    TABLE = "permissions"
    UNIQUE = ("model, id", "model, grantee, email")
    model: int
    id: str
    grantee: str
    email: str
    role: str


def make_permission_id() -> str:
    """Return a number as the service gives to the permissions of users and groups."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


def make_owner(model: TunedModel, email: str) -> Permission:
    """Return the permission of the owner of a model."""
    return Permission(model=model.seq, id=make_permission_id(), grantee="USER", email=email, role="OWNER")


RECORDS = (TunedModel, Examples, Permission)
