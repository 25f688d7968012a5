"""Parses and compares resource names, before they become a URL: projects/P/locations/L/COLLECTION/ID.

We may send a project's id, and the service answers with its number. So two names mean one resource if they
are equal from the location on. The location is the resource's own: a job, its model and its endpoints may
have different ones.
"""

from __future__ import annotations

import re

from msgspec import Struct

from reconciler.errors import ServiceError

_SEGMENT = r"[A-Za-z0-9_~-][A-Za-z0-9._~:-]*"
_LOCATION = r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?"
"""It becomes part of a host's name; see `regions.find_host`."""
_NAME = re.compile(
    rf"projects/(?P<project>{_SEGMENT})/locations/(?P<location>{_LOCATION})/"
    rf"(?P<collection>[A-Za-z]+)/(?P<id>{_SEGMENT})(?:@(?P<version>[A-Za-z0-9_-]+))?"
    rf"(?P<rest>(?:/{_SEGMENT})*)"
)
_PARTS = ("location", "collection", "id", "rest")


class Name(Struct, frozen=True):
    """The parts of a resource name. `version` is a model's, "" if the name has none."""

    project: str
    location: str
    collection: str
    id: str
    version: str = ""

    @property
    def number(self) -> str:
        """The version if it is a number. "" if there is none, or an alias: that may mean any version."""
        return self.version if self.version.isdigit() else ""

    @property
    def resource(self) -> str:
        """The name without its version."""
        return f"projects/{self.project}/locations/{self.location}/{self.collection}/{self.id}"

    @property
    def key(self) -> str:
        """The part of the name that does not depend on how the project is named."""
        return f"{self.location}/{self.collection}/{self.id}"


def is_same(name: str, other: str) -> bool:
    """Return whether two names may mean the same version of a model.

    A name without a version means any, and so does an alias like "default".
    """
    if not (name and other):
        return False
    return may_be_same(parse(name, "models"), parse(other, "models"))


def may_be_same(first: Name, second: Name) -> bool:
    """Return whether two parsed names may mean the same version of a model. See `is_same`."""
    versions = {first.number, second.number} - {""}
    return first.key == second.key and len(versions) < 2


def is_answer(asked: str, found: str) -> bool:
    """Return whether `found` may mean `asked`. One may have the project's id, and the other its number."""
    wanted, other = _NAME.fullmatch(asked), _NAME.fullmatch(found)
    if wanted is None or other is None or any(wanted[part] != other[part] for part in _PARTS):
        return False
    if len({version for version in (wanted["version"], other["version"]) if (version or "").isdigit()}) == 2:
        return False
    whose = {wanted["project"], other["project"]}
    return len(whose) == 1 or len({project.isdigit() for project in whose}) == 2


def parse(name: str, collection: str = "") -> Name:
    """Take a resource name apart. ServiceError if it is not a resource name, or has another collection."""
    found = _NAME.fullmatch(name)
    if found is None or (collection and found["collection"] != collection):
        raise ServiceError(
            f"{name[:120]!r} is not the name of a resource of {collection or 'Vertex AI'}",
            f"It must be projects/P/locations/L/{collection or 'COLLECTION'}/ID. Correct it.",
        )
    return Name(found["project"], found["location"], found["collection"], found["id"], found["version"] or "")
